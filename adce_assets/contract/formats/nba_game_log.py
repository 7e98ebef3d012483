"""The league's game log in, its games out: every game that was played, none that was not.

Endpoint: stats.nba.com/stats/leaguegamelog, by teams or by players. Facts: a recording of 844 games of 2025-26.
A game has a row for each team (or player); its MATCHUP names the away team first with ``@``, the home team first with
``vs.``. At a neutral site all rows say ``@``: then the first row is taken, which agreed with another source in all five
such games of the recording. A row without W or L is of a game still in play. Dates are the league's, in Eastern time.
"""

import re

from adce_assets.contract.formats._nba import Row, season, tables, text
from adce_assets.contract.formats._reading import day, shown, team
from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.errors import VerifyError

MAX_BYTES = 64 * 1024 * 1024
_MATCHUP = re.compile(r"(\S{2,4}) (@|vs\.) (\S{2,4})")
_OVER = {"W", "L"}


def parse(body: bytes) -> list[Game]:
    """Read the games of the log, in the order in which they first appear."""
    (rows,) = tables(body, "LeagueGameLog", limit=MAX_BYTES)
    by_game: dict[str, list[Row]] = {}
    for row in rows:
        by_game.setdefault(text(row, "GAME_ID"), []).append(row)
    return [_game(game_id, found) for game_id, found in by_game.items()]


def _game(game_id: str, rows: list[Row]) -> Game:
    where = f"game {shown(game_id)}"
    season_start, season_type = season(game_id)
    away, home = _teams(rows, where)
    if len({text(row, "GAME_DATE") for row in rows}) > 1:
        raise VerifyError("its rows give several dates", where=where)
    over = all(row.get("WL") in _OVER for row in rows)
    return Game(
        game_id=game_id,
        season_start=season_start,
        season_type=season_type,
        date=day(text(rows[0], "GAME_DATE"), where=where),
        starts_at=None,
        status=GameStatus.FINAL if over else GameStatus.IN_PLAY,
        home=team(home, where=where),
        away=team(away, where=where),
    )


def _teams(rows: list[Row], where: str) -> tuple[str, str]:
    """Return the away and the home team; a log that lost one team's rows of a game is refused."""
    pairs = [_pair(text(row, "MATCHUP"), where) for row in rows]
    present = {text(row, "TEAM_ABBREVIATION") for row in rows}
    if any(set(pair) != present for pair in pairs):
        raise VerifyError(f"its rows are of {shown(sorted(present))}", where=where, valid="the two teams of MATCHUP")
    certain = [pair for row, pair in zip(rows, pairs, strict=True) if " vs. " in text(row, "MATCHUP")]
    return (certain or pairs)[0]


def _pair(matchup: str, where: str) -> tuple[str, str]:
    match = _MATCHUP.fullmatch(matchup)
    if not match:
        raise VerifyError(f"{shown(matchup)} is no MATCHUP", where=where, valid="AWY @ HOM, HOM vs. AWY")
    return (match[1], match[3]) if match[2] == "@" else (match[3], match[1])
