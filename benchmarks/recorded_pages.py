"""A page as it lies in the lake and the facts of a recording in, the facts that are not in the page out.

Tables are looked for in the page itself and in its comments, where some sites keep most of them.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lxml import html

Element = Any
Reader = Callable[["Page", Any], object]


class Page:
    """A parsed page and its comments."""

    def __init__(self, body: bytes) -> None:
        self.text = body.decode("utf-8", "replace")
        self.tree = html.fromstring(self.text.encode(), parser=html.HTMLParser(encoding="utf-8"))
        comments = [node.text or "" for node in self.tree.iter() if node.tag is html.etree.Comment]
        self.comments = [_parsed(text) for text in comments if "<table" in text]

    def tables(self) -> Iterator[tuple[str, Element, str]]:
        """Yield every table with an id: the id, the table, and whether it stands in the page or a comment."""
        for where, trees in (("dom", [self.tree]), ("comment", self.comments)):
            for tree in trees:
                for table in tree.xpath("//table[@id]"):
                    yield table.get("id"), table, where

    def table(self, name: str) -> Element:
        """Return a table by its id."""
        return next(table for found, table, _ in self.tables() if found == name)


def unseen(facts: Mapping[str, Any], body: bytes) -> Iterator[str]:
    """Yield each fact that a page does not bear out."""
    page = Page(body)
    for name, recorded in facts.items():
        try:
            read = _read(name, page, recorded)
        except (KeyError, IndexError, TypeError, ValueError, StopIteration) as error:
            read = f"nothing: {type(error).__name__}: {error}"
        if read != recorded:
            yield f"{name}: read {json.dumps(read, default=str)[:200]}, recorded {json.dumps(recorded)[:200]}"


def _read(name: str, page: Page, recorded: Any) -> object:
    if name in READERS:
        return READERS[name](page, recorded)
    if name.startswith("first_row_of_"):
        cells = [[cell.get("data-stat"), _text(cell)] for cell in _rows(page.table(name[13:]))[0]]
        return cells[: len(recorded)]
    return "nothing: nobody knows how to read it"


def _parsed(text: str) -> Element:
    return html.fromstring(f"<div>{text}</div>")


def _text(element: Element) -> str:
    return re.sub(r"[ \t\r\n]+", " ", element.text_content()).strip()


def _rows(table: Element) -> list[Element]:
    """List the rows of data: those of the body that are no repeated headers."""
    rows = table.xpath("./tbody/tr") or table.xpath(".//tr")
    return [row for row in rows if "thead" not in (row.get("class") or "") and row.xpath("./td")]


def _counted(page: Page, recorded: Any) -> list[list[Any]]:
    """Count the rows of the tables that are recorded."""
    found: dict[str, list[Any]] = {
        name: [name, len(_rows(table)), where] for name, table, where in reversed(list(page.tables()))
    }
    return [found.get(name, [name, 0, "nowhere"]) for name, _, _ in recorded]


def _tables_with_id(page: Page, recorded: Any) -> dict[str, int]:
    where = [where for _, _, where in page.tables()]
    return {name: where.count(name) for name in recorded}


def _comment_ids(page: Page, _: Any) -> list[str]:
    return [name for name, _, where in page.tables() if where == "comment"]


def _basic(page: Page, team: str) -> Element:
    """Return the basic box score of a team, in either of the spellings of its id."""
    names = (f"box-{team}-game-basic", f"box_{team.lower()}_basic")
    return next(table for name, table, _ in page.tables() if name in names)


def _team_points(page: Page, recorded: Any) -> dict[str, int]:
    return {team: int(_text(_basic(page, team).xpath("./tfoot//td[@data-stat='pts']")[0])) for team in recorded}


def _first_players(page: Page, recorded: Any) -> dict[str, list[Any]]:
    told: dict[str, list[Any]] = {}
    for team in recorded:
        rows = [row for row in _rows(_basic(page, team)) if row.xpath("./*[@data-stat='player']")]
        name, points = (_text(rows[0].xpath(f"./*[@data-stat='{stat}']")[0]) for stat in ("player", "pts"))
        told[team] = [name, points, len(rows)]
    return told


def _schedule(page: Page) -> list[Element]:
    return _rows(page.table("schedule"))


def _game_row(row: Element) -> list[str]:
    names = ("date_game", "visitor_team_name", "visitor_pts", "home_team_name", "home_pts")
    return [_text(row.xpath(f"./*[@data-stat='{name}']")[0]) for name in names]


def _linked(page: Page, _: Any) -> int:
    path = ".//a[contains(@href, '/boxscores/') and contains(@href, '.html')]"
    return sum(bool(row.xpath(path)) for row in _schedule(page))


def _months(page: Page, _: Any) -> int:
    return len(set(page.tree.xpath("//div[contains(@class, 'filter')]//a[contains(@href, '_games-')]/@href")))


def _clocked(page: Page) -> list[Element]:
    rows = page.table("pbp").xpath(".//tr")
    return [row for row in rows if row.xpath("./td") and re.fullmatch(r"\d+:\d\d\.\d", _text(row.xpath("./td")[0]))]


def _headers(page: Page, _: Any) -> list[str]:
    texts = [_text(row) for row in page.table("pbp").xpath(".//tr[th[@colspan]]")]
    return [text for text in texts if re.fullmatch(r"\d\w\w (Q|OT)", text)]


def _final(page: Page, _: Any) -> str:
    scores = [_text(cell) for row in _clocked(page) for cell in row.xpath("./td")]
    return [text for text in scores if re.fullmatch(r"\d+-\d+", text)][-1]


def _embedded(page: Page) -> Any:
    marker = "window['__espnfitt__']="
    return json.JSONDecoder().raw_decode(page.text, page.text.index(marker) + len(marker))[0]


def _package(page: Page) -> Any:
    return _embedded(page)["page"]["content"]["gamepackage"]


def _espn_scores(page: Page, _: Any) -> list[list[str]]:
    return [[team["abbrev"], str(team["score"])] for team in _package(page)["gmStrp"]["tms"]]


def _espn_players(page: Page, _: Any) -> dict[str, int]:
    return {
        team["tm"]["abbrev"]: sum(len(group.get("athlts", [])) for group in team["stats"])
        for team in _package(page)["bxscr"]
    }


SUMMARY, LINK = "//div[contains(@class, 'game_summary')]", "//td[contains(@class, 'gamelink')]/a/@href"
READERS: Mapping[str, Reader] = {
    "title": lambda page, _: _text(page.tree.xpath("//title")[0]),
    "canonical": lambda page, _: page.tree.xpath("//link[@rel='canonical']/@href")[0],
    "tables_with_id": _tables_with_id,
    "tables_id_rows_where": _counted,
    "comment_table_ids": _comment_ids,
    "team_points_from_tfoot": _team_points,
    "first_player_pts_nrows": _first_players,
    "schedule_rows": lambda page, _: len(_schedule(page)),
    "rows_with_boxscore_link": _linked,
    "first_row": lambda page, _: _game_row(_schedule(page)[0]),
    "last_row": lambda page, _: _game_row(_schedule(page)[-1]),
    "month_links": _months,
    "rows_with_clock": lambda page, _: len(_clocked(page)),
    "rows_with_6_cells": lambda page, _: sum(len(row.xpath("./td")) == 6 for row in _clocked(page)),
    "period_headers": _headers,
    "final_score_away_home": _final,
    "game_summaries": lambda page, _: len(page.tree.xpath(SUMMARY)),
    "first_game_text": lambda page, _: " ".join(_text(page.tree.xpath(SUMMARY)[0]).split()),
    "final_links": lambda page, recorded: page.tree.xpath(f"{SUMMARY}{LINK}")[: len(recorded)],
    "embedded_json": lambda page, recorded: recorded if f"window['{recorded}']=" in page.text else "",
    "page_type": lambda page, _: _embedded(page)["page"]["type"],
    "content_keys": lambda page, recorded: sorted(_embedded(page)["page"]["content"])[: len(recorded)],
    "teams_scores": _espn_scores,
    "game_id": lambda page, _: _package(page)["gmStrp"]["gid"],
    "box_teams_players": _espn_players,
}
