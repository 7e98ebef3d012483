"""What metrics are measured of: one installation, the folder of the project, and what was read of them for one look.

A look reads each thing once: the same inventory answers all metrics of it, and a reconciliation that ends meanwhile
changes none of them. What is read is decided in `kinds`.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from adce_assets.errors import AdceError
from adce_assets.loop.project import Project

T = TypeVar("T")


class Reading:
    """What was read for one look; it is forgotten, and what was opened for it is closed, at the end of the look.

    One thread looks at a time.
    """

    def __init__(self, opened: ExitStack) -> None:
        """Begin with nothing; ``opened`` closes what is opened."""
        self._opened = opened
        self._read: dict[Hashable, Any] = {}
        self._failed: dict[Hashable, AdceError] = {}

    def once(self, what: Hashable, read: Callable[[ExitStack], T]) -> T:
        """Return what was read under a name, or read it now; what could not be read fails again in the same way.

        Args:
            what: The name of what is read, the same for the same.
            read: Reads it; what it enters is open until the end of the look.
        """
        if what in self._failed:
            raise self._failed[what].with_traceback(None)
        if what not in self._read:
            try:
                self._read[what] = read(self._opened)
            except AdceError as error:
                self._failed[what] = error
                raise
        return self._read[what]


@dataclass(frozen=True, slots=True)
class World:
    """What can be measured.

    Attributes:
        project: The installation.
        root: The folder to which the paths of files, lines, git and documents are relative.
        missed_ticks: Counts the ticks that a ``sensor`` or ``schedule`` of a name has missed since a moment; None
            where nobody who knows Dagster has handed it in.
    """

    project: Project
    root: Path
    missed_ticks: Callable[[str, str, datetime], int] | None = None
    _readings: list[Reading] = field(default_factory=list, init=False, repr=False, compare=False)

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Lend what is read for a look; a block within another one lends the same.

        Whoever measures several metrics does so within one block, so that what they share is read once.
        """
        if self._readings:
            yield self._readings[-1]
            return
        with ExitStack() as opened:
            self._readings.append(Reading(opened))
            try:
                yield self._readings[-1]
            finally:
                self._readings.pop()
