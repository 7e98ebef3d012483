"""What is written down of open keys: found, planned, open again, no longer asked for; and nothing twice."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.ledger.book import Ledger
from adce_assets.ledger.keys import KeyState
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.transitions import Event
from adce_assets.loop import bookkeeping, closure, inventory
from adce_assets_tests.loop.lives import BODY, CELL, Life, day

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

DAYS = range(5, 10)


def test_an_open_key_is_written_down_once_and_planned_with_its_task(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    (task,) = life.cycle()["tasks"]
    assert life.recorded.entries == {Event.DETECTED: 5, Event.PLANNED: 5}
    detected, planned = life.project.ledger.entries(day(5))
    assert (detected.event, detected.detail) == (Event.DETECTED, {"state": "missing", "priority": "critical"})
    assert (planned.task, planned.detail) == (task["id"], {"priority": "critical", "score": task["score"]})
    assert {detected.run, planned.run} == {"loop"}
    before = life.project.ledger.head()
    life.wait(hours=1).cycle()
    assert life.project.ledger.head() == before


def test_only_what_stands_in_a_task_is_planned(workshop: "Workshop") -> None:
    life = Life.begin(workshop, task_queue={"keys_per_task": 2, "max_tasks": {"critical": 1}})
    life.cycle()
    assert life.states() == {day(number): "planned" if number > 7 else "detected" for number in DAYS}


def test_a_closed_key_that_is_lost_is_open_again_and_an_older_inventory_says_nothing(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.look()
    older = life.project.state.store.get("cache/gap_keys.parquet")
    life.promote(day(5))
    life.wait(hours=1).cycle()
    assert life.history(day(5))[-1] == "closed"
    life.project.state.store.put("cache/gap_keys.parquet", older)
    inventory = life.project.state.read_json("cache/current_inventory")
    inventory["ranges"][0]["as_of"] = "2024-01-10T12:00:00+00:00"
    life.project.state.write_json("cache/current_inventory", inventory, volatile=())
    bookkeeping.record(life.project)
    assert life.history(day(5))[-1] == "closed"
    life.lose(day(5))
    life.wait(hours=1).cycle()
    assert life.history(day(5))[-2:] == ["reopened", "planned"]


def test_what_the_contract_no_longer_asks_for_is_withdrawn_and_found_again_when_it_does(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.cycle()
    life.ask_from("2024-01-07")
    life.wait(hours=1).cycle()
    assert {key for key, state in life.states().items() if state == "withdrawn"} == {day(5), day(6)}
    life.ask_from("2024-01-06")
    life.wait(hours=1).cycle()
    assert life.history(day(6)) == ["detected", "planned", "withdrawn", "detected", "planned"]
    assert life.history(day(5))[-1] == "withdrawn"


def test_what_a_run_holds_is_left_to_the_run(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.claim([day(5), day(6)], minutes=90)
    life.project.lake.put(day(5), BODY)
    life.wait(hours=1).cycle()
    assert (life.states()[day(5)], life.states()[day(6)]) == ("leased", "leased")


def test_a_run_that_died_without_a_word_loses_its_keys_and_what_it_has_collected_is_closed(
    workshop: "Workshop",
) -> None:
    life = Life.begin(workshop)
    life.claim([day(5), day(6)], minutes=10)
    life.tell([day(5)], Event.FETCHED, Event.STAGED, Event.AUDITED)
    life.project.lake.put(day(5), BODY)  # it was promoted, and nobody wrote it down
    life.wait(minutes=11).cycle()
    assert life.history(day(5))[-3:] == ["released", "seen", "closed"]
    assert life.history(day(6))[-2:] == ["released", "planned"]


def test_a_run_that_needs_its_keys_for_longer_meanwhile_keeps_them(
    workshop: "Workshop", monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life.begin(workshop)
    life.claim([day(5), day(6)], minutes=10)
    life.wait(minutes=11).look()
    ledger, states = type(life.project.ledger), type(life.project.ledger).states

    def renewed(self: Ledger, **asked: Any) -> Iterator[KeyState]:
        found = list(states(self, **asked))  # how they stood; then the run speaks
        until = life.now + timedelta(minutes=10)
        self.claim([Wish(day(5), *CELL, task="task")], run="run", until=until, now=life.now, renew=True)
        yield from found

    monkeypatch.setattr(ledger, "states", renewed)
    bookkeeping.record(life.project, run="loop")
    monkeypatch.undo()
    assert (life.states()[day(5)], life.states()[day(6)]) == ("leased", "planned")
    life.tell([day(5)], Event.FETCHED)  # nothing of it is refused


def test_what_is_collected_while_two_reconciliations_go_on_is_not_opened_again(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.look()  # one of them has found that it is missing
    life.wait(minutes=5).promote(day(5))
    life.wait(minutes=5)
    inventory.take(life.project, mode="list")  # and the other has looked since
    closure.close(life.project, bookkeeping.record(life.project).left)
    assert life.history(day(5))[-2:] == ["promoted", "seen"]
    life.wait(minutes=5).cycle()
    assert life.history(day(5))[-2:] == ["seen", "closed"]


def test_what_is_bad_since_before_it_was_collected_anew_is_not_opened_again(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.project.lake.put(day(5), b"")
    life.look()  # it is damaged
    life.wait(minutes=5).promote(day(5))
    life.wait(minutes=5)
    inventory.take(life.project, mode="list")
    closure.close(life.project, bookkeeping.record(life.project).left)
    assert life.history(day(5))[-2:] == ["promoted", "seen"]


def test_what_is_bad_again_is_open_again(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.look()
    life.wait(minutes=5).promote(day(5), b"")
    closure.close(life.project, bookkeeping.record(life.project).left)
    life.wait(minutes=5).promote(day(6), b"")
    life.wait(minutes=5).cycle()
    assert [life.history(day(number))[-2:] for number in (5, 6)] == [["seen", "reopened"], ["promoted", "reopened"]]


def test_keys_are_compared_a_batch_at_a_time(workshop: "Workshop", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeping, "BATCH", 2)
    life = Life.begin(workshop)
    life.look()
    assert bookkeeping.record(life.project).entries == {Event.DETECTED: 5, Event.PLANNED: 5}
    life.project.state.store.put("cache/bookkeeping.json", b"{}")  # what was remembered of it is lost
    assert bookkeeping.record(life.project).entries == {}
    assert life.states() == {day(number): "planned" for number in DAYS}
