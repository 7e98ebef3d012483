"""An entry and what stood before it in, its hash out: what makes a changed, missing or moved entry show.

Each entry's hash is taken over the entry, the hash of the entry before it, and the hash of its key's entry before it:
of all entries in a row, and of each key's own. Where they are kept is not known here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from json import JSONEncoder, loads
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

from adce_assets.ledger.keys import KeyState, Transition, advance
from adce_assets.ledger.transitions import Event, State

GENESIS = "0" * 64
"""The hash that the first entry names as the one before it; a key's first entry names none (an empty text)."""

_KEPT = re.compile(r"(\d{1,18}):([0-9a-f]{64})", re.ASCII)

canonical = JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
"""Write a detail in the one way in which it is hashed and kept: sorted, without spaces, in ASCII."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry: its number (0: there is none), its hash and its moment."""

    seq: int
    hash: str
    at: datetime | None

    def __str__(self) -> str:
        """Write it as a person keeps it elsewhere, to hold the ledger against it later."""
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Read what a person has kept; ValueError for anything else."""
        match = _KEPT.fullmatch(text)
        if match is None:
            message = f"`{text[:90]}` is no head; valid: SEQ:HASH, as `adce ledger verify` tells it"
            raise ValueError(message)
        return cls(int(match[1]), match[2], None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the ledger; ``before`` is the hash of the entry before it, empty if that is gone."""

    seq: int
    before: str
    at: datetime
    key: str
    event: Event
    source: str
    data_type: str
    season: str
    run: str
    task: str
    detail: Mapping[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an entry (0: with the ledger as a whole), and with which key."""

    seq: int
    key: str
    what: str


@lru_cache(maxsize=1024)
def moment_text(moment: datetime) -> str:
    """Write a moment as it is hashed and kept: UTC with microseconds; ValueError if it has no time zone.

    What happens together shares its moments, so that the last few are remembered.
    """
    if moment.utcoffset() is None:
        message = f"{moment} has no time zone"
        raise ValueError(message)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def digest(seq: int, before: str, key_before: str, texts: Iterable[str], detail: str) -> str:
    """Hash an entry.

    Args:
        seq: Its number.
        before: The hash of the entry before it.
        key_before: The hash of its key's entry before it, empty if it is the first.
        texts: Its moment, key, event, source, data type, season, run and task.
        detail: Its detail, `canonical`.

    Returns:
        The SHA-256, in hexadecimal digits, of a JSON list of all these in this order, without spaces and in ASCII.
    """
    told = ",".join(map(quoted, (before, key_before, *texts)))
    return sha256(f"[{seq},{told},{detail}]".encode("ascii")).hexdigest()


class Written(NamedTuple):
    """An entry as it is kept: ``before`` is looked up, every other text is what was hashed."""

    seq: int
    before: str
    at: str
    key: str
    event: str
    source: str
    data_type: str
    season: str
    run: str
    task: str
    detail: str
    hash: str

    def entry(self) -> Entry:
        """Read it; ValueError or TypeError if it is no entry."""
        seq, before, at, key, event, source, data_type, season, run, task, detail, own = self
        moment, told = datetime.fromisoformat(at), loads(detail)
        if moment_text(moment) != at:
            message = f"`{at}` is not how a moment is kept"
            raise ValueError(message)
        return Entry(seq, before, moment, key, Event(event), source, data_type, season, run, task, told, own)


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a key stands by its entries, the detail of the last one as it is kept, and what is wrong with them."""

    state: KeyState | None
    detail: str
    faults: tuple[Fault, ...]


def replay(written: Iterable[Written]) -> Replayed:
    """Go through a key's entries, oldest first: each as it was written, in its place, and where it may follow.

    What stands on an entry that is wrong is not held against it: only its own hash is looked at.
    """
    state, detail, key_before, faults = None, "", "", []
    for one in written:
        what = _wrong(one, key_before)
        if what is None and not faults:
            after, what = _follows(state, one)
            state, detail = after or state, one.detail
        if what:
            faults.append(Fault(one.seq, one.key, what))
        key_before = one.hash
    return Replayed(state, detail, tuple(faults))


def _wrong(one: Written, key_before: str) -> str | None:
    if not one.before:
        return f"the entry before it, {one.seq - 1}, is gone"
    try:
        if digest(one.seq, one.before, key_before, one[2:-2], one.detail) != one.hash:
            return "it is not what was written, or not in its place"
    except (TypeError, ValueError) as error:
        return f"it is no entry: {error}"
    return None


def _follows(state: KeyState | None, one: Written) -> tuple[KeyState | None, str | None]:
    """Say how the key stands after an entry, or what is wrong with it."""
    try:
        after = advance(state, _transition(one.entry()), seq=one.seq, entry_hash=one.hash)
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        return None, f"it is no entry: {error}"
    return after, None if after else f"it may not follow `{state.state if state else State.UNTRACKED}`"


def _transition(entry: Entry) -> Transition:
    return Transition(
        entry.key,
        entry.event,
        entry.source,
        entry.data_type,
        entry.season,
        entry.at,
        entry.run,
        entry.task,
        entry.detail,
    )
