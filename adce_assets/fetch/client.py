"""A host's name and a path in, the whole answer out: in memory, or as a file.

How it is asked for (attempts, budgets, redirects, deadlines) is the business of `asking`. What the body must contain
is the audit's; an answer that arrived is returned as it is.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from adce_assets.errors import printable
from adce_assets.fetch import answers, network, urls
from adce_assets.fetch.asking import Asker, Clocks, Errand
from adce_assets.fetch.download import Download, Partial
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Lane, Limits
from adce_assets.fetch.secrets import Secrets, none_kept

KEPT_HEADERS = ("etag", "last-modified", "date", "age")
LONGEST_HEADER = 200


@dataclass(frozen=True, slots=True)
class Waits:
    """How long an endpoint may take, where it is slower than the rest of its host; None: as the host's entry says."""

    read_timeout_s: float | None = None
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What a host answered: ``body`` unfolded but otherwise as sent, ``url`` the last one after redirects.

    ``attempts``, ``waited_s`` (for the limits and between attempts) and ``redirects`` say what it took.
    """

    url: str
    content_type: str
    body: bytes
    headers: Mapping[str, str]
    fetched_at: datetime
    attempts: int = 1
    waited_s: float = 0.0
    redirects: int = 0


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
        lane: Whose part of the budgets is used.
        secrets: The secret of a name, from the environment or a secrets backend.
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
        lane: Lane = Lane.FRESH,
        secrets: Secrets = none_kept,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        resolver: network.Resolver = network.resolve,
    ) -> None:
        clocks = Clocks(now, monotonic, sleep, jitter)
        self.now = now
        self._asker = Asker(hosts, limits, agent, lane, clocks, secrets, resolver)

    @property
    def requests(self) -> int:
        """Requests made so far: retries, redirects and robots.txt too."""
        return self._asker.requests

    @property
    def retries(self) -> int:
        """Attempts made so far beyond the first of each document."""
        return self._asker.retries

    @property
    def waited_s(self) -> float:
        """Seconds waited so far for the limits and between attempts, all threads together."""
        return self._asker.waited_s

    def host(self, name: str) -> Host:
        """Return a host's entry; ConfigurationError if there is none of this name."""
        return self._asker.host(name)

    def get(
        self,
        host_name: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        waits: Waits | None = None,
    ) -> Response:
        """Fetch one document; only status 200 is returned.

        Raises:
            TransientFetchError: the host could not be reached, broke off, took too long, was busy, or has asked to be
                left alone for longer than a run waits; every attempt was made that its entry allows.
            PermanentFetchError: the host refused, redirected somewhere else, or sent too much; or its robots.txt asks
                not to fetch this; or the path leads elsewhere.
            ConfigurationError: no such host, or its secret is not there.
        """
        errand = self._errand(host_name, path, params, waits)
        return self._asker.run(errand, partial(self._received, errand))

    def download(
        self,
        host_name: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        into: Path,
        waits: Waits | None = None,
    ) -> Download:
        """Fetch one document into the file ``into``, whatever its size; an attempt goes on where the last broke off.

        Nothing is left there if it fails. Raises as `get` does.
        """
        errand, so_far = self._errand(host_name, path, params, waits), Partial(into)
        errand.accepted |= {answers.PARTIAL, answers.NO_SUCH_RANGE}
        errand.headers = so_far.wishes
        try:
            return self._asker.run(errand, partial(self._written, errand, so_far))
        except BaseException:
            so_far.abandon()
            raise

    def close(self) -> None:
        """Close all connections. The limits stay open: they may be another client's too."""
        self._asker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _errand(self, name: str, path: str, params: Mapping[str, str] | None, waits: Waits | None) -> Errand:
        host, waits = self.host(name), waits or Waits()
        return Errand(
            name,
            host,
            urls.build(host, path, params),
            read_timeout_s=waits.read_timeout_s or host.read_timeout_s,
            deadline_s=waits.deadline_s or host.deadline_s,
        )

    def _received(self, errand: Errand, answer: httpx2.Response) -> Response:
        body = b"".join(self._asker.pieces(errand, answer))
        url, content_type, headers = self._told(errand, answer)
        return Response(
            url=url,
            content_type=content_type,
            body=body,
            headers=headers,
            fetched_at=self.now(),
            attempts=errand.attempts,
            waited_s=errand.waited_s,
            redirects=errand.redirects,
        )

    def _written(self, errand: Errand, so_far: Partial, answer: httpx2.Response) -> Download:
        url, content_type, headers = self._told(errand, answer)
        so_far.begin(answer.status_code, answer.headers, url)
        so_far.take(self._asker.pieces(errand, answer), errand.host.max_bytes, url)
        return Download(
            path=so_far.path,
            size=so_far.size,
            sha256=so_far.hasher.hexdigest(),
            url=url,
            content_type=content_type,
            headers=headers,
            fetched_at=self.now(),
            attempts=errand.attempts,
            waited_s=errand.waited_s,
        )

    def _told(self, errand: Errand, answer: httpx2.Response) -> tuple[str, str, dict[str, str]]:
        """Return the URL, the content type and the headers that are kept, without secrets."""
        hide, sent = self._asker.redactor.text, answer.headers
        kept = {name: hide(printable(sent[name][:LONGEST_HEADER])) for name in KEPT_HEADERS if name in sent}
        content_type = hide(printable(sent.get("content-type", "")[:LONGEST_HEADER]))
        return hide(urls.told(errand.host, answer.url)), content_type, kept
