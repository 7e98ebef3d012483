"""Work of the command line in, runs of Dagster out: the same assets and events as from the UI and the sensors.

A run takes place in the calling process and is kept in the instance of ``DAGSTER_HOME``; without one it is forgotten at
the end. What to collect is decided by the caller, how a run does it stands in ``loop`` and ``collecting``.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any
from uuid import uuid4

import dagster as dg

from adce_assets.contract.seasons import WHOLE_HISTORY
from adce_assets.defs.build import build_defs
from adce_assets.defs.collecting import CollectConfig
from adce_assets.defs.jobs import PRIORITY_TAG, RECONCILIATION, RUN_TAGS
from adce_assets.defs.loop import InventoryConfig, Mode
from adce_assets.defs.sensors import BATCH_TAG, LANE_TAG, QUEUE_TAG, SCRAPER_TAG
from adce_assets.errors import AdceError, FetchError, VerifyError
from adce_assets.loop.dispatch import Batch, batches
from adce_assets.settings import Dispatch, dagster_home

INVENTORY = "lake_inventory"
LOUD, QUIET = "DEBUG", "CRITICAL"


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs jobs of one installation. ``verbose`` shows Dagster's own log on stderr."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    verbose: bool

    def reconcile(self, mode: str | None, *, accept_loss: bool = False) -> None:
        """Run the reconciliation; ``mode`` is one of `loop.modes`, or None for what the configuration says.

        Raises:
            AdceError: a step failed, with the error of that step.
            VerifyError: a check failed without which the loop must not go on, in its own words.
        """
        run_id = str(uuid4())
        config = InventoryConfig(mode=Mode(mode) if mode else Mode.configured, accept_loss=accept_loss)
        job = self.definitions.resolve_job_def(RECONCILIATION)
        try:
            job.execute_in_process(
                instance=self.instance, run_config=self._config(INVENTORY, config), tags=RUN_TAGS, run_id=run_id
            )
        except dg.DagsterError as error:
            said = "; ".join(self._stopped_by(run_id)) or str(error)
            raise VerifyError(said, hint="`adce coverage` and the asset's checks in the UI show more") from error

    def _stopped_by(self, run_id: str) -> Iterator[str]:
        """Yield what the failed checks of a run have said that ended it."""
        for entry in self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            told = entry.get_dagster_event().event_specific_data
            if isinstance(told, dg.AssetCheckEvaluation) and told.blocking and not told.passed:
                yield f"{told.asset_key.path[-1]}: {told.description}"

    def collect(self, batch: Batch, queued_at: str) -> dict[str, dict[str, Any]]:
        """Run one batch of the queue of ``queued_at``; return the metadata of each data set's materialisation.

        Raises:
            FetchError: nothing of it could be collected.
            VerifyError: the definitions have no such assets or no such partition.
            AdceError: the run failed, with its error.
        """
        job = self.definitions.resolve_implicit_global_asset_job_def()
        try:
            result = job.execute_in_process(
                instance=self.instance,
                partition_key=None if batch.season == WHOLE_HISTORY else batch.season,
                asset_selection=[dg.AssetKey(name.split("/")) for name in batch.data_sets],
                run_config=self._config(batch.scraper, CollectConfig(task_ids=list(batch.task_ids), lane=batch.part)),
                tags={
                    PRIORITY_TAG: str(batch.dagster_priority),
                    BATCH_TAG: batch.id,
                    LANE_TAG: batch.lane,
                    QUEUE_TAG: queued_at,
                    SCRAPER_TAG: batch.scraper,
                },
            )
        except dg.Failure as failure:
            raise FetchError(failure.description or "nothing could be collected", where=batch.lane) from failure
        except dg.DagsterError as error:
            raise VerifyError(str(error), where=batch.lane, hint="run `adce reconcile` for a new queue") from error
        told = {}
        for event in result.get_asset_materialization_events():
            materialization = event.step_materialization_data.materialization
            told["/".join(materialization.asset_key.path)] = _plain(materialization.metadata)
        return told

    def _config(self, op: str, config: dg.Config) -> dict[str, Any]:
        level = LOUD if self.verbose else QUIET
        run_config = dg.RunConfig(ops={op: config}).to_config_dict()
        return run_config | {"loggers": {"console": {"config": {"log_level": level}}}}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a batch ended: the metadata of each data set's materialisation, or the error that ended it."""

    batch: Batch
    data_sets: Mapping[str, Mapping[str, Any]]
    error: str | None


@contextmanager
def runner(environment: Mapping[str, str] | None = None, *, verbose: bool = False) -> Iterator[Runner]:
    """Open a runner of the installation that the environment (default: the process's own) names.

    Raises:
        KeyboardInterrupt: a run was interrupted; what it had promoted has its receipts.
    """
    definitions = build_defs(environment)
    instance = dg.DagsterInstance.get() if dagster_home() else dg.DagsterInstance.ephemeral()
    with instance:
        try:
            yield Runner(definitions, instance, verbose)
        except dg.DagsterExecutionInterruptedError as error:
            raise KeyboardInterrupt from error


def collect_all(
    queue: Mapping[str, Any], limits: Dispatch, *, at_once: int, verbose: bool = False
) -> Iterator[Outcome]:
    """Run every batch of a queue, the most urgent first, and tell of each as it ends.

    One at a time, they run in this process; ``at_once`` more, each in a process of its own. A batch that fails does not
    stop the others. The limits of hosts hold for all of them together.
    """
    at_most = limits.model_copy(update={"max_runs_in_flight": at_once})
    next_batches = partial(batches, queue, limits=at_most, groups={}, paces={})
    if at_once == 1:
        with runner(verbose=verbose) as here:
            done: set[str] = set()
            while chosen := next_batches(in_flight=(), done=done):
                done.add(chosen[0].id)
                yield _outcome(chosen[0], partial(here.collect, chosen[0], queue["generated_at"]))
        return
    with runner():  # makes the instance's database, which processes that start together could not
        pass
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn")) as pool:
        yield from _side_by_side(pool, next_batches, queue["generated_at"], verbose=verbose)


def _side_by_side(
    pool: ProcessPoolExecutor, next_batches: Callable[..., list[Batch]], queued_at: str, *, verbose: bool
) -> Iterator[Outcome]:
    running: dict[Future[dict[str, dict[str, Any]]], Batch] = {}
    started: set[str] = set()
    while True:
        for batch in next_batches(in_flight=[batch.lane for batch in running.values()], done=started):
            running[pool.submit(_collect_here, batch, queued_at, verbose=verbose)] = batch
            started.add(batch.id)
        if not running:
            return
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            yield _outcome(running.pop(future), future.result)


def _collect_here(batch: Batch, queued_at: str, *, verbose: bool) -> dict[str, dict[str, Any]]:
    with runner(verbose=verbose) as here:
        return here.collect(batch, queued_at)


def _outcome(batch: Batch, ended: Callable[[], dict[str, dict[str, Any]]]) -> Outcome:
    try:
        return Outcome(batch, ended(), None)
    except AdceError as error:
        return Outcome(batch, {}, str(error))


def _plain(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, Any]:
    return {
        name: [dict(record.data) for record in value.records]
        if isinstance(value, dg.TableMetadataValue)
        else value.value
        for name, value in metadata.items()
    }
