"""A wish to stop in, no new request out: what is under way comes to its own end, and the rest is given back.

Who wishes it (a signal, a time that is over) is known to the caller; what becomes of the rest, to the ledger.
"""

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field


def never() -> bool:
    """Say that nothing is to stop."""
    return False


@dataclass(slots=True)
class Stop:
    """Says when a run begins nothing new.

    Attributes:
        flag: Set when somebody wants it.
        seconds: Set by itself after so long; None: never.
        also: Says so too, for as long as it lasts: that room runs short, for one.
        clock: Seconds, of which only differences count.
    """

    flag: threading.Event
    seconds: float | None = None
    also: Callable[[], bool] = never
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        self._began = self.clock()

    @property
    def seconds_left(self) -> float | None:
        """How long until the time is over; None: for ever."""
        return None if self.seconds is None else max(self.seconds - (self.clock() - self._began), 0.0)

    def within(self, seconds: float, also: Callable[[], bool] = never) -> "Stop":
        """Stop with this one, or by itself after so long, or where ``also`` says so."""
        left = self.seconds_left
        return Stop(self.flag, seconds if left is None else min(left, seconds), also, self.clock)

    def __call__(self) -> bool:
        """Tell whether to begin nothing new."""
        return self.flag.is_set() or self.seconds_left == 0.0 or self.also()


current_stop: ContextVar[Stop | None] = ContextVar("current_stop", default=None)
"""What stops the runs of this context together; None: each run minds its own signals."""
