"""A mail server on a socket of this machine: as much of SMTP (RFC 5321) as a client needs that hands in a mail."""

import base64
import socketserver
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from threading import Thread
from typing import Any


@dataclass
class MailServer:
    """What the server does, and what it got.

    Attributes:
        certificate: With it, it speaks TLS: when it is asked to, or from the first byte (``tls_first``).
        login: User and password that it wants.
        refused: Recipients that it does not take.
        slow: It sends a letter now and then, and never comes to the end of an answer.
        taken: What it says of a mail.
        leave: What it says when the client takes leave.
    """

    certificate: Path | None = None
    tls_first: bool = False
    login: tuple[str, str] | None = None
    refused: frozenset[str] = frozenset()
    slow: bool = False
    taken: str = "250 taken"
    leave: str = "221 bye"
    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert self.certificate is not None
        context.load_cert_chain(self.certificate)
        return context


class _Session(socketserver.StreamRequestHandler):
    """One client."""

    server: Any
    wfile: Any

    def setup(self) -> None:
        self.mail: MailServer = self.server.mail
        self.sender, self.recipients, self.is_encrypted = "", [], False
        super().setup()
        if self.mail.tls_first:
            self.encrypt()

    def encrypt(self) -> None:
        self.connection = self.mail.context().wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
        self.is_encrypted = True

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        if self.mail.slow:
            self.drip()
            return
        self.say("220 ready")
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            if word.upper() == "QUIT":
                self.say(self.mail.leave)
                return
            getattr(self, f"do_{word.lower()}", self.unknown)(rest)

    def drip(self) -> None:
        """Send letters until the client hangs up."""
        self.request.settimeout(0.02)
        while True:
            self.wfile.write(b"2")
            with suppress(TimeoutError):
                if not self.request.recv(1):
                    return

    def unknown(self, _rest: str) -> None:
        self.say("500 what")

    def do_ehlo(self, _rest: str) -> None:
        can = ["250-here"]
        can += ["250-STARTTLS"] if self.mail.certificate and not self.is_encrypted else []
        can += ["250-AUTH PLAIN"] if self.mail.login else []
        for line in [*can, "250 SIZE 1000000"]:
            self.say(line)

    def do_starttls(self, _rest: str) -> None:
        self.say("220 go on")
        self.encrypt()

    def do_auth(self, rest: str) -> None:
        _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
        self.mail.logins.append((user, password))
        self.say("235 welcome" if (user, password) == self.mail.login else f"535 not you, {password}")

    def do_rset(self, _rest: str) -> None:
        self.say("250 ok")

    def do_mail(self, rest: str) -> None:
        self.sender = rest.partition("<")[2].partition(">")[0]
        self.say("250 ok")

    def do_rcpt(self, rest: str) -> None:
        to = rest.partition("<")[2].partition(">")[0]
        if to in self.mail.refused:
            self.say("550 no such box")
            return
        self.recipients.append(to)
        self.say("250 ok")

    def do_data(self, _rest: str) -> None:
        self.say("354 go on")
        lines = [line.removeprefix(b".") for line in iter(self.rfile.readline, b".\r\n")]
        self.mail.mails.append(message_from_bytes(b"".join(lines), policy=default))
        self.mail.envelopes.append((self.sender, self.recipients))
        self.mail.encrypted.append(self.is_encrypted)
        self.say(self.mail.taken)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    mail: MailServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up, and refuse certificates."""


@contextmanager
def mail_server(**told: Any) -> Iterator[MailServer]:
    """Lend a mail server that listens."""
    mail = MailServer(**told)
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.mail = mail
        mail.port = server.server_address[1]
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield mail
        server.shutdown()
