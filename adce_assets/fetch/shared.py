"""A place in, records out that every process changes one at a time: a file of SQLite, or PostgreSQL by URL.

A record is text under a key. A change is one transaction with the record locked, and is told the time by the place:
PostgreSQL's own clock where machines share it, this machine's otherwise. What the records say is not known here.
"""

import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar

import psycopg2
from filelock import FileLock

from adce_assets import postgres
from adce_assets.errors import ConfigurationError
from adce_assets.fetch.secrets import Redactor

AnswerT = TypeVar("AnswerT")
Change = Callable[[str | None, int], tuple[str | None, AnswerT]]
"""The record (None: there is none) and the time in, the record to be kept (None: as it is) and an answer out."""

PATIENCE_S = 60
"""How long a process waits for another's change, which takes milliseconds; then something is wrong."""

TABLE = "CREATE TABLE IF NOT EXISTS adce_limits (key TEXT PRIMARY KEY, record TEXT NOT NULL)"


def wall_clock_ms() -> int:
    """Milliseconds since 1970: the one clock that all processes of a machine share across restarts."""
    return time.time_ns() // 1_000_000


class Records(Protocol):
    """Where records lie."""

    where: str

    def change(self, key: str, change: Change[AnswerT]) -> AnswerT:
        """Change the record of a key while nobody else does; return what ``change`` answers. It may be called twice."""
        ...

    def dispose(self) -> None:
        """Close the connection."""
        ...


def open_records(where: str | Path, clock_ms: Callable[[], int] | None = None) -> Records:
    """Open a place; nothing is touched before the first change.

    Args:
        where: The path of a SQLite file, made if need be, or ``postgresql://...``.
        clock_ms: Milliseconds of another clock than the place's own.

    Raises:
        ConfigurationError: a URL of something else, or one that is not written as it should be.
    """
    scheme, is_url, _ = str(where).partition("://")
    if is_url and scheme in postgres.SCHEMES:
        return PostgresRecords(str(where), clock_ms)
    if is_url:
        raise ConfigurationError(
            f"limits cannot be kept in `{scheme}`", valid="a path of a SQLite file, or postgresql://user@host/database"
        )
    return SqliteRecords(Path(where), clock_ms or wall_clock_ms)


class SqliteRecords:
    """Records in one file of a local disk, for the processes of one machine."""

    def __init__(self, path: Path, clock_ms: Callable[[], int]) -> None:
        self.where, self._path, self._clock_ms = str(path), path, clock_ms
        self._connection: sqlite3.Connection | None = None
        self._lock = Lock()

    def change(self, key: str, change: Change[AnswerT]) -> AnswerT:
        """Change a record, holding SQLite's write lock from before it is read."""
        try:
            with self._lock, self._transaction() as connection:
                row = connection.execute("SELECT record FROM adce_limits WHERE key = ?", (key,)).fetchone()
                kept, answer = change(row[0] if row else None, self._clock_ms())
                if kept is not None:
                    connection.execute("INSERT OR REPLACE INTO adce_limits VALUES (?, ?)", (key, kept))
                return answer
        except (sqlite3.Error, OSError) as error:
            raise unusable(self.where, str(error), _way_out(error)) from error

    def dispose(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        connection = self._connection = self._connection or self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
        try:
            with FileLock(f"{self._path}.lock", timeout=PATIENCE_S):  # SQLite does not wait for a change of the mode
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(TABLE)
        except (sqlite3.Error, OSError):
            connection.close()
            raise
        return connection


class PostgresRecords:
    """Records in a table of PostgreSQL, for the processes of many machines."""

    def __init__(self, url: str, clock_ms: Callable[[], int] | None) -> None:
        read = postgres.read(url)
        if read is None:
            what = "the URL of the limits' database cannot be read"
            raise ConfigurationError(what, valid=postgres.VALID, hint=postgres.HINT)
        self._url, self.where, self._redactor = read.url, read.shown, Redactor()
        for secret in read.secrets:
            self._redactor.learn(secret)
        self._clock_ms, self._lock = clock_ms, Lock()
        self._connection: Any = None

    def change(self, key: str, change: Change[AnswerT]) -> AnswerT:
        """Change a record, holding its row; a connection that was lost meanwhile is made once more."""
        try:
            with self._lock:
                if self._connection is not None:
                    try:
                        return self._changed(key, change)
                    except (psycopg2.OperationalError, psycopg2.InterfaceError):
                        self._close()
                self._connection = self._open()
                return self._changed(key, change)
        except psycopg2.Error as error:
            told = self._redactor.text(str(error).strip())
            cause = error if told == str(error).strip() else None
            raise unusable(self.where, told, "check that the database can be reached") from cause

    def dispose(self) -> None:
        """Close the connection."""
        with self._lock:
            self._close()

    def _changed(self, key: str, change: Change[AnswerT]) -> AnswerT:
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute("INSERT INTO adce_limits VALUES (%s, '') ON CONFLICT DO NOTHING", (key,))
            cursor.execute("SELECT record FROM adce_limits WHERE key = %s FOR UPDATE", (key,))
            record = cursor.fetchone()[0]
            kept, answer = change(record or None, self._now_ms(cursor))
            if kept is not None:
                cursor.execute("UPDATE adce_limits SET record = %s WHERE key = %s", (kept, key))
            return answer

    def _now_ms(self, cursor: Any) -> int:
        if self._clock_ms is not None:
            return self._clock_ms()
        cursor.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        return cursor.fetchone()[0]

    def _open(self) -> Any:
        connection = psycopg2.connect(
            self._url,
            application_name="adce limits",
            connect_timeout=PATIENCE_S,
            options=f"-c lock_timeout={PATIENCE_S}s",
        )
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('adce_limits'))")  # two that make it at once collide
            cursor.execute(TABLE)
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def unusable(where: str, why: str, hint: str) -> ConfigurationError:
    """Build the error of limits that cannot be kept: without them nobody may be asked."""
    return ConfigurationError(f"the limits of the hosts cannot be kept: {why}", where=where, hint=hint)


def _way_out(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return "make its folder one that can be written to"
    if getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return f"another process has held the file for {PATIENCE_S} s: end it, or try again"
    return "delete the file; it is made anew"
