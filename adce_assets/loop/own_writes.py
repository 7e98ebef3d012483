"""Receipts in, the objects that the loop itself has written since a moment out, so that none is fetched twice.

A report is a day or two old when it is read; what the loop wrote meanwhile stands in the receipts of its runs. Each
file of receipts is read once and remembered, and so is that one could not be believed. What others wrote is known from
listings alone.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from adce_assets.errors import ObjectNotFoundError, VerifyError
from adce_assets.lake import listing
from adce_assets.lake.store import KeyRange
from adce_assets.ledger.receipts import RECEIPTS as FOLDER
from adce_assets.ledger.receipts import read_receipts, receipts_since
from adce_assets.loop.project import Project
from adce_assets.loop.state import RECEIPTS

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)


LATER_THAN_ALL_DAYS = FOLDER + chr(ord("9") + 1)
"""What sorts behind the receipts of every day; names that begin with no digit are those of another layout."""


def since(project: Project, moment: datetime) -> tuple["pa.Table", int]:
    """List what was written since a moment (UTC), one row a receipt: file, key, size and last_modified.

    Returns:
        The rows, and the LIST requests that they took.

    Raises:
        LakeError: the receipts could not be listed or read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    stretch = KeyRange(receipts_since(date(moment.year, moment.month, moment.day)), LATER_THAN_ALL_DAYS)
    listed = listing.take(project.lake, ranges=[stretch], exclude=())
    known = _remembered(project, listed.objects)
    have = set(known["file"].to_pylist())
    files = zip(*(listed.objects[name].to_pylist() for name in ("key", "etag")), strict=True)
    fresh = [(file, etag) for file, etag in files if file not in have]
    with ThreadPoolExecutor(project.settings.reconciliation.s3.read_workers) as pool:
        rows = [row for found in pool.map(lambda file: list(_read(project, *file)), fresh) for row in found]
    if rows:
        known = pa.concat_tables([known, pa.Table.from_pylist(rows, schema=_schema())]).sort_by("file")
        project.state.write_table(RECEIPTS, known)
    fresh_enough = pc.greater_equal(known["last_modified"], pa.scalar(moment, _schema().field("last_modified").type))
    return known.filter(fresh_enough).select(["file", "key", "size", "last_modified"]), listed.requests


def _remembered(project: Project, listed: "pa.Table") -> "pa.Table":
    """Recall what was read of the files that are listed, as far as they are still the same."""
    import pyarrow.compute as pc

    recalled = project.state.recall(RECEIPTS, _schema().names) if listed.num_rows else None
    if recalled is None:
        return _schema().empty_table()
    same = pc.binary_join_element_wise(listed["key"], listed["etag"], "\n")
    read = pc.binary_join_element_wise(recalled["file"], recalled["etag"], "\n")
    return recalled.filter(pc.is_in(read, same.combine_chunks()))


def _read(project: Project, file: str, etag: str) -> Iterator[dict[str, Any]]:
    """Read a file of receipts; of one that cannot be believed nothing is told but that it has been read."""
    try:
        receipts = read_receipts(file, project.lake.get(file))
    except ObjectNotFoundError as error:
        logger.warning("receipts passed over: %s", error)
        return
    except VerifyError as error:
        logger.warning("receipts passed over: %s", error)
        yield {"file": file, "etag": etag}
        return
    for receipt in receipts:
        row = {"key": receipt.key, "size": receipt.bytes, "last_modified": receipt.promoted_at}
        yield {"file": file, "etag": etag, **row}


def _schema() -> "pa.Schema":
    """Return the columns of what is remembered; of a file that cannot be believed the last three are null."""
    import pyarrow as pa

    texts = [(name, pa.string()) for name in ("file", "etag", "key")]
    return pa.schema([*texts, ("size", pa.int64()), ("last_modified", pa.timestamp("us", tz="UTC"))])
