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

OK, PARTIAL, NOT_MODIFIED, NO_SUCH_RANGE, SERVER_ERROR = 200, 206, 304, 416, 500

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


def meaning_of_failure(error: FetchError, *, silent: bool) -> Answered:
    """Say what a failure without a whole answer tells the limits; ``silent``: connected, and never a byte."""
    if isinstance(error, PermanentFetchError):
        return Answered.OK
    return Answered.SILENT if silent and not isinstance(error, DamagedError) else Answered.BUSY


def retry_after(value: str, sent: str, now: datetime) -> float:
    """Read a ``Retry-After`` header as seconds; 0 for none or nonsense.

    A date is counted from the ``Date`` that was ``sent`` with it, so that a wrong clock on either side does no harm;
    from ``now`` if there is none.
    """
    if re.fullmatch(r"\d+", value.strip(), re.ASCII):
        return float(value)
    moment = _http_date(value)
    return max(0.0, (moment - (_http_date(sent) or now)).total_seconds()) if moment else 0.0


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
