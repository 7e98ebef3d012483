"""Rows in, one canonical text each: the encoding, version 1, as docs/hashing.md describes it.

This is the reference, in plain Python over plain values: what an auditor reads, and what `encoding_sql`, which does the
work in DuckDB, is held against byte for byte. Nothing here knows a table or a file.
"""

import hashlib
import re
import struct
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal, get_args

from adce_assets.errors import ConfigurationError

VERSION = 1
"""Stands before every hash, as in ``v1:``; hashes of different versions are never compared."""

Kind = Literal["text", "integer", "decimal", "float", "boolean", "date", "timestamp"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Value = str | int | float | bool | Decimal | date | datetime | None
"""What a column may hold here; a datetime without a zone is in UTC."""

NULL = "~"
SEPARATOR = "|"
HALF = 2**64
"""Either half of a row's digest is summed modulo this."""

NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
FLOATING = rf"{NUMBER}([eE][+-]?[0-9]+)?"
ENDLESS = r"[+-]?([nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)"
TRUE = r"[tT]([rR][uU][eE])?|1"
FALSE = r"[fF]([aA][lL][sS][eE])?|0"
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
OFFSET = r"(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)"
MOMENT = rf"{DAY}[ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{{1,6}})?)?"
"""How values are written where they come as text (CSV, a dump); what is written otherwise does not fit its type."""

FOREVER = ("infinity", "-infinity")
"""Dates and moments that databases have at the ends of time."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
WIDEST = 2**127
"""From here on a float is no integer, whatever its digits: DuckDB's widest integer ends here."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """What a column holds, which decides how its values are written.

    Attributes:
        kind: The type. A value that does not fit it is never rounded or dropped: it is written as what it is.
        normalized: Whether texts that differ only in their Unicode normal form are the same (they are, as NFC).
    """

    kind: Kind
    normalized: bool = True


def encode(value: Value, column: ColumnType) -> str:
    """Write a value; no two different ones of a type are written alike.

    Raises:
        ConfigurationError: Values of this Python type cannot stand in a column of that type.
    """
    if value is None:
        return NULL
    return _of(value, column.kind)(value, column)


def encode_row(row: Mapping[str, Value], types: Mapping[str, ColumnType]) -> str:
    """Write the values of a row, in the order of their columns' names."""
    return SEPARATOR.join(encode(row[name], types[name]) for name in sorted(types))


def row_digest(encoded: str) -> int:
    """Hash a row that is written: MD5 of its UTF-8, as a number whose first byte is the lowest; it is no seal."""
    return int.from_bytes(hashlib.md5(encoded.encode(), usedforsecurity=False).digest(), "little")


def set_hash(digests: Iterable[int]) -> str:
    """Hash rows whatever their order; a row that stands twice counts twice."""
    upper = lower = 0
    for digest in digests:
        upper, lower = (upper + digest // HALF) % HALF, (lower + digest % HALF) % HALF
    return written(upper, lower)


def written(upper: int, lower: int) -> str:
    """Write the two sums of a set of rows as its hash."""
    return f"v{VERSION}:{upper % HALF:016x}{lower % HALF:016x}"


def hash_rows(rows: Iterable[Mapping[str, Value]], types: Mapping[str, ColumnType]) -> str:
    """Hash rows of plain values: ``v1:`` and 32 hexadecimal digits."""
    return set_hash(row_digest(encode_row(row, types)) for row in rows)


def measured(text: str) -> str:
    """Write a text after its length in bytes, so that nothing in it can end it."""
    return f"{len(text.encode())}:{text}"


def misfit(text: str) -> str:
    """Write a text that does not fit its column's type."""
    return f"?{measured(text)}"


def stranger(written_otherwise: str) -> str:
    """Write any other value that does not fit its column's type, as it is written in a column of its own."""
    return f"!{written_otherwise}"


def _of(value: object, kind: Kind) -> Callable[..., str]:
    """Find how values of this Python type are written in a column of a type."""
    for known in (str, bool, int, float, Decimal, datetime, date):  # bool before int, datetime before date
        if isinstance(value, known):
            found = _WAYS.get((kind, known))
            if found is not None:
                return found
            break
    taken = ", ".join(known.__name__ for of, known in _WAYS if of == kind)
    message = f"a value of type {type(value).__name__} cannot be taken as {kind}"
    raise ConfigurationError(message, where="encoding", valid=taken)


def _text(value: str, column: ColumnType) -> str:
    return measured(unicodedata.normalize("NFC", value) if column.normalized else value)


def _integer(value: int, _column: ColumnType) -> str:
    return str(value)


def _decimal(value: Decimal, _column: ColumnType) -> str:
    return _digits(f"{value:f}") if value.is_finite() else misfit(str(value))


def _number_in_text(value: str, _column: ColumnType) -> str:
    return _digits(value) if re.fullmatch(NUMBER, value) else misfit(value)


def _digits(number: str) -> str:
    """Write a number with the digits that count: no plus, no zeros in front or at the end, no negative zero."""
    whole, _, part = number.lstrip("+-").partition(".")
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    plain = f"{whole}.{part}" if part else whole
    return f"-{plain}" if number.startswith("-") and plain != "0" else plain


def _whole_float(value: float, column: ColumnType) -> str:
    if abs(value) < WIDEST and value == int(value):
        return str(int(value))
    return stranger(_float(value, column))


def _float(value: float, _column: ColumnType) -> str:
    """Write the 64 bits; every NaN is one."""
    return "nan" if value != value else struct.pack(">d", value).hex()  # noqa: PLR0124 - that is what NaN means


def _integer_as_float(value: int, column: ColumnType) -> str:
    return _float(float(value), column) if abs(value) < WIDEST and int(float(value)) == value else stranger(str(value))


def _decimal_as_float(value: Decimal, column: ColumnType) -> str:
    return _float(float(value), column)


def _float_in_text(value: str, column: ColumnType) -> str:
    if re.fullmatch(ENDLESS, value):
        return _float(float(value), column)
    number = float(value) if re.fullmatch(FLOATING, value) else float("inf")
    return misfit(value) if abs(number) == float("inf") else _float(number, column)


def _boolean(value: bool, _column: ColumnType) -> str:  # noqa: FBT001 - the value itself
    return "t" if value else "f"


def _boolean_in_text(value: str, _column: ColumnType) -> str:
    if re.fullmatch(TRUE, value):
        return "t"
    return "f" if re.fullmatch(FALSE, value) else misfit(value)


def _boolean_as_integer(value: int, _column: ColumnType) -> str:
    return {0: "f", 1: "t"}.get(value) or stranger(str(value))


def _date(value: date, _column: ColumnType) -> str:
    return value.isoformat()


def _day_of(value: datetime, _column: ColumnType) -> str:
    moment = _microseconds(value)
    days, rest = divmod(moment, 86_400_000_000)
    return stranger(str(moment)) if rest else (EPOCH + timedelta(days=days)).date().isoformat()


def _date_in_text(value: str, _column: ColumnType) -> str:
    return value if value in FOREVER or _parsed(value, DAY) is not None else misfit(value)


def _timestamp(value: datetime, _column: ColumnType) -> str:
    return str(_microseconds(value))


def _midnight(value: date, _column: ColumnType) -> str:
    return str(_microseconds(datetime(value.year, value.month, value.day, tzinfo=UTC)))


def _timestamp_in_text(value: str, _column: ColumnType) -> str:
    if value in FOREVER:
        return value
    found = re.fullmatch(rf"(?P<moment>{MOMENT})(?P<zone>{OFFSET})?", value)
    moment = _parsed(found["moment"], MOMENT) if found else None
    if found is None or moment is None:
        return misfit(value)
    return str(_microseconds(moment) - _offset(found["zone"] or "Z"))


def _parsed(text: str, form: str) -> datetime | None:
    """Read a day or a moment without a zone; None where there is no such day."""
    if not re.fullmatch(form, text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _offset(zone: str) -> int:
    """Read how many microseconds a zone is ahead of UTC."""
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[3:].removeprefix(":") or 0)
    return (hours * 60 + minutes) * 60_000_000 * (-1 if zone[0] == "-" else 1)


def _microseconds(moment: datetime) -> int:
    """Count microseconds since 1970 in UTC; a moment without a zone is in UTC."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // MICROSECOND


_WAYS: Mapping[tuple[Kind, type], Callable[..., str]] = {
    ("text", str): _text,
    ("integer", int): _integer,
    ("integer", Decimal): _decimal,
    ("integer", float): _whole_float,
    ("integer", str): _number_in_text,
    ("decimal", int): _integer,
    ("decimal", Decimal): _decimal,
    ("decimal", str): _number_in_text,
    ("float", float): _float,
    ("float", int): _integer_as_float,
    ("float", Decimal): _decimal_as_float,
    ("float", str): _float_in_text,
    ("boolean", bool): _boolean,
    ("boolean", int): _boolean_as_integer,
    ("boolean", str): _boolean_in_text,
    ("date", date): _date,
    ("date", datetime): _day_of,
    ("date", str): _date_in_text,
    ("timestamp", datetime): _timestamp,
    ("timestamp", date): _midnight,
    ("timestamp", str): _timestamp_in_text,
}
"""How a value of a Python type is written in a column of a type; what is not here is refused."""
