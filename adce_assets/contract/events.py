"""Games in, events out: what data sets that range over games expect, season by season.

An event comes from the schedule of record. Where a past season's schedule lacks events that the season truth counts,
the rest is estimated and labelled so: first ids that the lake already holds, then ids that follow from the league's
numbering, then events of which nothing but the number is known (no id: they can be counted, not collected).
"""

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from adce_assets.contract.ids import season_of_id
from adce_assets.contract.loading import Contract
from adce_assets.contract.models import IdKind, Numbering
from adce_assets.contract.schedule import GameStatus, ScheduledGame, played
from adce_assets.contract.seasons import Calendar, Season

if TYPE_CHECKING:
    import pyarrow as pa

DAY_IS_OVER = timedelta(hours=36)
"""An event whose hour nobody knows is over by noon UTC of the day after its date."""


@dataclass(frozen=True, slots=True)
class SeenId:
    """An event id that objects of the lake carry, and how many data sets hold it."""

    game_id: str
    season: str
    season_type: str | None
    data_sets: int


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a schedule, or ``count`` of which only the number is known: then ``game_id`` is None.

    ``event_at`` (UTC) is when it is over, None while nobody can say; ``confirmed_at`` is when its document was written.
    """

    schedule: str
    game_id: str | None
    season: str
    season_type: str
    day: date | None
    event_at: datetime | None
    status: str
    confirmed_at: datetime | None
    basis: Literal["schedule", "estimate"]
    count: int = 1


def scheduled(contract: Contract, schedule: str, games: Iterable[ScheduledGame]) -> list[Event]:
    """List the events of a schedule that its documents show, oldest season first; what the hour is changes none."""
    calendar = contract.leagues[contract.schedules[schedule].league]
    events = [
        _event(schedule, calendar, game, season_of_game(contract, schedule, game).label)
        for game in games
        if played(game)
    ]
    return sorted(events, key=_order)


def estimates(
    contract: Contract,
    schedule: str,
    known: Mapping[tuple[str, str], int],
    known_ids: Collection[str],
    seen: Iterable[SeenId],
    now: datetime,
) -> list[Event]:
    """List what the season truth counts beyond the scheduled events, oldest season first.

    ``known`` are the numbers of scheduled events by season and season type, ``known_ids`` all ids that the documents
    show, those of games that were not played and other names included.
    """
    declared = contract.schedules[schedule]
    calendar = contract.leagues[declared.league]
    unplaced = _unplaced(
        contract.ids[declared.id], calendar, (entry for entry in seen if entry.game_id not in known_ids)
    )
    placed = {entry.game_id for entries in unplaced.values() for entry in entries}
    any_known = {season for (season, _), count in known.items() if count}
    events: list[Event] = []
    for (league, label, season_type), count in contract.truth.items():
        unknown = count - known.get((label, season_type), 0)
        if league != declared.league or unknown <= 0:
            continue
        season = Season.parse(label)
        is_open = calendar.is_open(season, now)
        if season > calendar.current(now) or (is_open and label in any_known):
            continue
        numbered = _numbered(declared.numbering, season, season_type, count)
        free = (game_id for game_id in numbered if game_id not in known_ids and game_id not in placed)
        ids = itertools.chain(_likeliest(unplaced[label, season_type], numbered), free)
        over = None if is_open else datetime.combine(calendar.starts_on(season.next), time(), UTC)
        events += _estimates(schedule, label, season_type, itertools.islice(ids, unknown), unknown, over)
    return sorted(events, key=_order)


def event_schema() -> "pa.Schema":
    """Name and type what the table of events says of each, times in UTC."""
    import pyarrow as pa

    text, moment = pa.string(), pa.timestamp("us", tz="UTC")
    kinds = {"day": pa.date32(), "event_at": moment, "confirmed_at": moment, "count": pa.int64()}
    return pa.schema([(field.name, kinds.get(field.name, text)) for field in fields(Event)])


def events_table(events: Sequence[Event]) -> "pa.Table":
    """Turn events into a table, one row an event, or one for all of which only their number is known."""
    import pyarrow as pa

    schema = event_schema()
    columns = [pa.array(map(attrgetter(field.name), events), field.type, size=len(events)) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def season_of_game(contract: Contract, schedule: str, game: ScheduledGame) -> Season:
    """Return the season of a game: as its document says, else as its id spells, else as its date falls."""
    declared = contract.schedules[schedule]
    if game.season_start is not None:
        return Season(game.season_start)
    calendar = contract.leagues[declared.league]
    return season_of_id(contract.ids[declared.id], calendar, game.game_id) or calendar.season_of(game.date)


def _order(event: Event) -> tuple[str, date, str]:
    return (event.season, event.day or date.max, event.game_id or "~")


def _event(schedule: str, calendar: Calendar, game: ScheduledGame, season: str) -> Event:
    over = datetime.combine(game.date, time(), UTC) + DAY_IS_OVER
    if game.starts_at is not None:
        over = game.starts_at + timedelta(hours=calendar.event_hours)
    if game.status is GameStatus.FINAL:
        over = min(over, game.confirmed_at)
    return Event(
        schedule=schedule,
        game_id=game.game_id,
        season=season,
        season_type=game.season_type,
        day=game.date,
        event_at=over,
        status=game.status.value,
        confirmed_at=game.confirmed_at,
        basis="schedule",
    )


def _unplaced(kind: IdKind, calendar: Calendar, seen: Iterable[SeenId]) -> defaultdict[tuple[str, str], list[SeenId]]:
    """Group seen ids by season and season type: each once, in the season it spells, else where most objects are."""
    best: dict[str, SeenId] = {}
    for entry in sorted(seen, key=lambda entry: (entry.data_sets, entry.season, entry.season_type or "regular")):
        best[entry.game_id] = entry
    groups: defaultdict[tuple[str, str], list[SeenId]] = defaultdict(list)
    for entry in best.values():
        spelled = season_of_id(kind, calendar, entry.game_id)
        season = spelled.label if spelled else entry.season
        groups[season, entry.season_type or "regular"].append(entry)
    return groups


def _likeliest(seen: Iterable[SeenId], numbered: Sequence[str]) -> Iterator[str]:
    """Yield seen ids, the likeliest first: numbered by rule, then held by most data sets."""
    rule = set(numbered)
    order = sorted(seen, key=lambda entry: (entry.game_id not in rule, -entry.data_sets, entry.game_id))
    return (entry.game_id for entry in order)


def _numbered(numbering: Numbering | None, season: Season, season_type: str, count: int) -> list[str]:
    """List the ids that a season's events have by rule, none where the rule is not for their type."""
    if numbering is None or numbering.season_type != season_type:
        return []
    start = f"{numbering.prefix}{season.start % 100:02d}"
    return [f"{start}{number:0{numbering.digits}d}" for number in range(1, count + 1)]


def _estimates(
    schedule: str, season: str, season_type: str, ids: Iterable[str], count: int, over: datetime | None
) -> Iterator[Event]:
    """Yield ``count`` events: those of ``ids``, and in one the others, of which only the number is known."""

    def estimate(game_id: str | None, number: int) -> Event:
        return Event(schedule, game_id, season, season_type, None, over, "estimated", None, "estimate", number)

    for game_id in ids:
        count -= 1
        yield estimate(game_id, 1)
    if count:
        yield estimate(None, count)
