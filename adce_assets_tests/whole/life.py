"""An installation that lives: real daemons, PostgreSQL, an S3 server and moody sources in, what is wrong of it out.

Whoever lets it live lets games be played, gives sources their moods, and waits. When the sources are well again, every
key must come to the end that its number says: closed with the right object in the lake, or accounted for. Processes of
runs may be killed meanwhile. Too long for a test: see `benchmarks/life.py`.
"""

import json
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import boto3
import psycopg2
import yaml

from adce_assets.lake.store import open_store
from adce_assets.ledger.book import open_ledger
from adce_assets.ledger.receipts import completion_key
from adce_assets.ledger.transitions import UNDER_WAY
from adce_assets_tests.whole.machines import ROOT, Machine, aws
from adce_assets_tests.whole.moody import WELL, Moody, body, fate

KINDS = {"alpha": "plays", "beta": "boxes", "gamma": "shots"}
"""The hosts, and what each of them has of a game."""
CONTRACT = r"""
version: 1
leagues:
  nba: {{first_season: {before}, season_starts: {starts}}}
ids:
  game: {{pattern: 'g\d{{5}}'}}
schedules:
  games: {{league: nba, id: game, documents: [{{data_set: some/schedule, format: games_table}}]}}
sources:
  some:
    description: games
    league: nba
    schedule: games
    data_types:
      schedule: {{description: games, templates: ['schedule/{{season}}.csv']}}
{kinds}
"""
KIND = """
      {kind}:
        description: what {kind} a game had
        for_each: [game]
        templates: ['{kind}/{{game_id}}.json']
        scraper: {kind}
        grace_hours: 0
"""
ENDS = {"none": "tombstoned", "gone": "dead_lettered"}
"""How keys end whose fate is not good; all others are closed."""
BUCKET, SEASON_STARTS = "life", 10
HEADER = "game_id,season_start,season_type,date,starts_at,status,home,away\n"
LEAST_GROWTH_MB, GROWTH = 15.0, 1.10
"""How much more memory a process may have in the last third of a life than in the second."""
FINISHED = ("SUCCESS", "FAILURE", "CANCELED")


@dataclass(frozen=True, slots=True)
class Places:
    """The servers of a life: a database of PostgreSQL that is empty, and an S3 server."""

    database_url: str
    s3_url: str

    @property
    def environment(self) -> dict[str, str]:
        """Lead a process to them."""
        return {
            **dict.fromkeys(("ADCE_DAGSTER_URL", "ADCE_DATABASE_URL", "ADCE_LIMITS"), self.database_url),
            "ADCE_LAKE": f"s3://{BUCKET}/data",
            **aws(self.s3_url),
        }


@dataclass
class Life:
    """An installation on some machines, and what has been done to it."""

    folder: Path
    places: Places
    sources: Mapping[str, Moody]
    quorum: int = 1
    games: list[tuple[str, int]] = field(default_factory=list)
    deleted: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    markers: Iterator[int] = field(default_factory=lambda: count(1))
    machines: list[Machine] = field(default_factory=list)
    memory: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the bucket and the configuration."""
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        self.lake = open_store(self.places.environment["ADCE_LAKE"])
        self.ledger = open_ledger(self.places.database_url)
        today = datetime.now(UTC).date()
        self.season = today.year - (today.month < SEASON_STARTS)

    @contextmanager
    def living(self, machines: int) -> Iterator[None]:
        """Let so many machines live for the length of the block."""
        with ExitStack() as stack:
            for number in range(machines):
                home = self.folder / f"machine{number}"
                self._write_home(home)
                own = {"ADCE_HOME": str(home), "ADCE_STATE": (self.folder / "state").as_uri()}
                machine = Machine(home / "dagster", self.places.environment | own)
                self.machines.append(stack.enter_context(machine))
            yield

    def _write_home(self, home: Path) -> None:
        shutil.copytree(ROOT / "config", home / "config", ignore=shutil.ignore_patterns("scrapers"))
        (home / "inventory").mkdir()
        kinds = "".join(KIND.format(kind=kind) for kind in KINDS.values())
        contract = CONTRACT.format(starts=SEASON_STARTS, before=_label(self.season - 1), kinds=kinds)
        (home / "inventory" / "data_inventory.yaml").write_text(contract)
        (home / "config" / "scraper_config.yaml").write_text(yaml.safe_dump(self._catalogue()))
        change(home / "config" / "reconciliation_config.yaml", self._rules())
        change(home / "config" / "autonomous_config.yaml", HURRIED)

    def _catalogue(self) -> dict[str, Any]:
        host = {"requests_per_second": 50, "burst": 20, "concurrency": 4, "allow_private": True, "attempts": 1}
        host |= {"read_timeout_s": 1, "deadline_s": 3, "jail_s": 2, "robots": {"ignored_because": "a test"}}
        return {
            "contact": "https://example.org/contact",
            "hosts": {name: host | {"base_url": source.url} for name, source in self.sources.items()},
            "scrapers": {
                kind: {
                    "kind": "json_api",
                    "host": name,
                    "path": f"/{kind}/{{game_id}}",
                    "absent_statuses": [404],
                    "yields": {f"some/{kind}": {"requirements": {"id_path": "id", "id_is": "{game_id}"}}},
                }
                for name, kind in KINDS.items()
            },
        }

    def _rules(self) -> dict[str, dict[str, Any]]:
        return {
            "engine": {"threads": 1},
            "retries": {"backoff_minutes": 0.05, "backoff_factor": 1.5, "max_attempts": 30},
            "tombstones": {"quorum": self.quorum, "probe_hours": 0.002},
        }

    def night(self, games: int, *, old: int = 0, moods: Mapping[str, str] | None = None) -> None:
        """Let games be played (and ``old`` ones of the season before be found), and sources have these moods."""
        for name, source in self.sources.items():
            source.mood = (moods or {}).get(name, WELL)
        self.games += [(f"g{next(self.numbers):05d}", self.season) for _ in range(games)]
        self.games += [(f"g{next(self.numbers):05d}", self.season - 1) for _ in range(old)]
        days = {self.season - 1: date(self.season, 1, 10), self.season: datetime.now(UTC).date() - timedelta(days=2)}
        for season, day in days.items():
            rows = [_row(game, season, day) for game, of in self.games if of == season]
            self.lake.put(f"schedule/{_label(season)}.csv", (HEADER + "".join(rows)).encode())
        self.tell()

    def tell(self) -> None:
        """Leave a marker, as the program does that writes the schedule; a reconciliation follows."""
        now, label = datetime.now(UTC).isoformat(), _label(self.season)
        told = {"schema": 1, "source": "some", "data_type": "schedule", "season": label, "status": "ok", "keys": None}
        told |= {"records": None, "started_at": now, "finished_at": now, "producer": "another"}
        key = completion_key("some", "schedule", label, f"marker{next(self.markers)}")
        self.lake.put(key, json.dumps(told).encode())

    def lose(self, most: int) -> None:
        """Delete some of what was collected."""
        closed = [state.key for state in self.ledger.states() if state.state.value == "closed"]
        for key in [key for key in closed if "schedule" not in key][:most]:
            self.deleted[key] += 1
            self.lake.delete(key)

    def expected(self) -> dict[str, str]:
        """Say how each key ends."""
        return {
            f"{kind}/{game}.json": ENDS.get(fate(game), "closed") for game, _ in self.games for kind in KINDS.values()
        }

    def states(self) -> dict[str, str]:
        """Say how each key stands."""
        return {state.key: state.state.value for state in self.ledger.states() if "schedule" not in state.key}

    def settled(self) -> bool:
        """Tell whether every key has come to its end, and no run is left."""
        return self.states() == self.expected() and not self.unfinished()

    def wait(self, done: Callable[[], bool], seconds: float, *, tell_every: float | None = None) -> bool:
        """Wait until something is so; tell whether it came to be. Markers may be left meanwhile."""
        until, told = time.monotonic() + seconds, time.monotonic()
        while not done():
            if time.monotonic() > until or not all(machine.is_well() for machine in self.machines):
                return False
            if tell_every and time.monotonic() - told > tell_every:
                told = time.monotonic()
                if not self.unfinished():
                    self.tell()
            time.sleep(0.5)
        return True

    def kill(self) -> bool:
        """Kill the process of a run that holds keys; tell whether there was one."""
        held = list(self.ledger.states(states=UNDER_WAY))
        events = self._ask("SELECT event FROM event_logs WHERE run_id = %s", held[0].run) if held else []
        found = re.findall(r"\(pid: (\d+)\)", "".join(event for (event,) in events))
        if not found:
            return False
        with suppress(ProcessLookupError):
            os.kill(int(found[0]), signal.SIGKILL)
        self.killed.update(state.key for state in held if state.run == held[0].run)
        return True

    def retried(self) -> int:
        """Count the runs that Dagster has tried again."""
        return self._ask("SELECT count(*) FROM run_tags WHERE key = 'dagster/parent_run_id'")[0][0]

    def runs(self) -> Counter[str]:
        """Count the runs by status."""
        return Counter(dict(self._ask("SELECT status, count(*) FROM runs GROUP BY status")))

    def unfinished(self) -> int:
        """Count the runs that are queued or running."""
        return sum(number for status, number in self.runs().items() if status not in FINISHED)

    def reconciliations(self) -> int:
        """Count those that have come to an end."""
        asked = "SELECT count(*) FROM runs WHERE pipeline_name = 'reconciliation_job' AND status = 'SUCCESS'"
        return self._ask(asked)[0][0]

    def _ask(self, question: str, *values: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.places.database_url)) as connection, connection.cursor() as cursor:
            cursor.execute(question, values)
            return cursor.fetchall()

    def measure(self) -> None:
        """Note how much memory the processes have."""
        self.memory.append(
            {
                f"{name}{number}": megabytes
                for number, machine in enumerate(self.machines)
                for name, megabytes in machine.memory_mb().items()
            }
        )

    def faults(self) -> list[str]:
        """Say all that is not as it should be."""
        return [*self._wrong_states(), *self._wrong_lake(), *self._wrong_ledger(), *self._asked_twice(), *self._grown()]

    def _wrong_states(self) -> Iterator[str]:
        states, expected = self.states(), self.expected()
        for key in sorted(states.keys() | expected.keys()):
            if states.get(key) != expected.get(key):
                yield f"{key} is {states.get(key)}, not {expected.get(key)}"
        if self.unfinished():
            yield f"runs are left: {self.runs()}"

    def _wrong_lake(self) -> Iterator[str]:
        held = {found.key for kind in KINDS.values() for found in self.lake.list(f"{kind}/")}
        wanted = {key for key, end in self.expected().items() if end == "closed"}
        yield from (f"{key} is in the lake on one side only" for key in sorted(held ^ wanted))
        for key in sorted(held & wanted):
            if self.lake.get(key) != body(f"/{key.removesuffix('.json')}"):
                yield f"{key} holds something else"

    def _wrong_ledger(self) -> Iterator[str]:
        yield from (f"the ledger: {fault}" for fault in self.ledger.verify().faults)
        for key, end in self.expected().items():
            events = Counter(entry.event.value for entry in self.ledger.entries(key))
            if events[end] != 1 + self.deleted[key]:
                yield f"{key} was {end} {events[end]} times, and deleted {self.deleted[key]} times"

    def _asked_twice(self) -> Iterator[str]:
        for source in self.sources.values():
            for path, times in source.whole.items():
                key = f"{path.strip('/')}.json"
                # Of a killed run nobody knows whether it had read what it was sent.
                if not 1 + self.deleted[key] <= times <= 1 + self.deleted[key] + self.killed[key]:
                    yield f"{path} was fetched {times} times"

    def _grown(self) -> Iterator[str]:
        third = len(self.memory) // 3
        if not third:
            return
        for name in self.memory[0]:
            before, after = (
                median(told[name] for told in part) for part in (self.memory[third : 2 * third], self.memory[-third:])
            )
            if after > max(before * GROWTH, before + LEAST_GROWTH_MB):
                yield f"{name} has grown from {before} to {after} MB"

    def told(self) -> dict[str, Any]:
        """Sum up what happened."""
        return {
            "keys": len(self.expected()),
            "states": dict(Counter(self.states().values())),
            "deleted": self.deleted.total(),
            "killed_while_held": self.killed.total(),
            "runs_tried_again": self.retried(),
            "reconciliations": self.reconciliations(),
            "runs": dict(self.runs()),
            "requests": {name: len(source.log) for name, source in self.sources.items()},
            "whole": {name: source.whole.total() for name, source in self.sources.items()},
            "entries": self.ledger.head().seq,
            "memory_mb": self.memory,
            "cpu_seconds": [round(machine.cpu_seconds(), 1) for machine in self.machines],
        }


HURRIED = {
    "intervals": {"completion_seconds": 5, "task_queue_seconds": 5, "reconcile_cron": "*/2 * * * *"},
    "completions": {"quiet_seconds": 2, "longest_wait_seconds": 10},
    "canary": {"cron": "0 0 1 1 *"},
}


def _label(season: int) -> str:
    return f"{season}-{(season + 1) % 100:02d}"


def _row(game: str, season: int, day: date) -> str:
    return f"{game},{season},regular,{day},{day}T01:00:00Z,final,BOS,LAL\n"


def change(file: Path, sections: Mapping[str, Mapping[str, Any]]) -> None:
    """Write other values into sections of a configuration file."""
    config = yaml.safe_load(file.read_text())
    for name, values in sections.items():
        config[name] = config.get(name, {}) | values
    file.write_text(yaml.safe_dump(config))
