"""What holds for all sensors, and the schedule that needs no event."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from adce_assets.defs.jobs import RECONCILIATION
from adce_assets.defs.resources import ProjectResource
from adce_assets_tests.defs.ticking import Ticking

NAMES = ("inventory_report_sensor", "completion_sensor", "task_queue_sensor")


@pytest.mark.parametrize("name", NAMES)
def test_without_a_lake_a_sensor_says_so_and_does_not_fail(small: Any, instance: dg.DagsterInstance, name: str) -> None:
    del small.environment["ADCE_LAKE"]
    assert Ticking(small, instance, name).tick().skip_message == "no lake is configured: set ADCE_LAKE"


def test_sensors_and_the_schedule_run_without_being_switched_on(small: Any) -> None:
    repository = small.defs().get_repository_def()
    for name in NAMES:
        assert repository.get_sensor_def(name).default_status is dg.DefaultSensorStatus.RUNNING
    assert {repository.get_sensor_def(name).job_name for name in NAMES[:2]} == {RECONCILIATION}
    schedule = repository.get_schedule_def("reconciliation_schedule")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.cron_schedule == "*/15 * * * *"


def scheduled(small: Any, folder: Path, unfinished: int) -> Any:
    """What the schedule asks for while so many reconciliations are running."""
    repository = small.defs().get_repository_def()
    resources = {"project": ProjectResource(environment=small.environment)}
    with (
        dg.DagsterInstance.local_temp(str(folder)) as instance,
        dg.build_schedule_context(instance=instance, repository_def=repository, resources=resources) as context,
    ):
        for _ in range(unfinished):
            instance.add_run(dg.DagsterRun(job_name=RECONCILIATION, status=dg.DagsterRunStatus.STARTED))
        return repository.get_schedule_def("reconciliation_schedule").evaluate_tick(context)


@pytest.mark.parametrize(("unfinished", "requests"), [(0, 1), (1, 0)])
def test_the_schedule_does_not_pile_up_reconciliations(
    small: Any, tmp_path: Path, unfinished: int, requests: int
) -> None:
    assert len(scheduled(small, tmp_path, unfinished).run_requests or ()) == requests


def test_the_schedule_looks_for_what_is_newer_than_a_report_too(small: Any, tmp_path: Path) -> None:
    path = small.home / "config" / "reconciliation_config.yaml"
    path.write_text(path.read_text().replace("use_aws_inventory: false", "use_aws_inventory: true"))
    assert len(scheduled(small, tmp_path, 0).run_requests) == 1
