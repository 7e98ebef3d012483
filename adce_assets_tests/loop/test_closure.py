"""Only what another reader has seen, and a later inventory holds, is closed; what nobody sees is open again."""

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.demo.report_writer import write_report
from adce_assets.errors import LakeError
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.transitions import Event
from adce_assets.loop import bookkeeping, closure
from adce_assets.loop.bookkeeping import Left
from adce_assets_tests.loop.lives import BODY, CELL, Life, day

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

WAY = ["detected", "planned", "leased", "fetched", "staged", "audited", "promoted"]
DIGEST = hashlib.sha256(BODY).hexdigest()


def test_a_promoted_key_is_seen_by_another_reader_and_closed_by_the_next_inventory(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.cycle()
    life.wait(minutes=5).promote(day(5), sha256=DIGEST)
    left = bookkeeping.record(life.project).left  # the inventory is of before the promotion
    assert closure.close(life.project, left) == {Event.SEEN: 1}
    assert life.history(day(5)) == [*WAY, "seen"]
    life.wait(minutes=5).cycle()
    assert life.history(day(5)) == [*WAY, "seen", "closed"]
    seen, closed = life.project.ledger.entries(day(5))[-2:]
    assert {seen.detail[name] for name in ("by", "sha256", "size")} == {"GET", DIGEST, len(BODY)}
    assert closed.detail == {"etag": seen.detail["etag"], "size": len(BODY), "place": day(5)}
    before = life.project.ledger.head()
    life.wait(minutes=5).cycle()
    assert life.project.ledger.head() == before


def test_a_promoted_object_that_nobody_sees_in_time_is_open_again(workshop: "Workshop") -> None:
    life = Life.begin(workshop, closure={"unseen_minutes": 60})
    life.look()
    life.promote(day(5), body=None)
    for minutes, state in ((59, "promoted"), (2, "detected")):
        life.wait(minutes=minutes)
        left = bookkeeping.record(life.project).left
        closure.close(life.project, left)
        assert life.states()[day(5)] == state
    assert life.why(day(5)) == "nobody has seen it within 60 minutes of its promotion"


def test_a_later_inventory_that_does_not_hold_it_opens_it_at_once(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.look()
    life.promote(day(5), body=None)
    life.project.lake.put(day(6), BODY)
    life.wait(minutes=5).cycle()
    assert (life.states()[day(5)], life.why(day(5))) == ("detected", "the inventory does not hold it as it should be")


def test_a_slow_reconciliation_says_nothing_of_what_another_has_closed_meanwhile(workshop: "Workshop") -> None:
    life = Life.begin(workshop, closure={"unseen_minutes": 1})
    life.look()
    life.promote(day(5))
    slow = bookkeeping.record(life.wait(minutes=5).project).left
    life.cycle()
    assert life.history(day(5))[-1] == "closed"
    head = life.project.ledger.head()
    life.lose(day(5))
    assert closure.close(life.project, slow)[Event.REOPENED] == 0
    assert life.project.ledger.head() == head


def test_an_object_that_is_not_what_the_run_wrote_is_open_again(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.look()
    life.wait(minutes=5)
    life.promote(day(5), size=7)
    life.promote(day(6), sha256="0" * 64)
    life.promote(day(7), etag="another")
    closure.close(life.project, bookkeeping.record(life.project).left)
    told = {day(5): f"{len(BODY)} bytes, not 7", day(6): f"sha256 {DIGEST}, not {'0' * 64}", day(7): "not `another`"}
    assert {life.states()[key] for key in told} == {"detected"}
    assert all(why in life.why(key) for key, why in told.items())


def test_an_inventory_that_saw_this_very_version_before_the_run_said_so_closes_it(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.project.lake.put(day(5), BODY)
    life.look()
    found = life.project.lake.head(day(5))
    assert found is not None
    life.wait(minutes=5).promote(day(5), body=None, etag=found.etag, size=found.size)
    life.wait(minutes=5).cycle()  # nothing has changed since: the inventory keeps its time
    assert life.history(day(5))[-3:] == ["promoted", "seen", "closed"]


def test_what_somebody_else_filled_is_seen_and_closed_whatever_was_waiting_for_it(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.absent([day(5)], **{"class": "busy"})
    life.absent([day(6)], **{"class": "refused"})
    life.tell([day(6)], Event.DEAD_LETTERED, what="403")
    life.bury([day(7)], days=30)
    life.claim([day(8)], minutes=-1)
    life.tell([day(8)], Event.RELEASED)
    for place in (day(5), day(6), day(7), "old/2024-01-08.json"):
        life.project.lake.put(place, BODY)
    life.wait(hours=1).cycle()
    assert {key for key, state in life.states().items() if state == "closed"} == {
        day(number) for number in (5, 6, 7, 8)
    }
    assert life.project.ledger.entries(day(8))[-2].detail["place"] == "old/2024-01-08.json"


def test_no_more_keys_are_asked_for_than_a_run_may_and_the_oldest_come_first(workshop: "Workshop") -> None:
    life = Life.begin(workshop, closure={"looks_per_run": 1})
    life.look()
    life.promote(day(6))
    life.wait(minutes=1).promote(day(5))
    left = bookkeeping.record(life.wait(minutes=1).project).left
    closure.close(life.project, left)
    assert (life.states()[day(5)], life.states()[day(6)]) == ("promoted", "seen")


def test_what_was_promoted_is_looked_for_before_older_keys_of_which_nobody_knows(workshop: "Workshop") -> None:
    life = Life.begin(workshop, closure={"looks_per_run": 1})
    life.claim([day(1)], minutes=-1)
    life.tell([day(1)], Event.RELEASED)  # the contract does not ask for it
    life.look()
    life.wait(minutes=1).promote(day(5))
    closure.close(life.project, bookkeeping.record(life.project).left)
    assert (life.states()[day(1)], life.states()[day(5)]) == ("detected", "seen")


def test_what_the_contract_dropped_is_withdrawn_even_where_nobody_looks(workshop: "Workshop") -> None:
    life = Life.begin(workshop, s3={"prefixes": ["boards/"]})
    wish = Wish("gone/2024-01-01.json", *CELL, task="task")
    life.project.ledger.claim([wish], run="run", until=life.now, now=life.now)
    life.tell([wish.key], Event.RELEASED)
    life.cycle()
    assert life.states()[wish.key] == "withdrawn"


def test_objects_are_read_again_within_a_budget_alone(workshop: "Workshop") -> None:
    life = Life.begin(workshop, closure={"reread_mb": 0})
    life.look()
    life.promote(day(5), sha256=DIGEST)
    closure.close(life.project, bookkeeping.record(life.project).left)
    assert life.project.ledger.entries(day(5))[-1].detail["by"] == "HEAD"


def test_an_object_that_was_replaced_after_it_was_seen_is_looked_at_again(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.look()
    life.wait(minutes=5).promote(day(5))
    closure.close(life.project, bookkeeping.record(life.project).left)
    life.project.lake.put(day(5), BODY * 2)
    life.wait(minutes=5).cycle()
    assert (life.history(day(5))[-1], life.why(day(5))) == (
        "reopened",
        "the inventory holds another object than was seen",
    )
    life.wait(minutes=5).cycle()
    assert life.history(day(5))[-2:] == ["seen", "closed"]


@pytest.mark.parametrize("has_etags", [True, False])
def test_a_report_closes_what_it_holds_and_opens_what_it_holds_otherwise(
    workshop: "Workshop", *, has_etags: bool
) -> None:
    life = Life.begin(workshop, s3={"delta_requests": 0})
    life.look()
    for key in (day(5), day(6)):
        life.promote(key)
    closure.close(life.project, bookkeeping.record(life.wait(minutes=1).project).left)
    held = [found for key in (day(5), day(6)) if (found := life.project.lake.head(key))]
    other = replace(held[1], etag="another") if has_etags else replace(held[1], size=held[1].size + 1)
    told = [held[0] if has_etags else replace(held[0], etag=""), other]
    at = life.wait(days=1).now
    write_report(life.project.lake, told, prefix="inventory-reports/", bucket="lake", config_id="daily", created_at=at)
    life.cycle("aws")
    assert life.history(day(5))[-2:] == ["seen", "closed"]
    assert (life.history(day(6))[-1], life.why(day(6))) == (
        "reopened",
        "the inventory holds another object than was seen",
    )


def test_a_report_of_another_lake_opens_nothing(workshop: "Workshop") -> None:
    life = Life.begin(workshop, s3={"delta_requests": 0})
    life.look()
    life.promote(day(5))
    life.wait(days=1)
    write_report(life.project.lake, [], prefix="inventory-reports/", bucket="b", config_id="a", created_at=life.now)
    life.look("aws")
    left = [Left(state, state.key) for state in life.project.ledger.states(keys=[day(5)])]
    inventory = life.project.state.read_json("cache/current_inventory")
    life.project.state.write_json("cache/current_inventory", inventory | {"of": {}}, volatile=())
    with pytest.raises(LakeError, match="torn"):
        closure.close(life.project, left)
    assert life.states()[day(5)] == "promoted"


@pytest.mark.parametrize(("mode", "way"), [("cache", ["seen"]), ("list", ["seen", "closed"])])
def test_a_receipt_alone_closes_nothing_and_hides_no_listing(workshop: "Workshop", mode: Any, way: list[str]) -> None:
    life = Life.begin(workshop)
    life.look()
    life.promote(day(5))
    life.receipt(day(5))
    life.cycle(mode)
    assert (life.covered().get(day(5)), life.history(day(5))) == (None, ["detected", *WAY[2:], *way])
