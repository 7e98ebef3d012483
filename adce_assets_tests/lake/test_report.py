"""Reports made by hand, byte by byte, as AWS's documents and published reports have them, and ways to damage one."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adce_assets.demo.report_writer import write_report
from adce_assets.errors import LakeError, ReportError
from adce_assets.lake import listing, report
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.store import OBJECT_SCHEMA, LakeStore, StoredObject
from adce_assets_tests.lake.conftest import CURRENT_COLUMNS, NIGHT, TOP, Delivery, md5

VERSIONED = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag"


def row(*values: str) -> bytes:
    return ",".join(f'"{value}"' for value in values).encode() + b"\n"


def current(key: str, size: str = "7", written: str = "2025-11-04T22:37:48.000Z") -> bytes:
    return row("nba-lake", key, size, written, "0a25f5b3f4a6f23f8b2eb7ad8a4e1f9e", "STANDARD")


def version(key: str, latest: str, deleted: str, size: str = "7", name: str = "v1") -> bytes:
    return row("nba-lake", key, name, latest, deleted, size, "2025-11-04T22:37:48.000Z", "")


ROW = current("pbp/1.json")


@pytest.fixture
def lake(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "lake")


def newest(store: LakeStore, **named: str) -> report.ReportManifest:
    found = report.newest(store, prefix="inventory-reports/", **named)
    assert found is not None
    return found


def read_keys(store: LakeStore, **options: Any) -> list[str]:
    return report.read(store, newest(store), **options)["key"].to_pylist()


def test_a_report_as_aws_writes_it_is_read(lake: FileStore):
    lake.put(f"{TOP}/data/36bb9dd7.csv.gz", packed := gzip.compress(ROW))
    manifest = f"""{{
  "sourceBucket" : "nba-lake",
  "destinationBucket" : "arn:aws:s3:::nba-lake",
  "version" : "2016-11-30",
  "creationTimestamp" : "1762304400000",
  "fileFormat" : "CSV",
  "fileSchema" : "{CURRENT_COLUMNS}",
  "files" : [ {{
    "key" : "{TOP}/data/36bb9dd7.csv.gz",
    "size" : {len(packed)},
    "MD5checksum" : "{md5(packed)}"
  }} ]
}}""".encode()
    Delivery().put_manifest(lake, manifest)
    found = newest(lake)
    assert found == report.ReportManifest(
        source_bucket="nba-lake",
        config_id="everything",
        created_at=datetime(2025, 11, 5, 1, 0, tzinfo=UTC),
        prefix=f"{TOP}/2025-11-05T01-00Z/",
        file_format="CSV",
        columns=("Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass"),
        files=(report.ReportFile(f"{TOP}/data/36bb9dd7.csv.gz", len(packed), md5(packed)),),
        checksum=md5(manifest),
    )
    table = report.read(lake, found)
    assert table.schema == OBJECT_SCHEMA
    assert table.to_pylist() == [
        {
            "key": "pbp/1.json",
            "size": 7,
            "last_modified": datetime(2025, 11, 4, 22, 37, 48, tzinfo=UTC),
            "etag": "0a25f5b3f4a6f23f8b2eb7ad8a4e1f9e",
        }
    ]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("a+b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ("dt%3D2025-11-05/x", "dt=2025-11-05/x"),
        ("%C3%BC/%F0%9F%8F%80", "ü/🏀"),
        ("a%2Cb%22c%27d", "a,b\"c'd"),
        ("a%0Ab%0Dc", "a\nb\rc"),
        ("a%252Bb", "a%2Bb"),
        ("folder/", "folder/"),
        ("a//b", "a//b"),
        ("a,b", "a,b"),
        ('a""b', 'a"b'),
        ("a\nb", "a\nb"),
    ],
)
def test_keys_are_decoded_exactly(lake: FileStore, written: str, key: str):
    Delivery([current("0") + current(written) + current("%F4%8F%BF%BF")]).put(lake)
    assert read_keys(lake) == ["0", key, "\U0010ffff"]


def test_rows_come_sorted_from_all_files_and_gzip_members(lake: FileStore):
    two_members = gzip.compress(current("d") + current("b")) + gzip.compress(current("a") + b"\n\n")
    Delivery([two_members, current("c") + b"\n", gzip.compress(b"")]).put(lake)
    told: list[int] = []
    assert read_keys(lake, on_progress=told.append) == ["a", "b", "c", "d"]
    assert told[-1] == 4


def test_a_report_of_nothing_is_an_empty_table(lake: FileStore):
    Delivery([gzip.compress(b""), gzip.compress(b"\n\n")]).put(lake)
    table = report.read(lake, newest(lake))
    assert table.num_rows == 0
    assert table.schema == OBJECT_SCHEMA


def test_columns_may_stand_in_any_order_and_unknown_ones_are_passed_over(lake: FileStore):
    columns = "LastModifiedDate, ObjectOwner, Key, Invented, Size"
    Delivery([row("2025-11-04T22:37:48.000Z", "me", "a", "?", "9")], columns).put(lake)
    [found] = report.read(lake, newest(lake)).to_pylist()
    assert (found["key"], found["size"], found["etag"]) == ("a", 9, "")


@pytest.mark.parametrize("missing", ["Key", "Size", "LastModifiedDate"])
def test_a_column_that_is_needed_is_asked_for_by_name(lake: FileStore, missing: str):
    columns = [name for name in CURRENT_COLUMNS.split(", ") if name != missing]
    Delivery([row(*"xxxxx")], ", ".join(columns)).put(lake)
    with pytest.raises(ReportError, match=rf"no column {missing}(?s:.*)hint: .*OptionalFields"):
        report.read(lake, newest(lake))


def test_only_what_is_there_now_is_there(lake: FileStore):
    rows = [
        version("deleted", "true", "true", size=""),
        version("deleted", "false", "false"),
        version("twice", "false", "false", size="1"),
        version("twice", "true", "false", size="2", name="v2"),
        version("twice", "false", "true", size="", name="v0"),
        version("unversioned", "true", "false", size="3", name=""),
    ]
    Delivery([b"".join(rows)], VERSIONED).put(lake)
    table = report.read(lake, newest(lake))
    assert table["key"].to_pylist() == ["twice", "unversioned"]
    assert table["size"].to_pylist() == [2, 3]


def test_the_reports_themselves_are_left_out_as_the_caller_asks(lake: FileStore):
    keys = ["_adce/x", f"{TOP}/data/1.csv.gz", "inventory-reports2", "pbp/1"]
    Delivery([b"".join(current(key) for key in keys)]).put(lake)
    assert read_keys(lake) == keys[1:]
    assert read_keys(lake, exclude=("_adce/", "inventory-reports/")) == keys[2:]


def test_the_newest_complete_report_wins(lake: FileStore):
    Delivery(folder="2025-11-03T08-00Z").put(lake)
    Delivery(folder="2025-11-04T01-00Z").put(lake)
    Delivery(folder="2025-11-05T01-00Z", checksum=b"").put(lake)
    lake.put(f"{TOP}/2025-11-06T01-00Z/something else", b"")
    lake.put(f"{TOP}/hive/dt=2025-11-07-01-00/symlink.txt", b"")
    lake.put(f"{TOP}/2025-99-99T01-00Z.txt", b"")
    assert newest(lake).created_at == datetime(2025, 11, 4, 1, 0, tzinfo=UTC)


def test_where_there_is_no_report_yet_there_is_none(lake: FileStore):
    lake.put("pbp/1.json", b"")
    assert report.newest(lake, prefix="inventory-reports") is None
    Delivery(checksum=b"").put(lake)
    assert report.newest(lake, prefix="inventory-reports") is None
    assert report.newest(lake, prefix="inventory-reports", config_id="another") is None


def test_a_lake_that_is_not_there_is_not_a_lake_without_reports(tmp_path: Path):
    with pytest.raises(LakeError, match="no such folder"):
        report.newest(FileStore(tmp_path / "none"), prefix="inventory-reports")


def test_reports_may_lie_at_the_top_of_the_bucket(lake: FileStore):
    Delivery(top="nba-lake/everything").put(lake)
    found = report.newest(lake, prefix="", source_bucket="nba-lake", config_id="everything")
    assert found is not None
    assert found.prefix == "nba-lake/everything/2025-11-05T01-00Z/"


def test_several_configurations_are_never_mixed(lake: FileStore):
    Delivery(folder="2025-11-05T01-00Z").put(lake)
    Delivery(folder="2025-11-06T01-00Z", top="inventory-reports/nba-lake/only-pbp").put(lake)
    Delivery(folder="2025-11-07T01-00Z", top="inventory-reports/other-lake/everything").put(lake)
    lake.put("inventory-reports/README.txt", b"junk")
    lake.put("inventory-reports/junk/more/deep/junk.txt", b"")
    with pytest.raises(ReportError, match=r"several(?s:.*)valid: .*everything.*only-pbp.*other-lake(?s:.*)hint"):
        newest(lake)
    with pytest.raises(ReportError, match="several"):
        newest(lake, source_bucket="nba-lake")
    assert newest(lake, source_bucket="nba-lake", config_id="everything").created_at.day == 5
    assert newest(lake, source_bucket="nba-lake", config_id="only-pbp").created_at.day == 6
    assert newest(lake, source_bucket="other-lake").created_at.day == 7


DAMAGED_MANIFESTS: dict[str, tuple[Delivery, str]] = {
    "checksum of another": (Delivery(checksum=b"0" * 32 + b"\n"), "MD5 is"),
    "checksum cut": (Delivery(checksum=b"0"), "MD5 is"),
    "ORC": (Delivery(document={"fileFormat": "ORC"}), "ORC cannot be read(?s:.*)valid: CSV"),
    "Parquet": (Delivery(document={"fileFormat": "Parquet"}), "Parquet cannot be read(?s:.*)valid: CSV"),
    "no format": (Delivery(document={"fileFormat": None}), "fileFormat"),
    "another version": (Delivery(document={"version": "2030-01-01"}), "version is `2030-01-01`(?s:.*)2016-11-30"),
    "no files": (Delivery(document={"files": []}), "names no data file"),
    "files missing": (Delivery(document={"files": None}), "files"),
    "a file without checksum": (Delivery(document={"files": [{"key": "a", "size": 1}]}), "MD5checksum"),
    "a file of negative size": (
        Delivery(document={"files": [{"key": "a", "size": -1, "MD5checksum": "0" * 32}]}),
        "size",
    ),
    "of another bucket": (Delivery(document={"sourceBucket": "b"}), "manifest is of `b`"),
    "a time in words": (Delivery(document={"creationTimestamp": "yesterday"}), "creationTimestamp"),
    "a time as a number": (Delivery(document={"creationTimestamp": 1762304400000}), "creationTimestamp"),
    "a time that the folder denies": (Delivery(document={"creationTimestamp": "1893459600000"}), "2030-01-01"),
    "a time past all calendars": (Delivery(document={"creationTimestamp": "9" * 14}), "creationTimestamp|5138"),
    "a column twice": (Delivery(columns="Bucket, Key, Key"), "column twice"),
    "a column without name": (Delivery(columns="Bucket,, Key"), "column twice or not at all"),
}


@pytest.mark.parametrize(("delivery", "message"), DAMAGED_MANIFESTS.values(), ids=DAMAGED_MANIFESTS)
def test_a_damaged_manifest_is_refused_by_name(lake: FileStore, delivery: Delivery, message: str):
    Delivery(folder="2025-11-04T01-00Z").put(lake)
    delivery.put(lake)
    with pytest.raises(ReportError, match=message) as caught:
        newest(lake)
    assert "2025-11-05T01-00Z/manifest.json" in caught.value.where


def test_a_folder_that_is_named_like_no_time_is_refused(lake: FileStore):
    Delivery().put(lake)
    manifest = lake.get(f"{TOP}/{NIGHT}/manifest.json")
    Delivery(folder="2025-13-05T01-00Z").put_manifest(lake, manifest)
    with pytest.raises(ReportError, match="is no time"):
        newest(lake)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"files": "all"}'])
def test_a_manifest_that_is_no_manifest_is_refused(lake: FileStore, body: bytes):
    Delivery().put_manifest(lake, body)
    with pytest.raises(ReportError, match="the manifest's"):
        newest(lake)


def test_a_checksum_without_its_manifest_is_refused(lake: FileStore):
    Delivery().put(lake)
    lake.delete(f"{TOP}/{NIGHT}/manifest.json")
    with pytest.raises(ReportError, match="manifest is missing"):
        newest(lake)


DAMAGED_ROWS: dict[str, tuple[bytes, str]] = {
    "not gzip": (b"\x1f\x8bgarbage", "damaged"),
    "gzip cut": (gzip.compress(ROW * 100)[:-9], "damaged"),
    "gzip with a wrong sum": (gzip.compress(ROW)[:-8] + b"\0" * 8, "damaged"),
    "junk after the last member": (gzip.compress(ROW) + b"junk", "damaged"),
    "no bytes at all": (b"", "damaged"),
    "a column too few": (ROW + row("nba-lake", "b"), "damaged"),
    "a column too many": (ROW + row("nba-lake", "b", "1", "2025-11-04T22:37:48.000Z", "", "", ""), "damaged"),
    "a quote left open": (ROW + current("b")[:-2], "within quotes|damaged"),
    "a quote opened too early": (ROW + b'"' + current("b"), "within quotes|damaged"),
    "not UTF-8": (ROW + current("b").replace(b"b", b"\xff"), "damaged"),
    "a key that encodes no UTF-8": (ROW + current("%FF"), "not URL-encoded UTF-8"),
    "a key that is not encoded": (ROW + current("100%"), "not URL-encoded"),
    "no key": (ROW + current(""), "no key"),
    "no size": (ROW + current("b", size=""), "`Size`"),
    "a size in words": (ROW + current("b", size="big"), "`Size`"),
    "a negative size": (ROW + current("b", size="-1"), "negative size"),
    "no time": (ROW + current("b", written=""), "`LastModifiedDate`"),
    "a time without zone": (ROW + current("b", written="2025-11-04T22:37:48"), "`LastModifiedDate`"),
    "a row of another bucket": (ROW + current("b").replace(b"nba-lake", b"b-bucket"), "'b-bucket'"),
    "a key twice": (ROW + current("a") + ROW, "`pbp/1.json` as a current object twice"),
    "a header": (row(*CURRENT_COLUMNS.split(", ")) + ROW, "'Bucket'|`Size`"),
}


@pytest.mark.parametrize(("body", "message"), DAMAGED_ROWS.values(), ids=DAMAGED_ROWS)
def test_a_damaged_row_refuses_the_report(lake: FileStore, body: bytes, message: str):
    Delivery([ROW.replace(b"pbp", b"box"), body]).put(lake)
    with pytest.raises(ReportError, match=message) as caught:
        read_keys(lake)
    assert NIGHT in caught.value.where


def test_a_version_that_is_neither_latest_nor_not_is_refused(lake: FileStore):
    Delivery([version("a", "true", "maybe")], VERSIONED).put(lake)
    with pytest.raises(ReportError, match="`IsDeleteMarker` is 'maybe'"):
        read_keys(lake)


def test_a_file_that_unpacks_to_very_much_is_refused(lake: FileStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adce_assets.lake.report_rows.INFLATED_FLOOR", 1 << 16)
    Delivery([current("a" * 1000) * 5000]).put(lake)
    with pytest.raises(ReportError, match="grows past"):
        read_keys(lake)


SPOIL: dict[str, tuple[Callable[[LakeStore, str], object], str]] = {
    "missing": (lambda store, key: store.delete(key), "is missing"),
    "cut": (lambda store, key: store.put(key, store.get(key)[:-1]), "the manifest says"),
    "changed": (lambda store, key: store.put(key, store.get(key)[:-1] + b"?"), "MD5 is"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOIL.values(), ids=SPOIL)
def test_a_report_with_a_bad_part_is_never_a_partial_inventory(
    lake: FileStore, spoil: Callable[[LakeStore, str], object], message: str
):
    Delivery([current("a"), current("b")]).put(lake)
    key = f"{TOP}/data/{NIGHT}-1.csv.gz"
    spoil(lake, key)
    with pytest.raises(ReportError, match=message) as caught:
        read_keys(lake)
    assert caught.value.where.endswith(key)


def test_a_store_that_fails_is_not_a_damaged_report(lake: FileStore, tmp_path: Path):
    Delivery([current("a")]).put(lake)
    found = newest(lake)
    (tmp_path / "lake").rename(tmp_path / "unmounted")
    with pytest.raises(LakeError, match="no such folder") as caught:
        report.read(lake, found)
    assert not isinstance(caught.value, ReportError)


def test_a_lake_below_a_prefix_knows_its_objects_without_it(lake: FileStore):
    lake.url = "s3://nba-lake/lake/raw"
    rows = [current(key) for key in ["lake/raw/b", "lake/raw/", "lake/raw", "lake/raw0/x", "other/a", "lake/raw/a+c"]]
    delivery = Delivery([b"".join(rows)])
    delivery.put(lake)
    with pytest.raises(ReportError, match=r"outside the lake's prefix `lake/raw/`(?s:.*)hint: "):
        newest(lake)
    packed = lake.get(f"{TOP}/data/{NIGHT}-0.csv.gz")
    key = f"lake/raw/{TOP}/data/{NIGHT}-0.csv.gz"
    delivery.document["files"] = [{"key": key, "size": len(packed), "MD5checksum": md5(packed)}]
    delivery.put(lake)
    assert read_keys(lake) == ["a c", "b"]
    assert read_keys(lake, exclude=("a",)) == ["b"]


def test_a_report_and_a_listing_of_one_lake_are_one_table(store: LakeStore):
    for key in ("pbp/1.json", "a b+c=d/ü", "box/2.json"):
        store.put(key, key.encode())
    listed = listing.take(store)
    write_report(
        store,
        reversed(list(store.list())),
        prefix="inventory-reports",
        bucket="nba-lake",
        config_id="all",
        created_at=datetime(2025, 11, 5, 1, 0, tzinfo=UTC),
        rows_per_file=2,
    )
    reported = report.read(store, newest(store))
    assert reported.drop(["last_modified"]).equals(listed.drop(["last_modified"]))
    differences = [
        abs(here - there)
        for here, there in zip(listed["last_modified"].to_pylist(), reported["last_modified"].to_pylist(), strict=True)
    ]
    assert max(differences) < timedelta(milliseconds=1)


def test_the_real_lakes_size_is_read_in_one_go(lake: FileStore):
    moment = datetime(2025, 11, 4, tzinfo=UTC)
    objects = [StoredObject(f"pbp/{number:06d}.json", number, "e", moment) for number in range(30_000)]
    write_report(
        lake,
        reversed(objects),
        prefix="inventory-reports",
        bucket="nba-lake",
        config_id="all",
        created_at=moment,
        rows_per_file=11_000,
    )
    table = report.read(lake, newest(lake))
    assert table["key"].to_pylist() == [found.key for found in objects]
    assert table["size"].to_pylist() == [found.size for found in objects]
