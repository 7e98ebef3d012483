"""Rows in, text out: a table with lines on a terminal, aligned columns in a pipe, JSON where it is asked for."""

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, the field it shows, and whether it holds numbers."""

    heading: str
    field: str
    numeric: bool = False


def write_json(document: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout."""
    click.echo(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def talk(message: str = "") -> None:
    """Say something to the person; it is not part of the data."""
    click.echo(message, err=True)


def write_table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], *, note: str | None = None) -> None:
    """Write rows to stdout, drawn if it is a terminal.

    ``note`` is a field of text too long for a column: a terminal shows it below its row, a pipe gets it as the last
    column, so that a row stays a line.
    """
    if sys.stdout.isatty():
        _draw(columns, rows, note)
        return
    last = [Column(note, note)] if note else []
    for line in _aligned([*columns, *last], rows):
        click.echo(line.rstrip())


def write_file(file: Path, text: str) -> None:
    """Write a file as a whole: whoever serves or scrapes it never sees half of it; AdceError where it cannot be."""
    from adce_assets.errors import AdceError

    made = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        made.write_text(text, "utf-8")
        made.replace(file)
    except OSError as error:
        made.unlink(missing_ok=True)
        raise AdceError(f"it cannot be written: {error.strerror}", where=str(file)) from error


def with_data_set(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add the name by which people call a data set: ``source/data_type``."""
    return [{**row, "data_set": f"{row['source']}/{row['data_type']}"} for row in rows]


def _aligned(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lay out headings and rows in lines of equal columns."""
    lines = [
        [column.heading for column in columns],
        *([_text(row[column.field]) for column in columns] for row in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(_padded, columns, line, widths)) for line in lines]


def _padded(column: Column, text: str, width: int) -> str:
    return text.rjust(width) if column.numeric else text.ljust(width)


def _draw(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], note: str | None) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    if note is None:
        console.print(_table(columns, rows))
        return
    headings, *lines = _aligned(columns, rows)
    console.print(Text(headings, style="bold underline"))
    for line, row in zip(lines, rows, strict=True):
        console.print(Text(line))
        console.print(Padding(Text(_text(row[note]), style="dim"), (0, 0, 0, 2)))


def _table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in columns:
        justify = "right" if column.numeric else "left"
        table.add_column(column.heading, justify=justify, overflow="fold", no_wrap=column.numeric)
    for row in rows:
        table.add_row(*(Text(_text(row[column.field])) for column in columns))
    return table


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{math.floor(value * 100) / 100:,.2f}"  # never rounded up: 99.999 % is not 100 %
    return f"{value:,}" if isinstance(value, int) else str(value)
