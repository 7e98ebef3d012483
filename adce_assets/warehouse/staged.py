"""What a run has staged: how it begins, what is written down of each object, and how it is settled and ended.

Everything that is told of an object (its rows, its refused records, its balance) is one transaction's: a worker that is
killed has counted nothing, and no number is ever overwritten by another's.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Self

from adce_assets.errors import WarehouseError
from adce_assets.ledger.database import keepable
from adce_assets.warehouse import tables
from adce_assets.warehouse.database import Connection, Plain, Warehouse, listed, quoted
from adce_assets.warehouse.entities import Entity
from adce_assets.warehouse.parser import Parsed
from adce_assets.warehouse.reading import Refused
from adce_assets.warehouse.values import plain


@dataclass(frozen=True, slots=True)
class Counts:
    """How records balance: read = processed + errored + deduplicated, and processed = staged + rejected."""

    read: int = 0
    processed: int = 0
    errored: int = 0
    deduplicated: int = 0
    staged: int = 0
    rejected: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Count both."""
        return Counts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Run:
    """A load of one entity and season; its id may be that of other entities' and seasons' loads too."""

    run_id: str
    entity: Entity
    season: str

    @property
    def where(self) -> str:
        """Name it in messages."""
        return f"{self.entity.name} {self.season}, run {self.run_id}"

    @property
    def ids(self) -> tuple[str, str, str]:
        """What its rows are found by, in every table of loads."""
        return self.run_id, self.entity.name, self.season

    @property
    def earlier(self) -> tuple[str, ...]:
        """What those before it are found by, with `EARLIER`."""
        return self.entity.name, self.season, self.run_id, *self.ids


Rows = list[Sequence[Plain]]
OF_RUN = "run_id = ? AND entity = ? AND season = ?"
EARLIER = f"entity = ? AND season = ? AND run_id <> ? AND started <= (SELECT started FROM load_runs WHERE {OF_RUN})"
KEPT_RUNS = 24
"""Earlier runs of a season of which it is kept what became of each object: a day of them, if it is loaded hourly."""
PLACE = "_place"
"""No column of an entity begins so."""


@dataclass(frozen=True, slots=True)
class Finished:
    """An object a worker is done with, and what it found.

    ``again``: an earlier version of it may be staged, which this one replaces.
    """

    source: str
    key: str
    etag: str
    worker: str
    attempt: int
    parsed: Parsed
    again: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """What a run finds when it begins: the objects that it has staged already, by key, and the tries of each worker."""

    done: Mapping[str, str]
    attempts: Mapping[str, int]
    earlier: Counts

    @classmethod
    def of(cls, connection: Connection, run: Run, done: Mapping[str, str]) -> Self:
        """Look up what is there of a run."""
        tried = f"SELECT worker_id, MAX(attempt) FROM load_workers WHERE {OF_RUN} GROUP BY worker_id"
        return cls(done, dict(connection.rows(tried, run.ids)), totals(connection, run))


def begin(warehouse: Warehouse, run: Run, keys: Mapping[str, Collection[str]], at: datetime) -> Begun:
    """Enter a run, or take it up again where it was left.

    What is staged of objects that are no longer asked for is removed, and so is what is staged of those that lost a
    record to another object: which one wins is found out anew. An object whose rows are gone, because a later run was
    published and cleared them, is staged again.
    """
    with warehouse.transaction() as connection:
        _enter(connection, run, sorted(keys), at)
        gone = f"UPDATE load_workers SET outcome = 'lost', ended = ? WHERE {OF_RUN} AND outcome = 'working'"
        connection.execute(gone, (plain(at), *run.ids))
        asked = {(source, key) for source, of_source in keys.items() for key in of_source}
        found = connection.rows(
            f"SELECT source, object_key, etag, rejected, staged FROM load_objects WHERE {OF_RUN}", run.ids
        )
        rows = _rows_staged(connection, run)
        done = {
            key: etag
            for source, key, etag, rejected, staged in found
            if (source, key) in asked and not rejected and rows.get(key, 0) == staged
        }
        for key in sorted({row[1] for row in found} - done.keys()):
            _forget(connection, run, key)
        return Begun.of(connection, run, done)


def _rows_staged(connection: Connection, run: Run) -> Mapping[str, int]:
    """Count the rows that are there of every object of a run."""
    staging = quoted(tables.staging(run.entity))
    counted = f"SELECT object_key, COUNT(*) FROM {staging} WHERE run_id = ? AND season = ? GROUP BY object_key"
    return dict(connection.rows(counted, (run.run_id, run.season)))


def _enter(connection: Connection, run: Run, sources: Sequence[str], at: datetime) -> None:
    again = f"UPDATE load_runs SET sources = ?, finished = NULL, outcome = 'staging' WHERE {OF_RUN}"
    if not connection.execute(again, (json.dumps(sources), *run.ids)):
        row = [*run.ids, json.dumps(sources), plain(at), None, "staging", *astuple(Counts())]
        connection.insert("load_runs", tables.RUNS, [row])


def _forget(connection: Connection, run: Run, key: str) -> Counts:
    """Remove all that is written down of an object; return by how much that changes the counts."""
    minus = ", ".join(f"-{quoted(name)}" for name in tables.COUNTS)
    found = connection.rows(f"SELECT {minus} FROM load_objects WHERE {OF_RUN} AND object_key = ?", (*run.ids, key))
    staging = quoted(tables.staging(run.entity))
    connection.execute(
        f"DELETE FROM {staging} WHERE run_id = ? AND season = ? AND object_key = ?",
        (run.run_id, run.season, key),
    )
    for table in ("load_objects", "load_refused"):
        connection.execute(f"DELETE FROM {table} WHERE {OF_RUN} AND object_key = ?", (*run.ids, key))
    return sum((Counts(*counts) for counts in found), Counts())


def write(warehouse: Warehouse, run: Run, finished: Sequence[Finished], at: datetime) -> Counts:
    """Stage what workers found in some objects, all of it or nothing; return by how much that changes the counts."""
    staged: Rows = []
    refused: Rows = []
    objects: Rows = []
    counted = sum((_write_down(run, one, at, staged, refused, objects) for one in finished), Counts())
    with warehouse.transaction() as connection:
        for one in finished:
            if one.again:
                counted += _forget(connection, run, one.key)
        columns = (*tables.columns_of(run.entity), *tables.STAGED)
        connection.insert(tables.staging(run.entity), columns, staged)
        connection.insert("load_refused", tables.REFUSED, refused)
        connection.insert("load_objects", tables.OBJECTS, objects)
    return counted


def _write_down(run: Run, one: Finished, at: datetime, staged: Rows, refused: Rows, objects: Rows) -> Counts:
    """Add an object's rows to those of each table; return how they balance."""
    rows, rejected = _sorted(one)
    counts = _counts(one, len(rows), len(rejected))
    place = [one.source, run.season, one.key]
    staged += [[*values, *place, number, run.run_id, one.worker] for number, *values in rows]
    refused += [
        [run.run_id, one.worker, run.entity.name, *place, bad.number, bad.kind, _kept(bad.reason)]
        for bad in (*one.parsed.refused, *rejected)
    ]
    who = [run.run_id, one.worker, one.attempt, run.entity.name]
    objects.append([*who, *place, one.etag, *astuple(counts), plain(at)])
    return counts


def _sorted(one: Finished) -> tuple[list[Sequence[Plain]], list[Refused]]:
    """Part the rows that a database can keep from those it cannot: PostgreSQL has no NUL, neither half a letter."""
    rows, rejected = [], []
    for row in one.parsed.rows:
        if all(keepable(value) for value in row if isinstance(value, str)):
            rows.append(row)
        else:
            rejected.append(Refused(row[0], "rejected", "a text with a NUL or half a letter, which cannot be kept"))
    return rows, rejected


def _counts(one: Finished, staged: int, rejected: int) -> Counts:
    """Count what became of an object's records; what was read is what the parser says."""
    kinds = [bad.kind for bad in one.parsed.refused]
    errored, deduplicated = kinds.count("errored"), kinds.count("deduplicated")
    return Counts(one.parsed.read, len(one.parsed.rows), errored, deduplicated, staged, rejected)


def _kept(reason: str) -> str:
    return reason if keepable(reason) else reason.encode("ascii", "replace").decode().replace("\0", "?")


def totals(connection: Connection, run: Run) -> Counts:
    """Add up what is written down of a run's objects."""
    sums = ", ".join(f"CAST(COALESCE(SUM({quoted(name)}), 0) AS BIGINT)" for name in tables.COUNTS)
    found = connection.rows(f"SELECT {sums} FROM load_objects WHERE {OF_RUN}", run.ids)
    return Counts(*found[0])


def settle(connection: Connection, run: Run) -> int:
    """Reject each record whose key is staged from another object too, and tell how many.

    One that is the same in both is written down as repeated. The object whose key is least, in bytes, wins, whoever was
    first to stage it: the result does not depend on the workers.
    """
    connection.execute("DROP TABLE IF EXISTS load_later")
    connection.execute(f"CREATE TEMPORARY TABLE load_later AS {_later(run)}", (run.run_id, run.season))
    refused = """
        INSERT INTO load_refused (run_id, worker_id, entity, source, season, object_key, record_number, kind, reason)
        SELECT run_id, worker_id, ?, source, season, object_key, record_number,
               CASE WHEN same THEN 'repeated' ELSE 'rejected' END,
               CASE WHEN same THEN 'the same' ELSE 'another version' END
                   || ' stands in ' || first_key || '#' || first_number
        FROM load_later
    """
    count = connection.execute(refused, (run.entity.name,))
    if count:
        _move(connection, run)
    connection.execute("DROP TABLE load_later")
    return count


def _later(run: Run) -> str:
    """Ask for the staged rows whose key stands in an earlier one, and whether that is the same in every column."""
    staging, key = quoted(tables.staging(run.entity)), ["source", *run.entity.key]
    joined = " AND ".join(f"r.{quoted(name)} = f.{quoted(name)}" for name in key)
    return f"""
        WITH placed AS (
            SELECT *, ROW_NUMBER() OVER (PARTITION BY {listed(key)} ORDER BY object_key, record_number) AS {PLACE}
            FROM {staging} WHERE run_id = ? AND season = ?
        )
        SELECT r.run_id, r.worker_id, r.source, r.season, r.object_key, r.record_number,
               NOT {tables.distinct(run.entity, "r", "f")} AS same,
               f.object_key AS first_key, CAST(f.record_number AS VARCHAR) AS first_number
        FROM placed r JOIN placed f ON {joined} AND f.{PLACE} = 1
        WHERE r.{PLACE} > 1
    """


def _move(connection: Connection, run: Run) -> None:
    """Take the later rows out of what is staged, and count them as rejected."""
    connection.execute(
        f"""
        UPDATE load_objects SET staged = staged - n, rejected = rejected + n
        FROM (SELECT object_key AS later_key, COUNT(*) AS n FROM load_later GROUP BY object_key) AS later
        WHERE {OF_RUN} AND object_key = later_key
        """,
        run.ids,
    )
    connection.execute(
        f"""
        DELETE FROM {quoted(tables.staging(run.entity))} AS s WHERE s.run_id = ? AND s.season = ? AND EXISTS (
            SELECT 1 FROM load_later l WHERE l.object_key = s.object_key AND l.record_number = s.record_number)
        """,
        (run.run_id, run.season),
    )


def finish(warehouse: Warehouse, run: Run, counted: Counts, at: datetime) -> None:
    """End the staging of a run; ``counted`` is what its coordinator has added up itself.

    Raises:
        WarehouseError: another run of the same season was published meanwhile, and this one is no longer wanted.
    """
    with warehouse.transaction(alone=True) as connection:
        connection.ready(tables.staging(run.entity))
        moved = settle(connection, run)
        total = counted + Counts(staged=-moved, rejected=moved)
        sets = ", ".join(f"{quoted(name)} = ?" for name in tables.COUNTS)
        ended = f"UPDATE load_runs SET finished = ?, outcome = 'staged', {sets} WHERE {OF_RUN} AND outcome = 'staging'"
        if not connection.execute(ended, (plain(at), *astuple(total), *run.ids)):
            raise WarehouseError("a later run was published meanwhile", where=run.where, hint="start a new run")
        clear(connection, run, "outcome IN ('staging', 'refused')")
        _forget_long_ago(connection, run)


def clear(connection: Connection, run: Run, which: str) -> None:
    """Remove what those earlier runs of the season have staged of which ``which`` is true."""
    connection.execute(
        f"DELETE FROM {quoted(tables.staging(run.entity))} WHERE season = ?"
        f" AND run_id IN (SELECT run_id FROM load_runs WHERE {EARLIER} AND {which})",
        (run.season, *run.earlier),
    )


def _forget_long_ago(connection: Connection, run: Run) -> None:
    """Remove what became of the objects of runs that are more than `KEPT_RUNS` back; their totals stay."""
    long_ago = f"SELECT run_id FROM load_runs WHERE {EARLIER} ORDER BY started DESC, run_id DESC OFFSET {KEPT_RUNS}"
    for table in ("load_objects", "load_refused", "load_workers"):
        connection.execute(
            f"DELETE FROM {table} WHERE entity = ? AND season = ? AND run_id IN ({long_ago})",
            (run.entity.name, run.season, *run.earlier),
        )


def note_start(warehouse: Warehouse, run: Run, worker: str, attempt: int, pid: int, at: datetime) -> None:
    """Write down that a parser's process has started."""
    row = [run.run_id, worker, attempt, run.entity.name, run.season, pid, plain(at), None, "working"]
    with warehouse.transaction() as connection:
        connection.insert("load_workers", tables.WORKERS, [row])


def note_end(warehouse: Warehouse, run: Run, worker: str, attempt: int, how: str, at: datetime) -> None:
    """Write down how a parser's process has ended."""
    ended = f"UPDATE load_workers SET ended = ?, outcome = ? WHERE {OF_RUN} AND worker_id = ? AND attempt = ?"
    with warehouse.transaction() as connection:
        connection.execute(ended, (plain(at), how, *run.ids, worker, attempt))


def sources(connection: Connection, run: Run) -> tuple[str, ...]:
    """Name the sources that a run is over."""
    found = connection.rows(f"SELECT sources FROM load_runs WHERE {OF_RUN}", run.ids)
    return tuple(json.loads(found[0][0])) if found else ()


def placeholders(values: Iterable[object]) -> str:
    """Write a ``?`` for each value."""
    return ", ".join("?" for _ in values)
