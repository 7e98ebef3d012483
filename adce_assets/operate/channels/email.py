"""A message in, a mail handed to a mail server out.

What stands in a header is one line of printable text before it comes here, and the library refuses any other.
"""

import smtplib
import ssl
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import partial
from socket import SHUT_RDWR, socket
from threading import Timer

from adce_assets.autonomous import EmailChannel
from adce_assets.errors import AlertError, RefusedAlertError, printable
from adce_assets.fetch.secrets import Redactor, Secrets
from adce_assets.operate.alert_records import Message
from adce_assets.operate.alert_texts import lines, subject
from adce_assets.operate.channels.keeping import secret_of

DEADLINE_S, SILENCE_S = 20.0, 8.0
"""How long a whole mail may take, and how long the server may be silent meanwhile."""
READY, FINAL = 220, 500
"""What a server says that waits for a mail, and from where on a refusal is its last word."""


def send(channel: EmailChannel, message: Message, secrets: Secrets, redactor: Redactor) -> str:
    """Send a message; return for which of several recipients the server refuses it.

    Raises:
        AdceError: it did not arrive.
    """
    password = secret_of(channel.secret, secrets, redactor) if channel.secret else ""
    where = f"{channel.host}:{channel.port}"
    try:
        with closing(_server(channel)) as server, _deadline(server):
            _greet(server, channel)
            if channel.encryption == "starttls":
                server.starttls(context=ssl.create_default_context())
            if channel.user:
                server.login(channel.user, password)
            refused = server.send_message(_mail(channel, message), channel.sender, channel.recipients)
            with suppress(OSError, smtplib.SMTPException):  # it has the mail, however it takes leave
                server.quit()
    except smtplib.SMTPRecipientsRefused as error:
        raise AlertError(f"refused for {_refusals(error.recipients)}", where=where) from error
    except (OSError, smtplib.SMTPException, ValueError) as error:
        is_final = isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= FINAL
        kind = RefusedAlertError if is_final else AlertError
        raise kind(printable(f"{type(error).__name__}: {error}"), where=where) from error
    return f"refused for {_refusals(refused)}" if refused else ""


def _mail(channel: EmailChannel, message: Message) -> EmailMessage:
    domain = channel.sender.rpartition("@")[2]
    mail = EmailMessage(SMTP)
    mail["From"], mail["To"] = channel.sender, ", ".join(channel.recipients)
    mail["Subject"] = subject(message)
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(lines(message)), cte="quoted-printable")
    return mail


def _server(channel: EmailChannel) -> smtplib.SMTP:
    """Make a client; the name of this machine is not asked for, which may take long, and is nobody's business."""
    domain = channel.sender.rpartition("@")[2]
    if channel.encryption != "tls":
        return smtplib.SMTP(local_hostname=domain, timeout=SILENCE_S)
    return smtplib.SMTP_SSL(local_hostname=domain, timeout=SILENCE_S, context=ssl.create_default_context())


def _greet(server: smtplib.SMTP, channel: EmailChannel) -> None:
    """Connect, within the deadline; the library connects by itself as well, but then cannot be hung up on."""
    # By this alone the library knows whose certificate it wants to see.
    server._host = channel.host  # noqa: SLF001 # pyrefly: ignore[missing-attribute]
    code, said = server.connect(channel.host, channel.port)
    if code != READY:
        raise smtplib.SMTPConnectError(code, said)


@contextmanager
def _deadline(server: smtplib.SMTP) -> Generator[None]:
    """Hang up when it takes too long: a server that sends a letter now and then is never silent for long."""
    timer = Timer(DEADLINE_S, partial(_hang_up, server))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(server: smtplib.SMTP) -> None:
    connection = server.sock
    if isinstance(connection, socket):
        connection.shutdown(SHUT_RDWR)


def _refusals(recipients: dict[str, tuple[int, bytes]]) -> str:
    said = (f"{who} ({code} {text.decode('utf-8', 'replace')})" for who, (code, text) in recipients.items())
    return printable(", ".join(said))
