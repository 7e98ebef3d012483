"""The rows of reports: the same objects whatever the format, whatever their keys."""

import gzip
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets import tables
from adce_assets.demo.report_writer import write_report
from adce_assets.lake import report
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.slices import Slice
from adce_assets.lake.store import OBJECT_SCHEMA, LakeStore, StoredObject, key_prefix
from adce_assets_tests.lake.damages import (
    BINARY_FORMATS,
    CURRENT_NAMES,
    ETAG,
    TYPES,
    VERSIONED,
    WRITTEN,
    binary,
    body,
    current,
    row,
    table,
    version,
)
from adce_assets_tests.lake.deliveries import TOP, Delivery
from adce_assets_tests.real_lake import objects

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

FORMATS = ("CSV", *BINARY_FORMATS)
NIGHT = datetime(2025, 11, 5, 1, 0, tzinfo=UTC)
ODD_KEYS = [
    "a b",
    "a+b",
    "a%2Bb",
    "dt=1/ü/🏀",
    "a,b\"c'd",
    "a\nb\r\nc",
    "folder/",
    "a//b",
    "%",
    " ",
    "\U0010ffff",
    "NA",
    "null",
]


@pytest.fixture(scope="module")
def backend() -> Iterator["Backend"]:
    with tables.engine() as opened:
        yield opened


@pytest.fixture
def lake(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "lake")


def read(store: LakeStore, backend: "Backend", exclude: Sequence[str] = ()) -> pa.Table:
    """Read the newest report whole, in the order of its keys."""
    found = report.newest(store, prefix="inventory-reports")
    assert found is not None
    with tempfile.TemporaryDirectory() as folder:
        files = report.fetch(store, found, Path(folder))
        rows = report.rows(backend, found, files, root=key_prefix(store.url), exclude=exclude).of(Slice())
        return backend.to_pyarrow(rows.order_by("key")).cast(OBJECT_SCHEMA)


def keys(store: LakeStore, backend: "Backend", exclude: Sequence[str] = ()) -> list[str]:
    return read(store, backend, exclude)["key"].to_pylist()


def write(store: LakeStore, found: Sequence[StoredObject], file_format: str, rows_per_file: int = 100_000) -> None:
    write_report(
        store,
        found,
        prefix="inventory-reports",
        bucket="nba-lake",
        config_id="all",
        created_at=NIGHT,
        rows_per_file=rows_per_file,
        file_format=file_format,
    )


def stored(key: str) -> StoredObject:
    return StoredObject(key, len(key), ETAG, WRITTEN)


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_object_is_told_in_the_same_columns_by_every_format(lake: FileStore, backend: "Backend", file_format: str):
    write(lake, [stored("pbp/1.json")], file_format)
    expected = {"key": "pbp/1.json", "size": 10, "last_modified": WRITTEN, "etag": ETAG}
    assert read(lake, backend).to_pylist() == [expected]


@pytest.mark.parametrize("file_format", FORMATS)
def test_odd_keys_come_back_exactly(lake: FileStore, backend: "Backend", file_format: str):
    write(lake, [stored(key) for key in ODD_KEYS], file_format, rows_per_file=5)
    assert keys(lake, backend) == sorted(ODD_KEYS, key=lambda key: key.encode())


@settings(max_examples=6)
@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), max_size=30))
def test_whatever_the_keys_are_they_are_read_again_from_every_format(found: set[str]):
    expected = sorted(found, key=lambda key: key.encode())
    with tables.engine() as backend:
        for file_format in FORMATS:
            with tempfile.TemporaryDirectory() as folder:
                store = FileStore(Path(folder))
                write(store, [stored(key) for key in found], file_format, rows_per_file=11)
                assert keys(store, backend) == expected


def test_the_real_lake_is_the_same_table_in_every_format(tmp_path: Path, backend: "Backend"):
    found = [
        StoredObject(one.key, one.size, hashlib.md5(one.key.encode()).hexdigest(), one.last_modified)  # noqa: S324
        for one in objects()
    ]
    expected = pa.table(
        {
            "key": [one.key for one in found],
            "size": [one.size for one in found],
            "last_modified": pa.array([one.last_modified for one in found], pa.timestamp("us", "UTC")),
            "etag": [one.etag for one in found],
        },
        schema=OBJECT_SCHEMA,
    )
    for file_format in FORMATS:
        store = FileStore(tmp_path / file_format)
        write(store, found[::-1], file_format)
        assert read(store, backend).equals(expected)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("a+b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%2bb", "a+b"),
        ("a%20b", "a b"),
        ("dt%3D2025-11-05/x", "dt=2025-11-05/x"),
        ("%C3%BC/%F0%9F%8F%80", "ü/🏀"),
        ("a%2Cb%22c%27d", "a,b\"c'd"),
        ("a%0Ab%0Dc", "a\nb\rc"),
        ("a%252Bb", "a%2Bb"),
        ("a,b", "a,b"),
        ('a""b', 'a"b'),
        ("a\nb", "a\nb"),
        ("NULL", "NULL"),
    ],
)
def test_encoded_keys_are_decoded_exactly(lake: FileStore, backend: "Backend", written: str, key: str):
    Delivery([current("0") + current(written) + current("%F4%8F%BF%BF")]).put(lake)
    assert keys(lake, backend) == ["0", key, "\U0010ffff"]


def test_rows_come_from_all_files_and_gzip_members(lake: FileStore, backend: "Backend"):
    two_members = gzip.compress(current("d") + current("b")) + gzip.compress(current("a") + b"\n\n")
    Delivery([two_members, current("c") + b"\n", gzip.compress(b""), current("e")[:-1]]).put(lake)
    assert keys(lake, backend) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_report_of_nothing_is_an_empty_table(lake: FileStore, backend: "Backend", file_format: str):
    write(lake, [], file_format)
    assert read(lake, backend).num_rows == 0


def test_files_of_blank_lines_are_an_empty_table(lake: FileStore, backend: "Backend"):
    Delivery([b"\n\n", b"\r\n"]).put(lake)
    assert read(lake, backend).num_rows == 0


def test_columns_may_stand_in_any_order_and_unknown_ones_are_passed_over(lake: FileStore, backend: "Backend"):
    columns = "LastModifiedDate, ObjectOwner, Key, Invented, Size"
    Delivery([row("2025-11-04T22:37:48.000Z", "me", "a", "?", "9")], columns).put(lake)
    assert read(lake, backend).to_pylist() == [{"key": "a", "size": 9, "last_modified": WRITTEN, "etag": ""}]


@pytest.mark.parametrize("file_format", BINARY_FORMATS)
def test_columns_of_other_formats_may_do_so_too(lake: FileStore, backend: "Backend", file_format: str):
    rows = table({"size": 9, "version_id": "?"}, names=("last_modified_date", "version_id", "key", "size"))
    binary(file_format, rows).put(lake)
    assert read(lake, backend).to_pylist() == [{"key": "a", "size": 9, "last_modified": WRITTEN, "etag": ""}]


VERSIONS: list[tuple[str, bool, bool, int | None, str | None]] = [
    ("deleted", True, True, None, "v2"),
    ("deleted", False, False, 5, "v1"),
    ("twice", False, False, 1, "v1"),
    ("twice", True, False, 2, "v2"),
    ("twice", False, True, None, "v0"),
    ("unversioned", True, False, 3, None),
]


def versions(file_format: str) -> Delivery:
    if file_format == "CSV":
        rows = [
            version(key, str(latest).lower(), str(deleted).lower(), "" if size is None else str(size), name or "")
            for key, latest, deleted, size, name in VERSIONS
        ]
        return Delivery([b"".join(rows)], VERSIONED)
    names = ("key", "is_latest", "is_delete_marker", "size", "version_id")
    return binary(file_format, table(*(dict(zip(names, found, strict=True)) for found in VERSIONS), names=tuple(TYPES)))


@pytest.mark.parametrize("file_format", FORMATS)
def test_only_what_is_there_now_is_there(lake: FileStore, backend: "Backend", file_format: str):
    versions(file_format).put(lake)
    found = read(lake, backend)
    assert found["key"].to_pylist() == ["twice", "unversioned"]
    assert found["size"].to_pylist() == [2, 3]


@pytest.mark.parametrize("file_format", BINARY_FORMATS)
def test_an_etag_that_is_not_said_is_empty(lake: FileStore, backend: "Backend", file_format: str):
    binary(file_format, table({"e_tag": None})).put(lake)
    assert read(lake, backend)["etag"].to_pylist() == [""]


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_reports_themselves_are_left_out_as_the_caller_asks(lake: FileStore, backend: "Backend", file_format: str):
    found = ["_adce/x", f"{TOP}/data/1.csv.gz", "inventory-reports2", "pbp/1"]
    write(lake, [stored(key) for key in found], file_format)
    assert keys(lake, backend) == found
    assert keys(lake, backend, ("_adce/", "inventory-reports/")) == found[2:]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_lake_below_a_prefix_knows_its_objects_without_it(lake: FileStore, backend: "Backend", file_format: str):
    write(lake, [stored(key) for key in ("lagé/b", "lagé/", "lagé", "lagé0/x", "other/a", "lagé/ü c")], file_format)
    found = report.newest(lake, prefix="inventory-reports")
    assert found is not None
    with tempfile.TemporaryDirectory() as folder:
        files = report.fetch(lake, found, Path(folder))
        for exclude, expected in (((), ["b", "ü c"]), (("ü",), ["b"])):
            rows = report.rows(backend, found, files, root="lagé/", exclude=exclude).of(Slice()).order_by("key")
            assert backend.to_pyarrow(rows)["key"].to_pylist() == expected


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_key_twice_stands_twice_for_the_caller_to_refuse(lake: FileStore, backend: "Backend", file_format: str):
    write(lake, [stored("a"), stored("b"), stored("a")], file_format, rows_per_file=2)
    assert keys(lake, backend) == ["a", "a", "b"]


def test_a_parquet_without_statistics_is_read_too(lake: FileStore, backend: "Backend"):
    plain = body(table({"key": "b"}, {"key": "a"}), "Parquet", write_statistics=False)
    Delivery([plain], file_format="Parquet").put(lake)
    assert keys(lake, backend) == ["a", "b"]


def test_times_of_any_unit_and_zone_are_read(lake: FileStore, backend: "Backend"):
    for unit in ("ms", "us", "ns"):
        for zone in ("UTC", None):
            moment = WRITTEN if zone else WRITTEN.replace(tzinfo=None)
            kinds = {"last_modified_date": pa.timestamp(unit, zone)}
            binary("Parquet", table({"last_modified_date": moment}, names=CURRENT_NAMES, **kinds)).put(lake)
            assert read(lake, backend)["last_modified"].to_pylist() == [WRITTEN]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_report_and_a_listing_of_one_lake_are_one_table(store: LakeStore, backend: "Backend", file_format: str):
    for key in ("pbp/1.json", "a b+c=d/ü", "box/2.json"):
        store.put(key, key.encode())
    listed = sorted(store.list(), key=lambda found: found.key.encode())
    write(store, listed[::-1], file_format, rows_per_file=2)
    reported = read(store, backend).to_pylist()
    expected: list[dict[str, Any]] = [
        {"key": found.key, "size": found.size, "etag": found.etag, "last_modified": _cut(found.last_modified)}
        for found in listed
    ]
    assert reported == expected


def _cut(moment: datetime) -> datetime:
    return moment - timedelta(microseconds=moment.microsecond % 1000)
