"""Settings in, the installation that they lead to out, made anew once a file of its configuration has changed.

For what lives for months: a contract that somebody edits is judged by as it stands, not as it stood at the start.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from threading import Lock

from adce_assets.errors import ConfigurationError
from adce_assets.operate.doctor import Installation
from adce_assets.settings import Settings

OF_THE_LOOP = frozenset({"approvals", "cache", "canary", "verify"})
"""Folders beside the contract that the loop writes, where the state lies there."""
READ = (".yaml", ".csv")
"""What files are called that a contract includes or takes its tables from."""
Mark = tuple[Path, int, int, int]


class Renewed:
    """The installation of now, asked for again and again, by any thread.

    Args:
        load: Reads the settings, which must be without fault at first.
    """

    def __init__(self, load: Callable[[], Settings]) -> None:
        self._load, self._one = load, Lock()
        self._last = load()
        self._marks = self._stand()
        self._installation = Installation(load)

    def __call__(self) -> Installation:
        """Return the installation: the same one, with what it has opened, as long as no file has changed."""
        with self._one:
            marks = self._stand()
            if marks != self._marks:
                self._marks, self._installation = marks, Installation(self._load)
            return self._installation

    def settings(self) -> Settings:
        """Return the settings, or the last ones that were without fault: somebody has to be told of the fault."""
        with suppress(ConfigurationError):
            self._last = self().settings
        return self._last

    def _stand(self) -> frozenset[Mark]:
        """Say how each file of the configuration stands."""
        marks = set[Mark | None]()
        with suppress(OSError):  # a folder that goes meanwhile: it is looked at again
            for file in self._files():
                marks.add(_mark(file))
        return frozenset(mark for mark in marks if mark is not None)

    def _files(self) -> Iterator[Path]:
        """Name what settings and contract may be read from; what the loop writes beside it comes, goes and is many."""
        contract = self._last.contract_path
        yield from (self._last.home / "config").rglob("*.yaml")
        for found in contract.parent.iterdir():
            if found.suffix in READ:
                yield found
            elif found.is_dir() and found.name not in OF_THE_LOOP:
                yield from (file for file in found.rglob("*") if file.suffix in READ)


def _mark(file: Path) -> Mark | None:
    """Say how a file stands; None for what is none, or goes just now."""
    try:
        one = file.stat()
    except OSError:
        return None
    return (file, one.st_ino, one.st_size, one.st_mtime_ns) if S_ISREG(one.st_mode) else None
