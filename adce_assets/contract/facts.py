"""CSV tables of facts in, rows out: the values of dimensions by season, and how many events each season really had.

A table is read whole or refused, with file and line. What the rows mean for keys belongs to `expected`.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from adce_assets.contract.models import Dimension
from adce_assets.contract.schedule import SEASON_TYPES
from adce_assets.contract.seasons import Season, SeasonRange
from adce_assets.documents import MAX_BYTES
from adce_assets.errors import ContractError


@dataclass(frozen=True, slots=True)
class DimensionRow:
    """One value of a dimension and the seasons in which it is valid."""

    value: str
    seasons: SeasonRange


def dimension_rows(folder: Path, name: str, dimension: Dimension) -> tuple[DimensionRow, ...]:
    """List the values of a dimension; a value may come back later, but is never valid twice in one season."""
    rows: list[DimensionRow] = []
    known: defaultdict[str, list[SeasonRange]] = defaultdict(list)
    for where, value, seasons in _values(folder, name, dimension):
        if re.fullmatch(dimension.pattern, value, re.ASCII) is None:
            raise ContractError(f"`{value}` is no {name}", where=where, valid=dimension.pattern)
        if any(_overlap(other, seasons) for other in known[value]):
            raise ContractError(f"`{value}` of {name} stands here twice", where=where, valid="each value once a season")
        rows.append(DimensionRow(value, seasons))
        known[value].append(seasons)
    return tuple(rows)


def _values(folder: Path, name: str, dimension: Dimension) -> Iterator[tuple[str, str, SeasonRange]]:
    for value in dimension.values:
        yield f"dimensions.{name}", value, SeasonRange()
    if dimension.table is None:
        return
    file, column = folder / dimension.table, dimension.column or name
    for line, row in _rows(file, {column}):
        try:
            seasons = SeasonRange.parse(f"{row.get('first_season', '')}..{row.get('last_season', '')}")
        except ValueError as error:
            raise ContractError(str(error), where=f"{file}:{line}") from error
        yield f"{file}:{line}", row[column], seasons


def _overlap(one: SeasonRange, other: SeasonRange) -> bool:
    def starts_in_time(first: SeasonRange, second: SeasonRange) -> bool:
        return first.first is None or second.last is None or first.first <= second.last

    return starts_in_time(one, other) and starts_in_time(other, one)


def season_truth(file: Path, leagues: Collection[str]) -> dict[tuple[str, str, str], int]:
    """Read how many events each season really had, by league, season label and season type."""
    truth: dict[tuple[str, str, str], int] = {}
    for line, row in _rows(file, {"league", "season", "season_type", "events"}):
        where, league, season_type = f"{file}:{line}", row["league"], row["season_type"]
        try:
            key = (league, Season.parse(row["season"]).label, season_type)
        except ValueError as error:
            raise ContractError(str(error), where=where) from error
        if league not in leagues:
            raise ContractError(f"the league `{league}` is not declared", where=where, valid=", ".join(sorted(leagues)))
        if season_type not in SEASON_TYPES:
            raise ContractError(f"`{season_type}` is no season type", where=where, valid=", ".join(SEASON_TYPES))
        if re.fullmatch(r"\d{1,9}", row["events"], re.ASCII) is None:
            raise ContractError(f"`{row['events']}` is no number of events", where=where, valid="0, 1, 2, ...")
        if key in truth:
            raise ContractError(f"{' '.join(key)} stands here twice", where=where, valid="each season once")
        truth[key] = int(row["events"])
    return truth


def _rows(file: Path, columns: set[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row of a table with its line; raise ContractError if it lacks a column, or a row has one too many."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ContractError("the table is too large", where=str(file), valid=f"at most {MAX_BYTES} bytes")
        with file.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines, strict=True)
            lacking = columns - set(reader.fieldnames or ())
            if lacking:
                raise ContractError(f"lacks the column(s) {', '.join(sorted(lacking))}", where=f"{file}:1")
            for row in reader:
                if None in row:
                    raise ContractError("has more values than columns", where=f"{file}:{reader.line_num}")
                yield reader.line_num, {name: value or "" for name, value in row.items()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ContractError(f"cannot read the table: {error}", where=str(file)) from error
