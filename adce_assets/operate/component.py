"""A program's command in, this process out as that program: it holds a lock by which anybody sees that it lives.

Called as ``python -P -m adce_assets.operate.component [--supervisor] FILE PROGRAM...``. The lock goes with the
descriptor of the file through `exec`, and to whom the program leaves it; what the file says is the group of its
processes. The supervisor begins so too, but stays in its group: a terminal that it runs in interrupts it. It keeps the
descriptor when it goes into the background, and leaves it to no component. Next to nothing is imported: each component
begins with this.
"""

import fcntl
import os
import sys
import time

SUPERVISOR = "--supervisor"
WAITS_S, SUPERVISOR_WAITS_S = 10.0, 1.0
"""How long an earlier one may take to be gone, or somebody who only looks at the lock."""
PAUSE_S = 0.05


def main(*arguments: str) -> None:
    """Take the lock, note the group of processes, and become the program; SystemExit says why that cannot be."""
    is_supervisor = arguments[0] == SUPERVISOR
    file, *command = arguments[is_supervisor:]
    held = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    _lock(held, file, SUPERVISOR_WAITS_S if is_supervisor else WAITS_S)
    if not is_supervisor and os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    os.pwrite(held, f"{os.getpid():<20}".encode(), 0)
    fcntl.fcntl(held, fcntl.F_SETFD, 0)  # it stays open through `exec`
    try:
        os.execvp(command[0], command)  # noqa: S606 - our own program, no shell
    except OSError as error:
        sys.exit(f"`{command[0]}` cannot be started: {error.strerror}")


def _lock(held: int, file: str, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while True:
        try:
            return fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                sys.exit(f"an earlier one still lives: processes of the group in {file}; `adce restart` ends them")
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
