"""One data file of a CSV report in, the current objects that it names as Parquet out, by their keys in the bucket.

The file is gzip members of CSV without a header, whose columns stand in the manifest; keys are URL-encoded as a form is
(a space is ``+``). It is decoded once, in one pass and a bounded memory: pyarrow splits and types the text, DuckDB
decodes the keys and writes. A row that cannot be understood refuses the file; unknown columns are passed over.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from adce_assets.errors import LakeError, ReportError

if TYPE_CHECKING:
    import duckdb

pc: Any = pyarrow.compute  # its functions are made at import; to hand them a Python value would import pandas

TYPES: dict[str, pa.DataType] = {
    "Bucket": pa.string(),
    "Key": pa.string(),
    "Size": pa.int64(),
    "LastModifiedDate": pa.timestamp("us", "UTC"),
    "ETag": pa.string(),
    "IsLatest": pa.bool_(),
    "IsDeleteMarker": pa.bool_(),
}
"""The columns that are used, as AWS spells them."""

NEEDED = ("Key", "Size", "LastModifiedDate")
"""Without these an object cannot be told from a damaged or a stale one; AWS writes the last two only when asked to."""

INFLATED_LIMIT = 200
"""How many times its stored bytes a file may grow; rows of a report shrink to a fifth, and hardly to a fiftieth."""
INFLATED_FLOOR = 64 << 20

_TEXT_BYTES = 500_000
_GROUP_ROWS = 61_440
_BAD_ESCAPE = r"(?s)%(?:[^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?\z)"
_END_KEY = "%"
"""The key of a last row of our own, such as no row can have. It comes out whole only if the text before it is: the CSV
reader would else take an open quote for a last field that holds the rest."""
_COLUMN = re.compile(r"In CSV column #(\d+)")

_COPY = """
    COPY (
        SELECT
            CASE
                WHEN contains("Key", '%') OR contains("Key", '+') THEN url_decode(replace("Key", '+', ' '))
                ELSE "Key"
            END AS "key",
            "Size" AS size,
            "LastModifiedDate" AS last_modified,
            coalesce("ETag", '') AS etag
        FROM undecoded
    ) TO '{target}' (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {rows})"""
_UNDECODED = pa.schema([(name, TYPES[name]) for name in ("Key", "Size", "LastModifiedDate", "ETag")])


def check_columns(columns: tuple[str, ...], needed: tuple[str, ...], where: str) -> None:
    """Refuse a report that was not asked to say what is needed.

    Raises:
        ReportError: A column is not there.
    """
    if missing := [name for name in needed if name not in columns]:
        raise ReportError(
            f"the report has no column {', '.join(missing)}",
            where=where,
            valid=f"at least {', '.join(needed)}; the report has {', '.join(columns)}",
            hint="add the missing ones to the OptionalFields of the bucket's inventory configuration",
        )


def decode(
    connection: "duckdb.DuckDBPyConnection",
    source: Path,
    target: Path,
    *,
    columns: tuple[str, ...],
    bucket: str,
    where: str,
) -> int:
    """Write the current objects of `source` into `target`, with the columns of `OBJECT_SCHEMA` and keys whole.

    Args:
        connection: DuckDB, of this thread alone.
        source: The file as AWS delivered it.
        target: The Parquet file to write.
        columns: The names of the file's columns.
        bucket: The bucket that all rows must be of.
        where: What to call the file in errors.

    Returns:
        How many objects these are.

    Raises:
        ReportError: The file cannot be understood whole.
        LakeError: The target cannot be written.
    """
    import duckdb

    check_columns(columns, NEEDED, where)
    rows = _Rows(source, columns, bucket, where)
    try:
        connection.register("undecoded", pa.RecordBatchReader.from_batches(_UNDECODED, iter(rows)))
        connection.execute(_COPY.format(target=str(target).replace("'", "''"), rows=_GROUP_ROWS))
    except duckdb.InvalidInputException as error:
        if rows.failure is not None:
            raise rows.failure from rows.failure.__cause__
        raise ReportError(f"a key is not URL-encoded UTF-8: {error}", where=where) from error
    except duckdb.Error as error:
        raise LakeError(f"the report could not be kept: {error}", where=str(target)) from error
    return rows.count


class _Rows:
    """The checked rows of one file, their keys still encoded.

    DuckDB makes an error of its own of what goes wrong while it asks for rows; `failure` is what it was.
    """

    def __init__(self, source: Path, columns: tuple[str, ...], bucket: str, where: str) -> None:
        self._source, self._columns, self._bucket, self._where = source, columns, bucket, where
        self.failure: ReportError | None = None
        self.count = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._checked()
        except ReportError as error:
            self.failure = error
            raise
        except (pa.ArrowInvalid, OSError) as error:
            self.failure = self._explained(error)
            raise self.failure from error

    def _checked(self) -> Iterator[pa.RecordBatch]:
        if not (size := self._source.stat().st_size):
            raise self._refused("a data file is damaged: it has no bytes, not even those of gzip")
        limit = max(INFLATED_FLOOR, INFLATED_LIMIT * size)
        ended = False
        with pa.input_stream(str(self._source), compression="gzip") as inflated:
            text = _Text(inflated, self._end_row(), limit, self._where)
            for batch in self._parsed(text):
                if ended:
                    raise self._refused(f"the key {_END_KEY!r} is not URL-encoded")
                if ended := batch["Key"][-1].as_py() == _END_KEY:
                    batch = batch.slice(0, batch.num_rows - 1)  # noqa: PLW2901 - our own row is none of the file's
                objects = self._objects(batch)
                self.count += objects.num_rows
                yield objects
        if not ended:
            raise self._refused("a data file ends within quotes")

    def _parsed(self, text: "_Text") -> Iterator[pa.RecordBatch]:
        used = {name: TYPES[name] for name in self._columns if name in TYPES}
        reader = pyarrow.csv.open_csv(
            pa.PythonFile(text, "r"),
            read_options=pyarrow.csv.ReadOptions(
                column_names=list(self._columns), block_size=_TEXT_BYTES, use_threads=False
            ),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=used,
                include_columns=list(used),
                null_values=[""],
                true_values=["true"],
                false_values=["false"],
                strings_can_be_null=False,
            ),
        )
        return (batch for batch in reader if batch.num_rows)

    def _end_row(self) -> bytes:
        values = {"Key": _END_KEY, "Bucket": self._bucket, "Size": "0", "LastModifiedDate": "1970-01-01T00:00:00Z"}
        values |= {"IsLatest": "true", "IsDeleteMarker": "false"}
        return ("\n" + ",".join(f'"{values.get(name, "")}"' for name in self._columns) + "\n").encode()

    def _objects(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Keep the latest versions that are no delete markers, and check them."""
        names = rows.schema.names
        if "Bucket" in names and (others := set(pc.unique(rows["Bucket"]).to_pylist()) - {self._bucket}):
            raise self._refused(f"rows are of the bucket {min(others)!r}, the manifest is of `{self._bucket}`")
        self._check_keys(rows["Key"])
        for name, is_kept in (("IsLatest", True), ("IsDeleteMarker", False)):
            if name in names:
                flags = rows[name]
                if flags.null_count:
                    raise self._refused(f"`{name}` is neither true nor false")
                rows = rows.filter(flags if is_kept else pc.invert(flags))
        for name in ("Size", "LastModifiedDate"):
            if rows[name].null_count:
                raise self._refused(f"a current object has no `{name}`")
        if rows.num_rows and pc.min(rows["Size"]).as_py() < 0:
            raise self._refused("an object has a negative size")
        etags = rows["ETag"] if "ETag" in names else pa.nulls(rows.num_rows, pa.string())
        return pa.record_batch([rows["Key"], rows["Size"], rows["LastModifiedDate"], etags], schema=_UNDECODED)

    def _check_keys(self, keys: pa.Array) -> None:
        if pc.min(pc.binary_length(keys)).as_py() == 0:
            raise self._refused("an object has no key")
        if not pc.any(pc.match_substring(keys, "%")).as_py():
            return
        if bad := keys.filter(pc.match_substring_regex(keys, _BAD_ESCAPE)).slice(0, 1).to_pylist():
            raise self._refused(f"the key {bad[0]!r} is not URL-encoded")

    def _refused(self, what: str) -> ReportError:
        return ReportError(what, where=self._where)

    def _explained(self, error: Exception) -> ReportError:
        named = _COLUMN.sub(lambda found: f"`{self._columns[int(found[1])]}`", str(error))
        return self._refused(f"a data file is damaged: {named}")


class _Text:
    """The text of all gzip members, which must not grow without bound, and behind it the last row of our own."""

    def __init__(self, inflated: BinaryIO, end: bytes, limit: int, where: str) -> None:
        self._inflated, self._end, self._limit, self._where = inflated, end, limit, where
        self._left = limit
        self.closed = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        text = self._inflated.read(size)
        self._left -= len(text)
        if self._left < 0:
            raise ReportError(f"a data file grows past {self._limit} bytes when unpacked", where=self._where)
        if not text:
            text, self._end = self._end, b""
        return text

    def close(self) -> None:
        self.closed = True
