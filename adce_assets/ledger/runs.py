"""The runs that hold leases in, those out whose process is gone; their leases are given back.

A run that works keeps a file locked, and the operating system lets go of it however the process ends. So another
process of this machine knows at once that a run has died, where Dagster knows it late or, of a run that nobody keeps
records of, never. Of a run on another machine nothing is known here: its lease ends by itself.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from adce_assets.ledger.book import Ledger
from adce_assets.ledger.keys import KeyState, Transition
from adce_assets.ledger.transitions import UNDER_WAY, Event

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
PATIENCE_S = 10.0
"""How long a run waits while somebody looks whether it lives."""


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of this machine: ``folder`` holds one locked file for each that lives."""

    folder: Path

    @contextmanager
    def living(self, run: str) -> Iterator[None]:
        """Let others see that a run lives, for the length of the block; a folder that cannot be written says nothing.

        Only the file of a run that ends by itself is removed: what a killed one leaves says that it is dead.
        """
        path = self._path(run)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            lock.acquire(timeout=PATIENCE_S)
        except (OSError, Timeout):
            yield
            return
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            lock.release()

    def lives(self, run: str) -> bool | None:
        """Tell whether a run of this machine lives; None where nothing is known of it here."""
        path = self._path(run)
        if not path.is_file():
            return None
        try:
            with FileLock(path, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return None

    def forget(self, run: str) -> None:
        """Remove what a dead run has left."""
        self._path(run).unlink(missing_ok=True)

    def _path(self, run: str) -> Path:
        return self.folder / (f"{run}.lock" if RUN_ID.fullmatch(run) else "-")


def release_over(ledger: Ledger, is_over: Callable[[str], bool], now: datetime) -> Counter[str]:
    """Give back the leases of runs that are over, each in its run's name; count the keys by run.

    Raises:
        LedgerError: the database cannot be used; nothing is given back.
    """
    verdicts: dict[str, bool] = {}
    left: list[Transition] = []
    for state in ledger.states(states=UNDER_WAY):
        if state.run not in verdicts:
            verdicts[state.run] = is_over(state.run)
        if verdicts[state.run]:
            left.append(_given_back(state, now))
    if left:
        refused = {refusal.transition.key for refusal in ledger.append(left).refused}
        left = [transition for transition in left if transition.key not in refused]
    return Counter(transition.run for transition in left)


def _given_back(state: KeyState, now: datetime) -> Transition:
    """Release a key in the name of its run, unless the run has said something meanwhile: then it is not over."""
    detail, cell = {"why": "its run is over"}, (state.source, state.data_type, state.season)
    return Transition(state.key, Event.RELEASED, *cell, now, state.run, state.task, detail, after=state.seq)
