"""Environment and configuration files in, frozen settings out. The only reader of the environment and of the clock.

| variable | what |
|---|---|
| ``ADCE_LAKE`` | the lake's root, ``s3://bucket[/prefix]`` or ``file:///path`` |
| ``ADCE_BUCKET`` | short for ``ADCE_LAKE=s3://`` + name |
| ``ADCE_HOME`` | the folder with ``config/`` and ``inventory/`` (default: the project's own) |
| ``ADCE_STATE`` | where the loop writes its files (default: ``inventory/`` under the home) |
| ``ADCE_AS_OF`` | an ISO time that stands for now, for reproducible runs |
| ``ADCE_HOST_<NAME>`` | another base URL for a host of the scraper configuration, such as a local stand-in |
| ``ADCE_LIMITS`` | a PostgreSQL URL, for budgets of hosts that all machines share (default: a file of this one) |
| ``ADCE_DAGSTER_URL`` | the PostgreSQL that Dagster keeps its own records in (default: SQLite under ``DAGSTER_HOME``) |
"""

import itertools
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from adce_assets.documents import load
from adce_assets.errors import ConfigurationError

PRIORITIES = ("critical", "high", "medium", "low")
"""Priorities of gaps and tasks, most urgent first."""

PREFIXES = ("ADCE_", "AWS_", "DAGSTER_")
"""What the names of settings begin with, in the environment."""

CRON = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
)
"""The fields of a cron schedule, with the least and the greatest value of each."""
LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

UNITS = {"MB": 1_000**2, "GB": 1_000**3, "MiB": 1_024**2, "GiB": 1_024**3}
LEAST_MEMORY, MOST_MEMORY = 64 * UNITS["MB"], 1_000_000 * UNITS["GB"]

MOST_DAYS = 36_500
MANY = 1_000_000_000
"""More than any lake needs, and few enough for every library that is handed the number."""


def check_prefix(text: str) -> str:
    """Return a prefix of keys as a folder, ending in one ``/``; raise ValueError for what names no folder of a lake."""
    folder = text.rstrip("/")
    if text.startswith("/") or not text.isprintable() or {"", ".", ".."} & {part.strip() for part in folder.split("/")}:
        message = f"`{text}` is no prefix; valid: a folder of the lake, such as `inventory-reports/`"
        raise ValueError(message)
    return f"{folder}/"


def check_memory(text: str) -> str:
    """Return an amount of memory that the table engine can work within; raise ValueError for any other."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(MB|GB|MiB|GiB)", text, re.ASCII)
    if found is None or not LEAST_MEMORY <= float(found[1]) * UNITS[found[2]] <= MOST_MEMORY:
        message = f"`{text}` is no limit to work within; valid: 64MB to 1000000GB, in MB, GB, MiB or GiB"
        raise ValueError(message)
    return text


def check_master(text: str) -> str:
    """Return where Spark is to run; raise ValueError for what Spark does not know."""
    if not re.fullmatch(r"local\[(\d+|\*)\]|local-cluster\[\d+,\d+,\d+\]|yarn|(spark|k8s)://\S+", text, re.ASCII):
        message = f"`{text}` is no place for Spark; valid: `local[2]`, `local[*]`, `yarn`, `spark://...` or `k8s://...`"
        raise ValueError(message)
    return text


def check_cron(text: str) -> str:
    """Return a cron schedule of five fields of numbers; raise ValueError for any other.

    Dagster refuses a day that no month named has, whatever the day of the week.
    """
    parts = text.split()
    if len(parts) != len(CRON):
        names = ", ".join(name for name, _, _ in CRON)
        message = f"`{text}` has {len(parts)} fields; valid: {names}, such as `0 * * * *`"
        raise ValueError(message)
    _, _, days, months, _ = [_cron_values(part, *field) for part, field in zip(parts, CRON, strict=True)]
    if min(days) > max(LONGEST_MONTHS[month - 1] for month in months):
        message = f"`{text}` names no day that ever comes"
        raise ValueError(message)
    return text


def _cron_values(part: str, name: str, least: int, greatest: int) -> set[int]:
    """List what a field of a cron schedule stands for: numbers, ranges, ``*``, with a step after the last two."""
    values: set[int] = set()
    for element in part.split(","):
        found = re.fullmatch(r"(\d{1,2})|(?:(\d{1,2})-(\d{1,2})|\*)(?:/(\d{1,2}))?", element, re.ASCII)
        one, first, last, step = found.groups() if found else (None, None, None, "0")
        start, end, pace = int(one or first or least), int(one or last or greatest), int(step or 1)
        if not (least <= start <= end <= greatest and 1 <= pace <= greatest):
            message = f"`{element}` is no {name}; valid: {least} to {greatest}, a range such as `1-5`, `*` or `*/2`"
            raise ValueError(message)
        values |= {*range(start, end + 1, pace)}
    return values


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=MANY)]
Number = Annotated[int, Field(ge=1, le=MANY)]
Hours = Annotated[float, Field(gt=0, le=24 * MOST_DAYS)]
Seconds = Annotated[float, Field(ge=0, le=86_400 * MOST_DAYS)]
Interval = Annotated[int, Field(ge=5, le=86_400)]


class Configured(BaseModel):
    """A section of a configuration file: every key is known, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Scanning(Configured):
    """How the lake is scanned."""

    use_aws_inventory: bool = False
    fallback_to_sample: bool = False
    sample_rate: Annotated[float, Field(gt=0, le=1)] = 0.05
    cache_ttl_hours: Hours = 1.0
    parallel_workers: Annotated[int, Field(ge=1, le=64)] = 8
    prefixes: tuple[Annotated[str, AfterValidator(check_prefix)], ...] = ()
    delta_requests: Annotated[int, Field(ge=0, le=100_000)] = 6
    max_vanished_share: Share = 0.1
    inventory_prefix: Annotated[str, AfterValidator(check_prefix)] = "inventory-reports/"
    inventory_id: Annotated[str, Field(pattern=r"^\.*[A-Za-z0-9_-][A-Za-z0-9._-]*$", max_length=64)] | None = None
    max_age_hours: Hours = 50.0
    audit_objects_per_run: Count = 1_000
    read_workers: Annotated[int, Field(ge=1, le=64)] = 8

    @model_validator(mode="after")
    def _apart(self) -> "Scanning":
        ordered = sorted(self.prefixes)
        for one, other in itertools.pairwise(ordered):
            if other.startswith(one):
                message = f"`{other}` lies within `{one}`; valid: prefixes that do not overlap"
                raise ValueError(message)
        return self


class Thresholds(Configured):
    """Completeness of a cell below which its gaps are as urgent as the named priority, within their age class."""

    critical: Share = 0.50
    high: Share = 0.80
    medium: Share = 0.95
    low: Share = 0.99

    @model_validator(mode="after")
    def _ordered(self) -> "Thresholds":
        if not self.critical <= self.high <= self.medium <= self.low:
            message = "the thresholds must rise from critical to low"
            raise ValueError(message)
        return self


class GapDetection(Configured):
    """How urgent a gap is."""

    critical_threshold_days: Annotated[float, Field(ge=0, le=MOST_DAYS)] = 7.0
    critical_max_age_hours: Hours = 24.0
    completeness_thresholds: Thresholds = Thresholds()


class TasksPerPriority(Configured):
    """How many tasks of each priority a queue holds at most."""

    critical: Count = 100
    high: Count = 300
    medium: Count = 400
    low: Count = 200


class TaskQueue(Configured):
    """How gaps become tasks."""

    keys_per_task: Annotated[int, Field(ge=1, le=100_000)] = 100
    max_tasks_per_run: Count = 1_000
    max_tasks: TasksPerPriority = TasksPerPriority()


class Engine(Configured):
    """What the table engine may use."""

    memory_limit: Annotated[str, AfterValidator(check_memory)] = "1GB"
    threads: Annotated[int, Field(ge=1, le=1_024)] = 2
    backend: Literal["duckdb", "spark"] = "duckdb"
    spark_master: Annotated[str, AfterValidator(check_master)] = "local[2]"


class ReconciliationConfig(Configured):
    """`config/reconciliation_config.yaml`: scanning, gap rules, queue limits."""

    s3: Scanning = Scanning()
    gap_detection: GapDetection = GapDetection()
    task_queue: TaskQueue = TaskQueue()
    engine: Engine = Engine()


class Completions(Configured):
    """How completions of scrapers become one reconciliation."""

    quiet_seconds: Seconds = 60.0
    longest_wait_seconds: Seconds = 300.0
    markers_per_tick: Number = 200


class Dispatch(Configured):
    """How tasks become runs."""

    max_runs_in_flight: Number = 4
    max_tasks_per_batch: Number = 10


class Intervals(Configured):
    """How often the sensors look, in seconds, and how fresh the loop's own assets must be, in hours."""

    inventory_report_seconds: Interval = 300
    completion_seconds: Interval = 30
    task_queue_seconds: Interval = 30
    reconcile_cron: Annotated[str, AfterValidator(check_cron)] = "0 * * * *"
    fresh_within_hours: Annotated[Hours, Field(ge=0.02)] = 3.0  # Dagster knows no freshness of less than a minute


class AutonomousConfig(Configured):
    """`config/autonomous_config.yaml`: the loop when nobody watches."""

    intervals: Intervals = Intervals()
    completions: Completions = Completions()
    dispatch: Dispatch = Dispatch()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that differs between one installation and another."""

    home: Path
    state_url: str
    configured_lake: str | None
    host_urls: Mapping[str, str]
    clock: Callable[[], datetime]
    reconciliation: ReconciliationConfig
    autonomous: AutonomousConfig
    limits_url: str | None = None
    secrets: Callable[[str], str | None] = field(default=lambda _: None)

    @property
    def lake_url(self) -> str:
        """The root of the lake; ConfigurationError when nobody has said where it is."""
        if self.configured_lake is None:
            raise ConfigurationError(
                "no lake is configured",
                valid="s3://bucket, s3://bucket/prefix or file:///path",
                hint="set ADCE_LAKE, or run `make demo` for a lake to try",
            )
        return self.configured_lake

    @property
    def contract_path(self) -> Path:
        """The contract's file."""
        return self.home / "inventory" / "data_inventory.yaml"

    @property
    def scraper_config_path(self) -> Path:
        """The scrapers' configuration."""
        return self.home / "config" / "scraper_config.yaml"

    @property
    def work_folder(self) -> Path:
        """A folder of this machine for what processes share here: rate limits, spilled tables."""
        return self.home / ".adce"

    @property
    def limits_place(self) -> str | Path:
        """Where the budgets of the hosts are kept, for every process that asks them: a PostgreSQL URL, or a file."""
        return self.limits_url or self.work_folder / "limits.sqlite"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment (default: the process's own) and the configuration files of the home it names."""
    environ = os.environ if environment is None else environment
    home = Path(environ.get("ADCE_HOME") or Path(__file__).resolve().parent.parent).absolute()
    bucket = environ.get("ADCE_BUCKET")
    return Settings(
        home=home,
        state_url=environ.get("ADCE_STATE") or (home / "inventory").as_uri(),
        configured_lake=environ.get("ADCE_LAKE") or (f"s3://{bucket}" if bucket else None),
        host_urls={
            name.removeprefix("ADCE_HOST_").lower(): url
            for name, url in environ.items()
            if name.startswith("ADCE_HOST_")
        },
        clock=_clock(environ.get("ADCE_AS_OF")),
        reconciliation=load(ReconciliationConfig, home / "config" / "reconciliation_config.yaml"),
        autonomous=load(AutonomousConfig, home / "config" / "autonomous_config.yaml"),
        limits_url=environ.get("ADCE_LIMITS") or None,
        secrets=partial(kept, environment=environ),
    )


def dagster_database_url(environment: Mapping[str, str] | None = None) -> str | None:
    """Return the URL of the database of Dagster's own records, or None for SQLite."""
    environ = os.environ if environment is None else environment
    return environ.get("ADCE_DAGSTER_URL") or None


def dagster_home(environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the folder that Dagster calls its home, or None where nobody has named one."""
    environ = os.environ if environment is None else environment
    return Path(environ["DAGSTER_HOME"]).absolute() if environ.get("DAGSTER_HOME") else None


def kept(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return the secret or other value that the environment keeps under a name; None where there is none."""
    environ = os.environ if environment is None else environment
    return environ.get(name) or None


def environment_for_child(variables: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with ``variables`` in the place of every setting of ADCE, AWS and Dagster.

    What a person has set for a real lake must not reach a process that is started to work on another one.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)} | dict(variables)


def forget_settings() -> None:
    """Take every setting of ADCE, AWS and Dagster out of this process's own environment, for good.

    As for a child, where this process itself works on another lake: libraries read the environment when they please.
    """
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        del os.environ[name]


def _clock(as_of: str | None) -> Callable[[], datetime]:
    if not as_of:
        return lambda: datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(as_of)
    except ValueError as error:
        raise ConfigurationError(
            f"`{as_of}` is not a time", where="ADCE_AS_OF", valid="an ISO time such as 2025-01-15T12:00:00Z"
        ) from error
    moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    return lambda: moment
