"""Why a key stands as it does: every thing that it can wait for is told in words, with the moment of its end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adce_assets.fetch.lanes import Lane
from adce_assets.fetch.limits import HostState
from adce_assets.ledger.chain import Entry
from adce_assets.ledger.keys import KeyState
from adce_assets.ledger.transitions import Event, State
from adce_assets.loop.known import Expectation, Instance, Known, Place, Rules
from adce_assets.loop.why import STANDS, explain

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=3)
KEY = "pbp/401584783.json"
AGAIN = NOW + timedelta(hours=1)
RULES = Rules(timedelta(minutes=60), timedelta(seconds=30), AGAIN, runs_at_most=3, alike_at_most=2)
PLACE = Place("gap-1", "high", "1 is missing", NOW, task="task-1", position=2, of=7)
WELL = Instance(beat_at=NOW, is_well=True, sensor_is_on=True, pool="host_espn")
MISSING = Expectation("missing", "due and not in the lake", NOW - timedelta(days=1), NOW)


def standing(state: State, **changes: Any) -> KeyState:
    told: dict[str, Any] = dict.fromkeys(("lease_until", "probed_at", "next_at", "detected_at", "closed_at"))
    told |= {"failures": 0, "probes": 0, "detail": {}, "seq": 3, "hash": "", "run": "run-1", "task": "task-1"}
    told |= {"key": KEY, "source": "espn", "data_type": "pbp", "season": "2024-25", "since": NOW - timedelta(hours=1)}
    return KeyState(**(told | {"state": state} | changes))


def host(**changes: Any) -> HostState:
    told: dict[str, Any] = dict.fromkeys(
        ("crawl_delay_s", "closed_until", "closed_why", "closed_asked_s", "blocked_since", "next_probe")
    )
    nobody = dict.fromkeys(Lane, 0)
    told |= {
        "name": "espn",
        "budget": "espn",
        "rate": 0.5,
        "floor": 0.05,
        "ceiling": 0.5,
        "burst": 1,
        "used": nobody,
        "waiting": nobody,
    }
    return HostState(**(told | changes))


def known(state: State | None = State.PLANNED, /, **changes: Any) -> Known:
    """A planned key of a queue that nothing holds, unless it is said otherwise; ``on`` changes how it stands."""
    one = Known(
        key=KEY,
        now=NOW,
        rules=RULES,
        cell=("espn", "pbp", "2024-25"),
        standing=standing(state, **changes.pop("on", {})) if state else None,
        expectation=MISSING,
        place=PLACE,
        host=host(),
        instance=WELL,
    )
    return replace(one, **changes)


@pytest.mark.parametrize("state", [state for state in State if state is not State.UNTRACKED])
def test_every_state_is_told_in_words(state: State):
    assert explain(known(state)).says.startswith(STANDS[state])


def test_what_nothing_holds_waits_for_the_next_look_at_the_queue():
    why = explain(known())
    assert [wait.what for wait in why.waits] == ["tick"]
    assert why.next_at == NOW + timedelta(seconds=30)
    assert "1 task(s) stand before it" in why.waits[0].says


WAITS = [
    (
        "lease",
        known(State.FETCHED, on={"lease_until": LATER}),
        LATER,
        "run run-1 has it, until 2025-01-15 15:00:00 UTC",
    ),
    ("lease", known(State.LEASED, on={"lease_until": NOW}), NOW, "the lease of run run-1 is over"),
    (
        "dead_letter",
        known(State.DEAD_LETTERED, on={"detail": {"why": "permanent: gone"}}),
        None,
        "permanent: gone; `adce",
    ),
    (
        "tombstone",
        known(State.TOMBSTONED, on={"detail": {"why": "asked 3 times", "until": LATER.isoformat()}}),
        LATER,
        "asked 3 times; it is asked for again from 2025-01-15 15:00:00 UTC on",
    ),
    (
        "backoff",
        known(State.FAILED, on={"next_at": LATER, "failures": 2, "detail": {"class": "transient"}}),
        LATER,
        "2 failure(s) in a row, the last as `transient`: the next try comes",
    ),
    (
        "backoff",
        known(State.FAILED, on={"next_at": LATER, "probes": 1, "detail": {"class": "absent"}}),
        LATER,
        "probe 1, the last as `absent`",
    ),
    (
        "closure",
        known(State.PROMOTED, expectation=Expectation("present")),
        AGAIN,
        "unseen after 2025-01-15 12:00:00 UTC it is a gap again",
    ),
    ("closure", known(State.SEEN, expectation=Expectation("present")), AGAIN, "confirms what another reader has seen"),
    ("due", known(None, expectation=Expectation("not_due", due_at=LATER)), LATER, "not due yet"),
    (
        "reconciliation",
        known(None, expectation=Expectation("unknown", "nobody has looked")),
        AGAIN,
        "nobody has looked",
    ),
    ("reconciliation", known(place=None), AGAIN, "puts it into a gap and a task"),
    ("task", known(place=replace(PLACE, task="", left_out="over the cap")), None, "no task collects it: over the cap"),
    (
        "reconciliation",
        known(place=replace(PLACE, task="", held="next try at 11:00")),
        AGAIN,
        "held when the queue was made (next try at 11:00)",
    ),
    ("approval", known(approval="waiting for an approval of espn/pbp"), None, "waiting for an approval of espn/pbp"),
    (
        "host",
        known(host=host(closed_until=LATER, closed_why="Retry-After")),
        LATER,
        "`espn` is left alone: Retry-After",
    ),
    ("breaker", known(host=host(blocked_since=NOW, next_probe=LATER)), LATER, "takes requests and never answers"),
    (
        "limit",
        known(host=host(waiting={Lane.FRESH: 2, Lane.HISTORY: 3}), lane=Lane.HISTORY),
        NOW + timedelta(seconds=10),
        "5 request(s) of `espn` wait, 3 in the lane `history`, at 0.5 a second",
    ),
    ("daemon", known(instance=None), None, "no Dagster is named here"),
    ("daemon", known(instance=replace(WELL, is_well=False)), None, "was last heard of at 2025-01-15 12:00:00 UTC"),
    ("daemon", known(instance=replace(WELL, is_well=False, beat_at=None)), None, "has never run"),
    ("sensor", known(instance=replace(WELL, sensor_is_on=False)), None, "`task_queue_sensor` is switched off"),
    ("lane", known(instance=replace(WELL, run="run-9", in_flight=1)), None, "run run-9 works on the same scraper"),
    ("queue", known(instance=replace(WELL, run="run-9", run_waits=True)), None, "waits for its turn"),
    (
        "pool",
        known(instance=replace(WELL, run="run-9", run_waits=True, pool_limit=5, pool_used=5)),
        None,
        "waits for the pool `host_espn` (5 of 5)",
    ),
    ("queue", known(instance=replace(WELL, in_flight=3)), None, "3 run(s) are under way"),
    ("queue", known(instance=replace(WELL, in_flight=2, alike=2)), None, "2 run(s) of this priority"),
    (
        "reconciliation",
        known(instance=replace(WELL, done_by="run-8")),
        AGAIN,
        "run run-8 had its batch of this queue: what it left is started again after the next look",
    ),
]


@pytest.mark.parametrize(("what", "of", "until", "said"), WAITS, ids=[f"{n}-{row[0]}" for n, row in enumerate(WAITS)])
def test_what_a_key_waits_for_is_told_with_its_end(what: str, of: Known, until: datetime | None, said: str):
    why = explain(of)
    assert [(wait.what, wait.until) for wait in why.waits] == [(what, until)]
    assert said in why.waits[0].says
    assert why.next_at == until


def test_the_next_moment_is_the_end_of_all_waits_and_none_where_one_has_no_end():
    closed = host(closed_until=LATER, closed_why="jail")
    full = replace(WELL, in_flight=3)
    busy = known(State.AUDITED, on={"lease_until": NOW + timedelta(hours=1)}, host=closed)
    assert explain(busy).next_at == LATER
    both = explain(known(host=closed, instance=full))
    assert [wait.what for wait in both.waits] == ["host", "queue"]
    assert both.next_at is None


def test_what_is_critical_does_not_wait_for_a_run_of_its_lane():
    urgent = replace(RULES, is_urgent=True)
    busy = replace(WELL, run="run-9", in_flight=1)
    assert [wait.what for wait in explain(known(rules=urgent, instance=busy)).waits] == ["tick"]


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (known(State.CLOSED, expectation=Expectation("present")), "the gap is closed: an inventory has confirmed it"),
        (known(None, expectation=Expectation("present")), "the lake holds it, as it should be"),
        (known(None, expectation=Expectation("not expected")), "the contract does not ask for it"),
        (known(None, expectation=Expectation("unexpected", "other")), "unexpected: other"),
        (known(None, expectation=Expectation("unavailable", "never had it")), "unavailable: never had it"),
    ],
)
def test_where_nothing_is_to_be_done_nothing_is_waited_for(of: Known, said: str):
    why = explain(of)
    assert (why.says, why.waits, why.next_at) == (said, (), None)


def test_a_closed_key_that_is_missing_again_says_both_and_waits_for_the_next_reconciliation_to_open_it():
    why = explain(known(State.CLOSED))
    assert why.says == "the gap is closed: an inventory has confirmed it; missing: due and not in the lake"


def test_an_object_that_has_come_since_is_told():
    assert "by now there is an object under it (12 bytes)" in explain(known(here="12 bytes")).says


def test_history_is_told_a_line_each_with_what_matters_of_its_detail():
    detail = {"class": "transient", "what": "503", "next_at": LATER.isoformat(), "failures": 1, "url": "http://x/?k=1"}
    entry = Entry(1, "", NOW, KEY, Event.FAILED, "espn", "pbp", "2024-25", "run-1", "task-1", detail, "h")
    assert explain(known(entries=[entry])).history == (
        {
            "at": "2025-01-15 12:00:00 UTC",
            "event": "failed",
            "run": "run-1",
            "task": "task-1",
            "detail": f"class: transient; what: 503; next at {LATER.isoformat()}",
        },
    )
