import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.contract.schedule import Game, GameStatus, parse
from adce_assets.demo.espn import scoreboard, summary
from adce_assets.demo.source import LocalSource, Trouble

SUMMARY = "/apis/site/v2/sports/basketball/nba/summary?event="
SCOREBOARD = "/apis/site/v2/sports/basketball/nba/scoreboard?dates="


def game(game_id: str = "401704871", **changes: Any) -> Game:
    fields: dict[str, Any] = {
        "season_start": 2024,
        "season_type": "regular",
        "date": date(2024, 12, 1),
        "starts_at": datetime(2024, 12, 2, 1, tzinfo=UTC),
        "status": GameStatus.FINAL,
        "home": "BOS",
        "away": "LAL",
    }
    return Game(game_id=game_id, **(fields | changes))


GAMES = st.builds(
    game,
    st.integers(400_000_000, 401_999_999).map(str),
    status=st.sampled_from([GameStatus.FINAL, GameStatus.IN_PLAY]),
    home=st.sampled_from(["BOS", "UTAH", "NO"]),
    away=st.sampled_from(["LAL", "GS"]),
)


def scores(document: dict[str, Any]) -> dict[str, int]:
    (competition,) = document["header"]["competitions"]
    return {side["homeAway"]: int(side["score"]) for side in competition["competitors"]}


@settings(max_examples=30)
@given(GAMES, st.integers(0, 99))
def test_the_points_of_the_players_add_up_to_the_score(played: Game, seed: int):
    document = summary(played, seed)
    sides = {team["team"]["abbreviation"]: team["statistics"][0] for team in document["boxscore"]["players"]}
    place = {"home": played.home, "away": played.away}
    for side, score in scores(document).items():
        table = sides[place[side]]
        lines = [dict(zip(table["labels"], athlete["stats"], strict=True)) for athlete in table["athletes"]]
        assert sum(int(line["PTS"]) for line in lines) == score
        for line in lines:
            goals, threes, free = (int(line[name].partition("-")[0]) for name in ("FG", "3PT", "FT"))
            assert 2 * goals + threes + free == int(line["PTS"])
            tried = {name: int(line[name].partition("-")[2]) for name in ("FG", "3PT", "FT")}
            assert goals <= tried["FG"]
            assert goals - threes <= tried["FG"] - tried["3PT"]
            assert threes <= tried["3PT"]
            assert free <= tried["FT"]


@settings(max_examples=30)
@given(GAMES, st.integers(0, 99))
def test_the_periods_and_the_plays_lead_to_the_score(played: Game, seed: int):
    document = summary(played, seed)
    final = scores(document)
    for side in document["header"]["competitions"][0]["competitors"]:
        periods = [int(line["displayValue"]) for line in side["linescores"]]
        assert sum(periods) == final[side["homeAway"]]
        assert all(points > 0 for points in periods)
    shown = [(play["awayScore"], play["homeScore"]) for play in document["plays"]]
    assert shown[-1] == (final["away"], final["home"])
    assert shown == sorted(shown)
    assert [home for _, home in shown] == sorted(home for _, home in shown)


@settings(max_examples=30)
@given(GAMES, st.integers(0, 99))
def test_a_game_has_a_winner(played: Game, seed: int):
    document = summary(played, seed)
    assert len(set(scores(document).values())) == 2
    winners = [side["winner"] for side in document["header"]["competitions"][0]["competitors"]]
    assert sorted(winners) == [False, True]


@settings(max_examples=20)
@given(GAMES, st.integers(0, 99))
def test_the_same_game_and_seed_give_the_same_document(played: Game, seed: int):
    assert summary(played, seed) == summary(played, seed)
    assert summary(played, seed) != summary(played, seed + 1)


def test_a_document_is_small():
    assert 3_000 <= len(json.dumps(summary(game(), 0), separators=(",", ":"))) <= 7_000


@pytest.mark.parametrize(
    "status", [GameStatus.SCHEDULED, GameStatus.POSTPONED, GameStatus.CANCELLED, GameStatus.IF_NECESSARY]
)
def test_a_game_that_was_not_played_has_no_plays_and_is_not_completed(status: GameStatus):
    document = summary(game(status=status), 0)
    assert document["plays"] == []
    assert document["boxscore"] == {"teams": [], "players": []}
    assert document["header"]["competitions"][0]["status"]["type"]["completed"] is False


def test_both_documents_of_a_game_give_the_same_score():
    (event,) = scoreboard(date(2024, 12, 1), [game()], 7)["events"]
    assert event["competitions"] == summary(game(), 7)["header"]["competitions"]


@pytest.mark.parametrize(
    "shown",
    [
        *(game(status=status) for status in GameStatus),
        *(game(season_type=kind) for kind in ("preseason", "all_star", "playoffs", "play_in", "cup_final", "other")),
        game(season_type="playoffs", status=GameStatus.IF_NECESSARY),
        game(starts_at=None),
        game(date=date(2024, 7, 2), starts_at=datetime(2024, 7, 2, 18, tzinfo=UTC)),
        game(home="", away=""),
    ],
)
def test_a_scoreboard_is_read_as_the_games_it_was_made_of(shown: Game):
    document = json.dumps(scoreboard(shown.date, [shown], 0)).encode()
    assert parse("espn_scoreboard", document) == [shown]


def test_a_day_without_games_is_a_scoreboard_too():
    document = json.dumps(scoreboard(date(2024, 12, 25), [], 0)).encode()
    assert parse("espn_scoreboard", document) == []


@pytest.fixture
def games() -> list[Game]:
    return [game("401704871"), game("401704872"), game("401704990", date=date(2024, 12, 2))]


@pytest.fixture
def source(games: list[Game]) -> Iterator[LocalSource]:
    troubles = {
        "401704871": Trouble("server_error", times=1),
        "401704872": Trouble("too_many", retry_after="9"),
        "401704990": Trouble("other_game"),
        "20241201": Trouble("notice"),
        "20241202": Trouble("other_game"),
        "1": Trouble("hang"),
    }
    with LocalSource(games, seed=3, troubles=troubles) as running:
        yield running


@pytest.fixture
def healthy(games: list[Game]) -> Iterator[LocalSource]:
    with LocalSource(games, seed=3) as running:
        yield running


def get(source: LocalSource, target: str, patience: float = 30) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(source.url.removeprefix("http://"), timeout=patience)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_a_source_serves_the_documents_of_its_games(healthy: LocalSource, games: list[Game]):
    response, body = get(healthy, SUMMARY + "401704871")
    assert response.status == 200
    assert json.loads(body) == summary(games[0], 3)
    assert json.loads(get(healthy, SCOREBOARD + "20241201")[1]) == scoreboard(date(2024, 12, 1), games[:2], 3)
    assert json.loads(get(healthy, SCOREBOARD + "20250704")[1])["events"] == []
    assert healthy.requests == 3
    assert healthy.asked["401704871"] == 1


@pytest.mark.parametrize("target", ["/", SUMMARY, SUMMARY + "1", SCOREBOARD + "2024-12-01", SCOREBOARD + "20241301"])
def test_what_it_does_not_know_is_not_found(healthy: LocalSource, target: str):
    response, body = get(healthy, target)
    assert response.status == 404
    assert json.loads(body)["code"] == 404


def test_a_source_recovers_when_it_is_told_to(source: LocalSource):
    assert [get(source, SUMMARY + "401704871")[0].status for _ in range(3)] == [500, 200, 200]


def test_a_source_asks_for_a_pause(source: LocalSource):
    response, _ = get(source, SUMMARY + "401704872")
    assert (response.status, response.headers["Retry-After"]) == (429, "9")


def test_a_source_answers_with_a_notice_and_with_another_game_or_day(source: LocalSource):
    response, body = get(source, SCOREBOARD + "20241201")
    assert (response.status, response.headers["Content-Type"]) == (200, "text/html")
    assert body.startswith(b"<!DOCTYPE html>")
    assert json.loads(get(source, SUMMARY + "401704990")[1])["header"]["id"] == "401704871"
    assert json.loads(get(source, SCOREBOARD + "20241202")[1])["day"] == {"date": "2024-12-01"}


def test_a_source_that_hangs_lets_go_when_it_is_closed(source: LocalSource):
    with pytest.raises(TimeoutError):
        get(source, SUMMARY + "1", patience=0.1)
