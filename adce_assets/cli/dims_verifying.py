"""`adce dims verify`: the metrics measured and held against what is accepted; and how any verification is told."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import dims_options, options
from adce_assets.cli.dims_options import opened, plain
from adce_assets.cli.main import DONE, DRIFTED, ERROR
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.dims.catalogue import Metric
    from adce_assets.dims.metrics import Verdict
    from adce_assets.dims.place import Place
    from adce_assets.dims.verification import Verification

MOVED = ("moderate", "major")
VERDICTS = (
    Column("is", "status"),
    Column("severity", "severity"),
    Column("metric", "metric"),
    Column("measured", "shown", numeric=True),
    Column("accepted", "shown_accepted", numeric=True),
    Column("unit", "unit"),
    Column("drift %", "drift_pct", numeric=True),
    Column("why", "why"),
)


@click.command(
    "verify", epilog="Example: `adce dims verify --category s3_storage --update` measures, and accepts what it may."
)
@click.option("--update", is_flag=True, help="Accept what was measured, but for large moves of critical metrics.")
@dims_options.category
@dims_options.metric
@click.option("--fresh", is_flag=True, help="Measure anew what was measured a short time ago, too.")
@dims_options.by
@options.as_json
@click.pass_context
def verify(
    ctx: click.Context,
    category: Sequence[str],
    metric: Sequence[str],
    by: str,
    *,
    update: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Measure, and compare with what is accepted. What was measured within a metric's time to live is not again.

    A critical metric that moves by its threshold or more is not accepted: it waits for `adce dims approve`.

    \b
    Exit codes: 0 all is ok, new, or has moved little; 1 something could not be measured; 2 something has
    moved by `moderate` or `major`.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.dims import verification

    with opened() as place:
        chosen = place.catalogue.select(category, metric)
        done = verification.verify(place, metrics=chosen, update=update, fresh=fresh, by=by, trigger="cli")
        told = told_of(place, done)
    write_verification(told, as_json=as_json)
    ctx.exit(exit_code(done))


def told_of(place: "Place", done: "Verification") -> dict[str, Any]:
    """Say what a verification came to."""
    return {
        "schema": 1,
        "run": done.run_id,
        "trigger": done.trigger,
        "started_at": done.started_at.isoformat(),
        "ended_at": done.ended_at.isoformat(),
        "counts": {str(status): many for status, many in done.counts.items()},
        "metrics": [_row(one, place.catalogue.metrics[one.measurement.metric]) for one in done.verdicts],
        "pending": list(done.pending),
    }


def write_verification(told: dict[str, Any], *, as_json: bool) -> None:
    """Show what a verification came to; what does not hold stands last, where a person looks."""
    if as_json:
        write_json(told)
        return
    rows = sorted(told["metrics"], key=lambda row: ORDER.index(row["status"]))
    write_table(VERDICTS, [row | _shown(row) for row in rows])
    talk(f"run {told['run']}: " + ", ".join(f"{many:,} {status}" for status, many in told["counts"].items() if many))
    for approval in told["pending"]:
        talk(f"waits for a person: `adce dims approve show {approval}`")


ORDER = ("ok", "new", "minor", "moderate", "major", "error")


def exit_code(done: "Verification") -> int:
    """Say how a command ends: an error goes before a drift, for nobody knows what is behind it."""
    statuses = {str(verdict.status) for verdict in done.verdicts}
    if "error" in statuses:
        return ERROR
    return DRIFTED if statuses & {*MOVED} else DONE


def _row(verdict: "Verdict", metric: "Metric") -> dict[str, Any]:
    found = verdict.measurement
    return {
        "metric": metric.id,
        "value": found.value,
        "unit": metric.unit,
        "accepted": verdict.accepted and verdict.accepted.value,
        "drift_pct": verdict.drift,
        "status": str(verdict.status),
        "severity": str(verdict.severity),
        "in_season": verdict.in_season,
        "cached": found.is_cached,
        "at": found.at.isoformat(),
        "seconds": found.seconds,
        "error": found.error,
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    remembered = f"measured {datetime.fromisoformat(row['at']):%Y-%m-%d %H:%M} UTC" if row["cached"] else ""
    beside = ("" if row["in_season"] else "out of season", remembered)
    return {
        "shown": plain(row["value"]),
        "shown_accepted": plain(row["accepted"]),
        "why": plain(row["error"]) or ", ".join(filter(None, beside)),
    }
