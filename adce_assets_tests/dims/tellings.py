"""What a verification comes to, told in one line, for tests of a history."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings

from adce_assets.dims.history import History
from adce_assets.dims.history_records import Recorded
from adce_assets.dims.metrics import Accepted, Measurement, Severity, Status, Value, Verdict

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FOUR = Accepted(4, NOON - DAY, "first", "ann")
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""One history serves all examples of a property: each has a metric of its own."""


def verdict(
    metric: str = "lake.objects",
    value: Value | None = 5,
    *,
    at: datetime = NOON,
    status: Status = Status.MAJOR,
    accepted: Accepted | None = FOUR,
    is_cached: bool = False,
) -> Verdict:
    error = "the lake cannot be read" if value is None else ""
    measured = Measurement(metric, value, error, at, 0.25, is_cached=is_cached)
    return Verdict(measured, accepted, status, Severity.HIGH, None if accepted is None else 25.0, in_season=False)


def record(history: History, *verdicts: Verdict, at: datetime = NOON, **more: Any) -> Recorded:
    return history.record(
        verdicts, started_at=at, ended_at=at + timedelta(seconds=2), trigger="hourly", by="ann", **more
    )
