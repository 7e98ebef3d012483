"""`adce collect`: what is open, run as Dagster runs it; then a reconciliation shows what has closed.

Without anything said it is the queue, its tasks in their order. With seasons it is whole cells, as a backfill from the
UI: every open key of them, whether it stands in the queue or not.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options, running
from adce_assets.cli.main import DEBUG, ERROR
from adce_assets.cli.output import Column, talk, write_json, write_table
from adce_assets.cli.statistics import described, statistics, write_statistics

if TYPE_CHECKING:
    from adce_assets.defs.in_process import Order
    from adce_assets.loop.dispatch import Batch
    from adce_assets.loop.project import Project

BATCH_COLUMNS = (
    Column("priority", "priority"),
    Column("scraper", "scraper"),
    Column("season", "season"),
    Column("data sets", "data_sets"),
    Column("tasks", "tasks", numeric=True),
    Column("keys", "keys", numeric=True),
)


@click.command(epilog="Example: `adce collect --season 1996-97..2003-04` collects whatever is open of eight seasons.")
@options.priority
@options.source
@click.option("--season", metavar="RANGE", help="Whole cells of these seasons: 2024-25, 1996-97..2003-04, 2020-21.. .")
@click.option("--only-failed", is_flag=True, help="Whole cells: only keys whose last try has failed, and these now.")
@click.option(
    "--refresh", type=click.Choice(["all"]), help="Whole cells: everything that is due, not only what is open."
)
@click.option(
    "--older-than", metavar="TIME", help="With --refresh: leave what was written at this time (ISO) or later."
)
@click.option("--max-concurrent", type=click.IntRange(1, 64), default=1, metavar="N", help="Runs at once (default: 1).")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many tasks, the most urgent first.")
@click.option("--dry-run", is_flag=True, help="Show what would be collected, and collect nothing.")
@click.option("--no-reconcile", is_flag=True, help="Do not reconcile afterwards.")
@options.as_json
@click.pass_context
def command(ctx: click.Context, *, dry_run: bool, as_json: bool, **asked: Any) -> None:
    """Collect what the queue names: one run for each scraper, season and priority, the most urgent first.

    With --season, --only-failed or --refresh: whole cells, as a backfill from the UI, and what the queue leaves for
    later too; with --season and --priority or --limit, tasks of the queue.

    Keys that a source refuses stay open and are listed; a run that could collect nothing at all makes the exit code 1.
    The limits of a host hold for all runs together, however many there are at once. Ctrl-C lets what is under way come
    to its end, gives the rest back and says how to go on (exit code 130); the second time it stops at once.
    """
    from adce_assets.loop.project import open_project
    from adce_assets.settings import load_settings

    project = open_project(load_settings())
    (_collect_cells if _is_of_cells(asked) else _collect_tasks)(ctx, project, asked, dry_run=dry_run, as_json=as_json)


def _collect_cells(
    ctx: click.Context, project: "Project", asked: Mapping[str, Any], *, dry_run: bool, as_json: bool
) -> None:
    cells, order = _cells(project, asked)
    if dry_run:
        _show_plan(cells, as_json=as_json)
        return
    added = {"older_than": project.clock().isoformat()} if asked["refresh"] else {}
    with running.saying_how_to_go_on(ctx, **added):
        ran = running.collect_cells(cells, order, project.settings, asked["max_concurrent"], verbose=ctx.meta[DEBUG])
    _tell(ctx, ran, asked, as_json=as_json, **added)


def _collect_tasks(
    ctx: click.Context, project: "Project", asked: Mapping[str, Any], *, dry_run: bool, as_json: bool
) -> None:
    is_held, queue = _approved(project, _queue(project, asked), only_look=dry_run)
    if dry_run:
        _show_plan(running.plan(queue, project.settings), as_json=as_json)
        return
    with running.saying_how_to_go_on(ctx):
        ran = running.collect_batches(queue, project.settings, asked["max_concurrent"], verbose=ctx.meta[DEBUG])
    _tell(ctx, ran, asked, as_json=as_json)
    if is_held and not queue["tasks"]:
        ctx.exit(ERROR)


def _tell(ctx: click.Context, ran: running.Ran, asked: Mapping[str, Any], *, as_json: bool, **added: str) -> None:
    """Tell what became of the runs; of whatever was stopped, how to go on."""
    wants_to = ran.outcomes and not asked["no_reconcile"] and not ran.interrupted
    reconciled = running.reconcile_after(verbose=ctx.meta[DEBUG]) if wants_to else None
    told = statistics(ran.outcomes) | {"seconds": round(ran.seconds, 1), "reconciled": reconciled}
    (write_json if as_json else write_statistics)(told | {"stopped": ran.stopped or None})
    if ran.stopped:
        running.say_how_to_go_on(ctx, ran.stopped, **added)
    if ran.exit_code:
        ctx.exit(ran.exit_code)


def _is_of_cells(asked: Mapping[str, Any]) -> bool:
    """Tell whether whole cells are asked for; UsageError where that and a choice of tasks are."""
    of_tasks = [f"--{name}" for name in ("priority", "limit") if asked[name]]
    of_cells = [f"--{name.replace('_', '-')}" for name in ("only_failed", "refresh") if asked[name]]
    if of_tasks and of_cells:
        raise click.UsageError(f"{of_cells[0]} is about whole cells, and {of_tasks[0]} chooses tasks of the queue")
    if asked["only_failed"] and asked["refresh"]:
        raise click.UsageError("--only-failed and --refresh exclude each other")
    if asked["older_than"] and not asked["refresh"]:
        raise click.UsageError("--older-than needs --refresh all")
    return bool(of_cells or (asked["season"] and not of_tasks))


def _queue(project: "Project", asked: Mapping[str, Any]) -> dict[str, Any]:
    """Read the queue, and leave those of its tasks that were asked for."""
    from adce_assets.loop.state import QUEUE

    queue = project.state.read_json(QUEUE)
    is_within = options.seasons(project.state, asked["season"], asked["source"])
    tasks = options.chosen(queue["tasks"], priority=asked["priority"], source=asked["source"])
    return queue | {"tasks": [task for task in tasks if is_within(task["season"])][: asked["limit"]]}


def _approved(project: "Project", queue: dict[str, Any], *, only_look: bool) -> tuple[bool, dict[str, Any]]:
    """Leave away what waits for an approval, and say so."""
    from adce_assets.loop import approvals
    from adce_assets.loop.state import QUEUE

    if not queue["tasks"]:
        return False, queue
    held = (approvals.look if only_look else approvals.hold)(project, project.state.read_json(QUEUE))
    if held is None:
        return False, queue
    talk(str(held))
    return True, queue | {"tasks": [task for task in queue["tasks"] if not held.holds(task)]}


def _cells(project: "Project", asked: Mapping[str, Any]) -> tuple[list["Batch"], "Order"]:
    """Find the partitions that a backfill is about, and say what is wanted of them."""
    from adce_assets.defs.data_sets import scrapers_of
    from adce_assets.defs.in_process import Order, Refresh
    from adce_assets.loop import cells
    from adce_assets.loop.state import COVERAGE
    from adce_assets.scrapers.catalogue import load_catalogue

    refresh = Refresh.failed if asked["only_failed"] else Refresh(asked["refresh"] or "gaps")
    count = {Refresh.gaps: cells.open_files, Refresh.all: cells.due_files}
    path = project.settings.scraper_config_path
    chosen = cells.backfill(
        project.state.read_json(COVERAGE)["cells"],
        is_within=options.seasons(project.state, asked["season"], asked["source"]),
        source=asked["source"],
        groups=scrapers_of(project.contract, load_catalogue(path), path),
        count=count.get(refresh) or _failed_files(project),
    )
    return chosen, Order(refresh=refresh, older_than=_moment(asked["older_than"]))


def _moment(text: str | None) -> str:
    """Check a time; one without a zone is of UTC."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError as error:
        raise click.BadParameter(f"`{text}` is not a time, such as 2025-01-15T12:00:00Z") from error
    return "" if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC).isoformat()


def _failed_files(project: "Project") -> Callable[[Mapping[str, Any]], int]:
    """Count the keys of each cell whose last try has failed."""
    from adce_assets.defs.claiming import failed

    counts = Counter((state.source, state.data_type, state.season) for state in failed(project))
    return lambda cell: counts[cell["source"], cell["data_type"], cell["season"]]


def _show_plan(planned: Sequence["Batch"], *, as_json: bool) -> None:
    rows = [described(batch) for batch in planned]
    tasks = sum(row["tasks"] for row in rows)
    if as_json:
        write_json({"schema": 1, "total_tasks": tasks, "batches": rows})
        return
    if rows:
        write_table(BATCH_COLUMNS, [row | {"data_sets": ", ".join(row["data_sets"])} for row in rows])
    talk(f"{tasks:,} task(s) in {len(rows):,} run(s); nothing was collected")
