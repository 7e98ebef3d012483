"""A plan says every key, is believed only as it was written, and says what has moved under it since."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.errors import AdceError, VerifyError
from adce_assets.loop import applying, plans
from adce_assets.loop.plans import Plan
from adce_assets.loop.tasks import TaskKey

if TYPE_CHECKING:
    from adce_assets_tests.loop.conftest import Loop

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
TASK = {
    "id": "task-1ad175e08d152183",
    "priority": "high",
    "score": 2000,
    "source": "espn",
    "scraper": "espn_summary",
    "data_type": "odds",
    "season": "2024-25",
    "reason": "3 of 4 are missing",
}
KEYS = (("odds/1.json", "missing", None), ("odds/2.json", "stale", "v1"), ("odds/3.json", "damaged", "v2"))
DIGEST = "d" * 64


def tasks() -> tuple[plans.PlannedTask, ...]:
    keys = [TaskKey(TASK["id"], "espn", "odds", "2024-25", None, *key) for key in KEYS]
    return plans.planned_tasks([TASK, TASK | {"id": "task-00000000000000ff"}], keys)


def make(**changes: Any) -> Plan:
    values: dict[str, Any] = {
        "schema": 1,
        "kind": "adce-plan",
        "made_at": NOW,
        "as_of": NOW,
        "digest": DIGEST,
        "contract": DIGEST,
        "lake": {"lake": "file:///lake", "server": "", "prefixes": ()},
        "chosen": {},
        "held": "",
        "groups": (),
        "unavailable": (),
        "left": (),
        "hosts": (),
        "p50_s": 1.5,
        "p90_s": None,
        "cost": plans.cost(tasks(), 10, on_s3=True),
        "tasks": tasks(),
    }
    return Plan.model_validate(values | changes).sealed()


def edited(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    plans.write(make(), tmp_path / "plan.json")
    return tmp_path / "plan.json"


def test_a_plan_reads_back_as_it_was_written(path: Path):
    assert plans.read(path) == make()


def test_a_plan_lies_there_whole_and_nothing_beside_it(path: Path):
    assert [found.name for found in path.parent.iterdir()] == ["plan.json"]


def test_a_plan_is_on_disk_before_it_has_its_name(tmp_path: Path, synced: Callable[[Path], list[os.stat_result]]):
    path = tmp_path / "plan.json"
    before = synced(path)
    plans.write(make(), path)
    (noted,) = before
    assert os.path.samestat(noted, path.stat())
    assert noted.st_size == path.stat().st_size


def test_a_plan_replaces_an_older_one(path: Path):
    plans.write(make(held="waits"), path)
    assert plans.read(path).held == "waits"


def test_a_folder_that_is_not_there_is_an_error_in_words(tmp_path: Path):
    with pytest.raises(AdceError, match="cannot write the plan"):
        plans.write(make(), tmp_path / "none" / "plan.json")


EDITS: tuple[Callable[[dict[str, Any]], Any], ...] = (
    lambda plan: plan["tasks"][0]["keys"].pop(),
    lambda plan: plan["tasks"][0]["keys"].append(["other/1.json", "missing", None]),
    lambda plan: plan.update(contract="e" * 64),
    lambda plan: plan.update(seal=""),
    lambda plan: plan.update(schema=2),
    lambda plan: plan.update(kind="other"),
    lambda plan: plan.update(more=1),
    lambda plan: plan.pop("cost"),
    lambda plan: plan["tasks"][0].update(id="../../etc"),
    lambda plan: plan["tasks"][0].update(keys=[]),
    lambda plan: plan["tasks"][0].update(score="1"),
    lambda plan: plan["tasks"][0].update(source="ESPN\n"),
    lambda plan: plan.update(p50_s=-1),
    lambda plan: plan.update(held="a\x1b[31mb"),
)


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_plan_is_refused(path: Path, edit: Callable[[dict[str, Any]], Any]):
    with pytest.raises(VerifyError):
        plans.read(edited(path, edit))


RENAMED: tuple[dict[str, Any], ...] = (
    {"keys": KEYS[:2]},
    {"keys": (*KEYS, ("odds/4.json", "missing", None))},
    {"keys": (("odds/1.json", "missing", "v0"), *KEYS[1:])},
    {"data_type": "pbp"},
    {"season": "2023-24"},
    {"id": "task-1ad175e08d152183-00000000"},
)


@pytest.mark.parametrize("change", RENAMED)
def test_a_task_that_is_sealed_anew_under_an_old_name_is_refused(tmp_path: Path, change: dict[str, Any]):
    (task,) = tasks()
    plans.write(make(tasks=(task.model_copy(update=change),)), tmp_path / "plan.json")
    with pytest.raises(VerifyError):
        plans.read(tmp_path / "plan.json")


def of_the_contract(**changes: Any) -> Plan:
    """Plan one season's schedule, changed and named for what it is then."""
    (task,) = tasks()
    schedule = {"source": "nba_api", "data_type": "schedule", "scraper": "nba_schedule"}
    keys = (("nba/2024-25.json", "missing", None),)
    return make(tasks=(plans.named(task.model_copy(update={**schedule, "keys": keys, **changes})),))


def test_a_plan_of_the_contract_is_not_refused(loop: "Loop"):
    applying.refuse_other_tasks(loop.contract, of_the_contract())


@pytest.mark.parametrize(
    "change",
    [
        {"data_type": "nope"},
        {"source": "nope"},
        {"data_type": "schedule_mirror"},
        {"scraper": "nba_any"},
        {"season": "2023-24"},
        {"keys": (("_adce/receipts/x.json", "missing", None),)},
        {"keys": (("nba/../nba/2024-25.json", "missing", None),)},
    ],
    ids=str,
)
def test_tasks_that_the_contract_does_not_know_are_refused_in_words(loop: "Loop", change: dict[str, Any]):
    with pytest.raises(VerifyError, match="the plan asks for what the contract does not"):
        applying.refuse_other_tasks(loop.contract, of_the_contract(**change))


@settings(max_examples=30)
@given(body=st.binary(max_size=200))
def test_hostile_bytes_are_refused_in_words(body: bytes, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("hostile") / "plan.json"
    path.write_bytes(body)
    with pytest.raises(VerifyError, match="not a plan that can be believed"):
        plans.read(path)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"score": 1e999}', b'{"a":' * 5000, b"NaN"])
def test_bombs_are_refused_in_words(tmp_path: Path, body: bytes):
    (tmp_path / "plan.json").write_bytes(body)
    with pytest.raises(VerifyError, match="not a plan that can be believed"):
        plans.read(tmp_path / "plan.json")


def test_a_part_of_a_plan_is_none(path: Path):
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(VerifyError, match="not a plan that can be believed"):
        plans.read(path)


def test_a_file_that_is_too_large_is_not_even_read(tmp_path: Path):
    with (tmp_path / "plan.json").open("wb") as file:
        file.truncate(plans.MOST_BYTES + 1)
    with pytest.raises(VerifyError, match="too large for a plan"):
        plans.read(tmp_path / "plan.json")


def test_a_key_stands_in_a_plan_once(tmp_path: Path):
    (task,) = tasks()
    other = plans.named(task.model_copy(update={"data_type": "pbp"}))
    plans.write(make(tasks=(task, other)), tmp_path / "plan.json")
    with pytest.raises(VerifyError, match="a key stands in the plan twice"):
        plans.read(tmp_path / "plan.json")


def test_groups_tell_what_is_collected_refreshed_refused_and_left():
    left = plans.Left(source="nba", data_type="x", season="all", priority="critical", keys=7, reason="no scraper")
    found = plans.groups(
        tasks(),
        [left],
        requests={("espn", "high"): 2},
        refused={"odds/1.json"},
        probed={"odds/3.json"},
        sizes={"espn/odds": 50.4},
    )
    assert [(group.source, group.priority, group.left) for group in found] == [
        ("nba", "critical", 7),
        ("espn", "high", 0),
    ]
    of_espn = found[1]
    assert (of_espn.tasks, of_espn.collect, of_espn.refresh, of_espn.refused, of_espn.last_probe) == (1, 0, 2, 1, 1)
    assert (of_espn.requests, of_espn.bytes) == (2, 101)


def test_where_nobody_knows_how_large_objects_are_nobody_says_so():
    (group,) = plans.groups(tasks(), [], requests={}, refused=(), probed=(), sizes={})
    assert group.bytes is None


def test_storage_is_priced_by_request():
    told = plans.cost(tasks(), objects=2500, on_s3=True)
    assert (told.puts, told.gets, told.heads, told.lists) == (2 * 3 + 2, 4 * 3, 2 * 3, 3)
    assert told.usd == pytest.approx((8 + 3) * 0.005 / 1000 + 18 * 0.0004 / 1000)


def test_a_folder_costs_nothing():
    assert plans.cost(tasks(), objects=2500, on_s3=False).usd == 0


def test_sizes_are_of_the_data_set_else_of_its_source_else_of_the_lake(loop: "Loop"):
    inventory = {
        "objects": 12,
        "bytes": 1200,
        "by_source": {"espn": {"objects": 10, "bytes": 900}},
        "by_prefix": [
            {"source": "espn", "prefix": "pbp/", "objects": 2, "bytes": 100},
            {"source": "espn", "prefix": "espn_play_by_play/", "objects": 2, "bytes": 300},
        ],
    }
    found = plans.mean_bytes(inventory, loop.contract)
    assert (found["espn/play_by_play"], found["espn/odds"], found["nba_api/awards"]) == (100, 90, 100)


def test_of_an_empty_lake_no_size_is_known(loop: "Loop"):
    empty = {"objects": 0, "bytes": 0, "by_source": {}, "by_prefix": []}
    assert plans.mean_bytes(empty, loop.contract) == {}


def test_what_has_moved_is_told_apart():
    now = {
        "odds/2.json": {"etag": "other", "held": None},
        "odds/3.json": {"etag": "v2", "held": "leased by run 1 until noon"},
    }
    moved = applying.moved(make(), now)
    assert (moved.closed, moved.changed, moved.held) == (("odds/1.json",), ("odds/2.json",), ("odds/3.json",))
    assert moved.share == 1
    assert str(moved) == (
        "1 closed meanwhile: odds/1.json; 1 changed meanwhile: odds/2.json; 1 not to be tried now: odds/3.json"
    )


LEFT: applying.OpenKeys = {"odds/2.json": {"etag": "v1"}, "odds/3.json": {"etag": "v2"}}


@pytest.mark.parametrize("tolerance", [0.34, 1.0])
def test_a_plan_is_good_within_the_tolerance(tolerance: float):
    applying.refuse_moved(applying.moved(make(), LEFT), tolerance)


@pytest.mark.parametrize("tolerance", [0.0, 0.33])
def test_a_plan_is_refused_beyond_the_tolerance(tolerance: float):
    moved = applying.moved(make(), LEFT)
    with pytest.raises(VerifyError, match=r"the world has moved: 1 of 3 keys .* closed meanwhile: odds/1.json"):
        applying.refuse_moved(moved, tolerance)


def test_nothing_moves_under_an_empty_plan():
    assert applying.moved(make(tasks=()), {}).share == 0
