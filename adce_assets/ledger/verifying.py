"""A ledger in, what was changed in it out: every entry hashed anew, in its place, and every key as its entries say."""

import random
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby, islice
from typing import Any

import sqlalchemy as sa

from adce_assets.ledger.chain import GENESIS, Fault, Head, Written
from adce_assets.ledger.database import WRITTEN, Database, entries, head, keys, paged
from adce_assets.ledger.proving import faults_of
from adce_assets.progress import Progress

STAGE = "verify"
KEYS_AT_ONCE = 1_000
MOST_FAULTS = 1_000
"""Faults that are told; with more of them nobody looks further."""


@dataclass(frozen=True, slots=True)
class Verification:
    """How many entries there are, how many were hashed anew, and what is wrong: nothing, if the ledger is whole.

    ``head`` is the last entry as the ledger knows it; None where that is lost.
    """

    entries: int
    checked: int
    faults: tuple[Fault, ...]
    head: Head | None


def verified(
    database: Database,
    connection: sa.Connection,
    *,
    sample: float | None,
    seed: int,
    once: Collection[Head],
    progress: Progress,
) -> Verification:
    """Verify a ledger as one connection sees it; the arguments are those of `Ledger.verify`, ``kept`` as ``once``."""
    total = connection.scalar(sa.select(sa.func.count()).select_from(entries)) or 0
    last = connection.execute(sa.select(head)).one_or_none()
    whole = chain(faults_of_the_entries(connection, total), _of_strangers(connection), _of_what_was(connection, once))
    faults, checked = list(whole), 0
    wanted = total if sample is None else min(total, max(1, round(total * sample)))
    groups = all_by_key(connection) if sample is None else _some(database, connection, total, wanted, seed)
    while checked < wanted and len(faults) < MOST_FAULTS:
        batch = list(islice(groups, min(KEYS_AT_ONCE, wanted - checked)))
        if not batch:
            break
        asked = sa.select(keys).where(database.among(keys.c.key, [key for key, _ in batch]))
        kept = {row.key: tuple(row) for row in connection.execute(asked)}
        for key, written in batch:
            faults += faults_of(key, written, kept.get(key))
            checked += len(written)
        progress(STAGE, min(checked, wanted), wanted)
    known = None if last is None else Head(last.seq, last.hash, None)
    return Verification(total, checked, tuple(faults[:MOST_FAULTS]), known)


def faults_of_the_entries(connection: sa.Connection, total: int) -> Iterator[Fault]:
    """Look at what no single key shows: whether there are as many entries (``total``) as there should be."""
    kept = connection.execute(sa.select(head)).one_or_none()
    if kept is None:
        yield Fault(0, "", "nobody knows any more which entry is the last")
        return
    if total != kept.seq:
        yield Fault(0, "", f"there are {total:,} entries where {kept.seq:,} were written")
    named = sa.select(entries.c.hash, entries.c.at).where(entries.c.seq == kept.seq)
    last = connection.execute(named).one_or_none()
    if (kept.hash, kept.at) != (tuple(last) if last else (GENESIS, "")):
        yield Fault(kept.seq, "", "the last entry is not the one that was written last")


def unheard_of() -> sa.ColumnElement[bool]:
    """Ask for the keys that stand somewhere without an entry that says so."""
    return ~sa.exists().where(entries.c.key == keys.c.key)


def all_by_key(connection: sa.Connection) -> Iterator[tuple[str, list[Written]]]:
    """Stream all entries, those of a key together and oldest first."""
    return _grouped(paged(connection, WRITTEN.order_by(entries.c.key, entries.c.seq)))


def holds(connection: sa.Connection, once: Head) -> bool:
    """Tell whether what was the last entry once is still there."""
    found = connection.scalar(sa.select(entries.c.hash).where(entries.c.seq == once.seq))
    return once.hash == (GENESIS if once.seq == 0 else found)


def _of_what_was(connection: sa.Connection, once: Collection[Head]) -> Iterator[Fault]:
    for one in once:
        if not holds(connection, one):
            yield Fault(one.seq, "", "it is not the entry that was the last one when its number and hash were kept")


def _of_strangers(connection: sa.Connection) -> Iterator[Fault]:
    for (key,) in connection.execute(sa.select(keys.c.key).where(unheard_of()).limit(MOST_FAULTS)):
        yield Fault(0, key, "the key stands somewhere without an entry that says so")


def _some(
    database: Database, connection: sa.Connection, total: int, wanted: int, seed: int
) -> Iterator[tuple[str, list[Written]]]:
    """Choose entries by chance, and take with each all of its key's; in the order in which they were chosen."""
    numbers = random.Random(seed).sample(range(1, total + 1), wanted)  # noqa: S311 - a sample, not a secret
    seen: set[str] = set()
    for first in range(0, wanted, KEYS_AT_ONCE):
        chosen = numbers[first : first + KEYS_AT_ONCE]
        asked = sa.select(entries.c.seq, entries.c.key).where(database.among(entries.c.seq, chosen))
        keys_of = dict(map(tuple, connection.execute(asked)))
        found = [key for key in dict.fromkeys(keys_of[seq] for seq in chosen if seq in keys_of) if key not in seen]
        seen.update(found)
        asked = WRITTEN.where(database.among(entries.c.key, found)).order_by(entries.c.key, entries.c.seq)
        groups = dict(_grouped(connection.execute(asked)))
        yield from ((key, groups[key]) for key in found)


def _grouped(rows: Iterable[sa.Row[Any]]) -> Iterator[tuple[str, list[Written]]]:
    for key, group in groupby((Written(*row) for row in rows), lambda one: one.key):
        yield key, list(group)
