"""What a group of keys says in, what it ranges over out: which values are expected again, from when, and until when.

What could be there is held against what is there: where most of it is, all of it is expected.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import prod

from adce_assets.contract.columns import Field, Reading, free_name
from adce_assets.contract.key_shapes import pattern_of
from adce_assets.contract.seasons import Season
from adce_assets.contract.templates import DATE_FIELDS

DENSE = 0.5
"""Share of all that could be there from which on all of it is expected."""
MOST_VALUES, MOST_ALONE = 2_000, 200
"""Values of a dimension that can be listed, and those of one that nothing else divides."""
EACH_TWICE = 2
"""How often a value has to come, in the mean, to be expected again."""


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
    """A reading, the dimensions of its template, its first and last season, its first day, and what to look at."""

    reading: Reading
    dimensions: tuple[Dimension, ...]
    seasons: tuple[Season, Season] | None
    first_day: date | None
    note: str = ""


def ranged(reading: Reading) -> Ranged:
    """Say what a reading ranges over, and what of it is expected."""
    days, notes = reading.days(), []
    if days is not None and len(set(days)) < DENSE * _span(days):
        notes.append(f"{len(set(days)):,} of {_span(days):,} days: no day is expected")
        reading, days = _without_days(reading), None
    seasons = reading.seasons()
    unlisted = [Dimension(name, pattern_of(found.values)) for name, found in reading.entities.items()]
    listed = None if notes else _listed(reading, days, seasons)
    if unlisted and listed is None and not notes:
        notes.append("values that do not come again: none is expected, until a schedule or a table lists them")
    return Ranged(
        reading=reading,
        dimensions=tuple(listed or unlisted),
        seasons=(min(seasons), max(seasons)) if seasons else None,
        first_day=min(days) if days else None,
        note="; ".join(notes),
    )


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


def _listed(reading: Reading, days: list[date] | None, seasons: list[Season] | None) -> list[Dimension] | None:
    """List the values of every entity; None where they cannot be listed, or most of what they make is not there."""
    entities = reading.entities
    values = {name: sorted(set(found.values)) for name, found in entities.items()}
    if not values or "day" in values or max(map(len, values.values())) > MOST_VALUES:
        return None
    moments: list[int] | None = None
    if days is not None:
        moments = [day.toordinal() for day in days]
    elif seasons is not None:
        moments = [season.start for season in seasons]
    if len(entities) == 1:
        ((name, found),) = entities.items()
        return _alone(name, found, moments, seasons)
    possible = prod(map(len, values.values())) * (max(moments) - min(moments) + 1 if moments else 1)
    if len(reading.keys) < DENSE * possible:
        return None
    return [
        Dimension(name, pattern_of(found), tuple((value, None, None) for value in found))
        for name, found in values.items()
    ]


def _alone(name: str, found: Field, moments: list[int] | None, seasons: list[Season] | None) -> list[Dimension] | None:
    """List the values of the only entity, each from the first to the last season in which it was seen."""
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
    if len(found.values) < max(DENSE * sum(spans), EACH_TWICE * len(of_value)):
        return None
    lives = {value: [seasons[place] for place in places] for value, places in sorted(of_value.items())}
    return [Dimension(name, pattern, tuple((value, min(lived), max(lived)) for value, lived in lives.items()))]
