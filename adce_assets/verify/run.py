"""A season of an entity in, its rows in the final table and the report on them out, or the season as it was and why.

The documents are counted, loaded and staged; what was staged is merged into the final table, and inside that same
transaction everything is asked. Where an error is found and the entity's file says so, nothing of the merge remains.
The answers are rows of the audit: those of a season that is published are committed with it. A run that is killed
leaves what was there before and the audit's word that it began; the next one begins anew and says so.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.errors import AdceError, ConfigurationError, NotPublishedError, printable
from adce_assets.lake.store import LakeStore
from adce_assets.progress import Progress, silent
from adce_assets.verify import audit, report, rules
from adce_assets.verify.audit import Event, Told
from adce_assets.verify.balance import Counted, balance
from adce_assets.verify.checks import Cell, Check, State
from adce_assets.verify.evidence import (
    Season,
    count,
    date_rows,
    engine,
    object_times,
    started,
    take_source,
    take_tables,
    totals_of,
    workplace,
)
from adce_assets.verify.report import Outcome, Run, outcome_of
from adce_assets.verify.settling import settle, settles_at
from adce_assets.verify.totals import compare_amounts, compare_rows
from adce_assets.warehouse import tables
from adce_assets.warehouse.counting import count_records
from adce_assets.warehouse.database import Connection, Warehouse
from adce_assets.warehouse.entities import Entity
from adce_assets.warehouse.loading import stage
from adce_assets.warehouse.publishing import publish
from adce_assets.warehouse.rules_config import Agree
from adce_assets.warehouse.values import plain

if TYPE_CHECKING:
    import duckdb

RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)
RUN_FORM = "letters, digits, `-`, `_` and `.`, at most 100, the first a letter or digit"
MOST_LOOKS = 3
"""How often a season is looked at while something of it is settling."""

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


@dataclass(slots=True)
class _Attempt:
    """One look at a season: what it found so far."""

    place: Place
    of: Season
    keys: Keys
    started_at: datetime
    checks: list[Check] = field(default_factory=list)
    workers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, str, str]:
        return self.of.run, self.of.entity.name, self.of.season

    @property
    def settling_time(self) -> timedelta:
        return timedelta(minutes=self.of.entity.checks.settle_minutes)


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
    if not RUN.fullmatch(run_id):
        raise ConfigurationError(f"`{printable(run_id[:90])}` is no name of a run", valid=RUN_FORM)
    told: dict[str, Any] = {}
    for look in range(1, MOST_LOOKS + 1):
        name = run_id if look == 1 else f"{run_id}-{look}"
        attempt = _Attempt(place, Season(declared, season, name, place.entities), keys(), place.clock())
        with place.warehouse.hold(f"verify {entity} {season}"):
            told = _looked(attempt, processes, writers, progress)
        due = settles_at(attempt.checks, attempt.settling_time)
        if told["outcome"] != Outcome.SETTLING or due is None or (wait is None and look > 1):
            break
        if wait is not None and look < MOST_LOOKS:
            wait(max((due - place.clock()).total_seconds(), 0.0))
    report.write(place.files, told)
    return told


def _looked(attempt: _Attempt, processes: int, writers: int, progress: Progress) -> dict[str, Any]:
    """Look once, from the count of the documents to the last row of the audit."""
    place, of = attempt.place, attempt.of
    _begin(attempt)
    if not any(attempt.keys.values()):
        return _ended(attempt, "no check was run: the lake has no object of this season")
    try:
        source = count_records(place.lake, of.entity, of.season, attempt.keys)
        stage(
            place.lake,
            of.entity,
            of.season,
            attempt.keys,
            place.warehouse,
            run_id=of.run,
            clock=place.clock,
            processes=processes,
            writers=writers,
            progress=progress,
        )
        return _judged(attempt, source)
    except AdceError as error:
        broken = Told(Event.ENDED, "", "broken", {"error": str(error)})
        with place.warehouse.transaction(alone=True) as connection:
            audit.append(connection, *attempt.names, place.clock(), [broken])
        raise


def _begin(attempt: _Attempt) -> None:
    """Write down that a run begins, and of which earlier ones no end is told."""
    run, entity, season = attempt.names
    for name in attempt.of.referred:
        tables.prepare(attempt.place.warehouse, attempt.of.entities[name])
    with attempt.place.warehouse.transaction(alone=True) as connection:
        audit.make(connection)
        for other in audit.unfinished(connection, entity, season):
            if other != run:
                told = Told(Event.ABANDONED, "", "no end was told", {"found_by": run})
                audit.append(connection, other, entity, season, attempt.started_at, [told])
        objects = {source: len(keys) for source, keys in attempt.keys.items()}
        audit.append(
            connection, *attempt.names, attempt.started_at, [Told(Event.STARTED, "", "started", {"objects": objects})]
        )


def _judged(attempt: _Attempt, source: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Merge what was staged, ask everything, and keep the merge or not."""
    place, of = attempt.place, attempt.of
    told: dict[str, Any] = {}
    with workplace(place.folder) as folder, engine(folder) as opened:
        if of.entity.checks.hash:
            take_source(opened, place.lake, of, attempt.keys, folder)

        def verify(connection: Connection) -> None:
            take_tables(opened, connection, of, folder)
            attempt.checks = ask(opened, connection, attempt, source)
            if of.entity.checks.blocking and outcome_of(attempt.checks) is not Outcome.RECONCILED:
                raise NotPublishedError(
                    says(attempt.checks), where=f"{of.entity.name} {of.season}", hint="see its report"
                )
            keep_resolved(opened, connection, of)
            told.update(_told(attempt, connection, published=True))

        try:
            publish(place.warehouse, of.entity, of.season, of.run, clock=place.clock, verify=verify)
        except NotPublishedError:
            if not attempt.checks:
                raise
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
    of_run = Run(run, attempt.started_at, now, attempt.workers)
    blocking = attempt.of.entity.checks.blocking
    told = report.document(
        entity, season, checks, of_run, published=published, blocking=blocking, says=words or says(checks)
    )
    ended = {name: told[name] for name in ("says", "published", "totals", "digest")}
    workers = [Told(Event.WORKER, numbers["worker"], "told", numbers) for numbers in attempt.workers]
    rows = [*workers, *map(audit.of_check, checks), Told(Event.ENDED, "", told["outcome"], ended)]
    audit.append(connection, run, entity, season, now, rows)
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


def ask(
    opened: "duckdb.DuckDBPyConnection",
    connection: Connection,
    attempt: _Attempt,
    source: Mapping[str, Mapping[str, int]],
) -> list[Check]:
    """Ask everything; where something fails that may be too young, ask again, knowing when documents were written."""
    of, lake = attempt.of, attempt.place.lake
    cell = Cell(of.entity.name, of.season, attempt.place.clock())
    counted = count(connection, of, source, {})
    starts = started(connection, of)
    attempt.workers = [
        {"worker": worker, "started": starts.get(worker, 0), **numbers}
        for worker, numbers in totals_of(counted.tallies).items()
    ]
    checks = list(asked(opened, cell, of, counted))
    if all(one.passed for one in checks) or not attempt.settling_time:
        return checks
    times = object_times(lake, (key for keys in attempt.keys.values() for key in keys))
    if all(cell.at - written_at >= attempt.settling_time for written_at in times.values()):
        return checks
    checks = list(asked(opened, cell, of, count(connection, of, source, times)))
    return settle(checks, attempt.place.clock(), attempt.settling_time)


def asked(opened: "duckdb.DuckDBPyConnection", cell: Cell, of: Season, counted: Counted) -> Iterator[Check]:
    """Ask of the counts, the amounts, the rows and the rules, in this order."""
    date_rows(opened, of, counted.written_at)
    yield from balance(cell, counted)
    yield from compare_amounts(opened, cell, of, reread=of.entity.checks.hash)
    if of.entity.checks.hash:
        yield from compare_rows(opened, cell, of)
    for rule in of.entity.checks.rules:
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
            connection.create(table, columns)
            connection.execute(f'DELETE FROM "{table}" WHERE season = ?', (of.season,))
            rows = rules.resolved(opened, _ruled(of), rule)
            connection.insert(table, columns, [[*map(plain, row), of.season, of.run] for row in rows])
