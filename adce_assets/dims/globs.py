"""Globs in, a matcher of paths out that never leads out of a folder, and knows which folders it need not enter.

``*`` and ``?`` stand for letters within a name, ``[...]`` for one of its letters, and a part that is ``**`` for any
number of folders, or, at the end, for all that lies below. No file system is looked at here.
"""

import fnmatch
import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LONGEST = 500
"""Characters of a path."""
MAGIC = re.compile(r"[*?\[]")
ANY = "**"
HIDDEN = "."


def check_glob(text: str) -> str:
    """Return a relative glob; raise ValueError for one that leads out of its folder or can match nothing."""
    parts = text.split("/")
    if not text or len(text) > LONGEST or not text.isprintable() or "\\" in text:
        message = f"a path is printable, without a backslash, and has 1 to {LONGEST} characters"
        raise ValueError(message)
    if text.startswith(("/", "~", ":")) or any(part in {"", ".", ".."} for part in parts):
        message = f"`{text}` is not relative to its folder, or leads out of it; write it such as `docs/**/*.md`"
        raise ValueError(message)
    if any(ANY in part and part != ANY for part in parts):
        message = "`**` stands for folders, alone between slashes"
        raise ValueError(message)
    return text


def check_path(text: str) -> str:
    """Return a relative path, which stands for nothing but itself; raise ValueError for one that leads elsewhere."""
    if MAGIC.search(text):
        message = "a path has no `*`, `?` or `[`"
        raise ValueError(message)
    return check_glob(text)


def named(glob: str) -> tuple[str, ...]:
    """Return the parts at the beginning of a glob that stand for themselves."""
    parts = tuple(glob.split("/"))
    return next((parts[:place] for place, part in enumerate(parts) if MAGIC.search(part)), parts)


@dataclass(frozen=True, slots=True)
class Reached:
    """Where some globs stand after the names of a path so far: for each, at which of its parts.

    Attributes:
        globs: The globs, in parts.
        hidden: Whether ``*`` and ``**`` stand for names that begin with a dot too.
        at: The number of a glob, and that of the part which is next; the number of its parts where it is used up.
    """

    globs: tuple[tuple[str, ...], ...]
    hidden: bool
    at: frozenset[tuple[int, int]]

    def below(self, name: str) -> "Reached":
        """Go on by one name."""
        return Reached(self.globs, self.hidden, frozenset(_opened(self.globs, self._steps(name))))

    @property
    def is_matched(self) -> bool:
        """Tell whether the path so far is one that a glob means."""
        return any(part == len(self.globs[glob]) for glob, part in self.at)

    @property
    def may_match_below(self) -> bool:
        """Tell whether a path that goes on from here can be one."""
        return any(part < len(self.globs[glob]) for glob, part in self.at)

    @property
    def matches_all_below(self) -> bool:
        """Tell whether every path that goes on from here is one."""
        return self.hidden and any(self.globs[glob][part:] == (ANY,) for glob, part in self.at)

    def _steps(self, name: str) -> Iterator[tuple[int, int]]:
        for glob, place in self.at:
            parts = self.globs[glob]
            if place == len(parts) or (_is_hidden(name, parts[place]) and not self.hidden):
                continue
            if parts[place] != ANY:
                if _pattern(parts[place]).match(name):
                    yield glob, place + 1
                continue
            yield glob, place
            if place + 1 == len(parts):
                yield glob, place + 1


def begin(globs: tuple[str, ...], *, hidden: bool) -> Reached:
    """Stand at the folder that globs are relative to."""
    parts = tuple(tuple(glob.split("/")) for glob in globs)
    return Reached(parts, hidden, frozenset(_opened(parts, ((glob, 0) for glob in range(len(parts))))))


def _opened(globs: tuple[tuple[str, ...], ...], steps: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Add that ``**`` may stand for no folder at all."""
    for glob, place in steps:
        parts, last = globs[glob], place
        yield glob, last
        while parts[last : last + 1] == (ANY,) and last + 1 < len(parts):
            last += 1
            yield glob, last


def _is_hidden(name: str, part: str) -> bool:
    return name.startswith(HIDDEN) and not part.startswith(HIDDEN)


@functools.lru_cache(maxsize=1_000)
def _pattern(part: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(part))
