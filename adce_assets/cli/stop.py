"""`adce stop`: end the service of this machine."""

import click

from adce_assets.cli import options
from adce_assets.cli.output import talk, write_json


@click.command(epilog="Example: `adce stop` returns when nothing of it is left.")
@options.as_json
def command(*, as_json: bool) -> None:
    """End the loop: what is under way is finished, the rest goes back to the queue, and no process is left."""
    from adce_assets.cli.serving import served

    service = served().service
    left = [component.name for component in service.left()]
    if left:
        talk(f"their supervisor is gone, and they are ended: {', '.join(left)}")
    was_running = service.stop()
    if as_json:
        write_json({"schema": 1, "was_running": was_running, "left_behind": left})
    else:
        talk("it has ended" if was_running else "it did not run")
