"""Causes in, messages out: one alert for each cause until it clears, to whoever wants to hear of it.

What is remembered between two looks stands in a database, so that any number of processes may look at the same time,
and each message is written once. A message goes out after it was written: one that does not arrive is sent again, in
its turn, and who looks sees that. Which causes there are is found in `watching`, what is told of them in
`alert_decisions`, how a message goes out in `channels`.
"""

import socket
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from adce_assets.autonomous import Alerts
from adce_assets.errors import AlertError
from adce_assets.operate.alert_book import opened
from adce_assets.operate.alert_decisions import decide, named, plain
from adce_assets.operate.alert_records import Look, Message, News, Tended
from adce_assets.operate.alert_troubles import TO_SEE, of_channels
from adce_assets.operate.causes import Cause, Severity
from adce_assets.operate.sending import deliver
from adce_assets.operate.watching import CRASHED, RULES
from adce_assets.settings import Settings

UNKEPT = "alerts_unkept"
"""The code of a cause that is found here: nobody can be told of any other."""


def tend(settings: Settings, causes: Iterable[Cause], now: datetime, *, machine: str = "") -> Tended:
    """Take note of all causes there are now, tell who is to be told, and send what is to be sent.

    Causes that were noted (`note`) count too, and so does a channel on which nothing arrives. Called any number of
    times, by any number of processes, it tells each thing once. ``now`` is aware (UTC); ``machine`` is who looks, by
    default this one: what it alone can see is not gone because another does not see it.

    Where the database of many machines cannot be used, each of them says that once, by a file of its own.

    Raises:
        AlertError: what is known of alerts can be kept nowhere.
    """
    found, looker = list(causes), machine or socket.gethostname()
    try:
        tended = _tended(settings, settings.alerts_url, found, now, looker)
    except AlertError as error:
        if settings.alerts_url == settings.own_alerts_url:
            raise
        return _tended(settings, settings.own_alerts_url, [_unkept(error, found)], now, looker, notes=False)
    if settings.alerts_url != settings.own_alerts_url and _path(settings.own_alerts_url).exists():
        with suppress(AlertError):  # all that matters was told already
            _tended(settings, settings.own_alerts_url, [], now, looker, notes=False)
    return tended


def note(settings: Settings, cause: Cause, now: datetime) -> None:
    """Note a cause that nobody can look for, such as a run that has failed: it stands until it is struck out.

    Raises:
        AlertError: it cannot be kept.
    """
    with opened(settings.alerts_url) as book, book.write() as page:
        page.note(replace(plain(cause), since=cause.since or now))


def _tended(
    settings: Settings, url: str, causes: list[Cause], now: datetime, machine: str, *, notes: bool = True
) -> Tended:
    """Look once, with the book that a URL leads to."""
    rules = settings.autonomous.alerts
    ui_url = rules.ui_url or f"http://127.0.0.1:{settings.autonomous.service.web_port}"
    look = Look(now, machine, ui_url, _unlooked(causes))
    with opened(url) as book:
        with book.write() as page:
            own = [*page.noted(), *of_channels(page, rules)] if notes else []
            decided = decide(page.standing(), dict(named([*own, *causes])), rules, page.silences(now), look)
            page.drop(decided.dropped)
            page.keep(decided.kept)
            for channel, message in _messages(decided.news, rules, now):
                page.send(channel, message)
            page.tidy([channel.name for channel in rules.channels], now - timedelta(days=rules.keep_days))
        delivered, failed = deliver(book, rules, settings.secrets, now)
    standing = tuple(one for one in decided.kept if one.opened_at and not one.cleared_at)
    return Tended(standing, decided.news, delivered, failed)


def _unlooked(causes: Iterable[Cause]) -> frozenset[str]:
    """Name the codes of the rules that were not looked at because of what was found: of these nobody knows."""
    found, broken = set[str](), set[str]()
    for cause in causes:
        found.add(cause.code)
        broken |= {cause.subject} if cause.code == CRASHED else set()
    blind = (rule for rule in RULES if found & set(rule.needs) or rule.look.__name__ in broken)
    return frozenset(code for rule in blind for code in rule.codes)


def _messages(news: tuple[News, ...], rules: Alerts, now: datetime) -> Iterator[tuple[str, Message]]:
    """Write what each channel is to hear."""
    for channel in rules.channels:
        heard = tuple(one for one in news if one.severity is Severity.CRITICAL or not channel.only_critical)
        if heard:
            yield channel.name, Message(uuid.uuid4().hex, now, heard)


def _unkept(error: AlertError, causes: list[Cause]) -> Cause:
    codes = sorted({cause.code for cause in causes})
    others = f"; {len(causes)} other causes stand: {', '.join(codes)}" if causes else ""
    what = f"nobody is told of anything else from here: {error.what}{others}"
    return Cause(UNKEPT, "", Severity.CRITICAL, what, error.hint or TO_SEE)


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))
