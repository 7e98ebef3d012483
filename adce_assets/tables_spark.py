"""Spark behind Ibis: where tables of keys are computed that are too many for one machine.

The relations are the expressions that run on DuckDB; what is special to Spark stands in this module alone. Rows pass
between Python and Spark as Arrow, with the types that DuckDB gives: pandas, which Ibis would pass them through, has no
null among integers.
"""

import atexit
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.schema as sch

from adce_assets.errors import ConfigurationError
from adce_assets.moments import MOMENT

OF_PANDAS = "PySpark does not yet fully support pandas"
"""What PySpark warns of where it is imported, and where it starts. Nothing here passes through pandas."""

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", OF_PANDAS, FutureWarning)
    from ibis.backends.pyspark import Backend
    from ibis.backends.pyspark.datatypes import PySparkSchema
    from ibis.backends.sql.compilers.pyspark import PySparkCompiler
    from ibis.backends.sql.rewrites import p
    from ibis.common.patterns import replace
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession
    from pyspark.sql.types import TimestampType

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from pyspark.sql import DataFrame

MIB = {"MB": 1000**2 / 1024**2, "GB": 1000**3 / 1024**2, "MiB": 1, "GiB": 1024}
"""Units of memory, in MiB."""
LEAST_MEMORY = 512
"""MiB below which Spark does not start."""
WITHIN = "local["
LOCAL = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.shuffle.partitions": "16",
}
"""How Spark runs within this machine: for nobody else to see, and with few parts to a table."""
UTC = "-Duser.timezone=UTC"
"""How Java is started: the times of an ORC file are of the zone that Java is in."""


@contextmanager
def engine(*, memory_limit: str, master: str) -> Iterator["Spark"]:
    """Open a session of its own in the Spark of this process, which starts with the first; its tables end with it.

    Args:
        memory_limit: What the driver may hold, and Spark as a whole where it runs within this machine; beyond it tables
            spill to Spark's local folder. The first session's holds for all.
        master: Where Spark runs: ``local[2]``, ``yarn``, ``k8s://...``, ``spark://...``.

    Raises:
        ConfigurationError: Spark does not start.
    """
    backend = Spark(sees_local_files=master.startswith(WITHIN))
    backend.do_connect(start(memory_limit, master).newSession())
    try:
        yield backend
    finally:
        backend.forget()


def start(memory_limit: str, master: str, **options: str) -> SparkSession:
    """Start Spark in this process, with ``options`` of its own; where it has started already, return that.

    Raises:
        ConfigurationError: Spark does not start.
    """
    place = LOCAL if master.startswith(WITHIN) else {}
    builder = SparkSession.builder.appName("adce").master(master)
    java = {f"spark.{part}.defaultJavaOptions": UTC for part in ("driver", "executor")}
    for name, value in {"spark.driver.memory": _heap(memory_limit), **java, **place, **options}.items():
        builder = builder.config(name, value)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", OF_PANDAS, FutureWarning)
            session = builder.getOrCreate()
    except (PySparkException, OSError) as error:
        raise ConfigurationError(
            f"Spark does not start: {error}",
            where=f"engine.spark_master: {master}",
            hint="Spark needs Java 17 or newer: install a Java runtime, or say with JAVA_HOME where one is",
        ) from error
    atexit.unregister(session.stop)
    atexit.register(session.stop)  # a cluster keeps what it has lent until then
    return session


def _heap(memory_limit: str) -> str:
    """Write an amount of memory as Spark reads it, in whole MiB."""
    number, unit = memory_limit.rstrip("GiMB"), memory_limit.lstrip("0123456789.")
    return f"{max(int(float(number) * MIB[unit]), LEAST_MEMORY)}m"


@replace(p.Sample)
def _drawn(_: Any, **__: Any) -> ops.Filter:
    """Draw a sample row by row, another each time: Spark cannot draw the same twice of what is in many parts."""
    return ops.Filter(_.parent, (ops.LessEqual(ops.RandomScalar(), _.fraction),))


class _Compiler(PySparkCompiler):
    LOWERED_OPS = {ops.Sample: _drawn}  # noqa: RUF012  # as Ibis declares it


class Spark(Backend):
    """Ibis' Spark with Arrow at both ends, tables that last as long as the session, and moments in UTC."""

    compiler = _Compiler()

    def __init__(self, *, sees_local_files: bool = True) -> None:
        """Say whether every part of Spark sees the files of this machine."""
        super().__init__()
        self.sees_local_files = sees_local_files

    def get_schema(self, table_name: str, *, catalog: str | None = None, database: str | None = None) -> sch.Schema:
        """Return the columns of a table; Spark's timestamp is a moment, which Ibis takes for a time without a zone."""
        schema = super().get_schema(table_name, catalog=catalog, database=database)
        fields = self._session.table(table_name).schema.fields
        moments = {field.name: MOMENT for field in fields if isinstance(field.dataType, TimestampType)}
        return ibis.schema({**schema, **moments})

    def create_table(self, name: str, /, obj: Any = None, **_: Any) -> "ir.Table":
        """Compute a relation, or take an Arrow table, and keep its rows until the session ends."""
        frame = self._frame(obj if isinstance(obj, ibis.Expr) else ibis.memtable(obj)).persist()
        frame.count()
        self._cached_dataframes[name] = frame
        return self._named(name, frame)

    def create_view(self, name: str, /, obj: "ir.Table", **_: Any) -> "ir.Table":
        """Give a relation a name, to be computed where it is used."""
        return self._named(name, self._frame(obj))

    def read_parquet(
        self, path: str | Path | Sequence[str | Path], /, *, table_name: str | None = None, **_: Any
    ) -> "ir.Table":
        """Read Parquet files: by their paths, or, where those name nothing to a cluster, by sending it their rows."""
        paths = [str(part) for part in ([path] if isinstance(path, str | Path) else path)]
        if self.sees_local_files or all("://" in part for part in paths):
            frame = self._session.read.parquet(*paths)
        else:
            frame = self._session.createDataFrame(_read(paths))
        return self._named(table_name or ibis.util.gen_name("read_parquet"), frame)

    def read_orc(self, paths: Sequence[str | Path]) -> "ir.Table":
        """Read ORC files by their paths."""
        return self._named(ibis.util.gen_name("read_orc"), self._session.read.orc([str(path) for path in paths]))

    def to_pyarrow(
        self, expr: "ir.Expr", /, *, params: Mapping[Any, Any] | None = None, limit: Any = None, **_: Any
    ) -> Any:
        """Compute a relation, and collect its rows."""
        rows = self._frame(expr, params, limit).toArrow()
        shape: Any = expr  # a table, a column of one or a single value of it
        return shape.__pyarrow_result__(rows.cast(expr.as_table().schema().to_pyarrow()))

    def to_parquet(self, expr: "ir.Table", /, path: str | Path, *, compression: str = "snappy", **_: Any) -> None:
        """Collect the rows of a relation into one file of this machine, in the relation's order."""
        import pyarrow.parquet as pq

        pq.write_table(self.to_pyarrow(expr), path, compression=compression)

    def forget(self) -> None:
        """Drop the tables of the session; Spark itself goes on, since it is slow to start."""
        for frame in self._cached_dataframes.values():
            frame.unpersist()
        self._cached_dataframes.clear()

    def _frame(self, expr: "ir.Expr", params: Mapping[Any, Any] | None = None, limit: Any = None) -> "DataFrame":
        """Lay a relation out for Spark, with the types that Ibis says it has: Spark's literals and sums are wider."""
        self._run_pre_execute_hooks(expr)
        table = expr.as_table()
        frame = self._session.sql(self.compile(table, params=params, limit=limit))
        wanted = PySparkSchema.from_ibis(table.schema()).fields
        casts = [
            column.cast(field.dataType).alias(field.name) if field.dataType != is_now.dataType else column
            for field, is_now, column in zip(
                wanted, frame.schema.fields, map(frame.__getitem__, frame.columns), strict=True
            )
        ]
        return frame.select(*casts)

    def _named(self, name: str, frame: "DataFrame") -> "ir.Table":
        frame.createOrReplaceTempView(name)
        return self.table(name)

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        self._session.createDataFrame(op.data.to_pyarrow(op.schema)).createOrReplaceTempView(op.name)


Spark.register_options()


def _read(paths: Sequence[str]) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pa.concat_tables([pq.read_table(path, partitioning=None) for path in paths])
