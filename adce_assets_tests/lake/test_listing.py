"""A lake as a table: whole, in order, and without holding it all."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adce_assets.errors import LakeError
from adce_assets.lake import listing
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.s3_store import S3Store
from adce_assets.lake.store import OBJECT_SCHEMA, LakeStore, StoredObject

MOMENT = datetime(2024, 5, 6, 22, 37, 48, 123456, tzinfo=UTC)


class ListedStore(FileStore):
    """A store that lists what it is given, and then may fail."""

    def __init__(self, objects: list[StoredObject], error: LakeError | None = None) -> None:
        super().__init__(Path("/nowhere"))
        self.objects, self.error = objects, error

    def list(self, prefix: str = "", *, start_after: str = "") -> Iterator[StoredObject]:
        assert (prefix, start_after) == ("", "")
        yield from self.objects
        if self.error is not None:
            raise self.error


def stored(key: str, size: int = 1) -> StoredObject:
    return StoredObject(key, size, "etag", MOMENT)


def test_each_object_is_a_row(store: LakeStore):
    for key in ("b/1", "a 1", "a/1"):
        store.put(key, key.encode())
    table = listing.take(store)
    assert table.schema == OBJECT_SCHEMA
    assert table["key"].to_pylist() == ["a 1", "a/1", "b/1"]
    rows = table.to_pylist()
    expected = [vars_of(found) for found in store.list()]
    assert rows == expected


def vars_of(found: StoredObject) -> dict[str, object]:
    return {name: getattr(found, name) for name in OBJECT_SCHEMA.names}


def test_times_and_sizes_are_exact():
    table = listing.take(ListedStore([StoredObject("a", 5 * 2**40, "etag", MOMENT), stored("b", 0)]))
    assert table.to_pylist()[0] == {"key": "a", "size": 5 * 2**40, "last_modified": MOMENT, "etag": "etag"}


def test_an_empty_lake_is_an_empty_table():
    table = listing.take(ListedStore([]))
    assert table.num_rows == 0
    assert table.schema == OBJECT_SCHEMA


def test_a_failed_listing_is_not_an_empty_lake():
    with pytest.raises(LakeError, match="the network is gone"):
        listing.take(ListedStore([stored("a")], LakeError("the network is gone")))


def test_what_is_no_data_is_left_out():
    names = ["_adce/completions/1", "_adce0", "a", "inventory-reports/x", "inventory-reports2/x"]
    store = ListedStore([stored(name) for name in names])
    assert listing.take(store)["key"].to_pylist() == names[1:]
    taken = listing.take(store, exclude=("_adce/", "inventory-reports/"))
    assert taken["key"].to_pylist() == ["_adce0", "a", "inventory-reports2/x"]
    assert listing.take(store, exclude=())["key"].to_pylist() == names


def test_progress_is_told_batch_by_batch():
    told: list[int] = []
    store = ListedStore([stored(f"{number:06d}") for number in range(25_000)])
    table = listing.take(store, on_progress=told.append)
    assert told == [10_000, 20_000, 25_000]
    assert table.num_rows == 25_000


def test_a_bucket_of_several_pages_is_listed_whole(large_store: S3Store, large_keys: list[str]):
    table = listing.take(large_store)
    assert table["key"].to_pylist() == large_keys
    assert set(table["size"].to_pylist()) == {2}
    assert [found.key for found in large_store.list(start_after=large_keys[1500])] == large_keys[1501:]
