"""Cells and what a person wants of them in, one run for each scraper and season out: a backfill.

A run has a partition of all the data sets that its scraper yields, as a backfill from the UI has, and no tasks: it
finds out itself which keys of its cells are open. What the queue leaves for later is collected too. Nothing is read.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from adce_assets.contract.seasons import WHOLE_HISTORY
from adce_assets.loop.dispatch import Batch
from adce_assets.loop.records import ID_DIGITS, OPEN_STATES

EVERY = "every"
"""The priority of a run that collects keys of all of them."""


def open_files(cell: Mapping[str, Any]) -> int:
    """Count the keys of a cell of the coverage that are open."""
    return sum(cell[state] for state in OPEN_STATES)


def due_files(cell: Mapping[str, Any]) -> int:
    """Count the keys of a cell of the coverage that can be collected anew."""
    return open_files(cell) + cell["present"] + cell["unknown"]


def backfill(
    cells: Iterable[Mapping[str, Any]],
    *,
    is_within: Callable[[str], bool],
    source: str | None,
    groups: Mapping[str, str],
    count: Callable[[Mapping[str, Any]], int],
) -> list[Batch]:
    """Choose the cells that have something to collect, the newest season first.

    Args:
        cells: The cells of the last coverage.
        is_within: Which seasons.
        source: Only this one; None: all.
        groups: The scraper that serves a data set (``source/data_type``); others are left away.
        count: How many keys of a cell are wanted.
    """
    found: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for cell in cells:
        name, season = f"{cell['source']}/{cell['data_type']}", cell["season"]
        if name in groups and source in {None, cell["source"]} and is_within(season) and (keys := count(cell)):
            found[season, groups[name]][name] = keys
    newest_first = sorted(found, key=lambda one: (one[0] == WHOLE_HISTORY, [-ord(sign) for sign in one[0]], one[1]))
    return [_batch(scraper, season, found[season, scraper]) for season, scraper in newest_first]


def _batch(scraper: str, season: str, keys: Mapping[str, int]) -> Batch:
    digest = hashlib.sha256(f"{scraper}/{season}".encode()).hexdigest()
    total = sum(keys.values())
    return Batch(
        id=f"cells-{digest[:ID_DIGITS]}",
        scraper=scraper,
        season=season,
        priority=EVERY,
        part=None,
        data_sets=tuple(sorted(keys)),
        task_ids=(),
        keys=total,
        reason=f"{total:,} key(s) of {', '.join(sorted(keys))} in {season}",
    )
