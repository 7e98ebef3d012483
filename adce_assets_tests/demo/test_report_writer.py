"""A report's bytes, held against what AWS's documents and published reports have."""

import gzip
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from adce_assets.demo.report_writer import write_report
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.store import StoredObject

NIGHT = datetime(2025, 11, 5, 1, 0, tzinfo=UTC)


class RecordingStore(FileStore):
    """A store in memory that remembers the order of writing."""

    def __init__(self, url: str = "file:///nowhere") -> None:
        self.url = url
        self.written: dict[str, bytes] = {}

    def put(self, key: str, body: bytes | Path) -> str:
        assert isinstance(body, bytes)
        self.written[key] = body
        return ""


def written(
    *objects: StoredObject,
    store: RecordingStore | None = None,
    created_at: datetime = NIGHT,
    file_format: str = "CSV",
) -> RecordingStore:
    store = RecordingStore() if store is None else store
    write_report(
        store,
        objects,
        prefix="/inventory-reports/",
        bucket="nba-lake",
        config_id="daily",
        created_at=created_at,
        rows_per_file=2,
        file_format=file_format,
    )
    return store


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def stored(key: str, etag: str = "abc", size: int = 7) -> StoredObject:
    return StoredObject(key, size, etag, datetime(2025, 11, 4, 22, 37, 48, 123456, tzinfo=UTC))


def data_of(store: RecordingStore) -> list[bytes]:
    return [gzip.decompress(body) for key, body in store.written.items() if key.endswith(".csv.gz")]


def test_the_parts_are_uploaded_in_aws_order():
    store = written(stored("a"), stored("b"), stored("c"))
    names = [key.removeprefix("inventory-reports/nba-lake/daily/") for key in store.written]
    assert [name.split("/")[0] for name in names] == ["data", "data", "hive", "2025-11-05T01-00Z", "2025-11-05T01-00Z"]
    assert names[2:] == [
        "hive/dt=2025-11-05-01-00/symlink.txt",
        "2025-11-05T01-00Z/manifest.json",
        "2025-11-05T01-00Z/manifest.checksum",
    ]


def test_a_row_is_quoted_and_its_key_encoded_as_a_form():
    [body] = data_of(written(stored("dt=1/a b+c/ü,\"'\n%", "abc-2")))
    assert body == (
        b'"nba-lake","dt%3D1/a+b%2Bc/%C3%BC%2C%22%27%0A%25","7","2025-11-04T22:37:48.123Z","abc-2","STANDARD","true"\n'
    )


def test_the_manifest_says_what_was_written():
    store = written(stored("a"), stored("b"), stored("c"))
    text = store.written["inventory-reports/nba-lake/daily/2025-11-05T01-00Z/manifest.json"]
    assert b'{\n  "sourceBucket" : "nba-lake",\n' in text
    manifest = json.loads(text)
    files = manifest.pop("files")
    assert manifest == {
        "sourceBucket": "nba-lake",
        "destinationBucket": "arn:aws:s3:::nba-lake",
        "version": "2016-11-30",
        "creationTimestamp": "1762304400000",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass, IsMultipartUploaded",
    }
    bodies = [store.written[file["key"]] for file in files]
    assert [file["size"] for file in files] == [len(body) for body in bodies]
    assert [file["MD5checksum"] for file in files] == [md5(body) for body in bodies]
    assert [gzip.decompress(body).count(b"\n") for body in bodies] == [2, 1]
    checksum = store.written["inventory-reports/nba-lake/daily/2025-11-05T01-00Z/manifest.checksum"]
    assert checksum == md5(text).encode() + b"\n"
    symlink = store.written["inventory-reports/nba-lake/daily/hive/dt=2025-11-05-01-00/symlink.txt"]
    assert symlink.decode().splitlines() == [f"s3://nba-lake/{file['key']}" for file in files]


def test_keys_below_a_prefix_are_those_of_the_whole_bucket():
    store = written(stored("a"), store=RecordingStore("s3://nba-lake/lake/raw"))
    assert data_of(store)[0].startswith(b'"nba-lake","lake/raw/a",')
    manifest = json.loads(store.written["inventory-reports/nba-lake/daily/2025-11-05T01-00Z/manifest.json"])
    assert manifest["files"][0]["key"].startswith("lake/raw/inventory-reports/nba-lake/daily/data/")


def test_a_report_of_nothing_has_one_empty_file():
    assert data_of(written()) == [b""]


@pytest.mark.parametrize("file_format", ["CSV", "ORC", "Parquet"])
def test_equal_arguments_write_equal_bytes(file_format: str):
    first, second = (written(stored("a"), stored("b"), file_format=file_format) for _ in range(2))
    assert first.written == second.written


def test_the_time_is_told_in_utc():
    eastern = NIGHT.astimezone(timezone(timedelta(hours=-5)))
    assert written(stored("a"), created_at=eastern).written == written(stored("a")).written


SCHEMAS = {
    "ORC": "struct<bucket:string,key:string,size:bigint,last_modified_date:timestamp,e_tag:string,"
    "storage_class:string,is_multipart_uploaded:boolean>",
    "Parquet": "message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);"
    "  optional int64 size;  optional int64 last_modified_date (TIMESTAMP(MILLIS,true));"
    "  optional binary e_tag (STRING);  optional binary storage_class (STRING);"
    "  optional boolean is_multipart_uploaded;}",
}


@pytest.mark.parametrize("file_format", SCHEMAS)
def test_the_manifest_says_format_and_columns_as_aws_does(file_format: str):
    store = written(stored("a"), stored("b"), stored("c"), file_format=file_format)
    manifest = json.loads(store.written["inventory-reports/nba-lake/daily/2025-11-05T01-00Z/manifest.json"])
    assert (manifest["fileFormat"], manifest["fileSchema"]) == (file_format, SCHEMAS[file_format])
    assert [file["key"].rpartition(".")[2] for file in manifest["files"]] == [file_format.lower()] * 2
    assert [file["MD5checksum"] for file in manifest["files"]] == [
        md5(store.written[file["key"]]) for file in manifest["files"]
    ]


def body_of(store: RecordingStore) -> io.BytesIO:
    [body] = [body for key, body in store.written.items() if "/data/" in key]
    return io.BytesIO(body)


def row_of(moment: datetime) -> dict[str, object]:
    return {
        "bucket": "nba-lake",
        "key": "a b+c/ü\n",
        "size": 7,
        "last_modified_date": moment,
        "e_tag": "abc-2",
        "storage_class": "STANDARD",
        "is_multipart_uploaded": True,
    }


def test_a_parquet_file_has_the_form_of_those_that_aws_writes():
    body = body_of(written(stored("a b+c/ü\n", "abc-2"), file_format="Parquet"))
    metadata = parquet.read_metadata(body)
    assert metadata.format_version == "1.0"
    assert {metadata.row_group(0).column(number).compression for number in range(7)} == {"SNAPPY"}
    assert b"ARROW:schema" not in (metadata.metadata or {})
    table = parquet.read_table(body)
    assert [(field.name, field.type, field.nullable) for field in table.schema] == [
        ("bucket", pa.string(), False),
        ("key", pa.string(), False),
        ("size", pa.int64(), True),
        ("last_modified_date", pa.timestamp("ms", "UTC"), True),
        ("e_tag", pa.string(), True),
        ("storage_class", pa.string(), True),
        ("is_multipart_uploaded", pa.bool_(), True),
    ]
    assert table.to_pylist() == [row_of(datetime(2025, 11, 4, 22, 37, 48, 123000, tzinfo=UTC))]


def test_an_orc_file_has_the_form_of_those_that_aws_writes():
    file = orc.ORCFile(body_of(written(stored("a b+c/ü\n", "abc-2"), file_format="ORC")))
    assert file.compression == "ZLIB"
    table = file.read()
    assert table.schema.field("last_modified_date").type == pa.timestamp("ns")
    naive = datetime(2025, 11, 4, 22, 37, 48, 123000, tzinfo=UTC).replace(tzinfo=None)
    assert table.to_pylist() == [row_of(naive)]


def test_a_format_that_aws_does_not_write_is_none():
    with pytest.raises(KeyError, match="XLS"):
        written(stored("a"), file_format="XLS")
