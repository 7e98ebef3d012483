"""DuckDB as a warehouse: a file that belongs to one process, which may use it from several threads."""

import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from adce_assets.errors import WarehouseError
from adce_assets.warehouse.database import BATCH, PATIENCE_S, READING_S, Columns, Parameters, Plain, listed, quoted

TYPES = {
    "text": ("VARCHAR", pa.string()),
    "integer": ("BIGINT", pa.int64()),
    "float": ("DOUBLE", pa.float64()),
    "boolean": ("BOOLEAN", pa.bool_()),
    "date": ("DATE", pa.string()),
    "timestamp": ("TIMESTAMP WITH TIME ZONE", pa.string()),
}
"""Types of columns, and as what their values are handed over."""

_ALONE, _NAMING = threading.RLock(), threading.Lock()
_HELD: dict[str, threading.Lock] = {}
_NEW = "adce_new_rows"


class DuckDb:
    """A DuckDB file, opened when it is first used; its folder is made."""

    def __init__(self, file: Path, memory_limit: str, threads: int, *, read_only: bool) -> None:
        self.where, self._read_only = f"duckdb://{file}", read_only
        self._file, self._settings = file, {"memory_limit": memory_limit, "threads": str(threads)}
        self._lock = FileLock(f"{file}.lock", timeout=PATIENCE_S, thread_local=False, is_singleton=True)
        self._opening = threading.Lock()
        self._root: duckdb.DuckDBPyConnection | None = None

    def transaction(self, *, alone: bool) -> Generator["_Connection"]:
        """Lend a connection of its own to the file."""
        if alone:
            with _ALONE:
                yield from self._transaction()
        else:
            yield from self._transaction()

    def _transaction(self) -> Generator["_Connection"]:
        try:
            with self._connected() as connection:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute("BEGIN")
                try:
                    yield _Connection(connection)
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except duckdb.Error as error:
            raise WarehouseError(f"the warehouse refuses: {str(error)[:500]}", where=self.where) from error

    def hold(self, name: str) -> Generator[None]:
        """Hold a name among the threads of this process, which is the only one that has the file."""
        with _NAMING:
            lock = _HELD.setdefault(f"{self.where} {name}", threading.Lock())
        if not lock.acquire(timeout=PATIENCE_S):
            raise WarehouseError(f"`{name}` is under way for {PATIENCE_S} s", where=self.where)
        try:
            yield
        finally:
            lock.release()

    def close(self) -> None:
        """Let go of the file."""
        with self._opening:
            if self._root is not None:
                self._root.close()
                self._root = None
                self._lock.release()

    def _connected(self) -> duckdb.DuckDBPyConnection:
        with self._opening:
            if self._root is None:
                self._root = self._open()
            return self._root.cursor()

    def _open(self) -> duckdb.DuckDBPyConnection:
        patience_s = READING_S if self._read_only else PATIENCE_S
        if self._read_only and not self._file.is_file():
            raise WarehouseError("there is no warehouse yet", where=self.where, hint="the first load makes it")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=patience_s)
        except Timeout as error:
            hint = "another load has it: wait for its end, or use PostgreSQL for many at once"
            raise WarehouseError(f"the file is busy for {patience_s} s", where=self.where, hint=hint) from error
        except OSError as error:
            raise WarehouseError(f"the file cannot be used: {error.strerror}", where=self.where) from error
        try:
            return duckdb.connect(str(self._file), read_only=self._read_only, config=dict(self._settings))
        except duckdb.Error as error:
            self._lock.release()
            hint = "another program has it open, or it is no warehouse"
            raise WarehouseError(
                f"the file cannot be opened: {str(error)[:300]}", where=self.where, hint=hint
            ) from error


class _Connection:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        found = self._connection.execute(sql, list(parameters)).fetchall()
        return int(found[0][0]) if found and isinstance(found[0][0], int) else 0

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, list(parameters)).fetchall()

    def insert(self, table: str, columns: Columns, rows: Sequence[Sequence[Plain]]) -> int:
        if not rows:
            return 0
        arrays = [pa.array([row[place] for row in rows], type_of(kind)[1]) for place, (_, kind) in enumerate(columns)]
        self._connection.register(_NEW, pa.table(arrays, names=[name.lower() for name, _ in columns]))
        cast = ", ".join(f"CAST({quoted(name)} AS {type_of(kind)[0]})" for name, kind in columns)
        into = listed(name for name, _ in columns)
        added = self.execute(f"INSERT INTO {quoted(table)} ({into}) SELECT {cast} FROM {_NEW}")
        self._connection.unregister(_NEW)
        return added

    def export(self, sql: str, parameters: Parameters, file: Path) -> int:
        reader: Any = self._connection.sql(sql, params=list(parameters)).to_arrow_reader(BATCH)
        rows = 0
        with pq.ParquetWriter(file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
        return rows

    def ready(self, *tables: str) -> None:
        """DuckDB joins by hash, and knows how many rows there are."""

    def create(self, table: str, columns: Columns) -> None:
        told = ", ".join(f'"{name}" {type_of(kind)[0]}' for name, kind in columns if quoted(name))
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {quoted(table)} ({told})")

    def add_column(self, table: str, name: str, kind: str) -> None:
        self._connection.execute(f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(name)} {type_of(kind)[0]}")

    def only_grows(self, table: str) -> None:
        """DuckDB has no triggers: whoever has the file may change any row."""


def type_of(kind: str) -> tuple[str, pa.DataType]:
    """Say what a column of a kind is here, and as what its values are handed over."""
    if kind.startswith("decimal("):
        return f"DECIMAL(38, {int(kind[8:-1])})", pa.string()
    return TYPES[kind]
