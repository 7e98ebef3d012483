"""What is collected together and in which order, and that nothing is dropped without a word."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.configuration import PRIORITIES
from adce_assets.loop import tasks
from adce_assets.loop.state import GAP_KEYS, GAPS, QUEUE, TASK_KEYS
from adce_assets_tests.loop.queues import keys_of, planned

if TYPE_CHECKING:
    from adce_assets_tests.loop.conftest import Loop


def size(task: dict[str, Any]) -> int:
    return task["missing_files"] + task["stale_files"] + task["damaged_files"]


def test_a_task_says_all_that_its_readers_rely_on(loop: "Loop") -> None:
    rows = [*loop.rows(2), *loop.rows(1, first=2, state="stale"), *loop.rows(1, first=3, state="damaged")]
    state, queue = planned(loop, rows)
    (task,) = queue["tasks"]
    gap = state.read_json(GAPS)["gaps"][0]
    assert task == {
        "id": task["id"],
        "priority": "high",
        "score": task["score"],
        "source": "espn",
        "scraper": "espn_summary",
        "data_type": "play_by_play",
        "season": "2024-25",
        "missing_files": 2,
        "stale_files": 1,
        "damaged_files": 1,
        "keys_path": "cache/task_keys.parquet",
        "reason": gap["reason"],
        "estimated_time_minutes": 0.4,
        "detected_at": loop.now.isoformat(),
        "gap_id": gap["id"],
        "moment": (loop.now - timedelta(days=30)).isoformat(),
        "success_rate": 1.0,
        "requests_per_key": 1.0,
    }


def test_the_queue_says_its_sums(loop: "Loop") -> None:
    rows = [*loop.rows(5, days_ago=1), *loop.rows(3, "espn/odds"), *loop.rows(2, "nba_api/manual", season="2003-04")]
    state, queue = planned(loop, rows, keys_per_task=2)
    assert {name: queue[name] for name in queue if name not in {"tasks", "left_out"}} == {
        "schema": 1,
        "generated_at": loop.now.isoformat(),
        "as_of": state.read_json(GAPS)["as_of"],
        "total_tasks": 5,
        "by_priority": {"critical": 3, "high": 2, "medium": 0, "low": 0},
        "by_source": {"espn": 5},
        "estimated_total_minutes": 0.65,
    }
    assert state.read_json(QUEUE) == queue


def test_a_gap_is_cut_into_bounded_parts_newest_event_first(loop: "Loop") -> None:
    rows = loop.rows(25, days_ago=10)
    state, queue = planned(loop, rows, keys_per_task=10)
    assert [size(task) for task in queue["tasks"]] == [10, 10, 5]
    assert [key for task in queue["tasks"] for key in keys_of(state, task)] == [row.key for row in rows]
    assert [task["reason"].split(":")[0] for task in queue["tasks"]] == [
        "part 1 of 3, 10 of 25 keys",
        "part 2 of 3, 10 of 25 keys",
        "part 3 of 3, 5 of 25 keys",
    ]


def test_events_of_one_moment_are_collected_in_the_order_of_their_keys(loop: "Loop") -> None:
    rows = [loop.row(entity=f"{number}") for number in (3, 1, 2)]
    state, queue = planned(loop, rows)
    assert [row.entity for row in tasks.task_keys(state, [queue["tasks"][0]["id"]])] == ["1", "2", "3"]


def test_data_types_with_the_same_holes_have_parts_with_the_same_games(loop: "Loop") -> None:
    holes: dict[str, Any] = {"days_ago": 3000, "season": "2015-16"}
    rows = [replace(row, event_at=loop.now - timedelta(days=3000)) for row in loop.rows(30, **holes)]
    rows += [replace(row, event_at=rows[0].event_at) for row in loop.rows(30, "espn/box_score", **holes)]
    state, queue = planned(loop, rows, keys_per_task=7)
    parts: dict[str, list[list[str | None]]] = {}
    for task in queue["tasks"]:
        entities = [row.entity for row in tasks.task_keys(state, [task["id"]])]
        parts.setdefault(task["data_type"], []).append(entities)
    assert parts["play_by_play"] == parts["box_score"]
    assert [entity for part in parts["box_score"] for entity in part] == [row.entity for row in rows[30:]]


def test_the_same_keys_found_again_are_the_same_task(loop: "Loop") -> None:
    rows = loop.rows(25)
    first = planned(loop, rows, keys_per_task=10)[1]
    state = loop.state(rows, shuffle=5)
    later = loop.now + timedelta(hours=1)
    loop.find(state, now=later)
    again = loop.plan(state, now=later, keys_per_task=10)
    assert [task["id"] for task in again["tasks"]] == [task["id"] for task in first["tasks"]]


@pytest.mark.parametrize("change", [{"etag": "v2"}, {"key": "other", "found_key": "other"}], ids=["version", "key"])
def test_a_task_that_collects_something_else_is_another_task(loop: "Loop", change: dict[str, Any]) -> None:
    row = loop.row(state="stale", etag="v1")
    one, other = (planned(loop, [row])[1]["tasks"][0]["id"] for row in (row, replace(row, **change)))
    assert one != other


def test_no_id_stands_twice(loop: "Loop") -> None:
    rows = [
        *loop.rows(30, days_ago=3),
        *loop.rows(30, "espn/box_score"),
        *loop.rows(30, season="2003-04"),
        *loop.rows(30, first=50),
    ]
    ids = [task["id"] for task in planned(loop, rows, keys_per_task=7)[1]["tasks"]]
    assert len(set(ids)) == len(ids) == 20


def test_history_that_is_hardly_begun_never_comes_before_tonights_game(loop: "Loop") -> None:
    history = loop.rows(996, "espn/scoreboard", season="2003-04", days_ago=7000)
    history += loop.rows(4, "espn/scoreboard", first=1000, season="2003-04", state="present")
    tonight = loop.row(entity="tonight", days_ago=0.6)
    complete = loop.rows(999, first=5000, state="present")
    _, queue = planned(loop, [*history, tonight, *complete], keys_per_task=50)
    assert [task["season"] for task in queue["tasks"]] == ["2024-25"] + ["2003-04"] * 20
    assert {task["priority"] for task in queue["tasks"][1:]} == {"low"}


def test_a_missing_schedule_comes_before_all_else_of_its_priority(loop: "Loop") -> None:
    rows = [*loop.rows(9, days_ago=0.5), loop.row("nba_api/schedule", days_ago=100)]
    assert planned(loop, rows)[1]["tasks"][0]["data_type"] == "schedule"


def test_a_document_of_a_season_is_as_recent_as_the_end_of_its_season(loop: "Loop") -> None:
    rows = [loop.row("nba_api/tracking", season=season, days_ago=9000) for season in ("2003-04", "2015-16", "1998-99")]
    assert [task["season"] for task in planned(loop, rows)[1]["tasks"]] == ["2015-16", "2003-04", "1998-99"]


def test_a_document_of_no_season_comes_first_in_history(loop: "Loop") -> None:
    rows = [*loop.rows(3, season="2003-04", days_ago=7000), loop.row("nba_api/awards", season="all", days_ago=28_000)]
    assert planned(loop, rows)[1]["tasks"][0]["data_type"] == "awards"


@pytest.mark.parametrize(
    ("data_set", "scrapers", "reason"),
    [
        ("nba_api/manual", ["espn_summary"], "the contract names no scraper for `nba_api/manual`"),
        (
            "espn/play_by_play",
            ["espn_sumary", "nba_schedule"],
            "the scraper `espn_summary` of `espn/play_by_play` is not configured; did you mean `espn_sumary`?",
        ),
        ("espn/play_by_play", [], "the scraper `espn_summary` of `espn/play_by_play` is not configured"),
    ],
)
def test_a_gap_that_nothing_can_collect_is_left_out_with_the_reason(
    loop: "Loop", data_set: str, scrapers: list[str], reason: str
) -> None:
    state, queue = planned(loop, loop.rows(3, data_set), scrapers=scrapers)
    assert queue["tasks"] == []
    gap = state.read_json(GAPS)["gaps"][0]
    names = ("source", "data_type", "season", "priority")
    wanted = {"gap_id": gap["id"], **{name: gap[name] for name in names}, "keys": 3, "reason": reason}
    assert queue["left_out"] == [wanted]


def test_a_data_set_that_left_the_contract_is_left_out_with_the_reason(loop: "Loop") -> None:
    state = loop.state(loop.rows(3))
    loop.find(state)
    document = state.read_json(GAPS)
    document["gaps"][0]["data_type"] = "shots"
    state.write_json(GAPS, document)
    assert loop.plan(state)["left_out"][0]["reason"].startswith("the contract no longer names `espn/shots`")


def test_what_is_over_a_cap_is_said_gap_by_gap(loop: "Loop") -> None:
    rows = [*loop.rows(50, days_ago=8), *loop.rows(30, "espn/box_score", days_ago=20)]
    _, queue = planned(loop, rows, keys_per_task=10, max_tasks={"high": 4})
    assert [task["data_type"] for task in queue["tasks"]] == ["play_by_play"] * 4
    assert [(entry["data_type"], entry["keys"], entry["reason"]) for entry in queue["left_out"]] == [
        ("box_score", 30, "over the cap of 4 high tasks"),
        ("play_by_play", 10, "over the cap of 4 high tasks"),
    ]


def test_the_cap_of_a_run_cuts_the_least_urgent(loop: "Loop") -> None:
    rows = [*loop.rows(3, season="2003-04", days_ago=7000), *loop.rows(3, days_ago=1)]
    _, queue = planned(loop, rows, keys_per_task=1, max_tasks_per_run=4)
    assert [task["priority"] for task in queue["tasks"]] == ["critical"] * 3 + ["low"]
    assert [(entry["keys"], entry["reason"]) for entry in queue["left_out"]] == [(2, "over the cap of 4 tasks a run")]


def test_one_priority_at_its_cap_leaves_room_for_the_next(loop: "Loop") -> None:
    rows = [*loop.rows(5, days_ago=1), *loop.rows(5, "espn/odds", season="2003-04", days_ago=7000)]
    _, queue = planned(loop, rows, keys_per_task=1, max_tasks={"critical": 2, "low": 3})
    assert queue["by_priority"] == {"critical": 2, "high": 0, "medium": 0, "low": 3}


@st.composite
def lakes(draw: st.DrawFn) -> list[tuple[str, str, int, float]]:
    """Draw groups of open keys as (data set, season, keys, days ago)."""
    data_sets = ("espn/play_by_play", "espn/box_score", "espn/odds", "nba_api/manual", "nba_api/tracking")
    days = st.sampled_from([0.5, 8.0, 300.0, 7000.0])
    seasons = st.sampled_from(["2024-25", "2023-24", "2003-04"])
    return draw(st.lists(st.tuples(st.sampled_from(data_sets), seasons, st.integers(1, 12), days), max_size=8))


@settings(max_examples=20)
@given(lakes(), st.integers(1, 7), st.integers(0, 6), st.integers(0, 12))
def test_every_key_of_every_gap_is_in_one_task_or_in_the_explained_remainder(
    loop: "Loop", lake: list[tuple[str, str, int, float]], keys_per_task: int, cap: int, run_cap: int
) -> None:
    rows = [
        loop.row(data_set, f"{place}-{number}", season=season, days_ago=days_ago)
        for place, (data_set, season, count, days_ago) in enumerate(lake)
        for number in range(count)
    ]
    caps = dict.fromkeys(PRIORITIES, cap)
    state, queue = planned(
        loop,
        rows,
        keys_per_task=keys_per_task,
        max_tasks=caps,
        max_tasks_per_run=run_cap,
        scrapers=("espn_summary", "nba_tracking"),
    )
    written = state.read_table(TASK_KEYS).to_pylist()
    in_gaps = {row["key"]: row["gap_id"] for row in state.read_table(GAP_KEYS).to_pylist()}
    assert len({row["key"] for row in written}) == len(written)
    assert {row["key"] for row in written} <= set(in_gaps)

    per_gap = Counter(in_gaps[row["key"]] for row in written)
    per_gap.update({entry["gap_id"]: 0 for entry in queue["left_out"]})
    for entry in queue["left_out"]:
        assert entry["keys"] > 0
        assert entry["reason"]
        per_gap[entry["gap_id"]] += entry["keys"]
    assert per_gap == Counter(in_gaps.values())

    per_task = Counter(row["task_id"] for row in written)
    assert per_task == {task["id"]: size(task) for task in queue["tasks"]}
    assert all(count <= keys_per_task for count in per_task.values())
    assert len(per_task) <= run_cap
    assert max(queue["by_priority"].values()) <= cap
    order = [(PRIORITIES.index(task["priority"]), -task["score"]) for task in queue["tasks"]]
    assert all(first <= second for first, second in pairwise(order))
    assert list(dict.fromkeys(row["task_id"] for row in written)) == [task["id"] for task in queue["tasks"]]
