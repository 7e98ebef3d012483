"""Let the loop come around a thousand times at speed, with faults, in one process: nothing may grow, and all adds up.

    python benchmarks/soak.py                  # 1,000 cycles, some minutes
    python benchmarks/soak.py --small          # a few, to show that it works

In each cycle a quarter of an hour passes, somebody deletes two objects, the loop reconciles, and what the sensor of the
queue asks for is collected; now and then the source is ill, S3 fails or is gone, or another process with the same work
is killed. The definitions are loaded once, as by a code server. Ledger and limits are in PostgreSQL, the lake in an S3
server of another process. Then everything comes to its end. Prints one JSON object; exits 1 if memory, files, threads
or connections have grown, or ledger, lake and source disagree.
"""

import argparse
import json
import logging
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

import boto3
import dagster as dg
import psycopg2
from life import postgresql, s3

from adce_assets.defs.build import build_defs
from adce_assets.defs.resources import ProjectResource
from adce_assets.errors import AdceError
from adce_assets.lake.store import open_store
from adce_assets.ledger.book import Ledger, open_ledger
from adce_assets.ledger.receipts import RECEIPTS
from adce_assets.ledger.transitions import UNDER_WAY
from adce_assets.loop.project import Project
from adce_assets_tests.whole import mortal
from adce_assets_tests.whole.conftest import Nursery, begun
from adce_assets_tests.whole.machines import PAGE, ROOT, aws
from adce_assets_tests.whole.moody import WELL, body, fate, sources

CYCLES, SMALL, TO_THE_END = 1_000, 4, 12
THINGS = {kind: [f"{kind}-{number}" for number in range(1, 13)] for kind in ("things", "others")}
ENDS = {"none": "tombstoned", "gone": "dead_lettered"}
MOODS = ("busy", "reset", "limited", "login")
POINTS = ("claimed", "answered", "before data", "after data", "within an append", "after receipts")
FAILS_ONE_OF, GONE = 25, 1
"""One of how many requests S3 fails, when it does: all, when it is gone."""
LEAST = 20
"""Cycles in a third, from which on it is told whether something has grown."""
GROWS = 0.05
"""How much more memory a thousand cycles may take, as a share."""
SLOWER = 1.5
"""How much more time of a processor a cycle may take in the last third than in the second."""


def serve(pipe: Any, fails_one_of: Any, hours: Any) -> None:
    """Be the source and the S3 server; answer what is told and asked through the pipe until there is no more."""
    from moto.s3 import models
    from moto.server import DomainDispatcherApplication

    by_the_machine = models.utcnow
    models.utcnow = lambda: by_the_machine() + timedelta(hours=hours.value)  # whoever keeps objects has the loop's time
    answer, asked = DomainDispatcherApplication.__call__, Counter[str]()

    def failing(self: Any, environ: dict[str, Any], start_response: Any) -> Any:
        asked["requests"] += 1
        if not fails_one_of.value or asked["requests"] % fails_one_of.value:
            return answer(self, environ, start_response)
        asked["failed"] += 1
        start_response("503 Slow Down", [("Content-Type", "application/xml")])
        return [b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"]

    DomainDispatcherApplication.__call__ = failing
    with s3() as s3_url, sources(("some",)) as served:
        source = served["some"]
        pipe.send((s3_url, source.url))
        while (mood := pipe.recv()) is not None:
            source.mood = mood
            pipe.send((dict(source.whole), len(source.log), dict(asked)))


@dataclass(frozen=True)
class Servers:
    """What stands for the outside world, in a process of its own."""

    pipe: Any
    fails_one_of: Any
    hours: Any
    s3_url: str
    source_url: str

    def told(self, mood: str) -> tuple[dict[str, int], int, dict[str, int]]:
        """Give the source a mood; return how often it answered each path whole, all it was asked, and what S3 was."""
        self.pipe.send(mood)
        return self.pipe.recv()


@contextmanager
def outside() -> Iterator[Servers]:
    """Lend the servers."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    fails_one_of = context.Value("i", 0)
    hours = context.Value("d", 0.0)
    process = context.Process(target=serve, args=(there, fails_one_of, hours), daemon=True)
    process.start()
    yield Servers(here, fails_one_of, hours, *here.recv())
    here.send(None)
    process.join()


@dataclass
class Round(mortal.Life):
    """Once around the loop; what is collected is what the queue's sensor asks for."""

    definitions: dg.Definitions = field(default_factory=dg.Definitions)
    kept: dg.DagsterInstance = field(kw_only=True)
    cursor: str | None = None

    def records(self) -> AbstractContextManager[dg.DagsterInstance]:
        """Lend the one instance that there is: making one loads modules that stay."""
        return nullcontext(self.kept)

    def queued(self, project: Project) -> Mapping[str, list[str]]:  # noqa: ARG002 - the signature of what it stands for
        """Ask the sensor."""
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            definitions=self.definitions,
            resources={"project": ProjectResource()},
        ) as context:
            told = self.definitions.resolve_sensor_def("task_queue_sensor").evaluate_tick(context)
        self.cursor = told.cursor
        asked = [request.run_config["ops"] for request in told.run_requests or ()]
        return {scraper: op["config"]["task_ids"] for ops in asked for scraper, op in ops.items()}


@dataclass
class Soak:
    """An installation, the loop on it in this process, and what was done to it."""

    home: Path
    servers: Servers
    database_url: str
    nursery: Nursery | None
    chance: random.Random = field(default_factory=lambda: random.Random(8))
    hours: float = 0.0
    deleted: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    measured: list[dict[str, float]] = field(default_factory=list)
    cursor: str | None = None

    def __post_init__(self) -> None:
        """Make the home and the bucket, and load the definitions."""
        os.environ.update(self.environment)
        boto3.client("s3").create_bucket(Bucket="soak")
        shutil.copytree(ROOT / "config", self.home / "config", ignore=shutil.ignore_patterns("scrapers"))
        (self.home / "inventory").mkdir()
        mortal.write_contract(self.home, THINGS)
        mortal.write_catalogue(self.home, self.servers.source_url, jail_s=1, max_wait_s=0)
        shutil.copy(self.home / "scraper_config.yaml", self.home / "config")
        self.definitions, self.instance = build_defs(), dg.DagsterInstance.ephemeral()

    @property
    def environment(self) -> dict[str, str]:
        """Lead processes to it."""
        return {
            **dict.fromkeys(("ADCE_DATABASE_URL", "ADCE_LIMITS"), self.database_url),
            "ADCE_HOME": str(self.home),
            "ADCE_LAKE": "s3://soak/data",
            "ADCE_AS_OF": (datetime.now(UTC) + timedelta(hours=self.hours)).isoformat(),
            **aws(self.servers.s3_url),
        }

    def cycle(self, number: int) -> None:
        """Let a quarter of an hour pass in which something goes wrong, and the loop comes around."""
        self.servers.fails_one_of.value = 0
        self._lose(2)
        self._trouble(number)
        if self.nursery and number % 10 == 9:
            self._let_another_be_killed(self.nursery)
        self._come_around(number)

    def settle(self) -> int | None:
        """Let the loop come around, undisturbed, until all is at its end; return how often, None where it is not."""
        self.servers.told(WELL)
        self.servers.fails_one_of.value = 0
        for count in range(1, TO_THE_END + 1):
            self._come_around(-count)
            if self.states() == expected():
                return count
        return None

    def _lose(self, most: int) -> None:
        """Delete some of what was closed and is there: of what is lost already the loop may not have heard yet."""
        lake = open_store(self.environment["ADCE_LAKE"])
        there = {found.key for found in lake.list()}
        closed = [key for key, state in self.states().items() if state == "closed" and key in there]
        for key in self.chance.sample(closed, min(most, len(closed))):
            self.deleted[key] += 1
            lake.delete(key)

    def _trouble(self, number: int) -> None:
        """Let the source be ill in every third cycle, S3 fail in every fourth, and be gone in every fiftieth."""
        self.servers.told(self.chance.choice(MOODS) if number % 3 == 2 else WELL)
        fails = FAILS_ONE_OF if number % 4 == 3 else 0
        self.servers.fails_one_of.value = GONE if number % 50 == 44 else fails

    def _come_around(self, number: int) -> None:
        self.hours += 0.25
        self.servers.hours.value = self.hours
        os.environ["ADCE_AS_OF"] = self.environment["ADCE_AS_OF"]
        steps = ("release", "reconcile", "collect")
        lasting = {"definitions": self.definitions, "kept": self.instance, "cursor": self.cursor}
        here = Round(**self._life(f"cycle{number}"), steps=steps, **lasting)
        try:
            here.live()
            self.happened["came around"] += 1
        except AdceError as error:
            self.happened[type(error).__name__] += 1
        self.cursor = here.cursor

    def _life(self, name: str) -> dict[str, Any]:
        """Say where a life takes place."""
        where = {"lake": self.environment["ADCE_LAKE"], "database": self.database_url, "limits": self.database_url}
        return {"home": self.home, "name": name, "ahead": self.hours, **where}

    def _let_another_be_killed(self, nursery: Nursery) -> None:
        """Let a process with the same work die at some point of it."""
        self.happened["others"] += 1
        life = self._life(f"other{self.happened['others']}") | {"home": str(self.home), "steps": ["release", "collect"]}
        doom = {"point": self.chance.choice(POINTS), "count": self.chance.randint(1, 2)}
        (end,) = nursery.let_live(life | {"doom": doom, "environment": self.environment})
        self.happened["killed" if end == -signal.SIGKILL else f"ended with {end}"] += 1
        with opened(self.database_url) as ledger:
            self.happened["held by the killed"] += sum(1 for _ in ledger.states(states=UNDER_WAY))

    def measure(self, cpu_seconds: float) -> None:
        """Note what this process holds."""
        asked = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        self.measured.append(
            {
                "memory_mb": int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6,
                "files": len(list(Path("/proc/self/fd").iterdir())),
                "threads": threading.active_count(),
                "connections": self._ask(asked),
                "cpu_seconds": cpu_seconds,
            }
        )

    def _ask(self, question: str) -> int:
        with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute(question)
            found = cursor.fetchone()
        connection.close()
        return found[0] if found else 0

    def states(self) -> dict[str, str]:
        """Say how each key stands."""
        with opened(self.database_url) as ledger:
            return {state.key: state.state.value for state in ledger.states()}

    def counted(self) -> dict[str, Counter[str]]:
        """Count the events of each key."""
        with opened(self.database_url) as ledger:
            return {key: Counter(entry.event.value for entry in ledger.entries(key)) for key in expected()}


@contextmanager
def opened(url: str) -> Iterator[Ledger]:
    """Lend a ledger."""
    ledger = open_ledger(url)
    try:
        yield ledger
    finally:
        ledger.dispose()


def expected() -> dict[str, str]:
    """Say how each key ends."""
    return {f"{kind}/{name}.json": ENDS.get(fate(name), "closed") for kind, names in THINGS.items() for name in names}


def disagreements(soak: Soak) -> Iterator[str]:
    """Say where ledger, lake and source do not say the same."""
    whole, _, _ = soak.servers.told(WELL)
    lake, counted = open_store(soak.environment["ADCE_LAKE"]), soak.counted()
    held = {found.key: lake.get(found.key) for found in lake.list() if not found.key.startswith("_adce/")}
    had = {key for key, end in expected().items() if end == "closed"}
    if held != {key: body(f"/{key.removesuffix('.json')}") for key in had}:
        yield f"the lake holds {len(held)} objects, not these {len(had)}"
    with opened(soak.database_url) as ledger:
        yield from (f"the ledger: {fault}" for fault in ledger.verify().faults)
    for key in sorted(had):
        if counted[key]["closed"] != 1 + soak.deleted[key]:
            yield f"{key} was closed {counted[key]['closed']} times, and deleted {soak.deleted[key]} times"
    yield from _uneven(soak, whole, counted, had)


def _uneven(
    soak: Soak, whole: Mapping[str, int], counted: Mapping[str, Counter[str]], had: Collection[str]
) -> Iterator[str]:
    """Compare sums; of what a killed process held it may have written nothing down."""
    lake, held = open_store(soak.environment["ADCE_LAKE"]), soak.happened["held by the killed"]
    answered = sum(whole.get(f"/{key.removesuffix('.json')}", 0) for key in had)
    receipts = sum(len(json.loads(lake.get(found.key))["receipts"]) for found in lake.list(RECEIPTS))
    fetched, promoted = (sum(counted[key][event] for key in had) for event in ("fetched", "promoted"))
    if not fetched <= answered <= fetched + held:
        yield f"{answered} documents were sent, {fetched} fetched, and {held} held by the killed"
    if not promoted <= receipts <= promoted + held:
        yield f"{receipts} receipts for {promoted} promotions, and {held} held by the killed"


def growth(measured: Sequence[Mapping[str, float]]) -> Iterator[str]:
    """Say what has grown: memory over the last half, all else in the last third; what is loaded late comes before."""
    third = len(measured) // 3
    if third < LEAST:
        return
    before, after = measured[third : 2 * third], measured[2 * third :]
    if (slope := _slope(measured)) > GROWS * measured[-1]["memory_mb"]:
        yield f"a thousand cycles take {slope:.1f} MB more"
    for name in ("files", "threads", "connections"):
        if max(told[name] for told in after) > max(told[name] for told in before):
            yield f"{name}: {max(told[name] for told in after)} after {max(told[name] for told in before)}"
    slower = median(told["cpu_seconds"] for told in after) / median(told["cpu_seconds"] for told in before)
    if slower > SLOWER:
        yield f"a cycle takes {slower:.2f} times as long as before"


def _slope(measured: Sequence[Mapping[str, float]]) -> float:
    """Say how many megabytes more a thousand cycles take, by those of the last half."""
    memory = [told["memory_mb"] for told in measured[len(measured) // 2 :]]
    return 1_000 * linear_regression(range(len(memory)), memory).slope


def told_of(soak: Soak, settled: int | None) -> dict[str, Any]:
    """Sum up what happened, and what is wrong."""
    _, requests, of_s3 = soak.servers.told(WELL)
    every = max(len(soak.measured) // 20, 1)
    events = sum(soak.counted().values(), Counter[str]())
    return {
        "cycles": len(soak.measured),
        "settled_after": settled,
        "happened": dict(soak.happened),
        "deleted": soak.deleted.total(),
        "events": dict(events),
        "requests": requests,
        "s3": of_s3,
        "mb_in_a_thousand": round(_slope(soak.measured), 1),
        "measured": [{name: round(value, 2) for name, value in told.items()} for told in soak.measured[::every]],
        "faults": [*disagreements(soak), *growth(soak.measured)],
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=CYCLES)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="adce-soak-") as name, ExitStack() as stack:
        folder = Path(name)
        servers = stack.enter_context(outside())
        nursery = None if given.small else stack.enter_context(begun())
        home = folder / "home"
        home.mkdir()
        soak = Soak(home, servers, stack.enter_context(postgresql(folder)), nursery)
        for number in range(SMALL if given.small else given.cycles):
            began = time.process_time()
            soak.cycle(number)
            soak.measure(time.process_time() - began)
            if number % 50 == 0:
                print(number, soak.measured[-1], dict(soak.happened), file=sys.stderr, flush=True)
        settled = soak.settle()
        told = told_of(soak, settled)
    print(json.dumps({"schema": 1, **told}, indent=1))
    return 1 if told["faults"] or settled is None else 0


if __name__ == "__main__":
    sys.exit(main())
