"""A season of games reconciled by a program that kills itself at a step, without a word.

Arguments: the folder of a `Workshop`, its database or an empty text, the run, and the step.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

from adce_assets.warehouse import loading, parser
from adce_assets_tests.verify.seeding import Lake, Workshop, in_this_process, key_of

Prepare = Callable[[Any], object]


def die(*_: Any, **__: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class DeadlyLake(Lake):
    """A lake that kills whoever fetches a document for the n-th time: 1 counts, 2 reads, 3 reads again."""

    deadly = 0

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        if key == key_of(1) and self._turns[key] + 1 == self.deadly:
            die()
        return super().get(key, start=start, length=length)


class DeadlyFiles:
    """A place for reports in which nobody lives to keep the n-th file."""

    def __init__(self, store: Any, nth: int) -> None:
        self._store, self._left = store, nth

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, *given: Any) -> Any:
        self._left -= 1
        return self._store.put(*given) if self._left else die()


def fetching(turn: int) -> Prepare:
    def prepare(workshop: Any) -> None:
        workshop.lake = DeadlyLake(workshop.store, workshop.written_at)
        workshop.lake.deadly = turn

    return prepare


def keeping(nth: int) -> Prepare:
    def prepare(workshop: Any) -> None:
        workshop.files = DeadlyFiles(workshop.files, nth)

    return prepare


def asking(text: str, nth: int = 1) -> Prepare:
    """Die when a statement is about to be run for the n-th time."""
    left = [nth]

    def dies(sql: str) -> bool:
        left[0] -= text in sql
        return not left[0] and die()

    def prepare(workshop: Any) -> None:
        setattr(loading, "TOGETHER", 1)  # noqa: B010 - a constant to everybody else
        workshop.tampering = {"dies": dies}

    return prepare


def parsing(_: Any) -> None:
    """Die when a process of its own has been handed a document, and its answer is waited for."""
    parser._receive = die


BEFORE: Mapping[str, Prepare] = {
    "while documents are counted": fetching(1),
    "while documents are read": fetching(2),
    "while a document is parsed": parsing,
    "while records are staged": asking("INSERT INTO load_objects", 2),
    "while documents are read again": fetching(3),
    "inside the merge": asking('DELETE FROM "games"'),
    "when the merge is all but over": asking("outcome = 'published'"),
}
"""Steps before all is committed."""
AFTER: Mapping[str, Prepare] = {
    "when the report is to be kept": keeping(1),
    "between the two files of the report": keeping(2),
}


def main() -> None:
    folder, database, run, step = sys.argv[1:]
    workshop = Workshop(Path(folder), database=database)
    {**BEFORE, **AFTER}[step](workshop)
    with nullcontext() if step == "while a document is parsed" else in_this_process():
        workshop.run("games", run)


if __name__ == "__main__":
    main()
