"""Merging what documents say of games, and reading a document by the name of its format."""

import itertools
import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.contract import schedule
from adce_assets.contract.schedule import Document, Game, GameStatus, ScheduledGame
from adce_assets.errors import ContractError, VerifyError

DAY = date(2025, 1, 10)
MORNING = datetime(2025, 1, 11, 6, tzinfo=UTC)
FIELDS = ("game_id", "season_start", "season_type", "date", "starts_at", "status", "home", "away")
BY_TEAMS = ("date", "home", "away")


def game(
    game_id: str = "401",
    status: GameStatus = GameStatus.SCHEDULED,
    on: date = DAY,
    home: str = "BOS",
    away: str = "LAL",
) -> Game:
    return Game(game_id, 2024, "regular", on, None, status, home, away)


def document(*games: Game, hours: int = 0, key: str = "") -> Document:
    return Document(key or f"espn_schedules/{hours}.json", MORNING + timedelta(hours=hours), list(games))


def statuses(games: Iterable[Game]) -> dict[str, GameStatus]:
    return {found.game_id: found.status for found in games}


def test_a_game_that_one_document_saw_final_stays_final():
    later = [document(game(status=status), hours=9) for status in GameStatus if status is not GameStatus.FINAL]
    (merged,) = schedule.merge([document(game(status=GameStatus.FINAL)), *later])
    assert merged.status is GameStatus.FINAL
    assert (merged.document, merged.confirmed_at) == ("espn_schedules/0.json", MORNING)


@pytest.mark.parametrize("older", [status for status in GameStatus if status is not GameStatus.FINAL])
@pytest.mark.parametrize("newer", GameStatus)
def test_the_newer_document_decides_about_a_game_not_yet_final(older: GameStatus, newer: GameStatus):
    (merged,) = schedule.merge([document(game(status=newer), hours=1), document(game(status=older))])
    assert (merged.status, merged.confirmed_at) == (newer, MORNING + timedelta(hours=1))


def test_of_two_documents_that_saw_it_final_the_newer_confirms_it():
    final = game(status=GameStatus.FINAL)
    (merged,) = schedule.merge([document(final), document(final, hours=5)])
    assert merged.confirmed_at == MORNING + timedelta(hours=5)


def test_a_postponed_game_played_under_its_id_counts_once_on_the_day_it_was_played():
    first_try = document(game(status=GameStatus.POSTPONED), hours=50)
    replay = document(game(status=GameStatus.FINAL, on=DAY + timedelta(days=40)), hours=10)
    merged = schedule.merge([first_try, replay])
    assert [(found.date, found.status) for found in merged] == [(DAY + timedelta(days=40), GameStatus.FINAL)]


def test_a_postponed_game_and_its_replay_in_one_document_are_one_game_to_come():
    both = document(game(status=GameStatus.POSTPONED, on=DAY + timedelta(days=3)), game())
    assert [(found.status, found.date) for found in schedule.merge([both])] == [(GameStatus.SCHEDULED, DAY)]


def test_documents_of_one_moment_let_the_game_to_come_hold():
    copied = [document(game(status=GameStatus.POSTPONED), key="z.json"), document(game(), key="a.json")]
    assert statuses(schedule.merge(copied)) == {"401": GameStatus.SCHEDULED}


@pytest.mark.parametrize("called_off", [GameStatus.POSTPONED, GameStatus.CANCELLED])
def test_a_game_called_off_under_another_id_is_no_event(called_off: GameStatus):
    merged = schedule.merge([document(game("401", called_off)), document(game("402", on=DAY + timedelta(days=9)))])
    assert [found.game_id for found in merged if schedule.played(found)] == ["402"]


def test_only_games_that_are_were_or_will_be_played_are_events():
    events = {status for status in GameStatus if schedule.played(game(status=status))}
    assert events == {GameStatus.SCHEDULED, GameStatus.IN_PLAY, GameStatus.FINAL}


def test_games_are_ordered_by_date_and_id():
    games = [game("403", on=DAY + timedelta(days=1)), game("402"), game("401")]
    assert [found.game_id for found in schedule.merge([document(*games)])] == ["401", "402", "403"]


def test_no_documents_make_an_empty_schedule():
    assert schedule.merge(iter([])) == []


class TestOneEventUnderTwoIds:
    OLD, NEW = "311225018", "400237975"

    def test_both_stand_for_themselves_unless_the_contract_says_otherwise(self):
        merged = schedule.merge([document(game(self.OLD), game(self.NEW))])
        assert [found.also_known_as for found in merged] == [(), ()]

    @pytest.mark.parametrize(
        ("documents", "kept"),
        [
            pytest.param(
                [document(game(OLD, GameStatus.FINAL)), document(game(NEW), hours=5)], OLD, id="the one seen final"
            ),
            pytest.param([document(game(OLD)), document(game(NEW), hours=5)], NEW, id="the one seen last"),
            pytest.param(
                [
                    document(game(OLD, GameStatus.FINAL)),
                    document(game(NEW, GameStatus.FINAL), hours=5),
                    document(game(OLD), hours=9),
                ],
                OLD,
                id="the one in the newest document, whatever it says",
            ),
            pytest.param([document(game(OLD), game(NEW))], OLD, id="the smallest"),
        ],
    )
    def test_one_is_kept_and_the_other_remembered(self, documents: list[Document], kept: str):
        for order in itertools.permutations(documents):
            (merged,) = schedule.merge(order, unique_by=BY_TEAMS)
            assert (merged.game_id, *merged.also_known_as) == (kept, *({self.OLD, self.NEW} - {kept}))

    def test_another_day_is_another_event(self):
        merged = schedule.merge([document(game("1"), game("2", on=DAY + timedelta(days=1)))], unique_by=BY_TEAMS)
        assert [found.game_id for found in merged] == ["1", "2"]

    def test_games_whose_teams_are_open_are_not_taken_for_each_other(self):
        merged = schedule.merge(
            [document(game("1", home="", away=""), game("2", home="", away=""))], unique_by=BY_TEAMS
        )
        assert [found.game_id for found in merged] == ["1", "2"]

    def test_a_double_header_is_two_events_where_the_teams_alone_do_not_tell(self):
        first, second = game("1"), Game("2", 2024, "regular", DAY, MORNING, GameStatus.SCHEDULED, "BOS", "LAL")
        assert len(schedule.merge([document(first, second)], unique_by=(*BY_TEAMS, "starts_at"))) == 2

    def test_an_unknown_field_is_named_with_the_valid_ones(self):
        with pytest.raises(ContractError, match=r"venue(.|\n)*game_id, season_start") as caught:
            schedule.merge([], unique_by=("date", "venue"))
        assert "date" in caught.value.valid


GAMES = st.builds(
    Game,
    game_id=st.sampled_from(["1", "2", "3", "4"]),
    season_start=st.sampled_from([None, 2023, 2024]),
    season_type=st.sampled_from(["regular", "playoffs"]),
    date=st.dates(DAY, DAY + timedelta(days=2)),
    starts_at=st.sampled_from([None, MORNING]),
    status=st.sampled_from(GameStatus),
    home=st.sampled_from(["BOS", ""]),
    away=st.sampled_from(["LAL", "NYK"]),
)
DOCUMENTS = st.lists(
    st.builds(
        Document,
        key=st.text("ab", max_size=2),
        last_modified=st.sampled_from([MORNING + timedelta(hours=hours) for hours in range(3)]),
        games=st.lists(GAMES, max_size=5),
    ),
    max_size=6,
)


def shown(documents: Iterable[Document], game_id: str) -> list[tuple[Game, Document]]:
    return [(found, seen) for seen in documents for found in seen.games if found.game_id == game_id]


@given(DOCUMENTS, st.sampled_from([(), BY_TEAMS]), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_neither_the_order_nor_the_repetition_of_documents_matters(
    documents: list[Document], unique_by: tuple[str, ...], rng: random.Random
):
    again = [*documents, *documents[:2]]
    rng.shuffle(again)
    assert schedule.merge(again, unique_by=unique_by) == schedule.merge(documents, unique_by=unique_by)


@given(DOCUMENTS)
@settings(max_examples=100)
def test_each_game_is_as_the_newest_document_shows_it_or_the_newest_that_saw_it_final(documents: list[Document]):
    merged = {found.game_id: found for found in schedule.merge(documents)}
    assert merged.keys() == {found.game_id for seen in documents for found in seen.games}
    for game_id, found in merged.items():
        sightings = shown(documents, game_id)
        final = [(one, seen) for one, seen in sightings if one.status is GameStatus.FINAL]
        eligible = final or sightings
        newest = max(seen.last_modified for _, seen in eligible)
        decided_by = [
            ScheduledGame(*attrgetter(*FIELDS)(one), document=seen.key, confirmed_at=newest)
            for one, seen in eligible
            if seen.last_modified == newest
        ]
        assert found in decided_by


@given(DOCUMENTS)
@settings(max_examples=100)
def test_with_unique_fields_every_id_stands_once_and_no_event_twice(documents: list[Document]):
    plain = {found.game_id: found for found in schedule.merge(documents)}
    merged = schedule.merge(documents, unique_by=BY_TEAMS)
    ids = [name for found in merged for name in (found.game_id, *found.also_known_as)]
    assert sorted(ids) == sorted(plain)
    events = [(found.date, found.home, found.away) for found in merged if found.home]
    assert len(events) == len(set(events))
    for found in merged:
        for other in found.also_known_as:
            assert (plain[other].date, plain[other].home, plain[other].away) == (found.date, found.home, found.away)
            assert plain[other].status is not GameStatus.FINAL or found.status is GameStatus.FINAL


def test_the_formats_are_the_modules_of_their_folder():
    assert list(schedule.format_names()) == [
        "basketball_reference_games",
        "espn_scoreboard",
        "games_table",
        "nba_game_log",
        "nba_schedule",
        "nba_scoreboard",
        "nba_scoreboard_v3",
    ]


@pytest.mark.parametrize(
    "name", ["", "_reading", "..schedule", "os", "espn_scoreboard.parse", "ESPN_SCOREBOARD", "a" * 99]
)
def test_an_unknown_format_is_an_error_that_names_the_formats(name: str):
    with pytest.raises(ContractError, match="nba_schedule"):
        schedule.parse(name, b"{}")


def test_a_misspelt_format_is_answered_with_the_nearest():
    with pytest.raises(ContractError, match="did you mean `espn_scoreboard`"):
        schedule.parse("espn_scorebord", b"{}")


TABLE = "game_id,season_start,season_type,date,starts_at,status,home,away\n"


def test_a_table_of_games_is_read_by_the_names_of_its_columns():
    rows = "away,home,status,starts_at,date,season_type,season_start,game_id\nLAL,BOS,final,2025-01-11T00:30:00+00:00,"
    (found,) = schedule.parse("games_table", f"{rows}2025-01-10,regular,2024,0022400001\n".encode())
    starts = datetime(2025, 1, 11, 0, 30, tzinfo=UTC)
    assert found == Game("0022400001", 2024, "regular", DAY, starts, GameStatus.FINAL, "BOS", "LAL")


def test_a_table_leaves_empty_what_is_not_known():
    (found,) = schedule.parse("games_table", f"{TABLE}g1,,other,2025-01-10,,if_necessary,,\n".encode())
    assert found == Game("g1", None, "other", DAY, None, GameStatus.IF_NECESSARY, "", "")


def test_a_table_with_nothing_but_its_header_is_an_empty_schedule():
    assert schedule.parse("games_table", TABLE.encode()) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "line 1"),
        ("game_id,date\n", "line 1"),
        (TABLE.replace("away", "venue"), "venue"),
        (TABLE.replace("away", "home"), "line 1"),
        (f"{TABLE}g1,2024,regular\n", "line 2: 3 cells"),
        (f"{TABLE}g1,2024,regular,2025-01-10,,final,BOS,LAL,x\n", "line 2: 9 cells"),
        (f"{TABLE}../g1,2024,regular,2025-01-10,,final,BOS,LAL\n", "line 2"),
        (f"{TABLE}g1,24,regular,2025-01-10,,final,BOS,LAL\n", "line 2: '24' is no year"),
        (f"{TABLE}g1,{'9' * 9000},regular,2025-01-10,,final,BOS,LAL\n", "is no year"),
        (f"{TABLE}g1,2024,friendly,2025-01-10,,final,BOS,LAL\n", "friendly"),
        (f"{TABLE}g1,2024,regular,10/1/2025,,final,BOS,LAL\n", "10/1/2025"),
        (f"{TABLE}g1,2024,regular,2025-02-30,,final,BOS,LAL\n", "2025-02-30"),
        (f"{TABLE}g1,2024,regular,2025-01-10,19:30,final,BOS,LAL\n", "19:30"),
        (f"{TABLE}g1,2024,regular,2025-01-10,2025-01-10T19:30,final,BOS,LAL\n", "19:30"),
        (f"{TABLE}g1,2024,regular,2025-01-10,,played,BOS,LAL\n", "played"),
        (f"{TABLE}g1,2024,regular,2025-01-10,,final,BO/S,LAL\n", "BO/S"),
        (f"{TABLE}g1,,other,2025-01-10,,final,,\ng1,,other,2025-01-10,,final,,\n", "line 3: the game g1 stands twice"),
        (f'{TABLE}"g1,2024\n', "CSV"),
        (f"{TABLE}{'g' * 200_000},,other,2025-01-10,,final,,\n", "CSV"),
    ],
)
def test_a_faulty_table_is_refused_with_the_place_of_the_fault(text: str, named: str):
    with pytest.raises(VerifyError, match=named):
        schedule.parse("games_table", text.encode())
