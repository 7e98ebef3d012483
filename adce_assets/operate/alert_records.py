"""What is remembered of a cause that somebody may have to be told of, and what they are told.

When somebody is told is decided in `alerts`; how that reads is the business of `alert_texts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from adce_assets.operate.causes import Cause, Severity

UNSEEN = timedelta(minutes=15)
"""How long who saw a cause is waited for at least."""
UNHEARD = timedelta(minutes=15)
"""After so long what nobody was told, because its message was given up, is told anew."""
Name = tuple[str, str]
"""The code and the subject of a cause: what is the same as long as the cause lasts."""


def name_of(cause: Cause) -> Name:
    """Name a cause."""
    return cause.code, cause.subject


@dataclass(frozen=True, slots=True)
class Alert:
    """A cause that was seen, from its first look to its last. All moments are UTC.

    Attributes:
        cause: As it was seen last.
        seen_at: When it was first seen; later by as much as it was away before anybody was to know of it.
        looked_at: When it was last seen.
        seen_by: Who saw it last; others may be unable to see it, as a full disk of another machine.
        opened_at: When it had stood for long enough; None as long as it has not.
        gone_at: Since when it is not seen any more, None while it is; a later moment where nobody heard that it
            is over, and that is not to be written again before.
        told_at: When it was last written to somebody; None where it never was.
        told_as: The worst that they were told it is; None as long as nobody was told, or could be.
        cleared_at: When it had been gone for long enough.
        number: Of its row; 0 where it has none yet.
    """

    cause: Cause
    seen_at: datetime
    looked_at: datetime
    seen_by: str = ""
    opened_at: datetime | None = None
    gone_at: datetime | None = None
    told_at: datetime | None = None
    told_as: Severity | None = None
    cleared_at: datetime | None = None
    number: int = 0

    @property
    def severity(self) -> Severity:
        """How bad it is, or how bad people were told it is, whichever is worse."""
        return Severity.CRITICAL if Severity.CRITICAL in {self.cause.severity, self.told_as} else Severity.WARNING


@dataclass(frozen=True, slots=True)
class Look:
    """When causes were looked for, and where.

    Attributes:
        now: UTC.
        looker: Who has looked.
        ui_url: Where Dagster's pages are.
        unlooked: The codes of causes of which nothing could be said.
        unseen: After so long without a look of who saw a cause, any other that does not see it says that it is gone.
    """

    now: datetime
    looker: str
    ui_url: str
    unlooked: frozenset[str] = frozenset()
    unseen: timedelta = UNSEEN


class Kind(StrEnum):
    """What is told of an alert: that it is there, has become critical, is still there, or is over."""

    OPENED = "opened"
    WORSE = "worse"
    STANDS = "still open"
    CLEARED = "cleared"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell: of which cause, since when it stands, and the page that shows it (a URL, or nothing)."""

    kind: Kind
    cause: Cause
    since: datetime
    link: str = ""
    severity: Severity = Severity.WARNING


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out on a channel in one piece: its own id, when it was written, and the news, the worst first."""

    id: str
    at: datetime
    news: tuple[News, ...]


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told of a code before ``until``: of one subject, or of all (empty). ``by`` and ``note`` say why."""

    code: str
    subject: str
    until: datetime
    by: str
    note: str

    def covers(self, cause: Cause) -> bool:
        """Tell whether it is about a cause."""
        return self.code == cause.code and self.subject in {"", cause.subject}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way: to which channel, how often it was tried, what went wrong last, and when it arrived."""

    number: int
    channel: str
    message: Message
    attempts: int
    next_at: datetime
    tried_at: datetime | None
    error: str
    delivered_at: datetime | None
    given_up: bool


@dataclass(frozen=True, slots=True)
class Tended:
    """What one look has done: alerts that stand, news that were written, messages that arrived and that did not."""

    standing: tuple[Alert, ...]
    news: tuple[News, ...]
    delivered: int
    failed: Sequence[str]
