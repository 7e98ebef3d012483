"""A supervisor over small programs: started once, started again when they die, and none is left when it is stopped."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adce_assets.errors import AlreadyRunningError, ConditionFailedError, ServiceError
from adce_assets.operate import service as services
from adce_assets.operate.service import Component, Health, Service

PATIENCE_S = 30.0
LINGERS = """
import pathlib, signal, sys, time
go = pathlib.Path(sys.argv[1])
def end(*_):
    while not go.exists(): time.sleep(0.02)
    sys.exit()
signal.signal(signal.SIGINT, end)
print("ready", flush=True)
time.sleep(600)
"""
"""Ends once a file is there."""
LIVES = "import time, sys; print('ready', flush=True); time.sleep(600)"
PARENT = (
    "import subprocess, sys, time; "
    "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True); time.sleep(600)"
)


def program(name: str, code: str) -> Component:
    return Component(name, (sys.executable, "-c", code))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Make services that end with the test."""
    made: list[Service] = []

    def make(*components: Component, folder: str = "service", patience_s: float = PATIENCE_S) -> Service:
        made.append(Service(tmp_path / folder, components, running_after=1, patience_s=patience_s))
        return made[-1]

    yield make
    for service in made:
        service.stop()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_all_components_run_and_nothing_of_them_is_left(serve: Callable[..., Service]) -> None:
    service = serve(program("one", LIVES), program("parent", PARENT))
    assert service.start(dict(os.environ)) == service.running()
    stands = {stand.name: stand for stand in service.stands()}
    assert {name: stand.health for name, stand in stands.items()} == {"one": "running", "parent": "running"}
    wait_until(lambda: service.log("parent").read_text().strip().isdecimal())
    grandchild = int(service.log("parent").read_text())
    processes = [stand.pid for stand in stands.values() if stand.pid] + [grandchild]
    assert all(map(lives, processes))
    assert service.stop()
    wait_until(lambda: not any(map(lives, processes)))
    assert (service.running(), service.stop()) == (None, False)
    with pytest.raises(ServiceError, match="adce start"):
        service.stands()


def test_who_starts_it_a_second_time_is_told_who_holds_it_and_changes_nothing(serve: Callable[..., Service]) -> None:
    service = serve(program("one", LIVES))
    pid = service.start(dict(os.environ))
    with pytest.raises(AlreadyRunningError, match=f"process {pid}") as refused:
        service.start(dict(os.environ))
    assert refused.value.exit_code == 3
    assert service.running() == pid
    assert [stand.health for stand in service.stands()] == [Health.RUNNING]


def test_a_component_that_is_killed_comes_back(serve: Callable[..., Service]) -> None:
    service = serve(program("one", LIVES))
    service.start(dict(os.environ))
    (before,) = service.stands()
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)
    wait_until(lambda: service.stands()[0].pid not in {None, before.pid})
    wait_until(lambda: service.stands()[0].health is Health.RUNNING)


def test_one_component_is_ended_and_begun_again_while_the_others_live(serve: Callable[..., Service]) -> None:
    service = serve(program("one", LIVES), program("other", LIVES))
    service.start(dict(os.environ))
    before = {stand.name: stand.pid for stand in service.stands()}

    def is_one(health: Health) -> bool:
        return {stand.name: stand.health for stand in service.stands()}["one"] is health

    assert service.end("one")
    wait_until(lambda: is_one(Health.STOPPED))
    assert not service.end("one")
    assert service.begin("one")
    wait_until(lambda: is_one(Health.RUNNING))
    assert not service.begin("one")
    after = {stand.name: stand.pid for stand in service.stands()}
    assert (after["one"] != before["one"], after["other"] == before["other"]) == (True, True)
    with pytest.raises(ServiceError, match="the supervisor refuses"):
        service.end("nobody")


def test_what_is_still_ending_is_neither_started_nor_taken_for_gone(
    serve: Callable[..., Service], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    (tmp_path / "lingers.py").write_text(LINGERS)
    service = serve(Component("one", (sys.executable, str(tmp_path / "lingers.py"), str(go))))
    pid = service.start(dict(os.environ))
    wait_until(lambda: "ready" in service.log("one").read_text())
    assert service.end("one")
    with pytest.raises(ConditionFailedError, match="still ending"):
        service.begin("one")
    with ThreadPoolExecutor() as threads:
        first = threads.submit(service.stop)
        wait_until(lambda: service.known() == [])
        assert service.running() == pid
        with pytest.raises(AlreadyRunningError, match=f"still ending: process {pid}"):
            service.start(dict(os.environ))
        second = threads.submit(service.stop)
        go.touch()
        assert (first.result(), second.result(), service.running()) == (True, True, None)


def test_a_supervisor_that_says_nothing_is_told_in_time(
    serve: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(program("one", LIVES))
    pid = service.start(dict(os.environ))
    monkeypatch.setattr(services, "ANSWER_SECONDS", 0.1)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert (service.known(), service.running()) == ([], pid)
        with pytest.raises(ServiceError, match="does not answer"):
            service.stop()
    finally:
        os.kill(pid, signal.SIGCONT)
        monkeypatch.undo()
    assert service.stop()


def test_of_two_that_start_it_at_once_the_second_is_told_who_holds_it(
    serve: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(program("one", LIVES))
    pid = service.start(dict(os.environ))
    monkeypatch.setattr(Service, "prepare", lambda *_: None)  # the second has looked before the first one ran
    with pytest.raises(AlreadyRunningError, match=f"process {pid}"):
        service.start(dict(os.environ))
    assert service.running() == pid


def test_one_that_does_not_come_up_is_told_with_its_log_and_nothing_is_left(serve: Callable[..., Service]) -> None:
    service = serve(program("one", LIVES), program("other", "raise SystemExit('no such lake')"), patience_s=3)
    with pytest.raises(ServiceError, match=r"`other` does not come up") as failed:
        service.start(dict(os.environ))
    assert str(service.log("other")) in failed.value.hint
    assert "no such lake" in service.log("other").read_text()
    assert service.running() is None


@pytest.mark.parametrize("folder", ["with a blank and é", "deep/" + "x" * 120, "50%/of %(here)s"])
def test_a_folder_may_be_called_what_a_person_likes(serve: Callable[..., Service], folder: str) -> None:
    service = serve(
        program("one", "import os, time; print(os.environ['SAID'], flush=True); time.sleep(600)"), folder=folder
    )
    service.start({**os.environ, "SAID": '100% "quoted" and $HOME'})
    wait_until(lambda: service.log("one").is_file() and service.log("one").read_text() != "")
    assert service.log("one").read_text() == '100% "quoted" and $HOME\n'
    assert service.socket.stat().st_mode & 0o077 == 0
    assert "quoted" not in service.configuration.read_text()
