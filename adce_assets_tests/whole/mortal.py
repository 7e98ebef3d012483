"""An installation and what it is to do in, what it did out: processes that go round the whole loop, and may die of it.

As a program this is a nursery: for each line of JSON that it reads it forks a process, which has imported everything
and has no threads yet, waits for its end and tells of it. Such a process is killed, by itself and without a word, when
it passes a named point for the n-th time. The points lie in what the loop is handed anyway (its lake, its state, its
ledger, its client); the code under test knows nothing of them.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import ibis.backends.duckdb
import pandas as pd
import pyarrow.compute
import pyarrow.parquet
import yaml

from adce_assets.configuration import AutonomousConfig, ReconciliationConfig
from adce_assets.fetch.client import Client, Response
from adce_assets.fetch.limits import Limits
from adce_assets.lake.file_store import FileStore
from adce_assets.ledger import policy
from adce_assets.ledger.book import Appended, Ledger
from adce_assets.ledger.database import Database
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.runs import Runs, release_over
from adce_assets.ledger.transitions import Event
from adce_assets.loop import bookkeeping, closure, coverage, gaps, inventory, tasks, tombstones
from adce_assets.loop.project import Project, open_project
from adce_assets.loop.state import QUEUE, State
from adce_assets.scrapers import json_api
from adce_assets.scrapers.catalogue import load_catalogue
from adce_assets.scrapers.collect import collect, wanted
from adce_assets.scrapers.recording import Recorder
from adce_assets.settings import Settings

IMPORTED = (ibis.backends.duckdb, pd, pyarrow.compute, pyarrow.parquet, json_api)
"""What the loop imports when it comes to it, and a process that is forked here need not."""
CONTRACT = """
version: 1
leagues:
  nba: {{first_season: 2023-24, season_starts: 10}}
dimensions:
  thing: {{values: {things}}}
  other: {{values: {others}}}
sources:
  some:
    description: things
    league: nba
    data_types:
      things: {{description: things, for_each: [thing], templates: ['things/{{thing}}.json'], seasons: all,
               scraper: one, min_bytes: 8}}
      others: {{description: others, for_each: [other], templates: ['others/{{other}}.json'], seasons: all,
               scraper: two, min_bytes: 8}}
"""
RULES = {
    "engine": {"threads": 1},
    "retries": {"backoff_minutes": 5, "backoff_factor": 1},
    "tombstones": {"quorum": 1, "lasts_days": 300},
}
LEASE = timedelta(days=30)
"""Longer than any life here: what a dead run held is given back because it is dead."""
SCRAPERS = {"one": ("things", "thing"), "two": ("others", "other")}
TOLD = {
    Event.DETECTED: "detected",
    Event.PROMOTED: "told of the promotion",
    Event.TOMBSTONED: "tombstoned",
    Event.CLOSED: "closed",
}
"""Points behind an append of such events."""


def write_contract(home: Path, names: Mapping[str, Sequence[str]]) -> None:
    """Let the contract ask for things and others of these names."""
    told = {kind: json.dumps(list(names[kind])) for kind in ("things", "others")}
    (home / "inventory" / "data_inventory.yaml").write_text(CONTRACT.format(**told))


def write_catalogue(home: Path, source_url: str) -> None:
    """Let two scrapers ask one server."""
    host = {"base_url": source_url, "requests_per_second": 1000, "burst": 1000, "allow_private": True, "attempts": 1}
    entry = {"kind": "json_api", "host": "here", "absent_statuses": [404]}
    document = {
        "contact": "https://example.org/contact",
        "hosts": {"here": host | {"robots": {"ignored_because": "a test"}}},
        "scrapers": {
            name: {
                **entry,
                "path": f"/{kind}/{{{field_}}}",
                "yields": {f"some/{kind}": {"requirements": {"must_have": ["name"]}}},
            }
            for name, (kind, field_) in SCRAPERS.items()
        },
    }
    (home / "scraper_config.yaml").write_text(yaml.safe_dump(document))


@dataclass(slots=True)
class Doom:
    """Where a process dies: when it passes ``point`` for the ``count``-th time; without a point it lives."""

    point: str = ""
    count: int = 1

    def passes(self, point: str) -> None:
        if point and point == self.point:
            self.count -= 1
            if not self.count:
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()  # the signal may take a moment


@dataclass(slots=True)
class Written:
    """Notes each time that data came into the lake, where a death cannot undo it: key, and when by the machine."""

    path: Path

    def note(self, key: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{json.dumps([key, time.monotonic()])}\n")

    def read(self) -> list[tuple[str, float]]:
        return [tuple(json.loads(line)) for line in self.path.read_text().splitlines()] if self.path.exists() else []


class MortalLake(FileStore):
    """A lake whose writer may die before and after each write."""

    def __init__(self, root: Path, doom: Doom, written: Written) -> None:
        super().__init__(root)
        self._doom, self._noted = doom, written

    def put(self, key: str, body: bytes | Path) -> str:
        return self._passing(key, partial(super().put, key, body))

    def put_if_absent(self, key: str, body: bytes | Path) -> str:
        return self._passing(key, partial(super().put_if_absent, key, body))

    def put_if_match(self, key: str, body: bytes | Path, etag: str) -> str:
        return self._passing(key, partial(super().put_if_match, key, body, etag))

    def _passing(self, key: str, write: Callable[[], str]) -> str:
        room = key.split("/")[1] if key.startswith("_adce/") else "data"
        self._doom.passes(f"before {room}")
        etag = write()
        if room == "data":
            self._noted.note(key)
        self._doom.passes(f"after {room}")
        return etag


class MortalState(FileStore):
    """A state whose writer may die after it has written the queue."""

    def __init__(self, root: Path, doom: Doom) -> None:
        super().__init__(root)
        self._doom = doom

    def put(self, key: str, body: bytes | Path) -> str:
        etag = super().put(key, body)
        self._doom.passes(f"after {key}")
        return etag


class MortalDatabase(Database):
    """A database that may be left in the middle of a transaction."""

    def __init__(self, url: str, doom: Doom) -> None:
        super().__init__(url)
        self._doom = doom

    def put(self, connection: Any, new: Sequence[tuple[Any, ...]], changed: Sequence[tuple[Any, ...]]) -> None:
        super().put(connection, new, changed)
        self._doom.passes("within an append")


class MortalLedger(Ledger):
    """A ledger whose writer may die after each append and claim."""

    def __init__(self, url: str, doom: Doom) -> None:
        super().__init__(MortalDatabase(url, doom))
        self._doom = doom

    def append(self, transitions: Iterable[Transition]) -> Appended:
        told = list(transitions)
        done = super().append(told)
        for event in {one.event for one in told} - {one.transition.event for one in done.refused}:
            self._doom.passes(TOLD.get(event, ""))
        return done

    def claim(self, wishes: Sequence[Wish], **how: Any) -> list[str]:
        got = super().claim(wishes, **how)
        if got:
            self._doom.passes("claimed")
        return got


class MortalClient(Client):
    """A client who may die when an answer has come; whom it asks may kill it before, for the process is its name."""

    doom: Doom

    def get(self, *args: Any, **how: Any) -> Response:
        answer = super().get(*args, **how)
        self.doom.passes("answered")
        return answer


@dataclass
class Life:
    """What one process does: go round the loop, or parts of it.

    Attributes:
        home: The folder of the installation.
        name: Begins the ids of its runs.
        ahead: How far its clock is ahead of the machine's, in hours: time passes between lives.
        at_once: How many requests it makes at the same time.
        steps: What it does, in order: ``release``, ``reconcile``, ``collect``.
        doom: Where it dies.
        meets: How many processes wait for each other, with their installations open, before they begin.
    """

    home: Path
    name: str
    ahead: float = 0.0
    at_once: int = 1
    steps: Collection[str] = ("release", "reconcile", "collect", "reconcile")
    doom: Doom = field(default_factory=Doom)
    meets: int = 1
    started: int = 0

    @classmethod
    def read(cls, line: str) -> "Life":
        told = json.loads(line)
        return cls(Path(told.pop("home")), doom=Doom(**told.pop("doom", {})), **told)

    def clock(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=self.ahead)

    def project(self) -> Project:
        settings = Settings(
            home=self.home,
            state_url=(self.home / "inventory").as_uri(),
            configured_lake=(self.home / "lake").as_uri(),
            configured_database=f"sqlite:///{self.home}/ledger.sqlite",
            host_urls={},
            clock=self.clock,
            reconciliation=ReconciliationConfig.model_validate(RULES),
            autonomous=AutonomousConfig(),
        )
        lake = MortalLake(self.home / "lake", self.doom, Written(self.home / "written"))
        state = State(MortalState(self.home / "inventory", self.doom))
        project = replace(open_project(settings), lake=lake, state=state)
        project._opened.append(MortalLedger(settings.database_url, self.doom))
        return project

    def live(self) -> dict[str, int]:
        """Do it, and count what is still open."""
        project = self.project()
        self.runs = Runs(self.home / "runs")
        self.meet()
        for step in self.steps:
            getattr(self, step)(project)
        standing = {state.value: count for state, count in project.ledger.counts().items() if count}
        return standing | {"queued": project.state.read_json(QUEUE)["total_tasks"]}

    def meet(self) -> None:
        """Wait until all are there that begin together."""
        if self.meets == 1:
            return
        here = self.home / "here"
        here.mkdir(exist_ok=True)
        (here / self.name).touch()
        while len(list(here.iterdir())) % self.meets:
            time.sleep(0.001)

    def release(self, project: Project) -> None:
        release_over(project.ledger, lambda run: self.runs.lives(run) is False, project.clock())

    def reconcile(self, project: Project) -> None:
        inventory.take(project, mode="list", accept_loss=True)
        tombstones.write(project)
        coverage.analyse(project)
        gaps.find(project)
        tasks.plan(project, SCRAPERS)
        closure.close(project, bookkeeping.record(project).left)

    def collect(self, project: Project) -> None:
        """Collect all tasks of the queue, if there is one, in a run for each scraper."""
        if project.state.store.head(f"{QUEUE}.json") is None:
            return
        queued = defaultdict(list)
        for task in project.state.read_json(QUEUE)["tasks"]:
            queued[task["scraper"]].append(task["id"])
        for scraper, task_ids in queued.items():
            self.started += 1
            run = f"{self.name}-{self.started}"
            with self.runs.living(run):
                self._run(project, scraper, tasks.task_keys(project.state, task_ids), run)

    def _run(self, project: Project, scraper: str, keys: Sequence[tasks.TaskKey], run: str) -> None:
        rules = policy.Rules.of(project.settings.reconciliation)
        recorder = Recorder(project.ledger, run, project.clock, LEASE, rules, chance=lambda: 0.5)
        wishes = [Wish(key.key, key.source, key.data_type, key.season, key.task_id) for key in keys]
        got = recorder.claim(wishes).keys
        catalogue = load_catalogue(self.home / "scraper_config.yaml")
        limits = Limits(self.home / "limits.sqlite")
        with MortalClient(catalogue.hosts, limits, agent=f"adce/{os.getpid()}", now=project.clock) as client:
            client.doom = self.doom
            collect(
                catalogue.scrapers[scraper],
                [
                    wanted(project.contract, f"{key.source}/{key.data_type}", key.season, key.key, key.etag)
                    for key in keys
                    if key.key in got
                ],
                client=client,
                store=project.lake,
                run_id=run,
                clock=project.clock,
                at_once=self.at_once,
                tasks={key.key: key.task_id for key in keys},
                recorder=recorder,
            )
        limits.dispose()


def _fork(line: str) -> int:
    """Live in a process of its own, which writes what is open in the end beside the installation."""
    pid = os.fork()
    if not pid:
        os._exit(_lived(line))
    return pid


def _lived(line: str) -> int:
    try:
        life = Life.read(line)
        (life.home / f"{life.name}.json").write_text(json.dumps(life.live()))
    except BaseException:  # noqa: BLE001 - the boundary of a process that must never come back from here
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    """Let as many processes live together as a line has lives; tell how each ended."""
    for line in sys.stdin:
        pids = [_fork(json.dumps(told)) for told in json.loads(line)]
        ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        sys.stdout.write(f"{json.dumps(ends)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
