"""What is wrong with the demo's lake, and what of it can be mended: the plan that the demo is judged by.

A kind of hole is one entry of `HOLES`. What a whole object holds is the business of `building`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain

from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.demo.season import DAY, FRAMES, as_of, scoreboards
from adce_assets.demo.source import NOTICE, Trouble

NOW = datetime(2013, 12, 10, 8, tzinfo=UTC)
"""The demo's clock. Last night's games are over, and not due before their grace has passed."""
REPORTED_AT = NOW - timedelta(hours=7)
"""When the lake's AWS Inventory report was begun."""
DAMAGED_AT = NOW - timedelta(hours=12)
LAST_SCHEDULE_AT = NOW - timedelta(hours=7.5)
"""When the schedule of last night was written: its games were on, or had not begun."""

PLAYS, BOX, TEAM = "espn/play_by_play", "espn/box_scores", "espn/team_stats"
OF_A_GAME = (PLAYS, BOX, TEAM)
SCHEDULE = "espn/schedule"

Spoiled = tuple[bytes, datetime] | None
"""The bytes and the time of a spoiled object; None: there is no object."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A way in which documents of games are not as they should be.

    The games are those of ``picked`` among the games played from ``first`` to ``last``, in the order of their ids.
    ``remains`` says that the source does not mend it; ``trouble`` is what the source does when it is asked.
    """

    what: str
    state: str
    first: date
    last: date
    picked: slice
    data_sets: tuple[str, ...]
    spoil: Callable[[Game, bytes], Spoiled]
    remains: bool = False
    trouble: Trouble | None = None


def _gone(_game: Game, _body: bytes) -> Spoiled:
    return None


def _too_early(game: Game, body: bytes) -> Spoiled:
    """Write the object while the game is still on."""
    return body, (game.starts_at or NOW) + timedelta(hours=1)


def _html(_game: Game, _body: bytes) -> Spoiled:
    return NOTICE, DAMAGED_AT


def _cut_off(_game: Game, body: bytes) -> Spoiled:
    """Break off in the middle of a name."""
    half = body[: len(body) // 2]
    return half[: half.rindex(b'":') - 1], DAMAGED_AT


def _empty(_game: Game, _body: bytes) -> Spoiled:
    return b"", DAMAGED_AT


HOLES = (
    Hole("three games of last week", "missing", date(2013, 12, 7), date(2013, 12, 7), slice(0, 3), OF_A_GAME, _gone),
    Hole("saved during the game", "stale", date(2013, 12, 6), date(2013, 12, 6), slice(0, 2), (PLAYS,), _too_early),
    Hole("a page of HTML as JSON", "damaged", date(2013, 12, 5), date(2013, 12, 5), slice(0, 1), (BOX,), _html),
    Hole("an upload cut off", "damaged", date(2013, 12, 5), date(2013, 12, 5), slice(1, 2), (PLAYS,), _cut_off),
    Hole(
        "the source answers 404", "missing", date(2013, 12, 4), date(2013, 12, 4), slice(0, 1), OF_A_GAME, _gone,
        remains=True, trouble=Trouble("not_found"),
    ),
    Hole(
        "the source fails once", "missing", date(2013, 12, 8), date(2013, 12, 8), slice(0, 1), OF_A_GAME, _gone,
        trouble=Trouble("server_error", times=1),
    ),
    Hole("a forgotten week", "missing", date(2013, 11, 11), date(2013, 11, 17), slice(None), (TEAM,), _gone),
    Hole("an upload cut off", "damaged", date(2013, 11, 20), date(2013, 11, 20), slice(0, 2), (TEAM,), _cut_off),
    Hole("every fortieth game", "missing", date(2012, 12, 1), date(2013, 4, 10), slice(0, None, 40), (PLAYS,), _gone),
    Hole("a page of HTML as JSON", "damaged", date(2013, 3, 2), date(2013, 3, 2), slice(1, 4), (TEAM,), _html),
    Hole("an empty object", "damaged", date(2013, 3, 3), date(2013, 3, 3), slice(1, 2), (BOX,), _empty),
    Hole("a forgotten week", "missing", date(2012, 3, 5), date(2012, 3, 11), slice(None), OF_A_GAME, _gone),
    Hole("an upload cut off", "damaged", date(2012, 3, 20), date(2012, 3, 20), slice(0, 2), (PLAYS,), _cut_off),
)  # fmt: skip
"""Every kind of hole, in the current season, the one before, and history."""

NO_SCHEDULE = (date(2013, 12, 3), date(2013, 1, 15), date(2012, 2, 1))
"""Days whose schedule is missing: while it is, nobody knows which games they had."""

WITHOUT_SCRAPER = "hoopr/draft"
LACKING = FRAMES[1].season
"""A data set for which there is no scraper, and the season of it that is missing."""

STRAYS = ("pbp/400999999.json", "box_scores/400999998.json")
"""Objects that belong to no game of the schedule; they are counted and named, and change nothing else."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One document of a game that is not as it should be."""

    game: Game
    data_set: str
    hole: Hole


def calendar() -> dict[date, list[Game]]:
    """Make the games of each day that has some, all seasons together."""
    return dict(chain.from_iterable(scoreboards(frame).items() for frame in FRAMES))


def days() -> Iterator[date]:
    """List every day from the first season's year of record to the day before the demo's."""
    day = date(FRAMES[0].season.start, 10, 1)
    while day < NOW.date():
        yield day
        day += DAY


def spots(shown: Mapping[date, list[Game]]) -> list[Spot]:
    """List every spoiled document of a game."""
    return [Spot(game, data_set, hole) for hole in HOLES for game in _of(hole, shown) for data_set in hole.data_sets]


def troubles(shown: Mapping[date, list[Game]]) -> dict[str, Trouble]:
    """Say what the source does wrong, by game id."""
    return {game.game_id: hole.trouble for hole in HOLES if hole.trouble for game in _of(hole, shown)}


def _of(hole: Hole, shown: Mapping[date, list[Game]]) -> list[Game]:
    games = [
        game
        for day, on_day in shown.items()
        if hole.first <= day <= hole.last
        for game in on_day
        if as_of(game, NOW).status is GameStatus.FINAL
    ]
    return sorted(games, key=lambda game: game.game_id)[hole.picked]
