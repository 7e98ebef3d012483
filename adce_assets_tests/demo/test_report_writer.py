"""A report's bytes, held against what AWS's documents and published reports have."""

import gzip
import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.demo.report_writer import write_report
from adce_assets.lake import report
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

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        assert (start, length) == (0, None)
        return self.written[key]

    def list_prefixes(self, prefix: str = "") -> list[str]:
        rests = [key.removeprefix(prefix) for key in self.written if key.startswith(prefix)]
        return sorted({prefix + rest[: rest.index("/") + 1] for rest in rests if "/" in rest})


def written(
    *objects: StoredObject, store: RecordingStore | None = None, created_at: datetime = NIGHT
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


def test_equal_arguments_write_equal_bytes():
    assert written(stored("a")).written == written(stored("a")).written


def test_the_time_is_told_in_utc():
    eastern = NIGHT.astimezone(timezone(timedelta(hours=-5)))
    assert written(stored("a"), created_at=eastern).written == written(stored("a")).written


@settings(max_examples=80, deadline=None)
@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), max_size=7))
def test_whatever_the_keys_are_they_are_read_again(keys: set[str]):
    store = written(*(stored(key) for key in keys))
    found = report.newest(store, prefix="inventory-reports")
    assert found is not None
    assert found.created_at == NIGHT
    table = report.read(store, found, exclude=())
    assert table["key"].to_pylist() == sorted(keys, key=lambda key: key.encode())
