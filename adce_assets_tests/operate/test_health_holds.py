"""What must not take health down, nor let all seem well: faulty files, silent callers, looks that are old."""

import json
import re
import socket
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from select import select
from threading import Event
from typing import Any

import pytest

from adce_assets.cli.health import _desk
from adce_assets.errors import ConditionFailedError, LakeError
from adce_assets.lake.file_store import FileStore
from adce_assets.operate import health_access, health_waiting
from adce_assets.operate.access_database import AccessDatabase
from adce_assets.operate.halting import halt
from adce_assets.operate.health_access import AT_ONCE
from adce_assets.operate.tokens import Role
from adce_assets_tests.cli.conftest import NOW, Installation
from adce_assets_tests.operate.alarmed import SECRETS, Receiver, hook
from adce_assets_tests.operate.asking import Served, serving
from adce_assets_tests.operate.watched import HOUR, Watched

HALF = b"GET /stop HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nContent-Length: 500\r\n\r\n{"
"""A request with a body that does not come."""


def codes(served: Served) -> set[tuple[str, str]]:
    return {(cause["code"], cause["subject"]) for cause in served.ask("/health").json["causes"]}


def test_a_contract_that_is_edited_is_judged_as_it_stands(watched: Watched, serve: Served) -> None:
    look, contract = serve.desk.looks.look, watched.home / "inventory" / "data_inventory.yaml"
    look()
    assert codes(serve) == set()
    opened, text = serve.desk.acts.installation(), contract.read_text()
    look()
    assert serve.desk.acts.installation() is opened
    (watched.home / "inventory" / "cache" / "much").mkdir()
    (watched.home / "inventory" / "cache" / "much" / "of.yaml").touch()
    assert serve.desk.acts.installation() is opened, "what the loop writes is nothing that it is configured by"
    contract.write_text(text.replace("description: games", "discription: games"))
    look()
    assert codes(serve) == {("contract", "")}
    contract.write_text(text)
    look()
    assert codes(serve) == set()
    for place in (contract.parent, watched.home / "inventory" / "tables"):
        opened = serve.desk.acts.installation()
        place.mkdir(exist_ok=True)
        (place / "teams.csv").write_text("id\n1\n")
        assert serve.desk.acts.installation() is not opened, "what a contract takes its values from is a part of it"


def test_settings_that_become_faulty_are_one_cause_and_the_looks_go_on(watched: Watched, serve: Served) -> None:
    serve.desk.looks.look()
    config = watched.home / "config" / "autonomous_config.yaml"
    config.write_text(config.read_text() + "\nbogus: 1\n")
    serve.desk.looks.look()
    assert codes(serve) == {("settings", "")}
    assert serve.ask("/status").json["dry_run"] is None
    command = Installation(watched.home, watched.variables)
    assert command.json("stop")["was_running"] is False
    for name in ("health", "status"):
        found = command.adce(name, "--json")
        assert (found.exit_code, "settings" in {cause["code"] for cause in json.loads(found.stdout)["causes"]}) == (
            1,
            True,
        )


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("gaps", {"tasks": None}),
        ("gaps", {"tasks": [{"priority": "high"}]}),
        ("gaps", {"by_priority": None}),
        ("gaps", {"by_priority": {"critical": "many"}}),
        ("cache/current_inventory", {"as_of": "soon"}),
        ("cache/current_inventory", {"as_of": "2025-02-30T00:00:00Z"}),
        ("cache/detected_gaps", {"gaps": [{"detected_at": "2025-01-15T25:00:00Z"}]}),
        ("cache/current_inventory", {"objects": "x"}),
        ("cache/detected_gaps", {"gaps": {}}),
        ("cache/detected_gaps", {"schema": 99}),
    ],
)
def test_a_file_of_another_form_is_one_cause_and_the_rest_is_told(
    watched: Watched, serve: Served, name: str, changed: dict[str, Any]
) -> None:
    watched.change(name, **changed)
    serve.desk.looks.look()
    assert codes(serve) == {("files", name)}
    assert (serve.ask("/status").status, serve.ask("/metrics").status) == (200, 200)
    assert serve.ask("/tasks").status == (503 if name == "gaps" else 200)


def test_an_inventory_without_a_zone_is_of_utc_wherever_the_server_is(
    watched: Watched, serve: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.change("cache/current_inventory", as_of=f"{NOW - HOUR:%Y-%m-%dT%H:%M}")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    serve.desk.looks.look()
    monkeypatch.undo()
    time.tzset()
    told = re.search(rb"^adce_inventory_timestamp_seconds (.*)$", serve.ask("/metrics").body, re.MULTILINE)
    assert told is not None
    assert float(told[1]) == (NOW - HOUR).timestamp()


def test_what_cannot_be_told_hides_nothing_that_is_wrong(
    watched: Watched, serve: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    watched.say(off=("task_queue_sensor",))
    monkeypatch.setattr("adce_assets.operate.looks.exposed", breaks)
    serve.desk.looks.look()
    assert codes(serve) == {("switched_off", "task_queue_sensor")}
    assert {path: serve.ask(path).status for path in ("/status", "/metrics")} == {"/status": 200, "/metrics": 503}
    monkeypatch.setattr("adce_assets.operate.telling.status", breaks)
    assert [cause.code for cause in serve.desk.looks.look().causes] == ["switched_off"]
    assert (serve.ask("/status").status, codes(serve)) == (503, {("switched_off", "task_queue_sensor")})


def test_without_the_one_database_of_all_machines_somebody_is_told(
    watched: Watched, url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = {**watched.variables, **SECRETS, "ADCE_DATABASE_URL": "postgresql://x:y@127.0.0.1:1/x"}
    for name, value in away.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_HOME", str(watched.home))
    monkeypatch.setattr("dagster_postgres.utils.time.sleep", lambda _: None)
    watched.configure("alerts", after_minutes=0, channels=[hook(url)])
    database = AccessDatabase(watched.settings.access_url)
    looks, stop = _desk(watched.settings, database).looks, Event()
    stop.set()
    looks.go_on(1, stop)
    assert receiver.told == [("opened", "alerts_unkept", "")]
    assert looks.latest is not None
    assert {"dagster", "database"} <= {cause.code for cause in looks.latest.causes}
    database.dispose()


def test_a_store_that_is_silent_is_waited_for_once_in_a_look(serve: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def silent(self: FileStore, key: str) -> None:
        if self.url.endswith("/inventory"):
            asked.append(key)
            raise LakeError("does not answer", where=self.url)

    for name in ("glance", "head", "get"):
        monkeypatch.setattr(FileStore, name, silent)
    serve.desk.looks.look()
    assert codes(serve) == {("state", "")}
    assert (serve.ask("/status").json["tasks"], serve.ask("/metrics").status) == (None, 200)
    assert asked == ["gaps.json"]


def test_a_task_with_half_a_letter_is_told(watched: Watched, serve: Served) -> None:
    tasks = json.loads((watched.home / "inventory" / "gaps.json").read_text())["tasks"]
    watched.change("gaps", tasks=[tasks[0] | {"note": "\ud800"}])
    serve.desk.looks.look()
    assert serve.ask("/tasks").json["tasks"][0]["note"] == "\ud800"


def test_an_old_look_is_not_told_as_if_it_were_true(serve: Served) -> None:
    serve.desk.looks.look()
    assert (serve.ask("/status").json["well"], serve.ask("/metrics").status) == (True, 200)
    serve.ahead[0] = 500
    told = serve.ask("/status").json
    assert (told["well"], told["causes"][0]["code"], serve.ask("/metrics").status) == (False, "look_late", 503)


def test_those_who_never_ask_keep_nobody_from_asking(serve: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    serve.desk.looks.look()
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            stack.enter_context(socket.create_connection((serve.address, serve.port)))
        assert (serve.ask("/live").status, serve.ask("/health").status) == (200, 200)
        monkeypatch.setattr(health_waiting, "SILENT_S", 0.05)
        silent = stack.enter_context(socket.create_connection((serve.address, serve.port), timeout=20))
        assert ended(silent)
        operator = serve.desk.doors.tokens.issue("operator", Role.OPERATOR, "test").encode()
        half = stack.enter_context(socket.create_connection((serve.address, serve.port), timeout=20))
        half.sendall(HALF.replace(b"GET", b"POST").replace(b"Bearer x", b"Bearer " + operator))
        assert half.recv(12) == b"HTTP/1.1 408"


def test_requests_that_are_half_sent_keep_nobody_from_asking(serve: Served) -> None:
    serve.issue()
    serve.desk.looks.look()
    operator = serve.secrets["operator"].encode()
    with ExitStack() as stack:
        halves = [
            stack.enter_context(socket.create_connection((serve.address, serve.port), timeout=20))
            for _ in range(AT_ONCE + 1)
        ]
        for half in halves:
            half.sendall(HALF.replace(b"GET", b"POST").replace(b"Bearer x", b"Bearer " + operator))
        answered, _, _ = select(halves, [], [], 20)
        assert answered[0].recv(12) == b"HTTP/1.1 503", "no more bodies are waited for"
        assert {path: serve.ask(path, role="viewer").status for path in ("/live", "/health")} == {
            "/live": 200,
            "/health": 200,
        }
    post = HALF.replace(b"GET", b"POST")
    viewer = post.replace(b"Bearer x", b"Bearer " + serve.secrets["viewer"].encode())
    without = post.replace(b"Authorization", b"X")
    for sent, status in ((HALF, b"413"), (without, b"401"), (post, b"401"), (viewer, b"403")):
        with socket.create_connection((serve.address, serve.port), timeout=20) as half:
            half.sendall(sent)
            assert half.recv(12) == b"HTTP/1.1 " + status, "nobody waits for a body that is of no use"


def test_who_has_asked_and_goes_silent_is_not_waited_for(serve: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_waiting, "SILENT_S", 0.2)
    with socket.create_connection((serve.address, serve.port), timeout=20) as connection:
        connection.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(4096)
        connection.sendall(b"G")
        assert ended(connection)


def test_what_is_asked_before_the_answer_to_what_was_asked_before_piles_up_nowhere(serve: Served) -> None:
    with socket.create_connection((serve.address, serve.port), timeout=20) as connection:
        connection.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        assert ended(connection)


def test_who_asks_and_does_not_read_gives_back_his_place(serve: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_access, "AT_ONCE", 1)
    monkeypatch.setattr(health_waiting, "SILENT_S", 0.3)
    serve.desk.looks.latest = replace(serve.desk.looks.look(), status=b" " * 20_000_000)
    with ExitStack() as stack:
        unread, silent = (
            stack.enter_context(socket.create_connection((serve.address, serve.port), timeout=20)) for _ in range(2)
        )
        for _ in range(2):
            unread.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert unread.recv(1)
        silent.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while silent.recv(4096):
            pass
        assert serve.ask("/health").status == 200


def test_of_too_many_connections_the_longest_silent_one_is_ended(
    serve: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_waiting, "MOST_OPEN", 3)
    with ExitStack() as stack:
        opened = [
            stack.enter_context(socket.create_connection((serve.address, serve.port), timeout=20)) for _ in range(4)
        ]
        assert ended(opened[0])
        assert serve.ask("/live").status == 200
        assert ended(opened[1])
        opened[3].sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert opened[3].recv(12) == b"HTTP/1.1 200"


def ended(connection: socket.socket) -> bool:
    """Tell whether the other side has ended a connection, in order or not."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_request_that_is_broken_off_is_not_done(serve: Served) -> None:
    serve.issue()
    head = f"Host: localhost\r\nAuthorization: Bearer {serve.secrets['operator']}\r\nContent-Length: 500"
    with socket.create_connection((serve.address, serve.port), timeout=20) as connection:
        connection.sendall(f"POST /stop HTTP/1.1\r\n{head}\r\n\r\nabc".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert (serve.service.ended, serve.desk.acts.log.entries()) == (set(), [])


def test_monitors_may_ask_for_the_head_alone(serve: Served) -> None:
    answer = serve.ask("/live", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")


def test_to_revoke_the_last_token_opens_nothing(serve: Served) -> None:
    serve.issue()
    for name in ("viewer", "operator"):
        serve.desk.doors.tokens.revoke(name)
    serve.desk.doors.is_token_wanted.forget()
    assert {serve.ask(path).status for path in ("/status", "/tasks")} == {401}


def test_nothing_is_applied_while_the_loop_is_halted(watched: Watched, serve: Served) -> None:
    serve.issue()
    (watched.home / "plans").mkdir()
    file = watched.home / "plans" / "night.json"
    assert Installation(watched.home, watched.variables).adce("plan", "-o", str(file)).exit_code == 2
    halt(watched.installation.project.state, "inward", "a host led inward", at=NOW, by="run")
    planned = {"plan": file.name, "seal": json.loads(file.read_text())["seal"]}
    refused = serve.ask("/apply", method="POST", role="operator", body=planned)
    assert (refused.status, "a host led inward" in refused.json["error"]) == (409, True)


def test_a_plan_that_is_being_applied_ends_with_the_server_and_holds_off_another(
    watched: Watched, tmp_path: Path
) -> None:
    ended = tmp_path / "ended"
    code = (
        "import time, pathlib\ntry:\n    print(flush=True); time.sleep(600)\n"
        f"except KeyboardInterrupt:\n    pathlib.Path({str(ended)!r}).touch()"
    )
    with serving(watched, watched.home / "service", apply=(sys.executable, "-c", code)) as made:
        log = made.service.log("apply")
        process = made.desk.acts._applying = made.desk.acts._begun(tmp_path / "night.json", log)
        while not log.read_text():
            assert process.poll() is None
        with pytest.raises(ConditionFailedError, match="being applied"):
            made.desk.acts._begun(tmp_path / "other.json", log)
    assert (process.poll(), ended.is_file()) == (0, True)


@pytest.mark.parametrize(("minutes", "found"), [(150, set()), (60, {("canary_late", "")})])
def test_a_canary_that_maintenance_has_held_back_is_not_late(watched: Watched, minutes: int, found: set[Any]) -> None:
    watched.change("cache/canary", sent_at=(NOW - 4 * HOUR).isoformat())
    watched.configure("canary", silent_hours=1)
    window = {"name": "backup", "cron": "0 9 * * *", "minutes": minutes}
    path = watched.home / "config" / "autonomous_config.yaml"
    path.write_text(path.read_text().replace("maintenance: []", f"maintenance: [{json.dumps(window)}]"))
    assert watched.found() == found
