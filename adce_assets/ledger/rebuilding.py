"""The entries of a ledger in, how each key stands out: what the rows of the keys say is made from the entries again.

The entries are the truth, and must fit together; where they do not, nothing is made from them.
"""

from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa

from adce_assets.errors import LedgerError
from adce_assets.ledger.chain import Fault, Written, replay
from adce_assets.ledger.database import Database, entries, keys
from adce_assets.ledger.rows import Row, row_of
from adce_assets.ledger.verifying import KEYS_AT_ONCE, all_by_key, faults_of_the_entries, unheard_of
from adce_assets.progress import Progress

STAGE = "rebuild"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many keys there are; how many stood otherwise than their entries say; how many had no entries, and went."""

    keys: int
    mended: int
    removed: int


def rebuilt(database: Database, connection: sa.Connection, *, progress: Progress) -> Rebuilt:
    """Make the rows of the keys from the entries again, in a transaction that alone may write.

    Raises:
        LedgerError: the entries do not fit together.
    """
    total = connection.scalar(sa.select(sa.func.count()).select_from(entries)) or 0
    for fault in faults_of_the_entries(connection, total):
        raise _refused(database, fault)
    groups, found, mended, done = all_by_key(connection), 0, 0, 0
    while batch := list(islice(groups, KEYS_AT_ONCE)):
        rows = {key: _row(database, written) for key, written in batch}
        kept = connection.execute(sa.select(keys).where(database.among(keys.c.key, rows)))
        right = {row.key for row in kept if tuple(row) == rows[row.key]}
        wrong = [row for key, row in rows.items() if key not in right]
        if wrong:
            database.put(connection, [], wrong)
        found, mended = found + len(rows), mended + len(wrong)
        done += sum(len(written) for _, written in batch)
        progress(STAGE, done, total)
    removed = connection.execute(sa.delete(keys).where(unheard_of())).rowcount
    return Rebuilt(found, mended, removed)


def _row(database: Database, written: list[Written]) -> Row:
    replayed = replay(written)
    if replayed.faults or replayed.state is None:
        raise _refused(database, replayed.faults[0])
    return row_of(replayed.state, replayed.detail)


def _refused(database: Database, fault: Fault) -> LedgerError:
    place = f"entry {fault.seq:,}: " if fault.seq else ""
    hint = "`adce ledger verify` says what else was changed; restore the database from a backup"
    what = f"nothing can be made from entries that were changed: {place}{fault.what}"
    return LedgerError(what, where=database.url, hint=hint)
