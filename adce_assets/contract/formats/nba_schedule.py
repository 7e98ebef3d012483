"""The league's season schedule in, its games out.

Endpoints: cdn.nba.com/static/json/staticData/scheduleLeagueV2.json (the current season) and
stats.nba.com/stats/scheduleleaguev2 (any season of its leagues), which answer alike. Facts: a recording of the former
from September 2023, nba_api's description of the latter. Before the Cup's knock-out rounds are drawn, and
before a round of the playoffs, games stand there without teams and without a time; they will be played.
A postponed game keeps its id and may stand under both dates in one document.
"""

from pydantic import Field

from adce_assets.contract.formats._nba import ScheduledShape, scheduled
from adce_assets.contract.formats._reading import Many, Shape, day, read_json, shown
from adce_assets.contract.schedule import Game

MAX_BYTES = 64 * 1024 * 1024
_ISO_DATE = len("2024-12-01")


class _Game(ScheduledShape):
    eastern_date: str = Field(alias="gameDateEst")
    starts: str | None = Field(None, alias="gameDateTimeUTC")


class _Date(Shape):
    games: Many[_Game]


class _Season(Shape):
    dates: Many[_Date] = Field(alias="gameDates")


class _Schedule(Shape):
    season: _Season = Field(alias="leagueSchedule")


def parse(body: bytes) -> list[Game]:
    """Read the games of a season, in the order of the document."""
    schedule = read_json(_Schedule, body, limit=MAX_BYTES)
    return [_game(game) for found in schedule.season.dates for game in found.games]


def _game(game: _Game) -> Game:
    on = day(game.eastern_date[:_ISO_DATE], where=f"game {shown(game.game_id)}")
    return scheduled(game, on, game.starts)
