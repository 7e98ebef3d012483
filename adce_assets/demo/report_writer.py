"""Objects in, a report as AWS Inventory would write it of them out: CSV, gzip, manifest and checksum.

For demonstrations and tests: no AWS account is needed to see how a report is read. The layout follows the S3 User Guide
(docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html) and published reports. Reading is for
`lake.report`, which shares no encoding with this file.
"""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from urllib.parse import quote_plus
from uuid import NAMESPACE_URL, uuid5

from adce_assets.lake.store import LakeStore, StoredObject, key_prefix

COLUMNS = "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass, IsMultipartUploaded"
"""The columns of a report of current versions with four optional fields, in AWS's order whatever was asked for."""

MANIFEST_VERSION = "2016-11-30"
ROWS_PER_FILE = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_report(
    store: LakeStore,
    objects: Iterable[StoredObject],
    *,
    prefix: str,
    bucket: str,
    config_id: str,
    created_at: datetime,
    rows_per_file: int = ROWS_PER_FILE,
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

    Returns:
        The key of the manifest. Equal arguments write equal bytes.
    """
    top = "/".join(part for part in (prefix.strip("/"), bucket, config_id) if part)
    root = key_prefix(store.url)
    moment = created_at.astimezone(UTC)
    files = []
    for number, rows in enumerate(_bodies(objects, bucket, root, rows_per_file)):
        key = f"{top}/data/{uuid5(NAMESPACE_URL, f'{top}/{moment.isoformat()}/{number}')}.csv.gz"
        body = gzip.compress(rows, mtime=0)
        store.put(key, body)
        files.append({"key": root + key, "size": len(body), "MD5checksum": _md5(body)})
    links = "".join(f"s3://{bucket}/{file['key']}\n" for file in files)
    store.put(f"{top}/hive/dt={moment:%Y-%m-%d-%H-%M}/symlink.txt", links.encode())
    return _finish(store, f"{top}/{moment:%Y-%m-%dT%H-%MZ}/", _manifest(bucket, moment, files))


def _bodies(objects: Iterable[StoredObject], bucket: str, root: str, rows_per_file: int) -> Iterator[bytes]:
    rows = (_row(found, bucket, root) for found in objects)
    body = "".join(islice(rows, rows_per_file))
    yield body.encode()
    while body := "".join(islice(rows, rows_per_file)):
        yield body.encode()


def _row(found: StoredObject, bucket: str, root: str) -> str:
    key = quote_plus(root + found.key, safe="/")
    written = found.last_modified.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    multipart = "true" if "-" in found.etag else "false"
    return f'"{bucket}","{key}","{found.size}","{written}Z","{found.etag}","STANDARD","{multipart}"\n'


def _manifest(bucket: str, moment: datetime, files: list[dict[str, str | int]]) -> bytes:
    document = {
        "sourceBucket": bucket,
        "destinationBucket": f"arn:aws:s3:::{bucket}",
        "version": MANIFEST_VERSION,
        "creationTimestamp": str((moment - _EPOCH) // timedelta(milliseconds=1)),
        "fileFormat": "CSV",
        "fileSchema": COLUMNS,
        "files": files,
    }
    return json.dumps(document, indent=2, separators=(",", " : ")).encode()


def _finish(store: LakeStore, folder: str, manifest: bytes) -> str:
    store.put(f"{folder}manifest.json", manifest)
    store.put(f"{folder}manifest.checksum", f"{_md5(manifest)}\n".encode())
    return f"{folder}manifest.json"


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
