"""Causes in, messages out: one alert for each cause until it clears, to whoever wants to hear of it.

What is remembered between two looks stands in a database, so that any number of processes may look at the same time,
and each message is written once. A message goes out after it was written: one that does not arrive is sent again, in
its turn, and who looks sees that. Which causes there are is found in `watching`, what is told of them in
`alert_decisions`, how a message goes out in `channels`.
"""

import socket
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from adce_assets.autonomous import Alerts
from adce_assets.errors import AlertError
from adce_assets.operate.alert_book import Book, opened
from adce_assets.operate.alert_decisions import decide, named, plain
from adce_assets.operate.alert_records import UNSEEN, Look, Message, News, Tended, name_of
from adce_assets.operate.alert_troubles import TO_SEE, of_channels
from adce_assets.operate.causes import Cause, Severity
from adce_assets.operate.sending import deliver
from adce_assets.operate.watching import CODES, CRASHED, RULES
from adce_assets.settings import Settings

UNKEPT = "alerts_unkept"
"""The code of a cause that is found here: nobody can be told of any other."""


KNOWN = (*CODES, UNKEPT)
"""The codes of all causes that somebody may be told of."""
OF_MACHINES = frozenset({"disk", "short_of_resources", "component_down"})
"""The codes of causes that each machine has for itself: their subjects name it."""
LOOKS_MISSED = 3
"""Looks of who saw a cause that are waited for, before others may say that it is gone."""


def tend(
    settings: Settings,
    causes: Iterable[Cause],
    now: datetime,
    *,
    machine: str = "",
    part: str = "",
    is_over: Callable[[Cause], bool] = lambda _: False,
) -> Tended:
    """Take note of all causes there are now, tell who is to be told, and send what is to be sent.

    Causes that were noted (`note`) count too. Called any number of times, by any processes, it tells each thing once.

    Args:
        settings: Of the installation. Its home is a part of who looks, so that one clears not what another sees.
        causes: All that was found.
        now: Aware (UTC).
        machine: Which one looks, by default this one.
        part: Which of several that look from one home, and do not all see the same.
        is_over: Tells of a cause that was noted whether it is over; it is asked while nobody waits for the answer.

    Raises:
        AlertError: what is known of alerts can be kept nowhere.
    """
    machine = machine or socket.gethostname()
    found = [_of_machine(cause, machine) for cause in causes]
    look = _look(settings, found, now, " ".join(filter(None, (machine, str(settings.home), part))))
    if settings.alerts_url == settings.own_alerts_url:
        return _tended(settings, settings.alerts_url, found, look, is_over)
    return _tended_by_many(settings, found, look, is_over)


def note(settings: Settings, cause: Cause, now: datetime) -> None:
    """Note a cause that nobody can look for, such as a run that has failed: it stands until it is struck out.

    Where the database of many machines cannot be used, this one keeps it, and hands it on at a later look.

    Raises:
        AlertError: it cannot be kept.
    """
    noted = replace(plain(cause), since=cause.since or now)
    try:
        _note(settings.alerts_url, noted)
    except AlertError:
        if settings.alerts_url == settings.own_alerts_url:
            raise
        _note(settings.own_alerts_url, noted)


def _note(url: str, cause: Cause) -> None:
    with opened(url) as book, book.write() as page:
        page.note(cause)


def _tended_by_many(settings: Settings, causes: list[Cause], look: Look, is_over: Callable[[Cause], bool]) -> Tended:
    """Look once, with the database of many machines, or, where it cannot be used, say that alone, by the own file."""
    own = settings.own_alerts_url
    has_own = _path(own).exists()
    try:
        if has_own:
            _move(settings)
        tended = _tended(settings, settings.alerts_url, causes, look, is_over)
    except AlertError as error:
        return _tended(settings, own, [_unkept(error, causes)], look)
    if has_own:
        with suppress(AlertError):  # all that matters was told already
            _tended(settings, own, [], look)
    return tended


def _move(settings: Settings) -> None:
    """Hand on what the own file keeps: what was noted while the database could not be used, and what stood before.

    With what stood goes what was written of it, wherever that is on its way: by that is known what people heard.
    """
    with opened(settings.own_alerts_url) as book:
        with book.read() as page:
            noted, standing = page.noted(), [one for one in page.standing().values() if one.cause.code != UNKEPT]
            messages = page.written_of({name_of(one.cause) for one in standing})
        if not noted and not standing:
            return
        with opened(settings.alerts_url) as shared, shared.write() as page:
            known = page.standing()
            page.keep(replace(one, number=0) for one in standing if name_of(one.cause) not in known)
            for cause in noted:
                page.note(cause)
            page.take_over(messages)
        with book.write() as page:
            page.strike_same(noted)
            page.drop(standing)
            page.hand_over(messages)


def _look(settings: Settings, causes: list[Cause], now: datetime, looker: str) -> Look:
    rules = settings.autonomous
    ui_url = rules.alerts.ui_url or f"http://127.0.0.1:{rules.service.web_port}"
    unseen = max(UNSEEN, LOOKS_MISSED * timedelta(seconds=rules.health.interval_seconds))
    return Look(now, looker, ui_url, _unlooked(causes), unseen)


def _tended(
    settings: Settings, url: str, causes: list[Cause], look: Look, is_over: Callable[[Cause], bool] | None = None
) -> Tended:
    """Look once, with the book that a URL leads to; without ``is_over`` nothing but `UNKEPT` is its business."""
    rules, now = settings.autonomous.alerts, look.now
    with opened(url) as book:
        over = _over(book, is_over) if is_over else []
        with book.write() as page:
            page.strike_same(over)
            own = [*page.noted(), *of_channels(page, rules)] if is_over else []
            struck = {name_of(one) for one in over}
            found = [*own, *(cause for cause in causes if name_of(cause) not in struck)]
            before = {name: one for name, one in page.standing().items() if is_over or one.cause.code == UNKEPT}
            decided = decide(before, dict(named(found)), rules, page.silences(now), look)
            page.drop(decided.dropped)
            page.keep(decided.kept)
            for channel, message in _messages(decided.news, rules, now):
                page.send(channel, message)
            page.tidy(now - timedelta(days=rules.keep_days))
        delivered, failed = deliver(book, rules, settings.secrets, now)
    standing = tuple(one for one in decided.kept if one.opened_at and not one.cleared_at)
    return Tended(standing, decided.news, delivered, failed)


def _over(book: Book, is_over: Callable[[Cause], bool]) -> list[Cause]:
    """Find what was noted and is over; whoever knows may take long, so that nobody is kept from writing meanwhile."""
    with book.read() as page:
        kept = page.noted()
    return [one for one in kept if is_over(one)]


def _of_machine(cause: Cause, machine: str) -> Cause:
    """Say of which machine a cause is that each has for itself."""
    if cause.code not in OF_MACHINES:
        return cause
    subject = f"{cause.subject} on {machine}" if cause.subject else machine
    return replace(cause, subject=subject, what=f"{machine}: {cause.what}")


def _unlooked(causes: Iterable[Cause]) -> frozenset[str]:
    """Name the codes of the rules that said not all they know because of what was found: of these nobody knows."""
    found, broken = set[str](), set[str]()
    for cause in causes:
        found.add(cause.code)
        broken |= {cause.subject} if cause.code == CRASHED else {cause.code} if cause.is_blind else set()
    blind = (rule for rule in RULES if found & set(rule.needs) or broken & {rule.look.__name__, rule.codes[0]})
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
