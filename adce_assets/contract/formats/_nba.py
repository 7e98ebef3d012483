"""NBA game ids, statuses and tables in, their meaning out: what the league's own formats share.

An id has ten characters: league (00 NBA, 10 WNBA, 20 G League), season type, two digits of the year in which the season
starts, a running number. Leading zeros count. The Cup final has a type of its own because it counts for no season.
Facts: ids of nba_api and its threads 220 and 469; the text, not ``postponedStatus``, tells of a postponement, because
that field has been "A", "N" or "Y" for every game of a season.
"""

import re
from datetime import date
from typing import Literal, TypeVar

from pydantic import Field

from adce_assets.contract.formats._reading import Many, Shape, instant, read_json, shown, team
from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.errors import VerifyError

Cell = str | int | float | bool | None
Row = dict[str, Cell]
CellT = TypeVar("CellT", str, int)

_ID = re.compile(r"(?:00|10|20)(?P<type>\d)(?P<year>\d\d)\d{5}", re.ASCII)
_FIRST_SEASON = 1946
_SEASON_TYPES = {"1": "preseason", "2": "regular", "3": "all_star", "4": "playoffs", "5": "play_in", "6": "cup_final"}
_CALLED_OFF = {
    "PPD": GameStatus.POSTPONED,
    "POSTPONED": GameStatus.POSTPONED,
    "CNCL": GameStatus.CANCELLED,
    "CANCELED": GameStatus.CANCELLED,
    "CANCELLED": GameStatus.CANCELLED,
}
_BY_CODE = {1: GameStatus.SCHEDULED, 2: GameStatus.IN_PLAY, 3: GameStatus.FINAL}
_TO_BE_DECIDED = "TBD"


class Side(Shape):
    """One team of a game; no name yet while the pairing is open."""

    tricode: str | None = Field(None, alias="teamTricode")
    score: int | None = None


class ScheduledShape(Shape):
    """A game as the JSON feeds of the league write it, in schedules and in scoreboards."""

    game_id: str = Field(alias="gameId")
    status: int = Field(alias="gameStatus")
    status_text: str = Field(alias="gameStatusText")
    if_necessary: bool | Literal["", "true", "false"] = Field(default=False, alias="ifNecessary")
    home: Side = Field(alias="homeTeam")
    away: Side = Field(alias="awayTeam")


class ResultSet(Shape):
    """A table of stats.nba.com: named columns, then rows of cells."""

    name: str
    headers: Many[str]
    rows: Many[Many[Cell]] = Field(alias="rowSet")


class Results(Shape):
    """A document of stats.nba.com."""

    sets: Many[ResultSet] = Field(alias="resultSets")


def scheduled(game: ScheduledShape, day: date, starts: str | None) -> Game:
    """Build the game of a JSON feed; ``starts`` is its instant as text, a placeholder while the time is open."""
    where = f"game {shown(game.game_id)}"
    season_start, season_type = season(game.game_id)
    timed = starts is not None and game.status_text.strip() != _TO_BE_DECIDED
    return Game(
        game_id=game.game_id,
        season_start=season_start,
        season_type=season_type,
        date=day,
        starts_at=instant(starts, where=where) if timed else None,
        status=_feed_status(game),
        home=team(game.home.tricode, where=where),
        away=team(game.away.tricode, where=where),
    )


def season(game_id: str) -> tuple[int, str]:
    """Read the start year and the season type from a game id; raise VerifyError for what is no such id."""
    match = _ID.fullmatch(game_id)
    if not match:
        raise VerifyError(f"{shown(game_id)} is no game id", valid="ten digits that begin with 00, 10 or 20")
    year = int(match["year"])
    century = 1900 if year >= _FIRST_SEASON % 100 else 2000
    return century + year, _SEASON_TYPES.get(match["type"], "other")


def status(code: int, text: str, *, where: str) -> GameStatus:
    """Tell the status from its code (1 to come, 2 in play, 3 over) unless the text says that it was called off."""
    found = _CALLED_OFF.get(text.strip().upper()) or _BY_CODE.get(code)
    if found is None:
        raise VerifyError(f"unknown game status {shown(code)}", where=where, valid="1, 2, 3")
    return found


def tables(body: bytes, *names: str, limit: int) -> list[list[Row]]:
    """Read the named tables of a stats.nba.com document, each row a mapping from column to cell."""
    found = {results.name: results for results in read_json(Results, body, limit=limit).sets}
    if missing := [name for name in names if name not in found]:
        raise VerifyError(f"the document has no table {', '.join(missing)}", valid="resultSets with these names")
    return [_rows(found[name]) for name in names]


def text(row: Row, column: str) -> str:
    """Return a cell that must hold text."""
    return _cell(row, column, str)


def number(row: Row, column: str) -> int:
    """Return a cell that must hold a whole number."""
    return _cell(row, column, int)


def _feed_status(game: ScheduledShape) -> GameStatus:
    """Tell the status of a feed's game: no game of basketball is over at 0-0, such a row is one called off."""
    found = status(game.status, game.status_text, where=f"game {game.game_id}")
    if found is GameStatus.FINAL and game.home.score == 0 == game.away.score:
        return GameStatus.POSTPONED
    if found is GameStatus.SCHEDULED and game.if_necessary in {True, "true"}:
        return GameStatus.IF_NECESSARY
    return found


def _rows(results: ResultSet) -> list[Row]:
    for position, cells in enumerate(results.rows):
        if len(cells) != len(results.headers):
            where = f"{shown(results.name)} row {position}"
            raise VerifyError(f"{len(cells)} cells", where=where, valid=f"{len(results.headers)}, one a column")
    return [dict(zip(results.headers, cells, strict=True)) for cells in results.rows]


def _cell(row: Row, column: str, kind: type[CellT]) -> CellT:
    found = row.get(column)
    if type(found) is not kind:  # True is an int to isinstance
        raise VerifyError(f"the column {column} holds {shown(found)}", valid=f"a value of type {kind.__name__}")
    return found
