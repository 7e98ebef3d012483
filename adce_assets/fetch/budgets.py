"""A budget's record and a request in, the record after it and the request's moment out. Nothing here waits or writes.

The bucket is pyrate-limiter's GCRA: its state is one moment per rate, so that a record stays small however much is
asked, and the promise is exact: no minute, wherever it starts, sees more than sixty times the rate and a burst.
Three rates must all agree: the declared one, the one that errors have lowered, and the host's crawl delay.

A request whose moment is less than `AHEAD_MS` away is granted in advance, so that late sleepers cost no turns.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pyrate_limiter import GCRA, Rate

from adce_assets.fetch import lanes
from adce_assets.fetch.breaker import Breaker, set_back
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.lanes import Lane, Split, Turns

AHEAD_MS, JUST_AHEAD_MS = 250, 25
"""How long before its moment a request is granted; history, soon after fresh work, only just before it: else the two
would share evenly whatever fresh work has just gone through and is about to ask again."""
SOON_MS = 1_000
GRACE_MS = 2_000
"""How long after its announced moment a waiter still counts; then its process is taken for ended."""
SHORTEST_NAP_MS, LONGEST_NAP_MS = 5, 1_000

PACE = 0.99
"""One request in a hundred is left out, for the sleeps and clocks that are late: the host counts where we cannot."""
LOWERED = 0.5
RAISED = 0.01
"""An error halves the rate; a success adds a hundredth of the declared one."""
ERRORS_APART_MS = 5_000
"""Errors of requests that were under way together are one error."""

CLOCKS_APART_MS = 60_000
"""Clocks may differ by so much and still be taken for the same."""

LONGEST_CLOSURE_S = 24 * 3600.0
"""A pause beyond a day is absurd: the host is asked again after a day, and the pause is reported."""

NO_TURNS = Turns()

BUCKET = GCRA()
PER = 1_000
"""Requests whose time a rate is declared by: whole milliseconds are exact enough for so many."""


@dataclass(frozen=True, slots=True)
class Closure:
    """Why, at whose instance and until when nobody asks; ``asked_s`` is what was asked for, however absurd."""

    host: str
    why: str
    since_ms: int
    until_ms: int
    asked_s: float

    @property
    def is_capped(self) -> bool:
        """More was asked for than is granted."""
        return self.asked_s > LONGEST_CLOSURE_S


@dataclass(frozen=True, slots=True)
class Waiter:
    """A request that waits, until when it is to be believed, and its place: the lower the ticket, the longer."""

    ticket: int
    lane: Lane
    until_ms: int


@dataclass(frozen=True, slots=True)
class Budget:
    """All that processes must know of each other to share a budget.

    Attributes:
        moments: The bucket's state, microseconds since 1970, one for each of `rates`.
        rate: Requests per second after errors; None for the declared rate.
        lowered_ms: When an error last lowered it.
        closure: The last closure, over or not.
        turns: What the lanes have taken.
        fresh_ms: The moment of the last request of fresh work.
        waiters: Who waits.
        tickets: How many have waited so far.
        breakers: By host, for those that are held something against.
        written_ms: When the record was written.
        crawl_delays: Seconds between requests that robots.txt asks for, by host; the longest holds for all.
    """

    written_ms: int = 0
    moments: tuple[int, ...] = ()
    rate: float | None = None
    lowered_ms: int = 0
    closure: Closure | None = None
    turns: Turns = NO_TURNS
    fresh_ms: int = 0
    waiters: tuple[Waiter, ...] = ()
    tickets: int = 0
    breakers: Mapping[str, Breaker] = field(default_factory=dict)
    crawl_delays: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Granted:
    """The request may be made after so many milliseconds."""

    after_ms: int


@dataclass(frozen=True, slots=True)
class Nap:
    """Not now: ask again after so many milliseconds, with this ticket (None: with none, the host is closed)."""

    for_ms: int
    ticket: int | None


def as_of(budget: Budget, now_ms: int) -> Budget:
    """Take a record along with a clock that was set back, or it would bind until the clock is there again."""
    back = budget.written_ms - now_ms
    if back <= CLOCKS_APART_MS:
        return budget
    closure = budget.closure
    return replace(
        budget,
        moments=tuple(at - 1000 * back for at in budget.moments),
        lowered_ms=budget.lowered_ms - back,
        closure=closure and replace(closure, since_ms=closure.since_ms - back, until_ms=closure.until_ms - back),
        turns=replace(budget.turns, hours=(), fresh=0, history=0),
        fresh_ms=budget.fresh_ms - back,
        waiters=(),
        breakers={name: set_back(known, back) for name, known in budget.breakers.items()},
    )


def ask(
    budget: Budget, host: Host, lane: Lane, now_ms: int, *, ticket: int | None = None
) -> tuple[Budget, Granted | Nap]:
    """Ask for one request of a lane. The ``ticket`` is that of the nap before, None at first."""
    waiters = tuple(waiter for waiter in budget.waiters if waiter.until_ms > now_ms)
    budget = without(replace(budget, waiters=waiters), ticket)
    split = Split(host.history_share, host.history_floor)
    contended = any(waiter.lane is lane.other for waiter in budget.waiters)
    moments, free_in_ms = _next(budget, rates(budget, host), now_ms)
    its_turn = lanes.is_turn_of(budget.turns, lane, split, contended=contended)
    yields = lane is Lane.HISTORY and not contended and now_ms - budget.fresh_ms < SOON_MS
    ahead_ms = JUST_AHEAD_MS if yields else AHEAD_MS
    if its_turn and free_in_ms <= ahead_ms:
        turns = lanes.taken(budget.turns, lane, split, now_ms, contended=contended)
        fresh_ms = now_ms + free_in_ms if lane is Lane.FRESH else budget.fresh_ms
        return replace(budget, moments=moments, turns=turns, fresh_ms=fresh_ms), Granted(free_in_ms)
    others_ms = 0 if its_turn else 1000 / current_rate(budget, host)
    return _wait(budget, host, lane, now_ms, ticket, max(free_in_ms - ahead_ms / 2, others_ms))


def without(budget: Budget, ticket: int | None) -> Budget:
    """Forget a waiter that waits no longer."""
    waiters = tuple(waiter for waiter in budget.waiters if waiter.ticket != ticket)
    return budget if waiters == budget.waiters else replace(budget, waiters=waiters)


def rates(budget: Budget, host: Host) -> list[Rate]:
    """List the rates that must all agree; a lowered one, and a crawl delay, allow no bursts."""
    declared = _rate(host.requests_per_second * PACE, host.burst)
    lowered = _rate(current_rate(budget, host) * PACE, 1) if budget.rate else declared
    delay = max(budget.crawl_delays.values(), default=0)
    return [declared, lowered, _rate(1 / delay, 1) if delay else declared]


def with_crawl_delay(budget: Budget, name: str, seconds: float) -> Budget:
    """Note what a host's robots.txt asks for; 0 for nothing."""
    if budget.crawl_delays.get(name, 0) == seconds:
        return budget
    others = {other: delay for other, delay in budget.crawl_delays.items() if other != name}
    return replace(budget, crawl_delays=others | ({name: seconds} if seconds else {}))


def current_rate(budget: Budget, host: Host) -> float:
    """Requests per second as errors have left it: never above what is declared, never below the floor."""
    return min(max(budget.rate or host.requests_per_second, host.floor), host.requests_per_second)


def after_error(budget: Budget, host: Host, now_ms: int) -> Budget:
    """Lower the rate."""
    if 0 <= now_ms - budget.lowered_ms < ERRORS_APART_MS:
        return budget
    return replace(budget, rate=max(current_rate(budget, host) * LOWERED, host.floor), lowered_ms=now_ms)


def after_success(budget: Budget, host: Host) -> Budget:
    """Raise a lowered rate a little."""
    if budget.rate is None:
        return budget
    rate = current_rate(budget, host) + host.requests_per_second * RAISED
    return replace(budget, rate=rate if rate < host.requests_per_second else None)


def close(budget: Budget, name: str, seconds: float, why: str, now_ms: int) -> Budget:
    """Close the budget; a shorter closure never ends a longer one. What is no number of seconds closes for longest."""
    asked = math.inf if math.isnan(seconds) else seconds
    until = now_ms + math.ceil(1000 * min(max(asked, 0.0), LONGEST_CLOSURE_S))
    if until <= now_ms + closed_ms(budget, now_ms):
        return budget
    return replace(budget, closure=Closure(name, why, now_ms, until, min(asked, 1e12)))


def closed_ms(budget: Budget, now_ms: int) -> int:
    """Milliseconds until the budget's hosts may be asked again."""
    left = budget.closure.until_ms - now_ms if budget.closure else 0
    return min(max(0, left), int(1000 * LONGEST_CLOSURE_S))


def _rate(per_second: float, burst: int) -> Rate:
    return Rate(PER, math.ceil(1000 * PER / per_second), burst=burst)


def _next(budget: Budget, agreeing: list[Rate], now_ms: int) -> tuple[tuple[int, ...], int]:
    """Find the bucket's state after the next request, and in how many milliseconds that may be made."""
    state = budget.moments if len(budget.moments) == len(agreeing) else BUCKET.initial(agreeing)
    at_ms = now_ms
    while True:
        after, decision = BUCKET.step(agreeing, state, at_ms, 1)
        if decision.allowed:
            return tuple(int(moment) for moment in after), at_ms - now_ms
        at_ms += decision.retry_after_ms or 1


def _wait(
    budget: Budget, host: Host, lane: Lane, now_ms: int, ticket: int | None, not_before_ms: float
) -> tuple[Budget, Nap]:
    """Put the request among the waiters, to ask again when those of its lane before it should have gone."""
    number = budget.tickets if ticket is None else ticket
    before = sum(waiter.lane is lane and waiter.ticket < number for waiter in budget.waiters)
    until_turn_ms = not_before_ms + before * 1000 / current_rate(budget, host)
    nap = int(min(max(until_turn_ms, SHORTEST_NAP_MS), max(LONGEST_NAP_MS, not_before_ms)))
    waiter = Waiter(number, lane, now_ms + nap + GRACE_MS)
    tickets = budget.tickets + (ticket is None)
    return replace(budget, waiters=(*budget.waiters, waiter), tickets=tickets), Nap(nap, number)
