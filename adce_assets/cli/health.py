"""`adce health`: whether the loop does its work, what is wrong if not, and the server that tells it."""

from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.main import ERROR
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adce_assets.operate.causes import Cause
    from adce_assets.operate.health_server import Desk
    from adce_assets.settings import Settings

COLUMNS = (Column("is", "severity"), Column("cause", "code"), Column("of", "subject"), Column("what", "what"))
NICE = 15
"""How far the server stands back where the loop wants the processor: some three hundredths of one are left to it."""
TOKEN = "ADCE_TOKEN"  # noqa: S105 - the name of a variable
JOIN_S = 10.0


@click.group(invoke_without_command=True, epilog="Example: `adce health && echo well`.")
@click.option("--url", metavar="URL", help="Ask the server there, such as http://127.0.0.1:8080, and look at nothing.")
@options.as_json
@click.pass_context
def command(ctx: click.Context, url: str | None, *, as_json: bool) -> None:
    """Look whether the loop does its work, and say what is wrong with the next step of each.

    Warnings leave it well, and a full queue is none. A server that wants a token gets that of ADCE_TOKEN.

    \b
    Exit codes: 0 it is well; 1 it is not, or the server does not answer.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    if ctx.invoked_subcommand is not None:
        return
    told = _asked(url) if url else _looked()
    if as_json:
        write_json(told)
    else:
        show(told)
    if not told["well"]:
        ctx.exit(ERROR)


@command.command("serve", epilog="Example: `adce health serve`, then `curl http://127.0.0.1:8080/health`.")
def serve() -> None:
    """Tell health over HTTP, until interrupted: what `adce start` runs beside the loop.

    Port and address stand in the section `health` of `config/autonomous_config.yaml`; docs/health.md tells what may be
    asked. On an address that other machines can ask it does not start before there is a token of `adce token issue`.
    """
    import os
    from contextlib import closing
    from threading import Event, Thread

    from adce_assets.operate import access_database
    from adce_assets.operate.actions import BRIEF_S
    from adce_assets.operate.health_access import refuse_without_tokens
    from adce_assets.operate.health_server import listening, server
    from adce_assets.settings import load_settings

    settings = load_settings()
    health, stop = settings.autonomous.health, Event()
    with access_database.opened(settings, BRIEF_S) as database:
        desk = _desk(settings, database)
        refuse_without_tokens(desk.doors.tokens, health.address)
        with closing(listening(health.address, health.port)) as socket:
            os.nice(NICE)
            looking = Thread(target=desk.looks.go_on, args=(health.interval_seconds, stop), daemon=True)
            looking.start()
            talk(f"health is told at http://{health.address}:{health.port}/health")
            try:
                server(desk, health.address).run(sockets=[socket])
            finally:
                stop.set()
                looking.join(JOIN_S)


def show(told: dict[str, Any]) -> None:
    """Show what is wrong, if anything is, with the next step of each."""
    if told["causes"]:
        write_table(COLUMNS, told["causes"], note="hint")
    talk("it is well" if told["well"] else "it is not well")


def _asked(url: str) -> dict[str, Any]:
    from adce_assets.operate.health_asking import ask
    from adce_assets.settings import kept

    return ask(url, kept(TOKEN)).model_dump(mode="json", by_alias=True)


def _looked() -> dict[str, Any]:
    from adce_assets.cli.serving import looked, served
    from adce_assets.operate import telling

    seen, found = looked(served())
    return telling.health(found, seen.outside.at)


def _desk(settings: "Settings", database: Any) -> "Desk":
    """Put together what the server answers from."""
    from adce_assets.cli.serving import records, served
    from adce_assets.operate.actions import ActionLog
    from adce_assets.operate.health_access import Doors, is_of_this_machine
    from adce_assets.operate.health_acts import Acts
    from adce_assets.operate.health_server import Desk
    from adce_assets.operate.looks import Looks
    from adce_assets.operate.renewing import Renewed
    from adce_assets.operate.tokens import Tokens
    from adce_assets.settings import load_settings, now

    one, installation = served(), Renewed(load_settings)
    health = settings.autonomous.health

    def heard(causes: "Sequence[Cause]") -> None:
        from adce_assets.operate.alerts import tend

        # The sensor of the daemon looks too, and cannot see all that is seen here.
        of_now = installation.settings()
        tend(of_now, causes, of_now.clock(), part="health")

    return Desk(
        looks=Looks(installation, records(settings.autonomous, one.dagster_home), one.service, heard),
        doors=Doors(Tokens(database, now), is_of_this_machine(health.address)),
        acts=Acts(installation, one.service, ActionLog(database, now), one.environment),
        every_s=health.interval_seconds,
    )
