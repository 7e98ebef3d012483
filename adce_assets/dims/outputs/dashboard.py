"""What is told of the metrics in, one page for a browser out, with the course of each number as a picture.

Each row names its metric, and what it stands at, in `data-` attributes, for whoever reads the page by program.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

from adce_assets import pages
from adce_assets.dims.metrics import Status
from adce_assets.dims.outputs.trends import trend
from adce_assets.dims.outputs.wording import amount, moment, percent
from adce_assets.dims.telling import Shown, Told, Waiting

STYLE = """
.ok, .new { background: var(--good); } .minor, .moderate { background: var(--wait); }
.major, .error { background: var(--bad); } .unmeasured { background: #6e7781; }
.tiles { display: flex; flex-wrap: wrap; gap: .6rem; list-style: none; padding: 0; }
.tiles li { border: 1px solid var(--line); border-radius: .5rem; min-width: 5.5rem; padding: .5rem .8rem; }
.tiles b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.trend { display: block; } .course { fill: none; stroke: #0969da; stroke-width: 1.5; }
circle.course { fill: #0969da; } .accepted { stroke: var(--line); stroke-dasharray: 3 3; stroke-width: 1.5; }
td.value b { font-size: 1.05rem; font-variant-numeric: tabular-nums; } .critical { font-size: .8em; }
body { max-width: 88rem; }
.metrics table { min-width: 70rem; table-layout: fixed; } .metrics th { box-sizing: border-box; }
.metrics th:nth-child(2), .metrics th:nth-child(3) { width: 9.5rem; } .metrics th:nth-child(4) { width: 6rem; }
.metrics th:nth-child(5) { width: 6.5rem; } .metrics th:nth-child(6) { width: 18.5rem; }
.metrics th:nth-child(7) { width: 11.5rem; }
.metrics td { overflow-wrap: anywhere; } .metrics td.number, .metrics td.when { white-space: nowrap; }
"""
CRITICAL = ' <span class="critical quiet" title="what moves much waits for a decision">critical</span>'
HEADINGS = ("Metric", "Value", "Accepted", "Drift", "", "Course", "Measured")


def dashboard(told: Told) -> str:
    """Draw the page: what waits for a decision first, then every category with its metrics."""
    parts = [
        "<h1>What the lake, the loop and the project stand at</h1>",
        f'<p class="quiet">As of {moment(told.at)}; courses of the last {told.days} days.</p>',
        _tiles(told),
        *(["<h2>Waiting for a decision</h2>", _waiting(told.waiting)] if told.waiting else []),
    ]
    for category, shown in groupby(told.shown, key=lambda one: one.metric.category):
        table = pages.drawn_table(HEADINGS, map(_row, shown), numbers=("Drift",))
        parts += [f"<h2>{escape(category.replace('_', ' '))}</h2>", f'<div class="metrics">{table}</div>']
    return pages.page("Metrics", parts, style=STYLE)


def _tiles(told: Told) -> str:
    counts = Counter(one.status for one in told.shown)
    tiles = {"metrics": len(told.shown), **{status: counts[status] for status in Status if counts[status]}}
    if counts["unmeasured"]:
        tiles["not measured yet"] = counts["unmeasured"]
    tiles["waiting"] = len(told.waiting)
    items = "".join(
        f'<li data-count="{escape(name)}"><b>{many:,}</b>{escape(name)}</li>' for name, many in tiles.items()
    )
    return f'<ul class="tiles">{items}</ul>'


def _waiting(waiting: Sequence[Waiting]) -> str:
    rows: Iterable[Sequence[object]] = (
        (one.id, one.metric, amount(one.old, one.unit), amount(one.new, one.unit), percent(one.drift), moment(one.at))
        for one in waiting
    )
    return pages.table(("Id", "Metric", "Holds", "Measured", "Drift", "Since"), rows) + (
        '<p class="quiet">Until somebody decides, the old value holds: '
        "<code>adce dims approve accept ID --by NAME --note WHY</code></p>"
    )


def _row(one: Shown) -> str:
    unit, value = one.metric.unit, one.value
    known = "" if value is None else f' data-value="{escape(str(value))}"'
    name = (
        f'<td data-metric="{escape(one.metric.id)}" data-status="{one.status}"{known}>'
        f"<b>{escape(one.metric.name)}</b>{CRITICAL if one.metric.critical else ''}"
        f'<div class="quiet">{escape(one.metric.description)}</div></td>'
    )
    said = escape(one.error) if value is None else f"<b>{escape(amount(value, unit))}</b>"
    course = trend(one.spots, accepted=one.accepted_number, label=one.metric.id)
    cells = (
        f'<td class="value">{said}</td>',
        f"<td>{escape('' if one.accepted is None else amount(one.accepted.value, unit))}</td>",
        f'<td class="number">{percent(one.drift)}</td>',
        f"<td>{pages.state(one.status)}</td>",
        f"<td>{course}</td>",
        f'<td class="when">{moment(one.at) if one.at else ""}</td>',
    )
    return name + "".join(cells)
