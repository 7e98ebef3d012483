"""A run of Dagster in, the keys that it holds in the ledger out; and runs that are over, whose keys are given back.

Dagster knows runs, the ledger knows keys: here a run's id, and how long it may take, become a lease. Which keys a run
would like is said by `collecting`, what comes of them by `scrapers`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import dagster as dg

from adce_assets.defs.metadata import Metadata, table
from adce_assets.ledger import policy
from adce_assets.ledger.keys import KeyState
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.runs import Runs, release_over
from adce_assets.ledger.transitions import CLAIMABLE, State
from adce_assets.loop.dispatch import LONGEST_RUN_SECONDS
from adce_assets.loop.project import Project
from adce_assets.loop.tasks import TaskKey
from adce_assets.scrapers.recording import Left, Recorder
from adce_assets.scrapers.stopping import Stop

MARGIN = timedelta(minutes=5)
"""How much longer than the run may take its keys are its own: it is asked to end, and then finishes what it does."""

PERSONS = (State.TOMBSTONED, State.DEAD_LETTERED)
"""The states of a key that is not asked for again by itself."""
ENDING_SECONDS = 60
"""What a run needs to finish what is under way."""


@contextmanager
def recording(project: Project, run: dg.DagsterRun, instance: dg.DagsterInstance, stop: Stop) -> Iterator[Recorder]:
    """Lend a run what claims its keys; what it still holds at the end is given back.

    It ends after another process of the same run, unless ``stop`` says otherwise.

    Raises:
        LedgerError: the ledger cannot be used.
    """
    runs = runs_of(project)
    with runs.living(run.run_id):
        give_back(project, instance)
        lease, rules = timedelta(seconds=_longest(run)) + MARGIN, policy.Rules.of(project.settings.reconciliation)
        with Recorder(project.ledger, run.run_id, project.clock, lease, rules, stop=stop) as recorder:
            yield recorder


def seconds_to_begin(project: Project, run: dg.DagsterRun) -> float:
    """Say how long a run may begin something new: so that it ends by itself before Dagster ends it."""
    minutes = project.settings.autonomous.dispatch.max_orchestrator_runtime_minutes
    return max(min(minutes * 60, _longest(run) - ENDING_SECONDS), 0.0)


def _longest(run: dg.DagsterRun) -> float:
    """Say after how many seconds Dagster ends a run; a tag may name a part of one."""
    return float(run.tags.get(dg.MAX_RUNTIME_SECONDS_TAG, LONGEST_RUN_SECONDS))


def wishes(keys: Sequence[TaskKey]) -> list[Wish]:
    """Say which keys a run would like."""
    return [Wish(key.key, key.source, key.data_type, key.season, key.task_id) for key in keys]


def runs_of(project: Project) -> Runs:
    """Find the runs of this machine."""
    return Runs(project.settings.work_folder / "runs")


def give_back(project: Project, instance: dg.DagsterInstance) -> Mapping[str, int]:
    """Give back the keys of runs that are over, and count them by run.

    Raises:
        LedgerError: the ledger cannot be used.
    """
    runs = runs_of(project)
    found = release_over(project.ledger, _is_over(instance, runs), project.clock())
    for run in found:
        runs.forget(run)
    return found


def _is_over(instance: dg.DagsterInstance, runs: Runs) -> Callable[[str], bool]:
    """Tell of a run whether it is over: of one of this machine the system knows, of another one Dagster.

    Of a run that neither knows nobody can tell, until its lease is over.
    """

    def is_over(run_id: str) -> bool:
        lives = runs.lives(run_id)
        if lives is not None:
            return not lives
        run = instance.get_run_by_id(run_id)
        return run is not None and run.is_finished

    return is_over


def unavailable(project: Project, cell: tuple[str, str, str]) -> int:
    """Count the keys of a cell of which it is known that they cannot be had."""
    return sum(1 for _ in project.ledger.states(cell=cell, states=(State.TOMBSTONED,)))


def failed(project: Project, cell: tuple[str, str, str] | None = None) -> Iterator[KeyState]:
    """List the keys, of one cell or all, whose last try has failed; dead letters are for a person to replay.

    They have not been collected since, whether they wait for their next try or stand in the queue again.
    """
    states = project.ledger.states(cell=cell, states=CLAIMABLE)
    return (state for state in states if state.failures or state.probes)


def due_by_itself(project: Project, keys: Sequence[TaskKey]) -> list[TaskKey]:
    """Leave away the keys that are for a person to replay, that cannot be had, or that wait for their next try."""
    cells, now = {(key.source, key.data_type, key.season) for key in keys}, project.clock()
    left = {
        state.key
        for cell in cells
        for state in project.ledger.states(cell=cell)
        if state.state in PERSONS or (state.next_at is not None and state.next_at > now)
    }
    return [key for key in keys if key.key not in left]


def of_claim(left: Sequence[Left], known_unavailable: int, given_back: int) -> Metadata:
    """Describe what a run left undone: to others, for there is nothing to be had, and because it was stopped."""
    rows: list[Mapping[str, Any]] = [
        {"left to": one.to, "keys": one.keys, "until": "" if one.until is None else one.until.isoformat()}
        for one in left
    ]
    return {
        "left_to_others": sum(one.keys for one in left),
        "known_unavailable": known_unavailable,
        "given_back": given_back,
        **table("left_to", rows, ("left to", "keys", "until")),
    }
