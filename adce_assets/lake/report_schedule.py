"""When reports began in, how often AWS writes one, when the next is due and whether it is late out.

Nothing here reads a report; the clock is an argument. AWS begins a report daily, or weekly on Sundays (UTC), and takes
up to 48 hours to deliver it (docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

from adce_assets.lake.store import LakeStore

Frequency = Literal["daily", "weekly"]

INTERVALS: dict[Frequency, timedelta] = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
DELIVERY = timedelta(hours=48)
GRACE = timedelta(hours=24)

_ROUGHLY = timedelta(hours=12)
_SUNDAY = 6


@dataclass(frozen=True, slots=True)
class Due:
    """When the next report begins, and when it is delivered at the latest (UTC)."""

    begins_at: datetime
    delivered_by: datetime


def due(created_at: datetime, frequency: Frequency) -> Due:
    """Say when the report after the one that began at `created_at` is due."""
    began = created_at.astimezone(UTC)
    days = 1 if frequency == "daily" else (_SUNDAY - began.weekday()) % 7 or 7
    begins = began + timedelta(days=days)
    return Due(begins, begins + DELIVERY)


def is_late(created_at: datetime, now: datetime, frequency: Frequency | None) -> bool:
    """Say whether the newest report is older than twice the time between two, and a day.

    Where nobody knows how often AWS writes one, it is late when it would be late at any frequency.
    """
    interval = INTERVALS[frequency] if frequency else max(INTERVALS.values())
    return now - created_at > 2 * interval + GRACE


def greatest_age(frequency: Frequency) -> timedelta:
    """Say how old a report may become before the next is there: the time between two, two days, and a day's grace.

    An inventory that is allowed to be less old than that is called too old though AWS does what it has promised.
    """
    return INTERVALS[frequency] + DELIVERY + GRACE


def frequency_of(starts: Iterable[datetime]) -> Frequency | None:
    """Tell from the last two reports how often AWS writes one; None where they are neither a day nor a week apart."""
    for earlier, later in pairwise(sorted(starts)[-2:]):
        for frequency, interval in INTERVALS.items():
            if abs(later - earlier - interval) <= _ROUGHLY:
                return frequency
    return None


def starts_beside(store: LakeStore, folder: str) -> Sequence[datetime]:
    """List when the reports of a configuration began, as the folders beside that of one report say.

    Args:
        store: The store of the reports.
        folder: The folder of a report, as `ReportManifest.prefix` names it.
    """
    top = folder.rstrip("/").rpartition("/")[0] + "/"
    names = (name.removeprefix(top) for name in store.list_prefixes(top))
    return [moment for name in names if (moment := _moment(name)) is not None]


def _moment(name: str) -> datetime | None:
    try:
        return datetime.strptime(name, "%Y-%m-%dT%H-%MZ/").replace(tzinfo=UTC)
    except ValueError:
        return None
