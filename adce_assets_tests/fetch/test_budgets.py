"""Workers on a virtual clock, counted by brute force: no minute is too full, and none is wasted."""

import heapq
import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.fetch import budgets
from adce_assets.fetch.budgets import Budget, Granted, Nap
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.lanes import Lane

START_MS = 1_700_000_000_000


def host(**changes: Any) -> Host:
    return Host.model_validate({"base_url": "http://127.0.0.1", "requests_per_second": 1, "burst": 5} | changes)


@dataclass(frozen=True)
class Asked:
    """A request that was made: when, by which lane, and whether the other lane was waiting as it was granted."""

    at_ms: int
    lane: Lane
    contended: bool


@dataclass
class World:
    """Workers that ask one budget, each again ``pause_ms`` after its last request and ``late_ms`` after each sleep."""

    host: Host
    budget: Budget = field(default_factory=Budget)
    now_ms: int = START_MS
    asked: list[Asked] = field(default_factory=list)
    waiting: dict[int, Lane] = field(default_factory=dict)

    def work(self, workers: list[Lane], seconds: float, *, pause_ms: int = 0, late_ms: int = 0) -> "World":
        ends = self.now_ms + int(seconds * 1000)
        due: list[tuple[int, int, int | None]] = [(self.now_ms, worker, None) for worker in range(len(workers))]
        while due[0][0] < ends:
            self.now_ms, worker, ticket = heapq.heappop(due)
            lane = workers[worker]
            self.waiting.pop(worker, None)
            contended = lane.other in self.waiting.values()
            self.budget, answer = budgets.ask(self.budget, self.host, lane, self.now_ms, ticket=ticket)
            if isinstance(answer, Granted):
                self.asked.append(Asked(self.now_ms + answer.after_ms, lane, contended))
                heapq.heappush(due, (self.now_ms + answer.after_ms + pause_ms, worker, None))
            else:
                self.waiting[worker] = lane
                heapq.heappush(due, (self.now_ms + answer.for_ms + late_ms, worker, answer.ticket))
        self.now_ms = ends
        return self

    def most_in(self, seconds: float) -> int:
        moments = sorted(one.at_ms for one in self.asked)
        return max(sum(first <= at < first + 1000 * seconds for at in moments) for first in moments)


RATES = [0.05, 0.33, 1.0, 3.0, 20.0]


@settings(max_examples=30)
@given(
    rate=st.sampled_from(RATES),
    burst=st.integers(1, 8),
    spells=st.lists(st.tuples(st.integers(1, 5), st.floats(0.1, 40), st.integers(0, 3000)), min_size=1, max_size=4),
    errors=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_no_sliding_minute_holds_more_than_the_rate_and_a_burst_whatever_happens(
    rate: float, burst: int, spells: list[tuple[int, float, int]], errors: list[bool]
):
    """Spells of work by so many workers, quiet spells between them, errors and successes that move the rate."""
    world = World(host(requests_per_second=rate, burst=burst))
    for (workers, seconds, pause_ms), error in zip(spells, errors, strict=False):
        world.work([Lane.FRESH] * workers, seconds, pause_ms=pause_ms)
        move = budgets.after_error(world.budget, world.host, world.now_ms) if error else None
        world.budget = move or budgets.after_success(world.budget, world.host)
        world.now_ms += pause_ms
    assert world.most_in(60) <= rate * 60 + burst


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("burst", [1, 5])
def test_twelve_runs_use_all_but_a_twentieth_of_the_rate_even_where_every_sleep_is_late(rate: float, burst: int):
    world = World(host(requests_per_second=rate, burst=burst)).work([Lane.FRESH] * 12, 600, late_ms=100)
    assert 0.95 * rate * 600 - 1 <= len(world.asked) <= rate * 600 + burst


@pytest.mark.parametrize("rate", [0.33, 3.0])
@pytest.mark.parametrize("late_ms", [0, 40])
def test_both_lanes_get_what_they_are_promised_among_processes_that_sleep(rate: float, late_ms: int):
    world = World(host(requests_per_second=rate, history_share=0.5, history_floor=0.05))
    world.work([Lane.FRESH] * 5 + [Lane.HISTORY] * 5, 3600, late_ms=late_ms)
    both = [one.lane is Lane.HISTORY for one in world.asked if one.contended]
    assert len(both) > 0.95 * rate * 3600 - 20
    assert 0.05 * len(both) - 2 <= sum(both) <= 0.051 * len(both) + 2
    for first in range(len(both) - 100):
        assert sum(both[first : first + 100]) <= 0.5 * 100 + 1


@pytest.mark.parametrize("pause_ms", [10, 100])
def test_fresh_work_that_is_about_to_ask_again_does_not_share_evenly_with_history(pause_ms: int):
    """Four runs each, whose requests take a while: together the fresh ones could use the whole budget."""
    world = World(host(requests_per_second=20)).work([Lane.FRESH] * 4 + [Lane.HISTORY] * 4, 120, pause_ms=pause_ms)
    history = sum(one.lane is Lane.HISTORY for one in world.asked)
    assert 0.05 * len(world.asked) - 2 <= history <= 0.06 * len(world.asked) + 2
    assert len(world.asked) >= 0.95 * 20 * 120


def test_history_fills_what_fresh_work_leaves():
    world = World(host(requests_per_second=2)).work([Lane.FRESH] + [Lane.HISTORY] * 3, 600, pause_ms=2500)
    by_lane = [one.lane for one in world.asked]
    assert by_lane.count(Lane.FRESH) > 0.9 * 600 / 2.5
    assert by_lane.count(Lane.HISTORY) > 0.9 * 3 * 600 / 2.5


def test_nobody_is_passed_over_for_long_within_a_lane():
    """Twelve equal workers at three a second: nobody waits much longer than the eleven others take."""
    world = World(host(requests_per_second=3, burst=1))
    grants: dict[int, list[int]] = {}
    queue: list[tuple[int, int, int | None]] = [(START_MS + number, number, None) for number in range(12)]
    while world.now_ms < START_MS + 120_000:
        world.now_ms, worker, ticket = heapq.heappop(queue)
        world.budget, answer = budgets.ask(world.budget, world.host, Lane.FRESH, world.now_ms, ticket=ticket)
        if isinstance(answer, Granted):
            grants.setdefault(worker, []).append(world.now_ms + answer.after_ms)
            heapq.heappush(queue, (world.now_ms + answer.after_ms, worker, None))
        else:
            assert isinstance(answer, Nap)
            heapq.heappush(queue, (world.now_ms + answer.for_ms, worker, answer.ticket))
    waits = [after - before for moments in grants.values() for before, after in itertools.pairwise(moments)]
    assert len(grants) == 12
    assert max(waits) < 3 * 12 / 3 * 1000


def test_a_record_stays_small_however_much_is_asked():
    world = World(host(requests_per_second=20)).work([Lane.FRESH, Lane.HISTORY] * 3, 600)
    assert len(world.budget.waiters) <= 6
    assert len(world.budget.turns.hours) <= 25
    assert len(world.budget.moments) == 3


def test_a_lowered_rate_allows_no_bursts():
    world = World(host(requests_per_second=1, burst=8))
    world.budget = budgets.after_error(world.budget, world.host, START_MS)
    assert world.work([Lane.FRESH] * 4, 20).most_in(2) <= 2
