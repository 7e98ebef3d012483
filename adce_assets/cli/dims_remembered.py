"""What is remembered of metrics: `adce dims history`, `trend`, `stats` and `prune`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import dims_options, options
from adce_assets.cli.dims_options import opened, plain, since
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.dims.history_records import Point
    from adce_assets.dims.place import Place

POINTS = (
    Column("at", "at"),
    Column("value", "shown", numeric=True),
    Column("accepted", "shown_accepted", numeric=True),
    Column("drift %", "drift_pct", numeric=True),
    Column("is", "status"),
    Column("why", "error"),
)
TRENDS = (
    Column("metric", "metric"),
    Column("unit", "unit"),
    Column("points", "count", numeric=True),
    Column("a day", "per_day", numeric=True),
    Column("from", "begins", numeric=True),
    Column("to", "ends", numeric=True),
    Column("fit", "fit", numeric=True),
)
NUMBERS = ("minimum", "maximum", "mean", "median", "first", "last")
STATS = (
    Column("metric", "metric"),
    Column("unit", "unit"),
    Column("points", "count", numeric=True),
    Column("errors", "errors", numeric=True),
    *(Column(name, name, numeric=True) for name in NUMBERS),
    Column("changes", "changes", numeric=True),
)


@click.command("history", epilog="Example: `adce dims history s3_storage.total_objects --days 30` draws a line.")
@click.argument("metric")
@dims_options.days
@options.as_json
def history(metric: str, days: int, *, as_json: bool) -> None:
    """Show what a metric was: a line on a terminal, one measurement a line in a pipe."""
    with opened() as place:
        ((_, unit),) = _known(place, [metric])
        until, begin = place.project.clock(), since(place, days)
        points = place.history.series(metric, begin)
    if as_json:
        rows = [_point(point) for point in points]
        write_json({"schema": 1, "metric": metric, "unit": unit, "days": days, "points": rows})
        return
    if not points:
        talk(f"`{metric}` was not measured in the last {days} day(s): `adce dims verify --metric {metric}`")
    elif not _drawn(f"{metric} ({unit})" if unit else metric, points, begin, until):
        write_table(POINTS, [_line(point) for point in points])


@click.command("trend", epilog="Example: `adce dims trend s3_storage.total_size_gb --days 90`.")
@dims_options.metric_arguments
@dims_options.days
@options.as_json
def trend(metrics: Sequence[str], days: int, *, as_json: bool) -> None:
    """Say how much each metric grows in a day: the line that lies nearest to its points, and how well it fits."""
    with opened() as place:
        rows = [
            {"metric": one, "unit": unit, **asdict(place.history.trend(one, since(place, days)))}
            for one, unit in _known(place, metrics)
        ]
    _write(TRENDS, rows, ("per_day", "begins", "ends"), as_json=as_json, name="trends", days=days)


@click.command("stats", epilog="Example: `adce dims stats --days 365 --json` is of all metrics.")
@dims_options.metric_arguments
@dims_options.days
@options.as_json
def stats(metrics: Sequence[str], days: int, *, as_json: bool) -> None:
    """Say between what each metric was, its mean and its median, and how often it changed."""
    with opened() as place:
        rows = [
            {"metric": one, "unit": unit, **asdict(place.history.stats(one, since(place, days)))}
            for one, unit in _known(place, metrics)
        ]
    _write(STATS, rows, NUMBERS, as_json=as_json, name="stats", days=days)


@click.command("prune", epilog="Example: `adce dims prune` keeps what `retention` in inventory/config.yaml says.")
@options.as_json
def prune(*, as_json: bool) -> None:
    """Remove what is older than `retention` says; approvals are kept for good. Dagster does it once a day."""
    from adce_assets.dims import snapshots

    with opened() as place:
        gone = snapshots.prune(place)
    told = {**asdict(gone), "snapshots": [day.isoformat() for day in gone.snapshots]}
    if as_json:
        write_json({"schema": 1, "removed": told})
    else:
        talk(
            "removed: "
            + ", ".join(f"{len(many) if isinstance(many, list) else many:,} {name}" for name, many in told.items())
        )


def _known(place: "Place", ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return metrics (default: all) with their units; one that is no longer measured has a past, and no unit."""
    metrics = place.catalogue.metrics
    past = place.history.newest([one for one in ids if one not in metrics])
    place.catalogue.select(ids=[one for one in ids if one not in past])
    return [(one, metrics[one].unit if one in metrics else "") for one in dict.fromkeys(ids or metrics)]


def _write(
    columns: Sequence[Column],
    rows: Sequence[dict[str, Any]],
    values: Sequence[str],
    *,
    as_json: bool,
    name: str,
    days: int,
) -> None:
    if as_json:
        write_json({"schema": 1, "days": days, name: rows})
    else:
        write_table(columns, [row | {value: plain(row[value]) for value in values} for row in rows])


def _point(point: "Point") -> dict[str, Any]:
    return {
        "at": point.at.isoformat(timespec="seconds"),
        "value": point.value,
        "accepted": point.accepted,
        "drift_pct": point.drift,
        "status": str(point.status),
        "error": point.error,
    }


def _line(point: "Point") -> dict[str, Any]:
    row = _point(point)
    texts = {"shown": plain(point.value), "shown_accepted": plain(point.accepted), "error": plain(point.error)}
    return row | texts


def _drawn(title: str, points: "Sequence[Point]", begin: datetime, until: datetime) -> bool:
    """Draw the numbers, if there are any and stdout is a terminal; tell whether that was done."""
    from adce_assets.cli.charts import draw, is_drawn

    numbers = [(point.at, None if isinstance(point.value, str) else point.value) for point in points]
    if not is_drawn() or all(value is None for _, value in numbers):
        return False
    draw(numbers, title=title, begin=begin, until=until)
    errors = sum(1 for point in points if point.error)
    talk(f"{len(points):,} measurement(s)" + (f", {errors:,} of which failed" if errors else ""))
    return True
