"""Settings in, the installation that they lead to out, made anew once a file of its configuration has changed.

For what lives for months: a contract that somebody edits is judged by as it stands, not as it stood at the start.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from adce_assets.errors import ConfigurationError
from adce_assets.operate.doctor import Installation
from adce_assets.settings import Settings


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

    def _stand(self) -> frozenset[tuple[Path, int, int, int]]:
        """Say how each file of the configuration stands."""
        folders = (self._last.home / "config", self._last.contract_path.parent)
        files = (file for folder in folders for file in folder.rglob("*.yaml"))
        found = [(file, file.stat()) for file in files if file.is_file()]
        return frozenset((file, one.st_ino, one.st_size, one.st_mtime_ns) for file, one in found)
