"""What somebody does in, the log of it out: who has done what, when, and what came of it, which is only added to.

A person's action is two entries: one before it begins, without which it does not begin, and one of how it ended; an
entry that has no second one was ended by force. What the loop does by itself is one entry. Each is bound to the one
before it by the hashes of the ledger, so that a changed, missing or moved entry shows. No secret is ever handed in.
"""

import json
import logging
import os
import pwd
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from adce_assets.errors import AccessError, AdceError, printable
from adce_assets.ledger.chain import GENESIS, Fault, Head, canonical, digest, moment_text
from adce_assets.operate import access_database as kept
from adce_assets.operate.access_database import AccessDatabase

log = logging.getLogger(__name__)

LONGEST = 300
"""Letters of a text that are kept, and entries of a list."""
MOST_FAULTS = 1_000
SPOILT = "this is no entry: somebody has changed it"
BRIEF_S = 5
"""How long what goes on without the log waits for it: a tick of Dagster's, whose runs wait for it, may take 60 s."""

_TEXTS = ("at", "actor", "role", "action", "subject", "outcome")
Told = dict[str, Any]


class Outcome(StrEnum):
    """How an action stands: `begun` is followed by one of the others, unless it was ended by force."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a user of this machine, the name of a token, or the loop; and in which role."""

    name: str
    role: str


THE_LOOP = Actor("loop", "loop")
"""Who does what nobody has asked for."""


@dataclass(frozen=True, slots=True)
class Action:
    """One entry of the log; ``detail`` says more of it, in plain values.

    One that was spoilt, so that it cannot be read, says so in ``spoilt``: then ``at`` is None, ``detail`` empty, and
    the rest is whatever stands there.
    """

    seq: int
    at: datetime | None
    actor: str
    role: str
    action: str
    subject: str
    outcome: str
    detail: Mapping[str, Any]
    hash: str
    spoilt: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of the whole log found: how many entries there are, the last one, and what is wrong."""

    entries: int
    head: Head
    faults: tuple[Fault, ...]


class ActionLog:
    """The log of an installation. Safe between processes and between threads.

    Args:
        database: Where it is kept.
        clock: The time (UTC).
    """

    def __init__(self, database: AccessDatabase, clock: Callable[[], datetime]) -> None:
        self._database, self._clock = database, clock

    def record(
        self,
        actor: Actor,
        action: str,
        subject: str,
        outcome: Outcome = Outcome.DONE,
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Add an entry, and return its number.

        Raises:
            AccessError: the log cannot be written.
        """
        at, told = moment_text(self._clock()), canonical(_plain({"host": socket.gethostname(), **(detail or {})}))
        texts = (at, *map(_short, (actor.name, actor.role, action, subject)), str(outcome))
        with self._database.write() as (connection, last):
            seq = last.seq + 1
            own = digest(seq, last.hash, "", texts, told)
            row = dict(zip(_TEXTS, texts, strict=True)) | {"seq": seq, "detail": told, "hash": own}
            connection.execute(sa.insert(kept.actions).values(row))
            connection.execute(sa.update(kept.head).values(seq=seq, hash=own, at=at))
        return seq

    @contextmanager
    def acting(
        self, actor: Actor, action: str, subject: str, detail: Mapping[str, Any] | None = None, *, needed: bool = True
    ) -> Iterator[Told]:
        """Do something that is logged: it begins only once that is written, and how it ended is written after it.

        What is added to the mapping that is lent is told with the end. An end that cannot be written is no reason to
        call failed what was done: a warning says so.

        Args:
            actor: Who does it.
            action: What, as one types it.
            subject: What is acted upon.
            detail: What more there is to say before it begins.
            needed: Whether it may not begin without the log; else a warning says that it did.

        Raises:
            AccessError: the log cannot be written, and nothing was begun.
        """
        told: Told = {}
        try:
            told["begun"] = self.record(actor, action, subject, Outcome.BEGUN, detail)
        except AccessError as error:
            if needed:
                raise
            _warn(action, error)
        outcome = Outcome.FAILED
        try:
            yield told
            outcome = Outcome.DONE
        except BaseException as error:
            told["error"] = described(error)
            raise
        finally:
            if "begun" in told:
                self._end(actor, action, subject, outcome, told)

    def _end(self, actor: Actor, action: str, subject: str, outcome: Outcome, told: Told) -> None:
        try:
            self.record(actor, action, subject, outcome, told)
        except AccessError as error:
            _warn(f"the end of {action}", error)

    def entries(self, *, most: int | None = None, actor: str | None = None, action: str | None = None) -> list[Action]:
        """List entries, the newest first: all, or at most so many, or those of an actor or an action alone.

        One that cannot be read is listed as well, and hides no other.

        Raises:
            AccessError: the log cannot be read.
        """
        asked = sa.select(kept.actions).order_by(kept.actions.c.seq.desc()).limit(most)
        for column, wanted in ((kept.actions.c.actor, actor), (kept.actions.c.action, action)):
            asked = asked if wanted is None else asked.where(column == wanted)
        with self._database.read() as connection:
            rows = connection.execute(asked).all()
        return [_read(row) for row in rows]

    def verify(self, once: Head | None = None) -> Checked:
        """Hash every entry anew, in its place; ``once`` is what a person has kept of the last entry of an earlier day.

        Raises:
            AccessError: the log cannot be read.
        """
        with self._database.read() as connection:
            faults, count, seq, before = list[Fault](), 0, 0, GENESIS
            once = Head(0, GENESIS, None) if once is None else once
            is_there = (once.seq, once.hash) == (seq, before)
            for row in connection.execute(sa.select(kept.actions).order_by(kept.actions.c.seq)):
                faults += _faults(row, seq + 1, before)
                count, seq, before = count + 1, row.seq, row.hash
                is_there = is_there or (once.seq, once.hash) == (seq, before)
            last = connection.execute(sa.select(kept.head)).one_or_none()
        if last is None or (last.seq, last.hash) != (seq, before):
            faults.append(Fault(seq, "", "the last entry is not the one that was written last"))
        if not is_there:
            faults.append(Fault(once.seq, "", "it is not the entry of which number and hash were kept"))
        return Checked(count, Head(seq, before, None), tuple(faults[:MOST_FAULTS]))


def user() -> Actor:
    """Say which user of this machine runs this process, as the system knows it; it is an operator of his own."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = str(number)
    return Actor(name, "user")


def described(error: BaseException) -> str:
    """Say what went wrong, for the log: of an error that nobody foresaw only its kind, for it may quote anything."""
    return f"{type(error).__name__}: {_short(error.what)}" if isinstance(error, AdceError) else type(error).__name__


def _warn(what: str, error: AccessError) -> None:
    log.warning("the log of actions does not tell of this (%s): %s", what, error.what)


def _faults(row: "sa.Row[Any]", seq: int, before: str) -> Iterator[Fault]:
    if row.seq != seq:
        yield Fault(row.seq, "", f"the entry before it, {row.seq - 1}, is gone")
        return
    texts = [row._mapping[name] for name in _TEXTS]  # noqa: SLF001 - SQLAlchemy's public name for it
    try:
        is_whole = digest(seq, before, "", texts, row.detail) == row.hash
        _action(row)
    except (TypeError, ValueError, RecursionError) as error:
        yield Fault(seq, "", f"it is no entry: {error}")
    else:
        if not is_whole:
            yield Fault(seq, "", "it is not what was written, or not in its place")


def _action(row: "sa.Row[Any]") -> Action:
    at, detail = datetime.fromisoformat(row.at), json.loads(row.detail)
    texts = (row.actor, row.role, row.action, row.subject)
    if not isinstance(detail, dict) or not all(isinstance(text, str) for text in (*texts, row.hash)):
        raise TypeError("it holds something else than text")
    return Action(row.seq, at, *texts, Outcome(row.outcome), detail, row.hash)


def _read(row: "sa.Row[Any]") -> Action:
    try:
        return _action(row)
    except (TypeError, ValueError, RecursionError):
        columns = ("actor", "role", "action", "subject", "outcome", "hash")
        found = {name: _short(str(row._mapping[name])) for name in columns}  # noqa: SLF001 - as above
        return Action(row.seq, None, **found, detail={}, spoilt=SPOILT)


def _plain(detail: Mapping[str, Any]) -> Told:
    """Keep a detail within bounds: short texts, short lists, and what is neither as text."""
    return {name: _bounded(value) for name, value in detail.items()}


def _bounded(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case list() | tuple() | set() | frozenset():
            return [_bounded(one) for one in list(value)[:LONGEST]]
        case _:
            return _short(str(value))


def _short(text: str) -> str:
    return printable(text)[:LONGEST]
