"""What is told of the metrics in, documents out: Markdown to be read, and plain values for JSON."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from adce_assets.dims.outputs.wording import amount, moment, percent
from adce_assets.dims.telling import Shown, Told

_ESCAPED = str.maketrans({letter: f"\\{letter}" for letter in "\\|<&`[*"})


def markdown(told: Told) -> str:
    """Write a table of each category, after what waits for a decision."""
    lines = ["# Metrics", "", f"As of {moment(told.at)}.", ""]
    if told.waiting:
        rows = (
            (one.id, one.metric, amount(one.old, one.unit), amount(one.new, one.unit), percent(one.drift))
            for one in told.waiting
        )
        lines += ["## Waiting for a decision", "", *_table(("Id", "Metric", "Holds", "Measured", "Drift"), rows), ""]
    for category, shown in groupby(told.shown, key=lambda one: one.metric.category):
        headings = ("Metric", "Value", "Accepted", "Drift", "Status", "Measured")
        lines += [f"## {category}", "", *_table(headings, map(_cells, shown)), ""]
    return "\n".join(lines)


def _cells(one: Shown) -> tuple[str, ...]:
    unit = one.metric.unit
    return (
        f"{one.metric.name}{' (critical)' if one.metric.critical else ''}",
        one.error if one.value is None else amount(one.value, unit),
        "" if one.accepted is None else amount(one.accepted.value, unit),
        percent(one.drift),
        one.status,
        moment(one.at) if one.at else "",
    )


def _table(headings: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> list[str]:
    return [_line(headings), _line("---" for _ in headings), *map(_line, rows)]


def _line(cells: Iterable[object]) -> str:
    """Write a line of a table; what would end a cell or the line, or is markup, is escaped."""
    plain = (" ".join(str(cell).split()).translate(_ESCAPED) for cell in cells)
    return f"| {' | '.join(plain)} |"


def document(told: Told) -> dict[str, Any]:
    """Say the same in values that JSON knows; times are ISO 8601, in UTC."""
    return {
        "as_of": told.at.isoformat(),
        "days": told.days,
        "metrics": {one.metric.id: _values(one) for one in told.shown},
        "waiting": [
            {
                "id": one.id,
                "metric": one.metric,
                "old": one.old,
                "new": one.new,
                "drift_pct": one.drift,
                "since": one.at.isoformat(),
            }
            for one in told.waiting
        ],
    }


def _values(one: Shown) -> dict[str, Any]:
    accepted = one.accepted
    return {
        "value": one.value,
        "error": one.error,
        "status": one.status,
        "severity": one.severity,
        "drift_pct": one.drift,
        "unit": one.metric.unit,
        "critical": one.metric.critical,
        "measured_at": one.at.isoformat() if one.at else None,
        "accepted": None
        if accepted is None
        else {"value": accepted.value, "at": accepted.at.isoformat(), "how": accepted.how, "by": accepted.by},
        "course": [{"at": at.isoformat(), "value": value} for at, value in one.spots],
    }
