"""Every event in every state has one outcome, written down here a second time; and what a key's state remembers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adce_assets.ledger.keys import KeyState, Transition, advance
from adce_assets.ledger.transitions import Event, State

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

# A row for each state, a column for each event: the state that follows, or a dot where the event is refused.
EXPECTED = """
              detected planned leased released fetched staged audited promoted seen closed failed tombstoned dead_lettered reopened withdrawn
untracked     detected .       .      .        .       .      .       .        .    .      .      .          .             .        .
detected      .        planned leased .        .       .      .       .        seen .      .      tombstoned .             .        withdrawn
planned       .        .       leased .        .       .      .       .        seen .      .      tombstoned .             .        withdrawn
leased        .        .       .      detected fetched .      .       promoted .    .      failed .          .             .        .
fetched       .        .       .      detected .       staged .       .        .    .      failed .          .             .        .
staged        .        .       .      detected .       .      audited .        .    .      failed .          .             .        .
audited       .        .       .      detected .       .      .       promoted .    .      failed .          .             .        .
promoted      .        .       .      .        .       .      .       .        seen .      .      .          .             detected withdrawn
seen          .        .       .      .        .       .      .       .        .    closed .      .          .             detected withdrawn
closed        .        .       .      .        .       .      .       .        .    .      .      .          .             detected .
failed        .        planned leased .        .       .      .       .        seen .      .      tombstoned dead_lettered .        withdrawn
tombstoned    .        .       .      .        .       .      .       .        seen .      .      tombstoned .             detected withdrawn
dead_lettered .        .       .      .        .       .      .       .        seen .      .      .          .             detected withdrawn
withdrawn     detected .       .      .        .       .      .       .        .    .      .      .          .             .        .
"""  # noqa: E501 - a table is read as one


def table() -> dict[tuple[str, str], str]:
    events, *rows = (line.split() for line in EXPECTED.strip().splitlines())
    return {(row[0], event): after for row in rows for event, after in zip(events, row[1:], strict=True)}


def standing(state: State, **changes: Any) -> KeyState:
    known: dict[str, Any] = {
        "key": "k",
        "source": "espn",
        "data_type": "pbp",
        "season": "2024-25",
        "state": state,
        "seq": 7,
        "hash": "h",
        "since": NOW,
        "run": "run-1",
        "task": "t",
        "lease_until": None,
        "failures": 2,
        "probes": 1,
        "probed_at": NOW,
        "next_at": NOW + HOUR,
        "detected_at": NOW - HOUR,
        "closed_at": None,
        "detail": {},
    }
    return KeyState(**known | changes)


def happens(event: Event, before: KeyState | None, run: str = "run-1", **detail: Any) -> KeyState | None:
    return advance(before, Transition("k", event, "espn", "pbp", "2024-25", NOW + HOUR, run, "t", detail))


def after(event: Event, before: KeyState | None, **detail: Any) -> KeyState:
    state = happens(event, before, **detail)
    assert state is not None
    return state


def test_the_table_of_outcomes_has_every_state_and_every_event():
    assert table().keys() == {(state.value, event.value) for state in State for event in Event}


@pytest.mark.parametrize(("state", "event"), sorted(table()))
def test_an_event_in_a_state_leads_where_the_table_says(state: str, event: str):
    before = None if state == "untracked" else standing(State(state))
    reached = happens(Event(event), before)
    assert ("." if reached is None else reached.state.value) == table()[state, event]


@pytest.mark.parametrize("state", ["leased", "fetched", "staged", "audited"])
@pytest.mark.parametrize("event", ["released", "fetched", "staged", "audited", "promoted", "failed"])
def test_nothing_is_said_of_a_leased_key_by_a_run_that_does_not_hold_it(state: str, event: str):
    assert happens(Event(event), standing(State(state)), run="run-2") is None


TRIED = {"failures": 3, "probes": 2, "probed_at": "2025-01-15T11:00:00Z", "next_at": "2025-01-16T12:00:00+00:00"}
COUNTS = ("failures", "probes", "probed_at", "next_at")


def tries(state: KeyState) -> Mapping[str, Any]:
    return {name: getattr(state, name) for name in COUNTS}


def test_a_failure_says_how_often_it_was_tried_and_when_it_may_be_again():
    state = after(Event.FAILED, standing(State.LEASED), **TRIED)
    moments = {name: datetime.fromisoformat(str(TRIED[name])) for name in ("probed_at", "next_at")}
    assert tries(state) == {"failures": 3, "probes": 2, **moments}


def test_a_failure_without_a_next_try_waits_for_nothing():
    assert after(Event.FAILED, standing(State.LEASED), failures=3, next_at=None).next_at is None


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (Event.PLANNED, State.FAILED),
        (Event.LEASED, State.PLANNED),
        (Event.RELEASED, State.LEASED),
        (Event.PROMOTED, State.LEASED),
        (Event.TOMBSTONED, State.FAILED),
        (Event.DEAD_LETTERED, State.FAILED),
    ],
)
def test_what_was_tried_is_carried_along(event: Event, state: State):
    assert tries(after(event, standing(state))) == tries(standing(state))


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (Event.REOPENED, State.TOMBSTONED),
        (Event.REOPENED, State.DEAD_LETTERED),
        (Event.CLOSED, State.SEEN),
        (Event.DETECTED, State.WITHDRAWN),
    ],
)
def test_what_was_tried_is_forgotten_with_the_gap(event: Event, state: State):
    assert tries(after(event, standing(state))) == {"failures": 0, "probes": 0, "probed_at": None, "next_at": None}


def test_a_lease_lasts_while_a_run_works_on_the_key():
    leased = after(Event.LEASED, standing(State.PLANNED), until="2025-01-15T14:00:00Z")
    fetched = after(Event.FETCHED, leased)
    assert (leased.lease_until, fetched.lease_until) == (NOW + 2 * HOUR, NOW + 2 * HOUR)
    assert after(Event.FAILED, fetched).lease_until is None


def test_a_gap_knows_when_it_was_found_and_when_it_was_closed():
    closed = after(Event.CLOSED, standing(State.SEEN))
    assert (closed.detected_at, closed.closed_at) == (NOW - HOUR, NOW + HOUR)
    again = after(Event.REOPENED, closed)
    assert (again.detected_at, again.closed_at) == (NOW + HOUR, None)


def test_a_tombstone_that_is_extended_stands_since_it_was_put():
    assert after(Event.TOMBSTONED, standing(State.TOMBSTONED)).since == NOW
    assert after(Event.TOMBSTONED, standing(State.FAILED)).since == NOW + HOUR


@pytest.mark.parametrize("detail", [{"failures": "3"}, {"next_at": "tomorrow"}, {"next_at": "2025-01-16T12:00:00"}])
def test_a_failure_that_cannot_be_understood_is_an_error(detail: dict[str, Any]):
    with pytest.raises(ValueError, match=r"failures|isoformat|time zone"):
        happens(Event.FAILED, standing(State.LEASED), **detail)
