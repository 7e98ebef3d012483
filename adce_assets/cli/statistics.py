"""What came of runs in, sums and worst failures out: what `adce collect` and `adce apply` tell at their end."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from adce_assets.cli import reconcile
from adce_assets.cli.output import Column, talk, write_table

if TYPE_CHECKING:
    from adce_assets.defs.in_process import Outcome
    from adce_assets.loop.dispatch import Batch

NUMBERS = ("asked", "collected", "failed", "bytes", "records")
GROUPS = ("priority", "source", "scraper")
UNDONE = {
    "left_to_others": "were left to others: other runs work on them, their next try is not due, or they are settled",
    "given_back": "were given back: the runs were stopped before",
}
MOST_NAMED = 20
"""Failures that are named; all are counted."""

STATISTICS_COLUMNS = (
    Column("by", "by"),
    Column("", "name"),
    *(Column(name, name, numeric=True) for name in NUMBERS),
)


def statistics(outcomes: Iterable["Outcome"]) -> dict[str, Any]:
    """Sum up what came of runs, in all and by priority, source and scraper."""
    runs, failures, failing = [], [], {}
    sums: dict[str, defaultdict[str, dict[str, int]]] = {name: defaultdict(_nothing) for name in (*GROUPS, "all")}
    for outcome in outcomes:
        runs.append(described(outcome.batch) | {"error": outcome.error})
        for name, told in _by_data_set(outcome).items():
            failures += told.get("worst_failures", [])
            failing |= {name: told["failing"]} if "failing" in told else {}
            groups = (outcome.batch.priority, name.partition("/")[0], outcome.batch.scraper, "all")
            for group, value in zip(sums, groups, strict=True):
                for number in (*NUMBERS, *UNDONE):
                    sums[group][value][number] += told.get(number, 0)
    return {
        "schema": 1,
        "runs": runs,
        "totals": sums["all"]["all"],
        **{f"by_{group}": dict(sums[group]) for group in GROUPS},
        "worst_failures": failures[:MOST_NAMED],
        "failing": failing,
    }


def _by_data_set(outcome: "Outcome") -> Mapping[str, Mapping[str, Any]]:
    """Return what each data set was told; of a run that failed before it told anything, all keys have failed."""
    if outcome.error is None or outcome.data_sets:
        return outcome.data_sets
    keys = outcome.batch.keys
    return {outcome.batch.data_sets[0]: _nothing() | {"asked": keys, "failed": keys}}


def _nothing() -> dict[str, int]:
    return dict.fromkeys((*NUMBERS, *UNDONE), 0)


def write_statistics(told: Mapping[str, Any]) -> None:
    """Write for a person what `statistics` has summed up, and what the reconciliation after it found."""
    if not told["runs"]:
        return
    rows = [{"by": group, "name": name, **numbers} for group in GROUPS for name, numbers in told[f"by_{group}"].items()]
    write_table(STATISTICS_COLUMNS, [*rows, {"by": "all", "name": "", **told["totals"]}])
    for failure in told["worst_failures"]:
        talk(f"not collected: {failure['key']}: {failure['fault']}")
    for name, since in told["failing"].items():
        talk(f"{name}: {since}")
    for run in told["runs"]:
        if run["error"]:
            talk(f"failed: {run['scraper']} {run['season']} {run['priority']}: {run['error']}")
    for number in filter(told["totals"].get, UNDONE):
        talk(f"{told['totals'][number]:,} key(s) {UNDONE[number]}")
    talk(f"{len(told['runs']):,} run(s) in {told['seconds']:,} s")
    if told["reconciled"]:
        reconcile.write_summary(told["reconciled"])


def described(batch: "Batch") -> dict[str, Any]:
    """Say what a run is about."""
    return {
        "id": batch.id,
        "priority": batch.priority,
        "scraper": batch.scraper,
        "season": batch.season,
        "data_sets": list(batch.data_sets),
        "tasks": len(batch.task_ids),
        "keys": batch.keys,
    }
