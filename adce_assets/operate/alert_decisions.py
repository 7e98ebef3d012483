"""What stood and what stands in, what to keep and what to tell out. Nothing is read, kept or sent here.

A cause that comes and goes is told once at most: it must stand for a while before anybody hears of it, and be gone for
as long before it counts as cleared.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from adce_assets.autonomous import Alerts, Quiet
from adce_assets.errors import printable
from adce_assets.operate.alert_records import Alert, Kind, Look, Name, News, Silence
from adce_assets.operate.causes import Cause, Severity

LONGEST = {"code": 100, "subject": 300, "what": 1_000, "hint": 500, "page": 500}
"""Letters that are kept of each text of a cause: some come from hosts."""
UNHEARD = timedelta(minutes=15)
"""After so long what nobody was told, because its message was given up, is told anew."""
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
        after, told = _told(seen, rules, now, is_withheld=_is_withheld(seen, rules.quiet, silences, now))
        kept.append(after)
        news += [News(told, after.cause, _since(after), _link(after.cause, look.ui_url), seen.severity)] if told else []
    return Decided(tuple(kept), tuple(dropped), tuple(sorted(news, key=_urgency)))


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
        return replace(alert, gone_at=alert.gone_at or now) if alert.opened_at else None
    known = alert or Alert(cause, seen_at=now, looked_at=now)
    seen = replace(known, cause=cause, looked_at=now, seen_by=look.looker, gone_at=None)
    if seen.opened_at is None and now - seen.seen_at >= patience:
        return replace(seen, opened_at=now)
    return seen


def _can_tell(look: Look, alert: Alert) -> bool:
    """Tell whether a look that does not see a cause says that it is gone."""
    is_own = alert.seen_by == look.looker or look.now - alert.looked_at >= look.unseen
    return is_own and alert.cause.code not in look.unlooked


def _told(seen: Alert, rules: Alerts, now: datetime, *, is_withheld: bool) -> tuple[Alert, Kind | None]:
    """Say what is told of an alert, and how it stands after that."""
    if seen.gone_at is not None:
        was_told = seen.told_as is not None
        is_over = now - seen.gone_at >= timedelta(minutes=rules.after_minutes) and not (is_withheld and was_told)
        if not is_over:
            return seen, None
        return replace(seen, cleared_at=now), Kind.CLEARED if was_told else None
    may_tell = seen.opened_at is not None and not is_withheld and _is_heard(seen, rules)
    kind = _due(seen, rules.repeat_hours, now) if may_tell else None
    return (replace(seen, told_at=now, told_as=seen.severity), kind) if kind else (seen, None)


def _due(seen: Alert, repeat_hours: float | None, now: datetime) -> Kind | None:
    if seen.told_at is None:
        return Kind.OPENED
    if seen.told_as is None:
        return Kind.OPENED if now - seen.told_at >= UNHEARD else None
    if seen.told_as is not seen.severity:
        return Kind.WORSE
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


def _link(cause: Cause, ui_url: str) -> str:
    return f"{ui_url.rstrip('/')}{cause.page}" if cause.page.startswith("/") else ""


def _urgency(news: News) -> tuple[bool, int]:
    return news.severity is not Severity.CRITICAL, ORDER.index(news.kind)


def named(causes: Iterable[Cause]) -> Iterator[tuple[Name, Cause]]:
    """Put causes under their names, as lines can show them."""
    for cause in map(plain, causes):
        yield (cause.code, cause.subject), cause
