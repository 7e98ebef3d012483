"""`adce logs`: what the components of the service have said."""

import json
import os
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

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
    tails = [Tail(file, partial(_write, name, many=len(files) > 1, as_json=as_json)) for name, file in files.items()]
    try:
        for name, tail in zip(files, tails, strict=True):
            if not tail.last(lines):
                talk(f"{name} has not written anything yet")
            if not follow:
                tail.end()
        while follow:
            time.sleep(LOOKS_EVERY_S)
            for tail in tails:
                tail.more()
    finally:
        for tail in tails:
            tail.end()


class Tail:
    """A file that grows, and that another one takes the place of: each line of both is written once, when it is whole.

    Of files that are replaced twice between two looks the first is not seen.
    """

    def __init__(self, file: Path, write: Callable[[bytes], None]) -> None:
        """Take a file, which need not be there yet, and what writes a line of it."""
        self._file, self._write = file, write
        self._opened: BinaryIO | None = None
        self._rest = b""

    def last(self, lines: int) -> bool:
        """Write the last lines; say whether there is a file."""
        self._open()
        for line in deque(self._opened or (), lines):
            self._told(line)
        return self._opened is not None

    def more(self) -> None:
        """Write what has come since, of a file that was replaced meanwhile to its end."""
        self._read()
        if self._is_replaced():
            self._read()
            self.end()
            self._open()
            self._read()

    def end(self) -> None:
        """Write what has no end of line yet, and close the file."""
        if self._rest:
            self._write(self._rest)
        self._rest = b""
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    def _open(self) -> None:
        try:
            self._opened = self._file.open("rb")
        except FileNotFoundError:
            self._opened = None

    def _read(self) -> None:
        for line in self._opened or ():
            self._told(line)

    def _told(self, read: bytes) -> None:
        """Write a line once its end was read."""
        line, self._rest = self._rest + read, b""
        if line.endswith(b"\n"):
            self._write(line)
        else:
            self._rest = line

    def _is_replaced(self) -> bool:
        """Tell whether another file has the name now, or this one begins anew."""
        try:
            there = self._file.stat()
        except FileNotFoundError:
            return False
        if self._opened is None:
            return True
        own = os.fstat(self._opened.fileno())
        return not os.path.samestat(own, there) or own.st_size < self._opened.tell()


def _write(name: str, line: bytes, *, many: bool, as_json: bool) -> None:
    text = line.decode(errors="replace").rstrip("\n")
    if as_json:
        click.echo(json.dumps({"schema": 1, "component": name, "line": text}))
    else:
        click.echo(f"{name}: {text}" if many else text)
