"""History is neither starved nor in the way. Oracles count the turns themselves; nothing sleeps or reads a clock."""

import itertools
import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.fetch import lanes
from adce_assets.fetch.lanes import Lane, Split, Turns

DAY_MS = 24 * 3_600_000
FRESH, HISTORY = Lane.FRESH, Lane.HISTORY
SPLIT = Split(share=0.8, floor=0.05)
START_MS = 1_700_000_000_000


def run(waiting: Iterable[tuple[bool, bool]], split: Split = SPLIT, tick_ms: int = 1000) -> list[Lane | None]:
    """Give a turn at each tick to a lane that waits (fresh, history) and is let; say whose it was."""
    turns, given_to = Turns(), []
    for tick, who in enumerate(waiting):
        now_ms, contended = START_MS + tick * tick_ms, all(who)
        able = [
            lane
            for lane, waits in zip((FRESH, HISTORY), who, strict=True)
            if waits and lanes.is_turn_of(turns, lane, split, contended=contended)
        ]
        assert len(able) == any(who)
        for lane in able:
            turns = lanes.taken(turns, lane, split, now_ms, contended=contended)
        given_to.append(able[0] if able else None)
    return given_to


def splits() -> st.SearchStrategy[Split]:
    part = st.sampled_from([0, 0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 0.95, 1])
    return st.tuples(part, part).map(lambda two: Split(share=max(two), floor=min(two)))


@settings(max_examples=60)
@given(split=splits(), waiting=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=150))
def test_in_no_stretch_has_history_more_than_its_share_or_less_than_its_floor_of_what_both_wait_for(
    split: Split, waiting: list[tuple[bool, bool]]
):
    given_to = run(waiting, split)
    both = [lane is HISTORY for lane, who in zip(given_to, waiting, strict=True) if all(who)]
    for first, last in itertools.combinations(range(len(both) + 1), 2):
        history, turns = sum(both[first:last]), last - first
        assert history <= split.share * turns + 1 + 1e-6
        assert history >= split.floor * turns - 2 - 1e-6


@settings(max_examples=60)
@given(split=splits(), waiting=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=150))
def test_a_lane_that_waits_alone_is_never_kept_waiting(split: Split, waiting: list[tuple[bool, bool]]):
    for lane, (fresh, history) in zip(run(waiting, split), waiting, strict=True):
        if fresh != history:
            assert lane is (FRESH if fresh else HISTORY)


def test_a_million_turns_in_a_day_of_endless_fresh_work_leave_history_its_floor():
    million, turns, history = 1_000_000, Turns(), 0
    for tick in range(million):
        lane = HISTORY if lanes.is_turn_of(turns, HISTORY, SPLIT, contended=True) else FRESH
        turns = lanes.taken(turns, lane, SPLIT, START_MS + tick * DAY_MS // million, contended=True)
        history += lane is HISTORY
    assert 0.05 * million - 2 <= history <= 0.051 * million


@pytest.mark.parametrize("seed", range(3))
def test_every_24_hours_in_which_history_waits_give_it_its_floor_whatever_comes_and_goes(seed: int):
    """Three days of fresh work that comes and goes at random; each sliding day is counted anew."""
    chance, waiting = random.Random(seed), []
    while len(waiting) < 3 * 8640:
        waiting += [(chance.random() < 0.8, True)] * chance.randint(1, 3000)
    given_to = run(waiting, tick_ms=10_000)
    sums = [0, *itertools.accumulate(lane is HISTORY for lane in given_to)]
    for first in range(len(given_to) - 8640):
        assert sums[first + 8640] - sums[first] >= 0.05 * 8640 - 2


def test_history_that_comes_late_gets_its_floor_of_the_day_within_its_share():
    """Ten hours of fresh work alone, then both: history is owed a twentieth of those ten hours as well."""
    alone, both = [(True, False)] * 36_000, [(True, True)] * 36_000
    late = run([*alone, *both])[36_000:]
    assert late[:1000].count(HISTORY) == pytest.approx(800, abs=2)
    assert late.count(HISTORY) >= 0.05 * 72_000 - 2
    assert late[-1000:].count(HISTORY) == pytest.approx(50, abs=2)


def test_what_history_takes_while_nobody_else_waits_costs_fresh_work_nothing():
    night, morning = [(False, True)] * 20_000, [(True, True)] * 100
    assert run([*night, *morning])[20_000:].count(FRESH) >= 95


def test_what_was_taken_is_counted_for_a_day():
    turns = Turns()
    for hour in range(30):
        turns = lanes.taken(turns, HISTORY, SPLIT, START_MS + hour * 3_600_000, contended=False)
    assert lanes.of_the_last_day(turns, START_MS + 29 * 3_600_000) == {FRESH: 0, HISTORY: 24}
    assert lanes.of_the_last_day(turns, START_MS + 200 * 3_600_000) == {FRESH: 0, HISTORY: 0}
    assert len(turns.hours) <= 25
