"""The contract as people write it: one model for each thing a YAML file may declare.

Only shape and range are checked here. What one part says of another (a data type its schedule, a template its fields)
is checked in `loading`, which also compiles these records into the `Contract` that the rest of ADCE uses.
"""

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from adce_assets.contract.seasons import Season, SeasonRange
from adce_assets.contract.templates import check_pattern


def _check_season(label: str) -> str:
    return Season.parse(label).label


def _check_range(text: str) -> str:
    SeasonRange.parse(text)
    return text


def _check_range_or_all(text: str) -> str:
    return text if text == "all" else _check_range(text)


def _check_rule(pattern: str) -> str:
    try:
        groups = set(re.compile(pattern, re.ASCII).groupindex)
    except re.error as error:
        message = f"`{pattern}` is not a regular expression: {error}"
        raise ValueError(message) from error
    if groups not in ({"start_year"}, {"year", "month", "day"}):
        message = f"`{pattern}` must name the group `start_year`, or the groups `year`, `month` and `day`"
        raise ValueError(message)
    return pattern


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
SeasonLabel = Annotated[str, AfterValidator(_check_season)]
Seasons = Annotated[str, AfterValidator(_check_range)]
SeasonsOrAll = Annotated[str, AfterValidator(_check_range_or_all)]
Pattern = Annotated[str, AfterValidator(check_pattern)]
RulePattern = Annotated[str, AfterValidator(_check_rule)]
TableFile = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$")]
"""A file in or below the contract's folder."""


class Declared(BaseModel):
    """What comes from a file: unknown keys are faults, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class League(Declared):
    """A league's calendar: its first and last season and the month in which seasons start.

    ``odd_starts`` gives the first day of seasons that did not start in that month.
    """

    description: str = ""
    first_season: SeasonLabel
    last_season: SeasonLabel | None = None
    season_starts: Annotated[int, Field(ge=1, le=12)]
    odd_starts: dict[SeasonLabel, date] = {}
    event_hours: Annotated[float, Field(gt=0, le=72)] = 3.0

    @model_validator(mode="after")
    def _in_order(self) -> "League":
        if self.last_season is not None and self.last_season < self.first_season:
            message = f"the last season {self.last_season} is before the first, {self.first_season}"
            raise ValueError(message)
        for label, day in self.odd_starts.items():
            if day.year - Season.parse(label).start not in {0, 1}:
                message = f"the season {label} cannot start on {day}; valid: a day of its two years"
                raise ValueError(message)
        return self


class IdSeasonRule(Declared):
    """How an id spells its season: a pattern with the groups ``start_year``, or ``year``, ``month`` and ``day``.

    ``year_base`` is added to the year; a two-digit ``start_year`` at or above ``pivot`` lies in the 1900s, one below
    it in the 2000s.
    """

    match: RulePattern
    year_base: int = 0
    pivot: Annotated[int, Field(ge=0, le=99)] | None = None


class IdKind(Declared):
    """An identifier of events or entities: its pattern, and what it tells of season and season type.

    ``season_type_digit`` is the place (from 0) of the character that ``season_types`` explains.
    """

    description: str = ""
    pattern: Pattern
    seasons: tuple[IdSeasonRule, ...] = ()
    season_type_digit: Annotated[int, Field(ge=0)] | None = None
    season_types: dict[str, Name] = {}

    @model_validator(mode="after")
    def _together(self) -> "IdKind":
        if (self.season_type_digit is None) == bool(self.season_types):
            message = "`season_type_digit` and `season_types` only mean something together"
            raise ValueError(message)
        return self


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
    pattern: Pattern = r"[A-Za-z0-9_-]+"
    values: tuple[str, ...] = ()
    table: TableFile | None = None
    column: str | None = None


class NonData(Declared):
    """A part of the lake that is not data: it is named, so that it is neither a gap nor unclassified."""

    prefix: Annotated[str, Field(pattern=r"^[^/]")]
    reason: str


class Absence(Declared):
    """What a source never had: expected keys of these seasons are unavailable, with the evidence."""

    seasons: Seasons
    reason: str


class DataType(Declared):
    """A data set of a source: the keys it should have, and when they are due, stale or too small.

    ``changes`` says how long the source may still alter a document: ``until_final`` (an event's document, until the
    event is over), ``within_season`` (until its season is over), ``always``. ``due`` says from when a document of a
    whole season is expected; a document of a date or an event is due ``grace_hours`` after it is over (a date is over
    at noon UTC of the day after). ``only_present`` is for what a source has of now alone, one document a day: it can be
    had from the beginning of its day (UTC) until ``grace_hours`` after the end, then the day is lost. Its older
    templates may lack the date, behind those that name it: such objects are read, and satisfy no day.
    """

    description: str
    templates: Annotated[tuple[str, ...], Field(min_length=1, max_length=9)]
    for_each: tuple[Name, ...] = ("season",)
    scraper: Name | None = None
    league: Name | None = None
    schedule: Name | None = None
    seasons: SeasonsOrAll | None = None
    from_date: date | None = None
    only_present: bool = False
    season_types: tuple[Name, ...] = ()
    required: bool = True
    changes: Literal["until_final", "within_season", "always"] = "within_season"
    due: Literal["season_start", "season_end"] = "season_start"
    freshness_days: Annotated[float, Field(gt=0, le=36_525)] = 7.0
    grace_hours: Annotated[float, Field(ge=0, le=876_600)] = 12.0
    completeness_threshold: Annotated[float, Field(ge=0, le=1)] = 0.95
    min_bytes: Annotated[int, Field(ge=0)] = 100
    minutes_per_file: Annotated[float, Field(gt=0)] = 0.05
    absent: tuple[Absence, ...] = ()


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
    season_truth: TableFile | None = None
    ids: dict[Name, IdKind] = {}
    schedules: dict[Name, Schedule] = {}
    dimensions: dict[Name, Dimension] = {}
    non_data: dict[Name, NonData] = {}
    sources: Annotated[dict[Name, Source], Field(min_length=1)]
