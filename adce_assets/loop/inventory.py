"""A lake in, its inventory out: which objects it holds, which of them were expected, and when that was true.

What is known of the lake comes from one of the ways in `modes`; it is whole or the step fails, for a lake that could
not be read to its end is not a smaller lake. What it is compared with comes from the contract and the schedules; the
comparison itself is one pass in `matching`, and what it means is decided in `coverage`.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.contract.events import SeenId, estimates, events_table
from adce_assets.contract.ids import season_type_of_id
from adce_assets.contract.loading import Contract
from adce_assets.errors import AdceError, LakeError
from adce_assets.lake.classify import Classifier
from adce_assets.loop import audits, memory, modes, schedules
from adce_assets.loop.holdings import Holdings
from adce_assets.loop.matching import Held, Matcher
from adce_assets.loop.modes import Look, Mode
from adce_assets.loop.project import Project
from adce_assets.loop.schedules import Schedules
from adce_assets.loop.state import (
    ACCEPTED,
    ESTIMATES,
    INVENTORY,
    MATCHED,
    SCHEDULE,
    SCHEDULE_DOCUMENTS,
    SCHEDULE_IDS,
    UNMATCHED,
    VERDICTS,
    State,
)
from adce_assets.progress import Progress, silent
from adce_assets.tables import engine, laid_out_once, lend, let

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

LISTED = 20
"""How many unclassified keys the summary names; all are counted, and all stand in the Parquet file."""


@dataclass(frozen=True, slots=True)
class InventorySummary:
    """What `current_inventory.json` says, or, where the lake was only sampled, `inventory_sample.json`."""

    document: dict[str, Any]


def take(
    project: Project, *, mode: Mode | None = None, accept_loss: bool = False, progress: Progress = silent
) -> InventorySummary:
    """Take the inventory, compare it with what is expected, and write `current_inventory.json` and its tables.

    Args:
        project: The installation.
        mode: How the lake is looked at; as the configuration says where it is None.
        accept_loss: Take what has vanished for gone: the next inventories are compared with this one.
        progress: Told how far it has come.

    Raises:
        LakeError: the lake or a report could not be read whole, or there is no report yet. The last inventory stays.
    """
    look = Look(project, project.clock(), memory.last(project), progress)
    with modes.in_force(look):
        chosen, holdings = modes.know(look, mode)
        if holdings is None:
            return InventorySummary(modes.sample(look))
        limits = project.settings.reconciliation.engine
        with engine(**limits.model_dump()) as backend, _at_hand(project, holdings) as known, _all_or_nothing(project):
            told, has_changed = _compared(look, backend, known)
            known_since, has_moved = memory.remember(project, known)
            document = {"mode": chosen, "generated_at": look.now.isoformat(), **known_since, **told}
    document["vanished"] = _loss(project, told, accept=accept_loss)
    document["tables"] = memory.seals(project.state)
    keep_for = timedelta(hours=project.settings.autonomous.intervals.fresh_within_hours)
    volatile = () if has_changed or has_moved else ("generated_at", *memory.VOLATILE)
    project.state.write_json(INVENTORY, document, volatile=volatile, keep_for=keep_for)
    return InventorySummary({"schema": 1, **document})


@contextmanager
def _all_or_nothing(project: Project) -> Iterator[None]:
    """Put back what was written of schedules and verdicts when the comparison then refuses what it is given.

    The tables of the last inventory tell of events by their numbers in the schedule that it was compared with.
    """
    state = project.state
    with ExitStack() as lent:
        names = (SCHEDULE_DOCUMENTS, SCHEDULE_IDS, SCHEDULE, VERDICTS)
        before = {name: path for name in names if (path := _lent(state, name, lent))}
        try:
            yield
        except AdceError:
            for name, path in before.items():
                state.write_file(name, path)
            raise


def _lent(state: State, name: str, lent: ExitStack) -> Path | None:
    try:
        return lent.enter_context(state.local(name))
    except LakeError:  # there is none, or it is damaged and made anew
        return None


@contextmanager
def _at_hand(project: Project, holdings: Holdings) -> Iterator[Holdings]:
    """Lend the rows of an earlier listing as a file for as long as they are read."""
    if not isinstance(holdings.base, Path):
        yield holdings
        return
    with project.state.local(INVENTORY) as path:
        yield replace(holdings, base=path)


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of the comparison: matched keys, the objects nobody expects, and the events that were estimated."""

    rows: "ir.Table"
    placed: "pa.Table"
    estimated: "pa.Table"

    def write(self, project: Project, backend: "Backend") -> bool:
        """Write the three tables; say whether one is another than before."""
        written = [
            project.state.write_table(ESTIMATES, self.estimated),
            project.state.write_table(UNMATCHED, self.placed),
            project.state.write_relation(MATCHED, backend, _ordered(self.rows)),
        ]
        return any(written)


@laid_out_once
def _ordered(rows: "ir.Table") -> "ir.Table":
    return rows.order_by("source", "data_type", "season", "place", "is_estimate", "is_here")


def compare(
    matcher: Matcher,
    held: Held,
    scheduled: "pa.Table",
    classifier: Classifier,
    estimate: Callable[["pa.Table"], "pa.Table"],
    suspects: Sequence[str] = (),
) -> Compared:
    """Compare objects with what the schedules name, and those that are left with what can be estimated from them.

    Args:
        matcher: Knows the contract.
        held: The objects.
        scheduled: The events of the schedules.
        classifier: Reads the keys of objects that nobody expects.
        estimate: Estimates more events from these objects, numbered behind the scheduled ones.
        suspects: Keys of objects whose content is known to be wrong.
    """
    matched = matcher.match("scheduled", held, scheduled, suspects)
    placed = _placed(classifier, matched.others)
    estimated = estimate(placed)
    if not estimated.num_rows:
        return Compared(matched.rows, placed, estimated)
    left = Held(lend(matcher.backend, matched.others), matched.others.num_rows, held.known)
    guessed = matcher.match("estimated", left, estimated, suspects, estimates=True)
    placed = placed.take(_where(placed["key"], guessed.others["key"]))
    return Compared(matched.rows.union(guessed.rows), placed, estimated)


def _compared(look: Look, backend: "Backend", holdings: Holdings) -> tuple[dict[str, Any], bool]:
    """Compare what is known of the lake with what is expected; return the numbers, and whether a table is another."""
    project, progress = look.project, look.progress
    held = holdings.held(project, backend)
    found = schedules.refresh(project, held.objects, progress)
    seasons = _seasons(found)
    classifier = Classifier(project.contract, seasons)

    def is_data(keys: list[str]) -> list[bool]:
        return [classifier.classify(key).kind == "data" for key in keys]

    dated = held.objects.mutate(as_of=let(backend, "as_of", holdings.as_of))
    verdicts = audits.refresh(project, dated, is_data, found.faults, progress)
    progress("comparison", 0, held.count)
    compared = compare(
        Matcher(project.contract, backend, look.now),
        held,
        found.events,
        classifier,
        lambda placed: _estimated(look, found, seasons, placed),
        verdicts["key"].to_pylist(),
    )
    has_changed = compared.write(project, backend)
    progress("comparison", held.count, held.count)
    return {
        **_counts(project, backend.to_pyarrow(_held(compared.rows)).to_pylist(), compared.placed, held.count),
        "schedules": _told(found, compared.estimated),
        "audited": audits.looks_taken(verdicts),
        "damaged": verdicts.num_rows,
    }, has_changed


def _estimated(look: Look, found: Schedules, known: Mapping[str, Mapping[str, str]], placed: "pa.Table") -> "pa.Table":
    """Estimate the events that season truth counts and no schedule names, numbered behind those that it does."""
    import pyarrow as pa

    contract, counts = look.project.contract, found.counts()
    events = [
        event
        for name in contract.schedules
        for event in estimates(contract, name, counts[name], known[name], _seen(contract, placed, name), look.now)
    ]
    first = found.events.num_rows
    return events_table(events).append_column("event", pa.array(range(first, first + len(events)), pa.int32()))


def _placed(classifier: Classifier, others: "pa.Table") -> "pa.Table":
    """Add what the keys of objects say: kind, source, data type, season, entity and the template that reads them."""
    others = others.sort_by("key")
    placements = classifier.place_all(others["key"].to_pylist())
    for name in placements.column_names:
        others = others.append_column(name, placements[name])
    return others


def _where(keys: "pa.ChunkedArray", wanted: "pa.ChunkedArray") -> "pa.Array":
    import pyarrow.compute as pc

    return pc.indices_nonzero(pc.is_in(keys, wanted.combine_chunks()))


def _seasons(found: Schedules) -> dict[str, dict[str, str]]:
    """Give the season of every id that a schedule of record knows, by schedule."""
    seasons: dict[str, dict[str, str]] = {name: {} for name in found.documents}
    known = found.known_ids()
    for schedule, game_id, season in zip(*(column.to_pylist() for column in known.columns), strict=True):
        seasons[schedule][game_id] = season
    return seasons


def _told(found: Schedules, estimated: "pa.Table") -> dict[str, dict[str, int]]:
    """Say of each schedule how many documents there are, and how many events, estimated ones among them."""
    counts = found.counts()
    guessed: Counter[str] = Counter()
    for row in estimated.select(["schedule", "count"]).to_pylist():
        guessed[row["schedule"]] += row["count"]
    return {
        name: {"documents": documents, "events": counts[name].total() + guessed[name], "estimated": guessed[name]}
        for name, documents in found.documents.items()
    }


def _seen(contract: Contract, placed: "pa.Table", schedule: str) -> list[SeenId]:
    """List the ids of a schedule's events that objects of the lake carry, with the season that their key tells."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [
        data_set.name
        for data_set in contract.data_sets.values()
        if data_set.schedule == schedule and data_set.declared.for_each == ("game",)
    ]
    held_by = pc.binary_join_element_wise(
        placed["source"].cast(pa.string()), placed["data_type"].cast(pa.string()), "/"
    )
    rows = placed.append_column("held_by", held_by).filter(pc.is_in(held_by, pa.array(names, pa.string())))
    groups = rows.group_by(["season", "entity"]).aggregate([("held_by", "count_distinct")]).to_pylist()
    kind = contract.ids[contract.schedules[schedule].id]
    return [
        SeenId(row["entity"], row["season"], season_type_of_id(kind, row["entity"]), row["held_by_count_distinct"])
        for row in groups
        if row["season"] is not None
    ]


@laid_out_once
def _held(rows: "ir.Table") -> "ir.Table":
    """Count the objects that were expected, by cell and by the number of the template that wrote them."""
    here = rows.filter(rows.is_here)
    by = ("source", "data_type", "season", "rank")
    return here.group_by(*by).agg(objects=here["keys"].sum(), bytes=here["bytes"].sum())


def _counts(project: Project, held: list[dict[str, Any]], placed: "pa.Table", objects: int) -> dict[str, Any]:
    """Count objects and bytes, in all and by source, season, data type and prefix; name what nobody could place."""
    import pyarrow as pa
    import pyarrow.compute as pc

    by = ("kind", "source", "data_type", "season", "template")
    text = {name: placed[name].cast(pa.string()) for name in ("kind", "source", "data_type", "season")}
    others = pa.table({**text, "template": placed["template"], "size": placed["size"]})
    groups = others.group_by(list(by)).aggregate([("size", "sum"), ("size", "count")]).to_pylist()
    kinds: Counter[str] = Counter()
    for group in groups:
        kinds[group["kind"]] += group["size_count"]
        if group["kind"] == "data":
            told = {"objects": group["size_count"], "bytes": group["size_sum"], "rank": group["template"]}
            held.append({**group, **told})
    unclassified = placed["key"].filter(pc.equal(text["kind"], "unclassified"))
    return {
        "objects": objects,
        "bytes": sum(row["bytes"] for row in held) + sum(g["size_sum"] for g in groups if g["kind"] != "data"),
        "by_source": _by(held, lambda row: row["source"]),
        "by_season": _by(held, lambda row: row["season"] or "unknown"),
        "by_type": _by(held, lambda row: row["data_type"]),
        "by_prefix": [
            {"source": source, "prefix": prefix, **counted}
            for (source, prefix), counted in _by(held, lambda row: (row["source"], _prefix(project, row))).items()
        ],
        "non_data": kinds["non_data"],
        "unclassified": kinds["unclassified"],
        "unclassified_keys": unclassified.slice(0, LISTED).to_pylist(),
    }


def _prefix(project: Project, row: Mapping[str, Any]) -> str:
    """Return the beginning that the keys of a template share."""
    data_set = project.contract.data_sets[f"{row['source']}/{row['data_type']}"]
    return data_set.templates[row["rank"] or 0].prefix


def _by(rows: list[dict[str, Any]], name: Callable[[dict[str, Any]], Any]) -> dict[Any, dict[str, int]]:
    groups: defaultdict[Any, Counter[str]] = defaultdict(Counter)
    for row in rows:
        groups[name(row)].update(objects=row["objects"], bytes=row["bytes"])
    return {key: dict(groups[key]) for key in sorted(groups)}


def _loss(project: Project, told: Mapping[str, Any], *, accept: bool) -> list[dict[str, Any]]:
    """Hold the lake and its sources against what was last accepted; return what vanished.

    What has vanished stays so in the next inventories, until it is back or a person accepts the loss.

    Raises:
        LakeError: nobody can read what was accepted.
    """
    state, which = project.state, json.dumps(memory.identity(project))
    now = {"": told["objects"], **{name: counted["objects"] for name, counted in told["by_source"].items()}}
    is_there = state.store.head(f"{ACCEPTED}.json") is not None and not accept
    lakes: dict[str, dict[str, int]] = state.read_json(ACCEPTED, hint=ACCEPT)["lakes"] if is_there else {}
    share = project.settings.reconciliation.s3.max_vanished_share
    lost = [
        {"source": name, "before": count, "now": now.get(name, 0)}
        for name, count in lakes.get(which, {}).items()
        if count - now.get(name, 0) > share * count
    ]
    if not lost:
        state.write_json(ACCEPTED, {"lakes": lakes | {which: now}})
    return lost


ACCEPT = "see whether objects have vanished, then run `adce reconcile --accept-loss`, which makes it anew"
