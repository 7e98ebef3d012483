"""A SQLite file in; its tables, their columns and rows out. Called by `confined` only.

The file is opened as one that nobody changes, may define nothing that runs, and every statement's steps are counted.
"""

import sqlite3
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import quote

from adce_assets.errors import DamagedDocumentError, DriftError, OversizedDocumentError

STEPS = 100_000
MAX_CALLS = 100_000
"""Steps of SQLite's machine between two looks, and how many looks: as many as a whole check of some gigabytes needs."""
MAX_TABLES = 1_000
LONGEST = 64 * 1024 * 1024
ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})
COUNTS = frozenset({"count"})
PRAGMAS = frozenset({"quick_check", "table_info"})


def survey(path: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Check the whole file, then name its tables and count the rows of those that are asked for."""
    _has_all_its_pages(path)
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
    try:
        _confine(connection)
        _is_sound(connection)
        return {"tables": [_table(connection, name, asked["counted"]) for name in _names(connection)]}
    except sqlite3.OperationalError as error:
        kind = OversizedDocumentError if "interrupted" in str(error) else DamagedDocumentError
        raise kind(f"cannot be read as SQLite: {error}") from error
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise DamagedDocumentError(f"not a whole SQLite file: {error}") from error
    finally:
        connection.close()


def _has_all_its_pages(path: Path) -> None:
    """Compare the size with the header's: the page size at byte 16, the number of pages at byte 28 (big-endian)."""
    with path.open("rb") as stream:
        header = stream.read(100)
    page = int.from_bytes(header[16:18], "big")
    page = 65_536 if page == 1 else page
    pages = int.from_bytes(header[28:32], "big")
    counted = header[24:28] == header[92:96]
    if len(header) < 100 or page < 512 or (counted and pages * page != path.stat().st_size):  # noqa: PLR2004 - file format
        raise DamagedDocumentError(f"{path.stat().st_size} bytes where {pages} pages of {page} are announced: cut off")


def _confine(connection: sqlite3.Connection) -> None:
    calls = iter(range(MAX_CALLS))
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 100)
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.execute("PRAGMA mmap_size=0")
    connection.set_authorizer(_authorize)
    connection.set_progress_handler(lambda: next(calls, None) is None, STEPS)


def _authorize(action: int, first: str | None, second: str | None, _: str | None, trigger: str | None) -> int:
    """Allow reading tables and counting them, nothing else: no function of the file's own choosing."""
    allowed = action in ALLOWED
    if action == sqlite3.SQLITE_FUNCTION:
        allowed = second in COUNTS
    if action == sqlite3.SQLITE_PRAGMA:
        allowed = first in PRAGMAS
    return sqlite3.SQLITE_OK if allowed and trigger is None else sqlite3.SQLITE_DENY


def _is_sound(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise DamagedDocumentError(f"SQLite's own check fails: {str(verdict)[:200]}")


def _names(connection: sqlite3.Connection) -> list[str]:
    """Name plain tables; views and virtual tables run what the file wants and are not looked into."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
    rows = connection.execute(query).fetchmany(MAX_TABLES + 1)
    if len(rows) > MAX_TABLES:
        raise OversizedDocumentError(f"more than {MAX_TABLES} tables")
    return [name for name, sql in rows if sql and not name.startswith("sqlite_") and not _is_virtual(sql)]


def _is_virtual(sql: str) -> bool:
    return sql.split(maxsplit=2)[1:2] != ["TABLE"] and sql.upper().split(maxsplit=2)[1:2] != ["TABLE"]


def _table(connection: sqlite3.Connection, name: str, counted: list[str]) -> dict[str, Any]:
    quoted = '"' + name.replace('"', '""') + '"'
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({quoted})")]
    if not columns:
        raise DriftError("a table without columns", where=name[:100])
    rows = 1
    if any(fnmatchcase(name, glob) for glob in counted):
        ((rows,),) = connection.execute(f"SELECT count(*) FROM {quoted}")  # noqa: S608 - quoted, and read only
    return {"name": name, "columns": columns, "rows": rows}
