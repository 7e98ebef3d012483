"""DuckDB behind Ibis: where tables of keys are computed, within a memory limit and with a folder to spill to.

Relations are written as Ibis expressions, so that the engine under them can change; what is special to DuckDB stands
in this module alone.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend


@contextmanager
def engine(*, memory_limit: str = "1GB", threads: int = 2) -> Iterator["Backend"]:
    """Open an in-memory DuckDB that spills to a temporary folder; both are gone at the end of the block."""
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
        finally:
            backend.disconnect()


def write_parquet(backend: "Backend", table: "ir.Table", path: Path) -> None:
    """Write a relation to a Parquet file in the order that the relation itself asks for."""
    backend.con.execute("SET preserve_insertion_order=true")
    backend.to_parquet(table, path, compression="zstd")
    backend.con.execute("SET preserve_insertion_order=false")
