"""The bytes of one data file of a report in, the current objects that it names out, by their keys in the bucket.

A new format is one more entry of `DECODERS`. Which files there are, and whether they came whole, is known to `report`.
A row that cannot be understood refuses the file; unknown columns are passed over.
"""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from adce_assets.errors import ReportError
from adce_assets.lake.store import OBJECT_SCHEMA

pc: Any = pyarrow.compute  # its functions are made at import, where no type checker sees them

NEEDED = ("Key", "Size", "LastModifiedDate")
"""Without these an object cannot be told from a damaged or a stale one; AWS writes the last two only when asked to."""

USED = (*NEEDED, "Bucket", "ETag", "IsLatest", "IsDeleteMarker")

INFLATED_LIMIT = 200
"""How many times its stored bytes a file may grow; rows of a report shrink to a fifth, and hardly to a fiftieth."""
INFLATED_FLOOR = 64 << 20

Decoder = Callable[[bytes, tuple[str, ...], str, str], Iterator[pa.Table]]
"""(bytes of the file, its columns, the bucket it is of, where it lies) -> tables as in `OBJECT_SCHEMA`, keys whole."""

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _decode_csv(body: bytes, columns: tuple[str, ...], bucket: str, where: str) -> Iterator[pa.Table]:
    """Read gzip members of CSV without a header; keys are URL-encoded as a form is (space is ``+``)."""
    _check_columns(columns, where)
    if not body:
        raise ReportError("a data file is damaged: it has no bytes, not even those of gzip", where=where)
    text = _Inflated(body, where)
    try:
        if text.is_blank():
            return
        for batch in pyarrow.csv.open_csv(
            pa.PythonFile(text, "r"),
            read_options=pyarrow.csv.ReadOptions(column_names=list(columns)),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=[name for name in columns if name in USED],
                strings_can_be_null=False,
            ),
        ):
            yield _objects(pa.Table.from_batches([batch]), bucket, where)
    except (pa.ArrowInvalid, EOFError, OSError, zlib.error) as error:
        raise ReportError(f"a data file is damaged: {error}", where=where) from error
    text.check_quotes()


def _check_columns(columns: tuple[str, ...], where: str) -> None:
    if missing := [name for name in NEEDED if name not in columns]:
        raise ReportError(
            f"the report has no column {', '.join(missing)}",
            where=where,
            valid=f"at least {', '.join(NEEDED)}; the report has {', '.join(columns)}",
            hint="add the missing ones to the OptionalFields of the bucket's inventory configuration",
        )


def _objects(rows: pa.Table, bucket: str, where: str) -> pa.Table:
    rows = _current(rows, where)
    if "Bucket" in rows.column_names and (others := set(pc.unique(rows["Bucket"]).to_pylist()) - {bucket}):
        raise ReportError(f"rows are of the bucket {min(others)!r}, the manifest is of `{bucket}`", where=where)
    sizes = _cast(rows, "Size", pa.int64(), where)
    if pc.any(pc.less(sizes, 0)).as_py():
        raise ReportError("an object has a negative size", where=where)
    etags = pc.utf8_trim(rows["ETag"], '"') if "ETag" in rows.column_names else pa.repeat("", rows.num_rows)
    written = _cast(rows, "LastModifiedDate", pa.timestamp("us", "UTC"), where)
    return pa.table([_keys(rows["Key"], where), sizes, written, etags], schema=OBJECT_SCHEMA)


def _current(rows: pa.Table, where: str) -> pa.Table:
    """Keep the latest versions that are no delete markers; a bucket without versions has neither column."""
    for name, wanted in (("IsLatest", "true"), ("IsDeleteMarker", "false")):
        if name in rows.column_names:
            if strange := set(pc.unique(rows[name]).to_pylist()) - {"true", "false"}:
                raise ReportError(f"`{name}` is {min(strange)!r}", where=where, valid="true, false")
            rows = rows.filter(pc.equal(rows[name], wanted))
    return rows


def _cast(rows: pa.Table, name: str, kind: pa.DataType, where: str) -> pa.ChunkedArray:
    try:
        return rows[name].cast(kind)
    except pa.ArrowInvalid as error:
        raise ReportError(f"`{name}` of a current object: {error}", where=where) from error


def _keys(encoded: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    if pc.any(pc.equal(encoded, "")).as_py():
        raise ReportError("an object has no key", where=where)
    escaped = pc.match_substring_regex(encoded, "[%+]")
    decoded = [_decoded(key, where) for key in encoded.filter(escaped).to_pylist()]
    return pc.replace_with_mask(encoded.combine_chunks(), escaped.combine_chunks(), pa.array(decoded, pa.string()))


def _decoded(key: str, where: str) -> str:
    if _BAD_ESCAPE.search(key):
        raise ReportError(f"the key {key!r} is not URL-encoded", where=where)
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as error:
        raise ReportError(f"the key {key!r} is not URL-encoded UTF-8", where=where) from error


class _Inflated(io.RawIOBase):
    """The text of all gzip members, which must not grow without bound, and must close every quote it opens.

    The CSV reader takes an open quote at the end for a last field that holds all the rows after the quote.
    """

    def __init__(self, body: bytes, where: str) -> None:
        self._gzip = gzip.GzipFile(fileobj=io.BytesIO(body))
        self._limit = max(INFLATED_FLOOR, INFLATED_LIMIT * len(body))
        self._where = where
        self._size = 0
        self._quotes = 0

    def is_blank(self) -> bool:
        """Say whether there is no text at all, before the first read."""
        return not self._gzip.peek(1)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        text = self._gzip.read(size)
        self._size += len(text)
        self._quotes += text.count(b'"')
        if self._size > self._limit:
            raise ReportError(f"a data file grows past {self._limit} bytes when unpacked", where=self._where)
        return text

    def check_quotes(self) -> None:
        """Refuse a text that ends within quotes.

        Raises:
            ReportError: The count of quotes is odd.
        """
        if self._quotes % 2:
            raise ReportError("a data file ends within quotes", where=self._where)


DECODERS: Mapping[str, Decoder] = {"CSV": _decode_csv}
