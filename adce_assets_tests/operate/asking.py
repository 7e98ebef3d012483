"""A health server over a real socket, and a client that asks it as anybody might."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

from adce_assets.operate.access_database import AccessDatabase
from adce_assets.operate.actions import ActionLog
from adce_assets.operate.health_access import Doors
from adce_assets.operate.health_acts import Acts
from adce_assets.operate.health_server import Desk, listening, server
from adce_assets.operate.looks import Looks
from adce_assets.operate.renewing import Renewed
from adce_assets.operate.service import Health, Service, Stand
from adce_assets.operate.tokens import Role, Tokens
from adce_assets.settings import now
from adce_assets_tests.cli.conftest import NOW
from adce_assets_tests.operate.watched import Watched

EVERYWHERE = ("0.0.0.0", "::", "10.0.0.7")  # noqa: S104 - nobody listens there


@dataclass(frozen=True, slots=True)
class Supervised(Service):
    """A supervisor of components that are said to run."""

    ended: set[str] = field(default_factory=set)

    def stands(self) -> list[Stand]:
        stands = {
            name: Health.STOPPED if name in self.ended else Health.RUNNING for name in ("daemon", "health", "web")
        }
        return [Stand(name, health, NOW, 17, "so it is") for name, health in stands.items()]

    def begin(self, name: str) -> bool:
        was_ended = name in self.ended
        self.ended.discard(name)
        return was_ended

    def end(self, name: str) -> bool:
        was_there = name not in self.ended
        self.ended.add(name)
        return was_there


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A server of an installation, and the secrets of its tokens."""

    desk: Desk
    database: AccessDatabase
    service: Supervised
    address: str
    port: int
    secrets: dict[str, str] = field(default_factory=dict)
    ahead: list[float] = field(default_factory=lambda: [0.0])

    def issue(self) -> None:
        """Make a token of each role."""
        self.secrets = {str(role): self.desk.doors.tokens.issue(str(role), role, "test") for role in Role}
        self.desk.doors.is_token_wanted.forget()

    def ask(
        self, path: str, *, method: str = "GET", role: str = "", body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Ask as the holder of a token, or with what ``headers`` say; ``body`` is sent as JSON unless it is bytes."""
        token = {"Authorization": f"Bearer {self.secrets.get(role, role)}"} if role else {}
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if body is not None else {}
        connection = HTTPConnection(self.address, self.port, timeout=20)
        connection.request(method, path, sent, token | kind | (headers or {}))
        answer = connection.getresponse()
        found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        connection.close()
        return found


@contextmanager
def serving(
    watched: Watched, folder: Path, *, apply: Sequence[str] = (), address: str = "127.0.0.1"
) -> Iterator[Served]:
    """Serve an installation, which is not looked at before somebody says so."""
    database = AccessDatabase(watched.settings.access_url)
    service, ahead = Supervised(folder), [0.0]
    installation = Renewed(lambda: watched.settings)
    desk = Desk(
        looks=Looks(installation, lambda: watched.outside, service),
        doors=Doors(Tokens(database, now), is_local=True),
        acts=Acts(installation, service, ActionLog(database, now), {}, tuple(apply)),
        every_s=60,
        monotonic=lambda: time.monotonic() + ahead[0],
    )
    socket = listening(address, 0)
    made = server(desk, address)
    thread = Thread(target=made.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    try:
        yield Served(desk, database, service, address, socket.getsockname()[1], ahead=ahead)
    finally:
        made.should_exit = True
        thread.join(20)
        socket.close()
        database.dispose()
