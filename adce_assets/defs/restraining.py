"""What the settings hold back in, why nothing is begun out: for what begins by itself, not for what a person asks for.

A run was begun by the loop if Dagster says of it that a sensor or a schedule has asked for it. What rests when stands
in `loop.windows`, what a machine is short of in `operate.machine`.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any

import dagster as dg
from dagster._core.storage.tags import RETRY_NUMBER_TAG, SCHEDULE_NAME_TAG, SENSOR_NAME_TAG

from adce_assets.loop.dispatch import Batch
from adce_assets.loop.windows import Work, maintenance, seconds_open
from adce_assets.operate import machine
from adce_assets.restraints import Trial
from adce_assets.settings import Settings, now

LANE_TAG = "adce/lane"
"""The tag of a run of the queue: its scraper, its season and its priority."""
TRIAL_TAG = "adce/test_mode"
"""The tag of a run of the queue that was started on trial."""
DAY = timedelta(days=1)
Queue = Mapping[str, Any]
Choice = Callable[[Queue], list[Batch]]
"""Chooses of a queue what starts now."""
LOOK_SECONDS = 1.0
"""How often a run looks at its machine."""


def resting(settings: Settings) -> str:
    """Say why nothing begins by itself now; empty where it may."""
    return maintenance(settings.autonomous, settings.clock())


def no_start(settings: Settings) -> str:
    """Say why no collecting is started now, whatever it is; empty where it may be."""
    seen = machine.look(settings.work_folder)
    return resting(settings) or machine.short_for_a_start(settings.autonomous.resources, seen)


def is_of_the_loop(run: dg.DagsterRun) -> bool:
    """Tell whether the loop has asked for a run, and no person.

    A run that somebody starts again in Dagster has the tags of the one before it; the daemon counts its own retries.
    """
    if run.parent_run_id is not None and RETRY_NUMBER_TAG not in run.tags:
        return False
    return not {SENSOR_NAME_TAG, SCHEDULE_NAME_TAG}.isdisjoint(run.tags)


@dataclass(slots=True)
class Restraint:
    """What ends a run of the loop before its time: a window that begins, and a machine that runs short.

    Attributes:
        seconds: How long it may begin something new; None: it is not told by any window.
        short: Says what the machine is short of.
        said: That, once it was so; then it stays.
    """

    seconds: float | None = None
    short: Callable[[], str] = str
    said: str = ""
    clock: Callable[[], float] = time.monotonic
    _next: float = field(default=float("-inf"), init=False)

    def __call__(self) -> bool:
        """Tell whether the machine runs short."""
        if not self.said and self.clock() >= self._next:
            self._next = self.clock() + LOOK_SECONDS
            self.said = self.short()
        return bool(self.said)

    def within(self, seconds: float) -> float:
        """Return the time that a run has, in which it would have so many seconds."""
        return seconds if self.seconds is None else min(seconds, self.seconds)


def restraint_of(settings: Settings, run: dg.DagsterRun, host: str, data_sets: Iterable[str]) -> Restraint:
    """Find what ends a run, and let others go before it, if the loop has asked for it."""
    if not is_of_the_loop(run):
        return Restraint()
    limits = settings.autonomous.resources
    machine.give_way(limits)
    if why_not := _begins_nothing(settings, run):
        return Restraint(0.0, said=why_not)
    priority = run.tags.get(LANE_TAG, "").rpartition("/")[2]
    work = Work(host, frozenset(name.partition("/")[0] for name in data_sets), priority)
    return Restraint(
        seconds_open(settings.autonomous, work, settings.clock()),
        lambda: machine.short_for_this_run(limits, machine.look(settings.work_folder)),
    )


def _begins_nothing(settings: Settings, run: dg.DagsterRun) -> str:
    """Say why a run of the loop that was asked for before it was a dry run, or on trial, collects nothing."""
    config = settings.autonomous
    if config.dry_run:
        return "dry run"
    return "test mode: the run was asked for before" if config.test_mode.enabled and TRIAL_TAG not in run.tags else ""


def tasks_of(run: dg.DagsterRun) -> list[str]:
    """Name the tasks that a run was started for."""
    ops: Any = run.run_config.get("ops", {})
    return [task for op in ops.values() for task in op.get("config", {}).get("task_ids", ())]


def on_trial(instance: dg.DagsterInstance, trial: Trial, queue: Queue, choose: Choice) -> tuple[Queue, Choice, str]:
    """Leave of a queue what a trial has not started within a day, and choose no more of it than it may still start.

    What rests or waits for an approval is not chosen, and so keeps nothing else waiting.

    Returns:
        The queue, what chooses of it, and how many tasks were started, in words.
    """
    if not trial.enabled:
        return queue, choose, ""
    runs = instance.get_runs(dg.RunsFilter(tags={TRIAL_TAG: "true"}, created_after=now() - DAY))
    tried = {task for run in runs for task in tasks_of(run)}
    waiting = [task for task in queue["tasks"] if task["id"] not in tried]
    said = f"test mode: {len(tried)} of {trial.tasks_a_day} task(s) of a day were started"
    room = max(trial.tasks_a_day - len(tried), 0)

    def choose_few(known: Queue) -> list[Batch]:
        few = set(islice((task for batch in choose(known) for task in batch.task_ids), room))
        return choose({**known, "tasks": [task for task in known["tasks"] if task["id"] in few]})

    return {**queue, "tasks": waiting}, choose_few, said
