"""The contract as people write it: one model for each thing a YAML file may declare.

Only shape and range are checked here. What one part says of another (a data type its schedule, a template its fields)
is checked in `loading`, which also compiles these records into the `Contract` that the rest of ADCE uses.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adce_assets.contract.seasons import Season, SeasonRange
from adce_assets.contract.templates import check_pattern

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
SeasonLabel = Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]


class Declared(BaseModel):
    """What comes from a file: unknown keys are faults, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class League(Declared):
    """A league's calendar: its first and last season and the month in which seasons start."""

    description: str = ""
    first_season: SeasonLabel
    last_season: SeasonLabel | None = None
    season_starts: Annotated[int, Field(ge=1, le=12)]
    odd_starts: dict[SeasonLabel, date] = {}
    event_hours: Annotated[float, Field(gt=0, le=72)] = 3.0

    @field_validator("first_season", "last_season")
    @classmethod
    def _real_season(cls, label: str | None) -> str | None:
        return None if label is None else Season.parse(label).label


class IdSeasonRule(Declared):
    """How an id spells its season: a pattern with the groups ``start_year``, or ``year``, ``month`` and ``day``.

    ``year_base`` is added to the year; a two-digit ``start_year`` at or above ``pivot`` lies in the 1900s.
    """

    match: str
    year_base: int = 0
    pivot: Annotated[int, Field(ge=0, le=99)] | None = None


class IdKind(Declared):
    """An identifier of events or entities: its pattern, and what it tells of season and season type."""

    description: str = ""
    pattern: str
    seasons: tuple[IdSeasonRule, ...] = ()
    season_type_digit: Annotated[int, Field(ge=0)] | None = None
    season_types: dict[str, Name] = {}

    @field_validator("pattern")
    @classmethod
    def _plain(cls, pattern: str) -> str:
        return check_pattern(pattern)


class ScheduleDocuments(Declared):
    """Where a schedule is read from: a data set of the lake, and the format of its documents."""

    data_set: str
    format: Name


class Numbering(Declared):
    """How ids of a season type follow from a count: ``prefix``, two digits of the start year, a running number."""

    season_type: Name = "regular"
    prefix: str
    digits: Annotated[int, Field(ge=1, le=12)]


class Schedule(Declared):
    """A schedule of record: which events each season of a league really had, under one kind of id.

    ``season_types`` are those whose events the data types expect unless they say otherwise (all, when empty);
    ``unique_by`` says which fields tell two ids of one event apart from two events.
    """

    description: str = ""
    league: Name
    id: Name
    documents: tuple[ScheduleDocuments, ...] = ()
    unique_by: tuple[Literal["date", "home", "away"], ...] = ()
    season_types: tuple[Name, ...] = ()
    numbering: Numbering | None = None


class Dimension(Declared):
    """What a template may range over beside seasons, dates and events: given values, a table, or only a pattern.

    A table is a CSV with a column named ``column`` and, where values come and go, ``first_season`` and ``last_season``.
    A dimension with neither values nor a table cannot be enumerated: its objects are read, but none is expected.
    """

    description: str = ""
    pattern: str = r"[A-Za-z0-9_-]+"
    values: tuple[str, ...] = ()
    table: str | None = None
    column: str | None = None

    @field_validator("pattern")
    @classmethod
    def _plain(cls, pattern: str) -> str:
        return check_pattern(pattern)


class NonData(Declared):
    """A part of the lake that is not data: it is named, so that it is neither a gap nor unclassified."""

    prefix: Annotated[str, Field(min_length=1)]
    reason: str


class Absence(Declared):
    """What a source never had: expected keys of these seasons are unavailable, with the evidence."""

    seasons: str
    reason: str

    @field_validator("seasons")
    @classmethod
    def _range(cls, text: str) -> str:
        SeasonRange.parse(text)
        return text


class DataType(Declared):
    """A data set of a source: the keys it should have, and when they are due, stale or too small.

    ``changes`` says how long the source may still alter a document: ``until_final`` (an event's document, until the
    event is over), ``within_season`` (until its season is over), ``always``. ``due`` says from when a document of a
    whole season is expected; a document of a date or an event is due ``grace_hours`` after it.
    """

    description: str
    templates: Annotated[tuple[str, ...], Field(min_length=1, max_length=4)]
    for_each: tuple[Name, ...] = ("season",)
    scraper: Name | None = None
    league: Name | None = None
    schedule: Name | None = None
    seasons: str | None = None
    from_date: date | None = None
    season_types: tuple[Name, ...] = ()
    required: bool = True
    changes: Literal["until_final", "within_season", "always"] = "within_season"
    due: Literal["season_start", "season_end"] = "season_start"
    freshness_days: Annotated[float, Field(gt=0)] = 7.0
    grace_hours: Annotated[float, Field(ge=0)] = 12.0
    completeness_threshold: Annotated[float, Field(ge=0, le=1)] = 0.95
    min_bytes: Annotated[int, Field(ge=0)] = 100
    minutes_per_file: Annotated[float, Field(gt=0)] = 0.05
    absent: tuple[Absence, ...] = ()

    @field_validator("seasons")
    @classmethod
    def _range(cls, text: str | None) -> str | None:
        if text is not None and text != "all":
            SeasonRange.parse(text)
        return text


class Source(Declared):
    """A source of the lake and its data types."""

    description: str
    league: Name
    schedule: Name | None = None
    owners: tuple[str, ...] = ()
    data_types: Annotated[dict[Name, DataType], Field(min_length=1)]


class ContractFile(Declared):
    """A contract file with all that it includes."""

    version: Literal[1]
    description: str = ""
    leagues: Annotated[dict[Name, League], Field(min_length=1)]
    season_truth: str | None = None
    ids: dict[Name, IdKind] = {}
    schedules: dict[Name, Schedule] = {}
    dimensions: dict[Name, Dimension] = {}
    non_data: dict[Name, NonData] = {}
    sources: Annotated[dict[Name, Source], Field(min_length=1)]
