"""A halt holds for every machine of the state until a person says so; in doubt, the loop is halted."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adce_assets.errors import HaltedError, LakeError
from adce_assets.lake.store import open_store
from adce_assets.loop.state import State
from adce_assets.operate import halting
from adce_assets.operate.halting import HALT, LOOK_S, UNREADABLE, Watch

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(open_store(tmp_path.as_uri()))


def halt(state: State, reason: str = "inward", *, minutes: int = 0) -> halting.Halt:
    return halting.halt(state, reason, "it leads to 169.254.169.254", at=NOON + timedelta(minutes=minutes), by="run 1")


def test_a_loop_that_nobody_has_halted_is_not(state: State) -> None:
    assert halting.halted(state) is None
    assert halting.resume(state, by="ann", note="x", at=NOON) is None
    assert list(state.store.list()) == []
    halting.refuse_while_halted(state)


def test_a_halt_says_why_since_when_and_what_to_do(state: State) -> None:
    halt(state)
    found = halting.halted(state)
    assert found is not None
    assert (found.reason, found.at, found.by) == ("inward", NOON, "run 1")
    with pytest.raises(HaltedError, match=r"2025-01-15 12:00 UTC.*169.254.169.254(.|\n)*adce resume") as refused:
        halting.refuse_while_halted(state)
    assert refused.value.exit_code == 4


def test_the_first_reason_stands(state: State) -> None:
    halt(state)
    assert halt(state, "ledger_broken", minutes=5).reason == "inward"
    assert halting.halted(state) == halt(state, minutes=9)


def test_a_person_lets_it_go_on_and_another_violation_halts_it_again(state: State, tmp_path: Path) -> None:
    halt(state)
    before = halting.resume(state, by="ann", note="the mirror moved", at=NOON + timedelta(hours=1))
    assert before is not None
    assert before.reason == "inward"
    assert halting.halted(state) is None
    kept = json.loads((tmp_path / HALT).read_text())["resumed"]
    assert (kept["by"], kept["note"]) == ("ann", "the mirror moved")
    halt(state, "ledger_broken")
    assert str(halting.halted(state)).startswith("halted since 2025-01-15 12:00 UTC (ledger_broken)")


def test_nobody_lets_the_loop_go_on_after_a_halt_that_he_has_not_seen(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    halt(state)
    looked = halting.halted

    def and_then_others_are_faster(there: State) -> halting.Halt | None:
        found = looked(there)
        monkeypatch.undo()
        halting.resume(there, by="bob", note="the mirror moved", at=NOON)
        halt(there, "ledger_broken")
        return found

    monkeypatch.setattr(halting, "halted", and_then_others_are_faster)
    with pytest.raises(HaltedError, match=r"another halt stands(.|\n)*ledger_broken"):
        halting.resume(state, by="ann", note="x", at=NOON)
    standing = halting.halted(state)
    assert standing is not None
    assert standing.reason == "ledger_broken"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 2, "halt": null}', '{"schema": 1, "halt": null, "x": 1}'])
def test_a_file_that_nobody_can_read_holds_the_loop(state: State, tmp_path: Path, text: str) -> None:
    (tmp_path / HALT).write_text(text)
    found = halting.halted(state)
    assert found is not None
    assert found.reason == UNREADABLE
    halting.resume(state, by="ann", note="looked at it", at=NOON)
    assert halting.halted(state) is None


def test_machines_that_halt_together_agree_on_one_reason(state: State) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: halt(state, f"reason-{number}").reason, range(8)))
    standing = halting.halted(state)
    assert standing is not None
    assert set(found) == {standing.reason}


def test_a_run_that_works_looks_now_and_then(state: State) -> None:
    seconds = [0.0]
    watch = Watch(state, monotonic=lambda: seconds[0])
    assert watch() is None
    halt(state)
    assert watch() is None, "it has looked a moment ago"
    seconds[0] += LOOK_S
    found = watch()
    assert found is not None
    halting.resume(state, by="ann", note="x", at=NOON)
    seconds[0] += LOOK_S
    assert watch() == found, "what has begun to end ends"


def test_a_state_that_cannot_be_read_ends_no_run(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> bytes:
        raise LakeError("it is away")

    halt(state)
    monkeypatch.setattr(state.store, "get", away)
    assert Watch(state)() is None
    with pytest.raises(LakeError):
        halting.halted(state)


def test_a_state_that_is_slow_holds_one_lane_of_a_run_alone(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answers = threading.Event(), threading.Event()
    read = state.store.get

    def slow(key: str) -> bytes:
        asked.set()
        assert answers.wait(30)
        return read(key)

    halt(state)
    monkeypatch.setattr(state.store, "get", slow)
    watch = Watch(state)
    lane = threading.Thread(target=watch)
    lane.start()
    assert asked.wait(30)
    assert watch() is None, "another lane is looking"
    answers.set()
    lane.join()
    assert watch() is not None
