"""The entries of a key in, a proof out that anybody can check without the ledger.

Each entry is hashed anew, over the hash of the entry before it and that of its key's entry before it, and may follow
the one before it. A proof that was written down is hostile until checked: by itself it shows only that its entries fit
together, for anybody can hash what he has made up. What shows more is an entry's number and hash, kept elsewhere since
they were new: with those of one of its entries, this and all of the key's before it are what was written then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json import loads
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adce_assets.errors import LedgerError
from adce_assets.ledger.chain import Fault, Head, Written, canonical, moment_text, replay
from adce_assets.ledger.rows import row_of
from adce_assets.ledger.transitions import State

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class Proof:
    """What happened to a key, and what is wrong with it: with no faults, all of it fits together.

    Attributes:
        key: The key.
        state: Where it stands by its entries.
        written: Its entries, oldest first.
        head: The last entry of the ledger.
        faults: What was changed since.
    """

    key: str
    state: State
    written: tuple[Written, ...]
    head: Head
    faults: tuple[Fault, ...]

    def to_document(self) -> dict[str, Any]:
        """Write the proof down, for `check`."""
        return {
            "schema": 1,
            "key": self.key,
            "state": self.state.value,
            "head": {
                "seq": self.head.seq,
                "hash": self.head.hash,
                "at": None if self.head.at is None else moment_text(self.head.at),
            },
            "entries": [one._asdict() | {"detail": _told(one.detail)} for one in self.written],
            "faults": [{"seq": fault.seq, "what": fault.what} for fault in self.faults],
        }


class _Outside(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Head(_Outside):
    seq: int
    hash: Hash
    at: str | None


class _Entry(_Outside):
    seq: Annotated[int, Field(ge=1)]
    before: str
    at: str
    key: str
    event: str
    source: str
    data_type: str
    season: str
    run: str
    task: str
    detail: Any
    hash: str


class _Fault(_Outside):
    seq: int
    what: str


class _Document(_Outside):
    schema_: Annotated[int, Field(alias="schema", ge=1, le=1)]
    key: str
    state: str
    head: _Head
    entries: list[_Entry]
    faults: list[_Fault]


def proof_of(key: str, written: Sequence[Written], kept: tuple[Any, ...] | None, head: Head) -> Proof:
    """Prove what happened to a key; the arguments are those of `faults_of`, and the last entry of the ledger."""
    replayed = replay(written)
    state = replayed.state.state if replayed.state else State.UNTRACKED
    return Proof(key, state, tuple(written), head, faults_of(key, written, kept))


def faults_of(key: str, written: Sequence[Written], kept: tuple[Any, ...] | None) -> tuple[Fault, ...]:
    """Say what is wrong with a key.

    Args:
        key: The key.
        written: Its entries, oldest first.
        kept: Its row among the keys; None if there is none.
    """
    replayed = replay(written)
    if replayed.faults or kept == (row_of(replayed.state, replayed.detail) if replayed.state else None):
        return replayed.faults
    last = written[-1].seq if written else 0
    return (Fault(last, key, "the key does not stand as its entries say"),)


def check(document: Mapping[str, Any], kept: Head | None = None) -> tuple[Fault, ...]:
    """Check a proof that was written down; the faults that it tells of itself stay faults.

    Args:
        document: The proof.
        kept: The number and hash of one of its entries, or of the ledger's last one, from another place.

    Raises:
        LedgerError: it is no proof.
    """
    try:
        told = _Document.model_validate(document)
        written = [_written(one) for one in told.entries]
    except RecursionError as error:
        raise LedgerError("this is no proof of a key: it is nested too deeply", valid="schema 1") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise LedgerError(f"this is no proof of a key: `{place}`: {first['msg']}", valid="schema 1") from error
    except ValueError as error:
        raise LedgerError(f"this is no proof of a key: {error}", valid="schema 1") from error
    replayed = replay(written)
    faults = [*replayed.faults, *_belongs(told, written), *_of_what_was(told, kept)]
    state = replayed.state.state if replayed.state else State.UNTRACKED
    if not faults and state.value != told.state:
        faults.append(Fault(0, told.key, f"by its entries the key is `{state}`, not `{told.state}`"))
    told_itself = [Fault(fault.seq, told.key, fault.what) for fault in told.faults]
    return tuple(dict.fromkeys([*faults, *told_itself]))


def _written(one: _Entry) -> Written:
    texts = (one.before, one.at, one.key, one.event, one.source, one.data_type, one.season, one.run, one.task)
    return Written(one.seq, *texts, canonical(one.detail), one.hash)


def _belongs(told: _Document, written: Sequence[Written]) -> list[Fault]:
    """Say which entries are another key's, out of order, or behind the last one."""
    faults, last = [], 0
    for one in written:
        if one.key != told.key:
            faults.append(Fault(one.seq, one.key, "it is an entry of another key"))
        if not last < one.seq <= told.head.seq:
            faults.append(Fault(one.seq, one.key, "it is out of order"))
        if one.seq == told.head.seq and one.hash != told.head.hash:
            faults.append(Fault(one.seq, one.key, "it is not the last entry of the ledger"))
        last = one.seq
    return faults


def _of_what_was(told: _Document, kept: Head | None) -> list[Fault]:
    """Hold a proof against what was kept elsewhere."""
    if kept is None:
        return []
    known = {told.head.seq: told.head.hash} | {one.seq: one.hash for one in told.entries}
    if kept.seq not in known:
        return [Fault(kept.seq, told.key, "it is neither in the proof nor the last one, so it cannot be compared")]
    return [] if known[kept.seq] == kept.hash else [Fault(kept.seq, told.key, "it is not the one that was kept")]


def _told(detail: str) -> Any:
    """Show a detail as what it means; one that was not written by the ledger stays the text it is."""
    try:
        meant = loads(detail)
        return meant if canonical(meant) == detail else detail
    except (ValueError, RecursionError):
        return detail
