"""DuckDB behind Ibis: where tables of keys are computed on one machine.

What a relation is as SQL depends on its structure alone: on the names and columns of its tables, and on what is done
with them. Each reconciliation has tables of the same names and columns, so that a process compiles each relation once,
and afterwards hands DuckDB the text that it knows. What is special to DuckDB stands in this module alone.
"""

import functools
import itertools
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.schema as sch
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend
from ibis.expr.operations.udf import InputType

from adce_assets.moments import MOMENT
from adce_assets.sql_text import literal, quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from ibis.expr.datatypes import DataType
    from pyarrow.dataset import Dataset

MOST = 500
"""Relations whose SQL is remembered; beyond that all are forgotten."""
MANY = 1_000
"""Values in a relation that would be remembered with it, and are hardly ever the same again."""


class DuckDB(Backend):
    """Ibis' DuckDB, which compiles relations that are alike once in a process, whatever connection they are of."""

    _texts: dict[ops.Node, str] = {}  # noqa: RUF012  # of the process, on purpose
    _told: set[ops.Node] = set()  # noqa: RUF012  # likewise

    def __init__(self, **limits: Any) -> None:
        """Open a database in memory; names are given in the same order as in any other."""
        super().__init__()
        self._numbers = itertools.count()
        self.do_connect(**limits)

    def compile(self, expr: "ir.Expr", /, *, limit: int | None = None, params: Any = None, pretty: bool = False) -> str:
        """Return the SQL of an expression."""
        op = expr.op()
        if limit is not None or params or pretty or not self._is_told(op):
            return super().compile(expr, limit=limit, params=params, pretty=pretty)
        text = self._texts.get(op)
        if text is None:
            text = self._texts[op] = super().compile(expr)
        return text

    def _is_told(self, op: ops.Node) -> bool:
        """Tell whether the database knows all that an expression is about, so that its SQL can be remembered."""
        if op in self._told:
            return True
        if not is_lasting(op):
            return False
        if len(self._told) >= MOST:
            self._told.clear()
            self._texts.clear()
        self._told.add(op)
        return True

    def _run_pre_execute_hooks(self, expr: "ir.Expr") -> None:
        """Let the database know of rows in memory; of nothing, where there are none."""
        if not self._is_told(expr.op()):
            super()._run_pre_execute_hooks(expr)

    def get_schema(self, table_name: str, *, catalog: str | None = None, database: str | None = None) -> sch.Schema:
        """Return the columns of a table."""
        name = ".".join(quoted(part) for part in (catalog, database, table_name) if part)
        rows = self.con.execute(f"DESCRIBE {name}").fetchall()
        return ibis.schema({column: _kind(kind, nullable=null == "YES") for column, kind, null, *_ in rows})

    def create_table(  # pyrefly: ignore[bad-override] - Ibis' other options are refused, not passed over
        self, name: str, /, obj: Any = None, *, temp: bool = False
    ) -> "ir.Table":
        """Compute a relation, or take an Arrow table, and keep its rows until the connection ends."""
        relation = obj if isinstance(obj, ir.Table) else self.lend(obj)
        self._run_pre_execute_hooks(relation)
        kinds: Iterable[tuple[str, Any]] = relation.schema().items()
        columns = ", ".join(f"{quoted(column)} {_declared(kind)}" for column, kind in kinds)
        kind = "TEMPORARY TABLE" if temp else "TABLE"
        self.con.execute(f"CREATE {kind} {quoted(name)} ({columns})")
        self.con.execute(f"INSERT INTO {quoted(name)} {self.compile(relation)}")
        return self.table(name)

    def create_view(  # pyrefly: ignore[bad-override] - as above
        self, name: str, /, obj: "ir.Table"
    ) -> "ir.Table":
        """Give a relation a name, to be computed where it is used."""
        self._run_pre_execute_hooks(obj)
        self.con.execute(f"CREATE TEMPORARY VIEW {quoted(name)} AS {self.compile(obj)}")
        return self.table(name)

    def read_parquet(
        self, paths: str | Path | Iterable[str | Path], /, *, table_name: str | None = None, **_: Any
    ) -> "ir.Table":
        """Read Parquet files as one table; they are named in the order in which they are read."""
        name = table_name or f"file_{next(self._numbers)}"
        files = [paths] if isinstance(paths, str | Path) else paths
        listed = ", ".join(literal(str(path)) for path in files)
        query = f"SELECT * FROM read_parquet([{listed}])"  # noqa: S608  # names of files, escaped
        self.con.execute(f"CREATE TEMPORARY VIEW {quoted(name)} AS {query}")
        return self.table(name)

    def lend(self, rows: "pa.Table | Dataset") -> "ir.Table":
        """Let the database read Arrow's rows where they are, by a name, as long as it is connected."""
        name = f"lent_{next(self._numbers)}"
        self.con.register(name, rows)
        return ops.DatabaseTable(name, schema=sch.Schema.from_pyarrow(rows.schema), source=self).to_expr()

    def let(self, name: str, at: datetime) -> "ir.Value":
        """Name a moment, so that relations which differ in it alone are alike; until it is named anew."""
        self.con.execute(f"SET VARIABLE {quoted(name)} = TIMESTAMPTZ {literal(at.isoformat())}")
        variable: Any = _variable(name)
        missing: Any = _error(f"nobody has told this engine the moment `{name}`")
        return ibis.cases((variable.isnull(), missing), else_=variable)


def is_lasting(op: ops.Node) -> bool:
    """Tell whether an expression may be remembered: it is about tables with a name, and what each database knows.

    Rows in memory and functions of Python's are of one connection, which must be told of them.
    """
    found = op.find((ops.InMemoryTable, ops.Literal, ops.ScalarUDF))
    return len(found) <= MANY and not any(_is_of_one_connection(node) for node in found)


def _is_of_one_connection(node: Any) -> bool:
    written_in = getattr(node, "__input_type__", InputType.BUILTIN)
    return isinstance(node, ops.InMemoryTable) or written_in is not InputType.BUILTIN


@ibis.udf.scalar.builtin(name="getvariable", signature=(("string",), MOMENT))
def _variable(called: str) -> Any:
    """Read a variable of the connection: DuckDB takes it for a constant, and so any choice that hangs on it alone."""


@ibis.udf.scalar.builtin(name="error", signature=(("string",), MOMENT))
def _error(message: str) -> Any:
    """Fail, where this is computed at all."""


@functools.cache
def _kind(kind: str, *, nullable: bool) -> "DataType":
    """Read a type as DuckDB writes it."""
    return DuckDB.compiler.type_mapper.from_string(kind, nullable=nullable)


@functools.cache
def _declared(kind: Any) -> str:
    """Write a type as DuckDB reads it."""
    return DuckDB.compiler.type_mapper.to_string(kind) + ("" if kind.nullable else " NOT NULL")
