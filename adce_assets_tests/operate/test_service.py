"""A supervisor over small programs: started once, started again when they die, and none is left when it is stopped."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adce_assets.errors import AlreadyRunningError, ConditionFailedError, ServiceError
from adce_assets.operate import left_behind
from adce_assets.operate import service as services
from adce_assets.operate.health_acts import END_SECONDS
from adce_assets.operate.ports import Listening
from adce_assets.operate.service import Component, Health, Service
from adce_assets.operate.socket_place import make_place, place_of
from adce_assets.operate.supervising import STOP_SECONDS
from adce_assets.operate.supervisor_socket import SocketTransport

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


RETURNS = """
import pathlib, sys, time
begun = pathlib.Path(sys.argv[1])
begun.open("a").write("x")
often = len(begun.read_text())
time.sleep({1: 0, 2: 0, 3: 1.2}.get(often, 600))
"""
"""Ends at once, and once more, and then in order after it has run; the fourth stays."""
TELLS = "import os, time; print(os.getcwd(), oct(os.umask(0)), flush=True); time.sleep(600)"
STAYS = """
import os, sys
from pathlib import Path
from adce_assets.operate.service import Component, Service
service = Service(Path(sys.argv[1]), (Component("one", (sys.executable, "-c", sys.argv[2])),), running_after=1)
service.prepare(dict(os.environ))
service.become(dict(os.environ))
"""


def program(name: str, code: str) -> Component:
    return Component(name, (sys.executable, "-c", code))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Make services that end with the test."""
    made: list[Service] = []

    def make(
        *components: Component, folder: str = "service", patience_s: float = PATIENCE_S, ports: Sequence[Listening] = ()
    ) -> Service:
        made.append(Service(tmp_path / folder, components, ports=ports, running_after=1, patience_s=patience_s))
        return made[-1]

    yield make
    for service in made:
        if pid := service.running():
            os.kill(pid, signal.SIGKILL)  # `stop` takes seconds, and has tests of its own
        left_behind.end(service.folder, left_behind.living(service.folder), PATIENCE_S)
        if (place := place_of(service.folder)) != service.folder:
            shutil.rmtree(place)


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
    aside = service.socket.with_name("aside")

    def crowd(*_: object) -> None:
        raise BlockingIOError(11, "too many wait for an answer")

    ways = (
        lambda: os.kill(pid, signal.SIGSTOP),
        lambda: service.socket.rename(aside),
        lambda: monkeypatch.setattr(SocketTransport, "make_connection", crowd),
    )
    try:
        for hide in ways:
            hide()
            (told,) = service.known()
            assert (told.name, told.health, told.pid, told.said) == ("supervisor", "failed", pid, "it does not answer")
            with pytest.raises(ServiceError, match="does not answer"):
                service.stop()
            with pytest.raises(AlreadyRunningError, match=f"says nothing: process {pid}"):
                service.start(dict(os.environ))
            assert (service.left(), len(left_behind.living(service.folder))) == ([], 1)
    finally:
        os.kill(pid, signal.SIGCONT)
        aside.rename(service.socket)
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


def test_one_that_ends_comes_back_whether_it_failed_or_not(serve: Callable[..., Service], tmp_path: Path) -> None:
    (tmp_path / "returns.py").write_text(RETURNS)
    begun = tmp_path / "begun"
    service = serve(Component("one", (sys.executable, str(tmp_path / "returns.py"), str(begun))))
    service.start(dict(os.environ))
    wait_until(lambda: begun.read_text() == "xxxx")
    wait_until(lambda: service.stands()[0].health is Health.RUNNING)
    assert STOP_SECONDS > END_SECONDS


def test_what_a_killed_supervisor_leaves_is_told_and_ended(serve: Callable[..., Service]) -> None:
    service = serve(program("one", LIVES), program("parent", PARENT))
    os.kill(service.start(dict(os.environ)), signal.SIGKILL)
    wait_until(lambda: service.running() is None)
    left = service.left()
    wait_until(lambda: service.log("parent").read_text().strip().isdecimal())
    processes = [one.group for one in left] + [int(service.log("parent").read_text())]
    assert ([one.name for one in left], all(map(lives, processes))) == (["one", "parent"], True)
    (told,) = service.known()
    assert (told.name, told.health) == ("supervisor", "failed")
    assert "left `one`, `parent` behind" in told.said
    assert service.stop()
    wait_until(lambda: not any(map(lives, processes)))
    assert (service.left(), service.known(), service.stop()) == ([], [], False)


def test_who_starts_it_again_after_its_supervisor_was_killed_has_one_of_each(serve: Callable[..., Service]) -> None:
    service = serve(program("one", LIVES))
    os.kill(service.start(dict(os.environ)), signal.SIGKILL)
    wait_until(lambda: service.running() is None)
    (old,) = service.left()
    service.start(dict(os.environ))
    (stand,) = service.stands()
    assert (lives(old.group), service.left()) == (False, [])
    assert [one.group for one in left_behind.living(service.folder)] == [stand.pid]


def test_what_does_not_end_when_it_is_asked_is_killed(tmp_path: Path) -> None:
    code = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {LIVES}"
    command = [sys.executable, "-P", "-m", "adce_assets.operate.component", str(left_behind.lock(tmp_path, "one"))]
    with subprocess.Popen([*command, sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        assert left_behind.living(tmp_path) == [left_behind.Left("one", process.pid)]
        left_behind.end(tmp_path, left_behind.living(tmp_path), 0.1)
        assert (process.wait(), left_behind.living(tmp_path)) == (-signal.SIGKILL, [])


def test_what_has_ended_is_not_signalled_to_whoever_has_its_number_now(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as stranger:
        left_behind.end(tmp_path, [left_behind.Left("one", stranger.pid)], 0.0)
        stranger.send_signal(signal.SIGUSR1)
        assert stranger.wait(PATIENCE_S) == -signal.SIGUSR1


def test_a_port_that_is_taken_is_told_at_once_with_its_setting(serve: Callable[..., Service]) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        service = serve(program("one", LIVES), ports=(Listening("service.web_port", "127.0.0.1", port),))
        with pytest.raises(ServiceError, match=f"127.0.0.1:{port}") as refused:
            service.start(dict(os.environ))
    assert "`service.web_port`" in refused.value.hint
    assert (service.running(), service.configuration.exists()) == (None, False)


def test_who_interrupts_the_start_leaves_nothing_behind(serve: Callable[..., Service]) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    service = serve(program("one", LIVES))
    with pytest.raises(KeyboardInterrupt):
        service.start(dict(os.environ), told=interrupt)
    assert (service.running(), service.left()) == (None, [])


def test_it_stays_in_the_process_of_who_looks_after_it(serve: Callable[..., Service], tmp_path: Path) -> None:
    service = serve()
    with subprocess.Popen(
        [sys.executable, "-c", STAYS, str(tmp_path / "service"), LIVES],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until(lambda: [stand.health for stand in service.known()] == [Health.RUNNING])
        assert service.running() == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert (service.running(), service.left()) == (None, [])


def test_nothing_of_the_place_where_it_is_started_is_needed_or_run(
    serve: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "tempfile.py").write_text("raise SystemExit('code of the current folder')")
    monkeypatch.chdir(here)
    service = serve(Component("one", (sys.executable, "-P", "-c", TELLS)))
    mask = os.umask(0o027)
    try:
        service.start(dict(os.environ))
    finally:
        os.umask(mask)
    shutil.rmtree(here)
    (before,) = service.stands()
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)
    told = f"{service.folder} 0o27\n"
    wait_until(lambda: service.log("one").read_text() == 2 * told)


@pytest.mark.parametrize("folder", ["with a blank and é", "deep/" + "ä" * 60, "50%/of %(here)s#;"])
def test_a_folder_may_be_called_what_a_person_likes(
    serve: Callable[..., Service], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(
        program("one", "import os, time; print(os.environ['SAID'], flush=True); time.sleep(600)"), folder=folder
    )
    service.start({**os.environ, "SAID": '100% "quoted" and $HOME'})
    wait_until(lambda: service.log("one").is_file() and service.log("one").read_text() != "")
    assert service.log("one").read_text() == '100% "quoted" and $HOME\n'
    assert service.socket.stat().st_mode & 0o077 == 0
    monkeypatch.setattr(tempfile, "tempdir", str(service.folder))  # who asks has another folder for what is temporary
    assert service.running() is not None
    assert "quoted" not in service.configuration.read_text()


@pytest.mark.parametrize("folder", ["my lake #2", "lake ;2", "two\nlines"])
def test_a_folder_that_the_supervisor_would_cut_is_refused(serve: Callable[..., Service], folder: str) -> None:
    service = serve(program("one", LIVES), folder=folder)
    with pytest.raises(ServiceError, match="would cut the name"):
        service.start(dict(os.environ))
    assert not service.configuration.exists()


@pytest.mark.parametrize(("folder", "is_plain"), [("plain", True), ("50%", False), ("a b", False), ("é", False)])
def test_sockets_are_where_their_path_means_nothing_else(folder: str, *, is_plain: bool) -> None:
    with tempfile.TemporaryDirectory() as short:
        place = make_place(Path(short, folder))
        assert (place == Path(short, folder)) is is_plain
        place.rmdir()


def test_the_copy_of_a_service_has_sockets_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / ("ä" * 60), tmp_path / ("ö" * 60)
    place = make_place(first)
    assert (make_place(first), place_of(first), place.stat().st_mode & 0o777) == (place, place, 0o700)
    shutil.copytree(first, second)
    assert place_of(second) == second
    other = make_place(second)
    assert (other != place, place_of(second), place_of(first)) == (True, other, place)
    monkeypatch.setattr(os, "getuid", lambda: first.stat().st_uid + 1)  # root asks for what is another user's
    assert place_of(first) == place
    for made in (place, other):
        made.rmdir()
