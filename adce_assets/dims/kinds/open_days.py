"""The table of open keys in, on how many days or of how many games something is open out.

The day of a game is that of its schedule, the day of a day's document its own. What is of no day, such as a season's
document, is on none.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from adce_assets.contract.faults import GAME_FIELD
from adce_assets.contract.loading import DataSet
from adce_assets.dims.kinds import held
from adce_assets.dims.kinds.cells import Cells, OfCells, Text, chosen
from adce_assets.dims.kinds.kind import Kind
from adce_assets.dims.world import Reading, World
from adce_assets.errors import MetricError
from adce_assets.loop.records import CELL, refuse_other_run
from adce_assets.loop.state import GAP_KEYS, GAPS, SCHEDULE

if TYPE_CHECKING:
    import pyarrow as pa


class GapDays(OfCells):
    """On how many days something is open, or is in one of the open states."""

    kind: Literal["gap_days"]
    state: Literal["missing", "stale", "damaged"] | None = None


class MissingGames(OfCells):
    """Of how many games of a source a document is missing that is due: of any data type, or of the one named."""

    kind: Literal["missing_games"]
    source: Text


def gap_days(world: World, of: GapDays) -> int:
    """Count the days on which something is open."""
    import pyarrow.compute as pc

    table = _open(world, chosen(world, of))
    if of.state is not None:
        table = table.filter(pc.equal(table["state"], of.state))
    return pc.count_distinct(table["day"], mode="only_valid").as_py()


def missing_games(world: World, of: MissingGames) -> int:
    """Count the games of which a document is missing.

    Of games of which only the number is known nobody can say whether they have one; they are not counted, and where
    there are no others, nobody can count.

    Raises:
        LakeError: as of `_dated`; or coverage has not been analysed yet.
        MetricError: no document of these is of one game; or no schedule names a game.
    """
    import pyarrow.compute as pc

    cells, contract = chosen(world, of), world.project.contract
    of_games = {name for name in cells.data_sets if "game" in contract.data_sets[name].declared.for_each}
    with world.reading() as read:
        rows = [row for row in cells.among(held.coverage(world, read)["cells"]) if _data_set(row) in of_games]
    if not rows:
        raise MetricError(f"no document that can be named is of one game of {cells}", where=of.kind)
    if all(row["basis"] == "estimate" for row in rows):
        hint = "the lake has no schedule of these seasons; see `adce coverage`"
        raise MetricError(f"no schedule names a game of {cells}: a total would be a guess", where=of.kind, hint=hint)
    table = _open(world, cells)
    missing = table.filter(pc.and_(pc.equal(table["state"], "missing"), pc.is_valid(table["game"])))
    return missing.select(["schedule", "game"]).group_by(["schedule", "game"]).aggregate([]).num_rows


def _data_set(row: Mapping[str, Any]) -> str:
    return f"{row['source']}/{row['data_type']}"


def _open(world: World, cells: Cells) -> "pa.Table":
    """Return the open keys of some cells, as `_dated` has them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    with world.reading() as read:
        table = read.once("open days", lambda _: _dated(world, read))
    for name in ("source", "data_type"):
        wanted = getattr(cells, name)
        table = table if wanted is None else table.filter(pc.equal(table[name], wanted))
    if cells.seasons is None:
        return table
    return table.filter(pc.is_in(table["season"], pa.array(sorted(cells.seasons), pa.string())))


def _dated(world: World, read: Reading) -> "pa.Table":
    """Read the open keys: cell, state, day, and the game with its schedule (null where a key is of none).

    Raises:
        LakeError: no gaps have been found yet, or their table and their summary are of two runs.
        MetricError: the gaps are of a data set that the contract does not name any more.
    """
    import pyarrow as pa

    project = world.project
    told, rows = held.gaps(world, read), project.state.recall(GAP_KEYS, [*CELL, "state", "entity"])
    if rows is None:
        raise MetricError("there is no table of open keys, or it is damaged", where=GAP_KEYS, hint=held.HINT)
    refuse_other_run(project.state, GAPS, said=told["total_keys"], found=rows.num_rows)
    days = read.once("days of games", lambda _: _days(world))
    empty = pa.schema([*((name, pa.string()) for name in (*CELL, "state", "schedule", "game")), ("day", pa.date32())])
    groups = rows.select(["source", "data_type"]).group_by(["source", "data_type"]).aggregate([]).to_pylist()
    parts = [_of_data_set(_named(world, **group), rows, days).select(empty.names) for group in groups]
    return pa.concat_tables([empty.empty_table(), *(part.cast(empty) for part in parts)])


def _named(world: World, source: str, data_type: str) -> DataSet:
    found = world.project.contract.data_sets.get(f"{source}/{data_type}")
    if found is None:
        raise MetricError(f"the contract has no `{source}/{data_type}`, which has gaps", where=GAPS, hint=held.HINT)
    return found


def _days(world: World) -> "pa.Table":
    """Read on which day each game is, by the schedule of record."""
    columns = ["schedule", "game_id", "day"]
    return world.project.state.read_table(SCHEDULE).select(columns).rename_columns(["schedule", "game", "day"])


def _of_data_set(data_set: DataSet, rows: "pa.Table", days: "pa.Table") -> "pa.Table":
    """Add to the open keys of a data set their game, its schedule and the day."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_its = pc.and_(pc.equal(rows["source"], data_set.source), pc.equal(rows["data_type"], data_set.data_type))
    table, fields = rows.filter(is_its), data_set.entity_fields
    parts = {name: _part(table, place) for place, name in enumerate(fields)}
    nothing = pa.nulls(table.num_rows, pa.string())
    table = table.append_column("game", parts.get(GAME_FIELD, nothing))
    table = table.append_column("schedule", pa.array([data_set.schedule] * table.num_rows, pa.string()))
    if "date" in parts:
        return table.append_column("day", pc.cast(parts["date"], pa.date32()))
    return table.join(days, ["schedule", "game"])


def _part(table: "pa.Table", place: int) -> "pa.ChunkedArray":
    """Take a field out of entities, which join theirs by ``/``."""
    import pyarrow.compute as pc

    return pc.list_element(pc.split_pattern(table["entity"], "/"), place)


KINDS = (Kind(GapDays, gap_days), Kind(MissingGames, missing_games))
