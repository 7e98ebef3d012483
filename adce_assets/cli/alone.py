"""One reconciliation at a time: an operating system's lock in, the right to reconcile this installation out.

Commands of one installation wait for each other here. Runs that Dagster starts wait in its queue, by the pool of the
reconciliation; an asset never takes this lock.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from adce_assets.cli.output import talk

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_SECONDS = 1.0
"""How long to wait before saying so."""


@contextmanager
def alone() -> Iterator[None]:
    """Keep other commands that reconcile this installation out for the length of the block."""
    from adce_assets.settings import load_settings

    with ExitStack() as stack:
        folder = load_settings().work_folder
        try:
            _enter(stack, folder)
        except OSError as error:
            talk(f"cannot keep other reconciliations out: {folder}: {error.strerror}")
        yield


def _enter(stack: ExitStack, folder: "Path") -> None:
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "reconcile.lock")
    try:
        stack.enter_context(lock.acquire(timeout=PATIENCE_SECONDS))
    except Timeout:
        talk("another reconciliation of this installation is running; waiting for its end")
        stack.enter_context(lock.acquire())
