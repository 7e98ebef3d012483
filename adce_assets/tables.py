"""DuckDB or Spark behind Ibis: where tables of keys are computed, within a memory limit and with a folder to spill to.

Relations are written as Ibis expressions, so that the engine under them can change; what is special to DuckDB stands
in `tables_duckdb`, what is special to Spark in `tables_spark`. To lay a relation out and to compile it takes longer
than to compute it where tables are small; `laid_out_once` and `lend` see to it that a process does so once.
"""

import atexit
import functools
import gc
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

from adce_assets.errors import ConfigurationError, LakeError
from adce_assets.moments import MOMENT

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

P = ParamSpec("P")
MOST = 50
"""Relations of one function that are remembered; beyond that all are forgotten."""


@contextmanager
def engine(
    *,
    memory_limit: str = "1GB",
    threads: int = 2,
    backend: Literal["duckdb", "spark"] = "duckdb",
    spark_master: str = "local[2]",
) -> Iterator["Backend"]:
    """Open the engine that the settings name; its tables are gone at the end of the block.

    Raises:
        ConfigurationError: Spark is wanted, and is not installed or does not start.
        LakeError: DuckDB cannot go on: memory or disk do not suffice, or a file is damaged.
    """
    if backend == "spark":
        with _spark(memory_limit, spark_master) as opened:
            yield opened
    else:
        with _duckdb(memory_limit, threads) as opened:
            yield opened


@contextmanager
def _duckdb(memory_limit: str, threads: int) -> Iterator["Backend"]:
    """Open an in-memory DuckDB that spills to a temporary folder."""
    import duckdb

    from adce_assets.tables_duckdb import DuckDB

    _spare_what_stays()
    with tempfile.TemporaryDirectory(prefix="adce-spill-") as spill:
        backend = DuckDB(
            memory_limit=memory_limit,
            threads=threads,
            temp_directory=spill,
            preserve_insertion_order=False,
        )
        try:
            yield backend
        except (duckdb.OperationalError, duckdb.InvalidInputException) as error:
            raise LakeError(
                f"the table engine cannot go on: {str(error).partition(chr(10))[0]}",
                where="engine",
                hint="see `engine.memory_limit`, the space for temporary files, and the file that is named, if one is",
            ) from error
        finally:
            backend.disconnect()


@functools.cache
def _spare_what_stays() -> None:
    """Let Python's collector pass over what has been imported by now, which stays as long as the process.

    The engine brings so much that each full search for garbage takes a tenth of a second, about once a reconciliation.
    """
    gc.freeze()
    atexit.register(gc.unfreeze)  # what is frozen at the end is not taken down in order


def _spark(memory_limit: str, master: str) -> "AbstractContextManager[Backend]":
    """Open a session of Spark, which offers what is used of DuckDB's."""
    try:
        from adce_assets import tables_spark
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"Spark is not installed: {error}", where="engine.backend", hint="run `pip install 'adce[spark]'`"
        ) from error
    spark: Any = tables_spark.engine(memory_limit=memory_limit, master=master)
    return spark


def sees_local_files(backend: "Backend") -> bool:
    """Say whether all of an engine can read the files of this machine; a cluster cannot."""
    return getattr(backend, "sees_local_files", True)


def is_embedded(backend: "Backend") -> bool:
    """Say whether an engine computes within this process, and so cheaply what is asked of it a piece at a time."""
    import ibis

    return backend.name == ibis.duckdb.name


def lend(backend: "Backend", rows: "pa.Table") -> "ir.Table":
    """Lend rows in memory to an engine, as a table that looks alike in every reconciliation."""
    import ibis

    engine: Any = backend
    return engine.lend(rows) if is_embedded(backend) else ibis.memtable(rows)


def let(backend: "Backend", name: str, at: datetime) -> "ir.TimestampValue":
    """Give an engine a moment (UTC) by a name, so that relations which differ in it alone are alike.

    What is computed before the name is given anew goes by the moment that it was given last; an engine that was never
    given one fails with LakeError.
    """
    import ibis

    engine: Any = backend
    named: Any = engine.let(name, at) if is_embedded(backend) else ibis.literal(at, MOMENT)
    return named


def laid_out_once(lay_out: "Callable[P, ir.Table]") -> "Callable[P, ir.Table]":
    """Let a function lay out a relation once in a process for tables that are alike and other arguments that are equal.

    Tables are alike that have the same name and columns, of whichever engine. What comes of it may have been laid out
    for an engine that is closed by now; so it is computed by naming the engine, as ``backend.to_pyarrow(relation)``.
    Rows in memory, and relations with many values, are not remembered.
    """
    known: dict[Any, ir.Table] = {}

    @functools.wraps(lay_out)
    def laid_out(*args: P.args, **kwargs: P.kwargs) -> "ir.Table":
        from adce_assets.tables_duckdb import is_lasting

        key = _key((args, tuple(kwargs.items())))
        found = known.get(key)
        if found is not None:
            return found
        made = lay_out(*args, **kwargs)
        if is_lasting(made.op()):
            if len(known) >= MOST:
                known.clear()
            known[key] = made
        return made

    return laid_out


def _key(argument: Any) -> Any:
    """Say what of an argument decides about a relation: of other relations, their structure."""
    if isinstance(argument, tuple):
        return tuple(_key(part) for part in argument)
    return argument.op() if hasattr(argument, "op") else argument


def gather(backend: "Backend", name: str, parts: "Iterable[ir.Table]") -> "ir.Table":
    """Compute relations with the same columns, one after the other, into one table, kept as long as the engine is."""
    others = iter(parts)
    table = backend.create_table(name, next(others), temp=True)
    for other in others:
        backend.insert(name, other)
    return table


def read_orc(backend: "Backend", paths: Sequence[Path | str]) -> "ir.Table":
    """Read ORC files as one table; DuckDB reads them through Arrow, without a copy."""
    from pyarrow import dataset

    engine: Any = backend
    if not is_embedded(backend):
        return engine.read_orc(paths)
    return engine.lend(dataset.dataset([str(path) for path in paths], format="orc"))


def write_parquet(backend: "Backend", table: "ir.Table", path: Path) -> None:
    """Write a relation to a Parquet file, in the order that the relation itself asks for, or in any.

    In an order of its own, equal rows give equal bytes, however many threads there are; without one nothing is sorted,
    and nothing is held back until its turn comes.
    """
    backend.to_parquet(table, path, compression="zstd")
