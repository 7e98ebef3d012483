"""What a step wrote in, asset metadata out: numbers under stable names, which the UI plots over time, and short tables.

A table shows at most `SHOWN` rows, the worst first, and says of how many.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from adce_assets.configuration import PRIORITIES
from adce_assets.fetch.limits import HostState
from adce_assets.loop.heads import Kept
from adce_assets.loop.outcomes import Outcomes
from adce_assets.loop.records import STATES
from adce_assets.loop.statistics import Statistics
from adce_assets.scrapers.failing import Failing
from adce_assets.scrapers.reports import CollectReport, DataSetReport

SHOWN = 20
OBJECTS = ("doubled", "unexpected", "unlisted", "non_data", "unclassified")

Metadata = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]


NUMBERS = ("objects", "bytes", "requests", "non_data", "unclassified", "audited", "damaged")


def of_inventory(document: Mapping[str, Any]) -> Metadata:
    """Describe `current_inventory.json`, or `inventory_sample.json`."""
    if document["mode"] == "sample":
        return _of_sample(document)
    age = datetime.fromisoformat(document["generated_at"]) - datetime.fromisoformat(document["as_of"])
    numbers = {name: document[name] for name in NUMBERS}
    ranges = [
        {"after": row["after"] or "(start)", "until": row["until"] or "(end)", "as_of": row["as_of"]}
        for row in sorted(document["ranges"], key=lambda row: datetime.fromisoformat(row["as_of"]), reverse=True)
    ]
    return {
        "dagster/row_count": document["objects"],
        **numbers,
        "ranges": len(ranges),
        "age_hours": round(age / timedelta(hours=1), 2),
        "mode": document["mode"],
        "as_of": _moment(document["as_of"]),
        **table("as_of_by_range", _with_last(ranges), ("after", "until", "as_of"), of=len(ranges)),
        **table("by_prefix", _largest(document["by_prefix"]), ("source", "prefix", "objects", "bytes")),
        **table("vanished", document["vanished"], ("source", "before", "now")),
        **_listed("unclassified_keys", document["unclassified_keys"], document["unclassified"]),
    }


def _with_last(rows: Rows) -> Rows:
    """Keep the first rows that can be shown and, as the last of them, the last of all: the base is the oldest range."""
    return rows if len(rows) <= SHOWN else [*rows[: SHOWN - 1], rows[-1]]


def _of_sample(document: Mapping[str, Any]) -> Metadata:
    """Describe an estimate: each number stands with the bounds between which it is, nineteen times of twenty."""
    amounts = {"the lake": document["total"], **document["by_prefix"]}
    rows = [
        {"prefix": name, **{f"{what}{part}": amount[what][part[1:] or "value"] for what in amount for part in BOUNDS}}
        for name, amount in amounts.items()
    ]
    return {
        "mode": document["mode"],
        "as_of": _moment(document["as_of"]),
        "requests": document["requests"],
        **{f"estimated_{what}": amount["value"] for what, amount in document["total"].items()},
        **table("estimates", rows, rows[0]),
    }


BOUNDS = ("", "_low", "_high")


def _largest(rows: Rows) -> list[Mapping[str, Any]]:
    return sorted(rows, key=lambda row: row["bytes"], reverse=True)


def of_coverage(document: Mapping[str, Any]) -> Metadata:
    """Describe `coverage_analysis.json`."""
    totals = document["totals"]
    worst = sorted(document["cells"], key=lambda cell: cell["present"] - cell["due"])
    behind = [cell for cell in worst if cell["present"] < cell["due"]]
    columns = ("completeness_pct", "expected", *STATES)
    return {
        "dagster/row_count": totals["expected"],
        "completeness_pct": round(totals["completeness_pct"], 4),
        **{name: totals[name] for name in ("expected", "due", *STATES, *OBJECTS)},
        "as_of": _moment(document["as_of"]),
        **table("by_source", document["sources"], ("source", *columns)),
        **table("worst_cells", behind, ("source", "data_type", "season", *columns)),
        **_listed("unexpected_keys", document["unexpected"], totals["unexpected"]),
    }


def of_gaps(document: Mapping[str, Any]) -> Metadata:
    """Describe `detected_gaps.json`."""
    columns = ("priority", "source", "data_type", "season", "missing_files", "stale_files", "damaged_files", "reason")
    return {
        "dagster/row_count": document["total_gaps"],
        "gaps": document["total_gaps"],
        "keys": document["total_keys"],
        **_by_priority("gaps", document),
        **table("most_urgent", document["gaps"], columns),
    }


def of_queue(document: Mapping[str, Any]) -> Metadata:
    """Describe `gaps.json`, the task queue."""
    columns = ("priority", "scraper", "source", "data_type", "season", "missing_files", "stale_files", "reason")
    left_out = document["left_out"]
    return {
        "dagster/row_count": document["total_tasks"],
        "tasks": document["total_tasks"],
        **_by_priority("tasks", document),
        "estimated_minutes": document["estimated_total_minutes"],
        "keys_left_out": sum(entry["keys"] for entry in left_out),
        **table("first_tasks", document["tasks"], columns),
        **table("left_out", left_out, ("priority", "source", "data_type", "season", "keys", "reason")),
    }


def of_life(told: Statistics) -> Metadata:
    """Describe how the loop lives; how soon keys were closed is left out where none was: a nought would be plotted."""
    age, times = told.oldest_critical, told.to_close
    days = [{"day": f"{day}", "closed": count} for day, count in told.closed_by_day.items()]
    failed = [{"class": name, "failures": count} for name, count in told.failed_by_class.items()]
    return {
        **{f"open_keys_{priority}": count for priority, count in told.open_keys.items()},
        "oldest_critical_hours": _hours(age) if age is not None else 0.0,
        "closed_last_24h": told.closed_last_day,
        **({"hours_to_close_p50": _hours(times[0]), "hours_to_close_p90": _hours(times[1])} if times else {}),
        "failed_last_24h": sum(told.failed_by_class.values()),
        **{f"keys_{state.value}": count for state, count in told.waiting.items()},
        **table("closed_by_day", days, ("day", "closed")),
        **table("failures_by_class", failed, ("class", "failures")),
    }


def of_ledger(kept: Kept) -> Metadata:
    """Describe the ledger's last entry, which is kept here too; and what is wrong with the one kept before."""
    lost = {"ledger_lost": kept.lost} if kept.lost else {}
    return {"ledger_entries": kept.head.seq, "ledger_head": str(kept.head), **lost}


def of_forecasts(told: Outcomes) -> Metadata:
    """Describe the newest forecast of a queue, and what came of those before it: plotted, the two are to meet."""
    last, settled = told.last, told.settled
    return {
        **({"forecast_hours_p50": last.p50_s / 3600, "forecast_hours_p90": last.p90_s / 3600} if last else {}),
        **({"settled_forecast_hours_p50": settled.p50_s / 3600} if settled else {}),
        **({"settled_outcome_hours": settled.took_s / 3600} if settled and settled.took_s is not None else {}),
        **({} if told.within_p90 is None else {"outcomes_within_p90_pct": round(100 * told.within_p90, 1)}),
    }


def of_canary(document: Mapping[str, Any]) -> Metadata:
    """Describe `canary.json`; the seconds are plotted, as far as there are any."""
    seconds = document["seconds"]
    return {
        "alive": document["alive"],
        "says": document["says"],
        "sent_at": _moment(document["sent_at"]),
        **({} if seconds is None else {"seconds_to_close": seconds}),
        **table("steps", document["steps"], ("event", "at")),
    }


def _hours(time: timedelta) -> float:
    return round(time / timedelta(hours=1), 3)


def of_collection(
    report: CollectReport, data_set: str, failing: Failing | None = None, host: HostState | None = None
) -> Metadata:
    """Describe what a run did for one data set; requests, retries and waits are those of the whole run."""
    return _of_one(report.data_sets.get(data_set, DataSetReport()), failing) | _of_run(report, host)


def of_failed_collection(
    report: CollectReport, failing: Mapping[str, Failing], host: HostState | None = None
) -> Metadata:
    """Describe a run that could collect nothing, of all its data sets: what is of one of them begins with its name."""
    of_each = {name: _of_one(told, failing.get(name)) for name, told in report.data_sets.items()}
    named = {f"{name}/{label}": value for name, told in of_each.items() for label, value in told.items()}
    return named | _of_run(report, host)


def of_data_set(metadata: Mapping[str, Any], data_set: str) -> Metadata:
    """Take out of what `of_failed_collection` made what it says of one data set."""
    prefix = f"{data_set}/"
    return {name.removeprefix(prefix): value for name, value in metadata.items() if name.startswith(prefix)}


def _of_one(told: DataSetReport, failing: Failing | None) -> Metadata:
    outcomes = {"collected": told.collected, "confirmed_empty": told.confirmed_empty, "failed": told.failed.total()}
    worst = [{"key": fault.key, "class": fault.failure, "fault": fault.what} for fault in told.worst]
    warned = [{"warning": text, "documents": count} for text, count in told.warned.most_common()]
    return {
        "dagster/partition_row_count": told.records,
        "asked": told.asked,
        **outcomes,
        "written": told.written,
        "already_there": told.already_there,
        "bytes": told.bytes,
        "records": told.records,
        "failed_by_class": dict(told.failed),
        **table("worst_failures", worst, ("key", "class", "fault"), of=told.failed.total()),
        **table("warnings", warned, ("warning", "documents")),
        **_of_failing(failing),
    }


def _of_run(report: CollectReport, host: HostState | None) -> Metadata:
    return {
        "requests": report.requests,
        "retries": report.retries,
        "waited_s": round(report.waited_s, 3),
        **_of_host(host),
    }


def _of_failing(failing: Failing | None) -> Metadata:
    if failing is None:
        return {}
    return {"failing": str(failing), "failing_since": dg.MetadataValue.timestamp(failing.since)}


def _of_host(host: HostState | None) -> Metadata:
    """Describe how the host stands after the run, as `adce hosts` does."""
    if host is None:
        return {}
    moments = {"closed_until": host.closed_until, "blocked_since": host.blocked_since, "next_probe": host.next_probe}
    return {
        "host": host.name,
        "host_budget": host.budget,
        "host_rate": host.rate,
        "host_rate_ceiling": host.ceiling,
        **{f"host_used_24h_{lane}": used for lane, used in host.used.items()},
        **({"host_closed_why": host.closed_why} if host.closed_why else {}),
        **{f"host_{name}": dg.MetadataValue.timestamp(moment) for name, moment in moments.items() if moment},
    }


def table(name: str, rows: Rows, columns: Iterable[str], *, of: int | None = None) -> Metadata:
    """Lay out the first rows of a table, and say how many there are ``of`` them (default: all that are given)."""
    names = tuple(columns)
    if not rows:
        return {}
    records = [dg.TableRecord({column: _cell(row[column]) for column in names}) for row in rows[:SHOWN]]
    total = len(rows) if of is None else of
    cut = {f"{name}_cut": f"shown: {len(records)} of {total}"} if total > len(records) else {}
    return {name: dg.MetadataValue.table(records), **cut}


def _listed(name: str, keys: Sequence[str], total: int) -> Metadata:
    return table(name, [{"key": key} for key in keys], ("key",), of=total)


def _by_priority(name: str, document: Mapping[str, Any]) -> Metadata:
    return {f"{name}_{priority}": document["by_priority"][priority] for priority in PRIORITIES}


def _moment(text: str) -> dg.MetadataValue:
    return dg.MetadataValue.timestamp(datetime.fromisoformat(text))


def _cell(value: Any) -> str | int | float | bool:
    return "" if value is None else round(value, 2) if isinstance(value, float) else value
