"""What a metric is, and what was measured of one: names, limits, values, verdicts. Nothing here measures or keeps them.

A measurement holds a value or the reason why there is none, never a number that stands for a failure.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

NAME = re.compile(r"[a-z][a-z0-9_]{0,79}", re.ASCII)
"""What a category or a metric may be called."""

Value = int | float | str
"""What can be measured; an integer and a float are different types, and stay what they are."""
Nature = Literal["stable", "volatile"]
"""Whether a metric is expected to stay (lines of a schema), or to move all the time (objects of the lake)."""


class Status(StrEnum):
    """How a measurement stands beside the accepted value."""

    OK = "ok"
    MINOR = "minor"
    MODERATE = "moderate"
    MAJOR = "major"
    ERROR = "error"
    NEW = "new"


class Severity(StrEnum):
    """What a drift is worth, lowest first."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Thresholds(BaseModel):
    """From how many percent of the accepted value on a drift is called what.

    A move by no more than ``tolerance``, in the metric's unit, is none whatever its share: of few things one more is
    much, and an age grows by the hour.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    minor: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = 5.0
    moderate: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = 15.0
    major: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = 25.0
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @model_validator(mode="after")
    def _ascend(self) -> "Thresholds":
        if not self.minor < self.moderate < self.major:
            message = "`minor`, `moderate` and `major` ascend"
            raise ValueError(message)
        return self


def check_name(text: str) -> str:
    """Return a name of a metric or category; raise ValueError for what could be none in SQL, YAML or Prometheus."""
    if not NAME.fullmatch(text):
        message = f"`{text}` is no name; valid: small letters, digits and `_`, beginning with a letter, up to 80"
        raise ValueError(message)
    return text


Name = Annotated[str, AfterValidator(check_name)]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was found when a metric was measured.

    Attributes:
        metric: Its id, ``category.name``.
        value: What was found; None if nothing could be.
        error: Why nothing could be found, in one line; empty otherwise.
        at: When it was measured (UTC).
        seconds: How long that took.
        is_cached: Whether it was measured for an earlier verification, and is not too old yet.
        definition: A digest of what was asked for, which is the same for the same; empty where nobody knows.
    """

    metric: str
    value: Value | None
    error: str
    at: datetime
    seconds: float = 0.0
    is_cached: bool = False
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The value that holds until another is accepted.

    Attributes:
        value: What was accepted.
        at: When (UTC).
        how: By what: ``first``, ``update`` or ``approval``.
        by: By whom.
    """

    value: Value
    at: datetime
    how: str
    by: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A measurement beside the accepted value.

    Attributes:
        measurement: What was measured.
        accepted: What holds; None for a new metric.
        status: How they stand.
        severity: What that is worth, which depends on the metric's nature and season.
        drift: In percent of the accepted value, without a sign; None where there is nothing to compare. From 0 to
            anything else is 100.
        in_season: Whether the metric counts on its usual movement at that time of the year.
    """

    measurement: Measurement
    accepted: Accepted | None
    status: Status
    severity: Severity
    drift: float | None
    in_season: bool = True
