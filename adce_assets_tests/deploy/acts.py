"""What the loop does with a bucket, act by act, each of which raises where it cannot be done."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from adce_assets.demo.report_writer import write_report
from adce_assets.demo.source import LocalSource
from adce_assets.errors import LakeError
from adce_assets.fetch.client import Client, user_agent
from adce_assets.fetch.limits import Limits
from adce_assets.lake.s3_inventory import Configurations, Wanted
from adce_assets.lake.store import open_store
from adce_assets.loop import inventory, report_status
from adce_assets.loop.project import Project
from adce_assets.loop.reconciling import reconcile
from adce_assets.loop.state import QUEUE, State
from adce_assets.loop.tasks import TaskKey, task_keys
from adce_assets.scrapers.collect import CollectReport, collect, wanted
from adce_assets_tests.defs.conftest import NOW
from adce_assets_tests.shipped import CATALOGUE

REPORTS, DAILY = "inventory-reports/", "daily"
SCRAPERS = {"espn_summary", "espn_scoreboard"}

Act = Callable[[Project, LocalSource, Path], object]


def looks(project: Project, *_: object) -> None:
    """Reconcile by a listing."""
    reconcile(project, SCRAPERS)


def begins(project: Project, *_: object) -> None:
    """Reconcile for the first time: nothing is remembered."""
    state = State(open_store(f"{project.state.store.url}/{uuid4().hex}"))
    reconcile(replace(project, state=state), SCRAPERS)


def collects(project: Project, source: LocalSource, folder: Path) -> None:
    """Collect what is queued of games."""
    report = collected(project, source, folder)
    failed = [worst.what for told in report.data_sets.values() for worst in told.worst]
    if failed:
        raise LakeError(failed[0])


def reads_a_report(project: Project, *_: object) -> None:
    """Take the inventory from a report of AWS's."""
    inventory.take(project, mode="aws")


def knows_when_a_report_is_due(project: Project, *_: object) -> None:
    """Read how often AWS writes one."""
    told = report_status.look(project.lake, project.state, project.settings.reconciliation.s3, NOW)
    if told["schedule"]["known_from"] != "configuration":
        raise LakeError("nobody knows")


def collected(project: Project, source: LocalSource, folder: Path, run: str = "run1") -> CollectReport:
    catalogue = CATALOGUE.with_base_urls({"espn_site": source.url})
    limits = Limits(folder / "limits.sqlite")
    client = Client(catalogue.hosts, limits, agent=user_agent("tests"), now=lambda: NOW, sleep=lambda _: None)
    asked = [
        wanted(project.contract, f"{key.source}/{key.data_type}", key.season, key.key, None) for key in queued(project)
    ]
    try:
        return collect(
            catalogue.scrapers["espn_summary"],
            asked,
            client=client,
            store=project.lake,
            run_id=run,
            clock=project.clock,
        )
    finally:
        client.close()
        limits.dispose()


def queued(project: Project) -> list[TaskKey]:
    return task_keys(project.state, [task["id"] for task in project.state.read_json(QUEUE)["tasks"]])


def reported(project: Project) -> None:
    """Write a report, as AWS would."""
    objects = [found for found in project.lake.list() if not found.key.startswith(("_adce/", REPORTS))]
    bucket = project.lake.url.removeprefix("s3://")
    write_report(project.lake, objects, prefix=REPORTS, bucket=bucket, config_id=DAILY, created_at=NOW)


def asked_for_reports(project: Project, name: str = DAILY) -> None:
    """Have AWS write reports from now on, as `adce inventory setup` does."""
    url = project.lake.url
    Configurations(url).put(Wanted(url, REPORTS, name, versions="All").document())
