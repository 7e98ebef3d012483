"""The ledger's last entry in, kept in the state: what was written up to there shows later that nobody has changed it.

Whoever can write to the ledger's database can write all of it anew, or bring back an older copy, and it fits together.
The state is another place: what was kept there last must still be in the ledger. If it is not, or cannot be read, it
stays as it is, for it is the evidence, until a person removes it. Of each database a head of its own is kept, for
machines that share a state may have a ledger each, in files of one path too.
"""

import logging
import socket
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
    """The last entry of the ledger; and what is wrong with that which was kept before, in words: "" for nothing."""

    head: Head
    lost: str = ""


def keep(state: State, ledger: Ledger, now: datetime) -> Kept:
    """Keep the ledger's last entry, unless what was kept before is not there any more: then say so, and leave that.

    Args:
        state: Where it is kept.
        ledger: The ledger.
        now: The time (UTC).

    Raises:
        LakeError: the state cannot be written.
        LedgerError: the ledger cannot be used.
    """
    head = ledger.head()
    try:
        kept, before = _heads(state), last(state, ledger.url)
    except (LakeError, VerifyError) as error:
        return _lost(head, f"the head of the ledger that was kept cannot be read, and stays as it is: {error}")
    if before is not None and not ledger.holds(before):
        return _lost(head, f"the ledger does not hold entry {before} any more, which was its last one")
    if before is None or before.seq < head.seq:
        told = {"kept_at": moment_text(now), "heads": {**kept, name_of(ledger.url): str(head)}}
        state.write_json(LEDGER_HEAD, told, volatile=("kept_at",))
    return Kept(head)


def _lost(head: Head, what: str) -> Kept:
    logger.error("%s: `adce ledger verify`", what)
    return Kept(head, what)


def name_of(ledger: str) -> str:
    """Return by what name the head of a ledger is kept: its URL, and the machine where that is a file of one."""
    return f"{ledger} on {socket.gethostname()}" if ledger.startswith("sqlite:") else ledger


def last(state: State, ledger: str) -> Head | None:
    """Read which entry of a ledger was kept last; None if none is.

    Args:
        state: Where it is kept.
        ledger: The URL of the ledger, without its password.

    Raises:
        LakeError: the state cannot be read.
        VerifyError: what is kept is no head.
    """
    told = _heads(state).get(name_of(ledger))
    if told is None:
        return None
    try:
        return Head.parse(str(told))
    except ValueError as error:
        raise VerifyError(printable(str(error)), where=_where(state), hint=HINT) from error


HINT = (
    "it is the evidence: Dagster's metadata of `task_queue` has heads of before. If it was broken by accident, or the "
    "ledger was replaced on purpose, remove the file: the next reconciliation keeps another head"
)


def _heads(state: State) -> dict[str, Any]:
    """Read the heads by the name of their ledger."""
    if state.store.head(f"{LEDGER_HEAD}.json") is None:
        return {}
    heads = state.read_json(LEDGER_HEAD, hint=HINT).get("heads")
    if not isinstance(heads, dict):
        raise VerifyError("holds no heads", where=_where(state), hint=HINT)
    return heads


def _where(state: State) -> str:
    return f"{state.store.url}/{LEDGER_HEAD}.json"
