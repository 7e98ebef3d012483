"""Judged keys in, the summary of the coverage out: the seven states of every cell, source and data type, and in all.

Here stands too what the objects are that satisfy no expected key. What makes a state is decided in `coverage`.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from adce_assets.contract.loading import Contract
from adce_assets.loop.records import CELL, STATES
from adce_assets.tables import laid_out_once

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

DUE = ("present", "stale", "damaged", "missing", "unknown")
"""The states of keys whose time has come and which the source has."""
LISTED = 20
"""How many keys of a kind the summary names; all are counted, and all stand in the Parquet files."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What was judged: keys one by one, the objects they found, keys by number, and the objects nobody expects."""

    judged: "ir.Table"
    found: "ir.Table"
    gathered: "ir.Table"
    unmatched: "ir.Table"


def summed_up(
    contract: Contract,
    backend: "Backend",
    cells: Sequence[Mapping[str, Any]],
    parts: Parts,
    inventory: Mapping[str, Any],
) -> dict[str, Any]:
    """Sum the states up, and make the table ``standings`` of the objects that are not plainly what is expected.

    Args:
        contract: What is expected.
        backend: Where the parts are, and the table will be.
        cells: All cells, each with the basis of its keys.
        parts: What was judged.
        inventory: The summary of the inventory.
    """
    counted = backend.to_pyarrow(_counted(parts.judged, parts.gathered))
    counts = {tuple(row[name] for name in CELL): row for row in counted.to_pylist()}
    rows = [_cell(contract, cell, counts) for cell in cells]
    guessed = [row for row in rows if row["basis"] == "estimate"]
    estimated = {f"{row['source']}/{row['data_type']}/{label}" for row in guessed for label in (row["season"], "")}
    standings = backend.create_table("standings", _standing(contract, parts, estimated), temp=True)
    return {
        "totals": _sum(rows) | _objects(backend, standings) | {name: inventory[name] for name in ("objects", "bytes")},
        "sources": _rollup(rows, ("source",)),
        "data_types": _rollup(rows, ("source", "data_type", "required", "scraper")),
        "cells": rows,
        "not_enumerable": sorted(name for name, data in contract.data_sets.items() if not contract.is_enumerable(data)),
        **_listed(backend, standings),
    }


@laid_out_once
def _counted(judged: "ir.Table", gathered: "ir.Table") -> "ir.Table":
    """Count the keys of each cell by state."""
    columns = (*CELL, "basis", "state", "keys")
    table = judged.select(*columns).union(gathered.select(*columns))
    return table.group_by(*CELL).agg(
        estimated=(table.basis == "estimate").any(),
        basis=table.basis.min(),
        **{state: table["keys"].sum(where=table.state == state).fill_null(0) for state in STATES},
    )


def _cell(
    contract: Contract, cell: Mapping[str, Any], counts: Mapping[tuple[str, ...], Mapping[str, Any]]
) -> dict[str, Any]:
    declared = contract.data_sets[f"{cell['source']}/{cell['data_type']}"].declared
    row = counts.get(tuple(cell[name] for name in CELL))
    basis = cell["basis"]
    if row is not None:
        basis = "estimate" if row["estimated"] else row["basis"]
    return {
        **{name: cell[name] for name in CELL},
        "basis": basis,
        "age_class": cell["age_class"],
        "required": declared.required,
        "scraper": declared.scraper,
        "completeness_threshold": declared.completeness_threshold,
    } | _shares({state: row[state] if row else 0 for state in STATES})


def _sum(rows: list[Any]) -> dict[str, Any]:
    """Add states up: the same formula at every level."""
    return _shares({state: sum(map(itemgetter(state), rows)) for state in STATES})


def _shares(states: Mapping[str, int]) -> dict[str, Any]:
    due = sum(map(states.__getitem__, DUE))
    share = 100.0 * states["present"] / due if due else 100.0
    return {**states, "expected": sum(states.values()), "due": due, "completeness_pct": share}


def _rollup(rows: list[dict[str, Any]], by: tuple[str, ...]) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return [dict(zip(by, key, strict=True)) | _sum(members) for key, members in groups.items()]


OTHER_STANDINGS = ("unexpected", "unclassified", "doubled", "unlisted")
"""What an object may be that satisfies no expected key, and is no part of the lake that the contract names as no data.

``unlisted`` objects are data of which nobody can say whether they are expected: those of data sets that cannot be
enumerated, of estimated cells, and those that do not tell the day on which they were the present.
"""


def _standing(contract: Contract, parts: Parts, estimated: set[str]) -> "ir.Table":
    """Say what each object is to the contract that satisfies no expected key.

    ``estimated`` are cells as source/data type/season, the season empty where a key's is unknown.
    """
    open_ended = tuple(name for name, data_set in contract.data_sets.items() if not contract.is_enumerable(data_set))
    undated = tuple(name for name, data_set in contract.data_sets.items() if data_set.placed != data_set.templates)
    names = _Names(open_ended, undated, tuple(sorted(estimated)))
    return _standings(parts.judged, parts.found, parts.unmatched, names)


@dataclass(frozen=True, slots=True)
class _Names:
    """Data sets that cannot be enumerated, those whose keys may not tell their day, and cells that are estimated."""

    open_ended: tuple[str, ...]
    undated: tuple[str, ...]
    estimated: tuple[str, ...]


@laid_out_once
def _standings(judged: "ir.Table", found: "ir.Table", unmatched: "ir.Table", names: _Names) -> "ir.Table":
    import ibis

    chosen = judged.filter(judged.found_key.notnull()).select(place="found_key")
    doubled = found.anti_join(chosen, "place").select("size", key="place", standing=ibis.literal("doubled")).distinct()
    data_set = unmatched.source + "/" + unmatched.data_type
    standing = ibis.cases(
        (unmatched.kind != "data", unmatched.kind),
        (data_set.isin(names.open_ended), "unlisted"),
        (data_set.isin(names.undated) & unmatched.season.isnull(), "unlisted"),
        ((data_set + "/" + unmatched.season.fill_null("")).isin(names.estimated), "unlisted"),
        else_="unexpected",
    )
    others = unmatched.select("size", "key", standing=standing)
    return doubled.select("key", "size", "standing").union(others.select("key", "size", "standing"))


def _objects(backend: "Backend", standings: "ir.Table") -> dict[str, int]:
    rows = {row["standing"]: row["objects"] for row in backend.to_pyarrow(_by_standing(standings)).to_pylist()}
    return {name: rows.get(name, 0) for name in ("doubled", "unexpected", "unlisted", "non_data", "unclassified")}


@laid_out_once
def _by_standing(standings: "ir.Table") -> "ir.Table":
    return standings.group_by("standing").agg(objects=standings.count())


def _listed(backend: "Backend", standings: "ir.Table") -> dict[str, list[str]]:
    """Name the first objects of each standing."""
    listed: dict[str, list[str]] = {standing: [] for standing in OTHER_STANDINGS}
    for row in backend.to_pyarrow(_firsts(standings)).to_pylist():
        listed[row["standing"]].append(row["key"])
    return listed


@laid_out_once
def _firsts(standings: "ir.Table") -> "ir.Table":
    named = standings.select("standing", "key")
    parts = [named.filter(named.standing == standing).order_by("key").limit(LISTED) for standing in OTHER_STANDINGS]
    return functools.reduce(lambda one, other: one.union(other), parts).order_by("standing", "key")
