"""A cell in, every key of it that is due out: for a person who wants all of it again, not only what is open.

Keys that plainly are present stand in no table one by one, so they are made anew from the contract and the events.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from adce_assets.contract.expected import cells, places
from adce_assets.loop.project import Project
from adce_assets.loop.records import CELL
from adce_assets.loop.state import COVERAGE, ESTIMATES, SCHEDULE
from adce_assets.loop.tasks import TaskKey, open_keys
from adce_assets.moments import MOMENT
from adce_assets.tables import engine


def due_keys(
    project: Project, source: str, data_type: str, season: str, *, older_than: datetime | None = None
) -> list[TaskKey]:
    """List the keys of a cell that are due: the open ones, newest event first, then those that may be there, by key.

    The ETag of an object that is there is asked of the lake; where there is none, there is none to replace.

    Args:
        project: The installation.
        source: The source of the cell.
        data_type: Its data type.
        season: Its season.
        older_than: Objects that were written then (UTC) or later are left away: a refresh goes on where it ended.

    Raises:
        LakeError: there is no coverage yet, or the lake cannot be asked.
    """
    cell = (source, data_type, season)
    told = _told(project, cell)
    others = [row | {"state": told.get(row["place"], "present")} for row in _expected(project, cell)]
    others = [row for row in others if row["state"] in {"present", "unknown"}]
    with ThreadPoolExecutor(project.settings.reconciliation.s3.read_workers) as pool:
        heads = list(pool.map(lambda row: project.lake.head(row["place"]), others))
    return [
        *open_keys(project.state, *cell),
        *(
            TaskKey("", *cell, row["entity"], row["place"], row["state"], None if head is None else head.etag)
            for row, head in zip(others, heads, strict=True)
            if head is None or older_than is None or head.last_modified < older_than
        ),
    ]


def _told(project: Project, cell: tuple[str, str, str]) -> dict[str, str]:
    """Read the states of the cell's keys that stand in the coverage one by one."""
    import pyarrow.parquet as pq

    where = [(name, "=", value) for name, value in zip(CELL, cell, strict=True)]
    with project.state.local(COVERAGE) as path:
        rows = pq.read_table(path, columns=["key", "state"], filters=where, partitioning=None).to_pylist()
    return {row["key"]: row["state"] for row in rows if row["key"] is not None}


def _expected(project: Project, cell: tuple[str, str, str]) -> Iterator[dict[str, Any]]:
    """Make the keys of the cell that can still be collected: of some data only the present can be had."""
    import ibis

    now = project.clock()
    limits = project.settings.reconciliation.engine
    rows = {at: row for at, row in enumerate(cells(project.contract, now)) if tuple(row[name] for name in CELL) == cell}
    with (
        project.state.local(SCHEDULE) as scheduled,
        project.state.local(ESTIMATES) as estimated,
        engine(**limits.model_dump()) as backend,
    ):
        events = [backend.read_parquet(path) for path in (scheduled, estimated)]
        table = places(project.contract, rows, events[0].union(events[1].select(*events[0].columns)), now)
        first = table.filter(table["rank"] == 0, table.place.notnull())
        for lost in (row["lost_seconds"] for row in rows.values() if row["lost_seconds"] is not None):
            first = first.filter(first.event_at > ibis.literal(now - timedelta(seconds=lost), MOMENT))
        yield from first.select("place", "entity").order_by("place").to_pyarrow().to_pylist()
