"""`adce completion`: what a shell reads to complete the command line of `adce`."""

import click

from adce_assets.cli import options
from adce_assets.cli.output import write_json

SHELLS = ("bash", "zsh", "fish")
PROGRAM, VARIABLE = "adce", "_ADCE_COMPLETE"
"""The program that is completed, and the variable in which a shell asks it."""


@click.command(epilog="Example: `adce completion bash >> ~/.bashrc` completes commands and options from then on.")
@click.argument("shell", type=click.Choice(SHELLS))
@options.as_json
def command(shell: str, *, as_json: bool) -> None:
    """Write the lines by which a shell completes commands, options and their values.

    \b
    Exit codes: 0 they are written; 1 an error.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from click.shell_completion import get_completion_class

    from adce_assets.cli.main import main

    chosen = get_completion_class(shell)
    if chosen is None:
        raise click.BadParameter(shell, param_hint="SHELL")
    lines = chosen(main, {}, PROGRAM, VARIABLE).source()
    if as_json:
        write_json({"schema": 1, "shell": shell, "lines": lines})
    else:
        click.echo(lines)
