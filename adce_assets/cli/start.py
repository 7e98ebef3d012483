"""`adce start`: the loop as a service of this machine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from adce_assets.cli import options
from adce_assets.cli.output import talk, write_json

if TYPE_CHECKING:
    from adce_assets.cli.serving import Served
    from adce_assets.operate.service import Stand


@click.command(epilog="Example: `adce start`, then `adce status`; `adce stop` ends it.")
@click.option("--foreground", is_flag=True, help="Stay in this terminal until interrupted, as systemd wants it.")
@options.only_computed
@options.on_trial
@options.as_json
def command(*, foreground: bool, dry_run: bool, test_mode: bool, as_json: bool) -> None:
    """Start the loop, and keep it running: Dagster's daemon, its web pages, the code server and the health server.

    A component that ends is started again, each time a little later. All listen on this machine alone, unless
    `health.address` says otherwise.

    \b
    Exit codes: 0 all of it runs; 1 it does not come up, and nothing is left; 3 it runs already.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.cli.serving import served

    asked = {name: "1" for name, is_asked in (("ADCE_DRY_RUN", dry_run), ("ADCE_TEST_MODE", test_mode)) if is_asked}
    one = served(to_start=True).asked_for(asked)
    if one.held_back:
        talk(one.held_back)
    if left := one.service.left():
        talk(f"their supervisor is gone, and they are ended first: {', '.join(component.name for component in left)}")
    if foreground:
        _stay(one)
    pid = _start(one)
    if as_json:
        write_json({"schema": 1, "pid": pid, "url": one.url, "dagster_home": str(one.dagster_home)} | one.modes)
    else:
        talk(f"the loop runs: {one.url} shows it, `adce status` says how it is, `adce stop` ends it")


def _start(one: "Served") -> int:
    """Start it, and tell how it comes up."""
    last = ""

    def tell(stands: "Sequence[Stand]") -> None:
        nonlocal last
        line = ", ".join(f"{stand.name} {stand.health}" for stand in stands)
        if line != last:
            talk(line)
        last = line

    try:
        return one.service.start(one.environment, told=tell)
    except KeyboardInterrupt:
        service = one.service
        if service.running() is not None or service.left():
            talk("some of it still runs: `adce stop` ends it, and waits for its end")
        else:
            talk("nothing of it is left running")
        raise


def _stay(one: "Served") -> None:
    """Become the supervisor."""
    one.service.prepare(one.environment)
    talk(f"the loop runs here: {one.url} shows it; interrupt it to end it")
    one.service.become(one.environment)
