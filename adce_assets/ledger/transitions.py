"""A key's state and what happened to it in, its next state out: the one table of what may follow what.

A pair that the table does not hold is refused. What each event tells, and who writes it down, is not known here.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a key stands on the way from a gap to an object that somebody else has seen."""

    UNTRACKED = "untracked"
    DETECTED = "detected"
    PLANNED = "planned"
    LEASED = "leased"
    FETCHED = "fetched"
    STAGED = "staged"
    AUDITED = "audited"
    PROMOTED = "promoted"
    SEEN = "seen"
    CLOSED = "closed"
    FAILED = "failed"
    TOMBSTONED = "tombstoned"
    DEAD_LETTERED = "dead_lettered"
    WITHDRAWN = "withdrawn"


class Event(StrEnum):
    """What can happen to a key."""

    DETECTED = "detected"
    PLANNED = "planned"
    LEASED = "leased"
    RELEASED = "released"
    FETCHED = "fetched"
    STAGED = "staged"
    AUDITED = "audited"
    PROMOTED = "promoted"
    SEEN = "seen"
    CLOSED = "closed"
    FAILED = "failed"
    TOMBSTONED = "tombstoned"
    DEAD_LETTERED = "dead_lettered"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"


UNDER_WAY = (State.LEASED, State.FETCHED, State.STAGED, State.AUDITED)
"""The states of a key that a run works on."""
CLAIMABLE = (State.DETECTED, State.PLANNED, State.FAILED)
"""The states of a key that a run may take."""
SETTLED = (State.PROMOTED, State.SEEN, State.CLOSED, State.TOMBSTONED, State.DEAD_LETTERED)
"""The states of a key that nothing is to be done for, unless it is opened again."""

_RULES: tuple[tuple[Event, tuple[State, ...], State], ...] = (
    (Event.DETECTED, (State.UNTRACKED, State.WITHDRAWN), State.DETECTED),
    (Event.REOPENED, SETTLED, State.DETECTED),
    (Event.PLANNED, (State.DETECTED, State.FAILED), State.PLANNED),
    (Event.LEASED, CLAIMABLE, State.LEASED),
    (Event.RELEASED, UNDER_WAY, State.DETECTED),
    (Event.FETCHED, (State.LEASED,), State.FETCHED),
    (Event.STAGED, (State.FETCHED,), State.STAGED),
    (Event.AUDITED, (State.STAGED,), State.AUDITED),
    # What a run finds in the lake already, and good, was promoted by somebody else.
    (Event.PROMOTED, (State.LEASED, State.AUDITED), State.PROMOTED),
    (Event.FAILED, UNDER_WAY, State.FAILED),
    (Event.DEAD_LETTERED, (State.FAILED,), State.DEAD_LETTERED),
    (Event.TOMBSTONED, (*CLAIMABLE, State.TOMBSTONED), State.TOMBSTONED),
    # Others write into the lake too: whatever was waiting for a key, the object may be there.
    (Event.SEEN, (*CLAIMABLE, State.PROMOTED, State.TOMBSTONED, State.DEAD_LETTERED), State.SEEN),
    (Event.CLOSED, (State.SEEN,), State.CLOSED),
    (
        Event.WITHDRAWN,
        (*CLAIMABLE, State.PROMOTED, State.SEEN, State.TOMBSTONED, State.DEAD_LETTERED),
        State.WITHDRAWN,
    ),
)

NEXT: Mapping[tuple[State, Event], State] = MappingProxyType(
    {(before, event): after for event, befores, after in _RULES for before in befores}
)
"""The state after each event that may happen in a state."""
