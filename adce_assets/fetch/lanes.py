"""Two lanes in, whose turn it is out: fresh work first, and history neither starved nor in the way.

A turn is one request of a budget. Where only one lane waits, the turn is its own. Where both wait:

- history takes at most its share, counted over such turns alone, so that fresh work is never kept waiting for more;
- history takes at least its floor: every twentieth turn with a floor of 5 %, and more, up to its share, while it has
  had less than that of the last 24 hours.

All of it is arithmetic on the records below; who waits, and where the records lie, is not known here.
"""

from dataclasses import dataclass
from enum import StrEnum

HOUR_MS = 3_600_000
HOURS = 24
ALMOST = 1 - 1e-9
"""Twenty times 0.05 is to be one turn, whatever floating point says."""
MOST_OWED = 2.0


class Lane(StrEnum):
    """What a request is for: keys that have just come due, or the years before."""

    FRESH = "fresh"
    HISTORY = "history"

    @property
    def other(self) -> "Lane":
        """The lane beside this one."""
        return Lane.HISTORY if self is Lane.FRESH else Lane.FRESH


@dataclass(frozen=True, slots=True)
class Split:
    """How a budget is split: the most, and the least, that history gets of the turns for which both lanes wait."""

    share: float
    floor: float


@dataclass(frozen=True, slots=True)
class Hour:
    """The turns that were taken in one hour since 1970."""

    hour: int
    fresh: int = 0
    history: int = 0


@dataclass(frozen=True, slots=True)
class Turns:
    """What has been taken.

    Attributes:
        owed: Turns that the floor owes history; it takes one when one is full.
        allowed: Turns that the share allows history, at most one.
        hours: The last 24 hours with turns, oldest first.
        fresh: The fresh ones of those hours, as of the last turn.
        history: The others.
    """

    owed: float = 0.0
    allowed: float = 0.0
    hours: tuple[Hour, ...] = ()
    fresh: int = 0
    history: int = 0


def is_turn_of(turns: Turns, lane: Lane, split: Split, *, contended: bool) -> bool:
    """Say whether the next turn is this lane's. ``contended``: the other lane waits as well."""
    if not contended:
        return True
    due = turns.owed >= ALMOST or turns.history < split.floor * (turns.fresh + turns.history)
    return (lane is Lane.HISTORY) == (due and turns.allowed + split.share >= ALMOST)


def taken(turns: Turns, lane: Lane, split: Split, now_ms: int, *, contended: bool) -> Turns:
    """Note a turn. What history takes while no fresh work waits is counted against neither its share nor its floor."""
    history = int(lane is Lane.HISTORY)
    owed, allowed = turns.owed, turns.allowed
    if contended:
        owed = min(max(owed + split.floor - history, 0.0), MOST_OWED)
        allowed = min(max(allowed + split.share - history, 0.0), 1.0)
    this = now_ms // HOUR_MS
    if not turns.hours or turns.hours[-1].hour < this:
        return _first_of_an_hour(this, owed, allowed, turns.hours, history)
    *before, last = turns.hours
    counted = Hour(last.hour, last.fresh + 1 - history, last.history + history)
    return Turns(owed, allowed, (*before, counted), turns.fresh + 1 - history, turns.history + history)


def of_the_last_day(turns: Turns, now_ms: int) -> dict[Lane, int]:
    """Count the turns of the last 24 hours, by lane."""
    recent = _recent(turns.hours, now_ms // HOUR_MS)
    return {Lane.FRESH: sum(hour.fresh for hour in recent), Lane.HISTORY: sum(hour.history for hour in recent)}


def _first_of_an_hour(this: int, owed: float, allowed: float, hours: tuple[Hour, ...], history: int) -> Turns:
    """Start an hour with its first turn, and forget those before the last day."""
    kept = (*_recent(hours, this), Hour(this, 1 - history, history))
    return Turns(owed, allowed, kept, sum(hour.fresh for hour in kept), sum(hour.history for hour in kept))


def _recent(hours: tuple[Hour, ...], this: int) -> list[Hour]:
    return [hour for hour in hours if hour.hour > this - HOURS]
