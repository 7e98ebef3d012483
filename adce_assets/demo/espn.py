"""A game in, ESPN's documents about it out: made up from a seed, so that no document of anybody's is needed.

The documents have the shape of ESPN's and are sound in themselves: the players' points add up to the score, so do the
periods, and the last play shows the final score. `plays` is a sample, not every basket. The same game and seed give the
same document for ever. Serving them is `source`'s business.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any
from zlib import crc32

from adce_assets.contract.schedule import Game, GameStatus

PERIODS = {GameStatus.FINAL: 4, GameStatus.IN_PLAY: 2}
"""Periods that have been played, by status; none for any other."""
PLAYERS, STARTERS = 6, 5
LABELS = ["MIN", "PTS", "FG", "3PT", "FT", "REB", "AST", "TO", "STL", "BLK", "PF"]
SHOTS = (
    "fieldGoalsMade-fieldGoalsAttempted",
    "threePointFieldGoalsMade-threePointFieldGoalsAttempted",
    "freeThrowsMade-freeThrowsAttempted",
)
OTHERS = ("totalRebounds", "assists", "turnovers", "steals", "blocks", "fouls")
STEPS = 3
"""Plays that are shown of each period."""

SEASON_TYPES: Mapping[str, int] = {"preseason": 1, "regular": 2, "playoffs": 3, "other": 4, "play_in": 5}
"""ESPN's numbers; All-Star games and the Cup final are filed under the regular season and told by type and note."""
NOTES: Mapping[str, str] = {"cup_final": "NBA Cup - Championship", "all_star": "NBA All-Star Game"}
STATUSES: Mapping[GameStatus, tuple[str, str, str, bool]] = {
    GameStatus.SCHEDULED: ("1", "STATUS_SCHEDULED", "pre", False),
    GameStatus.IF_NECESSARY: ("1", "STATUS_SCHEDULED", "pre", False),
    GameStatus.IN_PLAY: ("2", "STATUS_IN_PROGRESS", "in", False),
    GameStatus.FINAL: ("3", "STATUS_FINAL", "post", True),
    GameStatus.CANCELLED: ("5", "STATUS_CANCELED", "post", False),
    GameStatus.POSTPONED: ("6", "STATUS_POSTPONED", "post", False),
}
SUMMER = 7
"""The month from which a game belongs to the season that ends next year."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Player:
    """A player's line; made and tried are of all field goals, of threes, and of free throws."""

    id: str
    name: str
    minutes: int
    made: tuple[int, int, int]
    tried: tuple[int, int, int]
    others: tuple[int, ...]

    @property
    def points(self) -> int:
        """A goal counts two, a three one more, a free throw one."""
        goals, threes, free = self.made
        return 2 * goals + threes + free


@dataclass(frozen=True, slots=True)
class _Side:
    """One team in one game: its players' lines and its points in each period."""

    name: str
    players: tuple[_Player, ...]
    periods: tuple[int, ...]

    @property
    def team(self) -> Json:
        """The team as documents name it."""
        return {"id": str(crc32(self.name.encode())), "abbreviation": self.name, "displayName": f"{self.name} Team"}

    @property
    def score(self) -> int:
        """The points of all periods."""
        return sum(self.periods)


def summary(game: Game, seed: int) -> Json:
    """Make the document of ``/summary?event=``: header, box score by player and team, a sample of the plays."""
    sides = _sides(game, seed)
    header = {
        "id": game.game_id,
        "season": {"year": _season_year(game), "type": _season_type(game)},
        "competitions": [_competition(game, sides)],
    }
    played = game.status in PERIODS
    boxscore = {
        "teams": [_team_statistics(place, side) for place, side in sides.items()] if played else [],
        "players": [_player_statistics(side) for side in sides.values()] if played else [],
    }
    return {"header": header, "boxscore": boxscore, "plays": _plays(game, sides)}


def scoreboard(day: date, games: Iterable[Game], seed: int) -> Json:
    """Make the document of ``/scoreboard?dates=`` from the games of a day, which may be none."""
    events = [_event(game, _sides(game, seed)) for game in games]
    year = day.year + (day.month >= SUMMER)
    season = {"year": year, "displayName": f"{year - 1}-{year % 100:02d}"}
    league = {"id": "46", "name": "National Basketball Association", "abbreviation": "NBA", "slug": "nba"}
    return {"leagues": [{**league, "season": season}], "day": {"date": day.isoformat()}, "events": events}


def _sides(game: Game, seed: int) -> dict[str, _Side]:
    """Play the game: both sides by place, the visitors first, as ESPN has them in its box scores."""
    chance = random.Random(f"{seed}:{game.game_id}")  # noqa: S311 - a made-up game, not a secret
    periods = PERIODS.get(game.status, 0)
    away, home = (_play(name or "TBD", periods, chance) for name in (game.away, game.home))
    while periods and home.score == away.score:
        home = _play(home.name, periods, chance)
    return {"away": away, "home": home}


def _play(name: str, periods: int, chance: random.Random) -> _Side:
    if not periods:
        return _Side(name, (), ())
    players = tuple(_player(name, number, chance) for number in range(PLAYERS))
    score = sum(player.points for player in players)
    cuts = [0, *(score * n // periods + int(chance.random() * 7) - 3 for n in range(1, periods)), score]
    return _Side(name, players, tuple(end - start for start, end in pairwise(cuts)))


def _player(team: str, number: int, chance: random.Random) -> _Player:
    def below(limit: int) -> int:
        return int(chance.random() * limit)

    goals, threes_tried, free_tried = 4 + below(9), below(8), below(8)
    threes, free = below(min(goals, threes_tried) + 1), below(free_tried + 1)
    return _Player(
        id=str(crc32(f"{team}{number}".encode())),
        name=f"{team} Player {number + 1}",
        minutes=20 + below(22),
        made=(goals, threes, free),
        tried=(goals + threes_tried - threes + below(6), threes_tried, free_tried),
        others=tuple(below(most) for most in (14, 10, 5, 4, 4, 6)),
    )


def _competition(game: Game, sides: Mapping[str, _Side]) -> Json:
    """Make what both documents say of a game."""
    return {
        "id": game.game_id,
        "date": _instant(game),
        "type": {"abbreviation": "ALLSTAR" if game.season_type == "all_star" else "STD"},
        "timeValid": game.starts_at is not None,
        "notes": [{"type": "event", "headline": note} for note in _notes(game)],
        "competitors": [_competitor(place, sides) for place in ("home", "away")],
        "status": _status(game),
    }


def _competitor(place: str, sides: Mapping[str, _Side]) -> Json:
    side = sides[place]
    return {
        "id": side.team["id"],
        "homeAway": place,
        "winner": bool(side.periods) and side.score == max(other.score for other in sides.values()),
        "score": str(side.score),
        "linescores": [{"displayValue": str(points), "period": n} for n, points in enumerate(side.periods, 1)],
        "team": side.team,
    }


def _event(game: Game, sides: Mapping[str, _Side]) -> Json:
    return {
        "id": game.game_id,
        "date": _instant(game),
        "name": f"{sides['away'].name} at {sides['home'].name}",
        "season": {"year": _season_year(game), "type": _season_type(game)},
        "competitions": [_competition(game, sides)],
        "status": _status(game),
    }


def _status(game: Game) -> Json:
    number, name, state, completed = STATUSES[game.status]
    kind = {"id": number, "name": name, "state": state, "completed": completed}
    return {"period": PERIODS.get(game.status, 0), "type": kind}


def _notes(game: Game) -> list[str]:
    needed = ["If Necessary"] if game.status is GameStatus.IF_NECESSARY else []
    return [*([NOTES[game.season_type]] if game.season_type in NOTES else []), *needed]


def _instant(game: Game) -> str:
    """Write when the game starts; a game without a time is put at midnight in the east, as ESPN does."""
    return f"{game.starts_at:%Y-%m-%dT%H:%MZ}" if game.starts_at else f"{game.date}T05:00Z"


def _season_year(game: Game) -> int:
    """Tell the year the season ends in, which is how ESPN names it."""
    if game.season_start is not None:
        return game.season_start + 1
    return game.date.year + (game.date.month >= SUMMER)


def _season_type(game: Game) -> int:
    return SEASON_TYPES.get(game.season_type, SEASON_TYPES["regular"])


def _player_statistics(side: _Side) -> Json:
    athletes = [
        {
            "athlete": {"id": player.id, "displayName": player.name},
            "starter": number < STARTERS,
            "didNotPlay": False,
            "stats": [
                str(player.minutes),
                str(player.points),
                *(f"{made}-{tried}" for made, tried in zip(player.made, player.tried, strict=True)),
                *map(str, player.others),
            ],
        }
        for number, player in enumerate(side.players)
    ]
    return {"team": side.team, "statistics": [{"labels": LABELS, "athletes": athletes}]}


def _team_statistics(place: str, side: _Side) -> Json:
    made = [sum(player.made[n] for player in side.players) for n in range(3)]
    tried = [sum(player.tried[n] for player in side.players) for n in range(3)]
    shots = {name: f"{made[n]}-{tried[n]}" for n, name in enumerate(SHOTS)}
    others = {name: str(sum(player.others[n] for player in side.players)) for n, name in enumerate(OTHERS)}
    statistics = [{"name": name, "displayValue": value} for name, value in (shots | others).items()]
    return {"homeAway": place, "team": side.team, "statistics": statistics}


def _plays(game: Game, sides: Mapping[str, _Side]) -> list[Json]:
    """Show how the score rises: a few plays a period, the last of each with the score at its end."""
    plays: list[Json] = []
    before = {"away": 0, "home": 0}
    for period in range(1, PERIODS.get(game.status, 0) + 1):
        for step in range(1, STEPS + 1):
            gained = {place: side.periods[period - 1] * step // STEPS for place, side in sides.items()}
            plays.append(
                {
                    "id": f"{game.game_id}{len(plays) + 1}",
                    "type": {"text": "Jump Shot" if step < STEPS else "End Period"},
                    "awayScore": before["away"] + gained["away"],
                    "homeScore": before["home"] + gained["home"],
                    "period": {"number": period},
                    "clock": {"displayValue": f"{12 - 12 * step // STEPS}:00"},
                }
            )
        before = {place: sum(side.periods[:period]) for place, side in sides.items()}
    return plays
