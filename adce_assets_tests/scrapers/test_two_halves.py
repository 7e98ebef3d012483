"""Two machines may start the same run: neither ends it while the other works on a part of its keys."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from adce_assets.errors import HostClosedError, LedgerError
from adce_assets.ledger.book import Ledger, open_ledger
from adce_assets.ledger.runs import release_over
from adce_assets.scrapers.interface import Failed, Wanted
from adce_assets.scrapers.recording import PATIENCE_S, Recorder
from adce_assets.scrapers.stopping import Stop
from adce_assets_tests.scrapers.conftest import NOON
from adce_assets_tests.scrapers.test_recording import CELL, HOUR, RULES, recorder, states, wishes


@pytest.fixture
def ledger(tmp_path: Any) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    yield opened
    opened.dispose()


class Half(threading.Thread):
    """A process of `run-1` that asks for keys, gets what is left of them, and ends when it is told to, or at once."""

    def __init__(self, ledger: Ledger, *names: str, works: bool = False) -> None:
        super().__init__(daemon=True)
        self.seconds = 0.0
        self.stop = Stop(threading.Event(), clock=lambda: self.seconds)
        self.recorder = Recorder(ledger, "run-1", lambda: NOON, HOUR, RULES, beat_s=0.005, stop=self.stop)
        self.names = names
        self.got: frozenset[str] = frozenset()
        self.has_asked, self.has_done_its_part = threading.Event(), threading.Event()
        self.fault: BaseException | None = None
        if not works:
            self.has_done_its_part.set()

    def run(self) -> None:
        try:
            with self.recorder:
                self.got = self.recorder.claim(wishes(*self.names)).keys
                self.has_asked.set()
                assert self.has_done_its_part.wait(10)
        except LedgerError as error:
            self.fault = error

    def begin(self) -> "Half":
        self.start()
        assert self.has_asked.wait(10)
        return self

    def goes_on(self) -> bool:
        self.join(0.03)  # several looks at the ledger
        return self.is_alive()

    def ends(self) -> bool:
        self.join(10)
        return not self.is_alive() and self.fault is None


def test_a_run_does_not_end_while_its_other_half_works(ledger: Ledger):
    first = recorder(ledger)
    first.claim(wishes("x"))
    second = Half(ledger, "x", "y").begin()
    assert (second.got, second.goes_on()) == ({"things/y"}, True)
    assert states(ledger) == {"x": "leased", "y": "detected"}
    first.close()
    assert second.ends()


@pytest.mark.parametrize("by", ["another run", "the run itself"])
def test_a_run_does_not_end_while_its_other_half_works_on_what_was_given_back(ledger: Ledger, by: str):
    before = recorder(ledger, "run-2" if by == "another run" else "run-1")
    if by == "another run":
        before.claim(wishes("x"))
    first = Half(ledger, "x", "y", works=True).begin()
    if by == "another run":
        before.close()
    else:
        first.recorder.settle(Failed(Wanted("things/x", *CELL, {}, None), HostClosedError("closed"), "url"))
        first.recorder.write()
    second = recorder(ledger)
    assert second.claim(wishes("x")).keys == {"things/x"}
    first.has_done_its_part.set()
    assert first.goes_on()
    second.close()
    assert first.ends()


def test_a_run_that_waits_for_its_other_half_obeys_who_stops_it(ledger: Ledger):
    recorder(ledger).claim(wishes("x"))
    second = Half(ledger, "x").begin()
    assert second.goes_on()
    second.stop.flag.set()
    assert second.ends()


def test_a_run_does_not_wait_for_a_half_that_is_dead(ledger: Ledger, caplog: pytest.LogCaptureFixture):
    recorder(ledger).claim(wishes("x"))
    second = Half(ledger, "x").begin()
    second.seconds = PATIENCE_S - 1
    assert second.goes_on()
    second.seconds = 2 * PATIENCE_S
    assert second.ends()
    assert "says nothing of 1 key(s) any more" in caplog.text


def test_a_run_waits_for_as_long_as_its_other_half_comes_on(ledger: Ledger):
    first = recorder(ledger)
    first.claim(wishes("x", "y"))
    second = Half(ledger, "x").begin()
    for _ in range(8):
        ledger.claim(wishes("x"), run="run-1", until=NOON + HOUR, now=NOON, renew=True)
        assert second.goes_on()
        second.seconds += PATIENCE_S / 4
    first.close()
    assert second.ends()


def test_a_ledger_that_is_away_does_not_fail_a_run_that_waits(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    first = recorder(ledger)
    first.claim(wishes("x"))
    second = Half(ledger, "x").begin()
    assert second.goes_on()
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "states", _away)
        assert second.goes_on()
    assert second.goes_on()
    first.close()
    assert second.ends()
    assert "it is away" in caplog.text


def _away(*_: Any, **__: Any) -> None:
    raise LedgerError("it is away")


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
