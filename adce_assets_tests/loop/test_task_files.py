"""The files of a queue: when they are written, that they go together, and what runs find in them."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from adce_assets.errors import LakeError
from adce_assets.loop import tasks
from adce_assets.loop.state import GAP_KEYS, GAPS, QUEUE, TASK_KEYS
from adce_assets_tests.loop.queues import keys_of, planned

if TYPE_CHECKING:
    from adce_assets.lake.store import StoredObject
    from adce_assets.loop.state import State
    from adce_assets_tests.loop.conftest import Loop, Row


def test_equal_input_gives_identical_bytes_whatever_the_order_of_its_rows(loop: "Loop") -> None:
    rows = loop.rows(3000, days_ago=5) + loop.rows(300, "espn/odds", state="stale") + loop.rows(9, season="2003-04")
    states = [loop.state(rows, shuffle=shuffle) for shuffle in (1, 2)]
    for state in states:
        loop.find(state)
        loop.plan(state)
    for name in (f"{QUEUE}.json", f"{TASK_KEYS}.parquet"):
        assert states[0].store.get(name) == states[1].store.get(name)


def test_nothing_to_collect_is_an_empty_queue(loop: "Loop") -> None:
    state, queue = planned(loop, loop.rows(3, state="present"))
    assert (queue["tasks"], queue["left_out"], queue["estimated_total_minutes"]) == ([], [], 0)
    assert state.read_table(TASK_KEYS).num_rows == 0


def test_gaps_of_two_runs_are_refused(loop: "Loop") -> None:
    state = loop.state(loop.rows(3))
    loop.find(state)
    document = state.read_json(GAPS)
    state.write_json(GAPS, document | {"total_keys": 4})
    with pytest.raises(LakeError, match="of two different runs"):
        loop.plan(state)


def test_the_keys_of_tasks_come_in_the_order_of_the_queue(loop: "Loop") -> None:
    state, queue = planned(loop, loop.rows(6), keys_per_task=2)
    ids = [task["id"] for task in queue["tasks"]]
    rows = tasks.task_keys(state, [ids[2], ids[0]])
    assert [row.task_id for row in rows] == [ids[0], ids[0], ids[2], ids[2]]
    assert (rows[0].source, rows[0].data_type, rows[0].season, rows[0].state) == (
        "espn",
        "play_by_play",
        "2024-25",
        "missing",
    )


def written(state: "State") -> dict[str, "StoredObject | None"]:
    return {name: state.store.head(name) for name in (f"{QUEUE}.json", f"{TASK_KEYS}.parquet")}


def again(loop: "Loop", state: "State", rows: list["Row"], hours: float) -> list[str]:
    """Look again later, and name the files of the queue that were written."""
    before, later = written(state), loop.now + timedelta(hours=hours)
    loop.find(loop.state(rows, state=state, shuffle=7), now=later)
    loop.plan(state, now=later, keys_per_task=10)
    return [name for name, found in written(state).items() if found != before[name]]


def test_a_queue_that_is_planned_again_is_not_written_again_though_its_keys_have_aged(loop: "Loop") -> None:
    rows = [*loop.rows(35, days_ago=1), *loop.rows(5, "espn/odds", days_ago=90)]
    state, queue = planned(loop, rows, keys_per_task=10)
    assert again(loop, state, rows, hours=2) == []
    assert state.read_json(QUEUE) == queue


def test_a_queue_that_says_the_same_for_too_long_is_written_anew(loop: "Loop") -> None:
    rows = loop.rows(35, days_ago=1)
    state, _ = planned(loop, rows, keys_per_task=10)
    assert again(loop, state, rows, hours=3.01) == [f"{QUEUE}.json"]
    assert state.read_json(QUEUE)["generated_at"] == (loop.now + timedelta(hours=3.01)).isoformat()


def test_a_key_that_is_no_longer_open_changes_the_queue_and_its_keys(loop: "Loop") -> None:
    rows = loop.rows(35)
    state, _ = planned(loop, rows, keys_per_task=10)
    assert again(loop, state, rows[1:], hours=1) == [f"{QUEUE}.json", f"{TASK_KEYS}.parquet"]


def test_scores_are_those_of_the_moment_at_which_the_gaps_were_found(loop: "Loop") -> None:
    state, queue = planned(loop, loop.rows(5, days_ago=2))
    assert loop.plan(state, now=loop.now + timedelta(days=30))["tasks"] == queue["tasks"]


def test_gaps_that_lie_elsewhere_than_the_summary_says_are_of_two_runs(loop: "Loop") -> None:
    state = loop.state([*loop.rows(3), *loop.rows(3, "espn/box_score")])
    loop.find(state)
    document = state.read_json(GAPS)
    document["gaps"][0]["missing_files"], document["gaps"][1]["missing_files"] = 2, 4
    state.write_json(GAPS, document)
    with pytest.raises(LakeError, match="of two different runs"):
        loop.plan(state)


def test_keys_are_found_wherever_the_table_is_cut(loop: "Loop") -> None:
    state = loop.state([*loop.rows(40, days_ago=2), *loop.rows(31, "espn/box_score"), *loop.rows(9, "espn/odds")])
    loop.find(state)
    whole = loop.plan(state, keys_per_task=7)
    keys = state.read_table(TASK_KEYS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut.parquet"
        pq.write_table(state.read_table(GAP_KEYS), path, row_group_size=6)
        state.write_file(GAP_KEYS, path)
    assert loop.plan(state, keys_per_task=7) == whole
    assert state.read_table(TASK_KEYS) == keys


def test_a_document_whose_event_has_no_time_comes_last(loop: "Loop") -> None:
    rows = [loop.row(entity="undated", event_at=None, state="damaged"), *loop.rows(3, days_ago=8000)]
    state, queue = planned(loop, rows, keys_per_task=1)
    assert keys_of(state, queue["tasks"][-1]) == [rows[0].key]


@pytest.mark.parametrize("asked", [[], ["task-of-an-older-queue"]])
def test_a_task_that_the_queue_does_not_hold_has_no_keys(loop: "Loop", asked: list[str]) -> None:
    state, _ = planned(loop, loop.rows(6))
    assert tasks.task_keys(state, asked) == []


def test_a_run_of_a_cell_collects_its_open_keys_newest_first(loop: "Loop") -> None:
    rows = [
        *loop.rows(2, days_ago=20),
        *loop.rows(1, first=2, days_ago=1, state="stale"),
        *loop.rows(1, first=3, days_ago=300, state="damaged"),
        *loop.rows(9, first=4, state="present"),
        *loop.rows(2, season="2023-24"),
        *loop.rows(2, "espn/box_score"),
    ]
    state = loop.state(rows, shuffle=3)
    found = tasks.open_keys(state, "espn", "play_by_play", "2024-25")
    assert [row.key for row in found] == [rows[place].key for place in (2, 0, 1, 3)]
    assert [(row.task_id, row.state, row.etag) for row in found[:2]] == [
        ("", "stale", "etag-401000002"),
        ("", "missing", None),
    ]


def test_the_version_to_replace_goes_with_the_key(loop: "Loop") -> None:
    row = loop.row(state="stale", key="pbp/1.json", found_key="espn_play_by_play/1.json", etag="v1")
    state, queue = planned(loop, [row])
    assert [entry.etag for entry in tasks.task_keys(state, [queue["tasks"][0]["id"]])] == ["v1"]
    assert [entry.etag for entry in tasks.open_keys(state, "espn", "play_by_play", "2024-25")] == ["v1"]
