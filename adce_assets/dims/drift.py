"""A metric, what is accepted and what was measured in, a verdict out. Thresholds alone decide, and always alike.

The calendar softens what is thought of a move, never the gate of the critical metrics: a volatile metric with season
months is judged in full only if it was measured in one of them, and what holds was accepted or confirmed in one. Out of
season it stands still or runs empty, and the first value of a season has nothing of its kind to be compared with: such
a move is at most `minor` and worth at most `low`. Nothing is measured, kept or accepted here.
"""

import math
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING

from adce_assets.dims.metrics import Accepted, Measurement, Severity, Status, Thresholds, Value, Verdict

if TYPE_CHECKING:
    from adce_assets.dims.catalogue import Metric

PLACES = 6
"""Decimals of a percent: a drift that is five percent on paper is not a little less because floats are binary."""
MOST = 1e12
"""The largest drift that is told, in percent."""
NO_RATIO = 100.0
"""What is told of a move that no percentage can measure: from 0 to anything else, and of a text that differs."""

SEVERITIES = {
    ("volatile", Status.MINOR): Severity.LOW,
    ("volatile", Status.MODERATE): Severity.MEDIUM,
    ("volatile", Status.MAJOR): Severity.HIGH,
    ("stable", Status.MINOR): Severity.MEDIUM,
    ("stable", Status.MODERATE): Severity.HIGH,
    ("stable", Status.MAJOR): Severity.CRITICAL,
}


def judge(metric: "Metric", accepted: Accepted | None, measured: Measurement, *, is_confirmed: bool = False) -> Verdict:
    """Hold a measurement against the value that is accepted.

    A metric that could not be measured is an `error`, worth `high` if the metric is critical and `medium` if not.

    Args:
        metric: The metric.
        accepted: What holds of it; None if nothing does.
        measured: What was found.
        is_confirmed: Whether what holds has been found in order in one of the metric's season months.
    """
    in_season = _is_in_season(metric, measured)
    if measured.value is None:
        severity = Severity.HIGH if metric.critical else Severity.MEDIUM
        return Verdict(measured, accepted, Status.ERROR, severity, None, in_season)
    if accepted is None:
        return Verdict(measured, None, Status.NEW, Severity.NONE, None, in_season)
    distance = between(accepted.value, measured.value)
    tolerated = _is_tolerated(metric.thresholds, accepted.value, measured.value)
    status = Status.OK if tolerated else _status(metric.thresholds, distance)
    severity = SEVERITIES.get((metric.nature, status), Severity.NONE)
    if status is not Status.OK and _is_mild(metric, accepted, measured, is_confirmed=is_confirmed):
        status, severity = Status.MINOR, Severity.LOW
    return Verdict(measured, accepted, status, severity, told(distance), in_season)


def needs_approval(metric: "Metric", verdict: Verdict) -> bool:
    """Tell whether a move has to wait for a person: a critical metric's, by its threshold or more, in any season."""
    if not metric.critical or verdict.accepted is None or verdict.measurement.value is None:
        return False
    old, new = verdict.accepted.value, verdict.measurement.value
    return between(old, new) >= metric.approve_from and not _is_tolerated(metric.thresholds, old, new)


def between(old: Value, new: Value) -> float:
    """Return the drift in percent of the old value; infinite where no percentage can tell it."""
    if isinstance(old, str) or isinstance(new, str):
        return 0.0 if old == new else math.inf
    if old == new:
        return 0.0
    if old == 0:
        return math.inf
    drift = 100 * abs((Fraction(new) - Fraction(old)) / Fraction(old))
    return MOST if drift >= MOST else round(float(drift), PLACES)


def told(distance: float) -> float:
    """Return the drift as it is told, which is a number in any case."""
    return NO_RATIO if math.isinf(distance) else distance


def _status(thresholds: Thresholds, distance: float) -> Status:
    if distance >= thresholds.major:
        return Status.MAJOR
    if distance >= thresholds.moderate:
        return Status.MODERATE
    return Status.MINOR if distance >= thresholds.minor else Status.OK


def _is_tolerated(thresholds: Thresholds, old: Value, new: Value) -> bool:
    """Tell whether a number has moved by so little that its share of the old one says nothing."""
    if isinstance(old, str) or isinstance(new, str):
        return False
    return abs(Fraction(new) - Fraction(old)) <= Fraction(thresholds.tolerance)


def _is_in_season(metric: "Metric", measured: Measurement) -> bool:
    return metric.season_months is None or measured.at.month in metric.season_months


def is_off_season(metric: "Metric", at: datetime) -> bool:
    """Tell whether a metric is not expected to move as usual at a moment, which only a volatile one can be."""
    return metric.nature == "volatile" and metric.season_months is not None and at.month not in metric.season_months


def _is_mild(metric: "Metric", accepted: Accepted, measured: Measurement, *, is_confirmed: bool) -> bool:
    """Tell whether the calendar explains a move, be it between two seasons or at the border of one."""
    return is_off_season(metric, measured.at) or (is_off_season(metric, accepted.at) and not is_confirmed)
