"""What the points of a metric come to, beside numpy and exact fractions."""

import statistics
import sys
from fractions import Fraction
from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.dims.history import History
from adce_assets.dims.history_figures import stats_of, trend_of
from adce_assets.dims.history_records import Point
from adce_assets.dims.metrics import Status
from adce_assets_tests.dims.tellings import DAY, FEW, HOUR, NOON, record, verdict

NAMES = count()


@FEW
@given(values=st.lists(st.none() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6), max_size=12))
def test_stats_and_trend_are_those_of_numpy(history: History, values: list[int | float | None]):
    metric = f"lake.of_{next(NAMES)}"
    told = [verdict(metric, value, at=NOON + turn * 6 * HOUR) for turn, value in enumerate(values)]
    record(history, *told)
    found, trend = history.stats(metric, NOON), history.trend(metric, NOON)
    known = [(turn / 4, value) for turn, value in enumerate(values) if value is not None]
    numbers = [value for _, value in known]
    assert (found.count, found.errors, trend.count) == (len(known), len(values) - len(known), len(known))
    assert found.changes == sum(one != other for one, other in pairwise(numbers))
    if known:
        expected = (min(numbers), max(numbers), np.mean(numbers), np.median(numbers))
        figures = (found.minimum, found.maximum, found.mean, found.median)
        assert figures == pytest.approx(expected, abs=1e-6)
        assert (found.first, found.last) == (numbers[0], numbers[-1])
    if len(known) < 2:
        assert trend.per_day is None
        return
    slope, intercept = np.polyfit([days - known[0][0] for days, _ in known], numbers, 1)
    assert (trend.per_day, trend.begins) == pytest.approx((slope, intercept), rel=1e-6, abs=1e-5)


LARGE, TINY = sys.float_info.max, 5e-324
ENDS = st.sampled_from([LARGE, -LARGE, LARGE / 3, TINY, -TINY, 0.0, 1, 1e-160])


@given(values=st.lists(ENDS, min_size=1, max_size=6))
def test_figures_are_right_to_the_ends_of_what_a_float_holds(values: list[float]):
    points = [Point(NOON + turn * DAY, value, "", Status.OK, None, None) for turn, value in enumerate(values)]
    found, trend = stats_of(points), trend_of(points)
    numbers = [Fraction(value) for value in values]
    allowed = max(map(abs, numbers)) / 10**12 + Fraction(TINY)
    assert found.mean is not None
    assert found.median is not None
    assert abs(Fraction(found.mean) - sum(numbers) / len(numbers)) <= allowed
    assert abs(Fraction(found.median) - statistics.median(numbers)) <= allowed
    assert None not in {trend.per_day, trend.fit} or len(values) == 1 or LARGE in map(abs, values)


def test_a_line_fits_what_lies_on_it_and_half_of_what_does_not(history: History):
    record(history, *(verdict(value=10 + 3 * day, at=NOON + day * DAY) for day in range(5)))
    trend = history.trend("lake.objects", NOON)
    assert (trend.per_day, trend.begins, trend.ends, trend.fit) == pytest.approx((3.0, 10.0, 22.0, 1.0))
    record(history, *(verdict("a.b", value, at=NOON + day * DAY) for day, value in enumerate([0, 1, 0, 1])))
    assert history.trend("a.b", NOON).fit == pytest.approx(0.2)
    record(history, *(verdict("a.c", 5, at=NOON + day * DAY) for day in range(3)))
    assert (history.trend("a.c", NOON).per_day, history.trend("a.c", NOON).fit) == (0.0, 1.0)


def test_texts_are_counted_and_have_no_trend(history: History):
    told = enumerate(["in_sync", "behind", "behind", "in_sync"])
    record(history, *(verdict(value=value, at=NOON + hours * HOUR) for hours, value in told))
    found = history.stats("lake.objects", NOON)
    assert (found.count, found.changes, found.first, found.mean) == (4, 2, "in_sync", None)
    assert history.trend("lake.objects", NOON).count == 0
