"""A lake in, its inventory out: every object with what its key says it is, and the moment for which that is true.

The inventory comes from a live listing or from the newest AWS Inventory report; either gives the same table with an
as-of. Either is whole or fails: a lake that could not be read to its end is not a smaller lake.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from adce_assets.contract.events import SeenId, events_of, season_of_game
from adce_assets.contract.expected import events_table
from adce_assets.contract.ids import season_type_of_id
from adce_assets.contract.loading import Contract
from adce_assets.contract.schedule import ScheduledGame
from adce_assets.errors import LakeError
from adce_assets.lake import listing, report
from adce_assets.lake.classify import Classifier
from adce_assets.loop import audits, schedules
from adce_assets.loop.project import Project
from adce_assets.loop.state import INVENTORY, SCHEDULE
from adce_assets.progress import Progress, silent

if TYPE_CHECKING:
    import pyarrow as pa

Mode = Literal["list", "aws"]
LISTED = 20
"""How many unclassified keys the summary names; all are counted, and all stand in the Parquet file."""


@dataclass(frozen=True, slots=True)
class InventorySummary:
    """What `current_inventory.json` says."""

    document: dict[str, Any]


def take(project: Project, *, mode: Mode | None = None, progress: Progress = silent) -> InventorySummary:
    """Take the inventory, read what schedules it holds, and write `current_inventory.{json,parquet}`.

    Raises:
        LakeError: the lake or a report could not be read whole, or there is no report yet. The last inventory stays.
    """
    chosen = mode or ("aws" if project.settings.reconciliation.s3.use_aws_inventory else "list")
    now = project.clock()
    objects, as_of = MODES[chosen](project, now, progress)
    readings = schedules.refresh(project, objects, progress)
    games = schedules.games(project, readings)
    placed = _placed(project, objects, games)
    events = {
        name: events_of(project.contract, name, found, _seen(project.contract, placed, name), now)
        for name, found in games.items()
    }
    faults = {
        (reading.version.key, reading.version.etag, reading.version.last_modified): reading.fault
        for reading in readings
        if reading.fault is not None
    }
    data = placed.filter(_equals(placed, "kind", "data"))
    verdicts = audits.refresh(project, data, faults, progress)
    document = {
        "schema": 1,
        "mode": chosen,
        "generated_at": now.isoformat(),
        "as_of": as_of.isoformat(),
        **_counts(placed),
        "schedules": {
            name: {
                "documents": sum(reading.version.schedule == name for reading in readings),
                "events": len(events[name]),
                "estimated": sum(event.basis == "estimate" for event in events[name]),
            }
            for name in project.contract.schedules
        },
        "audited": verdicts.num_rows,
        "damaged": verdicts.num_rows - verdicts["verdict"].null_count,
    }
    project.state.write_table(SCHEDULE, events_table([event for found in events.values() for event in found]))
    project.state.write_table(INVENTORY, placed)
    project.state.write_json(INVENTORY, document)
    return InventorySummary(document)


def _listed(project: Project, now: datetime, progress: Progress) -> tuple["pa.Table", datetime]:
    """List the lake as it is; what is written while the listing runs may be missing, so its as-of is its start."""
    objects = listing.take(
        project.lake, exclude=project.outside_the_lake, on_progress=lambda done: progress("listing", done, None)
    )
    return objects, now


def _reported(project: Project, _now: datetime, progress: Progress) -> tuple["pa.Table", datetime]:
    """Read the newest complete AWS Inventory report; its as-of is the start of AWS's own scan."""
    scanning = project.settings.reconciliation.s3
    manifest = report.newest(project.lake, prefix=scanning.inventory_prefix, config_id=scanning.inventory_id)
    if manifest is None:
        raise LakeError(
            "there is no complete AWS Inventory report",
            where=f"{project.lake.url}/{scanning.inventory_prefix}",
            hint="the first report takes up to 48 hours; until then use `adce reconcile --mode list`",
        )
    objects = report.read(
        project.lake,
        manifest,
        exclude=project.outside_the_lake,
        on_progress=lambda done: progress("report", done, None),
    )
    return objects, manifest.created_at


MODES = {"list": _listed, "aws": _reported}
"""The ways to take an inventory, by the name that the command line and the inventory itself give them."""


def _placed(project: Project, objects: "pa.Table", games: Mapping[str, list[ScheduledGame]]) -> "pa.Table":
    """Add what each key says: kind, source, data type, season, entity and the template that reads it."""
    contract = project.contract
    seasons: dict[str, dict[str, str]] = {name: {} for name in games}
    for name, found in games.items():
        for game in found:
            season = season_of_game(contract, name, game).label
            seasons[name] |= dict.fromkeys((game.game_id, *game.also_known_as), season)
    placements = Classifier(contract, seasons).place_all(objects["key"].to_pylist())
    for name in placements.column_names:
        objects = objects.append_column(name, placements[name])
    return objects


def _seen(contract: Contract, placed: "pa.Table", schedule: str) -> list[SeenId]:
    """List the ids of a schedule's events that objects of the lake carry, with the season that their key tells."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [
        data_set.name
        for data_set in contract.data_sets.values()
        if data_set.schedule == schedule and data_set.declared.for_each == ("game",)
    ]
    held_by = pc.binary_join_element_wise(
        placed["source"].cast(pa.string()), placed["data_type"].cast(pa.string()), "/"
    )
    rows = placed.append_column("held_by", held_by).filter(pc.is_in(held_by, pa.array(names, pa.string())))
    groups = rows.group_by(["season", "entity"]).aggregate([("held_by", "count_distinct")]).to_pylist()
    kind = contract.ids[contract.schedules[schedule].id]
    return [
        SeenId(row["entity"], row["season"], season_type_of_id(kind, row["entity"]), row["held_by_count_distinct"])
        for row in groups
        if row["season"] is not None
    ]


def _equals(table: "pa.Table", column: str, value: str) -> "pa.ChunkedArray":
    import pyarrow.compute as pc

    return pc.fill_null(pc.equal(table[column], value), fill_value=False)


def _counts(placed: "pa.Table") -> dict[str, Any]:
    """Count objects and bytes, in all and by source, season and data type, and name what nobody could place."""
    import pyarrow.compute as pc

    unclassified = placed.filter(_equals(placed, "kind", "unclassified"))
    return {
        "objects": placed.num_rows,
        "bytes": pc.sum(placed["size"]).as_py() or 0,
        "by_source": _by(placed, "source"),
        "by_season": _by(placed, "season"),
        "by_type": _by(placed, "data_type"),
        "non_data": placed.filter(_equals(placed, "kind", "non_data")).num_rows,
        "unclassified": unclassified.num_rows,
        "unclassified_keys": unclassified["key"].slice(0, LISTED).to_pylist(),
    }


def _by(placed: "pa.Table", column: str) -> dict[str, dict[str, int]]:
    data = placed.filter(_equals(placed, "kind", "data"))
    groups = data.group_by(column).aggregate([("size", "sum"), ("key", "count")]).to_pylist()
    named = {group[column] or "unknown": group for group in groups}
    return {name: {"objects": named[name]["key_count"], "bytes": named[name]["size_sum"]} for name in sorted(named)}
