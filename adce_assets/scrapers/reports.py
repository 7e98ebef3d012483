"""What came of the keys of a run, counted: by data set, by outcome and by class of failure.

Reports are made by `collect` and shown by Dagster and the command line; how they are laid out is not known here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from adce_assets.errors import AdceError, printable
from adce_assets.fetch.outcomes import classify

WORST = 20
"""Failures and warnings that a report names; all are counted."""


@dataclass(frozen=True, slots=True)
class NotCollected:
    """A key that failed, the class of its failure, and what happened."""

    key: str
    failure: str
    what: str


@dataclass(slots=True)
class DataSetReport:
    """What a run did for one data set."""

    asked: int = 0
    written: int = 0
    already_there: int = 0
    confirmed_empty: int = 0
    bytes: int = 0
    records: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    worst: list[NotCollected] = field(default_factory=list)
    warned: Counter[str] = field(default_factory=Counter)

    @property
    def collected(self) -> int:
        """Keys that now hold a good object, whoever wrote it."""
        return self.written + self.already_there

    @property
    def settled(self) -> int:
        """Keys of which the run found out what there is: an object, or nothing."""
        return self.collected + self.confirmed_empty

    @property
    def given_back(self) -> int:
        """Keys that came to no end, because the run ended before."""
        return self.asked - self.settled - self.failed.total()

    def count(self, size: int, records: int | None, warnings: Iterable[str], *, is_new: bool) -> None:
        """Count a key that now holds a good object."""
        self.written += is_new
        self.already_there += not is_new
        self.bytes += size
        self.records += records or 0
        for text in map(printable, warnings):
            if text in self.warned or len(self.warned) < WORST:
                self.warned[text] += 1

    def fail(self, key: str, error: AdceError) -> None:
        """Count a key that failed."""
        failure = str(classify(error))
        self.failed[failure] += 1
        if len(self.worst) < WORST:
            self.worst.append(NotCollected(key, failure, printable(error.what)))


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What a run did, by data set name (``source/data_type``); waits are those of all its threads together."""

    data_sets: Mapping[str, DataSetReport]
    requests: int
    retries: int = 0
    waited_s: float = 0.0

    @property
    def asked(self) -> int:
        """Keys that the run was asked for."""
        return sum(report.asked for report in self.data_sets.values())

    @property
    def collected(self) -> int:
        """Keys that now hold a good object."""
        return sum(report.collected for report in self.data_sets.values())

    @property
    def settled(self) -> int:
        """Keys of which the run found out what there is."""
        return sum(report.settled for report in self.data_sets.values())
