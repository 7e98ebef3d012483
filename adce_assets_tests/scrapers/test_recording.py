"""What the ledger says of a run: whose the keys are, what came of each, and what is given back at its end."""

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from adce_assets.configuration import ReconciliationConfig
from adce_assets.errors import HostClosedError, LakeError, LedgerError, RunEndsError
from adce_assets.fetch.outcomes import Class
from adce_assets.lake.file_store import FileStore
from adce_assets.ledger import policy
from adce_assets.ledger.book import Ledger, open_ledger
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.transitions import Event
from adce_assets.scrapers.interface import Failed, Wanted
from adce_assets.scrapers.recording import Recorder
from adce_assets_tests.scrapers.conftest import NOON, SmallSource
from adce_assets_tests.scrapers.every_scraper import JSON, NOTHING, Sent

RULES = policy.Rules.of(ReconciliationConfig())
CELL = ("some", "things", "2024-25")
HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(tmp_path: Any) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    yield opened
    opened.dispose()


def recorder(ledger: Ledger, run: str = "run-1", *, at: datetime = NOON, lease: timedelta = HOUR) -> Recorder:
    return Recorder(ledger, run, lambda: at, lease, RULES, chance=lambda: 0.5)


def wishes(*names: str) -> list[Wish]:
    return [Wish(f"things/{name}", *CELL, "task-1") for name in names]


def states(ledger: Ledger) -> dict[str, str]:
    return {state.key.removeprefix("things/"): state.state.value for state in ledger.states()}


def events(ledger: Ledger, name: str) -> list[str]:
    return [entry.event for entry in ledger.entries(f"things/{name}")]


def good(path: str, _query: dict[str, str]) -> Sent:
    return (200, JSON, b'{"a": 1}') if path != "/gone" else NOTHING


def collected(small: SmallSource, recording: Recorder, *names: str, **how: Any) -> Any:
    entry = how.pop("entry", None) or small.entry()
    with recording:
        got = recording.claim(wishes(*names)).keys
        wanted = [small.wanted(name) for name in names if f"things/{name}" in got]
        return small.collect(entry, how.pop("answer", good), *wanted, recorder=recording, **how)


@pytest.mark.parametrize("at_once", [1, 3])
def test_every_step_of_a_key_stands_in_the_ledger_with_its_facts(
    small_source: SmallSource, ledger: Ledger, at_once: int
):
    collected(small_source, recorder(ledger), "x", "y", at_once=at_once)
    assert states(ledger) == {"x": "promoted", "y": "promoted"}
    assert events(ledger, "x") == ["detected", "leased", "fetched", "staged", "audited", "promoted"]
    there = small_source.lake.head("things/x")
    last = ledger.state("things/x")
    assert there is not None
    assert last is not None
    assert {name: last.detail[name] for name in ("etag", "size", "url")} == {
        "etag": there.etag,
        "size": there.size,
        "url": f"{small_source.source.url}/x",
    }
    assert (last.run, last.task, last.lease_until) == ("run-1", "task-1", None)


def test_what_lies_in_the_lake_already_is_promoted_without_a_fetch(small_source: SmallSource, ledger: Ledger):
    small_source.lake.put("things/x", b'{"a": 2}')
    collected(small_source, recorder(ledger), "x")
    assert events(ledger, "x") == ["detected", "leased", "promoted"]
    last = ledger.state("things/x")
    assert last is not None
    assert (last.detail["already_there"], last.detail["url"]) == (True, "")


def test_a_permanent_failure_is_a_dead_letter_at_once(small_source: SmallSource, ledger: Ledger):
    collected(small_source, recorder(ledger), "gone", "x")
    assert states(ledger) == {"gone": "dead_lettered", "x": "promoted"}
    failed, dead = ledger.entries("things/gone")[-2:]
    assert (failed.event, failed.detail["class"], failed.detail["failures"]) == ("failed", "gone", 1)
    assert failed.detail["url"] == f"{small_source.source.url}/gone"
    assert dead.detail["why"] == "permanent: gone"


def test_a_failure_that_may_pass_waits_for_its_next_try(small_source: SmallSource, ledger: Ledger):
    collected(small_source, recorder(ledger), "x", answer=lambda *_: (200, JSON, b"{"))
    last = ledger.state("things/x")
    assert last is not None
    assert (last.state, last.failures, last.next_at) == ("failed", 1, NOON + timedelta(minutes=15))
    got = recorder(ledger, "run-2").claim(wishes("x", "y"))
    assert (got.keys, got.left[0].to, got.left[0].until) == ({"things/y"}, "the next try", NOON + timedelta(minutes=15))


def test_the_third_answer_in_three_days_that_there_is_nothing_is_a_tombstone(small_source: SmallSource, ledger: Ledger):
    for day in range(3):
        entry = small_source.entry(absent_statuses=[404])
        small_source.now = at = NOON + timedelta(days=2 * day)
        collected(small_source, recorder(ledger, f"run-{day}", at=at), "gone", entry=entry)
    assert states(ledger) == {"gone": "tombstoned"}
    assert [event for event in events(ledger, "gone") if event in {"failed", "tombstoned"}] == ["failed"] * 3 + [
        "tombstoned"
    ]
    (left,) = recorder(ledger, "run-9").claim(wishes("gone")).left
    assert (left.to, left.keys) == ("nobody: known unavailable", 1)


def settled(recording: Recorder, error: Any, url: str = "http://there/x") -> None:
    wanted = Wanted("things/x", *CELL, {}, None)
    recording.claim(wishes("x"))
    recording.settle(Failed(wanted, error, url))
    recording.write()
    recording.close()


@pytest.mark.parametrize("error", [HostClosedError("closed"), RunEndsError("the run ends")], ids=["closed", "ending"])
def test_a_host_that_nobody_may_ask_is_no_failure_of_the_key(ledger: Ledger, error: Any):
    settled(recorder(ledger), error)
    state = ledger.state("things/x")
    assert state is not None
    assert (state.state, state.failures, state.next_at) == ("detected", 0, None)
    assert events(ledger, "x") == ["detected", "leased", "released"]


@pytest.mark.parametrize("kind", Class)
def test_every_class_of_failure_has_an_end_that_the_ledger_takes(ledger: Ledger, kind: Class):
    from adce_assets.fetch.outcomes import OUTCOMES

    errors = [error for error, of in OUTCOMES if of is kind and not issubclass(error, HostClosedError)]
    for error in errors or []:
        settled(recorder(ledger), error("so it was"))
    if errors:
        assert states(ledger)["x"] == ("dead_lettered" if kind.permanent else "failed")


def test_two_runs_never_work_on_the_same_key(ledger: Ledger):
    first, second = recorder(ledger, "run-1"), recorder(ledger, "run-2")
    assert first.claim(wishes("x", "y")).keys == {"things/x", "things/y"}
    got = second.claim(wishes("x", "y", "z"))
    assert got.keys == {"things/z"}
    assert [(left.to, left.keys, left.until) for left in got.left] == [("run run-1", 2, NOON + HOUR)]


def test_what_a_run_leaves_is_given_back_when_it_is_stopped(small_source: SmallSource, ledger: Ledger):
    asked: list[str] = []

    def answer(path: str, _query: dict[str, str]) -> Sent:
        asked.append(path)
        return 200, JSON, b'{"a": 1}'

    names = [f"n{number}" for number in range(20)]
    report = collected(small_source, recorder(ledger), *names, answer=answer, stop=lambda: len(asked) >= 3)
    told = report.data_sets["some/things"]
    assert (told.written, told.given_back) == (3, 17)
    assert sorted(states(ledger).values()) == ["detected"] * 17 + ["promoted"] * 3
    assert recorder(ledger, "run-2").claim(wishes(*names)).keys == {f"things/{name}" for name in names[3:]}


@pytest.mark.parametrize("at_once", [1, 2])
def test_what_an_interrupted_run_has_promoted_is_kept_and_the_rest_given_back(
    small_source: SmallSource, ledger: Ledger, at_once: int
):
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    names = [f"n{number}" for number in range(12)]
    with pytest.raises(KeyboardInterrupt):
        collected(small_source, recorder(ledger), *names, progress=interrupt, at_once=at_once)
    found = states(ledger)
    promoted = {f"things/{name}" for name, state in found.items() if state == "promoted"}
    assert promoted == set(small_source.data())
    assert {*found.values()} <= {"promoted", "detected"}


def test_what_has_no_receipt_is_not_promoted_in_the_ledger(
    small_source: SmallSource, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    whole = FileStore.put_if_absent

    def full(store: FileStore, key: str, body: Any) -> str:
        if key.startswith("_adce/receipts/"):
            raise LakeError("the disk is full")
        return whole(store, key, body)

    monkeypatch.setattr(FileStore, "put_if_absent", full)
    with pytest.raises(LakeError, match="the disk is full"):
        collected(small_source, recorder(ledger), "x")
    assert states(ledger) == {"x": "detected"}
    monkeypatch.undo()
    collected(small_source, recorder(ledger, "run-2"), "x")
    assert states(ledger) == {"x": "promoted"}


def test_a_run_that_works_for_long_keeps_its_keys(ledger: Ledger):
    now = [NOON]
    recording = Recorder(ledger, "run-1", lambda: now[0], HOUR, RULES)
    recording.claim(wishes("x", "y"))
    now[0] = NOON + timedelta(minutes=40)
    recording.settle(Failed(Wanted("things/x", *CELL, {}, None), HostClosedError("closed"), "url"))
    assert recording.is_due
    recording.write()
    now[0] = NOON + timedelta(minutes=80)
    assert recorder(ledger, "run-2", at=now[0]).claim(wishes("x", "y")).keys == {"things/x"}


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_run_keeps_its_keys_while_nothing_comes_to_an_end(small_source: SmallSource, ledger: Ledger, at_once: int):
    now = [NOON]
    recording = Recorder(ledger, "run-1", lambda: now[0], HOUR, RULES, beat_s=0.005)
    others: list[Any] = []

    def answer(*_: Any) -> Sent:
        for minutes in (40, 80, 120):
            now[0] = NOON + timedelta(minutes=minutes)
            assert wait_until(lambda: lease_of_x() > now[0] + HOUR / 2)
            others.append(recorder(ledger, "run-2", at=now[0]).claim(wishes("x")).keys)
        return 200, JSON, b'{"a": 1}'

    def lease_of_x() -> datetime:
        state = ledger.state("things/x")
        assert state is not None
        assert state.lease_until is not None
        return state.lease_until

    collected(small_source, recording, "x", answer=answer, at_once=at_once)
    assert others == [frozenset()] * 3
    assert states(ledger) == {"x": "promoted"}


def wait_until(holds: Callable[[], bool]) -> bool:
    """Wait for what another thread does; ten seconds are never needed."""
    looks = (holds() or threading.Event().wait(0.005) for _ in range(2_000))
    return any(looks)


def test_a_database_that_is_away_for_a_while_costs_a_run_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    now = [NOON]
    whole, tries = Ledger.claim, []

    def away(self: Ledger, *wishes: Any, **how: Any) -> list[str]:
        tries.append(how)
        if len(tries) in {2, 3}:
            raise LedgerError("it is away")
        return whole(self, *wishes, **how)

    monkeypatch.setattr(Ledger, "claim", away)
    with Recorder(ledger, "run-1", lambda: now[0], HOUR, RULES, beat_s=0.005) as recording:
        recording.claim(wishes("x"))
        now[0] = NOON + timedelta(minutes=40)
        assert wait_until(lambda: recording.until == now[0] + HOUR)
        assert wait_until(lambda: [*events(ledger, "x")].count("leased") == 2)
    assert caplog.text.count("it is away") == 2


def test_a_run_that_has_ended_asks_for_no_more_time(ledger: Ledger):
    now = [NOON]
    with Recorder(ledger, "run-1", lambda: now[0], HOUR, RULES, beat_s=0.001) as recording:
        recording.claim(wishes("x"))
    now[0] = NOON + HOUR
    recording.renew()
    assert events(ledger, "x") == ["detected", "leased", "released"]
    assert not [thread for thread in threading.enumerate() if thread.name == "lease"]


def test_a_run_whose_lease_was_taken_says_nothing_more(ledger: Ledger, caplog: pytest.LogCaptureFixture):
    first = recorder(ledger, lease=timedelta(minutes=1))
    first.claim(wishes("x"))
    assert recorder(ledger, "run-2", at=NOON + HOUR).claim(wishes("x")).keys == {"things/x"}
    first.settle(Failed(Wanted("things/x", *CELL, {}, None), LakeError("late"), "url"))
    with caplog.at_level(logging.WARNING):
        first.write()
    assert "1 entries were refused" in caplog.text
    state = ledger.state("things/x")
    assert state is not None
    assert (state.state, state.run) == ("leased", "run-2")


def test_a_person_may_open_again_what_is_settled(ledger: Ledger):
    happened = [Event.DETECTED, Event.LEASED, Event.FAILED, Event.DEAD_LETTERED]
    until = {"until": (NOON + HOUR).isoformat()}
    ledger.append(
        Transition("things/x", event, *CELL, NOON, "run-0", "", until if event is Event.LEASED else {})
        for event in happened
    )
    (left,) = recorder(ledger).claim(wishes("x")).left
    assert left.to == "a person: a dead letter"
    assert recorder(ledger).claim(wishes("x"), reopen=True).keys == {"things/x"}


def test_many_keys_are_claimed_and_given_back(ledger: Ledger):
    names = [f"n{number}" for number in range(6_001)]
    recording = recorder(ledger)
    assert len(recording.claim(wishes(*names)).keys) == len(names)
    recording.close()
    assert {*states(ledger).values()} == {"detected"}


def test_a_key_that_is_not_held_is_not_told_of(ledger: Ledger):
    recording = recorder(ledger)
    recording.settle(Failed(Wanted("things/x", *CELL, {}, None), LakeError("late"), "url"))
    recording.write()
    assert ledger.state("things/x") is None


def test_fifty_writers_of_one_key_make_one_object(ledger: Ledger):
    """One run has the key at a time; all others are told whose it is."""
    runs = [recorder(ledger, f"run-{number}") for number in range(50)]
    claimed = [run.claim(wishes("x")) for run in runs]
    assert [bool(got.keys) for got in claimed].count(True) == 1
    assert {left.to for got in claimed for left in got.left} == {"run run-0"}
