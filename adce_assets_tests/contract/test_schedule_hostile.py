"""Whatever the bytes, a format gives games or says that the document is not one: no other error, and no long search."""

import json
import time
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.contract import schedule
from adce_assets.contract.schedule import SEASON_TYPES, Game, GameStatus
from adce_assets.errors import VerifyError

FEED_GAME = {
    "gameId": "0022400531",
    "gameStatus": 1,
    "gameStatusText": "10:30 pm ET",
    "gameDateEst": "2025-01-10T00:00:00Z",
    "gameDateTimeUTC": "2025-01-11T03:30:00Z",
    "gameTimeUTC": "2025-01-11T03:30:00Z",
    "ifNecessary": False,
    "homeTeam": {"teamTricode": "LAC", "score": 0},
    "awayTeam": {"teamTricode": "DEN", "score": 0},
}
JSON_SAMPLES: dict[str, Any] = {
    "espn_scoreboard": {
        "leagues": [
            {"season": {"displayName": "2024-25", "startDate": "2024-09-24T07:00Z", "endDate": "2025-06-27T06:59Z"}}
        ],
        "day": {"date": "2025-01-10"},
        "events": [
            {
                "id": "401704880",
                "date": "2025-01-11T03:30Z",
                "season": {"year": 2025, "type": 2},
                "status": {"type": {"name": "STATUS_FINAL", "state": "post", "completed": True}},
                "competitions": [
                    {
                        "type": {"abbreviation": "STD"},
                        "timeValid": True,
                        "notes": [{"headline": "NBA Cup - Group Play"}],
                        "competitors": [
                            {"homeAway": "home", "team": {"abbreviation": "LAC"}},
                            {"homeAway": "away", "team": {"abbreviation": "DEN"}},
                        ],
                    }
                ],
            }
        ],
    },
    "nba_schedule": {"leagueSchedule": {"gameDates": [{"games": [FEED_GAME, {**FEED_GAME, "gameId": "0022400532"}]}]}},
    "nba_scoreboard_v3": {"scoreboard": {"gameDate": "2025-01-10", "games": [FEED_GAME]}},
    "nba_scoreboard": {
        "resultSets": [
            {
                "name": "GameHeader",
                "headers": [
                    "GAME_DATE_EST",
                    "GAME_ID",
                    "GAME_STATUS_ID",
                    "GAME_STATUS_TEXT",
                    "HOME_TEAM_ID",
                    "VISITOR_TEAM_ID",
                ],
                "rowSet": [["2020-02-25T00:00:00", "2021900490", 1, "7:00 pm ET", 17, 23]],
            },
            {
                "name": "LineScore",
                "headers": ["GAME_ID", "TEAM_ID", "TEAM_ABBREVIATION"],
                "rowSet": [["2021900490", 17, "GRD"], ["2021900490", 23, "WCB"]],
            },
        ]
    },
    "nba_game_log": {
        "resultSets": [
            {
                "name": "LeagueGameLog",
                "headers": ["TEAM_ABBREVIATION", "GAME_ID", "GAME_DATE", "MATCHUP", "WL"],
                "rowSet": [
                    ["DEN", "0022400531", "2025-01-10", "DEN @ LAC", "L"],
                    ["LAC", "0022400531", "2025-01-10", "LAC vs. DEN", "W"],
                ],
            }
        ]
    },
}
PAGE = """<html><head><title>2024-25 NBA Schedule</title></head><body><table id="schedule"><tbody><tr>
<th data-stat="date_game" csk="202501100LAC">Fri, Jan 10, 2025</th><td data-stat="game_start_time">10:30p</td>
<td data-stat="visitor_team_name"><a href="/teams/DEN/2025.html">Denver</a></td><td data-stat="visitor_pts">1</td>
<td data-stat="home_team_name"><a href="/teams/LAC/2025.html">Los Angeles</a></td><td data-stat="home_pts">2</td>
<td data-stat="box_score_text"><a href="/boxscores/202501100LAC.html">Box Score</a></td>
<td data-stat="game_remarks">NBA Cup</td></tr></tbody></table></body></html>"""
TABLE = "game_id,season_start,season_type,date,starts_at,status,home,away\n1,2024,regular,2025-01-10,,final,LAC,DEN\n"
SAMPLES = {
    **{name: json.dumps(sample).encode() for name, sample in JSON_SAMPLES.items()},
    "basketball_reference_games": PAGE.encode(),
    "games_table": TABLE.encode(),
}
SCALARS = [
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    "",
    "x",
    "0" * 400,
    "2025-01-10",
    "9999-99-99T99:99Z",
    "Ⅳ",
    [],
    {},
    [[]],
    {"a": 1},
]


def games_or_refusal(format_name: str, body: bytes) -> None:
    """Read a body; the only error it may raise is VerifyError, and what it gives must be sound games."""
    said = ""
    games: list[Game] = []
    try:
        games = schedule.parse(format_name, body)
    except VerifyError as refusal:
        said = str(refusal)
    assert len(said) < 1_000
    for game in games:
        assert game.season_start is None or 1890 <= game.season_start < 2200
        assert game.season_type in SEASON_TYPES
        assert isinstance(game.status, GameStatus)
        assert type(game.date) is date
        assert game.starts_at is None or isinstance(game.starts_at, datetime)
        assert all(isinstance(text, str) and "/" not in text for text in (game.game_id, game.home, game.away))


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, child in children for below in paths(child, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def without(value: Any, path: tuple[Any, ...]) -> Any:
    copy = value.copy()
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = without(value[path[0]], path[1:])
    return copy


@pytest.mark.parametrize("format_name", SAMPLES)
def test_the_samples_of_this_file_are_read(format_name: str):
    assert schedule.parse(format_name, SAMPLES[format_name])


@pytest.mark.parametrize("format_name", JSON_SAMPLES)
def test_a_document_with_any_value_replaced_or_lost_is_read_or_refused(format_name: str):
    sample = JSON_SAMPLES[format_name]
    for path in paths(sample):
        for scalar in SCALARS:
            games_or_refusal(format_name, json.dumps(replaced(sample, path, scalar)).encode())
        if path:
            games_or_refusal(format_name, json.dumps(without(sample, path)).encode())


@pytest.mark.parametrize("format_name", JSON_SAMPLES)
def test_a_json_document_cut_anywhere_is_refused(format_name: str):
    body = SAMPLES[format_name]
    for length in range(0, len(body), 7):
        with pytest.raises(VerifyError):
            schedule.parse(format_name, body[:length])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="no fields"),
        pytest.param(b"<!DOCTYPE html><html><body>Access Denied</body></html>", id="HTML"),
        pytest.param(b'{"code":404,"message":"Failed to get events."}', id="an error in JSON"),
        pytest.param(b"[" * 100_000, id="deep lists"),
        pytest.param(b'{"events":' * 100_000, id="deep objects"),
        pytest.param(b'{"events":[' + b"9" * 100_000 + b"]}", id="a huge number"),
        pytest.param(b'{"events":[{"id":"\xff\xfe"}]}', id="not UTF-8"),
        pytest.param('{"events":[]}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"\x1f\x8b\x08\x00" + bytes(64), id="gzip"),
        pytest.param(b"PAR1" + bytes(64), id="parquet"),
    ],
)
@pytest.mark.parametrize("format_name", SAMPLES)
def test_what_is_no_such_document_is_refused(format_name: str, body: bytes):
    with pytest.raises(VerifyError):
        schedule.parse(format_name, body)


@pytest.mark.parametrize("format_name", SAMPLES)
@settings(max_examples=60)
@given(data=st.data())
def test_a_document_with_bytes_changed_is_read_or_refused(format_name: str, data: st.DataObject):
    body = SAMPLES[format_name]
    start = data.draw(st.integers(0, len(body)))
    stop = data.draw(st.integers(start, min(start + 40, len(body))))
    filling = data.draw(
        st.one_of(st.binary(max_size=12), st.sampled_from([b"9" * 500, b"\x00", b"{", b"<!--", b'"', b"\n"]))
    )
    games_or_refusal(format_name, body[:start] + filling + body[stop:])


@pytest.mark.parametrize("format_name", SAMPLES)
def test_a_document_beyond_its_limit_is_refused_unread(format_name: str):
    with pytest.raises(VerifyError, match="at most"):
        schedule.parse(format_name, bytes(64 * 1024 * 1024 + 1))


@pytest.mark.parametrize("item", [b"{}", b"[[[[]]]]", b'{"id":1}'])
@pytest.mark.parametrize("before", [b'{"events":[', b'{"resultSets":[', b'{"leagueSchedule":{"gameDates":[{"games":['])
def test_a_hundred_thousand_faults_cost_no_more_than_one(item: bytes, before: bytes):
    body = before + b",".join([item] * 100_000)
    body += b"]" if before.count(b"[") == 1 else b"]}]}"
    started = time.process_time()
    for format_name in ("espn_scoreboard", "nba_scoreboard", "nba_schedule"):
        with pytest.raises(VerifyError):
            schedule.parse(format_name, body + b"}")
    assert time.process_time() - started < 10


def test_a_note_of_a_million_words_is_searched_in_no_time():
    sample = JSON_SAMPLES["espn_scoreboard"]
    headline = ("events", 0, "competitions", 0, "notes", 0, "headline")
    started = time.process_time()
    games_or_refusal("espn_scoreboard", json.dumps(replaced(sample, headline, "nba cup " * 1_000_000)).encode())
    assert time.process_time() - started < 10


def test_a_byte_order_mark_is_no_fault():
    assert schedule.parse("nba_schedule", b"\xef\xbb\xbf" + SAMPLES["nba_schedule"])
