"""What a lake should look like to the coverage analysis, said again in plain Python that shares no code with ADCE.

The oracle reads the same YAML, renders and reads keys with its own few lines, and decides key by key, in the words of
the design. It is slow and obvious on purpose. Which worlds it
judges is for `worlds`.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import yaml

from adce_assets.lake.store import StoredObject

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
        description: may change for ever
        for_each: [award]
        seasons: all
        templates: ['honours/{award}.json']
        changes: always
        freshness_days: 30
      records: {description: d, for_each: [], seasons: all, templates: ['records.json'], freshness_days: 1}
      careers: {description: unlisted, for_each: [player], seasons: all, templates: ['careers/{player}.json']}
"""
TRUTH = """league,season,season_type,events
hoops,2019-20,regular,6
hoops,2019-20,playoffs,3
hoops,2020-21,regular,8
hoops,2021-22,regular,7
hoops,2023-24,regular,99
"""
TEAMS = "code,first_season,last_season\nBOS,,\nSEA,,2020-21\nOKC,2021-22,\n"
TABLES = {"truth.csv": TRUTH, "teams.csv": TEAMS}
TYPE_DIGIT = {"preseason": 1, "regular": 2, "playoffs": 4}
FIELD_PATTERNS = {
    "season": r"\d{4}-\d\d",
    "season_start": r"\d{4}",
    "game_id": r"00[1-5]\d{7}",
    "date_compact": r"\d{8}",
}

Game = dict[str, Any]
EVER = 0
"""The season of what no season divides."""
NEVER = datetime.max.replace(tzinfo=UTC)
"""The time of what nobody can date."""
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
    event_at: datetime
    due_at: datetime
    open: bool
    confirmed_at: datetime | None = None
    reason_absent: str | None = None
    estimated: bool = False
    is_only_counted: bool = False

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
                    ended = row["over"]
                    entry = Expected(
                        data_set=data_set,
                        season=label(season),
                        season_type=row.get("type"),
                        places=[self.render(text, season, row) for text in declared["templates"]],
                        event_at=ended or NEVER,
                        due_at=ended + grace if ended else NEVER,
                        open=is_open,
                        confirmed_at=row.get("confirmed_at"),
                        estimated="type" in row and row.get("confirmed_at") is None,
                        is_only_counted="type" in row and row["game_id"] is None,
                        reason_absent="no cameras yet" if "absent" in declared and season <= 2021 else None,
                    )
                    if any("{" in place for place in entry.places):
                        entry.places = []
                    found.append(entry)
        return found

    def seasons(self, declared: dict[str, Any], league: dict[str, Any], now: datetime) -> list[tuple[int, bool]]:
        if declared.get("seasons") == "all":
            return [(EVER, True)]
        current = now.year if now.month >= league["season_starts"] else now.year - 1
        first, last = int(league["first_season"][:4]), min(current, int(league.get("last_season", "9999")[:4]))
        first = max(first, int(declared.get("seasons", "0000")[:4]))
        return [(season, season >= current) for season in range(first, last + 1)]

    def subjects(
        self, declared: dict[str, Any], each: list[str], season: int, league: Any, events: dict[int, list[Any]]
    ) -> list[dict[str, Any]]:
        if "game" in each:
            wanted = declared.get("season_types", ["regular", "playoffs"])
            return [row for row in events[season] if row["type"] in wanted]
        if "date" in each:
            days = [date(season, 10, 1) + timedelta(days=n) for n in range(366)]
            days = [day for day in days if date(2023, 11, 20) <= day < date(season + 1, 10, 1)]
            return [{"day": day, "over": noon_after(day)} for day in days]
        if season == EVER:
            since = datetime(1967, 10, 1, tzinfo=UTC)
            return (
                [{"award": award, "over": since} for award in ("mvp", "roy", "sixth-man")]
                if each
                else [{"over": since}]
            )
        begins = datetime(season + (declared.get("due") == "season_end"), league["season_starts"], 1, tzinfo=UTC)
        if "team" not in each:
            return [{"over": begins}]
        teams = [
            row["code"]
            for row in self.teams
            if (row["first_season"] or "0") <= label(season) <= (row["last_season"] or "9")
        ]
        return [{"team": team, "over": begins} for team in teams]

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
                patterns = [_own_pattern(text) for text in declared["templates"]]
                for match in (pattern.fullmatch(key) for key in world.objects for pattern in patterns):
                    if match:
                        holders.setdefault(match["game_id"], set()).add(name)
        return holders

    def likely(self, holders: dict[str, set[str]], season: int, kind: str, count: int, known: set[str]) -> list[str]:
        numbered = [f"002{season % 100:02d}{n:05d}" for n in range(1, count + 1)] if kind == "regular" else []
        mine = [
            name
            for name in holders
            if name[2] == str(TYPE_DIGIT[kind]) and 2000 + int(name[3:5]) == season and name not in known
        ]
        mine.sort(key=lambda name: (name not in numbered, -len(holders[name]), name))
        return mine + [name for name in numbered if name not in known and name not in mine]

    def render(self, text: str, season: int, row: Mapping[str, Any]) -> str:
        values: dict[str, Any] = {name: row[name] for name in ("team", "award", "game_id") if row.get(name)}
        if season != EVER:
            values |= {"season": label(season), "season_start": season, "season_end": season + 1}
        if row.get("day"):
            values |= {"date": row["day"].isoformat(), "date_compact": row["day"].strftime("%Y%m%d")}
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def judge(self, world: World) -> tuple[dict[Place, tuple[str, str | None, int]], Counter[Place]]:
        """Return state, satisfying key and copies of every expected key, and the states of what has no key.

        The season type of what has no key is told where no more than a number is known; an event with an id whose day
        nobody knows is one of its cell.
        """
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
                kind = entry.season_type if entry.is_only_counted else None
                nameless[(*place[:2], verdict[0], kind)] += 1
            else:
                assert place not in named
                named[place] = verdict
        return named, nameless

    def state_of_object(self, world: World, entry: Expected, declared: dict[str, Any], found: StoredObject) -> str:
        changes = declared.get("changes", "within_season")
        if found.size < declared.get("min_bytes", 100) or world.bad.get((found.key, found.etag)):
            return "damaged"
        too_early = timedelta(0) < entry.event_at - found.last_modified
        if not entry.open and too_early:
            too_early = entry.event_at - found.last_modified <= timedelta(days=2)
        if changes == "until_final" and not entry.estimated and too_early:
            return "stale" if entry.due_at <= world.as_of else "present"
        may_change = changes == "always" or (entry.open and changes == "within_season")
        too_old = world.as_of - found.last_modified > timedelta(days=declared.get("freshness_days", 7))
        return "stale" if may_change and too_old else "present"

    def state_of_absence(self, world: World, entry: Expected) -> str:
        if entry.reason_absent:
            return "unavailable"
        if entry.key is None or entry.due_at == NEVER:
            return "unknown"
        if entry.due_at > world.now:
            return "not_due"
        if entry.confirmed_at is not None and entry.confirmed_at < entry.event_at:
            return "unknown"
        return "unknown" if entry.due_at > world.as_of else "missing"


def label(season: int) -> str:
    return "all" if season == EVER else f"{season}-{(season + 1) % 100:02d}"


def noon_after(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=1)


def over(game: Game) -> datetime:
    """Say when a game is over: three hours after its start (noon after its day), or when it was seen final."""
    end = game["starts_at"] + timedelta(hours=3) if game["starts_at"] else noon_after(game["day"])
    return min(end, game["confirmed_at"]) if game["status"] == "final" else end


def _own_pattern(text: str) -> re.Pattern[str]:
    return re.compile(
        re.sub(r"\\\{(\w+)\\\}", lambda name: f"(?P<{name[1]}>{FIELD_PATTERNS[name[1]]})", re.escape(text))
    )
