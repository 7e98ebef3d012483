"""A host name in, a guarded connection out: the address is checked, and every wait ends with the deadline.

The check is made on the very address that is then connected to, so that a name which resolves differently a moment
later gains nothing. The deadline binds connecting, headers and body alike, because a time-out between two bytes lets a
server drip for ever. This sits below the HTTP client; statuses and bodies are no business of this module.
"""

import socket
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from queue import Empty, Queue
from threading import Lock, Thread
from typing import Any, cast
from weakref import WeakSet

import httpcore2
import httpx2

from adce_assets.errors import InwardError
from adce_assets.fetch.addresses import is_none, is_public

MOST_CONNECTIONS = 64
"""Of one host entry at once; its `concurrency` is at most this, and is what really counts."""

Resolver = Callable[[str, int], Sequence[str]]

Put = Callable[[httpx2.Request], httpx2.Request]
"""Puts into a request what only the wire may see."""


@dataclass(slots=True)
class Exchange:
    """One request and its answer on the wire, as they go.

    Attributes:
        until: When every wait ends, by ``clock``.
        clock: Seconds.
        connected: Whether anybody took the connection.
        received: Bytes of an answer that came back; those of TLS are nobody's answer.
    """

    until: float
    clock: Callable[[], float]
    connected: bool = False
    received: int = 0

    def cut(self, timeout: float | None, expired: type[httpcore2.TimeoutException]) -> float:
        """Shorten a time-out to what is left until the deadline; raise ``expired`` when nothing is."""
        left = self.until - self.clock()
        if left <= 0:
            raise expired("the whole response took too long")
        return left if timeout is None else min(timeout, left)


_exchange: ContextVar[Exchange | None] = ContextVar("adce_fetch_exchange", default=None)


@contextmanager
def deadline(seconds: float, clock: Callable[[], float] = time.monotonic) -> Generator[Exchange]:
    """Let every wait of this thread's guarded connections end ``seconds`` from now; lend what became of them."""
    exchange = Exchange(clock() + seconds, clock)
    token = _exchange.set(exchange)
    try:
        yield exchange
    finally:
        _exchange.reset(token)


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a name, in the order in which they should be tried."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def transport(*, allow_private: bool, resolver: Resolver = resolve, put: Put | None = None) -> httpx2.BaseTransport:
    """Make a transport of one host entry: own connections, TLS verified, environment and proxies ignored.

    ``put`` is handed each request on its way to the wire. What it returns is sent; what the client knows, logs and
    names in its errors stays the request that it made.
    """
    return _GuardedTransport(_Backend(allow_private=allow_private, resolver=resolver), put)


class _GuardedTransport(httpx2.HTTPTransport):
    def __init__(self, backend: "_Backend", put: Put | None) -> None:
        context = httpx2.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        self._put, self._backend = put, backend
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context, network_backend=backend, max_connections=MOST_CONNECTIONS, keepalive_expiry=30
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(self._put(request) if self._put else request)
        response.stream = _Body(response.stream, partial(self._seal, response.extensions["network_stream"]))
        return response

    def close(self) -> None:
        # The pool knows nothing of a connection that is being made, and would let it be used.
        self._backend.open_streams.close()
        super().close()

    def _seal(self, stream: object) -> None:
        """Use a connection no more on which more came than was promised: it would answer the next request."""
        for connection in cast(httpcore2.ConnectionPool, self._pool).connections:
            http11 = getattr(connection, "_connection", None)  # httpcore tells nobody what it has read and not used
            if isinstance(stream, _Stream) and http11 is not None and http11._network_stream is stream:  # noqa: SLF001
                stream.spent = bool(http11._h11_state.trailing_data[0])  # noqa: SLF001 - as above; a test watches


class _Body(httpx2.SyncByteStream):
    """A body that says when it is done with, before its connection is free for others."""

    def __init__(self, inner: httpx2.SyncByteStream | httpx2.AsyncByteStream, done: Callable[[], None]) -> None:
        self._inner, self._done = cast(httpx2.SyncByteStream, inner), done

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._inner)

    def close(self) -> None:
        self._done()
        self._inner.close()


class _OpenStreams:
    """The connections of a transport; those that are made after its end are shut like the others."""

    def __init__(self) -> None:
        self._lock, self._streams, self._is_closed = Lock(), WeakSet[_Stream](), False

    def add(self, stream: "_Stream") -> None:
        with self._lock:
            self._streams.add(stream)
            if self._is_closed:
                stream.shut()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            for stream in self._streams:
                stream.shut()


class _Backend(httpcore2.NetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, *, allow_private: bool, resolver: Resolver) -> None:
        self._allow_private, self._resolver, self._inner = allow_private, resolver, httpcore2.SyncBackend()
        self.open_streams = _OpenStreams()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        refusal: Exception = httpcore2.ConnectError(f"`{host}` has no address")
        for address in self._addresses(host, port):
            try:
                wait = _cut(timeout, httpcore2.ConnectTimeout)
                stream = self._inner.connect_tcp(address, port, wait, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                refusal = error
            else:
                _saw(0)
                return _Stream(stream, self.open_streams)
        raise refusal

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = _resolved(self._resolver, host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"`{host}` does not resolve: {error}") from error
        if self._allow_private:
            return addresses
        meant = [address for address in addresses if not is_none(address)]
        if addresses and not meant:
            raise httpcore2.ConnectError(f"`{host}` has no address but `{addresses[0]}`: the resolver blocks the name")
        if refused := [address for address in meant if not is_public(address)]:
            raise InwardError(
                f"`{host}` is at {refused[0]}, which is not an address of the internet",
                where=f"{host}:{port}",
                hint="set `allow_private: true` in the host's entry if it is a server of your own",
            )
        return meant


def _resolved(resolver: Resolver, host: str, port: int) -> Sequence[str]:
    """Resolve a name until the deadline; the system's resolver itself cannot be told to hurry."""
    answers: Queue[Sequence[str] | Exception] = Queue()

    def ask() -> None:
        try:
            answers.put(resolver(host, port))
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits for it, whatever it is
            answers.put(error)

    Thread(target=ask, daemon=True, name="adce-resolver").start()
    try:
        answer = answers.get(timeout=_cut(None, httpcore2.ConnectTimeout))
    except Empty as error:
        raise httpcore2.ConnectTimeout(f"`{host}` took too long to resolve") from error
    if isinstance(answer, Exception):
        raise answer
    return answer


class _Stream(httpcore2.NetworkStream):
    """A connection whose waits are cut at the deadline."""

    def __init__(self, inner: httpcore2.NetworkStream, all_open: _OpenStreams) -> None:
        self._inner, self._all_open, self.spent = inner, all_open, False
        all_open.add(self)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._inner.read(max_bytes, _cut(timeout, httpcore2.ReadTimeout))
        _saw(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _cut(timeout, httpcore2.WriteTimeout))
        _saw(0)

    def shut(self) -> None:
        """Wake the thread that reads meanwhile; closing alone would let it wait until its time is over."""
        with suppress(OSError):
            self._inner.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.shut()
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        wait = _cut(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, wait), self._all_open)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and self.spent:
            return True
        return self._inner.get_extra_info(info)


def _cut(timeout: float | None, expired: type[httpcore2.TimeoutException]) -> float | None:
    exchange = _exchange.get()
    return timeout if exchange is None else exchange.cut(timeout, expired)


def _saw(received: int) -> None:
    """Note that the other side has taken the connection, and what it sent."""
    if exchange := _exchange.get():
        exchange.connected = True
        exchange.received += received
