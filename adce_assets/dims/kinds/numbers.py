"""Bytes and seconds in, the number that a metric shows out: in its unit, rounded where that is asked for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from adce_assets.errors import MetricError

Scale = Literal["B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"]
Span = Literal["seconds", "minutes", "hours", "days"]
Digits = Annotated[int, Field(ge=0, le=12)]

UNITS: Mapping[str, int] = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", start=1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", start=1)},
}
"""Bytes of a unit."""
SPANS: Mapping[str, int] = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
"""Seconds of a span."""
AHEAD_S = 300
"""How far a clock may be ahead of ours."""


def rounded(number: float, digits: int | None) -> float:
    """Round a number to some digits behind the point; not at all for None."""
    return number if digits is None else round(number, digits)


def scaled(count: float, scale: Scale, digits: int | None) -> int | float:
    """Say bytes in a unit; whole bytes stay an integer."""
    if scale == "B" and isinstance(count, int):
        return count
    return rounded(count / UNITS[scale], digits)


def age(now: datetime, then: datetime, span: Span, digits: int | None) -> float:
    """Say how long ago a moment was; 0 where it lies ahead by no more than clocks may differ.

    Raises:
        MetricError: it lies further ahead.
    """
    seconds = (now - then).total_seconds()
    if seconds < -AHEAD_S:
        what = f"has no age: {then:%Y-%m-%d %H:%M} UTC is {-seconds / SPANS['hours']:,.1f} hours from now"
        raise MetricError(what, where="measure", hint="one of the clocks is wrong, or `ADCE_AS_OF` is set")
    return rounded(max(0.0, seconds) / SPANS[span], digits)
