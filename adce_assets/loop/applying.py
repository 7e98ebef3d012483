"""A plan and the world of now in, what has moved since out; and a queue of exactly the plan's keys, ready to be run.

The world of now is what the last reconciliation found. A plan of another contract or lake is always refused; of the
same, as far as more of its keys have been closed, have changed or may not be tried now than `approvals.tolerance`.
Within that, the keys that moved are left away, and all others are collected as planned.
"""

import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adce_assets.contract.loading import Contract
from adce_assets.contract.templates import Reading
from adce_assets.errors import ConditionFailedError, LakeError, VerifyError
from adce_assets.loop import memory, plans
from adce_assets.loop.plans import Plan, PlannedTask
from adce_assets.loop.project import Project
from adce_assets.loop.records import OPEN_STATES
from adce_assets.loop.state import GAP_KEYS, QUEUE, TASK_KEYS, State
from adce_assets.loop.tasks import TASK_KEY_COLUMNS

NAMED = 5
"""Keys that a message names of each way to move; all are counted."""
TRIES = 5
"""How often the plan's keys are laid beside those of the queue, when reconciliations write the same file meanwhile."""
AGAIN = "make a new plan with `adce plan -o FILE`"

OpenKeys = Mapping[str, Mapping[str, Any]]
"""Rows of `gap_keys.parquet` by their key."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The keys of a plan that are not as it found them.

    Attributes:
        keys: How many keys the plan has.
        closed: Those that are not open any more.
        changed: Those under which another version lies than the plan would replace.
        held: Those that nobody may try now: a run works on them, or they have failed too often.
    """

    keys: int
    closed: tuple[str, ...]
    changed: tuple[str, ...]
    held: tuple[str, ...]

    @property
    def all(self) -> frozenset[str]:
        """All of them."""
        return frozenset((*self.closed, *self.changed, *self.held))

    @property
    def share(self) -> float:
        """Their share of the plan."""
        return len(self.all) / self.keys if self.keys else 0.0

    def __str__(self) -> str:
        """Say what has moved, with some of the names; empty where nothing has."""
        ways = {"closed meanwhile": self.closed, "changed meanwhile": self.changed, "not to be tried now": self.held}
        return "; ".join(f"{len(keys):,} {way}: {_some(keys)}" for way, keys in ways.items() if keys)


def _some(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - NAMED:,} more" if len(keys) > NAMED else ""
    return ", ".join(keys[:NAMED]) + more


def refuse_other_world(project: Project, plan: Plan) -> None:
    """Raise VerifyError for a plan of another lake or contract; LakeError where the last look was of another one."""
    lake = plan.lake.get("lake")
    if _listed(plan.lake) != _listed(memory.identity(project)):
        raise VerifyError(f"the plan is of another lake: {lake}", valid=project.lake.url, hint=AGAIN)
    if plan.contract != project.contract.digest:
        raise VerifyError("the contract has changed since the plan was made", where=project.contract.file, hint=AGAIN)
    refuse_other_tasks(project.contract, plan)
    plans.digest(project)


def refuse_other_tasks(contract: Contract, plan: Plan) -> None:
    """Raise VerifyError for a task that the contract does not know, or a key that is not of its task's cell."""
    for task in plan.tasks:
        data_set = contract.data_sets.get(task.data_set)
        if data_set is None or data_set.declared.scraper != task.scraper:
            raise _unknown(f"{task.data_set} by {task.scraper}", task)
        for key, _, _ in task.keys:
            if not any(_is_of(task.season, template.read(key)) for template in data_set.templates):
                raise _unknown(f"{key} of {task.data_set} {task.season}", task)


def _is_of(season: str, reading: Reading | None) -> bool:
    """Tell whether a key is of a season, as far as it names one."""
    return reading is not None and (reading.season is None or reading.season.label == season)


def _unknown(what: str, task: PlannedTask) -> VerifyError:
    return VerifyError(f"the plan asks for what the contract does not: {what}", where=task.id, hint=AGAIN)


def _listed(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in identity.items()}


def open_keys(state: State, plan: Plan) -> OpenKeys:
    """Read what the last reconciliation found of those of the plan's keys that are open."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    planned = {key for task in plan.tasks for key, _, _ in task.keys}
    with state.local(GAP_KEYS) as path:
        names = pq.read_schema(path).names
        columns = [name for name in ("key", "entity", "state", "etag", "held") if name in names]
        table = pq.read_table(path, columns=columns, filters=pc.field("key").isin(sorted(planned)), partitioning=None)
    return {row["key"]: row for row in table.to_pylist()}


def moved(plan: Plan, now: OpenKeys) -> Moved:
    """Compare a plan with the open keys of now."""
    planned = [(key, etag) for task in plan.tasks for key, _, etag in task.keys]
    closed = tuple(key for key, _ in planned if key not in now)
    changed = tuple(key for key, etag in planned if key in now and now[key]["etag"] != etag)
    held = tuple(key for key, etag in planned if key in now and now[key]["etag"] == etag and now[key].get("held"))
    return Moved(plan.keys, closed, changed, held)


def refuse_moved(told: Moved, tolerance: float) -> None:
    """Raise VerifyError where more of a plan has moved than is tolerated."""
    if told.share > tolerance:
        raise VerifyError(
            f"the world has moved: {len(told.all):,} of {told.keys:,} keys ({told.share:.1%}): {told}",
            valid=f"at most {tolerance:.1%} (`approvals.tolerance`)",
            hint=AGAIN,
        )


def queue(project: Project, plan: Plan, now: OpenKeys, without: Collection[str]) -> dict[str, Any]:
    """Make the queue of a plan's tasks but for some keys, and lay these tasks beside those that runs can find.

    Raises:
        LakeError: the state cannot be read or written, or is written again and again meanwhile.
    """
    tasks = [task for task in (_reduced(task, without) for task in plan.tasks) if task.keys]
    _lay_out(project.state, tasks, now)
    made_at = project.state.read_json(QUEUE)["generated_at"]
    entries = [_entry(project, task, plan.made_at.isoformat()) for task in tasks]
    return {"schema": 1, "generated_at": made_at, "as_of": plan.as_of.isoformat(), "tasks": entries, "left_out": []}


def _reduced(task: PlannedTask, without: Collection[str]) -> PlannedTask:
    """Leave keys away; what is left has a name of its own."""
    kept = tuple(planned for planned in task.keys if planned[0] not in without)
    return plans.named(task.model_copy(update={"keys": kept}))


def _entry(project: Project, task: PlannedTask, detected_at: str) -> dict[str, Any]:
    """Describe a task as `gaps.json` does."""
    states = Counter(state for _, state, _ in task.keys)
    minutes = project.contract.data_sets[task.data_set].declared.minutes_per_file
    return {
        **task.model_dump(exclude={"keys"}),
        **{f"{state}_files": states[state] for state in OPEN_STATES},
        "keys_path": f"{TASK_KEYS}.parquet",
        "estimated_time_minutes": round(len(task.keys) * minutes, 2),
        "detected_at": detected_at,
    }


def _lay_out(state: State, tasks: Sequence[PlannedTask], now: OpenKeys) -> None:
    """Add the tasks that the table of the queue's keys does not hold, unless the table has changed meanwhile."""
    for _ in range(TRIES):
        before = state.store.head(f"{TASK_KEYS}.parquet")
        if before is None or _added(state, tasks, now, before.etag):
            return
    raise LakeError(
        "is written again and again meanwhile", where=f"{state.store.url}/{TASK_KEYS}.parquet", hint="try again later"
    )


def _added(state: State, tasks: Sequence[PlannedTask], now: OpenKeys, etag: str) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = state.read_table(TASK_KEYS)
    known = set(table["task_id"].to_pylist())
    rows = [row for task in tasks if task.id not in known for row in _rows(task, now)]
    if not rows:
        return True
    with tempfile.TemporaryDirectory(prefix="adce-plan-") as folder:
        path = Path(folder) / "keys.parquet"
        both = pa.concat_tables([table, pa.Table.from_pylist(rows, schema=table.schema)])
        pq.write_table(both, path, compression="zstd")
        try:
            state.store.put_if_match(f"{TASK_KEYS}.parquet", path, etag)
        except ConditionFailedError:
            return False
    return True


def _rows(task: PlannedTask, now: OpenKeys) -> Iterator[dict[str, Any]]:
    for position, (key, key_state, etag) in enumerate(task.keys):
        values = (task.id, position, task.source, task.data_type, task.season, now[key]["entity"], key, key_state, etag)
        yield dict(zip(TASK_KEY_COLUMNS, values, strict=True))
