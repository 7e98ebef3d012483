"""A key's state and what happened to it in, its next state out: what is remembered of a key beside its state.

Whether an event may happen is said by the table of transitions, and by the lease: what happens to a key that a run
works on is told by that run. Where the states lie, and in what order they came about, is not known here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adce_assets.ledger.transitions import NEXT, UNDER_WAY, Event, State

_WORKED_ON = frozenset(UNDER_WAY)
_NEW_GAP = frozenset({Event.DETECTED, Event.REOPENED})
_VERDICTS = frozenset({(State.FAILED, Event.DEAD_LETTERED), (State.FAILED, Event.TOMBSTONED)})
"""What follows from a failure is for the run to say that it happened to."""
_FORGETS = _NEW_GAP | {Event.CLOSED}


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that happened to a key.

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
    detail: Mapping[str, Any] = field(default_factory=dict)
    after: int | None = None


@dataclass(frozen=True, slots=True)
class KeyState:
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
    event, detail = transition.event, transition.detail
    if transition.after is not None and transition.after != (before.seq if before else 0):
        return None
    known = before.state if before else State.UNTRACKED
    after = NEXT.get((known, event))
    is_its_runs = known in _WORKED_ON or (known, event) in _VERDICTS
    if after is None or (before and is_its_runs and transition.run != before.run):
        return None
    failures, probes, probed_at, next_at = _tries(before, event, detail)
    return KeyState(
        transition.key,
        transition.source,
        transition.data_type,
        transition.season,
        after,
        seq,
        entry_hash,
        before.since if before and after is known else transition.at,
        transition.run,
        transition.task,
        _lease_until(before, after, event, detail),
        failures,
        probes,
        probed_at,
        next_at,
        transition.at if event in _NEW_GAP else before.detected_at if before else None,
        transition.at if event is Event.CLOSED else None if before is None or event in _NEW_GAP else before.closed_at,
        detail,
    )


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
        return _moment(detail, "until", None)
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
