"""All metrics as they were on a day: `adce dims snapshot` and `compare`."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.dims_options import opened, plain
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.dims.snapshots import Difference

CHANGES = (
    Column("metric", "metric"),
    Column("before", "shown_before", numeric=True),
    Column("after", "shown_after", numeric=True),
    Column("drift %", "drift_pct", numeric=True),
)
DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command("snapshot", epilog="Example: `adce dims snapshot` after `adce dims verify` keeps how all is today.")
@options.as_json
def snapshot(*, as_json: bool) -> None:
    """Keep what is known of all metrics as today's snapshot, and let go of those that are too old.

    It stands in `historical/<date>.yaml` of the state, and in the history. Dagster takes one a day.
    """
    from adce_assets.dims import snapshots

    with opened() as place:
        day = place.project.clock().date()
        taken = snapshots.take(place, day)
        where = f"{place.project.state.store.url}/{snapshots.FOLDER}{day}.yaml"
    if as_json:
        write_json({"schema": 1, "day": day.isoformat(), "where": where, "snapshot": taken})
    else:
        talk(f"kept in {where}")


@click.command("compare", epilog="Example: `adce dims compare 2026-11-01 2026-11-20`.")
@click.argument("earlier", type=DAY, metavar="DATE")
@click.argument("later", type=DAY, metavar="DATE")
@click.option("--all", "everything", is_flag=True, help="Show what has not changed, too.")
@options.as_json
def compare(earlier: datetime, later: datetime, *, everything: bool, as_json: bool) -> None:
    """Hold the snapshots of two days against each other: what has changed, what moved most first."""
    from adce_assets.dims import snapshots

    with opened() as place:
        found = snapshots.compare(place, earlier.date(), later.date())
    rows = [_row(one) for one in found if everything or one.before != one.after]
    if as_json:
        days = {"earlier": f"{earlier:%Y-%m-%d}", "later": f"{later:%Y-%m-%d}"}
        write_json({"schema": 1, **days, "metrics": len(found), "changes": rows})
        return
    shown = [row | {f"shown_{side}": plain(row[side]) for side in ("before", "after")} for row in rows]
    write_table(CHANGES, shown)
    changed = sum(one.before != one.after for one in found)
    talk(f"{changed:,} of {len(found):,} metrics changed")


def _row(one: "Difference") -> dict[str, Any]:
    return {"metric": one.metric, "before": one.before, "after": one.after, "drift_pct": one.drift}
