"""The schedule pages of Basketball-Reference: what stands in a row, and what only the page as a whole tells."""

from datetime import UTC, date, datetime

import pytest

from adce_assets.contract import schedule
from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.errors import VerifyError

TITLE = "2024-25 NBA Schedule | Basketball-Reference.com"
PLAYOFFS = "<tr class='thead'><th colspan='12'>Playoffs</th></tr>"
COLUMNS_AGAIN = '<tr class="thead"><th data-stat="date_game">Date</th><th data-stat="home_pts">PTS</th></tr>'


def row(on: str = "Fri, Jan 10, 2025", *, home: str = "LAC", played: bool = True, note: str = "", **other: str) -> str:
    stamp = datetime.strptime(on, "%a, %b %d, %Y").replace(tzinfo=UTC)
    box_score = f'<a href="/boxscores/{stamp:%Y%m%d}0{home}.html">Box Score</a>' if played else ""
    points = other.get("points", "")
    return (
        f'<tr><th data-stat="date_game" csk="{other.get("csk", "")}"><a href="/boxscores/index.fcgi">{on}</a></th>'
        f'<td data-stat="game_start_time">{other.get("clock", "10:30p")}</td>'
        '<td data-stat="visitor_team_name"><a href="https://host/teams/DEN/2025.html">Denver Nuggets</a></td>'
        f'<td data-stat="visitor_pts">{points}</td>'
        f'<td data-stat="home_team_name" csk="{home}.2025"><a href="/teams/{home}/2025.html">Home</a></td>'
        f'<td data-stat="home_pts">{points}</td><td data-stat="box_score_text">{box_score}</td>'
        f'<td data-stat="game_remarks">{note}</td></tr>\n'
    )


def page(*rows: str, title: str = TITLE, address: str = "/leagues/NBA_2025_games.html", hidden: bool = False) -> str:
    table = f'<table id="schedule"><thead>{COLUMNS_AGAIN}</thead><tbody>{"".join(rows)}</tbody></table>'
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{title}</title>'
        f'<link rel="canonical" href="https://www.basketball-reference.com{address}"></head>'
        f"<body><h1>Schedule</h1><!-- a remark -->{f'<!-- {table} -->' if hidden else table}</body></html>"
    )


def read(text: str) -> list[Game]:
    return schedule.parse("basketball_reference_games", text.encode())


def types(*rows: str, year: int = 2025) -> list[str]:
    title = f"{year - 1}-{year % 100:02d} NBA Schedule"
    return [game.season_type for game in read(page(*rows, title=title, address=f"/leagues/NBA_{year}_games.html"))]


@pytest.mark.parametrize("hidden", [False, True], ids=["on the page", "in a comment"])
def test_a_played_game_is_known_by_its_box_score(hidden: bool):  # noqa: FBT001 - a case of the table
    (game,) = read(page(row(csk="202501100XXX"), hidden=hidden))
    starts = datetime(2025, 1, 11, 3, 30, tzinfo=UTC)
    assert game == Game("202501100LAC", 2024, "regular", date(2025, 1, 10), starts, GameStatus.FINAL, "LAC", "DEN")


@pytest.mark.parametrize(("csk", "game_id"), [("202501101LAC", "202501101LAC"), ("2025-01-10", "202501100LAC")])
def test_a_game_to_come_is_known_by_its_row_or_by_rule(csk: str, game_id: str):
    (game,) = read(page(row(played=False, csk=csk)))
    assert (game.game_id, game.status) == (game_id, GameStatus.SCHEDULED)


@pytest.mark.parametrize(
    ("note", "status"),
    [
        ("at Paris, France", GameStatus.SCHEDULED),
        ("Postponed", GameStatus.POSTPONED),
        ("Game canceled", GameStatus.CANCELLED),
        ("If Necessary", GameStatus.IF_NECESSARY),
    ],
)
def test_notes_tell_of_games_that_may_not_be_played(note: str, status: GameStatus):
    assert [game.status for game in read(page(row(played=False, note=note), row(note=note)))] == [
        status,
        GameStatus.FINAL,
    ]


def test_a_game_with_a_result_is_over_without_a_box_score_too():
    assert read(page(row(played=False, points="83")))[0].status is GameStatus.FINAL


@pytest.mark.parametrize(("clock", "hour"), [("12:30p", 17), ("12:00a", 5), ("7:30p", 0), ("", None), ("TBD", None)])
def test_start_times_are_eastern(clock: str, hour: int | None):
    starts_at = read(page(row(clock=clock)))[0].starts_at
    assert (starts_at.hour if starts_at else None) == hour


def test_the_month_in_which_the_playoffs_begin_has_a_heading():
    rows = (row("Sun, Apr 13, 2025"), COLUMNS_AGAIN, row("Tue, Apr 15, 2025", note="Play-In Game"), PLAYOFFS)
    assert types(*rows, row("Sat, Apr 19, 2025")) == ["regular", "play_in", "playoffs"]


@pytest.mark.parametrize(
    ("on", "year", "season_type"),
    [
        ("Thu, Oct 31, 2024", 2025, "regular"),
        ("Tue, Apr 1, 2025", 2025, "regular"),
        ("Sat, May 3, 2025", 2025, "playoffs"),
        ("Sun, Jun 22, 2025", 2025, "playoffs"),
        ("Fri, Jul 31, 2020", 2020, "regular"),
        ("Thu, Sep 3, 2020", 2020, "playoffs"),
        ("Sun, Oct 11, 2020", 2020, "playoffs"),
        ("Sun, Jul 11, 2021", 2021, "playoffs"),
    ],
)
def test_a_month_without_heading_is_of_one_kind(on: str, year: int, season_type: str):
    assert types(row(on), year=year) == [season_type]


def test_may_is_no_month_of_the_playoffs_before_its_heading():
    assert types(row("Tue, May 4, 1999"), PLAYOFFS, row("Sat, May 8, 1999"), year=1999) == ["regular", "playoffs"]


class TestTheCupFinal:
    GROUP = tuple(row("Tue, Dec 3, 2024", home=home, note="NBA Cup") for home in ("BOS", "LAC"))
    SEMIFINALS = tuple(row("Sat, Dec 14, 2024", home=home, note="In-Season Tournament") for home in ("OKC", "MIL"))
    FINAL = row("Tue, Dec 17, 2024", home="OKC", note="NBA Cup")

    def test_is_the_last_of_the_cup_and_alone_on_its_day(self):
        after = row("Thu, Dec 19, 2024")
        assert types(*self.GROUP, *self.SEMIFINALS, self.FINAL, after) == [*["regular"] * 4, "cup_final", "regular"]

    def test_is_not_there_before_it_is_drawn(self):
        assert types(*self.GROUP, *self.SEMIFINALS) == ["regular"] * 4

    def test_is_not_played_in_november(self):
        assert types(*(row(f"Fri, Nov {day}, 2024", note="NBA Cup") for day in (15, 22, 29))) == ["regular"] * 3


@pytest.mark.parametrize(
    ("title", "address", "season_start"),
    [
        (TITLE, "/leagues/NBA_2025_games.html", 2024),
        ("April 1999-00 NBA Schedule and Results", "/leagues/NBA_2000_games-april.html", 1999),
        ("1967-68 ABA Schedule", "", 1967),
        ("", "/leagues/BAA_1947_games.html", 1946),
    ],
)
def test_the_season_stands_in_title_and_address(title: str, address: str, season_start: int):
    assert read(page(row(), title=title, address=address))[0].season_start == season_start


def test_a_month_without_games_is_an_empty_schedule():
    assert read(page()) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("", "not HTML", id="nothing"),
        pytest.param("<html><title>Rate Limited Request (429 error)</title></html>", "no season", id="a refusal"),
        pytest.param(page(row(), address="/leagues/NBA_2024_games.html"), r"\[2023, 2024\]", id="two seasons"),
        pytest.param(page().replace('id="schedule"', 'id="stats"'), "0 schedule tables", id="no table"),
        pytest.param(page().replace("<h1>", '<table id="schedule"></table>'), "2 schedule tables", id="two tables"),
        pytest.param(page(PLAYOFFS.replace("Playoffs", "Finals")), "row 1", id="an unknown heading"),
        pytest.param(page(row(), row().replace("Jan 10", "Jan 32")), "row 2", id="no such day"),
        pytest.param(page(row(), row().replace("Jan 10", "Foo 10")), "row 2", id="no such month"),
        pytest.param(page(row().replace("2025</a>", "9999</a>")), "row 1", id="no such year"),
        pytest.param(page(row(clock="half past seven")), "202501100LAC", id="no time"),
        pytest.param(page(row().replace("/teams/DEN/", "/clubs/")), "visitor_team_name", id="no team"),
        pytest.param(page(row().replace("home_team_name", "host")), "home_team_name", id="no such column"),
        pytest.param("\ud800".encode("utf-16", "surrogatepass").decode("latin-1"), "NUL", id="noise"),
        pytest.param(page(row()) + "\0", "NUL", id="NUL characters"),
        pytest.param("<div>" * 100_000, "season", id="deep nesting"),
        pytest.param(
            f'<!-- id="schedule" {"<b>" * 50_000} --> {page().split("<body>")[0]}', "0 schedule", id="deep comment"
        ),
    ],
)
def test_a_page_that_is_no_schedule_is_refused(text: str, named: str):
    with pytest.raises(VerifyError, match=named):
        read(text)


def test_a_page_that_is_not_utf_8_is_refused():
    with pytest.raises(VerifyError, match="UTF-8"):
        schedule.parse("basketball_reference_games", page(row(note="Dončić")).encode("iso8859-2"))
