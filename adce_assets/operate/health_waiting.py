"""A connection in that says nothing, its end out: whoever opens many must not keep others from asking."""

from asyncio import TimerHandle
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Protocol

SILENT_S = 10.0
"""How long a connection may be without a whole request, its first or its next, and how long a body may take."""
MOST_OPEN = 500
"""Connections that are open at once: fewer than a process may have files open, which looks need too."""


class Waiting:
    """The connections of a server that are open, those that have been without a request for longest first."""

    def __init__(self) -> None:
        """Begin with none."""
        self._timers: dict[Any, TimerHandle] = {}

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


def patient() -> "type[Protocol]":
    """Make the server's own protocol, but for connections that do not ask: these are ended after `SILENT_S`."""
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

        def on_response_complete(self) -> None:
            super().on_response_complete()
            waiting.begin(self)

    return Patient


def _is_idle(connection: Any) -> bool:
    """Tell whether nothing is being answered; half a request is none, however often a letter of it comes."""
    return connection.cycle is None or connection.cycle.response_complete


def _end_if_idle(connection: Any) -> None:
    if _is_idle(connection):
        # What it has not read of an answer in this time is not kept for it.
        connection.transport.abort()
