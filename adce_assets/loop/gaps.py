"""Coverage in, gaps out. A new kind of gap is one more line of `RULES`.

A gap is the open keys of one cell (missing, stale or damaged) that have one priority, with the reason in words. Every
open key is in exactly one gap: the first rule that holds gives the key its priority, and a cell that is far from
complete may raise it, up to the ceiling of its age class. Which gap is worked on first within a priority is decided in
`priority`, what is collected together in `tasks`.
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adce_assets.configuration import PRIORITIES, GapDetection, Thresholds
from adce_assets.contract.loading import Contract
from adce_assets.contract.seasons import WHOLE_HISTORY
from adce_assets.errors import LakeError
from adce_assets.loop import open_keys
from adce_assets.loop.open_keys import Kind
from adce_assets.loop.project import Project
from adce_assets.loop.records import CELL, ID_DIGITS, OPEN_STATES, Gap, refuse_other_run
from adce_assets.loop.state import COVERAGE, GAP_KEYS, GAPS, State

CEILINGS = {"current": "high", "previous": "medium", "history": "low", "whole": "low"}
"""The highest priority that a low completeness alone can give, by age class: CRITICAL is kept for what is new."""

BASIS_SAYS = {
    "contract": "the contract names",
    "calendar": "the calendar counts",
    "schedule": "the schedule counts",
    "estimate": "without the schedule, season truth counts",
}


@dataclass(frozen=True, slots=True)
class Case:
    """What the rules see of a key: all keys of a cell are alike but for their events.

    ``recent``: its event was less than the critical threshold ago. ``is_schedule``: its data set is a document of a
    schedule of record; ``schedule_missing``: the lake holds no document of that schedule for the season. ``by_date``:
    there is one document a day.
    """

    age_class: str
    required: bool
    recent: bool
    is_schedule: bool
    schedule_missing: bool
    by_date: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of gap: when an open key is one, its priority, and why, in words."""

    name: str
    priority: str
    when: Callable[[Case], bool]
    because: str


RULES = (
    Rule(
        "recent_event",
        "critical",
        lambda key: key.required and key.recent,
        "it is required and its event was less than {days:g} days ago",
    ),
    # A day's schedule is as urgent as the games it names: one of three months ago names games that would be HIGH, so it
    # is HIGH too, by the rule below. But while the lake holds nothing of the season's schedule, nobody knows tonight's.
    Rule(
        "current_schedule",
        "critical",
        lambda key: (
            key.is_schedule
            and key.age_class in {"current", "whole"}
            and (key.schedule_missing or (key.required and not key.by_date))
        ),
        "it is the schedule of the current season, from which its games are known",
    ),
    Rule(
        "current_season",
        "high",
        lambda key: key.required and key.age_class == "current",
        "it is required and of the current season",
    ),
    Rule(
        "current_optional",
        "medium",
        lambda key: key.age_class == "current",
        "it is optional and of the current season",
    ),
    Rule("previous_season", "medium", lambda key: key.age_class == "previous", "it is of the season before"),
    Rule("history", "low", lambda key: key.age_class == "history", "it is of an earlier season"),
    Rule("whole_history", "low", lambda key: key.age_class == "whole", "it is of no season"),
)


@dataclass(frozen=True, slots=True)
class GapSummary:
    """The gaps, most urgent first, and what `detected_gaps.json` says; one that said the same keeps its own time."""

    gaps: tuple[Gap, ...]
    document: dict[str, Any]


def find(project: Project) -> GapSummary:
    """Find the gaps of the coverage table, and write `detected_gaps.json` and `gap_keys.parquet`.

    A key that was open before keeps the time at which it was first found so; a gap has that of its oldest key. Where
    nothing has changed, neither file is written again while the summary is fresh enough.

    Raises:
        LakeError: coverage has not been analysed yet, or its table, its summary and the contract do not go together.
    """
    state, config, now = project.state, project.settings.reconciliation.gap_detection, project.clock()
    coverage = state.read_json(COVERAGE)
    cells = _cells(state, coverage, project.contract, config.completeness_thresholds)
    kinds = _kinds(cells)
    recent = open_keys.Recent(now - timedelta(days=config.critical_threshold_days), now)
    total = sum(coverage["totals"][name] for name in OPEN_STATES)
    with tempfile.TemporaryDirectory(prefix="adce-gaps-") as folder:
        path = Path(folder) / "keys.parquet"
        open_keys.write(state, list(kinds), recent, project.settings.reconciliation.engine, expected=total, path=path)
        counted = _counted(open_keys.count(path, recent), kinds)
        refuse_other_run(state, COVERAGE, said=total, found=sum(_size(row) for row in counted))
        state.write_file(GAP_KEYS, path)
    gaps = [_gap(cells[_name(row)], row, config) for row in counted]
    document = _document(gaps, coverage["as_of"], now)
    keep_for = timedelta(hours=project.settings.autonomous.intervals.fresh_within_hours)
    state.write_json(GAPS, document, keep_for=keep_for)
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
_Kinds = Mapping[Kind, Rule]


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


def _kinds(cells: _Cells) -> _Kinds:
    """Give the keys of every cell that has open ones their gap, in the order of the gaps, and the rule that says so."""
    held: Counter[str] = Counter()
    for cell in cells.values():
        if cell.row["age_class"] in {"current", "whole"}:
            held.update(dict.fromkeys(cell.schedules, cell.row["present"] + cell.row["stale"]))
    found = [
        _kind(name, cell, _case(cell, held, recent=recent))
        for name, cell in cells.items()
        if _size(cell.row)
        for recent in (True, False)
    ]
    return dict(sorted(found, key=lambda entry: (PRIORITIES.index(entry[0].priority), *entry[0].cell)))


def _case(cell: _Cell, held: Mapping[str, int], *, recent: bool) -> Case:
    return Case(
        age_class=cell.row["age_class"],
        required=cell.row["required"],
        recent=recent,
        is_schedule=bool(cell.schedules),
        schedule_missing=any(held[schedule] == 0 for schedule in cell.schedules),
        by_date=cell.by_date,
    )


def _kind(name: tuple[str, ...], cell: _Cell, case: Case) -> tuple[Kind, Rule]:
    rule = next(rule for rule in RULES if rule.when(case))
    priority = PRIORITIES[min(PRIORITIES.index(rule.priority), cell.raise_to)]
    return Kind(name, case.recent, priority, _gap_id(name, priority)), rule


def _gap_id(cell: tuple[str, ...], priority: str) -> str:
    """Name a gap by what it is the gap of, so that the same gap found again has the same id."""
    return "gap-" + hashlib.sha256("/".join([*cell, priority]).encode()).hexdigest()[:ID_DIGITS]


def _counted(rows: list[dict[str, Any]], kinds: _Kinds) -> list[dict[str, Any]]:
    """Sum the open keys up by gap, in the order of the gaps: keys by state and by rule, and the times."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["gap_id"], []).append(row)
    rules = {(kind.gap_id, kind.recent): rule.name for kind, rule in kinds.items()}
    named = {kind.gap_id: kind for kind in kinds}
    return [_summed(named[gap_id], groups[gap_id], rules) for gap_id in named if gap_id in groups]


def _summed(kind: Kind, groups: list[dict[str, Any]], rules: Mapping[tuple[str, bool], str]) -> dict[str, Any]:
    counts = Counter(dict.fromkeys([*OPEN_STATES, *(rule.name for rule in RULES)], 0))
    for group in groups:
        counts[group["state"]] += group["keys"]
        counts[rules[group["gap_id"], group["recent"]]] += group["keys"]
    return {
        "gap_id": kind.gap_id,
        "priority": kind.priority,
        **dict(zip(CELL, kind.cell, strict=True)),
        "newest": max((group["newest"] for group in groups if group["newest"] is not None), default=None),
        "detected_at": min(group["detected_at"] for group in groups),
        "held": sum(group["held"] for group in groups),
        **counts,
    }


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
        held_files=counted["held"],
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
    names = [field.name for field in fields(Gap)]
    return {
        "schema": 1,
        "generated_at": now.isoformat(),
        "as_of": as_of,
        "total_gaps": len(gaps),
        "by_priority": {priority: by_priority[priority] for priority in PRIORITIES},
        "by_source": dict(sorted(by_source.items())),
        "total_keys": sum(gap.keys for gap in gaps),
        "gaps": [{name: getattr(gap, name) for name in names} for gap in gaps],
    }
