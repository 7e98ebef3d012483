"""Let the loop come around a thousand times at speed, with faults, in one process: nothing may grow, and all adds up.

    python benchmarks/soak.py                  # 1,000 cycles, some minutes
    python benchmarks/soak.py --small          # a few, to show that it works

In each cycle a quarter of an hour passes, somebody deletes two objects, the loop reconciles, and what the sensor of the
queue asks for is collected; now and then the source is ill, S3 fails or is gone, or another process with the same work
is killed. The definitions are loaded once, as by a code server. Ledger and limits are in PostgreSQL, the lake in an S3
server of another process. Then everything comes to its end. Prints one JSON object; exits 1 if a cycle did not come
around while S3 was there, too little went wrong to prove anything, ledger, lake and source disagree on any key, or
memory, files, threads or connections have grown. Of fewer than 150 cycles it is not judged what grows, and told so.
"""

import argparse
import ctypes
import gc
import json
import logging
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
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
from adce_assets.ledger.transitions import UNDER_WAY, Event
from adce_assets.loop.project import Project
from adce_assets_tests.whole import adding_up, mortal
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
LIBC = ctypes.CDLL(None)
NOTED_S = 0.05
"""How long the source may take to note what it has sent."""


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
            pipe.send((dict(source.whole), dict(source.asked), dict(asked)))


@dataclass(frozen=True)
class Servers:
    """What stands for the outside world, in a process of its own."""

    pipe: Any
    fails_one_of: Any
    hours: Any
    s3_url: str
    source_url: str

    def told(self, mood: str) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """Give the source a mood; return how often it answered each path whole, was asked for it, and what S3 was."""
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
    mood: str = WELL
    deleted: Counter[str] = field(default_factory=Counter)
    errors: dict[int, str] = field(default_factory=dict)
    ends: list[int] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)
    unwritten: Counter[str] = field(default_factory=Counter)
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
        if self.nursery and adding_up.is_in(number, adding_up.OTHERS):
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
        self.mood = self.chance.choice(MOODS) if adding_up.is_in(number, adding_up.ILL) else WELL
        self.servers.told(self.mood)
        fails = FAILS_ONE_OF if adding_up.is_in(number, adding_up.FAILING) else 0
        self.servers.fails_one_of.value = GONE if adding_up.is_in(number, adding_up.GONE) else fails

    def _come_around(self, number: int) -> None:
        self.hours += 0.25
        self.servers.hours.value = self.hours
        os.environ["ADCE_AS_OF"] = self.environment["ADCE_AS_OF"]
        steps = ("release", "reconcile", "collect")
        lasting = {"definitions": self.definitions, "kept": self.instance, "cursor": self.cursor}
        here = Round(**self._life(f"cycle{number}"), steps=steps, **lasting)
        try:
            here.live()
        except AdceError as error:
            self.errors[number] = type(error).__name__
        self.cursor = here.cursor

    def _life(self, name: str) -> dict[str, Any]:
        """Say where a life takes place."""
        where = {"lake": self.environment["ADCE_LAKE"], "database": self.database_url, "limits": self.database_url}
        return {"home": self.home, "name": name, "ahead": self.hours, **where}

    def _let_another_be_killed(self, nursery: Nursery) -> None:
        """Let a process with the same work die at some point of it, and note what it did not come to write down."""
        name = f"other{len(self.ends)}"
        life = self._life(name) | {"home": str(self.home), "steps": ["release", "collect"]}
        doom = {"point": self.chance.choice(POINTS), "count": self.chance.randint(1, 2)}
        before, _ = self.source()
        self.ends += nursery.let_live(life | {"doom": doom, "environment": self.environment})
        time.sleep(NOTED_S)
        sent = self.source()[0] - before
        with opened(self.database_url) as ledger:
            states = ledger.states(states=UNDER_WAY)
            self.held.update(state.key for state in states if state.run.startswith(f"{name}-"))
            for key, times in sent.items():
                wrote = [entry for entry in ledger.entries(key) if entry.run.startswith(f"{name}-")]
                self.unwritten[key] += times - sum(entry.event == Event.FETCHED for entry in wrote)

    def source(self) -> tuple[Counter[str], Counter[str]]:
        """Say how often the source answered for each key with a whole document, and was asked for it."""
        answered, asked, _ = self.servers.told(self.mood)
        return by_key(answered), by_key(asked)

    def measure(self, cpu_seconds: float) -> None:
        """Note what this process holds, once what is free has been given back: what allocators keep comes in steps."""
        gc.collect()
        LIBC.malloc_trim(0)
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

    def deeds(self) -> adding_up.Deeds:
        """Say what was done, and what happened."""
        failed = self.servers.told(self.mood)[2].get("failed", 0)
        done = len(self.measured), self.errors, self.deleted, self.ends, failed
        return adding_up.Deeds(*done, self.held, self.unwritten)

    def sums(self) -> adding_up.Sums:
        """Ask source, ledger and lake."""
        lake, (answered, asked) = open_store(self.environment["ADCE_LAKE"]), self.source()
        files = [json.loads(lake.get(found.key)) for found in lake.list(RECEIPTS)]
        receipts = Counter(receipt["key"] for file in files for receipt in file["receipts"])
        return adding_up.Sums(asked, answered, self.counted(), receipts)


@contextmanager
def opened(url: str) -> Iterator[Ledger]:
    """Lend a ledger."""
    ledger = open_ledger(url)
    try:
        yield ledger
    finally:
        ledger.dispose()


def by_key(told: Mapping[str, int]) -> Counter[str]:
    """Name keys instead of the paths that they are asked for at."""
    return Counter({f"{path[1:]}.json": count for path, count in told.items()})


def expected() -> dict[str, str]:
    """Say how each key ends."""
    return {f"{kind}/{name}.json": ENDS.get(fate(name), "closed") for kind, names in THINGS.items() for name in names}


def disagreements(soak: Soak) -> Iterator[str]:
    """Say where ledger and lake are not what they should be."""
    lake = open_store(soak.environment["ADCE_LAKE"])
    held = {found.key: lake.get(found.key) for found in lake.list() if not found.key.startswith("_adce/")}
    had = closed()
    if held != {key: body(f"/{key.removesuffix('.json')}") for key in had}:
        yield f"the lake holds {len(held)} objects, not these {len(had)}"
    with opened(soak.database_url) as ledger:
        yield from (f"the ledger: {fault}" for fault in ledger.verify().faults)


def closed() -> set[str]:
    """Name the keys that are closed in the end."""
    return {key for key, end in expected().items() if end == "closed"}


def told_of(soak: Soak, settled: int | None) -> dict[str, Any]:
    """Sum up what happened, and what is wrong."""
    deeds, sums, grown = soak.deeds(), soak.sums(), adding_up.growth(soak.measured)
    of_s3 = soak.servers.told(WELL)[2]
    every = max(len(soak.measured) // 20, 1)
    wrong = (adding_up.uneventful(deeds, sums), adding_up.uneven(deeds, sums, closed()), disagreements(soak))
    return {
        "cycles": deeds.cycles,
        "came_around": deeds.cycles - len(deeds.errors),
        "errors": dict(Counter(deeds.errors.values())),
        "settled_after": settled,
        "others": {"tried": len(deeds.ends), "killed": sum(end < 0 for end in deeds.ends)},
        "held_by_the_killed": deeds.held.total(),
        "sent_to_the_killed_and_not_written_down": deeds.unwritten.total(),
        "deleted": deeds.deleted.total(),
        "events": dict(sum(sums.events.values(), Counter[str]())),
        "requests": sums.asked.total(),
        "documents": sums.answered.total(),
        "receipts": sums.receipts.total(),
        "s3": of_s3,
        "growth": "not judged" if grown is None else "judged",
        "mb_in_a_thousand": round(adding_up.slope(soak.measured), 1),
        "measured": [{name: round(value, 2) for name, value in told.items()} for told in soak.measured[::every]],
        "faults": [*chain(*wrong), *(grown or [])],
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
                print(number, soak.measured[-1], soak.errors, soak.ends, file=sys.stderr, flush=True)
        settled = soak.settle()
        told = told_of(soak, settled)
    print(json.dumps({"schema": 1, **told}, indent=1))
    return 1 if told["faults"] or settled is None else 0


if __name__ == "__main__":
    sys.exit(main())
