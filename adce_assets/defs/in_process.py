"""Work of the command line in, runs of Dagster out: the same assets and events as from the UI and the sensors.

A run takes place in the calling process and is kept in the instance of ``DAGSTER_HOME``; without one it is forgotten at
the end. What to collect is decided by the caller, how a run does it stands in ``loop`` and ``collecting``.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg

from adce_assets.autonomous import Dispatch
from adce_assets.contract.seasons import WHOLE_HISTORY
from adce_assets.defs.build import build_defs
from adce_assets.defs.collecting import CollectConfig, Refresh
from adce_assets.defs.jobs import RECONCILIATION, RUN_TAGS
from adce_assets.defs.loop import InventoryConfig, Mode
from adce_assets.defs.metadata import of_data_set
from adce_assets.defs.sensors import tags_of
from adce_assets.defs.side_by_side import side_by_side
from adce_assets.errors import AdceError, FetchError, VerifyError
from adce_assets.loop.dispatch import Batch, Pace, batches
from adce_assets.loop.kept_tasks import handed
from adce_assets.progress import told_as
from adce_assets.scrapers.stopping import Stop
from adce_assets.settings import dagster_home

INVENTORY = "lake_inventory"
LOUD, QUIET = "DEBUG", "CRITICAL"


@dataclass(frozen=True, slots=True)
class Order:
    """What batches are of: the tasks of the queue of ``queued_at``; or, of cells, which keys (see `CollectConfig`).

    ``table`` is where the keys of the tasks are kept (None: the newest table).
    """

    queued_at: str = ""
    table: Path | None = None
    refresh: Refresh = Refresh.gaps
    older_than: str = ""

    def of(self, batch: Batch) -> tuple[CollectConfig, dict[str, str]]:
        """Configure the run of a batch, and tag it if the queue asks for it."""
        if batch.task_ids:
            return CollectConfig(task_ids=list(batch.task_ids), lane=batch.part), tags_of(batch, self.queued_at)
        return CollectConfig(refresh=self.refresh, older_than=self.older_than), {}


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

    def collect(self, batch: Batch, order: Order) -> "Outcome":
        """Run one batch: its tasks, or if it has none its cells, as a backfill from the UI does.

        Raises:
            VerifyError: the definitions have no such assets or no such partition.
            AdceError: the run failed, with its error.
        """
        job = self.definitions.resolve_implicit_global_asset_job_def()
        config, tags = order.of(batch)
        try:
            with told_as(batch.id), handed(order.table):
                result = job.execute_in_process(
                    instance=self.instance,
                    partition_key=None if batch.season == WHOLE_HISTORY else batch.season,
                    asset_selection=[dg.AssetKey(name.split("/")) for name in batch.data_sets],
                    run_config=self._config(batch.scraper, config),
                    tags=tags,
                )
        except dg.Failure as failure:
            error = FetchError(failure.description or "nothing could be collected", where=batch.lane)
            told = {name: of_data_set(failure.metadata, name) for name in batch.data_sets}
            return Outcome(batch, {name: _plain(values) for name, values in told.items() if values}, str(error))
        except dg.DagsterError as error:
            raise VerifyError(str(error), where=batch.lane, hint="run `adce reconcile` for a new queue") from error
        data_sets = {}
        for event in result.get_asset_materialization_events():
            materialization = event.step_materialization_data.materialization
            data_sets["/".join(materialization.asset_key.path)] = _plain(materialization.metadata)
        return Outcome(batch, data_sets, None)

    def _config(self, op: str, config: dg.Config) -> dict[str, Any]:
        level = LOUD if self.verbose else QUIET
        run_config = dg.RunConfig(ops={op: config}).to_config_dict()
        return run_config | {"loggers": {"console": {"config": {"log_level": level}}}}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a batch ended: what is told of each data set, and the error that ended it, if one did."""

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
    queue: Mapping[str, Any],
    limits: Dispatch,
    *,
    paces: Mapping[str, Pace],
    at_once: int,
    table: Path | None = None,
    verbose: bool = False,
    stop: Stop | None = None,
) -> Iterator[Outcome]:
    """Run every batch of a queue, the most urgent first, and tell of each as it ends.

    The keys of its tasks are read from ``table``, where that is held, and else from the newest one. One at a time, they
    run in this process; ``at_once`` more, each in a process of its own. A batch that fails does not stop the others,
    and once ``stop`` says so no other begins. The limits of hosts hold for all of them together.
    """
    at_most = limits.model_copy(update={"max_concurrent_scrapers": at_once, "kept_for_critical": 0})

    def next_of(running: list[Batch], started: set[str]) -> list[Batch]:
        lanes = [batch.lane for batch in running]
        return batches(queue, in_flight=lanes, done=started, limits=at_most, groups={}, paces=paces)

    order = Order(queued_at=queue["generated_at"], table=table)
    yield from _run_all(next_of, order, at_once=at_once, verbose=verbose, stop=stop)


def collect_cells(
    cells: Sequence[Batch], order: Order, *, at_once: int, verbose: bool = False, stop: Stop | None = None
) -> Iterator[Outcome]:
    """Run the partitions of a backfill, in order; as `collect_all` does."""

    def next_of(running: list[Batch], started: set[str]) -> list[Batch]:
        waiting = (batch for batch in cells if batch.id not in started)
        return list(islice(waiting, at_once - len(running)))

    yield from _run_all(next_of, order, at_once=at_once, verbose=verbose, stop=stop)


def _run_all(
    next_of: Callable[[list[Batch], set[str]], list[Batch]],
    order: Order,
    *,
    at_once: int,
    verbose: bool,
    stop: Stop | None,
) -> Iterator[Outcome]:
    stop = stop or Stop(threading.Event())
    if at_once == 1:
        with runner(verbose=verbose) as here:
            started: set[str] = set()
            while not stop() and (chosen := next_of([], started)):
                started.add(chosen[0].id)
                yield _outcome(chosen[0], partial(here.collect, chosen[0], order))
        return
    with runner():  # makes the instance's database, which processes that start together could not
        pass
    run = partial(_collect_here, order=order, verbose=verbose)
    for batch, ended in side_by_side(next_of, run, at_once=at_once, stop=stop):
        yield _outcome(batch, ended)


def _collect_here(batch: Batch, *, order: Order, verbose: bool) -> Outcome:
    with runner(verbose=verbose) as here:
        return here.collect(batch, order)


def _outcome(batch: Batch, ended: Callable[[], Outcome]) -> Outcome:
    try:
        return ended()
    except AdceError as error:
        return Outcome(batch, {}, str(error))


def _plain(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, Any]:
    return {
        name: [dict(record.data) for record in value.records]
        if isinstance(value, dg.TableMetadataValue)
        else value.value
        for name, value in metadata.items()
    }
