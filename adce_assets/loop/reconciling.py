"""An installation in, one reconciliation out: the steps of the loop in order, each from the files of the one before.

The assets take the steps one by one, and tell what each has written; whoever wants all of them calls `reconcile`. What
a step does is its own module's matter; what it does without a ledger is said here.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from adce_assets.errors import LedgerError, MixedRunsError
from adce_assets.loop import bookkeeping, closure, coverage, gaps, heads, inventory, tasks, tombstones
from adce_assets.loop.chances import success_rates
from adce_assets.loop.modes import Mode
from adce_assets.loop.project import Project
from adce_assets.progress import Progress, silent

T = TypeVar("T")
logger = logging.getLogger(__name__)

ATTEMPTS = 7
"""How often a step is taken whose files are of two reconciliations, within half a minute."""


def reconcile(
    project: Project,
    scrapers: Collection[str],
    *,
    mode: Mode | None = None,
    accept_loss: bool = False,
    costs: Mapping[str, float] = tasks.NOTHING,
    run: str = "",
) -> None:
    """Take all steps once; the ledger must be there.

    Args:
        project: The installation.
        scrapers: The names of those that are configured.
        mode: Where the inventory comes from; None: as configured.
        accept_loss: Whether what has vanished is taken for gone.
        costs: Requests a key, by scraper; of one that is not named, one.
        run: Dagster's run that does it.

    Raises:
        LakeError: the lake or the state cannot be used.
        LedgerError: nothing can be written down of the keys; the files of the loop are made all the same.
    """
    inventory.take(project, mode=mode, accept_loss=accept_loss)
    analyse(project, run=run)
    find(project)
    queue(project, scrapers, costs=costs)
    book(project, run=run)


def analyse(project: Project, *, run: str = "", progress: Progress = silent) -> dict[str, Any]:
    """Say which keys the ledger keeps from everybody, and judge the inventory; return `coverage_analysis.json`.

    Raises:
        LakeError: as of `coverage.analyse`.
    """
    unless_it_is_out(lambda: tombstones.write(project, run=run), None)
    return _again(lambda: coverage.analyse(project, progress=progress)).document


def find(project: Project) -> dict[str, Any]:
    """Find the gaps of the coverage; return `detected_gaps.json`.

    Raises:
        LakeError: as of `gaps.find`.
    """
    return _again(lambda: gaps.find(project)).document


def queue(project: Project, scrapers: Collection[str], *, costs: Mapping[str, float] = tasks.NOTHING) -> dict[str, Any]:
    """Put the gaps in order, by what they cost and the chances that the ledger has measured; return `gaps.json`.

    Raises:
        LakeError: as of `tasks.plan`.
    """
    rates: Mapping[str, float] = unless_it_is_out(lambda: success_rates(project), tasks.NOTHING)
    return _again(lambda: tasks.plan(project, scrapers, costs=costs, success_rates=rates)).document


def book(project: Project, *, run: str = "") -> heads.Kept:
    """Write down what is new of every key, close what is in the lake, and keep which entry is the last of the ledger.

    Raises:
        LakeError: the lake or the state cannot be used.
        LedgerError: the ledger cannot be used.
    """
    closure.close(project, bookkeeping.record(project, run=run).left, run=run)
    return heads.keep(project.state, project.ledger, project.clock())


def _again(step: Callable[[], T]) -> T:
    """Take a step, again where another reconciliation replaces its files: that one is through with them in a moment."""
    from stamina import RetryingCaller

    return RetryingCaller(attempts=ATTEMPTS, timeout=None, wait_initial=0.2, wait_max=3.0)(MixedRunsError, step)


def unless_it_is_out(ask: Callable[[], T], otherwise: T) -> T:
    """Ask the ledger; where it cannot be used, go on without it: the next reconciliation makes up for that.

    No run collects anything meanwhile, because none can lease a key.
    """
    try:
        return ask()
    except LedgerError as error:
        logger.warning("reconciled without the ledger: %s", error)
        return otherwise
