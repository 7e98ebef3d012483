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
    found = ((file.stem, _holder(file)) for file in sorted(folder.glob(f"*{SUFFIX}")))
    return [Left(name, group) for name, group in found if group]


def end(folder: Path, left: Sequence[Left], patience_s: float) -> None:
    """End components with all that they have started: they are asked to, waited for, and killed in the end.

    Raises:
        ServiceError: one of them lives even so.
    """
    _signal(left, signal.SIGTERM)
    _wait(folder, left, patience_s)
    _signal(left, signal.SIGKILL)
    if still := _wait(folder, left, KILLED_S):
        named = ", ".join(f"`{one.name}` ({one.group})" for one in still)
        raise ServiceError(f"it does not end: {named}", where=str(folder), hint="end these processes by hand")


def _wait(folder: Path, left: Sequence[Left], patience_s: float) -> list[Left]:
    """Wait until components are gone; return those that are not."""
    until = time.monotonic() + patience_s
    while (still := [one for one in living(folder) if one in left]) and time.monotonic() < until:
        time.sleep(PAUSE_S)
    return still


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


def _holder(file: Path) -> int | None:
    """Return the group that holds the lock of a file; None where nobody does."""
    with file.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = opened.read(20).strip()
            return int(text) if text.isdigit() else None
    return None
