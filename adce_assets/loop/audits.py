"""Objects in, verdicts out: whether the first and last bytes of an object can be what its key says.

A listing shows sizes, not contents; a page of HTML under a ``.json`` key looks like data to it. Each version of an
object is looked at once and the look remembered; at most a configured number are looked at in one run, newest first,
so that the whole lake is known after enough runs.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from adce_assets.errors import ObjectNotFoundError
from adce_assets.lake.sniff import LOOK, sniff
from adce_assets.lake.store import LakeStore
from adce_assets.loop.project import Project
from adce_assets.loop.state import VERDICTS
from adce_assets.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa

IDENTITY = ["key", "etag", "last_modified"]

Identity = tuple[str, str, datetime]
"""What tells one version of an object from another; an inventory report may lack the ETags."""


def refresh(project: Project, data: "pa.Table", faults: Mapping[Identity, str], progress: Progress) -> "pa.Table":
    """Look at objects of ``data`` that nobody has looked at; return, and remember, what is known of all that are there.

    The table has the columns of `IDENTITY`, ``look`` (what a look at the ends found: "" for nothing wrong, null where
    nobody has looked) and ``verdict`` (null: nothing wrong), sorted by key. ``faults`` are what closer reading finds;
    they stand above a look for as long as they are found.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    known = _remembered(project).join(data.select(IDENTITY), IDENTITY, join_type="inner")
    unseen = data.join(known.select(IDENTITY), IDENTITY, join_type="left anti")
    newest = unseen.sort_by([("last_modified", "descending"), ("key", "ascending")])
    looks = pa.concat_tables([known, _look_at(project, newest, progress)])
    found = looks.join(_table("fault", faults), IDENTITY, join_type="full outer").sort_by("key")
    seen_wrong = pc.if_else(pc.equal(found["look"], ""), pa.scalar(None, pa.string()), found["look"])
    verdicts = pc.coalesce(found["fault"], seen_wrong)
    table = found.select([*IDENTITY, "look"]).append_column("verdict", verdicts)
    project.state.write_table(VERDICTS, table)
    return table


def _remembered(project: Project) -> "pa.Table":
    """Recall the looks of earlier runs; what cannot be recalled is looked at again."""
    import pyarrow.compute as pc

    nothing = _table("look", {})
    table = project.state.recall(VERDICTS, nothing.column_names)
    return nothing if table is None else table.filter(pc.is_valid(table["look"]))


def _look_at(project: Project, objects: "pa.Table", progress: Progress) -> "pa.Table":
    """Look at the first objects, as many as one run may; those that have gone since they were listed have no look."""
    limits = project.settings.reconciliation.s3
    rows = objects.slice(0, limits.audit_objects_per_run).to_pylist()
    looks: dict[Identity, str] = {}
    with ThreadPoolExecutor(limits.read_workers) as pool:
        found = pool.map(lambda row: _look(project.lake, row["key"], row["size"]), rows)
        for done, (row, look) in enumerate(zip(rows, found, strict=True), start=1):
            if look is not None:
                looks[row["key"], row["etag"], row["last_modified"]] = look
            progress("audit", done, len(rows))
    return _table("look", looks)


def _look(lake: LakeStore, key: str, size: int) -> str | None:
    """Return what is wrong with an object, "" when nothing is, None when it has gone since it was listed."""
    try:
        head = lake.get(key, start=0, length=min(size, 2 * LOOK)) if size else b""
        tail = head if size <= 2 * LOOK else lake.get(key, start=size - LOOK, length=LOOK)
    except ObjectNotFoundError:
        return None
    return sniff(head, tail, PurePosixPath(key).suffix) or ""


def _table(column: str, texts: Mapping[Identity, str]) -> "pa.Table":
    import pyarrow as pa

    kinds = {"key": pa.string(), "etag": pa.string(), "last_modified": pa.timestamp("us", tz="UTC")}
    columns = {name: [identity[place] for identity in texts] for place, name in enumerate(IDENTITY)}
    columns[column] = list(texts.values())
    return pa.table({name: pa.array(values, kinds.get(name, pa.string())) for name, values in columns.items()})
