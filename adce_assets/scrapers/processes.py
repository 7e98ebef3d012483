"""A command line in, how its process ended out: what it said line by line, and no process of its group left behind.

A process runs in a group of its own, without a shell, with nothing but the environment it is given. When its time is
over, when it has ended, or when the caller is interrupted, what is left of the group is killed. What is called, and
why, is not known here.
"""

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

LINE, LINES = 2_000, 2_000
"""Characters of a line and lines of an output that are told; what is beyond is counted and thrown away."""
PENDING = 64 * 1024
"""Bytes of a line that has not ended which are held."""
TICK = 0.1
"""Seconds between two looks at a process that says nothing."""
GRACE = 5.0
"""Seconds that a process has to end by itself once it was asked to."""
LAST = 20
"""Lines of an output that are kept."""
FULL_PIPE = 64
"""Pieces that a pipe may still hold when its writers have ended."""


@dataclass(frozen=True, slots=True)
class Process:
    """What to start: the arguments with the program first, its whole environment, its folder and its time (s)."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code (negative: the signal), whether in time, and the last lines it said.

    ``unsaid`` counts the bytes of output that nobody was told.
    """

    code: int
    in_time: bool
    seconds: float
    last: tuple[str, ...]
    unsaid: int

    @property
    def is_well(self) -> bool:
        """Tell whether the process itself says that all went well."""
        return self.code == 0 and self.in_time


@dataclass(frozen=True, slots=True)
class Listener:
    """Who listens while a process runs.

    Attributes:
        say: Told each line of the output, standard output and standard error in one, within `LINE` and `LINES`.
        watch: Called again and again.
        redacted: Takes out of a line what nobody may read.
        monotonic: The clock that time is measured with (s).
    """

    say: Callable[[str], None]
    watch: Callable[[], None] = lambda: None
    redacted: Callable[[str], str] = str
    monotonic: Callable[[], float] = time.monotonic


def run(process: Process, listener: Listener) -> Ended:
    """Run a process to its end, or to the end of its time.

    Raises:
        OSError: it could not be started.
    """
    began = listener.monotonic()
    started = subprocess.Popen(  # noqa: S603 - no shell, and the program was looked for in the configured folders alone
        list(process.arguments),
        cwd=process.folder,
        env=dict(process.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
    )
    with started, _Output(started, listener) as output:
        try:
            in_time = _followed(started, output, listener, began + process.seconds)
        finally:
            _killed(started)
        output.drain()
        listener.watch()
    return Ended(started.returncode, in_time, listener.monotonic() - began, tuple(output.last), output.unsaid)


def _followed(started: "subprocess.Popen[bytes]", output: "_Output", listener: Listener, until: float) -> bool:
    """Take in what a process says until it has ended; return whether it did so in its time."""
    while not _has_ended(started):
        output.take(TICK)
        listener.watch()
        if listener.monotonic() >= until:
            _asked_to_end(started, output, listener)
            return False
    return True


def _asked_to_end(started: "subprocess.Popen[bytes]", output: "_Output", listener: Listener) -> None:
    """Ask all of a group to end, and wait until its first process has, or the grace is over."""
    os.killpg(started.pid, signal.SIGTERM)
    until = listener.monotonic() + GRACE
    while not _has_ended(started) and listener.monotonic() < until:
        output.take(TICK)


def _has_ended(started: "subprocess.Popen[bytes]") -> bool:
    """Tell whether a process has ended, and leave its number taken: its group can then still be named."""
    return os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _killed(started: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the group; the process that led it is no longer awaited afterwards."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(started.pid, signal.SIGKILL)
    started.wait()


class _Output:
    """Makes lines of what a process writes, and forgets what is too much."""

    def __init__(self, started: "subprocess.Popen[bytes]", listener: Listener) -> None:
        assert started.stdout is not None  # noqa: S101 - it was asked for a pipe
        self.last: deque[str] = deque(maxlen=LAST)
        self.unsaid = 0
        self._listener = listener
        self._said = 0
        self._pending = bytearray()
        self._stream = started.stdout.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stream, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def take(self, seconds: float) -> bool:
        """Wait at most so long for the next piece; return whether there was one."""
        if not self._selector.select(seconds):
            return False
        piece = os.read(self._stream, PENDING)
        if not piece:
            self._selector.unregister(self._stream)
            return False
        *whole, rest = piece.split(b"\n")
        for line in whole:
            self._hold(line)
            self._tell()
        self._hold(rest)
        return True

    def drain(self) -> None:
        """Take in what is still there, and what came last without the end of a line."""
        for _ in range(FULL_PIPE):
            if not self.take(0):
                break
        if self._pending:
            self._tell()

    def _hold(self, piece: bytes) -> None:
        room = max(PENDING - len(self._pending), 0)
        self._pending += piece[:room]
        self.unsaid += max(len(piece) - room, 0)

    def _tell(self) -> None:
        text = self._listener.redacted(self._pending.decode("utf-8", "replace"))
        self._pending.clear()
        line = "".join(letter if letter.isprintable() else " " for letter in text[:LINE]).strip()
        self.unsaid += len(text[LINE:])
        if not line:
            return
        self.last.append(line)
        self._said += 1
        if self._said <= LINES:
            self._listener.say(line)
        else:
            self.unsaid += len(line)
