"""The plan in, the objects of the demo's lake out, each with the time at which it was written.

A document is what the project's own scraper would have kept of the source's answer, under the key that the contract's
template writes, so that what is built here and what is collected later cannot differ in form.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from adce_assets.contract.loading import GAME_FIELD, Contract, DataSet
from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.contract.seasons import Season
from adce_assets.contract.templates import Template, field_values
from adce_assets.demo import espn
from adce_assets.demo.holes import (
    DAMAGED_AT,
    LACKING,
    LAST_SCHEDULE_AT,
    NO_SCHEDULE,
    NOW,
    OF_A_GAME,
    SCHEDULE,
    STRAYS,
    WITHOUT_SCRAPER,
    Spot,
    days,
)
from adce_assets.demo.season import DAY, FRAMES, GAME_LASTS, TEAMS, as_of
from adce_assets.scrapers.catalogue import Catalogue
from adce_assets.scrapers.members import cut

SEED = 7
WRITTEN_AFTER = timedelta(hours=6)
"""How long after a game its documents were written."""
SCHEDULE_WRITTEN_AFTER = timedelta(hours=36)
"""How long after the beginning (UTC) of a day its schedule was written: when its last game was over."""
REPORTS = "inventory_reports"
"""The part of the lake, as the contract calls it, in which AWS Inventory reports lie and nothing else."""
OLDER_PLACE = 10
"""Every tenth game lies where an older generation of writers put it."""
BOTH_PLACES = 100
"""Every hundredth game lies there and in the new place too."""


@dataclass(frozen=True, slots=True)
class Planted:
    """An object of the demo's lake."""

    key: str
    body: bytes
    written_at: datetime


def objects(
    contract: Contract, catalogue: Catalogue, shown: Mapping[date, list[Game]], spoiled: Iterable[Spot]
) -> Iterator[Planted]:
    """Make every object of the lake."""
    members = _members(catalogue)
    spots = {(spot.game.game_id, spot.data_set): spot for spot in spoiled}
    for number, game in enumerate(_written(shown)):
        answer = _json(espn.summary(as_of(game, NOW), SEED))
        for name in OF_A_GAME:
            body = cut(answer, members[name]) if members[name] else answer
            yield from _of_game(contract.data_sets[name], game, number, body, spots.get((game.game_id, name)))
    for day in days():
        if day not in NO_SCHEDULE:
            yield _schedule(contract.data_sets[SCHEDULE], day, shown.get(day, []))
    yield from _of_seasons(contract.data_sets[WITHOUT_SCRAPER])
    yield from _strays(contract)


def doubled(shown: Mapping[date, list[Game]], spoiled: Iterable[Spot]) -> int:
    """Count the documents that lie in two places."""
    whole = {(spot.game.game_id, spot.data_set) for spot in spoiled}
    twice = _written(shown)[::BOTH_PLACES]
    return sum((game.game_id, name) not in whole for game in twice for name in OF_A_GAME)


def write(root: Path, planted: Iterable[Planted]) -> int:
    """Write objects into a folder that becomes a lake, each with its time; return their number."""
    number, folders = 0, set[Path]()
    for entry in planted:
        number += 1
        path = root / entry.key
        if path.parent not in folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            folders.add(path.parent)
        path.write_bytes(entry.body)
        os.utime(path, (entry.written_at.timestamp(),) * 2)
    return number


def key_of(template: Template, game: Game) -> str:
    """Write the key of a game's document."""
    season = None if game.season_start is None else Season(game.season_start)
    return template.render(field_values(season, game.date, {GAME_FIELD: game.game_id}))


def schedule_key(template: Template, day: date) -> str:
    """Write the key of a day's schedule."""
    return template.render(field_values(None, day, {}))


def season_key(template: Template, season: Season) -> str:
    """Write the key of a season's document, in the file that new ones are written to."""
    return template.render(field_values(season, None, {}))


def _written(shown: Mapping[date, list[Game]]) -> list[Game]:
    """List the games whose documents have been written by the demo's time: those final for long enough."""
    last = max(days())
    return [
        game
        for day, games in shown.items()
        for game in games
        if as_of(game, NOW).status is GameStatus.FINAL and day < last
    ]


def _of_game(data_set: DataSet, game: Game, number: int, body: bytes, spot: Spot | None) -> Iterator[Planted]:
    written_at = (game.starts_at or datetime.combine(game.date, time(), UTC)) + GAME_LASTS + WRITTEN_AFTER
    if spot is not None:
        spoiled = spot.hole.spoil(game, body)
        if spoiled is not None:
            yield Planted(key_of(data_set.templates[0], game), *spoiled)
        return
    places = data_set.templates[:1]
    if number % OLDER_PLACE == 0:
        places = data_set.templates[:2] if number % BOTH_PLACES == 0 else data_set.templates[1:2]
    for template in places:
        yield Planted(key_of(template, game), body, written_at)


def _schedule(data_set: DataSet, day: date, games: Iterable[Game]) -> Planted:
    written_at = min(datetime.combine(day, time(), UTC) + SCHEDULE_WRITTEN_AFTER, LAST_SCHEDULE_AT)
    body = _json(espn.scoreboard(day, [as_of(game, written_at) for game in games], SEED))
    return Planted(schedule_key(data_set.templates[0], day), body, written_at)


def _of_seasons(data_set: DataSet) -> Iterator[Planted]:
    for season in (frame.season for frame in FRAMES if frame.season != LACKING):
        body = "".join(f"{season.label},{team},made for the demo\n" for team in ("season", *TEAMS)).encode()
        yield Planted(season_key(data_set.templates[0], season), body, DAMAGED_AT)


def _strays(contract: Contract) -> Iterator[Planted]:
    """Make what belongs to no game, and one object in each part of the lake that is not data."""
    long_ago = datetime.combine(min(days()), time(), UTC)
    for key in STRAYS:
        yield Planted(key, _json({"header": {"id": key}, "note": "an object that no schedule knows" * 4}), long_ago)
    for part in (part for name, part in contract.non_data.items() if name != REPORTS):
        yield Planted(f"{part.prefix}example.bin", b"not data" * 20, long_ago + DAY)


def _members(catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    """Say which members of an answer the scrapers keep, by data set; none: the whole answer."""
    return {name: kept.members or () for entry in catalogue.scrapers.values() for name, kept in entry.yields.items()}


def _json(document: espn.Json) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
