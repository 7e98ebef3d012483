"""Measure what it costs the loop that somebody asks its health server 1,000 times a second.

    python benchmarks/health.py            # a minute and a half
    python benchmarks/health.py --small    # 10 s

Reconciles a small lake again and again, now with and now without requests to the server of the same installation, each
in a process of its own. The server stands back as that of `adce health serve` does; who asks stands for other machines,
and takes only what nobody else of this one wants. Prints one JSON object; exits 1 if the middle reconciliation takes
more than `PROMISED` times one without requests, of CPU or by the clock (`SMALL` of a short run, of which chance has
more), if a request is not answered with 200, or if fewer than nine tenths of `RATE` were answered a second.
"""

import argparse
import json
import logging
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Thread
from typing import IO, Any

from adce_assets.cli.health import NICE
from adce_assets.loop.reconciling import reconcile
from adce_assets.operate.access_database import AccessDatabase
from adce_assets_tests.operate.asking import serving
from adce_assets_tests.operate.watched import Watched, copied, reconciled

PROMISED, SMALL = 1.05, 1.25
RATE = 1_000
PATHS = ("/health", "/status", "/metrics", "/live", "/tasks?limit=20")
CONNECTIONS = 4
TURN_S = 0.5


def serve(watched: Watched, told: Any, stop: Event) -> None:
    """Serve an installation and look at it each second, a minute's work, until it is to stop; tell the CPU seconds."""
    os.nice(NICE)
    with serving(watched, watched.home / "service") as made:
        made.desk.looks.look()
        told.send(made.port)
        before = time.process_time()
        while not stop.wait(1):
            made.desk.looks.look()
        told.send(time.process_time() - before)


def ask(port: int, go: Event, stop: Event, told: Any) -> None:
    """Ask while it is to go, on some connections at a steady rate; tell how many were answered, in how long."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    counts, seconds = [[0, 0] for _ in range(CONNECTIONS)], [0.0] * CONNECTIONS
    threads = [Thread(target=_ask, args=(port, go, stop, counts[at], seconds, at)) for at in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.send((sum(good for good, _ in counts), sum(bad for _, bad in counts), max(seconds)))


def _ask(port: int, go: Event, stop: Event, count: list[int], seconds: list[float], at: int) -> None:
    every = CONNECTIONS / RATE
    requests = [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode() for path in PATHS]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection, connection.makefile("rb") as answers:
        while not stop.is_set():
            if not go.wait(0.05):
                continue
            began, sent = time.monotonic(), 0
            while go.is_set():
                connection.sendall(requests[sent % len(PATHS)])
                count[not _is_well(answers)] += 1
                sent += 1
                time.sleep(max(0.0, began + sent * every - time.monotonic()))
            seconds[at] += time.monotonic() - began


def _is_well(answers: IO[bytes]) -> bool:
    """Read a whole answer, with as little work as can be: who asks is not measured."""
    status, length = answers.readline(), 0
    while (line := answers.readline().lower()) not in {b"\r\n", b""}:
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return len(answers.read(length)) == length and status.startswith(b"HTTP/1.1 200 ")


def compare(cycle: Callable[[], None], go: Event, turns: int) -> dict[str, list[tuple[float, float]]]:
    """Run cycles in turns, without and with requests; return CPU and clock seconds of each."""
    found: dict[str, list[tuple[float, float]]] = {"without": [], "with": []}
    for turn in range(2 * turns):
        name = ("without", "with")[turn % 2]
        (go.set if name == "with" else go.clear)()
        until = time.monotonic() + TURN_S
        while time.monotonic() < until:
            cpu, clock = time.process_time(), time.monotonic()
            cycle()
            found[name].append((time.process_time() - cpu, time.monotonic() - clock))
    go.clear()
    return found


def measure(turns: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="adce-health-") as folder:
        home = reconciled(Path(folder) / "home")
        watched, own = copied(home, Path(folder) / "served"), copied(home, Path(folder) / "loop")
        AccessDatabase(watched.settings.access_url).dispose()
        project = own.installation.project
        go, stop = multiprocessing.Event(), multiprocessing.Event()
        here, server_end = multiprocessing.Pipe()
        there, client_end = multiprocessing.Pipe()
        server = multiprocessing.Process(target=serve, args=(watched, server_end, stop))
        server.start()
        client = multiprocessing.Process(target=ask, args=(here.recv(), go, stop, client_end))
        client.start()
        cycle = lambda: reconcile(project, {"espn_summary"}, mode="list")  # noqa: E731
        cycle()
        try:
            found = compare(lambda: cycle() and None, go, turns)
        finally:
            stop.set()
        good, bad, seconds = there.recv()
        server_cpu = here.recv()
        for process in (client, server):
            process.join(20)
    return judged(found, good, bad, seconds) | {"server_cpu_ms_a_request": round(1000 * server_cpu / good, 3)}


def judged(found: dict[str, list[tuple[float, float]]], good: int, bad: int, seconds: float) -> dict[str, Any]:
    cpu = {name: statistics.median(one for one, _ in times) for name, times in found.items()}
    clock = {name: statistics.median(one for _, one in times) for name, times in found.items()}
    return {
        "cycles": {name: len(times) for name, times in found.items()},
        "cpu_ms": {name: round(1000 * value, 2) for name, value in cpu.items()},
        "clock_ms": {name: round(1000 * value, 2) for name, value in clock.items()},
        "cpu_ratio": round(cpu["with"] / cpu["without"], 3),
        "clock_ratio": round(clock["with"] / clock["without"], 3),
        "requests": good,
        "requests_a_second": round(good / seconds),
        "not_answered_well": bad,
        "processors": os.cpu_count(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    logging.disable(logging.WARNING)
    told = measure(4 if small else 40)
    print(json.dumps(told, indent=1))
    most = SMALL if small else PROMISED
    slowed = max(told["cpu_ratio"], told["clock_ratio"]) > most
    sys.exit(slowed or told["not_answered_well"] > 0 or told["requests_a_second"] < 0.9 * RATE)


if __name__ == "__main__":
    main()
