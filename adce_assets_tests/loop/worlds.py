"""Moments, games and lakes drawn from a seed, for the oracle and ADCE to judge."""

import random
from datetime import UTC, date, datetime, timedelta

from adce_assets.lake.store import StoredObject
from adce_assets_tests.loop.oracle import TYPE_DIGIT, Game, Oracle, World, noon_after, over


def _some_games(chance: random.Random, now: datetime, confirmed_at: datetime) -> list[Game]:
    """Draw the games of four seasons: three that are over, and one around ``now`` as a document of then shows it."""
    games = []
    called_off = {(2020, 3): "cancelled", (2021, 2): "postponed", (2021, 5): "if_necessary", (2023, 4): "cancelled"}
    for season, kinds in {
        2020: {"regular": 6},
        2021: {"regular": 9, "playoffs": 2, "preseason": 2},
        2022: {"regular": 5, "playoffs": 1},
        2023: {"regular": 14, "preseason": 2},
    }.items():
        for kind, count in kinds.items():
            for number in range(1, count + 1):
                day = date(season + 1, 1, 1) + timedelta(days=chance.randrange(90))
                if season == 2023:
                    day = now.date() + timedelta(days=chance.randrange(-30, 10))
                starts = datetime(
                    day.year, day.month, day.day, chance.randrange(24), chance.choice([0, 30]), tzinfo=UTC
                )
                game = {
                    "game_id": f"00{TYPE_DIGIT[kind]}{season % 100:02d}{number:05d}",
                    "season": season,
                    "type": kind,
                    "day": day,
                    "starts_at": starts if chance.random() < 0.8 else None,
                    "confirmed_at": confirmed_at,
                    "status": "scheduled",
                }
                if confirmed_at > (game["starts_at"] or noon_after(day)) + timedelta(hours=chance.choice([1, 4])):
                    game["status"] = "final"
                status = called_off.get((season, number), "") if kind == "regular" else ""
                games.append(game | {"status": status or game["status"]})
    return games


def draw_world(seed: int, oracle: Oracle, *, behind: bool = True) -> World:
    """Draw a moment and its games, and a lake that holds whatever is due and can be named, and some noise."""
    chance = random.Random(seed)
    now = datetime(2023, 12, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(80 * 24 * 60))
    as_of = now - timedelta(hours=chance.choice([0, 1, 20, 40])) * behind
    confirmed_at = as_of - timedelta(hours=chance.choice([0, 2, 30]))
    world = World(now, as_of, _some_games(chance, now, confirmed_at))
    noise = ["ml/a.bin", "ml/b.bin", "junk/1", "roster/2024/SEA.json", "pbp/0022100002.json", "careers/smith01.json"]
    seen = [f"{place}/00419{n:05d}.json" for place in ("pbp", "box/2019-20") for n in (1, 2)]
    for key in noise + seen:
        world.objects[key] = StoredObject(key, 500, f"e{len(world.objects)}", as_of - timedelta(hours=1))
    types = {name: declared for name, declared, _ in oracle.types()}
    for entry in oracle.expect(world):
        if entry.key is None or entry.reason_absent or entry.due_at > as_of:
            continue
        if any(place in world.objects for place in entry.places):
            continue
        declared = types[entry.data_set]
        fresh_from = as_of - timedelta(days=declared.get("freshness_days", 7))
        earliest = max(entry.event_at, fresh_from) if entry.open else entry.event_at
        generation = chance.choice([slice(0, 1)] * 6 + [slice(-1, None)] * 3 + [slice(0, 2)])
        for key in entry.places[generation]:
            written = earliest + (as_of - earliest) * chance.random()
            size = max(declared.get("min_bytes", 100), 2) + chance.choice([0, 1, 5000])
            world.objects[key] = StoredObject(key, size, f"e{len(world.objects)}", written.replace(microsecond=0))
    _write_too_early(world, chance)
    for key in [key for key in world.objects if key.startswith(("day", "legacy")) and chance.random() < 0.05]:
        world.bad[key, "an etag it no longer has"] = "HTML where JSON was due"
    return world


def _write_too_early(world: World, chance: random.Random) -> None:
    """Put documents of games into the lake that were written before the games were over, or long before that."""
    past = [game for game in world.games if game["season"] == 2022 and chance.random() < 0.4]
    written = {game["game_id"]: over(game) - timedelta(hours=chance.choice([1, 47, 48, 49])) for game in past}
    to_come = [game for game in world.games if game["status"] == "scheduled" and over(game) > world.now]
    written |= {game["game_id"]: world.as_of - timedelta(days=2) for game in to_come if game["type"] == "regular"}
    for game_id, moment in written.items():
        key = f"pbp/{game_id}.json"
        world.objects.pop(f"old_pbp/2022/{game_id}.json", None)
        world.objects[key] = StoredObject(key, 500, f"e{len(world.objects)}", moment)
