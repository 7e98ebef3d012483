"""A lake of two seasons of four games each, and what plain Python says of it: the world that kinds measure in tests."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from adce_assets.dims.kinds.registry import Parameters, measure
from adce_assets.dims.metrics import Value
from adce_assets.dims.world import World
from adce_assets.loop import coverage, gaps, inventory, tasks
from adce_assets.loop.project import Project

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
CONTRACT = r"""
version: 1
leagues:
  hoops: {first_season: 2022-23, season_starts: 10}
ids:
  game: {pattern: 'g\d+'}
schedules:
  games: {league: hoops, id: game, documents: [{data_set: official/schedule, format: games_table}]}
dimensions:
  award: {values: [mvp, roy]}
  player: {pattern: '[a-z]+'}
non_data:
  models: {prefix: ml/, reason: trained models}
sources:
  official:
    description: d
    league: hoops
    schedule: games
    data_types:
      schedule: {description: d, templates: ['schedule/{season}.csv'], freshness_days: 3650}
      pbp: {description: d, for_each: [game], templates: ['pbp/{game_id}.json'], changes: until_final, scraper: games}
      box: {description: d, for_each: [game], templates: ['box/{game_id}.json'], changes: until_final, required: false}
      days: {description: d, for_each: [date], templates: ['days/{date}.json'], from_date: 2024-01-10, scraper: days}
  almanac:
    description: d
    league: hoops
    data_types:
      awards: {description: d, for_each: [award], seasons: all, templates: ['awards/{award}.json'], freshness_days: 999}
      players: {description: d, for_each: [player], seasons: all, templates: ['players/{player}.json']}
"""
HEADER = "game_id,season_start,season_type,date,starts_at,status,home,away\n"
GAMES = {
    "2022-23": {f"g{number}": date(2023, 2, number) for number in range(1, 5)},
    "2023-24": {"g5": date(2024, 1, 2), "g6": date(2024, 1, 2), "g7": date(2024, 1, 3), "g8": date(2024, 1, 4)},
}
"""The day of every game, by season. Each was at 20:00 UTC, and is over."""


@dataclass(frozen=True)
class Put:
    """An object that lies in the lake, and what it is, as the test says."""

    key: str
    size: int
    hours: float
    source: str | None = None
    data_type: str | None = None
    season: str | None = None
    part: str = "data"

    @property
    def written(self) -> datetime:
        return NOW - timedelta(hours=self.hours)


def schedule(season: str) -> bytes:
    """Write the schedule of a season."""
    lines = [
        f"{game},{season[:4]},regular,{day},{day}T20:00:00Z,final,H{game},A{game}\n"
        for game, day in GAMES[season].items()
    ]
    return (HEADER + "".join(lines)).encode()


OBJECTS = (
    *(Put(f"schedule/{season}.csv", len(schedule(season)), 30, "official", "schedule", season) for season in GAMES),
    *(
        Put(f"pbp/{game}.json", 1000 + 7 * n, 240 - n, "official", "pbp", "2022-23")
        for n, game in enumerate(("g1", "g2"))
    ),
    Put("pbp/g5.json", 2048, 90.5, "official", "pbp", "2023-24"),
    Put("pbp/g6.json", 20, 80, "official", "pbp", "2023-24"),
    *(Put(f"box/{game}.json", 300, 100, "official", "box", "2022-23") for game in GAMES["2022-23"]),
    *(Put(f"days/2024-01-{day}.json", 500, 20, "official", "days", "2023-24") for day in (10, 13)),
    Put("awards/mvp.json", 5_000_000, 2000, "almanac", "awards", "all"),
    Put("players/smith.json", 99, 3, "almanac", "players", "all"),
    Put("players/jones.json", 101, 4, "almanac", "players", "all"),
    Put("ml/model.bin", 777, 5, part="non_data"),
    Put("ml/deep/er.bin", 778, 6, part="non_data"),
    Put("stray/pbp", 1, 1, part="unclassified"),
)
"""Of pbp, g3, g4, g7 and g8 are missing, and that of g6 is too small to be one; of box, those of the second season, and
of days, the 11th and the 12th: that of the 14th was over at noon of the 15th, and is due twelve hours later."""

ADAPTER: Any = TypeAdapter(Parameters)


def put(project: Project, objects: Iterable[Put] = OBJECTS) -> None:
    """Put objects into the lake, each written when it says."""
    for found in objects:
        filled = b"{%s}" % (b" " * (found.size - 2)) if found.size > 1 else b"x"
        body = schedule(found.key[9:16]) if found.key.startswith("schedule/") else filled
        project.lake.put(found.key, body)
        os.utime(project.settings.home / "lake" / found.key, (found.written.timestamp(),) * 2)


def reconcile(project: Project) -> None:
    """Take the inventory, and find and queue the gaps."""
    inventory.take(project, mode="list")
    coverage.analyse(project)
    gaps.find(project)
    tasks.plan(project, {"games", "days"})


def made(workshop: "Workshop", *, reconciled: bool = True, **scanning: Any) -> World:
    """Make the lake, and look at it."""
    project = workshop.project(CONTRACT, now=NOW, **scanning)
    put(project)
    if reconciled:
        reconcile(project)
    return World(project, project.settings.home)


@cache
def shared(workshop: "Workshop") -> World:
    """Make the world that no test changes, once."""
    return made(workshop)


def later(world: World, **span: float) -> World:
    """Give the same world at a later moment."""
    settings = replace(world.project.settings, clock=lambda: NOW + timedelta(**span))
    return replace(world, project=replace(world.project, settings=settings))


def measured(world: World, kind: str, **parameters: Any) -> Value:
    """Measure what an entry of the configuration says."""
    return measure(world, ADAPTER.validate_python({"kind": kind, **parameters}))
