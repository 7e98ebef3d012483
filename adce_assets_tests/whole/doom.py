"""A point and a count in, a sudden death out: what the loop is handed (lake, state, ledger, client), mortal.

A process is killed, by itself and without a word, when it passes a named point for the n-th time. The code under test
knows nothing of the points.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from adce_assets.fetch.client import Client, Response
from adce_assets.lake.store import LakeStore
from adce_assets.ledger.book import Appended, Ledger
from adce_assets.ledger.database import Database
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.transitions import Event

WRITES = ("put", "put_if_absent", "put_if_match")
TOLD = {
    Event.DETECTED: "detected",
    Event.PROMOTED: "told of the promotion",
    Event.TOMBSTONED: "tombstoned",
    Event.CLOSED: "closed",
}
"""Points behind an append of such events."""


@dataclass(slots=True)
class Doom:
    """Where a process dies: when it passes ``point`` for the ``count``-th time; without a point it lives."""

    point: str = ""
    count: int = 1

    def passes(self, point: str) -> None:
        if point and point == self.point:
            self.count -= 1
            if not self.count:
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()  # the signal may take a moment


@dataclass(slots=True)
class Written:
    """Notes each time that data came into the lake, where a death cannot undo it: key, and when by the machine."""

    path: Path

    def note(self, key: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{json.dumps([key, time.monotonic()])}\n")

    def read(self) -> list[tuple[str, float]]:
        return [tuple(json.loads(line)) for line in self.path.read_text().splitlines()] if self.path.exists() else []


def mortal_lake(store: LakeStore, doom: Doom, written: Written) -> LakeStore:
    """Let the writer of a lake die before and after each write."""

    def passing(write: Callable[..., str], key: str, *how: Any) -> str:
        room = key.split("/")[1] if key.startswith("_adce/") else "data"
        doom.passes(f"before {room}")
        etag = write(key, *how)
        if room == "data":
            written.note(key)
        doom.passes(f"after {room}")
        return etag

    for name in WRITES:
        setattr(store, name, partial(passing, getattr(store, name)))
    return store


def mortal_state(store: LakeStore, doom: Doom) -> LakeStore:
    """Let the writer of a state die after each write."""

    def passing(write: Callable[..., str], key: str, *how: Any) -> str:
        etag = write(key, *how)
        doom.passes(f"after {key}")
        return etag

    vars(store)["put"] = partial(passing, store.put)
    return store


class MortalDatabase(Database):
    """A database that may be left in the middle of a transaction."""

    def __init__(self, url: str, doom: Doom) -> None:
        super().__init__(url)
        self._doom = doom

    def put(self, connection: Any, new: Sequence[tuple[Any, ...]], changed: Sequence[tuple[Any, ...]]) -> None:
        super().put(connection, new, changed)
        self._doom.passes("within an append")


class MortalLedger(Ledger):
    """A ledger whose writer may die after each append and claim."""

    def __init__(self, url: str, doom: Doom) -> None:
        super().__init__(MortalDatabase(url, doom))
        self._doom = doom

    def append(self, transitions: Iterable[Transition]) -> Appended:
        told = list(transitions)
        done = super().append(told)
        for event in {one.event for one in told} - {one.transition.event for one in done.refused}:
            self._doom.passes(TOLD.get(event, ""))
        return done

    def claim(self, wishes: Sequence[Wish], **how: Any) -> list[str]:
        got = super().claim(wishes, **how)
        if got:
            self._doom.passes("claimed")
        return got


class MortalClient(Client):
    """A client who may die when an answer has come; whom it asks may kill it before, for the process is its name."""

    doom: Doom

    def get(self, *args: Any, **how: Any) -> Response:
        answer = super().get(*args, **how)
        self.doom.passes("answered")
        return answer
