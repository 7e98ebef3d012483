"""What is told of a lake in, one page for a browser out: a map of all seasons of all data sets, and what is behind it.

A square of the map leads to the keys of its cell that are not plainly there. It works without any script: what is told
of a cell is shown while the address of the page names it.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby

from adce_assets import pages
from adce_assets.ledger.transitions import Event
from adce_assets.loop.outcomes import Said
from adce_assets.loop.records import OPEN_STATES
from adce_assets.report.gathering import SPANS, TOLD_STATES, Cell, KeyTold, LakeReport, Row

STYLE = """
body { max-width: 110rem; } .map { border-collapse: separate; border-spacing: 2px; width: auto; }
.map th, .map td { border: 0; padding: 0; text-align: center; } .map th.set { padding-right: .6rem; text-align: left; }
.map th.season { font-size: .62rem; font-weight: 400; vertical-align: bottom; writing-mode: vertical-rl; }
.map td { border-radius: 3px; font-size: .6rem; height: 1.15rem; min-width: 1.2rem; }
.map a { color: inherit; display: block; line-height: 1.15rem; text-decoration: none; }
.c0 { background: #cf222e; color: #fff; } .c1 { background: #e5683b; color: #fff; }
.c2 { background: #eac54f; color: #24292f; } .c3 { background: #9bd17e; color: #24292f; }
.c4 { background: #2da44e; color: #fff; } .later { background: var(--line); }
.never { background: repeating-linear-gradient(45deg, var(--line) 0 3px, #0000 3px 6px); }
.cell { display: none; } .cell:target { border: 1px solid var(--line); border-radius: .5rem; display: block;
padding: 0 1rem 1rem; } .legend span { border-radius: 3px; margin-right: .3rem; padding: .1rem .4rem; }
.critical, .missing, .damaged { background: var(--bad); } .high, .stale { background: var(--wait); }
.medium, .unknown { background: #0969da; } .low, .unavailable { background: #6e7781; }
"""
GAPS_SHOWN = 100
ABSENT_SHOWN = 100
SHADES = ((100.0, "c4"), (95.0, "c3"), (75.0, "c2"), (25.0, "c1"), (0.0, "c0"))
"""From which completeness on a cell has which colour."""
LEGEND = ("c4", "100 %"), ("c3", "95 %"), ("c2", "75 %"), ("c1", "25 %"), ("c0", "less")
OTHERS = ("later", "nothing due yet"), ("never", "cannot be had")


def page(told: LakeReport) -> str:
    """Draw the page."""
    parts = [
        "<h1>What the lake should have, and has</h1>",
        pages.facts(_facts(told)),
        _legend(),
        *_maps(told),
        "<h2>Keys of a cell</h2>",
        '<p class="quiet">Choose a square of the map.</p>',
        *(_keys_of(cell, told.keys.get(_name(cell), ())) for cell in told.cells if _drills(cell)),
        "<h2>Gaps</h2>",
        *_gaps(told.gaps),
        "<h2>What came to an end</h2>",
        _ends(told),
        "<h2>What cannot be had</h2>",
        _absent(told.absent),
        "<h2>Forecasts</h2>",
        _forecasts(told),
    ]
    return pages.page(f"Coverage of {told.lake}", parts, style=STYLE)


def _facts(told: LakeReport) -> dict[str, str]:
    totals = told.totals
    tasks = "none yet" if told.queue is None else f"{told.queue['total_tasks']:,}"
    return {
        "Lake": told.lake,
        "As of": told.as_of,
        "Objects": f"{totals['objects']:,}, {totals['bytes'] / 1_000**3:,.2f} GB",
        "Expected": f"{totals['expected']:,}, of which {totals['due']:,} are due",
        "Complete": f"{totals['completeness_pct']:.2f} %: {totals['present']:,} of what is due",
        "Open": ", ".join(f"{totals[state]:,} {state}" for state in OPEN_STATES),
        "Gaps and tasks": f"{len(told.gaps):,} gaps, {tasks} tasks",
    }


def _legend() -> str:
    shown = "".join(f'<span class="{shade}">{escape(text)}</span>' for shade, text in (*LEGEND, *OTHERS))
    return f'<p class="legend">Complete from: {shown}</p>'


# ------------------------------------------------------------------------------------------------------- the map


def _maps(told: LakeReport) -> Iterable[str]:
    shares = {source["source"]: source["completeness_pct"] for source in told.sources}
    for source, cells in groupby(told.cells, key=lambda cell: cell["source"]):
        yield f'<h2 data-source="{escape(source)}">{escape(source)}: {shares[source]:.2f} %</h2>'
        yield _map(list(cells))


def _map(cells: Sequence[Row]) -> str:
    seasons = sorted({cell["season"] for cell in cells})
    head = "".join(f'<th class="season">{escape(season or "all seasons")}</th>' for season in seasons)
    rows = []
    for data_type, of_type in groupby(cells, key=lambda cell: cell["data_type"]):
        squares = {cell["season"]: _square(cell) for cell in of_type}
        row = "".join(squares.get(season, "<td></td>") for season in seasons)
        rows.append(f'<tr><th class="set">{escape(data_type)}</th>{row}</tr>')
    return f'<div class="scroll"><table class="map"><tr><th></th>{head}</tr>{"".join(rows)}</table></div>'


def _square(cell: Row) -> str:
    """Draw a cell of the contract; the number is its completeness."""
    source, data_type, season = _name(cell)
    shade, text = _shade(cell)
    others = [f"{cell[state]:,} {state.replace('_', ' ')}" for state in (*TOLD_STATES, "not_due") if cell[state]]
    told = "; ".join((f"{cell['present']:,} of {cell['due']:,} due", *others))
    title = f"{source}/{data_type} {season}: {told}"
    shown = f'<a href="#{_anchor(cell)}">{text}</a>' if _drills(cell) else text
    return (
        f'<td class="{shade}" title="{escape(title)}" data-cell="{escape("/".join(_name(cell)))}" '
        f'data-present="{cell["present"]}" data-due="{cell["due"]}">{shown}</td>'
    )


def _shade(cell: Row) -> tuple[str, str]:
    if not cell["due"]:
        return ("never", "") if cell["unavailable"] else ("later", "")
    share = cell["completeness_pct"]
    return next(shade for least, shade in SHADES if share >= least), f"{int(share)}"


def _name(cell: Row) -> Cell:
    return cell["source"], cell["data_type"], cell["season"]


def _anchor(cell: Row) -> str:
    return escape("--".join(("cell", *_name(cell))))


def _drills(cell: Row) -> bool:
    """Tell whether a cell has keys that are told one by one."""
    return any(cell[state] for state in TOLD_STATES)


# ------------------------------------------------------------------------------------------------ what is behind it


def _keys_of(cell: Row, keys: Sequence[KeyTold]) -> str:
    source, data_type, season = _name(cell)
    named = f"{source}/{data_type} {season}".rstrip()
    counts = {state: cell[state] for state in TOLD_STATES if cell[state]}
    states = " ".join(f"{pages.state(state)} {many:,}" for state, many in counts.items())
    rest = sum(counts.values()) - len(keys)
    more = f"<p>{rest:,} more: see <code>cache/coverage_analysis.parquet</code> of the state.</p>" if rest else ""
    table = pages.drawn_table(("Key", "State", "Why", "Ledger", "Since"), map(_key, keys)) if keys else ""
    return f'<section class="cell" id="{_anchor(cell)}"><h3>{escape(named)}</h3><p>{states}</p>{table}{more}</section>'


def _key(one: KeyTold) -> str:
    standing = one.standing
    ledger = "nothing yet" if standing is None else standing.state.replace("_", " ")
    since = "" if standing is None else f"{standing.since:%Y-%m-%d %H:%M} UTC"
    return (
        f'<td><code data-key="{escape(one.key)}">{escape(one.key)}</code></td><td>{pages.state(one.state)}</td>'
        f"<td>{escape(one.reason)}</td><td>{escape(ledger)}</td><td>{since}</td>"
    )


def _gaps(gaps: Sequence[Row]) -> Iterable[str]:
    """Sum the gaps up by priority, and name the most urgent ones."""
    if not gaps:
        yield "<p>None.</p>"
        return
    rows = []
    for priority, found in groupby(gaps, key=lambda gap: gap["priority"]):
        of_priority = list(found)
        counts = [sum(gap[f"{state}_files"] for gap in of_priority) for state in OPEN_STATES]
        cells = "".join(f'<td class="number">{many:,}</td>' for many in (len(of_priority), *counts))
        rows.append(f'<td data-priority="{escape(priority)}">{pages.state(priority)}</td>{cells}')
    counted = ("Gaps", *map(str.capitalize, OPEN_STATES))
    yield pages.drawn_table(("Priority", *counted), rows, numbers=counted)
    named = (
        [gap["priority"], f"{gap['source']}/{gap['data_type']}", gap["season"], _open(gap), gap["reason"]]
        for gap in gaps[:GAPS_SHOWN]
    )
    cut = f'<p class="quiet">{GAPS_SHOWN} of {len(gaps):,}: <code>adce gaps</code> shows all.</p>'
    table = pages.table(("Priority", "Data set", "Season", "Keys", "Why"), named)
    yield f"<details><summary>Each gap</summary>{table}{cut if len(gaps) > GAPS_SHOWN else ''}</details>"


def _open(gap: Row) -> int:
    return sum(gap[f"{state}_files"] for state in OPEN_STATES)


def _ends(told: LakeReport) -> str:
    if not told.ends:
        return f"<p>Nothing within {SPANS[-1]} days.</p>"
    rows = [[source, _event(event), *counts.values()] for (event, source), counts in sorted(told.ends.items(), key=_by)]
    return pages.table(("Source", "What", *(f"{days} d" for days in SPANS)), rows)


def _by(entry: tuple[tuple[Event, str], Mapping[int, int]]) -> tuple[str, str]:
    (event, source), _ = entry
    return source, event


def _event(event: Event) -> str:
    return event.replace("_", " ")


def _absent(absent: Sequence[Row]) -> str:
    if not absent:
        return "<p>Nothing.</p>"
    rows = (
        [f"{row['source']}/{row['data_type']}", row["seasons"], row["keys"], row["reason"] or ""]
        for row in absent[:ABSENT_SHOWN]
    )
    cut = f'<p class="quiet">{ABSENT_SHOWN} of {len(absent):,} reasons.</p>' if len(absent) > ABSENT_SHOWN else ""
    return pages.table(("Data set", "Seasons", "Keys", "Why"), rows) + cut


def _forecasts(told: LakeReport) -> str:
    last, ended = told.forecasts.last, told.forecasts.settled
    if last is None:
        return "<p>None yet: a reconciliation makes one once a day.</p>"
    facts = {f"On {last.made_at:%Y-%m-%d %H:%M} UTC": _said(last)}
    if ended is not None and ended.took_s is not None:
        facts[f"On {ended.made_at:%Y-%m-%d %H:%M} UTC"] = f"{_said(ended)}; it took {_span(ended.took_s)}"
    if told.forecasts.within_p90 is not None:
        facts["Kept"] = f"{100 * told.forecasts.within_p90:.0f} % ended within what nine of ten were to take"
    return pages.facts(facts)


def _said(said: Said) -> str:
    return f"{said.keys:,} keys in {_span(said.p50_s)}, nine times of ten in {_span(said.p90_s)}"


def _span(seconds: float) -> str:
    days = seconds / 86_400
    return f"{days:,.1f} days" if days > 1 else f"{24 * days:,.1f} hours"
