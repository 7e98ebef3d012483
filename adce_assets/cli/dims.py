"""`adce dims`: the numbers of the whole system, measured, remembered, watched for drift, and approved."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import dims_options, options
from adce_assets.cli.dims_approving import approve
from adce_assets.cli.dims_events import event, install_hook
from adce_assets.cli.dims_options import opened, plain
from adce_assets.cli.dims_remembered import history, prune, stats, trend
from adce_assets.cli.dims_reporting import report
from adce_assets.cli.dims_snapshots import compare, snapshot
from adce_assets.cli.dims_verifying import verify
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.dims.telling import Shown

METRICS = (
    Column("metric", "metric"),
    Column("value", "shown", numeric=True),
    Column("unit", "unit"),
    Column("drift %", "drift_pct", numeric=True),
    Column("is", "status"),
    Column("measured", "at"),
    Column("what it is", "about"),
)


@click.group()
def command() -> None:
    """Measure the lake, the loop and the project, and tell what has moved."""


@click.command("list", epilog="Example: `adce dims list --category s3_storage` shows how these stood last.")
@dims_options.category
@dims_options.metric
@options.as_json
def list_command(category: Sequence[str], metric: Sequence[str], *, as_json: bool) -> None:
    """Show every metric that is switched on, and how it stood when it was measured last. Nothing is measured."""
    from adce_assets.dims.telling import tell

    with opened() as place:
        chosen = place.catalogue.select(category, metric)
        told = tell(place, days=1, ids={one.id for one in chosen})
        off = place.catalogue.off
    rows = [_row(one) for one in told.shown]
    if as_json:
        write_json({"schema": 1, "metrics": rows, "off": dict(off)})
        return
    write_table(METRICS, [{**row, "shown": plain(row["value"]), "about": _about(row)} for row in rows])
    if off:
        talk(f"{len(off):,} more are switched off, by the profile(s) {', '.join(sorted(set(off.values())))}")


def _row(one: "Shown") -> dict[str, Any]:
    return {
        "metric": one.metric.id,
        "value": one.value,
        "unit": one.metric.unit,
        "accepted": one.accepted and one.accepted.value,
        "drift_pct": one.drift,
        "status": str(one.status),
        "severity": str(one.severity),
        "at": one.at and one.at.isoformat(timespec="seconds"),
        "error": one.error,
        "critical": one.metric.critical,
        "nature": one.metric.nature,
        "ttl_minutes": one.metric.ttl_minutes,
        "description": one.metric.description,
    }


def _about(row: dict[str, Any]) -> str:
    """Say why there is no value, or what the value is."""
    return plain(row["error"]) or f"{'critical: ' if row['critical'] else ''}{row['description']}"


for member in (
    *(verify, list_command, history, trend, stats, snapshot, compare),
    *(event, install_hook, approve, report, prune),
):
    command.add_command(member)
