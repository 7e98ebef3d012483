"""The arguments of `adce` in, an exit code out: the only place where an error becomes a message to a person.

A command is a module of this folder with a click command named ``command``; it is imported when it is used or listed,
and its heavy libraries only when it runs. stdout is data, stderr is talk.
"""

import functools
import importlib
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import click

from adce_assets.cli.acting import logged
from adce_assets.errors import AdceError

COMMANDS = (
    "init",
    "reconcile",
    "inventory",
    "coverage",
    "gaps",
    "tasks",
    "plan",
    "apply",
    "approve",
    "collect",
    "hosts",
    "why",
    "prove",
    "ledger",
    "dlq",
    "canary",
    "verify",
    "dims",
    "report",
    "doctor",
    "settings",
    "alerts",
    "start",
    "stop",
    "restart",
    "status",
    "health",
    "logs",
    "resume",
    "token",
    "audit",
    "completion",
    "demo",
)
"""The commands, in the order in which a person meets them; each is a module of this folder."""

DONE, ERROR, GAPS, LATE, DRIFTED = 0, 1, 2, 2, 2
"""Exit codes: done; an error; there are gaps, or the report of AWS is late, where ``--exit-code`` asks for that; a
metric has drifted."""
INTERRUPTED = 130

DEBUG = "adce_assets.cli.debug"
"""Where a context keeps that ``--debug`` was given."""


class Adce(click.Group):
    """A group whose commands are modules, and which turns errors into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """Name the commands without importing them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import the module of a command."""
        if cmd_name not in COMMANDS:
            return None
        return _load(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ADCE's is told in words, any other is called what it is."""
        try:
            return super().invoke(ctx)
        except AdceError as error:
            _tell(ctx, str(error))
            ctx.exit(error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - the edge of the command line, where a person reads the outcome
            _tell(ctx, f"{type(error).__name__}: {error}\nhint: this is a fault of ADCE; `--debug` shows where it is")
            ctx.exit(ERROR)

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run and exit; a faulty call exits with 1, because 2 answers `--exit-code`."""
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **extra)
        try:
            code = super().main(*args, standalone_mode=False, **extra)
        except click.ClickException as error:
            error.show()
            code = ERROR
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            code = INTERRUPTED
        sys.exit(code or DONE)


@click.group(cls=Adce, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="adce", prog_name="adce")
def main() -> None:
    """Find what a data lake is missing, and go and get it.

    \b
    Exit codes: 0 done; 1 error; 2 there are gaps, or a report is late (where `--exit-code` asks), a
    plan has something to do, or a metric has drifted.
    stdout is data, stderr is talk.

    \b
    Where the lake is comes from the environment:
      ADCE_LAKE=s3://bucket[/prefix] or file:///path   the lake's root
      ADCE_HOME                                        folder of config/ and inventory/
      ADCE_STATE                                       where the loop keeps its files
      ADCE_AS_OF=2025-01-15T12:00:00Z                  a clock that stands still
    """  # noqa: D301 - click wants the character itself before text that it shall not fill


@functools.cache
def _load(name: str) -> click.Command:
    """Import a command; to it and all it may hold come the options that all have, and the log of actions."""
    command: click.Command = importlib.import_module(f"adce_assets.cli.{name}").command
    for typed, member in _with_inner(name, command):
        member.params.append(_debug_option())
        logged(typed, member)
    return command


def _with_inner(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Walk a command and all that it holds, each with what one types."""
    yield name, command
    if isinstance(command, click.Group):
        for word, member in command.commands.items():
            yield from _with_inner(f"{name} {word}", member)


def _debug_option() -> click.Option:
    def note(ctx: click.Context, _option: click.Parameter, given: bool) -> None:  # noqa: FBT001 - click's signature
        ctx.meta[DEBUG] = given or ctx.meta.get(DEBUG, False)

    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, callback=note, help="Show tracebacks and Dagster's own log."
    )


def _tell(ctx: click.Context, message: str) -> None:
    if ctx.meta.get(DEBUG):
        traceback.print_exc()
    click.echo(f"error: {message}", err=True)
