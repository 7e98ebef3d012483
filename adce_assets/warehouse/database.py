"""A URL in, a database out in which rows are staged and kept: a DuckDB file of one machine, or PostgreSQL for many.

What the two databases do differently is here and nowhere else: everybody writes the same SQL, with ``?`` for a value.
Which tables there are is told in `tables`.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from adce_assets.errors import WarehouseError

VALID = "duckdb:///path/to/warehouse.duckdb, or postgresql://user:password@host:port/database"
PATIENCE_S = 600
"""How long a process waits for another one that has the DuckDB file, or for its lock in PostgreSQL."""
READING_S = 10
"""How long one who only reads waits for that."""
BATCH = 50_000
"""Rows that are handed on together."""

Columns = Sequence[tuple[str, str]]
"""Columns of a table in order: name and type, which is a `ColumnType`, or ``decimal(scale)``."""
Plain = str | int | float | bool | None
Parameters = Sequence[object]


class Connection(Protocol):
    """A transaction under way. Values that go in are as `values.plain` makes them, or `datetime` and the like."""

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a statement; return how many rows it changed."""
        ...

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Ask a question; return all rows of its answer."""
        ...

    def insert(self, table: str, columns: Columns, rows: Sequence[Sequence[Plain]]) -> int:
        """Add many rows to a table; return how many."""
        ...

    def export(self, sql: str, parameters: Parameters, file: Path) -> int:
        """Write the rows of an answer to a Parquet file, a batch at a time; return how many."""
        ...

    def ready(self, *tables: str) -> None:
        """Make ready for statements over all rows of tables that have just been filled, in this transaction."""
        ...

    def create(self, table: str, columns: Columns) -> None:
        """Make a table unless it is there."""
        ...

    def add_column(self, table: str, name: str, kind: str) -> None:
        """Add a column to a table; the rows there have no value in it."""
        ...

    def only_grows(self, table: str) -> None:
        """Let a table refuse that its rows are changed or taken out, where the database can."""
        ...


class _Engine(Protocol):
    where: str

    def transaction(self, *, alone: bool) -> Generator[Connection]: ...
    def hold(self, name: str) -> Generator[None]: ...
    def close(self) -> None: ...


class Warehouse:
    """A database that is opened when it is first used, and closed at the end of the ``with``.

    A DuckDB file belongs to one process at a time: until it is closed others wait for it.
    """

    def __init__(self, engine: _Engine) -> None:
        self._engine = engine

    @property
    def where(self) -> str:
        """Where it is, without a secret."""
        return self._engine.where

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Generator[Connection]:
        """Lend a connection: all that is done in the block, or nothing. ``alone``: one such block at a time.

        Raises:
            WarehouseError: the database cannot be used, or refuses a statement.
        """
        yield from self._engine.transaction(alone=alone)

    @contextmanager
    def hold(self, name: str) -> Generator[None]:
        """Be the only one that holds a name, wherever the others are, until the block ends or the process does.

        Raises:
            WarehouseError: another one holds it for longer than anybody waits.
        """
        yield from self._engine.hold(name)

    def close(self) -> None:
        """Let go of the database; the next transaction opens it again."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_warehouse(url: str, *, memory_limit: str = "1GB", threads: int = 2, read_only: bool = False) -> Warehouse:
    """Choose the database for a URL; nothing is contacted before the first transaction.

    Args:
        url: ``duckdb:///path`` or ``postgresql://user:password@host:port/database``.
        memory_limit: Memory of DuckDB; beyond it, it spills to disk. PostgreSQL has its own.
        threads: Threads of DuckDB.
        read_only: Nothing is made or written; of a DuckDB file that is not there the first transaction says so.

    Raises:
        WarehouseError: a URL of something else, or one that is not written as it should be.
    """
    if url.startswith("duckdb:///") and len(url) > len("duckdb:///") and "\0" not in url:
        from adce_assets.warehouse.database_duckdb import DuckDb

        return Warehouse(DuckDb(Path(url.removeprefix("duckdb://")), memory_limit, threads, read_only=read_only))
    from adce_assets.warehouse.database_postgresql import PostgreSql

    return Warehouse(PostgreSql(url, read_only=read_only))


def quoted(name: str) -> str:
    """Write a name so that it is none of SQL's own words; both databases know it in small letters.

    Raises:
        WarehouseError: no name of a table or column.
    """
    if not (name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()):
        raise WarehouseError(f"`{name[:60]}` is no name of a table or column")
    return f'"{name.lower()}"'


def listed(names: Iterable[str]) -> str:
    """Write names side by side."""
    return ", ".join(quoted(name) for name in names)
