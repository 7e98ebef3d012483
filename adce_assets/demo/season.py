"""A season's real frame in, its games out: what the demo's lake and its source both hold.

Real are the teams and their ids, the first and last days, the breaks, the number of games (of a season and of each
team), the two ways in which ids are made, and the odd games of `ODD_GAMES`. Who meets whom on which day is
generated, because the demo ships no data of others: a round robin dealt over the season's days.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.contract.seasons import Season

DAY = timedelta(days=1)
TEAMS: Mapping[str, int] = {
    "ATL": 1, "BOS": 2, "NO": 3, "CHI": 4, "CLE": 5, "DAL": 6, "DEN": 7, "DET": 8, "GS": 9, "HOU": 10,
    "IND": 11, "LAC": 12, "LAL": 13, "MIA": 14, "MIL": 15, "MIN": 16, "BKN": 17, "NY": 18, "ORL": 19, "PHI": 20,
    "PHX": 21, "POR": 22, "SAC": 23, "SA": 24, "OKC": 25, "UTAH": 26, "WSH": 27, "TOR": 28, "MEM": 29, "CHA": 30,
}  # fmt: skip
"""ESPN's abbreviation and id of each team; team 17 was ``NJ`` until it moved in 2012."""
MOVED = {("BKN", 2011): "NJ"}
GAMES_A_ROUND = len(TEAMS) // 2
TIP_OFFS = (timedelta(hours=24), timedelta(hours=24.5), timedelta(hours=25), timedelta(hours=26.5))
"""When a day's games start, counted from midnight UTC of their US date: between 7 pm and midnight in New York."""
GAME_LASTS = timedelta(hours=3)
SERIES_A_ROUND = (8, 4, 2, 1)


@dataclass(frozen=True, slots=True)
class Frame:
    """What is real about a season: its days, its size, its ids.

    ``playoff_games`` is 0 while the season is not over. ``first_id`` is where the running numbers start; None means
    ids that spell the date and the home team.
    """

    season: Season
    first_day: date
    last_day: date
    days_off: frozenset[date]
    games_a_team: int
    playoff_games: int
    first_id: int | None


@dataclass(frozen=True, slots=True)
class OddGame:
    """A game that did not go as planned: what became of it on ``day``, and the day it was replayed on."""

    season: Season
    home: str
    away: str
    day: date
    status: GameStatus
    replayed: date | None
    story: str


FRAMES = (
    Frame(
        Season(2011),
        date(2011, 12, 25),
        date(2012, 4, 26),
        frozenset(date(2012, 2, day) for day in (24, 25, 26, 27)),
        games_a_team=66,
        playoff_games=84,
        first_id=None,
    ),
    Frame(
        Season(2012),
        date(2012, 10, 30),
        date(2013, 4, 17),
        frozenset({date(2012, 11, 22), date(2012, 12, 24), *(date(2013, 2, day) for day in (15, 16, 17, 18))}),
        games_a_team=82,
        playoff_games=85,
        first_id=400_277_700,
    ),
    Frame(
        Season(2013),
        date(2013, 10, 29),
        date(2014, 4, 16),
        frozenset({date(2013, 11, 28), date(2013, 12, 24), *(date(2014, 2, day) for day in (14, 15, 16, 17))}),
        games_a_team=82,
        playoff_games=0,
        first_id=400_488_800,
    ),
)
"""Three seasons in a row: one shortened by a lockout, one with a game that was never played, and the current one."""

ODD_GAMES = (
    OddGame(
        Season(2012), "BKN", "NY", date(2012, 11, 1), GameStatus.POSTPONED, date(2012, 11, 26),
        "postponed after a hurricane, replayed under its id",
    ),
    OddGame(
        Season(2012), "BOS", "IND", date(2013, 4, 16), GameStatus.CANCELLED, None, "cancelled and never played",
    ),
    OddGame(
        Season(2013), "MIN", "SA", date(2013, 12, 4), GameStatus.POSTPONED, date(2014, 4, 8),
        "postponed for smoke in the arena, to be replayed in April",
    ),
)  # fmt: skip


def scoreboards(frame: Frame) -> dict[date, list[Game]]:
    """Make the games of each day of a season that has some, all still to be played: see `as_of`.

    A postponed game stands on two days: as postponed on the first, and on the day it is replayed.
    """
    days: defaultdict[date, list[Game]] = defaultdict(list)
    planned = list(_regular_season(frame))
    odd_games = _odd_games(frame, planned)
    for game in [*planned, *_playoffs(frame)]:
        for shown in _sightings(game, odd_games.get(game.game_id)):
            days[shown.date].append(shown)
    return dict(sorted(days.items()))


def as_of(game: Game, moment: datetime) -> Game:
    """Show the game as it stands at a moment: to be played, in play or final."""
    if game.status is not GameStatus.SCHEDULED or game.starts_at is None or game.starts_at > moment:
        return game
    over = game.starts_at + GAME_LASTS <= moment
    return replace(game, status=GameStatus.FINAL if over else GameStatus.IN_PLAY)


def played_pairs(frame: Frame) -> dict[date, list[tuple[str, str]]]:
    """Deal the season's pairings, (home, away), over its days; no team plays twice a day."""
    days = [day for day in _days(frame.first_day, frame.last_day) if day not in frame.days_off]
    pending = list(_pairings(frame.games_a_team))
    dealt: dict[date, list[tuple[str, str]]] = {}
    for place, day in enumerate(days):
        quota = -(-len(pending) // (len(days) - place))
        dealt[day], pending = _pick(pending, quota)
    return dealt


def _pairings(games_a_team: int) -> Iterator[tuple[str, str]]:
    """Yield rounds in which every team plays once: the circle method, home and away swapped from cycle to cycle."""
    fixed, *others = TEAMS
    for number in range(games_a_team):
        cycle, turn = divmod(number, len(others))
        seats = [fixed, *others[turn:], *others[:turn]]
        for place in range(GAMES_A_ROUND):
            pair = (seats[place], seats[-1 - place])
            yield pair if ((place or turn) + cycle) % 2 else pair[::-1]


def _pick(pending: Sequence[tuple[str, str]], quota: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Take the first ``quota`` pairings of which no team plays twice; return them and the rest."""
    busy: set[str] = set()
    taken, rest = [], []
    for pair in pending:
        if len(taken) < quota and busy.isdisjoint(pair):
            taken.append(pair)
            busy.update(pair)
        else:
            rest.append(pair)
    return taken, rest


def _regular_season(frame: Frame) -> Iterator[Game]:
    number = 0
    for day, pairs in played_pairs(frame).items():
        for place, (home, away) in enumerate(pairs):
            number += 1
            yield _game(frame, number, "regular", day, place, home, away)


def _playoffs(frame: Frame) -> Iterator[Game]:
    """Yield fifteen series whose games sum up to the real number, and the last game that the final did not need."""
    if not frame.playoff_games:
        return
    number = sum(len(pairs) for pairs in played_pairs(frame).values())
    longer = frame.playoff_games - 5 * sum(SERIES_A_ROUND)
    teams, first_day, series = list(TEAMS)[:16], frame.last_day + 3 * DAY, 0
    for pairs in SERIES_A_ROUND:
        for home, away in zip(teams[:pairs], reversed(teams[pairs : 2 * pairs]), strict=True):
            needed = 6 if series < longer else 5
            is_final = pairs == 1
            for played in range(needed + is_final):
                number += 1
                at_home = played in {0, 1, 4, 6}
                day = first_day + (2 * played + series % 2) * DAY
                sides = (home, away) if at_home else (away, home)
                game = _game(frame, number, "playoffs", day, series, *sides)
                yield game if played < needed else replace(game, status=GameStatus.IF_NECESSARY)
            series += 1
        first_day += 16 * DAY


def _game(frame: Frame, number: int, season_type: str, day: date, place: int, home: str, away: str) -> Game:
    spelled = f"{day.year - 1980:02d}{day:%m%d}{TEAMS[home]:03d}"
    return Game(
        game_id=spelled if frame.first_id is None else str(frame.first_id + number),
        season_start=frame.season.start,
        season_type=season_type,
        date=day,
        starts_at=_midnight(day) + TIP_OFFS[place % len(TIP_OFFS)],
        status=GameStatus.SCHEDULED,
        home=MOVED.get((home, frame.season.start), home),
        away=MOVED.get((away, frame.season.start), away),
    )


def _odd_games(frame: Frame, games: Sequence[Game]) -> dict[str, OddGame]:
    """Find the generated game that each odd game of the season replaces: its pairing, nearest to its day."""
    found = {}
    for odd in ODD_GAMES:
        pairing = [game for game in games if (game.home, game.away) == (odd.home, odd.away)]
        if odd.season == frame.season:
            found[min(pairing, key=lambda game: abs(game.date - odd.day)).game_id] = odd
    return found


def _sightings(game: Game, odd: OddGame | None) -> Iterator[Game]:
    """Yield the game as planned, or as the odd one that it is."""
    if odd is None:
        yield game
        return
    yield _moved(game, odd.day, odd.status)
    if odd.replayed:
        yield _moved(game, odd.replayed, GameStatus.SCHEDULED)


def _moved(game: Game, day: date, status: GameStatus) -> Game:
    starts = game.starts_at and game.starts_at + (day - game.date)
    return replace(game, date=day, starts_at=starts, status=status)


def _days(first: date, last: date) -> Iterator[date]:
    return (first + number * DAY for number in range((last - first).days + 1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
