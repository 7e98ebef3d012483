"""What happened to keys in, how they stand out: the one record of every key of every gap, which is only added to.

Dagster knows runs, the ledger knows keys; neither copies the other. What may follow what is said by the table of
transitions, what a key's state remembers by `keys`, what proves an entry by `chain`, how the two databases do it by
`database`: here it is put together, in transactions.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

import sqlalchemy as sa

from adce_assets.errors import LedgerError, printable
from adce_assets.ledger import leases
from adce_assets.ledger.chain import Entry, Head, Written, moment_text
from adce_assets.ledger.database import PAGE, WRITTEN, Database, entries, head, keys, paged
from adce_assets.ledger.keys import KeyState, Transition
from adce_assets.ledger.pen import Pen, Refused
from adce_assets.ledger.proving import Proof, proof_of
from adce_assets.ledger.rebuilding import Rebuilt, rebuilt
from adce_assets.ledger.rows import moment_of, standing_of, state_of
from adce_assets.ledger.transitions import UNDER_WAY, Event, State
from adce_assets.ledger.verifying import Verification, holds, verified
from adce_assets.progress import Progress, silent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of transitions: how many are entries now, which were refused, and the last entry of the ledger."""

    entries: int
    refused: tuple[Refused, ...]
    head: Head


class Ledger:
    """The ledger of one database. Safe between processes and between threads.

    Args:
        database: Where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database, self.url = database, database.url

    def append(self, transitions: Iterable[Transition]) -> Appended:
        """Add what happened, in order, all in one transaction; what may not happen is left out and returned.

        Nobody else appends meanwhile: the transitions should not take long to tell.

        Raises:
            LedgerError: the database cannot be used, or a transition is not as its event has it; nothing is added.
        """
        refused: list[Refused] = []
        added = 0
        with self._writing() as pen:
            for page in _pages(transitions):
                known = self._known(pen.connection, {transition.key for transition in page})
                left_out = pen.write(page, known)
                added += len(page) - len(left_out)
                refused += left_out
        return Appended(added, tuple(refused), pen.head)

    def claim(
        self,
        wishes: Sequence[leases.Wish],
        *,
        run: str,
        until: datetime,
        now: datetime,
        reopen: bool = False,
        renew: bool = False,
    ) -> list[str]:
        """Lease keys to a run, all in one transaction; return those it got, in the order of the wishes.

        A run gets what is detected, planned or failed and may be tried ``now``, what nothing is known of (it is
        `detected` first), and what a run held until ``now`` (it is `released` first, in that run's name). With
        ``reopen`` it gets as well what waits for its next try or is withdrawn, and what is closed, seen, promoted,
        tombstoned or dead-lettered (it is `reopened` first). With ``renew`` it gets what it holds already, for longer.

        Raises:
            LedgerError: the database cannot be used; nothing is leased.
        """
        terms = leases.Terms(run, until, now, reopen=reopen, renew=renew)
        got: list[str] = []
        with self._writing() as pen:
            for page in _pages({wish.key: wish for wish in wishes}.values()):
                known = self._known(pen.connection, {wish.key for wish in page})
                steps = {wish.key: leases.steps(wish, known.get(wish.key), terms) for wish in page}
                pen.write(list(chain.from_iterable(steps.values())), known)
                got += [key for key, taken in steps.items() if taken]
        return got

    def states(
        self,
        *,
        keys: Collection[str] | None = None,
        states: Collection[State] | None = None,
        cell: tuple[str, str, str] | None = None,
        pausing: bool = False,
    ) -> Iterator[KeyState]:
        """Stream how keys stand, all at one moment, in no order; None asks for every one.

        Args:
            keys: Only these keys.
            states: Only keys in these states.
            cell: Only keys of this source, data type and season.
            pausing: Only keys of which somebody has said when they may be tried again.

        Raises:
            LedgerError: the database cannot be used.
        """
        asked = self._question(keys, states, cell)
        if pausing:
            asked = asked.where(asked.selected_columns.next_at.is_not(None))
        with self._database.read() as connection:
            for row in paged(connection, asked):
                yield self._standing(row, state_of)

    def standings(self, states: Collection[State]) -> Iterator[tuple[str, str]]:
        """Stream the keys in some states, each with its state: a fraction of the time that `states` takes.

        Raises:
            LedgerError: the database cannot be used.
        """
        asked = sa.select(keys.c.key, keys.c.state)
        asked = asked.where(keys.c.state.in_([state.value for state in states]))
        with self._database.read() as connection:
            yield from map(tuple, paged(connection, asked))

    def state(self, key: str) -> KeyState | None:
        """Say how a key stands; None for one that nothing is known of."""
        with self._database.read() as connection:
            row = connection.execute(self._question((key,), None, None)).one_or_none()
        return None if row is None else self._standing(row, state_of)

    def entries(self, key: str) -> list[Entry]:
        """List what happened to a key, oldest first; LedgerError if an entry cannot be read."""
        with self._database.read() as connection:
            asked = WRITTEN.where(self._database.among(entries.c.key, (key,))).order_by(entries.c.seq)
            return [self._entry(row) for row in connection.execute(asked)]

    def recent(self, events: Collection[Event], since: datetime) -> Iterator[Entry]:
        """Stream the entries of some events from a moment on, oldest first."""
        asked = WRITTEN.where(_recent(events, since)).order_by(entries.c.seq)
        with self._database.read() as connection:
            for row in paged(connection, asked):
                yield self._entry(row)

    def tally(self, events: Collection[Event], since: datetime) -> Mapping[tuple[Event, str, str], int]:
        """Count the entries of some events from a moment on, by event, source and data type."""
        by = entries.c["event", "source", "data_type"]
        asked = sa.select(*by, sa.func.count()).where(_recent(events, since)).group_by(*by)
        with self._database.read() as connection:
            return {(Event(event), *of): count for event, *of, count in connection.execute(asked)}

    def head(self) -> Head:
        """Name the last entry."""
        with self._database.read() as connection:
            return _head(connection.execute(sa.select(head)).one())

    def counts(self) -> Mapping[State, int]:
        """Count the keys in each state; of those that nothing is known of there are none."""
        with self._database.read() as connection:
            asked = sa.select(keys.c.state, sa.func.count()).group_by(keys.c.state)
            found = dict(map(tuple, connection.execute(asked)))
        if unknown := set(found) - set(State):
            raise self._unreadable(f"the state `{printable(min(unknown))}` of {found[min(unknown)]:,} keys")
        return {state: found.get(state, 0) for state in State}

    def prove(self, key: str) -> Proof:
        """Show what happened to a key, each entry hashed anew and linked to the two before it.

        Raises:
            LedgerError: nothing is known of the key, or the database cannot be used.
        """
        with self._database.read() as connection:
            asked = WRITTEN.where(self._database.among(entries.c.key, (key,))).order_by(entries.c.seq)
            written = [Written(*row) for row in connection.execute(asked)]
            kept = connection.execute(self._question((key,), None, None)).one_or_none()
            last = _head(connection.execute(sa.select(head)).one())
        if not written and kept is None:
            raise LedgerError(f"nothing is known of `{printable(key)}`", where=self.url, hint="write the key in full")
        return proof_of(key, written, None if kept is None else tuple(kept), last)

    def verify(
        self,
        *,
        sample: float | None = None,
        seed: int = 0,
        kept: Collection[Head] = (),
        progress: Progress = silent,
    ) -> Verification:
        """Look for entries that were changed, taken out, put in or moved, and for keys that stand otherwise than said.

        Args:
            sample: How much of the entries to look at, up to 1; None for all. That none is missing is seen anyway.
            seed: Which ones.
            kept: What was the last entry once, as somebody has kept it elsewhere: it must still be there. Without any,
                a ledger that was written anew from an entry on, or cut off with its head, looks whole.
            progress: Told how many entries were looked at.

        Raises:
            LedgerError: the database cannot be used.
        """
        with self._database.read() as connection:
            return verified(self._database, connection, sample=sample, seed=seed, once=kept, progress=progress)

    def holds(self, once: Head) -> bool:
        """Tell whether what was the last entry once is still there: else the ledger was written anew, or cut off."""
        with self._database.read() as connection:
            return holds(connection, once)

    def rebuild(self, *, progress: Progress = silent) -> Rebuilt:
        """Make what is kept of how keys stand from the entries again, all of it or nothing; nobody writes meanwhile.

        Args:
            progress: Told how many entries were gone through.

        Raises:
            LedgerError: the database cannot be used, or the entries do not fit together; nothing is changed.
        """
        with self._database.write() as (connection, _):
            return rebuilt(self._database, connection, progress=progress)

    def dispose(self) -> None:
        """Close every connection."""
        self._database.dispose()

    @contextmanager
    def _writing(self) -> Generator[Pen]:
        """Lend what writes at the end of the ledger: all that is written in the block, or nothing."""
        with self._database.write() as (connection, found):
            pen = Pen(self._database, connection, _head(found))
            yield pen
            pen.close()

    def _known(self, connection: sa.Connection, wanted: Collection[str]) -> dict[str, KeyState]:
        """Look up how keys stand, without the details of their last entries: what follows does not depend on them."""
        found = connection.execute(self._question(wanted, None, None))
        return {row[0]: self._standing(row, partial(standing_of, detail={})) for row in found}

    def _question(
        self, wanted: Collection[str] | None, states: Collection[State] | None, cell: tuple[str, str, str] | None
    ) -> sa.Select[Any]:
        asked = sa.select(keys)
        if wanted is not None:
            asked = asked.where(self._database.among(keys.c.key, wanted))
        if states is not None:
            asked = asked.where(keys.c.state.in_([state.value for state in states]))
        if states and set(states) <= set(UNDER_WAY):
            asked = asked.where(keys.c.lease_until.is_not(None))  # as it is of all of them: there is an index of it
        if cell is not None:
            asked = asked.where(sa.and_(*map(sa.ColumnElement.__eq__, keys.c["source", "data_type", "season"], cell)))
        return asked

    def _standing(self, row: sa.Row[Any], read: Callable[[sa.Row[Any]], KeyState]) -> KeyState:
        try:
            return read(row)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise self._unreadable(f"how `{printable(str(row[0]))}` stands", error) from error

    def _entry(self, row: sa.Row[Any]) -> Entry:
        try:
            return Written(*row).entry()
        except (TypeError, ValueError, RecursionError) as error:
            raise self._unreadable(f"entry {row[0]}", error) from error

    def _unreadable(self, what: str, why: Exception | str = "it is not what the ledger writes") -> LedgerError:
        hint = "`adce ledger verify` says what else was changed"
        return LedgerError(f"{what} cannot be read: {printable(str(why))}", where=self.url, hint=hint)


def open_ledger(url: str) -> Ledger:
    """Open the ledger of a database; its tables are made when it is first used.

    Raises:
        LedgerError: a URL of something else than SQLite or PostgreSQL, or one that is not written as it should be.
    """
    return Ledger(Database(url))


def _pages(many: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(many)
    while page := list(islice(rest, PAGE)):
        yield page


def _recent(events: Collection[Event], since: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(entries.c.event.in_([event.value for event in events]), entries.c.at >= moment_text(since))


def _head(row: sa.Row[Any]) -> Head:
    return Head(row.seq, row.hash, moment_of(row.at))
