"""A host name in, a guarded connection out: the address is checked, and every wait ends with the deadline.

The check is made on the very address that is then connected to, so that a name which resolves differently a moment
later gains nothing. The deadline binds connecting, headers and body alike, because a time-out between two bytes lets a
server drip for ever. This sits below the HTTP client; statuses and bodies are no business of this module.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore2
import httpx2

from adce_assets.errors import PermanentFetchError

Resolver = Callable[[str, int], Sequence[str]]

DISGUISES = tuple(
    ipaddress.ip_network(network)
    for network in (
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/23",
        "192.0.0.0/24",
    )
)
"""Networks whose addresses carry or stand for another (mapped, NAT64, 6to4, Teredo, protocol assignments): a private
one could hide in there. Source: IANA's special-purpose address registries."""

_until: ContextVar[tuple[Callable[[], float], float] | None] = ContextVar("adce_fetch_until", default=None)


@contextmanager
def deadline(seconds: float, clock: Callable[[], float] = time.monotonic) -> Generator[None]:
    """Let every wait of this thread's guarded connections end ``seconds`` from now."""
    token = _until.set((clock, clock() + seconds))
    try:
        yield
    finally:
        _until.reset(token)


def is_public(address: str) -> bool:
    """Tell whether an address is one of the internet: not private, loopback, link-local, multicast or a disguise."""
    parsed = ipaddress.ip_address(address)
    disguised = any(parsed in network for network in DISGUISES)
    return parsed.is_global and not parsed.is_multicast and not disguised


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a name, in the order in which they should be tried."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def transport(*, allow_private: bool, resolver: Resolver = resolve) -> httpx2.BaseTransport:
    """Make a transport of one host entry: own connections, TLS verified, environment and proxies ignored."""
    return _GuardedTransport(_Backend(allow_private=allow_private, resolver=resolver))


class _GuardedTransport(httpx2.HTTPTransport):
    def __init__(self, backend: httpcore2.NetworkBackend) -> None:
        context = httpx2.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.ConnectionPool(ssl_context=context, network_backend=backend, keepalive_expiry=30)


class _Backend(httpcore2.NetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, *, allow_private: bool, resolver: Resolver) -> None:
        self._allow_private, self._resolver, self._inner = allow_private, resolver, httpcore2.SyncBackend()

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
                return _Stream(stream)
        raise refusal

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = self._resolver(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"`{host}` does not resolve: {error}") from error
        refused = [] if self._allow_private else [address for address in addresses if not is_public(address)]
        if refused:
            raise PermanentFetchError(
                f"`{host}` is at {refused[0]}, which is not an address of the internet",
                where=f"{host}:{port}",
                hint="set `allow_private: true` in the host's entry if it is a server of your own",
            )
        return addresses


class _Stream(httpcore2.NetworkStream):
    """A connection whose waits are cut at the deadline."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _cut(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _cut(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        wait = _cut(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, wait))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _cut(timeout: float | None, expired: type[httpcore2.TimeoutException]) -> float | None:
    """Shorten a time-out to what is left until the deadline; raise ``expired`` when nothing is."""
    until = _until.get()
    if until is None:
        return timeout
    clock, moment = until
    left = moment - clock()
    if left <= 0:
        raise expired("the whole response took too long")
    return left if timeout is None else min(timeout, left)
