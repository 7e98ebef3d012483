"""An installation in, its components kept running out: supervisor starts them, starts them again, and ends them.

Dagster's daemon, its web server, the code server that both ask and the health server are programs of one supervisor,
which lies in a folder of the installation with its socket, its logs and its configuration. What the components do is
not known here.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.errors import AdceError, AlreadyRunningError, ConditionFailedError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Generator

SUPERVISOR = (sys.executable, "-m", "supervisor.supervisord")
STOP_SECONDS = 240
"""How long a component may take to end: a run finishes what is under way, and Dagster waits for it."""
LONGEST_SOCKET = 100
"""Letters of the path of a socket that every system takes."""
WORKSPACE, PID_FILE = "workspace.yaml", "supervisord.pid"
LOG_BYTES, LOG_FILES = 10_000_000, 5
ANSWER_SECONDS = 10.0
"""How long a supervisor may take to answer: it does nothing else than to answer and to look after processes."""
TRIES = 1_000
"""How often a component that ends at once is started again, each time a second later than the last."""


@dataclass(frozen=True, slots=True)
class Component:
    """A program that is kept running: its name, and how it is called."""

    name: str
    command: tuple[str, ...]


class Health(StrEnum):
    """How a component stands, as its supervisor sees it."""

    RUNNING = "running"
    STARTING = "starting"
    RETRYING = "retrying"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


_ALREADY_STARTED, _NOT_RUNNING = 60, 70
"""The faults by which a supervisor says that something is so already."""
_WAITS = False
"""Whether a supervisor answers only when what was asked for has come about: stopping takes minutes."""
_HEALTH = {
    "RUNNING": Health.RUNNING,
    "STARTING": Health.STARTING,
    "BACKOFF": Health.RETRYING,
    "STOPPING": Health.STOPPING,
}


@dataclass(frozen=True, slots=True)
class Stand:
    """How a component stands: since when (UTC), its process if it has one, and what its supervisor says of it."""

    name: str
    health: Health
    since: datetime | None
    pid: int | None
    said: str


def components(folder: Path, *, web_port: int, code_port: int) -> tuple[Component, ...]:
    """Name the programs of Dagster that the loop lives in, and the one that tells its health.

    Daemon and web server ask the code server, and so load it once.
    """
    programs, here = Path(sys.executable).parent, "127.0.0.1"
    workspace = str(folder / WORKSPACE)
    code = ("-h", here, "-p", str(code_port), "-m", "adce_assets.definitions", "--location-name", "adce_assets")
    return (
        Component("code", (str(programs / "dagster"), "api", "grpc", *code)),
        Component("daemon", (str(programs / "dagster-daemon"), "run", "-w", workspace)),
        Component("web", (str(programs / "dagster-webserver"), "-h", here, "-p", str(web_port), "-w", workspace)),
        Component("health", (sys.executable, "-m", "adce_assets.cli", "health", "serve")),
    )


def workspace(code_port: int) -> str:
    """Write where the code server is, as Dagster reads it."""
    server = {"host": "127.0.0.1", "port": code_port, "location_name": "adce_assets"}
    return json.dumps({"load_from": [{"grpc_server": server}]})


@dataclass(frozen=True, slots=True)
class Service:
    """The supervisor of an installation.

    Attributes:
        folder: Where its files are; one folder has one supervisor.
        components: What it keeps running, in the order in which they are started.
        files: What the components read, by its name in the folder.
        first: A program that has to end before the components start: what several of them would make at once.
        running_after: Seconds that a component has to live to count as running.
        patience_s: How long is waited until all are.
    """

    folder: Path
    components: Sequence[Component] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    first: tuple[str, ...] = ()
    running_after: int = 5
    patience_s: float = 90.0

    @property
    def configuration(self) -> Path:
        """The file that the supervisor reads."""
        return self.folder / "supervisord.conf"

    @property
    def socket(self) -> Path:
        """Where the supervisor listens; only its own user may ask it."""
        socket = self.folder / "control.sock"
        if len(str(socket)) <= LONGEST_SOCKET:
            return socket
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"adce-{os.getuid()}-{digest}.sock"

    def log(self, name: str) -> Path:
        """The file that a component writes to; ``supervisor`` is the supervisor itself."""
        return self.folder / "logs" / f"{name}.log"

    def running(self) -> int | None:
        """Return the process of the supervisor, one that is ending or says nothing included; None where is none."""
        from xmlrpc.client import Fault

        try:
            with self._asked() as supervisor:
                return int(supervisor.getPID())
        except ServiceError as error:
            return self._noted_pid() if isinstance(error.__cause__, Fault | TimeoutError) else None

    def start(self, environment: dict[str, str], *, told: Callable[[Sequence[Stand]], None] = lambda _: None) -> int:
        """Start the supervisor and its components, and wait until each runs; return the supervisor's process.

        Args:
            environment: What the components find in their environment.
            told: Called with how they stand while it is waited.

        Raises:
            ServiceError: it runs already, or a component does not come up. Nothing is left running then.
        """
        self.prepare(environment)
        command = [*SUPERVISOR, "-c", str(self.configuration)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        if done.returncode:
            self._refuse_second()
            said = _last(done.stderr or done.stdout)
            raise ServiceError(f"the supervisor does not start: {said}", where=str(self.folder))
        try:
            return self._come_up(told)
        except AdceError:
            self.stop()
            raise

    def prepare(self, environment: dict[str, str]) -> None:
        """Write what supervisor and components read, and run what comes first; AlreadyRunningError if it runs."""
        self._refuse_second()
        self.log("supervisor").parent.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for name, text in {**self.files, self.configuration.name: self._text()}.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        if self.first:
            subprocess.run(self.first, env=environment, capture_output=True, check=False)  # noqa: S603 - our own program

    def stop(self) -> bool:
        """End all components and the supervisor, and wait until they are gone; say whether there was one."""
        pid = self.running()
        if pid is None:
            return False
        try:
            with self._asked() as supervisor:
                supervisor.shutdown()
        except ServiceError as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
        until = time.monotonic() + 1.5 * STOP_SECONDS
        while time.monotonic() < until:
            if not _lives(pid):
                return True
            time.sleep(0.1)
        raise ServiceError(f"process {pid} does not end", where=str(self.folder), hint=f"see {self.log('supervisor')}")

    def stands(self) -> list[Stand]:
        """Say how each component stands; ServiceError where no supervisor runs."""
        with self._asked() as supervisor:
            return [_stand(told) for told in supervisor.getAllProcessInfo()]

    def known(self) -> list[Stand]:
        """Say how each component stands; of no supervisor none does."""
        try:
            return self.stands()
        except ServiceError:
            return []

    def begin(self, name: str) -> bool:
        """Start one component of a supervisor that runs, and do not wait; say whether it was not started before.

        Raises:
            ServiceError: no supervisor runs, or it cannot start it.
            ConditionFailedError: the component is still ending.
        """
        with self._asked() as supervisor:
            return _unless(_ALREADY_STARTED, lambda: _start(supervisor, name))

    def end(self, name: str) -> bool:
        """End one component, and do not wait; say whether it was not ended before. ServiceError as with `begin`."""
        with self._asked() as supervisor:
            return _unless(_NOT_RUNNING, lambda: supervisor.stopProcess(name, _WAITS))

    def _refuse_second(self) -> None:
        """Raise AlreadyRunningError where there is a supervisor."""
        if (pid := self.running()) is not None:
            raise AlreadyRunningError(
                f"it {'runs already' if self.known() else 'is still ending'}: process {pid}",
                where=str(self.folder),
                hint="`adce status` shows it, `adce stop` ends it, `adce restart` does both",
            )

    def _noted_pid(self) -> int | None:
        """Return the process that a supervisor has noted as its own; None where it has not, or is gone."""
        try:
            pid = int((self.folder / PID_FILE).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        return pid if _lives(pid) else None

    def _come_up(self, told: Callable[[Sequence[Stand]], None]) -> int:
        until = time.monotonic() + self.patience_s
        while time.monotonic() < until:
            stands = self.stands()
            told(stands)
            if all(stand.health is Health.RUNNING for stand in stands):
                return self.running() or 0
            if failed := [stand for stand in stands if stand.health is Health.FAILED]:
                break
            time.sleep(0.2)
        else:
            failed = [stand for stand in stands if stand.health is not Health.RUNNING]
        name = failed[0].name
        raise ServiceError(f"`{name}` does not come up: {failed[0].said}", hint=f"see {self.log(name)}")

    @contextmanager
    def _asked(self) -> "Generator[Any]":
        """Lend the supervisor, to be asked by its socket."""
        from http.client import HTTPException
        from xmlrpc.client import Fault, ServerProxy

        from adce_assets.operate.supervisor_socket import SocketTransport

        transport = SocketTransport(self.socket, ANSWER_SECONDS)
        try:
            proxy: ServerProxy = ServerProxy("http://127.0.0.1", transport=transport)
            yield proxy.supervisor
        except TimeoutError as error:
            hint = f"its process ({self.folder / PID_FILE}) hangs or was held: let it go on, or kill it"
            raise ServiceError("the supervisor does not answer", where=str(self.folder), hint=hint) from error
        except Fault as error:
            raise ServiceError("it is ending", where=str(self.folder), hint="`adce stop` waits for its end") from error
        except (OSError, HTTPException) as error:
            raise ServiceError("it does not run", where=str(self.folder), hint="`adce start` starts it") from error
        finally:
            transport.close()

    def _text(self) -> str:
        """Write the supervisor's configuration; its environment is handed to it, no secret stands in the file."""
        common = {
            "unix_http_server": {"file": self.socket, "chmod": "0600"},
            "rpcinterface:supervisor": {"supervisor.rpcinterface_factory": _RPC},
            "supervisord": {
                "pidfile": self.folder / PID_FILE,
                "logfile": self.log("supervisor"),
                "logfile_maxbytes": LOG_BYTES,
                "logfile_backups": LOG_FILES,
                "childlogdir": self.folder / "logs",
                "identifier": "adce",
                "nocleanup": "true",
            },
        }
        programs = {f"program:{one.name}": self._program(one, at) for at, one in enumerate(self.components, 1)}
        return "\n".join(_section(name, values) for name, values in (common | programs).items())

    def _program(self, component: Component, priority: int) -> dict[str, Any]:
        """Say how a component is started, started again, and ended with all that it has started."""
        return {
            "command": shlex.join(component.command),
            "priority": priority,
            "autorestart": "true",
            "startsecs": self.running_after,
            "startretries": TRIES,
            "stopsignal": "INT",
            "stopasgroup": "true",
            "killasgroup": "true",
            "stopwaitsecs": STOP_SECONDS,
            "redirect_stderr": "true",
            # Of all its settings the supervisor expands this one twice.
            "stdout_logfile": str(self.log(component.name)).replace("%", "%%"),
            "stdout_logfile_maxbytes": LOG_BYTES,
            "stdout_logfile_backups": LOG_FILES,
        }


_RPC = "supervisor.rpcinterface:make_main_rpcinterface"


def _section(name: str, values: dict[str, Any]) -> str:
    """Write a section; the supervisor expands what stands behind a percent sign, and none of ours is meant so."""
    lines = (f"{key} = {str(value).replace('%', '%%')}" for key, value in values.items())
    return "\n".join((f"[{name}]", *lines, ""))


def _unless(code: int, do: Callable[[], object]) -> bool:
    """Ask a supervisor to do something; say False where it answers that it is so already."""
    from xmlrpc.client import Fault

    try:
        do()
    except Fault as fault:
        if fault.faultCode != code:
            raise ServiceError(f"the supervisor refuses: {fault.faultString}", hint="`adce status`") from fault
        return False
    return True


def _start(supervisor: Any, name: str) -> None:
    """Start a component; one that is still ending would be taken for started, and not start again."""
    if supervisor.getProcessInfo(name)["statename"] == "STOPPING":
        hint = "ask again when `adce status` says that it is stopped: it finishes what is under way"
        raise ConditionFailedError(f"the component `{name}` is still ending", hint=hint)
    supervisor.startProcess(name, _WAITS)


def _stand(told: dict[str, Any]) -> Stand:
    health = _HEALTH.get(told["statename"])
    if health is None:
        health = Health.STOPPED if told["statename"] == "STOPPED" else Health.FAILED
    began = told["start"]
    return Stand(
        name=told["name"],
        health=health,
        since=datetime.fromtimestamp(began, UTC) if began else None,
        pid=told["pid"] or None,
        said=told["spawnerr"] or told["description"],
    )


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _last(text: str) -> str:
    """Return the line of a supervisor's that says what is wrong, or else its last one."""
    lines = [line for line in text.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("Error:")), lines[-1] if lines else "it said nothing")
