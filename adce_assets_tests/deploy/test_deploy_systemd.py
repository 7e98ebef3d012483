"""The unit of systemd: systemd itself takes it, and finds it well confined; what ADCE needs is not taken from it."""

import re
import subprocess
from pathlib import Path

import pytest

from adce_assets.operate.service import STOP_SECONDS
from adce_assets_tests.deploy.processes import DEPLOY, unit
from adce_assets_tests.shipped import ROOT

UNIT = DEPLOY / "systemd" / "adce.service"
MOST_EXPOSED = 15
"""In tenths, as `systemd-analyze security` counts; 100 is a service that may do everything."""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit, with a program in the place of the one that an installation has."""
    program = tmp_path / "adce"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = UNIT.read_text().replace("/opt/adce/.venv/bin/adce", str(program)).replace("/opt/adce", str(ROOT))
    (tmp_path / UNIT.name).write_text(text)
    return tmp_path / UNIT.name


def analysed(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments],  # noqa: S607 - wherever it is installed
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_systemd_takes_the_unit(installed: Path) -> None:
    told = analysed("verify", str(installed))
    assert (told.returncode, told.stderr) == (0, "")


def test_systemd_finds_a_slip_of_the_pen(installed: Path) -> None:
    installed.write_text(installed.read_text().replace("ProtectSystem=strict", "ProtectSystems=strict"))
    assert "'ProtectSystems'" in analysed("verify", str(installed)).stderr


def test_systemd_finds_the_service_well_confined(installed: Path) -> None:
    told = analysed("security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(installed))
    assert told.returncode == 0, told.stdout[-200:]


def test_what_adce_asks_of_the_kernel_is_left_to_it() -> None:
    """The supervisor takes its socket for its user, and parsers of documents from outside limit themselves."""
    allowed: set[str] = set()
    for line in unit()["Service"]["SystemCallFilter"]:
        named = {call for name in line.removeprefix("~").split() for call in calls(name)}
        allowed = allowed - named if line.startswith("~") else allowed | named
    assert {"chown", "prlimit64", "setrlimit", "setpriority", "execve", "kill", "socket"} <= allowed
    assert not {"mount", "ptrace", "bpf", "setuid", "chroot", "reboot", "init_module"} & allowed


def calls(name: str) -> set[str]:
    """Name the calls of a group, as systemd has it."""
    if not name.startswith("@"):
        return {name}
    lines = [line.strip() for line in analysed("syscall-filter", name).stdout.splitlines()[1:]]
    return {call for line in lines if line and not line.startswith("#") for call in calls(line)}


def test_the_unit_waits_as_long_as_the_supervisor_does() -> None:
    service = unit()["Service"]
    assert int(service["TimeoutStopSec"][0]) >= 1.5 * STOP_SECONDS
    assert (service["KillMode"], service["Restart"]) == (["mixed"], ["always"])


def test_all_that_is_written_lies_where_the_unit_may_write() -> None:
    (folders,) = unit()["Service"]["StateDirectory"]
    own = {f"/var/lib/{name}" for name in folders.split()}
    given = dict(re.findall(r"^([A-Z_]+)=(.*)$", (UNIT.parent / "environment.example").read_text(), re.MULTILINE))
    assert given["DAGSTER_HOME"] in own
    assert given["ADCE_STATE"].removeprefix("file://") in own
    assert "/var/lib/adce/work" in own
    assert not given["ADCE_HOME"].startswith("/var")
