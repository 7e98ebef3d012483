"""Who asks for the metrics: the job, the schedules of `inventory/config.yaml`, and a sensor of what Dagster's runs did.

The sensor reads Dagster's own records and nothing else. What happens within one look becomes one run: every event once.
What it misses, the next hour sees.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.tags import SCHEDULE_NAME_TAG, SENSOR_NAME_TAG
from dagster._utils.schedules import get_smallest_cron_interval

from adce_assets.contract.loading import Contract
from adce_assets.defs.dims import ASSET, KEY, DimsConfig, dims_asset, dims_checks
from adce_assets.defs.jobs import NO_LAKE, PRIORITY_TAG, RECONCILIATION, UNFINISHED
from adce_assets.defs.resources import ProjectResource
from adce_assets.defs.sensors import SCRAPER_TAG
from adce_assets.errors import ConfigurationError
from adce_assets.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    from adce_assets.dims.catalogue import Catalogue

JOB, SENSOR = "dims_job", "dims_sensor"
RUN_TAGS = {PRIORITY_TAG: "80"}
"""Behind a reconciliation and a canary, before all collecting: an hour's numbers that come with the next are none."""
LOOKS_EVERY_S = 60
MOST_RUNS = 500
"""Runs that one look takes in; the next goes on with the rest."""
RECONCILED, UPLOADED, COLLECTED = "reconciliation_complete", "s3_upload_complete", "scraper_complete"
COMPLETIONS = "completion_sensor"


def dims_definitions(contract: Contract, settings: Settings, collected: Iterable[str]) -> dg.Definitions:
    """Make everything of the metrics; without their configuration there is nothing.

    A configuration that is faulty stops the metrics alone: they are asked for every hour, and each run says the fault.

    Args:
        contract: What the lake holds; some metrics are made from it.
        settings: The installation's.
        collected: The data sets (``source/data_type``) that have a scraper.
    """
    if not settings.metrics_config_path.is_file():
        return dg.Definitions()
    from adce_assets.dims.catalogue import Catalogue, load_metrics

    try:
        catalogue = load_metrics(settings.metrics_config_path, contract)
    except ConfigurationError:
        catalogue = Catalogue()
    job = dims_job()
    every = get_smallest_cron_interval(catalogue.schedules.hourly, "UTC")
    return dg.Definitions(
        assets=[dims_asset(contract, every)],
        asset_checks=[dims_checks(contract, every)],
        jobs=[job],
        schedules=dims_schedules(catalogue, job),
        sensors=[DimsSensor(tuple(catalogue.events), frozenset(collected), job).make()],
    )


def dims_job() -> "UnresolvedAssetJobDefinition":
    """Make the job that verifies the metrics and asks the checks."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(KEY),
        description="Measure, compare with what is accepted, remember.",
        run_tags=RUN_TAGS,
    )


def dims_schedules(catalogue: "Catalogue", job: "UnresolvedAssetJobDefinition") -> list[dg.ScheduleDefinition]:
    """Make the schedule of every hour, that of the day's snapshot, and one of each event that happens by the clock."""
    plans = catalogue.schedules
    asked = [
        ("dims_schedule", plans.hourly, DimsConfig(), "Measures what is older than its time to live."),
        ("dims_snapshot_schedule", plans.snapshot, DimsConfig(snapshot=True), "Keeps how all metrics are that day."),
        *(
            (f"dims_{name}_schedule", cron, DimsConfig(events=[name], source="schedule"), f"The event `{name}`.")
            for name, cron in plans.events.items()
        ),
    ]
    return [_schedule(job, *entry) for entry in asked]


@dataclass(frozen=True, slots=True)
class DimsSensor:
    """Makes the sensor of ended runs.

    Attributes:
        events: The events that are configured, in their order.
        collected: The names of the data sets (``source/data_type``) that have a scraper.
        job: What a look asks for.
    """

    events: tuple[str, ...]
    collected: frozenset[str]
    job: "UnresolvedAssetJobDefinition"

    def make(self) -> dg.SensorDefinition:
        """Make it; it runs by default."""

        @dg.sensor(
            name=SENSOR,
            job=self.job,
            minimum_interval_seconds=LOOKS_EVERY_S,
            default_status=dg.DefaultSensorStatus.RUNNING,
            description="Reconciliations, collecting and uploads that have ended refresh the metrics that they move.",
        )
        def look(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
            if project.settings().configured_lake is None:
                return dg.SkipReason(NO_LAKE)
            return self._look(context)

        return look

    def _look(self, context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        instance = context.instance
        if context.cursor is None:
            newest = instance.get_run_records(limit=1, order_by="update_timestamp")
            begin = newest[0].update_timestamp if newest else datetime.fromtimestamp(0, UTC)
            return dg.SensorResult(skip_reason="looks for runs that end from now on", cursor=begin.isoformat())
        since = datetime.fromisoformat(context.cursor)
        ended = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS], updated_after=since)
        records = instance.get_run_records(ended, limit=MOST_RUNS, order_by="update_timestamp", ascending=True)
        happened = self.events_of(record.dagster_run for record in records)
        if happened and instance.get_runs_count(dg.RunsFilter(job_name=JOB, statuses=list(UNFINISHED))):
            return dg.SkipReason(f"{', '.join(happened)} wait(s): metrics are being measured")
        cursor = max((record.update_timestamp for record in records), default=since).isoformat()
        asks = [_request(f"dims:{cursor}", DimsConfig(events=happened, source=SENSOR))] if happened else []
        said = None if asks else f"{len(records)} run(s) have ended, and nothing that moves a metric"
        return dg.SensorResult(run_requests=asks, skip_reason=said, cursor=cursor)

    def events_of(self, runs: Iterable[dg.DagsterRun]) -> list[str]:
        """Name what has happened, each event once; those that are not configured are no events."""
        found = {name for run in runs for name in self._of_run(run)}
        return [name for name in self.events if name in found]

    def _of_run(self, run: dg.DagsterRun) -> Iterator[str]:
        """Say what a run was, if it ended well. An upload is complete once the inventory has it."""
        if run.job_name == RECONCILIATION:
            yield RECONCILED
            if run.tags.get(SENSOR_NAME_TAG) == COMPLETIONS:
                yield UPLOADED
        selected = {"/".join(key.path) for key in run.asset_selection or ()}
        if SCRAPER_TAG in run.tags or run.job_name.startswith("collect_") or selected & self.collected:
            yield COLLECTED


def _schedule(
    job: "UnresolvedAssetJobDefinition", name: str, cron: str, config: DimsConfig, description: str
) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def ask(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> dg.RunRequest | dg.SkipReason:
        if project.settings().configured_lake is None:
            return dg.SkipReason(NO_LAKE)
        own = dg.RunsFilter(tags={SCHEDULE_NAME_TAG: name}, statuses=list(UNFINISHED))
        waiting = context.instance.get_runs_count(own)
        return dg.SkipReason(f"{waiting} run(s) of it queued or running") if waiting else _request(None, config)

    return ask


def _request(run_key: str | None, config: DimsConfig) -> dg.RunRequest:
    return dg.RunRequest(run_key=run_key, run_config=dg.RunConfig(ops={ASSET: config}))
