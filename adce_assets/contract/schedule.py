"""Schedule documents in, one row a game out: the schedule of record.

A source shows one game in several documents (the scoreboards of two days, a month, a season), each written at its own
time. Here stands what a game is, how a document is read (by the format it is in, see ``formats/``), and which document
decides about a game. Where the documents lie, and which keys follow from the games, belongs elsewhere.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter

from adce_assets.contract import formats
from adce_assets.errors import ContractError

SEASON_TYPES = ("preseason", "regular", "all_star", "playoffs", "play_in", "cup_final", "other")


class GameStatus(StrEnum):
    """What became of a game, as far as a document knows."""

    SCHEDULED = "scheduled"
    IN_PLAY = "in_play"
    FINAL = "final"
    POSTPONED = "postponed"
    CANCELLED = "cancelled"
    IF_NECESSARY = "if_necessary"


PLAYED = frozenset({GameStatus.SCHEDULED, GameStatus.IN_PLAY, GameStatus.FINAL})
"""The statuses of games that were, are or will be played; the others are no events."""

_RISING = (
    GameStatus.CANCELLED,
    GameStatus.POSTPONED,
    GameStatus.IF_NECESSARY,
    GameStatus.SCHEDULED,
    GameStatus.IN_PLAY,
    GameStatus.FINAL,
)
"""Of two statuses that documents of one moment give, the later one here holds."""


@dataclass(frozen=True, slots=True)
class Game:
    """A game as one document shows it.

    ``season_start`` is the year the season starts in (None: the document does not say), ``season_type`` one of
    `SEASON_TYPES`. ``date`` is the league's local calendar date as the source gives it, else the UTC date.
    ``starts_at`` is aware UTC, None while unknown. ``home`` and ``away`` are the source's own abbreviations, empty
    while the pairing is open.
    """

    game_id: str
    season_start: int | None
    season_type: str
    date: date
    starts_at: datetime | None
    status: GameStatus
    home: str
    away: str


@dataclass(frozen=True, slots=True)
class Document:
    """The games of one object of the lake, with its key and the time (aware UTC) at which it was written."""

    key: str
    last_modified: datetime
    games: list[Game]


@dataclass(frozen=True, slots=True)
class ScheduledGame(Game):
    """A game of the schedule of record: what the deciding document says, that document, and when it was written.

    ``also_known_as`` are other ids under which the documents show the same event, in order.
    """

    document: str
    confirmed_at: datetime
    also_known_as: tuple[str, ...] = ()


Sighting = tuple[Game, Document]
"""A game and a document that shows it."""


def played(game: Game) -> bool:
    """Tell whether the game counts as an event: it was, is or will be played, as far as is known."""
    return game.status in PLAYED


@cache
def format_names() -> tuple[str, ...]:
    """Name the formats that `parse` knows: the modules of ``formats/`` that are not private to it."""
    names = (found.name for found in pkgutil.iter_modules(formats.__path__))
    return tuple(sorted(name for name in names if not name.startswith("_")))


def parse(format_name: str, body: bytes) -> list[Game]:
    """Read a document of a format; a valid document without games gives none.

    Raises:
        ContractError: there is no such format.
        VerifyError: the body is not a document of that format.
    """
    names = format_names()
    if format_name not in names:
        near = difflib.get_close_matches(format_name, names, n=1)
        raise ContractError(
            f"unknown schedule format `{format_name}`",
            valid=", ".join(names),
            hint=f"did you mean `{near[0]}`?" if near else "",
        )
    reader: Callable[[bytes], list[Game]] = importlib.import_module(f"{formats.__name__}.{format_name}").parse
    return reader(body)


def merge(documents: Iterable[Document], *, unique_by: Sequence[str] = ()) -> list[ScheduledGame]:
    """Merge what documents say into one row a game, ordered by date and id; the order of documents does not matter.

    A document that saw the game final decides; otherwise the newest does. So a postponed game that was played later
    under its id stands once, with the date it was played on. ``unique_by`` names fields that no two events share: two
    ids that agree in them are one event under two names. The id seen final is kept, then the one in the newest
    document, then the smallest; the others become ``also_known_as``. A game whose value of such a field is unknown
    is never taken for another.

    Raises:
        ContractError: ``unique_by`` names what is not a field of a game.
    """
    columns = [column.name for column in fields(Game)]
    if unknown := [name for name in unique_by if name not in columns]:
        raise ContractError(f"`unique_by` names unknown field(s) {', '.join(unknown)}", valid=", ".join(columns))
    deciding: dict[str, Sighting] = {}
    newest: dict[str, datetime] = {}
    for document in documents:
        for game in document.games:
            known = deciding.get(game.game_id)
            deciding[game.game_id] = max(known, (game, document), key=_weight) if known else (game, document)
            newest[game.game_id] = max(newest.get(game.game_id, document.last_modified), document.last_modified)
    games = [
        ScheduledGame(*attrgetter(*columns)(game), document=document.key, confirmed_at=document.last_modified)
        for game, document in deciding.values()
    ]
    events = _one_id_an_event(games, newest, unique_by) if unique_by else games
    return sorted(events, key=lambda game: (game.date, game.game_id))


def _weight(sighting: Sighting) -> tuple[object, ...]:
    """Order sightings of one id, the deciding one last; what follows the status only settles draws."""
    game, document = sighting
    rank = (game.status is GameStatus.FINAL, document.last_modified, _RISING.index(game.status), game.date)
    return (*rank, document.key, str(game.starts_at), game.season_start or 0, game.season_type, game.home, game.away)


def _one_id_an_event(
    games: Iterable[ScheduledGame], newest: Mapping[str, datetime], unique_by: Sequence[str]
) -> list[ScheduledGame]:
    """Keep one id of those that agree in all fields of ``unique_by``; ``newest`` is when each id was last seen."""
    same: dict[tuple[object, ...], list[ScheduledGame]] = {}
    for game in games:
        values = tuple(getattr(game, name) for name in unique_by)
        apart = () if all(values) else (game.game_id,)
        same.setdefault((*values, *apart), []).append(game)
    events = []
    for group in same.values():
        if len(group) == 1:
            events += group
            continue
        group.sort(key=lambda game: game.game_id)
        kept = max(group, key=lambda game: (game.status is GameStatus.FINAL, newest[game.game_id]))
        others = tuple(game.game_id for game in group if game is not kept)
        events.append(replace(kept, also_known_as=others))
    return events
