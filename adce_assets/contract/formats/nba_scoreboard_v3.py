"""A day's scoreboard of the league in, its games out.

Endpoints: stats.nba.com/stats/scoreboardv3 and cdn.nba.com/static/json/liveData/scoreboard/todaysScoreboard_00.json,
which answer alike. Facts: a recording of a day without games, nba_api's sample of 16 January 2021 (a postponed game has
status 1 and the text "PPD"). The day is the league's, in US Eastern time.
"""

from pydantic import Field

from adce_assets.contract.formats._nba import ScheduledShape, scheduled
from adce_assets.contract.formats._reading import Many, Shape, day, read_json
from adce_assets.contract.schedule import Game

MAX_BYTES = 8 * 1024 * 1024


class _Game(ScheduledShape):
    starts: str | None = Field(None, alias="gameTimeUTC")


class _Day(Shape):
    date: str = Field(alias="gameDate")
    games: Many[_Game]


class _Scoreboard(Shape):
    scoreboard: _Day


def parse(body: bytes) -> list[Game]:
    """Read the games of the day, in the order of the document."""
    found = read_json(_Scoreboard, body, limit=MAX_BYTES).scoreboard
    on = day(found.date, where="scoreboard.gameDate")
    return [scheduled(game, on, game.starts) for game in found.games]
