"""Documents are read as the entity's file says, and counted apart from that."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.demo import espn
from adce_assets.errors import DamagedDocumentError, VerifyError
from adce_assets.lake.store import LakeStore
from adce_assets.warehouse.comments import uncommented
from adce_assets.warehouse.counting import UNREADABLE, count, count_records
from adce_assets.warehouse.entities import Entity, Reading, load_entities
from adce_assets.warehouse.reading import Outcome, Refused, read
from adce_assets_tests.warehouse.conftest import SEASON, entity, entry, page, report

SHIPPED = load_entities(Path(__file__).parent.parent.parent / "config" / "reconcile")
GAME = Game(
    game_id="401584783",
    season_start=2023,
    season_type="regular",
    date=date(2024, 1, 2),
    starts_at=datetime(2024, 1, 3, 0, 30, tzinfo=UTC),
    status=GameStatus.FINAL,
    home="BOS",
    away="NY",
)
MATRIX: dict[str, Any] = {
    "name": "matrix",
    "columns": {name: {"type": "text"} for name in ("id", "made", "team", "side", "place")},
    "key": ["id"],
    "codes": {"teams": {"NY": "NYK"}},
    "readings": [
        {
            "source": "table",
            "data_type": "rows",
            "format": "json",
            "where": "final",
            "count": "length(rows)",
            "levels": [{"name": "row", "each": "rows"}],
            "columns": {
                "id": {"labels": "document.heads", "values": "row", "label": "ID"},
                "made": {
                    "labels": "document.heads",
                    "values": "row",
                    "label": "FG",
                    "absent": ["--"],
                    "pattern": r"^(\d+)-",
                },
                "team": {"labels": "document.heads", "values": "row", "label": "TEAM", "codes": "teams"},
                "side": {
                    "lookup": {"each": "document.sides", "key": "name", "equals": "row.@[2]", "take": "side"},
                },
                "place": {"position": "row"},
            },
        }
    ],
}


def rows(outcome: Outcome) -> list[tuple[Any, ...]]:
    return [row.values for row in outcome.rows]


def harbour(body: bytes) -> Outcome:
    return read(entity(), entity().reading_of("harbour"), body)


def matrix(**document: Any) -> Outcome:
    declared = Entity.model_validate(MATRIX)
    given = {"final": True, "heads": ["ID", "FG", "TEAM"], "sides": [{"name": "NY", "side": "away"}], **document}
    return read(declared, declared.readings[0], json.dumps(given).encode())


def test_values_stand_under_labels_in_codes_and_elsewhere_in_the_document() -> None:
    read_rows = rows(matrix(rows=[["a", "10-20", "NY"], ["b", "--", "BOS"], []]))
    assert read_rows == [("a", "10", "NYK", "away", "1"), ("b", None, "BOS", None, "2")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (["a", "10-20"], "id: `document.heads` and `row` are no lists of one length"),
        (["a", "ten", "NY"], r"made: `ten` is not as `^(\d+)-` says"),
        ([None, "1-2", "NY"], "id: has no value"),
        ([["x"], "1-2", "NY"], "id: a list is no text"),
    ],
)
def test_a_record_that_does_not_fit_is_errored_with_the_column_and_the_reason(row: list[Any], reason: str) -> None:
    outcome = matrix(rows=[row, ["z", "1-2", "NY"]])
    assert outcome.refused == (Refused(1, "errored", reason),)
    assert (outcome.read, len(outcome.rows)) == (2, 1)


def test_a_label_that_stands_twice_is_no_place() -> None:
    outcome = matrix(heads=["ID", "ID", "TEAM"], rows=[["a", "b", "NY"]])
    assert outcome.refused[0].reason == "id: `ID` stands 2 times in `document.heads`"


def test_a_document_that_does_not_meet_the_condition_has_no_records() -> None:
    assert matrix(final=False, rows=[["a", "1-2", "NY"]]).read == 0


@pytest.mark.parametrize("body", [b"{}", b'{"holds": null}', b'{"holds": [{}]}', b"[]", b'"x"'])
def test_levels_that_lead_nowhere_are_a_fault_of_the_document_and_no_empty_list(body: bytes) -> None:
    with pytest.raises(VerifyError, match=r"leads to"):
        harbour(body)


def test_an_exact_number_is_not_turned_into_a_float() -> None:
    (row,) = rows(harbour(b'{"ship": "A", "holds": [{"items": [{"item": "x", "tons": 12345678901234567.125}]}]}'))
    assert row[2] == Decimal("12345678901234567.125")


def test_a_page_is_read_by_its_cells_whose_empty_text_is_no_value() -> None:
    body = page("Anna", ("tea", 3)).replace(b">3<", b"> <")
    assert rows(read(entity(), entity().reading_of("pilots"), body)) == [("Anna", "tea", None, None, None, None)]


def test_several_cells_where_one_is_meant_are_an_error_of_the_record() -> None:
    body = page("Anna", ("tea", 3)).replace(b"</tr>", b"<td class='item'>x</td></tr>")
    outcome = read(entity(), entity().reading_of("pilots"), body)
    assert outcome.refused[0].reason == "item: `td[@class='item']` leads to 2 places"


def test_the_source_counts_what_a_reader_cannot_read() -> None:
    body = report("Anna", entry("tea"), entry("tea"), entry("rice", pieces="?"))
    assert count(entity().reading_of("harbour"), body) == harbour(body).read == 3


def test_the_source_is_counted_by_object_and_what_cannot_be_counted_is_told(lake: LakeStore) -> None:
    lake.put("a", report("Anna", entry("tea"), entry("rice")))
    lake.put("b", b'{"holds": 1')
    lake.put("p", page("Anna", ("tea", 3)))
    counted = count_records(lake, entity(), SEASON, {"harbour": ["a", "b", "c"], "pilots": ["p"]})
    assert counted == {"harbour": {"a": 2, "b": UNREADABLE, "c": UNREADABLE}, "pilots": {"p": 1}}


def test_a_long_page_is_counted_by_a_process_of_its_own() -> None:
    long = page("Anna", *((f"item-{number}", number) for number in range(6_000)))
    assert len(long) > 256 * 1024
    assert count(entity().reading_of("pilots"), long) == 6_000


@pytest.mark.parametrize("expression", ["ship", "holds", "missing", "`-1`", "`1.5`", "length(ship, holds)"])
def test_a_count_that_is_no_number_is_refused(expression: str) -> None:
    reading: Reading = entity().reading_of("harbour").model_copy(update={"count": expression})
    with pytest.raises(VerifyError, match="cannot be counted"):
        count(reading, report("Anna"))


def summary() -> tuple[dict[str, Any], bytes]:
    document = espn.summary(GAME, 7)
    return document, json.dumps(document).encode()


def as_mappings(name: str, body: bytes, source: str = "espn") -> list[Mapping[str, Any]]:
    declared = SHIPPED[name]
    outcome = read(declared, declared.reading_of(source), body)
    assert outcome.read == count(declared.reading_of(source), body)
    assert outcome.refused == ()
    return [dict(zip(declared.columns, row, strict=True)) for row in rows(outcome)]


def test_a_game_of_espn_is_one_row_with_the_quarters_that_make_its_score() -> None:
    document, body = summary()
    (game,) = as_mappings("games", body)
    sides = {side["homeAway"]: side for side in document["header"]["competitions"][0]["competitors"]}
    assert (game["game_id"], game["game_date"], game["season_type"]) == ("401584783", date(2024, 1, 2), "regular")
    assert (game["home_team"], game["away_team"], game["periods"]) == ("BOS", "NYK", 4)
    for side in ("home", "away"):
        parts = [game[f"{side}_{part}"] for part in ("q1", "q2", "q3", "q4", "ot")]
        assert parts == [*(int(line["displayValue"]) for line in sides[side]["linescores"]), 0]
        assert sum(parts) == game[f"{side}_score"] == int(sides[side]["score"])


def test_the_players_of_espn_make_the_score_of_their_side() -> None:
    _, body = summary()
    (game,), players = as_mappings("games", body), as_mappings("player_box", body)
    for side in ("home", "away"):
        line_up = [player for player in players if player["side"] == side]
        assert {player["team"] for player in line_up} == {game[f"{side}_team"]}
        assert sum(player["points"] for player in line_up) == game[f"{side}_score"]
        assert sum(player["starter"] for player in line_up) == 5


def test_a_player_who_did_not_play_has_no_numbers() -> None:
    document, _ = summary()
    document["boxscore"]["players"][0]["statistics"][0]["athletes"][0] |= {"stats": [], "didNotPlay": True}
    first = as_mappings("player_box", json.dumps(document).encode())[0]
    assert (first["played"], first["minutes"], first["points"]) == (False, None, None)


def test_the_last_play_of_espn_shows_the_final_score() -> None:
    _, body = summary()
    (game,), plays = as_mappings("games", body), as_mappings("play_by_play", body)
    assert [play["play"] for play in plays] == list(range(1, len(plays) + 1))
    assert (plays[-1]["home_score"], plays[-1]["away_score"]) == (game["home_score"], game["away_score"])


def test_a_game_of_the_nba_has_its_overtimes_in_one_sum() -> None:
    def side(code: str, *periods: int) -> dict[str, Any]:
        return {"teamTricode": code, "score": sum(periods), "periods": [{"score": points} for points in periods]}

    game = {
        "gameId": "0042300001",
        "gameStatus": 3,
        "gameEt": "2024-04-20T20:00:00-04:00",
        "period": 6,
        "homeTeam": side("BOS", 20, 20, 20, 20, 10, 9),
        "awayTeam": side("NYK", 25, 15, 20, 20, 10, 5),
    }
    (row,) = as_mappings("games", json.dumps({"game": game}).encode(), "nba_cdn")
    assert (row["season_type"], row["game_date"], row["home_ot"], row["away_ot"]) == (
        "playoffs",
        date(2024, 4, 20),
        19,
        15,
    )
    assert as_mappings("games", json.dumps({"game": game | {"gameStatus": 2}}).encode(), "nba_cdn") == []


def test_a_month_of_basketball_reference_has_the_games_that_are_over() -> None:
    def row(game_id: str, away: str, points: tuple[str, str], home: str) -> str:
        return (
            f"<tr><th data-stat='date_game' csk='{game_id}'>Mon, Apr 1, 2024</th>"
            f"<td data-stat='visitor_team_name'><a href='/teams/{away}/2024.html'>A</a></td>"
            f"<td data-stat='visitor_pts'>{points[0]}</td>"
            f"<td data-stat='home_team_name'><a href='/teams/{home}/2024.html'>H</a></td>"
            f"<td data-stat='home_pts'>{points[1]}</td></tr>"
        )

    body = "".join(
        [
            "<table id='schedule'><thead><tr><th data-stat='home_pts'>PTS</th></tr></thead><tbody>",
            row("202404010BRK", "PHO", ("98", "101"), "BRK"),
            "<tr class='thead'><th data-stat='date_game'>Playoffs</th></tr>",
            row("202404020BOS", "NYK", ("", ""), "BOS"),
            "</tbody></table>",
        ]
    ).encode()
    (game,) = as_mappings("games", body, "basketball_reference")
    assert (game["game_id"], game["game_date"]) == ("202404010BRK", date(2024, 4, 1))
    assert (game["home_team"], game["away_team"], game["home_score"], game["away_score"]) == ("BKN", "PHX", 101, 98)


def test_the_players_of_the_nba_stand_on_the_side_of_their_team() -> None:
    def player(number: int, points: int, minutes: str) -> dict[str, Any]:
        numbers = "reboundsTotal assists steals blocks turnovers foulsPersonal fieldGoalsMade fieldGoalsAttempted"
        more = "threePointersMade threePointersAttempted freeThrowsMade freeThrowsAttempted"
        statistics = dict.fromkeys(f"{numbers} {more}".split(), 1) | {
            "points": points,
            "minutesCalculated": minutes,
        }
        return {"personId": number, "name": f"P {number}", "starter": "1", "played": "0", "statistics": statistics}

    teams = {
        "homeTeam": {"teamTricode": "BOS", "players": [player(1, 20, "PT21M"), player(2, 5, "PT00M")]},
        "awayTeam": {"teamTricode": "NYK", "players": [player(3, 7, "PT48M")]},
    }
    body = json.dumps({"game": {"gameId": "0022300001", "gameStatus": 3, **teams}}).encode()
    read_rows = as_mappings("player_box", body, "nba_cdn")
    told = [(row["side"], row["team"], row["player_id"], row["points"], row["minutes"]) for row in read_rows]
    assert told == [
        ("home", "BOS", "1", 20, Decimal("21.00")),
        ("home", "BOS", "2", 5, Decimal("0.00")),
        ("away", "NYK", "3", 7, Decimal("48.00")),
    ]
    assert (read_rows[0]["starter"], read_rows[0]["played"]) == (True, False)


NAMED = {2: "TEAM_ABBREVIATION", 4: "GAME_ID", 5: "GAME_DATE", 6: "MATCHUP", 7: "WL", 26: "PTS"}
LOG = [NAMED.get(place, f"OTHER_{place}") for place in range(29)]


def log(*lines: tuple[str, str, str, str | None, int], headers: list[str] = LOG) -> bytes:
    """Write the league's list of games: each line has a team, a game, its MATCHUP, who won, and points."""
    told = [
        {"TEAM_ABBREVIATION": team, "GAME_ID": game_id, "GAME_DATE": "1998-11-05", "MATCHUP": pair, "WL": won, "PTS": n}
        for team, game_id, pair, won, n in lines
    ]
    rows = [[line.get(name) for name in headers] for line in told]
    return json.dumps({"resultSets": [{"name": "LeagueGameLog", "headers": headers, "rowSet": rows}]}).encode()


def test_the_two_rows_of_a_game_in_the_league_s_list_are_one_and_on_neutral_ground_too() -> None:
    body = log(
        ("NYK", "0029800001", "NYK vs. UTH", "L", 88),
        ("UTH", "0029800001", "UTH @ NYK", "W", 90),
        ("PHX", "0029800002", "PHX @ SAC", "W", 101),  # in Tokyo: neither is at home, and the first is the visitor
        ("SAC", "0029800002", "SAC @ PHX", "L", 99),
        ("BOS", "0029800003", "BOS vs. TOR", None, 12),
        ("TOR", "0029800003", "TOR @ BOS", None, 14),
    )
    told = [
        (game["game_id"], game["away_team"], game["away_score"], game["home_team"], game["home_score"])
        for game in as_mappings("games", body, "nba_api")
    ]
    assert told == [("0029800001", "UTA", 90, "NYK", 88), ("0029800002", "PHX", 101, "SAC", 99)]


def test_a_list_that_lacks_a_team_s_row_or_has_other_columns_does_not_pass_for_a_sound_one() -> None:
    reading = SHIPPED["games"].reading_of("nba_api")
    with pytest.raises(DamagedDocumentError, match="no number of records"):
        count(reading, log(("UTA", "0029800001", "UTA @ NYK", "W", 90)))
    sound = (("NYK", "0029800001", "NYK vs. UTA", "L", 88), ("UTA", "0029800001", "UTA @ NYK", "W", 90))
    moved = log(*sound, headers=[*LOG[:8], "NEW", *LOG[8:]])
    assert count(reading, moved) == 1
    assert read(SHIPPED["games"], reading, moved).read == 0


def test_players_of_the_nba_s_statistics_have_the_points_of_their_side_and_no_minutes() -> None:
    def player(number: int, points: int, position: str, comment: str) -> dict[str, Any]:
        names = "reboundsTotal assists steals blocks turnovers foulsPersonal fieldGoalsMade fieldGoalsAttempted"
        more = "threePointersMade threePointersAttempted freeThrowsMade freeThrowsAttempted"
        told = dict.fromkeys(f"{names} {more}".split(), 1) | {"points": points, "minutes": "" if comment else "20:30"}
        about = {"personId": number, "firstName": "P" if points else "", "familyName": f"{number}"}
        return about | {"position": position, "comment": comment, "statistics": told}

    teams = {
        "homeTeam": {"teamTricode": "PHL", "players": [player(1, 20, "F", ""), player(2, 0, "", "DNP - Illness")]},
        "awayTeam": {"teamTricode": "NYK", "players": [player(3, 7, "", "")]},
    }
    body = json.dumps({"boxScoreTraditional": {"gameId": "0028400001", **teams}}).encode()
    told = [
        tuple(row[name] for name in ("side", "team", "player_name", "starter", "played", "points", "minutes"))
        for row in as_mappings("player_box", body, "nba_api")
    ]
    assert told == [
        ("home", "PHI", "P 1", True, True, 20, None),
        ("home", "PHI", "2", False, False, 0, None),
        ("away", "NYK", "P 3", False, True, 7, None),
    ]


def box_page(*, modern: bool) -> bytes:
    """Write the page of a box score: the players' tables as they are, the line score in a comment."""

    def player(slug: str, points: int | None) -> str:
        told = f"<td data-stat='pts'>{points}</td><td data-stat='trb'>4</td>" if points is not None else ""
        reason = "" if points is not None else "<td data-stat='reason'>Did Not Play</td>"
        name = f"<th data-stat='player' data-append-csv='{slug}'><a href='/players/x/{slug}.html'>P. {slug}</a></th>"
        return f"<tr>{name}{told}{reason}</tr>"

    def team(code: str, *players: str) -> str:
        ids = [f"box-{code}-q1-basic", f"box-{code}-game-basic"] if modern else [f"box_{code.lower()}_basic"]
        reserves = "<tr class='thead'><th data-stat='player'>Reserves</th></tr>"
        rows = f"{players[0]}{reserves}{''.join(players[1:])}"
        totals = "<tfoot><tr><th data-stat='player'>Team Totals</th><td data-stat='pts'>99</td></tr></tfoot>"
        return "".join(f"<table id='{name}'><tbody>{rows}</tbody>{totals}</table>" for name in ids)

    def line(code: str, *points: int) -> str:
        cells = "".join(f"<td>{number}</td>" for number in points)
        return f"<tr><td><a href='/teams/{code}/1999.html'>{code}</a></td>{cells}</tr>"

    head = "<tr><th>&nbsp;</th><th colspan='7'>Scoring</th></tr><tr><th></th><th>1</th></tr>"
    lines = line("PHO", 20, 21, 22, 23, 5, 7, 98) + line("BRK", 19, 22, 22, 23, 5, 8, 99)
    return (
        "<html><head><link rel='canonical' href='https://a.test/boxscores/199902050BRK.html'></head><body>"
        f"<!-- no table --><div><!-- <table id='line_score'>{head}{lines}</table> --></div>"
        f"{team('PHO', player('aa01', 60), player('bb01', 38))}{team('BRK', player('cc01', 99), player('dd01', None))}"
        "</body></html>"
    ).encode()


@pytest.mark.parametrize("modern", [True, False])
def test_a_line_score_that_a_page_hides_in_a_comment_is_read_and_so_are_the_players(modern: Any) -> None:
    body = box_page(modern=modern)
    sides = as_mappings("line_scores", body, "basketball_reference")
    told = [(row["game_id"], row["side"], row["team"], row["q1"], row["overtime"], row["points"]) for row in sides]
    assert told == [("199902050BRK", "away", "PHX", 20, 12, 98), ("199902050BRK", "home", "BKN", 19, 13, 99)]
    players = as_mappings("player_box", body, "basketball_reference")
    names = ("team", "side", "player_id", "starter", "played", "points", "rebounds")
    assert [tuple(row[name] for name in names) for row in players] == [
        ("PHX", "away", "aa01", True, True, 60, 4),
        ("PHX", "away", "bb01", False, True, 38, 4),
        ("BKN", "home", "cc01", True, True, 99, 4),
        ("BKN", "home", "dd01", False, False, None, None),
    ]


@pytest.mark.parametrize(
    ("page_", "seen"),
    [
        (b"a<!--<table>-->b<!-- c -->", b"a<table>b<!-- c -->"),
        (b"<!--<table>--><!--<table>-->", b"<table><table>"),
        (b"<!--<table>", b"<!--<table>"),
        (b"--><!--x<!--<table>-->", b"-->x<!--<table>"),
        (b"<!-->", b"<!-->"),
        (b"<!--" * 300_000, b"<!--" * 300_000),
    ],
)
def test_only_comments_that_hold_a_table_and_end_are_opened(page_: bytes, seen: bytes) -> None:
    assert uncommented(page_) == seen
