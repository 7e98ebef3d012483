"""How long the rest takes, and how sure that is."""

import random

import pytest

from adce_assets.cli.timing import WINDOWS, Timing


def told(*moments: tuple[float, int]) -> Timing:
    timing = Timing(0.0)
    for now, done in moments:
        timing.tell(now, done)
    return timing


def test_what_was_done_before_says_nothing_of_the_rate():
    timing = Timing(100.0, 50)
    timing.tell(110.0, 70)
    assert timing.rate == 2.0


def test_nobody_can_tell_before_something_is_done():
    assert told((10, 0)).left(5) is None


def test_nothing_is_left_of_what_is_done_or_has_no_end():
    assert [told((10, 5)).left(total) for total in (5, None)] == [None, None]


def test_a_beginning_says_nothing_of_how_sure_it_is():
    left = told((1, 2), (2, 4)).left(10)
    assert left is not None
    assert (left.seconds, left.fewest, left.most) == (3.0, None, None)


def test_what_goes_evenly_is_sure():
    left = told(*((second, 3 * second) for second in range(1, 20))).left(100)
    assert left is not None
    assert left.most is not None
    assert 0 < left.most - left.seconds < 0.2 * left.seconds


def test_one_burst_has_no_latest_end():
    left = told(*((second, 30 * (second > 10)) for second in range(1, 17))).left(100)
    assert left is not None
    assert left.fewest is not None
    assert left.most is None


def test_long_work_is_remembered_in_few_parts():
    timing = told(*((second, second) for second in range(5_000)))
    assert len(timing.marks) < WINDOWS
    assert timing.rate == pytest.approx(1.0)
    left = timing.left(10_000)
    assert left is not None
    assert left.seconds == pytest.approx(5_001, rel=0.01)


def test_a_pause_in_which_nothing_is_told_counts():
    """Once a minute, five at once: the same as one in twelve seconds."""
    left = told(*((60.0 * minute, 5 * minute) for minute in range(1, 30))).left(290)
    assert left is not None
    assert left.seconds == pytest.approx(1_740)
    assert left.most is not None


def test_nine_of_ten_ends_lie_between_the_two():
    """Keys that come independently of each other, 400 of 1,000 done: the end is known to the simulation."""
    chance = random.Random(5)
    hits = 0
    for _ in range(200):
        moments = [0.0]
        for _ in range(1_000):
            moments.append(moments[-1] + chance.expovariate(2.0))
        left = told(*((moment, number) for number, moment in enumerate(moments[:401]))).left(1_000)
        assert left is not None
        assert left.fewest is not None
        assert left.most is not None
        hits += left.fewest <= moments[1_000] - moments[400] <= left.most
    assert 140 <= hits <= 196
