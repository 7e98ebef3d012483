"""Coverage in, gaps out. A new kind of gap is one more line of `RULES`.

A gap is the open keys of one cell (missing, stale or damaged) that have one priority, with the reason in words. Every
open key is in exactly one gap: the first rule that holds gives the key its priority, and a cell that is far from
complete may raise it, up to the ceiling of its age class. Which gap is worked on first within a priority is decided in
`priority`, what is collected together in `tasks`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from adce_assets.contract.loading import Contract
from adce_assets.contract.seasons import WHOLE_HISTORY
from adce_assets.errors import LakeError
from adce_assets.loop.project import Project
from adce_assets.loop.records import CELL, ID_DIGITS, OPEN_STATES, Gap, refuse_other_run
from adce_assets.loop.state import COVERAGE, GAP_KEYS, GAPS, State
from adce_assets.settings import PRIORITIES, GapDetection, Thresholds
from adce_assets.tables import engine

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
)
"""One row an open key in `gap_keys.parquet`; `etag` is that of the object under `key` to be replaced, null if none."""

CEILINGS = {"current": "high", "previous": "medium", "history": "low", "whole": "low"}
"""The highest priority that a low completeness alone can give, by age class: CRITICAL is kept for what is new."""

BASIS_SAYS = {
    "contract": "the contract names",
    "calendar": "the calendar counts",
    "schedule": "the schedule counts",
    "estimate": "without the schedule, season truth counts",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of gap: when an open key is one, its priority, and why, in words.

    ``when`` sees the columns of the coverage table and: ``age_class``, ``required``, ``recent`` (its event was less
    than the critical threshold ago), ``is_schedule`` (its data set is a document of a schedule of record), ``by_date``
    (one document a day), ``schedule_missing`` (the lake holds no document of that schedule for the season).
    """

    name: str
    priority: str
    when: Callable[["ir.Table"], "ir.BooleanValue"]
    because: str


RULES = (
    Rule(
        "recent_event",
        "critical",
        lambda row: row.required & row.recent,
        "it is required and its event was less than {days:g} days ago",
    ),
    # A day's schedule is as urgent as the games it names: one of three months ago names games that would be HIGH, so it
    # is HIGH too, by the rule below. But while the lake holds nothing of the season's schedule, nobody knows tonight's.
    Rule(
        "current_schedule",
        "critical",
        lambda row: (
            row.is_schedule
            & row.age_class.isin(("current", "whole"))
            & (row.schedule_missing | (row.required & ~row.by_date))
        ),
        "it is the schedule of the current season, from which its games are known",
    ),
    Rule(
        "current_season",
        "high",
        lambda row: row.required & (row.age_class == "current"),
        "it is required and of the current season",
    ),
    Rule(
        "current_optional",
        "medium",
        lambda row: row.age_class == "current",
        "it is optional and of the current season",
    ),
    Rule("previous_season", "medium", lambda row: row.age_class == "previous", "it is of the season before"),
    Rule("history", "low", lambda row: row.age_class == "history", "it is of an earlier season"),
    Rule("whole_history", "low", lambda row: row.age_class == "whole", "it is of no season"),
)


@dataclass(frozen=True, slots=True)
class GapSummary:
    """The gaps, most urgent first, and what `detected_gaps.json` says of them."""

    gaps: tuple[Gap, ...]
    document: dict[str, Any]


def find(project: Project) -> GapSummary:
    """Find the gaps of the coverage table, and write `detected_gaps.json` and `gap_keys.parquet`.

    A key that was open before keeps the time at which it was first found so; a gap has that of its oldest key.

    Raises:
        LakeError: coverage has not been analysed yet, or its table, its summary and the contract do not go together.
    """
    state, now = project.state, project.clock()
    limits, config = project.settings.reconciliation.engine, project.settings.reconciliation.gap_detection
    coverage = state.read_json(COVERAGE)
    cells = _cells(state, coverage, project.contract, config.completeness_thresholds)
    earlier = state.recall(GAP_KEYS, ("key", "detected_at"))
    with state.local(COVERAGE) as path, engine(**limits.model_dump()) as backend:
        joined = _dated(_keys(backend.read_parquet(path), _cell_table(cells.values()), config, now), earlier, now)
        keys = backend.create_table("gap_keys", joined, temp=True)
        counted = _counted(keys).to_pyarrow().to_pylist()
        open_keys = sum(coverage["totals"][name] for name in OPEN_STATES)
        refuse_other_run(state, COVERAGE, said=open_keys, found=sum(_size(row) for row in counted))
        state.write_relation(GAP_KEYS, backend, _in_order(keys))
    found = [_gap(cells[_name(row)], row, config) for row in counted]
    gaps = sorted(found, key=lambda gap: (PRIORITIES.index(gap.priority), gap.source, gap.data_type, gap.season))
    document = _document(gaps, coverage["as_of"], now)
    state.write_json(GAPS, document)
    return GapSummary(tuple(gaps), document)


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell of the coverage summary, judged: ``raise_to`` is the place in `PRIORITIES` that its keys rise to."""

    row: Mapping[str, Any]
    schedules: frozenset[str]
    by_date: bool
    has_events: bool
    raise_to: int
    urgency: int


_Cells = Mapping[tuple[str, ...], _Cell]


def _name(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in CELL)


def _size(row: Mapping[str, Any]) -> int:
    return sum(row[name] for name in OPEN_STATES)


def _cells(state: State, coverage: Mapping[str, Any], contract: Contract, thresholds: Thresholds) -> _Cells:
    cells = {}
    schedules = _schedules(contract)
    for row in coverage["cells"]:
        data_set = contract.data_sets.get(f"{row['source']}/{row['data_type']}")
        if data_set is None:
            raise LakeError(
                f"counts `{row['source']}/{row['data_type']}`, which the contract does not name",
                where=f"{state.store.url}/{COVERAGE}.json",
                hint="the contract has changed since: run `adce reconcile`",
            )
        each = {"date", "game"} & set(data_set.declared.for_each)
        documents_of = frozenset(schedules.get(data_set.name, ()))
        cells[_name(row)] = _Cell(row, documents_of, "date" in each, bool(each), *_judge(row, thresholds))
    return cells


def _schedules(contract: Contract) -> dict[str, set[str]]:
    """Say of which schedules of record each data set (``source/data_type``) holds the documents."""
    found: dict[str, set[str]] = {}
    for name, schedule in contract.schedules.items():
        for entry in schedule.documents:
            found.setdefault(entry.data_set, set()).add(name)
    return found


def _judge(row: Mapping[str, Any], thresholds: Thresholds) -> tuple[int, int]:
    """Return the place in `PRIORITIES` that the cell's completeness gives within its ceiling, and its urgency."""
    share = row["present"] / row["due"] if row["due"] else 1.0
    below = [share < getattr(thresholds, priority) for priority in PRIORITIES]
    ceiling = PRIORITIES.index(CEILINGS[row["age_class"]])
    raise_to = max(below.index(True), ceiling) if any(below) else len(PRIORITIES)
    return raise_to, sum(below) + (share < row["completeness_threshold"])


def _cell_table(cells: Iterable[_Cell]) -> "ir.Table":
    """Lay out what the rules see of a cell, one row a cell."""
    import ibis
    import pyarrow as pa

    held: Counter[str] = Counter()
    members = list(cells)
    for cell in members:
        if cell.row["age_class"] in {"current", "whole"}:
            held.update(dict.fromkeys(cell.schedules, cell.row["present"] + cell.row["stale"]))
    carried = {**dict.fromkeys((*CELL, "age_class"), pa.string()), "required": pa.bool_()}
    judged = {**dict.fromkeys(("by_date", "is_schedule", "schedule_missing"), pa.bool_()), "raise_to": pa.int8()}
    rows = [
        {name: cell.row[name] for name in carried}
        | {
            "by_date": cell.by_date,
            "is_schedule": bool(cell.schedules),
            "schedule_missing": any(held[schedule] == 0 for schedule in cell.schedules),
            "raise_to": cell.raise_to,
        }
        for cell in members
    ]
    return ibis.memtable(pa.Table.from_pylist(rows, schema=pa.schema([*carried.items(), *judged.items()])))


def _keys(rows: "ir.Table", cells: "ir.Table", config: GapDetection, now: datetime) -> "ir.Table":
    """Give every open key its rule (the place in `RULES`), its priority, and the id of its gap."""
    import ibis

    table = rows.filter(rows.state.isin(OPEN_STATES)).join(cells, list(CELL))
    since = now - timedelta(days=config.critical_threshold_days)
    recent = table.event_at.notnull() & table.event_at.between(ibis.literal(since), ibis.literal(now))
    table = table.mutate(recent=recent)
    table = table.mutate(rule=ibis.cases(*[(rule.when(table), place) for place, rule in enumerate(RULES)]))
    given = table.rule.cases(*[(place, PRIORITIES.index(rule.priority)) for place, rule in enumerate(RULES)])
    table = table.mutate(rank=ibis.least(given, table.raise_to))
    table = table.mutate(
        priority=ibis.cases(*[(table["rank"] == place, name) for place, name in enumerate(PRIORITIES)])
    )
    return table.mutate(gap_id=_gap_id(table))


def _dated(keys: "ir.Table", earlier: "pa.Table | None", now: datetime) -> "ir.Table":
    """Add when each key was first found open; a clock that was set back never makes a key younger."""
    import ibis

    moment = ibis.literal(now, "timestamp('UTC', 6)")
    if earlier is None:
        return keys.mutate(detected_at=moment)
    before = ibis.memtable(earlier).select("key", first_found="detected_at")
    keys = keys.left_join(before, "key").drop("key_right")
    return keys.mutate(detected_at=ibis.least(ibis.coalesce(keys.first_found, moment), moment))


def _gap_id(table: "ir.Table") -> "ir.StringValue":
    """Name a gap by what it is the gap of, so that the same gap found again has the same id."""
    named = table.source + "/" + table.data_type + "/" + table.season + "/" + table.priority
    return "gap-" + named.hexdigest("sha256")[:ID_DIGITS]


def _in_order(keys: "ir.Table") -> "ir.Table":
    newest_first = keys.event_at.desc(nulls_first=False)
    return keys.order_by("rank", *CELL, newest_first, "key", "entity").select(*GAP_KEY_COLUMNS)


def _counted(keys: "ir.Table") -> "ir.Table":
    return keys.group_by("gap_id", "priority", *CELL).agg(
        newest=keys.event_at.max(),
        detected_at=keys.detected_at.min(),
        **{state: (keys.state == state).sum() for state in OPEN_STATES},
        **{rule.name: (keys.rule == place).sum() for place, rule in enumerate(RULES)},
    )


def _gap(cell: _Cell, counted: Mapping[str, Any], config: GapDetection) -> Gap:
    return Gap(
        id=counted["gap_id"],
        gap_type=max(RULES, key=lambda rule: counted[rule.name]).name,
        priority=counted["priority"],
        **{name: counted[name] for name in CELL},
        **{f"{state}_files": counted[state] for state in OPEN_STATES},
        expected_files=cell.row["expected"],
        actual_files=cell.row["present"],
        completeness_pct=cell.row["completeness_pct"],
        reason=_reason(cell, counted, config),
        detected_at=counted["detected_at"].astimezone(UTC).isoformat(),
        scraper=cell.row["scraper"],
        required=cell.row["required"],
        is_schedule=bool(cell.schedules),
        urgency=cell.urgency,
    )


def _reason(cell: _Cell, counted: Mapping[str, Any], config: GapDetection) -> str:
    """Say what is open, of how much, and why that is as urgent as it is."""
    row = cell.row
    states = [f"{counted[name]:,} {_are(counted[name])} {name}" for name in OPEN_STATES if counted[name]]
    of = f" of {row['expected']:,} {row['data_type']} documents of {_season(row)}"
    first, rest = states[0].split(" ", 1)
    text = " and ".join([first + of + " " + rest, *states[1:]])
    if cell.has_events and counted["newest"] is not None:
        text += f"; the newest event was {counted['newest']:%Y-%m-%d}"
    due = "all" if row["due"] == row["expected"] else f"{row['due']:,}"
    text += f"; {BASIS_SAYS[row['basis']]} {row['expected']:,}, {due} due"
    return f"{text}; {counted['priority']} because {_because(cell, counted, config)}"


def _because(cell: _Cell, counted: Mapping[str, Any], config: GapDetection) -> str:
    """Say why the gap has its priority, with the number of keys for each reason if there are several."""
    reasons = []
    for rule in (rule for rule in RULES if counted[rule.name]):
        why = rule.because.format(days=config.critical_threshold_days)
        if rule.priority != counted["priority"]:
            why += f", and the cell is only {cell.row['completeness_pct']:.1f} % complete"
        alone = counted[rule.name] == _size(counted)
        reasons.append(why if alone else f"{why} ({counted[rule.name]:,} of {_size(counted):,})")
    return ", or ".join(reasons)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _season(row: Mapping[str, Any]) -> str:
    return "all time" if row["season"] == WHOLE_HISTORY else row["season"]


def _document(gaps: list[Gap], as_of: str, now: datetime) -> dict[str, Any]:
    by_priority = Counter(gap.priority for gap in gaps)
    by_source = Counter(gap.source for gap in gaps)
    return {
        "schema": 1,
        "generated_at": now.isoformat(),
        "as_of": as_of,
        "total_gaps": len(gaps),
        "by_priority": {priority: by_priority[priority] for priority in PRIORITIES},
        "by_source": dict(sorted(by_source.items())),
        "total_keys": sum(gap.keys for gap in gaps),
        "gaps": [asdict(gap) for gap in gaps],
    }
