"""Which keys a contract and its events expect, and from when they are due."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.contract.events import Event
from adce_assets.contract.expected import OLDER, events_table, relation
from adce_assets.contract.loading import Contract
from adce_assets.contract.seasons import Season
from adce_assets.lake.classify import Classifier
from adce_assets.tables import engine

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2001, 2, 1, 12, tzinfo=UTC)
HEAD = r"""
version: 1
leagues:
  hoops: {first_season: 1998-99, season_starts: 10, odd_starts: {1999-00: 1999-11-02}}
  folded: {first_season: 1967-68, last_season: 1968-69, season_starts: 9}
ids:
  game: {pattern: '[a-z]\d{3}'}
schedules:
  games: {league: hoops, id: game, season_types: [regular]}
dimensions:
  team: {table: teams.csv, column: code, pattern: '[A-Z]{3}'}
  award: {values: [mvp, roy]}
  player: {pattern: '[a-z]+\d\d'}
sources:
  official:
    description: d
    league: hoops
    schedule: games
    data_types:
"""
TEAMS = "code,first_season,last_season\nBOS,,\nSEA,,1999-00\nOKC,2000-01,\n"


@pytest.fixture(scope="module")
def load(workshop: "Workshop") -> Callable[..., Contract]:
    def load(*data_types: str) -> Contract:
        text = HEAD + "".join(f"      {line}\n" for line in data_types)
        return workshop.project(text, tables={"teams.csv": TEAMS}).contract

    return load


def expected(contract: Contract, events: Sequence[Event] = (), now: datetime = NOW) -> list[dict[str, Any]]:
    with engine() as backend:
        table = backend.create_table("events", events_table(list(events)))
        return relation(contract, table, now).to_pyarrow().to_pylist()


def older(row: dict[str, Any]) -> list[str | None]:
    return [row[name] for name in sorted(row) if name.startswith(OLDER)]


def event(game_id: str | None = "a001", season: str = "1999-00", **changes: Any) -> Event:
    values: dict[str, Any] = {
        "schedule": "games",
        "season_type": "regular",
        "day": date(2000, 2, 29),
        "event_at": datetime(2000, 3, 1, 3, tzinfo=UTC),
        "status": "final",
        "confirmed_at": datetime(2000, 3, 2, tzinfo=UTC),
        "basis": "schedule",
    }
    return Event(game_id=game_id, season=season, **(values | changes))


def keys(rows: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(row["key"] for row in rows)


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("templates: ['x/{season}.json']", ["x/1998-99.json", "x/1999-00.json", "x/2000-01.json"]),
        ("templates: ['x/{season_start}.json']", ["x/1998.json", "x/1999.json", "x/2000.json"]),
        ("templates: ['{season_end}/{season}.json']", ["1999/1998-99.json", "2000/1999-00.json", "2001/2000-01.json"]),
        ("templates: ['x/{season}.json'], seasons: 1999-00..", ["x/1999-00.json", "x/2000-01.json"]),
        ("templates: ['x/{season}.json'], seasons: ..1998-99", ["x/1998-99.json"]),
        ("templates: ['x/{season}.json'], seasons: 2030-31..", []),
        ("templates: ['x/{season}.json'], league: folded", ["x/1967-68.json", "x/1968-69.json"]),
        ("templates: ['x.json'], seasons: all, for_each: []", ["x.json"]),
        ("templates: ['x/{award}.json'], seasons: all, for_each: [award]", ["x/mvp.json", "x/roy.json"]),
        (
            "templates: ['{season_end}/{team}.json'], for_each: [season, team], seasons: 1999-00..",
            ["2000/BOS.json", "2000/SEA.json", "2001/BOS.json", "2001/OKC.json"],
        ),
        ("templates: ['x/{player}.json'], seasons: all, for_each: [player]", []),
        (
            "templates: ['{date}.json'], for_each: [date], from_date: 2000-02-28, seasons: 1999-00",
            [
                f"{date(2000, 2, 28) + timedelta(days=n)}.json"
                for n in range((date(2000, 10, 1) - date(2000, 2, 28)).days)
            ],
        ),
    ],
)
def test_a_data_set_expects_a_key_for_everything_it_ranges_over(
    load: Callable[..., Contract], declared: str, found: list[str]
):
    assert keys(expected(load(f"a: {{description: d, {declared}}}"))) == found


def test_days_are_expected_to_the_end_of_the_current_season(load: Callable[..., Contract]):
    contract = load("a: {description: d, templates: ['{date_compact}.json'], for_each: [date], from_date: 2000-09-29}")
    rows = expected(contract)
    assert (keys(rows)[0], keys(rows)[-1]) == ("20000929.json", "20010930.json")
    assert Counter(row["season"] for row in rows) == {"1999-00": 2, "2000-01": 365}


def test_each_data_set_begins_with_its_own_first_day(load: Callable[..., Contract]):
    contract = load(
        "a: {description: d, templates: ['a/{date}.json'], for_each: [date], from_date: 2001-09-29}",
        "b: {description: d, templates: ['b/{date}.json'], for_each: [date], from_date: 2001-09-30}",
    )
    assert keys(expected(contract)) == ["a/2001-09-29.json", "a/2001-09-30.json", "b/2001-09-30.json"]


def test_an_odd_start_moves_the_days_between_its_seasons(load: Callable[..., Contract]):
    contract = load("a: {description: d, templates: ['{date}.json'], for_each: [date], from_date: 1999-10-30}")
    seasons = {row["entity"]: row["season"] for row in expected(contract)}
    assert (seasons["1999-11-01"], seasons["1999-11-02"]) == ("1998-99", "1999-00")


def test_events_of_the_wanted_types_are_expected_in_their_season(load: Callable[..., Contract]):
    contract = load(
        "a: {description: d, templates: ['a/{game_id}.json'], for_each: [game]}",
        "b: {description: d, templates: ['b/{season_end}/{game_id}.json'], for_each: [game], season_types: [playoffs]}",
    )
    events = [event(), event("a002", "1998-99"), event("b001", season_type="playoffs"), event("c001", "2001-02")]
    assert keys(expected(contract, events)) == ["a/a001.json", "a/a002.json", "b/2000/b001.json"]


def test_a_schedule_without_types_wants_them_all(workshop: "Workshop"):
    text = HEAD.replace(", season_types: [regular]", "")
    text += "      a: {description: d, templates: ['a/{game_id}.json'], for_each: [game]}\n"
    contract = workshop.project(text, tables={"teams.csv": TEAMS}).contract
    assert len(expected(contract, [event(), event("b001", season_type="preseason")])) == 2


def test_an_event_without_an_id_is_counted_without_a_key(load: Callable[..., Contract]):
    contract = load("a: {description: d, templates: ['a/{game_id}.json', 'b/{game_id}.json'], for_each: [game]}")
    (row,) = expected(contract, [event(None, day=None, basis="estimate")])
    assert (row["key"], row["entity"], row["basis"]) == (None, None, "estimate")


def test_only_a_template_that_names_the_day_needs_to_know_it(load: Callable[..., Contract]):
    contract = load(
        "a: {description: d, templates: ['a/{game_id}.json', 'old/{date}/{game_id}.json'], for_each: [game]}",
        "b: {description: d, templates: ['b/{date_compact}/{game_id}.json'], for_each: [game]}",
    )
    rows = {row["data_type"]: row for row in expected(contract, [event(day=None, basis="estimate")])}
    assert (rows["a"]["key"], older(rows["a"])) == ("a/a001.json", [None])
    assert (rows["b"]["key"], rows["b"]["entity"]) == (None, "a001")


def test_older_places_of_a_key_stand_beside_it(load: Callable[..., Contract]):
    contract = load(
        "a: {description: d, templates: ['a/{season}', 'b/{season_end}', 'c/{season_start}'], seasons: 1999-00}",
        "d: {description: d, templates: ['d/{season}.json'], seasons: 1999-00}",
    )
    rows = {row["data_type"]: row for row in expected(contract)}
    assert (rows["a"]["key"], older(rows["a"])) == ("a/1999-00", ["b/2000", "c/1999"])
    assert older(rows["d"]) == [None, None]


@pytest.mark.parametrize(
    ("declared", "due_at"),
    [
        ("templates: ['{season}'], seasons: 1998-99, grace_hours: 0", "1998-10-01T00:00Z"),
        ("templates: ['{season}'], seasons: 1998-99", "1998-10-01T12:00Z"),
        ("templates: ['{season}'], seasons: 1999-00, grace_hours: 48", "1999-11-04T00:00Z"),
        ("templates: ['{season}'], seasons: 1998-99, due: season_end, grace_hours: 1", "1999-11-02T01:00Z"),
        ("templates: ['x'], for_each: [], seasons: all, grace_hours: 0.5", "1998-10-01T00:30Z"),
        ("templates: ['{date}'], for_each: [date], from_date: 2001-09-30, grace_hours: 2", "2001-10-01T14:00Z"),
        ("templates: ['{game_id}'], for_each: [game], grace_hours: 1.25", "2000-03-01T04:15Z"),
    ],
)
def test_a_key_is_due_when_its_grace_is_over(load: Callable[..., Contract], declared: str, due_at: str):
    (row,) = expected(load(f"a: {{description: d, {declared}}}"), [event()])
    assert row["due_at"] == datetime.fromisoformat(due_at)


def test_what_nobody_can_date_has_no_due_moment(load: Callable[..., Contract]):
    contract = load("a: {description: d, templates: ['{game_id}'], for_each: [game]}")
    (row,) = expected(contract, [event(event_at=None, basis="estimate")])
    assert row["due_at"] is None


def test_seasons_that_the_source_never_had_say_why(load: Callable[..., Contract]):
    contract = load("a: {description: d, templates: ['{season}'], absent: [{seasons: ..1999-00, reason: no cameras}]}")
    found = {row["season"]: row["absent_reason"] for row in expected(contract)}
    assert found == {"1998-99": "no cameras", "1999-00": "no cameras", "2000-01": None}


EVERYTHING = (
    "a: {description: d, templates: ['a/{game_id}.json', 'b/{season_end}/{date}/{game_id}.json'], for_each: [game]}",
    "b: {description: d, templates: ['c/{date_compact}/{season_start}/{game_id}.json'], for_each: [game]}",
    "c: {description: d, templates: ['d/{date_compact}', 'd/{date}'], for_each: [date], from_date: 2001-09-20}",
    "d: {description: d, templates: ['e/{team}/{season}', 'f/{season_start}/{team}'], for_each: [season, team]}",
    "e: {description: d, templates: ['g/{season_end}/{award}/{team}.json'], for_each: [season, award, team]}",
    "f: {description: d, templates: ['h/{award}.json', 'i/{award}.json'], for_each: [award], seasons: all}",
    "g: {description: d, templates: ['j/{season}/{team}/{game_id}.json'], for_each: [game, team]}",
)


def some_events(seed: int) -> list[Event]:
    chance = random.Random(seed)
    days = [date(1998, 10, 1) + timedelta(days=chance.randrange(1000)) for _ in range(8)]
    seasons = ["1998-99", "1999-00", "2000-01"]
    return [
        event(f"{chance.choice('abz')}{number:03d}", chance.choice(seasons), day=chance.choice([day, day, None]))
        for number, day in enumerate(days)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_every_expected_key_reads_back_as_its_own_cell_and_entity(load: Callable[..., Contract], seed: int):
    events = some_events(seed)
    contract = load(*EVERYTHING)
    games = {"games": {one.game_id: one.season for one in events if one.game_id}}
    classifier = Classifier(contract, games)

    rows = expected(contract, events)

    assert Counter(row["data_type"] for row in rows)["g"] == 2 * len(events)
    for row in rows:
        for number, key in enumerate([row["key"], *older(row)]):
            if key is not None:
                found = classifier.classify(key)
                assert (found.data_type, found.season, found.entity, found.template) == (
                    row["data_type"],
                    row["season"],
                    row["entity"],
                    number,
                )


@pytest.mark.parametrize("seed", range(4))
def test_the_writer_renders_the_very_key_that_is_expected(load: Callable[..., Contract], seed: int):
    events = some_events(seed)
    contract = load(*EVERYTHING[:2])
    days = {one.game_id: one.day for one in events}
    for row in expected(contract, events):
        (first, *_), day = contract.data_sets[f"official/{row['data_type']}"].templates, days[row["entity"]]
        start = Season.parse(row["season"]).start
        values = {"game_id": row["entity"], "season_start": str(start), "season_end": str(start + 1)}
        if row["key"] is not None:
            assert row["key"] == first.render(values | {"date_compact": day.strftime("%Y%m%d") if day else ""})
