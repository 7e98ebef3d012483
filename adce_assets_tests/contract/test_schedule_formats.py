"""The JSON formats read what their source means, and name a faulty game instead of dropping it."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from adce_assets.contract import schedule
from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.errors import VerifyError

Json = dict[str, Any]
NIGHT = datetime(2025, 1, 11, 3, 30, tzinfo=UTC)
TWO_YEARS = {"displayName": "2024-25", "startDate": "2024-09-24T07:00Z", "endDate": "2025-06-27T06:59Z"}


def read(format_name: str, document: Json) -> list[Game]:
    return schedule.parse(format_name, json.dumps(document).encode())


def one(format_name: str, document: Json) -> Game:
    (game,) = read(format_name, document)
    return game


def event(
    name: str = "STATUS_FINAL",
    state: str = "post",
    *,
    note: str = "",
    kind: str = "STD",
    label: int = 2,
    **changes: Any,
) -> Json:
    competitors = [
        {"homeAway": "home", "team": {"abbreviation": "LAC"}, "score": "126"},
        {"homeAway": "away", "team": {"abbreviation": "DEN"}, "score": "122"},
    ]
    competition = {"competitors": competitors, "type": {"abbreviation": kind}, "neutralSite": True, "timeValid": True}
    return {
        "id": "401704880",
        "date": "2025-01-11T03:30Z",
        "season": {"year": 2025, "type": label},
        "status": {"type": {"name": name, "state": state, "completed": state == "post"}},
        "competitions": [competition | {"notes": [{"type": "event", "headline": note}] if note else []}],
    } | changes


def scoreboard(*events: Json, season: Json | None = TWO_YEARS, **changes: Any) -> Json:
    leagues = [{"slug": "nba", "season": season}] if season else []
    return {"leagues": leagues, "events": list(events)} | changes


def feed_game(game_id: str = "0022400531", status: int = 1, shows: str = "10:30 pm ET", **changes: Any) -> Json:
    return {
        "gameId": game_id,
        "gameStatus": status,
        "gameStatusText": shows,
        "gameDateEst": "2025-01-10T00:00:00Z",
        "gameDateTimeUTC": "2025-01-11T03:30:00Z",
        "gameTimeUTC": "2025-01-11T03:30:00Z",
        "ifNecessary": False,
        "postponedStatus": "Y",
        "homeTeam": {"teamTricode": "LAC", "score": 126 if status > 1 else 0},
        "awayTeam": {"teamTricode": "DEN", "score": 122 if status > 1 else 0},
    } | changes


def season_schedule(*games: Json) -> Json:
    return {"leagueSchedule": {"seasonYear": "2024-25", "gameDates": [{"gameDate": "", "games": list(games)}]}}


def day_of_feed(*games: Json) -> Json:
    return {"scoreboard": {"gameDate": "2025-01-10", "leagueId": "00", "games": list(games)}}


def results(**tables: tuple[list[str], list[list[Any]]]) -> Json:
    sets = [{"name": name, "headers": headers, "rowSet": rows} for name, (headers, rows) in tables.items()]
    return {"resource": "r", "resultSets": sets}


HEADER = ["GAME_DATE_EST", "GAME_ID", "GAME_STATUS_ID", "GAME_STATUS_TEXT", "HOME_TEAM_ID", "VISITOR_TEAM_ID"]
SCORES = ["GAME_ID", "TEAM_ID", "TEAM_ABBREVIATION"], [["2021900490", 17, "GRD"], ["2021900490", 23, "WCB"]]
LOG = ["TEAM_ABBREVIATION", "GAME_ID", "GAME_DATE", "MATCHUP", "WL"]


def header_row(status: int = 3, shows: str = "Final", game_id: str = "2021900490") -> list[Any]:
    return ["2020-02-25T00:00:00", game_id, status, shows, 17, 23]


def day_of_stats(*rows: list[Any]) -> Json:
    return results(GameHeader=(HEADER, list(rows)), LineScore=SCORES)


def log(*rows: tuple[str, str, str | None], game_id: str = "0022400531", on: str = "2025-01-10") -> Json:
    return results(LeagueGameLog=(LOG, [[team, game_id, on, matchup, over] for team, matchup, over in rows]))


class TestEspn:
    def test_a_late_game_has_the_eastern_date_and_the_year_its_season_started_in(self):
        game = one("espn_scoreboard", scoreboard(event()))
        expected = Game("401704880", 2024, "regular", date(2025, 1, 10), NIGHT, GameStatus.FINAL, "LAC", "DEN")
        assert game == expected

    @pytest.mark.parametrize(
        ("name", "state", "status"),
        [
            ("STATUS_SCHEDULED", "pre", GameStatus.SCHEDULED),
            ("STATUS_DELAYED", "pre", GameStatus.SCHEDULED),
            ("STATUS_IN_PROGRESS", "in", GameStatus.IN_PLAY),
            ("STATUS_HALFTIME", "in", GameStatus.IN_PLAY),
            ("STATUS_FINAL", "post", GameStatus.FINAL),
            ("STATUS_POSTPONED", "post", GameStatus.POSTPONED),
            ("STATUS_POSTPONED", "pre", GameStatus.POSTPONED),
            ("STATUS_CANCELED", "post", GameStatus.CANCELLED),
            ("STATUS_FORFEIT", "post", GameStatus.CANCELLED),
        ],
    )
    def test_statuses(self, name: str, state: str, status: GameStatus):
        assert one("espn_scoreboard", scoreboard(event(name, state))).status is status

    def test_a_game_that_is_over_but_not_completed_is_refused(self):
        odd = {"type": {"name": "STATUS_FINAL", "state": "post", "completed": False}}
        with pytest.raises(VerifyError, match="401704880"):
            read("espn_scoreboard", scoreboard(event(status=odd)))

    def test_a_game_of_a_series_that_may_end_before_is_if_necessary_until_it_is_played(self):
        note = "East 1st Round - Game 7 If Necessary"
        to_come = one("espn_scoreboard", scoreboard(event("STATUS_SCHEDULED", "pre", note=note, label=3)))
        over = one("espn_scoreboard", scoreboard(event(note=note, label=3)))
        assert (to_come.status, over.status) == (GameStatus.IF_NECESSARY, GameStatus.FINAL)

    @pytest.mark.parametrize(
        ("label", "kind", "note", "season_type"),
        [
            (1, "STD", "NBA Abu Dhabi Game", "preseason"),
            (2, "STD", "", "regular"),
            (2, "STD", "NBA Cup - Group Play", "regular"),
            (2, "STD", "Emirates NBA Cup - Quarterfinals", "regular"),
            (2, "STD", "NBA Cup - Semifinals", "regular"),
            (2, "STD", "In-Season Tournament - Semi-Final", "regular"),
            (2, "CC", "NBA Cup Championship", "cup_final"),
            (2, "STD", "In-Season Tournament - Championship", "cup_final"),
            (2, "STD", "Commissioner's Cup Final", "cup_final"),
            (2, "STD", "Atlantic Conference Tournament - Final", "regular"),
            (2, "ALLSTAR", "", "all_star"),
            (2, "STD", "NBA ALL-STAR GAME AT ORLANDO FL", "all_star"),
            (2, "STD", "RISING STARS", "all_star"),
            (3, "FINAL", "NBA Finals - Game 2", "playoffs"),
            (3, "SEMI", "East Finals - Game 4", "playoffs"),
            (5, "STD", "NBA Play-In - West - 9th Place vs 10th Place", "play_in"),
            (3, "STD", "West Play-In Game", "play_in"),
            (4, "STD", "", "other"),
        ],
    )
    def test_season_types(self, label: int, kind: str, note: str, season_type: str):
        assert one("espn_scoreboard", scoreboard(event(label=label, kind=kind, note=note))).season_type == season_type

    @pytest.mark.parametrize(
        ("season", "played_on", "label", "start"),
        [
            pytest.param(TWO_YEARS, "2000-02-02T00:30Z", 2000, 1999, id="the league's current season tells the form"),
            pytest.param({"displayName": "1998-99", "startDate": "1999-02-05T08:00Z", "endDate": "1999-07-01T08:00Z"},
                         "1999-02-05T23:00Z", 1999, 1998, id="a season of two years played in one"),
            pytest.param({"displayName": "2025"}, "2025-08-02T00:30Z", 2025, 2025, id="a season of one year"),
            pytest.param({"startDate": "2024-09-24T07:00Z", "endDate": "2025-06-27T06:59Z"},
                         "2025-01-02T00:30Z", 2025, 2024, id="no name, dates in two years"),
            pytest.param({"startDate": "2025-05-02T07:00Z", "endDate": "2025-10-20T06:59Z"},
                         "2025-08-02T00:30Z", 2025, 2025, id="no name, dates in one year"),
            pytest.param(None, "2024-12-02T00:30Z", 2025, 2024, id="nothing told, played the year before its label"),
            pytest.param(None, "2025-08-02T00:30Z", 2025, None, id="nothing told, played in the year of its label"),
        ],
    )  # fmt: skip
    def test_the_start_of_the_season(self, season: Json | None, played_on: str, label: int, start: int | None):
        played = event(date=played_on, season={"year": label, "type": 2})
        assert one("espn_scoreboard", scoreboard(played, season=season)).season_start == start

    @pytest.mark.parametrize(
        ("named", "on"),
        [("2025-01-10", date(2025, 1, 10)), ("2025-01-11", date(2025, 1, 11)), ("2025-01-01", date(2025, 1, 10))],
    )
    def test_the_day_of_the_document_holds_for_the_games_it_can_be_of(self, named: str, on: date):
        assert one("espn_scoreboard", scoreboard(event(), day={"date": named})).date == on

    def test_a_game_without_time_or_teams_has_none(self):
        sides = [{"homeAway": side, "team": {"abbreviation": "TBD"}} for side in ("away", "home")]
        undrawn = event("STATUS_SCHEDULED", "pre", competitions=[{"competitors": sides, "timeValid": False}])
        game = one("espn_scoreboard", scoreboard(undrawn))
        assert (game.starts_at, game.home, game.away) == (None, "", "")

    @pytest.mark.parametrize(
        "changes",
        [
            {"id": "../401704880"},
            {"id": "401"},
            {"date": "2025-01-11"},
            {"date": "2025-13-11T03:30Z"},
            {"date": "0001-01-01T00:00Z"},
            {"date": "2025-W02-6T03:30Z"},
            {"competitions": [{"competitors": [{"homeAway": "home", "team": {"abbreviation": "LAC"}}]}]},
            {"competitions": [{"competitors": [{"homeAway": "home", "team": {"abbreviation": "LAC"}}] * 2}]},
        ],
    )
    def test_a_faulty_event_is_named_not_dropped(self, changes: Json):
        with pytest.raises(VerifyError, match="event '") as caught:
            read("espn_scoreboard", scoreboard(event(), event(**changes)))
        assert "401" in str(caught.value)


@pytest.mark.parametrize(
    ("format_name", "document"), [("nba_schedule", season_schedule), ("nba_scoreboard_v3", day_of_feed)]
)
class TestNbaFeeds:
    def test_a_game_is_read_by_its_id(self, format_name: str, document: Callable[..., Json]):
        game = one(format_name, document(feed_game(status=3, shows="Final   ")))
        expected = Game("0022400531", 2024, "regular", date(2025, 1, 10), NIGHT, GameStatus.FINAL, "LAC", "DEN")
        assert game == expected

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({}, GameStatus.SCHEDULED),
            ({"status": 2, "shows": "Q3 5:12"}, GameStatus.IN_PLAY),
            ({"status": 3, "shows": "Final/OT2"}, GameStatus.FINAL),
            ({"shows": "PPD"}, GameStatus.POSTPONED),
            ({"status": 3, "shows": "PPD"}, GameStatus.POSTPONED),
            ({"shows": "Cancelled"}, GameStatus.CANCELLED),
            ({"ifNecessary": True}, GameStatus.IF_NECESSARY),
            ({"ifNecessary": "true", "shows": "TBD"}, GameStatus.IF_NECESSARY),
            ({"ifNecessary": "false"}, GameStatus.SCHEDULED),
            ({"status": 3, "shows": "Final", "ifNecessary": True}, GameStatus.FINAL),
            ({"status": 3, "homeTeam": {"score": 0}, "awayTeam": {"score": 0}}, GameStatus.POSTPONED),
            ({"status": 3, "homeTeam": {}, "awayTeam": {}}, GameStatus.FINAL),
        ],
    )
    def test_statuses(self, format_name: str, document: Callable[..., Json], changes: Json, status: GameStatus):
        assert one(format_name, document(feed_game(**changes))).status is status

    def test_a_game_not_yet_drawn_has_neither_time_nor_teams(self, format_name: str, document: Callable[..., Json]):
        nobody = {"teamId": 0, "teamTricode": "", "score": 0}
        game = one(format_name, document(feed_game(shows="TBD", homeTeam=nobody, awayTeam={"teamTricode": None})))
        assert (game.status, game.starts_at, game.home, game.away) == (GameStatus.SCHEDULED, None, "", "")

    @pytest.mark.parametrize(
        ("game_id", "season_start", "season_type"),
        [
            ("0012300001", 2023, "preseason"),
            ("0029900001", 1999, "regular"),
            ("0024600001", 1946, "regular"),
            ("0032400003", 2024, "all_star"),
            ("0042400407", 2024, "playoffs"),
            ("0052400101", 2024, "play_in"),
            ("0062400001", 2024, "cup_final"),
            ("1022500001", 2025, "regular"),
            ("2021900490", 2019, "regular"),
            ("0092400001", 2024, "other"),
        ],
    )
    def test_season_and_type_stand_in_the_id(
        self, format_name: str, document: Callable[..., Json], game_id: str, season_start: int, season_type: str
    ):
        game = one(format_name, document(feed_game(game_id)))
        assert (game.season_start, game.season_type) == (season_start, season_type)

    @pytest.mark.parametrize(
        "changes",
        [
            {"game_id": "22400531"},
            {"game_id": "0022400531\n"},
            {"game_id": "002240053\u0661"},
            {"status": 7},
            {"gameDateEst": "", "gameTimeUTC": "noon"},
            {"gameDateTimeUTC": "2025-01-11 03:30", "gameTimeUTC": ""},
            {"homeTeam": {"teamTricode": "L/A"}},
        ],
    )
    def test_a_faulty_game_is_named_not_dropped(self, format_name: str, document: Callable[..., Json], changes: Json):
        with pytest.raises(VerifyError, match=r"'?0?0?22400531|002240053"):
            read(format_name, document(feed_game("0022400001"), feed_game(**changes)))


class TestNbaStatistics:
    def test_a_day_counts_a_game_once_however_many_broadcast_it(self):
        game = one("nba_scoreboard", day_of_stats(header_row(), header_row(), header_row()))
        expected = Game("2021900490", 2019, "regular", date(2020, 2, 25), None, GameStatus.FINAL, "GRD", "WCB")
        assert game == expected

    @pytest.mark.parametrize(
        ("shows", "hour"), [("7:00 pm ET", 0), ("12:30 pm ET", 17), ("12:00 am ET", 5), ("11:30 am ET", 16)]
    )
    def test_a_game_to_come_starts_at_eastern_time(self, shows: str, hour: int):
        game = one("nba_scoreboard", day_of_stats(header_row(1, shows)))
        assert game.status is GameStatus.SCHEDULED
        assert game.starts_at is not None
        assert game.starts_at.hour == hour

    def test_a_postponed_game_says_so_in_its_text(self):
        assert one("nba_scoreboard", day_of_stats(header_row(1, "PPD"))).status is GameStatus.POSTPONED

    @pytest.mark.parametrize(
        "rows",
        [
            pytest.param([header_row(1, "7:00 pm ET"), header_row()], id="one game, two stories"),
            pytest.param([header_row()[:-1]], id="a cell lost"),
            pytest.param([[*header_row()[:-1], None]], id="no visitor"),
            pytest.param([["2020-02-25T00:00:00", 2021900490, 3, "Final", 17, 23]], id="an id that is a number"),
            pytest.param([["2020-02-25T00:00:00", "2021900490", True, "Final", 17, 23]], id="a status that is true"),
        ],
    )
    def test_a_contradictory_or_torn_day_is_refused(self, rows: list[list[Any]]):
        with pytest.raises(VerifyError):
            read("nba_scoreboard", day_of_stats(*rows))

    @pytest.mark.parametrize(
        ("rows", "home"),
        [
            ([("DEN", "DEN @ LAC", "L"), ("LAC", "LAC vs. DEN", "W")], "LAC"),
            ([("LAC", "LAC vs. DEN", "W"), ("DEN", "DEN @ LAC", "L")], "LAC"),
            ([("DEN", "DEN @ LAC", "L"), ("LAC", "LAC @ DEN", "W")], "LAC"),
        ],
        ids=["away first", "home first", "a neutral site"],
    )
    def test_the_log_has_two_rows_a_game(self, rows: list[tuple[str, str, str]], home: str):
        game = one("nba_game_log", log(*rows))
        assert (game.home, game.status, game.date) == (home, GameStatus.FINAL, date(2025, 1, 10))

    def test_a_game_nobody_has_won_yet_is_in_play(self):
        game = one("nba_game_log", log(("DEN", "DEN @ LAC", None), ("LAC", "LAC vs. DEN", None)))
        assert game.status is GameStatus.IN_PLAY

    @pytest.mark.parametrize(
        "document",
        [
            pytest.param(log(("DEN", "DEN @ LAC", "L")), id="one team's row is lost"),
            pytest.param(log(("DEN", "DEN @ LAC", "L"), ("BOS", "BOS vs. DEN", "W")), id="rows of two games"),
            pytest.param(log(("DEN", "DEN at LAC", "L"), ("LAC", "LAC vs. DEN", "W")), id="no matchup"),
            pytest.param(log(("DEN", "DEN @ LAC", "L"), ("LAC", "LAC vs. DEN", "W"), on="JAN 10, 2025"), id="date"),
            pytest.param(log(("DEN", "DEN @ LAC", "L"), ("LAC", "LAC vs. DEN", "W"), game_id="22400531"), id="id"),
            pytest.param(results(Other=(LOG, [])), id="no such table"),
        ],
    )
    def test_a_faulty_log_is_refused(self, document: Json):
        with pytest.raises(VerifyError):
            read("nba_game_log", document)


@pytest.mark.parametrize(
    ("format_name", "document"),
    [
        ("espn_scoreboard", scoreboard()),
        ("espn_scoreboard", scoreboard(day={"date": "2025-02-14"}, season=None)),
        ("nba_schedule", {"leagueSchedule": {"seasonYear": "2024-25", "leagueId": "00", "gameDates": []}}),
        ("nba_schedule", season_schedule()),
        ("nba_scoreboard_v3", day_of_feed()),
        ("nba_scoreboard", day_of_stats()),
        ("nba_game_log", log()),
    ],
)
def test_a_valid_document_without_games_is_an_empty_schedule(format_name: str, document: Json):
    assert read(format_name, document) == []
