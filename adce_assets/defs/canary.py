"""A canary as an asset: a gap made up, and a check that fails when the loop does not close it in time.

It is collected as everything is: by a scraper of the catalogue's own form, from a host that is asked within limits. The
host is this process itself, so that a fault is the loop's, and never a source's.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING, Any

import dagster as dg

from adce_assets.contract.loading import Contract
from adce_assets.defs import metadata
from adce_assets.defs.acting import note_run
from adce_assets.defs.checks import judged, specs_of
from adce_assets.defs.collecting import Collector, collected
from adce_assets.defs.jobs import NO_LAKE, PRIORITY_TAG, UNFINISHED
from adce_assets.defs.loop import GROUP
from adce_assets.defs.resources import ProjectResource
from adce_assets.defs.restraining import is_of_the_loop, resting
from adce_assets.defs.watching import asleep
from adce_assets.fetch.lanes import Lane
from adce_assets.loop import canary
from adce_assets.loop.project import Project
from adce_assets.loop.state import CANARY
from adce_assets.loop.tasks import TaskKey
from adce_assets.scrapers.catalogue import Catalogue
from adce_assets.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    from adce_assets.defs.in_process import Runner

ASSET, JOB, POOL = "canary", "canary_job", "canary"
HOST = "adce_canary"
RUN_TAGS = {PRIORITY_TAG: "90"}
"""Behind a reconciliation, before all collecting: a canary that waits for history would tell nothing but that."""


def canary_asset(contract: Contract, settings: Settings) -> dg.AssetsDefinition:
    """Make the asset that sends a canary when it is materialised."""

    @dg.asset(
        name=ASSET,
        group_name=GROUP,
        owners=["team:adce"],
        kinds={"python"},
        code_version=version("adce"),
        pool=POOL,
        description="A gap made up, which the loop has to find, plan, fill and close within its limit.",
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=settings.autonomous.canary.silent_hours)
        ),
        check_specs=specs_of(ASSET),
    )
    def send_canary(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        opened = project.open(contract)
        if is_of_the_loop(context.run):
            note_run(opened.settings, ASSET, HOST, context.run)

        def collect(installation: Project, keys: Sequence[TaskKey]) -> None:
            with _source() as url:
                collected(installation, _collector(installation.contract, url), keys, Lane.FRESH, context)

        canary.send(opened, collect, run=context.run.run_id, asleep=_asleep(context, opened))
        document = opened.state.read_json(CANARY)
        return dg.MaterializeResult(
            metadata=metadata.of_canary(document), check_results=judged(ASSET, opened, document, {})
        )

    return send_canary


def canary_job() -> "UnresolvedAssetJobDefinition":
    """Make the job that sends a canary."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(ASSET),
        description="Make up a gap, and see whether the loop closes it in time.",
        run_tags=RUN_TAGS,
    )


def canary_schedule(settings: Settings, job: "UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    """Make the schedule that sends a canary a day."""

    @dg.schedule(
        name="canary_schedule",
        job=job,
        cron_schedule=settings.autonomous.canary.cron,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Sends the canary of the day; passed over while one is queued or running.",
    )
    def fly(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> dg.RunRequest | dg.SkipReason:
        if project.settings().configured_lake is None:
            return dg.SkipReason(NO_LAKE)
        if rests := resting(project.settings()):
            return dg.SkipReason(rests)
        waiting = context.instance.get_runs_count(dg.RunsFilter(job_name=JOB, statuses=list(UNFINISHED)))
        return dg.SkipReason(f"{waiting} canary(s) queued or running") if waiting else dg.RunRequest()

    return fly


def send_here(here: "Runner", *, log_level: str) -> None:
    """Send a canary in this process, as a run of Dagster's."""
    job = here.definitions.resolve_job_def(JOB)
    loggers = {"console": {"config": {"log_level": log_level}}}
    job.execute_in_process(instance=here.instance, run_config={"loggers": loggers}, tags=RUN_TAGS)


def _asleep(context: dg.AssetExecutionContext, project: Project) -> list[str]:
    """Say who does not watch for the real loop at the moment when the run began, by Dagster's clock."""
    record = context.instance.get_run_record_by_id(context.run.run_id)
    patience = timedelta(minutes=project.settings.autonomous.canary.limit_minutes)
    return asleep(context.instance, record.start_time, patience) if record and record.start_time else []


def _collector(contract: Contract, url: str) -> Collector:
    """Make the scraper of the canary's one data set, and the host that it asks."""
    declared = {
        "contact": "https://example.org/adce",
        "hosts": {
            HOST: {
                "base_url": url,
                "requests_per_second": 10,
                "burst": 10,
                "robots": {"ignored_because": "it is this very process"},
                "allow_private": True,
            }
        },
        "scrapers": {
            canary.SCRAPER: {
                "kind": "json_api",
                "host": HOST,
                "path": "/canary/{day}.json",
                "yields": {canary.DATA_SET: {"requirements": {"id_path": "day", "id_is": "{day}"}}},
            }
        },
    }
    return Collector(contract, Catalogue.model_validate(declared), canary.SCRAPER, (canary.DATA_SET,))


class _Answer(BaseHTTPRequestHandler):
    """Says of ``/canary/<day>.json`` which day it is."""

    def do_GET(self) -> None:
        """Answer with the day that was asked for."""
        day = self.path.removeprefix("/canary/").removesuffix(".json")
        body = json.dumps({"day": day, "says": "the loop lives"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature is the library's
        """Say nothing: the client tells what it has asked."""


@contextmanager
def _source() -> Iterator[str]:
    """Lend a source of canaries, in this process and for it alone."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
