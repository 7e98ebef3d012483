"""Two machines may start the same run: neither ends it while the other works on a part of its keys."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from adce_assets.ledger.book import Ledger, open_ledger
from adce_assets.ledger.runs import release_over
from adce_assets.scrapers.recording import Recorder
from adce_assets_tests.scrapers.conftest import NOON
from adce_assets_tests.scrapers.test_recording import HOUR, RULES, recorder, states, wishes


@pytest.fixture
def ledger(tmp_path: Any) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    yield opened
    opened.dispose()


class Half(threading.Thread):
    """A process of `run-1` that asks for keys, gets what is left of them, and has nothing to do but to end."""

    def __init__(self, ledger: Ledger, *names: str, now: list[Any] | None = None) -> None:
        super().__init__()
        self.recorder = Recorder(ledger, "run-1", lambda: (now or [NOON])[0], HOUR, RULES, beat_s=0.005)
        self.names = names
        self.got: frozenset[str] = frozenset()
        self.has_asked = threading.Event()

    def run(self) -> None:
        with self.recorder:
            self.got = self.recorder.claim(wishes(*self.names)).keys
            self.has_asked.set()

    def begin(self) -> "Half":
        self.start()
        assert self.has_asked.wait(10)
        return self

    def goes_on(self) -> bool:
        self.join(0.03)  # several looks at the ledger
        return self.is_alive()

    def ends(self) -> bool:
        self.join(10)
        return not self.is_alive()


def test_a_run_does_not_end_while_its_other_half_works(ledger: Ledger):
    first = recorder(ledger)
    first.claim(wishes("x"))
    second = Half(ledger, "x", "y").begin()
    assert (second.got, second.goes_on()) == ({"things/y"}, True)
    assert states(ledger) == {"x": "leased", "y": "detected"}
    first.close()
    assert second.ends()


def test_a_run_does_not_wait_for_a_half_that_is_dead(ledger: Ledger):
    now = [NOON]
    recorder(ledger).claim(wishes("x"))
    second = Half(ledger, "x", now=now).begin()
    assert second.goes_on()
    now[0] = NOON + HOUR
    assert second.ends()


def test_a_run_does_not_wait_for_other_runs(ledger: Ledger):
    recorder(ledger, "run-2").claim(wishes("x"))
    assert Half(ledger, "x").begin().ends()


def test_a_run_that_is_interrupted_waits_for_nobody(ledger: Ledger):
    recorder(ledger).claim(wishes("x"))
    second = recorder(ledger)
    with pytest.raises(KeyboardInterrupt):
        interrupted(second)
    assert states(ledger) == {"x": "leased"}


def interrupted(recording: Recorder) -> None:
    with recording:
        assert recording.claim(wishes("x")).keys == frozenset()
        raise KeyboardInterrupt


def test_a_lease_that_was_renewed_meanwhile_is_not_given_back(ledger: Ledger):
    first = recorder(ledger)
    first.claim(wishes("x", "y"))

    def is_over(run: str) -> bool:
        ledger.claim(wishes("x"), run=run, until=NOON + 2 * HOUR, now=NOON, renew=True)
        return True

    assert release_over(ledger, is_over, NOON + timedelta(minutes=1)) == {"run-1": 1}
    assert states(ledger) == {"x": "leased", "y": "detected"}
