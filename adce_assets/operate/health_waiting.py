"""A connection in that says nothing, its end out: whoever opens many must not keep others from asking."""

from asyncio import TimerHandle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Protocol

SILENT_S = 10.0
"""How long a connection may be without a whole request, its first or its next, and how long a body may take, or
what is not read of an answer."""
MOST_OPEN = 500
"""Connections that are open at once: fewer than a process may have files open, which looks need too."""


class Waiting:
    """The connections of a server that are open, those that have been without a request for longest first."""

    def __init__(self) -> None:
        """Begin with none."""
        self._timers: dict[Any, TimerHandle] = {}
        self._unread: dict[Any, TimerHandle] = {}

    def begin(self, connection: Any) -> None:
        """Wait for a request from now on; where too many are open, the one that asks nothing for longest is ended."""
        self.end(connection)
        self._timers[connection] = connection.loop.call_later(SILENT_S, _end_if_idle, connection)
        if len(self._timers) > MOST_OPEN:
            next((one for one in self._timers if _is_idle(one)), connection).transport.abort()

    def end(self, connection: Any) -> None:
        """Wait no more."""
        if timer := self._timers.pop(connection, None):
            timer.cancel()

    def keep(self, connection: Any) -> None:
        """Keep what is not read of an answer, from now on, but not for ever."""
        self.read(connection)
        self._unread[connection] = connection.loop.call_later(SILENT_S, connection.transport.abort)

    def read(self, connection: Any) -> None:
        """Take note that it was read, or never will be."""
        if timer := self._unread.pop(connection, None):
            timer.cancel()


def patient() -> "type[Protocol]":
    """Make the server's own protocol, but for connections that do not ask, or do not read: they end after `SILENT_S`.

    Who asks again before he was answered is not heard: what he asks would pile up here for as long as he reads nothing.
    """
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    protocol: Any = AutoHTTPProtocol
    waiting = Waiting()

    class Patient(protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            waiting.begin(self)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            waiting.end(self)
            waiting.read(self)

        def on_headers_complete(self) -> None:
            _hear(self, super().on_headers_complete)

        def pause_writing(self) -> None:
            super().pause_writing()
            waiting.keep(self)

        def resume_writing(self) -> None:
            super().resume_writing()
            waiting.read(self)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            waiting.begin(self)

    return Patient


def _hear(connection: Any, begin: Callable[[], None]) -> None:
    """Begin to answer a request, unless the one before it is being answered: such requests would pile up."""
    if connection.transport.is_closing():
        return
    is_early = not _is_idle(connection)
    begin()
    if is_early:
        connection.transport.abort()


def _is_idle(connection: Any) -> bool:
    """Tell whether nothing is being answered; half a request is none, however often a letter of it comes."""
    return connection.cycle is None or connection.cycle.response_complete


def _end_if_idle(connection: Any) -> None:
    if _is_idle(connection):
        # What it has not read of an answer in this time is not kept for it.
        connection.transport.abort()
