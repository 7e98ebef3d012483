"""The loop's own files: read whole, or refused with the command that makes them anew."""

import io
import logging
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adce_assets.errors import LakeError
from adce_assets.lake.file_store import SCRATCH
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.loop import state as loop_state
from adce_assets.loop.state import COVERAGE, QUEUE, VERDICTS, State
from adce_assets.tables import engine

TABLE = pa.table({"key": ["a", "b"], "etag": ["1", "2"]})
COLUMNS = ("key", "etag")


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A state in which nothing has been written."""
    return State(open_store((tmp_path / "state").as_uri(), make=True))


def _written() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink)
    return sink.getvalue()


WHOLE = _written()
DAMAGED = {"junk": b"junk", "empty": b"", "cut": WHOLE[:-20], "json": b'{"schema": 1}'}
damaged = pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)


def test_a_table_comes_back_as_it_was_written(state: State):
    state.write_table(COVERAGE, TABLE)
    assert state.read_table(COVERAGE).equals(TABLE)


def test_a_summary_comes_back_as_it_was_written(state: State):
    state.write_json(QUEUE, {"tasks": [], "schema": 1})
    assert state.read_json(QUEUE) == {"schema": 1, "tasks": []}


def test_every_summary_says_which_form_it_has(state: State):
    state.write_json(QUEUE, {"tasks": []})
    assert state.read_json(QUEUE)["schema"] == 1


@pytest.mark.parametrize("body", [b"{}", b'{"schema": 2}', b'{"schema": null}', b"[]", b"junk", b"", b"\xff", b"null"])
def test_a_summary_of_another_form_is_refused_with_the_command_that_makes_it(state: State, body: bytes):
    state.store.put(f"{QUEUE}.json", body)
    with pytest.raises(LakeError) as caught:
        state.read_json(QUEUE)
    assert caught.value.where == f"{state.store.url}/gaps.json"
    assert caught.value.hint == "run `adce reconcile`"


@damaged
def test_a_damaged_table_is_refused_with_its_real_name(state: State, body: bytes):
    state.store.put(f"{COVERAGE}.parquet", body)
    with pytest.raises(LakeError) as caught:
        state.read_table(COVERAGE)
    assert caught.value.where == f"{state.store.url}/cache/coverage_analysis.parquet"
    assert caught.value.hint == "run `adce reconcile`"


@damaged
def test_a_damaged_table_is_never_lent(state: State, body: bytes):
    state.store.put(f"{COVERAGE}.parquet", body)
    with pytest.raises(LakeError, match="coverage_analysis"), state.local(COVERAGE):
        pytest.fail("it was lent")


def test_a_table_damaged_in_its_middle_is_refused_when_it_is_read(state: State):
    state.store.put(f"{COVERAGE}.parquet", WHOLE[:4] + b"\xff" * 40 + WHOLE[44:])
    with pytest.raises(LakeError, match="coverage_analysis"):
        state.read_table(COVERAGE)


def test_a_memory_that_is_there_is_recalled_in_the_columns_asked_for(state: State):
    state.write_table(VERDICTS, TABLE)
    assert state.recall(VERDICTS, ("etag",)) == TABLE.select(["etag"])


def test_nothing_is_recalled_where_nothing_was_written(state: State, caplog: pytest.LogCaptureFixture):
    assert state.recall(VERDICTS, COLUMNS) is None
    assert caplog.records == []


@damaged
def test_a_damaged_memory_is_forgotten_and_said_aloud(state: State, body: bytes, caplog: pytest.LogCaptureFixture):
    state.store.put(f"{VERDICTS}.parquet", body)
    assert state.recall(VERDICTS, COLUMNS) is None
    assert [(record.levelno, "cache/verdicts.parquet" in record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, True)
    ]


def test_a_memory_of_another_form_is_forgotten_and_said_aloud(state: State, caplog: pytest.LogCaptureFixture):
    state.write_table(VERDICTS, TABLE)
    assert state.recall(VERDICTS, (*COLUMNS, "look")) is None
    assert "cache/verdicts.parquet" in caplog.text


def test_a_state_that_cannot_be_reached_is_no_empty_memory(tmp_path: Path):
    state = State(open_store((tmp_path / "not there").as_uri()))
    with pytest.raises(LakeError):
        state.recall(VERDICTS, COLUMNS)


def test_an_error_leaves_no_scratch_file_behind(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    state.write_table(COVERAGE, TABLE)
    with pytest.raises(KeyError), state.local(COVERAGE):
        raise KeyError
    state.store.put(f"{COVERAGE}.parquet", b"junk")
    with pytest.raises(LakeError):
        state.read_table(COVERAGE)
    with pytest.raises(LakeError), state.local("cache/nothing"):
        pass
    assert list(scratch.iterdir()) == []
    assert [path.name for path in (tmp_path / "state" / SCRATCH).iterdir()] == ["locks"]


def told(generated_at: str = "2025-01-15T12:00:00+00:00", **changes: Any) -> dict[str, Any]:
    return {"generated_at": generated_at, "as_of": generated_at, "tasks": [{"id": "a"}], "pair": (1, 2)} | changes


def test_a_summary_that_says_the_same_is_left_as_it_is(state: State):
    assert state.write_json(QUEUE, told())
    before = state.store.head(f"{QUEUE}.json")
    assert not state.write_json(QUEUE, told("2025-01-16T12:00:00+00:00"))
    assert state.store.head(f"{QUEUE}.json") == before


@pytest.mark.parametrize(
    "change", [{"tasks": [{"id": "b"}]}, {"tasks": []}, {"more": None}, {"pair": [2, 1]}, {"schema": 2}]
)
def test_a_summary_that_says_something_else_is_written(state: State, change: dict[str, Any]):
    state.write_json(QUEUE, told())
    assert state.write_json(QUEUE, told(**change))


def test_what_is_volatile_is_for_the_caller_to_say(state: State):
    state.write_json(QUEUE, told())
    assert state.write_json(QUEUE, told(as_of="later"), volatile=["generated_at"])
    assert not state.write_json(QUEUE, told(tasks=[]), volatile=["as_of", "tasks"])


@pytest.mark.parametrize(
    ("generated_at", "is_written"),
    [
        ("2025-01-15T12:00:00+00:00", False),
        ("2025-01-15T15:00:00+00:00", False),
        ("2025-01-15T15:00:01+00:00", True),
        ("2025-01-15T11:59:59+00:00", True),
    ],
)
def test_a_summary_may_say_the_same_only_so_long(state: State, generated_at: str, *, is_written: bool):
    state.write_json(QUEUE, told())
    assert state.write_json(QUEUE, told(generated_at), keep_for=timedelta(hours=3)) is is_written


@pytest.mark.parametrize("body", [b"junk", b"", b"[]", b'{"schema": 1}', b"\xff", b"null"])
def test_a_summary_that_cannot_be_read_is_written_anew(state: State, body: bytes):
    state.store.put(f"{QUEUE}.json", body)
    assert state.write_json(QUEUE, told())
    assert state.read_json(QUEUE)["tasks"] == [{"id": "a"}]


def test_the_first_file_makes_the_folder(tmp_path: Path):
    for name, write in {"one": lambda state: state.write_json(QUEUE, told()), "two": _write_table}.items():
        assert write(State(open_store((tmp_path / name).as_uri())))


def _write_table(state: State) -> bool:
    return state.write_table(COVERAGE, TABLE)


def test_a_summary_without_a_readable_time_is_not_kept_for_its_age(state: State):
    state.write_json(QUEUE, told("yesterday"))
    assert state.write_json(QUEUE, told(), keep_for=timedelta(days=365))


def test_a_table_with_the_same_content_is_left_as_it_is(state: State):
    assert state.write_table(COVERAGE, TABLE)
    before = state.store.head(f"{COVERAGE}.parquet")
    assert not state.write_table(COVERAGE, TABLE)
    assert state.store.head(f"{COVERAGE}.parquet") == before


def test_a_relation_with_the_same_content_is_left_as_it_is(state: State):
    with engine() as backend:
        relation = backend.create_table("t", pa.table({"n": range(300_000)}), temp=True).order_by("n")
        written = [state.write_relation(COVERAGE, backend, relation) for _ in range(2)]
    assert written == [True, False]
    assert state.read_table(COVERAGE)["n"].to_pylist() == list(range(300_000))


@pytest.mark.parametrize("place", [0, 9, 10, 25, 29])
def test_a_table_that_differs_anywhere_is_written(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
):
    monkeypatch.setattr(loop_state, "PIECE", 10)
    path = tmp_path / "body"
    path.write_bytes(bytes(30))
    assert state.write_file(COVERAGE, path)
    assert not state.write_file(COVERAGE, path)
    other = bytearray(30)
    other[place] = 1
    path.write_bytes(other)
    assert state.write_file(COVERAGE, path)
    assert state.store.get(f"{COVERAGE}.parquet") == other


class Bucket:
    """A store that is no folder; what `interrupt` does happens after each first read of an object."""

    def __init__(self, store: LakeStore) -> None:
        self.url = "s3://bucket/state"
        self.head, self.put = store.head, store.put
        self._get = store.get
        self.interrupt: list[Callable[[], object]] = []

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        body = self._get(key, start=start, length=length)
        if start == 0 and self.interrupt:
            self.interrupt.pop()()
        return body


@pytest.fixture(params=["folder", "bucket"])
def anywhere(request: pytest.FixtureRequest, state: State) -> State:
    """A state in a folder, and one that is no folder of this machine."""
    return state if request.param == "folder" else State(cast("LakeStore", Bucket(state.store)))


def test_what_is_lent_stays_as_it_is_while_it_is_replaced(anywhere: State):
    anywhere.write_table(COVERAGE, TABLE)
    with anywhere.local(COVERAGE) as path:
        anywhere.write_table(COVERAGE, TABLE.slice(1))
        assert pq.read_table(path).equals(TABLE)
    assert anywhere.read_table(COVERAGE).equals(TABLE.slice(1))


def test_what_is_not_there_is_not_lent(anywhere: State):
    with pytest.raises(LakeError, match="has not been made yet"), anywhere.local(COVERAGE):
        pytest.fail("it was lent")


def test_a_file_is_lent_without_a_copy(state: State, tmp_path: Path):
    state.write_table(COVERAGE, TABLE)
    with state.local(COVERAGE) as path:
        assert path.samefile(tmp_path / "state" / f"{COVERAGE}.parquet")


def test_a_folder_in_which_nothing_can_be_linked_lends_a_copy(state: State, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError

    state.write_table(COVERAGE, TABLE)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert state.read_table(COVERAGE).equals(TABLE)


def test_a_table_that_is_replaced_while_it_is_read_is_read_again(state: State, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_state, "PIECE", 100)
    state.write_table(COVERAGE, TABLE)
    bucket = Bucket(state.store)
    bucket.interrupt = [lambda: state.write_table(COVERAGE, TABLE.slice(1))]
    assert State(cast("LakeStore", bucket)).read_table(COVERAGE).equals(TABLE.slice(1))


def test_a_table_that_never_rests_is_refused(state: State):
    state.write_table(COVERAGE, TABLE)
    bucket = Bucket(state.store)
    bucket.interrupt = [lambda place=place: state.write_table(COVERAGE, TABLE.slice(place % 2)) for place in range(10)]
    with pytest.raises(LakeError, match="again and again"):
        State(cast("LakeStore", bucket)).read_table(COVERAGE)


def test_a_memory_is_lent_where_every_value_can_be_read(anywhere: State):
    with anywhere.local_memory(VERDICTS, COLUMNS) as nothing:
        assert nothing is None
    anywhere.write_table(VERDICTS, TABLE)
    with anywhere.local_memory(VERDICTS, COLUMNS) as path:
        assert path is not None
        assert pq.read_table(path).equals(TABLE)
