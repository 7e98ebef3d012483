"""A thousand single changes to generated lakes, each judged by an oracle in plain Python that shares no code with ADCE.

The oracle reads the same YAML, renders and reads keys with its own few lines, and decides key by key, in the words of
the design. It is slow and obvious on purpose.
"""

import csv
import io
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from adce_assets.contract.events import SeenId, events_of
from adce_assets.contract.schedule import GameStatus, ScheduledGame
from adce_assets.lake.store import StoredObject
from adce_assets.loop import inventory
from adce_assets.loop.project import Project

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

CONTRACT = r"""
version: 1
leagues:
  hoops: {first_season: 2019-20, season_starts: 10}
  vintage: {first_season: 1967-68, last_season: 1969-70, season_starts: 10}
season_truth: truth.csv
ids:
  game:
    pattern: '00[1-5]\d{7}'
    seasons: [{match: '\d{3}(?P<start_year>\d{2})\d{5}', pivot: 46}]
    season_type_digit: 2
    season_types: {'1': preseason, '2': regular, '4': playoffs}
schedules:
  games:
    league: hoops
    id: game
    documents: [{data_set: official/schedule, format: games_table}]
    season_types: [regular, playoffs]
    numbering: {prefix: '002', digits: 5}
dimensions:
  team: {table: teams.csv, column: code, pattern: '[A-Z]{3}'}
  award: {values: [mvp, roy, sixth-man]}
  player: {pattern: '[a-z]+\d\d'}
non_data:
  models: {prefix: ml/, reason: trained models}
sources:
  official:
    description: the league's own
    league: hoops
    schedule: games
    data_types:
      schedule: {description: d, templates: ['schedule/{season}.csv'], min_bytes: 30, freshness_days: 3}
      play_by_play:
        description: two generations
        for_each: [game]
        templates: ['pbp/{game_id}.json', 'old_pbp/{season_start}/{game_id}.json']
        changes: until_final
        min_bytes: 40
      box_score:
        description: of preseason games too
        for_each: [game]
        templates: ['box/{season}/{game_id}.json']
        season_types: [preseason, regular, playoffs]
        required: false
        freshness_days: 2.5
        grace_hours: 30
      dated:
        description: found by day, so a game without a day has no key
        for_each: [game]
        templates: ['dated/{date_compact}/{game_id}.json']
        changes: until_final
      scoreboard:
        description: three notations
        for_each: [date]
        from_date: 2023-11-20
        templates: ['day/{date_compact}.json', 'days/{date}.json', 'legacy/{season_end}/{date}.json']
        changes: until_final
        min_bytes: 1
      roster: {description: d, for_each: [season, team], templates: ['roster/{season_end}/{team}.json']}
      leaders: {description: d, templates: ['leaders/{season}.json'], due: season_end}
      tracking:
        description: began late
        templates: ['tracking/{season_start}.json', 'tracking/{season}.json']
        seasons: 2020-21..
        absent: [{seasons: ..2021-22, reason: no cameras yet}]
  almanac:
    description: books
    league: vintage
    data_types:
      totals: {description: d, templates: ['totals/{season_end}.json'], required: false}
      honours:
        {description: d, for_each: [award], seasons: all, templates: ['honours/{award}.json'], changes: always, freshness_days: 30}
      records: {description: d, for_each: [], seasons: all, templates: ['records.json'], freshness_days: 1}
      careers: {description: nobody lists the players, for_each: [player], seasons: all, templates: ['careers/{player}.json']}
"""
TRUTH = """league,season,season_type,events
hoops,2019-20,regular,6
hoops,2019-20,playoffs,3
hoops,2020-21,regular,8
hoops,2021-22,regular,7
hoops,2023-24,regular,99
"""
TEAMS = "code,first_season,last_season\nBOS,,\nSEA,,2020-21\nOKC,2021-22,\n"
TYPE_DIGIT = {"preseason": 1, "regular": 2, "playoffs": 4}
SINGLE = "play_by_play", "box_score", "dated"
FIELD_PATTERNS = {
    "season": r"\d{4}-\d\d",
    "season_start": r"\d{4}",
    "game_id": r"00[1-5]\d{7}",
    "date_compact": r"\d{8}",
}

Game = dict[str, Any]
Place = tuple[str, str, str | None, str | None]
"""Data set, season, key, season type."""


@dataclass
class World:
    """A moment, the games of a league, and a lake; everything else follows from the contract."""

    now: datetime
    as_of: datetime
    games: list[Game]
    objects: dict[str, StoredObject] = field(default_factory=dict)
    bad: dict[tuple[str, str], str | None] = field(default_factory=dict)


@dataclass
class Expected:
    """What the oracle expects of one row."""

    data_set: str
    season: str
    season_type: str | None
    places: list[str]
    event_at: datetime | None
    due_at: datetime | None
    open: bool
    confirmed_at: datetime | None = None
    reason_absent: str | None = None

    @property
    def key(self) -> str | None:
        return self.places[0] if self.places else None


class Oracle:
    """Says what state every expected key is in, one key at a time."""

    def __init__(self) -> None:
        self.contract = yaml.safe_load(CONTRACT)
        self.truth = list(csv.DictReader(io.StringIO(TRUTH)))
        self.teams = list(csv.DictReader(io.StringIO(TEAMS)))

    def types(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        for source_name, source in self.contract["sources"].items():
            for name, declared in source["data_types"].items():
                yield f"{source_name}/{name}", declared, source

    def least(self, data_set: str) -> int:
        return next(declared.get("min_bytes", 100) for name, declared, _ in self.types() if name == data_set)

    def expect(self, world: World) -> list[Expected]:
        found = []
        holders = self.holders(world)
        events = {season: self.events(world, season, holders) for season in range(2019, 2024)}
        for data_set, declared, source in self.types():
            league = self.contract["leagues"][source["league"]]
            each = declared.get("for_each", ["season"])
            if "player" in each:
                continue
            grace = timedelta(hours=declared.get("grace_hours", 12))
            for season, is_open in self.seasons(declared, league, world.now):
                for row in self.subjects(declared, each, season, league, events):
                    over = row["over"]
                    entry = Expected(
                        data_set=data_set,
                        season="all" if season is None else label(season),
                        season_type=row.get("type"),
                        places=[self.render(text, season, row) for text in declared["templates"]],
                        event_at=over,
                        due_at=over + grace if over else None,
                        open=is_open,
                        confirmed_at=row.get("confirmed_at"),
                        reason_absent="no cameras yet" if "absent" in declared and season <= 2021 else None,
                    )
                    if any("{" in place for place in entry.places):
                        entry.places = []
                    found.append(entry)
        return found

    def seasons(self, declared: dict[str, Any], league: dict[str, Any], now: datetime) -> list[tuple[int | None, bool]]:
        if declared.get("seasons") == "all":
            return [(None, True)]
        current = now.year if now.month >= league["season_starts"] else now.year - 1
        first, last = int(league["first_season"][:4]), min(current, int(league.get("last_season", "9999")[:4]))
        first = max(first, int(declared.get("seasons", "0000")[:4]))
        return [(season, season >= current) for season in range(first, last + 1)]

    def subjects(
        self, declared: dict[str, Any], each: list[str], season: int | None, league: Any, events: dict[int, list[Any]]
    ) -> list[dict[str, Any]]:
        if "game" in each:
            wanted = declared.get("season_types", ["regular", "playoffs"])
            return [row for row in events[season] if row["type"] in wanted]
        if "date" in each:
            days = [date(season, 10, 1) + timedelta(days=n) for n in range(366)]
            days = [day for day in days if date(2023, 11, 20) <= day < date(season + 1, 10, 1)]
            return [{"day": day, "over": noon_after(day)} for day in days]
        if season is None:
            since = datetime(1967, 10, 1, tzinfo=UTC)
            return [{"award": award, "over": since} for award in ("mvp", "roy", "sixth-man")] if each else [{"over": since}]
        over = datetime(season + (declared.get("due") == "season_end"), league["season_starts"], 1, tzinfo=UTC)
        if "team" not in each:
            return [{"over": over}]
        teams = [row["code"] for row in self.teams if (row["first_season"] or "0") <= label(season) <= (row["last_season"] or "9")]
        return [{"team": team, "over": over} for team in teams]

    def events(self, world: World, season: int, holders: dict[str, set[str]]) -> list[dict[str, Any]]:
        """Return the games that were or will be played, and those of past seasons that only their number tells of."""
        games = [game for game in world.games if game["season"] == season]
        played = [game for game in games if game["status"] in {"scheduled", "in_play", "final"}]
        rows = [{**game, "over": over(game)} for game in played]
        is_open = season == (world.now.year if world.now.month >= 10 else world.now.year - 1)
        for entry in self.truth:
            if entry["season"] != label(season) or (is_open and played):
                continue
            kind = entry["season_type"]
            lacking = int(entry["events"]) - sum(game["type"] == kind for game in played)
            ids = self.likely(holders, season, kind, int(entry["events"]), {game["game_id"] for game in games})
            ended = None if is_open else datetime(season + 1, 10, 1, tzinfo=UTC)
            names = [*ids, *[None] * 200][: max(lacking, 0)]
            rows += [{"game_id": name, "type": kind, "over": ended, "confirmed_at": None} for name in names]
        return rows

    def holders(self, world: World) -> dict[str, set[str]]:
        """Tell which data sets hold an object of each game."""
        holders: dict[str, set[str]] = {}
        for name, declared, _ in self.types():
            if declared.get("for_each") == ["game"]:
                patterns = [own_pattern(text) for text in declared["templates"]]
                for match in (pattern.fullmatch(key) for key in world.objects for pattern in patterns):
                    if match:
                        holders.setdefault(match["game_id"], set()).add(name)
        return holders

    def likely(
        self, holders: dict[str, set[str]], season: int, kind: str, count: int, known: set[str]
    ) -> list[str]:
        numbered = [f"002{season % 100:02d}{n:05d}" for n in range(1, count + 1)] if kind == "regular" else []
        mine = [
            name
            for name in holders
            if name[2] == str(TYPE_DIGIT[kind]) and 2000 + int(name[3:5]) == season and name not in known
        ]
        mine.sort(key=lambda name: (name not in numbered, -len(holders[name]), name))
        return mine + [name for name in numbered if name not in known and name not in mine]

    def render(self, text: str, season: int | None, row: Mapping[str, Any]) -> str:
        values: dict[str, Any] = {name: row[name] for name in ("team", "award", "game_id") if row.get(name)}
        if season is not None:
            values |= {"season": label(season), "season_start": season, "season_end": season + 1}
        if row.get("day"):
            values |= {"date": row["day"].isoformat(), "date_compact": row["day"].strftime("%Y%m%d")}
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def judge(self, world: World) -> tuple[dict[Place, tuple[str, str | None, int]], Counter[Place]]:
        """Return state, satisfying key and copies of every expected key, and the states of what has no key."""
        named, nameless = {}, Counter()
        for entry in self.expect(world):
            _, declared, _ = next(found for found in self.types() if found[0] == entry.data_set)
            held = [world.objects[place] for place in entry.places if place in world.objects]
            states = [self.state_of_object(world, entry, declared, found) for found in held]
            place = (entry.data_set, entry.season, entry.key, entry.season_type)
            if held:
                best = min(range(len(held)), key=lambda n: ["present", "stale", "damaged"].index(states[n]))
                verdict = (states[best], held[best].key, len(held))
            else:
                verdict = (self.state_of_absence(world, entry), None, 0)
            if entry.key is None:
                nameless[(*place[:2], verdict[0], entry.season_type)] += 1
            else:
                assert place not in named
                named[place] = verdict
        return named, nameless

    def state_of_object(self, world: World, entry: Expected, declared: dict[str, Any], found: StoredObject) -> str:
        changes = declared.get("changes", "within_season")
        if found.size < declared.get("min_bytes", 100) or world.bad.get((found.key, found.etag)):
            return "damaged"
        if changes == "until_final" and entry.open and found.last_modified < entry.event_at:
            return "stale" if entry.due_at <= world.as_of else "present"
        may_change = changes == "always" or (entry.open and changes == "within_season")
        too_old = world.as_of - found.last_modified > timedelta(days=declared.get("freshness_days", 7))
        return "stale" if may_change and too_old else "present"

    def state_of_absence(self, world: World, entry: Expected) -> str:
        if entry.reason_absent:
            return "unavailable"
        if entry.key is None or entry.due_at is None:
            return "unknown"
        if entry.due_at > world.now:
            return "not_due"
        if entry.confirmed_at is not None and entry.confirmed_at < entry.event_at:
            return "unknown"
        return "unknown" if entry.due_at > world.as_of else "missing"


def label(season: int) -> str:
    return f"{season}-{(season + 1) % 100:02d}"


def noon_after(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=1)


def over(game: Game) -> datetime:
    """Say when a game is over: three hours after its start (noon after its day), or when it was seen final."""
    end = game["starts_at"] + timedelta(hours=3) if game["starts_at"] else noon_after(game["day"])
    return min(end, game["confirmed_at"]) if game["status"] == "final" else end


def own_pattern(text: str) -> re.Pattern[str]:
    return re.compile(
        re.sub(r"\\\{(\w+)\\\}", lambda name: f"(?P<{name[1]}>{FIELD_PATTERNS[name[1]]})", re.escape(text))
    )


def some_games(chance: random.Random, now: datetime, confirmed_at: datetime) -> list[Game]:
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
                starts = datetime(day.year, day.month, day.day, chance.randrange(24), chance.choice([0, 30]), tzinfo=UTC)
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
    world = World(now, as_of, some_games(chance, now, confirmed_at))
    noise = ["ml/a.bin", "ml/b.bin", "junk/1", "roster/2024/SEA.json", "pbp/0022100002.json", "careers/smith01.json"]
    seen = [f"{place}/00419{n:05d}.json" for place in ("pbp", "box/2019-20") for n in (1, 2)]
    for key in noise + seen:
        world.objects[key] = StoredObject(key, 500, f"e{len(world.objects)}", as_of - timedelta(hours=1))
    types = {name: declared for name, declared, _ in oracle.types()}
    for entry in oracle.expect(world):
        if entry.key is None or entry.reason_absent or entry.due_at is None or entry.due_at > as_of:
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
    to_come = [game for game in world.games if game["status"] == "scheduled" and over(game) > now]
    for key in [f"pbp/{game['game_id']}.json" for game in to_come if game["type"] == "regular"][:2]:
        world.objects[key] = StoredObject(key, 500, f"e{len(world.objects)}", as_of - timedelta(days=2))
    for key in [key for key in world.objects if key.startswith(("day", "legacy")) and chance.random() < 0.05]:
        world.bad[key, "an etag it no longer has"] = "HTML where JSON was due"
    return world


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
    due = [entry for entry in oracle.expect(world) if entry.key and entry.due_at and entry.due_at <= world.as_of]
    places = {entry.key: entry.places for entry in due}
    # the numbering names no playoffs: without both of its objects such a game of 2019-20 would be one nobody knows
    held = [
        place
        for place, (_, key, _) in judged.items()
        if key and place[2] in places and not key.startswith(("box/2019-20/004", spared))
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
    later = found.last_modified + timedelta(seconds=1)
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


def analysed(workshop: "Workshop", project: Project, world: World) -> tuple[dict[Place, Any], Counter[Place], Any]:
    """Let ADCE judge a world whose inventory is laid out directly."""
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
    events = events_of(project.contract, "games", games, seen_ids(world), world.now)
    workshop.lay_out(project, world.objects.values(), events=events, verdicts=world.bad, as_of=world.as_of)
    return verdicts_of(workshop, project)


def seen_ids(world: World) -> list[SeenId]:
    held: dict[str, set[str]] = {}
    for key in world.objects:
        if match := re.fullmatch(r"(pbp|old_pbp|box|dated)/.*?(00\d{8})\.json", key):
            held.setdefault(match[2], set()).add(match[1].removeprefix("old_"))
    kinds = {str(digit): kind for kind, digit in TYPE_DIGIT.items()}
    return [SeenId(name, label(2000 + int(name[3:5])), kinds[name[2]], len(sets)) for name, sets in held.items()]


def verdicts_of(workshop: "Workshop", project: Project) -> tuple[dict[Place, Any], Counter[Place], Any]:
    document, rows = workshop.cover(project)
    named, nameless = {}, Counter()
    for row in rows:
        data_set = f"{row['source']}/{row['data_type']}"
        if row["key"] is None:
            nameless[data_set, row["season"], row["state"], row["season_type"]] += 1
        else:
            named[data_set, row["season"], row["key"], row["season_type"]] = (
                row["state"],
                row["found_key"],
                row["copies"],
            )
    assert len(named) + sum(nameless.values()) == len(rows)
    return named, nameless, document


def apart(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    return {key: (one.get(key), other.get(key)) for key in one.keys() | other if one.get(key) != other.get(key)}


def counts(document: dict[str, Any]) -> dict[str, int]:
    return {name: document["totals"][name] for name in ("unexpected", "unclassified", "non_data", "unlisted", "doubled")}


@pytest.mark.parametrize("seed", range(25))
def test_exactly_the_mutated_keys_change_state_and_as_the_oracle_says(workshop: "Workshop", seed: int):
    oracle, chance = Oracle(), random.Random(seed)
    world = draw_world(seed, oracle)
    project = workshop.project(CONTRACT, now=world.now, tables={"truth.csv": TRUTH, "teams.csv": TEAMS})
    before, _ = oracle.judge(world)
    mutated, mutations = mutate(world, oracle, 40, chance)

    after, nameless, document = analysed(workshop, project, mutated)

    told, told_nameless = oracle.judge(mutated)
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


@pytest.mark.parametrize("seed", range(100, 103))
def test_a_lake_of_files_is_judged_as_the_oracle_says_before_and_after_it_is_damaged(workshop: "Workshop", seed: int):
    oracle, chance = Oracle(), random.Random(seed)
    world = draw_world(seed, oracle, behind=False)
    project = workshop.project(CONTRACT, now=world.now, tables={"truth.csv": TRUTH, "teams.csv": TEAMS})
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
    verdicts = dict.fromkeys(((key, objects[key].etag) for key in broken), "HTML")
    return World(world.now, world.as_of, games, objects, verdicts)


def taken(workshop: "Workshop", project: Project, world: World) -> dict[Place, Any]:
    inventory.take(project)
    named, nameless, _ = verdicts_of(workshop, project)
    assert apart(nameless, Oracle().judge(world)[1]) == {}
    return named
