"""Which events a schedule expects: those its documents show, and those that only the number of a season tells of."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.contract.events import Event, SeenId, estimates, events_table, scheduled
from adce_assets.contract.loading import Contract
from adce_assets.contract.schedule import Document, Game, GameStatus, ScheduledGame, merge
from adce_assets.contract.seasons import Season

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
CONTRACT = r"""
version: 1
leagues:
  hoops: {first_season: 2000-01, season_starts: 10, event_hours: 2.5}
  minor: {first_season: 2000-01, season_starts: 10}
season_truth: truth.csv
ids:
  spelled:
    pattern: '00\d{8}'
    seasons: [{match: '\d{3}(?P<start_year>\d{2})\d{5}', pivot: 46}]
    season_type_digit: 2
    season_types: {'2': regular, '4': playoffs}
  opaque: {pattern: '\d{6}'}
schedules:
  numbered: {league: hoops, id: spelled, numbering: {prefix: '002', digits: 5}}
  unnumbered: {league: hoops, id: opaque}
sources:
  official:
    description: d
    league: hoops
    schedule: numbered
    data_types: {pbp: {description: d, for_each: [game], templates: ['pbp/{game_id}.json']}}
"""
TRUTH = """league,season,season_type,events
hoops,2001-02,regular,4
hoops,2001-02,playoffs,2
hoops,2002-03,regular,3
minor,2002-03,regular,5
hoops,2023-24,regular,6
hoops,2024-25,regular,6
"""


@pytest.fixture(scope="module")
def contract(workshop: "Workshop") -> Contract:
    return workshop.project(CONTRACT, tables={"truth.csv": TRUTH}).contract


def game(game_id: str = "0020200001", **changes: Any) -> ScheduledGame:
    values: dict[str, Any] = {
        "game_id": game_id,
        "season_start": 2002,
        "season_type": "regular",
        "date": date(2003, 1, 5),
        "starts_at": datetime(2003, 1, 6, 0, 30, tzinfo=UTC),
        "status": GameStatus.FINAL,
        "home": "BOS",
        "away": "LAL",
        "document": "schedule/2002.json",
        "confirmed_at": datetime(2004, 1, 1, tzinfo=UTC),
    }
    return ScheduledGame(**(values | changes))


def events_of(
    contract: Contract, schedule: str, games: Sequence[ScheduledGame], seen: Sequence[SeenId], now: datetime
) -> list[Event]:
    """List all events, those of which only the number is known as often as there are of them."""
    shown = scheduled(contract, schedule, games)
    known = Counter((event.season, event.season_type) for event in shown)
    known_ids = {name for one in games for name in (one.game_id, *one.also_known_as)}
    others = estimates(contract, schedule, known, known_ids, seen, now)
    assert all(event.count == 1 or event.game_id is None for event in [*shown, *others])
    apart = [replace(event, count=1) for event in [*shown, *others] for _ in range(event.count)]
    return sorted(apart, key=lambda event: (event.season, event.day or date.max, event.game_id or "~"))


def ids(events: Sequence[Event], season: str, season_type: str = "regular") -> list[str | None]:
    return [event.game_id for event in events if (event.season, event.season_type) == (season, season_type)]


def estimated(
    contract: Contract, games: Sequence[ScheduledGame] = (), seen: Sequence[SeenId] = (), schedule: str = "numbered"
) -> list[Event]:
    return [event for event in events_of(contract, schedule, games, seen, NOW) if event.basis == "estimate"]


@pytest.mark.parametrize("status", GameStatus)
def test_only_a_game_that_was_or_will_be_played_is_an_event(contract: Contract, status: GameStatus):
    found = events_of(contract, "numbered", [game(status=status)], [], NOW)
    is_played = status in {GameStatus.SCHEDULED, GameStatus.IN_PLAY, GameStatus.FINAL}
    assert [event.game_id for event in found if event.basis == "schedule"] == ["0020200001"] * is_played


def test_a_postponed_game_played_later_is_one_event_on_the_day_it_was_played(contract: Contract):
    first = Document("a", NOW - timedelta(days=9), [plain(status=GameStatus.POSTPONED, day=date(2024, 1, 4))])
    replay = Document("b", NOW - timedelta(days=1), [plain(status=GameStatus.FINAL, day=date(2024, 1, 12))])
    (event,) = events_of(contract, "unnumbered", merge([first, replay]), [], NOW)[-1:]
    assert (event.game_id, event.day, event.status) == ("500001", date(2024, 1, 12), "final")


def test_a_game_replayed_under_another_id_is_one_event(contract: Contract):
    first = Document("a", NOW - timedelta(days=9), [plain("500001", status=GameStatus.POSTPONED)])
    replay = Document("b", NOW - timedelta(days=1), [plain("500002", status=GameStatus.FINAL)])
    games = merge([first, replay], unique_by=("date", "home", "away"))
    assert ids(events_of(contract, "unnumbered", games, [], NOW), "2023-24") == ["500002"]


def plain(game_id: str = "500001", *, status: GameStatus, day: date = date(2024, 1, 4)) -> Game:
    return Game(game_id, None, "regular", day, None, status, "BOS", "LAL")


EVENING = datetime(2024, 1, 5, 0, 30, tzinfo=UTC)
AFTER = EVENING + timedelta(hours=2.5)
NOON = datetime(2024, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("starts_at", "status", "confirmed_at", "over"),
    [
        (EVENING, "scheduled", EVENING - timedelta(days=3), AFTER),
        (EVENING, "in_play", EVENING + timedelta(hours=1), AFTER),
        (EVENING, "final", EVENING + timedelta(hours=2), EVENING + timedelta(hours=2)),
        (EVENING, "final", EVENING + timedelta(days=2), AFTER),
        (EVENING, "final", EVENING - timedelta(hours=1), EVENING - timedelta(hours=1)),
        (None, "scheduled", EVENING - timedelta(days=3), NOON),
        (None, "final", EVENING + timedelta(days=2), NOON),
        (None, "final", EVENING + timedelta(hours=4), EVENING + timedelta(hours=4)),
    ],
)
def test_an_event_is_over_when_it_was_seen_final_or_by_its_hours(
    contract: Contract, starts_at: datetime | None, status: str, confirmed_at: datetime, over: datetime
):
    one = game(
        "500001", date=date(2024, 1, 4), starts_at=starts_at, status=GameStatus(status), confirmed_at=confirmed_at
    )
    (event,) = [found for found in events_of(contract, "unnumbered", [one], [], NOW) if found.game_id]
    assert event.event_at == over


def test_an_event_seen_final_is_never_younger_than_its_document(contract: Contract):
    confirmed_at = datetime(2003, 1, 6, 3, tzinfo=UTC)
    for starts_at in (None, confirmed_at, confirmed_at + timedelta(hours=9)):
        one = game(starts_at=starts_at, confirmed_at=confirmed_at)
        (event,) = [found for found in events_of(contract, "numbered", [one], [], NOW) if found.basis == "schedule"]
        assert event.event_at is not None
        assert event.event_at <= confirmed_at


@pytest.mark.parametrize(
    ("game_id", "season_start", "day", "season"),
    [
        ("0020200001", 2002, date(2003, 1, 5), "2002-03"),
        ("0020200001", 2005, date(2003, 1, 5), "2005-06"),
        ("0020200001", None, date(2009, 1, 5), "2002-03"),
        ("0029900001", None, date(2009, 1, 5), "1999-00"),
        ("500001", None, date(2009, 9, 30), "2008-09"),
        ("500001", None, date(2009, 10, 1), "2009-10"),
    ],
)
def test_the_season_is_the_documents_else_the_ids_else_the_dates(
    contract: Contract, game_id: str, season_start: int | None, day: date, season: str
):
    one = game(game_id, season_start=season_start, date=day)
    found = events_of(contract, "numbered", [one], [], NOW)
    assert [event.season for event in found if event.game_id == game_id and event.basis == "schedule"] == [season]


def test_without_a_schedule_a_past_season_has_as_many_events_as_it_really_had(contract: Contract):
    counts = Counter((event.season, event.season_type) for event in estimated(contract))
    assert counts == {
        ("2001-02", "regular"): 4,
        ("2001-02", "playoffs"): 2,
        ("2002-03", "regular"): 3,
        ("2023-24", "regular"): 6,
    }


def test_the_ids_of_a_past_season_follow_from_the_numbering_of_its_type(contract: Contract):
    found = estimated(contract)
    assert ids(found, "2001-02") == ["0020100001", "0020100002", "0020100003", "0020100004"]
    assert ids(found, "2001-02", "playoffs") == [None, None]


def test_ids_that_the_lake_holds_come_before_numbered_ones_and_those_before_mere_numbers(contract: Contract):
    seen = [SeenId("300009", "2001-02", None, 1), SeenId("300001", "2001-02", None, 1)]
    assert ids(estimated(contract, seen=seen, schedule="unnumbered"), "2001-02") == ["300001", "300009", None, None]
    odd = [SeenId("0020100077", "2001-02", "regular", 1)]
    assert set(ids(estimated(contract, seen=odd), "2001-02")) == {
        "0020100077",
        "0020100001",
        "0020100002",
        "0020100003",
    }


def test_of_too_many_seen_ids_the_numbered_and_the_best_attested_count(contract: Contract):
    held = {"0020200050": 3, "0020200060": 2, "0020200040": 2, "0020200003": 1}
    seen = [SeenId(name, "2002-03", "regular", data_sets) for name, data_sets in held.items()]
    assert set(ids(estimated(contract, seen=seen), "2002-03")) == {"0020200003", "0020200050", "0020200040"}


def test_a_schedule_that_counts_as_many_leaves_nothing_to_estimate(contract: Contract):
    games = [game(f"00202{number:05d}") for number in (1, 2, 9)]
    found = events_of(contract, "numbered", games, [SeenId("0020200003", "2002-03", "regular", 3)], NOW)
    assert ids(found, "2002-03") == ["0020200001", "0020200002", "0020200009"]


def test_a_schedule_that_counts_more_than_season_truth_is_believed(contract: Contract):
    games = [game(f"00202{number:05d}") for number in range(1, 6)]
    assert len(ids(events_of(contract, "numbered", games, [], NOW), "2002-03")) == 5


def test_what_a_partial_schedule_lacks_is_estimated_beside_it(contract: Contract):
    found = events_of(contract, "numbered", [game("0020200002")], [], NOW)
    by_id = {event.game_id: event.basis for event in found if event.season == "2002-03"}
    assert by_id == {"0020200001": "estimate", "0020200002": "schedule", "0020200003": "estimate"}


@pytest.mark.parametrize("status", [GameStatus.CANCELLED, GameStatus.POSTPONED, GameStatus.IF_NECESSARY])
def test_an_id_that_is_known_not_to_have_been_played_is_never_suggested(contract: Contract, status: GameStatus):
    seen = [SeenId("0020200002", "2002-03", "regular", 3), SeenId("0020200003", "2002-03", "regular", 3)]
    games = [game("0020200002", status=status), game("0020200001", also_known_as=("0020200003",))]
    assert ids(events_of(contract, "numbered", games, seen, NOW), "2002-03") == ["0020200001", None, None]


def test_a_season_that_is_open_has_no_due_moment_before_its_schedule_is_known(contract: Contract):
    now_open = [event for event in estimated(contract) if event.season == "2023-24"]
    assert len(now_open) == 6
    assert {event.event_at for event in now_open} == {None}


def test_nothing_is_invented_beside_what_an_open_seasons_schedule_shows(contract: Contract):
    known = game("0022300001", season_start=2023, date=date(2024, 1, 4), starts_at=None)
    seen = [SeenId("0022300002", "2023-24", "regular", 3)]
    assert ids(events_of(contract, "numbered", [known], seen, NOW), "2023-24") == ["0022300001"]


def test_an_estimated_event_is_over_with_its_season(contract: Contract):
    past = {event.event_at for event in estimated(contract) if event.season == "2001-02"}
    assert past == {datetime(2002, 10, 1, tzinfo=UTC)}


def test_an_id_seen_in_two_seasons_is_expected_in_one(contract: Contract):
    misfiled = [SeenId("0020200002", "2002-03", "regular", 1), SeenId("0020200002", "2001-02", "regular", 3)]
    found = estimated(contract, seen=misfiled)
    assert [event.season for event in found if event.game_id == "0020200002"] == ["2002-03"]
    opaque = [SeenId("300001", "2002-03", None, 1), SeenId("300001", "2001-02", None, 3)]
    found = estimated(contract, seen=opaque, schedule="unnumbered")
    assert [event.season for event in found if event.game_id == "300001"] == ["2001-02"]


SEEN = st.builds(
    SeenId,
    game_id=st.integers(1, 9).map(lambda number: f"002{number % 2 + 1:02d}{number:05d}") | st.sampled_from("abc"),
    season=st.sampled_from(["2001-02", "2002-03", "2023-24", "1999-00"]),
    season_type=st.sampled_from(["regular", "playoffs", "preseason", None]),
    data_sets=st.integers(1, 3),
)
GAMES = st.lists(
    st.builds(
        game,
        st.integers(1, 9).map(lambda number: f"002{number % 2 + 1:02d}{number:05d}"),
        season_start=st.sampled_from([2001, 2002, 2023]),
        season_type=st.sampled_from(["regular", "playoffs", "preseason"]),
        status=st.sampled_from(GameStatus),
    ),
    unique_by=lambda one: one.game_id,
    max_size=9,
)


@settings(max_examples=150)
@given(
    games=GAMES,
    seen=st.lists(SEEN, max_size=12),
    seed=st.integers(0, 99),
    schedule=st.sampled_from(["numbered", "unnumbered"]),
)
def test_counts_are_the_larger_of_schedule_and_truth_and_no_id_stands_twice(
    contract: Contract, games: list[ScheduledGame], seen: list[SeenId], seed: int, schedule: str
):
    found = events_of(contract, schedule, games, seen, NOW)

    shown = {one.game_id for one in games if one.status in {"scheduled", "in_play", "final"}}
    named = [event.game_id for event in found if event.game_id is not None]
    assert len(named) == len(set(named))
    assert shown <= set(named)
    assert not {one.game_id for one in games} - shown & set(named) - shown
    counted = Counter((event.season, event.season_type) for event in found)
    played = Counter((Season(one.season_start or 0).label, one.season_type) for one in games if one.game_id in shown)
    assert counted == {key: max(played[key], truth) for key, truth in truths(played).items() if max(played[key], truth)}
    mixed = random.Random(seed).sample(seen, len(seen))
    assert events_of(contract, schedule, games, mixed, NOW) == found


def truths(played: Counter[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the least number of events of every season and type, by season truth alone."""
    known = {("2001-02", "regular"): 4, ("2001-02", "playoffs"): 2, ("2002-03", "regular"): 3}
    if not any(season == "2023-24" for season, _ in played):
        known["2023-24", "regular"] = 6
    return dict.fromkeys(played, 0) | known


def test_events_of_which_only_the_number_is_known_are_one(contract: Contract):
    (first, *_) = estimates(contract, "unnumbered", {}, (), [], NOW)
    assert (first.season, first.season_type, first.game_id, first.count) == ("2001-02", "regular", None, 4)


def test_what_the_hour_is_changes_no_scheduled_event(contract: Contract):
    games = [game(f"00202{number:05d}", status=status) for number, status in enumerate(GameStatus)]
    events = scheduled(contract, "numbered", games)
    assert [event.status for event in events] == ["scheduled", "in_play", "final"]
    assert {event.basis for event in events} == {"schedule"}


def test_the_table_of_events_has_a_row_for_each(contract: Contract):
    events = [*scheduled(contract, "numbered", [game()]), *estimates(contract, "unnumbered", {}, (), [], NOW)]
    rows = events_table(events).to_pylist()
    assert rows == [{name: getattr(event, name) for name in rows[0]} for event in events]
    assert list(rows[0])[-1] == "count"
