"""Gaps and the ledger in, numbers on the loop's life out: what is open, what was closed and how soon, what failed.

The numbers of one moment; Dagster plots them over the runs that tell them. What was closed counts by the moment of its
closure, and waited since its gap was found, however long ago that was.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from adce_assets.configuration import PRIORITIES
from adce_assets.ledger.chain import Entry
from adce_assets.ledger.keys import KeyState
from adce_assets.ledger.transitions import Event
from adce_assets.ledger.transitions import State as Standing
from adce_assets.loop.project import Project
from adce_assets.loop.records import OPEN_STATES

DAYS = 7
"""How far back closures are counted, and how soon they came."""
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NO_CLASS = "unknown"
WAITING = (Standing.TOMBSTONED, Standing.DEAD_LETTERED, Standing.PROMOTED)
"""The states whose keys are counted: those that cannot be had, those that wait for a person, and for a reader."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The loop's life in numbers.

    Attributes:
        open_keys: Open keys by priority.
        oldest_critical: How long the oldest CRITICAL gap has been open; None if there is none.
        closed_by_day: Keys closed on each of the last days (UTC), the present one included, oldest first.
        closed_last_day: Keys closed within the last 24 hours.
        to_close: From detected to closed, of the keys closed within `DAYS`: P50 and P90; None if there are none.
        failed_by_class: Failures of the last 24 hours.
        waiting: Keys by state, of `WAITING`.
    """

    open_keys: Mapping[str, int]
    oldest_critical: timedelta | None
    closed_by_day: Mapping[date, int]
    closed_last_day: int
    to_close: tuple[timedelta, timedelta] | None
    failed_by_class: Mapping[str, int]
    waiting: Mapping[Standing, int]


def read(project: Project, gaps: Mapping[str, Any]) -> Statistics:
    """Read the numbers of an installation; ``gaps`` is what `detected_gaps.json` says.

    Raises:
        LedgerError: the ledger cannot be used.
    """
    ledger, now = project.ledger, project.clock()
    closed = {entry.key for entry in ledger.recent([Event.CLOSED], now - DAYS * DAY)}
    return of(
        gaps,
        ledger.states(keys=closed) if closed else (),
        ledger.recent([Event.FAILED], now - DAY),
        ledger.counts(),
        now,
    )


def of(
    gaps: Mapping[str, Any],
    closed: Iterable[KeyState],
    failed: Iterable[Entry],
    counts: Mapping[Standing, int],
    now: datetime,
) -> Statistics:
    """Count what `read` reads.

    Args:
        gaps: What `detected_gaps.json` says.
        closed: How keys stand that were closed lately; those that are open again do not count.
        failed: The failures of the last 24 hours.
        counts: Keys by state.
        now: The present moment (UTC).
    """
    open_keys = Counter[str]()
    for gap in gaps["gaps"]:
        open_keys[gap["priority"]] += sum(gap[f"{state}_files"] for state in OPEN_STATES)
    found = [datetime.fromisoformat(gap["detected_at"]) for gap in gaps["gaps"] if gap["priority"] == PRIORITIES[0]]
    ends = [(state.closed_at, state.detected_at) for state in closed if state.closed_at is not None]
    return Statistics(
        open_keys={priority: open_keys[priority] for priority in PRIORITIES},
        oldest_critical=now - min(found) if found else None,
        closed_by_day=_by_day([end for end, _ in ends], now),
        closed_last_day=sum(now - end <= DAY for end, _ in ends),
        to_close=_spread([end - begin for end, begin in ends if begin is not None and now - end <= DAYS * DAY]),
        failed_by_class=dict(Counter(str(entry.detail.get("class") or NO_CLASS) for entry in failed).most_common()),
        waiting={state: counts.get(state, 0) for state in WAITING},
    )


def _by_day(moments: Iterable[datetime], now: datetime) -> dict[date, int]:
    counts = Counter(moment.date() for moment in moments)
    return {day: counts[day] for day in (now.date() - ago * DAY for ago in reversed(range(DAYS)))}


def _spread(times: Sequence[timedelta]) -> tuple[timedelta, timedelta] | None:
    """Return the times within which half of all, and nine of ten, had come to their end."""
    if not times:
        return None
    ordered = sorted(times)
    half, most = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.9))
    return half, most
