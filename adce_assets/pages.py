"""Parts of a page in, one page for a browser out, which needs nothing else: no script, no font, nothing from anywhere.

What is shown comes from documents of strangers: all text is escaped here or by who calls, and the page's own policy
lets a browser load and run nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #cf222e; --wait: #9a6700; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 74rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .85em; overflow-wrap: anywhere; }
.state { border-radius: 1rem; color: #fff; padding: .1rem .6rem; white-space: nowrap; }
dl { display: grid; gap: .1rem 1rem; grid-template-columns: max-content auto; } dt { opacity: .7; } dd { margin: 0; }
summary { cursor: pointer; } .quiet { opacity: .7; }
"""


def page(title: str, body: Iterable[str], *, style: str = "") -> str:
    """Put parts of markup into a page of their own, with what they add to the style of all."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def state(name: str) -> str:
    """Draw a state as a coloured word; the style says which colour."""
    return f'<span class="state {escape(name)}">{escape(name)}</span>'


def facts(told: Mapping[str, str]) -> str:
    """Draw names and what they stand at."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(text)}</dd>' for name, text in told.items())}</dl>"


def table(names: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    """Draw rows of plain values; whole numbers stand to the right, in groups of three digits."""
    names, rows = list(names), list(rows)
    numbers = {name for name, values in zip(names, zip(*rows, strict=True), strict=True) if _are_numbers(values)}
    return drawn_table(names, ("".join(map(_cell, row)) for row in rows), numbers=numbers)


def drawn_table(names: Iterable[str], rows: Iterable[str], *, numbers: Collection[str] = ()) -> str:
    """Draw a table of rows whose cells are markup already; the headings of ``numbers`` stand to the right too."""
    head = "".join(f'<th class="{"number" if name in numbers else "text"}">{escape(name)}</th>' for name in names)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _are_numbers(values: Iterable[object]) -> bool:
    return all(isinstance(value, int) for value in values)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{escape(str(value))}</td>"
