"""A day's ScoreboardV2 in, its games out.

Endpoints: stats.nba.com/stats/scoreboardv2 and stats.gleague.nba.com/stats/scoreboardV2. Facts: recordings of both. The
table GameHeader has one row for each national broadcaster of a game, so a game may stand in several equal rows; the
teams' abbreviations stand in LineScore. The day is the league's, in US Eastern time; of the start only a clock time is
given, and only until the game begins.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time

from adce_assets.contract.formats._nba import Row, number, season, status, tables, text
from adce_assets.contract.formats._reading import EASTERN, day, shown, team
from adce_assets.contract.schedule import Game
from adce_assets.errors import VerifyError

MAX_BYTES = 8 * 1024 * 1024
_ISO_DATE = len("2024-12-01")
_CLOCK = re.compile(r"(1[0-2]|[1-9]):([0-5]\d) ([ap])m ET", re.ASCII)
_NOON = 12


def parse(body: bytes) -> list[Game]:
    """Read the games of the day, in the order of the document."""
    headers, scores = tables(body, "GameHeader", "LineScore", limit=MAX_BYTES)
    names = {(text(row, "GAME_ID"), number(row, "TEAM_ID")): text(row, "TEAM_ABBREVIATION") for row in scores}
    games: dict[str, Game] = {}
    for row in headers:
        game = _game(row, names)
        if games.setdefault(game.game_id, game) != game:
            raise VerifyError("the game stands twice, each time with other facts", where=f"game {game.game_id}")
    return list(games.values())


def _game(row: Row, names: Mapping[tuple[str, int], str]) -> Game:
    game_id, shows = text(row, "GAME_ID"), text(row, "GAME_STATUS_TEXT")
    where = f"game {shown(game_id)}"
    season_start, season_type = season(game_id)
    on = day(text(row, "GAME_DATE_EST")[:_ISO_DATE], where=where)
    return Game(
        game_id=game_id,
        season_start=season_start,
        season_type=season_type,
        date=on,
        starts_at=_start(on, shows),
        status=status(number(row, "GAME_STATUS_ID"), shows, where=where),
        home=team(names.get((game_id, number(row, "HOME_TEAM_ID"))), where=where),
        away=team(names.get((game_id, number(row, "VISITOR_TEAM_ID"))), where=where),
    )


def _start(on: date, shows: str) -> datetime | None:
    clock = _CLOCK.fullmatch(shows.strip())
    if not clock:
        return None
    hour = int(clock[1]) % _NOON + (_NOON if clock[3] == "p" else 0)
    return datetime.combine(on, time(hour, int(clock[2])), EASTERN).astimezone(UTC)
