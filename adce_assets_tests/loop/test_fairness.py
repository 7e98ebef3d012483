"""Hours of a day in which everything is wanted at once: nobody waits for ever, and what is urgent hardly at all."""

from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any

import pytest

from adce_assets.autonomous import Dispatch
from adce_assets.configuration import PRIORITIES
from adce_assets.loop.dispatch import Batch, Pace, batches, starts_since

TICKS = 120
"""An hour of looks at the queue, one each 30 seconds."""
LASTS = {"high": 12, "medium": 12, "low": 60}
"""How many looks a run takes, by its priority."""
QUEUED = {"critical": 100, "high": 300, "medium": 400, "low": 200}
SEASONS = tuple(f"{year}-{(year + 1) % 100:02d}" for year in range(1990, 2025))
PACES = {scraper: Pace(host, 1800) for scraper, host in (("a", "one"), ("b", "two"), ("c", "three"))}


def task(priority: str, number: int) -> dict[str, Any]:
    scraper = sorted(PACES)[number % len(PACES)]
    open_keys = {"missing_files": 1 if priority == "critical" else 100, "stale_files": 0, "damaged_files": 0}
    return {
        "id": f"{priority}-{number}",
        "priority": priority,
        "source": scraper,
        "scraper": scraper,
        "data_type": "things",
        "season": SEASONS[-1] if priority == "critical" else SEASONS[number % len(SEASONS)],
        "reason": "a test",
        **open_keys,
    }


@dataclass
class Day:
    """A queue that is made anew at each look, and the runs that it becomes."""

    limits: Dispatch
    feeds: tuple[str, ...]
    lasts: dict[str, int]
    waiting: dict[str, dict[str, tuple[int, dict[str, Any]]]] = field(
        default_factory=lambda: {priority: {} for priority in PRIORITIES}
    )
    flying: list[tuple[int, Batch]] = field(default_factory=list)
    started: list[Batch] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    since: dict[str, int] = field(default_factory=dict)
    most_low: int = 0

    def look(self, tick: int) -> None:
        """File what has become known, end what is over, start what may start."""
        for priority in self.feeds:
            self.file(task(priority, tick), tick)
        self.flying = [(end, batch) for end, batch in self.flying if end > tick]
        tasks = [
            found for priority in PRIORITIES for _, found in islice(self.waiting[priority].values(), QUEUED[priority])
        ]
        chosen = batches(
            {"generated_at": str(tick), "tasks": tasks},
            in_flight=[batch.lane for _, batch in self.flying],
            under_way=[name for _, batch in self.flying for name in batch.task_ids],
            done=(),
            limits=self.limits,
            groups={},
            paces=PACES,
            since=self.since,
        )
        self.since = starts_since(self.since, chosen)
        for batch in chosen:
            self.begin(batch, tick)
        self.most_low = max(self.most_low, sum(batch.priority == "low" for _, batch in self.flying))
        assert len(self.flying) <= self.limits.max_concurrent_scrapers

    def file(self, found: dict[str, Any], tick: int) -> None:
        self.waiting[found["priority"]][found["id"]] = (tick, found)

    def begin(self, batch: Batch, tick: int) -> None:
        self.started.append(batch)
        self.flying.append((tick + self.lasts[batch.priority], batch))
        for name in batch.task_ids:
            filed, _ = self.waiting[batch.priority].pop(name)
            if batch.priority == "critical":
                self.waits.append(tick - filed)

    def starts_of(self, priority: str) -> int:
        return sum(batch.priority == priority for batch in self.started)


def lived(feeds: tuple[str, ...], *, lasts: int = 1, **limits: Any) -> Day:
    day = Day(Dispatch(**limits), feeds, LASTS | {"critical": lasts})
    for number in range(100_000):
        day.file(task("low", number), 0)
    for tick in range(TICKS):
        day.look(tick)
    return day


@pytest.mark.parametrize(
    ("feeds", "lasts", "kept"),
    [(("critical",), 1, 1), (("critical", "high", "medium"), 1, 1), (("critical", "high", "medium"), 2, 2)],
    ids=["beside history", "beside everything", "in runs of two looks, with a place for each"],
)
def test_what_is_critical_waits_for_one_look_at_most_and_history_goes_on(feeds: tuple[str, ...], lasts: int, kept: int):
    day = lived(feeds, lasts=lasts, kept_for_critical=kept)
    assert len(day.waits) >= TICKS - 1
    assert max(day.waits) <= 1
    assert all(day.starts_of(priority) > 0 for priority in feeds)
    assert day.starts_of("low") >= len(day.started) // 10 or day.most_low == min(len(PACES), 4 - kept)


def test_a_cap_of_a_priority_holds_all_day():
    day = lived(("critical", "high"), max_concurrent={"low": 1, "high": 1})
    assert max(day.waits) <= 1
    assert day.most_low == 1
    assert 0 < day.starts_of("low") <= TICKS // LASTS["low"] + 1


STANDING = {"critical": 40, "high": 10, "medium": 10, "low": 10}
"""How many tasks of each priority wait at every look, whatever has been started."""


@pytest.mark.parametrize("one_of", [4, 10])
@pytest.mark.parametrize("lasts", [1, 4])
def test_no_priority_starves_while_there_is_always_more_of_every_higher_one(one_of: int, lasts: int):
    day = Day(Dispatch(low_one_of=one_of), (), dict.fromkeys(PRIORITIES, lasts))
    numbers = count()
    for tick in range(TICKS):
        for priority, size in STANDING.items():
            while len(day.waiting[priority]) < size:
                found = task(priority, next(numbers))
                day.file(found | {"season": SEASONS[int(found["id"].split("-")[1]) % len(SEASONS)]}, tick)
        day.look(tick)
    others = [priority for priority in PRIORITIES if priority != "critical"]
    starts = [batch.priority for batch in day.started]
    assert all(starts.count(priority) >= len(starts) // (one_of + len(others)) for priority in others)
    assert starts.count("critical") >= len(starts) * (one_of - len(others)) // one_of
    assert starts.count("high") >= starts.count("medium") - 1 >= starts.count("low") - 2


def test_what_is_high_is_not_overtaken_by_history_while_what_is_critical_stands_in_line():
    day = Day(Dispatch(), (), dict.fromkeys(PRIORITIES, 1))
    for priority in ("low", "high"):
        day.file(task(priority, 1), 0)
    for tick in range(TICKS):
        day.waiting["critical"] = {
            f"critical-{tick}-{n}": (tick, task("critical", n) | {"id": f"critical-{tick}-{n}", "season": SEASONS[n]})
            for n in range(9)
        }
        day.look(tick)
    order = [batch.priority for batch in day.started if batch.priority != "critical"]
    assert order == ["high", "low"]
