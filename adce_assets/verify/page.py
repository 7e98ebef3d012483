"""A report in, one page for a browser out.

Whatever stands in the report came from documents of strangers: all of it is text on the page, never markup.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from adce_assets import pages
from adce_assets.pages import drawn_table, state, table

_STYLE = """
.reconciled, .passed { background: var(--good); } .failed { background: var(--bad); }
.settling, .warning { background: var(--wait); }
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
        f"<h1>{escape(name)} {state(told['outcome'])}</h1>",
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
    return pages.page(f"{name}: {told['outcome']}", parts, style=_STYLE)


def _facts(told: Document) -> str:
    totals, run = told["totals"], told["run"]
    return pages.facts(
        {
            "Checks": f"{totals['passed']} of {totals['checks']} hold ({totals['success_rate_pct']:.2f} %)",
            "Published": "yes" if told["published"] else "no: the final table has the season as it was",
            "Merged": ", ".join(f"{many:,} {how}" for how, many in run["merged"].items()) or "nothing",
            "Run": run["id"],
            "Started": run["started_at"],
            "Finished": run["finished_at"],
        }
    )


def _by_type(kinds: Mapping[str, Document]) -> str:
    rows = [
        [name, numbers["checks"], numbers["passed"], numbers["settling"], numbers["failed"]]
        for name, numbers in kinds.items()
    ]
    return table(("Type", "Checks", "Hold", "Settling", "Failed"), rows)


def _checks(checks: Iterable[Document]) -> str:
    rows = (
        f"<td>{state(_shade(one))}</td><td>{escape(one['type'])}</td><td>{escape(one['level'])}</td>"
        f"<td>{escape(' '.join(filter(None, (one['name'], one['source']))))}</td>"
        + "".join(f'<td class="number"><code>{escape(one[part])}</code></td>' for part in SIDES)
        + f"<td>{escape(one['message'])}</td>"
        for one in checks
    )
    headings = ("", "Type", "Level", "Check", *(part.capitalize() for part in SIDES), "In words")
    return drawn_table(headings, rows)


def _shade(one: Document) -> str:
    if not one["asked"]:
        return "not asked"
    return "warning" if one["state"] == "failed" and one["severity"] == "warning" else one["state"]


def _detail(one: Document) -> str:
    """Tell of a check that does not hold, with the rows it names."""
    rows = [
        [_key(row["key"]), row["kind"], row["column"] or "", _value(row["expected"]), _value(row["actual"])]
        for row in one["rows"]
    ]
    cut = f'<p class="quiet">{len(rows)} of {one["offenders"]} are shown</p>' if one["offenders"] > len(rows) else ""
    named = table(("What", "How", "Column", "Expected", "Actual"), rows) if rows else ""
    heading = f"{state(_shade(one))} {escape(one['id'])}: {escape(one['message'])}"
    return f"<details open><summary>{heading}</summary>{named}{cut}</details>"


def _key(text: str) -> str:
    found = json.loads(text)
    return ", ".join(f"{name} {value}" for name, value in found.items())


def _value(text: str | None) -> str:
    return "nothing" if text is None else text


def _workers(workers: Sequence[Document]) -> str:
    if not workers:
        return "<p>none</p>"
    names = list(workers[0])
    return table([name.capitalize() for name in names], [[worker[name] for name in names] for worker in workers])
