"""Contract and events in, expected keys out: one row for each place in which an object of the lake may lie.

Data sets that range over the same things are generated together, in the table engine: a row of the contract's cells
is joined with the dates, events and values it ranges over, and the pieces of its templates are put around them. What is
expected when a data set ranges over something new is one more join here.
"""

import functools
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from string import Formatter
from typing import TYPE_CHECKING, Any

from adce_assets.contract.events import DAY_IS_OVER
from adce_assets.contract.loading import Contract, DataSet
from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.contract.templates import SEASON_FIELDS, Template
from adce_assets.moments import MOMENT
from adce_assets.tables import laid_out_once

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

AGE_CLASSES = ("current", "previous", "history")
"""What a season is called by how many seasons it lies behind the current one; data of no season is of the ``whole``."""
VALUE = "value"
"""What stands for the one dimension that a data set ranges over, so that all of these are one join."""


def cells(contract: Contract, now: datetime) -> list[dict[str, Any]]:
    """List every cell whose keys can be enumerated, with what its data set says of it.

    The place of a cell in this list is its number, which the rows of `places` carry.
    """
    current = {league: calendar.current(now) for league, calendar in contract.leagues.items()}
    enumerable = (data_set for data_set in contract.data_sets.values() if contract.is_enumerable(data_set))
    return [cell for data_set in enumerable for cell in _cells_of(data_set, now, current[data_set.league])]


def beginnings(rows: Mapping[int, dict[str, Any]]) -> dict[tuple[int, int], str]:
    """Say with what the places of each numbered cell begin, by the number of the cell and the ``rank`` of the place."""
    return {
        (number, rank): _pieces(text, {})[0][0]
        for number, row in rows.items()
        for rank, text in enumerate(row["templates"])
    }


def places(
    contract: Contract,
    rows: Mapping[int, dict[str, Any]],
    events: "ir.Table",
    now: datetime,
    *,
    only: Container[tuple[int, int]] | None = None,
    lend: "Callable[[pa.Table], ir.Table] | None" = None,
) -> "ir.Table":
    """Build the relation of the places where the objects of ``rows``, numbered cells of the contract, may lie.

    Where ``only`` is given, of a cell's places those alone of which it has the cell's number and the ``rank``. ``lend``
    makes tables of rows in memory. Events without an id have no place. Times are UTC. Columns:

    - ``place``: a key; ``rank``: 0 where ADCE writes it, else the number of an older template (int8)
    - ``key``: the key that an object at an older place satisfies too, null at rank 0
    - ``cell``: the number of the cell; ``entity``; ``event``: the number of the event, null if it ranges over none
    - ``event_at``: when what it describes is over, null while nobody can say; where only the present can be had, when
      its day begins
    - ``min_bytes``, and ``suspect_before``: an object written earlier may be stale, a later one is not (null: none is)
    """
    import ibis

    lend = lend or ibis.memtable
    groups = _by_shape(contract, rows, now, only)
    if not groups:
        return lend(_empty())
    tables = [lend(_table(shape, members)) for shape, members in groups.items()]
    names = dict.fromkeys(name for shape in groups for name in shape.ranges)
    days = lend(_dates(contract, now)) if "date" in names else None
    values = [(name, lend(_values(contract, name))) for name in names if name == VALUE or name in contract.dimensions]
    return _laid_out(tuple(groups), tuple(tables), events, days, tuple(values))


@laid_out_once
def _laid_out(
    shapes: "tuple[_Shape, ...]",
    tables: "tuple[ir.Table, ...]",
    events: "ir.Table",
    days: "ir.Table | None",
    values: "tuple[tuple[str, ir.Table], ...]",
) -> "ir.Table":
    """Lay out the places of all shapes, each from the table of its cells."""
    ranged = _Ranged(events, days, dict(values))
    parts = [_filled(ranged.over(shape, table), shape) for shape, table in zip(shapes, tables, strict=True)]
    return functools.reduce(lambda one, other: one.union(other), parts)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What rows must have in common to be generated together."""

    ranges: tuple[str, ...]
    place_fields: tuple[str, ...]
    key_fields: tuple[str, ...]
    entity_fields: tuple[str, ...]


def _by_shape(
    contract: Contract, rows: Mapping[int, dict[str, Any]], now: datetime, only: Container[tuple[int, int]] | None
) -> "dict[_Shape, list[dict[str, Any]]]":
    """Group what is generated together; see `places` for what ``only`` leaves out."""
    groups: dict[_Shape, list[dict[str, Any]]] = {}
    for number, row in rows.items():
        for shape, member in _members(number, row, contract, now):
            if only is None or (number, member["rank"]) in only:
                groups.setdefault(shape, []).append(member)
    return groups


def _cells_of(data_set: DataSet, now: datetime, current: Season) -> Iterator[dict[str, Any]]:
    """Yield the cells of a data set: one for each season, or one of the whole history."""
    declared, calendar, shared = data_set.declared, data_set.calendar, _common_to_cells(data_set)
    if not data_set.has_seasons:
        yield shared | {
            "season": WHOLE_HISTORY,
            "is_open": True,
            "cell_event_at": datetime.combine(calendar.starts_on(calendar.first), time(), UTC),
            "age_class": "whole",
            "templates": [template.text for template in data_set.templates],
        }
    for season in data_set.seasons(now):
        starts = season.next if declared.due == "season_end" else season
        yield shared | {
            "season": season.label,
            "season_start": season.start,
            "is_open": season >= current,
            "age_class": AGE_CLASSES[min(max(current.start - season.start, 0), 2)],
            "cell_event_at": datetime.combine(calendar.starts_on(starts), time(), UTC),
            "absent_reason": data_set.absence(season),
            "templates": [_of_season(template, season) for template in data_set.placed],
        }


def _common_to_cells(data_set: DataSet) -> dict[str, Any]:
    """Say what all cells of a data set have in common; what a season adds is none, for those that have no season."""
    declared = data_set.declared
    return {
        "source": data_set.source,
        "data_type": data_set.data_type,
        "for_each": declared.for_each,
        "league": data_set.league,
        "schedule": data_set.schedule,
        "changes": declared.changes,
        "freshness_seconds": int(declared.freshness_days * 86_400),
        "grace_seconds": 0 if declared.only_present else int(declared.grace_hours * 3_600),
        "only_present": declared.only_present,
        "lost_seconds": 86_400 + int(declared.grace_hours * 3_600) if declared.only_present else None,
        "min_bytes": declared.min_bytes,
        "from_date": declared.from_date,
        "season_types": list(data_set.season_types),
        "entity_fields": data_set.entity_fields,
        "absent_reason": None,
        "season_start": None,
    }


def _of_season(template: Template, season: Season) -> str:
    """Fill in the season, in every notation; what else the template names differs from key to key."""
    text = template.text
    for name, notation in SEASON_FIELDS.items():
        if name in template.fields:
            text = text.replace(f"{{{name}}}", notation.write(season))
    return text


def _members(
    number: int, row: dict[str, Any], contract: Contract, now: datetime
) -> Iterator[tuple[_Shape, dict[str, Any]]]:
    """Lay a cell out as one row for each of its templates, with the pieces of the template."""
    ranges = tuple(name for name in row["for_each"] if name != "season")
    dimension = ranges[0] if len(ranges) == 1 and ranges[0] in contract.dimensions else None
    names = {dimension: VALUE}
    may_change = row["changes"] == "always" or (row["changes"] == "within_season" and row["is_open"])
    fresh_since = now - timedelta(seconds=row["freshness_seconds"]) if may_change else None
    shared = row | {
        "cell": number,
        "dimension": dimension,
        "until_final": row["changes"] == "until_final",
        "fresh_since": fresh_since,
    }
    ranged = tuple(names.get(name, name) for name in ranges)
    entity_fields = tuple(names.get(name, name) for name in row["entity_fields"])
    parsed = [_pieces(text, names) for text in row["templates"]]
    key, key_fields = parsed[0]
    for rank, (place, place_fields) in enumerate(parsed):
        shape = _Shape(ranged, place_fields, key_fields, entity_fields)
        pieces = {f"place_{at}": piece for at, piece in enumerate(place)}
        pieces |= {f"key_{at}": piece if rank else None for at, piece in enumerate(key)}
        yield shape, shared | pieces | {"rank": rank}


def _pieces(text: str, names: dict[str | None, str]) -> tuple[list[str], tuple[str, ...]]:
    """Split a template into the texts around its fields, and the fields."""
    texts, fields = [""], []
    for literal, name, _, _ in Formatter().parse(text):
        texts[-1] += literal
        if name is not None:
            fields.append(names.get(name, name))
            texts.append("")
    return texts, tuple(fields)


def _table(shape: _Shape, members: list[dict[str, Any]]) -> "pa.Table":
    import pyarrow as pa

    text, moment = pa.string(), pa.timestamp("us", tz="UTC")
    fields = [
        *((name, text) for name in ("season", "league", "schedule", "dimension")),
        *((f"place_{at}", text) for at in range(len(shape.place_fields) + 1)),
        *((f"key_{at}", text) for at in range(len(shape.key_fields) + 1)),
        ("cell", pa.int32()),
        ("rank", pa.int8()),
        ("season_start", pa.int64()),
        ("min_bytes", pa.int64()),
        ("until_final", pa.bool_()),
        ("only_present", pa.bool_()),
        ("cell_event_at", moment),
        ("fresh_since", moment),
        ("from_date", pa.date32()),
        ("season_types", pa.list_(text)),
    ]
    return pa.Table.from_pylist(members, schema=pa.schema(fields))


@dataclass(frozen=True, slots=True)
class _Ranged:
    """Joins cells with what they range over, adding ``event``, ``event_at`` and ``is_estimate``.

    ``values`` are those of a dimension by its name, and those of all by `VALUE`.
    """

    events: "ir.Table"
    days: "ir.Table | None"
    values: "Mapping[str, ir.Table]"

    def over(self, shape: _Shape, table: "ir.Table") -> "ir.Table":
        import ibis

        own = {"event": ibis.null("int32"), "is_estimate": ibis.literal(value=False)}
        if "game" in shape.ranges:
            table = self._games(shape, table)
        elif "date" in shape.ranges and self.days is not None:
            table = table.join(_written(self.days, shape), ["league", "season"])
            begins_at = table.event_at - ibis.interval(seconds=int(DAY_IS_OVER.total_seconds()))
            event_at = ibis.ifelse(table.only_present, begins_at, table.event_at)
            table = table.filter(table.day >= table.from_date).mutate(**own, event_at=event_at)
        else:
            table = table.mutate(**own, event_at=table.cell_event_at)
        for name in shape.ranges:
            if name in self.values:
                table = self._values(name, table)
        return table

    def _games(self, shape: _Shape, table: "ir.Table") -> "ir.Table":
        named = self.events.filter(self.events.game_id.notnull())
        named = named.mutate(is_estimate=named.basis == "estimate").drop("basis", "confirmed_at", "status", "count")
        table = table.join(_written(named, shape), ["schedule", "season"])
        return table.filter((table.season_types.length() == 0) | table.season_types.contains(table.season_type))

    def _values(self, name: str, table: "ir.Table") -> "ir.Table":
        values = self.values[name]
        if name == VALUE:
            table = table.join(values, "dimension")
        else:
            values = values.rename({name: "value", f"{name}_first": "first", f"{name}_last": "last"})
            table = table.cross_join(values.drop("dimension"))
        first, last = ("first", "last") if name == VALUE else (f"{name}_first", f"{name}_last")
        return table.filter(table.season_start.isnull() | table.season_start.between(table[first], table[last]))


def _written(days: "ir.Table", shape: _Shape) -> "ir.Table":
    """Add each day in the notations that the templates want."""
    formats = {"date": "%Y-%m-%d", "date_compact": "%Y%m%d"}
    wanted = {*shape.place_fields, *shape.key_fields, *shape.entity_fields} & formats.keys()
    return days.mutate(**{name: days.day.strftime(formats[name]) for name in sorted(wanted)})


def _filled(table: "ir.Table", shape: _Shape) -> "ir.Table":
    """Put the pieces of the templates around the values of their fields."""
    import ibis

    def joined(pieces: str, fields: tuple[str, ...]) -> "ir.Value":
        text = table[f"{pieces}_0"]
        for at, name in enumerate(fields, start=1):
            text = text + table[name] + table[f"{pieces}_{at}"]
        return text

    entity: ir.Value = ibis.literal("")
    if shape.entity_fields:
        entity = functools.reduce(lambda one, other: one + "/" + other, (table[name] for name in shape.entity_fields))
    over = ibis.ifelse(table.until_final & ~table.is_estimate, table.event_at, table.fresh_since)
    found = table.select(
        "cell",
        "rank",
        "event",
        "min_bytes",
        place=joined("place", shape.place_fields),
        key=joined("key", shape.key_fields),
        entity=entity,
        event_at=table.event_at.cast(MOMENT),
        suspect_before=over.cast(MOMENT),
    )
    # An older place may say less than the key: of a day that nobody knows yet, it would satisfy nothing.
    return found if {*shape.key_fields} <= {*shape.place_fields} else found.filter(found.key.notnull())


def _empty() -> "pa.Table":
    import pyarrow as pa

    text, moment = pa.string(), pa.timestamp("us", tz="UTC")
    fields = [("cell", pa.int32()), ("rank", pa.int8()), ("event", pa.int32()), ("min_bytes", pa.int64())]
    fields += [("place", text), ("key", text), ("entity", text), ("event_at", moment), ("suspect_before", moment)]
    return pa.schema(fields).empty_table()


def _dates(contract: Contract, now: datetime) -> "pa.Table":
    """List every day from the first that any data set asks for to the end of its league's current season."""
    import pyarrow as pa

    wanted: dict[str, date] = {}
    for data_set in contract.data_sets.values():
        if data_set.declared.from_date is not None:
            wanted[data_set.league] = min(data_set.declared.from_date, wanted.get(data_set.league, date.max))
    stretches = [stretch for league, first in wanted.items() for stretch in _stretches(contract, league, first, now)]
    epoch = date(1970, 1, 1)
    days = [range((first - epoch).days, (last - epoch).days) for _, _, first, last in stretches]
    numbers = pa.array([day for stretch in days for day in stretch], pa.int32())
    over = numbers.cast(pa.int64()).to_numpy() * 86_400_000_000 + DAY_IS_OVER // timedelta(microseconds=1)
    names = {
        name: pa.array([stretch[place] for stretch, its in zip(stretches, days, strict=True) for _ in its], pa.string())
        for place, name in enumerate(("league", "season"))
    }
    moment = pa.timestamp("us", tz="UTC")
    return pa.table(names | {"day": numbers.cast(pa.date32()), "event_at": pa.array(over, pa.int64()).cast(moment)})


def _stretches(contract: Contract, league: str, first: date, now: datetime) -> Iterator[tuple[str, str, date, date]]:
    """Yield the seasons of a league from a day on: league, label, first day, day after the last."""
    calendar = contract.leagues[league]
    season, final = calendar.season_of(first), calendar.last or calendar.current(now)
    while season <= final:
        starts, ends = max(first, calendar.starts_on(season)), calendar.starts_on(season.next)
        yield league, season.label, starts, ends
        season = season.next


def _values(contract: Contract, dimension: str) -> "pa.Table":
    """List the values of a dimension, or of all of them, with the start years of their first and last season."""
    import pyarrow as pa

    names = contract.dimensions if dimension == VALUE else (dimension,)
    rows = [(name, row) for name in names for row in contract.dimension_rows[name]]
    return pa.table(
        {
            "dimension": pa.array([name for name, _ in rows], pa.string()),
            "value": pa.array([row.value for _, row in rows], pa.string()),
            "first": pa.array([row.seasons.first.start if row.seasons.first else 0 for _, row in rows], pa.int64()),
            "last": pa.array(
                [row.seasons.last.start if row.seasons.last else date.max.year for _, row in rows], pa.int64()
            ),
        }
    )
