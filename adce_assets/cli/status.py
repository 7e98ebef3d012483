"""`adce status`: whether the service of this machine runs, and when the loop last came around."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.main import ERROR
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.cli.serving import Served

COLUMNS = (
    Column("component", "component"),
    Column("is", "health"),
    Column("since", "since"),
    Column("process", "pid", numeric=True),
)


@click.command(epilog="Example: `adce status --json | jq .last_cycle_hours`.")
@options.as_json
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Show each component of the service, the last reconciliation that came to its end, and the queue.

    \b
    Exit codes: 0 all components run; 1 one does not, or none does.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.cli.serving import row, served
    from adce_assets.errors import ServiceError
    from adce_assets.operate.service import Health

    one = served()
    try:
        rows = [row(stand) for stand in one.service.stands()]
    except ServiceError:
        rows = []
    told = {"schema": 1, "running": bool(rows), "url": one.url, "components": rows, **_loop(one)}
    if as_json:
        write_json(told)
    else:
        _show(told)
    if not rows or any(found["health"] != Health.RUNNING for found in rows):
        ctx.exit(ERROR)


def _loop(one: "Served") -> dict[str, Any]:
    """Say when a reconciliation last came to its end, by Dagster's records, and what is queued."""
    from adce_assets.cli.installation import state
    from adce_assets.defs.looking import look_of
    from adce_assets.errors import LakeError
    from adce_assets.loop.state import QUEUE
    from adce_assets.settings import now

    look = look_of(one.dagster_home)
    began = None if look is None else datetime.fromtimestamp(look.began, UTC)
    try:
        queue = state().read_json(QUEUE)
        tasks = {"tasks": queue["total_tasks"], "by_priority": queue["by_priority"]}
    except LakeError:
        tasks = {"tasks": None, "by_priority": {}}
    hours = None if began is None else round((now() - began).total_seconds() / 3600, 2)
    return {"last_cycle": began.isoformat() if began else None, "last_cycle_hours": hours, **tasks}


def _show(told: dict[str, Any]) -> None:
    if told["components"]:
        write_table(COLUMNS, told["components"])
    else:
        talk("it does not run: `adce start` starts it")
    if told["last_cycle"] is None:
        talk("no reconciliation has come to its end yet")
    else:
        talk(f"the last reconciliation began {told['last_cycle_hours']:.1f} h ago; tasks queued: {told['tasks']}")
