"""A message in, its words out: a subject of one line, lines for a person, and one JSON object for a program."""

from collections.abc import Iterator
from typing import Any

from adce_assets.errors import printable
from adce_assets.operate.alert_records import Kind, Message, News

MOST_TOLD = 20
"""Causes that a message tells one by one; all are counted."""
SCHEMA = 1
LONGEST_SUBJECT = 150


def subject(message: Message) -> str:
    """Sum a message up in a line, such as `ADCE: critical: no daemon runs (and 2 more)`."""
    first, more = message.news[0], len(message.news) - 1
    how = str(first.severity) if first.kind is Kind.OPENED else str(first.kind)
    others = f" (and {more} more)" if more else ""
    what = printable(first.cause.what)
    return f"ADCE: {how}: {_cut(what, LONGEST_SUBJECT - len(how) - len(others))}{others}"


def lines(message: Message) -> Iterator[str]:
    """Tell a message to a person: each cause with what it is, since when, what to do, and where to look."""
    for one in message.news[:MOST_TOLD]:
        yield from _told(one)
        yield ""
    if (more := len(message.news) - MOST_TOLD) > 0:
        yield f"and {more} more: `adce alerts list` shows them all"


def document(message: Message) -> dict[str, Any]:
    """Tell a message to a program, whole."""
    return {
        "schema": SCHEMA,
        "id": message.id,
        "at": message.at.isoformat(),
        "alerts": [
            {
                "kind": str(one.kind),
                "code": one.cause.code,
                "subject": one.cause.subject,
                "severity": str(one.severity),
                "what": one.cause.what,
                "since": one.since.isoformat(),
                "hint": one.cause.hint,
                "url": one.link,
            }
            for one in message.news
        ],
    }


def title(news: News) -> str:
    """Say what has happened to a cause: `OPENED critical loop_stopped`."""
    return " ".join(
        part for part in (str(news.kind).upper(), news.severity, news.cause.code, news.cause.subject) if part
    )


def _told(one: News) -> Iterator[str]:
    yield title(one)
    yield one.cause.what
    yield f"since {one.since:%Y-%m-%d %H:%M} UTC"
    if one.kind is Kind.CLEARED:
        return
    if one.cause.hint:
        yield f"to do: {one.cause.hint}"
    if one.link:
        yield f"see: {one.link}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
