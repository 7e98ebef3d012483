"""Stretches of keys with their as-of in, what is known of each key and since when out.

Every stretch of a lake's keys has an as-of of its own: that of the report or listing that covers it, whichever is
newer. A key outside every stretch has none: nobody has looked there.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adce_assets.lake.store import KeyRange

WHOLE = KeyRange()
SURROGATES = range(0xD800, 0xE000)
"""Numbers that are no characters."""
LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Known:
    """A stretch of keys, and the moment (UTC) for which it is known what lies there."""

    range: KeyRange
    as_of: datetime


def below(prefix: str) -> KeyRange:
    """Return the stretch of the keys that begin with a prefix, and of none other that a lake is likely to have."""
    return KeyRange(just_before(prefix), prefix + LAST_CHARACTER) if prefix else WHOLE


def just_before(key: str) -> str:
    """Return a text that sorts before a key and behind nearly everything else that does."""
    if not key:
        return ""
    last = ord(key[-1])
    if last == 0:
        return key[:-1]
    earlier = SURROGATES.start - 1 if last - 1 in SURROGATES else last - 1
    return key[:-1] + chr(earlier) + LAST_CHARACTER


def laid_over(known: Iterable[Known], newer: Iterable[Known]) -> tuple[Known, ...]:
    """Lay newer stretches over known ones, one after the other; return disjoint stretches in key order."""
    stretches = list(known)
    for top in newer:
        stretches = [rest for below_it in stretches for rest in _without(below_it, top.range)] + [top]
    return tuple(sorted(stretches, key=lambda entry: entry.range.after))


def as_of(known: Sequence[Known], key: str) -> datetime | None:
    """Return the as-of of a key, None where nobody has looked; ``known`` is disjoint and in key order."""
    place = bisect_left(known, key, key=lambda entry: entry.range.after) - 1
    if place < 0 or not contains(known[place].range, key):
        return None
    return known[place].as_of


def contains(stretch: KeyRange, key: str) -> bool:
    """Tell whether a key lies in a stretch."""
    return stretch.after < key and (stretch.until is None or key <= stretch.until)


def clipped(stretches: Iterable[KeyRange], known: Sequence[Known]) -> list[KeyRange]:
    """Return the parts of disjoint stretches that lie in known ones, in key order."""
    both = [(stretch, entry.range) for stretch in stretches for entry in known]
    parts = [KeyRange(max(one.after, other.after), _lower(one.until, other.until)) for one, other in both]
    return sorted((part for part in parts if not _is_empty(part)), key=lambda part: part.after)


def within(stretch: KeyRange, key: Any) -> Any:
    """Express `contains` for a column of keys."""
    behind = key > stretch.after
    return behind if stretch.until is None else behind & (key <= stretch.until)


def as_of_column(known: Sequence[Known], key: Any) -> Any:
    """Express `as_of` for a column of keys."""
    import ibis

    moment = "timestamp('UTC', 6)"
    if len(known) == 1 and known[0].range == WHOLE:
        return ibis.literal(known[0].as_of, moment)
    cases = [(within(entry.range, key), ibis.literal(entry.as_of, moment)) for entry in known]
    return ibis.cases(*cases, else_=ibis.null(moment)) if cases else ibis.null(moment)


def written(known: Iterable[Known]) -> list[dict[str, Any]]:
    """Write stretches as JSON has them."""
    return [
        {"after": entry.range.after, "until": entry.range.until, "as_of": entry.as_of.isoformat()} for entry in known
    ]


def read(rows: Iterable[dict[str, Any]]) -> tuple[Known, ...]:
    """Read what `written` wrote."""
    return tuple(Known(KeyRange(row["after"], row["until"]), datetime.fromisoformat(row["as_of"])) for row in rows)


def _without(known: Known, hole: KeyRange) -> list[Known]:
    """Return what is left of a stretch beside a hole."""
    left = KeyRange(known.range.after, _lesser(known.range.until, hole.after))
    rest = [left] if not _is_empty(left) else []
    if hole.until is not None:
        right = KeyRange(max(known.range.after, hole.until), known.range.until)
        rest += [right] if not _is_empty(right) else []
    return [Known(stretch, known.as_of) for stretch in rest]


def _lesser(one: str | None, other: str) -> str:
    return other if one is None else min(one, other)


def _lower(one: str | None, other: str | None) -> str | None:
    return one if other is None else _lesser(one, other)


def _is_empty(stretch: KeyRange) -> bool:
    return stretch.until is not None and stretch.until <= stretch.after
