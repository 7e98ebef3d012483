"""What is loaded in, the end of a code server out that does not know a season which has come since.

Partitions are made when definitions are loaded, and a service may run for years. Where something starts the code server
again, it ends itself and comes back with the seasons of that day; elsewhere a person is told to reload it.
"""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

import dagster as dg

from adce_assets.contract.loading import Contract
from adce_assets.defs.data_sets import cells_of, partition_sets
from adce_assets.defs.jobs import UNFINISHED
from adce_assets.errors import AdceError
from adce_assets.loop.project import Project
from adce_assets.settings import Settings

HOUR = 0
"""The hour of each day (UTC) in which no run of the queue is started while a season waits to be loaded: a queue that is
never empty leaves no other moment without runs. Seasons are waited for weeks ahead (`data_sets.LEAD`)."""


def end_this_process() -> None:
    """End this process in order: a code server takes no more runs, waits for those that it has, and exits with 0."""
    os.kill(os.getpid(), signal.SIGTERM)


def advice(settings: Settings) -> str:
    """Say how seasons come to be loaded that are newer than what is."""
    return "loaded once no run is in progress" if settings.code_server_renews else "reload the code location"


@dataclass(slots=True)
class Reloading:
    """Looks whether definitions are still what there is to be loaded, and ends their process where they are not.

    Nothing is ended while a run is queued or under way: a code server that is to end refuses those that are queued,
    and Dagster counts them as failed.

    Attributes:
        contract: What the definitions were made from.
        cells: The seasons of each data set that were loaded.
        try_it: Makes the definitions anew; what cannot be loaded is not ended for.
        has_ended: Whether the end was asked for: it is not asked for twice.
    """

    contract: Contract
    cells: Mapping[str, Sequence[str]]
    try_it: Callable[[], object]
    has_ended: bool = field(default=False, init=False)

    def newer(self, now: datetime) -> dict[str, set[str]]:
        """Return the seasons of each data set that there are at a moment and that were not loaded, if there are any."""
        existing = cells_of(self.contract, partition_sets(self.contract, now))
        newer = {name: set(seasons).difference(self.cells[name]) for name, seasons in existing.items()}
        return {name: seasons for name, seasons in newer.items() if seasons}

    def held_by(self, context: dg.SensorEvaluationContext, project: Project) -> str:
        """End the process where it is time; say why nothing is started until then, and nothing where something is."""
        now = project.clock()
        newer = self.newer(now) if project.settings.code_server_renews else {}
        if not newer:
            return ""
        said = f"{', '.join(sorted(set(chain(*newer.values()))))}: newer than what is loaded"
        if runs := context.instance.get_runs_count(dg.RunsFilter(statuses=list(UNFINISHED))):
            context.log.info("%s; the code server ends, and comes back with it, once %d run(s) have ended", said, runs)
            waits = (
                f"{said}; at this hour nothing is started, so that {runs} run(s) come to their end before it is loaded"
            )
            return waits if now.hour == HOUR else ""
        return self._ended(context, said)

    def _ended(self, context: dg.SensorEvaluationContext, said: str) -> str:
        """End the process, but once, and not where the files are faulty: what is loaded is better than nothing."""
        try:
            if not self.has_ended:
                self.try_it()
        except AdceError as error:
            context.log.warning("%s, and the files cannot be loaded: %s", said, error)
            return ""
        if not self.has_ended:
            self.has_ended = True
            end_this_process()
        return f"{said}: the code server ends, to come back with it"
