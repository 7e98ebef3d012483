"""A group of alike keys in, a template out: what each of its columns means.

Years, seasons and dates are known by their values and by each other; what is left is an entity, named after the text
before it. A key whose value is not what nearly all of its group hold is put aside. What data sets follow is asked in
`proposing`.
"""

import re
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, compress, count, takewhile
from typing import TypeVar

from adce_assets.contract.faults import FIELDS_OF
from adce_assets.contract.key_shapes import DAY, MONTH_OR_SEASON, NUMBER, WORD, Column, Group, letters_of
from adce_assets.contract.seasons import Season
from adce_assets.contract.templates import DATE_FIELDS, SEASON_FIELDS

T = TypeVar("T")
ODD_SHARE, ODD_FEW, ODD_SHARE_OF_FEW = 0.01, 5, 0.1
"""Share of a group's keys that may be odd, or how many of a small one and their share: what the others hold counts."""
MOST = 0.5
"""Share of the values of a column that are days from which on it is said that the rest are none."""
YEARS = range(1800, 2200)
JANUARY, JULY = 1, 7
"""When a season begins that is a year, and one that lies in two years, where no date tells."""
MONTHS, DAYS = {f"{number:02d}" for number in range(1, 13)}, {f"{number:02d}" for number in range(1, 32)}
RESERVED = {*FIELDS_OF, *SEASON_FIELDS, *DATE_FIELDS, *(name for found in FIELDS_OF.values() for name in found)}
"""Names that a template knows already."""
QUARTERS = {"1", "2", "3", "4"}
CYCLES: Mapping[str, Collection[str]] = {"month": MONTHS, "quarter": QUARTERS}
"""Entities of a year of which it is known what comes when one has been seen."""
_YEAR_FOLLOWS = re.compile(r"(?:^|[^A-Za-z0-9])(?:[FC]?Y|y|[Yy]ear|[Ss]eason)?$")
"""What stands before a number that is a year, rather than a part of a name such as `model2024`."""
_FOLLOWS = re.compile(r"\0[^A-Za-z0-9]?(?:[A-Za-z]+=)?$")
"""What stands before a number that goes on with what the field before it says, as in ``2024/month=03``."""


@dataclass(frozen=True, slots=True)
class Field:
    """A place of a template that varies: its name there, and what stands there in each key."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a group of keys says.

    Attributes:
        keys: The keys that the template reads.
        pieces: The template: texts, and fields with a value for each key.
        season_starts: The month in which its seasons begin; 1 where a season is a year.
        odd: Keys of the group that the template does not read.
        notes: What a person should look at.
    """

    keys: tuple[str, ...]
    pieces: tuple[str | Field, ...]
    season_starts: int
    odd: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def template(self) -> str:
        """The template as a contract writes it."""
        return "".join(piece if isinstance(piece, str) else f"{{{piece.name}}}" for piece in self.pieces)

    @property
    def fields(self) -> dict[str, Field]:
        """The fields by name."""
        return {piece.name: piece for piece in self.pieces if isinstance(piece, Field)}

    @property
    def entities(self) -> dict[str, Field]:
        """The fields that are neither season nor date, in the order of the template."""
        return {name: found for name, found in self.fields.items() if name not in RESERVED}

    def days(self) -> list[date] | None:
        """Return the day of each key, or None where keys have none."""
        found = next((found for name, found in self.fields.items() if name in DATE_FIELDS), None)
        return None if found is None else [DATE_FIELDS[found.name].read(text) for text in found.values]

    def seasons(self) -> list[Season] | None:
        """Return the season of each key, or None where keys have none."""
        days = self.days()
        if days is not None:
            return [Season(_start(day, self.season_starts)) for day in days]
        found = next((found for name, found in self.fields.items() if name in SEASON_FIELDS), None)
        return None if found is None else [SEASON_FIELDS[found.name].read(text) for text in found.values]


def read(group: Group, this_year: int) -> Reading:
    """Say what each column of a group means; a year that is the only one seen is known by being near to this one."""
    reader = _Reader([True] * len(group.keys), range(this_year - 1, this_year + 2))
    for piece in group.pieces:
        reader.add(piece)
    pieces = _told_apart(reader.pieces)
    kept = tuple(
        piece if isinstance(piece, str) else Field(piece.name, tuple(compress(piece.values, reader.kept)))
        for piece in pieces
    )
    odd = [not fits for fits in reader.kept]
    keys, left = tuple(compress(group.keys, reader.kept)), tuple(compress(group.keys, odd))
    return Reading(keys, kept, reader.month, left, tuple(reader.notes))


@dataclass(slots=True)
class _Reader:
    """Walks over the pieces of a group from the left; what was found before decides what may come."""

    kept: list[bool]
    near: range
    pieces: list[str | Field] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_lone: bool = False
    starts: list[int] | None = None
    days: list[date] | None = None
    by_dates: int | None = None

    @property
    def month(self) -> int:
        """The month in which the seasons begin."""
        names = {piece.name for piece in self.pieces if isinstance(piece, Field)}
        return self.by_dates or (JULY if names & {"season", "season_end"} else JANUARY)

    def add(self, piece: str | Column) -> None:
        """Add a text, or a column as the fields and texts that it is."""
        if isinstance(piece, str):
            self.pieces.append(piece)
        elif len(set(piece.values)) == 1:
            self._add_only(piece)
        elif piece.kind == WORD:
            begin, cores, end = _core(piece.values)
            self.pieces += [begin, self._entity(WORD, cores), end]
        elif self._is_day(piece) or self._is_season(piece) or self._is_year(piece):
            return
        elif piece.kind == MONTH_OR_SEASON:
            self._add_months(piece)
        else:
            self._note_days(piece)
            self.pieces.append(self._entity(piece.kind, piece.values))

    def _add_only(self, column: Column) -> None:
        """Add what is the same in all keys: a text, or a day, year or season of late, of which others will come."""
        text = column.values[0]
        is_near = text[:4].isdecimal() and int(text[:4]) in self.near
        if column.kind == NUMBER and self.is_lone and text in self._goes_on():
            self.pieces.append(self._entity(NUMBER, column.values))
        elif column.kind == WORD or not is_near or not _YEAR_FOLLOWS.search(_before(self.pieces)):
            self.pieces.append(text)
        elif self._is_day(column):
            return
        elif self._is_season(column) or self._is_year(column):
            self.is_lone = True
        elif column.kind == MONTH_OR_SEASON:
            self._add_months(column)
        else:
            self.pieces.append(text)

    def _goes_on(self) -> Collection[str]:
        """Name what may stand behind the only year that was seen, as in ``2024/03/17``."""
        last = next(piece for piece in reversed(self.pieces) if isinstance(piece, Field))
        if len(set(last.values)) > 1 or not _FOLLOWS.search(_before(self.pieces)):
            return ()
        return MONTHS if last.name in SEASON_FIELDS else DAYS if last.name == "month" else ()

    def _add_months(self, column: Column) -> None:
        self.add(Column(NUMBER, tuple(text[:4] for text in column.values)))
        self.add("-")
        self.add(Column(NUMBER, tuple(text[5:] for text in column.values)))

    def _note_days(self, column: Column) -> None:
        """Say so where most are days, and the rest are too many to be put aside."""
        name = {DAY: "date", NUMBER: "date_compact"}[column.kind]
        known = {text for text in set(column.values) if _is_read(name, text)}
        count = sum(text in known for text in column.values)
        if MOST < count / len(column.values) < 1:
            told = next(text for text in column.values if text not in known)
            self.notes.append(f"{count:,} of {len(column.values):,} are days, and others, as {told}, are not")

    def _is_day(self, column: Column) -> bool:
        """Add a column of days, if it is one that agrees with the columns before."""
        name = {DAY: "date", NUMBER: "date_compact"}.get(column.kind, "")
        found = _parsed(column.values, lambda text: _day(name, text)) if name else None
        if found is None or (self.days or found[0]) != found[0] or not self._settles(found[0], self.starts):
            return False
        return self._take(name, column.values, found[1])

    def _is_season(self, column: Column) -> bool:
        """Add a column of seasons such as ``2023-24``, if it is one that agrees with the columns before."""
        wanted = column.kind == MONTH_OR_SEASON
        found = _parsed(column.values, lambda text: Season.parse(text).start) if wanted else None
        if found is None or (self.starts or found[0]) != found[0] or not self._settles(self.days, found[0]):
            return False
        return self._take("season", column.values, found[1])

    def _is_year(self, column: Column) -> bool:
        """Add a column of years, if it is one: those in which seasons start, or those in which they end."""
        found = _parsed(column.values, _year) if column.kind == NUMBER else None
        if found is None:
            return False
        if self.starts is None:
            return self._settles(self.days, found[0]) and self._take("season_start", column.values, found[1])
        behind = {year - start for year, start in zip(found[0], self.starts, strict=True)}
        name = {0: "season_start", 1: "season_end"}.get(behind.pop()) if len(behind) == 1 else None
        return name is not None and self._take(name, column.values, found[1])

    def _settles(self, days: list[date] | None, starts: list[int] | None) -> bool:
        """Keep days and seasons of the keys, if seasons can begin in a month by which the two agree."""
        if days is not None and starts is not None:
            pairs = set(zip(days, starts, strict=True))
            fits = (month for month in range(1, 13) if all(_start(day, month) == start for day, start in pairs))
            self.by_dates = next(fits, None)
            if self.by_dates is None:
                return False
        self.days, self.starts = days, starts
        return True

    def _take(self, name: str, values: tuple[str, ...], fits: list[bool]) -> bool:
        self.pieces.append(Field(name, values))
        self.kept = [before and now for before, now in zip(self.kept, fits, strict=True)]
        return True

    def _entity(self, kind: str, values: tuple[str, ...]) -> Field:
        """Name an entity: as one before it with the same values, or after what stands before it."""
        fields = [piece for piece in self.pieces if isinstance(piece, Field)]
        same = next((one.name for one in fields if one.values == values and one.name not in RESERVED), None)
        if same is not None:
            return Field(same, values)
        names, seen = {one.name for one in fields}, set(values)
        if kind == NUMBER and names & {*SEASON_FIELDS} and seen <= MONTHS and "month" not in names:
            wanted = "month"
        elif kind == NUMBER and names & {*SEASON_FIELDS} and seen <= QUARTERS and _before(self.pieces)[-1:] in {*"Qq"}:
            wanted = "quarter"
        elif kind == NUMBER and "month" in names and seen <= DAYS:
            wanted = "day"
        else:
            wanted = _hint(self.pieces) or _kind_of_name(seen)
        return Field(free_name(wanted, names), values)


def _kind_of_name(values: Collection[str]) -> str:
    """Name values by how they are written."""
    if all(map(str.isdecimal, values)):
        return "number"
    return "code" if all(map(str.isupper, values)) else "name"


def _hint(pieces: Sequence[str | Field]) -> str:
    """Name what comes after these pieces: by ``customer=`` before it, or by the folder ``customers/`` that it is in."""
    before = _before(pieces)
    found = re.search(r"(?:^|[^A-Za-z])([A-Za-z][A-Za-z_]*)=$|(?:^|/)([A-Za-z][A-Za-z_-]*)s/$", before)
    name = re.sub(r"\W", "_", (found[1] or found[2]).lower()) if found else ""
    return f"{name}_name" if name in {*RESERVED, "day", "month"} else name


def _before(pieces: Sequence[str | Field]) -> str:
    """Write what stands before, with an odd letter for each field."""
    return "".join(piece if isinstance(piece, str) else "\0" for piece in pieces)


def free_name(wanted: str, taken: Container[str]) -> str:
    """Return a name that nobody has, this one if it is free."""
    return next(name for name in chain([wanted], (f"{wanted}_{at}" for at in count(2))) if name not in taken)


def _core(values: tuple[str, ...]) -> tuple[str, tuple[str, ...], str]:
    """Take what all values begin and end with out of them, as far as these are words of their own."""
    begin = re.sub(r"[A-Za-z0-9]*$", "", _begins(values))
    rest = tuple(text.removeprefix(begin) for text in values)
    end = re.sub(r"[A-Za-z0-9]*$", "", _begins([text[::-1] for text in rest]))[::-1]
    cores = tuple(text.removesuffix(end) for text in rest)
    return (begin, cores, end) if all(cores) else ("", values, "")


def _begins(values: Sequence[str]) -> str:
    """Return what all values begin with."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(min(values), max(values), strict=False))
    return "".join(letter for letter, _ in pairs)


def _told_apart(pieces: Sequence[str | Field]) -> list[str | Field]:
    """Join entities that could not be told apart in a key: the letters between them may be letters of both."""
    joined: list[str | Field] = []
    for piece in pieces:
        if piece == "":
            continue
        joined.append(piece)
        while (place := _last_shift(joined)) is not None:
            joined[place:] = [_together(joined[place:])]
    return joined


def _last_shift(pieces: Sequence[str | Field]) -> int | None:
    """Return where the last field but one stands, if its end may also be read as the beginning of the last piece."""
    fields = [(place, piece) for place, piece in enumerate(pieces) if isinstance(piece, Field)]
    if not fields[1:] or not isinstance(pieces[-1], Field):
        return None
    (place, one), (_, other) = fields[-2:]
    if one.name in RESERVED or other.name in RESERVED or one.name == other.name:
        return None
    between = set("".join(piece for piece in pieces[place:] if isinstance(piece, str)))
    vary = all(len({len(text) for text in found.values}) > 1 for found in (one, other))
    letters = [re.compile(letters_of(found.values)) for found in (one, other)]
    tried = between or set("aA0_-. ")
    shifts = (all(it.fullmatch(letter) for it in letters) for letter in tried)
    return place if vary and (all(shifts) if between else any(shifts)) else None


def _together(pieces: Sequence[str | Field]) -> Field:
    """Make one field of two and what is between them."""
    fields = [piece for piece in pieces if isinstance(piece, Field)]
    columns = [piece.values if isinstance(piece, Field) else (piece,) * len(fields[0].values) for piece in pieces]
    return Field(fields[0].name, tuple("".join(texts) for texts in zip(*columns, strict=True)))


def _parsed(values: Sequence[str], parse: Callable[[str], T]) -> tuple[list[T], list[bool]] | None:
    """Read each value and say which can be read; None where more than a few cannot."""
    known: dict[str, T] = {}
    for text in set(values):
        with suppress(ValueError):
            known[text] = parse(text)
    fits = [text in known for text in values]
    most = max(ODD_SHARE * len(values), min(ODD_FEW, ODD_SHARE_OF_FEW * len(values)))
    if not known or fits.count(False) > most:
        return None
    anything = next(iter(known.values()))
    return [known.get(text, anything) for text in values], fits


def _day(name: str, text: str) -> date:
    """Read a day of a plausible year; ValueError otherwise."""
    if re.fullmatch(DATE_FIELDS[name].pattern, text) is None or int(text[:4]) not in YEARS:
        raise ValueError(text)
    return DATE_FIELDS[name].read(text)


def _is_read(name: str, text: str) -> bool:
    try:
        _day(name, text)
    except ValueError:
        return False
    return True


def _year(text: str) -> int:
    """Read a plausible year; ValueError otherwise."""
    if len(text) != len("2024") or int(text) not in YEARS:
        raise ValueError(text)
    return int(text)


def _start(day: date, month: int) -> int:
    """Return the year in which the season of a day starts, where seasons begin in this month."""
    return day.year if day.month >= month else day.year - 1
