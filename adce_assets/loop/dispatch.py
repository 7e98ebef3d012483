"""A queue and the runs in flight in, the next runs out.

Tasks that one scraper serves together go into one run, so that what it fetches once serves all of them. Nothing is read
and nothing is started here: a sensor asks for the next batches and turns them into runs.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from adce_assets.loop.records import ID_DIGITS, OPEN_STATES
from adce_assets.settings import Dispatch

RUN_PRIORITIES = {"critical": 30, "high": 20, "medium": 10, "low": 0}
"""Place of a run in Dagster's queue: the higher, the sooner."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Tasks that one run collects: of one scraper, season and priority.

    ``id`` is a hash of the tasks and of the queue they stand in: the same queue gives the same batch, and a task that
    comes back in a later queue comes in a new one.
    """

    id: str
    scraper: str
    season: str
    priority: str
    data_sets: tuple[str, ...]
    task_ids: tuple[str, ...]
    keys: int
    reason: str

    @property
    def dagster_priority(self) -> int:
        """The run's place in Dagster's queue."""
        return RUN_PRIORITIES[self.priority]

    @property
    def lane(self) -> str:
        """What only one run at a time may work on: ``scraper/season/priority``."""
        return f"{self.scraper}/{self.season}/{self.priority}"

    @property
    def cell(self) -> str:
        """The lane of a run that a person started, which collects every priority: ``scraper/season``."""
        return f"{self.scraper}/{self.season}"


def batches(
    queue: Mapping[str, Any],
    *,
    in_flight: Collection[str],
    done: Collection[str],
    limits: Dispatch,
    groups: Mapping[str, str],
) -> list[Batch]:
    """Choose the runs to start now, the most urgent first.

    While a run is in flight, its lane waits: a newer queue may have cut the keys that are still to be collected into
    tasks of other ids, and those keys would be fetched twice.

    Args:
        queue: what `gaps.json` says, its tasks in order.
        in_flight: the lanes of the runs that are queued or running, one entry a run.
        done: ids of batches that have been started before, however they ended.
        limits: how many runs at once, and how many tasks of a data set in each.
        groups: the scraper that serves a data set (``source/data_type``).
    """
    busy, chosen = set(in_flight), []
    for batch in _all(queue, limits, groups):
        if len(in_flight) + len(chosen) >= limits.max_runs_in_flight:
            break
        if batch.id not in done and not busy & {batch.lane, batch.cell}:
            chosen.append(batch)
            busy.add(batch.lane)
    return chosen


def _all(queue: Mapping[str, Any], limits: Dispatch, groups: Mapping[str, str]) -> list[Batch]:
    """Cut the whole queue into batches, whatever is in flight: a batch is the same each time it is asked for."""
    lanes: dict[tuple[str, str, str], dict[str, list[_Placed]]] = {}
    for place, task in enumerate(queue["tasks"]):
        name = f"{task['source']}/{task['data_type']}"
        lane = lanes.setdefault((groups.get(name, task["scraper"]), task["season"], task["priority"]), {})
        lane.setdefault(name, []).append(_Placed(place, name, task))
    cut = [
        (members[0].place, _batch(queue["generated_at"], lane, members))
        for lane, by_data_set in lanes.items()
        for members in _rounds(by_data_set.values(), limits.max_tasks_per_batch)
    ]
    return [batch for _, batch in sorted(cut, key=itemgetter(0))]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A task and its place in the queue."""

    place: int
    data_set: str
    task: Mapping[str, Any]

    @property
    def keys(self) -> int:
        """The number of keys in the task."""
        return sum(self.task[f"{state}_files"] for state in OPEN_STATES)


def _rounds(by_data_set: Collection[list[_Placed]], size: int) -> Iterator[list[_Placed]]:
    """Take ``size`` tasks of each data set at a time, in the queue's order, until none is left."""
    for start in range(0, max(map(len, by_data_set)), size):
        members = (placed for tasks in by_data_set for placed in tasks[start : start + size])
        yield sorted(members, key=lambda placed: placed.place)


def _batch(generated_at: str, lane: tuple[str, str, str], members: list[_Placed]) -> Batch:
    scraper, season, priority = lane
    task_ids = tuple(placed.task["id"] for placed in members)
    data_sets = tuple(sorted({placed.data_set for placed in members}))
    keys = sum(placed.keys for placed in members)
    digest = hashlib.sha256("\n".join([generated_at, *sorted(task_ids)]).encode()).hexdigest()
    return Batch(
        id=f"batch-{digest[:ID_DIGITS]}",
        scraper=scraper,
        season=season,
        priority=priority,
        data_sets=data_sets,
        task_ids=task_ids,
        keys=keys,
        reason=f"{len(task_ids):,} {priority} task(s), {keys:,} key(s) of {', '.join(data_sets)} in {season}; "
        f"first: {members[0].task['reason']}",
    )
