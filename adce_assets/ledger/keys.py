"""A key's state and what happened to it in, its next state out: what is remembered of a key beside its state.

Whether an event may happen is said by the table of transitions, and by the lease: what happens to a key that a run
works on is told by that run. Where the states lie, and in what order they came about, is not known here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from adce_assets.ledger.transitions import NEXT, UNDER_WAY, Event, State

_WORKED_ON = frozenset(UNDER_WAY)
_NEW_GAP = frozenset({Event.DETECTED, Event.REOPENED})
_VERDICTS = frozenset({(State.FAILED, Event.DEAD_LETTERED), (State.FAILED, Event.TOMBSTONED)})
"""What follows from a failure is for the run to say that it happened to."""
FOREVER = datetime.max.replace(tzinfo=UTC)
"""When a lease is over of which nobody has said until when it lasts."""
_FORGETS = _NEW_GAP | {Event.CLOSED}


class Transition(NamedTuple):
    """Something that happened to a key.

    A tuple, as `KeyState` is: of a million of them, making frozen dataclasses is a third of all the work.

    Attributes:
        key: The object's key in the lake.
        event: What happened.
        source: The source of the key's cell.
        data_type: Its data type.
        season: Its season.
        at: When it happened (aware).
        run: Dagster's run that says so; of a key that is leased, the run that holds it.
        task: The task the key stood in.
        detail: More of it, as JSON has it: ``until`` (ISO) of `leased`; ``failures``, ``probes``, ``probed_at`` and
            ``next_at`` of `failed`.
        after: The number of the key's last entry, as whoever says so has seen it; where more has happened to the key
            meanwhile, the event is refused. None for whatever has happened.
    """

    key: str
    event: Event
    source: str
    data_type: str
    season: str
    at: datetime
    run: str = ""
    task: str = ""
    detail: Mapping[str, Any] = MappingProxyType({})
    after: int | None = None


class KeyState(NamedTuple):
    """How a key stands.

    Attributes:
        key: The object's key in the lake.
        source: The source of its cell.
        data_type: Its data type.
        season: Its season.
        state: Where it stands.
        seq: The number of its last entry.
        hash: The hash of that entry.
        since: When it came into this state.
        run: The run of its last entry: of a key that is worked on, the run that holds it.
        task: The task of its last entry.
        lease_until: Until when the run that works on it holds it; None if none does.
        failures: Failures in a row.
        probes: Times in a row that the source had nothing for it.
        probed_at: When it was last probed.
        next_at: Before that it is not tried again; None if nothing is to be waited for.
        detected_at: When the present gap was found, or the last one if there is none.
        closed_at: When that gap was closed; None while it is open.
        detail: The detail of its last entry.
    """

    key: str
    source: str
    data_type: str
    season: str
    state: State
    seq: int
    hash: str
    since: datetime
    run: str
    task: str
    lease_until: datetime | None
    failures: int
    probes: int
    probed_at: datetime | None
    next_at: datetime | None
    detected_at: datetime | None
    closed_at: datetime | None
    detail: Mapping[str, Any]


def advance(before: KeyState | None, transition: Transition, *, seq: int = 0, entry_hash: str = "") -> KeyState | None:
    """Say how a key stands after an event; None if the event is refused.

    Refused is what the table of transitions does not hold, and what is said of a key that is worked on, or has just
    failed, by any other run than its own: a run whose lease was over, and taken by another, has no say any more.

    Args:
        before: How the key stood; None for a key that nothing is known of.
        transition: What happened.
        seq: The number of its entry.
        entry_hash: The hash of its entry.

    Raises:
        ValueError: the detail is not as its event has it.
    """
    after = _reached(before, transition)
    if after is None:
        return None
    told, event, detail = transition, transition.event, transition.detail
    return KeyState(
        *(told.key, told.source, told.data_type, told.season, after, seq, entry_hash),
        before.since if before and after is before.state else told.at,
        *(told.run, told.task, _lease_until(before, after, event, detail)),
        *_tries(before, event, detail),
        *_gap(before, event, told.at),
        detail,
    )


def _reached(before: KeyState | None, transition: Transition) -> State | None:
    """Say in which state an event leaves a key; None if it is refused."""
    if transition.after is not None and transition.after != (before.seq if before else 0):
        return None
    if before is None:
        return NEXT.get((State.UNTRACKED, transition.event))
    happens = before.state, transition.event
    is_its_runs = before.state in _WORKED_ON or happens in _VERDICTS
    return None if is_its_runs and transition.run != before.run else NEXT.get(happens)


def _gap(before: KeyState | None, event: Event, at: datetime) -> tuple[datetime | None, datetime | None]:
    """Say when the gap was found, and when it was closed."""
    if before is None or event in _NEW_GAP:
        return (at if event in _NEW_GAP else None), None
    return before.detected_at, at if event is Event.CLOSED else before.closed_at


def _tries(
    before: KeyState | None, event: Event, detail: Mapping[str, Any]
) -> tuple[int, int, datetime | None, datetime | None]:
    """Count what was tried: failures, probes, the last probe, the next try."""
    if before is None or event in _FORGETS:
        return 0, 0, None, None
    if event is not Event.FAILED:
        return before.failures, before.probes, before.probed_at, before.next_at
    return (
        _count(detail, "failures", before.failures),
        _count(detail, "probes", before.probes),
        _moment(detail, "probed_at", before.probed_at),
        _moment(detail, "next_at", None),
    )


def _lease_until(before: KeyState | None, after: State, event: Event, detail: Mapping[str, Any]) -> datetime | None:
    if event is Event.LEASED:
        return _moment(detail, "until", FOREVER)
    return before.lease_until if before and after in _WORKED_ON else None


def _count(detail: Mapping[str, Any], name: str, otherwise: int) -> int:
    given = detail.get(name, otherwise)
    if not isinstance(given, int):
        message = f"`{name}` is no number: {given!r}"
        raise ValueError(message)  # noqa: TRY004 - of a value in a document, not of an argument
    return given


def _moment(detail: Mapping[str, Any], name: str, otherwise: datetime | None) -> datetime | None:
    given = detail.get(name, otherwise)
    if given is None or isinstance(given, datetime):
        return given
    moment = datetime.fromisoformat(given)
    if moment.tzinfo is None:
        message = f"`{name}` has no time zone: {given}"
        raise ValueError(message)
    return moment
