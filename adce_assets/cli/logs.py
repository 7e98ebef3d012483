"""`adce logs`: what the components of the service have said."""

import json
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from adce_assets.cli import options
from adce_assets.cli.output import talk

COMPONENTS = ("daemon", "code", "web", "health", "supervisor")
LOOKS_EVERY_S = 0.5


@click.command(epilog="Example: `adce logs --component daemon --follow`.")
@click.option("--tail", "lines", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Lines of each.")
@click.option("--follow", is_flag=True, help="Go on with what is said from now on, until interrupted.")
@click.option("--component", "chosen", type=click.Choice(COMPONENTS), multiple=True, help="Only this; may be repeated.")
@options.as_json
def command(lines: int, chosen: tuple[str, ...], *, follow: bool, as_json: bool) -> None:
    """Show the last lines that each component of the service has written; as JSON, an object for each line."""
    from adce_assets.cli.serving import served

    service = served().service
    files = {name: service.log(name) for name in chosen or COMPONENTS}
    write = {name: partial(_write, name, many=len(files) > 1, as_json=as_json) for name in files}
    places = {name: _show(name, file, lines, write[name]) for name, file in files.items()}
    while follow:
        time.sleep(LOOKS_EVERY_S)
        places = {name: _more(file, places[name], write[name]) for name, file in files.items()}


def _show(name: str, file: Path, lines: int, write: Callable[[bytes], None]) -> int:
    """Write the last lines of a file; return how far it was read."""
    if not file.is_file():
        talk(f"{name} has not written anything yet")
        return 0
    with file.open("rb") as opened:
        for line in deque(opened, lines):
            write(line)
        return opened.tell()


def _more(file: Path, place: int, write: Callable[[bytes], None]) -> int:
    """Write what has come since; a file that has become shorter is another one."""
    size = file.stat().st_size if file.is_file() else 0
    if size == place:
        return place
    with file.open("rb") as opened:
        opened.seek(place if size > place else 0)
        for line in opened:
            write(line)
        return opened.tell()


def _write(name: str, line: bytes, *, many: bool, as_json: bool) -> None:
    text = line.decode(errors="replace").rstrip("\n")
    if as_json:
        click.echo(json.dumps({"schema": 1, "component": name, "line": text}))
    else:
        click.echo(f"{name}: {text}" if many else text)
