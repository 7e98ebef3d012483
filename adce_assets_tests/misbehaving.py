"""A server that does everything wrong, one script for each path: the faults that no well-behaved library would make.

It speaks raw sockets. A script is told the request and yields the bytes that go back; what is not scripted is 404::

    with running() as server:
        server.on("/late", after(2, always(reply(b"{}")), first=busy(503)))
        ...
        assert server.asked["/late"] == 3

Bodies, status lines and headers are written by `reply`; everything else here is a script or makes one.
"""

import gzip
import re
import socket
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Lock, Thread
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import brotli
import zstandard

ZEROS = bytes(1 << 20)


@dataclass(frozen=True)
class Asked:
    """One request, as the server saw it.

    Attributes:
        method: GET.
        target: Path and query as they came.
        path: The path alone.
        query: The query, by name.
        headers: By name in lower case.
        before: How often this path was asked for before.
        port: The server's own.
        ended: Set when the test is over, for scripts that wait for ever.
    """

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    before: int
    port: int
    ended: Event


Script = Callable[[Asked], Iterator[bytes]]


class ResetNow(Exception):  # noqa: N818 - told to the connection, no error of anybody
    """Raised by a script: the connection is reset."""


def reply(
    body: bytes = b"",
    status: str = "200 OK",
    *,
    length: int | None = None,
    headers: Mapping[str, str] | None = None,
    **named: str,
) -> bytes:
    """Write a response; names of headers may be given with ``_`` for ``-``. ``length`` is the one that is claimed."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in {**named, **(headers or {})}.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def always(answer: bytes) -> Script:
    """Answer so, every time."""
    return lambda _: iter([answer])


def after(times: int, then: Script, *, first: Script) -> Script:
    """Do the ``first`` so many times, and the other from then on."""
    return lambda asked: (then if asked.before >= times else first)(asked)


def in_turn(*scripts: Script) -> Script:
    """Do one after another; the last for ever."""
    return lambda asked: scripts[min(asked.before, len(scripts) - 1)](asked)


def busy(status: int = 503, retry_after: str | None = None, **headers: str) -> Script:
    """Say that it cannot be now: 429 or 5xx, with ``Retry-After`` (seconds, a date, nonsense) or without."""
    pause = {} if retry_after is None else {"Retry-After": retry_after}
    return always(reply(b"busy", f"{status} Busy", headers=headers | pause))


def redirect(location: str, status: str = "302 Found") -> Script:
    """Lead elsewhere; ``{port}`` stands for the server's own."""
    return lambda asked: iter([reply(status=status, Location=location.replace("{port}", str(asked.port)))])


def hops(asked: Asked) -> Iterator[bytes]:
    """``/hops/5`` redirects five times before it answers."""
    left = int(asked.path.rpartition("/")[2])
    yield reply(status="302 Found", Location=f"/hops/{left - 1}") if left else reply(b"{}")


def hang(asked: Asked) -> Iterator[bytes]:
    """Take the connection, and never answer."""
    asked.ended.wait()
    yield b""


def hang_in_the_body(asked: Asked) -> Iterator[bytes]:
    """Send the head and one byte, and no more."""
    yield reply(b"{", length=100)
    asked.ended.wait()


def drip_the_headers(asked: Asked) -> Iterator[bytes]:
    """Send a header that does not end, byte by byte."""
    yield b"HTTP/1.1 200 OK\r\nX-Slow: "
    yield from (b"x" for _ in range(20_000))
    asked.ended.wait()


def drip_the_body(asked: Asked) -> Iterator[bytes]:
    """Send a body that does not end, byte by byte."""
    yield reply(b"", length=10_000_000)
    yield from (b" " for _ in range(20_000))
    asked.ended.wait()


def endless_headers(asked: Asked) -> Iterator[bytes]:
    """Send headers for as long as anybody listens."""
    yield b"HTTP/1.1 200 OK\r\n"
    while not asked.ended.is_set():
        yield b"X-More: " + b"y" * 8000 + b"\r\n"


def reset(_: Asked) -> Iterator[bytes]:
    """Reset the connection instead of answering."""
    raise ResetNow
    yield b""


def reset_in_the_body(body: bytes, sent: int, **headers: str) -> Script:
    """Send so much of the body, and reset."""

    def script(_: Asked) -> Iterator[bytes]:
        yield reply(body[:sent], length=len(body), headers=headers)
        raise ResetNow

    return script


def closes_in_the_body(body: bytes, sent: int, **headers: str) -> Script:
    """Send so much of the body that was promised, and close."""
    return always(reply(body[:sent], length=len(body), headers=headers))


def too_long(body: bytes, promised: int, **headers: str) -> Script:
    """Send more than was promised."""
    return always(reply(body, length=promised, headers=headers))


def broken_chunks(*pieces: bytes) -> Script:
    """Send chunked encoding that is not: the pieces as they are, after a head that promises chunks."""
    return always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(pieces))


def in_chunks(*pieces: bytes, **headers: str) -> bytes:
    """Write a response in proper chunks."""
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    chunks = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in (*pieces, b""))
    return f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{head}\r\n".encode() + chunks


@cache
def squeezed(encoding: str, megabytes: int) -> bytes:
    """Squeeze so many megabytes of nothing, for Content-Encoding ``gzip``, ``br`` or ``zstd``; 1:1000 and more."""
    if encoding == "br":
        stream = brotli.Compressor(quality=5)
        return b"".join(map(stream.process, [ZEROS] * megabytes)) + stream.finish()
    press = zlib.compressobj(9, wbits=31) if encoding == "gzip" else zstandard.ZstdCompressor().compressobj()
    return b"".join(map(press.compress, [ZEROS] * megabytes)) + press.flush()


def bomb(encoding: str, megabytes: int = 1024) -> Script:
    """Answer with a body that unfolds to so many megabytes of nothing."""
    return lambda _: iter([reply(squeezed(encoding, megabytes), Content_Encoding=encoding)])


def endless_bomb(asked: Asked) -> Iterator[bytes]:
    """Unfold for as long as anybody listens."""
    press = zlib.compressobj(9, wbits=31)
    yield b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    while not asked.ended.is_set():
        yield press.compress(ZEROS)


def a_file(content: bytes, etag: str = '"v1"', *, breaks: int | None = None) -> Script:
    """Serve a file with Range and If-Range; ``breaks``: the first answer ends after so many bytes."""

    def script(asked: Asked) -> Iterator[bytes]:
        found = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", ""))
        start = int(found[1]) if found and asked.headers.get("if-range", etag) == etag else 0
        part = content[start:]
        sent = part if breaks is None or asked.before else part[:breaks]
        head = {"ETag": etag, "Content_Type": "application/octet-stream"}
        if start:
            head["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        yield reply(sent, "206 Partial Content" if start else "200 OK", length=len(part), headers=head)

    return script


def status(asked: Asked) -> Iterator[bytes]:
    """``/status/418`` answers with that status."""
    yield reply(b"{}", status=f"{asked.path.rpartition('/')[2]} Told To")


GOOD = reply(b'{"ok":true}', Content_Type="application/json", ETag='"v1"', Set_Cookie="a=1")

USUAL: Mapping[str, Script] = {
    "/ok": always(GOOD),
    "/empty": always(reply()),
    "/large": always(reply(bytes(2_000_000))),
    "/html": always(reply(b"<html><title>Please log in</title></html>", Content_Type="text/html")),
    "/status/": status,
    "/gzip": always(reply(gzip.compress(b'{"ok":true}'), Content_Encoding="gzip")),
    "/gzip-in-parts": always(reply(gzip.compress(b'{"ok"') + gzip.compress(b":true}"), Content_Encoding="gzip")),
    "/brotli": always(reply(brotli.compress(b'{"ok":true}'), Content_Encoding="br")),
    "/zstd": always(reply(zstandard.compress(b'{"ok":true}'), Content_Encoding="zstd")),
    "/zstd-in-parts": always(
        reply(zstandard.compress(b'{"ok"') + zstandard.compress(b":true}"), Content_Encoding="zstd")
    ),
    "/chunks": always(in_chunks(b'{"ok"', b":true}")),
    "/cut-gzip": always(reply(gzip.compress(b'{"ok":true}' * 99)[:-12], Content_Encoding="gzip")),
    "/cut-brotli": always(reply(brotli.compress(ZEROS[:9999] + b"end")[:-4], Content_Encoding="br")),
    "/cut-zstd": always(reply(zstandard.compress(b'{"ok":true}' * 99)[:-4], Content_Encoding="zstd")),
    "/wrong-gzip": always(reply(b'{"ok":true}', Content_Encoding="gzip")),
    "/wrong-brotli": always(reply(b"\xff\xff\xff not brotli", Content_Encoding="br")),
    "/wrong-zstd": always(reply(b'{"ok":true}', Content_Encoding="zstd")),
    "/hang": hang,
    "/hang-in-the-body": hang_in_the_body,
    "/drip-the-headers": drip_the_headers,
    "/drip-the-body": drip_the_body,
    "/endless-headers": endless_headers,
    "/reset": reset,
    "/reset-in-the-body": reset_in_the_body(b'{"ok":true}', 5),
    "/short": closes_in_the_body(b'{"ok":true}', 5),
    "/long": too_long(b'{"ok":true}' + GOOD, 11),
    "/nothing": always(b""),
    "/garbage": always(b"\x00\x01\x02 what is this\r\n\r\n"),
    "/two-lengths": always(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}"),
    "/bad-chunk-size": broken_chunks(b"zz\r\n{}\r\n0\r\n\r\n"),
    "/chunk-that-ends-early": broken_chunks(b"ff\r\n{}"),
    "/chunks-without-end": broken_chunks(b"2\r\n{}\r\n"),
    "/gzip-bomb": bomb("gzip", 256),
    "/br-bomb": bomb("br", 256),
    "/zstd-bomb": bomb("zstd", 256),
    "/endless-bomb": endless_bomb,
    "/busy": busy(503),
    "/busy-twice": after(2, always(reply(b"{}")), first=busy(503)),
    "/limited": busy(429),
    "/limited-for-17": after(1, always(reply(b"{}")), first=busy(429, "17")),
    "/limited-for-ever": busy(429, "99999999999999999999"),
    "/hops/": hops,
    "/redirect-to-itself": redirect("/redirect-to-itself"),
    "/redirect-to-metadata": redirect("http://169.254.169.254/latest/meta-data/"),
    "/redirect-to-a-file": redirect("file:///etc/passwd"),
    "/redirect-to-nonsense": redirect("http://[::1"),
    "/redirect-with-a-user": redirect("http://me:secret@127.0.0.1:{port}/ok"),
    "/redirect-to-another-port": redirect("http://127.0.0.1:1/ok"),
    "/redirect-to-another-name": redirect("http://localhost:{port}/ok"),
}
"""What the server does unless `MisbehavingServer.on` says otherwise; a path that ends in ``/`` stands for all below."""


class MisbehavingServer(ThreadingTCPServer):
    """Does what the script of a path says, and keeps a log of who asked for what."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self._scripts, self._lock = dict(USUAL), Lock()
        self.keep_alive = False
        self.asked: Counter[str] = Counter()
        self.log: list[Asked] = []
        self.heads: list[str] = []
        self.ended = Event()
        self.gave_up = self.connections = 0

    @property
    def port(self) -> int:
        """The port it listens on, at 127.0.0.1."""
        return self.server_address[1]

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def on(self, path: str, script: Script) -> None:
        """Do this when the path is asked for; one that ends in ``/`` stands for all below."""
        self._scripts[path] = script

    def answer(self, head: str) -> Iterator[bytes]:
        """Note a request, and start its script."""
        asked = self._noted(head)
        below = [path for path in self._scripts if path.endswith("/") and asked.path.startswith(path)]
        script = self._scripts.get(asked.path) or self._scripts.get(max(below, key=len, default=""))
        return script(asked) if script else iter([reply(b"{}", status="404 Not Found")])

    def _noted(self, head: str) -> Asked:
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ", 2)
        parts = urlsplit(target)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        with self._lock:
            before = self.asked[parts.path]
            self.asked[parts.path] += 1
            asked = Asked(method, target, parts.path, query, headers, before, self.port, self.ended)
            self.log.append(asked)
            self.heads.append(head)
        return asked


class _Connection(StreamRequestHandler):
    def handle(self) -> None:
        server = cast("MisbehavingServer", self.server)
        server.connections += 1
        try:
            while self._one(server) and server.keep_alive:
                pass
        except OSError:
            server.gave_up += 1
        except ResetNow:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _one(self, server: MisbehavingServer) -> bool:
        head = self._head()
        if not head:
            return False
        for piece in server.answer(head.decode("latin-1").removesuffix("\r\n")):
            closing = not server.keep_alive and piece.startswith(b"HTTP/1.1 ")
            self.request.sendall(piece.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) if closing else piece)
        return True

    def _head(self) -> bytes:
        """Read up to the empty line; nothing where the connection ends before it."""
        head = b""
        while line := self.rfile.readline():
            if line == b"\r\n":
                return head
            head += line
        return b""


@contextmanager
def running() -> Iterator[MisbehavingServer]:
    """Lend a server of one's own for a while."""
    with MisbehavingServer() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.ended.set()
        server.shutdown()


@dataclass
class Clock:
    """Time that passes when somebody sleeps; everybody who asks is told, and each question costs a ``tick``."""

    seconds: float = 1_700_000_000.0
    tick: float = 0.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        """Tell seconds."""
        self.seconds += self.tick
        return self.seconds

    def milliseconds(self) -> int:
        """Tell milliseconds."""
        return int(self.seconds * 1000)

    def sleep(self, seconds: float) -> None:
        """Let time pass, and take note."""
        self.slept.append(seconds)
        self.seconds += seconds
