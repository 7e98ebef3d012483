"""A thousand changes to generated lakes: exactly the keys that they touch change state, and as the oracle says."""

import os
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.contract.events import SeenId, estimates, scheduled
from adce_assets.contract.schedule import GameStatus, ScheduledGame
from adce_assets.lake.store import StoredObject
from adce_assets.loop import inventory
from adce_assets.loop.project import Project
from adce_assets_tests.loop.oracle import CONTRACT, TABLES, TYPE_DIGIT, Game, Oracle, Place, World, label
from adce_assets_tests.loop.worlds import draw_world

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop


@dataclass(frozen=True)
class Mutation:
    """One thing done to the object that satisfies a key, and what must come of it."""

    kind: str
    place: Place
    verdict: tuple[str, str | None, int]


def mutate(
    world: World, oracle: Oracle, count: int, chance: random.Random, *, spared: str = "-"
) -> tuple[World, list[Mutation]]:
    """Do one thing to each of ``count`` keys that are held."""
    judged, _ = oracle.judge(world)
    due = [entry for entry in oracle.expect(world) if entry.key and entry.due_at <= world.as_of]
    places = {entry.key: entry.places for entry in due}
    # the numbering names no playoffs: without both of its objects such a game of 2019-20 would be one nobody knows
    held = [
        place
        for place, (state, key, _) in judged.items()
        if key and state == "present" and place[2] in places and not key.startswith(("box/2019-20/004", spared))
    ]
    mutated = World(world.now, world.as_of, world.games, dict(world.objects), dict(world.bad))
    done = []
    for number, place in enumerate(chance.sample(held, count)):
        free = [key for key in places[place[2]] if key not in mutated.objects]
        kind = chance.choice([name for name in MUTATIONS if free or name != "duplicate"])
        MUTATIONS[kind](mutated, world.objects[judged[place][1] or ""], Turn(number, oracle.least(place[0]), free))
        done.append(Mutation(kind, place, foreseen(kind, place, judged[place], places[place[2]], mutated)))
    return mutated, done


def _move(world: World, found: StoredObject, key: str) -> None:
    del world.objects[found.key]
    world.objects[key] = replace(found, key=key)


def _corrupt(world: World, found: StoredObject) -> None:
    later = max(found.last_modified + timedelta(seconds=1), world.as_of - timedelta(hours=1))
    world.objects[found.key] = replace(found, etag=f"{found.etag}-html", last_modified=later)
    world.bad[found.key, f"{found.etag}-html"] = "HTML where JSON was due"


def _replace(world: World, found: StoredObject) -> None:
    world.objects[found.key] = replace(found, etag=f"{found.etag}-new", size=found.size + 1)
    world.bad[found.key, found.etag] = "HTML where JSON was due"


def _put(world: World, found: StoredObject) -> None:
    world.objects[found.key] = found


def _age(world: World, found: StoredObject, days: int) -> None:
    world.objects[found.key] = replace(found, last_modified=found.last_modified - timedelta(days=days))


@dataclass(frozen=True)
class Turn:
    """What a mutation may need beside the object: its number, the smallest size allowed, and the places still free."""

    number: int
    least: int
    free: list[str]


MUTATIONS: dict[str, Callable[[World, StoredObject, Turn], object]] = {
    "delete": lambda world, found, _: world.objects.pop(found.key),
    "truncate": lambda world, found, at: _put(world, replace(found, size=(at.least - 1) * (at.number % 2), etag="cut")),
    "rename": lambda world, found, at: _move(world, found, f"junk/renamed-{at.number}"),
    "misplace": lambda world, found, at: _move(world, found, f"leaders/{label(1900 + at.number)}.json"),
    "age": lambda world, found, at: _age(world, found, 400 + at.number),
    "corrupt": lambda world, found, _: _corrupt(world, found),
    "replace": lambda world, found, _: _replace(world, found),
    "duplicate": lambda world, found, at: _put(world, replace(found, key=at.free[0])),
}


def foreseen(
    kind: str, place: Place, before: tuple[str, str | None, int], places: list[str], mutated: World
) -> tuple[str, str | None, int]:
    """Say what one mutation makes of a key that was present, by the kind of mutation alone."""
    _, found, copies = before
    left = [key for key in places if key in mutated.objects]
    if kind in {"delete", "rename", "misplace"}:
        return ("present", left[0], copies - 1) if left else ("missing", None, 0)
    if kind == "duplicate":
        return "present", left[0], copies + 1
    is_harmless = kind == "replace" or (kind == "age" and place[1] not in {"2023-24", "all"})
    if is_harmless or copies > 1:
        others = left if is_harmless else [key for key in left if key != found]
        return "present", others[0], copies
    return ("stale" if kind == "age" else "damaged"), found, copies


def analysed(
    workshop: "Workshop", project: Project, world: World, told: Mapping[Place, Any]
) -> tuple[dict[Place, Any], Counter[Place], Any]:
    """Let ADCE judge a world whose inventory is laid out directly, and which the oracle judges as ``told``."""
    games = [
        ScheduledGame(
            game_id=game["game_id"],
            season_start=game["season"],
            season_type=game["type"],
            date=game["day"],
            starts_at=game["starts_at"],
            status=GameStatus(game["status"]),
            home="",
            away="",
            document="schedule",
            confirmed_at=game["confirmed_at"],
        )
        for game in world.games
    ]
    events = scheduled(project.contract, "games", games)
    known = Counter((event.season, event.season_type) for event in events)
    ids = {game.game_id for game in games}
    events += estimates(project.contract, "games", known, ids, seen_ids(world), world.now)
    workshop.lay_out(project, world.objects.values(), events=events, verdicts=world.bad, as_of=world.as_of)
    return verdicts_of(workshop, project, told)


def seen_ids(world: World) -> list[SeenId]:
    held: dict[str, set[str]] = {}
    for key in world.objects:
        if match := re.fullmatch(r"(pbp|old_pbp|box|dated)/.*?(00\d{8})\.json", key):
            held.setdefault(match[2], set()).add(match[1].removeprefix("old_"))
    kinds = {str(digit): kind for kind, digit in TYPE_DIGIT.items()}
    return [SeenId(name, label(2000 + int(name[3:5])), kinds[name[2]], len(sets)) for name, sets in held.items()]


def verdicts_of(
    workshop: "Workshop", project: Project, told: Mapping[Place, Any]
) -> tuple[dict[Place, Any], Counter[Place], Any]:
    """Return what ADCE says of every key, the number of those that have none, and the summary.

    Keys that stand in no row are present under their own name by what is ``told``, or they are no part of the answer;
    they must be as many as ADCE counts, cell by cell.
    """
    document, rows = workshop.cover(project)
    named, nameless, plain = {}, Counter(), Counter()
    for row in rows:
        data_set = f"{row['source']}/{row['data_type']}"
        if row["key"] is None and row["state"] == "present":
            plain[data_set, row["season"]] += row["keys"]
        elif row["key"] is None:
            nameless[data_set, row["season"], row["state"], row["season_type"]] += row["keys"]
        else:
            assert row["keys"] == 1
            named[data_set, row["season"], row["key"], row["season_type"]] = (
                row["state"],
                row["found_key"],
                row["copies"],
            )
    unnamed = {place: verdict for place, verdict in told.items() if place not in named}
    unnamed = {place: verdict for place, verdict in unnamed.items() if verdict[:2] == ("present", place[2])}
    assert Counter(place[:2] for place in unnamed) == plain
    assert len(named) + plain.total() + nameless.total() == document["totals"]["expected"]
    return named | unnamed, nameless, document


def apart(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    return {key: (one.get(key), other.get(key)) for key in one.keys() | other if one.get(key) != other.get(key)}


def counts(document: dict[str, Any]) -> dict[str, int]:
    return {
        name: document["totals"][name] for name in ("unexpected", "unclassified", "non_data", "unlisted", "doubled")
    }


@pytest.mark.parametrize("seed", range(12))
def test_exactly_the_mutated_keys_change_state_and_as_the_oracle_says(workshop: "Workshop", seed: int):
    oracle, chance = Oracle(), random.Random(seed)
    world = draw_world(seed, oracle)
    project = workshop.project(CONTRACT, now=world.now, tables=TABLES)
    before, _ = oracle.judge(world)
    mutated, mutations = mutate(world, oracle, 40, chance)

    told, told_nameless = oracle.judge(mutated)

    after, nameless, document = analysed(workshop, project, mutated, told)

    assert apart(after, told) == {}
    assert apart(nameless, told_nameless) == {}
    changed = {place: verdict for place, verdict in after.items() if verdict != before.get(place)}
    assert changed == {one.place: one.verdict for one in mutations if one.verdict != before[one.place]}
    kinds = Counter(mutation.kind for mutation in mutations)
    assert counts(document) == {
        "unexpected": 2 + kinds["misplace"],
        "unclassified": 1 + kinds["rename"],
        "non_data": 2,
        "unlisted": 1,
        "doubled": sum(max(copies - 1, 0) for _, _, copies in after.values()),
    }


@pytest.mark.parametrize("seed", range(100, 101))
def test_a_lake_of_files_is_judged_as_the_oracle_says_before_and_after_it_is_damaged(workshop: "Workshop", seed: int):
    oracle, chance = Oracle(), random.Random(seed)
    world = draw_world(seed, oracle, behind=False)
    project = workshop.project(CONTRACT, now=world.now, tables=TABLES)
    documents = {f"schedule/{label(season)}.csv": table_of(world.games, season) for season in range(2019, 2024)}
    world = on_disk(project, world, documents)
    whole = taken(workshop, project, world)

    assert apart(whole, oracle.judge(world)[0]) == {}
    mutated, mutations = mutate(world, oracle, 30, chance, spared="schedule/")
    mutated = on_disk(project, mutated, documents)

    damaged = taken(workshop, project, mutated)
    assert apart(damaged, oracle.judge(mutated)[0]) == {}
    changed = {place: verdict for place, verdict in damaged.items() if verdict != whole[place]}
    assert changed == {one.place: one.verdict for one in mutations if one.verdict != whole[one.place]}


def table_of(games: list[Game], season: int) -> str:
    lines = ["game_id,season_start,season_type,date,starts_at,status,home,away"]
    for game in games:
        if game["season"] == season:
            starts = game["starts_at"].isoformat() if game["starts_at"] else ""
            lines.append(f"{game['game_id']},{season},{game['type']},{game['day']},{starts},{game['status']},BOS,SEA")
    return "\n".join(lines) + "\n"


def on_disk(project: Project, world: World, documents: Mapping[str, str]) -> World:
    """Make the lake's folder hold the objects of a world, and return the world as the folder now is."""
    root = project.settings.home / "lake"
    held = {found.key: found for found in project.lake.list()}
    for key in held.keys() - world.objects:
        (root / key).unlink()
    broken = {key for key, etag in world.bad if key in world.objects and world.objects[key].etag == etag}
    for key, found in world.objects.items():
        if held.get(key) == found:
            continue
        body = b"<html>".ljust(found.size) if key in broken else b"{" + b"}".rjust(found.size - 1)
        body = documents[key].encode() if key in documents else body[: found.size]
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(body)
        os.utime(root / key, (found.last_modified.timestamp(),) * 2)
    objects = {found.key: found for found in project.lake.list()}
    confirmed_at = {key: found.last_modified for key, found in objects.items()}
    games = [game | {"confirmed_at": confirmed_at[f"schedule/{label(game['season'])}.csv"]} for game in world.games]
    verdicts: dict[tuple[str, str], str | None] = {(key, objects[key].etag): "HTML" for key in broken}
    return World(world.now, world.as_of, games, objects, verdicts)


def taken(workshop: "Workshop", project: Project, world: World) -> dict[Place, Any]:
    told, told_nameless = Oracle().judge(world)
    inventory.take(project)
    named, nameless, _ = verdicts_of(workshop, project, told)
    assert apart(nameless, told_nameless) == {}
    return named
