"""`adce canary`: a gap made up, and whether the loop finds, plans, fills and closes it in time."""

import click

from adce_assets.cli import options
from adce_assets.cli.drawing import drawn
from adce_assets.cli.installation import state
from adce_assets.cli.main import DEBUG, ERROR
from adce_assets.cli.output import Column, talk, write_json, write_table

COLUMNS = (Column("step", "event"), Column("at", "at"))


@click.command(epilog="Example: `adce canary` exits with 1 when the loop does not close a gap in time.")
@options.as_json
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Send a canary: a gap made up, in a shadow of the lake and the state, which goes once around the loop.

    Dagster sends one a day. What is wrong with the loop itself, and not with a source, shows here.

    \b
    Exit codes: 0 its gap was closed in time; 1 it was not.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.defs.canary import send_here
    from adce_assets.defs.in_process import LOUD, QUIET, runner
    from adce_assets.loop.state import CANARY

    verbose = ctx.meta[DEBUG]
    with drawn(), runner(verbose=verbose) as here:
        send_here(here, log_level=LOUD if verbose else QUIET)
    told = state().read_json(CANARY)
    if as_json:
        write_json(told)
    else:
        write_table(COLUMNS, told["steps"])
        talk(told["says"])
    if not told["alive"]:
        ctx.exit(ERROR)
