"""The loop's own files: read whole, or refused with the command that makes them anew."""

import io
import logging
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adce_assets.errors import LakeError
from adce_assets.lake.store import open_store
from adce_assets.loop.state import COVERAGE, QUEUE, VERDICTS, State

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
