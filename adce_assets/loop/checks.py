"""What the steps wrote in, verdicts on the loop itself out. A new check is one more entry of `CHECKS`.

An incomplete lake is no fault of the loop: these checks ask whether its own words can be trusted and its own promises
are kept. How a verdict is shown is not decided here.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adce_assets.configuration import ReconciliationConfig
from adce_assets.loop.records import STATES

NAMED = 20
"""Offenders that a verdict names; all are counted."""

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a check may look at: the document of its step, that of the step before, the configuration, and now (UTC)."""

    document: Document
    before: Document
    config: ReconciliationConfig
    now: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a check holds, in words, with its numbers."""

    passed: bool
    description: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """A question about what a step wrote.

    Attributes:
        name: As people know it.
        step: The asset that it is about.
        question: What it asks, in words.
        judge: Answers it.
        is_fault: A failure is a fault; otherwise it is something to look at.
        stops: A failure ends the run, because nothing may be decided from what the step wrote.
    """

    name: str
    step: str
    question: str
    judge: Callable[[Facts], Verdict]
    is_fault: bool = True
    stops: bool = False


def inventory_is_recent(facts: Facts) -> Verdict:
    """An inventory that is too old describes gaps that may long be closed."""
    age = (facts.now - datetime.fromisoformat(facts.document["as_of"])) / timedelta(hours=1)
    limit = facts.config.s3.max_age_hours
    said = f"the inventory is {age:.1f} h old; allowed: {limit:g} h"
    return Verdict(age <= limit, said, {"age_hours": round(age, 2)})


def states_sum_up(facts: Facts) -> Verdict:
    """Every expected key is in exactly one state, in every cell and in all."""
    cells, totals = facts.document["cells"], facts.document["totals"]
    wrong = [cell for cell in cells if sum(cell[state] for state in STATES) != cell["expected"]]
    totals_hold = all(totals[name] == sum(cell[name] for cell in cells) for name in ("expected", *STATES))
    passed = not wrong and totals_hold
    said = "the states of every cell, and of all cells, add up to what is expected"
    if not passed:
        said = f"the sums of {len(wrong)} cell(s) are wrong: {_named(wrong) or 'only the totals'}"
    return Verdict(passed, said, {"cells": len(cells), "wrong": len(wrong)})


def nothing_is_unclassified(facts: Facts) -> Verdict:
    """An object that no template reads and no exception names may be data that nobody counts."""
    if _is_sample(facts):
        return Verdict(passed=True, description="a sample classifies nothing")
    count = facts.document["unclassified"]
    first = f", such as `{facts.document['unclassified_keys'][0]}`" if count else ""
    said = f"{count} object(s) of the lake are known to no line of the contract{first}"
    return Verdict(count == 0, said, {"unclassified": count})


def inventory_is_whole(facts: Facts) -> Verdict:
    """A sample says how much a lake holds, not what; what it does not show is not missing."""
    if _is_sample(facts):
        said = (
            "this is a sample: no gap can be made from it; take a whole inventory with `--mode list`, `aws` or `auto`"
        )
        return Verdict(passed=False, description=said)
    return Verdict(passed=True, description="every object of the lake was counted", numbers={"whole": 1})


def objects_have_not_vanished(facts: Facts) -> Verdict:
    """A lake does not lose a tenth of itself overnight: before all that is fetched again, a person should look."""
    vanished = [] if _is_sample(facts) else facts.document["vanished"]
    share = facts.config.s3.max_vanished_share
    if not vanished:
        return Verdict(passed=True, description=f"no source has lost more than {share:.0%} of its objects")
    lost = [f"{row['source'] or 'the lake'}: {row['before']:,} -> {row['now']:,}" for row in vanished[:NAMED]]
    said = f"more than {share:.0%} vanished since the last inventory that was accepted ({'; '.join(lost)}); "
    said += (
        "see whether a prefix, a permission or a report is wrong; if they are gone, run `adce reconcile --accept-loss`"
    )
    most = max(row["before"] - row["now"] for row in vanished)
    return Verdict(passed=False, description=said, numbers={"vanished": most})


def _is_sample(facts: Facts) -> bool:
    return facts.document["mode"] == "sample"


def critical_gaps_are_young(facts: Facts) -> Verdict:
    """The loop promises to close critical gaps soon; one that stays open needs a person."""
    limit = timedelta(hours=facts.config.gap_detection.critical_max_age_hours)
    critical = [gap for gap in facts.document["gaps"] if gap["priority"] == "critical"]
    ages = [facts.now - datetime.fromisoformat(gap["detected_at"]) for gap in critical]
    old = sorted(((age, gap) for gap, age in zip(critical, ages, strict=True) if age > limit), key=_age, reverse=True)
    oldest = max(ages, default=timedelta()) / timedelta(hours=1)
    said = f"{len(old)} of {len(critical)} critical gap(s) are older than {limit / timedelta(hours=1):g} h"
    told = [f"{_name(gap)} for {age / timedelta(hours=1):.1f} h" for age, gap in old]
    said += f": {_listed(told)}; `adce why KEY` says what a key of them waits for" if old else ""
    return Verdict(not old, said, {"critical": len(critical), "too_old": len(old), "oldest_hours": round(oldest, 2)})


def gaps_are_accounted_for(facts: Facts) -> Verdict:
    """Every open key stands in a task, or in what was left out with a reason."""
    gaps = Counter({_cell(gap): _keys(gap) for gap in facts.before["gaps"]})
    accounted: Counter[tuple[str, ...]] = Counter()
    for task in facts.document["tasks"]:
        accounted[_cell(task)] += _keys(task)
    for entry in facts.document["left_out"]:
        accounted[_cell(entry)] += entry["keys"] if entry["reason"] else 0
    wrong = [gap for gap in facts.before["gaps"] if accounted[_cell(gap)] != gaps[_cell(gap)]]
    lost = gaps.total() - accounted.total()
    said = f"each of {gaps.total()} key(s) stands in one of {len(facts.document['tasks'])} task(s) or is explained"
    if wrong or lost:
        said = f"{lost} key(s) of {len(wrong)} gap(s) are in no task and nobody says why: {_named(wrong)}"
    return Verdict(not wrong and lost == 0, said, {"keys": gaps.total(), "unaccounted": lost})


def ledger_is_whole(facts: Facts) -> Verdict:
    """The ledger still holds what was its last entry at the reconciliation before."""
    lost = facts.document["ledger_lost"]
    said = f"{lost}; `adce ledger verify` looks at all of it" if lost else "the ledger holds what was its last entry"
    return Verdict(not lost, said)


def canary_is_alive(facts: Facts) -> Verdict:
    """A gap that was made up has gone around the loop in time; if not, the loop is ill, and no source is at fault."""
    told = facts.document
    numbers = {"limit_minutes": told["limit_minutes"]}
    return Verdict(
        told["alive"], told["says"], numbers if told["seconds"] is None else numbers | {"seconds": told["seconds"]}
    )


CHECKS = (
    Check("inventory_is_recent", "lake_inventory", "Is the inventory young enough?", inventory_is_recent),
    Check("inventory_is_whole", "lake_inventory", "Was every object counted?", inventory_is_whole, stops=True),
    Check(
        "objects_have_not_vanished",
        "lake_inventory",
        "Is what was there still there?",
        objects_have_not_vanished,
        stops=True,
    ),
    Check(
        "nothing_is_unclassified",
        "lake_inventory",
        "Does the contract know every object?",
        nothing_is_unclassified,
        is_fault=False,
    ),
    Check("states_sum_up", "coverage_analysis", "Is every expected key in one state?", states_sum_up, stops=True),
    Check("critical_gaps_are_young", "detected_gaps", "Are critical gaps closed in time?", critical_gaps_are_young),
    Check(
        "gaps_are_accounted_for",
        "task_queue",
        "Does every gap have a task or an explanation?",
        gaps_are_accounted_for,
        stops=True,
    ),
    Check("ledger_is_whole", "task_queue", "Does the ledger hold what it held before?", ledger_is_whole),
    Check("canary_is_alive", "canary", "Does the loop close a gap that was made up?", canary_is_alive),
)


def open_season_is_fresh(cell: Document) -> Verdict:
    """Judge the cell of a season that is still open: enough of what is due must be there and fresh."""
    wanted = 100 * cell["completeness_threshold"]
    said = f"{cell['season']} is {cell['completeness_pct']:.1f} % complete and fresh; wanted: {wanted:g} %"
    numbers = {name: cell[name] for name in ("completeness_pct", "due", "missing", "stale", "damaged", "unknown")}
    return Verdict(cell["completeness_pct"] >= wanted, said, numbers)


def open_cells(document: Document) -> dict[str, Document]:
    """Return the cell of the current season of each data set (``source/data_type``) that expects something in it."""
    return {
        f"{cell['source']}/{cell['data_type']}": cell
        for cell in document["cells"]
        if cell["age_class"] == "current" and cell["due"]
    }


def _cell(row: Document) -> tuple[str, ...]:
    return (row["source"], row["data_type"], row["season"], row["priority"])


def _keys(row: Document) -> int:
    return sum(row.get(name, 0) for name in ("missing_files", "stale_files", "damaged_files"))


def _named(rows: list[Document]) -> str:
    return _listed([_name(row) for row in rows])


def _name(row: Document) -> str:
    return f"{row['source']}/{row['data_type']} {row['season']}"


def _age(entry: tuple[timedelta, Document]) -> timedelta:
    return entry[0]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
