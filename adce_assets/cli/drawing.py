"""Progress in, a bar out on stderr: with rate and time left on a terminal, a plain line now and then elsewhere.

Of what is collected, each host has a bar or a line of its own below that of all. How fast something goes, and how sure
that is, stands in `timing`.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from adce_assets.cli.timing import Left, Timing
from adce_assets.progress import COLLECT, Board, Progress, Tally, current_progress, current_telling

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

TENS, MINUTES = 10, 120
"""From when on a rate needs no fraction, and a time is told in minutes."""
QUIET_SECONDS = 5.0
"""How long a stage may go on before a plain line says how far it is."""


@contextmanager
def drawn(board: Board | None = None) -> Iterator[Progress]:
    """Draw the progress of everything that runs inside the block, in this command and in the assets it starts.

    What is to be collected may stand on the ``board`` before it begins (default: nothing does).
    """
    board = board or Board()
    if sys.stderr.isatty():
        with _bars(board) as bars, _current(bars, board):
            yield bars
        return
    with _current(PlainLines(board=board), board) as lines:
        yield lines


@contextmanager
def _current(progress: Progress, board: Board) -> Iterator[Progress]:
    drawing, telling = current_progress.set(progress), current_telling.set(board.tell)
    try:
        yield progress
    finally:
        current_telling.reset(telling)
        current_progress.reset(drawing)


@dataclass(frozen=True, slots=True)
class _Line:
    """How far a stage or a host (its name begins with blanks) is, and what is said beside it."""

    name: str
    done: int
    total: int | None
    beside: str


@dataclass(slots=True)
class _Stage:
    """A stage as it goes: how fast it is, in all and at each host."""

    name: str
    board: Board
    timings: dict[str, Timing] = field(default_factory=dict)

    def lines(self, now: float, done: int, total: int | None, note: str) -> Iterator[_Line]:
        """Say how far the stage is, and if it collects, each host that it asks."""
        hosts = self.board.hosts if self.name == COLLECT else {}
        failed = sum(tally.failed for tally in hosts.values())
        yield self._line(self.name, now, done, total, str(Tally(done, failed, total or 0)) if hosts else "", note)
        for host, tally in hosts.items():
            yield self._line(f"  {host}", now, tally.done, tally.total, str(tally), "")

    def _line(self, name: str, now: float, done: int, total: int | None, told: str, note: str) -> _Line:
        timing = self.timings.setdefault(name, Timing(now, done))
        timing.tell(now, done)
        said = ", ".join(filter(None, (told, _speed(timing.rate), _left(timing.left(total)))))
        return _Line(name, done, total, "; ".join(filter(None, (said, note))))


def _speed(rate: float) -> str:
    return "" if not rate else f"{rate:,.0f}/s" if rate >= TENS else f"{rate:.2g}/s"


def _left(left: Left | None) -> str:
    """Write how long it takes, and between which times nine of ten such lie."""
    if left is None:
        return ""
    between = "" if left.fewest is None else f" ({_lasting(left.fewest)} or more)"
    if left.fewest is not None and left.most is not None:
        between = f" ({_lasting(left.fewest)} to {_lasting(left.most)})"
    return f"{_lasting(left.seconds)} left{between}"


def _lasting(seconds: float) -> str:
    """Write a time as a person says it."""
    return f"{seconds:.0f} s" if seconds < MINUTES else f"{seconds / 60:,.0f} min"


@dataclass(slots=True)
class PlainLines:
    """Says how far a stage is, at most once in `QUIET_SECONDS`; short stages stay silent."""

    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = lambda line: click.echo(line, err=True)
    board: Board = field(default_factory=Board)
    stage: _Stage | None = None
    said: float = 0.0

    def __call__(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Take note, and speak if it is time."""
        now = self.clock()
        if self.stage is None or stage != self.stage.name:
            self.stage, self.said = _Stage(stage, self.board), now
        lines = list(self.stage.lines(now, done, total, note))
        if now - self.said < QUIET_SECONDS:
            return
        self.said = now
        for line in lines:
            of = f" of {line.total:,}" if line.total else ""
            self.say(f"{line.name}: {line.done:,}{of}{', ' if line.beside else ''}{line.beside}")


@contextmanager
def _bars(board: Board) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    named, beside = (
        TextColumn("{task.description:<12}", markup=False),
        TextColumn("{task.fields[beside]}", markup=False),
    )
    with Bars(named, BarColumn(30), MofNCompleteColumn(), beside, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars, board)


@dataclass(slots=True)
class _Bars:
    """One bar for each stage, and one for each host that is asked."""

    bars: "Bars"
    board: Board
    stages: dict[str, _Stage] = field(default_factory=dict)
    drawn: dict[str, "TaskID"] = field(default_factory=dict)

    def __call__(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Move the bars of the stage, which are drawn when they are first heard of."""
        of_stage = self.stages.setdefault(stage, _Stage(stage, self.board))
        for line in of_stage.lines(time.monotonic(), done, total, note):
            if line.name not in self.drawn:
                self.drawn[line.name] = self.bars.add_task(line.name, total=line.total, beside="")
            self.bars.update(self.drawn[line.name], completed=line.done, total=line.total, beside=line.beside)
