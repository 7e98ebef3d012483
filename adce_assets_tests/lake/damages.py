"""Every way in which a report is known to come damaged, by name, with what the refusal of each must say.

Each is a report of `nba-lake` under the id `everything` below `inventory-reports/`, made without the product's own
writer. It may be damaged where it is found (its manifest) or where it is fetched (its data).
"""

import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyarrow import orc, parquet

from adce_assets.lake.store import LakeStore
from adce_assets_tests.lake.deliveries import CURRENT_COLUMNS, NIGHT, Delivery

VERSIONED = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag"
WRITTEN = datetime(2025, 11, 4, 22, 37, 48, tzinfo=UTC)
ETAG = "0a25f5b3f4a6f23f8b2eb7ad8a4e1f9e"
BINARY_FORMATS = ("ORC", "Parquet")

TYPES: dict[str, pa.DataType] = {
    "bucket": pa.string(),
    "key": pa.string(),
    "version_id": pa.string(),
    "is_latest": pa.bool_(),
    "is_delete_marker": pa.bool_(),
    "size": pa.int64(),
    "last_modified_date": pa.timestamp("ms", "UTC"),
    "e_tag": pa.string(),
}
CURRENT_NAMES = ("bucket", "key", "size", "last_modified_date", "e_tag")


@dataclass(frozen=True)
class Damage:
    """A damaged report: what is delivered, what is then done to its first data file, and what the refusal says."""

    name: str
    delivery: Delivery
    text: str
    """A regular expression for the error's text."""
    spoil: Callable[[LakeStore, str], object] = field(default=lambda *_: None)

    def write(self, store: LakeStore, folder: str = NIGHT) -> None:
        """Deliver it as the report of that night."""
        delivery = replace(self.delivery, folder=folder)
        delivery.put(store)
        self.spoil(store, delivery.data_key(0))


def row(*values: str) -> bytes:
    return ",".join(f'"{value}"' for value in values).encode() + b"\n"


def current(key: str, size: str = "7", written: str = "2025-11-04T22:37:48.000Z") -> bytes:
    return row("nba-lake", key, size, written, ETAG, "STANDARD")


def version(key: str, latest: str, deleted: str, size: str = "7", name: str = "v1") -> bytes:
    return row("nba-lake", key, name, latest, deleted, size, "2025-11-04T22:37:48.000Z", "")


def table(*rows: dict[str, Any], names: tuple[str, ...] = CURRENT_NAMES, **types: pa.DataType) -> pa.Table:
    """Make the rows of an ORC or Parquet file, each an object with what is said otherwise of it."""
    usual = {
        "bucket": "nba-lake",
        "key": "a",
        "size": 7,
        "last_modified_date": WRITTEN,
        "e_tag": ETAG,
        "is_latest": True,
        "is_delete_marker": False,
        "version_id": None,
    }
    whole = [usual | row for row in rows]
    return pa.table({name: column([row[name] for row in whole], {**TYPES, **types}[name]) for name in names})


def column(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Make a column in which a text may be bytes that are no text."""
    if kind == pa.string():
        raw = [value.encode() if isinstance(value, str) else value for value in values]
        return pa.array(raw, pa.binary()).view(pa.string())
    return pa.array(values, kind)


def body(rows: pa.Table, file_format: str, **options: Any) -> bytes:
    """Write a data file as AWS does; ORC has no zone in its times."""
    written = io.BytesIO()
    if file_format == "Parquet":
        parquet.write_table(
            rows, written, **{"version": "1.0", "compression": "snappy", "store_schema": False} | options
        )
        return written.getvalue()
    for place, kind in enumerate(rows.schema.types):
        if pa.types.is_timestamp(kind):
            naive = rows.column(place).cast(pa.timestamp("ns", "UTC")).cast(pa.timestamp("ns"))
            rows = rows.set_column(place, rows.schema.names[place], naive)
    orc.write_table(rows, written, compression="zlib")
    return written.getvalue()


def binary(file_format: str, *tables: pa.Table, **changes: Any) -> Delivery:
    """Deliver one data file for each table."""
    return Delivery(
        [body(rows, file_format) for rows in tables], file_format=file_format, columns="struct<>", **changes
    )


ROW = current("pbp/1.json")


def _manifests() -> Iterator[Damage]:
    def of(name: str, text: str, **document: Any) -> Damage:
        return Damage(f"manifest: {name}", Delivery([ROW], document=document), text)

    yield Damage("manifest: checksum of another", Delivery([ROW], checksum=b"0" * 32 + b"\n"), "checksum says b'0000")
    yield Damage("manifest: checksum cut", Delivery([ROW], checksum=b"0"), "checksum says b'0'")
    yield of("an unknown format", r"XLS cannot be read(?s:.*)valid: CSV, ORC, Parquet", fileFormat="XLS")
    yield of("no format", "`fileFormat`", fileFormat=None)
    yield of("no schema", "`fileSchema`", fileSchema=None)
    yield of("no bucket", "`sourceBucket`", sourceBucket=None)
    yield of("no version", "`version`", version=None)
    yield of("another version", "version is `2030-01-01`(?s:.*)2016-11-30", version="2030-01-01")
    yield of("no files", "names no data file", files=[])
    yield of("files missing", "`files`", files=None)
    part = {"key": "a", "size": 1, "MD5checksum": "0" * 32}
    yield of("a file without key", r"files\.0\.key", files=[part | {"key": ""}])
    yield of("a file without checksum", r"files\.0\.MD5checksum", files=[{"key": "a", "size": 1}])
    yield of("a file with half a checksum", r"files\.0\.MD5checksum", files=[part | {"MD5checksum": "0" * 16}])
    yield of("a file of negative size", r"files\.0\.size", files=[part | {"size": -1}])
    yield of("a file twice", "names a data file twice", files=[part, part])
    yield of("of another bucket", "manifest is of `b`", sourceBucket="b")
    yield of("no time", "`creationTimestamp`", creationTimestamp=None)
    yield of("a time in words", "`creationTimestamp`", creationTimestamp="yesterday")
    yield of("a time as a number", "`creationTimestamp`", creationTimestamp=1762304400000)
    yield of("a time that the folder denies", "began at 2030-01-01", creationTimestamp="1893459600000")
    yield of("a time past all calendars", "began at 5138", creationTimestamp="9" * 14)
    yield of("a column twice", "names a column twice", fileSchema="Bucket, Key, Key")
    yield of("a column without name", "column twice or not at all", fileSchema="Bucket,, Key")


def _texts() -> Iterator[Damage]:
    def of(name: str, data: bytes, text: str, columns: str = CURRENT_COLUMNS) -> Damage:
        before = [ROW.replace(b"pbp", b"box")] if columns == CURRENT_COLUMNS else []
        return Damage(f"CSV: {name}", Delivery([*before, data], columns), text)

    names = CURRENT_COLUMNS.split(", ")
    for missing in ("Key", "Size", "LastModifiedDate"):
        rest = [name for name in names if name != missing]
        text = rf"no column {missing}(?s:.*)hint: .*OptionalFields"
        yield Damage(f"CSV: no column {missing}", Delivery([row(*"xxxxx")], ", ".join(rest)), text)
    yield of("not packed", gzip.compress(b"")[:2] + b"garbage", "damaged: zlib inflate failed")
    yield of("packed bytes cut", gzip.compress(ROW * 100)[:-9], "damaged: Truncated compressed stream")
    yield of("packed with a wrong sum", gzip.compress(ROW)[:-8] + b"\0" * 8, "damaged: .*incorrect data check")
    yield of("junk after the last member", gzip.compress(ROW) + b"junk", "damaged: .*incorrect header check")
    yield of("no bytes at all", b"", "no bytes, not even those of gzip")
    yield of("a column too few", ROW + row("nba-lake", "b"), "Expected 6 columns, got 2")
    yield of("a column too many", ROW + row("nba-lake", "b", "1", "2025-11-04T22:37:48.000Z", "", "", ""), "got 7")
    yield of("a quote left open", ROW + current("b")[:-2], "Expected 6 columns, got 11")
    yield of("a quote opened too early", ROW + b'"' + current("b"), "of the bucket 'nba-lake\"'")
    yield of("a byte of no text", ROW + current("b").replace(b'"b"', b'"\xff"'), "`Key`.*invalid UTF8")
    yield of("a key that encodes no text", ROW + current("%FF"), "not URL-encoded UTF-8: .*%FF")
    yield of("a key that encodes half a pair", ROW + current("%ED%A0%80"), "not URL-encoded UTF-8: .*%ED%A0%80")
    yield of("a key that is not encoded", ROW + current("100%"), "key '100%' is not URL-encoded")
    yield of("a key that is half encoded", ROW + current("a%2") + ROW, "key 'a%2' is not URL-encoded")
    yield of("a key encoded in words", ROW + current("a%2xb"), "key 'a%2xb' is not URL-encoded")
    yield of("a key that is but the sign", ROW + current("%"), "key '%' is not URL-encoded")
    yield of("no key", ROW + current(""), "an object has no key")
    yield of("no size", ROW + current("b", size=""), "current object has no `Size`")
    yield of("a size in words", ROW + current("b", size="big"), "`Size`.*invalid value 'big'")
    yield of("a size too big", ROW + current("b", size="9" * 30), "`Size`.*invalid value '999")
    yield of("a negative size", ROW + current("b", size="-1"), "negative size")
    yield of("no time", ROW + current("b", written=""), "current object has no `LastModifiedDate`")
    yield of("a time without zone", ROW + current("b", written="2025-11-04T22:37:48"), "expected a zone offset")
    yield of("a row of another bucket", ROW + current("b").replace(b"nba-lake", b"b-lake"), "of the bucket 'b-lake'")
    yield of("a header", row(*names) + ROW, "`Size`.*invalid value 'Size'")
    yield of("a flag in words", version("a", "true", "maybe"), "`IsDeleteMarker`.*invalid value 'maybe'", VERSIONED)
    yield of("no flag", version("a", "", "false"), "`IsLatest` is neither true nor false", VERSIONED)


def _binaries(file_format: str) -> Iterator[Damage]:
    good, is_parquet = table({"key": "good"}), file_format == "Parquet"
    packed = body(good, file_format)

    def of(name: str, text: str, *tables: pa.Table, rows: list[bytes] | None = None) -> Damage:
        delivery = binary(file_format, good, *tables)
        delivery = delivery if rows is None else replace(delivery, rows=rows)
        return Damage(f"{file_format}: {name}", delivery, text)

    def kind(name: str, found: str, kind: pa.DataType, value: Any) -> Damage:
        names = CURRENT_NAMES if name in CURRENT_NAMES else (*CURRENT_NAMES, name)
        rows = table({name: value}, names=names, **{name: kind})
        text = rf"column `{name}` is {found}(?s:.*)valid: "
        return Damage(f"{file_format}: {name} is {found}", binary(file_format, rows), text)

    cannot = f"cannot be read as {file_format}: "
    other = "ORC" if is_parquet else "Parquet"
    yield of("no bytes at all", cannot, rows=[packed, b""])
    yield of("junk", cannot, rows=[packed, b"junk" * 100])
    yield of("cut at the end", cannot, rows=[packed, packed[:-7]])
    yield of("cut in the middle", cannot, rows=[packed, packed[: len(packed) // 2]])
    yield of("cut at the start", "cannot be read as|damaged: ", rows=[packed, packed[7:]])
    yield of(f"it is {other}", cannot, rows=[body(good, other)])
    yield of("it is CSV", cannot, rows=[gzip.compress(ROW)])
    for name in ("key", "size", "last_modified_date"):
        rest = tuple(one for one in CURRENT_NAMES if one != name)
        text = rf"no column {name}(?s:.*)hint: .*OptionalFields"
        yield Damage(f"{file_format}: no column {name}", binary(file_format, table({}, names=rest)), text)
    twice = pa.Table.from_arrays([*good.columns, good["size"]], names=[*CURRENT_NAMES, "size"])
    yield of("a column twice", "has the column `size` twice", rows=[body(twice, file_format)])
    yield kind("key", "binary", pa.binary(), b"a")
    yield kind("size", "string", pa.string(), "7")
    yield kind("last_modified_date", "int64", pa.int64(), 1762304400000)
    yield kind("last_modified_date", "string", pa.string(), "2025-11-04T22:37:48.000Z")
    yield kind("is_latest", "string", pa.string(), "true")
    yield kind("e_tag", "int64", pa.int64(), 1)
    yield of("no key", "an object has no key", table({}, {"key": None}))
    yield of("an empty key", "an object has no key", table({}, {"key": ""}))
    yield of("no size", "current object has no `size`", table({"size": None}))
    yield of("a negative size", "negative size", table({}, {"size": -1}))
    yield of("no time", "current object has no `last_modified_date`", table({"last_modified_date": None}))
    yield of("a row of another bucket", "another bucket than `nba-lake`", table({}, {"bucket": "b"}))
    yield of("a row of no bucket", "another bucket than `nba-lake`", table({}, {"bucket": None}))
    yield of("a key of no text", "damaged: .*(?i:utf|encod)", table({}, {"key": b"a\xff"}))
    yield of("an ETag of no text", "damaged: .*(?i:utf|encod)", table({}, {"e_tag": b"a\xff"}))
    for name in ("is_latest", "is_delete_marker"):
        versions = table({}, {name: None}, names=(*CURRENT_NAMES, "is_latest", "is_delete_marker"))
        text = f"`{name}` is neither true nor false"
        yield Damage(f"{file_format}: no {name}", binary(file_format, versions), text)
    yield of("parts that differ", "differ in the column is_latest", table({}, names=(*CURRENT_NAMES, "is_latest")))


def _parts() -> Iterator[Damage]:
    deliveries = {
        "CSV": Delivery([current("a"), current("b")]),
        **{name: binary(name, table({"key": "a"}), table({"key": "b"})) for name in BINARY_FORMATS},
    }
    for name, whole in deliveries.items():
        size = len(gzip.compress(whole.rows[0])) if name == "CSV" else len(whole.rows[0])
        cut = f"has {size - 1} bytes, the manifest says {size}"
        yield Damage(
            f"{name}: a part is missing", whole, "is missing(?s:.*)hint: a lifecycle", lambda s, k: s.delete(k)
        )
        yield Damage(f"{name}: a part is cut", whole, cut, lambda s, k: s.put(k, s.get(k)[:-1]))
        yield Damage(f"{name}: a part is empty", whole, "has 0 bytes", lambda s, k: s.put(k, b""))
        yield Damage(f"{name}: a part has grown", whole, "has more than", lambda s, k: s.put(k, s.get(k) + b"?"))
        yield Damage(
            f"{name}: a part is changed", whole, "a data file's MD5 is", lambda s, k: s.put(k, s.get(k)[:-1] + b"?")
        )


DAMAGES = (*_manifests(), *_texts(), *_binaries("ORC"), *_binaries("Parquet"), *_parts())
"""Which of them are found by `newest` alone begin with ``manifest``; the others are found by `fetch`."""
