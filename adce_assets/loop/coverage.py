"""Inventory and expected keys in, coverage out: the state of every expected key, by comparison of whole keys.

Every expected key gets exactly one state. An object is looked for in every place that the data set's templates name;
the best one found satisfies the key. What it means to be damaged, stale or absent is one entry of `PRESENT_STATES` or
`ABSENT_STATES`, the first that holds; what the objects are that nobody expects is one entry of `STANDINGS`. Gaps are
not decided here.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adce_assets.contract.expected import OLDER, cells, relation
from adce_assets.contract.loading import Contract
from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.errors import ContractError
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE, INVENTORY, OTHER_OBJECTS, SCHEDULE, VERDICTS
from adce_assets.progress import Progress, silent
from adce_assets.tables import engine

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

STATES = ("present", "stale", "damaged", "missing", "unknown", "not_due", "unavailable")
"""Every expected key is in exactly one of these."""
DUE = ("present", "stale", "damaged", "missing", "unknown")
"""The states of keys whose time has come and which the source has."""
ORDER = ("source", "data_type", "season", "entity", "key", "season_type", "event_at")
"""The order of the table; the last two are for events without an id, which have neither entity nor key."""
TOO_EARLY_DAYS = 2
"""A document of a closed season counts as written too early if it was at most so long before its event was over."""
LISTED = 20
"""How many keys of a kind the summary names; all are counted, and all stand in the Parquet files."""


@dataclass(frozen=True, slots=True)
class CoverageSummary:
    """What `coverage_analysis.json` says."""

    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """The times a state is judged by (UTC): now, and the as-of of the inventory."""

    now: datetime
    as_of: datetime


@dataclass(frozen=True, slots=True)
class StateRule:
    """A state, when it holds of a row, and why, in words."""

    state: str
    when: Callable[["ir.Table", Moment], "ir.BooleanValue"]
    reason: str


PRESENT_STATES = (
    StateRule("damaged", lambda row, _: row.size < row.min_bytes, "the object is smaller than any real document"),
    StateRule("damaged", lambda row, _: row.verdict.notnull(), "the object's content is not what its key says"),
    # A closed season does not mend what was written too early; but a time long before the event tells of a copy or a
    # clock, not of the document, and age alone makes nothing stale.
    StateRule(
        "stale",
        lambda row, at: (
            (row.changes == "until_final")
            & (row.basis != "estimate")
            & (row.last_modified < row.event_at)
            & (row.is_open | _shortly_before_the_end(row))
            & (row.due_at <= at.as_of)
        ),
        "written before the event was over",
    ),
    StateRule(
        "stale",
        lambda row, at: _may_change(row) & (row.last_modified < _fresh_since(row, at)),
        "older than its data type allows while it can still change",
    ),
)
ABSENT_STATES = (
    StateRule("unavailable", lambda row, _: row.absent_reason.notnull(), "the source never had it"),
    StateRule(
        "unknown", lambda row, _: row.key.isnull(), "counted by season truth; the schedule that names it is missing"
    ),
    StateRule("unknown", lambda row, _: row.due_at.isnull(), "nobody can say yet when it is due"),
    StateRule("not_due", lambda row, at: row.due_at > at.now, "not due yet"),
    StateRule(
        "unknown",
        lambda row, _: row.confirmed_at.notnull() & (row.confirmed_at < row.event_at),
        "the schedule is older than the event: nobody knows whether it was played",
    ),
    StateRule("unknown", lambda row, at: row.due_at > at.as_of, "due since the inventory was taken"),
    StateRule("missing", lambda row, _: row.key.notnull(), "due and not in the lake"),
)


def analyse(project: Project, *, progress: Progress = silent) -> CoverageSummary:
    """Compare the inventory with what the contract expects, and write `coverage_analysis.{json,parquet}`.

    `other_objects.parquet` holds the objects that satisfy no expected key: ``key``, ``size`` and ``standing``.

    Raises:
        LakeError: no inventory has been taken yet.
        ContractError: two rows of the contract expect the same key.
    """
    inventory = project.state.read_json(INVENTORY)
    at = Moment(project.clock(), datetime.fromisoformat(inventory["as_of"]))
    limits = project.settings.reconciliation.engine
    progress("coverage", 0, None)
    with (
        project.state.local(INVENTORY) as objects,
        project.state.local(SCHEDULE) as events,
        project.state.local(VERDICTS) as verdicts,
        engine(**limits.model_dump()) as backend,
    ):
        tables = {name: backend.read_parquet(path) for name, path in (("o", objects), ("e", events), ("v", verdicts))}
        expected = backend.create_table("expected", relation(project.contract, tables["e"], at.now), temp=True)
        found = backend.create_table("found", _found(expected, tables["o"], tables["v"], at), temp=True)
        judged = backend.create_table("judged", _judged(expected, found, at), temp=True)
        _refuse_doubles(project.contract, judged)
        document, standings = _summary(project.contract, backend, judged, found, tables["o"], at)
        project.state.write_relation(COVERAGE, backend, judged.order_by(*ORDER))
        others = standings.filter(standings.standing != "expected").order_by("key")
        project.state.write_relation(OTHER_OBJECTS, backend, others)
    project.state.write_json(COVERAGE, document)
    progress("coverage", document["totals"]["expected"], document["totals"]["expected"])
    return CoverageSummary(document)


def _found(expected: "ir.Table", objects: "ir.Table", verdicts: "ir.Table", at: Moment) -> "ir.Table":
    """Find the objects that lie where an expected key may lie, each with the state it gives the key."""
    import ibis

    places = ["key", *(name for name in expected.columns if name.startswith(OLDER))]
    wanted = [
        expected.filter(expected.key.notnull() & expected[name].notnull()).select(
            *CARRIED_TO_JUDGE, "key", place=name, rank=ibis.literal(rank, "int8")
        )
        for rank, name in enumerate(places)
    ]
    held = objects.select(place="key", size="size", last_modified="last_modified", etag="etag")
    table = functools.reduce(lambda one, other: one.union(other), wanted).join(held, "place")
    bad = verdicts.filter(verdicts.verdict.notnull())
    same = [table.place == bad.key, table.etag == bad.etag, table.last_modified == bad.last_modified]
    table = table.left_join(bad, same, rname="{name}_of_verdict")
    order, reason = _first_that_holds(PRESENT_STATES, table, at, otherwise=("present", ""))
    table = table.mutate(state=order, reason=ibis.coalesce(table.verdict, reason))
    return table.mutate(badness=ibis.cases(*[(table.state == state, place) for place, state in enumerate(STATES)]))


CARRIED_TO_JUDGE = ("is_open", "basis", "changes", "freshness_seconds", "min_bytes", "event_at", "due_at")


def _judged(expected: "ir.Table", found: "ir.Table", at: Moment) -> "ir.Table":
    """Give every expected key its one state: that of the best object found, or that of its absence."""
    import ibis

    order = [found.badness, found["rank"], found.place]
    best = found.group_by("key").agg(
        copies=found.count(),
        etag=found.etag.max(where=found["rank"] == 0),
        **{
            f"found_{name}": found[name].first(order_by=order)
            for name in ("place", "state", "reason", "size", "last_modified")
        },
    )
    table = expected.left_join(best, "key", rname="{name}_of_found")
    state, reason = _first_that_holds(ABSENT_STATES, table, at, otherwise=("missing", ""))
    here = table.found_place.notnull()
    reason = ibis.ifelse(state == "unavailable", table.absent_reason, reason)
    return table.select(
        "source",
        "data_type",
        "season",
        "entity",
        "key",
        "season_type",
        "basis",
        "event_at",
        "due_at",
        found_key=table.found_place,
        state=ibis.ifelse(here, table.found_state, state),
        reason=ibis.ifelse(here, table.found_reason, reason),
        size=table.found_size,
        last_modified=table.found_last_modified,
        etag=table.etag,
        copies=ibis.coalesce(table.copies, 0).cast("int16"),
    )


def _first_that_holds(
    rules: tuple[StateRule, ...], table: "ir.Table", at: Moment, otherwise: tuple[str, str]
) -> tuple["ir.Value", "ir.Value"]:
    import ibis

    never = ibis.literal(value=False)
    conditions = [(ibis.coalesce(rule.when(table, at), never), rule) for rule in rules]
    state = ibis.cases(*[(when, rule.state) for when, rule in conditions], else_=otherwise[0])
    reason = ibis.cases(*[(when, rule.reason) for when, rule in conditions], else_=otherwise[1])
    return state, reason


def _shortly_before_the_end(row: "ir.Table") -> "ir.BooleanValue":
    import ibis

    return row.last_modified >= row.event_at - ibis.interval(days=TOO_EARLY_DAYS)


def _may_change(row: "ir.Table") -> "ir.BooleanValue":
    return (row.changes == "always") | (row.is_open & (row.changes == "within_season"))


def _fresh_since(row: "ir.Table", at: Moment) -> "ir.TimestampValue":
    import ibis

    return ibis.literal(at.as_of) - row.freshness_seconds.cast("int64").as_interval("s")


def _refuse_doubles(contract: Contract, judged: "ir.Table") -> None:
    keyed = judged.filter(judged.key.notnull())
    doubles = keyed.group_by("key").agg(rows=keyed.count(), name=(keyed.source + "/" + keyed.data_type).max())
    worst = doubles.filter(doubles.rows > 1).order_by("key").limit(1).to_pyarrow().to_pylist()
    if worst:
        raise ContractError(
            f"{worst[0]['rows']} rows of `{worst[0]['name']}` expect the key `{worst[0]['key']}`",
            where=contract.file,
            hint="a template must name everything that `for_each` ranges over, and values of a dimension must differ",
        )


def _summary(
    contract: Contract, backend: "Backend", judged: "ir.Table", found: "ir.Table", objects: "ir.Table", at: Moment
) -> tuple[dict[str, Any], "ir.Table"]:
    """Sum the states up; return what is written as JSON, and the standing of every object."""
    counted = judged.group_by("source", "data_type", "season").agg(
        estimated=(judged.basis == "estimate").any(),
        basis=judged.basis.min(),
        doubled=(judged.copies - 1).clip(lower=0).sum(),
        **{state: (judged.state == state).sum() for state in STATES},
    )
    counts = {(row["source"], row["data_type"], row["season"]): row for row in counted.to_pyarrow().to_pylist()}
    rows = [_cell(contract, cell, counts, at) for cell in cells(contract, at.now)]
    guessed = [row for row in rows if row["basis"] == "estimate"]
    estimated = {f"{row['source']}/{row['data_type']}/{label}" for row in guessed for label in (row["season"], "")}
    standings = backend.create_table("standings", _standings(contract, judged, found, objects, estimated), temp=True)
    totals = _sum(rows) | {"doubled": sum(row["doubled"] for row in counts.values())} | _objects(standings)
    document = {
        "schema": 1,
        "generated_at": at.now.isoformat(),
        "as_of": at.as_of.isoformat(),
        "totals": totals,
        "sources": _rollup(rows, ("source",)),
        "data_types": _rollup(rows, ("source", "data_type", "required", "scraper")),
        "cells": rows,
        "not_enumerable": sorted(name for name, data in contract.data_sets.items() if not contract.is_enumerable(data)),
        **{
            standing: _listed(standings, standing) for standing in ("unexpected", "unclassified", "doubled", "unlisted")
        },
    }
    return document, standings


def _cell(
    contract: Contract, cell: Mapping[str, Any], counts: Mapping[tuple[str, str, str], Mapping[str, Any]], at: Moment
) -> dict[str, Any]:
    data_set = contract.data_sets[f"{cell['source']}/{cell['data_type']}"]
    key = (cell["source"], cell["data_type"], cell["season"])
    row = counts.get(key)
    basis = {"game": "schedule", "date": "calendar"}.get(
        next(iter(set(data_set.declared.for_each) & {"game", "date"}), ""), "contract"
    )
    if row is not None:
        basis = "estimate" if row["estimated"] else row["basis"]
    return {
        "source": key[0],
        "data_type": key[1],
        "season": key[2],
        "basis": basis,
        "age_class": _age_class(data_set.calendar.current(at.now), key[2]),
        "required": data_set.declared.required,
        "scraper": data_set.declared.scraper,
        "completeness_threshold": data_set.declared.completeness_threshold,
    } | _sum([row] if row else [])


def _age_class(current: Season, label: str) -> str:
    if label == WHOLE_HISTORY:
        return "whole"
    behind = current.start - Season.parse(label).start
    return "history" if behind > 1 else "previous" if behind == 1 else "current"


def _sum(rows: list[Any]) -> dict[str, Any]:
    """Add states up: the same formula at every level."""
    states = {state: sum(row[state] for row in rows) for state in STATES}
    due = sum(states[state] for state in DUE)
    share = 100.0 * states["present"] / due if due else 100.0
    return states | {"expected": sum(states.values()), "due": due, "completeness_pct": share}


def _rollup(rows: list[dict[str, Any]], by: tuple[str, ...]) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return [dict(zip(by, key, strict=True)) | _sum(members) for key, members in groups.items()]


def _standings(
    contract: Contract,
    judged: "ir.Table",
    found: "ir.Table",
    objects: "ir.Table",
    estimated: set[str],
) -> "ir.Table":
    """Say of every object what it is to the contract.

    ``unlisted`` objects are data of which nobody can say whether they are expected: those of data sets that cannot be
    enumerated, and of ``estimated`` cells (source/data type/season, the season empty where a key's is unknown).
    """
    import ibis

    satisfying = judged.filter(judged.found_key.notnull()).select(key="found_key", is_expected=ibis.literal(value=True))
    also = found.select(key="place", is_found=ibis.literal(value=True)).distinct()
    table = objects.select("key", "size", "kind", "source", "data_type", "season").left_join(satisfying, "key")
    table = table.drop("key_right").left_join(also, "key").drop("key_right")
    open_ended = [name for name, data_set in contract.data_sets.items() if not contract.is_enumerable(data_set)]
    data_set = table.source + "/" + table.data_type
    standing = ibis.cases(
        (table.is_expected.notnull(), "expected"),
        (table.is_found.notnull(), "doubled"),
        (table.kind != "data", table.kind),
        (data_set.isin(open_ended), "unlisted"),
        ((data_set + "/" + table.season.fill_null("")).isin(sorted(estimated)), "unlisted"),
        else_="unexpected",
    )
    return table.select("key", "size", standing=standing)


def _objects(standings: "ir.Table") -> dict[str, int]:
    counted = standings.group_by("standing").agg(objects=standings.count(), bytes=standings["size"].sum())
    rows = {row["standing"]: row for row in counted.to_pyarrow().to_pylist()}
    names = ("unexpected", "unlisted", "non_data", "unclassified")
    return {name: rows[name]["objects"] if name in rows else 0 for name in names} | {
        "objects": sum(row["objects"] for row in rows.values()),
        "bytes": sum(row["bytes"] for row in rows.values()),
    }


def _listed(standings: "ir.Table", standing: str) -> list[str]:
    rows = standings.filter(standings.standing == standing).order_by("key").limit(LISTED)
    return rows.select("key").to_pyarrow()["key"].to_pylist()
