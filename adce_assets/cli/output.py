"""Rows in, text out: a table with lines on a terminal, aligned columns in a pipe, JSON where it is asked for."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click


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


def write_table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows to stdout, as a drawn table if it is a terminal."""
    cells = [[_text(row[column.field]) for column in columns] for row in rows]
    if sys.stdout.isatty():
        _draw(columns, cells)
        return
    widths = [max(len(text) for text in column) for column in zip(*[_headings(columns), *cells], strict=True)]
    for line in [_headings(columns), *cells]:
        click.echo("  ".join(map(_aligned, columns, line, widths)).rstrip())


def _headings(columns: Sequence[Column]) -> list[str]:
    return [column.heading for column in columns]


def _aligned(column: Column, text: str, width: int) -> str:
    return text.rjust(width) if column.numeric else text.ljust(width)


def _draw(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.heading, justify="right" if column.numeric else "left", overflow="fold")
    for line in cells:
        table.add_row(*map(Text, line))
    Console().print(table)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
