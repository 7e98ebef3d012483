"""PostgreSQL as a warehouse, for many machines. Rows come in by COPY, and go out by a cursor of the server."""

import queue
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq

from adce_assets import postgres
from adce_assets.errors import WarehouseError
from adce_assets.warehouse.database import BATCH, PATIENCE_S, VALID, Columns, Parameters, Plain, listed, quoted

TYPES = {
    "text": 'TEXT COLLATE "C"',
    "integer": "BIGINT",
    "float": "DOUBLE PRECISION",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
}
ARROW = {
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
}
"""Columns of Parquet files; all others are text, and a numeric is a decimal."""
_REFUSAL = """
CREATE OR REPLACE FUNCTION adce_only_grows() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% only grows: its rows are neither changed nor taken out', TG_TABLE_NAME; END $$
"""
CONNECT_S = 30


class PostgreSql:
    """A database of PostgreSQL, with connections that are used again.

    Raises:
        WarehouseError: a URL that is not written as it should be.
    """

    def __init__(self, url: str, *, read_only: bool) -> None:
        parts = postgres.read(url)
        if parts is None:
            what = "the URL of the warehouse cannot be read"
            raise WarehouseError(what, where="ADCE_WAREHOUSE_URL", valid=VALID, hint=postgres.HINT)
        self.where, self._parts, self._read_only = parts.shown, parts, read_only
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def transaction(self, *, alone: bool) -> Generator["_Connection"]:
        """Lend a connection; one that failed is not used again."""
        try:
            connection = self._connected()
            try:
                with connection:
                    lent = _Connection(connection)
                    if alone:
                        lent.execute("SELECT pg_advisory_xact_lock(hashtext('adce_warehouse'))")
                    yield lent
            except BaseException:
                connection.close()
                raise
            self._idle.put(connection)
        except psycopg2.Error as error:
            raise self._told(error) from None

    def hold(self, name: str) -> Generator[None]:
        """Hold a name by a connection of its own: it ends with the process, however that ends."""
        try:
            connection = self._connected()
            connection.autocommit = True
            _Connection(connection).execute("SELECT pg_advisory_lock(hashtext(?))", (f"adce_warehouse {name}",))
        except psycopg2.Error as error:
            raise self._told(error) from None
        try:
            yield
        finally:
            connection.close()

    def close(self) -> None:
        """Close every connection."""
        while not self._idle.empty():
            self._idle.get().close()

    def _connected(self) -> Any:
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                break
            if not connection.closed:
                return connection
        connection = psycopg2.connect(self._parts.url, application_name="adce warehouse", connect_timeout=CONNECT_S)
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SET timezone = 'UTC'; SET lock_timeout = '{PATIENCE_S}s'")
        if self._read_only:
            connection.set_session(readonly=True)
        return connection

    def _told(self, error: psycopg2.Error) -> WarehouseError:
        text = self._parts.without_secrets(str(error).strip())[:500]
        hint = "check that the database can be reached" if isinstance(error, psycopg2.OperationalError) else ""
        return WarehouseError(f"the warehouse refuses: {text}", where=self.where, hint=hint)


class _Connection:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        with self._connection.cursor() as cursor:
            _ask(cursor, sql, parameters)
            return max(cursor.rowcount, 0)

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            _ask(cursor, sql, parameters)
            return list(cursor.fetchall())

    def insert(self, table: str, columns: Columns, rows: Sequence[Sequence[Plain]]) -> int:
        if not rows:
            return 0
        into = listed(name for name, _ in columns)
        with self._connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {quoted(table)} ({into}) FROM STDIN", _Lines(rows))
            return int(cursor.rowcount)

    def export(self, sql: str, parameters: Parameters, file: Path) -> int:
        with self._connection.cursor(name="adce_export") as cursor:
            cursor.itersize = BATCH
            _ask(cursor, sql, parameters)
            batch = cursor.fetchmany(BATCH)
            schema = pa.schema([(column.name, _arrow(column)) for column in cursor.description])
            rows = 0
            with closing(pq.ParquetWriter(file, schema)) as writer:
                while batch:
                    arrays = [
                        pa.array(values, kind)
                        for values, kind in zip(zip(*batch, strict=True), schema.types, strict=True)
                    ]
                    writer.write_batch(pa.record_batch(arrays, schema=schema))
                    rows += len(batch)
                    batch = cursor.fetchmany(BATCH)
            return rows

    def ready(self, *tables: str) -> None:
        # A new table seems empty to the planner, which then looks at all of one for each row of the other.
        self.execute("SET LOCAL enable_nestloop = off")
        for table in tables:
            self.execute(f"ANALYZE {quoted(table)}")

    def create(self, table: str, columns: Columns) -> None:
        told = ", ".join(f"{quoted(name)} {_type(kind)}" for name, kind in columns)
        self.execute(f"CREATE TABLE IF NOT EXISTS {quoted(table)} ({told})")

    def add_column(self, table: str, name: str, kind: str) -> None:
        self.execute(f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(name)} {_type(kind)}")

    def only_grows(self, table: str) -> None:
        there = "SELECT 1 FROM pg_trigger WHERE tgname = 'adce_only_grows' AND tgrelid = to_regclass(?)"
        if not self.rows(there, (quoted(table),)):
            self.execute(_REFUSAL)
            self.execute(
                f"CREATE TRIGGER adce_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {quoted(table)}"
                " FOR EACH STATEMENT EXECUTE FUNCTION adce_only_grows()"
            )


class _Lines:
    """Rows as the text that COPY reads, made as it is asked for."""

    def __init__(self, rows: Iterable[Sequence[Plain]]) -> None:
        self._rows, self._rest = iter(rows), ""

    def read(self, size: int = -1) -> str:
        parts, length = [self._rest], len(self._rest)
        for row in self._rows:
            parts.append("\t".join(map(_field, row)) + "\n")
            length += len(parts[-1])
            if 0 <= size <= length:
                break
        text = "".join(parts)
        end = len(text) if size < 0 else size
        self._rest = text[end:]
        return text[:end]


def _field(value: Plain) -> str:
    if value is None:
        return postgres.COPY_NULL
    if isinstance(value, bool):
        return "t" if value else "f"
    return value.translate(postgres.COPY_ESCAPES) if isinstance(value, str) else repr(value)


def _ask(cursor: Any, sql: str, parameters: Parameters) -> None:
    if parameters:
        cursor.execute(sql.replace("%", "%%").replace("?", "%s"), tuple(parameters))
    else:
        cursor.execute(sql)


def _arrow(column: Any) -> pa.DataType:
    if column.type_code == postgres.NUMERIC:
        return pa.decimal128(38, column.scale if column.scale in range(39) else 0)
    return ARROW.get(postgres.TYPES.get(column.type_code, ""), pa.string())


def _type(kind: str) -> str:
    return f"NUMERIC(38, {int(kind[8:-1])})" if kind.startswith("decimal(") else TYPES[kind]
