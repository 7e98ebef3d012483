"""A server that does everything wrong, a clock that only tests turn, and a client that waits for neither.

The server speaks raw sockets, because the faults that matter are those that no well-behaved library would make.
"""

import gzip
import socket
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any, cast

import pytest

from adce_assets.fetch.client import Client
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Limits

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
ZEROS = bytes(1 << 20)


@dataclass
class Clock:
    """Time that passes when somebody sleeps; everybody who asks is told, and each question costs a ``tick``."""

    seconds: float = 1_700_000_000.0
    tick: float = 0.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        self.seconds += self.tick
        return self.seconds

    def milliseconds(self) -> int:
        return int(self.seconds * 1000)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@dataclass(frozen=True)
class Visit:
    """One request to the server: its path, how often that path was asked for before, and the end of the test."""

    path: str
    before: int
    ended: Event
    port: int


def reply(body: bytes = b"", status: str = "200 OK", length: int | None = None, **headers: str) -> bytes:
    """Write a response; header names are given with ``_`` for ``-``."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def hang(visit: Visit) -> Iterator[bytes]:
    visit.ended.wait()
    yield b""


def hang_in_the_body(visit: Visit) -> Iterator[bytes]:
    yield reply(b"{", length=100)
    visit.ended.wait()


def drip_the_headers(visit: Visit) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX-Slow: "
    yield from (b"x" for _ in range(20_000))
    visit.ended.wait()


def drip_the_body(visit: Visit) -> Iterator[bytes]:
    yield reply(b"", length=10_000_000)
    yield from (b" " for _ in range(20_000))
    visit.ended.wait()


def bomb(_: Visit) -> Iterator[bytes]:
    squeezed = zlib.compressobj(9, wbits=31)
    body = b"".join(squeezed.compress(ZEROS) for _ in range(256)) + squeezed.flush()
    yield reply(body, Content_Encoding="gzip")


def endless_bomb(visit: Visit) -> Iterator[bytes]:
    squeezed = zlib.compressobj(9, wbits=31)
    yield b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    while not visit.ended.is_set():
        yield squeezed.compress(ZEROS)


def busy_twice(visit: Visit) -> Iterator[bytes]:
    yield reply(b"{}") if visit.before >= 2 else reply(status="503 Busy")


def busy_once_for_a_while(visit: Visit) -> Iterator[bytes]:
    yield reply(b"{}") if visit.before else reply(status="429 Slow Down", Retry_After="17")


def always(answer: bytes) -> Callable[[Visit], Iterator[bytes]]:
    return lambda _: iter([answer])


def redirect(location: str, status: str = "302 Found") -> Callable[[Visit], Iterator[bytes]]:
    return lambda visit: iter([reply(status=status, Location=location.format(port=visit.port))])


def hops(visit: Visit) -> Iterator[bytes]:
    left = int(visit.path.rpartition("/")[2])
    yield reply(status="302 Found", Location=f"/hops/{left - 1}") if left else reply(b"{}")


BEHAVIOURS: Mapping[str, Callable[[Visit], Iterator[bytes]]] = {
    "/ok": always(reply(b'{"ok":true}', Content_Type="application/json", ETag='"v1"', Set_Cookie="a=1")),
    "/gzip": always(reply(gzip.compress(b'{"ok":true}'), Content_Encoding="gzip")),
    "/gzip-in-parts": always(reply(gzip.compress(b'{"ok"') + gzip.compress(b":true}"), Content_Encoding="gzip")),
    "/cut-gzip": always(reply(gzip.compress(b'{"ok":true}' * 99)[:-12], Content_Encoding="gzip")),
    "/wrong-gzip": always(reply(b'{"ok":true}', Content_Encoding="gzip")),
    "/brotli": always(reply(b"\x8b\x00\x80", Content_Encoding="br")),
    "/large": always(reply(bytes(2_000_000))),
    "/empty": always(reply()),
    "/hang": hang,
    "/hang-in-the-body": hang_in_the_body,
    "/drip-the-headers": drip_the_headers,
    "/drip-the-body": drip_the_body,
    "/bomb": bomb,
    "/endless-bomb": endless_bomb,
    "/short": always(reply(b'{"ok":', length=500)),
    "/nothing": always(b""),
    "/garbage": always(b"\x00\x01\x02 what is this\r\n\r\n"),
    "/busy-twice": busy_twice,
    "/busy": always(reply(status="503 Busy")),
    "/limited": always(reply(status="429 Slow Down")),
    "/limited-for-17": busy_once_for_a_while,
    "/limited-for-ever": always(reply(status="429 Slow Down", Retry_After="99999999999999999999")),
    "/hops": hops,
    "/redirect-to-itself": redirect("/redirect-to-itself"),
    "/redirect-to-metadata": redirect("http://169.254.169.254/latest/meta-data/"),
    "/redirect-to-a-file": redirect("file:///etc/passwd"),
    "/redirect-to-nonsense": redirect("http://[::1"),
    "/redirect-with-a-user": redirect("http://me:secret@127.0.0.1:{port}/ok"),
    "/redirect-to-another-port": redirect("http://127.0.0.1:1/ok"),
    "/redirect-to-another-name": redirect("http://localhost:{port}/ok"),
}


class MisbehavingServer(ThreadingTCPServer):
    """Does what the first part of the path says; ``/status/418`` answers with that status."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.asked: Counter[str] = Counter()
        self.heads: list[str] = []
        self.ended = Event()

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str) -> Iterator[bytes]:
        visit = Visit(path, self.asked[path], self.ended, self.port)
        self.asked[path] += 1
        name = f"/{path.split('/')[1].partition('?')[0]}"
        if name == "/status":
            return iter([reply(b"{}", status=f"{path.rpartition('/')[2]} Told To")])
        return BEHAVIOURS[name](visit)


class _Connection(StreamRequestHandler):
    def handle(self) -> None:
        server = cast("MisbehavingServer", self.server)
        head = b"".join(iter(self.rfile.readline, b"\r\n")).decode("latin-1")
        if not head:
            return
        server.heads.append(head)
        path = head.split(" ")[1]
        if path == "/reset":
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        try:
            for piece in server.answer(path):
                self.request.sendall(piece)
        except OSError:
            server.asked["gave up"] += 1


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as running:
        Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield running
        running.ended.set()
        running.shutdown()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(tmp_path: Path, clock: Clock) -> Iterator[Limits]:
    limits = Limits(tmp_path / "limits.sqlite", clock_ms=clock.milliseconds, sleep=clock.sleep)
    yield limits
    limits.dispose()


def host(url: str, **changes: Any) -> Host:
    """Declare a host that is asked without waiting and may be on this machine."""
    fields = {"base_url": url, "requests_per_second": 1000, "burst": 1000, "allow_private": True, "attempts": 1}
    return Host.model_validate(fields | changes)


@pytest.fixture
def client_of(limits: Limits, clock: Clock) -> Iterator[Callable[..., Client]]:
    """Make clients of one host named ``it``; keyword arguments change the host's entry."""
    clients = []

    def make(url: str, *, resolver: Callable[..., Any] | None = None, **changes: Any) -> Client:
        clients.append(
            Client(
                {"it": host(url, **changes)},
                limits,
                agent="adce/0 (+test)",
                now=lambda: NOW,
                monotonic=clock.monotonic,
                sleep=clock.sleep,
                jitter=lambda: 0.5,
                **({"resolver": resolver} if resolver else {}),
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()
