"""What stands in the configuration files of `config/`: their sections, each key with its bounds and its default.

The files are read in `settings`; what a key does is told in the files themselves, beside its value.
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

PRIORITIES = ("critical", "high", "medium", "low")
"""Priorities of gaps and tasks, most urgent first."""

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
    _, _, days, months, _ = [cron_values(part, *field) for part, field in zip(parts, CRON, strict=True)]
    if min(days) > max(LONGEST_MONTHS[month - 1] for month in months):
        message = f"`{text}` names no day that ever comes"
        raise ValueError(message)
    return text


def cron_values(part: str, name: str, least: int, greatest: int) -> set[int]:
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
Score = Annotated[float, Field(ge=0, le=MANY)]
Interval = Annotated[int, Field(ge=5, le=86_400)]


class Configured(BaseModel):
    """A section of a configuration file: every key is known, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Encryption:
    """What a bucket is asked to encrypt with what is written: a method of S3's, and a key where one is named."""

    method: Literal["none", "AES256", "aws:kms"] = "none"
    key_id: str | None = None


class Scanning(Configured):
    """How the lake is scanned, and how what is written to its bucket is encrypted."""

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
    encryption: Literal["none", "AES256", "aws:kms"] = "none"
    kms_key_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9:/_-]+$", max_length=2_048)] | None = None

    @property
    def encrypted(self) -> Encryption:
        """What everything is encrypted with that is written to the lake's and the state's bucket."""
        return Encryption(self.encryption, self.kms_key_id)

    @model_validator(mode="after")
    def _key_is_used(self) -> "Scanning":
        if self.kms_key_id and self.encryption != "aws:kms":
            message = f"`kms_key_id` is of no use with `encryption: {self.encryption}`; valid with it: `aws:kms`"
            raise ValueError(message)
        return self

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


class BaseScores(Configured):
    """What a task's score begins with, by its priority."""

    critical: Score = 3_000.0
    high: Score = 2_000.0
    medium: Score = 1_000.0
    low: Score = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> "BaseScores":
        if not self.critical > self.high > self.medium > self.low:
            message = "the base scores must fall from critical to low"
            raise ValueError(message)
        return self


class PriorityWeighting(Configured):
    """Which of two tasks comes first: points, points an hour, factors."""

    base_scores: BaseScores = BaseScores()
    age_weight: Annotated[float, Field(ge=0, le=1_000)] = 0.5
    age_cap: Score = 100.0
    source_multipliers: Mapping[str, Annotated[float, Field(gt=0, le=100)]] = {}
    gap_size_weight: Annotated[float, Field(ge=0, le=1_000)] = 0.1
    gap_size_cap: Score = 10.0
    success_rate_weight: Share = 0.8


class TaskQueue(Configured):
    """How gaps become tasks."""

    keys_per_task: Annotated[int, Field(ge=1, le=100_000)] = 100
    max_tasks_per_run: Count = 1_000
    max_tasks: TasksPerPriority = TasksPerPriority()
    priority_weighting: PriorityWeighting = PriorityWeighting()


class Retries(Configured):
    """When a key that failed is tried again, and when no more."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 5
    backoff_minutes: Annotated[float, Field(gt=0, le=10_000)] = 15.0
    backoff_factor: Annotated[float, Field(ge=1, le=100)] = 4.0
    backoff_longest_hours: Hours = 24.0
    jitter: Share = 0.2


class Tombstones(Configured):
    """When a key is believed not to be had, and for how long."""

    quorum: Annotated[int, Field(ge=1, le=100)] = 3
    probe_hours: Hours = 24.0
    lasts_days: Annotated[float, Field(gt=0, le=MOST_DAYS)] = 30.0
    probes_per_cell: Annotated[int, Field(ge=1, le=1_000)] = 3


class Closure(Configured):
    """How it is made sure that what was promoted is there for others."""

    unseen_minutes: Annotated[float, Field(gt=0, le=1_440 * MOST_DAYS)] = 60.0
    looks_per_run: Number = 10_000
    reread_mb: Count = 64


class Engine(Configured):
    """What the table engine may use."""

    memory_limit: Annotated[str, AfterValidator(check_memory)] = "1GB"
    threads: Annotated[int, Field(ge=1, le=1_024)] = 2
    backend: Literal["duckdb", "spark"] = "duckdb"
    spark_master: Annotated[str, AfterValidator(check_master)] = "local[2]"


class ReconciliationConfig(Configured):
    """`config/reconciliation_config.yaml`: scanning, gap rules, queue limits, what becomes of failures."""

    s3: Scanning = Scanning()
    gap_detection: GapDetection = GapDetection()
    task_queue: TaskQueue = TaskQueue()
    retries: Retries = Retries()
    tombstones: Tombstones = Tombstones()
    closure: Closure = Closure()
    engine: Engine = Engine()
