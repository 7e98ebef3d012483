"""A Parquet file in; its columns, rows, and the values of its id column out. Called by `confined` only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from adce_assets.errors import DamagedDocumentError, OversizedDocumentError

BATCH = 16_384
CELLS_SPARED, CELLS_PER_BYTE = 10_000_000, 200
"""A row of one value costs hardly a byte however often it is repeated; tables of games have one or two cells a byte."""
THRIFT = 64 * 1024 * 1024
FEW = 5


def survey(path: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Read every value, which is the only way to see damage in the middle."""
    try:
        with parquet.ParquetFile(
            path, thrift_string_size_limit=THRIFT, thrift_container_size_limit=THRIFT, page_checksum_verification=True
        ) as file:
            _refuse_bombs(file, path.stat().st_size)
            return _read(file, asked.get("id_column"))
    except pa.ArrowMemoryError as error:
        raise MemoryError from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DamagedDocumentError(f"not a whole Parquet file: {str(error)[:200]}") from error


def _refuse_bombs(file: parquet.ParquetFile, size: int) -> None:
    rows, columns = file.metadata.num_rows, file.metadata.num_columns
    if rows * columns > max(CELLS_SPARED, size * CELLS_PER_BYTE):
        raise OversizedDocumentError(f"{rows} rows of {columns} columns in {size} bytes: a bomb")


def _read(file: parquet.ParquetFile, id_column: str | None) -> dict[str, Any]:
    names = file.schema_arrow.names
    rows, filled, ids = 0, dict.fromkeys(names, 0), dict[str, None]()
    for batch in file.iter_batches(BATCH, use_threads=False):
        batch.validate(full=True)
        rows += batch.num_rows
        for name, column in zip(names, batch.columns, strict=True):
            filled[name] += len(column) - column.null_count
        if id_column in names and len(ids) < FEW:
            ids |= dict.fromkeys(str(value) for value in batch.column(id_column).unique().to_pylist()[:FEW])
    if rows != file.metadata.num_rows:
        raise DamagedDocumentError(f"{rows} rows where {file.metadata.num_rows} are announced")
    return {"names": names, "rows": rows, "filled": filled, "ids": list(ids)}
