"""Wanted keys in, objects in the lake out, with a receipt for each and a completion marker for each data set.

The whole way of a run stands on this page: the kind of the scraper fetches, the fetch room stages, audits and promotes,
the ledger keeps the receipts, and the evidence where there is nothing. As many requests are made at once as the host's
entry allows. How a document is fetched belongs to the kinds; whether a failure lasts, to ``fetch``.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from adce_assets.contract.loading import Contract
from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.contract.templates import field_values
from adce_assets.errors import ContractError, LakeError
from adce_assets.fetch.staging import sweep_staging
from adce_assets.lake.store import LakeStore, probe_conditional_writes
from adce_assets.ledger.journal import Cell, Journal
from adce_assets.progress import COLLECT, Progress, Tally, current_telling, silent
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Failed, Wanted
from adce_assets.scrapers.promoting import Absent, Promoted, Settled
from adce_assets.scrapers.recording import Recorder
from adce_assets.scrapers.reports import CollectReport, DataSetReport
from adce_assets.scrapers.stopping import never
from adce_assets.scrapers.working import Work

PROGRAMS = "programs"
"""Stands for the host where programs ask whom they like."""


class Asker(Protocol):
    """Whoever a kind asks: the HTTP client, or what starts programs; it counts what it does."""

    @property
    def requests(self) -> int:
        """How often somebody was asked so far."""
        ...

    @property
    def retries(self) -> int:
        """How often of these it was once more."""
        ...

    @property
    def waited_s(self) -> float:
        """Seconds waited before asking."""
        ...


def wanted(contract: Contract, data_set_name: str, season: str, key: str, etag: str | None) -> Wanted:
    """Say what a key asks for, read by the template that made it expected.

    Raises:
        ContractError: no template of the data set writes this key.
    """
    data_set = contract.data_sets[data_set_name]
    reading = data_set.templates[0].read(key)
    if reading is None:
        raise ContractError(
            f"`{key}` is not a key that `{data_set_name}` writes",
            where=contract.file,
            valid=data_set.templates[0].text,
            hint="the contract has changed since the last reconciliation: run `adce reconcile`",
        )
    of_season = None if season == WHOLE_HISTORY else Season.parse(season)
    fields = field_values(of_season, reading.day, reading.entities)
    window = None if reading.day is None else data_set.window(reading.day)
    return Wanted(key, data_set.source, data_set.data_type, season, fields, etag, window)


def _wait_for_all() -> None:
    """Let what has begun come to its own end."""


def _go_on(_: Failed) -> None:
    """Take a failure for one of its key alone."""


def collect(
    scraper: ScraperEntry,
    asked: Sequence[Wanted],
    *,
    client: Asker,
    store: LakeStore,
    run_id: str,
    clock: Callable[[], datetime],
    at_once: int = 1,
    tasks: Mapping[str, str] | None = None,
    progress: Progress = silent,
    hurry: Callable[[], None] = _wait_for_all,
    recorder: Recorder | None = None,
    stop: Callable[[], bool] = never,
    on_failure: Callable[[Failed], None] = _go_on,
) -> CollectReport:
    """Collect the wanted keys into the lake; a key that fails never stops the others.

    Args:
        scraper: The entry of the catalogue that yields these keys.
        asked: The keys, of any of the data sets that the scraper yields.
        client: Asks the hosts, within their limits.
        store: The lake.
        run_id: Names this run in staged objects, receipts and markers.
        clock: The time (UTC) for receipts.
        at_once: How many requests are made at the same time.
        tasks: The task that each key belongs to, by key.
        progress: Told after each key.
        hurry: Called when the run is interrupted, so that requests which wait for their turn give up.
        recorder: Holds the keys for this run, and tells the ledger what comes of them; it is closed by whoever made it.
        stop: Asked before each request whether to begin it; what is under way comes to its own end.
        on_failure: Told of each key that fails, at once.

    Raises:
        LakeError: the lake could not be written, what was promoted before has its receipts; or its storage ignores the
            conditions of a write, so that two runs could overwrite each other: nothing is asked then.
        LedgerError: the ledger could not be written; what was promoted has its receipts.
    """
    run = Books(Journal(store, run_id, clock, clock()), tasks or {}, recorder, on_failure)
    before = client.requests, client.retries, client.waited_s
    _prepare(store, run.journal.started_at)
    with TemporaryDirectory(prefix="adce-") as folder:
        working = Work(scraper, client, store, run_id, clock, Path(folder), at_once, hurry, stop)
        run.take_all(working, asked, progress)
    run.complete()
    requests, retries, waited_s = client.requests - before[0], client.retries - before[1], client.waited_s - before[2]
    return CollectReport(dict(run.reports), requests, retries, waited_s)


def _prepare(store: LakeStore, started_at: datetime) -> None:
    """Refuse storage on which runs could not meet safely, and remove what dead ones have staged on it."""
    if not probe_conditional_writes(store):
        raise LakeError(
            "this storage ignores conditional writes: two runs could overwrite each other's documents",
            where=store.url,
            valid="storage that honours If-None-Match and If-Match, as AWS S3 and the file system do",
        )
    sweep_staging(store, started_at)


@dataclass(slots=True)
class Books:
    """One run as it goes: what became of each key so far.

    Attributes:
        journal: Keeps the receipts, and the evidence of what is not there.
        tasks: The task that each key belongs to, by key.
        recorder: Holds the keys for this run, and tells the ledger what comes of them; it is closed by whoever made it.
        on_failure: Told of each key that fails, at once.
        reports: What to tell of each data set.
        worked_on: The cells of which a key came to its end.
        failed: How many keys have failed.
    """

    journal: Journal
    tasks: Mapping[str, str]
    recorder: Recorder | None
    on_failure: Callable[[Failed], None] = _go_on
    reports: defaultdict[str, DataSetReport] = field(default_factory=lambda: defaultdict(DataSetReport))
    worked_on: set[Cell] = field(default_factory=set)
    failed: int = 0

    def take_all(self, working: Work, asked: Sequence[Wanted], progress: Progress) -> None:
        """Bring every key to its end; what had one when the run is interrupted is kept as well.

        ``progress`` is told after each; whom `current_telling` names is told as well what failed, and at which host.
        """
        for one in asked:
            self.reports[one.data_set].asked += 1
        host = working.scraper.host or PROGRAMS
        self._tell(host, Tally(0, 0, len(asked)))
        try:
            with closing(working.through(asked, self.journal.started_at)) as outcomes:
                for done, settled in enumerate(outcomes, start=1):
                    self.take(settled)
                    tally = Tally(done, self.failed, len(asked))
                    progress(COLLECT, done, len(asked), "" if self._tell(host, tally) else str(tally))
        finally:
            for settled in working.finished():
                self.take(settled)
            self._write()

    def take(self, settled: Settled) -> None:
        """Count what came of a key, and tell the journal and the ledger what they are to keep."""
        one, report = settled.wanted, self.reports[settled.wanted.data_set]
        self.worked_on.add(_cell(one))
        match settled:
            case Failed():
                report.fail(one.key, settled.error)
                self.failed += 1
                self.on_failure(settled)
            case Absent():
                report.confirmed_empty += 1
                self.journal.absent(_cell(one), settled.entry)
            case Promoted():
                task = self.tasks.get(one.key, "")
                receipt = settled.receipt(task, self.journal.run_id)
                report.count(receipt.bytes, receipt.records, settled.warnings, is_new=settled.is_new)
                self.journal.promoted(_cell(one), task, receipt)
        if self.recorder is not None:
            self.recorder.settle(settled)
            if self.recorder.is_due:
                self._write()

    def _tell(self, host: str, tally: Tally) -> bool:
        """Tell how far the run is, if somebody listens."""
        telling = current_telling.get()
        if telling is not None:
            telling(self.journal.run_id, host, tally)
        return telling is not None

    def _write(self) -> None:
        """Write the receipts, and then what the ledger says of them."""
        self.journal.write()
        if self.recorder is not None:
            self.recorder.write()

    def complete(self) -> None:
        """Mark the work on each cell as ended, so that a reconciliation looks at what is there now."""
        for cell in sorted(self.worked_on):
            source, data_type, _ = cell
            self.journal.complete(cell, failed=bool(self.reports[f"{source}/{data_type}"].failed))


def _cell(one: Wanted) -> Cell:
    return one.source, one.data_type, one.season
