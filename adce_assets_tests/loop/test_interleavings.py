"""Whatever others and the loop do to a lake, in whatever order reports and listings see it: no false `missing`.

The model keeps what lay under each key at every moment. After each cycle everything that the loop says of a key is
held against that: not what it knows, but what it may say at the as-of of the key's own range.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adce_assets.demo.report_writer import write_report
from adce_assets.errors import LakeError
from adce_assets.lake.store import StoredObject
from adce_assets.ledger.receipts import write_receipts
from adce_assets.loop import coverage, gaps, inventory, tasks
from adce_assets.loop.coverage import STATES
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE, INVENTORY, TASK_KEYS
from adce_assets_tests.examples import examples
from adce_assets_tests.receipts import receipt

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

BEGINNING = datetime(2024, 1, 10, tzinfo=UTC)
LONGEST_LAG = timedelta(hours=72)
MAY_MISS = timedelta(hours=1)
"""How long before its beginning a report may not know what anybody does: it sees each key at some moment of its own."""
CLOCKS_DIFFER = timedelta(seconds=60)
"""How long before any look the loop's own writes are taken to be later than it."""
GRACE, PLAYING = timedelta(hours=12), timedelta(hours=3)
CONTRACT = r"""
version: 1
leagues:
  hoops: {first_season: 2022-23, season_starts: 10}
ids:
  opaque: {pattern: 'g\d+'}
schedules:
  games: {league: hoops, id: opaque, documents: [{data_set: official/schedule, format: games_table}]}
sources:
  official:
    description: d
    league: hoops
    schedule: games
    data_types:
      schedule: {description: d, templates: ['schedule/{season}.csv'], min_bytes: 1, scraper: any}
      pbp:
        description: d
        for_each: [game]
        templates: ['pbp/{game_id}.json', 'old/{game_id}.json']
        min_bytes: 1
        changes: until_final
        scraper: any
      box:
        description: d
        for_each: [game]
        templates: ['box/{season}/{game_id}.json']
        min_bytes: 1
        changes: until_final
        scraper: any
"""
HEADER = "game_id,season_start,season_type,date,starts_at,status,home,away\n"
STARTS = {f"g{number}": datetime(2023, 3, 1 + number, 20, tzinfo=UTC) for number in range(3)} | {
    f"g{number}": BEGINNING + timedelta(hours=17 * (number - 9)) for number in range(3, 16)
}
"""When each game starts: three of the season before, six that are over when all begins, seven that are to come."""
SEASONS = {game: "2022-23" if start.year == 2023 and start.month < 10 else "2023-24" for game, start in STARTS.items()}
DOCUMENTS = {f"schedule/{season}.csv": season for season in ("2022-23", "2023-24")}
PLACES = {f"pbp/{game}.json": [f"pbp/{game}.json", f"old/{game}.json"] for game in STARTS} | {
    f"box/{season}/{game}.json": [f"box/{season}/{game}.json"] for game, season in SEASONS.items()
}
"""The places of each key that the contract expects of a game."""
GAMES = {place: game for game in STARTS for place in (f"pbp/{game}.json", f"old/{game}.json")} | {
    f"box/{season}/{game}.json": game for game, season in SEASONS.items()
}
PREFIXES = ((), ("pbp/", "schedule/"))


@dataclass
class Clock:
    """The one clock of the lake, of the loop and of the model."""

    now: datetime = BEGINNING

    def __call__(self) -> datetime:
        return self.now


@dataclass
class World:
    """A lake and all that ever happened to it."""

    project: Project
    clock: Clock
    history: dict[str, list[tuple[datetime, StoredObject | None, str]]] = field(default_factory=dict)
    reported: set[datetime] = field(default_factory=set)

    def write(self, key: str, who: str) -> None:
        """Write an object; what the loop writes, it has a receipt of."""
        body = self._body(key)
        self.project.lake.put(key, body)
        os.utime(self.project.settings.home / "lake" / key, (self.clock.now.timestamp(), self.clock.now.timestamp()))
        number = sum(map(len, self.history.values()))
        self._happened(key, StoredObject(key, len(body), f"e{number}", self.clock.now), who)
        if who == "loop":
            source, data_type, season = "official", key.split("/", maxsplit=1)[0], SEASONS[GAMES[key]]
            told = [receipt(key, self.clock.now, len(body))]
            write_receipts(
                self.project.lake, f"r{number}", source=source, data_type=data_type, season=season, receipts=told
            )

    def _body(self, key: str) -> bytes:
        if key not in DOCUMENTS:
            return b"{}"
        games = [game for game, season in SEASONS.items() if season == DOCUMENTS[key]]
        rows = (
            f"{game},{DOCUMENTS[key][:4]},regular,{STARTS[game]:%Y-%m-%d},{STARTS[game]:%Y-%m-%dT%H:%M:%SZ},scheduled,A,B\n"
            for game in games
        )
        return (HEADER + "".join(rows)).encode()

    def delete(self, key: str) -> None:
        self.project.lake.delete(key)
        self._happened(key, None, "others")

    def _happened(self, key: str, found: StoredObject | None, who: str) -> None:
        self.history.setdefault(key, []).append((self.clock.now, found, who))

    def at(self, key: str, moment: datetime) -> StoredObject | None:
        """Tell what lay under a key at a moment."""
        past = [found for then, found, _ in self.history.get(key, []) if then <= moment]
        return past[-1] if past else None

    def was_there(self, key: str, moment: datetime | None) -> bool:
        """Tell whether something lay under a key at a moment; nothing did at no moment."""
        return moment is not None and self.at(key, moment) is not None

    def seen(self, key: str, moment: datetime | None) -> set[bool]:
        """Tell how a look may have found a key, there or not; the as-of of a report stands for an hour."""
        if moment is None:
            return {False}
        end = moment + MAY_MISS if moment + MAY_MISS in self.reported else moment
        times = [moment, *(then for then, _, _ in self.history.get(key, []) if moment < then <= end)]
        return {self.was_there(key, time) for time in times}

    def wrote_since(self, key: str, moment: datetime | None) -> bool:
        """Tell whether the loop wrote under a key since a moment, or ever."""
        events = self.history.get(key, [])
        return any(who == "loop" and (moment is None or then >= moment) for then, _, who in events)

    def deliver(self, lag: timedelta, file_format: str, seed: int | None = None, doubled: str = "") -> None:
        """Deliver a report that began some time ago; one in which an object is ``doubled`` is damaged.

        With a ``seed`` each key is told of as it was at a random moment of the hour before.
        """
        began = (self.clock.now - lag).replace(second=0, microsecond=0)
        if began in self.reported:
            return
        self.reported.add(began)
        chance = random.Random(seed)
        late = {key: chance.choice([0, chance.random(), 1, 1]) if seed is not None else 0 for key in self.history}
        seen = [(key, began - MAY_MISS * late.get(key, 0)) for key in (*self.history, doubled)]
        objects = [found for key, moment in seen if (found := self.at(key, moment))]
        write_report(
            self.project.lake,
            objects,
            prefix="inventory-reports/",
            bucket="lake",
            config_id="daily",
            created_at=began,
            file_format=file_format,
            rows_per_file=7,
        )

    @property
    def is_fresh(self) -> bool:
        """Tell whether the inventory in force is young enough to be taken again."""
        if self.project.state.store.head(f"{INVENTORY}.json") is None:
            return False
        told = datetime.fromisoformat(self.project.state.read_json(INVENTORY)["as_of"])
        return self.clock.now - told <= timedelta(hours=self.project.settings.reconciliation.s3.cache_ttl_hours)

    def written_by_the_loop(self) -> Iterator[str]:
        """Yield what the loop has written and nobody has touched since."""
        for key, events in self.history.items():
            if events[-1][2] == "loop":
                yield key


Step = tuple[str, Any]
MOMENTS = st.integers(1, 20 * 3600).map(lambda seconds: timedelta(seconds=seconds))
LAGS = st.integers(0, LONGEST_LAG // timedelta(minutes=1)).map(lambda minutes: timedelta(minutes=minutes))
GAME_KEYS = st.sampled_from(sorted(GAMES))
STEPS = st.one_of(
    st.tuples(st.just("write"), st.tuples(GAME_KEYS, st.sampled_from(["loop", "loop", "others"]))),
    st.tuples(st.just("delete"), GAME_KEYS),
    st.tuples(st.just("write"), st.tuples(st.sampled_from(sorted(DOCUMENTS)), st.just("others"))),
    st.tuples(st.just("deliver"), st.tuples(LAGS, st.sampled_from(["Parquet", "CSV", "ORC"]), st.integers(0, 99))),
)
MODES = st.sampled_from(["aws", "aws", "aws", "aws", "list", "auto", "cache"])
CYCLES = st.tuples(st.lists(st.tuples(MOMENTS, STEPS), min_size=2, max_size=7), MOMENTS, MODES)


@settings(
    max_examples=examples(2),
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(CYCLES, min_size=4, max_size=6), st.sampled_from([0, 2, 6, 1_000]), st.sampled_from(PREFIXES))
def test_no_interleaving_makes_a_false_missing(
    workshop: "Workshop", cycles: list[tuple[list[tuple[timedelta, Step]], timedelta, Any]], budget: int, prefixes: Any
):
    world = begin(workshop, delta_requests=budget, prefixes=prefixes)
    for steps, pause, mode in cycles:
        for wait, step in steps:
            world.clock.now += wait
            happen(world, step)
        world.clock.now += pause
        document = cycle(world, mode)
        if document is not None:
            check(world, document)


def test_what_became_due_in_the_hour_that_a_report_may_miss_is_unknown(workshop: "Workshop"):
    late, early = "box/2023-24/g9.json", "box/2023-24/g8.json"
    due = STARTS["g9"] + PLAYING + GRACE
    world = begin(workshop, delta_requests=0)
    for key in (late, early):
        world.delete(key)
    world.clock.now = due + timedelta(minutes=10)
    world.write(late, "others")
    world.clock.now = due + timedelta(minutes=30)
    world.deliver(timedelta(), "Parquet", seed=SEED_THAT_MISSES_IT)
    document = cycle(world, "aws")
    assert document is not None
    check(world, document)
    assert as_of(document, late) == due - timedelta(minutes=30)
    states = {row["key"]: row["state"] for row in world.project.state.read_table(COVERAGE).to_pylist()}
    assert (states[late], states[early]) == ("unknown", "missing")


SEED_THAT_MISSES_IT = 1
"""With this seed the report tells of the late object as it was before it was written: not there."""


def begin(workshop: "Workshop", **scanning: Any) -> World:
    """Begin with a lake in which every other key is there, and a report of it."""
    clock = Clock()
    project = workshop.project(CONTRACT, now=clock, max_vanished_share=1.0, **scanning)
    world = World(project, clock)
    for key in (*DOCUMENTS, *sorted(PLACES)[::2]):
        world.write(key, "others")
    clock.now += timedelta(minutes=1)
    world.deliver(timedelta(), "Parquet")
    return world


def happen(world: World, step: Step) -> None:
    name, arguments = step
    if name == "write":
        world.write(*arguments)
    elif name == "delete":
        world.delete(arguments)
    else:
        world.deliver(*arguments)


def cycle(world: World, mode: Any) -> dict[str, Any] | None:
    """Go through the loop once; None where the last inventory was too old to be taken again."""
    if mode == "cache" and not world.is_fresh:
        with pytest.raises(LakeError, match=r"cache_ttl_hours|there is no inventory"):
            inventory.take(world.project, mode=mode)
        return None
    document = inventory.take(world.project, mode=mode).document
    coverage.analyse(world.project)
    gaps.find(world.project)
    tasks.plan(world.project, ["any"])
    return document


def check(world: World, document: dict[str, Any]) -> None:
    """Hold everything that was said against what was."""
    totals = world.project.state.read_json(COVERAGE)["totals"]
    assert totals["expected"] == len(PLACES) + len(DOCUMENTS) == sum(totals[state] for state in STATES)
    rows = {row["key"]: row for row in world.project.state.read_table(COVERAGE).to_pylist()}
    queued = set(world.project.state.read_table(TASK_KEYS)["key"].to_pylist())
    for key in PLACES:
        check_key(world, document, key, rows.get(key))
    for place in world.written_by_the_loop():
        if as_of(document, place) is not None:
            check_own_write(place, rows, queued)


def check_key(world: World, document: dict[str, Any], key: str, row: dict[str, Any] | None) -> None:
    """Hold what was said of a key, or of its plain presence where it stands in no row, against what was."""
    looks = {place: as_of(document, place) for place in PLACES[key]}
    if row is None or row["found_key"]:
        found = key if row is None else row["found_key"]
        look = looks[found]
        assert True in world.seen(found, look) or world.wrote_since(found, look and look - CLOCKS_DIFFER), (
            key,
            row,
            look,
        )
        return
    over = STARTS[GAMES[key]] + PLAYING
    oldest = None if None in looks.values() else min(look for look in looks.values() if look)
    if over + GRACE > world.clock.now:
        assert row["state"] == "not_due", row
    elif oldest is None or over + GRACE > oldest:
        assert row["state"] == "unknown", row
    elif row["state"] == "missing":
        assert all(False in world.seen(place, look) for place, look in looks.items()), (row, looks)
    else:
        assert row["state"] == "unknown", row
        assert row["reason"].startswith("the schedule is older"), row


def check_own_write(place: str, rows: dict[str, dict[str, Any]], queued: set[str]) -> None:
    """What the loop wrote is known, and is asked for again only if it was written before its game was over."""
    key = next(key for key, places in PLACES.items() if place in places)
    row = rows.get(key)
    if row is None:
        assert key not in queued
        return
    assert row["found_key"] in PLACES[key], row
    if key in queued:
        assert row["state"] == "stale", row
        assert row["last_modified"] < STARTS[GAMES[key]] + PLAYING, row


def as_of(document: dict[str, Any], key: str) -> datetime | None:
    """Read from the summary of the inventory since when a key is known."""
    found = [
        datetime.fromisoformat(entry["as_of"])
        for entry in document["ranges"]
        if entry["after"] < key and (entry["until"] is None or key <= entry["until"])
    ]
    assert len(found) <= 1
    return found[0] if found else None
