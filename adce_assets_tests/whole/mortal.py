"""An installation and what it is to do in, what it did out: lives that go round the whole loop, or parts of it.

Where a life ends before its time is the business of `doom`, how it becomes a process, of `nursery`.
"""

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from adce_assets.autonomous import AutonomousConfig
from adce_assets.configuration import ReconciliationConfig
from adce_assets.defs.claiming import give_back, recording, wishes
from adce_assets.fetch.limits import Limits
from adce_assets.ledger.transitions import CLAIMABLE
from adce_assets.loop import tasks
from adce_assets.loop.project import Project, open_project
from adce_assets.loop.reconciling import reconcile
from adce_assets.loop.state import QUEUE, State
from adce_assets.scrapers.catalogue import load_catalogue
from adce_assets.scrapers.collect import collect, wanted
from adce_assets.scrapers.recording import Recorder
from adce_assets.scrapers.stopping import Stop
from adce_assets.settings import Settings
from adce_assets_tests.whole.doom import Doom, MortalClient, MortalLedger, Written, mortal_lake, mortal_state

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
SCRAPERS = {"one": ("things", "thing"), "two": ("others", "other")}


def write_contract(home: Path, names: Mapping[str, Sequence[str]]) -> None:
    """Let the contract ask for things and others of these names."""
    told = {kind: json.dumps(list(names[kind])) for kind in ("things", "others")}
    (home / "inventory" / "data_inventory.yaml").write_text(CONTRACT.format(**told))


def write_catalogue(home: Path, source_url: str, **told: Any) -> None:
    """Let two scrapers ask one server; ``told`` is what else its entry says."""
    host = {"base_url": source_url, "requests_per_second": 1000, "burst": 1000, "allow_private": True, "attempts": 1}
    host |= told
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


@dataclass
class Life:
    """What one process does: go round the loop, or parts of it.

    Attributes:
        home: The folder of the installation.
        lake: The URL of its lake.
        database: The URL of its ledger's database.
        name: Begins the ids of its runs.
        ahead: How far its clock is ahead of the machine's, in hours: time passes between lives.
        at_once: How many requests it makes at the same time.
        most: How many open keys a run takes; None: the keys of all tasks.
        steps: What it does, in order: ``release``, ``reconcile``, ``collect``.
        doom: Where it dies.
        longest_s: After how many seconds it is killed: then it hangs.
        meets: How many processes wait for each other, with their installations open, before they begin.
        place: The folder in which they meet; empty: that of the installation.
        environment: What it finds in its environment beside what is there.
        state, limits: The URLs of the loop's files and of the hosts' budgets; empty: files of its home.
    """

    home: Path
    lake: str
    database: str
    name: str
    ahead: float = 0.0
    at_once: int = 1
    most: int | None = None
    steps: Collection[str] = ("release", "reconcile", "collect", "reconcile")
    doom: Doom = field(default_factory=Doom)
    longest_s: int = 120
    meets: int = 1
    place: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    limits: str = ""
    started: int = 0

    @classmethod
    def read(cls, line: str) -> "Life":
        told = json.loads(line)
        return cls(Path(told.pop("home")), doom=Doom(**told.pop("doom", {})), **told)

    def clock(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=self.ahead)

    def project(self) -> Project:
        os.environ.update(self.environment)
        settings = Settings(
            home=self.home,
            state_url=self.state or (self.home / "inventory").as_uri(),
            configured_lake=self.lake,
            configured_database=self.database,
            host_urls={},
            clock=self.clock,
            reconciliation=ReconciliationConfig.model_validate(RULES),
            autonomous=AutonomousConfig(),
        )
        project = open_project(settings)
        lake = mortal_lake(project.lake, self.doom, Written(self.home / "written"))
        project = replace(project, lake=lake, state=State(mortal_state(project.state.store, self.doom)))
        project._opened.append(MortalLedger(self.database, self.doom))
        return project

    def live(self) -> dict[str, int]:
        """Do it, and count what is still open."""
        project = self.project()
        self.meet()
        try:
            with self.records() as self.instance:
                for step in self.steps:
                    getattr(self, step)(project)
            standing = {state.value: count for state, count in project.ledger.counts().items() if count}
        finally:
            project.ledger.dispose()
        return standing | {"queued": project.state.read_json(QUEUE)["total_tasks"]}

    def records(self) -> AbstractContextManager[dg.DagsterInstance]:
        """Lend an instance of Dagster's."""
        return dg.DagsterInstance.ephemeral()

    def meet(self) -> None:
        """Wait until all are there that begin together."""
        if self.meets == 1:
            return
        here = Path(self.place or self.home) / "here"
        here.mkdir(exist_ok=True)
        (here / self.name).touch()
        while len(list(here.iterdir())) % self.meets:
            time.sleep(0.001)

    def release(self, project: Project) -> None:
        give_back(project, self.instance)

    def reconcile(self, project: Project) -> None:
        reconcile(project, SCRAPERS, mode="list", accept_loss=True)

    def collect(self, project: Project) -> None:
        """Collect the tasks of the queue, if there is one, in a run for each scraper."""
        if project.state.store.head(f"{QUEUE}.json") is None:
            return
        for scraper, task_ids in self.queued(project).items():
            keys = self.chosen(project, tasks.task_keys(project.state, task_ids))
            if keys:
                self.started += 1
                run = dg.DagsterRun(f"collect_{scraper}", f"{self.name}-{self.started}")
                with recording(project, run, self.instance, Stop(threading.Event())) as recorder:
                    self._run(project, scraper, keys, recorder)

    def queued(self, project: Project) -> Mapping[str, list[str]]:
        """Name the tasks to collect, by scraper: all of the queue."""
        queued = defaultdict(list)
        for task in project.state.read_json(QUEUE)["tasks"]:
            queued[task["scraper"]].append(task["id"])
        return queued

    def chosen(self, project: Project, keys: Sequence[tasks.TaskKey]) -> Sequence[tasks.TaskKey]:
        if self.most is None:
            return keys
        still_open = {state.key for state in project.ledger.states(states=CLAIMABLE)}
        return [key for key in keys if key.key in still_open][: self.most]

    def _run(self, project: Project, scraper: str, keys: Sequence[tasks.TaskKey], recorder: Recorder) -> None:
        got = recorder.claim(wishes(keys)).keys
        catalogue = load_catalogue(self.home / "scraper_config.yaml")
        limits = Limits(self.limits or self.home / "limits.sqlite")
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
                run_id=recorder.run,
                clock=project.clock,
                at_once=self.at_once,
                tasks={key.key: key.task_id for key in keys},
                recorder=recorder,
            )
        limits.dispose()
