"""What was remembered of the metrics in, all that a page or a document tells of them out. Nothing is measured."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from adce_assets.dims.history_records import ApprovalState, Point
from adce_assets.dims.metrics import Accepted, Value, Verdict
from adce_assets.dims.standing import newest, standing

if TYPE_CHECKING:
    from adce_assets.dims.catalogue import Metric
    from adce_assets.dims.place import Place

UNMEASURED = "unmeasured"
"""How a metric stands of which the history knows nothing."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A metric, how it stands, and its course; `verdict` is None if it was never measured."""

    metric: "Metric"
    verdict: Verdict | None
    points: Sequence[Point] = ()

    @property
    def value(self) -> Value | None:
        """What was measured last; None if that failed, or never was."""
        return None if self.verdict is None else self.verdict.measurement.value

    @property
    def error(self) -> str:
        """Why there is no value; empty if there is one."""
        return "not measured yet" if self.verdict is None else self.verdict.measurement.error

    @property
    def status(self) -> str:
        """How it stands, or `UNMEASURED`."""
        return UNMEASURED if self.verdict is None else self.verdict.status

    @property
    def severity(self) -> str:
        """What its drift is worth; empty if it was never measured."""
        return "" if self.verdict is None else self.verdict.severity

    @property
    def drift(self) -> float | None:
        """In percent of the accepted value; None where there was nothing to compare."""
        return None if self.verdict is None else self.verdict.drift

    @property
    def accepted(self) -> Accepted | None:
        """The value that holds; None for a new metric."""
        return None if self.verdict is None else self.verdict.accepted

    @property
    def accepted_number(self) -> float | None:
        """The accepted value, where it is a number."""
        return None if self.accepted is None else _number(self.accepted.value)

    @property
    def at(self) -> datetime | None:
        """When it was measured last (UTC)."""
        return None if self.verdict is None else self.verdict.measurement.at

    @property
    def spots(self) -> list[tuple[datetime, float | None]]:
        """The course as numbers; None where nothing was found, or a text."""
        return [(point.at, _number(point.value)) for point in self.points]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A move of a critical metric that somebody has to decide on."""

    id: int
    metric: str
    unit: str
    old: Value | None
    new: Value
    drift: float | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """All that is told.

    Attributes:
        at: Of when it is told (UTC).
        days: How many days the courses go back.
        shown: Every metric that is switched on, in the order of the file: categories stand together.
        waiting: What waits for a decision, oldest first.
    """

    at: datetime
    days: int
    shown: Sequence[Shown]
    waiting: Sequence[Waiting]


def tell(place: "Place", *, days: int = 30, ids: Collection[str] | None = None) -> Told:
    """Read what is known of metrics (default: all of the catalogue), with their courses of so many days.

    What was measured last is held against what holds now, whatever held when it was measured.

    Raises:
        MetricError, LakeError, HistoryError: what holds, or what was measured, cannot be known.
    """
    now, metrics = place.project.clock(), place.catalogue.metrics
    chosen = [metric for metric in metrics.values() if ids is None or metric.id in ids]
    names = [metric.id for metric in chosen]
    verdicts = newest(place, chosen, standing(place).values)
    courses = place.history.many_series(names, now - timedelta(days=days), now)
    return Told(
        at=now,
        days=days,
        shown=[Shown(metric, verdicts.get(metric.id), courses.get(metric.id, ())) for metric in chosen],
        waiting=[
            Waiting(one.id, one.metric, _unit(place, one.metric), one.old, one.new, one.drift, one.asked_at)
            for one in place.history.approvals(ApprovalState.PENDING)
        ],
    )


def _unit(place: "Place", metric: str) -> str:
    known = place.catalogue.metrics.get(metric)
    return "" if known is None else known.unit


def _number(value: Value | None) -> float | None:
    return None if value is None or isinstance(value, str) else float(value)
