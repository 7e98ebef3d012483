"""What is to be asked of each host, how fast it may be and how often it has answered in, the time to the end out.

A small simulation with a seed, so that the same plan has the same forecast. In each trial a budget's rate of success
is drawn from what was measured: a Beta distribution over the keys that succeeded and failed of late, behind `PRIOR`,
which is all there is where nothing was measured yet. Requests go out at the budget's present rate, behind those that
wait for it already and after its closure; what fails comes again after the pause that retries keep, until it has used
up its attempts. Budgets are asked side by side, so that the slowest is the end of all.

What is not in it: how long a host takes to answer where that, and not the rate, is the limit; runs that wait for a
place; answers of several pages, each of which is a request.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from adce_assets.configuration import Retries
from adce_assets.ledger.transitions import Event

if TYPE_CHECKING:
    from adce_assets.fetch.limits import HostState

PRIOR = (19.0, 1.0)
"""Successes and failures believed before anything was measured: 95 of 100, and that not firmly."""
TRIALS = 400
SEED = 20_250_115
FEW = 50
"""Draws that are made one by one; of more, a normal distribution tells how many succeed."""
MEASURED = (Event.PROMOTED, Event.FAILED)
"""The events of the ledger that tell whether asking had success."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Keys that were collected, and those that failed."""

    good: int = 0
    failed: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Count both."""
        return Tally(self.good + other.good, self.failed + other.failed)


NOBODY = Tally()
"""Where nothing was asked of late."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be asked out of one budget.

    Attributes:
        budget: The name of the budget, or of the program that is started.
        requests: How many requests the plan makes, each tried once.
        per_second: The rate at which they may be made now.
        waiting: Requests of others that wait already.
        closed_s: Seconds until the host may be asked again; None where it is blocked and nobody knows.
        tally: What came of asking, of late.
    """

    budget: str
    requests: int
    per_second: float
    waiting: int
    closed_s: float | None
    tally: Tally


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds that half of the trials take at most, and nine of ten; None where nobody knows."""

    p50_s: float | None
    p90_s: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long each budget takes, by name, and all of them together."""

    budgets: Mapping[str, Span]
    total: Span


def tallies(counts: Mapping[tuple[Event, str, str], int]) -> dict[str, Tally]:
    """Count by data set (``source/data_type``) how keys ended; ``counts`` is what the ledger says of `MEASURED`."""
    found: dict[str, Tally] = {}
    for (event, source, data_type), keys in sorted(counts.items()):
        told = Tally(good=keys) if event is Event.PROMOTED else Tally(failed=keys)
        found[f"{source}/{data_type}"] = found.get(f"{source}/{data_type}", NOBODY) + told
    return found


def work_of_host(host: "HostState", requests: int, tally: Tally, now: datetime) -> Work:
    """Say what so many requests of a host come to, as it stands with us now."""
    pace = min(host.rate, 1 / host.crawl_delay_s) if host.crawl_delay_s else host.rate
    closed: float | None = 0.0
    if host.blocked_since is not None:
        closed = None
    elif host.closed_until is not None:
        closed = max((host.closed_until - now).total_seconds(), 0.0)
    return Work(host.budget, requests, pace, sum(host.waiting.values()), closed, tally)


def work_of_program(scraper: str, keys: int, seconds_per_key: float, tally: Tally) -> Work:
    """Say what so many keys of a program come to; it asks whom it likes, at the pace that its entry says."""
    return Work(f"program {scraper}", keys, 1 / seconds_per_key, 0, 0.0, tally)


def by_budget(works: Iterable[Work]) -> list[Work]:
    """Join what is asked out of the same budget; it waits for the slowest host of it, and counts what waits once."""
    joined: dict[str, Work] = {}
    for work in works:
        joined[work.budget] = _together(joined[work.budget], work) if work.budget in joined else work
    return list(joined.values())


def _together(one: Work, other: Work) -> Work:
    closed = None if one.closed_s is None or other.closed_s is None else max(one.closed_s, other.closed_s)
    pace, requests = min(one.per_second, other.per_second), one.requests + other.requests
    return replace(one, requests=requests, per_second=pace, closed_s=closed, tally=one.tally + other.tally)


def forecast(works: Sequence[Work], retries: Retries) -> Forecast:
    """Simulate how long the work takes."""
    chance = random.Random(SEED)  # noqa: S311 - a simulation, no secret
    trials = {work.budget: [_seconds(work, retries, chance) for _ in range(TRIALS)] for work in works}
    every = [max(seconds) for seconds in zip(*trials.values(), strict=True)] if trials else [0.0]
    return Forecast({name: _span(seconds) for name, seconds in trials.items()}, _span(every))


def _seconds(work: Work, retries: Retries, chance: random.Random) -> float:
    """Play one trial; infinite where nobody knows when the host answers again."""
    if not work.requests:
        return 0.0
    if work.closed_s is None:
        return math.inf
    success = chance.betavariate(PRIOR[0] + work.tally.good, PRIOR[1] + work.tally.failed)
    free_at, left, pause = work.closed_s + work.waiting / work.per_second, work.requests, retries.backoff_minutes * 60
    for attempt in range(retries.max_attempts):
        free_at += left / work.per_second + (pause if attempt else 0.0)
        pause = min(pause * retries.backoff_factor, retries.backoff_longest_hours * 3600) if attempt else pause
        left -= _successes(left, success, chance)
        if not left:
            break
    return free_at


def _successes(draws: int, success: float, chance: random.Random) -> int:
    """Draw from the binomial distribution."""
    if draws <= FEW:
        return sum(chance.random() < success for _ in range(draws))
    drawn = chance.gauss(draws * success, math.sqrt(draws * success * (1 - success)))
    return min(max(round(drawn), 0), draws)


def _span(seconds: Sequence[float]) -> Span:
    ordered = sorted(seconds)
    return Span(*(_told(ordered[math.ceil(share * len(ordered)) - 1]) for share in (0.5, 0.9)))


def _told(seconds: float) -> float | None:
    return round(seconds, 1) if math.isfinite(seconds) else None
