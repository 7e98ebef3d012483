"""Objects in, a report as AWS Inventory would write it of them out: CSV, ORC or Parquet, manifest and checksum.

For demonstrations and tests: no AWS account is needed to see how a report is read. The layout follows the S3 User Guide
(docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html) and published reports. Reading is for
`lake.report`, which shares no encoding with this file. A new format is one more entry of `_FORMATS`.
"""

import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from urllib.parse import quote_plus
from uuid import NAMESPACE_URL, uuid5

import pyarrow as pa

from adce_assets.lake.store import LakeStore, StoredObject, key_prefix

MANIFEST_VERSION = "2016-11-30"
ROWS_PER_FILE = 1_000_000

CSV_SCHEMA = "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass, IsMultipartUploaded"
"""The columns of a report of current versions with four optional fields, in AWS's order whatever was asked for."""
ORC_SCHEMA = (
    "struct<bucket:string,key:string,size:bigint,last_modified_date:timestamp,"
    "e_tag:string,storage_class:string,is_multipart_uploaded:boolean>"
)
PARQUET_SCHEMA = (
    "message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);  optional int64 size;"
    "  optional int64 last_modified_date (TIMESTAMP(MILLIS,true));  optional binary e_tag (STRING);"
    "  optional binary storage_class (STRING);  optional boolean is_multipart_uploaded;}"
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def write_report(
    store: LakeStore,
    objects: Iterable[StoredObject],
    *,
    prefix: str,
    bucket: str,
    config_id: str,
    created_at: datetime,
    rows_per_file: int = ROWS_PER_FILE,
    file_format: str = "CSV",
) -> str:
    """Write a report in the order in which AWS uploads it: data, symlink, manifest, and last the checksum.

    Args:
        store: The lake that receives the report. If its URL has a prefix, the report's keys begin with it, as AWS's do.
        objects: What the report says is there, in any order; a report of nothing has one empty data file.
        prefix: The destination prefix; slashes at its ends do not matter.
        bucket: The source bucket, which is the destination too.
        config_id: The id of the inventory configuration.
        created_at: When AWS began to look, aware; it names the report.
        rows_per_file: The most rows of one data file.
        file_format: "CSV", "ORC" or "Parquet".

    Returns:
        The key of the manifest. Equal arguments write equal bytes.
    """
    written = _FORMATS[file_format]
    top = "/".join(part for part in (prefix.strip("/"), bucket, config_id) if part)
    root = key_prefix(store.url)
    moment = created_at.astimezone(UTC)
    files = []
    for number, part in enumerate(_parts(objects, rows_per_file)):
        name = uuid5(NAMESPACE_URL, f"{top}/{moment.isoformat()}/{number}")
        key = f"{top}/data/{name}.{written.suffix}"
        body = written.encode(part, bucket, root)
        store.put(key, body)
        files.append({"key": root + key, "size": len(body), "MD5checksum": _md5(body)})
    links = "".join(f"s3://{bucket}/{file['key']}\n" for file in files)
    store.put(f"{top}/hive/dt={moment:%Y-%m-%d-%H-%M}/symlink.txt", links.encode())
    document: dict[str, object] = {
        "sourceBucket": bucket,
        "destinationBucket": f"arn:aws:s3:::{bucket}",
        "version": MANIFEST_VERSION,
        "creationTimestamp": str((moment - _EPOCH) // _MILLISECOND),
        "fileFormat": file_format,
        "fileSchema": written.schema,
        "files": files,
    }
    return _finish(store, f"{top}/{moment:%Y-%m-%dT%H-%MZ}/", document)


def _parts(objects: Iterable[StoredObject], rows_per_file: int) -> Iterator[list[StoredObject]]:
    found = iter(objects)
    part = list(islice(found, rows_per_file))
    yield part
    while part := list(islice(found, rows_per_file)):
        yield part


def _finish(store: LakeStore, folder: str, document: dict[str, object]) -> str:
    manifest = json.dumps(document, indent=2, separators=(",", " : ")).encode()
    store.put(f"{folder}manifest.json", manifest)
    store.put(f"{folder}manifest.checksum", f"{_md5(manifest)}\n".encode())
    return f"{folder}manifest.json"


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _csv(objects: Sequence[StoredObject], bucket: str, root: str) -> bytes:
    """Quote every field, and encode keys as a form is."""
    return gzip.compress("".join(_csv_row(found, bucket, root) for found in objects).encode(), mtime=0)


def _csv_row(found: StoredObject, bucket: str, root: str) -> str:
    key = quote_plus(root + found.key, safe="/")
    written = found.last_modified.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    multipart = "true" if _is_multipart(found) else "false"
    return f'"{bucket}","{key}","{found.size}","{written}Z","{found.etag}","STANDARD","{multipart}"\n'


def _orc(objects: Sequence[StoredObject], bucket: str, root: str) -> bytes:
    """Write times without a zone, as AWS does."""
    from pyarrow import orc

    table = _table(objects, bucket, root)
    place = table.schema.get_field_index("last_modified_date")
    times = table.column(place).cast(pa.timestamp("ns", "UTC")).cast(pa.timestamp("ns"))
    body = io.BytesIO()
    orc.write_table(table.set_column(place, "last_modified_date", times), body, compression="zlib")
    return body.getvalue()


def _parquet(objects: Sequence[StoredObject], bucket: str, root: str) -> bytes:
    from pyarrow import parquet

    body = io.BytesIO()
    table = _table(objects, bucket, root)
    parquet.write_table(table, body, version="1.0", compression="snappy", store_schema=False)
    return body.getvalue()


def _table(objects: Sequence[StoredObject], bucket: str, root: str) -> pa.Table:
    """Put the objects into columns with the names and types of AWS's Parquet files, keys as they are."""
    count = len(objects)
    schema = pa.schema(
        [
            pa.field("bucket", pa.string(), nullable=False),
            pa.field("key", pa.string(), nullable=False),
            pa.field("size", pa.int64()),
            pa.field("last_modified_date", pa.timestamp("ms", "UTC")),
            pa.field("e_tag", pa.string()),
            pa.field("storage_class", pa.string()),
            pa.field("is_multipart_uploaded", pa.bool_()),
        ]
    )
    columns = [
        pa.array([bucket] * count, pa.string()),
        pa.array([root + found.key for found in objects], pa.string()),
        pa.array([found.size for found in objects], pa.int64()),
        pa.array([(found.last_modified - _EPOCH) // _MILLISECOND for found in objects], pa.int64()).cast(
            pa.timestamp("ms", "UTC")
        ),
        pa.array([found.etag for found in objects], pa.string()),
        pa.array(["STANDARD"] * count, pa.string()),
        pa.array([_is_multipart(found) for found in objects], pa.bool_()),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _is_multipart(found: StoredObject) -> bool:
    return "-" in found.etag


@dataclass(frozen=True, slots=True)
class _Format:
    """How the data files of one format are named and made, and what the manifest says of their columns."""

    suffix: str
    schema: str
    encode: Callable[[Sequence[StoredObject], str, str], bytes]


_FORMATS = {
    "CSV": _Format("csv.gz", CSV_SCHEMA, _csv),
    "ORC": _Format("orc", ORC_SCHEMA, _orc),
    "Parquet": _Format("parquet", PARQUET_SCHEMA, _parquet),
}
