"""`adce apply`: exactly what a plan says, run as Dagster runs it, unless the world has moved since it was made."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options, running
from adce_assets.cli.main import DEBUG, ERROR
from adce_assets.cli.output import talk, write_json
from adce_assets.cli.statistics import statistics, write_statistics

if TYPE_CHECKING:
    from adce_assets.loop.applying import Moved
    from adce_assets.loop.plans import Plan
    from adce_assets.loop.project import Project


@click.command(epilog="Example: `adce apply plan.json` collects what `adce plan -o plan.json` has written down.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--max-concurrent", type=click.IntRange(1, 64), default=1, metavar="N", help="Runs at once (default: 1).")
@click.option("--no-reconcile", is_flag=True, help="Do not reconcile afterwards.")
@options.as_json
@click.pass_context
def command(ctx: click.Context, file: Path, max_concurrent: int, *, no_reconcile: bool, as_json: bool) -> None:
    """Collect the keys of a plan, all of them and no others.

    A plan of another contract or another lake is refused. Of its keys, some may have been closed or changed since:
    up to `approvals.tolerance` of them are named and left away; beyond that nothing is collected, and what has moved is
    said. Whoever applies a plan has approved it: it does not wait for `adce approve`.
    """
    from adce_assets.loop import plans
    from adce_assets.loop.project import open_project
    from adce_assets.settings import load_settings

    plan, verbose = plans.read(file), ctx.meta[DEBUG]
    project = open_project(load_settings())
    moved, queue = _held_against_now(project, plan)
    with running.saying_how_to_go_on(ctx):
        ran = running.collect_batches(queue, project.settings, max_concurrent, verbose=verbose)
    told = statistics(ran.outcomes) | {"seconds": round(ran.seconds, 1), "reconciled": None}
    if ran.outcomes and not no_reconcile and not ran.interrupted:
        told["reconciled"] = running.reconcile_after(verbose=verbose)
    told["plan"] = _compared(plan, moved, told["totals"]["asked"])
    if as_json:
        write_json(told)
    else:
        write_statistics(told)
    if ran.stopped:
        running.say_how_to_go_on(ctx, ran.stopped)
    if ran.exit_code or told["plan"]["lost"]:
        ctx.exit(ran.exit_code or ERROR)


def _held_against_now(project: "Project", plan: "Plan") -> tuple["Moved", dict[str, Any]]:
    """Refuse a plan whose world has moved; else say what of it has, and make a queue of the rest."""
    from adce_assets.loop import applying

    applying.refuse_other_world(project, plan)
    now = applying.open_keys(project.state, plan)
    moved = applying.moved(plan, now)
    applying.refuse_moved(moved, project.settings.autonomous.approvals.tolerance)
    if moved.all:
        talk(f"left away: {moved}")
    return moved, applying.queue(project, plan, now, moved.all)


def _compared(plan: "Plan", moved: "Moved", asked: int) -> dict[str, Any]:
    """Hold what was asked for against the plan; a queue that was made anew meanwhile takes keys away from the runs."""
    lost = plan.keys - len(moved.all) - asked
    if lost > 0:
        talk(f"{lost:,} key(s) of the plan went unasked, for the queue was made anew meanwhile: they stay open")
    return {"digest": plan.digest, "keys": plan.keys, "left_away": len(moved.all), "asked": asked, "lost": max(lost, 0)}
