"""A record of the metrics in, its row in the database out, and back. What a row cannot hold is taken out of texts.

A row that is not what is written here raises ValueError or TypeError.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from adce_assets.dims.history_records import Approval, ApprovalState, Happening, Point, Proposal
from adce_assets.dims.metrics import Accepted, Measurement, Severity, Status, Value, Verdict
from adce_assets.errors import printable


def value_text(value: Value | None) -> str | None:
    """Write a value so that its type is kept, and that any database can hold it; None stays None."""
    return None if value is None else json.dumps(value)


def value_of(text: str | None) -> Value | None:
    """Read it back."""
    value = None if text is None else json.loads(text)
    if isinstance(value, bool) or not isinstance(value, int | float | str | None):
        message = f"`{printable(str(text))}` is no value of a metric"
        raise TypeError(message)
    return value


def number_of(value: Value | None) -> float | None:
    """Return a value as a number that a database can reckon with; None for a text, and for what is beyond a float."""
    if value is None or isinstance(value, str):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def row_of(verdict: Verdict, run_id: int) -> dict[str, Any]:
    """Write a verdict."""
    measured, accepted = verdict.measurement, verdict.accepted
    return {
        "run_id": run_id,
        "metric": measured.metric,
        "at": measured.at,
        "value": value_text(measured.value),
        "number": number_of(measured.value),
        "error": printable(measured.error),
        "seconds": measured.seconds,
        "is_cached": measured.is_cached,
        "status": verdict.status.value,
        "severity": verdict.severity.value,
        "drift": verdict.drift,
        "accepted": value_text(accepted.value) if accepted else None,
        "accepted_at": accepted.at if accepted else None,
        "accepted_how": printable(accepted.how) if accepted else None,
        "accepted_by": printable(accepted.by) if accepted else None,
        "in_season": verdict.in_season,
        "definition": measured.definition,
    }


def measurement_of(row: sa.Row[Any]) -> Measurement:
    """Read what was measured."""
    found = value_of(row.value)
    return Measurement(row.metric, found, row.error, row.at, row.seconds, row.is_cached, row.definition)


def verdict_of(row: sa.Row[Any]) -> Verdict:
    """Read a verdict."""
    held = value_of(row.accepted)
    accepted = None if held is None else Accepted(held, row.accepted_at, row.accepted_how, row.accepted_by)
    return Verdict(
        measurement_of(row), accepted, Status(row.status), Severity(row.severity), row.drift, in_season=row.in_season
    )


def point_of(row: sa.Row[Any]) -> Point:
    """Read a point of a series."""
    return Point(row.at, value_of(row.value), row.error, Status(row.status), row.drift, value_of(row.accepted))


def happening_of(row: sa.Row[Any]) -> Happening:
    """Read an event."""
    return Happening(*row)


def approval_of(row: sa.Row[Any]) -> Approval:
    """Read an approval."""
    number, metric, state, old, new, drift, severity, *rest = row
    return Approval(number, metric, ApprovalState(state), value_of(old), _there(new), drift, Severity(severity), *rest)


def proposal_of(row: sa.Row[Any]) -> Proposal:
    """Read what was proposed."""
    return Proposal(row.at, _there(row.value), row.drift, Severity(row.severity), row.run_id)


def document_text(document: Mapping[str, Any]) -> str:
    """Write a document; ValueError or TypeError for what JSON has no form for."""
    return json.dumps(document, allow_nan=False)


def document_of(text: str) -> dict[str, Any]:
    """Read a document."""
    document = json.loads(text)
    if not isinstance(document, dict):
        message = "a snapshot is no mapping"
        raise TypeError(message)
    return document


def _there(text: str) -> Value:
    value = value_of(text)
    if value is None:
        message = "a value is missing"
        raise ValueError(message)
    return value
