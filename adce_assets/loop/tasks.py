"""Gaps in, tasks out: what is collected together, in which order, and what is left for later and why.

A task is a bounded list of keys of one gap, newest event first. Its id is a hash of what it collects, so that the same
keys found open again are the same task. Every open key is in one task or in the explained remainder. When tasks become
runs is decided in `dispatch`.
"""

import difflib
import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from adce_assets.contract.loading import Contract, DataSet
from adce_assets.contract.seasons import Season
from adce_assets.loop import priority
from adce_assets.loop.project import Project
from adce_assets.loop.records import CELL, ID_DIGITS, OPEN_STATES, Gap, refuse_other_run
from adce_assets.loop.state import COVERAGE, GAP_KEYS, GAPS, QUEUE, TASK_KEYS, State
from adce_assets.settings import PRIORITIES, TaskQueue
from adce_assets.tables import engine

if TYPE_CHECKING:
    import ibis.expr.types as ir

DUE_STATES = (*OPEN_STATES, "present", "unknown")
"""The states of keys that a cell collected anew collects: everything that is due."""

TASK_KEY_COLUMNS = ("task_id", "position", "source", "data_type", "season", "entity", "key", "state", "etag")
"""One row a key of a task in `task_keys.parquet`, in the order of the queue and, by `position`, of collecting."""


@dataclass(frozen=True, slots=True)
class TaskKey:
    """A key to collect. ``etag`` is that of the object to be replaced, None when there is none under the key."""

    task_id: str
    source: str
    data_type: str
    season: str
    entity: str | None
    key: str
    state: str
    etag: str | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Keys of a gap that no task collects, and why."""

    gap_id: str
    source: str
    data_type: str
    season: str
    priority: str
    keys: int
    reason: str


@dataclass(frozen=True, slots=True)
class QueueSummary:
    """What `gaps.json` says."""

    document: dict[str, Any]


def plan(project: Project, known_scrapers: Collection[str]) -> QueueSummary:
    """Turn the detected gaps into an ordered queue, and write `gaps.json` and `task_keys.parquet`.

    Raises:
        LakeError: no gaps have been detected yet, or their table and their summary do not belong together.
    """
    state, contract, now = project.state, project.contract, project.clock()
    config, limits = project.settings.reconciliation.task_queue, project.settings.reconciliation.engine
    found = state.read_json(GAPS)
    gaps = {entry["id"]: Gap(**entry) for entry in found["gaps"]}
    obstacles = {gap.id: reason for gap in gaps.values() if (reason := _obstacle(gap, contract, known_scrapers))}
    with state.local(GAP_KEYS) as path, engine(**limits.model_dump()) as backend:
        keys = backend.read_parquet(path)
        refuse_other_run(state, GAPS, said=found["total_keys"], found=keys.count().to_pyarrow().as_py())
        collectable = keys.filter(keys.gap_id.isin(sorted(gaps.keys() - obstacles)))
        parts = backend.create_table("parts", _split(collectable, config.keys_per_task), temp=True)
        rows = _summed(parts).to_pyarrow().to_pylist()
        drafts = [_draft(gaps[row["gap_id"]], row, contract, now) for row in rows]
        queued, cut = _within_caps(sorted(drafts, key=_order), config)
        state.write_relation(TASK_KEYS, backend, _queued_keys(parts, queued))
    document = _document(queued, _remainder(gaps, obstacles, cut), found["as_of"], config, now)
    state.write_json(QUEUE, document)
    return QueueSummary(document)


def task_keys(state: State, task_ids: Collection[str]) -> list[TaskKey]:
    """Read the keys of tasks in the order of the queue; a task that the newest queue does not hold has none."""
    if not task_ids:
        return []
    return [_task_key(row) for row in _read(state, TASK_KEYS, [("task_id", "in", set(task_ids))])]


def open_keys(state: State, source: str, data_type: str, season: str, *, everything: bool = False) -> list[TaskKey]:
    """Read the keys of a cell that a run of its partition collects, newest event first; they belong to no task.

    These are the missing, stale and damaged keys; with ``everything``, all that are due.
    """
    states = DUE_STATES if everything else OPEN_STATES
    cell = [(name, "=", value) for name, value in zip(CELL, (source, data_type, season), strict=True)]
    rows = [row for row in _read(state, COVERAGE, [*cell, ("state", "in", set(states))]) if row["key"] is not None]
    rows.sort(key=lambda row: (row["event_at"] is None, -_seconds(row["event_at"]), row["key"]))
    return [_task_key(row | {"task_id": ""}) for row in rows]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A task that may or may not be queued: part ``part`` (from 0) of its gap."""

    id: str
    gap: Gap
    part: int
    counts: Mapping[str, int]
    score: float
    minutes: float

    @property
    def keys(self) -> int:
        """The number of keys in the task."""
        return sum(self.counts.values())


def _obstacle(gap: Gap, contract: Contract, known_scrapers: Collection[str]) -> str | None:
    """Say why nothing can collect the gap, or None."""
    name = f"{gap.source}/{gap.data_type}"
    if name not in contract.data_sets:
        return f"the contract no longer names `{name}`; run `adce reconcile`"
    if gap.scraper is None:
        return f"the contract names no scraper for `{name}`"
    if gap.scraper in known_scrapers:
        return None
    near = difflib.get_close_matches(gap.scraper, sorted(known_scrapers), n=1, cutoff=0.5)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"the scraper `{gap.scraper}` of `{name}` is not configured{hint}"


def _split(keys: "ir.Table", keys_per_task: int) -> "ir.Table":
    """Cut each gap into parts, newest event first, and number the keys within each part."""
    import ibis

    newest_first = [keys.event_at.desc(nulls_first=False), keys.key]
    place = ibis.row_number().over(group_by=keys.gap_id, order_by=newest_first)
    numbered = keys.mutate(place=place)
    return numbered.mutate(
        part=numbered.place // keys_per_task, position=(numbered.place % keys_per_task).cast("int32")
    )


def _summed(parts: "ir.Table") -> "ir.Table":
    """Sum each part up, and name it by what it collects: cell, keys, and the versions to be replaced."""
    cell = parts.source + "/" + parts.data_type + "/" + parts.season + "\n"
    line = parts.key + "\t" + parts.etag.fill_null("")
    summed = parts.group_by("gap_id", "part").agg(
        text=cell.max() + line.group_concat("\n", order_by=parts.key),
        newest=parts.event_at.max(),
        **{state: (parts.state == state).sum() for state in OPEN_STATES},
    )
    return summed.mutate(id="task-" + summed.text.hexdigest("sha256")[:ID_DIGITS]).drop("text")


def _draft(gap: Gap, row: Mapping[str, Any], contract: Contract, now: datetime) -> _Draft:
    data_set = contract.data_sets[f"{gap.source}/{gap.data_type}"]
    counts = {state: row[state] for state in OPEN_STATES}
    facts = priority.Facts(
        is_schedule=gap.is_schedule,
        required=gap.required,
        urgency=gap.urgency,
        moment=_moment(data_set, gap.season, row["newest"], now),
        gap_keys=gap.keys,
        minutes=data_set.declared.minutes_per_file,
    )
    minutes = round(sum(counts.values()) * data_set.declared.minutes_per_file, 2)
    return _Draft(row["id"], gap, row["part"], counts, priority.score(facts, now), minutes)


def _moment(data_set: DataSet, season: str, newest: datetime, now: datetime) -> datetime:
    """Return when the newest thing happened of which a document tells: a season's tells of its end, or of today."""
    if {"date", "game"} & set(data_set.declared.for_each):
        return newest
    if not data_set.has_seasons:
        return now
    return min(now, datetime.combine(data_set.calendar.starts_on(Season.parse(season).next), time(), UTC))


def _order(draft: _Draft) -> tuple[int, float, str, str, str, int]:
    """Order by priority, then score; equals by name and part, so that data types with like holes go side by side."""
    gap = draft.gap
    return PRIORITIES.index(gap.priority), -draft.score, gap.source, gap.data_type, gap.season, draft.part


def _within_caps(drafts: list[_Draft], config: TaskQueue) -> tuple[list[_Draft], Counter[tuple[str, str]]]:
    """Take tasks in order until a cap is reached; count the keys of the others by gap and reason."""
    queued: list[_Draft] = []
    taken: Counter[str] = Counter()
    cut: Counter[tuple[str, str]] = Counter()
    for draft in drafts:
        name, cap = draft.gap.priority, getattr(config.max_tasks, draft.gap.priority)
        if len(queued) >= config.max_tasks_per_run:
            cut[draft.gap.id, f"over the cap of {config.max_tasks_per_run:,} tasks a run"] += draft.keys
        elif taken[name] >= cap:
            cut[draft.gap.id, f"over the cap of {cap:,} {name} tasks"] += draft.keys
        else:
            taken[name] += 1
            queued.append(draft)
    return queued, cut


def _queued_keys(parts: "ir.Table", queued: list[_Draft]) -> "ir.Table":
    """Lay out the keys of the queued tasks, in the queue's order."""
    import ibis
    import pyarrow as pa

    columns = {"gap_id": pa.string(), "part": pa.int64(), "task_id": pa.string(), "rank": pa.int64()}
    rows = [
        {"gap_id": draft.gap.id, "part": draft.part, "task_id": draft.id, "rank": rank}
        for rank, draft in enumerate(queued)
    ]
    tasks = ibis.memtable(pa.Table.from_pylist(rows, schema=pa.schema(columns.items())))
    return parts.join(tasks, ["gap_id", "part"]).order_by("rank", "position").select(*TASK_KEY_COLUMNS)


def _remainder(
    gaps: Mapping[str, Gap], obstacles: Mapping[str, str], cut: Mapping[tuple[str, str], int]
) -> list[LeftOut]:
    """Explain every key that no task collects, in the order of the gaps."""
    counts = {(gap_id, reason): gaps[gap_id].keys for gap_id, reason in obstacles.items()} | dict(cut)
    places = {gap_id: place for place, gap_id in enumerate(gaps)}
    ordered = sorted(counts.items(), key=lambda entry: (places[entry[0][0]], entry[0][1]))
    return [
        LeftOut(gap_id, gap.source, gap.data_type, gap.season, gap.priority, keys, reason)
        for (gap_id, reason), keys in ordered
        for gap in [gaps[gap_id]]
    ]


def _document(
    queued: list[_Draft], left_out: list[LeftOut], as_of: str, config: TaskQueue, now: datetime
) -> dict[str, Any]:
    by_priority = Counter(draft.gap.priority for draft in queued)
    by_source = Counter(draft.gap.source for draft in queued)
    return {
        "schema": 1,
        "generated_at": now.isoformat(),
        "as_of": as_of,
        "total_tasks": len(queued),
        "by_priority": {name: by_priority[name] for name in PRIORITIES},
        "by_source": dict(sorted(by_source.items())),
        "estimated_total_minutes": round(sum(draft.minutes for draft in queued), 2),
        "tasks": [_entry(draft, config.keys_per_task) for draft in queued],
        "left_out": [asdict(entry) for entry in left_out],
    }


def _entry(draft: _Draft, keys_per_task: int) -> dict[str, Any]:
    gap, parts = draft.gap, math.ceil(draft.gap.keys / keys_per_task)
    part = f"part {draft.part + 1} of {parts}, {draft.keys:,} of {gap.keys:,} keys: " if parts > 1 else ""
    return {
        "id": draft.id,
        "priority": gap.priority,
        "score": draft.score,
        "source": gap.source,
        "scraper": gap.scraper,
        "data_type": gap.data_type,
        "season": gap.season,
        **{f"{state}_files": draft.counts[state] for state in OPEN_STATES},
        "keys_path": f"{TASK_KEYS}.parquet",
        "reason": part + gap.reason,
        "estimated_time_minutes": draft.minutes,
        "detected_at": gap.detected_at,
    }


def _read(state: State, name: str, where: list[tuple[str, str, Any]]) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    with state.local(name) as path:
        return pq.read_table(path, filters=where, partitioning=None).to_pylist()


def _task_key(row: Mapping[str, Any]) -> TaskKey:
    return TaskKey(*(row[field.name] for field in fields(TaskKey)))


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
