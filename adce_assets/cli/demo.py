"""`adce demo`: a lake with known holes, the real commands run on it, and the proof that the loop has closed."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adce_assets.cli.main import ERROR

if TYPE_CHECKING:
    from adce_assets.demo.home import LakeKind
    from adce_assets.demo.stage import Plan

MOST_SHOWN = 10
PORT = 3000

folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where everything of the demo lies.",
)


@click.group()
def command() -> None:
    """See the loop close on a lake with known holes: no account, no network, no configuration."""


@command.command("run", epilog="Example: `adce demo run --lake s3` does it all against a local S3 server.")
@click.option(
    "--lake",
    type=click.Choice(["file", "s3"]),
    default="file",
    show_default=True,
    help="Keep the lake in a folder, or in a local S3 server.",
)
@folder_option
@click.pass_context
def run(ctx: click.Context, lake: "LakeKind", folder: Path) -> None:
    """Build a lake, find its holes, collect them, and show that exactly the collectable ones are gone.

    Exits with 1 if the loop did not close exactly as planned.
    """
    from adce_assets.demo import stage, verdict
    from adce_assets.settings import forget_settings

    forget_settings()
    began = time.monotonic()
    _heading(1, "A lake with known holes")
    home, plan = stage.build(folder, lake)
    _introduce(plan, folder, lake)
    wanted = verdict.planned(plan.contract, plan.spoiled)
    left = verdict.remaining(plan.contract, plan.spoiled)
    with stage.opened(home) as variables:
        _heading(2, "Reconcile from the AWS Inventory report of the lake")
        _adce(variables, "reconcile", "--mode", "aws")
        found = verdict.found(plan.state)
        _compare(ctx, "holes that were planted", wanted, found, verdict.differences(wanted, found))
        _heading(3, "The gaps, the most urgent first")
        _adce(variables, "gaps")
        _heading(4, "Collect them from the local source")
        _adce(variables, "collect", "--no-reconcile")
        _heading(5, "Reconcile again, now by listing the lake")
        _adce(variables, "reconcile", "--mode", "list")
        _show_the_rest(ctx, plan, wanted, left)
    _heading(6, "Look around")
    click.echo(f"`make ui` opens Dagster on this very lake at http://127.0.0.1:{PORT}.")
    click.echo(f"Everything lies in {folder}/: the lake, the configuration, what the loop wrote, Dagster's records.")
    click.echo(f"The loop closed as planned, in {time.monotonic() - began:.0f} s.")


WORKSPACE = Path(__file__).resolve().parents[2] / "workspace.yaml"
"""Names the code location as everywhere else, so that links and pictures of its pages hold."""


@command.command("ui", epilog="Example: `adce demo ui --folder demo` opens the UI on the demo that was run before.")
@folder_option
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Where the UI listens.")
def ui(folder: Path, port: int) -> None:
    """Open the Dagster UI on the demo's lake, with the local source running; Ctrl-C or SIGTERM ends it."""
    from adce_assets.demo import home, stage
    from adce_assets.settings import environment_for_child, forget_settings

    opened = home.open_home(folder)
    forget_settings()
    with stage.opened(opened) as variables:
        click.echo(f"Dagster's UI will be at http://127.0.0.1:{port} in a few seconds; Ctrl-C ends it.", err=True)
        quiet = {"PYTHONWARNINGS": "ignore"}
        arguments = ("dagster", "dev", "-h", "127.0.0.1", "-p", str(port), "-w", str(WORKSPACE))
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, and no shell
            [sys.executable, "-m", *arguments], env=environment_for_child(variables | quiet), cwd=opened.folder
        )
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # or all that it has started would live on
        try:
            process.wait()
        except KeyboardInterrupt:
            process.wait()


def _introduce(plan: "Plan", folder: Path, lake: str) -> None:
    where = f"in {folder}/lake" if lake == "file" else "in a local S3 server"
    click.echo(
        f"{plan.objects:,} objects {where}: three NBA seasons up to the demo's clock, {plan.games:,} games in their\n"
        "schedules. Teams, lengths of seasons, numbers of games, breaks, id rules and odd games (one cancelled, one\n"
        "postponed and replayed, one postponed and to come) are real; who meets whom, and every score, is made up."
    )
    holes: dict[str, int] = {}
    for spot in plan.spoiled:
        holes[spot.hole.what] = holes.get(spot.hole.what, 0) + 1
    for what, number in holes.items():
        click.echo(f"  {number:>4} {what}")


def _adce(variables: Mapping[str, str], *arguments: str) -> None:
    """Run a command as a person would, in a process of its own, on this terminal."""
    from adce_assets.errors import VerifyError
    from adce_assets.settings import environment_for_child

    click.secho(f"$ adce {' '.join(arguments)}", bold=True)
    sys.stdout.flush()
    ended = subprocess.run(  # noqa: S603 - our own interpreter, and no shell
        [sys.executable, "-m", "adce_assets.cli", *arguments], env=environment_for_child(variables), check=False
    )
    if ended.returncode:
        raise VerifyError(f"`adce {' '.join(arguments)}` exited with {ended.returncode}")


def _compare(
    ctx: click.Context, what: str, wanted: Mapping[str, str], found: Mapping[str, str], differences: Iterable[str]
) -> None:
    faults = list(differences)
    if not faults:
        click.secho(f"All {len(wanted):,} {what} are there, each in its state, and no other.", fg="green")
        return
    click.secho(f"{len(faults):,} of {len(wanted):,} {what} differ ({len(found):,} found):", fg="red", err=True)
    for fault in faults[:MOST_SHOWN]:
        click.echo(f"  {fault}", err=True)
    ctx.exit(ERROR)


def _show_the_rest(ctx: click.Context, plan: "Plan", wanted: Mapping[str, str], left: Mapping[str, str]) -> None:
    """Hold what is still open against what should be, and name it with the reason."""
    from adce_assets.demo import verdict
    from adce_assets.loop.state import COVERAGE

    found = verdict.found(plan.state)
    still = {key: wanted[key] for key in left}
    faults = [
        *verdict.differences(still, found),
        *verdict.faults_of_totals(plan.state.read_json(COVERAGE), plan.doubled),
    ]
    _compare(ctx, "holes that nothing can mend", still, found, faults)
    click.secho(f"{len(wanted) - len(still):,} of {len(wanted):,} holes are closed. What is left:", fg="green")
    for key, reason in left.items():
        click.echo(f"  {key}: {reason}")


def _heading(number: int, text: str) -> None:
    click.echo()
    click.secho(f"{number}/6 {text}", bold=True, fg="cyan")
