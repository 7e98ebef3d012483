"""Files of a folder and the objects of the lake in, how the one stands to the other out."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adce_assets.dims import globs
from adce_assets.dims.tree import MOST_READ, Asked, Found
from adce_assets.errors import MetricError

MD5 = re.compile(r"[0-9a-f]{32}")
"""An ETag that is one; that of an object which was uploaded in parts has a hyphen."""
MOST = 2_000_000
"""Objects that are compared at once."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Numbers of files: those that only the lake has, that only the folder has, that differ, and that are the same."""

    missing_here: int
    missing_there: int
    differing: int
    same: int

    @property
    def status(self) -> str:
        """Say in a word how the folder stands to the lake."""
        if not (self.missing_here or self.missing_there or self.differing):
            return "in_sync"
        if self.differing or (self.missing_here and self.missing_there):
            return "diverged"
        return "behind" if self.missing_here else "ahead"


def compare(files: Iterable[Found], objects: Mapping[str, tuple[int, str]], *, root: str, etags: bool) -> Compared:
    """Compare files with objects by name and size, and by MD5 where that is asked for and the ETag is one.

    Args:
        files: Each is read, if it is, before the next one is asked for.
        objects: Their sizes and ETags, by path below the prefix.
        root: What the paths of the files begin with that those of the objects do not have.
        etags: Whether ETags are compared too.

    Raises:
        MetricError: a file cannot be read, or there is too much to read.
    """
    missing_there = differing = same = read = 0
    for file in files:
        there = objects.get(file.path.removeprefix(root))
        if there is None:
            missing_there += 1
            continue
        is_same = there[0] == file.size
        if is_same and etags and MD5.fullmatch(there[1]):
            read += file.size
            if read > MOST_READ:
                raise MetricError("there is too much to read", where=file.shown, valid=f"{MOST_READ} bytes in all")
            is_same = _md5(file) == there[1]
        same, differing = same + is_same, differing + (not is_same)
    return Compared(len(objects) - differing - same, missing_there, differing, same)


def wanted(rows: Iterable[tuple[str, int, str]], prefix: str, asked: Asked) -> Mapping[str, tuple[int, str]]:
    """Pick the objects below a prefix that globs mean, which are relative to it, as those of the folder's files.

    Raises:
        MetricError: there are too many of them.
    """
    found: dict[str, tuple[int, str]] = {}
    for key, size, etag in rows:
        path = key.removeprefix(prefix)
        if _is_meant(path, asked):
            found[path] = (size, etag)
            if len(found) > MOST:
                raise MetricError(f"there are more than {MOST} objects", where=prefix, hint="ask for less of them")
    return found


def _is_meant(path: str, asked: Asked) -> bool:
    include = globs.begin(tuple(asked.include), hidden=asked.hidden)
    exclude = globs.begin(tuple(asked.exclude), hidden=True)
    for name in path.split("/"):
        include, exclude = include.below(name), exclude.below(name)
    return include.is_matched and not exclude.is_matched


def _md5(file: Found) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in file.pieces():
        digest.update(piece)
    return digest.hexdigest()
