"""Bytes in, checked values out: what every schedule format needs to read a document that may be hostile.

Size, decoding, shape, instants, dates, ids and team names are checked here, and faults get their words. What a source
means by its fields belongs to the source's own format.
"""

import re
from datetime import UTC, date, datetime
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, FailFast, ValidationError

from adce_assets.errors import VerifyError

EASTERN = ZoneInfo("America/New_York")
"""The clock by which North American leagues date their games."""

YEARS = range(1890, 2200)
"""Years a document may name; anything else is damage, and calendars overflow far outside."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TEAM = re.compile(r"[\w .&'()-]{1,40}")
_SHOWN = 60


class Shape(BaseModel):
    """A part of a source's document: the fields named are checked as they are, the hundreds of others are let be."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


ItemT = TypeVar("ItemT")
ShapeT = TypeVar("ShapeT", bound=Shape)
CalendarT = TypeVar("CalendarT", date, datetime)
Many = Annotated[tuple[ItemT, ...], FailFast()]
"""A list that is refused at its first faulty item, so that a hostile one costs no more than a good one."""


def read_json(shape: type[ShapeT], body: bytes, *, limit: int) -> ShapeT:
    """Read a JSON document of at most ``limit`` bytes into ``shape``; raise VerifyError naming the first fault."""
    _check_size(body, limit)
    try:
        return shape.model_validate_json(body.removeprefix(_BYTE_ORDER_MARK))
    except ValidationError as invalid:
        fault = invalid.errors(include_url=False, include_input=False, include_context=False)[0]
        hint = "the source may have answered with an error page" if fault["type"] == "json_invalid" else ""
        raise VerifyError(fault["msg"], where=_place(fault["loc"]), hint=hint) from invalid


def read_text(body: bytes, *, limit: int) -> str:
    """Decode at most ``limit`` bytes of UTF-8 text; raise VerifyError for anything else."""
    _check_size(body, limit)
    try:
        text = body.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as cause:
        raise VerifyError(f"byte {cause.start} is not UTF-8") from cause
    if "\0" in text:
        raise VerifyError("the text holds NUL characters")
    return text


def instant(text: str, *, where: str) -> datetime:
    """Read an ISO instant with its zone, such as ``2024-12-01T20:30Z``, as aware UTC."""
    return _calendar(datetime, _INSTANT, text, where, "2024-12-01T20:30Z").astimezone(UTC)


def day(text: str, *, where: str) -> date:
    """Read a calendar date, ``2024-12-01``."""
    return _calendar(date, _DATE, text, where, "2024-12-01")


def identifier(text: str, pattern: re.Pattern[str], *, where: str) -> str:
    """Check an id against the pattern of its kind."""
    if not pattern.fullmatch(text):
        raise VerifyError(f"{shown(text)} is no id of this kind", where=where, valid=pattern.pattern)
    return text


def team(name: str | None, *, where: str) -> str:
    """Check a team's abbreviation; a pairing that is still open is empty, however the source says so."""
    if not name or name == "TBD":
        return ""
    if not _TEAM.fullmatch(name):
        raise VerifyError(f"{shown(name)} is no team", where=where)
    return name


def shown(value: object) -> str:
    """Quote a value of a document for a message, cut to a length a person reads."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _calendar(kind: type[CalendarT], pattern: re.Pattern[str], text: str, where: str, valid: str) -> CalendarT:
    try:
        found = kind.fromisoformat(text) if pattern.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or found.year not in YEARS:
        raise VerifyError(f"{shown(text)} is not on the calendar", where=where, valid=valid)
    return found


def _check_size(body: bytes, limit: int) -> None:
    if len(body) > limit:
        raise VerifyError(f"the document has {len(body):,} bytes", valid=f"at most {limit:,}")


def _place(path: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
