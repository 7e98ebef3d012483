"""Measure collecting against a bare loop of the same HTTP client, and how its memory grows with the documents.

    python benchmarks/collecting.py [--documents N] [--kilobytes K] [--at-once N] [--small]

A server in a process of its own answers for as many games as it is asked for, without limits, each time after
`ANSWERS_AFTER` seconds: less than any source that is not on this machine. The bare loop
asks for every document in as many threads, and throws it away. Collecting asks for the same documents with all that a
run does: limits shared through a file, staging, reading back, audit, conditional write into a lake of files, receipts
and a marker. Each runs in a fresh process, in turn, `ROUNDS` times; the best of each counts. Memory is that of the
collecting process: its growth from a tenth of the documents to all of them. Prints one JSON object; exits 1 when a
promise is broken. `--small` is for CI.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

DOCUMENTS, SMALL = 10_000, 400
KILOBYTES, AT_ONCE, ROUNDS = 64, 4, 2
ANSWERS_AFTER = 0.05
PROMISED = 0.70
"""Documents per second of collecting, as a part of those of the bare loop."""
GROWTH_MIB = 24
"""Of the collecting process between a tenth of its documents and all of them: their receipts, and nothing else."""
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CATALOGUE = """
contact: https://example.org/benchmark
hosts:
  here: {{base_url: "{url}", requests_per_second: 10000, burst: 10000, concurrency: {at_once}, allow_private: true,
          robots: {{ignored_because: a server of this benchmark}}}}
scrapers:
  games:
    kind: json_api
    host: here
    path: /games/{{game_id}}
    yields:
      some/games:
        requirements: {{must_have: [plays], id_path: id, id_is: "{{game_id}}", records: plays.*}}
"""


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--kilobytes", type=int, default=KILOBYTES)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--small", action="store_true")
    chosen = parser.parse_args()
    documents = SMALL if chosen.small else chosen.documents
    with served(chosen.kilobytes) as url:
        bare, collecting = [], []
        for _ in range(ROUNDS):
            bare.append(apart(bare_loop, url, documents, chosen.at_once))
            collecting.append(apart(collected, url, documents, chosen.at_once))
    rates = {name: max(run["per_second"] for run in runs) for name, runs in (("bare", bare), ("collect", collecting))}
    growth = min(run["growth_mib"] for run in collecting)
    share = rates["collect"] / rates["bare"]
    told = {
        "documents": documents,
        "kilobytes": chosen.kilobytes,
        "at_once": chosen.at_once,
        "bare_per_second": round(rates["bare"], 1),
        "collected_per_second": round(rates["collect"], 1),
        "share": round(share, 3),
        "promised_share": PROMISED,
        "memory_growth_mib": round(growth, 1),
        "promised_growth_mib": GROWTH_MIB,
        "peak_mib": round(max(run["peak_mib"] for run in collecting), 1),
    }
    print(json.dumps(told, indent=1))
    return int(share < PROMISED or growth > GROWTH_MIB)


def bare_loop(url: str, documents: int, at_once: int) -> dict[str, float]:
    """Ask for every document, and do nothing with it."""
    import httpx2

    with httpx2.Client(timeout=30, trust_env=False) as client, ThreadPoolExecutor(at_once) as pool:

        def ask(number: int) -> int:
            return len(client.get(f"{url}/games/{number}").raise_for_status().content)

        began = time.perf_counter()
        sizes = sum(pool.map(ask, range(documents)))
        return {"per_second": documents / (time.perf_counter() - began), "bytes": sizes}


def collected(url: str, documents: int, at_once: int) -> dict[str, float]:
    """Collect every document into a lake."""
    from adce_assets.fetch.client import Client, user_agent
    from adce_assets.fetch.limits import Limits
    from adce_assets.lake.store import open_store
    from adce_assets.scrapers.catalogue import load_catalogue
    from adce_assets.scrapers.collect import collect
    from adce_assets.scrapers.interface import Wanted

    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "scraper_config.yaml"
        config.write_text(CATALOGUE.format(url=url, at_once=at_once), "utf-8")
        (Path(folder) / "lake").mkdir()
        catalogue, limits = load_catalogue(config), Limits(Path(folder) / "limits.sqlite")
        asked = [
            Wanted(f"games/{number}.json", "some", "games", "2024-25", {"game_id": str(number)}, None)
            for number in range(documents)
        ]
        early = 0.0

        def watch(stage: str, done: int, total: int | None, note: str = "") -> None:  # noqa: ARG001 - as `Progress` has it
            nonlocal early
            if done == documents // 10:
                early = peak()

        with Client(catalogue.hosts, limits, agent=user_agent("benchmark"), now=lambda: NOW) as client:
            began = time.perf_counter()
            report = collect(
                catalogue.scrapers["games"],
                asked,
                client=client,
                store=open_store((Path(folder) / "lake").as_uri()),
                run_id="benchmark",
                clock=lambda: NOW,
                at_once=at_once,
                progress=watch,
            )
            seconds = time.perf_counter() - began
        limits.dispose()
    if report.collected != documents:
        sys.exit(f"{report.collected} of {documents} documents were collected")
    return {"per_second": documents / seconds, "growth_mib": peak() - early, "peak_mib": peak()}


def peak() -> float:
    """Return the most memory that this process has used so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(function: Any, *arguments: Any) -> dict[str, float]:
    """Run a function in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


@contextmanager
def served(kilobytes: int) -> Iterator[str]:
    """Serve games from a process of its own; yield the URL."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(there, kilobytes), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        server.terminate()
        server.join()


def serve(tell: Connection, kilobytes: int) -> None:
    """Answer each request on a connection, one after the other, for as long as it is open."""
    import asyncio

    play = {"clock": "11:42", "text": "makes a jump shot", "points": 2, "home": 12, "away": 10}
    plays = json.dumps([play] * (kilobytes * 1000 // len(json.dumps(play)))).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            number = head.split(b" ", 2)[1].rpartition(b"/")[2]
            await asyncio.sleep(ANSWERS_AFTER)
            body = b'{"id":"' + number + b'","plays":' + plays + b"}"
            headers = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(headers.encode() + body)
            await writer.drain()

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(quietly, "127.0.0.1", 0)
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
