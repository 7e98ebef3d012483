"""What a group of keys says in, what it ranges over out: which values are expected again, from when, and until when.

What could be there is held against what is there: where most of it is, all of it is expected.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from math import prod

from adce_assets.contract.columns import CYCLES, Field, Reading, free_name
from adce_assets.contract.key_shapes import pattern_of
from adce_assets.contract.seasons import Calendar, Season
from adce_assets.contract.templates import DATE_FIELDS, SEASON_FIELDS

DENSE = 0.5
"""Share of all that could be there from which on all of it is expected."""
MOST_VALUES, MOST_ALONE = 2_000, 200
"""Values of a dimension that can be listed, and those of one that nothing else divides."""
EACH_TWICE = 2
"""How often a value has to come, in the mean, to be expected again."""
LAST_MONTH, SHORTEST_MONTH, LAST_DAY = 12, 28, 31


@dataclass(frozen=True, slots=True)
class Dimension:
    """What a template ranges over: a name, a pattern, and its values, each with the first and last season it was seen.

    Without values nothing is expected of it. None for a season: the value is of all of them.
    """

    name: str
    pattern: str
    values: tuple[tuple[str, Season | None, Season | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Ranged:
    """A reading, the dimensions of its template, its first and last season, its first day, and what to look at.

    ``unfinished``: its last season goes on, and lacks what the one before had.
    """

    reading: Reading
    dimensions: tuple[Dimension, ...]
    seasons: tuple[Season, Season] | None
    first_day: date | None
    note: str = ""
    unfinished: bool = False


def ranged(reading: Reading, now: datetime) -> Ranged:
    """Say what a reading ranges over, and what of it is expected, as of ``now`` (UTC)."""
    days, notes = reading.days(), [*reading.notes]
    if are_few := days is not None and (len(set(days)) < DENSE * _span(days) or len(set(days)) == 1):
        notes.append(f"{len(set(days)):,} of {_span(days):,} days: no day is expected")
        reading, days = _without_days(reading), None
    seasons = reading.seasons()
    unlisted = [Dimension(name, pattern_of(found.values)) for name, found in reading.entities.items()]
    unfinished = seasons is not None and days is None and _is_unfinished(reading, seasons, now)
    listed = None if are_few else _listed(reading, days, seasons, goes_on=unfinished)
    if seasons and days is None and len(set(seasons)) == 1:
        notes.append(f"only {_written(reading)} was seen: that it comes again each year is a guess")
        listed = listed and [_all_year(dimension, seasons[0]) for dimension in listed]
    if unlisted and listed is None and not are_few:
        notes.append("values that do not come again: none is expected, until a schedule or a table lists them")
    return Ranged(
        reading=reading,
        dimensions=tuple(listed or unlisted),
        seasons=(min(seasons), max(seasons)) if seasons else None,
        first_day=min(days) if days else None,
        note="; ".join(notes),
        unfinished=unfinished,
    )


def _is_unfinished(reading: Reading, seasons: list[Season], now: datetime) -> bool:
    """Tell whether the last season goes on, and a value of the one before has not come in it yet."""
    newest = max(seasons)
    if newest < Calendar(min(seasons), reading.season_starts).current(now):
        return False
    seen: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
    for name, found in reading.entities.items():
        for season, value in zip(seasons, found.values, strict=True):
            seen[season.start].add((name, value))
    return bool(seen[newest.start - 1] - seen[newest.start])


def _written(reading: Reading) -> str:
    """Return the season as the keys write it."""
    return next(found.values[0] for name, found in reading.fields.items() if name in SEASON_FIELDS)


def _all_year(dimension: Dimension, year: Season) -> Dimension:
    """Add the months or quarters that the only year has not had yet; those before its first one come with the next."""
    cycle = next((values for name, values in CYCLES.items() if dimension.name == name), ())
    first = min(value for value, _, _ in dimension.values)
    values = tuple((value, year.next if value < first else year, None) for value in sorted(cycle))
    return replace(dimension, values=values or dimension.values)


def _span(days: Sequence[date]) -> int:
    return (max(days) - min(days)).days + 1


def _without_days(reading: Reading) -> Reading:
    """Make the days an entity, of which none is expected."""
    names = {name: free_name("day", reading.fields) for name in reading.fields if name in DATE_FIELDS}
    return renamed(reading, names)


def renamed(reading: Reading, names: dict[str, str]) -> Reading:
    """Give fields of a reading other names."""
    pieces = tuple(
        piece if isinstance(piece, str) else Field(names.get(piece.name, piece.name), piece.values)
        for piece in reading.pieces
    )
    return replace(reading, pieces=pieces)


def _listed(
    reading: Reading, days: list[date] | None, seasons: list[Season] | None, *, goes_on: bool
) -> list[Dimension] | None:
    """List the values of every entity; None where they cannot be listed, or most of what they make is not there."""
    entities = reading.entities
    values = {name: sorted(set(found.values)) for name, found in entities.items()}
    if (
        not values
        or "day" in values
        or any(len(found) == 1 for found in values.values())
        or _are_days_of_months(values.values())
        or max(map(len, values.values())) > MOST_VALUES
    ):
        return None
    moments: list[int] | None = None
    if days is not None:
        moments = [day.toordinal() for day in days]
    elif seasons is not None and len(set(seasons)) > 1:
        moments = [season.start for season in seasons]
    if len(entities) == 1:
        ((name, found),) = entities.items()
        return _alone(name, found, moments, seasons, goes_on=goes_on)
    possible = prod(map(len, values.values())) * (max(moments) - min(moments) + 1 if moments else 1)
    if len(reading.keys) < DENSE * possible:
        return None
    return [
        Dimension(name, pattern_of(found), tuple((value, None, None) for value in found))
        for name, found in values.items()
    ]


def _are_days_of_months(columns: Collection[Sequence[str]]) -> bool:
    """Tell whether one column may hold months and another their days: no month has all of these."""
    numbers = [{int(value) for value in values} for values in columns if all(map(str.isdecimal, values))]
    months = sum(found <= set(range(1, LAST_MONTH + 1)) for found in numbers)
    days = sum(SHORTEST_MONTH < max(found) <= LAST_DAY and min(found) >= 1 for found in numbers)
    return bool(months and days)


def _alone(
    name: str, found: Field, moments: list[int] | None, seasons: list[Season] | None, *, goes_on: bool
) -> list[Dimension] | None:
    """List the values of the only entity, each from the first to the last season in which it was seen.

    In a season that goes on, what the one before had is still to come.
    """
    of_value: defaultdict[str, list[int]] = defaultdict(list)
    for place, value in enumerate(found.values):
        of_value[value].append(place)
    pattern = pattern_of(found.values)
    if moments is None or seasons is None:
        few = len(of_value) <= MOST_ALONE
        return [Dimension(name, pattern, tuple((value, None, None) for value in sorted(of_value)))] if few else None
    spans = [
        max(moments[place] for place in places) - min(moments[place] for place in places) + 1
        for places in of_value.values()
    ]
    twice = 0 if name in CYCLES else EACH_TWICE * len(of_value)
    if len(found.values) < max(DENSE * sum(spans), twice):
        return None
    lives = {value: [seasons[place] for place in places] for value, places in sorted(of_value.items())}
    newest = max(seasons)
    for lived in lives.values():
        if goes_on and max(lived).start == newest.start - 1:
            lived.append(newest)
    return [Dimension(name, pattern, tuple((value, min(lived), max(lived)) for value, lived in lives.items()))]
