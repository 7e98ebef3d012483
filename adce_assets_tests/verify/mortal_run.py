"""A season reconciled by a program that kills itself, without a word.

Arguments: the folder of a `Workshop`, the run, and where it dies: `checking`, when a document is fetched for the third
time, to hold what was staged against it, or `reporting`, when the report of what is published already is to be kept.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from adce_assets_tests.verify.seeding import Lake, Workshop, key_of

CHECKS = 3


def die(*_: Any, **__: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Doomed(Lake):
    """A lake whose reader dies of a document that it looks at again."""

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        if key == key_of(1) and self._turns[key] + 1 == CHECKS:
            die()
        return super().get(key, start=start, length=length)


class Unkept:
    """A store in which nobody lives to keep a report."""

    put = staticmethod(die)

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def main() -> None:
    folder, run, at = sys.argv[1:]
    workshop: Any = Workshop(Path(folder))
    if at == "checking":
        workshop.lake = Doomed(workshop.store, workshop.written_at)
    else:
        workshop.files = Unkept(workshop.files)
    workshop.run("games", run)


if __name__ == "__main__":
    main()
