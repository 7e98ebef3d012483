"""A URL in, whether its host's robots.txt lets us fetch it out, and how slowly it wishes to be asked.

As RFC 9309 says: a host without the file allows everything; one whose file cannot be had just now allows nothing until
it can; a file is believed for a day, and for longer only where the host cannot be reached. Whether a host's file is
asked for at all is said by its entry. The file is the host's: it is read within limits of size and of what it may ask.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from urllib.parse import urlsplit

from protego import Protego

from adce_assets.errors import TransientFetchError

LOG = logging.getLogger(__name__)

BELIEVED = timedelta(days=1)
MOST_BYTES = 512_000
"""What is read of a file; RFC 9309 asks for 500 KiB at least."""
LONGEST_DELAY_S = 600.0
"""A crawl delay beyond ten minutes is absurd: it is taken for ten minutes, and reported."""
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class _Rules:
    protego: Protego
    read_at: datetime


class Robots:
    """The rules of any number of hosts, each asked for once a day. Safe between threads.

    Args:
        fetch: Gets the body of a URL, None where the host says that there is none (any 4xx); raises FetchError.
        clock: The time, aware.
    """

    def __init__(self, fetch: Callable[[str], bytes | None], clock: Callable[[], datetime]) -> None:
        self._fetch, self._clock = fetch, clock
        self._rules: dict[str, _Rules] = {}
        self._asking: dict[str, Lock] = {}
        self._lock = Lock()

    def allowed(self, url: str, agent: str) -> bool:
        """Say whether an agent may fetch a URL.

        Raises:
            FetchError: the host's file cannot be had, and no older copy is at hand.
        """
        return self._of(url).can_fetch(url, agent)

    def delay(self, url: str, agent: str) -> float | None:
        """Return the seconds that an agent is asked to leave between requests to a URL's host; None: nothing is said.

        Raises:
            FetchError: as for `allowed`.
        """
        rules = self._of(url)
        asked = [delay for delay in (rules.crawl_delay(agent), _pace(rules, agent)) if delay and delay > 0]
        if not asked:
            return None
        if max(asked) > LONGEST_DELAY_S:
            LOG.warning("%s asks for %g s between requests; it is given %g s", url, max(asked), LONGEST_DELAY_S)
        return min(max(asked), LONGEST_DELAY_S)

    def _of(self, url: str) -> Protego:
        """Find the rules of a URL's host, asking for them where they are not known or too old; one thread asks."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            asking = self._asking.setdefault(origin, Lock())
        with asking:
            rules = self._rules[origin] = self._as_of_today(origin)
        return rules.protego

    def _as_of_today(self, origin: str) -> _Rules:
        known = self._rules.get(origin)
        if known is not None and self._clock() - known.read_at < BELIEVED:
            return known
        try:
            body = self._fetch(f"{origin}/robots.txt")
        except TransientFetchError:
            if known is None:
                raise
            return known
        return _Rules(Protego.parse(_text(body or b"")), self._clock())


def _text(body: bytes) -> str:
    return body[:MOST_BYTES].decode("utf-8", "replace").removeprefix(BYTE_ORDER_MARK)


def _pace(rules: Protego, agent: str) -> float | None:
    """Read a ``Request-rate`` as the seconds between two requests."""
    rate = rules.request_rate(agent)
    return rate.seconds / rate.requests if rate and rate.requests else None
