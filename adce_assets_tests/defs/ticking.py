"""Sensors from tick to tick, and the queue that one of them reads."""

import logging
from datetime import datetime
from typing import Any

import dagster as dg

from adce_assets.defs.resources import ProjectResource
from adce_assets_tests.defs.conftest import NOW

SEASON, NEXT = "2024-25", "2025-26"


class Lines(logging.Handler):
    """What a sensor has written into its log."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


class Ticking:
    """A sensor from tick to tick, with the cursor that Dagster keeps for it."""

    def __init__(self, small: Any, instance: dg.DagsterInstance, name: str) -> None:
        self.small, self.instance, self.name = small, instance, name
        self.cursor: str | None = None
        self.lines = Lines()

    def tick(self, small: Any | None = None, *, loaded: Any | None = None) -> Any:
        """Look at an installation; its definitions may have been ``loaded`` at another time."""
        installation = small or self.small
        definitions = (loaded or installation).defs()
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            definitions=definitions,
            resources={"project": ProjectResource(environment=installation.environment)},
        ) as context:
            context.log.addHandler(self.lines)
            told = definitions.resolve_sensor_def(self.name).evaluate_tick(context)
        self.cursor = told.cursor
        return told


def queued(small: Any, instance: dg.DagsterInstance) -> Ticking:
    small.fill(missing=lambda key: "401501" in key or key == "schedule/20241202.json")
    assert small.reconcile(instance).success
    return Ticking(small, instance, "task_queue_sensor")


def start(instance: dg.DagsterInstance, request: Any, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """Keep a requested run as Dagster would, in a state of its life."""
    tags = {**request.tags, **({"dagster/partition": request.partition_key} if request.partition_key else {})}
    run = dg.DagsterRun(
        job_name=request.job_name,
        tags=tags,
        status=status,
        asset_selection=frozenset(request.asset_selection or ()),
        run_config=request.run_config,
    )
    kept = instance.add_run(run)
    if status is dg.DagsterRunStatus.FAILURE:
        instance.report_run_failed(kept)
    if status is dg.DagsterRunStatus.CANCELED:
        instance.report_run_canceled(kept)
    return kept


def on_schedule(
    small: Any,
    instance: dg.DagsterInstance,
    name: str,
    at: datetime = NOW,
    loaded: Any | None = None,
) -> Any:
    """Let a schedule look at an installation; its definitions may be those of another one."""
    definitions = (loaded or small).defs()
    repository = definitions.get_repository_def()
    resources = {"project": ProjectResource(environment=small.environment)}
    with dg.build_schedule_context(
        instance=instance, repository_def=repository, resources=resources, scheduled_execution_time=at
    ) as context:
        return repository.get_schedule_def(name).evaluate_tick(context)
