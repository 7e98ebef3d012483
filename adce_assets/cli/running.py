"""Batches in, what became of each out: how commands run what they have chosen, draw it, and stop.

The first signal lets the runs finish what is under way and says how to go on; the second ends them at once. What is
chosen, and what is told of it, is the business of the commands.
"""

import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import reconcile
from adce_assets.cli.alone import alone
from adce_assets.cli.drawing import drawn
from adce_assets.cli.installation import state
from adce_assets.cli.main import ERROR, INTERRUPTED
from adce_assets.cli.output import talk
from adce_assets.errors import HaltedError
from adce_assets.progress import COLLECT, Board, Tally, current_progress

if TYPE_CHECKING:
    from adce_assets.defs.in_process import Order, Outcome
    from adce_assets.loop.dispatch import Batch, Pace
    from adce_assets.scrapers.stopping import Stop
    from adce_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of batches, the seconds it took, and why nothing more was begun; empty if all were run."""

    outcomes: list["Outcome"]
    seconds: float
    stopped: str = ""
    interrupted: bool = False
    halted: bool = False

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        if self.halted:
            return HaltedError.exit_code
        if self.interrupted:
            return INTERRUPTED
        return ERROR if any(outcome.error for outcome in self.outcomes) else 0


def collect_batches(queue: Mapping[str, Any], settings: "Settings", at_once: int, *, verbose: bool) -> Ran:
    """Run the batches of a queue, with one bar over all of their keys; reconciliations meanwhile change nothing of it.

    Raises:
        LakeError: the queue was made anew since it was read.
    """
    from adce_assets.defs.in_process import collect_all
    from adce_assets.loop.kept_tasks import kept
    from adce_assets.loop.project import open_project

    if not queue["tasks"]:
        talk("nothing to collect")
        return Ran([], 0.0)
    limits, pace = settings.autonomous.dispatch, paces(settings)

    with kept(open_project(settings).state, queue) as table:

        def runs(stop: "Stop") -> Iterator["Outcome"]:
            return collect_all(queue, limits, paces=pace, at_once=at_once, table=table, verbose=verbose, stop=stop)

        return _run(runs, plan(queue, settings), settings)


def collect_cells(
    cells: Sequence["Batch"], order: "Order", settings: "Settings", at_once: int, *, verbose: bool
) -> Ran:
    """Run the partitions of a backfill, with one bar over all of their keys."""
    from adce_assets.defs import in_process

    if not cells:
        talk("nothing to collect")
        return Ran([], 0.0)

    def runs(stop: "Stop") -> Iterator["Outcome"]:
        return in_process.collect_cells(cells, order, at_once=at_once, verbose=verbose, stop=stop)

    return _run(runs, cells, settings)


def plan(queue: Mapping[str, Any], settings: "Settings") -> list["Batch"]:
    """List every batch of a queue, the most urgent first."""
    from adce_assets.loop.dispatch import cut

    return cut(queue, settings.autonomous.dispatch.max_tasks_per_batch, {}, paces(settings))


def paces(settings: "Settings") -> Mapping[str, "Pace"]:
    """Say how fast every scraper of the catalogue is."""
    from adce_assets.defs import paces as known
    from adce_assets.scrapers.catalogue import load_catalogue

    catalogue = load_catalogue(settings.scraper_config_path)
    return known.paces(catalogue, catalogue.scrapers)


def _run(runs: Callable[["Stop"], Iterator["Outcome"]], batches: Sequence["Batch"], settings: "Settings") -> Ran:
    from adce_assets.defs.draining import stopping_all
    from adce_assets.operate import halting
    from adce_assets.scrapers.stopping import Stop

    halting.refuse_while_halted(state())
    minutes = settings.autonomous.dispatch.max_orchestrator_runtime_minutes
    stop = Stop(threading.Event(), minutes * 60)
    began, total = time.monotonic(), sum(batch.keys for batch in batches)
    outcomes: list[Outcome] = []
    board = _board(batches, settings)
    with stopping_all(stop), drawn(board) as progress:
        ended, done = runs(stop), 0
        progress(COLLECT, done, total)
        while True:
            with _counted_from(done, total):
                outcome = next(ended, None)
            if outcome is None:
                break
            outcomes.append(outcome)
            done += outcome.batch.keys
            board.end(outcome.batch.id)
            progress(COLLECT, done, total)
    halt = halting.halted(state())
    interrupted = stop.flag.is_set() and halt is None
    said = "interrupted" if interrupted else f"{minutes:g} minutes are over" if stop() else ""
    return Ran(outcomes, time.monotonic() - began, str(halt or said), interrupted, halt is not None)


def _board(batches: Sequence["Batch"], settings: "Settings") -> Board:
    """Write down what waits for each host, before anything begins."""
    from adce_assets.scrapers.collect import PROGRAMS

    board, pace = Board(), paces(settings)
    for batch in batches:
        board.tell(batch.id, pace[batch.scraper].host or PROGRAMS, Tally(0, 0, batch.keys))
    return board


@contextmanager
def _counted_from(before: int, total_of_all: int) -> Iterator[None]:
    """Let the progress of a run count on from the runs before it."""
    outer = current_progress.get()

    def counted(stage: str, done: int, total: int | None, note: str = "") -> None:  # noqa: ARG001 - as `Progress` has it
        outer(stage, before + done, total_of_all, note)

    token = current_progress.set(counted)
    try:
        yield
    finally:
        current_progress.reset(token)


@contextmanager
def saying_how_to_go_on(ctx: click.Context, **added: str) -> Iterator[None]:
    """Say how to go on where a second signal ends the block."""
    try:
        yield
    except KeyboardInterrupt:
        say_how_to_go_on(ctx, "interrupted", **added)
        _end_with_answers_outstanding()
        raise


def _end_with_answers_outstanding() -> None:
    """End this process where threads still wait for answers, for which Python would wait too; nothing else is left."""
    if any(thread.name.startswith("fetch") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)


def say_how_to_go_on(ctx: click.Context, why: str, **added: str) -> None:
    """Print the command that goes on: the same one, with options ``added`` where it does not have them."""
    words, given = ["adce", ctx.info_name or ""], set()
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        given.add(name)
        value = ctx.params.get(name)
        if isinstance(parameter, click.Option):
            words.append(parameter.opts[-1])
        words += [] if value is True else [str(value)]
    words += [
        word for name, text in added.items() if name not in given for word in (f"--{name.replace('_', '-')}", text)
    ]
    talk(f"stopped ({why}); nothing is lost, go on with: {shlex.join(words)}")


def reconcile_after(*, verbose: bool) -> dict[str, Any]:
    """Reconcile by listing: no report can know what has just been written."""
    from adce_assets.defs.in_process import runner

    with alone(), drawn(), runner(verbose=verbose) as here:
        here.reconcile("list")
        return reconcile.summary()
