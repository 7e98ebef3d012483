"""A key in, all that the loop's files, its ledger and the lake know of it out; what follows from it stands in `why`.

Everything is read, and nothing is written. What Dagster and the hosts' limits say is asked of those handed in.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from adce_assets.contract.templates import Reading
from adce_assets.errors import AdceError, LakeError, printable
from adce_assets.fetch.limits import HostState
from adce_assets.lake.store import StoredObject
from adce_assets.loop import approvals, priority
from adce_assets.loop.cron import next_moment
from adce_assets.loop.dispatch import URGENT, Batch
from adce_assets.loop.known import Expectation, Instance, Known, Place, Rules
from adce_assets.loop.project import Project
from adce_assets.loop.records import Gap
from adce_assets.loop.state import COVERAGE, GAP_KEYS, GAPS, INVENTORY, OTHER_OBJECTS, QUEUE, TASK_KEYS, State
from adce_assets.loop.tasks import facts_of

MOST_ALIKE = 20_000
"""Keys among which a near one is looked for: those with the same name or in the same folder."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom other rooms are asked.

    Attributes:
        batches: The batches of a queue, the most urgent first.
        host: How the host of a scraper stands, None where it asks none.
        instance: What Dagster says of a batch; None where there is no instance.
        is_run: Whether there is an instance that reconciles by itself.
    """

    batches: Callable[[Row], list[Batch]]
    host: Callable[[str], HostState | None]
    instance: Callable[[Batch], Instance | None]
    is_run: bool


def gather(project: Project, key: str, asked: Asked) -> Known:
    """Gather all that is known of a key.

    Raises:
        AdceError: nobody knows the key, and which known ones are like it.
        LakeError: the state cannot be read, or has not been made yet.
        LedgerError: the ledger cannot be used.
    """
    state, standing = project.state, project.ledger.state(key)
    coverage = state.read_json(COVERAGE)
    here = project.lake.head(key)
    row = _row(state, COVERAGE, "key", key) or _row(state, COVERAGE, "found_key", key)
    cell = _cell(project, key, row)
    if standing is None and row is None and here is None and not cell:
        raise _unknown(project, key)
    known = Known(
        key=key,
        now=project.clock(),
        rules=_rules(project, asked, ""),
        cell=(standing.source, standing.data_type, standing.season) if standing else cell,
        standing=standing,
        entries=tuple(project.ledger.entries(key)) if standing else (),
        expectation=_expectation(state, key, row, here, coverage),
        here=f"{here.size:,} bytes of {here.last_modified:%Y-%m-%d %H:%M:%S} UTC" if here else "",
    )
    return _with_queue(project, known, asked)


def _with_queue(project: Project, known: Known, asked: Asked) -> Known:
    """Add the key's place in the gaps and the queue, its score, and what its scraper would wait for."""
    declared = project.contract.data_sets.get("/".join(known.cell[:2]))
    scraper = (declared.declared.scraper if declared else None) or ""
    found = _row(project.state, GAP_KEYS, "key", known.key)
    if found is None:
        return replace(known, scraper=scraper, host=asked.host(scraper) if scraper else None)
    gaps, queue = project.state.read_json(GAPS), project.state.read_json(QUEUE)
    gap = next((Gap(**entry) for entry in gaps["gaps"] if entry["id"] == found["gap_id"]), None)
    if gap is None:
        raise LakeError(
            "the gaps and their keys are of two runs", where=project.state.store.url, hint="run `adce reconcile`"
        )
    in_task = _row(project.state, TASK_KEYS, "key", known.key)
    place = _place(gap, found, queue, in_task["task_id"] if in_task else "")
    task = next((entry for entry in queue["tasks"] if entry["id"] == place.task), None)
    batch = next((one for one in asked.batches(queue) if place.task in one.task_ids), None) if task else None
    return replace(
        known,
        rules=_rules(project, asked, gap.priority),
        scraper=scraper,
        place=place,
        score=_score(project, gap, task, gaps["generated_at"]) if task else None,
        lane=(batch.part if batch else None) or known.lane,
        host=asked.host(scraper) if scraper else None,
        approval=_approval(project, queue, task) if task and known.may_be_tried else "",
        instance=asked.instance(batch) if batch and known.may_be_tried else None,
    )


def _rules(project: Project, asked: Asked, priority: str) -> Rules:
    """Take the settings that matter to a key of a priority, empty for one of none."""
    closure, autonomous = project.settings.reconciliation.closure, project.settings.autonomous
    limits, is_urgent = autonomous.dispatch, priority == URGENT
    kept = 0 if is_urgent else min(limits.kept_for_critical, limits.max_concurrent_scrapers - 1)
    return Rules(
        unseen=timedelta(minutes=closure.unseen_minutes),
        sensor_every=timedelta(seconds=autonomous.intervals.task_queue_seconds),
        reconciles_at=next_moment(autonomous.intervals.reconcile_cron, project.clock()) if asked.is_run else None,
        runs_at_most=limits.max_concurrent_scrapers - kept,
        alike_at_most=getattr(limits.max_concurrent, priority) if priority else None,
        is_urgent=is_urgent,
    )


def _row(state: State, name: str, column: str, value: str) -> Row | None:
    """Read the row of a table in which a column has a value; None where there is none, or no table."""
    import pyarrow.parquet as pq

    if state.store.head(f"{name}.parquet") is None:
        return None
    with state.local(name) as path:
        rows = pq.read_table(path, filters=[(column, "=", value)], partitioning=None).slice(0, 1).to_pylist()
    return rows[0] if rows else None


def _cell(project: Project, key: str, row: Row | None) -> tuple[str, str, str] | tuple[()]:
    """Name the cell of a key: as coverage says, or as the contract's templates read it."""
    if row is not None:
        return row["source"], row["data_type"], row["season"]
    for data_set in project.contract.data_sets.values():
        for template in data_set.templates:
            reading = template.read(key)
            if reading is not None:
                return data_set.source, data_set.data_type, _season(reading)
    return ()


def _season(reading: Reading) -> str:
    return reading.season.label if reading.season else ""


def _expectation(state: State, key: str, row: Row | None, here: StoredObject | None, coverage: Row) -> Expectation:
    """Say what the last reconciliation found of a key; one that plainly is present stands in no table."""
    as_of = datetime.fromisoformat(coverage["as_of"])
    if row is not None:
        at = f"its object lies under `{row['found_key']}`" if row["found_key"] not in {None, row["key"]} else ""
        if row["key"] != key:
            at = f"it satisfies `{row['key']}`"
        reason = "; ".join(part for part in (row["reason"], at) if part)
        return Expectation(row["state"], reason, row["due_at"], as_of)
    if here is None:
        return Expectation("not expected", as_of=as_of)
    other = _row(state, OTHER_OBJECTS, "key", key)
    if other is not None:
        return Expectation("unexpected", f"the contract counts it as {other['standing']}", as_of=as_of)
    if here.last_modified > as_of:
        return Expectation("unknown", "its object was written since the last inventory", as_of=as_of)
    return Expectation("present", as_of=as_of)


def _place(gap: Gap, found: Row, queue: Row, task_id: str) -> Place:
    ids = [task["id"] for task in queue["tasks"]]
    reasons = [entry["reason"] for entry in queue["left_out"] if entry["gap_id"] == gap.id]
    task_id = task_id if task_id in ids else ""
    return Place(
        gap_id=gap.id,
        priority=gap.priority,
        reason=gap.reason,
        detected_at=found["detected_at"],
        task=task_id,
        position=ids.index(task_id) + 1 if task_id else len(ids) + 1,
        of=len(ids),
        left_out="" if task_id else "; ".join(reasons),
        held=found["held"] or "",
    )


def _score(project: Project, gap: Gap, task: Row, at: str) -> priority.Score:
    """Give a task its score again, with all that it is made of: that of the moment at which the gaps were found."""
    facts = facts_of(
        gap,
        datetime.fromisoformat(task["moment"]),
        success_rate=task["success_rate"],
        requests_per_key=task["requests_per_key"],
    )
    weighting = project.settings.reconciliation.task_queue.priority_weighting
    return priority.score(facts, weighting, datetime.fromisoformat(at))


def _approval(project: Project, queue: Row, task: Row) -> str:
    held = approvals.look(project, queue)
    return str(held) if held is not None and held.holds(task) else ""


def _unknown(project: Project, key: str) -> AdceError:
    near = difflib.get_close_matches(key, sorted(set(_alike(project.state, key))), n=3, cutoff=0.6)
    return AdceError(
        f"nobody knows the key `{printable(key)}`: no template of the contract reads it, the lake has no such object, "
        "and the ledger has never heard of it",
        valid="a key of the lake in full, as `adce gaps` and the tables of the state have it",
        hint=f"did you mean {', '.join(f'`{one}`' for one in near)}?" if near else "",
    )


def _alike(state: State, key: str) -> Iterator[str]:
    """Find keys that may have been meant: of the same name in any folder, or in the same folder."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    folder, _, name = key.rpartition("/")
    left = MOST_ALIKE
    for table, column in ((COVERAGE, "key"), (COVERAGE, "found_key"), (OTHER_OBJECTS, "key"), (INVENTORY, "key")):
        if state.store.head(f"{table}.parquet") is None:
            continue
        with state.local(table) as path, pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=[column]):
                texts = batch.column(0)
                is_like = pc.or_(pc.ends_with(texts, name), pc.starts_with(texts, f"{folder}/" if folder else ""))
                found = texts.filter(is_like).slice(0, left).to_pylist()
                yield from found
                left -= len(found)
