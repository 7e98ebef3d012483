"""The folder of a service in, those of its components out that live, whatever has become of their supervisor.

A component holds a lock from its beginning to its end (`component`). Whether its supervisor lives is not known here.
"""

import fcntl
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adce_assets.errors import ServiceError

SUFFIX = ".lock"
PAUSE_S = 0.05
KILLED_S = 10.0
"""How long the kernel may take for what is killed."""


@dataclass(frozen=True, slots=True)
class Left:
    """A component that lives, and the group of its processes."""

    name: str
    group: int


def lock(folder: Path, name: str) -> Path:
    """Return the file whose lock a component holds."""
    return folder / f"{name}{SUFFIX}"


def living(folder: Path) -> list[Left]:
    """Name the components that hold their locks."""
    found = ((file.stem, holder(file)) for file in sorted(folder.glob(f"*{SUFFIX}")))
    return [Left(name, group) for name, group in found if group]


def end(folder: Path, left: Sequence[Left], patience_s: float) -> None:
    """End components with all that they have started: they are asked to, waited for, and killed in the end.

    Raises:
        ServiceError: one of them lives even so.
    """
    rest = _ended(folder, left, signal.SIGTERM, patience_s)
    if still := _ended(folder, rest, signal.SIGKILL, KILLED_S):
        named = ", ".join(f"`{one.name}` ({one.group})" for one in still)
        raise ServiceError(f"it does not end: {named}", where=str(folder), hint="end these processes by hand")


def _ended(folder: Path, left: Sequence[Left], what: signal.Signals, patience_s: float) -> list[Left]:
    """Signal to those that live, and wait until they are gone; return those that are not.

    What one has started is killed when it is gone itself, at once: later its number may be somebody else's.
    """
    still = _still(folder, left)
    _signal(still, what)
    until = time.monotonic() + patience_s
    while still and time.monotonic() < until:
        time.sleep(PAUSE_S)
        before, still = still, _still(folder, still)
        _signal([one for one in before if one not in still], signal.SIGKILL)
    return still


def _still(folder: Path, left: Sequence[Left]) -> list[Left]:
    return [one for one in living(folder) if one in left]


def _signal(left: Sequence[Left], what: signal.Signals) -> None:
    for one in left:
        with suppress(ProcessLookupError, PermissionError):
            if _leads_or_is_gone(one.group):
                os.killpg(one.group, what)


def _leads_or_is_gone(group: int) -> bool:
    """Say that a number is no process of another group: a group may live on without its first process."""
    try:
        return os.getpgid(group) == group
    except ProcessLookupError:
        return True


def holder(file: Path) -> int | None:
    """Return the process that has taken the lock of a file; None where nobody holds it, or it may not be looked at."""
    try:
        opened = file.open("rb")
    except (FileNotFoundError, PermissionError):
        return None
    with opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = opened.read(20).strip()
            return int(text) if text.isdigit() else None
    return None
