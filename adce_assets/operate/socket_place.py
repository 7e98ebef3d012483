"""The folder of a service in, the folder of its sockets out: the same, or one of a shorter and plainer name.

The path of a socket is short on every system, and the code server's is read as part of an address, in which some
letters mean something. Where the folder cannot be used, another is made once; the service's folder tells where it is,
so that all that ask look in the same place.
"""

import fcntl
import hashlib
import os
import re
import tempfile
from pathlib import Path

from adce_assets.errors import ServiceError

LONGEST = 90
"""Bytes of the path of a socket that every system takes, with room for what the supervisor appends for a moment."""
CONTROL, CODE = "control.sock", "code.sock"
NOTE = "sockets"
"""The file that tells where the sockets are, if they are elsewhere."""
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+", re.ASCII)


def place_of(folder: Path) -> Path:
    """Return where the sockets of a service are; its own folder, where no other place was made."""
    try:
        noted = Path((folder / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return folder
    return noted if _is_of(noted, folder) else folder


def make_place(folder: Path) -> Path:
    """Make a place for the sockets of a service, and the folder of the service itself, which only its user may enter.

    Raises:
        ServiceError: there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if _fits(folder):
        (folder / NOTE).unlink(missing_ok=True)
        return folder
    with (folder / NOTE).open("a+", encoding="utf-8") as note:
        fcntl.flock(note, fcntl.LOCK_EX)  # of two that start it at once, the second finds what the first has made
        if (found := place_of(folder)) != folder:
            return found
        made = _made(folder)
        note.truncate(0)
        note.write(str(made))
    return made


def _made(folder: Path) -> Path:
    parents = (Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108 - a folder of a name that nobody foresees
    for parent in parents:
        if _fits(parent / (_prefix(folder) + "x" * 8)):
            return Path(tempfile.mkdtemp(prefix=_prefix(folder), dir=parent))
    hint = "set TMPDIR to a folder with a short name"
    raise ServiceError("there is no place for its sockets", where=str(folder), hint=hint)


def _fits(place: Path) -> bool:
    longest = max((place / name for name in (CONTROL, CODE)), key=lambda path: len(path.name))
    return len(os.fsencode(longest)) <= LONGEST and _PLAIN.fullmatch(str(place)) is not None


def _is_of(place: Path, folder: Path) -> bool:
    """Say whether a place was made for this folder and is still there: not for that of which this one is a copy.

    It is this user's or that of the folder's own, of whose service root may ask.
    """
    if not place.name.startswith(_prefix(folder)) or not place.is_dir():
        return False
    found = place.stat()
    return found.st_uid in {os.getuid(), folder.stat().st_uid} and not found.st_mode & 0o077


def _prefix(folder: Path) -> str:
    return f"adce-{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]}-"
