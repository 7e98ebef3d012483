"""A queue and the runs in flight in, the next runs out.

Tasks that one scraper serves together go into one run, so that what it fetches once serves all of them. Nothing is read
and nothing is started here: a sensor asks for the next batches and turns them into runs.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from operator import itemgetter
from typing import Any

from adce_assets.contract.seasons import WHOLE_HISTORY
from adce_assets.fetch.lanes import Lane
from adce_assets.loop.records import ID_DIGITS, OPEN_STATES
from adce_assets.settings import Dispatch

RUN_PRIORITIES = {"critical": 30, "high": 20, "medium": 10, "low": 0}
"""Place of a run in Dagster's queue: the higher, the sooner."""
PATIENT = "low"
"""The priority of history, and of what is of no season: it never takes the last place of what has just come due."""
RUN_SECONDS = 1800
"""What a run is cut for: a quarter of the time after which Dagster ends it, for a key may take several requests."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Whom a scraper asks, and how many keys of a data set it asks for in a run of `RUN_SECONDS`."""

    host: str
    keys: int

    @classmethod
    def of(cls, host: str, per_second: float) -> "Pace":
        """Say what a rate comes to: requests of a host, or keys of a program."""
        return cls(host, max(int(per_second * RUN_SECONDS), 1))


@dataclass(frozen=True, slots=True)
class Batch:
    """Tasks that one run collects: of one scraper, season and priority.

    ``id`` is a hash of the tasks and of the queue they stand in: the same queue gives the same batch, and a task that
    comes back in a later queue comes in a new one. ``part`` says which part of the host's budget the run uses.
    """

    id: str
    scraper: str
    season: str
    priority: str
    part: Lane
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
    paces: Mapping[str, Pace],
) -> list[Batch]:
    """Choose the runs to start now, the most urgent first.

    While a run is in flight, its lane waits: a newer queue may have cut the keys that are still to be collected into
    tasks of other ids, and those keys would be fetched twice. Runs of history take all places but one, and one of each
    host, so that what comes due meanwhile finds room beside them.

    Args:
        queue: what `gaps.json` says, its tasks in order.
        in_flight: the lanes of the runs that are queued or running, one entry a run.
        done: ids of batches that have been started before, however they ended.
        limits: how many runs at once, and how many tasks of a data set in each.
        groups: the scraper that serves a data set (``source/data_type``).
        paces: how fast the scrapers are; of one that is not among them, nothing is held back and runs have any length.
    """
    busy, chosen = set(in_flight), []
    history = _History.of(in_flight, limits, paces)
    for batch in _all(queue, limits, groups, paces):
        if len(in_flight) + len(chosen) >= limits.max_runs_in_flight:
            break
        if batch.id in done or busy & {batch.lane, batch.cell} or not history.lets(batch):
            continue
        chosen.append(batch)
        busy.add(batch.lane)
        history.take(batch)
    return chosen


@dataclass(frozen=True, slots=True)
class _History:
    """The patient runs in flight, by the hosts that they ask, and how many there may be."""

    paces: Mapping[str, Pace]
    most: int
    hosts: list[str]

    @classmethod
    def of(cls, in_flight: Collection[str], limits: Dispatch, paces: Mapping[str, Pace]) -> "_History":
        lanes = [tuple(lane.split("/")) for lane in in_flight]
        scrapers = [lane[0] for lane in lanes if lane[-1] == PATIENT and lane[0] in paces]
        of_people = sum(lane[-1] not in RUN_PRIORITIES for lane in lanes)
        most = max(limits.max_runs_in_flight - of_people - 1, 1)
        return cls(paces, most, [paces[scraper].host for scraper in scrapers])

    def lets(self, batch: Batch) -> bool:
        if batch.priority != PATIENT or batch.scraper not in self.paces:
            return True
        return len(self.hosts) < self.most and self.paces[batch.scraper].host not in self.hosts

    def take(self, batch: Batch) -> None:
        if batch.priority == PATIENT and batch.scraper in self.paces:
            self.hosts.append(self.paces[batch.scraper].host)


def _all(
    queue: Mapping[str, Any], limits: Dispatch, groups: Mapping[str, str], paces: Mapping[str, Pace]
) -> list[Batch]:
    """Cut the whole queue into batches, whatever is in flight: a batch is the same each time it is asked for."""
    lanes: dict[tuple[str, str, str], dict[str, list[_Placed]]] = {}
    for place, task in enumerate(queue["tasks"]):
        name = f"{task['source']}/{task['data_type']}"
        lane = lanes.setdefault((groups.get(name, task["scraper"]), task["season"], task["priority"]), {})
        lane.setdefault(name, []).append(_Placed(place, name, task))
    cut = [
        (members[0].place, _batch(queue["generated_at"], lane, members))
        for lane, by_data_set in lanes.items()
        for members in _rounds(by_data_set.values(), limits.max_tasks_per_batch, paces.get(lane[0]))
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


def _rounds(by_data_set: Collection[list[_Placed]], size: int, pace: Pace | None) -> Iterator[list[_Placed]]:
    """Take ``size`` tasks of each data set at a time, or as many as the pace allows, in the queue's order.

    Data sets of one scraper come out of the same answers, so that the keys of one of them are what a run asks for.
    """
    cuts = [list(_cuts(tasks, size, pace)) for tasks in by_data_set]
    for parts in zip_longest(*cuts, fillvalue=()):
        yield sorted((placed for part in parts for placed in part), key=lambda placed: placed.place)


def _cuts(tasks: list[_Placed], size: int, pace: Pace | None) -> Iterator[list[_Placed]]:
    part: list[_Placed] = []
    for placed in tasks:
        too_long = pace is not None and sum(one.keys for one in (*part, placed)) > pace.keys
        if part and (len(part) == size or too_long):
            yield part
            part = []
        part.append(placed)
    yield part


def _part(season: str, priority: str, members: Collection[_Placed]) -> Lane:
    """Say which part of a host's budget tasks use: what is patient is history, but for what has become stale anew."""
    first_time = any(placed.task["missing_files"] or placed.task["damaged_files"] for placed in members)
    is_history = priority == PATIENT and (season != WHOLE_HISTORY or first_time)
    return Lane.HISTORY if is_history else Lane.FRESH


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
        part=_part(season, priority, members),
        data_sets=data_sets,
        task_ids=task_ids,
        keys=keys,
        reason=f"{len(task_ids):,} {priority} task(s), {keys:,} key(s) of {', '.join(data_sets)} in {season}; "
        f"first: {members[0].task['reason']}",
    )
