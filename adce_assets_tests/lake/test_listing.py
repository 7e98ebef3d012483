"""A lake as a table: whole, in order, and without holding it all."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from threading import Barrier

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.errors import LakeError
from adce_assets.lake import listing
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.s3_store import S3Store
from adce_assets.lake.store import EVERYTHING, OBJECT_SCHEMA, KeyRange, LakeStore, Part, StoredObject
from adce_assets_tests.lake.scripted import PageSource, TruePages

MOMENT = datetime(2024, 5, 6, 22, 37, 48, 123456, tzinfo=UTC)


class ListedStore(FileStore):
    """A store that lists what it is given in parts of a thousand, and then may fail."""

    def __init__(self, objects: list[StoredObject], error: LakeError | None = None) -> None:
        super().__init__(Path("/nowhere"))
        self.objects, self.error = objects, error

    def parts(self, within: KeyRange = EVERYTHING) -> Iterator[Part]:
        assert within == EVERYTHING
        for start in range(0, max(1, len(self.objects)), 1_000):
            rows = [vars_of(found) for found in self.objects[start : start + 1_000]]
            last = start + 1_000 >= len(self.objects) and self.error is None
            yield Part(pa.RecordBatch.from_pylist(rows, OBJECT_SCHEMA), 0, last)
        if self.error is not None:
            raise self.error


def stored(key: str, size: int = 1) -> StoredObject:
    return StoredObject(key, size, "etag", MOMENT)


def test_each_object_is_a_row(store: LakeStore):
    for key in ("b/1", "a 1", "a/1"):
        store.put(key, key.encode())
    table = listing.take(store).objects
    assert table.schema == OBJECT_SCHEMA
    assert table["key"].to_pylist() == ["a 1", "a/1", "b/1"]
    rows = table.to_pylist()
    expected = [vars_of(found) for found in store.list()]
    assert rows == expected


def vars_of(found: StoredObject) -> dict[str, object]:
    return {name: getattr(found, name) for name in OBJECT_SCHEMA.names}


def test_times_and_sizes_are_exact():
    table = listing.take(ListedStore([StoredObject("a", 5 * 2**40, "etag", MOMENT), stored("b", 0)])).objects
    assert table.to_pylist()[0] == {"key": "a", "size": 5 * 2**40, "last_modified": MOMENT, "etag": "etag"}


def test_an_empty_lake_is_an_empty_table():
    table = listing.take(ListedStore([])).objects
    assert table.num_rows == 0
    assert table.schema == OBJECT_SCHEMA


def test_a_failed_listing_is_not_an_empty_lake():
    with pytest.raises(LakeError, match="the network is gone"):
        listing.take(ListedStore([stored("a")], LakeError("the network is gone")))


def test_what_is_no_data_is_left_out():
    names = ["_adce/completions/1", "_adce0", "a", "inventory-reports/x", "inventory-reports2/x"]
    store = ListedStore([stored(name) for name in names])
    assert listing.take(store).objects["key"].to_pylist() == names[1:]
    taken = listing.take(store, exclude=("_adce/", "inventory-reports/")).objects
    assert taken["key"].to_pylist() == ["_adce0", "a", "inventory-reports2/x"]
    assert listing.take(store, exclude=()).objects["key"].to_pylist() == names


def test_progress_is_told_as_it_goes():
    told: list[int] = []
    store = ListedStore([stored(f"{number:06d}") for number in range(2_500)])
    table = listing.take(store, on_progress=told.append).objects
    assert told == [1_000, 2_000, 2_500]
    assert table.num_rows == 2_500


def test_a_bucket_of_several_pages_is_listed_whole(large_store: S3Store, large_keys: list[str]):
    table = listing.take(large_store).objects
    assert table["key"].to_pylist() == large_keys
    assert set(table["size"].to_pylist()) == {2}
    assert [found.key for found in large_store.list(start_after=large_keys[1500])] == large_keys[1501:]


KEYS = st.text(st.sampled_from("ab-./0é\uffff😀"), min_size=1, max_size=5)
RANGES = st.lists(KEYS | st.just(""), min_size=2, max_size=6).map(lambda ends: between(sorted(ends)))


def between(ends: list[str]) -> list[KeyRange]:
    """Make every second stretch between the ends a range, the last of them endless if it has no partner."""
    return [KeyRange(after, until) for after, until in zip(ends[::2], [*ends[1::2], None], strict=False)]


def within(ranges: list[KeyRange], keys: Iterable[str]) -> list[str]:
    return [
        key
        for key in sorted(keys)
        if any(one.after < key and (one.until is None or key <= one.until) for one in ranges)
    ]


@settings(max_examples=300)
@given(
    keys=st.sets(KEYS, max_size=40),
    ranges=RANGES,
    hints=st.lists(KEYS, max_size=12).map(sorted),
    size=st.integers(1, 7),
    workers=st.integers(1, 3),
    prefix=st.sampled_from(["", "a", "a/"]),
)
def test_ranges_hold_what_brute_force_says(
    keys: set[str], ranges: list[KeyRange], hints: list[str], size: int, workers: int, prefix: str
):
    source = PageSource(TruePages(dict.fromkeys(keys, 1), size).body)
    taken = listing.take(
        source.store(), ranges=ranges, workers=workers, hints=hints, exclude=[prefix] if prefix else []
    )
    expected = [key for key in within(ranges, keys) if not prefix or not key.startswith(prefix)]
    assert taken.objects["key"].to_pylist() == expected


def test_every_store_lists_ranges(store: LakeStore):
    names = ["a", "b/1", "b/2", "b/3/x", "b0", "ü/1", "ü/2"]
    for name in names:
        store.put(name, b"body")
    for ranges in (
        [KeyRange("a")],
        [KeyRange("", "b/2")],
        [KeyRange("b/1", "b/3/x"), KeyRange("b0")],
        [KeyRange("b/", "b/\uffff"), KeyRange("ü/1", "ü/1"), KeyRange("ü/1", "ü/2")],
        [KeyRange("z", "za")],
        [],
    ):
        taken = listing.take(store, ranges=ranges, workers=2)
        assert taken.objects["key"].to_pylist() == within(ranges, names)
        assert taken.requests == (len(ranges) if isinstance(store, S3Store) else 0)


def test_every_store_tells_what_lies_in_a_folder(store: LakeStore):
    for name in ("a", "b/1", "b/2/x", "c/d/e"):
        store.put(name, b"body")
    found = [store.level(folder) for folder in ("", "b/", "none/")]
    assert [level.objects["key"].to_pylist() for level in found] == [["a"], ["b/1"], []]
    assert [level.folders for level in found] == [["b/", "c/"], ["b/2/"], []]
    assert all(level.complete for level in found)


@pytest.mark.parametrize(
    "ranges",
    [
        [KeyRange("b"), KeyRange("c")],
        [KeyRange("b", "d"), KeyRange("c")],
        [KeyRange("b", "c"), KeyRange("a", "b")],
        [KeyRange("b", "a")],
    ],
)
def test_ranges_that_overlap_are_refused(ranges: list[KeyRange]):
    with pytest.raises(LakeError, match="overlap or are not in order"):
        listing.take(ListedStore([]), ranges=ranges)


def test_a_range_of_a_folder_opens_no_other(tmp_path: Path):
    for name in ("a/1", "b/1", "b/2", "c/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for closed in ("a", "c"):
        (tmp_path / closed / "link").symlink_to("nowhere")
    taken = listing.take(FileStore(tmp_path), ranges=[KeyRange("b/", "b/\uffff")])
    assert taken.objects["key"].to_pylist() == ["b/1", "b/2"]


def lake(folders: dict[str, int]) -> TruePages:
    return TruePages(
        {f"{folder}{7 * number:07d}.json": number for folder, count in folders.items() for number in range(count)}
    )


@pytest.mark.parametrize("every", [0, 100, 172, 1_000])
@pytest.mark.parametrize(
    "folders",
    [
        {"a/": 20_000, "b/": 1_500, "c/": 700, "d/": 13_000, "e/": 1_000},
        {"one/": 30_000},
        {"top/x/": 9_000, "top/y/": 9_000, "top/z/": 3},
        {"": 12_000},
        {"a/": 2, "b/": 5},
        {"a/": 1_000},
        {},
    ],
)
@pytest.mark.parametrize("changed", [False, True])
def test_a_shared_listing_stays_within_its_requests(folders: dict[str, int], every: int, changed: bool):  # noqa: FBT001 - a case of the table
    truth = lake(folders)
    known = truth.keys[: len(truth.keys) * 2 // 3] if changed else truth.keys
    hints = known[every - 1 :: every] if every else []
    taken = listing.take(PageSource(truth.body).store(), workers=8, hints=hints)
    assert taken.objects["key"].to_pylist() == truth.keys
    top = {key.partition("/")[0] for key in truth.keys if "/" in key} or {""}
    looks = 0 if hints else 1 + (len(top) == 1)
    pages = max(1, ceil(len(truth.keys) / 1_000))
    assert taken.requests <= 1.02 * pages + len(top) + looks * (pages > 1) + 1


def test_with_hints_every_worker_has_work_at_once():
    truth = lake({"a/": 24_000, "b/": 1_000, "c/": 5_000})
    together, begun = Barrier(4, timeout=20), list[str]()

    def body(asked: dict[str, str]) -> bytes:
        begun.append(asked.get("start-after", ""))
        if 2 < len(begun) <= 2 + together.parties:  # behind the first two pages the work is shared
            together.wait()
        return truth.body(asked)

    taken = listing.take(PageSource(body).store(), workers=together.parties, hints=truth.keys[99::100])
    assert taken.objects["key"].to_pylist() == truth.keys


def test_a_share_that_does_not_begin_where_the_one_before_ended_is_refused():
    truth = lake({"a/": 6_000, "b/": 6_000, "c/": 6_000})
    starts: list[str] = []

    def body(asked: dict[str, str]) -> bytes:
        starts.append(asked.get("start-after", ""))
        left_out = starts[-1] if len(starts) > 2 and starts[-1] in truth.keys[99::100] else None
        later = {"start-after": truth.keys[truth.keys.index(left_out) + 1_000]} if left_out else {}
        return truth.body({**asked, **later})

    with pytest.raises(LakeError, match="was listed behind one share of the lake, but not in the next"):
        listing.take(PageSource(body).store(), workers=3, hints=truth.keys[99::100])


def test_a_failure_of_one_worker_fails_all():
    truth = lake({"a/": 3_000, "b/": 3_000})

    def body(asked: dict[str, str]) -> bytes:
        page = truth.body(asked)
        return page[:-9] if b"<Key>b/0014000" in page else page

    with pytest.raises(LakeError, match="not XML"):
        listing.take(PageSource(body).store(), workers=4, hints=truth.keys[99::100])
