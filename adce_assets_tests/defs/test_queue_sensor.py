"""Tasks of the queue become runs, once, and as many as there may be."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from adce_assets_tests.defs.conftest import SmallProject, make_project
from adce_assets_tests.defs.ticking import NEXT, SEASON, Ticking, queued, start


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """An installation with a queue of two scrapers, which its tests only look at."""
    return with_queue(make_project(tmp_path_factory.mktemp("ready") / "home"))


@pytest.fixture(scope="module")
def ready_later(tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """Another one, three years later: what was to be collected then is history."""
    return with_queue(make_project(tmp_path_factory.mktemp("later") / "home").at(days=3 * 365))


def with_queue(made: SmallProject) -> SmallProject:
    with dg.DagsterInstance.ephemeral() as forgotten:
        queued(made, forgotten)
    return made


@pytest.mark.parametrize(
    ("setting", "runs"),
    [
        ("max_concurrent_scrapers: 4", 2),
        ("max_concurrent_scrapers: 1", 1),
        ("max_concurrent: {critical: 1}", 1),
        ("max_concurrent: {high: 1}", 2),
    ],
)
def test_no_more_runs_are_started_than_the_configuration_says(
    ready: SmallProject, instance: dg.DagsterInstance, setting: str, runs: int
) -> None:
    path = ready.home / "config" / "autonomous_config.yaml"
    before = path.read_text()
    path.write_text(
        re.sub(rf"^  {setting.split(':', maxsplit=1)[0]}: [^#\n]*", f"  {setting} ", before, flags=re.MULTILINE)
    )
    try:
        assert setting in path.read_text()
        requests = Ticking(ready, instance, "task_queue_sensor").tick().run_requests
    finally:
        path.write_text(before)
    assert len(requests) == runs


def test_without_a_queue_there_is_nothing_to_start(small: Any, instance: dg.DagsterInstance) -> None:
    assert "there is no queue yet" in Ticking(small, instance, "task_queue_sensor").tick().skip_message


def test_tasks_become_runs_of_partitions_the_most_urgent_first(cloud: Any, instance: dg.DagsterInstance) -> None:
    requests = queued(cloud, instance).tick().run_requests
    (summary,) = [request for request in requests if request.tags["adce/scraper"] == "espn_summary"]
    assert {key.path[-1] for key in summary.asset_selection} == {"play_by_play", "box_scores", "team_stats"}
    assert summary.partition_key == SEASON
    assert summary.tags["dagster/partition"] == SEASON
    assert summary.tags["dagster/priority"] == "30"
    assert summary.run_key.startswith(summary.tags["adce/batch"])
    assert len(summary.run_config["ops"]["espn_summary"]["config"]["task_ids"]) == 3
    assert summary.asset_check_keys == []
    priorities = [int(request.tags["dagster/priority"]) for request in requests]
    assert priorities == sorted(priorities, reverse=True)


def test_a_requested_run_can_be_run_as_it_is(cloud: Any, instance: dg.DagsterInstance, source: Any) -> None:
    cloud.environment["ADCE_HOST_ESPN_SITE"] = source.url
    requests = queued(cloud, instance).tick().run_requests
    (summary,) = [request for request in requests if request.tags["adce/scraper"] == "espn_summary"]
    result = (
        cloud.defs()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=instance,
            run_config=summary.run_config,
            partition_key=summary.partition_key,
            asset_selection=summary.asset_selection,
        )
    )
    assert result.success
    assert source.requests == 2


def test_what_is_in_flight_is_not_started_again(ready: SmallProject, instance: dg.DagsterInstance) -> None:
    sensor = Ticking(ready, instance, "task_queue_sensor")
    requests = sensor.tick().run_requests
    for request in requests:
        start(instance, request, dg.DagsterRunStatus.STARTED)
    again = sensor.tick()
    assert again.run_requests == []
    assert f"nothing to start: 4 queued, {len(requests)} in flight" in again.skip_message


@pytest.mark.parametrize(
    ("status", "later"),
    [(dg.DagsterRunStatus.FAILURE, {"minutes": 1}), (dg.DagsterRunStatus.CANCELED, {"hours": 4})],
    ids=["while the queue is the same", "when it is made anew"],
)
def test_a_batch_that_has_ended_waits_for_the_next_reconciliation_and_no_longer(
    small: Any, instance: dg.DagsterInstance, status: dg.DagsterRunStatus, later: dict[str, int]
) -> None:
    sensor = queued(small, instance)
    first = sensor.tick().run_requests
    for request in first:
        start(instance, request, status)
    assert sensor.tick().run_requests == []
    then = small.at(**later)
    then.reconcile(instance)
    again = sensor.tick(then).run_requests
    assert len(again) == len(first) > 0
    assert {request.run_key for request in again}.isdisjoint(request.run_key for request in first)


def test_a_batch_that_still_runs_is_not_started_again_by_a_reconciliation(
    small: Any, instance: dg.DagsterInstance
) -> None:
    sensor = queued(small, instance)
    for request in sensor.tick().run_requests:
        start(instance, request, dg.DagsterRunStatus.STARTED)
    small.at(minutes=30).reconcile(instance)
    assert sensor.tick(small.at(minutes=30)).run_requests == []


@pytest.mark.parametrize(
    ("status", "is_kept"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, False),
        (dg.DagsterRunStatus.STARTED, True),
    ],
)
def test_a_cell_waits_for_the_run_of_a_person_that_works_and_for_none_that_only_waits(
    ready_later: SmallProject, instance: dg.DagsterInstance, status: dg.DagsterRunStatus, *, is_kept: bool
) -> None:
    sensor = Ticking(ready_later, instance, "task_queue_sensor")
    before = sensor.tick().run_requests
    (request,) = [one for one in before if one.tags["adce/scraper"] == "espn_summary"]
    assert request.tags["adce/lane"] == f"espn_summary/{SEASON}/low"
    run = dg.DagsterRun(
        job_name="collect_espn",
        tags={"dagster/partition": SEASON, "dagster/backfill": "history"},
        status=status,
        asset_selection=frozenset({dg.AssetKey(["espn", "play_by_play"])}),
    )
    instance.add_run(run)
    found = [one.tags["adce/scraper"] for one in sensor.tick().run_requests]
    assert ("espn_summary" in found) is not is_kept


def test_a_backfill_of_history_leaves_room_for_tonight(ready: SmallProject, instance: dg.DagsterInstance) -> None:
    sensor = Ticking(ready, instance, "task_queue_sensor")
    selected = frozenset({dg.AssetKey(["espn", "play_by_play"])})
    for number in range(50):
        tags = {"dagster/partition": "2022-23", "dagster/backfill": "history", "number": str(number)}
        run = dg.DagsterRun(
            job_name="collect_espn", tags=tags, status=dg.DagsterRunStatus.STARTED, asset_selection=selected
        )
        instance.add_run(run)
    requests = sensor.tick().run_requests
    assert any(request.tags["adce/scraper"] == "espn_summary" for request in requests)


def test_a_run_is_told_whose_part_of_the_budget_it_uses(
    ready_later: SmallProject, instance: dg.DagsterInstance
) -> None:
    sensor = Ticking(ready_later, instance, "task_queue_sensor")
    lanes: dict[str, set[str]] = {}
    while requests := sensor.tick().run_requests:
        for request in requests:
            told = lanes.setdefault(request.partition_key, set())
            told |= {op["config"]["lane"] for op in request.run_config["ops"].values()}
            start(instance, request, dg.DagsterRunStatus.SUCCESS)
    assert lanes[SEASON] == {"HISTORY"}
    assert lanes["2027-28"] == lanes["2026-27"] == {"FRESH"}


def test_hosts_have_room_for_both_lanes_and_a_persons_own_limit_is_kept(small: Any, tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        sensor = Ticking(small, instance, "task_queue_sensor")
        sensor.tick()
        assert limits_of_pools(instance) == {"host_espn_site": 5}
        instance.event_log_storage.set_concurrency_slots("host_espn_site", 2)
        sensor.tick()
        assert limits_of_pools(instance) == {"host_espn_site": 2}


def limits_of_pools(instance: dg.DagsterInstance) -> dict[str, int]:
    return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}


def test_a_cell_that_a_person_is_collecting_is_left_alone_but_for_what_is_critical(
    small: Any, instance: dg.DagsterInstance
) -> None:
    sensor = queued(small.at(days=30), instance)
    tags = {"dagster/partition": SEASON}
    instance.add_run(dg.DagsterRun(job_name="collect_espn", tags=tags, status=dg.DagsterRunStatus.STARTED))
    assert [request.tags["adce/lane"] for request in sensor.tick().run_requests] == ["espn_scoreboard/2024-25/critical"]


def test_tasks_of_a_season_that_is_not_loaded_are_told_of_and_wait_for_a_reload(
    small: Any, instance: dg.DagsterInstance
) -> None:
    later = small.at(days=365)
    sensor = queued(later, instance)
    tasks = [task for task in later.project.state.read_json("gaps")["tasks"] if task["season"] == NEXT]
    said = (
        f"{len(tasks)} task(s) (espn/schedule 2025-26) of seasons newer than what is loaded: reload the code location"
    )
    requests = sensor.tick(loaded=small).run_requests
    assert tasks
    assert {request.partition_key for request in requests} == {SEASON}
    assert any(said in line for line in sensor.lines.said)
    for request in requests:
        start(instance, request, dg.DagsterRunStatus.SUCCESS)
    while requests := sensor.tick(loaded=small).run_requests:
        for request in requests:
            start(instance, request, dg.DagsterRunStatus.SUCCESS)
    told = sensor.tick(loaded=small)
    assert "nothing to start" in told.skip_message
    assert said in told.skip_message
    assert {request.partition_key for request in sensor.tick().run_requests} == {NEXT}
