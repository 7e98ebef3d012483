"""A queue and the runs in flight in, the next runs out.

Tasks that one scraper serves together go into one run, so that what it fetches once serves all of them. Nothing is read
and nothing is started here: a sensor asks for the next batches and turns them into runs.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, zip_longest
from operator import itemgetter
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from adce_assets.autonomous import Dispatch
from adce_assets.contract.seasons import WHOLE_HISTORY
from adce_assets.fetch.lanes import Lane
from adce_assets.loop.records import ID_DIGITS, OPEN_STATES

RUN_PRIORITIES = {"critical": 30, "high": 20, "medium": 10, "low": 0}
"""Place of a run in Dagster's queue: the higher, the sooner."""
URGENT, PATIENT = "critical", "low"
"""The first priority, and that of history and of what is of no season."""
NEVER_STARTED: Mapping[str, int] = MappingProxyType({})
"""The starts since the last one of each priority, where nothing has been started yet."""
RUN_SECONDS = 1800
"""What a run is cut for: a quarter of the time after which Dagster ends it, for a key may take several requests."""
LONGEST_RUN_SECONDS = 7200
"""After which Dagster ends every run, as `dagster.yaml` says too."""
START_SECONDS, SLACK = 300, 3
"""What a run is given beside the time of its requests, and how much longer than at the host's own rate these may take:
a document may need several, other runs share the host, and some are asked again."""


_Number = Annotated[int, Field(ge=0)]


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
    comes back in a later queue comes in a new one; where a later look made no other queue, it is the same again.
    ``part`` says which part of the host's budget the run uses (None: by the age of the season), and ``seconds`` how
    long it may take.
    """

    id: str
    scraper: str
    season: str
    priority: str
    part: Lane | None
    data_sets: tuple[str, ...]
    task_ids: tuple[str, ...]
    keys: int
    reason: str
    seconds: int = LONGEST_RUN_SECONDS

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
    under_way: Collection[str] = (),
    since: Mapping[str, int] = NEVER_STARTED,
    resting: Container[Batch] = (),
) -> list[Batch]:
    """Choose the runs to start now, the most urgent first.

    Args:
        queue: what `gaps.json` says, its tasks in order.
        in_flight: the lanes of the runs that are queued or running, one entry a run.
        done: ids of batches that are not to be started: they run, or nobody has looked at the lake since they ended.
        limits: how many runs at once, and how many tasks of a data set in each.
        groups: the scraper that serves a data set (``source/data_type``).
        paces: how fast scrapers are; where that is not said, nothing is held back and runs have any length.
        under_way: ids of the tasks of the runs in flight.
        since: how many runs have been started since the last one of each priority.
        resting: the batches that are not to be started now, whatever room there is.
    """
    places = _Places.of(in_flight, limits, paces, under_way, since)
    ready = (batch for batch in cut(queue, limits.max_tasks_per_batch, groups, paces) if batch.id not in done)
    waiting = [batch for batch in ready if batch not in resting]
    return list(places.filled(waiting))


def starts_since(before: Mapping[str, int], started: Collection[Batch]) -> dict[str, int]:
    """Count the starts since the last one of each priority but the first."""
    counts = {priority: before.get(priority, 0) for priority in RUN_PRIORITIES if priority != URGENT}
    for batch in started:
        counts = {priority: 0 if priority == batch.priority else count + 1 for priority, count in counts.items()}
    return counts


class _Remembered(BaseModel):
    """The starts as they are written down: anybody may edit them in Dagster's pages."""

    model_config = ConfigDict(frozen=True)

    high: _Number = 0
    medium: _Number = 0
    low: _Number = 0
    last_started: dict[Literal["critical", "high", "medium", "low"], AwareDatetime] = {}


@dataclass(frozen=True, slots=True)
class Starts:
    """What a sensor remembers of the runs it has started, from one tick to the next.

    Attributes:
        since: How many runs have been started since the last one of each priority but the first.
        moments: When runs of each priority were last started (UTC).
    """

    since: Mapping[str, int]
    moments: Mapping[str, datetime]

    @classmethod
    def read(cls, text: str | None) -> "Starts":
        """Read what `text` has written; what is not that counts as nothing started yet."""
        try:
            told = _Remembered.model_validate_json(text or "{}")
        except ValidationError:
            told = _Remembered()
        return cls({"high": told.high, "medium": told.medium, "low": told.low}, dict(told.last_started.items()))

    def then(self, started: Collection[Batch], now: datetime) -> "Starts":
        """Add the runs that are started now."""
        moments = dict.fromkeys((batch.priority for batch in started), now)
        return Starts(starts_since(self.since, started), {**self.moments, **moments})

    def text(self) -> str:
        """Write it down."""
        return _Remembered.model_validate({**self.since, "last_started": self.moments}).model_dump_json()


@dataclass(slots=True)
class _Places:
    """The runs in flight and those chosen, and what may start beside them.

    While a run is in flight, its lane waits: it has the keys. What is critical does not wait for it: no key is
    collected twice, for each run claims its own. Places are kept for what is critical; and one of so many starts is of
    each other priority that waits, the longest overdue first. History takes all places but one, and one of each host.
    """

    limits: Dispatch
    paces: Mapping[str, Pace]
    under_way: set[str]
    since: Mapping[str, int]
    busy: set[str]
    priorities: Counter[str]
    patient_hosts: set[str]
    of_people: int

    @classmethod
    def of(
        cls,
        in_flight: Collection[str],
        limits: Dispatch,
        paces: Mapping[str, Pace],
        under_way: Collection[str],
        since: Mapping[str, int],
    ) -> "_Places":
        lanes = [tuple(lane.split("/")) for lane in in_flight]
        own = [lane for lane in lanes if lane[-1] in RUN_PRIORITIES]
        hosts = {paces[lane[0]].host for lane in own if lane[-1] == PATIENT and lane[0] in paces}
        priorities = Counter(lane[-1] for lane in own)
        people = len(lanes) - len(own)
        return cls(limits, paces, set(under_way), starts_since(since, ()), set(in_flight), priorities, hosts, people)

    def filled(self, waiting: list[Batch]) -> Iterator[Batch]:
        """Take out what may start, one after the other."""
        while (batch := self._next_of(waiting)) is not None:
            waiting.remove(batch)
            self._take(batch)
            yield batch

    def _next_of(self, waiting: Sequence[Batch]) -> Batch | None:
        """Say which batch starts next, if one may."""
        if self.of_people + self.priorities.total() >= self.limits.max_concurrent_scrapers:
            return None
        due = [priority for priority, count in self.since.items() if count + 1 >= self.limits.low_one_of]
        due.sort(key=self.since.__getitem__, reverse=True)
        overdue = (batch for priority in due for batch in waiting if batch.priority == priority)
        return next((batch for batch in chain(overdue, waiting) if self._has_room(batch)), None)

    def _take(self, batch: Batch) -> None:
        """Count a batch among the runs in flight."""
        self.busy.add(batch.lane)
        self.under_way.update(batch.task_ids)
        self.priorities[batch.priority] += 1
        if batch.priority == PATIENT and batch.scraper in self.paces:
            self.patient_hosts.add(self.paces[batch.scraper].host)
        self.since = starts_since(self.since, (batch,))

    def _has_room(self, batch: Batch) -> bool:
        most = getattr(self.limits.max_concurrent, batch.priority)
        if most is not None and self.priorities[batch.priority] >= most:
            return False
        if batch.priority == URGENT:
            return self.under_way.isdisjoint(batch.task_ids)
        kept = min(self.limits.kept_for_critical, self.limits.max_concurrent_scrapers - 1)
        others = self.of_people + self.priorities.total() - self.priorities[URGENT]
        if others >= self.limits.max_concurrent_scrapers - kept or self.busy & {batch.lane, batch.cell}:
            return False
        return batch.priority != PATIENT or self._lets_history_in(batch)

    def _lets_history_in(self, batch: Batch) -> bool:
        if batch.scraper not in self.paces:
            return True
        most = max(self.limits.max_concurrent_scrapers - self.of_people - 1, 1)
        return self.priorities[PATIENT] < most and self.paces[batch.scraper].host not in self.patient_hosts


def cut(queue: Mapping[str, Any], size: int, groups: Mapping[str, str], paces: Mapping[str, Pace]) -> list[Batch]:
    """Cut the whole queue into batches, the most urgent first, whatever is in flight.

    A batch is the same each time it is asked for; it has at most ``size`` tasks of a data set. ``groups`` and ``paces``
    are those of `batches`.
    """
    lanes: dict[tuple[str, str, str], dict[str, list[_Placed]]] = {}
    for place, task in enumerate(queue["tasks"]):
        name = f"{task['source']}/{task['data_type']}"
        lane = lanes.setdefault((groups.get(name, task["scraper"]), task["season"], task["priority"]), {})
        lane.setdefault(name, []).append(_Placed(place, name, task))
    made = [
        (members[0].place, _batch(queue["generated_at"], lane, members, paces.get(lane[0])))
        for lane, by_data_set in lanes.items()
        for members in _rounds(by_data_set.values(), size, paces.get(lane[0]))
    ]
    return [batch for _, batch in sorted(made, key=itemgetter(0))]


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


def _seconds(members: Collection[_Placed], pace: Pace | None) -> int:
    """Say how long a run may take: in proportion to what it asks for, and to how fast that may be asked for."""
    if pace is None:
        return LONGEST_RUN_SECONDS
    asked: Counter[str] = Counter()
    for placed in members:
        asked[placed.data_set] += placed.keys
    of_requests = SLACK * RUN_SECONDS * max(asked.values()) / pace.keys
    return min(START_SECONDS + math.ceil(of_requests), LONGEST_RUN_SECONDS)


def _batch(generated_at: str, lane: tuple[str, str, str], members: list[_Placed], pace: Pace | None) -> Batch:
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
        seconds=_seconds(members, pace),
    )
