"""Gaps in, tasks out: what is collected together, in which order, and what is left for later and why.

A task is a bounded list of keys of one gap, newest event first. Its id is a hash of what it collects, so that the same
keys found open again are the same task. Every open key is in one task or in the explained remainder. When tasks become
runs is decided in `dispatch`.

The table of open keys is in the order of the gaps and, within a gap, of collecting: a part of a gap is a range of its
rows. Only the rows of queued tasks are read whole.
"""

import difflib
import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time, timedelta
from itertools import accumulate, chain, islice
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from adce_assets.configuration import PRIORITIES, TaskQueue
from adce_assets.contract.loading import Contract, DataSet
from adce_assets.contract.seasons import Season
from adce_assets.errors import MixedRunsError
from adce_assets.loop import priority
from adce_assets.loop.open_keys import rows_at
from adce_assets.loop.project import Project
from adce_assets.loop.records import CELL, ID_DIGITS, OPEN_STATES, Gap, refuse_other_run
from adce_assets.loop.remainder import LeftOut, explain, starts
from adce_assets.loop.state import COVERAGE, GAP_KEYS, GAPS, QUEUE, TASK_KEYS, State

if TYPE_CHECKING:
    import pyarrow as pa

TASK_KEY_COLUMNS = ("task_id", "position", "source", "data_type", "season", "entity", "key", "state", "etag")
"""One row a key of a task in `task_keys.parquet`, in the order of the queue and, by `position`, of collecting."""
CARRIED = TASK_KEY_COLUMNS[2:]
"""The columns that a task's key brings from its gap."""

NOTHING: Mapping[str, float] = MappingProxyType({})
LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)
"""When an event was of which nobody knows when it was."""


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
class QueueSummary:
    """What `gaps.json` says; one that said the same already keeps the time of its own making."""

    document: dict[str, Any]


def plan(
    project: Project,
    known_scrapers: Collection[str],
    *,
    costs: Mapping[str, float] = NOTHING,
    success_rates: Mapping[str, float] = NOTHING,
) -> QueueSummary:
    """Turn the detected gaps into an ordered queue, and write `gaps.json` and `task_keys.parquet`.

    Scores are those of the moment at which the gaps were found. So the same gaps give the same queue at any time, and
    where nothing has changed, neither file is written again while the queue is fresh enough.

    Args:
        project: The installation.
        known_scrapers: Those that are configured.
        costs: Requests a key, by scraper; of one that is not named, one.
        success_rates: The share of keys that lately came to a good end, by data set; of one not named, all.

    Raises:
        LakeError: no gaps have been detected yet, or their table and their summary do not belong together.
    """
    state, config = project.state, project.settings.reconciliation.task_queue
    found = state.read_json(GAPS)
    gaps = [Gap(**entry) for entry in found["gaps"]]
    obstacles = {gap.id: reason for gap in gaps if (reason := _obstacle(gap, project.contract, known_scrapers))}
    with state.local(GAP_KEYS) as path:
        newest = _newest(state, path, found["total_keys"], gaps, config)
        at = datetime.fromisoformat(found["generated_at"])
        parts = _Parts(project.contract, config, newest, at, costs, success_rates)
        queued, cut = _within_caps([entry for entry in starts(gaps) if entry[0].id not in obstacles], parts, config)
        tasks, keys = _collected(path, queued)
        left_out = explain(gaps, path, obstacles, cut)
    state.write_table(TASK_KEYS, keys)
    document = _document(tasks, left_out, found["as_of"], config, project.clock())
    keep_for = timedelta(hours=project.settings.autonomous.intervals.fresh_within_hours)
    state.write_json(QUEUE, document, keep_for=keep_for)
    return QueueSummary(document)


def task_keys(state: State, task_ids: Collection[str]) -> list[TaskKey]:
    """Read the keys of tasks in the order of the queue; a task that the newest queue does not hold has none."""
    if not task_ids:
        return []
    return [_task_key(row) for row in _read(state, TASK_KEYS, [("task_id", "in", set(task_ids))])]


def open_keys(state: State, source: str, data_type: str, season: str) -> list[TaskKey]:
    """Read the open keys of a cell, newest event first: what a run of its partition collects; they are in no task."""
    cell = [(name, "=", value) for name, value in zip(CELL, (source, data_type, season), strict=True)]
    rows = [row for row in _read(state, COVERAGE, [*cell, ("state", "in", set(OPEN_STATES))]) if row["key"] is not None]
    rows.sort(key=lambda row: (row["event_at"] is None, -_seconds(row["event_at"]), row["key"]))
    return [_task_key(row | {"task_id": ""}) for row in rows]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A task that may or may not be queued: part ``part`` (from 0) of its gap, ``keys`` rows from row ``first`` on."""

    gap: Gap
    part: int
    first: int
    keys: int
    facts: priority.Facts
    score: float
    minutes: float


@dataclass(frozen=True, slots=True)
class _Task:
    """A draft that is queued, named by what it collects."""

    id: str
    draft: _Draft
    counts: Mapping[str, int]


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


def _newest(state: State, path: Path, total: int, gaps: Sequence[Gap], config: TaskQueue) -> dict[int, datetime | None]:
    """Read the newest event of every part that a queue can hold, by its first row: no gap fills more than its cap.

    Raises:
        MixedRunsError: a gap does not lie where the summary says.
    """
    import pyarrow.parquet as pq

    refuse_other_run(state, GAPS, said=total, found=pq.read_metadata(path).num_rows)
    places: dict[int, str] = {}
    for gap, first in starts(gaps):
        parts = min(math.ceil(gap.free_files / config.keys_per_task), getattr(config.max_tasks, gap.priority))
        places |= dict.fromkeys((first + part * config.keys_per_task for part in range(parts)), gap.id)
        places |= {first: gap.id, first + gap.keys - 1: gap.id}
    found = rows_at(path, sorted(places), ["gap_id", "event_at"])
    if found["gap_id"].to_pylist() != [places[place] for place in sorted(places)]:
        raise MixedRunsError(
            "the table holds the keys of other gaps than the summary beside it: they are of two different runs",
            where=f"{state.store.url}/{GAPS}",
            hint="run `adce reconcile`",
        )
    return dict(zip(sorted(places), found["event_at"].to_pylist(), strict=True))


@dataclass(frozen=True, slots=True)
class _Parts:
    """Cuts gaps into drafts: ``newest`` is the event of a part's first row, ``at`` the moment of the scores.

    Scores are those of the moment at which the gaps were found. So the same gaps give the same queue at any time, and
    where nothing has changed, neither of its files is written again while it is fresh enough.
    """

    contract: Contract
    config: TaskQueue
    newest: Mapping[int, datetime | None]
    at: datetime
    costs: Mapping[str, float]
    success_rates: Mapping[str, float]

    def of(self, gap: Gap, first: int) -> Iterator[_Draft]:
        """Draft the parts of a gap that begins at row ``first``, in the order of the queue."""
        data_set = self.contract.data_sets[f"{gap.source}/{gap.data_type}"]
        minutes = data_set.declared.minutes_per_file
        cost, rate = self.costs.get(gap.scraper or "", 1.0), self.success_rates.get(data_set.name, 1.0)
        for part, start in enumerate(range(0, gap.free_files, self.config.keys_per_task)):
            keys = min(self.config.keys_per_task, gap.free_files - start)
            moment = _moment(data_set, gap.season, self.newest[first + start] or LONG_AGO, self.at)
            facts = facts_of(gap, moment, success_rate=rate, requests_per_key=cost)
            score = priority.score(facts, self.config.priority_weighting, self.at).total
            yield _Draft(gap, part, first + start, keys, facts, score, round(keys * minutes, 2))


def name_of(cell: tuple[str, str, str], versions: Iterable[tuple[str, str | None]]) -> str:
    """Name a task by what it collects: keys of a cell (source, data type, season), each with the ETag it replaces."""
    lines = [f"{key}\t{etag or ''}" for key, etag in sorted(versions, key=itemgetter(0))]
    text = "/".join(cell) + "\n" + "\n".join(lines)
    return f"task-{hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]}"


def facts_of(gap: Gap, moment: datetime, *, success_rate: float, requests_per_key: float) -> priority.Facts:
    """Say what the score of a task is made of; a task of `gaps.json` tells all but its gap.

    Args:
        gap: Whose keys it collects.
        moment: When the newest thing happened that it collects (UTC): ``moment`` of the task.
        success_rate: As the task says.
        requests_per_key: As the task says.
    """
    return priority.Facts(
        priority=gap.priority,
        source=gap.source,
        is_schedule=gap.is_schedule,
        required=gap.required,
        urgency=gap.urgency,
        moment=moment,
        gap_keys=gap.keys,
        detected_at=datetime.fromisoformat(gap.detected_at),
        success_rate=success_rate,
        requests_per_key=requests_per_key,
    )


def _moment(data_set: DataSet, season: str, newest: datetime, now: datetime) -> datetime:
    """Return when the newest thing happened of which a document tells: a season's tells of its end, or of today."""
    if {"date", "game"} & set(data_set.declared.for_each):
        return newest
    if not data_set.has_seasons:
        return now
    return min(now, datetime.combine(data_set.calendar.starts_on(Season.parse(season).next), time(), UTC))


def _order(draft: _Draft) -> tuple[float, str, str, str, int]:
    """Order by score; equals by name and part, so that data types with like holes go side by side."""
    gap = draft.gap
    return -draft.score, gap.source, gap.data_type, gap.season, draft.part


def _within_caps(
    gaps: Sequence[tuple[Gap, int]], parts: _Parts, config: TaskQueue
) -> tuple[list[_Draft], dict[str, tuple[int, str]]]:
    """Take tasks in order until a cap is reached; count the keys of the others by gap, with the reason."""
    queued: list[_Draft] = []
    cut: dict[str, tuple[int, str]] = {}
    for name in PRIORITIES:
        members = [(gap, first) for gap, first in gaps if gap.priority == name]
        cap, room = getattr(config.max_tasks, name), config.max_tasks_per_run - len(queued)
        in_order = heapq.merge(*(parts.of(gap, first) for gap, first in members), key=_order)
        taken = list(islice(in_order, min(cap, room)))
        limit = f"{cap:,} {name} tasks" if cap < room else f"{config.max_tasks_per_run:,} tasks a run"
        left = Counter({gap.id: gap.free_files for gap, _ in members})
        for draft in taken:
            left[draft.gap.id] -= draft.keys
        cut |= {gap_id: (keys, f"over the cap of {limit}") for gap_id, keys in left.items() if keys}
        queued += taken
    return queued, cut


def _collected(path: Path, queued: Sequence[_Draft]) -> tuple[list[_Task], "pa.Table"]:
    """Read the keys of the queued tasks, in the queue's order, and name each task by what it collects."""
    import pyarrow as pa

    spans = sorted((draft.first, draft.keys) for draft in queued)
    rows = rows_at(path, list(chain.from_iterable(range(first, first + keys) for first, keys in spans)), CARRIED)
    ends = dict(zip((first for first, _ in spans), accumulate(keys for _, keys in spans), strict=True))
    order = chain.from_iterable(range(ends[draft.first] - draft.keys, ends[draft.first]) for draft in queued)
    rows = rows.take(pa.array(order, pa.int64())).combine_chunks()
    places = accumulate((draft.keys for draft in queued), initial=0)
    tasks = [_task(draft, rows.slice(place, draft.keys)) for draft, place in zip(queued, places, strict=False)]
    ids = chain.from_iterable([task.id] * task.draft.keys for task in tasks)
    positions = chain.from_iterable(range(draft.keys) for draft in queued)
    columns = {"task_id": pa.array(ids, pa.string()), "position": pa.array(positions, pa.int32())}
    return tasks, pa.table(columns | {name: rows[name] for name in CARRIED})


def _task(draft: _Draft, rows: "pa.Table") -> _Task:
    """Name a draft by what it collects, and count the states of its keys."""
    versions = zip(rows["key"].to_pylist(), rows["etag"].to_pylist(), strict=True)
    cell = draft.gap.source, draft.gap.data_type, draft.gap.season
    return _Task(name_of(cell, versions), draft, Counter(rows["state"].to_pylist()))


def _document(
    queued: list[_Task], left_out: list[LeftOut], as_of: str, config: TaskQueue, now: datetime
) -> dict[str, Any]:
    by_priority = Counter(task.draft.gap.priority for task in queued)
    by_source = Counter(task.draft.gap.source for task in queued)
    names = [field.name for field in fields(LeftOut)]
    return {
        "schema": 1,
        "generated_at": now.isoformat(),
        "as_of": as_of,
        "total_tasks": len(queued),
        "by_priority": {name: by_priority[name] for name in PRIORITIES},
        "by_source": dict(sorted(by_source.items())),
        "estimated_total_minutes": round(sum(task.draft.minutes for task in queued), 2),
        "tasks": [_entry(task, config.keys_per_task) for task in queued],
        "left_out": [{name: getattr(entry, name) for name in names} for entry in left_out],
    }


def _entry(task: _Task, keys_per_task: int) -> dict[str, Any]:
    draft, gap = task.draft, task.draft.gap
    parts = math.ceil(gap.free_files / keys_per_task)
    part = f"part {draft.part + 1} of {parts}, {draft.keys:,} of {gap.keys:,} keys: " if parts > 1 else ""
    return {
        "id": task.id,
        "priority": gap.priority,
        "score": draft.score,
        "source": gap.source,
        "scraper": gap.scraper,
        "data_type": gap.data_type,
        "season": gap.season,
        **{f"{state}_files": task.counts[state] for state in OPEN_STATES},
        "keys_path": f"{TASK_KEYS}.parquet",
        "reason": part + gap.reason,
        "estimated_time_minutes": draft.minutes,
        "detected_at": gap.detected_at,
        "gap_id": gap.id,
        "moment": draft.facts.moment.isoformat(),
        "success_rate": draft.facts.success_rate,
        "requests_per_key": draft.facts.requests_per_key,
    }


def _read(state: State, name: str, where: list[tuple[str, str, Any]]) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    with state.local(name) as path:
        return pq.read_table(path, filters=where, partitioning=None).to_pylist()


def _task_key(row: Mapping[str, Any]) -> TaskKey:
    return TaskKey(*(row[field.name] for field in fields(TaskKey)))


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
