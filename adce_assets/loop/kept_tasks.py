"""A queue in, the keys of its tasks out: for as long as a command runs them, whatever becomes of the queue meanwhile.

A reconciliation cuts the open keys into tasks anew, and then knows nothing of those before. A command that has chosen
tasks holds the table of their keys as it was, and hands its place to its runs, which may be processes of their own. A
run that nobody has handed anything reads the newest table.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from pathlib import Path
from typing import Any

from adce_assets.errors import LakeError
from adce_assets.loop.state import TASK_KEYS, State
from adce_assets.loop.tasks import TaskKey, task_keys

current_table: ContextVar[Path | None] = ContextVar("current_table", default=None)
"""The table of tasks that the runs of this context were handed; None: the newest one."""


@contextmanager
def kept(state: State, queue: Mapping[str, Any]) -> Iterator[Path]:
    """Hold the table with the keys of a queue's tasks for the length of the block.

    Raises:
        LakeError: a reconciliation has made another queue since this one was read; or the table cannot be read.
    """
    import pyarrow.parquet as pq

    with state.local(TASK_KEYS) as path:
        known = pq.read_table(path, columns=["task_id"], partitioning=None)["task_id"].unique().to_pylist()
        lost = {task["id"] for task in queue["tasks"]}.difference(known)
        if lost:
            raise LakeError(
                f"the queue was made anew meanwhile: {len(lost):,} of {len(queue['tasks']):,} task(s) are not in it",
                where=f"{state.store.url}/{TASK_KEYS}",
                hint="give the command again; nothing was collected",
            )
        yield path


@contextmanager
def handed(table: Path | None) -> Iterator[None]:
    """Let the runs of the block find their tasks in a table that is held; None: in the newest one."""
    token = current_table.set(table)
    try:
        yield
    finally:
        current_table.reset(token)


def keys_of(state: State, task_ids: Collection[str]) -> list[TaskKey]:
    """Read the keys of tasks in the order of their queue: that of the command, or else the newest; none of others."""
    import pyarrow.parquet as pq

    path = current_table.get()
    if path is None or not task_ids:
        return task_keys(state, task_ids)
    names = [field.name for field in fields(TaskKey)]
    where = [("task_id", "in", set(task_ids))]
    return [TaskKey(**row) for row in pq.read_table(path, columns=names, filters=where, partitioning=None).to_pylist()]
