"""What is collected by the clock in, a schedule of Dagster's for each entry out.

Each scraper of an entry becomes a run of the season's partition, with a time after which it ends. What holds the queue
back holds this back too: maintenance, pauses, resources, a halt, and an approval that is waited for. A key that another
run has is left to it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.tags import SCHEDULE_NAME_TAG

from adce_assets.contract.loading import Contract, DataSet
from adce_assets.contract.seasons import WHOLE_HISTORY
from adce_assets.defs.collecting import CollectConfig, Refresh
from adce_assets.defs.data_sets import key_of
from adce_assets.defs.halting import not_while_halted
from adce_assets.defs.jobs import NO_LAKE, PRIORITY_TAG, RECONCILIATION, UNFINISHED, job_name
from adce_assets.defs.reloading import advice
from adce_assets.defs.resources import ProjectResource
from adce_assets.defs.restraining import no_start
from adce_assets.defs.sensors import SCRAPER_TAG
from adce_assets.loop import approvals
from adce_assets.loop.approvals import Held
from adce_assets.loop.cells import open_files
from adce_assets.loop.project import Project
from adce_assets.loop.records import CELL
from adce_assets.loop.scrapes import Plan
from adce_assets.loop.state import COVERAGE, QUEUE
from adce_assets.loop.windows import Work, paused

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

PRIORITY = "15"
"""Before the MEDIUM tasks of the queue, behind its HIGH ones."""
SCRAPE_TAG = "adce/scrape"
"""The tag of a run that says which entry has asked for it."""

Jobs = Mapping[str, "UnresolvedAssetJobDefinition"]


@dataclass(frozen=True, slots=True)
class ByTheClock:
    """Makes the schedules of plans.

    Attributes:
        contract: What the assets were made from.
        hosts: Whom each scraper asks.
        cells: The seasons of each data set that were loaded.
    """

    contract: Contract
    hosts: Mapping[str, str]
    cells: Mapping[str, Sequence[str]]

    def all(self, plans: Iterable[Plan], jobs: Jobs) -> list[dg.ScheduleDefinition]:
        """Make the schedule of each plan that comes to something, for the job that collects its data sets."""
        made = [plan for plan in plans if plan.scrapers]
        return [self._schedule(plan, jobs[job_name(self.contract, plan.first.name)]) for plan in made]

    def _schedule(self, plan: Plan, job: "UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
        scrape = plan.scrape

        @dg.schedule(
            name=f"{scrape.name}_schedule",
            job=job,
            cron_schedule=scrape.cron,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Collects the {scrape.season} season of `{scrape.source}` (`{scrape.refresh}`) by the clock.",
        )
        def ask(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> dg.SkipReason | list[dg.RunRequest]:
            if project.settings().configured_lake is None:
                return dg.SkipReason(NO_LAKE)
            opened = project.open(self.contract)
            why_not = _held_back(context, opened, scrape.name)
            return dg.SkipReason(why_not) if why_not else self._asked(plan, opened, context.scheduled_execution_time)

        return ask

    def _asked(self, plan: Plan, project: Project, at: datetime) -> dg.SkipReason | list[dg.RunRequest]:
        """Ask for the runs of a plan at its time, but for what rests or waits."""
        config, now = project.settings.autonomous, project.clock()
        waits, requests, said, groups = _Waits.of(project, plan), [], [], list(plan.groups(now))
        for scraper, season, group in groups:
            loaded = [one for one in group if season in self.cells[one.name]]
            free = [one for one in loaded if not waits.for_now(one, season)]
            work = Work(self.hosts.get(scraper, ""), frozenset({plan.scrape.source}))
            if why_not := paused(config, work, now):
                said.append(f"`{scraper}` {season}: {why_not}")
            elif free:
                requests.append(_request(plan, f"{at.isoformat()}:{scraper}:{season}", scraper, season, free))
            elif not loaded:
                said.append(f"`{scraper}` {season}: newer than what is loaded: {advice(project.settings)}")
        if config.dry_run and requests:
            runs = ", ".join(f"{one.tags[SCRAPER_TAG]} {one.partition_key or ''}".strip() for one in requests)
            return dg.SkipReason("; ".join([f"dry run: it would start {len(requests)} run(s): {runs}", *said]))
        if not groups or len(said) < len(groups):
            said.append("nothing of it is open, or it waits for an approval")
        return requests or dg.SkipReason("; ".join(said))


def _request(plan: Plan, run_key: str, scraper: str, season: str, group: Sequence[DataSet]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key,
        partition_key=None if season == WHOLE_HISTORY else season,
        asset_selection=[key_of(data_set) for data_set in group],
        asset_check_keys=[],
        run_config=dg.RunConfig(ops={scraper: CollectConfig(refresh=Refresh(plan.scrape.refresh))}),
        tags={
            PRIORITY_TAG: PRIORITY,
            SCRAPE_TAG: plan.scrape.name,
            SCRAPER_TAG: scraper,
            dg.MAX_RUNTIME_SECONDS_TAG: str(plan.scrape.max_minutes * 60),
        },
    )


def _held_back(context: dg.ScheduleEvaluationContext, project: Project, name: str) -> str:
    """Say why nothing of an entry is started now; empty where something may be."""
    if project.state.store.head(f"{QUEUE}.json") is None:
        return f"nobody knows what is open yet: run the job `{RECONCILIATION}`"
    if project.settings.autonomous.test_mode.enabled:
        return "test mode: only tasks of the queue are collected"
    own = dg.RunsFilter(tags={SCHEDULE_NAME_TAG: f"{name}_schedule"}, statuses=list(UNFINISHED))
    if waiting := context.instance.get_runs_count(own):
        return f"{waiting} run(s) of it queued or running"
    return not_while_halted(project) or no_start(project.settings)


@dataclass(frozen=True, slots=True)
class _Waits:
    """What of an entry is left for later: of which nothing is open, or which waits for an approval.

    ``opened`` are the cells of which something is open; None: whatever is due is collected.
    """

    held: Held | None
    opened: set[tuple[str, ...]] | None

    @classmethod
    def of(cls, project: Project, plan: Plan) -> "_Waits":
        held = approvals.look(project, project.state.read_json(QUEUE))
        if plan.scrape.refresh == Refresh.all.name:
            return cls(held, None)
        cells = project.state.read_json(COVERAGE)["cells"]
        return cls(held, {tuple(cell[name] for name in CELL) for cell in cells if open_files(cell)})

    def for_now(self, data_set: DataSet, season: str) -> bool:
        """Tell whether a season of a data set waits."""
        cell = (data_set.source, data_set.data_type, season)
        if self.opened is not None and cell not in self.opened:
            return True
        return self.held is not None and self.held.holds(dict(zip(CELL, cell, strict=True)))
