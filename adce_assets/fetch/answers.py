"""The status of an answer in, what it means for the next request out.

Whether a failure is permanent or transient is decided here and nowhere else, by `MAY_CHANGE` and the host's own rules.
How long a host is then left alone is kept by the limits.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from adce_assets.errors import DamagedError, FetchError, PermanentFetchError
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Answered

OK, PARTIAL, NO_SUCH_RANGE, SERVER_ERROR = 200, 206, 416, 500

MAY_CHANGE = frozenset({202, 408, 425, 429})
"""Statuses below 500 after which the same request may succeed later; all others but 200 are final."""

UNAVAILABLE = range(400, 500)
"""Statuses with which a host says that it has no robots.txt: https://www.rfc-editor.org/rfc/rfc9309#section-2.3.1.3"""

UNWELCOME = frozenset({401, 403, 407, 451})
"""Statuses with which a host turns us away, rather than the question."""


def is_busy(host: Host, status: int) -> bool:
    """Tell whether the same request may be answered otherwise later on."""
    return status in MAY_CHANGE or status >= SERVER_ERROR or status in host.jail_statuses


def meaning(host: Host, status: int) -> Answered:
    """Say what a status tells the limits."""
    if is_busy(host, status):
        return Answered.BUSY
    return Answered.REFUSED if status in UNWELCOME else Answered.OK


def meaning_of_failure(error: FetchError, *, connected: bool, received: bool) -> Answered | None:
    """Say what a failure without a whole answer tells the limits; None: nothing, for the host was never asked.

    Args:
        error: The failure.
        connected: Whether anybody took the connection.
        received: Whether a byte came back.
    """
    if isinstance(error, PermanentFetchError):
        return Answered.HEARD if received else None
    silent = connected and not received and not isinstance(error, DamagedError)
    return Answered.SILENT if silent else Answered.BUSY


def retry_after(value: str, sent: str, now: datetime) -> float:
    """Read a ``Retry-After`` header as seconds; 0 for none or nonsense.

    A date is counted from the ``Date`` that was ``sent`` with it, so that a wrong clock on either side does no harm;
    from ``now`` if there is none.
    """
    if re.fullmatch(r"\d+", value.strip(), re.ASCII):
        return float(value)
    moment = http_date(value)
    return max(0.0, (moment - (http_date(sent) or now)).total_seconds()) if moment else 0.0


def http_date(text: str) -> datetime | None:
    """Read a time as headers and mail write it, in UTC; None for anything else."""
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
