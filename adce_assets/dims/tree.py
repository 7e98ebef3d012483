"""A folder and globs in, the files below it out, which can be read while they are told of.

Every step goes from a folder that is open to a name in it, and never through a symbolic link: what lies elsewhere is
not seen, whoever changes the tree meanwhile. Pipes, devices and links are no files. What cannot be looked into is an
error, and so is a folder or file that a glob names and that is not there.
"""

import os
import stat
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from adce_assets.dims import globs
from adce_assets.dims.globs import Reached
from adce_assets.errors import MetricError, printable

DEEPEST = 100
"""Folders within each other."""
MOST_SEEN = 5_000_000
"""Names that are looked at for one metric."""
MOST_READ = 8 * 1024**3
"""Bytes that are read for one metric."""
PIECE = 1 << 20

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Asked:
    """Which files: those that a glob of ``include`` means and none of ``exclude``; ``hidden`` ones too, or not."""

    include: Sequence[str]
    exclude: Sequence[str] = ()
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A file, as it was when it was found.

    Attributes:
        path: Relative to the folder that was asked for.
        size: In bytes.
        modified: When it was written last (s since 1970).
    """

    path: str
    size: int
    modified: float
    _name: str
    _folder: int

    @property
    def shown(self) -> str:
        """Its path as it can be told."""
        return shown(self.path)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open it, which can be done until the next file is asked for.

        Raises:
            MetricError: it cannot be read, or is no file any more.
        """
        with _told(self.path):
            file = os.fdopen(os.open(self._name, _FILE, dir_fd=self._folder), "rb", buffering=0)
            with file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise MetricError("is no file any more", where=self.shown)
                yield file

    def pieces(self) -> Generator[bytes]:
        """Read it to the end that it had when it was found, a piece at a time."""
        left = self.size
        with self.opened() as file:
            while left > 0 and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece


def walk(root: Path, asked: Asked) -> Iterator[Found]:
    """Find the files below a folder, in the order of their names.

    Raises:
        MetricError: a folder cannot be looked into, lies too deep, or is named and not there; or there is too much.
    """
    with _told(str(root)):
        top = os.open(os.path.realpath(root), _FOLDER)
    try:
        for glob in asked.include:
            _check_named(top, glob)
        include = globs.begin(tuple(asked.include), hidden=asked.hidden)
        exclude = globs.begin(tuple(asked.exclude), hidden=True)
        yield from _Walk().below(top, "", include, exclude)
    finally:
        os.close(top)


def read_one(root: Path, path: str, most: int) -> bytes:
    """Read one file of at most so many bytes.

    Raises:
        MetricError: it is not there, no file, longer, or cannot be read.
    """
    for file in walk(root, Asked((path,), hidden=True)):
        if file.size > most:
            raise MetricError(f"has {file.size} bytes", where=file.shown, valid=f"at most {most}")
        return b"".join(file.pieces())
    raise MetricError("is no file", where=path)


def shown(path: str) -> str:
    """Write a path so that it can be told, whatever bytes its names are of."""
    return printable(path.encode("utf-8", "replace").decode())


class _Walk:
    """A way through a tree that counts what it has seen."""

    def __init__(self) -> None:
        self._seen = 0

    def below(self, folder: int, path: str, include: Reached, exclude: Reached, depth: int = 0) -> Iterator[Found]:
        """Find the files below an open folder, whose path is empty or ends in a slash."""
        if depth > DEEPEST:
            raise MetricError("lies too deep", where=shown(path), valid=f"{DEEPEST} folders within each other")
        for entry in self._entries(folder, path):
            inside, outside, its_path = include.below(entry.name), exclude.below(entry.name), f"{path}{entry.name}"
            with _told(its_path, missing_ok=True):
                if inside.is_matched and not outside.is_matched and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield Found(its_path, status.st_size, status.st_mtime, entry.name, folder)
                elif inside.may_match_below and not outside.matches_all_below and entry.is_dir(follow_symlinks=False):
                    with _entered(folder, entry.name) as its_folder:
                        yield from self.below(its_folder, f"{its_path}/", inside, outside, depth + 1)

    def _entries(self, folder: int, path: str) -> list["os.DirEntry[str]"]:
        with _told(path or "."), os.scandir(folder) as names:
            entries = sorted(names, key=lambda entry: entry.name)
        self._seen += len(entries)
        if self._seen > MOST_SEEN:
            raise MetricError(f"holds more than {MOST_SEEN} names", where=".", hint="ask for less with `include`")
        return entries


def _check_named(top: int, glob: str) -> None:
    """Refuse a glob whose beginning, which stands for itself, is not there, or is a symbolic link."""
    names = globs.named(glob)
    with ExitStack() as opened:
        folder = top
        for place, name in enumerate(names):
            path, is_last = "/".join(names[: place + 1]), names[: place + 1] == tuple(glob.split("/"))
            with _told(path):
                mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
                if stat.S_ISLNK(mode):
                    raise MetricError("is a symbolic link, which nothing follows", where=path, hint="name its target")
                if not is_last:
                    folder = opened.enter_context(_entered(folder, name))


@contextmanager
def _entered(folder: int, name: str) -> Iterator[int]:
    """Open a folder within another one."""
    its_folder = os.open(name, _FOLDER, dir_fd=folder)
    try:
        yield its_folder
    finally:
        os.close(its_folder)


@contextmanager
def _told(path: str, *, missing_ok: bool = False) -> Iterator[None]:
    """Say in ADCE's words what the system refuses; what was there a moment ago may be gone."""
    try:
        yield
    except FileNotFoundError as error:
        if not missing_ok:
            raise MetricError("is not there", where=shown(path)) from error
    except OSError as error:
        raise MetricError(f"cannot be read: {error.strerror or error}", where=shown(path)) from error
