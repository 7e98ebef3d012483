"""Open keys in, the stretches of the lake that are worth another look out, within a budget of requests.

What is due and not known to be there is either missing or has come since the last look; a listing of the keys around
it tells. Stretches that lie near each other are listed in one go where that takes no more requests, and the most
urgent are chosen first: what has become due since anybody looked, then the gaps of the newest events.
"""

from bisect import bisect_right
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


def ranges(contract: Contract, open_keys: "pa.Table", density: Density, budget: int) -> list[KeyRange]:
    """Choose disjoint stretches, in key order, whose listing takes about ``budget`` requests.

    Args:
        contract: Says at which other places an object may lie.
        open_keys: ``source``, ``data_type``, ``season``, ``key``, ``event_at`` and ``is_unknown``, one row for each key
            that is due and not known to be there.
        density: Where keys are.
        budget: The most requests.
    """
    chosen: list[KeyRange] = []
    for stretches in _by_urgency(contract, open_keys):
        wider = _merged([*chosen, *stretches], density)
        if sum(density.requests(stretch) for stretch in wider) <= budget:
            chosen = wider
    return chosen


def _by_urgency(contract: Contract, open_keys: "pa.Table") -> Iterator[list[KeyRange]]:
    """Yield the stretches of each cell, the most urgent first."""
    found = open_keys.group_by(["source", "data_type", "season", "is_unknown"]).aggregate(
        [("key", "min"), ("key", "max"), ("event_at", "max")]
    )
    rows = sorted(found.to_pylist(), key=_urgency, reverse=True)
    for row in rows:
        data_set = contract.data_sets[f"{row['source']}/{row['data_type']}"]
        season = None if row["season"] == WHOLE_HISTORY else Season.parse(row["season"])
        yield list(_everywhere(data_set.templates, season, row["key_min"], row["key_max"]))


def _urgency(row: Mapping[str, Any]) -> tuple[bool, float, str, str, str]:
    newest: datetime | None = row["event_at_max"]
    return row["is_unknown"], newest.timestamp() if newest else 0.0, row["season"], row["source"], row["data_type"]


def _everywhere(templates: Sequence[Template], season: Season | None, first: str, last: str) -> Iterator[KeyRange]:
    """Yield the stretch between two keys, and where the older templates put the same, if the keys tell."""
    yield KeyRange(just_before(first), last)
    readings = [reading for key in (first, last) if (reading := templates[0].read(key))]
    told = [field_values(reading.season or season, reading.day, reading.entities) for reading in readings]
    for template in templates[1:]:
        ends = sorted(template.render(values) for values in told if values.keys() >= {*template.fields})
        if ends:
            yield KeyRange(just_before(ends[0]), ends[-1])


def _merged(stretches: Iterable[KeyRange], density: Density) -> list[KeyRange]:
    """Merge stretches that overlap, or whose gap costs no request more than two listings would."""
    ordered = sorted(stretches, key=lambda stretch: stretch.after)
    merged: list[KeyRange] = []
    for stretch in ordered:
        if merged:
            both = _hull(merged[-1], stretch)
            apart = density.requests(merged[-1]) + density.requests(stretch)
            if _touch(merged[-1], stretch) or density.requests(both) <= apart:
                merged[-1] = both
                continue
        merged.append(stretch)
    return merged


def _hull(one: KeyRange, other: KeyRange) -> KeyRange:
    ends = None if one.until is None or other.until is None else max(one.until, other.until)
    return KeyRange(min(one.after, other.after), ends)


def _touch(one: KeyRange, other: KeyRange) -> bool:
    return one.until is None or other.after <= one.until
