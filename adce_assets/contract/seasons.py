"""Seasons and the calendars of leagues: a date in, its season out, and back.

A season is written ``2024-25`` everywhere inside ADCE, whatever a source or a key calls it. Which season is current
comes from the clock and the league's calendar, never from a constant.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime

LABEL = re.compile(r"([1-9]\d{3})-(\d{2})", re.ASCII)
WHOLE_HISTORY = "all"
"""The season of data that no season divides, such as a list of every award ever given."""


@dataclass(frozen=True, slots=True, order=True)
class Season:
    """A season by the year in which it starts."""

    start: int

    @classmethod
    def parse(cls, label: str) -> "Season":
        """Read ``2024-25``; raise ValueError for anything else, ``2024-26`` included."""
        match = LABEL.fullmatch(label)
        season = cls(int(match[1])) if match else None
        if season is None or season.label != label:
            message = f"`{label}` is not a season; valid: two years in a row, such as 2024-25"
            raise ValueError(message)
        return season

    @property
    def label(self) -> str:
        """The season as it is written everywhere: ``1999-00``."""
        return f"{self.start:04d}-{(self.start + 1) % 100:02d}"

    @property
    def next(self) -> "Season":
        """The season after this one."""
        return Season(self.start + 1)


@dataclass(frozen=True, slots=True)
class SeasonRange:
    """Seasons from ``first`` to ``last``, both included; None is an open end."""

    first: Season | None = None
    last: Season | None = None

    @classmethod
    def parse(cls, text: str) -> "SeasonRange":
        """Read ``2002-03..2024-25``, ``2002-03..``, ``..1995-96`` or one season; raise ValueError otherwise."""
        first, separator, last = text.partition("..")
        if not separator:
            return cls(Season.parse(text), Season.parse(text))
        seasons = cls(Season.parse(first) if first else None, Season.parse(last) if last else None)
        if seasons.first and seasons.last and seasons.last < seasons.first:
            message = f"`{text}` ends before it begins"
            raise ValueError(message)
        return seasons

    def __contains__(self, season: Season) -> bool:
        return (self.first is None or self.first <= season) and (self.last is None or season <= self.last)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The seasons of a league: the month they start in, the first, the last if it is over, and odd starts by year."""

    first: Season
    start_month: int
    last: Season | None = None
    odd_starts: Mapping[int, date] = field(default_factory=dict)
    event_hours: float = 3.0

    def starts_on(self, season: Season) -> date:
        """Return the first day that belongs to the season; a day of a year that no calendar has is the nearest one."""
        if not MINYEAR <= season.start <= MAXYEAR:
            return date.min if season.start < MINYEAR else date.max
        return self.odd_starts.get(season.start, date(season.start, self.start_month, 1))

    def season_of(self, day: date) -> Season:
        """Return the season that a day belongs to, in or out of the league's own first and last."""
        season = Season(min(day.year + 1, MAXYEAR))
        while day < self.starts_on(season):
            season = Season(season.start - 1)
        return season

    def current(self, now: datetime) -> Season:
        """Return the season that ``now`` (aware) lies in."""
        return self.season_of(now.astimezone(UTC).date())

    def seasons(self, now: datetime, within: SeasonRange = SeasonRange()) -> Iterator[Season]:
        """Yield every season from the league's first to its last or the current one, inside ``within``."""
        season, last = self.first, min(self.last or self.current(now), self.current(now))
        while season <= last:
            if season in within:
                yield season
            season = season.next

    def is_open(self, season: Season, now: datetime) -> bool:
        """Tell whether data of the season can still change."""
        return season >= self.current(now)
