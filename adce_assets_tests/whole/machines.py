"""Machines on which the loop lives: each has its own home, a code server and Dagster's daemon, in one process group.

What they share (lake, state, databases) is in the environment that they are given.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import yaml

ROOT = Path(__file__).parents[2]
DEFINITIONS = "adce_assets.definitions"
PATIENCE_S = 60
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Machine:
    """A machine, with the environment that its processes find."""

    home: Path
    environment: Mapping[str, str]
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __enter__(self) -> Self:
        port = _free_port()
        self.home.mkdir(exist_ok=True)
        shutil.copy(ROOT / "dagster.yaml", self.home)
        served = {"host": "127.0.0.1", "port": port, "location_name": "adce_assets"}
        workspace = self.home / "workspace.yaml"
        workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": served}]}))
        self._start("code", "dagster", "api", "grpc", "-h", "127.0.0.1", "-p", str(port), "-m", DEFINITIONS)
        _wait_for(port, self.processes["code"])
        self._start("daemon", "dagster-daemon", "run", "-w", str(workspace))
        return self

    def __exit__(self, *_: object) -> None:
        for name in ("daemon", "code"):
            self.stop(name)

    def _start(self, name: str, program: str, *arguments: str) -> None:
        own = {"DAGSTER_HOME": str(self.home), "DAGSTER_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [Path(sys.executable).with_name(program), *arguments],
                env={"PATH": os.environ["PATH"], **self.environment, **own},
                cwd=self.home,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, name: str) -> None:
        """End a process, and all that it has started."""
        process = self.processes[name]
        for signalled in (signal.SIGINT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signalled)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)

    def is_well(self) -> bool:
        """Tell whether both processes live."""
        return all(process.poll() is None for process in self.processes.values())

    def memory_mb(self) -> dict[str, float]:
        """Say how much memory each process has, by name."""
        pages = {name: Path(f"/proc/{one.pid}/statm").read_text().split()[1] for name, one in self.processes.items()}
        return {name: round(int(held) * PAGE / 1e6, 1) for name, held in pages.items()}

    def cpu_seconds(self) -> float:
        """Say how much time of a processor the processes have used, and all that they waited for."""
        ticks = 0
        for process in self.processes.values():
            told = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, told[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def said(self, name: str) -> str:
        """Return what a process wrote."""
        return (self.home / f"{name}.log").read_text()


def aws(server_url: str) -> dict[str, str]:
    """Lead a process to an S3 server."""
    return {
        "AWS_ENDPOINT_URL": server_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"the code server did not start on port {port}")
