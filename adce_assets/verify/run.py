"""A season of an entity in, its rows in the final table and the report on them out, or the season as it was and why.

The documents are counted, loaded and staged; what was staged is merged into the final table, and inside that same
transaction everything is asked. Where an error is found and the entity's file says so, nothing of the merge remains.
The answers are rows of the audit: those of a season that is published are committed with it. A run that is killed
leaves what was there before and the audit's word that it began; the next one begins anew and says so.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from adce_assets.errors import AdceError, ConfigurationError, NotPublishedError, printable
from adce_assets.lake.store import LakeStore
from adce_assets.ledger.chain import Head
from adce_assets.progress import Progress, silent
from adce_assets.settings import Settings
from adce_assets.verify import audit, recall, report, rules
from adce_assets.verify.audit import Event, Told
from adce_assets.verify.balance import NOTHING, Counted, balance
from adce_assets.verify.checks import Cell, Check, State
from adce_assets.verify.evidence import (
    Season,
    count,
    date_rows,
    engine,
    object_times,
    started,
    take_published,
    take_source,
    take_tables,
    totals_of,
    workplace,
)
from adce_assets.verify.report import Outcome, Run, outcome_of
from adce_assets.verify.settling import settle, settles_at
from adce_assets.verify.totals import compare_amounts, compare_rows
from adce_assets.verify.vanished import compare_published, merged
from adce_assets.warehouse import tables
from adce_assets.warehouse.counting import count_records
from adce_assets.warehouse.database import Connection, Warehouse, open_warehouse
from adce_assets.warehouse.entities import Entity, load_entities
from adce_assets.warehouse.loading import stage
from adce_assets.warehouse.publishing import publish
from adce_assets.warehouse.rules_config import Agree
from adce_assets.warehouse.values import plain

if TYPE_CHECKING:
    import duckdb

RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)
RUN_FORM = "letters, digits, `-`, `_` and `.`, at most 100, the first a letter or digit"
SEASON = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)
SEASON_FORM = "letters, digits, `-` and `_`, at most 40, the first a letter or digit, such as 2024-25"
MOST_LOOKS = 3
"""How often a season is looked at while something of it is settling."""

FOLDER = "reconcile"
"""The folder of `config/` with a file for each entity."""

Keys = Mapping[str, Sequence[str]]
"""The objects of a season, by source."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a season is reconciled.

    Attributes:
        lake: Where its documents are.
        warehouse: Where its rows go.
        files: Where its report is kept.
        entities: All entities, by name.
        folder: Where files may lie while it is looked at.
        clock: The time (UTC).
    """

    lake: LakeStore
    warehouse: Warehouse
    files: LakeStore
    entities: Mapping[str, Entity]
    folder: Path
    clock: Callable[[], datetime]

    def entity(self, name: str) -> Entity:
        """Return an entity; ConfigurationError for one that nobody has declared."""
        if name not in self.entities:
            raise ConfigurationError(
                f"there is no entity `{name}`", where="config/reconcile", valid=", ".join(self.entities)
            )
        return self.entities[name]


@contextmanager
def open_place(settings: Settings, lake: LakeStore, files: LakeStore) -> Iterator[Place]:
    """Lend the place where an installation's seasons are reconciled, with its lake and the store of its state.

    Raises:
        ConfigurationError: the file of an entity is faulty.
        WarehouseError: the warehouse cannot be opened.
    """
    entities = load_entities(settings.home / "config" / FOLDER)
    with open_warehouse(settings.warehouse_url) as warehouse:
        yield Place(lake, warehouse, files, entities, settings.work_folder, settings.clock)


@dataclass(slots=True)
class _Attempt:
    """One look at a season: what it found so far."""

    place: Place
    of: Season
    keys: Keys
    started_at: datetime
    counted: Counted = NOTHING
    checks: list[Check] = field(default_factory=list)
    workers: list[dict[str, Any]] = field(default_factory=list)
    merged: Mapping[str, int] = field(default_factory=dict)
    times: Mapping[str, datetime] | None = None
    cut: str | None = None

    @property
    def names(self) -> tuple[str, str, str]:
        return self.of.run, self.of.entity.name, self.of.season

    @property
    def settling_time(self) -> timedelta:
        return timedelta(minutes=self.of.entity.checks.settle_minutes)

    @property
    def objects(self) -> list[str]:
        return [key for keys in self.keys.values() for key in keys]

    @property
    def publishable(self) -> bool:
        """Whether the answers let the season be published."""
        return not self.of.entity.checks.blocking or outcome_of(self.checks) is Outcome.RECONCILED

    @property
    def undated(self) -> bool:
        """Whether something fails, and may be too young, and nobody has asked yet when the documents were written."""
        return self.times is None and bool(self.settling_time) and not all(one.passed for one in self.checks)

    def dated(self, opened: "duckdb.DuckDBPyConnection") -> Self:
        """Ask when the documents were written, which takes its time: while nobody waits; and then all else again."""
        now = self.place.clock()
        self.times = object_times(opened, self.place.lake, self.of, self.objects, now)
        if any(now - written_at < self.settling_time for written_at in self.times.values()):
            self.ask(opened)
        return self

    def ask(self, opened: "duckdb.DuckDBPyConnection") -> None:
        """Ask everything."""
        answers = asked(opened, self, replace(self.counted, written_at=self.times or {}))
        self.checks = settle(answers, self.place.clock(), self.settling_time)

    def look(self, connection: Connection, source: Mapping[str, Mapping[str, int]]) -> None:
        """Gather what was counted."""
        self.counted = count(connection, self.of, source)
        starts = started(connection, self.of)
        self.workers = [
            {"worker": worker, "started": starts.get(worker, 0), **numbers}
            for worker, numbers in totals_of(self.counted.tallies).items()
        ]


def reconcile(
    place: Place,
    entity: str,
    season: str,
    keys: Callable[[], Keys],
    *,
    run_id: str,
    processes: int = 4,
    writers: int = 2,
    wait: Callable[[float], None] | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Load a season, ask everything that its entity's file asks, publish it if it may be, and report.

    What differs and is younger than its settling time is looked at again before it is reported: at once, or, where
    somebody may ``wait``, when it has settled. Each look is a run of its own in the audit: ``run_id``, ``run_id-2``...

    Args:
        place: Where.
        entity: What.
        season: Which season of it.
        keys: Lists the objects of the season, by source, as they are now.
        run_id: What the run is called.
        processes: Parsers.
        writers: Threads that write.
        wait: Waits so many seconds.
        progress: Told how far the load has come.

    Returns:
        The report, which is also kept as a file.

    Raises:
        ConfigurationError: there is no such entity, or the run cannot be called so.
        AdceError: the lake or the warehouse cannot be used; the audit says so, and nothing was published.
    """
    declared = place.entity(entity)
    for form, valid, text, what in ((RUN, RUN_FORM, run_id, "name of a run"), (SEASON, SEASON_FORM, season, "season")):
        if not form.fullmatch(text):
            raise ConfigurationError(f"`{printable(text[:90])}` is no {what}", valid=valid)
    told: dict[str, Any] = {"run": {"cut": None}}
    for look in range(1, MOST_LOOKS + 1):
        of = Season(declared, season, run_id if look == 1 else f"{run_id}-{look}", place.entities)
        with place.warehouse.hold(f"verify {entity} {season}"):
            attempt = _begun(place, of, keys, told["run"]["cut"])
            told = _looked(attempt, processes, writers, progress)
            report.write(place.files, told)
        due = settles_at(attempt.checks, attempt.settling_time)
        if told["outcome"] != Outcome.SETTLING or due is None or (wait is None and look > 1):
            break
        if wait is not None and look < MOST_LOOKS:
            place.warehouse.close()  # a file of DuckDB is others' until then
            wait(max((due - place.clock()).total_seconds(), 0.0))
    return told


def _begun(place: Place, of: Season, keys: Callable[[], Keys], cut: str | None) -> _Attempt:
    """List a season's objects, once nobody else is at it, and write down that a run begins.

    Earlier ones of which no end is told are written down as given up, and the report of the last is kept if it was not.
    ``cut`` is the row of the audit that an earlier look has found gone.
    """
    for name in of.referred:
        tables.prepare(place.warehouse, of.entities[name])
    listed = {source: there for source, there in keys().items() if there}
    attempt = _Attempt(place, of, listed, place.clock())
    _, entity, season = attempt.names
    kept = recall.last_kept(place.files, entity, season)
    with place.warehouse.transaction(alone=True) as connection:
        audit.make(connection)
        for other in audit.unfinished(connection, entity, season):
            if other != of.run:
                told = Told(Event.ABANDONED, "", "no end was told", {"found_by": of.run})
                audit.append(connection, other, entity, season, attempt.started_at, [told])
        objects = {source: len(there) for source, there in listed.items()}
        began = Told(Event.STARTED, "", "started", {"objects": objects})
        lost, gone = recall.held(connection, entity, season, kept)
        attempt.cut = str(kept) if gone else cut
        audit.append(connection, *attempt.names, attempt.started_at, [*gone, began])
    if lost:
        report.write(place.files, lost)
    return attempt


def _looked(attempt: _Attempt, processes: int, writers: int, progress: Progress) -> dict[str, Any]:
    """Look once, from the count of the documents to the last row of the audit."""
    place, of = attempt.place, attempt.of
    if not attempt.keys:
        return _ended(attempt, "no check was run: the lake has no object of this season")
    how: dict[str, Any] = {"processes": processes, "writers": writers, "progress": progress}
    try:
        with workplace(place.folder) as folder, engine(folder) as opened:
            with place.warehouse.transaction() as connection:
                take_published(opened, connection, of, folder)
            source = count_records(place.lake, of.entity, of.season, attempt.keys)
            loaded = (of.entity, of.season, attempt.keys, place.warehouse)
            stage(place.lake, *loaded, run_id=of.run, clock=place.clock, **how)
            return _judged(attempt, source, opened, folder)
    except AdceError as error:
        broken = Told(Event.ENDED, "", "broken", {"error": str(error)})
        with place.warehouse.transaction(alone=True) as connection:
            audit.append(connection, *attempt.names, place.clock(), [broken])
        raise


def _judged(
    attempt: _Attempt, source: Mapping[str, Mapping[str, int]], opened: "duckdb.DuckDBPyConnection", folder: Path
) -> dict[str, Any]:
    """Merge what was staged, ask everything, and keep the merge or not."""
    place, of = attempt.place, attempt.of
    told: dict[str, Any] = {}
    if of.entity.checks.hash:
        take_source(opened, place.lake, of, attempt.keys, folder)

    def verify(connection: Connection) -> None:
        take_tables(opened, connection, of, attempt.keys, folder)
        attempt.look(connection, source)
        attempt.ask(opened)
        if attempt.undated or not attempt.publishable:
            raise NotPublishedError(says(attempt.checks), where=f"{of.entity.name} {of.season}", hint="see its report")
        attempt.merged = merged(opened, of, attempt.keys)
        keep_resolved(opened, connection, of)
        told.update(_told(attempt, connection, published=True))

    while not told:
        attempt.checks = []
        try:
            publish(place.warehouse, of.entity, of.season, of.run, clock=place.clock, verify=verify)
        except NotPublishedError:
            if not attempt.checks:
                raise
            if not (attempt.undated and attempt.dated(opened).publishable):
                return _ended(attempt, says(attempt.checks))
    return told


def _ended(attempt: _Attempt, words: str) -> dict[str, Any]:
    """Write down what came of a run that publishes nothing."""
    with attempt.place.warehouse.transaction(alone=True) as connection:
        return _told(attempt, connection, published=False, words=words)


def _told(attempt: _Attempt, connection: Connection, *, published: bool, words: str = "") -> dict[str, Any]:
    """Make the report, and add its answers and its digest to the audit."""
    run, entity, season = attempt.names
    checks, now = attempt.checks, attempt.place.clock()
    due = settles_at(checks, attempt.settling_time)
    of_run = Run(run, attempt.started_at, now, attempt.workers, attempt.merged, due, cut=attempt.cut)
    blocking = attempt.of.entity.checks.blocking
    told = report.document(
        entity, season, checks, of_run, published=published, blocking=blocking, says=words or says(checks)
    )
    ended = {name: told[name] for name in ("says", "published", "blocking", "totals", "digest")}
    ended |= {name: told["run"][name] for name in ("merged", "settles_at", "cut")}
    workers = [Told(Event.WORKER, numbers["worker"], "told", numbers) for numbers in attempt.workers]
    rows = [*workers, *map(audit.of_check, checks), Told(Event.ENDED, "", told["outcome"], ended)]
    last = audit.append(connection, run, entity, season, now, rows)[-1]
    told["run"]["audit"] = str(Head(last.seq, last.hash, None))
    return told


def says(checks: Sequence[Check]) -> str:
    """Say in a sentence what the answers amount to."""
    if not checks:
        return "no check was run"
    wrong = [one for one in checks if not one.passed and not one.worker]
    if not wrong:
        return "everything is accounted for"
    first = min(wrong, key=lambda one: (not one.stops, one.state is not State.FAILED, one.id))
    return f"{len(wrong)} check(s) do not hold; the first: {first.id}: {first.message}"


def asked(opened: "duckdb.DuckDBPyConnection", attempt: _Attempt, counted: Counted) -> Iterator[Check]:
    """Ask of the counts, what was published, the amounts, the rows and the rules, in this order."""
    of, checks = attempt.of, attempt.of.entity.checks
    cell = Cell(of.entity.name, of.season, attempt.place.clock())
    date_rows(opened, of, counted.written_at)
    yield from balance(cell, counted, {"errored": checks.errored, "rejected": checks.rejected})
    yield from compare_published(opened, cell, of, attempt.keys, attempt.objects)
    yield from compare_amounts(opened, cell, of, reread=checks.hash)
    if checks.hash:
        yield from compare_rows(opened, cell, of)
    for rule in checks.rules:
        yield rules.judge(opened, cell, _ruled(of), rule)


def _ruled(of: Season) -> rules.Asked:
    return rules.Asked(of.entity.name, of.entity.key, [reading.source for reading in of.entity.readings])


def keep_resolved(opened: "duckdb.DuckDBPyConnection", connection: Connection, of: Season) -> None:
    """Write what sources agree on, or the most trusted of them says, into `<entity>_resolved`."""
    for rule in of.entity.checks.rules:
        if isinstance(rule, Agree):
            names = [*rule.by, *rule.columns]
            columns = [(name, tables.kind_of(of.entity.columns[name])) for name in names]
            columns += [("sources", "text"), ("agreed", "boolean"), ("season", "text"), ("run_id", "text")]
            table = f"{of.entity.name}_resolved"
            tables.fit(connection, table, columns)
            connection.execute(f'DELETE FROM "{table}" WHERE season = ?', (of.season,))
            rows = rules.resolved(opened, _ruled(of), rule)
            connection.insert(table, columns, [[*map(plain, row), of.season, of.run] for row in rows])
