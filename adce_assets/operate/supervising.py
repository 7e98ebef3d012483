"""Components in, the configuration of their supervisor out. What the components do is not known here."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from configparser import Error, RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adce_assets.errors import ServiceError
from adce_assets.operate.left_behind import lock

PID_FILE = "supervisord.pid"
HELD = "supervisord.held"
"""The file whose lock the supervisor holds from its beginning to its end; it is none of a component's."""
STOP_SECONDS = 240
"""How long a component may take to end: a run finishes what is under way, and Dagster waits for it."""
LOG_BYTES, LOG_FILES = 10_000_000, 5
TRIES = 1_000
"""How often a component that ends at once is started again, each time a second later than the last."""
BEGIN = (sys.executable, "-P", "-m", "adce_assets.operate.component")
"""What each component begins as, and the supervisor: so that anybody sees that it lives, whether it answers or not."""
_RPC = "supervisor.rpcinterface:make_main_rpcinterface"
_COMMENTS = (";", "#")
"""What begins a comment behind a blank, for the supervisor."""


@dataclass(frozen=True, slots=True)
class Component:
    """A program that is kept running: its name, and how it is called."""

    name: str
    command: tuple[str, ...]


def log(folder: Path, name: str) -> Path:
    """Return the file that a component writes to; ``supervisor`` is the supervisor itself."""
    return folder / "logs" / f"{name}.log"


def configuration(folder: Path, socket: Path, components: Sequence[Component], *, running_after: int) -> str:
    """Write the supervisor's configuration; its environment is handed to it, no secret stands in the file.

    Args:
        folder: Of the service.
        socket: Where the supervisor listens.
        components: What it keeps running, in the order in which they are started.
        running_after: Seconds that a component has to live to count as running.

    Raises:
        ServiceError: the supervisor would read something else, for it takes a part of a name for a comment.
    """
    programs = {
        f"program:{one.name}": _program(folder, one, at) | {"startsecs": running_after}
        for at, one in enumerate(components, 1)
    }
    sections = {name: _escaped(values) for name, values in (_common(folder, socket) | programs).items()}
    text = "\n".join(_section(name, values) for name, values in sections.items())
    _refuse_cut(text, sections, folder)
    return text


def _common(folder: Path, socket: Path) -> dict[str, dict[str, Any]]:
    """Say how the supervisor itself is called, and where it writes."""
    return {
        "unix_http_server": {"file": socket, "chmod": "0600"},
        "rpcinterface:supervisor": {"supervisor.rpcinterface_factory": _RPC},
        "supervisord": {
            "pidfile": folder / PID_FILE,
            "logfile": log(folder, "supervisor"),
            "logfile_maxbytes": LOG_BYTES,
            "logfile_backups": LOG_FILES,
            "childlogdir": folder / "logs",
            "umask": f"{_umask():03o}",
            "identifier": "adce",
            "nocleanup": "true",
        },
    }


def _program(folder: Path, component: Component, priority: int) -> dict[str, Any]:
    """Say how a component is started, started again, and ended with all that it has started."""
    return {
        "command": shlex.join((*BEGIN, str(lock(folder, component.name)), *component.command)),
        "priority": priority,
        "autorestart": "true",
        "startretries": TRIES,
        "stopsignal": "INT",
        "stopasgroup": "true",
        "killasgroup": "true",
        "stopwaitsecs": STOP_SECONDS,
        "redirect_stderr": "true",
        # Of all its settings the supervisor expands this one twice.
        "stdout_logfile": str(log(folder, component.name)).replace("%", "%%"),
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": LOG_FILES,
    }


def _escaped(values: Mapping[str, Any]) -> dict[str, str]:
    """Write values; the supervisor expands what stands behind a percent sign, and none of ours is meant so."""
    return {key: str(value).replace("%", "%%") for key, value in values.items()}


def _section(name: str, values: Mapping[str, str]) -> str:
    return "\n".join((f"[{name}]", *(f"{key} = {value}" for key, value in values.items()), ""))


def _refuse_cut(text: str, sections: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    """Read what was written as the supervisor does; ServiceError where it is something else: there is no escape."""
    parser = RawConfigParser(inline_comment_prefixes=_COMMENTS, strict=False)
    try:
        parser.read_string(text)
        read = {name: dict(parser[name]) for name in parser.sections()}
    except Error:
        read = {}
    if read != sections:
        hint = "move the installation to a folder without ` #`, ` ;` and line ends in its path"
        raise ServiceError("its supervisor would cut the name of this folder", where=str(folder), hint=hint)


def _umask() -> int:
    """Return which rights files that this process makes do not get."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
