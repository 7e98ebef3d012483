"""Reports made by hand, byte by byte, as AWS's documents and published reports have them: which one is in force."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adce_assets.errors import LakeError, ReportError
from adce_assets.lake import report
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.report_manifest import ReportFile, ReportManifest
from adce_assets.lake.store import LakeStore
from adce_assets_tests.lake.damages import BINARY_FORMATS, DAMAGES, ROW, Damage, binary, table
from adce_assets_tests.lake.deliveries import CURRENT_COLUMNS, NIGHT, TOP, Delivery, md5


class CountingStore(FileStore):
    """A folder that counts what is asked of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.lists: list[str] = []
        self.gets: list[str] = []

    def list_prefixes(self, prefix: str = "") -> list[str]:
        self.lists.append(prefix)
        return super().list_prefixes(prefix)

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        self.gets.append(key)
        return super().get(key, start=start, length=length)


@pytest.fixture
def lake(tmp_path: Path) -> CountingStore:
    return CountingStore(tmp_path / "lake")


def newest(store: LakeStore, **named: str) -> ReportManifest:
    found = report.newest(store, prefix="inventory-reports/", **named)
    assert found is not None
    return found


def milliseconds(moment: datetime) -> str:
    return str(int(moment.timestamp()) * 1000)


def test_a_manifest_as_aws_writes_it_is_understood(lake: FileStore):
    lake.put(f"{TOP}/data/36bb9dd7.csv.gz", ROW)
    manifest = f"""{{
  "sourceBucket" : "nba-lake",
  "destinationBucket" : "arn:aws:s3:::nba-lake",
  "version" : "2016-11-30",
  "creationTimestamp" : "1762304400000",
  "fileFormat" : "CSV",
  "fileSchema" : "{CURRENT_COLUMNS}",
  "files" : [ {{
    "key" : "{TOP}/data/36bb9dd7.csv.gz",
    "size" : {len(ROW)},
    "MD5checksum" : "{md5(ROW).upper()}"
  }} ]
}}""".encode()
    Delivery().put_manifest(lake, manifest)
    assert newest(lake) == ReportManifest(
        source_bucket="nba-lake",
        config_id="everything",
        created_at=datetime(2025, 11, 5, 1, 0, tzinfo=UTC),
        prefix=f"{TOP}/2025-11-05T01-00Z/",
        file_format="CSV",
        columns=("Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass"),
        files=(ReportFile(f"{TOP}/data/36bb9dd7.csv.gz", len(ROW), md5(ROW)),),
        checksum=md5(manifest),
    )


@pytest.mark.parametrize("file_format", BINARY_FORMATS)
def test_what_the_manifest_says_of_the_types_of_orc_and_parquet_is_not_asked(lake: FileStore, file_format: str):
    binary(file_format, table({})).put(lake)
    found = newest(lake)
    assert (found.file_format, found.columns) == (file_format, ())


@pytest.mark.parametrize("destination", ["nba-lake", "arn:aws:s3:::nba-lake", "arn:aws-cn:s3:::reports", None])
def test_the_destination_may_be_named_in_any_way(lake: FileStore, destination: str | None):
    Delivery([ROW], document={"destinationBucket": destination}).put(lake)
    assert newest(lake).source_bucket == "nba-lake"


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


def test_a_reports_own_time_counts_and_not_its_folders(lake: FileStore):
    early, late = datetime(2025, 11, 5, 0, 30, tzinfo=UTC), datetime(2025, 11, 5, 2, 0, tzinfo=UTC)
    Delivery(folder="2025-11-05T01-00Z", document={"creationTimestamp": milliseconds(early)}).put(lake)
    Delivery(folder="2025-11-05T00-00Z", document={"creationTimestamp": milliseconds(late)}).put(lake)
    Delivery(folder="2025-11-04T08-00Z").put(lake)
    assert newest(lake).created_at == late


def test_a_report_delivered_again_is_told_from_the_first(lake: FileStore):
    Delivery([ROW]).put(lake)
    first = newest(lake)
    Delivery([ROW, ROW]).put(lake)
    again = newest(lake)
    assert (first.prefix, first.created_at) == (again.prefix, again.created_at)
    assert first.checksum != again.checksum


def test_a_steady_state_asks_little(lake: CountingStore):
    nights = [datetime(2025, 9, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(9)]
    for night in nights:
        Delivery(folder=f"{night:%Y-%m-%dT%H-%MZ}").put(lake)
    lake.gets.clear()
    assert newest(lake, source_bucket="nba-lake", config_id="everything").created_at == nights[-1]
    assert (len(lake.lists), len(lake.gets)) == (1, 2)
    lake.lists.clear()
    newest(lake, config_id="everything")
    assert len(lake.lists) == 2
    lake.lists.clear()
    newest(lake)
    assert len(lake.lists) == 3


@pytest.mark.parametrize("folder", ["2025-13-05T01-00Z", "2025-11-5T01-00Z", "2025-11-05T25-00Z"])
def test_a_folder_that_is_named_like_no_time_is_no_report(lake: FileStore, folder: str):
    Delivery().put(lake)
    manifest = lake.get(f"{TOP}/{NIGHT}/manifest.json")
    Delivery(folder=folder).put_manifest(lake, manifest)
    assert newest(lake).prefix == f"{TOP}/{NIGHT}/"


@pytest.mark.parametrize(
    "damage", [one for one in DAMAGES if one.name.startswith("manifest")], ids=lambda damage: damage.name
)
def test_a_damaged_manifest_is_refused_by_name(lake: FileStore, damage: Damage):
    Delivery(folder="2025-11-04T01-00Z").put(lake)
    damage.write(lake)
    with pytest.raises(ReportError, match=damage.text) as caught:
        newest(lake)
    assert "2025-11-05T01-00Z/manifest.json" in caught.value.where


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


def test_a_report_outside_the_lakes_prefix_is_refused(lake: FileStore):
    lake.url = "s3://nba-lake/lake/raw"
    Delivery([ROW]).put(lake)
    with pytest.raises(ReportError, match=r"outside the lake's prefix `lake/raw/`(?s:.*)hint: "):
        newest(lake)
