"""Contract and events in, expected keys out: one row for each object that the lake should hold.

Data sets that range over the same things are generated together, in the table engine: a row of the contract's cells
is joined with the dates, events and values it ranges over, and its templates are filled in. What is expected when a
data set ranges over something new is one more join here.
"""

import functools
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from adce_assets.contract.events import DAY_IS_OVER, Event
from adce_assets.contract.loading import Contract, DataSet
from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.contract.templates import SEASON_FIELDS, Template

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

CARRIED = ("source", "data_type", "season", "is_open", "changes", "freshness_seconds", "min_bytes", "absent_reason")
"""What a row of expected keys carries over from its cell."""

OLDER = "older_place_"
"""The beginning of the names of the columns with the older places of a key: ``older_place_1``, and so on."""
DAY = timedelta(days=1)
MOMENT = "timestamp('UTC', 6)"


def cells(contract: Contract, now: datetime) -> list[dict[str, Any]]:
    """List every cell whose keys can be enumerated, with what its data set says of it."""
    enumerable = (data_set for data_set in contract.data_sets.values() if contract.is_enumerable(data_set))
    return [cell for data_set in enumerable for cell in _cells_of(data_set, now)]


def relation(contract: Contract, events: "ir.Table", now: datetime) -> "ir.Table":
    """Build the relation of expected keys.

    Columns: those of `CARRIED`, ``entity``, ``key`` (where ADCE writes, null for an event without an id), the columns
    of `OLDER` places that satisfy the key too (as many as any data set has, null where one has fewer), ``season_type``,
    ``basis``, ``event_at``, ``due_at``, ``confirmed_at`` (null unless an event of the schedule). Times are UTC.
    """
    import ibis
    import pyarrow as pa

    rows = cells(contract, now)
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {} if rows else {(): []}
    for row in rows:
        groups.setdefault(tuple(row["for_each"]), []).append(row)
    dates = ibis.memtable(_dates(contract, now))
    places = max((len(row["templates"]) for row in rows), default=1)
    parts = []
    for for_each, members in groups.items():
        table = ibis.memtable(pa.Table.from_pylist(members, schema=_cell_schema()))
        ranged = _ranged(table, for_each, contract, events, dates)
        parts.append(_keys(ranged, _fields(contract, members), places))
    return functools.reduce(lambda one, other: one.union(other), parts)


def events_table(events: list[Event]) -> "pa.Table":
    """Turn events into the table that `relation` joins; it is also what the loop keeps of the schedules."""
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    schema = pa.schema(
        [
            ("schedule", pa.string()),
            ("game_id", pa.string()),
            ("season", pa.string()),
            ("season_type", pa.string()),
            ("day", pa.date32()),
            ("event_at", moment),
            ("status", pa.string()),
            ("confirmed_at", moment),
            ("basis", pa.string()),
        ]
    )
    columns = [[getattr(event, name) for event in events] for name in schema.names]
    return pa.Table.from_arrays(
        [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
    )


def _cell_schema() -> "pa.Schema":
    import pyarrow as pa

    text, moment = pa.string(), pa.timestamp("us", tz="UTC")
    return pa.schema(
        [
            *(
                (name, text)
                for name in ("source", "data_type", "season", "league", "schedule", "changes", "absent_reason")
            ),
            *((name, pa.float64()) for name in ("freshness_seconds", "grace_seconds")),
            ("is_open", pa.bool_()),
            ("season_start", pa.int64()),
            ("min_bytes", pa.int64()),
            ("cell_event_at", moment),
            ("from_date", pa.date32()),
            ("season_types", pa.list_(text)),
            ("entity_template", text),
            ("templates", pa.list_(text)),
        ]
    )


def _cells_of(data_set: DataSet, now: datetime) -> Iterator[dict[str, Any]]:
    declared, calendar = data_set.declared, data_set.calendar
    shared = {
        "source": data_set.source,
        "data_type": data_set.data_type,
        "for_each": data_set.declared.for_each,
        "league": data_set.league,
        "schedule": data_set.schedule,
        "changes": declared.changes,
        "freshness_seconds": declared.freshness_days * 86_400,
        "grace_seconds": declared.grace_hours * 3_600,
        "min_bytes": declared.min_bytes,
        "from_date": declared.from_date,
        "season_types": list(data_set.season_types),
        "entity_template": "/".join(f"{{{name}}}" for name in data_set.entity_fields),
    }
    if not data_set.has_seasons:
        since = datetime.combine(calendar.starts_on(calendar.first), time(), UTC)
        texts = [template.text for template in data_set.templates]
        yield shared | {"season": WHOLE_HISTORY, "is_open": True, "cell_event_at": since, "templates": texts}
    for season in data_set.seasons(now):
        starts = season.next if declared.due == "season_end" else season
        yield shared | {
            "season": season.label,
            "season_start": season.start,
            "is_open": calendar.is_open(season, now),
            "cell_event_at": datetime.combine(calendar.starts_on(starts), time(), UTC),
            "absent_reason": data_set.absence(season),
            "templates": [_of_season(template, season) for template in data_set.templates],
        }


def _of_season(template: Template, season: Season) -> str:
    """Fill in the season, in every notation; what else the template names differs from key to key."""
    text = template.text
    for name, notation in SEASON_FIELDS.items():
        text = text.replace(f"{{{name}}}", notation.write(season))
    return text


def _ranged(
    table: "ir.Table", for_each: tuple[str, ...], contract: Contract, events: "ir.Table", dates: "ir.Table"
) -> "ir.Table":
    """Join cells with what they range over, adding ``event_at``, ``basis``, ``season_type``, ``confirmed_at``."""
    import ibis

    nothing = {"season_type": ibis.null("string"), "confirmed_at": ibis.null(MOMENT)}
    if "game" in for_each:
        table = table.join(_written(events), ["schedule", "season"])
        table = table.filter((table.season_types.length() == 0) | table.season_types.contains(table.season_type))
    elif "date" in for_each:
        table = table.join(_written(dates), ["league", "season"])
        table = table.filter(table.day >= table.from_date).mutate(**nothing, basis=ibis.literal("calendar"))
    else:
        table = table.mutate(**nothing, basis=ibis.literal("contract"), event_at=table.cell_event_at)
    for name in for_each:
        if name in contract.dimensions:
            values = ibis.memtable(_dimension(contract, name))
            table = table.cross_join(values)
            always = table.season_start.isnull()
            table = table.filter(always | table.season_start.between(table[f"{name}_first"], table[f"{name}_last"]))
    return table


def _written(days: "ir.Table") -> "ir.Table":
    """Add each day in every notation that a template may want."""
    return days.mutate(date=days.day.strftime("%Y-%m-%d"), date_compact=days.day.strftime("%Y%m%d"))


def _fields(contract: Contract, members: list[dict[str, Any]]) -> list[str]:
    names = {(member["source"], member["data_type"]) for member in members}
    data_sets = [contract.data_sets[f"{source}/{data_type}"] for source, data_type in sorted(names)]
    used = {name for data_set in data_sets for template in data_set.templates for name in template.fields}
    return sorted(used.union(*(data_set.entity_fields for data_set in data_sets)) - SEASON_FIELDS.keys())


def _keys(table: "ir.Table", fields: list[str], places: int) -> "ir.Table":
    """Fill in up to ``places`` templates; a key that names something unknown is unknown itself."""
    import ibis

    def filled(text: "ir.StringValue") -> "ir.Value":
        for name in fields:
            field = f"{{{name}}}"
            text = text.replace(field, table[name].fill_null(ibis.literal(field)))
        return ibis.ifelse(text.contains("{"), ibis.null("string"), text)

    return table.select(
        *CARRIED,
        "season_type",
        "basis",
        event_at=table.event_at.cast(MOMENT),
        confirmed_at=table.confirmed_at.cast(MOMENT),
        entity=filled(table.entity_template),
        key=filled(table.templates[0]),
        **{f"{OLDER}{place}": filled(table.templates[place]) for place in range(1, places)},
        due_at=(table.event_at + table.grace_seconds.cast("int64").as_interval("s")).cast(MOMENT),
    )


def _dates(contract: Contract, now: datetime) -> "pa.Table":
    """List every day from the first that any data set asks for to the end of its league's current season."""
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    wanted: dict[str, date] = {}
    for data_set in contract.data_sets.values():
        if data_set.declared.from_date is not None:
            wanted[data_set.league] = min(data_set.declared.from_date, wanted.get(data_set.league, date.max))
    for league, first in wanted.items():
        calendar = contract.leagues[league]
        last = calendar.starts_on((calendar.last or calendar.current(now)).next)
        season, day = calendar.season_of(first), first
        while day < last:
            season = season.next if day >= calendar.starts_on(season.next) else season
            over = datetime.combine(day, time(), UTC) + DAY_IS_OVER
            rows.append({"league": league, "season": season.label, "day": day, "event_at": over})
            day += DAY
    moment = pa.timestamp("us", tz="UTC")
    fields = [("league", pa.string()), ("season", pa.string()), ("day", pa.date32()), ("event_at", moment)]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def _dimension(contract: Contract, name: str) -> "pa.Table":
    import pyarrow as pa

    rows = contract.dimension_rows[name]
    first = [row.seasons.first.start if row.seasons.first else 0 for row in rows]
    last = [row.seasons.last.start if row.seasons.last else date.max.year for row in rows]
    return pa.table(
        {name: pa.array([row.value for row in rows], pa.string()), f"{name}_first": first, f"{name}_last": last}
    )
