"""Inventory and expected keys in, coverage out: the state of every expected key, by comparison of whole keys.

Every expected key gets exactly one state. An object is looked for in every place that the data set's templates name;
the best one found satisfies the key. What it means to be damaged, stale or absent is decided in `states`, what the
objects are that nobody expects in `coverage_sums`, what is a gap in `gaps`.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from adce_assets.contract.expected import cells
from adce_assets.contract.loading import Contract
from adce_assets.errors import LakeError, MixedRunsError
from adce_assets.loop import memory
from adce_assets.loop.coverage_sums import Parts, summed_up
from adce_assets.loop.project import Project
from adce_assets.loop.records import CELL, STATES
from adce_assets.loop.state import (
    COVERAGE,
    ESTIMATES,
    INVENTORY,
    MATCHED,
    OTHER_OBJECTS,
    SCHEDULE,
    TOMBSTONES,
    UNMATCHED,
    VERDICTS,
)
from adce_assets.loop.states import A_TOMBSTONE_SAYS, ABSENT_STATES, PRESENT_STATES, first_that_holds
from adce_assets.moments import MOMENT
from adce_assets.progress import Progress, silent
from adce_assets.tables import engine, laid_out_once, lend, let

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

ORDER = ("source", "data_type", "season", "entity", "key", "season_type", "event_at", "state", "basis", "keys")
"""The order of the table, a total one: all behind the key is for rows that stand for many, which have none."""
TOMBSTONE_COLUMNS = ("key", "reason", "until")
"""One row a key in `tombstones.parquet` of which it is known that the source has nothing; `until` is when it is asked
for again (UTC)."""


@dataclass(frozen=True, slots=True)
class CoverageSummary:
    """What `coverage_analysis.json` says."""

    document: dict[str, Any]


def analyse(project: Project, *, progress: Progress = silent) -> CoverageSummary:
    """Judge what the inventory compared with the contract, and write `coverage_analysis.{json,parquet}`.

    The table has the columns of `COLUMNS`. A row with a ``key`` is one expected key; keys that plainly are present, and
    events that are only counted, are one row a cell without a key, which stands for as many as ``keys`` says.
    `other_objects.parquet` holds the objects that satisfy no expected key: ``key``, ``size`` and ``standing``.

    Raises:
        LakeError: no inventory has been taken yet, or that which was is of another contract or lake, or torn, or has
            lost so much that a person must look first.
    """
    inventory, now = project.state.read_json(INVENTORY), project.clock()
    limits = project.settings.reconciliation.engine
    progress("coverage", 0, None)
    rows = _cell_rows(project.contract, now)
    with engine(**limits.model_dump()) as backend, _read(project, backend) as read:
        _refuse(project, inventory)  # what was lent before stays as it is, whatever is written from now on
        parts, told = _parts(backend, read, rows, now)
        sums = summed_up(project.contract, backend, rows, parts, inventory)
        project.state.write_relation(COVERAGE, backend, told)
        project.state.write_relation(OTHER_OBJECTS, backend, backend.table("standings").order_by("key"))
    told_of = {name: inventory[name] for name in ("as_of", "contract")}
    document = {"generated_at": now.isoformat(), **told_of, **sums}
    keep_for = timedelta(hours=project.settings.autonomous.intervals.fresh_within_hours)
    project.state.write_json(COVERAGE, document, keep_for=keep_for)
    expected = sums["totals"]["expected"]
    progress("coverage", expected, expected)
    return CoverageSummary(document)


@dataclass(frozen=True, slots=True)
class _Read:
    """What the inventory and the ledger have left: the tables of these files."""

    matched: "ir.Table"
    unmatched: "ir.Table"
    scheduled: "ir.Table"
    estimated: "ir.Table"
    verdicts: "ir.Table"
    tombstones: "ir.Table"


@contextmanager
def _read(project: Project, backend: "Backend") -> Iterator[_Read]:
    """Lend the files to the engine for the length of the block, each in the version that it has now."""
    state = project.state
    with ExitStack() as lent:
        files = (MATCHED, UNMATCHED, SCHEDULE, ESTIMATES, VERDICTS)
        matched, unmatched, scheduled, estimated, verdicts = (
            backend.read_parquet(lent.enter_context(state.local(name))) for name in files
        )
        path = lent.enter_context(state.local_memory(TOMBSTONES, TOMBSTONE_COLUMNS))
        buried = lend(backend, _no_tombstones()) if path is None else backend.read_parquet(path)
        yield _Read(matched, unmatched, scheduled, estimated, verdicts, buried)


def _parts(backend: "Backend", read: _Read, rows: list[dict[str, Any]], now: datetime) -> tuple[Parts, "ir.Table"]:
    """Judge what was read; return the parts, and the rows of the table of coverage in their order."""
    cell, at = lend(backend, _cell_table(rows)), let(backend, "now", now)
    counted = lend(backend, _counted_only(backend.to_pyarrow(_nameless(read.estimated)), rows))
    keyed = backend.create_table("keyed", _keyed(read.matched, read.scheduled, read.estimated, cell), temp=True)
    found = backend.create_table("found", _found(keyed, read.verdicts, at), temp=True)
    judged = backend.create_table("judged", _judged(keyed, found, read.tombstones, at), temp=True)
    gathered = _gathered(read.matched, counted, cell)
    return Parts(judged, found, gathered, read.unmatched), _ordered(judged, gathered)


@laid_out_once
def _ordered(judged: "ir.Table", gathered: "ir.Table") -> "ir.Table":
    return judged.union(gathered).order_by(*ORDER)


def _refuse(project: Project, inventory: Mapping[str, Any]) -> None:
    """Raise LakeError for an inventory from which nothing may be concluded."""
    wrong, kind = None, LakeError
    if inventory["contract"] != project.contract.digest:
        wrong = "was taken for another contract", "the contract has changed since: run `adce reconcile`"
    elif inventory["of"] != memory.identity(project):
        wrong = "is of another lake", "run `adce reconcile`"
    elif inventory["tables"] != memory.seals(project.state):
        wrong, kind = ("and its tables are not of one run", "run `adce reconcile`"), MixedRunsError
    elif inventory["vanished"]:
        wrong = "has lost objects that nobody has accepted", "look first, then `adce reconcile --accept-loss`"
    if wrong is not None:
        raise kind(wrong[0], where=f"{project.state.store.url}/{INVENTORY}.json", hint=wrong[1])


def _cell_rows(contract: Contract, now: datetime) -> list[dict[str, Any]]:
    """List the cells, each with the basis of its keys where no event says another."""
    rows = cells(contract, now)
    for row in rows:
        each = row["for_each"]
        row["basis"] = "schedule" if "game" in each else "calendar" if "date" in each else "contract"
    return rows


def _cell_table(rows: list[dict[str, Any]]) -> "pa.Table":
    import pyarrow as pa

    fields = [(name, pa.string()) for name in (*CELL, "changes", "absent_reason", "basis")]
    fields += [("is_open", pa.bool_()), ("min_bytes", pa.int64()), ("lost_seconds", pa.int64())]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


@laid_out_once
def _keyed(matched: "ir.Table", scheduled: "ir.Table", estimated: "ir.Table", cell: "ir.Table") -> "ir.Table":
    """Bring together all that the rules look at, for every place that was kept."""
    import ibis

    columns = ("event", "season_type", "confirmed_at", "game_id")
    events = scheduled.select(*columns).union(estimated.select(*columns))
    named = events.filter(events.game_id.notnull()).select("event", "season_type", "confirmed_at")
    table = matched.filter(matched.place.notnull()).join(cell, list(CELL)).left_join(named, "event")
    return table.mutate(
        wanted=ibis.coalesce(table.key, table.place),
        basis=ibis.ifelse(table.is_estimate, "estimate", table.basis),
    )


def _no_tombstones() -> "pa.Table":
    import pyarrow as pa

    kinds = (pa.string(), pa.string(), pa.timestamp("us", tz="UTC"))
    return pa.schema(zip(TOMBSTONE_COLUMNS, kinds, strict=True)).empty_table()


@laid_out_once
def _found(keyed: "ir.Table", verdicts: "ir.Table", now: "ir.TimestampValue") -> "ir.Table":
    """Give each object that was kept the state that it gives the key which it satisfies."""
    import ibis

    bad = verdicts.filter(verdicts.verdict.notnull()).select(
        "verdict", place="key", bad_etag="etag", written="last_modified"
    )
    table = keyed.filter(keyed.is_here)
    same = [table.place == bad.place, table.etag == bad.bad_etag, table.last_modified == bad.written]
    table = table.left_join(bad, same, rname="{name}_of_verdict")
    state, reason = first_that_holds(PRESENT_STATES, table, now, otherwise=("present", ""))
    told = ibis.ifelse(state == "unavailable", ibis.null("string"), table.verdict)
    table = table.mutate(state=state, reason=ibis.coalesce(told, reason))
    badness = ibis.cases(*[(table.state == state, place) for place, state in enumerate(STATES)])
    columns = ("wanted", "place", "rank", "state", "reason", "size", "last_modified", "etag")
    return table.select(*CELL, *columns, badness=badness)


@laid_out_once
def _judged(keyed: "ir.Table", found: "ir.Table", buried: "ir.Table", now: "ir.TimestampValue") -> "ir.Table":
    """Give every kept key its one state: that of the best object found, or that of its absence."""
    import ibis

    buried, table = buried.select(wanted="key", tombstone="reason"), keyed.filter(keyed["rank"] == 0)
    table = table.left_join(_best(found), "wanted").left_join(buried, "wanted", rname="{name}_buried")
    state, reason = first_that_holds(ABSENT_STATES, table, now, otherwise=("missing", ""))
    here = table.found_place.notnull()
    reason = ibis.ifelse(reason == A_TOMBSTONE_SAYS, table.tombstone, reason)
    reason = ibis.coalesce(table.absent_reason, reason)
    return table.select(
        *CELL,
        "entity",
        "season_type",
        "basis",
        "event_at",
        "due_at",
        key=table.wanted,
        found_key=table.found_place,
        state=ibis.ifelse(here, table.found_state, state),
        reason=ibis.ifelse(here, table.found_reason, reason),
        size=table.found_size,
        last_modified=table.found_last_modified,
        etag=table.found_etag,
        copies=ibis.coalesce(table.copies, 0).cast("int16"),
        keys=ibis.literal(1, "int64"),
    ).select(*COLUMNS)


def _best(found: "ir.Table") -> "ir.Table":
    """Choose the best object of each wanted key, and tell how many there are and the etag of the one at the key."""
    import ibis

    ordered = ibis.row_number().over(group_by="wanted", order_by=[found.badness, found["rank"], found.place])
    counted = found.mutate(copies=found.count().over(group_by="wanted"), at=ordered)
    best = counted.filter(counted["at"] == 0).select(
        "wanted",
        "copies",
        **{f"found_{name}": counted[name] for name in ("place", "state", "reason", "size", "last_modified")},
    )
    here = found.filter(found["rank"] == 0).select(wanted="place", found_etag="etag")
    return best.left_join(here, "wanted").drop("wanted_right")


COLUMNS = (
    *CELL,
    "entity",
    "key",
    "season_type",
    "basis",
    "event_at",
    "due_at",
    "found_key",
    "state",
    "reason",
    "size",
    "last_modified",
    "etag",
    "copies",
    "keys",
)


@laid_out_once
def _gathered(matched: "ir.Table", nameless: "ir.Table", cell: "ir.Table") -> "ir.Table":
    """Lay out the keys that are told only by their number: plainly present ones, and those that nobody can name."""
    import ibis

    cell = cell.select(*CELL, "basis", "absent_reason")
    table = matched.filter(matched.place.isnull()).join(cell, list(CELL))
    state, reason = _of_nameless(table.absent_reason)
    told = {name: ibis.null(kind) for name, kind in UNTOLD.items()}
    present = table.mutate(
        **told,
        basis=ibis.ifelse(table.is_estimate, "estimate", table.basis),
        season_type=ibis.null("string"),
        event_at=ibis.null(MOMENT),
        state=ibis.ifelse(table.is_here, "present", state),
        reason=ibis.ifelse(table.is_here, "", reason),
        copies=table.is_here.cast("int16"),
    ).select(*COLUMNS)
    state, reason = _of_nameless(nameless.absent_reason)
    nameless = nameless.mutate(**told, state=state, reason=reason, copies=ibis.literal(0, "int16")).select(*COLUMNS)
    return present.union(nameless)


UNTOLD = {
    "entity": "string",
    "key": "string",
    "due_at": MOMENT,
    "found_key": "string",
    "size": "int64",
    "last_modified": MOMENT,
    "etag": "string",
}
"""What is not told of keys that are gathered into one row."""


def _of_nameless(absent_reason: "ir.StringColumn") -> tuple["ir.Value", "ir.Value"]:
    """Judge keys whose name nobody knows."""
    import ibis

    nobody = "counted by season truth; the schedule that names it is missing"
    is_absent = absent_reason.notnull()
    return ibis.ifelse(is_absent, "unavailable", "unknown"), ibis.ifelse(is_absent, absent_reason, nobody)


@laid_out_once
def _nameless(events: "ir.Table") -> "ir.Table":
    """Express the events of which only the number is known."""
    return events.filter(events.game_id.isnull()).select("schedule", "season", "season_type", "event_at", "count")


def _counted_only(events: "pa.Table", rows: list[dict[str, Any]]) -> "pa.Table":
    """List, for each cell that ranges over events, how many events it has of which only the number is known."""
    import pyarrow as pa

    by_season: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for event in events.to_pylist():
        by_season.setdefault((event["schedule"], event["season"]), []).append(event)
    counted = [
        {**{name: row[name] for name in (*CELL, "absent_reason")}, "basis": "estimate", "keys": event["count"]}
        | {name: event[name] for name in ("season_type", "event_at")}
        for row in rows
        if "game" in row["for_each"]
        for event in by_season.get((row["schedule"], row["season"]), ())
        if not row["season_types"] or event["season_type"] in row["season_types"]
    ]
    fields = [(name, pa.string()) for name in (*CELL, "absent_reason", "basis", "season_type")]
    fields += [("event_at", pa.timestamp("us", tz="UTC")), ("keys", pa.int64())]
    return pa.Table.from_pylist(counted, schema=pa.schema(fields))
