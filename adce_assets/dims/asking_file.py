"""A file of SQLite or DuckDB and a query in, one value out.

The file is opened to be read only, in a process of its own: neither a crafted file nor a query that takes all time or
memory harms any other. There, SQLite asks of each step whether it is one that reads, and DuckDB sees neither other
files nor other settings. A DuckDB file belongs to one process at a time; that is kept to as the warehouse does.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from adce_assets.dims.asking import only
from adce_assets.dims.metrics import Value
from adce_assets.errors import MetricError, NotDataError, ProgramError, VerifyError, printable

GRACE_S = 5
"""Seconds of processor time beyond those of the query, to start and to be interrupted in."""
MEMORY = 3 * 1024**3
LONGEST = 1_000_000
"""Bytes of a value that SQLite may hold on its way."""
SHOWN = 300
STEPS = 10_000
"""Of SQLite's, between two looks at the clock."""
DUCKDB = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "1GB",
    "threads": "2",
    "lock_configuration": "true",
}
READS = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, getattr(sqlite3, "SQLITE_RECURSIVE", 33)}
)
"""What SQLite may do for a query."""


def ask(form: str, path: Path, query: str, seconds: float) -> Value:
    """Ask for one value.

    Raises:
        MetricError: the file is busy or refuses the query, it takes too long, or the answer is no one value.
    """
    from adce_assets.fetch import confined

    asked = {"form": form, "query": query, "seconds": seconds}
    try:
        with _alone(form, path, seconds):
            return confined.read(__name__, path, asked, cpu_s=int(seconds) + GRACE_S, memory=MEMORY)
    except (VerifyError, ProgramError) as error:
        raise MetricError(error.what, where=f"{form}://{path}", valid=error.valid, hint=error.hint) from error


def survey(path: Path, asked: Mapping[str, Any]) -> Value:
    """Ask in this process, which is thrown away; NotDataError where there is no one value."""
    rows = {"sqlite": _of_sqlite, "duckdb": _of_duckdb}[asked["form"]]
    try:
        return only(rows(path, asked["query"], asked["seconds"]), "")
    except MetricError as error:
        raise NotDataError(error.what) from error


@contextmanager
def _alone(form: str, path: Path, seconds: float) -> Iterator[None]:
    """Be the one process that has a warehouse of DuckDB, which has a lock beside it; others take care of that alone."""
    lock = path.with_name(f"{path.name}.lock")
    if form != "duckdb" or not lock.exists():
        yield
        return
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock, timeout=seconds):
            yield
    except Timeout as error:
        raise MetricError(f"another process has the file for {seconds:g} s", where=f"{form}://{path}") from error
    except OSError as error:
        raise MetricError(f"the file cannot be locked: {error.strerror}", where=f"{form}://{path}") from error


def _of_sqlite(path: Path, query: str, seconds: float) -> list[tuple[object, ...]]:
    until = time.monotonic() + seconds
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=seconds)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA query_only = ON")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
            connection.set_authorizer(_reads)
            connection.set_progress_handler(lambda: time.monotonic() > until, STEPS)
            return connection.execute(query).fetchmany(2)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        raise _refused(error, is_late=time.monotonic() > until) from error


def _reads(action: int, *_what: str | None) -> int:
    return sqlite3.SQLITE_OK if action in READS else sqlite3.SQLITE_DENY


def _of_duckdb(path: Path, query: str, seconds: float) -> list[tuple[object, ...]]:
    import duckdb

    until = time.monotonic() + seconds
    try:
        with closing(duckdb.connect(str(path), read_only=True, config=dict(DUCKDB))) as connection:
            found = connection.extract_statements(query)
            if [statement.type for statement in found] != [duckdb.StatementType.SELECT]:
                raise NotDataError("the query is not one SELECT")
            with _interrupted(seconds, connection.interrupt):
                return connection.execute(found[0]).fetchmany(2)
    except duckdb.Error as error:
        raise _refused(error, is_late=time.monotonic() > until) from error


@contextmanager
def _interrupted(seconds: float, interrupt: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(seconds, interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _refused(error: Exception, *, is_late: bool) -> NotDataError:
    if is_late:
        return NotDataError("the query is not done in its time")
    return NotDataError(f"the database refuses: {printable(str(error))[:SHOWN]}")
