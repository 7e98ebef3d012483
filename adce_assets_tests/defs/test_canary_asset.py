"""The canary as Dagster sends it, and what `adce why` reads of an instance."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from adce_assets.defs.instance import seen
from adce_assets.defs.sensors import tags_of
from adce_assets.fetch.lanes import Lane
from adce_assets.loop.dispatch import Batch

BATCH = Batch("batch-1", "espn_summary", "2024-25", "high", Lane.FRESH, ("espn/pbp",), ("task-1",), 3, "why")


@pytest.fixture
def kept() -> Iterator[dg.DagsterInstance]:
    """An instance in a folder, which has daemons and sensors."""
    with dg.instance_for_test() as made:
        yield made


def test_a_canary_goes_the_whole_way_of_a_run_and_its_check_passes(small: Any, instance: dg.DagsterInstance):
    small.environment.pop("ADCE_AS_OF")
    result = small.defs().resolve_job_def("canary_job").execute_in_process(instance=instance)
    (check,) = result.get_asset_check_evaluations()
    told = small.metadata(result, "canary")
    assert (check.check_name, check.passed, told["alive"]) == ("canary_is_alive", True, True)
    assert 0 < told["seconds_to_close"] < 60
    document = small.project.state.read_json("cache/canary")
    ways = [step["event"] for step in document["steps"]]
    assert ways == ["detected", "planned", "leased", "promoted", "seen", "closed"]


def test_a_canary_that_dies_fails_its_check_and_not_its_run_and_who_does_not_watch_is_told(
    small: Any, kept: dg.DagsterInstance
):
    path = small.home / ".adce"
    path.mkdir()
    (path / "limits.sqlite").mkdir()
    kept.add_daemon_heartbeat(DaemonHeartbeat(1.0, "SENSOR", None, None))
    result = small.defs().resolve_job_def("canary_job").execute_in_process(instance=kept)
    (check,) = result.get_asset_check_evaluations()
    assert result.success
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.ERROR
    said = check.description or ""
    assert "it came as far as leased: " in said
    assert "nobody watches: the daemon SENSOR is not heard of any more: `adce restart`" in said
    assert said.endswith("`adce canary` tells whether the loop lives")


def test_runs_of_the_lane_of_the_priority_and_of_the_batch_are_seen(small: Any, kept: dg.DagsterInstance):
    instance, job = kept, small.defs().resolve_job_def("canary_job")
    told = seen(instance, "host_espn", BATCH)
    assert (told.is_well, told.beat_at, told.sensor_is_on) == (False, None, True)
    assert (told.run, told.done_by, told.in_flight, told.pool_limit) == ("", "", 0, None)

    def run(status: dg.DagsterRunStatus, **changes: Any) -> str:
        tags = tags_of(BATCH, "now") | changes
        return instance.create_run_for_job(job, status=status, tags=tags).run_id

    done = run(dg.DagsterRunStatus.SUCCESS)
    run(dg.DagsterRunStatus.STARTED, **{"adce/lane": "other/2024-25/high", "adce/batch": "batch-2"})
    assert seen(instance, "host_espn", BATCH).run == ""
    queued = run(dg.DagsterRunStatus.NOT_STARTED, **{"adce/batch": "batch-3"})
    told = seen(instance, "host_espn", BATCH)
    assert (told.run, told.run_waits, told.in_flight, told.alike, told.done_by) == (queued, True, 2, 2, done)
    ended = instance.get_run_by_id(done)
    assert ended is not None
    instance.report_run_failed(ended)
    assert seen(instance, "host_espn", BATCH).done_by == done
    instance.report_runless_asset_event(dg.AssetMaterialization("task_queue"))
    assert seen(instance, "host_espn", BATCH).done_by == ""


def test_the_schedule_of_the_canary_waits_for_one_that_is_under_way(small: Any, kept: dg.DagsterInstance):
    repository = small.defs().get_repository_def()
    schedule = repository.get_schedule_def("canary_schedule")
    assert (schedule.cron_schedule, schedule.default_status) == ("20 5 * * *", dg.DefaultScheduleStatus.RUNNING)
    resources = {"project": repository.get_top_level_resources()["project"]}
    with dg.build_schedule_context(instance=kept, repository_def=repository, resources=resources) as context:
        assert len(schedule.evaluate_tick(context).run_requests) == 1
        kept.create_run_for_job(repository.get_job("canary_job"), status=dg.DagsterRunStatus.STARTED)
        assert schedule.evaluate_tick(context).skip_message == "1 canary(s) queued or running"
