"""What stood and what stands in, what to keep and what to tell out. Nothing is read, kept or sent here.

A cause that comes and goes is told once at most: it must stand for a while before anybody hears of it, longer the more
it is away meanwhile, and be gone for as long at a stretch before it counts as cleared.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from adce_assets.autonomous import Alerts, Quiet
from adce_assets.errors import printable
from adce_assets.operate.alert_records import (
    UNHEARD,
    Alert,
    Delivery,
    Kind,
    Look,
    Message,
    Name,
    News,
    Silence,
    name_of,
)
from adce_assets.operate.causes import Cause, Severity

LONGEST = {"code": 100, "subject": 300, "what": 1_000, "hint": 500, "page": 500}
"""Letters that are kept of each text of a cause: some come from hosts."""
AWAY_COUNTS = 2
"""A cause that is there for less than half of the time never stands for long: its time away is taken off twice."""
ORDER = tuple(Kind)


@dataclass(frozen=True, slots=True)
class Decided:
    """What follows from a look: alerts to keep and to forget, and the news, the worst first."""

    kept: tuple[Alert, ...]
    dropped: tuple[Alert, ...]
    news: tuple[News, ...]


def plain(cause: Cause) -> Cause:
    """Take out of a cause what a line cannot show, and what is too long for one."""
    texts: dict[str, Any] = {name: printable(str(getattr(cause, name)))[:most] for name, most in LONGEST.items()}
    return replace(cause, **texts)


def decide(
    before: Mapping[Name, Alert],
    causes: Mapping[Name, Cause],
    rules: Alerts,
    silences: Sequence[Silence],
    look: Look,
) -> Decided:
    """Decide what becomes of each alert.

    Args:
        before: The alerts that are not cleared.
        causes: What is wrong now.
        rules: After how long, how often, and when not.
        silences: Who wants silence now.
        look: When and where they were looked for.
    """
    patience, now = timedelta(minutes=rules.after_minutes), look.now
    kept, dropped, news = [], [], []
    for name in (*before, *(name for name in causes if name not in before)):
        seen = _seen(before.get(name), causes.get(name), patience, look)
        if seen is None:
            dropped.append(before[name])
            continue
        after, told = _told(
            before.get(name), seen, rules, now, is_withheld=_is_withheld(seen, rules.quiet, silences, now)
        )
        kept.append(after)
        news += [News(told, after.cause, _since(after), _link(after.cause, look.ui_url), seen.severity)] if told else []
    return Decided(tuple(kept), tuple(dropped), tuple(sorted(news, key=_urgency)))


def taken_back(
    lost: Message, standing: Mapping[Name, Alert], cleared: Iterable[Alert], written: Iterable[Delivery]
) -> Iterator[Alert]:
    """Change alerts that a message told of which was given up: people know of them what all others say.

    Args:
        lost: The message.
        standing: The alerts that are not cleared.
        cleared: Those that were when it was written.
        written: All messages that are still known, on any channel: what has arrived of them, or still may, is heard.
    """
    told, opening = _told_of(written)
    names = {name_of(one.cause): one.kind for one in lost.news}
    for name in names.keys() & standing.keys():
        alert = standing[name]
        since = alert.opened_at
        if since is None or lost.at < since:
            continue
        heard = [one.severity for at, one in told[name] if at >= since]
        if names[name] is not Kind.OPENED and not any(at >= since for at in opening[name]):
            # That it is there was told so long ago that nobody knows any more how: it was heard.
            heard += [Severity.WARNING if names[name] is Kind.WORSE else alert.severity]
        yield replace(alert, told_as=_worst(heard))
    for alert in cleared:
        name = name_of(alert.cause)
        is_known = any(one.kind is Kind.CLEARED and at >= lost.at for at, one in told[name])
        if alert.told_as and name in names.keys() - standing.keys() and not is_known:
            yield replace(alert, cleared_at=None, gone_at=lost.at + UNHEARD)


def _told_of(
    written: Iterable[Delivery],
) -> tuple[Mapping[Name, list[tuple[datetime, News]]], Mapping[Name, list[datetime]]]:
    """Say what people were told of each cause, and when it was written of each that it is there."""
    told, opening = defaultdict[Name, list[tuple[datetime, News]]](list), defaultdict[Name, list[datetime]](list)
    for sent in written:
        for one in sent.message.news:
            told[name_of(one.cause)] += [] if sent.given_up else [(sent.message.at, one)]
            opening[name_of(one.cause)] += [sent.message.at] if one.kind is Kind.OPENED else []
    return told, opening


def is_quiet(quiet: Quiet | None, now: datetime) -> bool:
    """Tell whether it is one of the hours in which only what is critical is told."""
    if quiet is None:
        return False
    at = f"{now:%H:%M}"
    if quiet.begins < quiet.ends:
        return quiet.begins <= at < quiet.ends
    return at >= quiet.begins or at < quiet.ends


def _seen(alert: Alert | None, cause: Cause | None, patience: timedelta, look: Look) -> Alert | None:
    """Take note of how a cause is now; None for one that went before anybody was to know."""
    now = look.now
    if cause is None:
        if alert is None or not _can_tell(look, alert):
            return alert
        gone_at = alert.gone_at or now
        return replace(alert, gone_at=gone_at) if alert.opened_at or now - gone_at < patience else None
    known = alert or Alert(cause, seen_at=now, looked_at=now)
    seen = replace(known, cause=cause, looked_at=now, seen_by=look.looker, gone_at=None)
    if seen.opened_at is not None:
        return seen
    away = now - known.gone_at if known.gone_at else timedelta(0)
    seen_at = min(now, seen.seen_at + AWAY_COUNTS * away)
    return replace(seen, seen_at=seen_at, opened_at=now if now - seen_at >= patience else None)


def _can_tell(look: Look, alert: Alert) -> bool:
    """Tell whether a look that does not see a cause says that it is gone."""
    is_own = alert.seen_by == look.looker or look.now - alert.looked_at >= look.unseen
    return is_own and alert.cause.code not in look.unlooked


def _told(
    before: Alert | None, seen: Alert, rules: Alerts, now: datetime, *, is_withheld: bool
) -> tuple[Alert, Kind | None]:
    """Say what is told of an alert, and how it stands after that."""
    if seen.gone_at is not None:
        was_told = seen.told_as is not None
        is_over = now - seen.gone_at >= timedelta(minutes=rules.after_minutes) and not (is_withheld and was_told)
        if not is_over:
            return seen, None
        return replace(seen, cleared_at=now), Kind.CLEARED if was_told else None
    may_tell = seen.opened_at is not None and not is_withheld and _is_heard(seen, rules)
    kind = _due(before, seen, rules.repeat_hours, now) if may_tell else None
    return (replace(seen, told_at=now, told_as=seen.severity), kind) if kind else (seen, None)


def _due(before: Alert | None, seen: Alert, repeat_hours: float | None, now: datetime) -> Kind | None:
    if seen.told_at is None:
        return Kind.OPENED
    is_time_again = now - seen.told_at >= UNHEARD
    if seen.told_as is None:
        return Kind.OPENED if is_time_again else None
    if seen.told_as is not seen.severity:
        is_new = before is None or before.cause.severity is not seen.cause.severity
        return Kind.WORSE if is_new or is_time_again else None
    is_time = repeat_hours is not None and now - seen.told_at >= timedelta(hours=repeat_hours)
    return Kind.STANDS if is_time else None


def _is_heard(alert: Alert, rules: Alerts) -> bool:
    """Tell whether there is a channel that hears of it."""
    return any(alert.severity is Severity.CRITICAL or not channel.only_critical for channel in rules.channels)


def _is_withheld(alert: Alert, quiet: Quiet | None, silences: Iterable[Silence], now: datetime) -> bool:
    if any(one.covers(alert.cause) for one in silences):
        return True
    return alert.severity is not Severity.CRITICAL and is_quiet(quiet, now)


def _since(alert: Alert) -> datetime:
    return alert.cause.since or alert.seen_at


def _worst(severities: Collection[Severity]) -> Severity | None:
    """Return the worst of them; None of none."""
    return Severity.CRITICAL if Severity.CRITICAL in severities else next(iter(severities), None)


def _link(cause: Cause, ui_url: str) -> str:
    return f"{ui_url.rstrip('/')}{cause.page}" if cause.page.startswith("/") else ""


def _urgency(news: News) -> tuple[bool, int]:
    return news.severity is not Severity.CRITICAL, ORDER.index(news.kind)


def named(causes: Iterable[Cause]) -> Iterator[tuple[Name, Cause]]:
    """Put causes under their names, as lines can show them."""
    for cause in map(plain, causes):
        yield (cause.code, cause.subject), cause
