"""What the history tells: points of a metric, runs, events, approvals, and what follows from many points.

Plain records; how they are kept is not known here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from adce_assets.dims.metrics import Severity, Status, Value


class ApprovalState(StrEnum):
    """What became of a value that waits for a person."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement of a metric, as it was judged then.

    Attributes:
        at: When it was measured (UTC).
        value: What was found; None if nothing could be.
        error: Why nothing could be found; empty otherwise.
        status: How it stood beside the accepted value.
        drift: In percent of the accepted value; None where there was nothing to compare.
        accepted: The value that held then; None for a new metric.
    """

    at: datetime
    value: Value | None
    error: str
    status: Status
    drift: float | None
    accepted: Value | None


@dataclass(frozen=True, slots=True)
class Run:
    """A verification that was remembered; ``counts`` tells how many of its verdicts have each status."""

    id: int
    started_at: datetime
    ended_at: datetime
    trigger: str
    by: str
    counts: Mapping[Status, int]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a verification became: its number, and the approvals that its held metrics wait for."""

    run_id: int
    held: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Happening:
    """An event that was acted on.

    Attributes:
        id: Its number.
        event: Its name in the configuration.
        source: What it is told of, or by: the cooldown is per event and source.
        at: When it was begun (UTC).
        ended_at: When it was ended; None while it runs, or if the process that ran it is gone.
        run_id: The verification that it led to, if any.
        error: Why it failed; empty otherwise.
        cooled: How often the same was told while it cooled, and nothing was done.
        cooled_at: When that was last so; None if it never was.
    """

    id: int
    event: str
    source: str
    at: datetime
    ended_at: datetime | None
    run_id: int | None
    error: str
    cooled: int
    cooled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A value that was measured while an approval was pending; the last one is what is decided on."""

    at: datetime
    value: Value
    drift: float | None
    severity: Severity
    run_id: int | None


@dataclass(frozen=True, slots=True)
class Approval:
    """A move of a critical metric that a person decides on, or has decided on.

    Attributes:
        id: Its number.
        metric: The metric's id.
        state: What became of it.
        old: The value that stands meanwhile; None if there was none.
        new: The value that was proposed last, of the type it was measured in.
        drift: Of the new from the old one, in percent; None where they cannot be compared.
        severity: What the move is worth.
        run_id: The verification that proposed it last; it may be out of the history by now.
        asked_at: When it was first held back (UTC).
        proposed_at: When the new value was measured.
        decided_at: When it was decided or withdrawn; None while it is pending.
        by: Who decided; empty while it is pending.
        note: Why.
    """

    id: int
    metric: str
    state: ApprovalState
    old: Value | None
    new: Value
    drift: float | None
    severity: Severity
    run_id: int | None
    asked_at: datetime
    proposed_at: datetime
    decided_at: datetime | None
    by: str
    note: str


@dataclass(frozen=True, slots=True)
class Stats:
    """What the points of a metric come to; the four numbers are None for a text, or where nothing was measured.

    Attributes:
        count: Measurements that found something.
        errors: Measurements that did not.
        minimum: The least of the values.
        maximum: The greatest.
        mean: Their mean.
        median: Their median.
        first: The earliest value.
        last: The latest one.
        changes: How often a value was another one than that before it.
    """

    count: int
    errors: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    median: float | None
    first: Value | None
    last: Value | None
    changes: int


@dataclass(frozen=True, slots=True)
class Trend:
    """The straight line that lies nearest to the points of a metric, by least squares.

    Attributes:
        count: The points that are numbers.
        per_day: How much the metric grows in a day; None with fewer than two moments.
        begins: Where the line stands at the first point; None likewise.
        ends: Where it stands at the last one.
        fit: How much of the movement it explains (r squared, 0 to 1); None where there is no line, 1 without movement.
    """

    count: int
    per_day: float | None
    begins: float | None
    ends: float | None
    fit: float | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was too old, and is gone: how many rows of each, and the days whose snapshots went."""

    measurements: int
    runs: int
    events: int
    snapshots: tuple[date, ...]
