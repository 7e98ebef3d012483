"""A history in, a small picture of its course out: inline SVG, which needs no script and scales with the page."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from itertools import groupby

WIDTH, HEIGHT, MARGIN = 260, 56, 5
"""Of a picture, in its own units."""

Spot = tuple[datetime, float | None]
"""When something was measured, and what was found; None breaks the line."""


def trend(spots: Sequence[Spot], *, accepted: float | None = None, label: str = "") -> str:
    """Draw the course of a number over time, with the accepted value as a dashed line.

    Where nothing could be measured the line is broken. A picture of less than one number is empty text. Of a long
    course no more is drawn than can be seen.
    """
    values = [value for _, value in spots if value is not None]
    if not values:
        return ""
    shown = [*values, accepted] if accepted is not None else values
    low, high = min(shown), max(shown)
    begins, ends = spots[0][0], spots[-1][0]

    def across(at: datetime) -> float:
        return _scaled((at - begins).total_seconds(), 0.0, (ends - begins).total_seconds(), WIDTH)

    def down(value: float) -> float:
        return HEIGHT - _scaled(value, low, high, HEIGHT)

    lines = [
        _line([(across(at), down(value)) for at, value in piece if value is not None])
        for is_known, piece in groupby(_thinned(spots), key=lambda spot: spot[1] is not None)
        if is_known
    ]
    dashed = "" if accepted is None else f'<path class="accepted" d="M{MARGIN} {down(accepted):.1f}H{WIDTH - MARGIN}"/>'
    said = f"{label}, {begins:%Y-%m-%d} to {ends:%Y-%m-%d}: {min(values):,g} to {max(values):,g}"
    return (
        f'<svg class="trend" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">'
        f"<title>{escape(said)}</title>{dashed}{''.join(lines)}</svg>"
    )


def _thinned(spots: Sequence[Spot]) -> list[Spot]:
    """Of neighbours that share a unit of the width keep the lowest, the highest and a break."""
    size = -(-len(spots) // WIDTH)
    return [spot for at in range(0, len(spots), size) for spot in _outermost(spots[at : at + size])]


def _outermost(spots: Sequence[Spot]) -> list[Spot]:
    known = [(value, number) for number, (_, value) in enumerate(spots) if value is not None]
    broken = [number for number, (_, value) in enumerate(spots) if value is None][:1]
    kept = {*broken, *(number for _, number in (min(known), max(known)))} if known else {*broken}
    return [spots[number] for number in sorted(kept)]


def _scaled(value: float, low: float, high: float, length: int) -> float:
    """Place a value between two others on a length, clear of its ends; in the middle if they are the same."""
    share = (value - low) / (high - low) if high > low else 0.5
    return MARGIN + share * (length - 2 * MARGIN)


def _line(points: Sequence[tuple[float, float]]) -> str:
    if len(points) == 1:
        ((x, y),) = points
        return f'<circle class="course" cx="{x:.1f}" cy="{y:.1f}" r="2"/>'
    return f'<polyline class="course" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
