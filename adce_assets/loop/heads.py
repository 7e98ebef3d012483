"""The ledger's last entry in, kept in the state: what was written up to there shows later that nobody has changed it.

Whoever can write to the ledger's database can write all of it anew, or bring back an older copy, and it fits together.
The state is another place: what was kept there last must still be in the ledger. If it is not, it stays as it is, for
it is the evidence, until a person removes it.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adce_assets.errors import LakeError, VerifyError, printable
from adce_assets.ledger.book import Ledger
from adce_assets.ledger.chain import Head, moment_text
from adce_assets.loop.state import LEDGER_HEAD, State

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """The last entry of the ledger; and that which was kept before, if the ledger does not hold it any more."""

    head: Head
    lost: Head | None = None


def keep(state: State, ledger: Ledger, now: datetime) -> Kept:
    """Keep the ledger's last entry, unless what was kept before is not there any more: then say so, and leave that.

    Args:
        state: Where it is kept.
        ledger: The ledger; of another database than the one of which a head is kept, its own is kept in the place.
        now: The time (UTC).

    Raises:
        LakeError: the state cannot be written.
        LedgerError: the ledger cannot be used.
    """
    head = ledger.head()
    try:
        before = last(state, ledger.url)
    except (LakeError, VerifyError) as error:
        logger.warning("the head of the ledger that was kept cannot be read, and stays as it is: %s", error)
        return Kept(head)
    if before is not None and not ledger.holds(before):
        logger.error("the ledger does not hold entry %s any more, which was its last one: `adce ledger verify`", before)
        return Kept(head, before)
    if before is None or before.seq < head.seq:
        told = {"kept_at": moment_text(now), "ledger": ledger.url, "head": str(head)}
        state.write_json(LEDGER_HEAD, told, volatile=("kept_at",))
    return Kept(head)


def last(state: State, ledger: str) -> Head | None:
    """Read which entry of a ledger was kept last; None if none is.

    Args:
        state: Where it is kept.
        ledger: The URL of the ledger, without its password.

    Raises:
        LakeError: the state cannot be read.
        VerifyError: what is kept is no head.
    """
    if state.store.head(f"{LEDGER_HEAD}.json") is None:
        return None
    told = state.read_json(LEDGER_HEAD, hint=HINT)
    return _head(state, told) if told.get("ledger") == ledger else None


HINT = "if the ledger was meant to be replaced, remove the file: the next reconciliation keeps another head"


def _head(state: State, told: dict[str, Any]) -> Head:
    try:
        return Head.parse(str(told.get("head")))
    except ValueError as error:
        where = f"{state.store.url}/{LEDGER_HEAD}.json"
        raise VerifyError(printable(str(error)), where=where, hint=HINT) from error
