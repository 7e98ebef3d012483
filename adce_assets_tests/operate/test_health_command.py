"""Looks that go on, the server as a command, and what asks it: from this machine, or from another."""

import json
import os
import time
from collections.abc import Callable
from contextlib import closing
from threading import Event
from typing import Any

import pytest

from adce_assets.errors import ServiceError
from adce_assets.operate.health_asking import ask
from adce_assets.operate.health_server import Desk, listening
from adce_assets.operate.looks import Looks
from adce_assets.operate.renewing import Renewed
from adce_assets_tests.cli.conftest import NOW, Installation
from adce_assets_tests.operate.asking import EVERYWHERE, Served, Supervised
from adce_assets_tests.operate.watched import MINUTE, WELL, Watched


def test_a_look_that_fails_is_not_the_last_one(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    stop, heard = Event(), list[list[str]]()
    faults = [ZeroDivisionError("no"), None]

    def asked() -> Any:
        fault = faults.pop(0)
        if fault:
            raise fault
        return WELL

    def hear(causes: Any) -> None:
        heard.append([cause.code for cause in causes])
        stop.set()

    looks = Looks(Renewed(lambda: watched.settings), asked, Supervised(watched.home / "service"), hear)
    looks.go_on(0.01, stop)
    assert (heard, looks.latest is not None) == ([[]], True)
    assert "another is taken" in caplog.text


def test_the_command_asks_a_server_and_ends_as_it_is(watched: Watched, serve: Served) -> None:
    serve.issue()
    serve.desk.looks.look()
    command, url = Installation(watched.home, watched.variables), f"http://127.0.0.1:{serve.port}"
    secret = {"ADCE_TOKEN": serve.secrets["viewer"]}
    assert command.json("health", "--url", url, **secret)["well"] is True
    refused = command.adce("health", "--url", url)
    assert (refused.exit_code, "ADCE_TOKEN" in refused.stderr) == (1, True)
    watched.say(last_cycle=NOW - 90 * MINUTE)
    serve.desk.looks.look()
    found = command.adce("health", "--url", url, **secret)
    assert (found.exit_code, "cycle_late" in found.stdout, "it is not well" in found.stderr) == (1, True, True)
    assert serve.secrets["viewer"] not in found.output + refused.output


def test_the_server_listens_where_it_is_told_and_looks_by_itself(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(listening("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    watched.configure("health", port=port, interval_seconds=7)
    ran: list[tuple[str, Any, float]] = []

    class Runs:
        def __init__(self, desk: Desk, address: str) -> None:
            self.desk, self.address = desk, address

        def run(self, sockets: list[Any]) -> None:
            _wait_for(lambda: self.desk.looks.latest is not None)
            ran.append((self.address, sockets[0].getsockname(), self.desk.every_s))

    monkeypatch.setattr("adce_assets.operate.health_server.server", Runs)
    monkeypatch.setattr(os, "nice", lambda _: 0)
    command = Installation(watched.home, watched.variables)
    served = command.adce("health", "serve")
    assert (served.exit_code, ran) == (0, [("127.0.0.1", ("127.0.0.1", port), 7)]), served.stderr
    refused = command.adce("health", "serve", ADCE_HEALTH_ADDRESS=EVERYWHERE[0])
    assert (refused.exit_code, "adce token issue" in refused.stderr, len(ran)) == (1, True, 1)


def _wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://127.0.0.1", "http://127.0.0.1:x", "http://[::1", "http://"])
def test_what_is_no_address_of_a_server_is_said(url: str) -> None:
    with pytest.raises(ServiceError):
        ask(url, None)


def test_a_server_that_is_gone_or_another_one_is_said(serve: Served) -> None:
    with closing(listening("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServiceError, match="no answer"):
        ask(f"http://127.0.0.1:{port}", None)
    with pytest.raises(ServiceError, match="404"):
        ask(f"http://127.0.0.1:{serve.port}/elsewhere", None)


def test_the_command_looks_by_itself_where_no_server_is_named(watched: Watched) -> None:
    found = Installation(watched.home, watched.variables).adce("health", "--json")
    told = json.loads(found.stdout)
    assert (found.exit_code, told["well"]) == (1, False)
    assert {"loop_stopped", "cycle_late"} <= {cause["code"] for cause in told["causes"]}
