"""`adce restart`: end the service of this machine and start it again."""

import click

from adce_assets.cli import options


@click.command(epilog="Example: `adce restart` after a change of the configuration.")
@options.as_json
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """End the loop and start it again, which reads the configuration and the contract anew; start it if it is not."""
    from adce_assets.cli import start
    from adce_assets.cli.serving import served

    served().service.stop()
    ctx.invoke(start.command, foreground=False, as_json=as_json)
