"""The tables of the warehouse: what is staged, what is kept, and what is written down about loads.

| table | one row for each |
|---|---|
| ``staging_<entity>`` | record of a run that is staged, with the object and the worker it came by |
| ``<entity>`` | record that is published, with the last run that found it |
| ``load_objects`` | object of a run that a worker is done with, and how its records balance |
| ``load_refused`` | record of a run that is no row, and why |
| ``load_workers`` | start of a parser's process, and how it ended |
| ``load_runs`` | run of an entity and season, with the totals its coordinator counted |

Names are as people write them, unquoted: PostgreSQL has them in small letters, DuckDB in any. How rows come into them
is told in `loading` and `publishing`.
"""

from adce_assets.errors import WarehouseError
from adce_assets.warehouse.database import Columns, Connection, Warehouse, quoted
from adce_assets.warehouse.entities import Column, Entity

COUNTS = ("read", "processed", "errored", "deduplicated", "staged", "rejected")
"""Counts of records, in the order in which they are passed on."""
_BALANCE = tuple((name.upper(), "integer") for name in COUNTS)

STAGED: Columns = (
    ("SOURCE", "text"),
    ("SEASON", "text"),
    ("OBJECT_KEY", "text"),
    ("RECORD_NUMBER", "integer"),
    ("RUN_ID", "text"),
    ("WORKER_ID", "text"),
)
"""What a staged row has besides the columns of its entity."""
KEPT: Columns = (("SOURCE", "text"), ("SEASON", "text"), ("LAST_RUN_ID", "text"))
"""What a published row has besides the columns of its entity."""
OBJECTS: Columns = (
    ("RUN_ID", "text"),
    ("WORKER_ID", "text"),
    ("ATTEMPT", "integer"),
    ("ENTITY", "text"),
    ("SOURCE", "text"),
    ("SEASON", "text"),
    ("OBJECT_KEY", "text"),
    ("ETAG", "text"),
    *_BALANCE,
    ("WRITTEN_AT", "timestamp"),
)
REFUSED: Columns = (
    ("RUN_ID", "text"),
    ("WORKER_ID", "text"),
    ("ENTITY", "text"),
    ("SOURCE", "text"),
    ("SEASON", "text"),
    ("OBJECT_KEY", "text"),
    ("RECORD_NUMBER", "integer"),
    ("KIND", "text"),
    ("REASON", "text"),
)
WORKERS: Columns = (
    ("RUN_ID", "text"),
    ("WORKER_ID", "text"),
    ("ATTEMPT", "integer"),
    ("ENTITY", "text"),
    ("SEASON", "text"),
    ("PID", "integer"),
    ("STARTED", "timestamp"),
    ("ENDED", "timestamp"),
    ("OUTCOME", "text"),
)
RUNS: Columns = (
    ("RUN_ID", "text"),
    ("ENTITY", "text"),
    ("SEASON", "text"),
    ("SOURCES", "text"),
    ("STARTED", "timestamp"),
    ("FINISHED", "timestamp"),
    ("OUTCOME", "text"),
    *_BALANCE,
)
_DECLARED: Columns = (("TABLE_NAME", "text"), ("COLUMN_NAME", "text"), ("TYPE", "text"))
_SERVICE = {"load_objects": OBJECTS, "load_refused": REFUSED, "load_workers": WORKERS, "load_runs": RUNS}


def staging(entity: Entity) -> str:
    """Name the table in which an entity's records are staged."""
    return f"staging_{entity.name}"


def columns_of(entity: Entity) -> Columns:
    """List an entity's own columns as a table has them."""
    return tuple((name, kind_of(column)) for name, column in entity.columns.items())


def distinct(entity: Entity, one: str, other: str) -> str:
    """Ask whether two rows, given by alias, differ in a column; -0.0, which SQL takes for 0.0, is another value."""
    pairs = [
        [
            f"CAST({alias}.{quoted(name)} AS VARCHAR)" if column.type == "float" else f"{alias}.{quoted(name)}"
            for alias in (one, other)
        ]
        for name, column in entity.columns.items()
    ]
    return f"({' OR '.join(' IS DISTINCT FROM '.join(pair) for pair in pairs)})"


def prepare(warehouse: Warehouse, entity: Entity) -> None:
    """Make the tables that a load of an entity needs, and give those that are there the columns they lack.

    Raises:
        WarehouseError: a column has another type in the table than in the entity's file, or a table of that name is not
            one of the warehouse's.
    """
    with warehouse.transaction(alone=True) as connection:
        connection.create("warehouse_columns", _DECLARED)
        for table, columns in _SERVICE.items():
            connection.create(table, columns)
        fit(connection, staging(entity), (*columns_of(entity), *STAGED))
        fit(connection, entity.name, (*columns_of(entity), *KEPT))


def fit(connection: Connection, table: str, columns: Columns) -> None:
    """Make a table, or give the one that is there the columns it lacks; `warehouse_columns` must be there.

    Raises:
        WarehouseError: as `prepare`.
    """
    if not exists(connection, table):
        connection.execute("DELETE FROM warehouse_columns WHERE table_name = ?", (table,))
        connection.create(table, columns)
        connection.insert("warehouse_columns", _DECLARED, [(table, name, kind) for name, kind in columns])
        return
    asked = "SELECT column_name, type FROM warehouse_columns WHERE table_name = ?"
    there = dict(connection.rows(asked, (table,)))
    if not there:
        hint = "give the entity another name, or the warehouse a database or schema of its own"
        raise WarehouseError("a table of this name is there that is not of the warehouse", where=table, hint=hint)
    for name, kind in columns:
        if name not in there:
            connection.add_column(table, name, kind)
            connection.insert("warehouse_columns", _DECLARED, [(table, name, kind)])
        elif there[name] != kind:
            raise WarehouseError(
                f"the column `{name}` is declared as {kind}, and the table has it as {there[name]}",
                where=table,
                hint="give the column another name, or drop the table to have it loaded anew",
            )


def exists(connection: Connection, table: str) -> bool:
    """Say whether a table is there, whoever made it."""
    asked = "SELECT 1 FROM information_schema.tables WHERE table_name = ? AND table_schema = current_schema()"
    return bool(connection.rows(asked, (table,)))


def kind_of(column: Column) -> str:
    """Name the kind of a column, as `Connection.create` takes it."""
    return f"decimal({column.scale})" if column.type == "decimal" else column.type
