"""Inventory and expected keys in, coverage out: the state of every expected key, by comparison of whole keys.

Every expected key gets exactly one state. An object is looked for in every place that the data set's templates name;
the best one found satisfies the key. What it means to be damaged, stale or absent is one entry of `PRESENT_STATES` or
`ABSENT_STATES`, the first that holds; what the objects are that nobody expects is one entry of `STANDINGS`. Gaps are
not decided here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from adce_assets.contract.expected import MOMENT, cells
from adce_assets.contract.loading import Contract
from adce_assets.errors import LakeError
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
from adce_assets.progress import Progress, silent
from adce_assets.tables import engine

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

ORDER = ("source", "data_type", "season", "entity", "key", "season_type", "event_at", "state", "basis", "keys")
"""The order of the table, a total one: all behind the key is for rows that stand for many, which have none."""
TOMBSTONE_COLUMNS = ("key", "reason", "until")
"""One row a key in `tombstones.parquet` of which it is known that the source has nothing; `until` is when it is asked
for again (UTC)."""
TOO_EARLY_DAYS = 2
"""A document of a closed season counts as written too early if it was at most so long before its event was over."""


@dataclass(frozen=True, slots=True)
class CoverageSummary:
    """What `coverage_analysis.json` says."""

    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StateRule:
    """A state, when it holds of a row at a moment (UTC), and why, in words."""

    state: str
    when: Callable[["ir.Table", datetime], "ir.BooleanValue"]
    reason: str


A_TOMBSTONE_SAYS = "the source was asked, and has nothing"
"""In the place of this stands what the tombstone of the key says."""

PRESENT_STATES = (
    StateRule(
        "unavailable",
        lambda row, now: _is_lost(row, now) & (_is_bad(row) | (row.last_modified < row.event_at)),
        "what is there is no document of its day, and the day is over: only the present can be had",
    ),
    StateRule("damaged", lambda row, _: row.size < row.min_bytes, "the object is smaller than any real document"),
    StateRule("damaged", lambda row, _: row.verdict.notnull(), "the object's content is not what its key says"),
    # A closed season does not mend what was written too early; but a time long before the event tells of a copy or a
    # clock, not of the document, and age alone makes nothing stale.
    StateRule(
        "stale",
        lambda row, _: (
            (row.changes == "until_final")
            & (row.basis != "estimate")
            & (row.last_modified < row.event_at)
            & (row.is_open | _shortly_before_the_end(row))
            & row.was_due
        ),
        "written before the event was over",
    ),
    StateRule(
        "stale",
        lambda row, _: _may_change(row) & row.is_old,
        "older than its data type allows while it can still change",
    ),
)
ABSENT_STATES = (
    StateRule("unavailable", lambda row, _: row.absent_reason.notnull(), "the source never had it"),
    StateRule("unknown", lambda row, _: row.due_at.isnull(), "nobody can say yet when it is due"),
    StateRule("not_due", lambda row, now: row.due_at > now, "not due yet"),
    StateRule(
        "unknown",
        lambda row, _: row.confirmed_at.notnull() & (row.confirmed_at < row.event_at),
        "the schedule is older than the event: nobody knows whether it was played",
    ),
    StateRule("unknown", lambda row, _: ~row.is_known, "nobody has looked in this part of the lake"),
    StateRule("unknown", lambda row, _: ~row.was_due, "due since this part of the lake was looked at"),
    StateRule(
        "unavailable",
        lambda row, now: row.place.notnull() & _is_lost(row, now),
        "the day was missed: only the present can be had of this",
    ),
    StateRule("unavailable", lambda row, _: row.place.notnull() & row.tombstone.notnull(), A_TOMBSTONE_SAYS),
    StateRule("missing", lambda row, _: row.place.notnull(), "due and not in the lake"),
)


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
    _refuse(project, inventory)
    limits = project.settings.reconciliation.engine
    progress("coverage", 0, None)
    with (
        project.state.local(MATCHED) as matched,
        project.state.local(UNMATCHED) as unmatched,
        project.state.local(SCHEDULE) as scheduled,
        project.state.local(ESTIMATES) as estimated,
        project.state.local(VERDICTS) as verdicts,
        project.state.local_memory(TOMBSTONES, TOMBSTONE_COLUMNS) as tombstones,
        engine(**limits.model_dump()) as backend,
    ):
        tables = {
            name: backend.read_parquet(path)
            for name, path in (("m", matched), ("u", unmatched), ("s", scheduled), ("e", estimated), ("v", verdicts))
        }
        columns = ("event", "season_type", "confirmed_at", "game_id")
        events = tables["s"].select(*columns).union(tables["e"].select(*columns))
        rows = _cell_rows(project.contract, now)
        buried = _no_tombstones() if tombstones is None else backend.read_parquet(tombstones)
        keyed = backend.create_table("keyed", _keyed(tables["m"], events, rows), temp=True)
        found = backend.create_table("found", _found(keyed, tables["v"], now), temp=True)
        judged = backend.create_table("judged", _judged(keyed, found, buried, now), temp=True)
        gathered = _gathered(tables["m"], _counted_only(tables["e"], rows), rows)
        parts = Parts(judged, found, gathered, tables["u"])
        document: dict[str, Any] = {
            "generated_at": now.isoformat(),
            "as_of": inventory["as_of"],
            "contract": inventory["contract"],
            **summed_up(project.contract, backend, rows, parts, inventory),
        }
        project.state.write_relation(COVERAGE, backend, judged.union(gathered).order_by(*ORDER))
        project.state.write_relation(OTHER_OBJECTS, backend, backend.table("standings").order_by("key"))
    keep_for = timedelta(hours=project.settings.autonomous.intervals.fresh_within_hours)
    project.state.write_json(COVERAGE, document, keep_for=keep_for)
    progress("coverage", document["totals"]["expected"], document["totals"]["expected"])
    return CoverageSummary(document)


def _refuse(project: Project, inventory: Mapping[str, Any]) -> None:
    """Raise LakeError for an inventory from which nothing may be concluded."""
    wrong = None
    if inventory["contract"] != project.contract.digest:
        wrong = "was taken for another contract", "the contract has changed since: run `adce reconcile`"
    elif inventory["of"] != memory.identity(project):
        wrong = "is of another lake", "run `adce reconcile`"
    elif inventory["tables"] != memory.seals(project.state):
        wrong = "and its tables are not of one run", "run `adce reconcile`"
    elif inventory["vanished"]:
        wrong = "has lost objects that nobody has accepted", "look first, then `adce reconcile --accept-loss`"
    if wrong is not None:
        raise LakeError(wrong[0], where=f"{project.state.store.url}/{INVENTORY}.json", hint=wrong[1])


def _cell_rows(contract: Contract, now: datetime) -> list[dict[str, Any]]:
    """List the cells, each with the basis of its keys where no event says another."""
    bases = {"game": "schedule", "date": "calendar"}
    rows = cells(contract, now)
    for row in rows:
        row["basis"] = next((bases[name] for name in ("game", "date") if name in row["for_each"]), "contract")
    return rows


def _cell_table(rows: list[dict[str, Any]]) -> "ir.Table":
    import ibis
    import pyarrow as pa

    fields = [(name, pa.string()) for name in (*CELL, "changes", "absent_reason", "basis")]
    fields += [("is_open", pa.bool_()), ("min_bytes", pa.int64()), ("lost_seconds", pa.int64())]
    return ibis.memtable(pa.Table.from_pylist(rows, schema=pa.schema(fields)))


def _keyed(matched: "ir.Table", events: "ir.Table", rows: list[dict[str, Any]]) -> "ir.Table":
    """Bring together all that the rules look at, for every place that was kept."""
    import ibis

    named = events.filter(events.game_id.notnull()).select("event", "season_type", "confirmed_at")
    table = matched.filter(matched.place.notnull()).join(_cell_table(rows), list(CELL)).left_join(named, "event")
    return table.mutate(
        wanted=ibis.coalesce(table.key, table.place),
        basis=ibis.ifelse(table.is_estimate, "estimate", table.basis),
    )


def _no_tombstones() -> "ir.Table":
    import ibis

    return ibis.memtable([], schema={"key": "string", "reason": "string", "until": MOMENT})


def _found(keyed: "ir.Table", verdicts: "ir.Table", now: datetime) -> "ir.Table":
    """Give each object that was kept the state that it gives the key which it satisfies."""
    import ibis

    bad = verdicts.filter(verdicts.verdict.notnull()).select(
        "verdict", place="key", bad_etag="etag", written="last_modified"
    )
    table = keyed.filter(keyed.is_here)
    same = [table.place == bad.place, table.etag == bad.bad_etag, table.last_modified == bad.written]
    table = table.left_join(bad, same, rname="{name}_of_verdict")
    state, reason = _first_that_holds(PRESENT_STATES, table, now, otherwise=("present", ""))
    told = ibis.ifelse(state == "unavailable", ibis.null("string"), table.verdict)
    table = table.mutate(state=state, reason=ibis.coalesce(told, reason))
    badness = ibis.cases(*[(table.state == state, place) for place, state in enumerate(STATES)])
    columns = ("wanted", "place", "rank", "state", "reason", "size", "last_modified", "etag")
    return table.select(*CELL, *columns, badness=badness)


def _judged(keyed: "ir.Table", found: "ir.Table", buried: "ir.Table", now: datetime) -> "ir.Table":
    """Give every kept key its one state: that of the best object found, or that of its absence."""
    import ibis

    ordered = ibis.row_number().over(group_by="wanted", order_by=[found.badness, found["rank"], found.place])
    counted = found.mutate(copies=found.count().over(group_by="wanted"), at=ordered)
    best = counted.filter(counted["at"] == 0).select(
        "wanted",
        "copies",
        **{f"found_{name}": counted[name] for name in ("place", "state", "reason", "size", "last_modified")},
    )
    here = found.filter(found["rank"] == 0).select(wanted="place", found_etag="etag")
    best = best.left_join(here, "wanted").drop("wanted_right")
    buried = buried.select(wanted="key", tombstone="reason")
    table = (
        keyed.filter(keyed["rank"] == 0).left_join(best, "wanted").left_join(buried, "wanted", rname="{name}_buried")
    )
    state, reason = _first_that_holds(ABSENT_STATES, table, now, otherwise=("missing", ""))
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


def _gathered(matched: "ir.Table", counted: "pa.Table", rows: list[dict[str, Any]]) -> "ir.Table":
    """Lay out the keys that are told only by their number: plainly present ones, and those that nobody can name."""
    import ibis

    cell = _cell_table(rows).select(*CELL, "basis", "absent_reason")
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
    nameless = ibis.memtable(counted)
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


def _counted_only(events: "ir.Table", rows: list[dict[str, Any]]) -> "pa.Table":
    """List, for each cell that ranges over events, how many events it has of which only the number is known."""
    import pyarrow as pa

    told = events.filter(events.game_id.isnull()).select("schedule", "season", "season_type", "event_at", "count")
    by_season: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for event in told.to_pyarrow().to_pylist():
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


def _first_that_holds(
    rules: tuple[StateRule, ...], table: "ir.Table", now: datetime, otherwise: tuple[str, str]
) -> tuple["ir.Value", "ir.Value"]:
    import ibis

    never = ibis.literal(value=False)
    conditions = [(ibis.coalesce(rule.when(table, now), never), rule) for rule in rules]
    state = ibis.cases(*[(when, rule.state) for when, rule in conditions], else_=otherwise[0])
    reason = ibis.cases(*[(when, rule.reason) for when, rule in conditions], else_=otherwise[1])
    return state, reason


def _shortly_before_the_end(row: "ir.Table") -> "ir.BooleanValue":
    import ibis

    return row.last_modified >= row.event_at - ibis.interval(days=TOO_EARLY_DAYS)


def _is_bad(row: "ir.Table") -> "ir.BooleanValue":
    return (row.size < row.min_bytes) | row.verdict.notnull()


def _is_lost(row: "ir.Table", now: datetime) -> "ir.BooleanValue":
    """Tell whether it is too late to collect: of some data only the present can be had."""
    return row.event_at + row.lost_seconds.as_interval("s") <= now


def _may_change(row: "ir.Table") -> "ir.BooleanValue":
    return (row.changes == "always") | (row.is_open & (row.changes == "within_season"))
