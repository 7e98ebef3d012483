"""Data files of reports: what is kept of them here, what is fetched, and what refuses the whole report."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from adce_assets.errors import LakeError, ReportError
from adce_assets.lake import report
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.report_manifest import ReportManifest
from adce_assets.lake.store import LakeStore
from adce_assets_tests.lake.damages import BINARY_FORMATS, CURRENT_NAMES, DAMAGES, Damage, binary, body, current, table
from adce_assets_tests.lake.deliveries import TOP, Delivery

FORMATS = ("CSV", *BINARY_FORMATS)


class CountingStore(FileStore):
    """A folder that remembers which data files were asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.gets: list[str] = []

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        if "/data/" in key:
            self.gets.append(key.rpartition("-")[2].partition(".")[0])
        return super().get(key, start=start, length=length)


@pytest.fixture
def lake(tmp_path: Path) -> CountingStore:
    return CountingStore(tmp_path / "lake")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "copies" / "of" / "reports"


def newest(store: LakeStore) -> ReportManifest:
    found = report.newest(store, prefix="inventory-reports")
    assert found is not None
    return found


def delivery(file_format: str, *keys: str) -> Delivery:
    if file_format == "CSV":
        return Delivery([current(key) for key in keys])
    return binary(file_format, *(table({"key": key}) for key in keys))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("file_format", FORMATS)
def test_what_is_here_is_not_fetched_again(lake: CountingStore, folder: Path, file_format: str):
    delivery(file_format, "a", "b").put(lake)
    first = report.fetch(lake, newest(lake), folder)
    assert sorted(lake.gets) == ["0", "1"]
    assert names(folder) == sorted(path.name for path in first)
    lake.gets.clear()
    assert report.fetch(lake, newest(lake), folder) == first
    assert lake.gets == []


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_next_report_brings_only_what_is_new_and_the_old_goes(lake: CountingStore, folder: Path, file_format: str):
    delivery(file_format, "a", "b").put(lake)
    first = report.fetch(lake, newest(lake), folder)
    (folder / "notes.txt").write_text("not ours")
    (folder / ("0" * 32 + ".part")).write_text("of a run that was cut off")
    second = delivery(file_format, "b", "c")
    second.rows[0] = lake.get(delivery(file_format).data_key(1))
    second.folder = "2025-11-06T01-00Z"
    second.put(lake)
    lake.gets.clear()
    paths = report.fetch(lake, newest(lake), folder)
    assert lake.gets == ["1"]
    assert paths[0] == first[1]
    assert names(folder) == sorted(["notes.txt", *(path.name for path in paths)])


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_copy_is_on_disk_before_it_has_its_name(
    lake: CountingStore, folder: Path, synced: Callable[[Path], list[os.stat_result]], file_format: str
):
    delivery(file_format, "a", "b").put(lake)
    (path, *_) = report.fetch(lake, newest(lake), folder)
    path.unlink()
    before = synced(path)
    report.fetch(lake, newest(lake), folder)
    (noted,) = before
    assert os.path.samestat(noted, path.stat())
    assert noted.st_size == path.stat().st_size


@pytest.mark.parametrize("file_format", BINARY_FORMATS)
def test_orc_and_parquet_are_kept_as_they_are(lake: CountingStore, folder: Path, file_format: str):
    whole = delivery(file_format, "a", "b")
    whole.put(lake)
    assert [path.read_bytes() for path in report.fetch(lake, newest(lake), folder)] == whole.rows


@pytest.mark.parametrize(
    "damage", [one for one in DAMAGES if not one.name.startswith("manifest")], ids=lambda damage: damage.name
)
def test_a_damaged_report_is_refused_whole_and_the_last_good_one_stays(
    lake: CountingStore, folder: Path, damage: Damage
):
    (folder / "sub").mkdir(parents=True)
    last = folder / f"{'0' * 32}-{'0' * 8}.parquet"
    last.write_bytes(b"the last good report")
    damage.write(lake)
    with pytest.raises(ReportError, match=damage.text) as caught:
        report.fetch(lake, newest(lake), folder)
    assert caught.value.where.startswith(f"{lake.url}/{TOP}/data/")
    assert last.exists()
    assert not list(folder.glob("*.part"))


def test_a_part_that_differs_is_refused_however_often_it_is_tried(lake: CountingStore, folder: Path):
    binary("Parquet", table({}), table({}, names=(*CURRENT_NAMES, "is_latest"))).put(lake)
    for _ in range(2):
        with pytest.raises(ReportError, match="differ"):
            report.fetch(lake, newest(lake), folder)


def test_rows_read_under_other_names_are_read_anew(lake: CountingStore, folder: Path):
    delivery("CSV", "a").put(lake)
    report.fetch(lake, newest(lake), folder)
    bad = delivery("CSV", "a")
    bad.rows, bad.columns = [lake.get(bad.data_key(0))], "Bucket, ETag, Size, LastModifiedDate, Key, StorageClass"
    bad.put(lake)
    report.fetch(lake, newest(lake), folder)
    assert lake.gets[-1] == "0"


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_copy_that_was_cut_is_made_anew(lake: CountingStore, folder: Path, file_format: str):
    delivery(file_format, "a").put(lake)
    [path] = report.fetch(lake, newest(lake), folder)
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    report.fetch(lake, newest(lake), folder)
    assert path.read_bytes() == good


@pytest.mark.parametrize("piece", [1, 10, 1 << 20])
def test_files_come_in_pieces(lake: CountingStore, folder: Path, monkeypatch: pytest.MonkeyPatch, piece: int):
    data = gzip.compress(b"\n" * 17)
    piece = len(data) if piece == 1 << 20 else piece
    monkeypatch.setattr("adce_assets.lake.report_files.PIECE", piece)
    Delivery([data]).put(lake)
    [path] = report.fetch(lake, newest(lake), folder)
    assert path.exists()
    assert len(lake.gets) == len(data) // piece + 1


def test_rows_are_counted_as_they_come(lake: CountingStore, folder: Path):
    Delivery([current("a") + current("b"), current("c")]).put(lake)
    told: list[int] = []
    report.fetch(lake, newest(lake), folder, on_progress=told.append)
    assert told == [2, 3]


def test_a_file_that_unpacks_to_very_much_is_refused(
    lake: CountingStore, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adce_assets.lake.report_csv.INFLATED_FLOOR", 1 << 16)
    Delivery([current("a" * 1000) * 5000]).put(lake)
    with pytest.raises(ReportError, match="grows past"):
        report.fetch(lake, newest(lake), folder)


def test_a_row_of_our_own_key_is_refused_wherever_it_stands(lake: CountingStore, folder: Path):
    for place in range(0, 6000, 375):
        rows = [current(f"{number:060d}") for number in range(6000)]
        rows[place] = current("%")
        Delivery([b"".join(rows)]).put(lake)
        with pytest.raises(ReportError, match="'%' is not URL-encoded"):
            report.fetch(lake, newest(lake), folder)


def test_a_store_that_fails_is_not_a_damaged_report(lake: CountingStore, folder: Path, tmp_path: Path):
    delivery("CSV", "a").put(lake)
    found = newest(lake)
    (tmp_path / "lake").rename(tmp_path / "unmounted")
    with pytest.raises(LakeError, match="no such folder") as caught:
        report.fetch(lake, found, folder)
    assert not isinstance(caught.value, ReportError)


def test_a_folder_that_cannot_be_written_is_not_a_damaged_report(lake: CountingStore, folder: Path):
    delivery("CSV", "a").put(lake)
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    with pytest.raises(LakeError, match="local copies") as caught:
        report.fetch(lake, newest(lake), folder)
    assert not isinstance(caught.value, ReportError)
    assert caught.value.where == str(folder)


def test_a_parquet_page_that_does_not_unpack_is_refused(lake: CountingStore, folder: Path):
    whole = body(table(*({"key": f"pbp/{number}" * 9} for number in range(2000))), "Parquet")
    start = whole.index(b"pbp/0pbp") + 4
    spoilt = whole[:start] + b"\xff" * 64 + whole[start + 64 :]
    Delivery([spoilt], file_format="Parquet").put(lake)
    with pytest.raises(ReportError, match="damaged"):
        report.fetch(lake, newest(lake), folder)
