"""The socket of a supervisor in, a way to call it out that does not wait for ever. What is called is not known here."""

import socket
from http.client import HTTPConnection
from pathlib import Path
from xmlrpc.client import Transport


class SocketTransport(Transport):
    """Carries calls to the socket of a supervisor; TimeoutError where it is there and says nothing.

    Args:
        path: The socket.
        patience_s: How long is waited for each step of an answer.
    """

    def __init__(self, path: Path, patience_s: float) -> None:
        super().__init__()
        self._path, self._patience_s = path, patience_s

    def make_connection(self, host: object) -> HTTPConnection:  # noqa: ARG002 - the name of the base's
        """Return the connection to the socket, whatever host is named; `close` closes it."""
        if self._connection[1] is not None:
            return self._connection[1]
        connection = _Connection(self._path, self._patience_s)
        self._connection = "localhost", connection
        return connection


class _Connection(HTTPConnection):
    def __init__(self, path: Path, patience_s: float) -> None:
        super().__init__("localhost", timeout=patience_s)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
