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
from adce_assets.errors import AdceError
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


def pause_after(rules: Alerts, attempts: int) -> timedelta | None:
    """Say how long is waited after so many attempts; None when there have been enough."""
    if attempts >= rules.attempts:
        return None
    return min(LONGEST_PAUSE, timedelta(seconds=rules.retry_seconds) * 2 ** min(attempts - 1, 12))


def _on_channel(book: Book, rules: Alerts, secrets: Secrets, now: datetime, channel: AnyChannel) -> tuple[int, str]:
    """Send the messages of a channel, the oldest first, until one does not arrive."""
    until = time.monotonic() + LONGEST_S
    for arrived in range(MOST_AT_ONCE):
        with book.write() as page:
            taken = page.claim(channel.name, now) if time.monotonic() < until else None
        if taken is None:
            return arrived, ""
        try:
            remark = send(channel, taken.message, secrets)
        except AdceError as error:
            said = f"{error.where}: {error.what}" if error.where else error.what
            pause = pause_after(rules, taken.attempts)
            with book.write() as page:
                page.failed(taken, said[:LONGEST_ERROR], None if pause is None else now + pause)
            return arrived, f"`{channel.name}`: {said[:LONGEST_ERROR]}"
        with book.write() as page:
            page.arrived(taken, now, remark[:LONGEST_ERROR])
    return MOST_AT_ONCE, ""
