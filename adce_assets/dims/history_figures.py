"""The points of a metric in, what they come to out: the usual figures, and the straight line nearest to them.

Points are in the order of their moments. Errors count as errors, and never as a number.
"""

import math
import statistics
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from adce_assets.dims.history_records import Point, Stats, Trend
from adce_assets.dims.history_rows import number_of

_DAY = timedelta(days=1)


def stats_of(points: Sequence[Point]) -> Stats:
    """Sum points up; the integer 1 and the float 1.0 are the same number here."""
    values = [point.value for point in points if point.value is not None]
    numbers = [number for value in values if (number := number_of(value)) is not None]
    small, scale = _scaled(numbers)
    return Stats(
        count=len(values),
        errors=len(points) - len(values),
        minimum=min(numbers, default=None),
        maximum=max(numbers, default=None),
        mean=statistics.fmean(small) * scale if small else None,
        median=statistics.median(small) * scale if small else None,
        first=values[0] if values else None,
        last=values[-1] if values else None,
        changes=sum(before != after for before, after in pairwise(values)),
    )


def trend_of(points: Sequence[Point]) -> Trend:
    """Lay a line through the points that are numbers; there is none where it would leave what a float can hold."""
    known = [(point.at, number) for point in points if (number := number_of(point.value)) is not None]
    none = Trend(len(known), None, None, None, None)
    if not known or known[0][0] == known[-1][0]:
        return none
    days = [(at - known[0][0]) / _DAY for at, _ in known]
    small, scale = _scaled([number for _, number in known])
    line = statistics.linear_regression(days, small)
    slope, begins, ends = (
        number * scale for number in (line.slope, line.intercept, line.intercept + line.slope * days[-1])
    )
    if not all(map(math.isfinite, (slope, begins, ends))):
        return none
    return Trend(len(known), slope, begins, ends, _fit(days, small))


def _fit(days: Sequence[float], numbers: Sequence[float]) -> float:
    if min(numbers) == max(numbers):
        return 1.0
    return statistics.correlation(days, numbers) ** 2


def _scaled(numbers: Sequence[float]) -> tuple[list[float], float]:
    """Divide numbers by a power of two that brings them near to 1: squares and sums are floats then, too."""
    _, exponent = math.frexp(max(map(abs, numbers), default=0.0))
    exponent = min(max(exponent, -1022), 1023)
    return [math.ldexp(number, -exponent) for number in numbers], math.ldexp(1.0, exponent)
