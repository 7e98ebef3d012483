"""Open keys and the queue in, the ledger's entries of them out: what was found, planned, and is no longer asked for.

Only what has changed since the last time is written down. Keys that are not open any more, but of which the ledger
still waits for something, are handed on: whether an object lies there is found out in `closure`.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.errors import LakeError
from adce_assets.ledger.keys import KeyState, Transition
from adce_assets.ledger.transitions import CLAIMABLE, SETTLED, UNDER_WAY, Event
from adce_assets.ledger.transitions import State as Standing
from adce_assets.loop import ranges
from adce_assets.loop.project import Project
from adce_assets.loop.state import BOOKED, COVERAGE, GAP_KEYS, GAPS, INVENTORY, QUEUE, TASK_KEYS, State

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

logger = logging.getLogger(__name__)

BATCH = 20_000
"""Keys that are looked at together."""
WAITED_FOR = (*CLAIMABLE, *UNDER_WAY, *(state for state in SETTLED if state is not Standing.CLOSED))
"""The states in which something is still to come of a key."""
NOT_ASKED_FOR = frozenset({"not_due", "unavailable"})
"""The states of coverage in which nobody asks for a key."""
IN_THE_LAKE = frozenset({Standing.PROMOTED, Standing.SEEN})
"""The states of a key whose object was there once."""
CALM = frozenset({*CLAIMABLE, Standing.TOMBSTONED, Standing.DEAD_LETTERED})
"""The states in which an open key waits for something that is not told here."""
OPEN_COLUMNS = ("key", "source", "data_type", "season", "state", "etag", "priority")


@dataclass(frozen=True, slots=True)
class Judged:
    """Why a key is open: its state of coverage, and the etag of what lay under it then (none: nothing, or unknown)."""

    state: str
    etag: str | None


@dataclass(frozen=True, slots=True)
class Left:
    """A key of which the ledger waits for something, and which may be in the lake.

    ``place`` is where its object was found, if anywhere else than under the key; ``judged`` tells why it is open, and
    is None of a key that is not.
    """

    state: KeyState
    place: str
    judged: Judged | None = None

    @property
    def is_open(self) -> bool:
        """Whether the last inventory does not hold it as it should be."""
        return self.judged is not None

    @property
    def last_entry(self) -> int | None:
        """The number of its last entry, for whoever acts on how it stood; None where another one was made meanwhile."""
        return None if self.state.state in UNDER_WAY else self.state.seq


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many entries were made, by what happened; and the keys that `closure` is to look for."""

    entries: Mapping[Event, int]
    left: tuple[Left, ...]


def record(project: Project, *, run: str = "") -> Recorded:
    """Write down what changed since the last time: found open, planned in a task, no longer asked for.

    Args:
        project: The installation; its gaps and its queue are those of one reconciliation.
        run: Dagster's run that does it.

    Raises:
        LakeError: there are no gaps or there is no queue.
        LedgerError: the ledger cannot be used.
    """
    before = project.ledger.head()
    if _said_last_time(project.state) == _seal(project.state, before.hash):
        return Recorded({}, ())
    known = ranges.read(project.state.read_json(INVENTORY)["ranges"])
    found_at = datetime.fromisoformat(project.state.read_json(GAPS)["generated_at"])
    book = _Book(project, run, project.clock(), known, found_at, _Tasks.of(project.state))
    with project.state.local(GAP_KEYS) as path:
        index = _Index.of(path)
        compared, at_work = book.compare(index, path)
        book.find(path, index)
    left = tuple(book.withdraw(compared))
    after = project.ledger.head()
    if not left and not at_work and after.seq == before.seq + book.entries.total():
        project.state.write_json(BOOKED, {"seal": _seal(project.state, after.hash)})
    return Recorded(dict(book.entries), left)


def _seal(state: State, ledger: str) -> dict[str, str]:
    """Name the versions of all that is compared: of the same ones, if nothing was left, nothing new is to be told."""
    names = (f"{INVENTORY}.json", f"{COVERAGE}.parquet", f"{GAP_KEYS}.parquet", f"{TASK_KEYS}.parquet")
    found = {name: state.store.head(name) for name in names}
    return {"ledger": ledger} | {name: file.etag for name, file in found.items() if file is not None}


def _said_last_time(state: State) -> Any:
    try:
        return state.read_json(BOOKED).get("seal")
    except LakeError:  # there is none, or it is damaged and made anew
        return None


def append(project: Project, transitions: Iterable[Transition]) -> Counter[Event]:
    """Append what happened, a bounded number at a time; count what was taken, and log what was refused."""
    counted: Counter[Event] = Counter()
    rest = iter(transitions)
    while batch := list(islice(rest, BATCH)):
        refused = project.ledger.append(batch).refused
        counted.update(transition.event for transition in batch)
        counted.subtract(entry.transition.event for entry in refused)
        for entry in refused:  # somebody else was faster: a run, or another reconciliation
            told = entry.transition
            logger.info("not written down: `%s` of `%s`, which is %s", told.event, told.key, entry.state)
    return counted


@dataclass(frozen=True, slots=True)
class _Tasks:
    """The task of each key in the queue, and what is told of each task."""

    of_key: Mapping[str, str]
    told: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, state: State) -> "_Tasks":
        import pyarrow.parquet as pq

        told = {
            task["id"]: {"priority": task["priority"], "score": task["score"]}
            for task in state.read_json(QUEUE)["tasks"]
        }
        with state.local(TASK_KEYS) as path:
            rows = pq.read_table(path, columns=["key", "task_id"], partitioning=None)
        # A text for each task, not for each key.
        ids = {task_id: task_id for task_id in told}
        pairs = zip(rows["key"].to_pylist(), rows["task_id"].to_pylist(), strict=True)
        return cls({key: ids[task_id] for key, task_id in pairs if task_id in ids}, told)


@dataclass(frozen=True, slots=True)
class _Index:
    """The open keys, told by hashes alone: eight bytes a key. ``known`` are those that the ledger waits for."""

    hashes: "np.ndarray[Any, Any]"
    rows: "np.ndarray[Any, Any]"
    known: "np.ndarray[Any, Any]"

    @classmethod
    def of(cls, path: Path) -> "_Index":
        import numpy as np
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            parts = [_hashes(batch["key"].to_pylist()) for batch in file.iter_batches(BATCH, columns=["key"])]
        hashes = np.concatenate(parts) if parts else np.empty(0, np.int64)
        rows = np.argsort(hashes, kind="stable")
        return cls(hashes[rows], rows, np.zeros(len(rows), bool))

    def mark(self, keys: Sequence[str]) -> list[bool]:
        """Note that the ledger knows these keys; tell which of them are open."""
        import numpy as np

        if not len(self.hashes):
            return [False] * len(keys)
        wanted = _hashes(keys)
        places = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        hits = self.hashes[places] == wanted
        self.known[self.rows[places[hits]]] = True
        return hits.tolist()


def _hashes(keys: Sequence[str]) -> "np.ndarray[Any, Any]":
    """Hash keys as this process does: two of ten million are alike in one run of a hundred thousand."""
    import numpy as np

    return np.fromiter(map(hash, keys), np.int64, len(keys))


@dataclass(frozen=True, slots=True)
class _Book:
    """What is written down in one reconciliation, by a run, at a moment; its gaps were found at another one."""

    project: Project
    run: str
    now: datetime
    known: Sequence[ranges.Known]
    found_at: datetime
    tasks: _Tasks
    entries: Counter[Event] = field(default_factory=Counter)

    def compare(self, index: _Index, path: Path) -> tuple[list[Left], int]:
        """Go through all that the ledger waits for.

        Returns:
            What is not open any more, or was promoted or seen; and how many keys are in the hands of runs.
        """
        left: list[Left] = []
        changed: list[Transition] = []
        at_work = 0
        standings = self.project.ledger.standings(WAITED_FOR)
        while batch := list(islice(standings, BATCH)):
            marked = zip(batch, index.mark([key for key, _ in batch]), strict=True)
            is_open = {
                key: here for (key, standing), here in marked if self._is_of_interest(key, standing, is_open=here)
            }
            states = list(self.project.ledger.states(keys=is_open, states=WAITED_FOR)) if is_open else []
            judged = _judged_open(path, {state.key for state in states if state.state in IN_THE_LAKE})
            for state in states:
                if self._is_at_work(state):
                    at_work += 1
                    continue
                changed += self._news(state, is_open=is_open[state.key])
                if not is_open[state.key] or state.state in IN_THE_LAKE:
                    left.append(Left(state, state.key, judged.get(state.key)))
        self.entries.update(append(self.project, changed))
        return left, at_work

    def _is_of_interest(self, key: str, standing: str, *, is_open: bool) -> bool:
        """Tell whether anything can be new of a key: not of one that was open and waits, as nearly all do."""
        return not is_open or standing not in CALM or (standing != Standing.PLANNED and key in self.tasks.of_key)

    def _is_at_work(self, state: KeyState) -> bool:
        return state.state in UNDER_WAY and (state.lease_until is None or state.lease_until > self.now)

    def _news(self, state: KeyState, *, is_open: bool) -> Iterator[Transition]:
        """Say what is new about a key of which the ledger waits for something."""
        if state.state in UNDER_WAY:  # its run has died without a word: whatever it did is found out from the lake
            released = self._told(state, Event.RELEASED, {"why": "its lease is over"})
            # Unless it was not dead, and has said something meanwhile.
            yield released._replace(run=state.run, task=state.task, after=state.seq)
        if is_open and state.state in {Standing.DETECTED, Standing.FAILED, *UNDER_WAY}:
            yield from self._planned(state.key, (state.source, state.data_type, state.season))

    def _planned(self, key: str, cell: tuple[str, str, str]) -> Iterator[Transition]:
        task = self.tasks.of_key.get(key)
        if task is not None:
            told = self.tasks.told[task]
            yield Transition(key, Event.PLANNED, *cell, at=self.now, run=self.run, task=task, detail=told)

    def _told(self, state: KeyState, event: Event, detail: Mapping[str, Any]) -> Transition:
        return Transition(
            state.key, event, state.source, state.data_type, state.season, at=self.now, run=self.run, detail=detail
        )

    def find(self, path: Path, index: _Index) -> None:
        """Write down the open keys that the ledger did not wait for: new ones, and those that are open again."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        counts = self.project.ledger.counts()
        may_be_there = bool(counts[Standing.CLOSED] or counts[Standing.WITHDRAWN])
        first = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH, columns=list(OPEN_COLUMNS)):
                is_new = ~index.known[first : first + batch.num_rows]
                first += batch.num_rows
                if is_new.any():
                    rows = batch.filter(pa.array(is_new))
                    self.entries.update(append(self.project, self._found(rows, may_be_there=may_be_there)))

    def _found(self, rows: "pa.RecordBatch", *, may_be_there: bool) -> Iterator[Transition]:
        columns = {name: rows[name].to_pylist() for name in OPEN_COLUMNS}
        standing = self.project.ledger.states(keys=columns["key"]) if may_be_there else ()
        closed = {state.key: state for state in standing if state.state is Standing.CLOSED}
        details: dict[tuple[str, str], Mapping[str, Any]] = {}
        for key, *names, state, etag, priority in zip(*columns.values(), strict=True):
            before, cell = closed.get(key), (names[0], names[1], names[2])
            detail = details.setdefault((state, priority), {"state": state, "priority": priority})
            if before is None:
                yield Transition(key, Event.DETECTED, *cell, self.now, self.run, detail=detail)
            elif self._is_lost_again(before, etag):
                again = {"why": f"it is {state} again", **detail}
                yield Transition(key, Event.REOPENED, *cell, self.now, self.run, detail=again, after=before.seq)
            else:
                continue
            yield from self._planned(key, cell)

    def _is_lost_again(self, before: KeyState, etag: str | None) -> bool:
        """Tell whether a key was closed for what is open now: older gaps, of an older inventory, know nothing of it."""
        as_of = ranges.as_of(self.known, before.key)
        is_the_same = etag is not None and before.detail.get("etag") == etag
        return is_the_same or (as_of is not None and min(as_of, self.found_at) >= before.since)

    def withdraw(self, left: Sequence[Left]) -> Iterator[Left]:
        """Write down which keys nobody asks for any more; yield those that may be in the lake."""
        judged = _judged(self.project.state, {entry.state.key for entry in left if not entry.is_open})
        withdrawn = []
        for entry in left:
            state, reason, place = judged.get(entry.state.key, ("", "", None))
            if state in NOT_ASKED_FOR and (entry.state.state is not Standing.TOMBSTONED or state == "not_due"):
                told = self._told(entry.state, Event.WITHDRAWN, {"why": reason or state})
                withdrawn.append(told._replace(after=entry.last_entry))
            elif not state or state == "present":
                yield replace(entry, place=place or entry.place)
        self.entries.update(append(self.project, withdrawn))


def _judged_open(path: Path, keys: Collection[str]) -> dict[str, Judged]:
    """Read why keys are open; of those that are not, nothing is told."""
    import pyarrow.parquet as pq

    if not keys:
        return {}
    rows = pq.read_table(path, columns=["key", "state", "etag"], filters=[("key", "in", set(keys))], partitioning=None)
    return {row["key"]: Judged(row["state"], row["etag"]) for row in rows.to_pylist()}


def _judged(state: State, keys: Collection[str]) -> dict[str, tuple[str, str, str | None]]:
    """Read how the last coverage judged keys: state, reason, and where an object was found.

    A key that it does not tell of is plainly present, or is not expected.
    """
    import pyarrow.parquet as pq

    if not keys:
        return {}
    columns = ["key", "state", "reason", "found_key"]
    with state.local(COVERAGE) as path:
        rows = pq.read_table(path, columns=columns, filters=[("key", "in", set(keys))], partitioning=None)
    found = zip(*(rows[name].to_pylist() for name in columns), strict=True)
    return {key: (state, reason, place) for key, state, reason, place in found}
