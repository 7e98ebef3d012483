"""Receipts in, the objects that the loop itself has written since a moment out, so that none is fetched twice.

A report is a day or two old when it is read; what the loop wrote meanwhile stands in the receipts of its runs. Each
file of receipts is read once and remembered. What others wrote is known from listings alone.
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
from adce_assets.loop.ranges import LAST_CHARACTER
from adce_assets.loop.state import RECEIPTS

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)


def since(project: Project, moment: datetime) -> tuple["pa.Table", int]:
    """List what was written since a moment (UTC), one row a receipt: file, key, size and last_modified.

    Returns:
        The rows, and the LIST requests that they took.

    Raises:
        LakeError: the receipts could not be listed or read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    stretch = KeyRange(receipts_since(date(moment.year, moment.month, moment.day)), FOLDER + LAST_CHARACTER)
    listed = listing.take(project.lake, ranges=[stretch], exclude=())
    files = listed.objects["key"].to_pylist()
    names = [field.name for field in _schema()]
    recalled = project.state.recall(RECEIPTS, names) if files else None
    known = _schema().empty_table() if recalled is None else recalled
    known = known.filter(pc.is_in(known["file"], pa.array(files, pa.string())))
    fresh = sorted(set(files) - set(known["file"].to_pylist()))
    with ThreadPoolExecutor(project.settings.reconciliation.s3.read_workers) as pool:
        rows = [row for found in pool.map(lambda file: list(_read(project, file)), fresh) for row in found]
    if rows:
        known = pa.concat_tables([known, pa.Table.from_pylist(rows, schema=_schema())]).sort_by("file")
        project.state.write_table(RECEIPTS, known)
    fresh_enough = pc.greater_equal(known["last_modified"], pa.scalar(moment, _schema().field("last_modified").type))
    return known.filter(fresh_enough), listed.requests


def _read(project: Project, file: str) -> Iterator[dict[str, Any]]:
    """Read a file of receipts; one that cannot be believed tells nothing, and is read again next time."""
    try:
        receipts = read_receipts(file, project.lake.get(file))
    except (VerifyError, ObjectNotFoundError) as error:
        logger.warning("receipts passed over: %s", error)
        return
    for receipt in receipts:
        yield {"file": file, "key": receipt.key, "size": receipt.bytes, "last_modified": receipt.promoted_at}


def _schema() -> "pa.Schema":
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    return pa.schema([("file", pa.string()), ("key", pa.string()), ("size", pa.int64()), ("last_modified", moment)])
