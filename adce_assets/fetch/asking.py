"""An errand in, what was made of its answer out: attempts, hops, robots, budgets and deadlines are kept here.

What a status means is known to `answers`, where a path or redirect may lead to `urls`, and to which addresses to
`network`. What is made of an answer (a body in memory, a file) is the caller's.
"""

import itertools
import logging
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from threading import BoundedSemaphore, Lock
from typing import TypedDict, TypeVar

import httpx2
import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from adce_assets.errors import (
    BusyError,
    ConfigurationError,
    DamagedError,
    FetchError,
    ForbiddenByRobotsError,
    HostClosedError,
    InwardError,
    PermanentFetchError,
    RefusedError,
    RunEndsError,
    TransientFetchError,
    UnsafeError,
)
from adce_assets.fetch import answers, body, network, urls
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Answered, Lane, Limits
from adce_assets.fetch.robots import MOST_BYTES, Robots
from adce_assets.fetch.secrets import Redactor, Secrets, carry, keep_libraries_quiet, none_kept

LOG = logging.getLogger(__name__)

MAX_REDIRECTS = 5
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 30.0
FREE_RETRIES, RETRIED_SHARE = 20, 0.1
"""What is asked again at most of one host, and for which part of what was asked for at first: more helps nobody."""

T = TypeVar("T")


@dataclass(slots=True)
class Errand:
    """One document asked for: where, how, and what it took so far.

    Attributes:
        name: The host's name.
        host: Its entry.
        url: What to ask for first.
        read_timeout_s: Longest silence inside the answer.
        deadline_s: Longest time for the answer as a whole, redirects included.
        headers: What to send beside the host's headers, told anew for each request.
        accepted: The statuses that are no failure.
        for_robots: Whether this is to find out what may be asked for at all.
        attempts: Attempts so far.
        waited_s: Seconds waited so far, for the limits and between attempts.
        redirects: Redirects of the last attempt.
    """

    name: str
    host: Host
    url: httpx2.URL
    read_timeout_s: float
    deadline_s: float
    headers: Callable[[], Mapping[str, str]] = dict
    accepted: frozenset[int] = frozenset({answers.OK})
    for_robots: bool = False
    attempts: int = 0
    waited_s: float = 0.0
    redirects: int = 0


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """Where a redirect leads, as it was written."""

    location: str


class _Terms(TypedDict):
    headers: Mapping[str, str]
    timeout: httpx2.Timeout


@dataclass(slots=True)
class _Tally:
    """What was asked of one host so far."""

    turns: BoundedSemaphore
    requests: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Clocks:
    """Everything that a test turns by hand: see `client.Client`."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


@dataclass(slots=True)
class Asker:
    """Runs errands, in many threads at once if need be. Its arguments are those of `client.Client`."""

    hosts: Mapping[str, Host]
    limits: Limits
    agent: str
    lane: Lane
    clocks: Clocks
    secrets: Secrets = none_kept
    resolver: network.Resolver = network.resolve
    waited_s: float = 0.0
    redactor: Redactor = field(default_factory=Redactor)
    _sessions: dict[str, httpx2.Client] = field(default_factory=dict)
    _tallies: dict[str, _Tally] = field(init=False)
    _robots: dict[str, Robots] = field(init=False)
    _lock: Lock = field(default_factory=Lock)
    _is_closed: bool = False

    def __post_init__(self) -> None:
        self._tallies = {name: _Tally(BoundedSemaphore(host.concurrency)) for name, host in self.hosts.items()}
        self._robots = {name: Robots(partial(self._robots_txt, name), self.clocks.now) for name in self.hosts}
        set_on_retry_hooks([_log_retry])
        keep_libraries_quiet()

    @property
    def requests(self) -> int:
        """Requests made so far."""
        return sum(tally.requests for tally in self._tallies.values())

    @property
    def retries(self) -> int:
        """Attempts made so far beyond the first of each errand."""
        return sum(tally.retries for tally in self._tallies.values())

    def host(self, name: str) -> Host:
        """Return a host's entry; ConfigurationError if there is none of this name."""
        if name not in self.hosts:
            raise ConfigurationError(f"no host is named `{name}`", valid=", ".join(sorted(self.hosts)))
        return self.hosts[name]

    def close(self) -> None:
        """Close all connections; who waits for an answer gets none, and nobody is asked any more."""
        with self._lock:
            self._is_closed = True
            while self._sessions:
                self._sessions.popitem()[1].close()

    def run(self, errand: Errand, take: Callable[[httpx2.Response], T]) -> T:
        """Make attempts until one succeeds or no other is worth it; ``take`` is handed the answer while it is open."""
        numbers = itertools.count()

        def attempt() -> T:
            if number := next(numbers):
                self._pause(errand, number)
            errand.attempts = number + 1
            with self._telling_no_secrets():
                return self._follow(errand, take)

        retrying = stamina.RetryingCaller(
            attempts=errand.host.attempts, timeout=None, wait_initial=0, wait_max=0, wait_jitter=0
        )
        return retrying(lambda error: self._is_worth_another(error, errand), attempt)

    def pieces(self, errand: Errand, answer: httpx2.Response) -> Iterator[bytes]:
        """Unfold a body piece by piece, within what the host's entry allows, and without its credential."""
        url, longest = urls.told(errand.host, answer.url), errand.host.max_bytes
        length = answer.headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > longest:
            raise body.too_large(longest, url)
        encoding = answer.headers.get("content-encoding", "")
        return self.redactor.watched(body.unfold(answer.iter_raw(), encoding, longest, url), url)

    @contextmanager
    def _telling_no_secrets(self) -> Generator[None]:
        try:
            yield
        except FetchError as error:
            self.redactor.error(error)
            raise

    def _pause(self, errand: Errand, number: int) -> None:
        longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (number - 1))
        seconds = longest * (1 + self.clocks.jitter()) / 2
        self.clocks.sleep(seconds)
        self._waited(errand, seconds)

    def _waited(self, errand: Errand, seconds: float) -> None:
        errand.waited_s += seconds
        with self._lock:
            self.waited_s += seconds

    def _is_worth_another(self, error: Exception, errand: Errand) -> bool:
        return (
            isinstance(error, TransientFetchError)
            and not isinstance(error, (HostClosedError, RunEndsError))
            and errand.attempts < errand.host.attempts
            and self.limits.closed_for(errand.name, errand.host) <= errand.host.max_wait_s
            and self._takes_a_retry(self._tallies[errand.name])
        )

    def _takes_a_retry(self, tally: _Tally) -> bool:
        """Count one more retry of a host, if it may have one."""
        with self._lock:
            if tally.retries >= FREE_RETRIES + RETRIED_SHARE * (tally.requests - tally.retries):
                return False
            tally.retries += 1
            return True

    def _follow(self, errand: Errand, take: Callable[[httpx2.Response], T]) -> T:
        """Ask, and ask again where the host redirects to; each hop is a request of the budget, one deadline for all."""
        url, left = errand.url, errand.deadline_s
        for hop in range(MAX_REDIRECTS + 1):
            errand.redirects = hop
            pause, (name, _) = self._crawl_delay(errand, url), self._whose(errand, url)
            with self._tallies[name].turns:
                self._admit(errand, url, pause)
                begun = self.clocks.monotonic()
                answer = self._ask(errand, url, left, take)
                left -= self.clocks.monotonic() - begun
            if not isinstance(answer, _Elsewhere):
                return answer
            url = self._next(errand.host, url, answer.location)
        raise PermanentFetchError(f"more than {MAX_REDIRECTS} redirects in a row", where=urls.told(errand.host, url))

    def _next(self, host: Host, url: httpx2.URL, location: str) -> httpx2.URL:
        """Return where a redirect leads; UnsafeError if it would take the host's credential to another."""
        target = urls.redirected(host, url, location)
        if not urls.is_own(host, target) and self.redactor.knows(str(target)):
            raise UnsafeError("redirects to another host with its own credential", where=urls.told(host, url))
        return target

    def _whose(self, errand: Errand, url: httpx2.URL) -> tuple[str, Host]:
        """Return whose limits and rules hold for a URL: another host's after a redirect to it, if it has an entry."""
        if urls.is_own(errand.host, url):
            return errand.name, errand.host
        others = ((name, host) for name, host in self.hosts.items() if urls.is_own(host, url))
        return next(others, (errand.name, errand.host))

    def _admit(self, errand: Errand, url: httpx2.URL, crawl_delay_s: float | None) -> None:
        """Wait until the host may be asked; only who asks at once may do so, or the requests would bunch up."""
        self._refuse_if_closed()
        name, host = self._whose(errand, url)
        self._waited(errand, self.limits.acquire(name, host, lane=self.lane, crawl_delay_s=crawl_delay_s))
        with self._lock:
            self._tallies[name].requests += 1

    def _crawl_delay(self, errand: Errand, url: httpx2.URL) -> float | None:
        """Return the host's crawl delay (0: none), if its robots.txt lets us ask; None where it does not count."""
        name, host = self._whose(errand, url)
        if host.robots != "honour" or errand.for_robots:
            return None
        robots = self._robots[name]
        if not robots.allowed(str(url), self.agent):
            raise ForbiddenByRobotsError(
                "the host's robots.txt asks not to fetch this",
                where=urls.told(errand.host, url),
                hint="`robots: {ignored_because: ...}` in the host's entry, if there is a good reason",
            )
        return robots.delay(str(url), self.agent) or 0.0 if urls.is_own(host, url) else None

    def _robots_txt(self, name: str, url: str) -> bytes | None:
        """Fetch the beginning of a robots.txt; None where the host says that there is none, or FetchError."""
        host = self.hosts[name].model_copy(update={"attempts": 1})  # who wants a document makes the other attempts
        errand = Errand(name, host, httpx2.URL(url), host.read_timeout_s, host.deadline_s, for_robots=True)
        try:
            return self.run(errand, _first_bytes)
        except InwardError:
            raise
        except PermanentFetchError as error:
            if isinstance(error, RefusedError) and error.status in answers.UNAVAILABLE:
                return None
            raise HostClosedError(
                f"the host's robots.txt cannot be read: {error.what}",
                where=url,
                hint="`robots: {ignored_because: ...}` in the host's entry, if there is a good reason",
            ) from error

    def _ask(
        self, errand: Errand, url: httpx2.URL, seconds: float, take: Callable[[httpx2.Response], T]
    ) -> T | _Elsewhere:
        """Make one request, and tell the limits how it went."""
        name, host = self._whose(errand, url)
        with network.deadline(seconds, self.clocks.monotonic) as exchange:
            try:
                answer = self._exchange(errand, url, take)
            except (BusyError, HostClosedError, RefusedError, RunEndsError):
                raise
            except FetchError as error:
                connected, received = exchange.connected, bool(exchange.received)
                if how := answers.meaning_of_failure(error, connected=connected, received=received):
                    self.limits.answered(name, host, how)
                raise
        self.limits.answered(name, host, Answered.OK)
        return answer

    def _exchange(self, errand: Errand, url: httpx2.URL, take: Callable[[httpx2.Response], T]) -> T | _Elsewhere:
        host = errand.host
        try:
            with (
                self._noticing_the_end(),
                self._session(errand.name, host).stream("GET", url, **_terms(errand, url)) as answer,
            ):
                if answer.has_redirect_location:
                    return _Elsewhere(answer.headers["location"])
                if answer.status_code not in errand.accepted:
                    raise self._refusal(errand, answer)
                return take(answer)
        except httpx2.RequestError as error:
            broke_off = isinstance(error, (httpx2.RemoteProtocolError, httpx2.ReadError))
            kind = DamagedError if broke_off else TransientFetchError
            what = f"no whole answer: {type(error).__name__}: {error}"
            raise kind(what, where=urls.told(host, url)) from error

    @contextmanager
    def _noticing_the_end(self) -> Generator[None]:
        """Tell what breaks off because the client is closed from what the host does; httpx may call it anything."""
        try:
            yield
        except (httpx2.RequestError, RuntimeError) as error:
            if self._is_closed:
                raise RunEndsError("the run ends before the host has answered") from error
            raise

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise RunEndsError("the run ends before the host may be asked")

    def _refusal(self, errand: Errand, answer: httpx2.Response) -> FetchError:
        """Build the error of a status that was not wished for, closing the host if it says for how long, or jails."""
        (name, host), status = self._whose(errand, answer.url), answer.status_code
        where, now = urls.told(errand.host, answer.url), self.clocks.now()
        self.limits.answered(name, host, answers.meaning(host, status))
        asked = answers.retry_after(answer.headers.get("retry-after", ""), answer.headers.get("date", ""), now)
        pause = asked or (host.jail_s if status in host.jail_statuses else 0.0)
        what = f"answered {status} {answer.reason_phrase}".rstrip()
        what += f" and asked for a pause of {asked:.0f} s" if asked else ""
        if pause:
            self.limits.close_host(name, host, pause, f"{host.name} answered {status}")
        if pause > host.max_wait_s:
            until = now + timedelta(seconds=self.limits.closed_for(name, host))
            return HostClosedError(what, where=where, hint="a later run asks again", status=status, until=until)
        kind = BusyError if pause or answers.is_busy(host, status) else RefusedError
        return kind(what, where=where, status=status)

    def _session(self, name: str, host: Host) -> httpx2.Client:
        with self._lock:
            self._refuse_if_closed()
            if name not in self._sessions:
                self._sessions[name] = self._open(name, host)
            return self._sessions[name]

    def _open(self, name: str, host: Host) -> httpx2.Client:
        """Open a session of one host: nothing of it (connections, cookies, headers) is shared with another."""
        put = carry(host, name, self.secrets, self.redactor)
        return httpx2.Client(
            transport=network.transport(allow_private=host.allow_private, resolver=self.resolver, put=put),
            headers={"User-Agent": self.agent, "Accept-Encoding": body.ACCEPTED},
            trust_env=False,
        )


def _first_bytes(answer: httpx2.Response) -> bytes:
    """Read as much of a robots.txt as counts, and leave the rest unread."""
    encoding, read = answer.headers.get("content-encoding", ""), bytearray()
    for piece in body.unfold(answer.iter_raw(), encoding, body.SUSPICIOUS, str(answer.url.copy_with(query=None))):
        read += piece
        if len(read) >= MOST_BYTES:
            break
    return bytes(read[:MOST_BYTES])


def _terms(errand: Errand, url: httpx2.URL) -> _Terms:
    """Say how to ask; a host's own headers go to nobody else."""
    host = errand.host
    own = {name: value for name, value in host.headers.items() if name.lower() != "user-agent"}
    return {
        "headers": {**(own if urls.is_own(host, url) else {}), **errand.headers()},
        "timeout": httpx2.Timeout(errand.read_timeout_s, connect=host.connect_timeout_s),
    }


def _log_retry(details: RetryDetails) -> None:
    """Log that a request is made again; stamina's own hook may write to standard output, which is for data."""
    LOG.info("asked again: attempt %d failed: %s", details.retry_num, details.caused_by)
