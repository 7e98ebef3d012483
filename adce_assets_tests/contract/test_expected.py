"""In which places a contract and its events expect objects, and when what they describe is over."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from adce_assets.contract.events import Event, events_table
from adce_assets.contract.expected import cells, places
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
    """List the places, each with what is said of its cell."""
    rows = cells(contract, now)
    numbers = pa.array(range(len(events)), pa.int32())
    with engine() as backend:
        table = backend.create_table("events", events_table(list(events)).append_column("event", numbers))
        found = places(contract, dict(enumerate(rows)), table, now).to_pyarrow().to_pylist()
    return [rows[row["cell"]] | row for row in found]


def own(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Choose the places where ADCE writes."""
    return [row for row in rows if row["rank"] == 0]


def older(rows: Sequence[dict[str, Any]], data_type: str) -> list[tuple[int, str | None, str | None]]:
    """List number, place and key of the older places of a data type."""
    chosen = [row for row in rows if row["data_type"] == data_type and row["rank"]]
    return [(row["rank"], row["place"], row["key"]) for row in sorted(chosen, key=lambda row: row["rank"])]


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
    return sorted(row["place"] for row in own(rows))


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


def test_an_event_without_an_id_has_no_place(load: Callable[..., Contract]):
    contract = load("a: {description: d, templates: ['a/{game_id}.json', 'b/{game_id}.json'], for_each: [game]}")
    assert expected(contract, [event(None, day=None, basis="estimate", count=7)]) == []


def test_a_place_says_which_event_it_is_of(load: Callable[..., Contract]):
    contract = load(
        "a: {description: d, templates: ['a/{game_id}.json', 'b/{game_id}.json'], for_each: [game]}",
        "b: {description: d, templates: ['c/{season}.json'], seasons: 1999-00}",
        "c: {description: d, templates: ['{date}'], for_each: [date], from_date: 2001-09-30}",
    )
    rows = expected(contract, [event("a000"), event(None), event("a002")])
    numbers = {(row["data_type"], row["entity"], row["rank"]): row["event"] for row in rows}
    assert numbers == {
        ("a", "a000", 0): 0,
        ("a", "a000", 1): 0,
        ("a", "a002", 0): 2,
        ("a", "a002", 1): 2,
        ("b", "", 0): None,
        ("c", "2001-09-30", 0): None,
    }


def test_only_a_template_that_names_the_day_needs_to_know_it(load: Callable[..., Contract]):
    contract = load(
        "a: {description: d, templates: ['a/{game_id}.json', 'old/{date}/{game_id}.json'], for_each: [game]}",
        "b: {description: d, templates: ['b/{date_compact}/{game_id}.json'], for_each: [game]}",
    )
    rows = expected(contract, [event(day=None, basis="estimate")])
    named = {row["data_type"]: (row["place"], row["entity"]) for row in own(rows)}
    assert named == {"a": ("a/a001.json", "a001"), "b": (None, "a001")}
    assert [place for _, place, _ in older(rows, "a") if place] == []


def test_no_object_satisfies_a_key_that_nobody_can_name(load: Callable[..., Contract]):
    contract = load(
        "a: {description: d, templates: ['a/{date}/{game_id}.json', 'old/{game_id}.json'], for_each: [game]}"
    )
    rows = expected(contract, [event(day=None, basis="estimate"), event("a002")])
    assert sorted(str(row["place"]) for row in own(rows)) == ["None", "a/2000-02-29/a002.json"]
    assert older(rows, "a") == [(1, "old/a002.json", "a/2000-02-29/a002.json")]


def test_older_places_name_the_key_that_they_satisfy(load: Callable[..., Contract]):
    contract = load(
        "a: {description: d, templates: ['a/{season}', 'b/{season_end}', 'c/{season_start}'], seasons: 1999-00}",
        "d: {description: d, templates: ['d/{season}.json'], seasons: 1999-00}",
    )
    rows = expected(contract)
    assert {row["place"]: row["key"] for row in own(rows)} == {"a/1999-00": None, "d/1999-00.json": None}
    assert older(rows, "a") == [(1, "b/2000", "a/1999-00"), (2, "c/1999", "a/1999-00")]
    assert older(rows, "d") == []


def test_only_the_cells_that_are_asked_for_have_places(load: Callable[..., Contract]):
    contract = load("a: {description: d, templates: ['a/{season}']}", "b: {description: d, templates: ['b/{season}']}")
    rows = cells(contract, NOW)
    numbers = [at for at, row in enumerate(rows) if row["season"] == "1999-00"]
    with engine() as backend:
        table = backend.create_table("events", events_table([]))
        asked = places(contract, {at: rows[at] for at in numbers}, table, NOW).to_pyarrow().to_pylist()
        nothing = places(contract, {}, table, NOW).to_pyarrow()
    assert {row["cell"]: row["place"] for row in asked} == dict(zip(numbers, ["a/1999-00", "b/1999-00"], strict=True))
    assert (nothing.num_rows, set(nothing.column_names)) == (0, set(asked[0]))


@pytest.mark.parametrize(
    ("declared", "over", "grace"),
    [
        ("templates: ['{season}'], seasons: 1998-99, grace_hours: 0", "1998-10-01T00:00Z", 0),
        ("templates: ['{season}'], seasons: 1998-99", "1998-10-01T00:00Z", 12),
        ("templates: ['{season}'], seasons: 1999-00, grace_hours: 48", "1999-11-02T00:00Z", 48),
        ("templates: ['{season}'], seasons: 1998-99, due: season_end, grace_hours: 1", "1999-11-02T00:00Z", 1),
        ("templates: ['x'], for_each: [], seasons: all, grace_hours: 0.5", "1998-10-01T00:00Z", 0.5),
        ("templates: ['{date}'], for_each: [date], from_date: 2001-09-30, grace_hours: 2", "2001-10-01T12:00Z", 2),
        ("templates: ['{game_id}'], for_each: [game], grace_hours: 1.25", "2000-03-01T03:00Z", 1.25),
    ],
)
def test_what_a_key_describes_is_over_at_its_moment_and_its_cell_says_the_grace(
    load: Callable[..., Contract], declared: str, over: str, grace: float
):
    (row,) = expected(load(f"a: {{description: d, {declared}}}"), [event()])
    assert row["event_at"] == datetime.fromisoformat(over)
    assert row["grace_seconds"] == grace * 3_600


def test_what_nobody_can_date_is_over_at_no_moment(load: Callable[..., Contract]):
    contract = load("a: {description: d, templates: ['{game_id}'], for_each: [game]}")
    (row,) = expected(contract, [event(event_at=None, basis="estimate")])
    assert row["event_at"] is None


OVER = datetime(2000, 3, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("declared", "changed", "suspect_before"),
    [
        ("changes: until_final", {}, OVER),
        ("changes: until_final", {"season": "2000-01"}, OVER),
        ("changes: until_final", {"basis": "estimate"}, None),
        ("changes: until_final", {"event_at": None}, None),
        ("changes: within_season, freshness_days: 3", {"season": "2000-01"}, NOW - timedelta(days=3)),
        ("changes: within_season, freshness_days: 3", {}, None),
        ("changes: always, freshness_days: 0.25", {}, NOW - timedelta(hours=6)),
    ],
)
def test_an_object_is_suspect_only_before_the_moment_after_which_none_can_be_stale(
    load: Callable[..., Contract], declared: str, changed: dict[str, Any], suspect_before: datetime | None
):
    templates = "['a/{game_id}', 'b/{game_id}']"
    contract = load(f"a: {{description: d, templates: {templates}, for_each: [game], min_bytes: 7, {declared}}}")
    rows = expected(contract, [event(**changed)])
    assert [(row["suspect_before"], row["min_bytes"]) for row in rows] == [(suspect_before, 7)] * 2


def test_seasons_that_the_source_never_had_say_why(load: Callable[..., Contract]):
    contract = load("a: {description: d, templates: ['{season}'], absent: [{seasons: ..1999-00, reason: no cameras}]}")
    found = {row["season"]: row["absent_reason"] for row in own(expected(contract))}
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
        if row["place"] is not None:
            found = classifier.classify(row["place"])
            assert (found.data_type, found.season, found.entity, found.template) == (
                row["data_type"],
                row["season"],
                row["entity"],
                row["rank"],
            )


@pytest.mark.parametrize("seed", range(4))
def test_every_older_place_leads_to_the_key_of_its_own_cell_and_entity(load: Callable[..., Contract], seed: int):
    rows = expected(load(*EVERYTHING), some_events(seed))
    keys_of = {(row["cell"], row["entity"]): row["place"] for row in own(rows)}
    assert len(keys_of) == len(own(rows))
    assert [row["place"] for row in rows if row["rank"] and row["key"] != keys_of[row["cell"], row["entity"]]] == []


@pytest.mark.parametrize("seed", range(4))
def test_the_writer_renders_the_very_key_that_is_expected(load: Callable[..., Contract], seed: int):
    events = some_events(seed)
    contract = load(*EVERYTHING[:2])
    days = {one.game_id: one.day for one in events}
    for row in expected(contract, events):
        day, templates = days[row["entity"]], contract.data_sets[f"official/{row['data_type']}"].templates
        start = Season.parse(row["season"]).start
        values = {"game_id": row["entity"], "season_start": str(start), "season_end": str(start + 1)}
        if day is not None:
            values |= {"date": day.isoformat(), "date_compact": day.strftime("%Y%m%d")}
        if row["place"] is not None:
            assert row["place"] == templates[row["rank"]].render(values)
