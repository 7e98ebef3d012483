"""What a run finds out in, as it finds it out; receipts, evidence and completion markers in the lake out.

A run may take hours and end without a word. So what it has found out is written in parts as it goes: nothing that
counts waits for longer than `LONGEST` or in company of more than `MOST`, whatever the size of the run. Of a record that
is written only what its marker will tell is kept in memory.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

from adce_assets.errors import ConditionFailedError
from adce_assets.lake.store import LakeStore
from adce_assets.ledger.evidence import AbsentKey, write_evidence
from adce_assets.ledger.receipts import Receipt, write_completion, write_receipts
from adce_assets.ledger.records import MAX_BYTES, MAX_KEYS

MOST = 500
"""Receipts and absences that wait to be written."""
LONGEST = timedelta(seconds=60)
TAKEN = 100
"""Parts that may be there already, written by an earlier run under the same id."""
REST = 4096
"""Bytes of a marker beside its keys."""
PRODUCER = "adce"

Cell = tuple[str, str, str]
"""Source, data type and season."""
EntryT = TypeVar("EntryT", Receipt, AbsentKey)


@dataclass(slots=True)
class Parts(Generic[EntryT]):
    """What one record tells of, in several files: what is not yet written, and the number of the next."""

    waiting: list[EntryT] = field(default_factory=list)
    number: int = 1

    def write(self, name: str, write: Callable[[str, list[EntryT]], str]) -> None:
        """Write what waits as the next part; a number that is taken by another record is passed over."""
        last = self.number + TAKEN
        while self.waiting:
            try:
                write(f"{name}-{self.number}", self.waiting)
            except ConditionFailedError:
                if self.number == last:
                    raise
            else:
                self.waiting = []
            self.number += 1


@dataclass(slots=True)
class Found:
    """What a run has found out about a cell so far; ``keys`` are those that hold an object."""

    keys: list[str] = field(default_factory=list)
    records: int = 0
    absent: int = 0


@dataclass(slots=True)
class Journal:
    """The records of one run.

    Attributes:
        store: The lake.
        run_id: Names the records, with the task and the number of the part: ``<run>-<task>-<part>``.
        clock: The time (UTC).
        started_at: When the run began.
    """

    store: LakeStore
    run_id: str
    clock: Callable[[], datetime]
    started_at: datetime
    found: defaultdict[Cell, Found] = field(default_factory=lambda: defaultdict(Found))
    receipts: defaultdict[tuple[Cell, str], Parts[Receipt]] = field(default_factory=lambda: defaultdict(Parts))
    absences: defaultdict[Cell, Parts[AbsentKey]] = field(default_factory=lambda: defaultdict(Parts))
    waiting: int = 0
    written_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count the time."""
        self.written_at = self.started_at

    def promoted(self, cell: Cell, task: str, receipt: Receipt) -> None:
        """Note the receipt of a key of a task (empty if there is none); LakeError if it was due and not written."""
        self.receipts[cell, task].waiting.append(receipt)
        found = self.found[cell]
        found.keys.append(receipt.key)
        found.records += receipt.records or 0
        self._noted()

    def absent(self, cell: Cell, entry: AbsentKey) -> None:
        """Note the evidence that there is nothing for a key; LakeError if it was due and not written."""
        self.absences[cell].waiting.append(entry)
        self.found[cell].absent += 1
        self._noted()

    def _noted(self) -> None:
        self.waiting += 1
        if self.waiting >= MOST or self.clock() - self.written_at >= LONGEST:
            self.write()

    def write(self) -> None:
        """Write what waits; what could not be written waits on.

        Raises:
            LakeError: the lake could not be written.
        """
        for (cell, task), receipts in self.receipts.items():
            name = f"{self.run_id}-{task}" if task else self.run_id
            receipts.write(name, partial(_write_receipts, self.store, cell))
        for cell, absences in self.absences.items():
            absences.write(self.run_id, partial(_write_evidence, self.store, cell))
        self.waiting, self.written_at = 0, self.clock()

    def complete(self, cell: Cell, *, failed: bool) -> None:
        """Mark the work on a cell as ended: it has failed if keys did (``failed``) and nothing was found out of any.

        Raises:
            LakeError: the lake could not be written.
        """
        source, data_type, season = cell
        found = self.found[cell]
        write_completion(
            self.store,
            self.run_id,
            source=source,
            data_type=data_type,
            season=season,
            status="failed" if failed and not (found.keys or found.absent) else "ok",
            keys=_told(found.keys),
            records=found.records,
            started_at=self.started_at,
            finished_at=self.clock(),
            producer=PRODUCER,
        )


def _write_receipts(store: LakeStore, cell: Cell, name: str, receipts: list[Receipt]) -> str:
    source, data_type, season = cell
    return write_receipts(store, name, source=source, data_type=data_type, season=season, receipts=receipts)


def _write_evidence(store: LakeStore, cell: Cell, name: str, entries: list[AbsentKey]) -> str:
    source, data_type, season = cell
    return write_evidence(store, name, source=source, data_type=data_type, season=season, entries=entries)


def _told(keys: list[str]) -> list[str] | None:
    """Name the keys in a marker, or none of them where it would become too large to be believed."""
    if len(keys) > MAX_KEYS or len(json.dumps(keys, ensure_ascii=False).encode()) > MAX_BYTES - REST:
        return None
    return keys
