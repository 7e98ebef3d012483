"""How long work tells what it has done, to whoever wants to draw it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

COLLECT = "collect"
"""The stage of which `Board` says more than how much is done."""


class Progress(Protocol):
    """Told now and then how far a stage has come; ``total`` is None when nobody knows it."""

    def __call__(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Take note of ``done`` of ``total`` units of ``stage``, and of what is to be shown beside them."""
        ...


def silent(stage: str, done: int, total: int | None, note: str = "") -> None:
    """Take no note."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How far keys are: those that came to an end, those of them that failed, and all."""

    done: int = 0
    failed: int = 0
    total: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Count both."""
        return Tally(self.done + other.done, self.failed + other.failed, self.total + other.total)

    def __sub__(self, other: "Tally") -> "Tally":
        """Count no more what the other has counted."""
        return Tally(self.done - other.done, self.failed - other.failed, self.total - other.total)

    def __str__(self) -> str:
        """Say what is not well, and what is still to come."""
        return f"{self.failed:,} failed, {max(self.total - self.done, 0):,} waiting"


Telling = Callable[[str, str, Tally], None]
"""Told of a run, by its id and the name of the host it asks, how far its keys are."""


@dataclass(slots=True)
class Board:
    """How far the runs of a command have come, by host in the order in which each was first heard of."""

    hosts: dict[str, Tally] = field(default_factory=dict)
    runs: dict[str, tuple[str, Tally]] = field(default_factory=dict)

    def tell(self, run: str, host: str, tally: Tally) -> None:
        """Take note of a run, which asks one host; it need not have begun."""
        if run in self.runs:
            before, counted = self.runs[run]
            self.hosts[before] -= counted
        self.hosts[host] = self.hosts.get(host, Tally()) + tally
        self.runs[run] = host, tally

    def end(self, run: str) -> None:
        """Take note that a run is over: what it has not done waits no more."""
        host, tally = self.runs[run]
        self.tell(run, host, Tally(tally.done, tally.failed, tally.done))


current_progress: ContextVar[Progress] = ContextVar("current_progress", default=silent)
"""Who draws the progress of work that is started through Dagster, where no argument can reach a step."""
current_telling: ContextVar[Telling | None] = ContextVar("current_telling", default=None)
"""Who is told of each run that is started so; None: nobody, and a run says it in the note of its progress."""


@contextmanager
def told_as(name: str) -> Iterator[None]:
    """Let whom `current_telling` names hear of the runs in the block under a name that was known before they began."""
    telling = current_telling.get()
    if telling is None:
        yield
        return

    def tell(_run: str, host: str, tally: Tally) -> None:
        telling(name, host, tally)

    token = current_telling.set(tell)
    try:
        yield
    finally:
        current_telling.reset(token)
