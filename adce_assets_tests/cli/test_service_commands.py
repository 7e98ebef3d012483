"""`adce start` and its kin as a person meets them; what they do to processes is tested with the service itself."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from adce_assets.operate.left_behind import living, lock
from adce_assets.operate.service import Service
from adce_assets.operate.socket_place import place_of
from adce_assets.operate.supervisor_socket import SocketTransport
from adce_assets_tests.cli.conftest import ROOT


@pytest.fixture
def ready(installation: Any) -> Iterator[Any]:
    """An installation that can be started; the place of its sockets is removed."""
    shutil.copy(ROOT / "dagster.yaml", installation.home)
    folder = installation.home / ".adce" / "service"
    yield installation
    if (place := place_of(folder)) != folder:
        place.rmdir()


def test_an_installation_that_does_not_run_says_so_and_is_not_there_to_be_stopped(reconciled: Any) -> None:
    shutil.copy(ROOT / "dagster.yaml", reconciled.home)
    found = reconciled.adce("status", "--json")
    told = json.loads(found.stdout)
    assert (found.exit_code, told["running"], told["components"]) == (1, False, [])
    assert told["tasks"] == reconciled.state_of("gaps.json")["total_tasks"]
    assert reconciled.json("stop") == {"schema": 1, "was_running": False, "left_behind": []}
    assert "has not written anything yet" in reconciled.adce("logs", "--component", "daemon").stderr


def test_a_service_is_shown_and_ended_where_no_lake_is_configured_any_more(installation: Any) -> None:
    del installation.variables["ADCE_LAKE"]
    assert installation.json("stop") == {"schema": 1, "was_running": False, "left_behind": []}
    assert "has not written anything yet" in installation.adce("logs", "--component", "daemon").stderr
    assert json.loads(installation.adce("status", "--json").stdout)["running"] is False
    refused = installation.adce("start")
    assert (refused.exit_code, "no lake is configured" in refused.stderr) == (1, True)


def test_the_last_lines_of_each_component_are_shown(reconciled: Any) -> None:
    shutil.copy(ROOT / "dagster.yaml", reconciled.home)
    logs = reconciled.home / ".adce" / "service" / "logs"
    logs.mkdir(parents=True)
    (logs / "web.log").write_text("one\ntwo\nthree\n")
    (logs / "code.log").write_bytes(b"caf\xff\nlast, without an end")
    found = reconciled.adce("logs", "--tail", "2", "--component", "web", "--component", "code")
    assert found.stdout.splitlines() == ["web: two", "web: three", "code: caf\ufffd", "code: last, without an end"]
    told = reconciled.adce("logs", "--tail", "1", "--component", "web", "--json").stdout
    assert json.loads(told) == {"schema": 1, "component": "web", "line": "three"}


def test_in_the_foreground_it_is_prepared_and_becomes_the_supervisor(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, Service, dict[str, str]]] = []

    def become(service: Service, environment: dict[str, str]) -> NoReturn:
        done.append(("become", service, environment))
        raise SystemExit

    monkeypatch.setattr(Service, "prepare", lambda *given: done.append(("prepare", *given)))
    monkeypatch.setattr(Service, "become", become)
    monkeypatch.chdir(ready.home.parent)
    found = ready.adce("start", "--foreground", ADCE_HOME=ready.home.name, PYTHONPATH="some")
    assert (found.exit_code, [what for what, _, _ in done]) == (0, ["prepare", "become"])
    _, service, environment = done[1]
    assert environment["ADCE_HOME"] == str(ready.home)
    assert (environment["PYTHONPATH"], environment["PYTHONSAFEPATH"]) == (str(ready.home.parent / "some"), "1")
    (server,) = json.loads(service.files["workspace.yaml"])["load_from"]
    (code,) = (one.command for one in service.components if one.name == "code")
    assert (
        code[code.index("--socket") + 1] == server["grpc_server"]["socket"] == str(service.socket.parent / "code.sock")
    )
    assert [one.setting for one in service.ports] == ["service.web_port", "health.port"]


def test_a_component_whose_supervisor_is_gone_is_named_and_ended(installation: Any) -> None:
    folder = installation.home / ".adce" / "service"
    folder.mkdir(parents=True)
    begin = [sys.executable, "-m", "adce_assets.operate.component", str(lock(folder, "daemon")), "sleep", "600"]
    with subprocess.Popen(begin) as process:
        until = time.monotonic() + 30
        while not living(folder) and time.monotonic() < until:
            time.sleep(0.02)
        found = installation.adce("status", "--json")
        (told,) = json.loads(found.stdout)["components"]
        assert (found.exit_code, told["component"], told["health"]) == (1, "supervisor", "failed")
        assert installation.json("stop") == {"schema": 1, "was_running": True, "left_behind": ["daemon"]}
        assert process.wait(30) == -signal.SIGTERM


def test_without_the_settings_of_dagster_nothing_is_started(installation: Any) -> None:
    found = installation.adce("start")
    assert (found.exit_code, "dagster.yaml" in found.stderr) == (1, True)


def test_what_runs_is_told_as_it_was_started_whatever_this_terminal_has(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"ADCE_DRY_RUN": "", "ADCE_TEST_MODE": "1"}

    def start(service: Service, _environment: dict[str, str], **_: Any) -> int:
        service.folder.mkdir(parents=True, exist_ok=True)
        for name, text in service.files.items():
            (service.folder / name).write_text(text)
        return 1

    monkeypatch.setattr(Service, "start", start)
    url = ready.json("start", "--dry-run")["url"]
    (ready.home / "config" / "autonomous_config.yaml").write_text("service: {web_port: 4000}\n")

    def told() -> tuple[Any, ...]:
        found = json.loads(ready.adce("status", "--json", **asked).stdout)
        return found["url"], found["dry_run"], found["test_mode"]

    assert told() == ("http://127.0.0.1:4000", False, True)
    monkeypatch.setattr(Service, "running", lambda _: 1)
    assert told() == (url, True, False)
    assert "dry run: nothing is started" in ready.adce("status", **asked).stderr
    (ready.home / "config" / "autonomous_config.yaml").write_text("service: {")
    assert told() == (url, None, None)


@pytest.mark.parametrize(("pid", "said"), [(None, "nothing of it is left running"), (17, "some of it still runs")])
def test_who_interrupts_the_start_is_told_what_is_left(
    ready: Any, monkeypatch: pytest.MonkeyPatch, pid: int | None, said: str
) -> None:
    def start(*_: Any, **__: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(Service, "start", start)
    monkeypatch.setattr(Service, "running", lambda _: pid)
    assert said in ready.adce("start").stderr


def test_a_supervisor_that_says_nothing_is_asked_but_once(installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def connect(*_: Any) -> NoReturn:
        asked.append("asked")
        raise TimeoutError

    monkeypatch.setattr(SocketTransport, "make_connection", connect)
    assert "supervisor" in installation.adce("status").stdout
    assert asked == ["asked"]
