"""The runs that the queue's sensor asks for, and what they leave undone: to others, to time, and as not to be had."""

import json
import re
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import yaml

from adce_assets.defs.resources import ProjectResource
from adce_assets.demo.source import LocalSource
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.transitions import Event
from adce_assets.loop.dispatch import LONGEST_RUN_SECONDS, START_SECONDS
from adce_assets_tests.defs.conftest import GAMES, NOW, ROOT, SmallProject, make_project

SEASON = "2024-25"


@pytest.fixture(scope="module")
def asked() -> Iterator[LocalSource]:
    with LocalSource(GAMES) as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, asked: LocalSource) -> SmallProject:
    """An installation that lacks the documents of the first day; each test minds a data set of its own."""
    made = make_project(tmp_path_factory.mktemp("shared") / "home", None, ADCE_HOST_ESPN_SITE=asked.url)
    made.fill(missing=lambda key: "401501" in key)
    with dg.DagsterInstance.ephemeral() as forgotten:
        assert made.reconcile(forgotten).success
    return made


def ticked(small: Any, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    definitions = small.defs()
    resources = {"project": ProjectResource(environment=small.environment)}
    with dg.build_sensor_context(
        instance=instance, definitions=definitions, resources=resources, cursor=cursor
    ) as context:
        return definitions.resolve_sensor_def("task_queue_sensor").evaluate_tick(context)


def materialise(
    small: Any, instance: dg.DagsterInstance, name: str, *, tags: dict[str, str] | None = None, **config: Any
) -> dict[str, Any]:
    job = small.defs().resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance,
        partition_key=SEASON,
        asset_selection=[dg.AssetKey(["espn", name])],
        run_config={"ops": {"espn_summary": {"config": config}}},
        tags=tags,
    )
    (event,) = result.get_asset_materialization_events()
    found = event.step_materialization_data.materialization.metadata
    return {name: getattr(value, "records", value.value) for name, value in found.items()}


def changed(small: Any, **values: Any) -> str:
    """Change settings of the loop; return the text that was there before."""
    path = small.home / "config" / "autonomous_config.yaml"
    before = path.read_text()
    text = before
    for name, value in values.items():
        text = re.sub(rf"{name}: \S+", f"{name}: {value}", text)
    path.write_text(text)
    return before


def tombstoned(small: Any, name: str) -> list[str]:
    keys = [f"{name}/{game.game_id}.json" for game in GAMES if game.game_id.startswith("401501")]
    data_type = {"box_scores": "box_scores", "pbp": "play_by_play", "team_stats": "team_stats"}[name]
    detail = {"why": "asked three times", "until": NOW.replace(year=2030).isoformat()}
    small.project.ledger.append(
        Transition(key, event, "espn", data_type, SEASON, NOW, "", "", detail if event is Event.TOMBSTONED else {})
        for key in keys
        for event in (Event.DETECTED, Event.TOMBSTONED)
    )
    return keys


def test_what_waits_for_an_approval_is_not_started(shared: Any, instance: dg.DagsterInstance) -> None:
    (shared.home / "inventory" / "approvals" / "baseline.json").unlink(missing_ok=True)
    before = changed(shared, max_new_tasks=1)
    try:
        told = ticked(shared, instance)
    finally:
        (shared.home / "config" / "autonomous_config.yaml").write_text(before)
    tasks = [request.run_config["ops"]["espn_summary"]["config"]["task_ids"] for request in told.run_requests]
    assert [len(of_run) for of_run in tasks] == [1]
    assert len(shared.project.state.read_json("gaps")["tasks"]) == 3


def test_a_run_is_told_how_long_it_may_take_and_never_longer_than_any(
    shared: Any, instance: dg.DagsterInstance
) -> None:
    told = ticked(shared, instance, cursor='{"low": 3}')
    seconds = [int(request.tags["dagster/max_runtime"]) for request in told.run_requests]
    assert seconds
    assert all(START_SECONDS < value < LONGEST_RUN_SECONDS for value in seconds)
    assert json.loads(told.cursor)["low"] == 3 + len(seconds)
    document = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert document["run_monitoring"]["max_runtime_seconds"] == LONGEST_RUN_SECONDS


def test_a_partition_of_which_nothing_can_be_had_is_materialised_and_says_so(
    shared: Any, instance: dg.DagsterInstance
) -> None:
    keys = tombstoned(shared, "box_scores")
    told = materialise(shared, instance, "box_scores")
    assert (told["asked"], told["known_unavailable"], told["left_to_others"]) == (0, len(keys), len(keys))
    assert [row.data["left to"] for row in told["left_to"]] == ["nobody: known unavailable"]


def test_a_task_that_a_person_names_is_collected_whatever_is_known_of_it(
    shared: Any, instance: dg.DagsterInstance
) -> None:
    keys = tombstoned(shared, "team_stats")
    (task,) = [
        task["id"] for task in shared.project.state.read_json("gaps")["tasks"] if task["data_type"] == "team_stats"
    ]
    told = materialise(shared, instance, "team_stats", task_ids=[task])
    assert (told["written"], told["known_unavailable"]) == (len(keys), 0)


def test_a_run_whose_time_is_over_begins_nothing_new_and_gives_the_rest_back(
    shared: Any, instance: dg.DagsterInstance, asked: LocalSource
) -> None:
    """Of all that it may take, or of what Dagster gives this one: it ends before it is ended."""
    before, requests = changed(shared, max_orchestrator_runtime_minutes="0.0000001"), asked.requests
    try:
        ends = [materialise(shared, instance, "play_by_play")]
    finally:
        (shared.home / "config" / "autonomous_config.yaml").write_text(before)
    ends.append(materialise(shared, instance, "play_by_play", tags={"dagster/max_runtime": "60"}))
    assert [(told["asked"], told["given_back"], told["collected"]) for told in ends] == [(2, 2, 0)] * 2
    assert asked.requests == requests
    assert materialise(shared, instance, "play_by_play")["written"] == 2


def test_a_person_who_names_tasks_that_nobody_knows_is_told_so(shared: Any, instance: dg.DagsterInstance) -> None:
    with pytest.raises(dg.Failure, match=r"2 of 2 task.* unknown.*adce tasks"):
        materialise(shared, instance, "play_by_play", task_ids=["task-0", "task-1"])


def test_a_run_of_an_older_queue_says_that_its_tasks_are_unknown(shared: Any, instance: dg.DagsterInstance) -> None:
    job = shared.defs().resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance,
        partition_key=SEASON,
        asset_selection=[dg.AssetKey(["espn", "play_by_play"])],
        run_config={"ops": {"espn_summary": {"config": {"task_ids": ["task-0"]}}}},
        tags={"adce/batch": "batch-0"},
    )
    (event,) = result.get_asset_materialization_events()
    assert event.step_materialization_data.materialization.metadata["unknown_tasks"].value == 1
