"""An error in, its class out: whether asking again can help is read off here, in one table, and nowhere else.

A key ends as collected, confirmed absent (with `Evidence`) or failed (with a `Class`); the three are never mixed.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from adce_assets import errors
from adce_assets.errors import AdceError
from adce_assets.ledger.evidence import AbsentKey


class Class(StrEnum):
    """Why a key was not collected."""

    UNREACHABLE = "unreachable"
    BUSY = "busy"
    CLOSED = "closed"
    BLOCKED = "blocked"
    REFUSED = "refused"
    GONE = "gone"
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too_large"
    DAMAGED = "damaged"
    NOT_DATA = "not_data"
    WRONG_ENTITY = "wrong_entity"
    EMPTY = "empty"
    DRIFT = "drift"
    CHANGED_MEANWHILE = "changed_meanwhile"
    PROGRAM = "program"
    LAKE = "lake"
    CONFIGURATION = "configuration"
    LOST = "lost"

    @property
    def permanent(self) -> bool:
        """Whether asking again is of no use until a person has changed something."""
        return self in PERMANENT


PERMANENT = frozenset(
    {
        Class.REFUSED,
        Class.GONE,
        Class.FORBIDDEN,
        Class.TOO_LARGE,
        Class.DRIFT,
        Class.CONFIGURATION,
        Class.LOST,
    }
)

GONE_STATUSES = frozenset({404, 410})
OUTCOMES: tuple[tuple[type[AdceError], Class], ...] = (
    (errors.EgressBlockedError, Class.BLOCKED),
    (errors.HostClosedError, Class.CLOSED),
    (errors.BusyError, Class.BUSY),
    (errors.DamagedError, Class.DAMAGED),
    (errors.ProgramError, Class.PROGRAM),
    (errors.TransientFetchError, Class.UNREACHABLE),
    (errors.ForbiddenByRobotsError, Class.FORBIDDEN),
    (errors.TooLargeError, Class.TOO_LARGE),
    (errors.GoneError, Class.GONE),
    (errors.LostError, Class.LOST),
    (errors.PermanentFetchError, Class.REFUSED),
    (errors.EmptyAnswerError, Class.EMPTY),
    (errors.BlockedPageError, Class.BLOCKED),
    (errors.NotDataError, Class.NOT_DATA),
    (errors.DamagedDocumentError, Class.DAMAGED),
    (errors.OversizedDocumentError, Class.TOO_LARGE),
    (errors.WrongEntityError, Class.WRONG_ENTITY),
    (errors.DriftError, Class.DRIFT),
    (errors.VerifyError, Class.NOT_DATA),
    (errors.ConditionFailedError, Class.CHANGED_MEANWHILE),
    (errors.LakeError, Class.LAKE),
    (errors.AdceError, Class.CONFIGURATION),
)
"""The first line that an error is an instance of gives its class: special cases stand above what they are cases of."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a key is believed to be absent: what the source said, and when to ask it again (aware, UTC).

    Attributes:
        url: What was asked.
        status: What it answered with.
        what: What that says, in words.
        sha256: Of the body of the answer; None if it had none.
        seen_at: When it came.
        probe_again_at: Before that nobody needs to ask again.
    """

    url: str
    status: int
    what: str
    sha256: str | None
    seen_at: datetime
    probe_again_at: datetime

    def of(self, key: str) -> AbsentKey:
        """Write it down for a key."""
        return AbsentKey(
            key=key,
            url=self.url,
            status=self.status,
            what=self.what[:200],
            sha256=self.sha256,
            seen_at=self.seen_at,
            probe_again_at=self.probe_again_at,
        )


def classify(error: AdceError) -> Class:
    """Say what kind of failure an error is."""
    kind = next(kind for cause, kind in OUTCOMES if isinstance(error, cause))
    status = getattr(error, "status", None)
    return Class.GONE if kind is Class.REFUSED and status in GONE_STATUSES else kind
