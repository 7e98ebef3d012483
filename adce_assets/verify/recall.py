"""Reports and the audit in, what one of them has lost and the other knows out.

The audit is committed with the rows of a season, and the report is kept after that: a run that is killed between the
two has left all that its report is made of. And each report tells how the audit ended: where that end was cut off, it
shows. Nothing is written here: `run` keeps what it finds, the commands show it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adce_assets.errors import VerifyError, WarehouseError
from adce_assets.lake.store import LakeStore
from adce_assets.ledger.chain import Head
from adce_assets.verify import audit, report
from adce_assets.verify.audit import Entry, Event, Told
from adce_assets.warehouse.database import Connection, Warehouse
from adce_assets.warehouse.tables import exists

CUT = "the audit has not the row that it names: its end was cut off, or it was written anew"
OTHER = "its file is not what was written: this is made of the rows that the audit has of the run"
CHANGED = "the audit's rows of the run are not those that it was made of"
ANEW = "its file is lost or was never kept: this is made of the rows that the audit has of the run"


@dataclass(frozen=True, slots=True)
class Recalled:
    """A report, what is to be said of it besides, and whether it and the audit do not fit together."""

    told: Mapping[str, Any]
    said: str = ""
    apart: bool = False


def recalled(
    files: LakeStore, warehouse: Warehouse, *, entity: str | None, season: str | None, run: str | None
) -> Recalled:
    """Find the newest report of what is asked for, None being all, kept or not, and hold it against the audit.

    One that is kept is told where the warehouse cannot be asked, too.

    Raises:
        VerifyError: there is none.
    """
    asked = {"entity": entity, "season": season, "run": run}
    try:
        kept = report.find(files, entity=entity, season=season, run=run)
    except VerifyError:
        anew = _lost(warehouse, asked)
        if anew is None:
            raise
        return Recalled(anew, ANEW)
    head = report.head_of(kept)
    try:
        with warehouse.transaction() as connection:
            anew = last(connection, asked, after=head.seq)
            if not audit.has(connection, head):
                return Recalled(anew or kept, CUT, apart=True)
            return Recalled(anew, ANEW) if anew else _held_against(connection, kept, head)
    except WarehouseError as error:
        return Recalled(kept, f"it was not held against the audit: {error}")


def _held_against(connection: Connection, kept: Mapping[str, Any], head: Head) -> Recalled:
    """Hold a report against the rows that it was made of: they tell the part of it, too, that its digest leaves out."""
    found = connection.rows("SELECT seq, run, entity, season FROM verify_audit WHERE seq = ?", (head.seq,))
    try:
        anew = report.of_audit(_rows_of(connection, *found[0]))
    except VerifyError:
        return Recalled(kept, CHANGED, apart=True)
    same = report.body_of(anew) == report.body_of(kept)
    return Recalled(kept) if same else Recalled(anew, OTHER, apart=True)


def _lost(warehouse: Warehouse, asked: Mapping[str, str | None]) -> dict[str, Any] | None:
    try:
        with warehouse.transaction() as connection:
            return last(connection, asked)
    except WarehouseError:
        return None


def last_kept(files: LakeStore, entity: str, season: str) -> Head | None:
    """Say how the audit ended by the last report of a season; None where that is not there, or is none."""
    try:
        return report.head_of(report.read(files, report.latest_key(entity, season)))
    except VerifyError:
        return None


def held(
    connection: Connection, entity: str, season: str, kept: Head | None
) -> tuple[Mapping[str, Any] | None, list[Told]]:
    """Hold the audit against the last report of a season that is kept.

    Returns:
        The report of a later run, which was lost; and what is to be written down where rows of the audit are gone.
    """
    cut = []
    if kept and not audit.has(connection, kept):
        cut.append(Told(Event.CUT, report.latest_key(entity, season), "cut", {"head": str(kept), "says": CUT}))
    try:
        return last(connection, {"entity": entity, "season": season}, after=kept.seq if kept else 0), cut
    except VerifyError:  # the audit was changed, which `adce verify show` tells; there is nothing to make a report of
        return None, cut


def last(connection: Connection, asked: Mapping[str, str | None], *, after: int = 0) -> dict[str, Any] | None:
    """Make the report anew of the last run that ended after a row of the audit, of an entity, season or id if asked.

    Raises:
        VerifyError: the audit's rows are not those that the report was made of.
    """
    if not exists(connection, audit.TABLE):
        return None
    wanted = {name: value for name, value in asked.items() if value is not None}
    where = "".join(f" AND {name} = ?" for name in wanted)
    found = connection.rows(
        "SELECT seq, run, entity, season FROM verify_audit "
        f"WHERE event = 'ended' AND state <> 'broken' AND seq > ?{where} ORDER BY seq DESC LIMIT 1",
        (after, *wanted.values()),
    )
    return report.of_audit(_rows_of(connection, *found[0])) if found else None


def _rows_of(connection: Connection, end: int, run: str, entity: str, season: str) -> list[Entry]:
    """List the rows of a run up to one, from when it began for the last time."""
    rows: list[Entry] = []
    for row in audit.entries(connection, run):
        if row.seq <= end and (row.entity, row.season) == (entity, season):
            rows = [] if row.event == Event.STARTED else rows
            rows.append(row)
    return rows
