"""Requests asked for in, waits out: one budget per host or operator, shared by every process that names the same place.

A host that said ``Retry-After``, or has jailed us, is closed for every process until that moment, whatever becomes of
the run that was told. Waiting is always done outside of the lock. Which answers close a host is the client's decision;
how a budget decides is arithmetic of `budgets`, `lanes` and `breaker`; this module reads, asks them, and writes.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from adce_assets.errors import EgressBlockedError, HostClosedError
from adce_assets.fetch import breaker, budgets
from adce_assets.fetch.breaker import WELL, Breaker
from adce_assets.fetch.budgets import Budget, Granted, Nap
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.lanes import Lane, of_the_last_day
from adce_assets.fetch.shared import open_records, unusable

LOG = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT")

RECORD = TypeAdapter(Budget)
EMPTY = Budget()


class Answered(StrEnum):
    """How a host took a request: with any final answer, with one of no use, busy, with a refusal, or without a byte."""

    OK = "ok"
    HEARD = "heard"
    BUSY = "busy"
    REFUSED = "refused"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class HostState:
    """How a host stands with us; times are aware UTC, and None where there is nothing to say.

    Attributes:
        rate: Requests per second now, between ``floor`` and ``ceiling``; a crawl delay may be slower still.
        used: Requests of the last 24 hours by lane, of the whole budget.
        waiting: Requests that wait now by lane, of the whole budget.
        closed_until: When the budget's hosts may be asked again, and ``closed_why``.
        closed_asked_s: The pause that was asked for, where it was absurd and has been cut to a day.
        blocked_since: When the host began to accept and never answer; ``next_probe`` is when one request tries again.
    """

    name: str
    budget: str
    rate: float
    floor: float
    ceiling: float
    burst: int
    used: Mapping[Lane, int]
    waiting: Mapping[Lane, int]
    crawl_delay_s: float | None
    closed_until: datetime | None
    closed_why: str | None
    closed_asked_s: float | None
    blocked_since: datetime | None
    next_probe: datetime | None


class Limits:
    """The budgets of all hosts in one place. Safe between processes and between threads.

    Args:
        where: The path of a SQLite file, for the processes of a machine, or ``postgresql://...``, for those of many.
        clock_ms: Milliseconds of a clock that the sharing processes agree on; default: the place's own.
        sleep: Called with seconds, never while the lock is held.
    """

    def __init__(
        self,
        where: str | Path,
        *,
        clock_ms: Callable[[], int] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._records, self._sleep = open_records(where, clock_ms), sleep
        self._well: dict[str, bool] = {}
        """Whether a success would change anything: known from the last request, so that most need no second look."""

    def acquire(self, name: str, host: Host, *, lane: Lane = Lane.FRESH, crawl_delay_s: float | None = None) -> float:
        """Wait until the host may be asked once more; return the seconds waited.

        Args:
            name: The host's name in the catalogue.
            host: Its entry.
            lane: What the request is for.
            crawl_delay_s: What its robots.txt asks for, 0 for nothing; None leaves what was said before.

        Raises:
            HostClosedError: the host has closed itself for longer than its entry lets a run wait.
            EgressBlockedError: the host accepts connections and never answers, and the next probe is not due.
        """
        waited, ticket = 0.0, None
        while True:
            answer = self._take(name, host, lane, ticket, crawl_delay_s)
            if isinstance(answer, Exception):
                raise answer
            seconds = (answer.after_ms if isinstance(answer, Granted) else answer.for_ms) / 1000
            if seconds:
                self._sleep(seconds)
            waited += seconds
            if isinstance(answer, Granted):
                return waited
            ticket = answer.ticket

    def answered(self, name: str, host: Host, how: Answered) -> None:
        """Tell how the host took a request: errors lower the rate, successes raise it back, silence blocks.

        What was heard and is of no use says that the host is there, and nothing of the rate.
        """
        if how in {Answered.OK, Answered.HEARD} and self._well.get(name):
            return
        self._well[name] = False

        def change(budget: Budget, now_ms: int) -> tuple[Budget, Breaker]:
            known = budget.breakers.get(name, WELL)
            now_known = breaker.silent(known, now_ms) if how is Answered.SILENT else WELL
            if how is Answered.OK:
                budget = budgets.after_success(budget, host)
            elif how is not Answered.HEARD:
                budget = budgets.after_error(budget, host, now_ms)
            return _with_breaker(budget, name, now_known), known

        before = self._change(name, host, change)
        if before.next_probe_ms is not None and how is not Answered.SILENT:
            LOG.info("`%s` answers again", name)

    def close_host(self, name: str, host: Host, seconds: float, why: str) -> None:
        """Keep every process from asking the host for so many seconds; a shorter closure never ends a longer one.

        More than a day is absurd: it is cut to a day, and reported here and by `states`.
        """
        self._change(name, host, lambda budget, now_ms: (budgets.close(budget, name, seconds, why, now_ms), None))
        if not seconds <= budgets.LONGEST_CLOSURE_S:
            LOG.warning("`%s` asked for a pause of %g s (%s); it is asked again after a day", name, seconds, why)

    def closed_for(self, name: str, host: Host) -> float:
        """Seconds until the host may be asked again; 0 when it is open, or when a probe is due."""

        def look(budget: Budget, now_ms: int) -> tuple[Budget, int]:
            blocked = breaker.blocked_ms(budget.breakers.get(name, WELL), now_ms)
            return budget, max(blocked, budgets.closed_ms(budget, now_ms))

        return self._change(name, host, look) / 1000

    def states(self, hosts: Mapping[str, Host]) -> list[HostState]:
        """Tell how all these hosts stand with us, in their order."""
        return [
            self._change(
                name, host, lambda budget, now_ms, name=name, host=host: (budget, _state(name, host, budget, now_ms))
            )
            for name, host in hosts.items()
        ]

    def dispose(self) -> None:
        """Let go of the place."""
        self._records.dispose()

    def _take(
        self, name: str, host: Host, lane: Lane, ticket: int | None, crawl_delay_s: float | None
    ) -> Granted | Nap | HostClosedError:
        """Take one request from the budget, or say when to ask again, or why not at all."""

        def change(budget: Budget, now_ms: int) -> tuple[Budget, Granted | Nap | HostClosedError]:
            if crawl_delay_s is not None:
                budget = budgets.with_crawl_delay(budget, name, crawl_delay_s)
            known = budget.breakers.get(name, WELL)
            self._well[name] = known == WELL and budget.rate is None
            if refusal := _refusal(name, host, budget, now_ms):
                return budgets.without(budget, ticket), refusal
            if closed_ms := budgets.closed_ms(budget, now_ms):
                return budgets.without(budget, ticket), Nap(closed_ms, None)
            budget, answer = budgets.ask(budget, host, lane, now_ms, ticket=ticket)
            if isinstance(answer, Granted):
                budget = _with_breaker(budget, name, breaker.asked(known, now_ms))
            return budget, answer

        return self._change(name, host, change)

    def _change(self, name: str, host: Host, change: Callable[[Budget, int], tuple[Budget, AnswerT]]) -> AnswerT:
        """Change the record of a host's budget."""

        def changed(record: str | None, now_ms: int) -> tuple[str | None, AnswerT]:
            before = self._read(record)
            after, answer = change(budgets.as_of(before, now_ms), now_ms)
            if after == before:
                return None, answer
            return RECORD.dump_json(replace(after, written_ms=now_ms)).decode(), answer

        return self._records.change(host.budget or name, changed)

    def _read(self, record: str | None) -> Budget:
        try:
            return RECORD.validate_json(record) if record else EMPTY
        except ValidationError as error:
            raise unusable(self._records.where, "a record of another kind", "delete it; it is made anew") from error


def _refusal(name: str, host: Host, budget: Budget, now_ms: int) -> HostClosedError | None:
    """Say why a run shall not even wait, if so."""
    known = budget.breakers.get(name, WELL)
    if blocked_ms := breaker.blocked_ms(known, now_ms):
        until = moment(now_ms + blocked_ms)
        return EgressBlockedError(
            f"blocked egress: since {_clock(moment(known.since_ms))} the host accepts connections and never answers",
            where=host.base_url,
            hint=f"something holds this machine's requests back: this is no slow host and no missing data. One request "
            f"tries again at {_clock(until)}; ask from another network if it goes on",
            until=until,
        )
    closed_ms = budgets.closed_ms(budget, now_ms)
    if budget.closure is None or closed_ms <= 1000 * host.max_wait_s:
        return None
    return HostClosedError(
        f"the host is left alone for another {closed_ms / 1000:.0f} s: {budget.closure.why}",
        where=host.base_url,
        valid=f"runs wait at most {host.max_wait_s:g} s",
        hint="a later run asks again",
        until=moment(now_ms + closed_ms),
    )


def _state(name: str, host: Host, budget: Budget, now_ms: int) -> HostState:
    known, closed_ms = budget.breakers.get(name, WELL), budgets.closed_ms(budget, now_ms)
    closure = budget.closure if closed_ms else None
    waiters = [waiter.lane for waiter in budget.waiters if waiter.until_ms > now_ms]
    blocked = known.next_probe_ms is not None
    return HostState(
        name=name,
        budget=host.budget or name,
        rate=budgets.current_rate(budget, host),
        floor=host.floor,
        ceiling=host.requests_per_second,
        burst=host.burst,
        used=of_the_last_day(budget.turns, now_ms),
        waiting={lane: waiters.count(lane) for lane in Lane},
        crawl_delay_s=max(budget.crawl_delays.values(), default=None),
        closed_until=moment(now_ms + closed_ms) if closure else None,
        closed_why=closure.why if closure else None,
        closed_asked_s=closure.asked_s if closure and closure.is_capped else None,
        blocked_since=moment(known.since_ms) if blocked else None,
        next_probe=moment(now_ms + breaker.blocked_ms(known, now_ms)) if blocked else None,
    )


def _with_breaker(budget: Budget, name: str, now_known: Breaker) -> Budget:
    if budget.breakers.get(name, WELL) == now_known:
        return budget
    others = {other: known for other, known in budget.breakers.items() if other != name}
    return replace(budget, breakers=others | ({} if now_known == WELL else {name: now_known}))


def moment(milliseconds: int) -> datetime:
    """Read milliseconds since 1970 as an aware time, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _clock(time_: datetime) -> str:
    return f"{time_:%Y-%m-%d %H:%M} UTC"


def standings(place: str | Path, hosts: Mapping[str, Host]) -> dict[str, HostState]:
    """Say how hosts stand with us now, by name, as all processes have left it in a place of limits."""
    limits = Limits(place)
    try:
        return {state.name: state for state in limits.states(hosts)}
    finally:
        limits.dispose()
