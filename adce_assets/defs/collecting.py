"""Open keys of a cell in, documents in the lake out: what a run of a data set's partition does.

One run asks a scraper once for all the data sets that its answer yields, and tells each data set in one event what came
of it. A failure of some keys leaves them open; only a run that could collect nothing at all has failed.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import dagster as dg
from pydantic import Field

from adce_assets.contract.loading import Contract
from adce_assets.contract.seasons import WHOLE_HISTORY
from adce_assets.defs.metadata import of_collection
from adce_assets.defs.resources import ProjectResource, asking
from adce_assets.loop.project import Project
from adce_assets.loop.refreshing import due_keys
from adce_assets.loop.tasks import TaskKey, open_keys, task_keys
from adce_assets.progress import Progress, current_progress, silent
from adce_assets.scrapers.catalogue import Catalogue
from adce_assets.scrapers.collect import CollectReport, DataSetReport

log = logging.getLogger(__name__)

LINES = 20
"""How many lines of a run's log tell its progress."""


class Refresh(Enum):
    """Which keys of a cell a run collects when it is given no tasks; run configuration names the members."""

    gaps = "gaps"
    all = "all"


class CollectConfig(dg.Config):
    """What a run collects: the keys of these tasks, or else of the whole cell."""

    task_ids: list[str] = Field(default=[], description="Tasks of the queue; none: the open keys of the partition.")
    refresh: Refresh = Field(
        default=Refresh.gaps,
        description="Without tasks: `gaps` collects what is missing, stale or damaged, `all` everything that is due.",
    )
    limit: int | None = Field(
        default=None, ge=1, description="At most so many keys of each data set; none: all of them."
    )


@dataclass(frozen=True, slots=True)
class Collector:
    """A scraper of the catalogue and the data sets (``source/data_type``) that it yields to this contract."""

    contract: Contract
    catalogue: Catalogue
    scraper: str
    data_sets: tuple[str, ...]

    @property
    def pool(self) -> str:
        """The pool of all runs that ask the same host."""
        return f"host_{self.catalogue.scrapers[self.scraper].host}"


def collector_asset(collector: Collector, specs: Sequence[dg.AssetSpec]) -> dg.AssetsDefinition:
    """Make the assets that a scraper yields; a run may be about some of them."""

    @dg.multi_asset(name=collector.scraper, specs=specs, can_subset=True, pool=collector.pool)
    def collect_cells(
        context: dg.AssetExecutionContext, config: CollectConfig, project: ProjectResource
    ) -> Iterator[dg.MaterializeResult]:
        opened = project.open(collector.contract)
        selected = ["/".join(key.path) for key in sorted(context.selected_asset_keys)]
        season = context.partition_key if context.has_partition_key else WHOLE_HISTORY
        keys = chosen_keys(opened, collector, selected, season, config)
        report = collected(opened, collector, keys, run_id=context.run.run_id)
        refuse_a_run_for_nothing(collector, report)
        for name in selected:
            told = report.data_sets.get(name, DataSetReport())
            yield dg.MaterializeResult(asset_key=name.split("/"), metadata=of_collection(told, report.requests))

    return collect_cells


def chosen_keys(
    project: Project, collector: Collector, selected: Sequence[str], season: str, config: CollectConfig
) -> list[TaskKey]:
    """Find the keys that a run is about, by data set and in the order in which they are worth collecting."""
    tasks = task_keys(project.state, config.task_ids) if config.task_ids else []
    keys: list[TaskKey] = []
    for name in selected:
        data_set = collector.contract.data_sets[name]
        of_cell = season if data_set.has_seasons else WHOLE_HISTORY
        cell = (data_set.source, data_set.data_type, of_cell)
        if config.task_ids:
            found = [key for key in tasks if (key.source, key.data_type, key.season) == cell]
        else:
            found = due_keys(project, *cell) if config.refresh is Refresh.all else open_keys(project.state, *cell)
        keys += found[: config.limit]
    return keys


def collected(project: Project, collector: Collector, keys: Sequence[TaskKey], *, run_id: str) -> CollectReport:
    """Collect the keys into the lake; without any, nothing is asked and nothing is written."""
    from adce_assets.scrapers.collect import collect, wanted

    if not keys:
        return CollectReport({}, 0)
    asked = [wanted(collector.contract, f"{key.source}/{key.data_type}", key.season, key.key, key.etag) for key in keys]
    with asking(project, collector.catalogue) as client:
        return collect(
            collector.catalogue.scrapers[collector.scraper],
            asked,
            client=client,
            store=project.lake,
            run_id=run_id,
            clock=project.clock,
            tasks={key.key: key.task_id for key in keys},
            progress=_progress(),
        )


def refuse_a_run_for_nothing(collector: Collector, report: CollectReport) -> None:
    """Fail a run that was asked for something and could collect nothing, so that a person sees it."""
    if report.collected or not report.asked:
        return
    first = next(fault for told in report.data_sets.values() for _, fault in told.worst)
    raise dg.Failure(
        f"`{collector.scraper}` was asked for {report.asked} key(s) and could collect none; the first: {first}",
        metadata={name: dict(told.failed) for name, told in report.data_sets.items()},
        allow_retries=False,
    )


def _progress() -> Progress:
    """Tell whoever draws it, or else the log, where each line is cheap but not free."""
    drawn = current_progress.get()
    return _logged if drawn is silent else drawn


def _logged(stage: str, done: int, total: int | None) -> None:
    if total and done * LINES // total != (done - 1) * LINES // total:
        log.info("%s: %d of %d", stage, done, total)
