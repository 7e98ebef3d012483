"""`adce status`: whether the service of this machine runs, when the loop last came around, and what is wrong."""

from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import health, options
from adce_assets.cli.main import ERROR
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.operate.service import Service

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
    """Show each component of the service, the last reconciliation that came to its end, the queue, and what is wrong.

    \b
    Exit codes: 0 all components run; 1 one does not, or none does. Whether the loop is well says `adce health`.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.cli.serving import looked, served
    from adce_assets.operate import telling

    one = served()
    seen, found = looked(one)
    runs = one.in_force(seen.stands)
    told = {**telling.status(seen, found), "url": runs.url if runs else one.url}
    if as_json:
        write_json(told)
    else:
        _show(told, one.service)
    if not told["running"]:
        ctx.exit(ERROR)


def _show(told: dict[str, Any], service: "Service") -> None:
    if told["components"]:
        write_table(COLUMNS, told["components"])
    elif (pid := service.running()) is not None:
        talk(f"it is still ending, or says nothing: process {pid}")
    else:
        talk("it does not run: `adce start` starts it")
    if told["last_cycle"] is None:
        talk("no reconciliation has come to its end yet")
    else:
        talk(f"the last reconciliation began {told['last_cycle_hours']:.1f} h ago; tasks queued: {told['tasks']}")
    modes = {"dry_run": "dry run: nothing is started", "test_mode": "on trial: quick and small"}
    for said in filter(None, (*(said for name, said in modes.items() if told[name]), told["resting"])):
        talk(said)
    health.show(told)
