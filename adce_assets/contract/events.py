"""Games in, events out: what data sets that range over games expect, season by season.

An event comes from the schedule of record. Where a past season's schedule lacks events that the season truth counts,
the rest is estimated and labelled so: first ids that the lake already holds, then ids that follow from the league's
numbering, then events of which nothing but the number is known (no id: they can be counted, not collected).
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from adce_assets.contract.ids import season_of_id
from adce_assets.contract.loading import Contract
from adce_assets.contract.models import IdKind, Numbering
from adce_assets.contract.schedule import GameStatus, ScheduledGame, played
from adce_assets.contract.seasons import Calendar, Season

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
    """One event of a schedule. ``game_id`` is None when only the number of events is known.

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


def events_of(
    contract: Contract, schedule: str, games: Sequence[ScheduledGame], seen: Iterable[SeenId], now: datetime
) -> list[Event]:
    """List every event of a schedule that was or will be played, oldest season first."""
    declared = contract.schedules[schedule]
    calendar = contract.leagues[declared.league]
    seasons = [(game, season_of_game(contract, schedule, game)) for game in games]
    events = [_event(schedule, calendar, game, season) for game, season in seasons if played(game)]
    shown = {game.game_id for game in games} | {other for game in games for other in game.also_known_as}
    unplaced = _unplaced(contract.ids[declared.id], calendar, [entry for entry in seen if entry.game_id not in shown])
    elsewhere = shown | {entry.game_id for entries in unplaced.values() for entry in entries}
    known = Counter((event.season, event.season_type) for event in events)
    any_known = Counter(event.season for event in events)
    for (league, label, season_type), count in contract.truth.items():
        season = Season.parse(label)
        is_open = calendar.is_open(season, now)
        if league != declared.league or season > calendar.current(now) or (is_open and any_known[label]):
            continue
        numbered = _numbered(declared.numbering, season, season_type, count)
        ids = _likeliest(unplaced[label, season_type], numbered, elsewhere)
        over = None if is_open else datetime.combine(calendar.starts_on(season.next), time(), UTC)
        events += _estimates(schedule, label, season_type, ids, count - known[label, season_type], over)
    return sorted(events, key=lambda event: (event.season, event.day or date.max, event.game_id or "~"))


def season_of_game(contract: Contract, schedule: str, game: ScheduledGame) -> Season:
    """Return the season of a game: as its document says, else as its id spells, else as its date falls."""
    declared = contract.schedules[schedule]
    if game.season_start is not None:
        return Season(game.season_start)
    calendar = contract.leagues[declared.league]
    return season_of_id(contract.ids[declared.id], calendar, game.game_id) or calendar.season_of(game.date)


def _event(schedule: str, calendar: Calendar, game: ScheduledGame, season: Season) -> Event:
    over = datetime.combine(game.date, time(), UTC) + DAY_IS_OVER
    if game.starts_at is not None:
        over = game.starts_at + timedelta(hours=calendar.event_hours)
    if game.status is GameStatus.FINAL:
        over = min(over, game.confirmed_at)
    return Event(
        schedule=schedule,
        game_id=game.game_id,
        season=season.label,
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


def _likeliest(seen: Iterable[SeenId], numbered: Sequence[str], elsewhere: Collection[str]) -> Iterator[str]:
    """Yield the likeliest ids of a season's other events: seen and numbered, seen, numbered."""
    rule = set(numbered)
    yield from (
        entry.game_id
        for entry in sorted(seen, key=lambda entry: (entry.game_id not in rule, -entry.data_sets, entry.game_id))
    )
    yield from (game_id for game_id in numbered if game_id not in elsewhere)


def _numbered(numbering: Numbering | None, season: Season, season_type: str, count: int) -> list[str]:
    """List the ids that a season's events have by rule, none where the rule is not for their type."""
    if numbering is None or numbering.season_type != season_type:
        return []
    start = f"{numbering.prefix}{season.start % 100:02d}"
    return [f"{start}{number:0{numbering.digits}d}" for number in range(1, count + 1)]


def _estimates(
    schedule: str, season: str, season_type: str, ids: Iterable[str], count: int, over: datetime | None
) -> list[Event]:
    """Make ``count`` events of the likeliest ids; where these do not suffice, of what only the number tells."""

    def estimate(game_id: str | None) -> Event:
        return Event(schedule, game_id, season, season_type, None, over, "estimated", None, "estimate")

    named = [estimate(game_id) for game_id in itertools.islice(ids, max(count, 0))]
    return named + [estimate(None)] * (count - len(named))
