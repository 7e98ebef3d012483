"""Objects in, verdicts out: whether the first and last bytes of an object can be what its key says.

A listing shows sizes, not contents; a page of HTML under a ``.json`` key looks like data to it. Each object is looked
at once and the verdict remembered under its key and etag; at most a configured number are looked at in one run,
newest first, so that the whole lake is known after enough runs.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
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

IDENTITY = ["key", "etag"]

Identity = tuple[str, str]
"""The key and etag of an object: other bytes under the same key are another object."""


def refresh(project: Project, data: "pa.Table", faults: Mapping[Identity, str], progress: Progress) -> "pa.Table":
    """Look at objects of ``data`` that have no verdict yet; remember and return the verdicts of all that have one.

    The table has the columns ``key``, ``etag`` and ``verdict`` (null: nothing wrong), sorted by key. ``faults`` are
    verdicts that closer reading has reached; they stand above a look at the ends.
    """
    import pyarrow as pa

    remembered = project.state.read_table(VERDICTS) if project.state.has(VERDICTS) else _table({})
    known = remembered.join(data.select(IDENTITY), IDENTITY, join_type="inner")
    unseen = data.join(known.select(IDENTITY), IDENTITY, join_type="left anti")
    newest = unseen.sort_by([("last_modified", "descending"), ("key", "ascending")])
    limits = project.settings.reconciliation.s3
    rows = newest.slice(0, limits.audit_objects_per_run).to_pylist()
    verdicts: dict[Identity, str | None] = {}
    with ThreadPoolExecutor(limits.read_workers) as pool:
        looks = pool.map(lambda row: _look(project.lake, row["key"], row["size"]), rows)
        for done, (row, look) in enumerate(zip(rows, looks, strict=True), start=1):
            if look is not None:
                verdicts[row["key"], row["etag"]] = look or None
            progress("audit", done, len(rows))
    new = _table({**verdicts, **faults})
    kept = known.join(new.select(IDENTITY), IDENTITY, join_type="left anti")
    table = pa.concat_tables([kept, new]).sort_by("key")
    project.state.write_table(VERDICTS, table)
    return table


def _look(lake: LakeStore, key: str, size: int) -> str | None:
    """Return what is wrong with an object, "" when nothing is, None when it has gone since it was listed."""
    try:
        head = lake.get(key, start=0, length=min(size, 2 * LOOK)) if size else b""
        tail = head if size <= 2 * LOOK else lake.get(key, start=size - LOOK, length=LOOK)
    except ObjectNotFoundError:
        return None
    return sniff(head, tail, PurePosixPath(key).suffix) or ""


def _table(verdicts: Mapping[Identity, str | None]) -> "pa.Table":
    import pyarrow as pa

    columns = {
        "key": [key for key, _ in verdicts],
        "etag": [etag for _, etag in verdicts],
        "verdict": list(verdicts.values()),
    }
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
