"""Open keys in, the stretches of the lake that are worth another look out, within a budget of requests.

What is due and not known to be there is either missing or has come since the last look; a listing of the keys around
it tells. Stretches that lie near each other are listed in one go where that takes no more requests, and the most
urgent are chosen first: what has become due since anybody looked, then the gaps of the newest events. A cell that is
too dear as a whole is cut into pieces, of which the newest come first.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adce_assets.contract.loading import Contract
from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.contract.templates import Template, field_values
from adce_assets.lake.store import KeyRange
from adce_assets.loop.ranges import just_before

if TYPE_CHECKING:
    import pyarrow as pa

PAGE = 1_000
"""Keys that one LIST request tells of."""
SPARE_TRIES = 300
"""So many pieces of cells may turn out too dear, at most, before none is tried any more."""
NO_EVENT = -(2**63)
"""The moment of a key without an event, in the numbers by which pieces are ordered: before all others."""


@dataclass(frozen=True, slots=True)
class Density:
    """Where the keys of a lake are: every ``step``-th of them, in order."""

    keys: Sequence[str]
    step: int

    @classmethod
    def of(cls, keys: Sequence[str] | None, objects: int) -> "Density":
        """Take sampled keys for all ``objects`` of a lake; without a sample all of them may be anywhere."""
        known = keys or ()
        return cls(known, max(1, -(-objects // max(len(known), 1))))

    def requests(self, stretch: KeyRange) -> int:
        """Estimate the LIST requests that a stretch takes, rather too many than too few."""
        first = bisect_right(self.keys, stretch.after)
        last = len(self.keys) if stretch.until is None else bisect_right(self.keys, stretch.until)
        return ((last - first + 1) * self.step) // PAGE + 1

    @property
    def least(self) -> int:
        """The requests that any stretch takes at least."""
        return self.step // PAGE + 1

    def bound(self, after: str) -> str | None:
        """Return the key before which a stretch has to end that takes no more than the least; None if none has to."""
        room = (self.least * PAGE - 1) // self.step - 1
        place = bisect_right(self.keys, after) + room
        return self.keys[place] if place < len(self.keys) else None


@dataclass(frozen=True, slots=True)
class Cell:
    """The open keys of one cell that are alike in urgency: where they lie, and when the event of each was.

    Attributes:
        templates: Where an object of the cell may lie, the newest place first.
        season: None for the whole history.
        first: The first key.
        last: The last key.
        keys: All keys, in any order.
        events: The times (UTC) of their events, None where a key has no event.
    """

    templates: Sequence[Template]
    season: Season | None
    first: str
    last: str
    keys: "pa.Array"
    events: "pa.Array"


@dataclass(frozen=True, slots=True)
class Asked:
    """A stretch that is to be listed, and the requests that this takes."""

    range: KeyRange
    requests: int


def ranges(contract: Contract, open_keys: "pa.Table", density: Density, budget: int) -> list[KeyRange]:
    """Choose disjoint stretches, in key order, whose listing takes no more than about ``budget`` requests.

    A cell whose keys lie too far apart for one stretch is cut at its holes, and asked for as far as the budget reaches.

    Args:
        contract: Says at which other places an object may lie.
        open_keys: ``source``, ``data_type``, ``season``, ``key``, ``event_at`` and ``is_unknown``, one row for each key
            that is due and not known to be there.
        density: Where keys are.
        budget: The most requests.
    """
    chosen: list[Asked] = []
    tries = budget + SPARE_TRIES
    for cell in _by_urgency(contract, open_keys):
        wider = _with(chosen, _everywhere(cell, cell.first, cell.last), density)
        if _requests(wider) <= budget:
            chosen = wider
            continue
        if not tries or _requests(chosen) + density.least > budget:
            continue
        for first, last in _pieces(cell, density)[:tries]:
            tries -= 1
            wider = _with(chosen, _everywhere(cell, first, last), density)
            if _requests(wider) <= budget:
                chosen = wider
    return [asked.range for asked in chosen]


def _by_urgency(contract: Contract, open_keys: "pa.Table") -> Iterator[Cell]:
    """Yield the cells, the most urgent first."""
    found = open_keys.group_by(["source", "data_type", "season", "is_unknown"]).aggregate(
        [("key", "min"), ("key", "max"), ("event_at", "max"), ("key", "list"), ("event_at", "list")]
    )
    rows = found.drop_columns(["key_list", "event_at_list"]).to_pylist()
    for at in sorted(range(len(rows)), key=lambda at: _urgency(rows[at]), reverse=True):
        row = rows[at]
        yield Cell(
            templates=contract.data_sets[f"{row['source']}/{row['data_type']}"].templates,
            season=None if row["season"] == WHOLE_HISTORY else Season.parse(row["season"]),
            first=row["key_min"],
            last=row["key_max"],
            keys=found["key_list"][at].values,
            events=found["event_at_list"][at].values,
        )


def _urgency(row: Mapping[str, Any]) -> tuple[bool, float, str, str, str]:
    newest: datetime | None = row["event_at_max"]
    return row["is_unknown"], newest.timestamp() if newest else 0.0, row["season"], row["source"], row["data_type"]


def _pieces(cell: Cell, density: Density) -> list[tuple[str, str]]:
    """Cut the keys of a cell into pieces that take as few requests as one key does; return the ends, the newest first.

    A piece ends where the next key lies behind a hole, or where there are too many other keys among its own.
    """
    import pyarrow as pa

    events = cell.events.cast(pa.int64()).fill_null(NO_EVENT)
    ordered = pa.table({"key": cell.keys, "event": events}).sort_by("key")
    keys, moments = (column.to_pylist() for column in ordered.columns)
    found, start = [], 0
    while start < len(keys):
        bound = density.bound(just_before(keys[start]))
        end = len(keys) if bound is None else max(bisect_left(keys, bound), start + 1)
        found.append((max(moments[start:end]), keys[start], keys[end - 1]))
        start = end
    return [(first, last) for _, first, last in sorted(found, reverse=True)]


def _everywhere(cell: Cell, first: str, last: str) -> Iterator[KeyRange]:
    """Yield the stretch between two keys, and where the older templates put the same, if the keys tell."""
    yield KeyRange(just_before(first), last)
    readings = [reading for key in (first, last) if (reading := cell.templates[0].read(key))]
    told = [field_values(reading.season or cell.season, reading.day, reading.entities) for reading in readings]
    for template in cell.templates[1:]:
        ends = sorted(template.render(values) for values in told if values.keys() >= {*template.fields})
        if ends:
            yield KeyRange(just_before(ends[0]), ends[-1])


def _with(chosen: Sequence[Asked], stretches: Iterable[KeyRange], density: Density) -> list[Asked]:
    """Add stretches to those chosen, merged with neighbours that they overlap or that cost no more in one go."""
    wider = list(chosen)
    for stretch in stretches:
        asked = Asked(stretch, density.requests(stretch))
        place = bisect_right(wider, stretch.after, key=lambda other: other.range.after)
        first = last = place
        while first and (both := _merged(wider[first - 1], asked, density)):
            asked, first = both, first - 1
        while last < len(wider) and (both := _merged(asked, wider[last], density)):
            asked, last = both, last + 1
        wider[first:last] = [asked]
    return wider


def _merged(one: Asked, other: Asked, density: Density) -> Asked | None:
    """Merge two stretches that overlap, or whose gap costs no request more than two listings would."""
    hull = _hull(one.range, other.range)
    requests = density.requests(hull)
    if _touch(one.range, other.range) or requests <= one.requests + other.requests:
        return Asked(hull, requests)
    return None


def _requests(chosen: Iterable[Asked]) -> int:
    return sum(asked.requests for asked in chosen)


def _hull(one: KeyRange, other: KeyRange) -> KeyRange:
    ends = None if one.until is None or other.until is None else max(one.until, other.until)
    return KeyRange(min(one.after, other.after), ends)


def _touch(one: KeyRange, other: KeyRange) -> bool:
    return one.until is None or other.after <= one.until
