"""A run that collects in, its halt out: what it meets that halts the loop, and what it does when the loop is halted.

What a halt is stands in `operate.halting`. Here is what a run can know of a violation: that a source has led inward,
and that the lake refuses what the policy in `deploy/iam/` allows. The third, a ledger that is not what it was, is found
by the reconciliation.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from adce_assets.defs.acting import note
from adce_assets.errors import AccessDeniedError, InwardError, LakeError
from adce_assets.loop.project import Project
from adce_assets.operate import halting
from adce_assets.operate.halting import Watch
from adce_assets.scrapers.interface import Failed
from adce_assets.scrapers.stopping import Stop

log = logging.getLogger(__name__)

INWARD, REFUSED, LEDGER = "inward", "refused_by_policy", "ledger_broken"
"""The reasons for which the loop halts itself."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Watches a run: over what it meets, and over whether another one has halted the loop.

    Attributes:
        project: The installation.
        run: Dagster's id of the run.
        stop: What ends the run in order.
        watch: Looks whether the loop is halted.
        has_halted: Set once this run itself has halted the loop.
    """

    project: Project
    run: str
    stop: Stop
    watch: Watch = field(init=False)
    has_halted: Event = field(default_factory=Event, init=False)

    def __post_init__(self) -> None:
        """Watch the state of the installation."""
        object.__setattr__(self, "watch", Watch(self.project.state))

    def begins_nothing(self) -> bool:
        """Tell whether the run is to begin nothing new, and let it end once the loop is halted."""
        if not self.stop.flag.is_set() and (found := self.watch()) is not None:
            log.error("the run ends in order: the loop is %s; hint: %s", found, halting.HINT)
            self.stop.flag.set()
        return self.stop()

    def failed(self, settled: Failed) -> None:
        """Halt the loop, and end the run in order, where a key failed because its source led inward.

        So it is of a run that is ended already: what was under way then may lead inward as well.
        """
        if isinstance(settled.error, InwardError) and not self.has_halted.is_set():
            self.has_halted.set()
            halt(self.project, INWARD, f"{settled.error.where}: {settled.error.what}", self.run)
            self.stop.flag.set()


def halt(project: Project, reason: str, what: str, run: str) -> None:
    """Halt the loop unless it is, and write down that it was; a state that cannot be written is told in the log."""
    log.error("the loop is halted (%s): %s; hint: %s", reason, what, halting.HINT)
    try:
        if halting.halted(project.state) is not None:
            return
        halting.halt(project.state, reason, what, at=project.clock(), by=f"run {run}")
    except LakeError as error:
        log.error("and other machines do not know, for the state cannot be written: %s", error)  # noqa: TRY400 - told whole
    note(project.settings, "halt", reason, {"what": what, "run": run})


@contextmanager
def halting_where_refused(project: Project, run: str) -> Iterator[None]:
    """Begin only while the loop is not halted; halt it where the lake refuses in the block what the policy allows.

    Raises:
        HaltedError: the loop is halted; nobody was asked for anything.
    """
    halting.refuse_while_halted(project.state)
    try:
        yield
    except AccessDeniedError as error:
        halt(project, REFUSED, f"{error.where}: {error.what}", run)
        raise


def not_while_halted(project: Project) -> str:
    """Say why nothing is started while the loop is halted; empty where it is not."""
    found = halting.halted(project.state)
    return f"{found}; hint: {halting.HINT}" if found else ""
