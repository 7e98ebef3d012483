"""One data file of an ORC or Parquet report in, its columns and the word that its rows can be believed out.

Such files are read where they lie, by the schema that they carry themselves. What the footer of a Parquet file proves
(no nulls, least and greatest values) is not computed again; what is left is one query over the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from adce_assets.errors import ReportError
from adce_assets.lake.report_csv import check_columns

if TYPE_CHECKING:
    import duckdb

NEEDED = ("key", "size", "last_modified_date")
FLAGS = ("is_latest", "is_delete_marker")
TEXTS = ("key", "e_tag")
"""The texts that are read; that they are UTF-8 is proved only by reading them."""

_TYPES = {
    "bucket": ("text", pa.types.is_string),
    "key": ("text", pa.types.is_string),
    "e_tag": ("text", pa.types.is_string),
    "size": ("a whole number of 64 bits", pa.types.is_int64),
    "last_modified_date": ("a time", pa.types.is_timestamp),
    "is_latest": ("true or false", pa.types.is_boolean),
    "is_delete_marker": ("true or false", pa.types.is_boolean),
}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a data file has: its rows, and the names and types of those columns that are used."""

    rows: int
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Proof:
    """What a Parquet file's footer says of one column in all its row groups; None where it does not say."""

    nulls: int | None
    least: Any
    greatest: Any


@dataclass(frozen=True, slots=True)
class _Check:
    """What no row may be, and whether the footer has shown that none is."""

    what: str
    rows: str
    """The condition that finds such rows, in SQL."""
    is_proved: bool


def contents(path: Path, file_format: str, where: str) -> Contents:
    """Read what a file says of itself.

    Raises:
        ReportError: It is no such file, or lacks a column that is needed, or has one of another type.
    """
    from pyarrow import orc, parquet

    try:
        if file_format == "ORC":
            opened = orc.ORCFile(str(path))
            rows, schema = opened.nrows, opened.schema
        else:
            with parquet.ParquetFile(path) as opened:
                rows, schema = opened.metadata.num_rows, opened.schema_arrow
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ReportError(f"a data file cannot be read as {file_format}: {error}", where=where) from error
    return Contents(rows, tuple(_used(schema, where)))


def _used(schema: pa.Schema, where: str) -> Iterator[tuple[str, str]]:
    check_columns(tuple(schema.names), NEEDED, where)
    for name, (kind, is_kind) in _TYPES.items():
        if schema.names.count(name) > 1:
            raise ReportError(f"the report has the column `{name}` twice", where=where)
        if name in schema.names:
            if not is_kind(found := schema.field(name).type):
                raise ReportError(f"the column `{name}` is {found}", where=where, valid=kind)
            yield name, str(found)


def check(
    connection: "duckdb.DuckDBPyConnection",
    path: Path,
    file_format: str,
    found: Contents,
    *,
    bucket: str,
    where: str,
) -> None:
    """Refuse a file of which a row is no object of the bucket, or a current one says too little.

    Raises:
        ReportError: There is such a row, or the file cannot be read.
    """
    import duckdb

    names = [name for name, _ in found.columns]
    proofs = _proofs(path, names) if file_format == "Parquet" else {}
    checks = [check for check in _checks(names, proofs, bucket) if not check.is_proved]
    counts = [f"count(*) FILTER (WHERE {check.rows})" for check in checks]
    # DuckDB looks whether a text of Parquet is UTF-8 when it reads more of it than its length; one that comes from ORC
    # through pyarrow it takes as it is, after pyarrow has looked
    counts += [f"max(hash({name}))" for name in TEXTS if name in names and file_format == "Parquet"]
    try:
        if file_format == "ORC":
            connection.register("orc_rows", _valid_batches(path, names))
        source, values = ("read_parquet(?)", [str(path)]) if file_format == "Parquet" else ("orc_rows", [])
        query = f"SELECT {', '.join(counts)} FROM {source}"  # noqa: S608 - all ours, and the bucket is escaped
        answer = connection.execute(query, values).fetchone() or ()
    except duckdb.Error as error:
        raise ReportError(f"a data file is damaged: {error}", where=where) from error
    for wrong, count in zip(checks, answer, strict=False):
        if count:
            raise ReportError(f"{wrong.what} ({count:,} rows)", where=where)


def _valid_batches(path: Path, names: list[str]) -> pa.RecordBatchReader:
    """Read columns of an ORC file, and stop where a text is not UTF-8."""
    scanner = dataset([path]).scanner(columns=names, use_threads=False)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in scanner.to_batches():
            batch.validate(full=True)
            yield batch

    return pa.RecordBatchReader.from_batches(scanner.projected_schema, batches())


def dataset(paths: list[Path]) -> Any:
    """Open ORC files as one table that DuckDB reads without a copy."""
    from pyarrow import dataset as datasets

    return datasets.dataset([str(path) for path in paths], format="orc")


def _checks(names: list[str], proofs: dict[str, _Proof], bucket: str) -> Iterator[_Check]:
    nothing = _Proof(None, None, None)
    key, size, written, whose = (proofs.get(name, nothing) for name in (*NEEDED, "bucket"))
    flags = [name for name in FLAGS if name in names]
    current = " AND ".join(["true", *("NOT is_delete_marker" if "delete" in name else name for name in flags)])
    yield _Check(
        "an object has no key",
        "coalesce(key, '') = ''",
        key.nulls == 0 and bool(key.least),
    )
    if "bucket" in names:
        name = bucket.encode()
        yield _Check(
            f"rows are of another bucket than `{bucket}`, which the manifest is of",
            "bucket IS DISTINCT FROM '{}'".format(bucket.replace("'", "''")),
            whose == _Proof(0, name, name),
        )
    for flag in flags:
        yield _Check(f"`{flag}` is neither true nor false", f"{flag} IS NULL", proofs.get(flag, nothing).nulls == 0)
    yield _Check("a current object has no `size`", f"size IS NULL AND {current}", size.nulls == 0)
    yield _Check("an object has a negative size", f"size < 0 AND {current}", size.least is not None and size.least >= 0)
    yield _Check(
        "a current object has no `last_modified_date`",
        f"last_modified_date IS NULL AND {current}",
        written.nulls == 0,
    )


def _proofs(path: Path, names: list[str]) -> dict[str, _Proof]:
    from pyarrow import parquet

    metadata = parquet.read_metadata(path)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    places = {metadata.schema.column(number).path: number for number in range(metadata.num_columns)}
    return {name: _proof([group.column(places[name]) for group in groups]) for name in names}


def _proof(chunks: list[Any]) -> _Proof:
    said = [chunk.statistics for chunk in chunks]
    nulls = None
    if all(one is not None and one.has_null_count for one in said):
        nulls = sum(one.null_count for one in said)
    if not said or not all(one is not None and one.has_min_max for one in said):
        return _Proof(nulls, None, None)
    return _Proof(nulls, min(one.min_raw for one in said), max(one.max_raw for one in said))
