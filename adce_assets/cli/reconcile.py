"""`adce reconcile`: the reconciliation job of Dagster, run here; afterwards the loop's files say what is missing."""

from typing import Any

import click

from adce_assets.cli import options
from adce_assets.cli.alone import alone
from adce_assets.cli.drawing import drawn
from adce_assets.cli.installation import state
from adce_assets.cli.main import DEBUG, GAPS
from adce_assets.cli.output import Column, talk, write_json, write_table

COLUMNS = (
    Column("priority", "priority"),
    Column("gaps", "gaps", numeric=True),
    Column("tasks", "tasks", numeric=True),
)


@click.command(epilog="Example: `adce reconcile --mode list --exit-code` exits with 2 while the lake has gaps.")
@click.option(
    "--mode",
    type=click.Choice(["auto", "aws", "list", "cache", "sample"]),
    help="How to look at the lake: the newest AWS Inventory report and what is newer; a live listing; the last "
    "inventory; or the cheapest of these that is young enough (default: as configured). A sample only estimates how "
    "much there is, and ends with an error, for no gap is made from it.",
)
@click.option("--accept-loss", is_flag=True, help="Take objects that have vanished for gone, so that they become gaps.")
@click.option("--exit-code", is_flag=True, help="Exit with 2 when there are gaps.")
@options.as_json
@click.pass_context
def command(ctx: click.Context, mode: str | None, *, accept_loss: bool, exit_code: bool, as_json: bool) -> None:
    """Take the inventory, compare it with the contract, and write down the gaps and the tasks that close them."""
    from adce_assets.defs.in_process import runner

    with alone(), drawn(), runner(verbose=ctx.meta[DEBUG]) as here:
        here.reconcile(mode, accept_loss=accept_loss)
        told = summary()
    if as_json:
        write_json(told)
    else:
        write_summary(told)
    if exit_code and told["gaps"]["total"]:
        ctx.exit(GAPS)


INVENTORY_NUMBERS = ("mode", "as_of", "requests", "objects", "bytes", "unclassified")


def summary() -> dict[str, Any]:
    """Read from the loop's files what the last reconciliation found, in numbers."""
    from adce_assets.loop.state import COVERAGE, GAPS, INVENTORY, QUEUE

    files = state()
    inventory, coverage, gaps, queue = (files.read_json(name) for name in (INVENTORY, COVERAGE, GAPS, QUEUE))
    left_out = sum(entry["keys"] for entry in queue["left_out"])
    return {
        "schema": 1,
        "inventory": {name: inventory[name] for name in INVENTORY_NUMBERS},
        "coverage": coverage["totals"],
        "gaps": {"total": gaps["total_gaps"], "keys": gaps["total_keys"], "by_priority": gaps["by_priority"]},
        "tasks": {
            "total": queue["total_tasks"],
            "by_priority": queue["by_priority"],
            "estimated_total_minutes": queue["estimated_total_minutes"],
            "keys_left_out": left_out,
        },
    }


def write_summary(told: dict[str, Any]) -> None:
    """Write the summary for a person: totals as talk, priorities as a table."""
    inventory, coverage, gaps, tasks = (told[name] for name in ("inventory", "coverage", "gaps", "tasks"))
    talk(f"inventory ({inventory['mode']}): {inventory['objects']:,} objects as of {inventory['as_of']}")
    talk(
        f"coverage: {coverage['present']:,} of {coverage['due']:,} due keys present "
        f"({coverage['completeness_pct']:.2f} %); {coverage['missing']:,} missing, {coverage['unknown']:,} unknown, "
        f"{coverage['not_due']:,} not due yet"
    )
    talk(f"gaps: {gaps['total']:,} with {gaps['keys']:,} keys; {tasks['keys_left_out']:,} of them in no task")
    priorities = gaps["by_priority"]
    rows = [{"priority": name, "gaps": priorities[name], "tasks": tasks["by_priority"][name]} for name in priorities]
    write_table(COLUMNS, rows)
