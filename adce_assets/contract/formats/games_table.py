"""A CSV table of games in, its games out: for lakes that keep a schedule of their own.

The header names the fields of a game, in any order, all of them and nothing else. ``season_start`` and ``starts_at``
(an ISO instant with its zone) may be empty, ``home`` and ``away`` too while a pairing is open; ``date`` is ISO;
``season_type`` and ``status`` are the words used everywhere in ADCE. A game stands once.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import fields

from adce_assets.contract.formats._reading import YEARS, day, identifier, instant, read_text, shown, team
from adce_assets.contract.schedule import SEASON_TYPES, Game, GameStatus
from adce_assets.errors import VerifyError

MAX_BYTES = 64 * 1024 * 1024

_COLUMNS = [field.name for field in fields(Game)]
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_YEAR = re.compile(r"\d{4}", re.ASCII)


def parse(body: bytes) -> list[Game]:
    """Read the games of a table, in its order."""
    games: dict[str, Game] = {}
    for line, row in _rows(read_text(body, limit=MAX_BYTES)):
        game = _game(row, f"line {line}")
        if games.setdefault(game.game_id, game) is not game:
            raise VerifyError(f"the game {game.game_id} stands twice", where=f"line {line}")
    return list(games.values())


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if sorted(header) != sorted(_COLUMNS):
            odd = ", ".join(shown(name) for name in set(header).symmetric_difference(_COLUMNS)) or "a repeated one"
            raise VerifyError(
                f"unknown or missing columns: {odd}", where="line 1", valid=f"{', '.join(_COLUMNS)}, once"
            )
        for cells in reader:
            if len(cells) != len(header):
                where = f"line {reader.line_num}"
                raise VerifyError(f"{len(cells)} cells", where=where, valid=f"{len(header)}, one a column")
            yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as cause:
        raise VerifyError(f"the table is no CSV: {cause}", where=f"line {reader.line_num}") from cause


def _game(row: dict[str, str], where: str) -> Game:
    return Game(
        game_id=identifier(row["game_id"], _ID, where=where),
        season_start=_year(row["season_start"], where) if row["season_start"] else None,
        season_type=_word(row["season_type"], SEASON_TYPES, where),
        date=day(row["date"], where=where),
        starts_at=instant(row["starts_at"], where=where) if row["starts_at"] else None,
        status=GameStatus(_word(row["status"], tuple(GameStatus), where)),
        home=team(row["home"], where=where),
        away=team(row["away"], where=where),
    )


def _year(text: str, where: str) -> int:
    if not _YEAR.fullmatch(text) or int(text) not in YEARS:
        raise VerifyError(f"{shown(text)} is no year", where=where, valid="2024, the year the season starts in")
    return int(text)


def _word(text: str, words: tuple[str, ...], where: str) -> str:
    if text not in words:
        raise VerifyError(f"{shown(text)} is not known", where=where, valid=", ".join(words))
    return text
