"""Open keys of a cell in, documents in the lake out: what a run of a data set's partition does.

One run asks a scraper once for all the data sets that its answer yields, and tells each data set in one event what came
of it. A failure of some keys leaves them open; only a run that could collect nothing at all has failed.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from adce_assets.contract.loading import Contract
from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.defs.acting import note_run
from adce_assets.defs.claiming import due_by_itself, failed, of_claim, recording, seconds_to_begin, unavailable, wishes
from adce_assets.defs.draining import draining
from adce_assets.defs.halting import Guard, halting_where_refused
from adce_assets.defs.metadata import Metadata, of_collection, of_failed_collection
from adce_assets.defs.pools import pool_of
from adce_assets.defs.resources import ProjectResource, asking
from adce_assets.defs.restraining import is_of_the_loop, restraint_of
from adce_assets.fetch.lanes import Lane
from adce_assets.fetch.limits import HostState
from adce_assets.loop.kept_tasks import keys_of
from adce_assets.loop.project import Project
from adce_assets.loop.refreshing import due_keys
from adce_assets.loop.tasks import TaskKey, open_keys
from adce_assets.operate.halting import refuse_while_halted
from adce_assets.progress import Progress, current_progress, silent
from adce_assets.scrapers.catalogue import Catalogue
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.failing import Failing, note
from adce_assets.scrapers.recording import Left
from adce_assets.scrapers.reports import CollectReport
from adce_assets.scrapers.stopping import current_stop

if TYPE_CHECKING:
    from adce_assets.fetch.client import Client
    from adce_assets.scrapers.collect import Asker

log = logging.getLogger(__name__)

BATCH_TAG = "adce/batch"
"""The tag of a run that the queue asks for."""
LINES = 20
"""How many lines of a run's log tell its progress."""


class Refresh(Enum):
    """Which keys of a cell a run collects when it is given no tasks; run configuration names the members."""

    gaps = "gaps"
    failed = "failed"
    all = "all"


class CollectConfig(dg.Config):
    """What a run collects: the keys of these tasks, or else of the whole cell."""

    task_ids: list[str] = Field(default=[], description="Tasks of the queue; none: the open keys of the partition.")
    refresh: Refresh = Field(
        default=Refresh.gaps,
        description="Without tasks: `gaps` collects what is missing, stale or damaged; `failed` only what was tried "
        "and failed, and at once, whenever its next try is due; `all` everything that is due.",
    )
    older_than: str = Field(
        default="",
        description="With `all`: leave what was written at this time (ISO) or later: go on where a run was stopped.",
    )
    limit: int | None = Field(
        default=None, ge=1, description="At most so many keys of each data set; none: all of them."
    )
    lane: Lane | None = Field(
        default=None, description="The part of the host's budget that is used; none: by the age of the partition."
    )


@dataclass(frozen=True, slots=True)
class Collector:
    """A scraper of the catalogue and the data sets (``source/data_type``) that it yields to this contract."""

    contract: Contract
    catalogue: Catalogue
    scraper: str
    data_sets: tuple[str, ...]

    @property
    def entry(self) -> ScraperEntry:
        """What the catalogue says of the scraper."""
        return self.catalogue.scrapers[self.scraper]

    @property
    def starts_programs(self) -> bool:
        """Whether a program is started, which asks whom it likes."""
        return self.entry.command is not None

    @property
    def pool(self) -> str:
        """The pool of all runs that ask the same host, or that start programs."""
        return pool_of("" if self.starts_programs else self.entry.host)


@dataclass(frozen=True, slots=True)
class Collection:
    """What a run did, what fails of its scraper after it, how the host stands (None: none was asked), what it left."""

    report: CollectReport
    failing: Mapping[str, Failing] = field(default_factory=dict)
    host: HostState | None = None
    left: tuple[Left, ...] = ()


def collector_asset(collector: Collector, specs: Sequence[dg.AssetSpec]) -> dg.AssetsDefinition:
    """Make the assets that a scraper yields; a run may be about some of them."""

    @dg.multi_asset(name=collector.scraper, specs=specs, can_subset=True, pool=collector.pool)
    def collect_cells(
        context: dg.AssetExecutionContext, config: CollectConfig, project: ProjectResource
    ) -> Iterator[dg.MaterializeResult]:
        opened = project.open(collector.contract)
        selected = ["/".join(key.path) for key in sorted(context.selected_asset_keys)]
        season = context.partition_key if context.has_partition_key else WHOLE_HISTORY
        note_who_asks(opened, collector, season, context.run)
        with halting_where_refused(opened, context.run.run_id):
            named = keys_of(opened.state, config.task_ids)
            unknown = tell_unknown_tasks(named, config, context.run)
            keys = chosen_keys(opened, collector, selected, season, config, named)
            lane = config.lane or lane_of(opened, collector, season, keys)
            reopen = is_for_a_person(config, context.run)
            if reopen and is_of_the_loop(context.run) and not config.task_ids:
                keys = due_by_itself(opened, keys)
            collection = collected(opened, collector, keys, lane, context, reopen=reopen)
        tell_what_fails(collector, collection)
        refuse_a_run_for_nothing(collector, collection)
        for name in selected:
            told = of_collection(collection.report, name, collection.failing.get(name), collection.host)
            left = _left_undone(opened, collector, name, season, collection)
            yield dg.MaterializeResult(asset_key=name.split("/"), metadata=told | left | unknown)

    return collect_cells


def note_who_asks(project: Project, collector: Collector, season: str, run: dg.DagsterRun) -> None:
    """Tell the log of actions of a run that neither the queue's sensor nor a command has told of."""
    is_told = BATCH_TAG in run.tags and is_of_the_loop(run)
    if not is_told and current_stop.get() is None:
        note_run(project.settings, "collect", f"{collector.scraper} {season}", run)


def is_for_a_person(config: CollectConfig, run: dg.DagsterRun) -> bool:
    """Tell whether a run is to collect what is settled too: a person asks for it, or everything is to be had again."""
    if config.task_ids:
        return BATCH_TAG not in run.tags
    return config.refresh is Refresh.all or (config.refresh is Refresh.failed and not is_of_the_loop(run))


def _left_undone(
    project: Project, collector: Collector, name: str, season: str, collection: Collection
) -> dict[str, Any]:
    data_set = collector.contract.data_sets[name]
    cell = (data_set.source, data_set.data_type, season if data_set.has_seasons else WHOLE_HISTORY)
    told = collection.report.data_sets.get(name)
    return of_claim(collection.left, unavailable(project, cell), told.given_back if told else 0)


def tell_unknown_tasks(named: Iterable[TaskKey], config: CollectConfig, run: dg.DagsterRun) -> Metadata:
    """Say how many of the tasks that a run is to collect are unknown: a reconciliation has made others of their keys.

    Raises:
        Failure: a person has named tasks, and none of them is known. For what the queue asked for, the newest queue
            asks again.
    """
    unknown = set(config.task_ids).difference(key.task_id for key in named)
    if not unknown:
        return {}
    said = f"{len(unknown)} of {len(set(config.task_ids))} task(s) are unknown: the queue was made anew meanwhile"
    if BATCH_TAG not in run.tags and unknown == set(config.task_ids):
        raise dg.Failure(f"{said}; take their ids from `adce tasks` again", allow_retries=False)
    log.warning("%s; what is still open of them stands in its newest tasks", said)
    return {"unknown_tasks": len(unknown)}


def chosen_keys(
    project: Project,
    collector: Collector,
    selected: Sequence[str],
    season: str,
    config: CollectConfig,
    named: Sequence[TaskKey],
) -> list[TaskKey]:
    """Find the keys that a run is about, by data set and in the order in which they are worth collecting.

    Args:
        project: The installation.
        collector: The scraper.
        selected: The data sets that the run is about.
        season: The partition.
        config: What the run was told.
        named: The keys of the tasks that it names.
    """
    keys: list[TaskKey] = []
    for name in selected:
        data_set = collector.contract.data_sets[name]
        of_cell = season if data_set.has_seasons else WHOLE_HISTORY
        cell = (data_set.source, data_set.data_type, of_cell)
        if config.task_ids:
            found = [key for key in named if (key.source, key.data_type, key.season) == cell]
        else:
            found = _of_cell(project, cell, config)
        keys += found[: config.limit]
    return keys


def _of_cell(project: Project, cell: tuple[str, str, str], config: CollectConfig) -> list[TaskKey]:
    if config.refresh is Refresh.all:
        older_than = datetime.fromisoformat(config.older_than) if config.older_than else None
        if older_than is not None and older_than.tzinfo is None:
            older_than = older_than.replace(tzinfo=UTC)
        return due_keys(project, *cell, older_than=older_than)
    found = open_keys(project.state, *cell)
    if config.refresh is Refresh.gaps:
        return found
    tried = {state.key for state in failed(project, cell)}
    return [key for key in found if key.key in tried]


def collected(
    project: Project,
    collector: Collector,
    keys: Sequence[TaskKey],
    lane: Lane,
    context: dg.AssetExecutionContext,
    *,
    reopen: bool = False,
) -> Collection:
    """Collect those of the keys that no other run has; without any, nothing is asked and nothing is written.

    Args:
        project: The installation.
        collector: The scraper.
        keys: What the run is about.
        lane: Whose part of the host's budget is used.
        context: The run.
        reopen: Whether keys that are settled, or wait for their next try, are collected too.

    Raises:
        DagsterExecutionInterruptedError: the run was asked to end; what was under way was finished, the rest is open.
        HaltedError: as that, and because the loop was halted meanwhile.
    """
    if not keys:
        return Collection(CollectReport({}, 0))
    asked_for = {f"{key.source}/{key.data_type}" for key in keys}
    restraint = restraint_of(project.settings, context.run, collector.entry.host, asked_for)
    seconds = restraint.within(seconds_to_begin(project, context.run))
    with draining(seconds, restraint) as stop, recording(project, context.run, context.instance, stop) as recorder:
        claimed = recorder.claim(wishes(keys), reopen=reopen)
        got = [key for key in keys if key.key in claimed.keys]
        if not got:
            return Collection(CollectReport({}, 0), left=claimed.left)
        with _asked(project, collector, lane, context) as (asked, how, host):
            guard = Guard(project, context.run.run_id, stop)
            how |= {"stop": guard.begins_nothing, "on_failure": guard.failed}
            report = _run(project, collector, got, context.run.run_id, asked, recorder=recorder, **how)
            collection = replace(_noted(project, collector, report, host() if host else None), left=claimed.left)
        was_stopped = stop.flag.is_set()
    if restraint.said:
        log.warning("%s: what was under way came to its end, the rest is given back", restraint.said)
    if was_stopped and current_stop.get() is None:
        log.warning("stopped: %d key(s) came to an end, the others are given back to the queue", report.settled)
        refuse_while_halted(project.state)
        raise dg.DagsterExecutionInterruptedError
    return collection


@contextmanager
def _asked(
    project: Project, collector: Collector, lane: Lane, context: dg.AssetExecutionContext
) -> Iterator[tuple["Asker", dict[str, Any], Callable[[], HostState] | None]]:
    """Lend whom the scraper asks, how it is asked, and what says how the host stands."""
    from adce_assets.defs.commands import programs

    if collector.starts_programs:
        folders = collector.catalogue.program_folders
        with programs(context, project, folders, run_id=context.run.run_id) as started:
            yield started, {"progress": _progress()}, None
        return
    with asking(project, collector.catalogue, lane) as ask:
        name = collector.entry.host
        host = ask.hosts[name]
        told = _with_budget(_progress(), ask.client, host.requests_per_second)
        how = {"at_once": host.concurrency, "hurry": ask.hurry, "progress": told}
        yield ask.client, how, partial(ask.state, name)


def lane_of(project: Project, collector: Collector, season: str, keys: Iterable[TaskKey]) -> Lane:
    """Say whose part of a host's budget a run uses of which no queue has said it.

    Seasons before the previous one are history. Of what has no season, only what has become stale is not.
    """
    if season == WHOLE_HISTORY:
        return Lane.FRESH if all(key.state == "stale" for key in keys) else Lane.HISTORY
    now = project.clock()
    current = max(collector.contract.data_sets[name].calendar.current(now) for name in collector.data_sets)
    return Lane.HISTORY if Season.parse(season).start < current.start - 1 else Lane.FRESH


def _run(
    project: Project, collector: Collector, keys: Sequence[TaskKey], run_id: str, asked: "Asker", **how: Any
) -> CollectReport:
    from adce_assets.scrapers.collect import collect, wanted

    return collect(
        collector.entry,
        [wanted(collector.contract, f"{key.source}/{key.data_type}", key.season, key.key, key.etag) for key in keys],
        client=asked,
        store=project.lake,
        run_id=run_id,
        clock=project.clock,
        tasks={key.key: key.task_id for key in keys},
        **how,
    )


def _noted(project: Project, collector: Collector, report: CollectReport, host: HostState | None = None) -> Collection:
    failing = note(project.lake, collector.scraper, report, project.clock())
    return Collection(report, failing, host)


def tell_what_fails(collector: Collector, collection: Collection) -> None:
    """Write into the run's log what fails for longer than this run, and why the host is not asked."""
    for name, failing in collection.failing.items():
        log.warning("`%s` of `%s` is %s", collector.scraper, name, failing)
    host = collection.host
    if host and host.closed_until:
        log.warning("`%s` is not asked until %s: %s", host.name, host.closed_until, host.closed_why)
    if host and host.blocked_since:
        log.warning("`%s` accepts and never answers since %s: blocked egress", host.name, host.blocked_since)


def refuse_a_run_for_nothing(collector: Collector, collection: Collection) -> None:
    """Fail a run that was asked for something and found out nothing, so that a person sees it."""
    report = collection.report
    faults = [fault.what for told in report.data_sets.values() for fault in told.worst]
    if report.settled or not faults:
        return
    first = faults[0]
    since = min((failing.since for failing in collection.failing.values()), default=None)
    told_since = f"; so it goes since {since:%Y-%m-%d %H:%M} UTC" if since else ""
    raise dg.Failure(
        f"`{collector.scraper}` was asked for {report.asked} key(s) and could collect none; the first: {first}"
        f"{told_since}",
        metadata=of_failed_collection(report, collection.failing, collection.host),
        allow_retries=False,
    )


def _progress() -> Progress:
    """Tell whoever draws it, or else the log, where each line is cheap but not free."""
    drawn = current_progress.get()
    return _logged if drawn is silent else drawn


def _with_budget(progress: Progress, client: "Client", allowed: float) -> Progress:
    """Show beside the progress how much of what the host allows is used."""
    began, before = time.monotonic(), client.requests

    def told(stage: str, done: int, total: int | None, note: str = "") -> None:
        rate = (client.requests - before) / max(time.monotonic() - began, 1 / allowed)
        used = f"{rate / allowed:.0%} of {allowed:g} requests/s"
        progress(stage, done, total, f"{note}; {used}" if note else used)

    return told


def _logged(stage: str, done: int, total: int | None, note: str = "") -> None:
    if total and done * LINES // total != (done - 1) * LINES // total:
        log.info("%s: %d of %d%s", stage, done, total, f"; {note}" if note else "")
