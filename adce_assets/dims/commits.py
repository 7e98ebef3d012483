"""A folder with a git repository in, the times of its commits out.

The repository is not trusted: git is asked by `rev-list` and `rev-parse` alone, which run no hook, pager, filter or
signature check, and what else its configuration could start is switched off above it: file monitors, and the fetching
of objects that are missing, which starts whatever the configuration calls a remote. That git refuses the repository of
another user is left to git, and to the `safe.directory` of who runs ADCE.
"""

import io
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import IO

from adce_assets.errors import MetricError, printable
from adce_assets.settings import environment_for_child

SECONDS = 60.0
SHOWN = 300
"""Characters of what git says of a failure."""
SWITCHED_OFF: Mapping[str, str] = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "core.sshCommand": "false",
    "core.alternateRefsCommand": "false",
    "log.showSignature": "false",
    "protocol.allow": "never",
}
"""What the configuration of a repository could have started otherwise."""
ENVIRONMENT: Mapping[str, str] = {
    "LC_ALL": "C",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_GLOB_PATHSPECS": "1",
    "GIT_PAGER": "cat",
}
KEPT = ("HOME", "XDG_CONFIG_HOME", "PATH")
"""What git keeps of the environment: where the settings of the user are who runs ADCE, and nothing of git's own."""
_LINE = re.compile(rb"(\d{1,20}) [0-9a-f]{40,64}\n")


@dataclass(frozen=True, slots=True)
class Which:
    """Which commits, of those that lead to the one checked out: all of which everything holds that is given.

    Attributes:
        since: Committed on that day (UTC) or later.
        until: Committed on that day or before.
        matching: An extended regular expression that matches a line of the message.
        author: One that matches name or address of the author.
        paths: Globs, one of which a changed file is of.
    """

    since: date | None = None
    until: date | None = None
    matching: str | None = None
    author: str | None = None
    paths: Sequence[str] = ()


def count(root: Path, which: Which) -> int:
    """Count commits.

    Raises:
        MetricError: there is no repository, it is a shallow clone, which has not all of them, or git fails.
    """
    return sum(1 for _ in _times(root, which))


def newest(root: Path, which: Which) -> int:
    """Return when the newest of the commits was committed (s since 1970).

    Raises:
        MetricError: As `count`; or there is no such commit.
    """
    found = max(_times(root, which), default=None)
    if found is None:
        raise MetricError("there is no such commit", where=str(root))
    return found


def _times(root: Path, which: Which) -> Iterator[int]:
    """Say when each commit was committed; dates are compared here, for git stops at the first one that is too old."""
    git = shutil.which("git")
    if git is None:
        raise MetricError("git is not installed", where=str(root), hint="install git, or switch these metrics off")
    _check_whole(git, root)
    since, until = _moment(which.since, timedelta()), _moment(which.until, timedelta(days=1))
    with _asked(git, root, _question(which)) as lines:
        for line in lines:
            told = _LINE.fullmatch(line)
            if told is None:
                raise MetricError("git tells of no commit", where=str(root))
            moment = int(told[1])
            if (since is None or since <= moment) and (until is None or moment < until):
                yield moment


def _check_whole(git: str, root: Path) -> None:
    """Refuse a repository of another folder, and one that has only the newest commits."""
    with _asked(git, root, ["rev-parse", "--is-shallow-repository", "--show-prefix"]) as lines:
        told = [line.strip() for line in lines]
    if told[1:] != [b""]:
        raise MetricError("is no git repository of its own", where=str(root))
    if told[0] != b"false":
        raise MetricError("is a shallow clone: git has not all commits", where=str(root), hint="git fetch --unshallow")


def _question(which: Which) -> list[str]:
    given = {"--grep": which.matching, "--author": which.author}
    limits = [f"{name}={text}" for name, text in given.items() if text is not None]
    return ["rev-list", "--timestamp", "--extended-regexp", *limits, "HEAD", "--", *which.paths]


@contextmanager
def _asked(git: str, root: Path, question: Sequence[str]) -> Generator[IO[bytes]]:
    """Ask git in a group of processes of its own, of which none is left afterwards.

    Raises:
        MetricError: git fails, or is not done in time.
    """
    with tempfile.TemporaryFile(prefix="adce-git-") as said:
        started = _started(git, root, question, said)
        late = threading.Event()
        timer = threading.Timer(SECONDS, lambda: (late.set(), _kill(started)))
        timer.start()
        try:
            yield started.stdout or io.BytesIO()
            os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)  # its number is still taken afterwards
        finally:
            timer.cancel()
            timer.join()
            _kill(started)
            started.communicate()
        if late.is_set():
            raise MetricError(f"git is not done after {SECONDS:g} s", where=str(root))
        if started.returncode:
            raise _failed(root, started.returncode, said)


def _started(git: str, root: Path, question: Sequence[str], said: IO[bytes]) -> "subprocess.Popen[bytes]":
    options = [option for name, value in SWITCHED_OFF.items() for option in ("-c", f"{name}={value}")]
    try:
        return subprocess.Popen(  # noqa: S603 - no shell, and no argument that git could take for another option
            [git, "--no-pager", *options, *question],
            cwd=root,
            env=_environment(root),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        )
    except OSError as error:
        raise MetricError(f"git cannot be started here: {error.strerror}", where=str(root)) from error


def _failed(root: Path, code: int, said: IO[bytes]) -> MetricError:
    said.seek(0)
    text = printable(said.read(SHOWN).decode("utf-8", "replace")).strip()
    return MetricError(f"git fails ({code}): {text}", where=str(root))


def _environment(root: Path) -> dict[str, str]:
    around = environment_for_child({})
    ceiling = os.path.realpath(root.parent if root.is_absolute() else root.absolute().parent)
    kept = {name: around[name] for name in KEPT if name in around}
    return {**kept, **ENVIRONMENT, "GIT_CEILING_DIRECTORIES": ceiling}


def _kill(started: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(started.pid, signal.SIGKILL)


def _moment(day: date | None, later: timedelta) -> float | None:
    return None if day is None else (datetime.combine(day, time(), UTC) + later).timestamp()
