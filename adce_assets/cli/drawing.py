"""Progress in, a bar out on stderr: with rate and time left on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from adce_assets.progress import Progress, current_progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

TENS, MINUTES = 10, 120
"""From when on a rate needs no fraction, and a time is told in minutes."""
QUIET_SECONDS = 5.0
"""How long a stage may go on before a plain line says how far it is."""


@contextmanager
def drawn() -> Iterator[Progress]:
    """Draw the progress of everything that runs inside the block, in this command and in the assets it starts."""
    if sys.stderr.isatty():
        with _bars() as bars, _current(bars):
            yield bars
        return
    with _current(PlainLines()) as lines:
        yield lines


@contextmanager
def _current(progress: Progress) -> Iterator[Progress]:
    token = current_progress.set(progress)
    try:
        yield progress
    finally:
        current_progress.reset(token)


@dataclass(slots=True)
class PlainLines:
    """Says how far a stage is, at most once in `QUIET_SECONDS`; short stages stay silent."""

    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = lambda line: click.echo(line, err=True)
    stage: str = ""
    began: float = 0.0
    said: float = field(default=0.0)

    def __call__(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Take note, and speak if it is time."""
        now = self.clock()
        if stage != self.stage:
            self.stage, self.began, self.said = stage, now, now
        if now - self.said >= QUIET_SECONDS:
            self.said = now
            rate = done / (now - self.began)
            left = f", {_lasting((total - done) / rate)} left" if total and rate else ""
            shown = f"{rate:,.0f}" if rate >= TENS else f"{rate:.2g}"
            beside = f"; {note}" if note else ""
            self.say(f"{stage}: {done:,}{f' of {total:,}' if total else ''}, {shown}/s{left}{beside}")


def _lasting(seconds: float) -> str:
    """Write a time as a person says it."""
    return f"{seconds:.0f} s" if seconds < MINUTES else f"{seconds / 60:,.0f} min"


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units per second, once there are some."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.{0 if task.speed >= TENS else 1}f}/s" if task.speed else "")

    named, note = TextColumn("{task.description:<12}"), TextColumn("{task.fields[note]}")
    columns = (named, BarColumn(30), MofNCompleteColumn(), Rate(), TimeRemainingColumn(), note)
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)


@dataclass(slots=True)
class _Bars:
    """One bar for each stage."""

    bars: "Bars"
    stages: dict[str, "TaskID"] = field(default_factory=dict)

    def __call__(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Move the bar of the stage, which is drawn when it is first heard of."""
        if stage not in self.stages:
            self.stages[stage] = self.bars.add_task(stage, total=total, note=note)
        self.bars.update(self.stages[stage], completed=done, total=total, note=note)
