"""Gaps and what is queued of them in, the keys that no task collects out, each with the reason.

So that gaps are always tasks and an explained remainder: nothing is dropped without a word.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from adce_assets.loop.open_keys import rows_at
from adce_assets.loop.records import Gap


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Keys of a gap that no task collects, and why."""

    gap_id: str
    source: str
    data_type: str
    season: str
    priority: str
    keys: int
    reason: str


def starts(gaps: Sequence[Gap]) -> Iterator[tuple[Gap, int]]:
    """Say at which row of the table of open keys each gap begins."""
    first = 0
    for gap in gaps:
        yield gap, first
        first += gap.keys


def explain(
    gaps: Sequence[Gap], path: Path, obstacles: Mapping[str, str], cut: Mapping[str, tuple[int, str]]
) -> list[LeftOut]:
    """Explain every key that no task collects, in the order of the gaps.

    Args:
        gaps: All of them, in their order.
        path: Of the table of open keys.
        obstacles: Why nothing can collect a gap, by its id.
        cut: How many keys of a gap were cut off, and why, by its id.
    """
    held = _held(path, [entry for entry in starts(gaps) if entry[0].id not in obstacles])
    left = {gap.id: [(gap.keys, obstacles[gap.id])] if gap.id in obstacles else held[gap.id] for gap in gaps}
    for gap_id, entry in cut.items():
        left[gap_id] = [entry, *left[gap_id]]
    return [
        LeftOut(gap.id, gap.source, gap.data_type, gap.season, gap.priority, keys, reason)
        for gap in gaps
        for keys, reason in left[gap.id]
    ]


def _held(path: Path, gaps: Sequence[tuple[Gap, int]]) -> dict[str, list[tuple[int, str]]]:
    """Count the keys of each gap that nobody may try to collect now, by what holds them."""
    spans = [range(first + gap.keys - gap.held_files, first + gap.keys) for gap, first in gaps]
    reasons = rows_at(path, list(chain.from_iterable(spans)), ["gap_id", "held"])
    counted = Counter(zip(*(reasons[name].to_pylist() for name in ("gap_id", "held")), strict=True))
    kinds: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (gap_id, reason), keys in counted.items():
        kinds[gap_id, reason.split(" ", 1)[0]][reason] = keys
    found: dict[str, list[tuple[int, str]]] = {gap.id: [] for gap, _ in gaps}
    for (gap_id, _), texts in sorted(kinds.items()):
        first = min(texts)
        found[gap_id].append((texts.total(), first if len(texts) == 1 else f"{first}, and others like it"))
    return found
