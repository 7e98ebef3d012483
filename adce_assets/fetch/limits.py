"""Requests asked for in, waits out: one budget per host, shared by every process that names the same file.

Buckets are pyrate-limiter's, in SQLite behind a file lock. A host that said ``Retry-After`` is closed for every process
until that moment. Waiting is always done outside of the lock. Which answers close a host is the client's decision.
"""

import math
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import cast

from pyrate_limiter import Rate, RateItem, SQLiteBucket

from adce_assets.errors import ConfigurationError, TransientFetchError
from adce_assets.fetch.hosts import Host

LONGEST_CLOSURE_S = 24 * 3600.0
"""A ``Retry-After`` beyond a day is absurd: the host is asked again after a day."""

CLOSURES = "CREATE TABLE IF NOT EXISTS closures (host TEXT PRIMARY KEY, until_ms INTEGER NOT NULL)"
CLOSE = (
    "INSERT INTO closures VALUES (?, ?) ON CONFLICT (host) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)"
)
CLOSED_UNTIL = "SELECT until_ms FROM closures WHERE host = ?"


def wall_clock_ms() -> int:
    """Milliseconds since 1970: the one clock that all processes of a machine share across restarts."""
    return time.time_ns() // 1_000_000


class Limits:
    """The budgets of all hosts in one file. Safe between processes and between threads.

    Args:
        path: The SQLite file; it is made if need be. The lock lies beside it.
        clock_ms: Milliseconds of a clock that the sharing processes agree on.
        sleep: Called with seconds, never while the lock is held.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock_ms: Callable[[], int] = wall_clock_ms,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path, self._clock_ms, self._sleep = path, clock_ms, sleep
        self._buckets: dict[str, SQLiteBucket] = {}
        self._lock = Lock()

    def acquire(self, name: str, host: Host) -> float:
        """Wait until the host may be asked once more; return the seconds waited.

        Raises:
            TransientFetchError: the host has closed itself for longer than its entry lets a run wait.
        """
        waited = 0.0
        while wait := self._take(name, host):
            self._sleep(wait)
            waited += wait
        return waited

    def close_host(self, name: str, host: Host, seconds: float) -> None:
        """Keep every process from asking the host for so many seconds; a shorter closure never ends a longer one."""
        with self._held(name, host) as bucket:
            until = self._clock_ms() + int(1000 * min(seconds, LONGEST_CLOSURE_S))
            bucket.conn.execute(CLOSE, (name, until)).close()
            bucket.conn.commit()

    def closed_for(self, name: str, host: Host) -> float:
        """Seconds until the host may be asked again; 0 when it is open."""
        with self._held(name, host) as bucket:
            return self._closed_for(bucket, name)

    def dispose(self) -> None:
        """Close the file."""
        with self._lock:
            while self._buckets:
                self._buckets.popitem()[1].close()

    def _take(self, name: str, host: Host) -> float:
        """Take one request from the budget, or return the seconds after which to try again."""
        with self._held(name, host) as bucket:
            closed = self._closed_for(bucket, name)
            if closed > host.max_wait_s:
                raise TransientFetchError(
                    f"the host asked to be left alone for another {closed:.0f} s",
                    where=host.base_url,
                    valid=f"runs wait at most {host.max_wait_s:g} s",
                    hint="a later run asks again",
                )
            if closed:
                return closed
            item = RateItem(name, self._clock_ms())
            bucket.leak(item.timestamp)
            return 0.0 if bucket.put(item) else max(cast(int, bucket.waiting(item)), 1) / 1000

    def _closed_for(self, bucket: SQLiteBucket, name: str) -> float:
        row = bucket.conn.execute(CLOSED_UNTIL, (name,)).fetchone()
        return max(0, row[0] - self._clock_ms()) / 1000 if row else 0.0

    @contextmanager
    def _held(self, name: str, host: Host) -> Generator[SQLiteBucket]:
        """Hold the thread lock and the file lock around one decision."""
        try:
            with self._lock:
                bucket = self._buckets.get(name) or self._open(name, host)
                with bucket.lock:
                    yield bucket
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(
                f"the limits of the hosts cannot be kept: {error}",
                where=str(self._path),
                hint="delete the file; it is made anew",
            ) from error

    def _open(self, name: str, host: Host) -> SQLiteBucket:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rate = Rate(host.burst, math.ceil(1000 * host.burst / host.requests_per_second))
        bucket = SQLiteBucket.init_from_file([rate], f"requests_{name}", str(self._path), use_file_lock=True)
        bucket.conn.execute(CLOSURES).close()
        self._buckets[name] = bucket
        return bucket
