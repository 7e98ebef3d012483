"""Few keys in memory, many in the table engine: the same keys, gaps and order either way."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.loop import open_keys
from adce_assets.loop.open_keys import GAP_KEY_COLUMNS
from adce_assets.loop.state import COVERAGE, GAP_KEYS
from adce_assets_tests.examples import examples

if TYPE_CHECKING:
    from adce_assets_tests.loop.conftest import Loop, Row

Lake = list[tuple[str, str, str, float | None]]


@st.composite
def lakes(draw: st.DrawFn) -> Lake:
    """Draw keys as (data set, season, state, days ago); the event of some has no time."""
    data_sets = st.sampled_from(["espn/scoreboard", "espn/play_by_play", "espn/odds", "nba_api/schedule_mirror"])
    states = st.sampled_from(["missing", "missing", "present", "stale", "damaged", "not_due", "unknown"])
    days = st.sampled_from([None, -1.0, 0.0, 0.5, 7.0, 7.1, 30.0, 400.0])
    return draw(st.lists(st.tuples(data_sets, st.sampled_from(["2024-25", "2003-04"]), states, days), max_size=40))


def rows_of(loop: "Loop", lake: Lake) -> list["Row"]:
    return [
        loop.row(data_set, f"{place}", season=season, state=state, **_event(days_ago))
        for place, (data_set, season, state, days_ago) in enumerate(lake)
    ]


def _event(days_ago: float | None) -> dict[str, Any]:
    return {"event_at": None} if days_ago is None else {"days_ago": days_ago}


def found(loop: "Loop", nights: list[list["Row"]], few: int) -> tuple[list[dict[str, Any]], pa.Table]:
    """Find the gaps of one night after the other."""
    state = loop.state([])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_keys, "FEW", few)
        documents = [
            loop.find(loop.state(rows, state=state, shuffle=night), now=loop.now + timedelta(days=night)).document
            for night, rows in enumerate(nights)
        ]
    return documents, state.read_table(GAP_KEYS)


@settings(max_examples=examples(8))
@given(lakes(), lakes())
def test_few_keys_and_many_are_put_together_the_same_way(loop: "Loop", first: Lake, second: Lake) -> None:
    nights = [rows_of(loop, first), rows_of(loop, second)]
    documents, in_memory = found(loop, nights, few=1000)
    same_documents, in_engine = found(loop, nights, few=-1)
    assert same_documents == documents
    assert in_engine.to_pylist() == in_memory.to_pylist()


@pytest.mark.parametrize("few", [1000, -1])
def test_the_keys_of_a_gap_stand_together_newest_event_first(loop: "Loop", few: int) -> None:
    rows = [*loop.rows(5, days_ago=3), *loop.rows(5, "espn/odds"), *loop.rows(5, first=9, days_ago=20)]
    undated = loop.row(entity="undated", event_at=None)
    _, table = found(loop, [[*rows, undated]], few)
    assert table.column_names == list(GAP_KEY_COLUMNS)
    assert table["key"].to_pylist() == [row.key for row in [*rows, undated]]


@pytest.mark.parametrize("few", [1000, -1])
def test_the_same_keys_give_the_same_bytes(loop: "Loop", few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_keys, "FEW", few)
    rows = loop.rows(3000) + loop.rows(3000, "espn/odds", state="stale")
    states = [loop.state(rows, shuffle=shuffle) for shuffle in (1, 2)]
    for state in states:
        loop.find(state)
    one, other = (state.store.get(f"{GAP_KEYS}.parquet") for state in states)
    assert one == other


@pytest.mark.parametrize("few", [1000, -1])
def test_present_keys_that_are_only_counted_are_no_open_keys(loop: "Loop", few: int) -> None:
    counted = replace(loop.row(state="present"), key=None, entity=None, found_key=None)
    _, table = found(loop, [[*loop.rows(3), counted]], few)
    assert table.num_rows == 3


def test_a_lake_that_lacks_little_opens_no_engine(loop: "Loop", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_keys, "engine", None)
    state = loop.state(loop.rows(30))
    assert loop.find(state).document["total_keys"] == 30


def test_a_column_that_only_coverage_knows_is_not_asked_for(loop: "Loop") -> None:
    state = loop.state(loop.rows(3))
    table = state.read_table(COVERAGE)
    state.write_table(COVERAGE, table.append_column("keys", pa.repeat(pa.scalar(1), table.num_rows)))
    assert loop.find(state).document["total_keys"] == 3
