"""What reads from a database in, what it last read out: at most once a second, and also while the database is away."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from adce_assets.errors import AccessError

Found = TypeVar("Found")

ANEW_S = 1.0
"""How long it is not read anew, whether it could be read or not."""
KEPT_S = 3_600.0
"""How long what was read last counts where it cannot be read any more."""
WAIT_S = 10.0
"""How long who knows nothing yet waits for another who reads."""


@dataclass(slots=True)
class Remembered(Generic[Found]):
    """Asked again and again by any thread, of which one reads while the others go by what was read last.

    Attributes:
        read: Reads it anew; AccessError where that cannot be.
        monotonic: Seconds, of which only differences count.
    """

    read: Callable[[], Found]
    monotonic: Callable[[], float] = time.monotonic
    _last: tuple[float, Found] | None = field(default=None, init=False)
    _tried: float | None = field(default=None, init=False)
    _fault: AccessError | None = field(default=None, init=False)
    _one: Lock = field(default_factory=Lock, init=False)

    def __call__(self) -> Found:
        """Return what was read last, at most `ANEW_S` ago, or `KEPT_S` where it cannot be read.

        Raises:
            AccessError: it cannot be read, and was not read lately.
        """
        last = self._last
        if self.is_due() and self._one.acquire(timeout=WAIT_S if last is None else 0):
            try:
                if self.is_due():
                    self._read_anew()
                last = self._last
            finally:
                self._one.release()
        if last is not None and self.monotonic() - last[0] <= KEPT_S:
            return last[1]
        fault = self._fault
        what, where = (fault.what, fault.where) if fault else ("the database does not answer", "")
        raise AccessError(what, where=where, hint=fault.hint if fault else "check that it can be reached") from fault

    def forget(self) -> None:
        """Let it be read anew by who asks next; what was known counts no more."""
        with self._one:
            self._last = self._tried = None

    def is_due(self) -> bool:
        """Tell whether who asks next may have to wait for the database."""
        return self._tried is None or self.monotonic() - self._tried > ANEW_S

    def _read_anew(self) -> None:
        began = self.monotonic()
        try:
            self._last, self._tried = (began, self.read()), began
        except AccessError as error:
            # What took long to fail is not tried again at once.
            self._fault, self._tried = error, self.monotonic()
