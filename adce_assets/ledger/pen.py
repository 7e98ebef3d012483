"""What happened to keys in, rows of the database out: entries are hashed, chained and written inside one transaction.

Who may write, and when, is said by `book`; which event may follow by `keys`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import sqlalchemy as sa

from adce_assets.errors import LedgerError, printable
from adce_assets.ledger.chain import Head, canonical, digest, moment_text
from adce_assets.ledger.database import Database, head, keepable
from adce_assets.ledger.keys import KeyState, Transition, advance
from adce_assets.ledger.rows import row_of, text_of
from adce_assets.ledger.transitions import Event, State

_EVENTS = {event: event.value for event in Event}


class Refused(NamedTuple):
    """A transition that was left out, and the state in which its key stood."""

    transition: Transition
    state: State


@dataclass(slots=True)
class Pen:
    """Writes entries at the end of a ledger.

    Attributes:
        database: Where the ledger is kept.
        connection: The transaction that alone may append.
        head: The last entry so far.
    """

    database: Database
    connection: sa.Connection
    head: Head

    def write(self, transitions: Sequence[Transition], known: dict[str, KeyState]) -> list[Refused]:
        """Add transitions, of keys that stand as ``known``; return those that were left out."""
        refused, changed, added = [], {}, []
        seq, last, at = self.head.seq, self.head.hash, self.head.at
        details: dict[int, str] = {}  # many of them share one
        for transition in transitions:
            before, texts, told = known.get(transition.key), self._texts(transition), id(transition.detail)
            detail = details.get(told) or details.setdefault(told, self._detail(transition))
            own = digest(seq + 1, last, before.hash if before else "", texts, detail)
            after = self._after(before, transition, seq + 1, own)
            if after is None:
                refused.append(Refused(transition, before.state if before else State.UNTRACKED))
                continue
            seq, last, at = seq + 1, own, transition.at
            known[transition.key] = after
            changed[transition.key] = detail
            added.append((seq, *texts, detail, own))
        if added:
            rows = [row_of(known[key], detail) for key, detail in changed.items()]
            self.database.put(self.connection, added, rows)
        self.head = Head(seq, last, at)
        return refused

    def close(self) -> None:
        """Keep which entry is the last."""
        told = {"seq": self.head.seq, "hash": self.head.hash, "at": text_of(self.head.at) or ""}
        self.connection.execute(sa.update(head).values(told))

    def _texts(self, transition: Transition) -> tuple[str, ...]:
        """Write the parts of an entry as they are hashed and kept, all but its detail."""
        key, event, source, data_type, season, at, run, task, *_ = transition
        try:
            texts = (moment_text(at), key, _EVENTS[event], source, data_type, season, run, task)
            can_be_kept = keepable("".join(texts))
        except (KeyError, TypeError, ValueError) as error:
            self._refuse(transition, str(error), error)
        if not can_be_kept:
            self._refuse(transition, "a text with a NUL or half a letter cannot be kept")
        return texts

    def _detail(self, transition: Transition) -> str:
        try:
            return canonical(dict(transition.detail))
        except (TypeError, ValueError, RecursionError) as error:
            self._refuse(transition, str(error), error)

    def _after(self, before: KeyState | None, transition: Transition, seq: int, own: str) -> KeyState | None:
        try:
            return advance(before, transition, seq=seq, entry_hash=own)
        except (TypeError, ValueError) as error:
            self._refuse(transition, str(error), error)

    def _refuse(self, transition: Transition, why: str, cause: Exception | None = None) -> NoReturn:
        what = f"`{transition.event}` of `{printable(transition.key)}` is not as it should be: {why}"
        raise LedgerError(what, where=self.database.url) from cause
