"""A connection in that says nothing, its end out: whoever opens many must not keep others from asking."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Protocol

SILENT_S = 10.0
"""How long a connection may be open before its first request is there, and how long a body may take."""


def patient() -> "type[Protocol]":
    """Make the server's own protocol, but for connections that never ask: these are closed after `SILENT_S`."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    protocol: Any = AutoHTTPProtocol

    class Patient(protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.loop.call_later(SILENT_S, self._close_if_silent)

        def _close_if_silent(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.close()

    return Patient
