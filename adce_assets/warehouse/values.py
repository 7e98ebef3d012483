"""What stands in a document in, the value of a typed column out, or ValueError with the reason it is none.

Exact throughout: a decimal is never a float, nothing is rounded or cut, and a time has a zone. Values are `str`,
`int`, `Decimal`, `float`, `bool`, `date`, aware `datetime` in UTC, or None; `plain` is how they travel.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from adce_assets.warehouse.entities import MOST_DIGITS, Column, ColumnType

SHOWN = 60
"""Characters of a value that a reason tells."""
LARGEST = 2**63 - 1

_WIDE = Context(prec=100)
"""More digits than any number that is read has: with the usual 28, an amount would be rounded."""
_WHOLE = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
_TRUTHS: Mapping[str, bool] = {"true": True, "1": True, "false": False, "0": False}

Value = str | int | Decimal | float | bool | date | datetime | None


def typed(column: Column, found: Any, zone: str | None = None) -> Value:
    """Turn what was found, which is not None, into a value of a column's type."""
    if isinstance(found, list | dict):
        message = f"a {'list' if isinstance(found, list) else 'mapping'} is no {column.type}"
        raise ValueError(message)  # noqa: TRY004 - a fault of the data as all others here, not of the caller
    return _KINDS[column.type](found, column, zone)


def plain(value: Value) -> str | int | float | bool | None:
    """Write a value as both databases and JSON take it: decimals and times as text, times in UTC."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="microseconds").removesuffix(":00")  # strftime cuts years to `25`
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value


def shown(found: Any) -> str:
    """Show what was found, as a reason does."""
    text = str(found)
    return f"`{text[:SHOWN]}…`" if len(text) > SHOWN else f"`{text}`"


def _as_text(found: Any, _column: Column, _zone: str | None) -> str:
    if isinstance(found, str):
        return found
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    raise _refused(found, "text")


def _as_integer(found: Any, column: Column, zone: str | None) -> int:
    if isinstance(found, str) and _WHOLE.fullmatch(found.strip()):
        number = int(found)
    elif isinstance(found, int) and not isinstance(found, bool):
        number = found
    else:
        exact = _as_decimal(found, column, zone)
        if exact != exact.to_integral_value():
            raise _refused(found, "whole number")
        number = int(exact)
    if not -LARGEST - 1 <= number <= LARGEST:
        message = f"{shown(found)} is too large a number"
        raise ValueError(message)
    return number


def _as_decimal(found: Any, column: Column, _zone: str | None) -> Decimal:
    """Return an exact number that fits its column; what it cannot hold is refused, never rounded."""
    exact = _exact(found)
    scale = column.scale or 0
    digits, exponent = exact.normalize(_WIDE).as_tuple()[1:]
    if column.type == "decimal" and isinstance(exponent, int) and -exponent > scale:
        message = f"{shown(found)} has more than {scale} digits behind the point"
        raise ValueError(message)
    if isinstance(exponent, int) and len(digits) + exponent > MOST_DIGITS - scale:
        message = f"{shown(found)} is too large a number"
        raise ValueError(message)
    return exact.quantize(Decimal(1).scaleb(-scale), context=_WIDE) if column.type == "decimal" else exact


def _as_float(found: Any, _column: Column, _zone: str | None) -> float:
    number = float(_exact(found))
    if not math.isfinite(number):
        message = f"{shown(found)} is too large a number"
        raise ValueError(message)
    return number


def _exact(found: Any) -> Decimal:
    if isinstance(found, bool) or not isinstance(found, str | int | float | Decimal):
        raise _refused(found, "number")
    text = str(found).strip()
    if not _NUMBER.fullmatch(text):
        raise _refused(found, "number")
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise _refused(found, "number") from error


def _as_boolean(found: Any, _column: Column, _zone: str | None) -> bool:
    truth = _TRUTHS.get(str(found).lower())
    if truth is None:
        raise _refused(found, "boolean")
    return truth


def _as_date(found: Any, _column: Column, zone: str | None) -> date:
    """Return a day; that of an instant depends on the zone, which must then be given."""
    text = str(found)
    try:
        return date.fromisoformat(text)
    except ValueError:
        moment = _moment(text, "date")
    if zone is None or moment.tzinfo is None:
        message = f"{shown(found)} is a time; its date depends on a `zone`"
        raise ValueError(message)
    try:
        return moment.astimezone(ZoneInfo(zone)).date()
    except OverflowError as error:
        raise _refused(found, "date") from error


def _as_timestamp(found: Any, _column: Column, zone: str | None) -> datetime:
    moment = _moment(str(found), "timestamp")
    if moment.tzinfo is None:
        if zone is None:
            message = f"{shown(found)} has no zone"
            raise ValueError(message)
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise _refused(found, "timestamp") from error


def _moment(text: str, kind: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise _refused(text, kind) from error


def _refused(found: Any, kind: str) -> ValueError:
    return ValueError(f"{shown(found)} is no {kind}")


_KINDS: Mapping[ColumnType, Callable[[Any, Column, str | None], Value]] = {
    "text": _as_text,
    "integer": _as_integer,
    "decimal": _as_decimal,
    "float": _as_float,
    "boolean": _as_boolean,
    "date": _as_date,
    "timestamp": _as_timestamp,
}
