"""What only a folder can get wrong: names, links, order, locks, and being killed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.errors import ConditionFailedError, LakeError, ObjectNotFoundError
from adce_assets.lake.file_store import SCRATCH, FileStore

NAMES = st.text(st.sampled_from("ab-./0é\uffff😀 "), min_size=1, max_size=6).filter(lambda name: "/" not in name)
KEYS = st.lists(NAMES.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=4).map("/".join)


@pytest.fixture
def lake(tmp_path: Path) -> FileStore:
    (tmp_path / "lake").mkdir()
    return FileStore(tmp_path / "lake")


def keys(store: FileStore, prefix: str = "", start_after: str = "") -> list[str]:
    return [found.key for found in store.list(prefix, start_after=start_after)]


def holdable(names: set[str]) -> list[str]:
    """Leave out the keys below which another lies, which a folder cannot hold beside it."""
    return [name for name in names if not any(other.startswith(f"{name}/") for other in names)]


@settings(max_examples=60)
@given(st.sets(KEYS, max_size=12).map(holdable), st.text("ab-./0é", max_size=4), st.text("ab-./0é😀", max_size=4))
def test_the_listing_is_in_utf8_order_of_whole_keys(names: list[str], prefix: str, start_after: str):
    with TemporaryDirectory() as folder:
        store = FileStore(Path(folder))
        for name in names:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        in_order = sorted(names, key=lambda name: name.encode())
        after = start_after.encode()
        assert keys(store) == in_order
        assert keys(store, prefix) == [name for name in in_order if name.startswith(prefix)]
        assert keys(store, start_after=start_after) == [name for name in in_order if name.encode() > after]
        assert store.list_prefixes() == sorted({name[: name.index("/") + 1] for name in names if "/" in name})


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "empty part"),
        ("/a", "empty part"),
        ("a/", "empty part"),
        ("a//b", "empty part"),
        (".", "`.` or `..`"),
        ("a/./b", "`.` or `..`"),
        ("../a", "`.` or `..`"),
        ("a/../../etc/passwd", "`.` or `..`"),
        ("a\0b", "NUL"),
        ("a\ud800b", "Unicode"),
        (f"{SCRATCH}/a", "own folder"),
        (SCRATCH, "own folder"),
    ],
)
def test_a_key_that_cannot_be_a_file_is_refused_with_the_reason(lake: FileStore, key: str, reason: str):
    calls = [
        lambda: lake.put(key, b""),
        lambda: lake.put_if_absent(key, b""),
        lambda: lake.put_if_match(key, b"", "etag"),
        lambda: lake.get(key),
        lambda: lake.head(key),
        lambda: lake.delete(key),
    ]
    for call in calls:
        with pytest.raises(LakeError, match=reason):
            call()


def test_a_name_that_is_too_long_is_refused_with_what_to_do(lake: FileStore):
    with pytest.raises(LakeError, match="s3://"):
        lake.put("a" * 300, b"")


@pytest.mark.parametrize("linked", ["secret", "folder"])
def test_a_link_that_leads_out_is_refused(lake: FileStore, tmp_path: Path, linked: str):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"secret")
    (tmp_path / "lake" / linked).symlink_to(outside / "x" if linked == "secret" else outside)
    key = linked if linked == "secret" else "folder/x"
    for call in (lambda: lake.get(key), lambda: lake.head(key), lambda: lake.put(key, b""), lambda: lake.delete(key)):
        with pytest.raises(LakeError, match="symbolic link"):
            call()
    for prefix in ("", "folder/", "secret"):
        if linked in prefix or not prefix:
            with pytest.raises(LakeError, match="cannot be listed whole"):
                keys(lake, prefix)
    assert (outside / "x").read_bytes() == b"secret"


def test_a_special_file_refuses_the_listing(lake: FileStore, tmp_path: Path):
    os.mkfifo(tmp_path / "lake" / "pipe")
    with pytest.raises(LakeError, match="special file"):
        keys(lake)
    assert lake.head("pipe") is None
    with pytest.raises(ObjectNotFoundError):
        lake.get("pipe")


def test_a_file_not_named_in_utf8_refuses_the_listing(lake: FileStore, tmp_path: Path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/lake/caf\xe9")).touch()
    with pytest.raises(LakeError, match="not named in UTF-8"):
        keys(lake)


def test_a_lake_that_is_not_there_is_not_an_empty_one(tmp_path: Path):
    store = FileStore(tmp_path / "lake")
    calls = [lambda: keys(store), store.list_prefixes, lambda: store.get("a"), lambda: store.head("a")]
    for call in calls:
        with pytest.raises(LakeError, match="no such folder") as caught:
            call()
        assert not isinstance(caught.value, ObjectNotFoundError)


def test_the_first_write_makes_the_lake(tmp_path: Path):
    store = FileStore(tmp_path / "deep" / "lake")
    store.put("a/b", b"body")
    assert keys(store) == ["a/b"]


def test_nothing_is_to_be_deleted_where_no_lake_is(tmp_path: Path):
    FileStore(tmp_path / "lake").delete("a")
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(("first", "second"), [("d", "d/x"), ("d/x", "d"), ("d", "d/x/y")])
def test_an_object_and_a_folder_of_one_name_are_refused(lake: FileStore, first: str, second: str):
    lake.put(first, b"first")
    for write in (lake.put, lake.put_if_absent):
        with pytest.raises(LakeError, match="cannot hold both") as caught:
            write(second, b"second")
        assert not isinstance(caught.value, ConditionFailedError)
    assert lake.head(second) is None
    assert keys(lake) == [first]


def test_a_failed_write_leaves_the_old_object_and_no_trace(lake: FileStore, tmp_path: Path):
    lake.put("a", b"old")
    with pytest.raises(LakeError, match="No such file"):
        lake.put("a", tmp_path / "not there")
    assert lake.get("a") == b"old"
    assert [path.name for path in (tmp_path / "lake" / SCRATCH).iterdir()] == ["locks"]


@pytest.mark.parametrize("put", [FileStore.put, FileStore.put_if_absent])
def test_an_object_is_on_disk_before_it_has_its_name(
    lake: FileStore,
    tmp_path: Path,
    synced: Callable[[Path], list[os.stat_result]],
    put: Callable[[FileStore, str, bytes], str],
):
    path = tmp_path / "lake" / "a"
    before = synced(path)
    put(lake, "a", b"body")
    (noted,) = before
    assert os.path.samestat(noted, path.stat())
    assert noted.st_size == 4


def test_the_scratch_folder_is_never_listed(lake: FileStore, tmp_path: Path):
    lake.put("a", b"")
    (tmp_path / "lake" / SCRATCH / "left over by a killed writer").touch()
    assert keys(lake) == ["a"]
    assert keys(lake, start_after=".") == ["a"]
    assert lake.list_prefixes() == []
    lake.put(f"below/{SCRATCH}", b"only the root's is the store's own")
    assert keys(lake, "below/") == [f"below/{SCRATCH}"]


def test_versions_written_at_once_have_different_etags(lake: FileStore):
    assert len({lake.put("a", b"same size") for _ in range(200)}) == 200


def test_the_time_of_writing_is_the_files_own(lake: FileStore, tmp_path: Path):
    lake.put("a", b"")
    os.utime(tmp_path / "lake" / "a", ns=(0, 1_715_035_068_123_456_789))
    found = lake.head("a")
    assert found is not None
    assert found.last_modified == datetime(2024, 5, 6, 22, 37, 48, 123456, tzinfo=UTC)
    assert list(lake.list()) == [found]


def test_a_file_deleted_during_the_walk_is_left_out(lake: FileStore):
    for key in ("a", "b", "c"):
        lake.put(key, b"")
    walk = lake.list()
    assert next(walk).key == "a"
    lake.delete("b")
    assert [found.key for found in walk] == ["c"]


def test_a_folder_that_vanishes_during_the_walk_fails_it(lake: FileStore, tmp_path: Path):
    for key in ("a/1", "b/1", "c/1"):
        lake.put(key, b"")
    walk = lake.list()
    assert next(walk).key == "a/1"
    shutil.rmtree(tmp_path / "lake" / "b")
    with pytest.raises(LakeError, match="b/"):
        list(walk)


def test_a_root_that_is_a_link_is_where_it_leads(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "lake").symlink_to(tmp_path / "disk")
    store = FileStore(tmp_path / "lake")
    store.put("a", b"")
    assert store.url == (tmp_path / "disk").as_uri()
    assert keys(store) == ["a"]


INCREMENT = """
import sys
from pathlib import Path
from adce_assets.errors import ConditionFailedError
from adce_assets.lake.file_store import FileStore
store = FileStore(Path(sys.argv[1]))
done = 0
while done < 40:
    found, value = store.head("counter"), int(store.get("counter"))
    try:
        store.put_if_match("counter", str(value + 1).encode(), found.etag)
    except ConditionFailedError:
        continue
    done += 1
"""

REPLACE = """
import sys
from pathlib import Path
from adce_assets.lake.file_store import FileStore
store = FileStore(Path(sys.argv[1]))
while True:
    for letter in b"ab":
        store.put("folder/key", bytes([letter]) * 300_000)
    print("written", flush=True)
"""


def test_writers_of_several_processes_lose_no_increment(lake: FileStore, tmp_path: Path):
    lake.put("counter", b"0")
    command = [sys.executable, "-c", INCREMENT, str(tmp_path / "lake")]
    writers = [subprocess.Popen(command) for _ in range(3)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    assert lake.get("counter") == b"120"


def test_a_writer_killed_at_any_moment_leaves_a_whole_object(lake: FileStore, tmp_path: Path):
    command = [sys.executable, "-c", REPLACE, str(tmp_path / "lake")]
    for rounds in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(1 + rounds):
                writer.stdout.readline()
            writer.kill()
        assert lake.get("folder/key") in {b"a" * 300_000, b"b" * 300_000}
        assert keys(lake) == ["folder/key"]
