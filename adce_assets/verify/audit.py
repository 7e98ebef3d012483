"""What was checked in, the record of it that only grows: a row for every answer, each hashed over the one before it.

The table lies in the warehouse, beside the rows that it tells of, and what it says of a season is committed together
with them. It is hashed as the ledger is: a row that was changed, taken out, put in or moved shows, without anything
else at hand. Whoever can write to the database can cut its end off, or write all of it anew: against that a head helps,
kept elsewhere, as each report keeps the one of its run.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from json import loads
from typing import Any, NamedTuple

from adce_assets.errors import VerifyError
from adce_assets.ledger.chain import GENESIS, Fault, Head, canonical, digest, moment_text
from adce_assets.ledger.database import keepable
from adce_assets.verify.checks import Check
from adce_assets.warehouse.database import Connection
from adce_assets.warehouse.tables import exists

TABLE, HEAD = "verify_audit", "verify_head"
_COLUMNS = (
    ("seq", "integer"),
    *((name, "text") for name in ("moment", "run", "entity", "season", "event", "what", "state", "detail", "hash")),
)
_NAMES = ", ".join(name for name, _ in _COLUMNS)
_HEAD = (("id", "integer"), ("seq", "integer"), ("hash", "text"))
PAGE = 5_000


class Event(StrEnum):
    """What a row tells: of a run, its workers and checks, of one that never ended, and of rows that were cut off."""

    STARTED = "started"
    WORKER = "worker"
    CHECK = "check"
    ENDED = "ended"
    ABANDONED = "abandoned"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be recorded of a run: the event, what it is about, its state, and the rest in plain data."""

    event: Event
    what: str
    state: str
    detail: Mapping[str, Any]


class Entry(NamedTuple):
    """A row of the table, every text as it was hashed."""

    seq: int
    moment: str
    run: str
    entity: str
    season: str
    event: str
    what: str
    state: str
    detail: str
    hash: str

    def document(self) -> dict[str, Any]:
        """Lay it out for people and programs."""
        return self._asdict() | {"detail": loads(self.detail)}


def make(connection: Connection) -> None:
    """Make the tables unless they are there; where the database can, rows of the audit are then refused any change."""
    connection.create(TABLE, _COLUMNS)
    connection.only_grows(TABLE)
    connection.create(HEAD, _HEAD)
    if not connection.rows("SELECT seq FROM verify_head WHERE id = 1"):
        connection.execute("INSERT INTO verify_head (id, seq, hash) VALUES (1, 0, ?)", (GENESIS,))


def append(
    connection: Connection, run: str, entity: str, season: str, at: datetime, told: Sequence[Told]
) -> tuple[Entry, ...]:
    """Add rows, in the transaction of the connection; whoever appends at the same time waits, or fails and tries again.

    Raises:
        VerifyError: the table has no head, so that nobody knows which row is the last.
    """
    connection.execute("UPDATE verify_head SET seq = seq + ? WHERE id = 1", (len(told),))
    found = connection.rows("SELECT seq, hash FROM verify_head WHERE id = 1")
    if not found:
        raise VerifyError("nobody knows which row of the audit is the last", where=HEAD, hint="restore the database")
    entries = tuple(_chained(found[0][0] - len(told), found[0][1], run, entity, season, moment_text(at), told))
    connection.insert(TABLE, _COLUMNS, entries)
    if entries:
        connection.execute("UPDATE verify_head SET hash = ? WHERE id = 1", (entries[-1].hash,))
    return entries


def _chained(
    seq: int, before: str, run: str, entity: str, season: str, moment: str, told: Iterable[Told]
) -> Iterator[Entry]:
    for number, one in enumerate(told, seq + 1):
        texts = (moment, run, entity, season, one.event.value, keepable_text(one.what), one.state)
        detail = canonical(dict(one.detail))
        before = digest(number, before, "", texts, detail)
        yield Entry(number, *texts, detail, before)


def keepable_text(text: str) -> str:
    """Replace what a database cannot keep."""
    return text if keepable(text) else text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def of_check(one: Check) -> Told:
    """Tell what a check answered."""
    return Told(Event.CHECK, one.id, one.state.value, document_of(one))


def document_of(one: Check) -> dict[str, Any]:
    """Lay out a check, for the audit, the report and whoever reads JSON."""
    return {
        "id": one.id,
        "type": one.kind.value,
        "level": one.level.value,
        "name": one.name,
        "source": one.source or None,
        "worker": one.worker or None,
        "expected": one.expected,
        "actual": one.actual,
        "discrepancy": one.discrepancy,
        "state": one.state.value,
        "severity": one.severity.value,
        "message": one.message,
        "offenders": one.offenders,
        "unasked": dict(one.unasked),
        "asked": one.asked,
        "rows": [
            {
                "key": row.key,
                "kind": row.kind,
                "column": row.column or None,
                "expected": row.expected,
                "actual": row.actual,
                "written_at": row.written_at and moment_text(row.written_at),
            }
            for row in one.rows
        ],
        "since": one.since and moment_text(one.since),
        "checked_at": moment_text(one.checked_at),
    }


def entries(connection: Connection, run: str | None = None) -> Iterator[Entry]:
    """Walk the rows in order, all or those of a run, a page at a time; where there is no audit there are none."""
    seq, of_run = 0, "AND run = ? " if run is not None else ""
    if not exists(connection, TABLE):
        return
    while True:
        sql = f"SELECT {_NAMES} FROM verify_audit WHERE seq > ? {of_run}ORDER BY seq LIMIT {PAGE}"
        page = [Entry(*row) for row in connection.rows(sql, (seq, *([run] if run is not None else [])))]
        yield from page
        if len(page) < PAGE:
            return
        seq = page[-1].seq


def head(connection: Connection) -> Head:
    """Say which row is the last, with its hash; where there is no audit that is none."""
    found = connection.rows("SELECT seq, hash FROM verify_head WHERE id = 1") if exists(connection, HEAD) else ()
    seq, last = found[0] if found else (0, GENESIS)
    return Head(seq, last, None)


def verify(written: Iterable[Entry], *heads: Head) -> tuple[Fault, ...]:
    """Hash all rows anew, and find each that is not what was written or in its place, or tells of rows that are gone.

    Args:
        written: All rows, in order.
        heads: The head that they should end with, and ones of earlier times: each names a row that has to be there.
    """
    before, seq, faults = GENESIS, 0, []
    named = {(one.seq, one.hash) for one in heads if one.seq}
    for entry in written:
        if entry.seq != seq + 1:
            faults.append(Fault(entry.seq, entry.run, f"row {seq + 1} is gone" if entry.seq > seq else "out of order"))
        elif digest(entry.seq, before, "", entry[1:-2], entry.detail) != entry.hash:
            faults.append(Fault(entry.seq, entry.run, "it is not what was written, or not in its place"))
        if entry.event == Event.CUT:
            faults.append(
                Fault(entry.seq, entry.run, "the run has found the end of the audit cut off, or written anew")
            )
        before, seq = entry.hash, entry.seq
        named.discard((entry.seq, entry.hash))
    faults += [gone(seq) for seq, _ in sorted(named)]
    return tuple(faults)


def gone(seq: int) -> Fault:
    """Say that a row which a head names is another one, or none."""
    return Fault(seq, "", "it is not the row that the head names, or is gone")


def has(connection: Connection, row: Head) -> bool:
    """Say whether the audit, if there is one, has the row that a head of an earlier time names."""
    sql = "SELECT 1 FROM verify_audit WHERE seq = ? AND hash = ?"
    return exists(connection, TABLE) and bool(connection.rows(sql, (row.seq, row.hash)))


def unfinished(connection: Connection, entity: str, season: str) -> list[str]:
    """Name the runs of a season that began, or began again, and of which no end is told since, oldest first."""
    sql = (
        "SELECT run FROM verify_audit WHERE entity = ? AND season = ? GROUP BY run "
        "HAVING max(CASE WHEN event = 'started' THEN seq END) "
        "> coalesce(max(CASE WHEN event IN ('ended', 'abandoned') THEN seq END), 0) ORDER BY min(seq)"
    )
    return [run for (run,) in connection.rows(sql, (entity, season))]
