"""A small contract, and what a lake may hold of it: for tests of coverage, state by state and in sum."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from adce_assets.contract.events import Event
from adce_assets.lake.store import StoredObject

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
AS_OF = NOW - timedelta(hours=20)
TICK = timedelta(microseconds=1)
GRACE = timedelta(hours=12)
CONTRACT = r"""
version: 1
leagues:
  hoops: {first_season: 2021-22, season_starts: 10}
ids:
  game: {pattern: 'g\d{4}'}
schedules:
  games: {league: hoops, id: game}
dimensions:
  award: {values: [mvp, roy]}
  player: {pattern: '[a-z]+\d\d'}
non_data:
  models: {prefix: ml/, reason: trained models}
sources:
  official:
    description: d
    league: hoops
    schedule: games
    data_types:
      pbp:
        description: d
        for_each: [game]
        templates: ['pbp/{game_id}.json', 'old/{game_id}.json']
        changes: until_final
      box: {description: d, for_each: [game], templates: ['box/{game_id}.json'], season_types: [regular]}
      totals: {description: d, templates: ['totals/{season}.json']}
      tracking:
        description: d
        templates: ['tracking/{season}.json']
        absent: [{seasons: ..2022-23, reason: no cameras}]
  almanac:
    description: d
    league: hoops
    data_types:
      awards: {description: d, for_each: [award], seasons: all, templates: ['awards/{award}.json'], changes: always}
      players: {description: d, for_each: [player], seasons: all, templates: ['players/{player}.json']}
"""


def event(game_id: str | None = "g0001", season: str = "2023-24", **changes: Any) -> Event:
    event_at = changes.get("event_at", datetime(2023, 12, 1, tzinfo=UTC))
    values: dict[str, Any] = {
        "schedule": "games",
        "season_type": "regular",
        "day": None,
        "event_at": event_at,
        "status": "final",
        "confirmed_at": event_at,
        "basis": "schedule",
    }
    return Event(game_id=game_id, season=season, **(values | changes))


def held(key: str, size: int = 500, *, age: timedelta = timedelta(hours=1), etag: str = "e") -> StoredObject:
    return StoredObject(key, size, etag, AS_OF - age)


def states(rows: Iterable[Mapping[str, Any]], data_type: str, entities: Iterable[str] = ()) -> dict[str, str]:
    """Tell the states of a data type's keys, and of ``entities`` those too that are told by their number alone.

    Those that stand in no row must be as many as are counted as plainly present.
    """
    mine = [row for row in rows if row["data_type"] == data_type]
    named = {row["entity"]: row["state"] for row in mine if row["key"] is not None}
    plain = set(entities) - named.keys()
    assert present(mine) == len(plain)
    return named | dict.fromkeys(plain, "present")


def present(rows: Iterable[Mapping[str, Any]]) -> int:
    """Count the keys that plainly are present: they are told by their number alone."""
    return sum(row["keys"] for row in rows if row["key"] is None and row["state"] == "present")


def everything(*, age: timedelta = timedelta(hours=1)) -> list[StoredObject]:
    """List what a perfect lake holds of this contract and the events of `season`."""
    games = [f"{place}/g{number:04d}.json" for place in ("pbp", "box") for number in range(1, 9)]
    seasons = [f"totals/{label}.json" for label in ("2021-22", "2022-23", "2023-24")]
    return [
        held(key, age=age) for key in [*games, *seasons, "tracking/2023-24.json", "awards/mvp.json", "awards/roy.json"]
    ]


def season() -> list[Event]:
    labels = ["2021-22", "2022-23", "2023-24", "2023-24"]
    return [event(f"g{number:04d}", labels[number % 4]) for number in range(1, 9)]
