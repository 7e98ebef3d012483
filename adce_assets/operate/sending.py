"""Messages on their way in, what became of them out: each channel in its own turn, none waiting for another.

The oldest message of a channel goes first, and the next one after it has arrived, so that "cleared" never comes before
what it clears. Who sends a message has taken it in the book before: a process that dies while it sends leaves it to
others, who may then send it a second time under the same id.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from adce_assets.autonomous import Alerts, AnyChannel
from adce_assets.errors import AdceError, AlertError, PermanentFetchError, RefusedAlertError
from adce_assets.fetch.secrets import Redactor, Secrets
from adce_assets.operate.alert_book import Book
from adce_assets.operate.alert_records import Message
from adce_assets.operate.channels import email, slack, sns, webhook

MOST_AT_ONCE = 10
"""Messages that are sent on a channel in one look; the next look goes on."""
LONGEST_S = 20.0
"""After so long none is begun any more: who looks has other things to do."""
LONGEST_PAUSE = timedelta(hours=1)
LONGEST_ERROR = 500
MOST_REFUSED = 3
"""How often a message is sent that the receiver says it will never take."""

Send = Callable[[Any, Message, Secrets, Redactor], str]
"""Takes a channel of its own kind."""
SENDERS: dict[str, Send] = {one.__name__.rpartition(".")[2]: one.send for one in (email, slack, sns, webhook)}
"""How a message goes out on each kind of channel: a new kind is a module of `channels`, and its name here."""


def deliver(book: Book, rules: Alerts, secrets: Secrets, now: datetime) -> tuple[int, tuple[str, ...]]:
    """Send what is on its way and whose time has come; return how many arrived, and what went wrong."""
    if not rules.channels:
        return 0, ()
    with ThreadPoolExecutor(len(rules.channels), "adce-alerts") as threads:
        found = list(threads.map(partial(_on_channel, book, rules, secrets, now), rules.channels))
    return sum(arrived for arrived, _ in found), tuple(error for _, error in found if error)


def send(channel: AnyChannel, message: Message, secrets: Secrets) -> str:
    """Send a message; return for whom it did not arrive (as a rule nothing).

    Raises:
        AdceError: it did not arrive; no secret stands in the text.
    """
    redactor = Redactor()
    try:
        return redactor.text(SENDERS[channel.kind](channel, message, secrets, redactor))
    except AdceError as error:
        raise redactor.error(error) from error.__cause__


def pause_after(rules: Alerts, attempts: int, *, is_refused: bool = False) -> timedelta | None:
    """Say how long is waited after so many attempts; None when there have been enough."""
    if attempts >= (min(MOST_REFUSED, rules.attempts) if is_refused else rules.attempts):
        return None
    return min(LONGEST_PAUSE, timedelta(seconds=rules.retry_seconds) * 2 ** min(attempts - 1, 12))


def _on_channel(book: Book, rules: Alerts, secrets: Secrets, now: datetime, channel: AnyChannel) -> tuple[int, str]:
    """Send the messages of a channel, the oldest first, until one does not arrive that is to be sent again."""
    until, arrived, wrong = time.monotonic() + LONGEST_S, 0, ""
    for _ in range(MOST_AT_ONCE):
        with book.write() as page:
            taken = page.claim(channel.name, now) if time.monotonic() < until else None
        if taken is None:
            break
        remark, error = _sent(channel, taken.message, secrets)
        if error is None:
            arrived += 1
            with book.write() as page:
                page.arrived(taken, now, remark[:LONGEST_ERROR])
            continue
        said = (f"{error.where}: {error.what}" if error.where else error.what)[:LONGEST_ERROR]
        is_refused = isinstance(error, PermanentFetchError | RefusedAlertError)
        pause, wrong = pause_after(rules, taken.attempts, is_refused=is_refused), f"`{channel.name}`: {said}"
        with book.write() as page:
            page.failed(taken, said, None if pause is None else now + pause)
        if pause is not None or not is_refused:
            break
    return arrived, wrong


def _sent(channel: AnyChannel, message: Message, secrets: Secrets) -> tuple[str, AdceError | None]:
    """Send a message; return for whom it did not arrive, or what went wrong, whatever that is."""
    try:
        return send(channel, message, secrets), None
    except AdceError as error:
        return "", error
    except Exception as error:  # noqa: BLE001 - a fault that is not kept would stop every message after this one
        return "", AlertError(f"it cannot be sent: {type(error).__name__}; this is a fault of ADCE")
