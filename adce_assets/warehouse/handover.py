"""Things that one thread has made in, the same to the threads that wait for them out: never more than fit in memory."""

import threading
from collections import deque
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class StoppedError(Exception):
    """The work was given up elsewhere: nothing is handed over any more."""


class Handover(Generic[Thing]):
    """A line of at most so many things. It ends when it is closed, and at once when it is stopped."""

    def __init__(self, most: int) -> None:
        self._most, self._things = most, deque[Thing]()
        self._changed = threading.Condition()
        self._closed = self._stopped = False

    def put(self, thing: Thing) -> None:
        """Add a thing as soon as there is room; StoppedError where nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._things) < self._most)
            self._refuse_stopped()
            self._things.append(thing)
            self._changed.notify_all()

    def take(self, most: int = 1) -> list[Thing]:
        """Wait for a thing and take it, with what else is there already; nothing once all has been taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._closed or len(self._things) > 0)
            self._refuse_stopped()
            taken = [self._things.popleft() for _ in range(min(most, len(self._things)))]
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Say that nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Give up, and wake all who wait."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _refuse_stopped(self) -> None:
        if self._stopped:
            raise StoppedError
