"""A moment in, what rests then out: all of the loop in maintenance, and a part of its collecting in a pause.

A window begins at each minute that its cron schedule names (UTC) and lasts so many minutes; the moment of its end is no
more in it. What begins something asks what rests, and what is under way asks how long it may still begin anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from adce_assets.autonomous import AutonomousConfig
from adce_assets.loop.cron import next_moment
from adce_assets.loop.dispatch import Batch
from adce_assets.restraints import WEEK, Pause, Window

LONGEST = timedelta(minutes=WEEK)
"""How far ahead an end is looked for, and how far back what rested is counted."""
FEW, MANY = 4, 200
"""How many moments of a schedule are looked at, at least and at most."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be collected, as far as a pause speaks of it: whom it asks, for which sources, how urgently."""

    host: str = ""
    sources: frozenset[str] = frozenset()
    priority: str = ""

    def rests_in(self, pause: Pause) -> bool:
        """Tell whether a pause is about it: it is one of each of the kinds that the pause names."""
        return (
            (not pause.hosts or self.host in pause.hosts)
            and (not pause.sources or not self.sources.isdisjoint(pause.sources))
            and (not pause.priorities or self.priority in pause.priorities)
        )


def end_of(window: Window, now: datetime) -> datetime | None:
    """Say when a window ends that is open, or the first of it where it overlaps itself; None where it is not open."""
    lasts = timedelta(minutes=window.minutes)
    began = next_moment(window.cron, now - lasts)
    return began + lasts if began <= now else None


def rests_until(window: Window, now: datetime) -> datetime | None:
    """Say when a window ends that is open, and no other time of it is open by then; None where it is not open.

    What is more than a week ahead is no end, but only shows that none is in sight.
    """
    end = end_of(window, now)
    for _ in range(MANY):
        following = end_of(window, end) if end is not None and end - now <= LONGEST else None
        if following is None:
            return end
        end = following
    return now + 2 * LONGEST


def time_at_work(config: AutonomousConfig, since: datetime, now: datetime) -> timedelta:
    """Say how much of the time since a moment, of the last week at most, was in no window of maintenance."""
    at, found = max(since, now - LONGEST), timedelta(0)
    while at < now:
        ends = [end for window in config.maintenance if (end := rests_until(window, at)) is not None]
        following = min([now, *(ends or (next_moment(window.cron, at) for window in config.maintenance))])
        found += timedelta(0) if ends else following - at
        at = following
    return found


def never_begins(config: AutonomousConfig, cron: str, now: datetime, work: Work | None = None) -> bool:
    """Tell whether each of the next moments of a schedule, a week of them or a few, lies in a window.

    The windows are those of maintenance, and the pauses that are about its ``work``.
    """
    at, seen = now, 0
    windows = (*config.maintenance, *(pause for pause in config.pauses if work and work.rests_in(pause)))
    while seen < FEW or (at - now < LONGEST and seen < MANY):
        at, seen = next_moment(cron, at), seen + 1
        if not any(end_of(window, at) for window in windows):
            return False
    return True


def maintenance(config: AutonomousConfig, now: datetime) -> str:
    """Say why nothing is to begin now; empty where no window of maintenance is open."""
    return _said("maintenance", config.maintenance, now)


def paused(config: AutonomousConfig, work: Work, now: datetime) -> str:
    """Say why a work is not to begin now; empty where no pause that is about it is open."""
    return _said("paused", (pause for pause in config.pauses if work.rests_in(pause)), now)


def seconds_open(config: AutonomousConfig, work: Work, now: datetime) -> float | None:
    """Say how long a work may go on until it has to rest, 0 where it has to now; None where it never has to."""
    windows = (*config.maintenance, *(pause for pause in config.pauses if work.rests_in(pause)))
    begins = [now if end_of(window, now) else next_moment(window.cron, now) for window in windows]
    return (min(begins) - now).total_seconds() if begins else None


@dataclass(frozen=True, slots=True)
class Restraints:
    """What rests of the queue at a moment.

    Attributes:
        pauses: The pauses that are open.
        waiting: Until when no runs of a priority are started, for those of which some were started lately.
        hosts: Whom each scraper asks.
        until: When the pauses end, as a person is told it.
    """

    pauses: tuple[Pause, ...]
    waiting: Mapping[str, datetime]
    hosts: Mapping[str, str]
    until: str

    @classmethod
    def at(
        cls, config: AutonomousConfig, now: datetime, starts: Mapping[str, datetime], hosts: Mapping[str, str]
    ) -> "Restraints":
        """Find what rests now, where the last runs of each priority were started at the moments of ``starts``.

        A moment that is still to come was told by a clock that went wrong, and does not count.
        """
        between = config.dispatch.minutes_between
        minutes = {name: getattr(between, name) for name, began in starts.items() if began <= now}
        ends = {name: starts[name] + timedelta(minutes=wait) for name, wait in minutes.items()}
        waiting = {name: end for name, end in ends.items() if end > now}
        pauses = tuple(pause for pause in config.pauses if end_of(pause, now))
        return cls(pauses, waiting, hosts, _said("paused", pauses, now))

    def __contains__(self, batch: Batch) -> bool:
        """Tell whether a batch rests."""
        sources = frozenset(name.partition("/")[0] for name in batch.data_sets)
        work = Work(self.hosts.get(batch.scraper, ""), sources, batch.priority)
        return batch.priority in self.waiting or any(work.rests_in(pause) for pause in self.pauses)

    def __str__(self) -> str:
        """Say what rests and until when; empty where nothing does."""
        waiting = [f"`{name}` until {_moment(end)}" for name, end in self.waiting.items()]
        lately = f"started lately: {', '.join(waiting)}" if waiting else ""
        return "; ".join(part for part in (self.until, lately) if part)


def _said(what: str, windows: Iterable[Window], now: datetime) -> str:
    open_now = [(window.name, end) for window in windows if (end := rests_until(window, now))]
    names = ", ".join(
        f"`{name}` until {_moment(end)}" if end - now <= LONGEST else f"`{name}` with no end in sight"
        for name, end in open_now
    )
    return f"{what}: {names}" if names else ""


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
