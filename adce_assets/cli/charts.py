"""Numbers over time in, a line for a terminal out. Where a number is missing the line is broken, never at 0."""

import shutil
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta

import click

HEIGHT, WIDEST, NARROWEST = 16, 120, 40
CLOSE, FLAT = 1e9, 1e3
"""A course that varies by less than the one part of its size is drawn within the other part of it."""
LABELS = 3
"""Moments that are written below the line."""

Spots = Sequence[tuple[datetime, float | None]]


def is_drawn() -> bool:
    """Tell whether stdout is where somebody sees a picture."""
    return sys.stdout.isatty()


def draw(spots: Spots, *, title: str, begin: datetime, until: datetime) -> None:
    """Write the line to stdout, as wide as the terminal."""
    columns = shutil.get_terminal_size().columns
    click.echo(line(spots, title=title, begin=begin, until=until, width=min(max(columns, NARROWEST), WIDEST)))


def line(spots: Spots, *, title: str, begin: datetime, until: datetime, width: int) -> str:
    """Return the line between two moments, ``width`` characters wide and `HEIGHT` lines high, without colours."""
    from plotext import figure, uncolorize

    known = [(at, float(value)) for at, value in spots if value is not None]
    figure.clear.all()
    figure.theme("colorless")
    figure.plot_size(width, HEIGHT)
    signal = figure.signal([at.timestamp() for at, _ in known], [value for _, value in known], marker="braille")
    signal.lines()
    for index in _broken(spots):
        signal.line(index, active=False)
    figure.draw(signal)
    figure.title(title)
    low, high = _room([value for _, value in known])
    figure.ruler("y").lim(low, high)
    moments = [begin + (until - begin) * part / (LABELS - 1) for part in range(LABELS)]
    across = figure.ruler("x")
    across.lim(begin.timestamp(), until.timestamp())
    across.ticks([moment.timestamp() for moment in moments], [_label(moment, until - begin) for moment in moments])
    return str(uncolorize(str(figure.build()))).rstrip()


def _room(values: Sequence[float]) -> tuple[float, float]:
    """Choose between what the line is drawn: values that a float hardly tells apart get room of their own size."""
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    room = size / FLAT if high - low < size / CLOSE else 0.0 if high > low else 1.0
    return low - room, high + room


def _broken(spots: Spots) -> list[int]:
    """Number the known spots before which one is missing."""
    missing, found, known = False, [], 0
    for _, value in spots:
        if value is not None:
            found += [known] if missing and known else []
            known += 1
        missing = value is None
    return found


def _label(moment: datetime, span: timedelta) -> str:
    return f"{moment:%m-%d %H:%M}" if span <= timedelta(days=3) else f"{moment:%Y-%m-%d}"
