"""Coverage and the kinds of open keys in, a file of the open keys out: each with its gap, in the order of collecting.

Few keys are put together in memory, many by the table engine, which spills to disk: a lake that is nearly whole never
starts an engine for what little it lacks. Which kinds there are, and what they mean, is decided in `gaps`.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.configuration import Engine
from adce_assets.loop.records import CELL, OPEN_STATES
from adce_assets.loop.state import COVERAGE, GAP_KEYS, HELD_KEYS, State
from adce_assets.tables import engine, write_parquet

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

GAP_KEY_COLUMNS = (
    "gap_id",
    "priority",
    "source",
    "data_type",
    "season",
    "entity",
    "key",
    "state",
    "event_at",
    "etag",
    "detected_at",
    "held",
)
"""One row an open key in `gap_keys.parquet`, in the order of the gaps and, within a gap, newest event first.

`etag` is that of the object under `key` to be replaced, null if there is none. `held` says why nobody may try to
collect the key now, null if somebody may; held keys stand behind all others of their gap.
"""
HELD_COLUMNS = ("key", "held", "until")
"""One row a key in `held_keys.parquet` that nobody may try to collect now; `until` is null where nobody knows."""
MEMORY = ("key", "detected_at")
"""The columns that tell when a key was first found open."""
FEW = 100_000
"""Open keys that are put together in memory: some 100 MiB."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Keys of one cell (source, data type, season) that belong together: those with a recent event, or the others."""

    cell: tuple[str, ...]
    recent: bool
    priority: str
    gap_id: str


@dataclass(frozen=True, slots=True)
class Recent:
    """The span in which an event is recent (UTC), both ends included; its end is now."""

    since: datetime
    now: datetime


def write(state: State, kinds: Sequence[Kind], recent: Recent, limits: Engine, *, expected: int, path: Path) -> None:
    """Write the open keys of the coverage table to ``path``; a key of a cell without a kind is left out.

    Args:
        state: holds the coverage, and what is remembered of earlier gaps: when a key was first found open.
        kinds: in the order of their gaps.
        recent: what recent means, and now.
        limits: of the table engine.
        expected: how many open keys the summary counts.
        path: of the file to be made.
    """
    import pyarrow.parquet as pq

    table, held = _kind_table(kinds), _held(state, recent.now)
    with state.local(COVERAGE) as coverage, state.local_memory(GAP_KEYS, MEMORY) as memory:
        if expected <= FEW:
            pq.write_table(_in_memory(coverage, memory, held, table, recent), path, compression="zstd")
            return
        with engine(**limits.model_dump()) as backend:
            earlier = None if memory is None else backend.read_parquet(memory)
            write_parquet(backend, _relation(backend.read_parquet(coverage), earlier, held, table, recent), path)


def _held(state: State, now: datetime) -> "pa.Table":
    """Read which keys nobody may try to collect now, and why; a table that is not there holds none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = state.recall(HELD_KEYS, HELD_COLUMNS)
    if table is None:
        return pa.schema([("key", pa.string()), ("held", pa.string())]).empty_table()
    is_over = pc.less_equal(table["until"], pa.scalar(now, table["until"].type))
    return table.filter(pc.invert(pc.fill_null(is_over, fill_value=False))).select(["key", "held"])


def _kind_table(kinds: Sequence[Kind]) -> "pa.Table":
    """Lay out what a key gets by its cell and event, one row a kind; ``gap`` is the place of its gap."""
    import pyarrow as pa

    places = {gap_id: place for place, gap_id in enumerate(dict.fromkeys(kind.gap_id for kind in kinds))}
    columns: dict[str, pa.Array] = {
        name: pa.array([kind.cell[place] for kind in kinds], pa.string()) for place, name in enumerate(CELL)
    }
    columns["recent"] = pa.array([kind.recent for kind in kinds], pa.bool_())
    columns["priority"] = pa.array([kind.priority for kind in kinds], pa.string())
    columns["gap_id"] = pa.array([kind.gap_id for kind in kinds], pa.string())
    columns["gap"] = pa.array([places[kind.gap_id] for kind in kinds], pa.int32())
    return pa.table(columns)


def _in_memory(coverage: Path, memory: Path | None, held: "pa.Table", kinds: "pa.Table", recent: Recent) -> "pa.Table":
    """Lay out the open keys; as `_relation` does, of which this says the same."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = [name for name in GAP_KEY_COLUMNS if name not in {*kinds.column_names, "detected_at", "held"}]
    wanted = [("state", "in", set(OPEN_STATES))]
    table = pq.read_table(coverage, columns=[*CELL, *names], filters=wanted, partitioning=None)
    table = table.append_column("recent", _is_recent(table["event_at"], recent)).join(
        kinds, [*CELL, "recent"], join_type="inner"
    )
    now = pa.scalar(recent.now, table.schema.field("event_at").type)
    if memory is None:
        table = table.append_column("detected_at", pa.repeat(now, table.num_rows))
    else:
        table = table.join(pq.read_table(memory, columns=list(MEMORY), partitioning=None), "key")
        before, place = table["detected_at"], table.schema.get_field_index("detected_at")
        was_open = pc.fill_null(pc.less(before, now), fill_value=False)
        table = table.set_column(place, "detected_at", pc.if_else(was_open, before, now))
    table = table.join(held, "key")
    table = table.append_column("is_held", pc.is_valid(table["held"]).cast(pa.int8()))
    order = [("gap", "ascending"), ("is_held", "ascending"), ("event_at", "descending"), ("key", "ascending")]
    return table.sort_by(order).select(list(GAP_KEY_COLUMNS))


def _relation(
    rows: "ir.Table", earlier: "ir.Table | None", held: "pa.Table", kinds: "pa.Table", recent: Recent
) -> "ir.Table":
    """Lay out the open keys; a clock that was set back never makes a key younger."""
    import ibis

    since, now = (ibis.literal(moment, "timestamp('UTC', 6)") for moment in (recent.since, recent.now))
    is_recent = rows.event_at.notnull() & rows.event_at.between(since, now)
    table = rows.filter(rows.state.isin(OPEN_STATES)).mutate(recent=is_recent)
    table = table.join(ibis.memtable(kinds), [*CELL, "recent"])
    detected_at = now
    if earlier is not None:
        table = table.left_join(earlier.select("key", first_found="detected_at"), "key")
        detected_at = ibis.least(table.first_found.fill_null(now), now)
    table = table.mutate(detected_at=detected_at)
    table = table.left_join(ibis.memtable(held), "key") if held.num_rows else table.mutate(held=ibis.null("string"))
    order = ("gap", table.held.notnull(), table.event_at.desc(nulls_first=False), "key")
    return table.order_by(*order).select(*GAP_KEY_COLUMNS)


def _is_recent(event_at: "pa.ChunkedArray", recent: Recent) -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    since, now = (pa.scalar(moment, event_at.type) for moment in (recent.since, recent.now))
    return pc.fill_null(pc.and_(pc.greater_equal(event_at, since), pc.less_equal(event_at, now)), fill_value=False)


def count(path: Path, recent: Recent) -> list[dict[str, Any]]:
    """Count the keys of a file that `write` made, by ``gap_id``, ``recent`` and ``state``.

    Returns:
        Rows with the number of ``keys``, of those that are ``held``, the ``newest`` event (None where no event has a
        time) and when the first of them was found open, ``detected_at``. The file is read a piece at a time.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    by, parts = ["gap_id", "recent", "state"], []
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["gap_id", "state", "event_at", "detected_at", "held"]):
            table = pa.Table.from_batches([batch])
            table = table.append_column("recent", _is_recent(table["event_at"], recent))
            told = [([], "count_all"), ("held", "count"), ("event_at", "max"), ("detected_at", "min")]
            parts.append(
                table.group_by(by).aggregate(told).rename_columns([*by, "keys", "held", "newest", "detected_at"])
            )
    return pa.concat_tables(parts).to_pylist() if parts else []


def rows_at(path: Path, places: Sequence[int], columns: Sequence[str]) -> "pa.Table":
    """Read some rows of a table, by their numbers in rising order, a group of rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        found, start = [file.schema_arrow.empty_table().select(columns)], 0
        for number in range(file.num_row_groups):
            end = start + file.metadata.row_group(number).num_rows
            wanted = places[bisect_left(places, start) : bisect_left(places, end)]
            if wanted:
                group = file.read_row_group(number, columns=columns)
                found.append(group.take(pa.array([place - start for place in wanted], pa.int64())))
            start = end
    return pa.concat_tables(found)
