"""The jobs by which people, sensors and the clock start work, and the schedule that needs no event to reconcile."""

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

from adce_assets.contract.loading import Contract
from adce_assets.defs.data_sets import key_of
from adce_assets.defs.loop import STEPS
from adce_assets.defs.resources import ProjectResource
from adce_assets.defs.restraining import resting
from adce_assets.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

RECONCILIATION = "reconciliation_job"
WAREHOUSE, WAREHOUSE_GROUP = "warehouse_job", "warehouse"
PRIORITY_TAG = "dagster/priority"
RUN_TAGS = {PRIORITY_TAG: "100"}
"""A reconciliation goes before all collecting: a queue that is out of date collects what is there already."""
NO_LAKE = "no lake is configured: set ADCE_LAKE"
UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def reconciliation_job() -> "UnresolvedAssetJobDefinition":
    """Make the job that runs the four steps of the loop."""
    return dg.define_asset_job(
        RECONCILIATION,
        selection=dg.AssetSelection.assets(*STEPS),
        description="Inventory, coverage, gaps, queue: find what the lake is missing.",
        run_tags=RUN_TAGS,
    )


def warehouse_job() -> "UnresolvedAssetJobDefinition":
    """Make the job that loads all entities of a season, each after those that its rules look at."""
    return dg.define_asset_job(
        WAREHOUSE,
        selection=dg.AssetSelection.groups(WAREHOUSE_GROUP),
        description="Load a season into the warehouse: by command, or all of history by a backfill.",
    )


def collect_jobs(contract: Contract, scrapers: Mapping[str, str]) -> dict[str, "UnresolvedAssetJobDefinition"]:
    """Make a job over the data sets of each source that have a scraper: `collect_espn`.

    It is for backfills by command. All assets of a job must have the same partitions, so that a source with data sets
    of another league than its own has one more job: `collect_basketball_reference_gleague`.
    """
    members: defaultdict[str, list[dg.AssetKey]] = defaultdict(list)
    for name in scrapers:
        members[job_name(contract, name)].append(key_of(contract.data_sets[name]))
    return {
        name: dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(*keys).without_checks(),
            description="Collect the open keys of a season, or all of them with `refresh: all`.",
        )
        for name, keys in members.items()
    }


def job_name(contract: Contract, name: str) -> str:
    """Name the job that collects a data set (``source/data_type``)."""
    data_set = contract.data_sets[name]
    own = data_set.league == contract.sources[data_set.source].league
    return f"collect_{data_set.source}" if own else f"collect_{data_set.source}_{data_set.league}"


def reconciliation_schedule(settings: Settings, job: "UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    """Make the schedule that reconciles even when no report and no completion asks for it.

    It runs by default: documents become due and stale without any event, and what is newer than a report is listed.
    """

    @dg.schedule(
        name="reconciliation_schedule",
        job=job,
        cron_schedule=settings.autonomous.intervals.reconcile_cron,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Reconciles now and then; passed over while a reconciliation is queued or running.",
    )
    def reconcile(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> dg.RunRequest | dg.SkipReason:
        if project.settings().configured_lake is None:
            return dg.SkipReason(NO_LAKE)
        if rests := resting(project.settings()):
            return dg.SkipReason(rests)
        waiting = context.instance.get_runs_count(dg.RunsFilter(job_name=RECONCILIATION, statuses=list(UNFINISHED)))
        if waiting:
            return dg.SkipReason(f"{waiting} reconciliation(s) queued or running")
        return dg.RunRequest()

    return reconcile
