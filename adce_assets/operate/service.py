"""An installation in, its components kept running out: supervisor starts them, starts them again, and ends them.

Dagster's daemon, its web server, the code server that both ask and the health server are programs of one supervisor,
which lies in a folder of the installation with logs and configuration. What the components do is not known here.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from adce_assets.errors import AlreadyRunningError, ConditionFailedError, ServiceError
from adce_assets.operate import component, left_behind, supervising
from adce_assets.operate.left_behind import Left
from adce_assets.operate.ports import Listening, refuse_taken
from adce_assets.operate.socket_place import CONTROL, make_place, place_of
from adce_assets.operate.supervising import BEGIN, HELD, PID_FILE, STOP_SECONDS, Component

if TYPE_CHECKING:
    from collections.abc import Generator

SUPERVISOR = (sys.executable, "-P", "-m", "supervisor.supervisord")
SUPERVISOR_NAME = "supervisor"
FOLDER = "service"
"""The folder of an installation's service, in the one where this machine works."""
ANSWER_SECONDS = 10.0
"""How long a supervisor may take to answer: it does nothing else than to answer and to look after processes."""
FORKED_SECONDS = 1.0
"""How long a component needs at most to be its program: a signal that comes before is lost, and waited for in vain."""


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
_SILENCE = TimeoutError, BlockingIOError
"""What is raised where a supervisor says nothing; the second where too many wait already for an answer."""
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


@dataclass(frozen=True, slots=True)
class Service:
    """The supervisor of an installation.

    Attributes:
        folder: Where its files are; one folder has one supervisor.
        components: What it keeps running, in the order in which they are started.
        files: What the components read, by its name in the folder.
        ports: Where they will listen; nothing is started where one of these cannot be had.
        first: A program that has to end before the components start: what several of them would make at once.
        running_after: Seconds that a component has to live to count as running.
        patience_s: How long is waited until all are.
    """

    folder: Path
    components: Sequence[Component] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    ports: Sequence[Listening] = ()
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
        return place_of(self.folder) / CONTROL

    def log(self, name: str) -> Path:
        """The file that a component writes to; ``supervisor`` is the supervisor itself."""
        return supervising.log(self.folder, name)

    def running(self) -> int | None:
        """Return the process of the supervisor, one that is ending or says nothing included; None where is none."""
        pid, _ = self._found()
        return pid

    def left(self) -> list[Left]:
        """Name the components that live though their supervisor is gone, as after it was killed."""
        found = left_behind.living(self.folder)
        return found if found and self._holder() is None and self.running() is None else []

    def start(self, environment: dict[str, str], *, told: Callable[[Sequence[Stand]], None] = lambda _: None) -> int:
        """Start the supervisor and its components, and wait until each runs; return the supervisor's process.

        Args:
            environment: What the components find in their environment.
            told: Called with how they stand while it is waited.

        Raises:
            ServiceError: it runs already, or a component does not come up. Nothing is left running then, nor where it
                is interrupted.
        """
        self.prepare(environment)
        try:
            done = subprocess.run(  # noqa: S603 - ours
                self._command(), env=environment, cwd=self.folder, capture_output=True, text=True, check=False
            )
            if not done.returncode:
                return self._come_up(told)
        except BaseException:  # whoever interrupts it, too, leaves nothing behind
            time.sleep(FORKED_SECONDS)
            self.stop()
            raise
        self._refuse_second()
        said = _last(done.stderr or done.stdout)
        raise ServiceError(f"the supervisor does not start: {said}", where=str(self.folder))

    def prepare(self, environment: dict[str, str]) -> None:
        """Write what supervisor and components read, and run what comes first; what was left behind is ended.

        Raises:
            AlreadyRunningError: it runs.
            ServiceError: the folder cannot be used, or a port is not to be had.
        """
        self._refuse_second()
        socket = make_place(self.folder) / CONTROL
        self.log("supervisor").parent.mkdir(exist_ok=True)
        text = supervising.configuration(self.folder, socket, self.components, running_after=self.running_after)
        left_behind.end(self.folder, self.left(), STOP_SECONDS)
        refuse_taken(self.ports)
        for name, content in {**self.files, self.configuration.name: text}.items():
            (self.folder / name).write_text(content, encoding="utf-8")
        if self.first:
            subprocess.run(  # noqa: S603 - our own program
                self.first, env=environment, cwd=self.folder, capture_output=True, check=False
            )

    def become(self, environment: dict[str, str]) -> NoReturn:
        """Be the supervisor from here on, after `prepare`: for whoever looks after this process."""
        command = self._command("-n")
        os.chdir(self.folder)
        os.execve(command[0], command, environment)  # noqa: S606 - our own interpreter, no shell

    def stop(self) -> bool:
        """End all components and the supervisor, and wait until they are gone; say whether there was one.

        What a supervisor has left behind that is gone is ended too.
        """
        pid = self.running()
        if pid is not None:
            self._shut_down(pid)
        left = self.left()
        left_behind.end(self.folder, left, STOP_SECONDS)
        return pid is not None or bool(left)

    def stands(self) -> list[Stand]:
        """Say how each component stands; ServiceError where no supervisor runs."""
        with self._asked() as supervisor:
            return [_stand(told) for told in supervisor.getAllProcessInfo()]

    def known(self) -> list[Stand]:
        """Say how each component stands; of no supervisor none does, and nothing is asked of one that is ending.

        Of one that says nothing, or is gone and has left components behind, this is said in the place of these.
        """
        from xmlrpc.client import Fault

        try:
            return self.stands()
        except ServiceError as error:
            if isinstance(error.__cause__, Fault):
                return []
            if self._is_silent(error.__cause__):
                return [Stand(SUPERVISOR_NAME, Health.FAILED, None, self._noted_pid(), "it does not answer")]
        if left := ", ".join(f"`{one.name}`" for one in self.left()):
            said = f"it is gone, and left {left} behind, which nobody looks after"
            return [Stand(SUPERVISOR_NAME, Health.FAILED, None, None, said)]
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

    def _shut_down(self, pid: int) -> None:
        """End a supervisor, and wait until it is gone; ServiceError where it says nothing, or does not end."""
        from xmlrpc.client import Fault

        try:
            with self._asked() as supervisor:
                supervisor.shutdown()
        except ServiceError as error:
            cause = error.__cause__
            # The last that one does which ends is to put its socket away.
            if not isinstance(cause, Fault) and (isinstance(cause, _SILENCE) or not self._ends(pid, ANSWER_SECONDS)):
                raise
        if self._ends(pid, 1.5 * STOP_SECONDS):
            return
        raise ServiceError(f"process {pid} does not end", where=str(self.folder), hint=f"see {self.log('supervisor')}")

    def _found(self) -> tuple[int | None, str]:
        """Return the process of the supervisor, if there is one, and how it is."""
        from xmlrpc.client import Fault

        try:
            with self._asked() as supervisor:
                return int(supervisor.getPID()), "runs already"
        except ServiceError as error:
            cause = error.__cause__
            is_ending = isinstance(cause, Fault)
            pid = self._noted_pid() if is_ending or self._is_silent(cause) else None
            return pid, "is still ending" if is_ending else "says nothing"

    def _ends(self, pid: int, patience_s: float) -> bool:
        """Wait until a supervisor is gone; say whether it is."""
        until = time.monotonic() + patience_s
        while is_there := _lives(pid) or self._holder() is not None:
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        return not is_there

    def _holder(self) -> int | None:
        """Return the process that the supervisor has begun as; None where there is none, or one of an older release."""
        return left_behind.holder(self.folder / HELD)

    def _is_silent(self, cause: BaseException | None) -> bool:
        """Say whether there is a supervisor that was not heard: only its lock says that it is gone."""
        return isinstance(cause, _SILENCE) or self._holder() is not None

    def _command(self, *options: str) -> list[str]:
        """Say how the supervisor is called."""
        begin = (*BEGIN, component.SUPERVISOR, str(self.folder / HELD))
        return [*begin, *SUPERVISOR, *options, "-c", str(self.configuration)]

    def _refuse_second(self) -> None:
        """Raise AlreadyRunningError where there is a supervisor."""
        pid, how = self._found()
        if pid is not None:
            raise AlreadyRunningError(
                f"it {how}: process {pid}",
                where=str(self.folder),
                hint="`adce status` shows it, `adce stop` ends it, `adce restart` does both",
            )

    def _noted_pid(self) -> int | None:
        """Return the process that a supervisor has noted as its own; where it has not yet, the one it has begun as."""
        try:
            pid = int((self.folder / PID_FILE).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return self._holder()
        return pid if _lives(pid) else self._holder()

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
        except Fault as error:
            raise ServiceError("it is ending", where=str(self.folder), hint="`adce stop` waits for its end") from error
        except (OSError, HTTPException) as error:
            if self._is_silent(error):
                noted = self.folder / PID_FILE
                hint = (
                    f"its process ({noted}) hangs or was held, or its socket was removed: let it go on, or kill it and "
                    "`adce stop` what it leaves"
                )
                raise ServiceError("the supervisor does not answer", where=str(self.folder), hint=hint) from error
            raise ServiceError("it does not run", where=str(self.folder), hint="`adce start` starts it") from error
        finally:
            transport.close()


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
