"""What an operator asks for over HTTP in, done out: by the functions of the command line, and with an entry in the log.

Nothing is done before the log of actions says that it begins.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from adce_assets.errors import AdceError, ConditionFailedError
from adce_assets.loop import applying, approvals, plans
from adce_assets.loop.state import QUEUE
from adce_assets.operate.actions import ActionLog, Actor, Told
from adce_assets.operate.halting import refuse_while_halted
from adce_assets.operate.health_answers import Applied, Changed, Decided
from adce_assets.operate.renewing import Renewed
from adce_assets.operate.service import Service
from adce_assets.operate.tokens import Holder

DAEMON = "daemon"
"""The component that starts what is started."""
FOLDER = "plans"
"""Where, in the home of an installation, plans lie that may be applied over HTTP."""
APPLY = (sys.executable, "-m", "adce_assets.cli", "apply", "--json")
END_SECONDS = 200
"""How long a plan that is being applied may take to end; less than a component may."""
_MOVE = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(slots=True)
class Acts:
    """What an operator may ask for.

    Attributes:
        installation: Of what, as it stands when somebody asks.
        service: Its supervisor.
        log: Where it is written down.
        environment: What a program finds in its environment that applies a plan.
        apply: The program.
    """

    installation: Renewed
    service: Service
    log: ActionLog
    environment: Mapping[str, str]
    apply: tuple[str, ...] = APPLY
    _applying: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    _one: Lock = field(default_factory=Lock, init=False)

    def start(self, holder: Holder) -> Changed:
        """Let the daemon start what is to be started."""
        with self._logged(holder, "start", DAEMON):
            return Changed(component=DAEMON, changed=self.service.begin(DAEMON))

    def stop(self, holder: Holder) -> Changed:
        """Let the daemon start nothing more: what is under way is finished, pages and health stay."""
        with self._logged(holder, "stop", DAEMON):
            return Changed(component=DAEMON, changed=self.service.end(DAEMON))

    def apply_plan(self, holder: Holder, name: str, seal: str) -> Applied:
        """Apply a plan as `adce apply` does, in a program of its own; one at a time.

        Raises:
            AdceError: there is no such plan, it is another one, or the world has moved under it.
            ConditionFailedError: another plan is being applied.
        """
        with self._one, self._logged(holder, "apply", name, {"seal": seal}) as told:
            project = self.installation().project
            refuse_while_halted(project.state)
            file = project.settings.home / FOLDER / name
            plan = plans.read(file)
            if plan.seal != seal:
                raise AdceError("it is another plan than that of this seal", where=f"{FOLDER}/{name}")
            applying.refuse_other_world(project, plan)
            moved = applying.moved(plan, applying.open_keys(project.state, plan))
            applying.refuse_moved(moved, project.settings.autonomous.approvals.tolerance)
            log = self.service.log("apply")
            self._applying = self._begun(file, log)
            told["process"] = self._applying.pid
            left = len(moved.all)
            return Applied(plan=name, keys=plan.keys, left_away=left, process=self._applying.pid, log=log.name)

    def end(self) -> None:
        """End the plan that is being applied, if one is: what is under way is finished, the rest is given back."""
        if self._applying is None or self._applying.poll() is not None:
            return
        self._applying.send_signal(signal.SIGINT)
        try:
            self._applying.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._applying.pid, signal.SIGKILL)
            self._applying.wait()

    def decide(self, holder: Holder, what: str, note: str, *, accept: bool) -> Decided:
        """Accept or reject what waits for a person: work of the loop (`hold-...`), or the move of a metric (a number).

        Raises:
            AdceError: nothing of this name waits, or somebody else was faster.
        """
        action = "approve accept" if accept else "approve reject"
        with self._logged(holder, action, what, {"note": note}):
            if _MOVE.fullmatch(what):
                self._decide_move(holder, int(what), note, accept=accept)
            else:
                self._decide_work(holder, what, note, accept=accept)
        return Decided(id=what, decided="accepted" if accept else "rejected", by=holder.name)

    def _decide_work(self, holder: Holder, what: str, note: str, *, accept: bool) -> None:
        project = self.installation().project
        held = approvals.look(project, project.state.read_json(QUEUE))
        if held is None or held.id != what:
            valid = "" if held is None else held.id
            raise AdceError("nothing of this name waits for an approval", valid=valid, hint="see `/health`")
        approvals.decide(project, held, accepted=accept, by=holder.name, note=note)

    def _decide_move(self, holder: Holder, number: int, note: str, *, accept: bool) -> None:
        from adce_assets.dims import approvals as moves
        from adce_assets.dims.place import open_place

        with open_place(self.installation().project) as place:
            moves.decide(place, number, accept=accept, by=holder.name, note=note)

    def _begun(self, file: Path, log: Path) -> "subprocess.Popen[bytes]":
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out, log.with_suffix(".lock").open("ab") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConditionFailedError("a plan is being applied", where=FOLDER, hint="wait for its end") from error
            # The program has the lock from here on, whatever becomes of this one.
            return subprocess.Popen(  # noqa: S603 - our own program
                (*self.apply, "--", str(file)),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
                pass_fds=(held.fileno(),),
                process_group=0,
            )

    def _logged(
        self, holder: Holder, action: str, subject: str, detail: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Told]:
        return self.log.acting(Actor(f"token {holder.name}", str(holder.role)), action, subject, detail)
