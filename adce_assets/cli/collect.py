"""`adce collect`: the tasks of the queue, run as Dagster runs them; then a reconciliation shows what has closed."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options, reconcile
from adce_assets.cli.alone import alone
from adce_assets.cli.drawing import drawn
from adce_assets.cli.main import DEBUG, ERROR
from adce_assets.cli.output import Column, talk, write_json, write_table
from adce_assets.progress import current_progress

if TYPE_CHECKING:
    from adce_assets.defs.in_process import Outcome
    from adce_assets.loop.dispatch import Batch

NUMBERS = ("asked", "collected", "failed", "bytes", "records")
GROUPS = ("priority", "source", "scraper")
UNLIMITED = 1_000_000
MOST_NAMED = 20
"""Failures that are named; all are counted."""

BATCH_COLUMNS = (
    Column("priority", "priority"),
    Column("scraper", "scraper"),
    Column("season", "season"),
    Column("data sets", "data_sets"),
    Column("tasks", "tasks", numeric=True),
    Column("keys", "keys", numeric=True),
)
STATISTICS_COLUMNS = (
    Column("by", "by"),
    Column("", "name"),
    *(Column(name, name, numeric=True) for name in NUMBERS),
)


@click.command(epilog="Example: `adce collect --priority critical --dry-run` shows what would be collected first.")
@options.gap_filters
@click.option("--max-concurrent", type=click.IntRange(1, 64), default=1, metavar="N", help="Runs at once (default: 1).")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many tasks, the most urgent first.")
@click.option("--dry-run", is_flag=True, help="Show what would be collected, and collect nothing.")
@click.option("--no-reconcile", is_flag=True, help="Do not reconcile afterwards.")
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    priority: str | None,
    source: str | None,
    season: str | None,
    max_concurrent: int,
    limit: int | None,
    *,
    dry_run: bool,
    no_reconcile: bool,
    as_json: bool,
) -> None:
    """Collect what the queue names: one run for each scraper, season and priority, the most urgent first.

    Keys that a source refuses stay open and are listed; a run that could collect nothing at all makes the exit code 1.
    The limits of a host hold for all runs together, however many there are at once.
    """
    from adce_assets.loop.project import open_project
    from adce_assets.loop.state import QUEUE
    from adce_assets.settings import load_settings

    project = open_project(load_settings())
    queue = project.state.read_json(QUEUE)
    options.refuse_unknown(project.state, source=source, season=season)
    tasks = options.chosen(queue["tasks"], priority=priority, source=source, season=season)[:limit]
    chosen, limits = queue | {"tasks": tasks}, project.settings.autonomous.dispatch
    if dry_run:
        _show_plan(chosen, list(_plan(chosen, limits.max_tasks_per_batch)), as_json=as_json)
        return
    outcomes, seconds = _collect(chosen, limits, max_concurrent, verbose=ctx.meta[DEBUG])
    told = _statistics(outcomes) | {"seconds": round(seconds, 1), "reconciled": None}
    if outcomes and not no_reconcile:
        told["reconciled"] = _reconcile(verbose=ctx.meta[DEBUG])
    if as_json:
        write_json(told)
    else:
        _write_statistics(told)
    if any(outcome.error for outcome in outcomes):
        ctx.exit(ERROR)


def _plan(queue: Mapping[str, Any], tasks_per_batch: int) -> Iterator["Batch"]:
    """List every batch of the queue in the order in which they would start."""
    from adce_assets.loop.dispatch import batches
    from adce_assets.settings import Dispatch

    limits = Dispatch(max_runs_in_flight=UNLIMITED, max_tasks_per_batch=tasks_per_batch)
    done: set[str] = set()
    while found := batches(queue, in_flight=(), done=done, limits=limits, groups={}, paces={}):
        yield from found
        done.update(batch.id for batch in found)


def _show_plan(queue: Mapping[str, Any], planned: Sequence["Batch"], *, as_json: bool) -> None:
    rows = [_described(batch) for batch in planned]
    if as_json:
        write_json({"schema": 1, "total_tasks": len(queue["tasks"]), "batches": rows})
        return
    if rows:
        write_table(BATCH_COLUMNS, [row | {"data_sets": ", ".join(row["data_sets"])} for row in rows])
    talk(f"{len(queue['tasks']):,} task(s) in {len(rows):,} run(s); nothing was collected")


def _described(batch: "Batch") -> dict[str, Any]:
    return {
        "id": batch.id,
        "priority": batch.priority,
        "scraper": batch.scraper,
        "season": batch.season,
        "data_sets": list(batch.data_sets),
        "tasks": len(batch.task_ids),
        "keys": batch.keys,
    }


def _collect(queue: Mapping[str, Any], limits: Any, at_once: int, *, verbose: bool) -> tuple[list["Outcome"], float]:
    """Run the batches with one bar over all of their keys; return what became of them and the seconds it took."""
    from adce_assets.defs.in_process import collect_all

    if not queue["tasks"]:
        talk("nothing to collect")
        return [], 0.0
    began, outcomes, done = time.monotonic(), [], 0
    total = sum(batch.keys for batch in _plan(queue, limits.max_tasks_per_batch))
    with drawn() as progress:
        runs = collect_all(queue, limits, at_once=at_once, verbose=verbose)
        while True:
            with _counted_from(done, total):
                outcome = next(runs, None)
            if outcome is None:
                return outcomes, time.monotonic() - began
            outcomes.append(outcome)
            done += outcome.batch.keys
            progress("collect", done, total)


@contextmanager
def _counted_from(before: int, total_of_all: int) -> Iterator[None]:
    """Let the progress of a run count on from the runs before it."""
    outer = current_progress.get()

    def counted(stage: str, done: int, total: int | None, note: str = "") -> None:  # noqa: ARG001 - as `Progress` has it
        outer(stage, before + done, total_of_all, note)

    token = current_progress.set(counted)
    try:
        yield
    finally:
        current_progress.reset(token)


def _reconcile(*, verbose: bool) -> dict[str, Any]:
    """Reconcile by listing: no report can know what has just been written."""
    from adce_assets.defs.in_process import runner

    with alone(), drawn(), runner(verbose=verbose) as here:
        here.reconcile("list")
        return reconcile.summary()


def _statistics(outcomes: Iterable["Outcome"]) -> dict[str, Any]:
    """Sum up what came of the runs, in all and by priority, source and scraper."""
    runs, failures, failing = [], [], {}
    sums: dict[str, defaultdict[str, dict[str, int]]] = {name: defaultdict(_nothing) for name in (*GROUPS, "all")}
    for outcome in outcomes:
        runs.append(_described(outcome.batch) | {"error": outcome.error})
        for name, told in _by_data_set(outcome).items():
            failures += told.get("worst_failures", [])
            failing |= {name: told["failing"]} if "failing" in told else {}
            groups = (outcome.batch.priority, name.partition("/")[0], outcome.batch.scraper, "all")
            for group, value in zip(sums, groups, strict=True):
                for number in NUMBERS:
                    sums[group][value][number] += told[number]
    return {
        "schema": 1,
        "runs": runs,
        "totals": sums["all"]["all"],
        **{f"by_{group}": dict(sums[group]) for group in GROUPS},
        "worst_failures": failures[:MOST_NAMED],
        "failing": failing,
    }


def _by_data_set(outcome: "Outcome") -> Mapping[str, Mapping[str, Any]]:
    """Return what each data set was told; a run that failed as a whole counts all its keys as failed."""
    if outcome.error is None:
        return outcome.data_sets
    keys = outcome.batch.keys
    return {outcome.batch.data_sets[0]: _nothing() | {"asked": keys, "failed": keys}}


def _nothing() -> dict[str, int]:
    return dict.fromkeys(NUMBERS, 0)


def _write_statistics(told: Mapping[str, Any]) -> None:
    if not told["runs"]:
        return
    rows = [{"by": group, "name": name, **numbers} for group in GROUPS for name, numbers in told[f"by_{group}"].items()]
    write_table(STATISTICS_COLUMNS, [*rows, {"by": "all", "name": "", **told["totals"]}])
    for failure in told["worst_failures"]:
        talk(f"not collected: {failure['key']}: {failure['fault']}")
    for name, since in told["failing"].items():
        talk(f"{name}: {since}")
    for run in told["runs"]:
        if run["error"]:
            talk(f"failed: {run['scraper']} {run['season']} {run['priority']}: {run['error']}")
    talk(f"{len(told['runs']):,} run(s) in {told['seconds']:,} s")
    if told["reconciled"]:
        reconcile.write_summary(told["reconciled"])
