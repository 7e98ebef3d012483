"""`adce restart`: end the service of this machine and start it again."""

import click

from adce_assets.cli import options


@click.command(epilog="Example: `adce restart` after a change of the configuration.")
@options.only_computed
@options.on_trial
@options.as_json
@click.pass_context
def command(ctx: click.Context, *, dry_run: bool, test_mode: bool, as_json: bool) -> None:
    """End the loop and start it again, which reads the configuration and the contract anew; start it if it is not.

    Whether it is a dry run or a trial is as asked for now, not as it was. Where a file is faulty, the loop that runs
    goes on.
    """
    from adce_assets.cli import start
    from adce_assets.cli.serving import served
    from adce_assets.cli.settings import collected
    from adce_assets.settings import load_settings

    service = served(to_start=True).service
    _ = collected(load_settings())
    service.stop()
    ctx.invoke(start.command, foreground=False, dry_run=dry_run, test_mode=test_mode, as_json=as_json)
