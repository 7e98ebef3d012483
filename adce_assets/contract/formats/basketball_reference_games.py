"""A schedule page of Basketball-Reference in, its games out.

Endpoints: basketball-reference.com/leagues/{NBA,ABA,BAA}_{Y}_games.html and ..._games-{month}.html, Y being the year
the season ends in. Facts: recordings of 2018-19 and 2025-26, public copies of the pages of 2000-01.

- Cells are told by ``data-stat``. The row's own id (``csk`` of the date cell) is the id of its box score, given before
  the game is played; where it is missing the id follows by rule: date, 0, home team. Start times are US Eastern.
- A game is over once it has a box score or points for both teams. "Postponed" and the like stand in the notes.
- The Playoffs begin after a row that says so, in the month in which they begin. Later months have no such row, see
  `_is_playoff_month`. Play-in games are told by their notes.
- The Cup's games are noted as such, its final is not. It is the last of them and alone on its day in December; it
  counts for no season, so that it may not be taken for one of the 1,230.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from lxml import etree, html

from adce_assets.contract.formats._reading import EASTERN, YEARS, day, read_text, shown
from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.errors import VerifyError

MAX_BYTES = 16 * 1024 * 1024

_TITLE = re.compile(r"\b(\d{4})-(\d\d) (?:NBA|ABA|BAA) Schedule\b", re.ASCII)
_CANONICAL = re.compile(r"/leagues/(?:NBA|ABA|BAA)_(\d{4})_games", re.ASCII)
_ID = re.compile(r"[0-9]{9}[A-Z]{3}")
_BOX_SCORE = re.compile(r"/boxscores/([0-9]{9}[A-Z]{3})\.html$")
_TEAM_LINK = re.compile(r"/teams/([A-Z]{3})/")
_TEAM_KEY = re.compile(r"([A-Z]{3})\.")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(rf"[A-Z][a-z]{{2}}, ({'|'.join(_MONTHS)}) (\d{{1,2}}), (\d{{4}})", re.ASCII)
_CLOCK = re.compile(r"(1[0-2]|[1-9]):([0-5]\d)([ap])", re.ASCII)
_NO_CLOCK = {"", "TBD"}
_NOON = 12
_DECEMBER = 12

_HEADINGS = {"Regular Season": "regular", "Play-In Tournament": "play_in", "Playoffs": "playoffs"}
_COLUMN_HEADING = "Date"
_CUP = re.compile(r"\bcup\b|in-season tournament", re.IGNORECASE)
_PLAY_IN = re.compile(r"play-in", re.IGNORECASE)
_CALLED_OFF = (
    (re.compile(r"postponed", re.IGNORECASE), GameStatus.POSTPONED),
    (re.compile(r"cancell?ed", re.IGNORECASE), GameStatus.CANCELLED),
    (re.compile(r"if necessary", re.IGNORECASE), GameStatus.IF_NECESSARY),
)
_PLAYOFF_MONTHS = {5, 6, 7, 9, 10}
_REGULAR_JULY = (2020, 7)

Cells = Mapping[str, html.HtmlElement]


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the table that is a game, and the heading it stands under (empty before the first)."""

    cells: Cells
    date: date
    heading: str
    note: str


def parse(body: bytes) -> list[Game]:
    """Read the games of a page, in the order of the page."""
    page = _page(read_text(body, limit=MAX_BYTES))
    season_start = _season_start(page)
    rows = list(_rows(_table(page)))
    final = _cup_final(rows)
    headed = any(row.heading for row in rows)
    return [
        _game(row, season_start, "cup_final" if row is final else _season_type(row, season_start, headed=headed))
        for row in rows
    ]


def _game(row: _Row, season_start: int, season_type: str) -> Game:
    home = _team(row.cells, "home_team_name")
    game_id = _game_id(row, home)
    return Game(
        game_id=game_id,
        season_start=season_start,
        season_type=season_type,
        date=row.date,
        starts_at=_start(row.date, _text(row.cells, "game_start_time"), game_id),
        status=_status(row),
        home=home,
        away=_team(row.cells, "visitor_team_name"),
    )


def _page(text: str) -> html.HtmlElement:
    try:
        return html.document_fromstring(text.encode(), parser=html.HTMLParser(encoding="utf-8", no_network=True))
    except etree.LxmlError as cause:
        raise VerifyError("the page is not HTML") from cause


def _season_start(page: html.HtmlElement) -> int:
    """Read the season from the title and the page's own address, which must agree where both stand."""
    title = _TITLE.search("".join(page.xpath("//title//text()")))
    address = _CANONICAL.search(" ".join(page.xpath("//link[@rel='canonical']/@href")))
    told = {int(title[1])} if title else set()
    if address:
        told.add(int(address[1]) - 1)
    if len(told) != 1 or told.isdisjoint(YEARS):
        raise VerifyError(f"the page names {sorted(told) or 'no season'}", valid="one season, in title and address")
    return told.pop()


def _table(page: html.HtmlElement) -> html.HtmlElement:
    """Find the table of games, on the page or in one of its comments, where the site hides tables from layout."""
    found = page.xpath("//table[@id='schedule']")
    for comment in () if found else page.iter(etree.Comment):
        if comment.text and 'id="schedule"' in comment.text:
            found = _page(comment.text).xpath("//table[@id='schedule']")
    if len(found) != 1:
        raise VerifyError(f"the page has {len(found)} schedule tables", valid="one")
    return found[0]


def _rows(table: html.HtmlElement) -> Iterator[_Row]:
    """Yield the games of the table; a row that is neither a game nor a known heading is refused."""
    heading = ""
    for position, row in enumerate(table.xpath("./tbody/tr"), start=1):
        said = " ".join("".join(row.itertext()).split())
        cells = {cell.get("data-stat", ""): cell for cell in row.iterchildren("th", "td")}
        if said in _HEADINGS:
            heading = _HEADINGS[said]
        elif _text(cells, "date_game") != _COLUMN_HEADING:
            on = _date(_text(cells, "date_game"), where=f"row {position}")
            yield _Row(cells, on, heading, _text(cells, "game_remarks"))


def _game_id(row: _Row, home: str) -> str:
    box_score = _BOX_SCORE.search(_link(row.cells, "box_score_text"))
    if box_score:
        return box_score[1]
    own = row.cells["date_game"].get("csk", "")
    return own if _ID.fullmatch(own) else f"{row.date:%Y%m%d}0{home}"


def _team(cells: Cells, column: str) -> str:
    """Return the abbreviation of a team as its link gives it, else as the cell's sorting key begins."""
    if column not in cells:
        raise VerifyError(f"a game has no column {column}")
    found = _TEAM_LINK.search(_link(cells, column)) or _TEAM_KEY.match(cells[column].get("csk", ""))
    if not found:
        raise VerifyError(f"{shown(_text(cells, column))} has no abbreviation", where=column)
    return found[1]


def _status(row: _Row) -> GameStatus:
    over = bool(_text(row.cells, "box_score_text")) or all(
        _text(row.cells, points).isdigit() for points in ("visitor_pts", "home_pts")
    )
    if over:
        return GameStatus.FINAL
    called_off = (status for said, status in _CALLED_OFF if said.search(row.note))
    return next(called_off, GameStatus.SCHEDULED)


def _season_type(row: _Row, season_start: int, *, headed: bool) -> str:
    if _PLAY_IN.search(row.note):
        return "play_in"
    if not headed and _is_playoff_month(row.date, season_start):
        return "playoffs"
    return row.heading or "regular"


def _is_playoff_month(on: date, season_start: int) -> bool:
    """Tell whether a month without a heading is of the playoffs alone.

    No regular season went through a whole May; the two that reached into May (1998-99, 2020-21) have the heading there.
    Only 2019-20 was played in July, to go on with the regular season, and had its heading in August.
    """
    late = on.year == season_start + 1 and on.month in _PLAYOFF_MONTHS
    return late and (on.year, on.month) != _REGULAR_JULY


def _cup_final(rows: list[_Row]) -> _Row | None:
    cup = [row for row in rows if _CUP.search(row.note) and row.date.month == _DECEMBER]
    last = [row for row in cup if row.date == max(game.date for game in cup)]
    return last[0] if len(last) == 1 and len(cup) > 1 else None


def _text(cells: Cells, column: str) -> str:
    """Return the text of a cell; columns that a season does not have are empty."""
    return "".join(cells[column].itertext()).strip() if column in cells else ""


def _link(cells: Cells, column: str) -> str:
    """Return the address a cell links to, empty if it links to none."""
    return next(iter(cells[column].xpath(".//a/@href")), "") if column in cells else ""


def _date(text: str, *, where: str) -> date:
    match = _DATE.fullmatch(text)
    if not match:
        raise VerifyError(f"{shown(text)} is no date", where=where, valid="Thu, Jan 1, 2026, or a known heading")
    return day(f"{match[3]}-{_MONTHS.index(match[1]) + 1:02d}-{int(match[2]):02d}", where=where)


def _start(on: date, text: str, game_id: str) -> datetime | None:
    match = _CLOCK.fullmatch(text)
    if match:
        hour = int(match[1]) % _NOON + (_NOON if match[3] == "p" else 0)
        return datetime.combine(on, time(hour, int(match[2])), EASTERN).astimezone(UTC)
    if text in _NO_CLOCK:
        return None
    raise VerifyError(f"{shown(text)} is no time of day", where=f"game {game_id}", valid="7:30p")
