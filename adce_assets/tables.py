"""DuckDB or Spark behind Ibis: where tables of keys are computed, within a memory limit and with a folder to spill to.

Relations are written as Ibis expressions, so that the engine under them can change; what is special to DuckDB stands
in this module alone, what is special to Spark in `tables_spark`.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adce_assets.errors import ConfigurationError, LakeError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend


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
    import ibis

    with tempfile.TemporaryDirectory(prefix="adce-spill-") as spill:
        backend = ibis.duckdb.connect(
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


def gather(backend: "Backend", name: str, parts: "Iterable[ir.Table]") -> "ir.Table":
    """Compute relations with the same columns, one after the other, into one table, kept as long as the engine is."""
    others = iter(parts)
    table = backend.create_table(name, next(others), temp=True)
    for other in others:
        backend.insert(name, other)
    return table


def read_orc(backend: "Backend", paths: Sequence[Path | str]) -> "ir.Table":
    """Read ORC files as one table; DuckDB reads them through Arrow, without a copy."""
    import ibis
    from pyarrow import dataset

    if backend.name != ibis.duckdb.name:
        spark: Any = backend
        return spark.read_orc(paths)
    name = ibis.util.gen_name("orc")
    backend.con.register(name, dataset.dataset([str(path) for path in paths], format="orc"))
    return backend.table(name)


def write_parquet(backend: "Backend", table: "ir.Table", path: Path) -> None:
    """Write a relation to a Parquet file, in the order that the relation itself asks for, or in any.

    In an order of its own, equal rows give equal bytes, however many threads there are; without one nothing is sorted,
    and nothing is held back until its turn comes.
    """
    backend.to_parquet(table, path, compression="zstd")
