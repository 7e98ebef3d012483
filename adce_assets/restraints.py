"""What stands in `config/autonomous_config.yaml` of when the loop works and when it rests, and on how much.

Times are of UTC, and a cron schedule has five fields of numbers. What comes of these sections is decided in `loop` and
`defs`.
"""

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from adce_assets.configuration import Configured, Count, Interval, Number, check_cron

WEEK = 10_080
"""The minutes of a week."""

Cron = Annotated[str, AfterValidator(check_cron)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
RESERVED = ("canary", "dims", "dims_", "reconciliation")
"""Names of schedules that the loop has itself, without their `_schedule`; what ends with `_`: all that begin so."""
Wait = Annotated[int, Field(ge=0, le=WEEK)]


def check_names(named: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return entries that have each a name of its own; raise ValueError where two have the same."""
    twice = sorted(name for name, count in Counter(one.name for one in named).items() if count > 1)
    if twice:
        message = f"two entries are named `{twice[0]}`; valid: for each a name of its own"
        raise ValueError(message)
    return named


def check_free(name: str) -> str:
    """Return a name; raise ValueError where the loop has a schedule of that name itself."""
    if name in RESERVED or name.startswith(tuple(one for one in RESERVED if one.endswith("_"))):
        message = f"the loop has a schedule `{name}_schedule` itself; valid: another name than {', '.join(RESERVED)}"
        raise ValueError(message)
    return name


class Window(Configured):
    """A stretch of time that comes again and again: so many minutes from each that ``cron`` names."""

    name: Name
    cron: Cron
    minutes: Annotated[int, Field(ge=1, le=WEEK)]


class Pause(Window):
    """A window in which a part of the collecting rests: all that is of one of the hosts, sources and priorities."""

    hosts: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    priorities: tuple[Literal["critical", "high", "medium", "low"], ...] = ()

    @model_validator(mode="after")
    def _of_something(self) -> "Pause":
        if not (self.hosts or self.sources or self.priorities):
            message = "a pause names `hosts`, `sources` or `priorities`; where everything rests it is `maintenance`"
            raise ValueError(message)
        return self


class Scrape(Configured):
    """Data sets of a source that are collected by the clock, beside what the queue asks for; none named: all."""

    name: Annotated[Name, AfterValidator(check_free)]
    cron: Cron
    source: str
    data_types: tuple[str, ...] = ()
    season: Literal["current", "previous"] = "current"
    refresh: Literal["gaps", "failed", "all"] = "gaps"
    max_minutes: Annotated[int, Field(ge=2, le=120)] = 60


class MinutesPerPriority(Configured):
    """How many minutes after a start of each priority the next runs of it are started; 0: whenever there is a place."""

    critical: Wait = 0
    high: Wait = 0
    medium: Wait = 0
    low: Wait = 0


class Resources(Configured):
    """How much of its machine the loop leaves to others; None: it does not look."""

    free_disk_gb: Annotated[float, Field(ge=0, le=1_000_000)] | None = 1.0
    free_memory_mb: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = 128
    load_per_cpu: Annotated[float, Field(gt=0, le=1_000)] | None = None
    run_memory_mb: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = 2_048
    nice: Annotated[int, Field(ge=0, le=19)] = 0


class Trial(Configured):
    """The loop on trial: it comes round quickly, and collects little."""

    enabled: bool = False
    look_seconds: Interval = 5
    reconcile_cron: Cron = "* * * * *"
    canary_cron: Cron = "*/10 * * * *"
    tasks_a_day: Count = 10
    keys_per_data_set: Number = 5
