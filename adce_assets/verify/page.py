"""A report in, one page for a browser out, which needs nothing else: no script, no font, no picture from anywhere.

Whatever stands in the report came from documents of strangers: all of it is text on the page, never markup.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #cf222e; --wait: #9a6700; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 74rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .85em; overflow-wrap: anywhere; }
.state { border-radius: 1rem; color: #fff; padding: .1rem .6rem; white-space: nowrap; }
.reconciled, .passed { background: var(--good); } .failed { background: var(--bad); }
.settling, .warning { background: var(--wait); }
dl { display: grid; gap: .1rem 1rem; grid-template-columns: max-content auto; } dt { opacity: .7; } dd { margin: 0; }
summary { cursor: pointer; } .quiet { opacity: .7; }
"""
WORST = {"failed": 0, "settling": 1, "passed": 2}
"""States, in the order in which somebody wants to read of them."""

SIDES = ("expected", "actual", "discrepancy")

Document = Mapping[str, Any]


def page(told: Document) -> str:
    """Draw a report."""
    name = f"{told['entity']} {told['season']}"
    checks = sorted(told["checks"], key=lambda one: (WORST[one["state"]], one["severity"], one["id"]))
    wrong = [one for one in checks if one["state"] != "passed"]
    parts = [
        f"<h1>{escape(name)} {_state(told['outcome'])}</h1>",
        f"<p>{escape(told['says'])}</p>",
        _facts(told),
        "<h2>By type</h2>",
        _by_type(told["by_type"]),
        *(["<h2>What does not hold</h2>", *map(_detail, wrong)] if wrong else []),
        "<h2>Every check</h2>",
        _checks(checks),
        "<h2>Workers of this run</h2>",
        _workers(told["run"]["workers"]),
        f'<p class="quiet">Digest, without the run and its times: <code>{escape(told["digest"])}</code></p>',
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(name)}: {escape(told['outcome'])}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _state(name: str) -> str:
    return f'<span class="state {escape(name)}">{escape(name)}</span>'


def _facts(told: Document) -> str:
    totals, run = told["totals"], told["run"]
    facts = {
        "Checks": f"{totals['passed']} of {totals['checks']} hold ({totals['success_rate_pct']:.2f} %)",
        "Published": "yes" if told["published"] else "no: the final table has the season as it was",
        "Merged": ", ".join(f"{many:,} {how}" for how, many in run["merged"].items()) or "nothing",
        "Run": run["id"],
        "Started": run["started_at"],
        "Finished": run["finished_at"],
    }
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(text)}</dd>' for name, text in facts.items())}</dl>"


def _by_type(kinds: Mapping[str, Document]) -> str:
    rows = [
        [name, numbers["checks"], numbers["passed"], numbers["settling"], numbers["failed"]]
        for name, numbers in kinds.items()
    ]
    return _table(("Type", "Checks", "Hold", "Settling", "Failed"), rows)


def _checks(checks: Iterable[Document]) -> str:
    rows = "".join(
        f"<tr><td>{_state(_shade(one))}</td><td>{escape(one['type'])}</td><td>{escape(one['level'])}</td>"
        f"<td>{escape(' '.join(filter(None, (one['name'], one['source']))))}</td>"
        + "".join(f'<td class="number"><code>{escape(one[part])}</code></td>' for part in SIDES)
        + f"<td>{escape(one['message'])}</td></tr>"
        for one in checks
    )
    headings = ("", "Type", "Level", "Check", *(part.capitalize() for part in SIDES), "In words")
    names = "".join(f"<th>{name}</th>" for name in headings)
    return f'<div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table></div>'


def _shade(one: Document) -> str:
    return "warning" if one["state"] == "failed" and one["severity"] == "warning" else one["state"]


def _detail(one: Document) -> str:
    """Tell of a check that does not hold, with the rows it names."""
    rows = [
        [_key(row["key"]), row["kind"], row["column"] or "", _value(row["expected"]), _value(row["actual"])]
        for row in one["rows"]
    ]
    cut = f'<p class="quiet">{len(rows)} of {one["offenders"]} are shown</p>' if one["offenders"] > len(rows) else ""
    table = _table(("What", "How", "Column", "Expected", "Actual"), rows) if rows else ""
    heading = f"{_state(_shade(one))} {escape(one['id'])}: {escape(one['message'])}"
    return f"<details open><summary>{heading}</summary>{table}{cut}</details>"


def _key(text: str) -> str:
    found = json.loads(text)
    return ", ".join(f"{name} {value}" for name, value in found.items())


def _value(text: str | None) -> str:
    return "nothing" if text is None else text


def _workers(workers: Sequence[Document]) -> str:
    if not workers:
        return "<p>none</p>"
    names = list(workers[0])
    return _table([name.capitalize() for name in names], [[worker[name] for name in names] for worker in workers])


def _table(names: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{escape(str(value))}</td>"
