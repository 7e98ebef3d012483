"""Wanted keys in, objects in the lake out, with a receipt for each and a completion marker for each data set.

The whole way of a run stands on this page: the kind of the scraper fetches, the fetch room stages, audits and promotes,
the ledger keeps the receipts. How a document is fetched belongs to the kinds; whether a failure lasts, to ``fetch``.
"""

import importlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adce_assets.contract.loading import Contract
from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.contract.templates import field_values
from adce_assets.errors import AdceError, ConditionFailedError, ContractError, LakeError, VerifyError
from adce_assets.fetch.audit import audit
from adce_assets.fetch.client import Client
from adce_assets.fetch.staging import Outcome, promote
from adce_assets.lake.store import LakeStore, probe_conditional_writes
from adce_assets.ledger.receipts import Receipt, write_completion, write_receipts
from adce_assets.progress import Progress, silent
from adce_assets.scrapers.catalogue import ScraperEntry
from adce_assets.scrapers.interface import Collected, Failed, Wanted

PRODUCER = "adce"
WORST = 20
"""Failures that a report names; all are counted."""


@dataclass(slots=True)
class DataSetReport:
    """What a run did for one data set."""

    asked: int = 0
    written: int = 0
    already_there: int = 0
    bytes: int = 0
    records: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    worst: list[tuple[str, str]] = field(default_factory=list)

    @property
    def collected(self) -> int:
        """Keys that now hold a good object, whoever wrote it."""
        return self.written + self.already_there


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What a run did, by data set name (``source/data_type``)."""

    data_sets: Mapping[str, DataSetReport]
    requests: int

    @property
    def asked(self) -> int:
        """Keys that the run was asked for."""
        return sum(report.asked for report in self.data_sets.values())

    @property
    def collected(self) -> int:
        """Keys that now hold a good object."""
        return sum(report.collected for report in self.data_sets.values())


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
    return Wanted(key, data_set.source, data_set.data_type, season, fields, etag)


def collect(
    scraper: ScraperEntry,
    asked: Sequence[Wanted],
    *,
    client: Client,
    store: LakeStore,
    run_id: str,
    clock: Callable[[], datetime],
    tasks: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> CollectReport:
    """Collect the wanted keys into the lake, one after another; a key that fails never stops the others.

    Args:
        scraper: The entry of the catalogue that yields these keys.
        asked: The keys, of any of the data sets that the scraper yields.
        client: Asks the hosts, within their limits.
        store: The lake.
        run_id: Names this run in staged objects, receipts and markers.
        clock: The time (UTC) for receipts.
        tasks: The task that each key belongs to, by key.
        progress: Told after each key.

    Raises:
        LakeError: the lake could not be written, what was promoted before has its receipts; or its storage ignores the
            conditions of a write, so that two runs could overwrite each other: nothing is asked then.
    """
    if not probe_conditional_writes(store):
        raise LakeError(
            "this storage ignores conditional writes: two runs could overwrite each other's documents",
            where=store.url,
            valid="storage that honours If-None-Match and If-Match, as AWS S3 and the file system do",
        )
    run = _Run(scraper, store, run_id, clock, tasks or {}, clock())
    for entry in asked:
        run.reports[entry.data_set].asked += 1
    try:
        outcomes = importlib.import_module(f"adce_assets.scrapers.{scraper.kind}").collect(scraper, asked, client)
        for done, outcome in enumerate(outcomes, start=1):
            run.take(outcome)
            progress("collect", done, len(asked))
    finally:
        run.write_receipts()
    run.write_completions(asked)
    return CollectReport(dict(run.reports), len(run.urls))


@dataclass(slots=True)
class _Run:
    """One run as it goes: what became of each key so far."""

    scraper: ScraperEntry
    store: LakeStore
    run_id: str
    clock: Callable[[], datetime]
    tasks: Mapping[str, str]
    started_at: datetime
    reports: defaultdict[str, DataSetReport] = field(default_factory=lambda: defaultdict(DataSetReport))
    receipts: defaultdict[tuple[str, str, str, str], list[Receipt]] = field(default_factory=lambda: defaultdict(list))
    urls: set[str] = field(default_factory=set)

    def take(self, outcome: Collected | Failed) -> None:
        """Promote what was collected, count what was not."""
        self.urls |= {outcome.url} - {""}
        if isinstance(outcome, Failed):
            self._failed(outcome.wanted, outcome.error)
            return
        try:
            self._promote(outcome)
        except (VerifyError, ConditionFailedError) as error:
            self._failed(outcome.wanted, error)

    def _promote(self, collected: Collected) -> None:
        target, report = collected.wanted, self.reports[collected.wanted.data_set]
        promotion = promote(
            self.store,
            target.key,
            collected.body,
            run_id=self.run_id,
            audit=lambda body: audit(body, collected.requirements, target.entity),
            expected_etag=target.etag,
        )
        report.written += promotion.outcome is Outcome.WRITTEN
        report.already_there += promotion.outcome is Outcome.ALREADY_THERE
        report.bytes += promotion.size
        report.records += promotion.records or 0
        task = self.tasks.get(target.key, "")
        self.receipts[target.source, target.data_type, target.season, task].append(
            Receipt(
                key=target.key,
                bytes=promotion.size,
                sha256=promotion.sha256,
                records=promotion.records,
                task=task,
                run=self.run_id,
                attempt=1,
                fetched_at=collected.fetched_at,
                promoted_at=self.clock(),
                url=collected.url,
            )
        )

    def _failed(self, target: Wanted, error: AdceError) -> None:
        report = self.reports[target.data_set]
        report.failed[type(error).__name__] += 1
        if len(report.worst) < WORST:
            report.worst.append((target.key, error.what))

    def write_receipts(self) -> None:
        """Write the receipts of everything promoted so far, one file for each task."""
        for (source, data_type, season, task), receipts in self.receipts.items():
            receipt_id = f"{self.run_id}-{task}" if task else self.run_id
            write_receipts(self.store, receipt_id, source=source, data_type=data_type, season=season, receipts=receipts)

    def write_completions(self, asked: Sequence[Wanted]) -> None:
        """Mark the work on each cell as ended, so that a reconciliation looks at what is there now."""
        for source, data_type, season in sorted({(entry.source, entry.data_type, entry.season) for entry in asked}):
            report = self.reports[f"{source}/{data_type}"]
            written = [
                receipt.key
                for cell, receipts in self.receipts.items()
                if cell[:3] == (source, data_type, season)
                for receipt in receipts
            ]
            write_completion(
                self.store,
                self.run_id,
                source=source,
                data_type=data_type,
                season=season,
                status="ok" if written or not report.failed else "failed",
                keys=written,
                records=report.records,
                started_at=self.started_at,
                finished_at=self.clock(),
                producer=PRODUCER,
            )
