"""A host's name and a path in, the whole response out, asked for politely and received with care.

Whether a failure is permanent or transient is decided here and nowhere else (`ANSWERS`, and the errors raised below).
What the body must contain is the audit's business; a response that arrived is returned as it is.
"""

import itertools
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from threading import Lock
from types import TracebackType
from typing import Self

import httpx2
import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from adce_assets.errors import ConfigurationError, FetchError, PermanentFetchError, TransientFetchError
from adce_assets.fetch import body, network
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Limits

LOG = logging.getLogger(__name__)

MAX_REDIRECTS = 5
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 30.0
KEPT_HEADERS = ("etag", "last-modified", "date", "age")
LONGEST_HEADER = 200

OK = 200
MAY_CHANGE = frozenset({202, 408, 425, 429})
"""Statuses below 500 after which the same request may succeed later; all others but 200 are final."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a host answered: ``body`` unfolded but otherwise as sent, ``url`` the last one after redirects."""

    status: int
    url: str
    content_type: str
    body: bytes
    headers: Mapping[str, str]
    fetched_at: datetime


def user_agent(contact: str) -> str:
    """Name ADCE, its version and whom to write to: ``adce/0.1.0 (+https://example.org/contact)``."""
    return f"adce/{version('adce')} (+{contact})"


class Client:
    """Asks hosts for documents, within their limits. Safe between threads; close it, or use it in a ``with``.

    Args:
        hosts: Every host that may be asked, by name.
        limits: The budgets, shared with other processes.
        agent: The user agent, from `user_agent`.
        now: The clock that dates responses and reads ``Retry-After`` dates (aware, UTC).
        monotonic: The clock of deadlines, in seconds.
        sleep: Called with the seconds between two attempts.
        jitter: A random number in [0, 1), so that processes do not retry in step.
        resolver: Addresses of a name; `network.resolve` but for tests.
    """

    def __init__(
        self,
        hosts: Mapping[str, Host],
        limits: Limits,
        *,
        agent: str,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        resolver: network.Resolver = network.resolve,
    ) -> None:
        self._hosts, self._limits, self._agent, self._now = hosts, limits, agent, now
        self._monotonic, self._sleep, self._jitter, self._resolver = monotonic, sleep, jitter, resolver
        self._sessions: dict[str, httpx2.Client] = {}
        self._lock = Lock()
        set_on_retry_hooks([_log_retry])

    def get(self, host_name: str, path: str, params: Mapping[str, str] | None = None) -> Response:
        """Fetch one document; only status 200 is returned.

        Raises:
            TransientFetchError: the host could not be reached, broke off, took too long, was busy, or has asked to be
                left alone for longer than a run waits; every attempt was made that its entry allows.
            PermanentFetchError: the host refused, redirected somewhere else, or sent too much.
            ConfigurationError: no such host.
        """
        host = self._hosts.get(host_name)
        if host is None:
            raise ConfigurationError(f"no host is named `{host_name}`", valid=", ".join(sorted(self._hosts)))
        url = _url(host, path, params)
        attempts = itertools.count()

        def attempt() -> Response:
            if number := next(attempts):
                self._sleep(self._backoff(number))
            return self._follow(host_name, host, url)

        retrying = stamina.RetryingCaller(
            attempts=host.attempts, timeout=None, wait_initial=0, wait_max=0, wait_jitter=0
        )
        return retrying(lambda error: self._is_worth_another(error, host_name, host), attempt)

    def close(self) -> None:
        """Close all connections. The limits stay open: they may be another client's too."""
        with self._lock:
            while self._sessions:
                self._sessions.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _backoff(self, number: int) -> float:
        longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (number - 1))
        return longest * (1 + self._jitter()) / 2

    def _is_worth_another(self, error: Exception, name: str, host: Host) -> bool:
        return isinstance(error, TransientFetchError) and self._limits.closed_for(name, host) <= host.max_wait_s

    def _follow(self, name: str, host: Host, url: httpx2.URL) -> Response:
        """Ask, and ask again where the host redirects to; each hop is a request of the budget."""
        for _ in range(MAX_REDIRECTS + 1):
            self._limits.acquire(name, host)
            answer = self._ask(name, host, url)
            if isinstance(answer, Response):
                return answer
            url = _redirected(host, url, answer)
        raise PermanentFetchError(f"more than {MAX_REDIRECTS} redirects in a row", where=str(url))

    def _ask(self, name: str, host: Host, url: httpx2.URL) -> Response | str:
        """Make one request: the response, or where it redirects to."""
        try:
            with (
                network.deadline(host.deadline_s, self._monotonic),
                self._session(name, host).stream("GET", url) as answer,
            ):
                if answer.has_redirect_location:
                    return answer.headers["location"]
                if answer.status_code != OK:
                    raise self._refusal(name, host, answer)
                return self._received(host, answer)
        except httpx2.RequestError as error:
            raise TransientFetchError(f"no whole answer: {type(error).__name__}: {error}", where=str(url)) from error

    def _received(self, host: Host, answer: httpx2.Response) -> Response:
        url, headers = str(answer.url), answer.headers
        return Response(
            status=answer.status_code,
            url=url,
            content_type=headers.get("content-type", "")[:LONGEST_HEADER],
            body=body.read(answer.iter_raw(), headers.get("content-encoding", ""), host.max_bytes, url),
            headers={name: headers[name][:LONGEST_HEADER] for name in KEPT_HEADERS if name in headers},
            fetched_at=self._now(),
        )

    def _refusal(self, name: str, host: Host, answer: httpx2.Response) -> FetchError:
        """Build the error of a status that is not 200, closing the host if it says for how long."""
        status, where = answer.status_code, str(answer.url)
        if status not in MAY_CHANGE and status < httpx2.codes.INTERNAL_SERVER_ERROR:
            return PermanentFetchError(f"answered {status} {answer.reason_phrase}".rstrip(), where=where)
        pause = retry_after(answer.headers.get("retry-after", ""), answer.headers.get("date", ""), self._now())
        if pause:
            self._limits.close_host(name, host, pause)
        wish = f" and asked for a pause of {pause:.0f} s" if pause else ""
        return TransientFetchError(f"answered {status}{wish}", where=where)

    def _session(self, name: str, host: Host) -> httpx2.Client:
        with self._lock:
            if name not in self._sessions:
                self._sessions[name] = self._open(host)
            return self._sessions[name]

    def _open(self, host: Host) -> httpx2.Client:
        """Open a session of one host: nothing of it (connections, cookies, headers) is shared with another."""
        return httpx2.Client(
            transport=network.transport(allow_private=host.allow_private, resolver=self._resolver),
            headers={**host.headers, "User-Agent": self._agent, "Accept-Encoding": body.ACCEPTED},
            timeout=httpx2.Timeout(host.read_timeout_s, connect=host.connect_timeout_s),
            trust_env=False,
        )


def _log_retry(details: RetryDetails) -> None:
    """Log that a request is made again; stamina's own hook may write to standard output, which is for data."""
    LOG.info("asked again: attempt %d failed: %s", details.retry_num, details.caused_by)


def retry_after(value: str, sent: str, now: datetime) -> float:
    """Read a ``Retry-After`` header as seconds; 0 for none or nonsense.

    A date is counted from the ``Date`` that was ``sent`` with it, so that a wrong clock on either side does no harm;
    from ``now`` if there is none.
    """
    if re.fullmatch(r"\d+", value.strip(), re.ASCII):
        return float(value)
    moment = _http_date(value)
    return max(0.0, (moment - (_http_date(sent) or now)).total_seconds()) if moment else 0.0


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _url(host: Host, path: str, params: Mapping[str, str] | None) -> httpx2.URL:
    try:
        url = httpx2.URL(host.base_url + path)
        return url.copy_merge_params(dict(params)) if params else url
    except httpx2.InvalidURL as error:
        raise PermanentFetchError(f"not a URL: {error}", where=host.base_url + path) from error


def _redirected(host: Host, url: httpx2.URL, location: str) -> httpx2.URL:
    """Resolve a redirect, or refuse one that leaves what the host's entry allows."""
    base = httpx2.URL(host.base_url)
    try:
        target = url.join(location)
    except httpx2.InvalidURL as error:
        raise PermanentFetchError(f"redirects to something that is no URL: {error}", where=str(url)) from error
    upgraded = target.scheme == "https" and target.port is None
    same = target.host == base.host and (target.port == base.port or upgraded)
    named = target.host in host.redirect_hosts and target.port is None
    secure = target.scheme == "https" or (target.scheme == "http" and base.scheme == "http")
    if not secure or target.userinfo or not (same or named):
        raise PermanentFetchError(
            f"redirects to {target.copy_with(userinfo=b'')}",
            where=str(url),
            valid=", ".join([base.host, *host.redirect_hosts]),
            hint="add the name to `redirect_hosts` of the host's entry if documents really move there",
        )
    return target
