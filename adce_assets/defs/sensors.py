"""What has happened outside in, runs and recorded events out.

A sensor decides nothing: it reads, asks one function of the rooms, and turns the answer into requests. A tick that
cannot read the lake fails, keeps its cursor and is tried again.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import dagster as dg

from adce_assets.autonomous import Dispatch, Intervals
from adce_assets.contract.loading import Contract
from adce_assets.contract.seasons import WHOLE_HISTORY
from adce_assets.defs.acting import note_tick
from adce_assets.defs.claiming import give_back
from adce_assets.defs.collecting import BATCH_TAG, CollectConfig
from adce_assets.defs.halting import not_while_halted
from adce_assets.defs.jobs import NO_LAKE, PRIORITY_TAG, RECONCILIATION, UNFINISHED, job_name
from adce_assets.defs.looking import QUEUE_TAG, Look, done, newest_look
from adce_assets.defs.loop import REPORT
from adce_assets.defs.pools import make_room
from adce_assets.defs.reloading import Reloading, advice
from adce_assets.defs.resources import ProjectResource
from adce_assets.defs.restraining import LANE_TAG, TRIAL_TAG, Choice, no_start, on_trial, resting, tasks_of
from adce_assets.loop import approvals
from adce_assets.loop.completions import (
    Cell,
    Finished,
    Notice,
    Waiting,
    changed,
    finished,
    notice,
    read_seen,
    settle,
    write_seen,
)
from adce_assets.loop.dispatch import Batch, Pace, Starts, batches
from adce_assets.loop.project import Project
from adce_assets.loop.state import QUEUE
from adce_assets.loop.windows import Restraints
from adce_assets.restraints import Trial

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

WORKING = frozenset((dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING))
"""The states of runs that may hold keys."""
SCRAPER_TAG = "adce/scraper"

NAMED = 5
"""Cells that a message names; all are counted."""

Told = dg.SensorResult | dg.SkipReason
Tick = Callable[[dg.SensorEvaluationContext, Project], Told]
"""One look at the installation: what a sensor does in a tick."""


@dataclass(frozen=True, slots=True)
class Sensors:
    """Makes the sensors, for a contract and the data sets that have a scraper.

    Attributes:
        contract: What the assets were made from.
        intervals: How often each sensor looks.
        scrapers: The scraper of each data set (``source/data_type``) that can be collected.
        reloading: Which seasons of each data set were loaded, and what is done once there are others.
        paces: How fast each scraper is, and whom it asks.
        reconciliation: The job that a report or a completion asks for.
    """

    contract: Contract
    intervals: Intervals
    scrapers: Mapping[str, str]
    reloading: Reloading
    paces: Mapping[str, Pace]
    reconciliation: "UnresolvedAssetJobDefinition"

    @property
    def renewing(self) -> str:
        """The sensor that looks whether other seasons are to be loaded: the one that starts runs, if there is one."""
        return "task_queue_sensor" if self.scrapers else "completion_sensor"

    def all(self) -> list[dg.SensorDefinition]:
        """Make the three sensors of the loop."""
        found = [
            self._sensor(
                "inventory_report_sensor",
                self._look_for_a_report,
                "A new complete AWS Inventory report is recorded and asks for a reconciliation.",
                minimum_interval_seconds=self.intervals.inventory_report_seconds,
                job=self.reconciliation,
            ),
            self._sensor(
                "completion_sensor",
                self._look_for_completions,
                "Completion markers are recorded, and together ask for one reconciliation once it is quiet.",
                minimum_interval_seconds=self.intervals.completion_seconds,
                job=self.reconciliation,
            ),
        ]
        if self.scrapers:
            tasks = self._sensor(
                "task_queue_sensor",
                self._look_at_the_queue,
                "Tasks of the queue become runs of the data sets' partitions, the most urgent first.",
                minimum_interval_seconds=self.intervals.task_queue_seconds,
                asset_selection=dg.AssetSelection.assets(*(name.split("/") for name in self.scrapers)),
            )
            found.append(tasks)
        return found

    def _sensor(self, name: str, look: Tick, description: str, **options: Any) -> dg.SensorDefinition:
        @dg.sensor(name=name, description=description, default_status=dg.DefaultSensorStatus.RUNNING, **options)
        def sensor(context: dg.SensorEvaluationContext, project: ProjectResource) -> Told:
            if project.settings().configured_lake is None:
                return dg.SkipReason(NO_LAKE)
            if rests := resting(project.settings()):
                return dg.SkipReason(rests)
            opened = project.open(self.contract)
            if name == self.renewing and (held := self.reloading.held_by(context, opened)):
                return dg.SkipReason(held)
            told = look(context, opened)
            if isinstance(told, dg.SensorResult):
                note_tick(project.settings(), name, told.run_requests or [])
            return told

        return sensor

    def _look_for_a_report(self, context: dg.SensorEvaluationContext, project: Project) -> Told:
        from adce_assets.loop.modes import newest_report

        manifest = newest_report(project)
        if manifest is None:
            prefix = project.settings.reconciliation.s3.inventory_prefix
            return dg.SkipReason(f"no complete report under {project.lake.url}/{prefix}")
        if manifest.checksum == context.cursor:
            return dg.SkipReason(f"the newest report is still that of {manifest.created_at.isoformat()}")
        recorded = dg.AssetMaterialization(
            REPORT,
            metadata={
                "as_of": dg.MetadataValue.timestamp(manifest.created_at),
                "files": len(manifest.files),
                "bytes": sum(file.size for file in manifest.files),
                "format": manifest.file_format,
                "folder": manifest.prefix,
            },
            tags={"dagster/data_version": manifest.checksum},
        )
        request = dg.RunRequest(f"report:{manifest.checksum}")
        return dg.SensorResult([request], asset_events=[recorded], cursor=manifest.checksum)

    def _look_for_completions(self, context: dg.SensorEvaluationContext, project: Project) -> dg.SensorResult:
        from adce_assets.ledger.journal import PRODUCER

        rules, now = project.settings.autonomous.completions, project.clock()
        before = Waiting.model_validate_json(context.cursor) if context.cursor else Waiting()
        seen = read_seen(project.state, before)
        found = notice(project.lake, seen, cells=self.reloading.cells, limit=rules.markers_per_tick)
        for refused in found.refused:
            context.log.warning("refused the marker `%s`: %s", refused.key, refused.reason)
        noted = write_seen(project.state, before, found.seen) if found.seen != seen else before
        waiting, is_time = settle(noted, changed(found.completions), now, rules)
        of_others = finished(found.completions, own=PRODUCER)
        wait = self._not_loaded("marker(s)", found.unknown, project, otherwise="delete the markers")
        if is_time and wait:
            context.log.warning(wait)
        is_coming = (
            "a reconciliation is queued already: it will see them" if is_time and _is_coming(context.instance) else ""
        )
        asks = (
            [dg.RunRequest(f"completions:{before.since or now}:{waiting.asked}")] if is_time and not is_coming else []
        )
        return dg.SensorResult(
            run_requests=asks,
            skip_reason=None if asks else dg.SkipReason(_joined(_said(found, of_others, waiting), is_coming, wait)),
            asset_events=[_recorded(entry) for entry in of_others],
            cursor=waiting.model_dump_json(),
        )

    def _look_at_the_queue(self, context: dg.SensorEvaluationContext, project: Project) -> Told:
        make_room(context.instance, [pace.host for pace in self.paces.values()])
        if project.state.store.head(f"{QUEUE}.json") is None:
            return dg.SkipReason(f"there is no queue yet: run the job `{self.reconciliation.name}`")
        for run, keys in give_back(project, context.instance).items():
            context.log.warning("%d key(s) of run %s are given back: it is over", keys, run)
        if short := no_start(project.settings) or not_while_halted(project):
            return dg.SkipReason(short)
        return self._started(context, project, project.state.read_json(QUEUE))

    def _started(self, context: dg.SensorEvaluationContext, project: Project, queue: Mapping[str, Any]) -> Told:
        """Choose what of a queue starts now, and ask for it."""
        config, now, flights = project.settings.autonomous, project.clock(), self._in_flight(context.instance)
        before, look = Starts.read(context.cursor), newest_look(context.instance)
        hosts = {scraper: pace.host for scraper, pace in self.paces.items()}
        rests = Restraints.at(config, now, before.moments, hosts)
        choose = partial(
            batches,
            done=done(context.instance, queue["generated_at"], look),
            since=before.since,
            limits=flights.beside_others(config.dispatch),
            groups=self.scrapers,
            paces=self.paces,
            in_flight=flights.lanes,
            under_way=flights.tasks,
            resting=rests,
        )
        known = {**queue, "tasks": [task for task in queue["tasks"] if self._can_be_run(task)]}
        loaded, choose, tried = on_trial(context.instance, config.test_mode, known, choose)
        chosen, held = _approved(project, queue, loaded, choose)
        stuck = Counter(_cell(task) for task in queue["tasks"] if not self._can_be_run(task))
        wait = _joined(held, self._not_loaded("task(s)", stuck, project, otherwise="reconcile"))
        if config.dry_run or not chosen:
            nothing = f"nothing to start: {len(queue['tasks'])} queued, {len(flights.lanes)} in flight"
            return dg.SkipReason(_joined(_would_start(chosen) if chosen else nothing, str(rests), tried, wait))
        if wait:
            context.log.warning(wait)
        requests = [_request(batch, queue["generated_at"], look, config.test_mode) for batch in chosen]
        return dg.SensorResult(requests, cursor=before.then(chosen, now).text())

    def _can_be_run(self, task: Mapping[str, Any]) -> bool:
        """Tell whether these definitions have the asset and the partition: the queue may know a newer contract."""
        name, season = _cell(task)
        return name in self.scrapers and season in self.reloading.cells[name]

    def _not_loaded(self, what: str, waiting: Mapping[Cell, int], project: Project, *, otherwise: str) -> str:
        """Say what waits for cells that these definitions do not have, and what to do; nothing, where nothing does."""
        known = self.reloading.newer(project.clock()) if waiting else {}
        newer = {(name, season): count for (name, season), count in waiting.items() if season in known.get(name, ())}
        others = {cell: count for cell, count in waiting.items() if cell not in newer}
        how = advice(project.settings)
        after_a_change = f"reload the code location after a change of the configuration, or {otherwise}"
        return _joined(
            f"{_counted(what, newer)} of seasons newer than what is loaded: {how}" if newer else "",
            f"{_counted(what, others)} unknown to what is loaded: {after_a_change}" if others else "",
        )

    def _in_flight(self, instance: dg.DagsterInstance) -> "Flights":
        runs = instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED)))
        own = [run for run in runs if LANE_TAG in run.tags]
        others = [run for run in runs if LANE_TAG not in run.tags and run.status in WORKING]
        return Flights(
            tuple(run.tags[LANE_TAG] for run in own),
            tuple(lane for run in others for lane in self._lanes_of(run)),
            frozenset(task for run in (*own, *others) for task in tasks_of(run)),
        )

    def _lanes_of(self, run: dg.DagsterRun) -> set[str]:
        """Say which cells a run collects that a person or a backfill started."""
        if run.asset_selection is not None:
            names = {"/".join(key.path) for key in run.asset_selection}
        else:
            names = {name for name in self.scrapers if job_name(self.contract, name) == run.job_name}
        season = run.tags.get("dagster/partition", WHOLE_HISTORY)
        return {f"{self.scrapers[name]}/{season}" for name in names if name in self.scrapers}


@dataclass(frozen=True, slots=True)
class Flights:
    """The lanes of the sensor's own runs that are queued or running, and of others' that work; the tasks of both.

    What a person or a backfill has put into Dagster's queue holds no key yet, and may wait there for hours.
    """

    own: tuple[str, ...]
    others: tuple[str, ...]
    tasks: frozenset[str]

    @property
    def lanes(self) -> list[str]:
        """All of them, one entry a run."""
        return [*self.own, *self.others]

    def beside_others(self, limits: Dispatch) -> Dispatch:
        """Leave the sensor its own number of runs: a backfill of history must not keep tonight's games waiting."""
        return limits.model_copy(update={"max_concurrent_scrapers": limits.max_concurrent_scrapers + len(self.others)})


def _approved(
    project: Project,
    queue: Mapping[str, Any],
    loaded: Mapping[str, Any],
    choose: Choice,
) -> tuple[list[Batch], str]:
    """Choose what may start; where something of it waits for an approval, the rest, and what to say of it."""
    chosen = choose(loaded)
    judged = approvals.look if project.settings.autonomous.dry_run else approvals.hold
    held = judged(project, queue) if chosen else None
    if held is None:
        return chosen, ""
    free = [task for task in loaded["tasks"] if not held.holds(task)]
    return choose({**loaded, "tasks": free}), str(held)


def _is_coming(instance: dg.DagsterInstance) -> bool:
    """Tell whether a reconciliation waits that has looked at nothing yet."""
    statuses = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
    return instance.get_runs_count(dg.RunsFilter(job_name=RECONCILIATION, statuses=statuses)) > 0


def _would_start(chosen: list[Batch]) -> str:
    """Say what a dry run leaves undone."""
    runs = [f"{batch.lane} ({len(batch.task_ids)} task(s), {batch.keys} key(s))" for batch in chosen[:NAMED]]
    more = f" and {len(chosen) - NAMED} more" if len(chosen) > NAMED else ""
    return f"dry run: it would start {len(chosen)} run(s): {', '.join(runs)}{more}"


def _request(batch: Batch, generated_at: str, look: Look | None, trial: Trial) -> dg.RunRequest:
    """Ask for the run of a batch: once for each look after which it is still to be run."""
    limit = trial.keys_per_data_set if trial.enabled else None
    config = CollectConfig(task_ids=list(batch.task_ids), lane=batch.part, limit=limit)
    return dg.RunRequest(
        run_key=f"{batch.id}:{look.run}" if look else batch.id,
        partition_key=None if batch.season == WHOLE_HISTORY else batch.season,
        asset_selection=[dg.AssetKey(name.split("/")) for name in batch.data_sets],
        asset_check_keys=[],
        run_config=dg.RunConfig(ops={batch.scraper: config}),
        tags=tags_of(batch, generated_at) | ({TRIAL_TAG: "true"} if trial.enabled else {}),
    )


def tags_of(batch: Batch, generated_at: str) -> dict[str, str]:
    """Say in a run's tags which batch it is, of the queue of which time, and how long it may take."""
    return {
        PRIORITY_TAG: str(batch.dagster_priority),
        BATCH_TAG: batch.id,
        LANE_TAG: batch.lane,
        QUEUE_TAG: generated_at,
        SCRAPER_TAG: batch.scraper,
        dg.MAX_RUNTIME_SECONDS_TAG: str(batch.seconds),
    }


def _recorded(entry: Finished) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        [entry.source, entry.data_type],
        partition=None if entry.season == WHOLE_HISTORY else entry.season,
        metadata={
            "collected": entry.keys,
            "records": entry.records,
            "markers": entry.markers,
            "producers": ", ".join(entry.producers),
            "finished_at": dg.MetadataValue.timestamp(entry.finished_at),
        },
    )


def _cell(task: Mapping[str, Any]) -> Cell:
    return f"{task['source']}/{task['data_type']}", task["season"]


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _counted(what: str, cells: Mapping[Cell, int]) -> str:
    names = ", ".join(" ".join(cell) for cell in islice(cells, NAMED))
    more = f" and {len(cells) - NAMED} more" if len(cells) > NAMED else ""
    return f"{sum(cells.values())} {what} ({names}{more})"


def _said(found: Notice, of_others: list[Finished], waiting: Waiting) -> str:
    return (
        f"{len(found.completions)} new marker(s), {len(of_others)} cell(s) of other producers recorded, "
        f"{len(found.refused)} refused, {found.unread} unread; {waiting.count} completion(s) wait for a reconciliation"
    )
