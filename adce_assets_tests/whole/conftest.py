"""Small installations over one source, and a nursery for the processes that live in them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from adce_assets.lake.store import LakeStore, open_store
from adce_assets.ledger.book import Ledger, open_ledger
from adce_assets.ledger.receipts import RECEIPTS
from adce_assets_tests.ledger.conftest import emptied
from adce_assets_tests.scrapers.every_scraper import JSON, NOTHING, Sent, Source
from adce_assets_tests.whole import mortal
from adce_assets_tests.whole.doom import Written
from adce_assets_tests.whole.machines import aws

OPEN = {"detected", "planned", "leased", "fetched", "staged", "audited", "promoted", "seen", "failed"}
GONE: Sent = (410, "text/plain", b"gone for good")
SPOILT: Sent = (200, JSON, b'{"name": ')
"""What breaks off in the middle, and is whole another time."""


def body(path: str) -> bytes:
    """Make the document of a thing: its number gives its size."""
    number = int(path.rsplit("-", 1)[-1].removesuffix(".json"))
    return json.dumps({"name": path.removesuffix(".json"), "pad": "x" * (number * 977 % 4000)}).encode()


class Deadly(Source):
    """A source that says of each thing what its name says, and kills who asks it for the n-th time, if it is told to.

    ``good`` and ``poor`` things are there at once, ``late`` ones the second time; of ``none`` there is nothing yet, and
    ``gone`` ones are gone.
    """

    def __init__(self) -> None:
        super().__init__()
        vars(self._server)["handle_error"] = lambda *_: None  # whoever asked is dead
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self.kill_at = 0

    def take(self, target: str, headers: Mapping[str, str]) -> Sent:
        with self._lock:
            self.kill_at -= 1
            asked = len(self.times[target])
            self.times[target].append(time.monotonic())
            if self.kill_at == 0:
                os.kill(int(headers["User-Agent"].removeprefix("adce/")), signal.SIGKILL)
        fate = re.findall(r"/(\w+)-", target)[-1]
        return {"none": NOTHING, "gone": GONE}.get(fate) or (
            SPOILT if fate == "late" and not asked else (200, JSON, body(target))
        )


@dataclass
class Nursery:
    """Where processes are born and waited for."""

    process: "subprocess.Popen[str]"

    def let_live(self, *lives: Mapping[str, Any]) -> list[int]:
        """Let lives go on side by side to their ends; return how each ended, as a signal (below 0) or a status."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{json.dumps(lives)}\n")
        self.process.stdin.flush()
        told = self.process.stdout.readline()
        assert told, "the nursery has died"
        return json.loads(told)


@contextmanager
def begun() -> Iterator[Nursery]:
    """Lend a nursery."""
    started = [sys.executable, "-m", "adce_assets_tests.whole.nursery"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with begun() as lent:
        yield lent


@pytest.fixture(scope="session")
def deadly() -> Iterator[Deadly]:
    with Deadly().running() as source:
        assert isinstance(source, Deadly)
        yield source


@dataclass(frozen=True)
class Places:
    """Where an installation keeps its lake and its ledger, and what its processes find in their environment.

    ``state`` and ``limits`` are where machines share these; empty: each has its own.
    """

    lake: str
    database: str
    environment: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    limits: str = ""


@dataclass
class Small:
    """An installation of two cells that grows; time passes with each life that is lived in it."""

    home: Path
    places: Places
    nursery: Nursery
    source: Deadly
    at_once: int = 1
    names: dict[str, list[str]] = field(default_factory=lambda: {"things": [], "others": []})
    lives: int = 0
    hours: float = 0.0

    def __post_init__(self) -> None:
        for folder in ("inventory", "lake"):
            (self.home / folder).mkdir(parents=True)
        mortal.write_catalogue(self.home, self.source.url)

    def grow(self, *fates: str) -> None:
        """Let the contract ask for one thing more of each fate, in the two cells by turns."""
        for fate in fates:
            count = sum(map(len, self.names.values()))
            kind = ("things", "others")[count % 2]
            name = f"{fate}-{count + 1}"
            self.names[kind].append(name)
            if fate == "poor":
                self.store.put(f"{kind}/{name}.json", b"{")
        mortal.write_contract(self.home, self.names)

    def life(self, **how: Any) -> dict[str, Any]:
        """Describe the next life."""
        self.lives += 1
        self.hours += 0.25
        where = {"home": str(self.home), **vars(self.places)}
        return where | {"name": f"life{self.lives}", "ahead": self.hours, "at_once": self.at_once} | how

    def live(self, **how: Any) -> int:
        (end,) = self.nursery.let_live(self.life(**how))
        return end

    def live_on(self, most: int = 8) -> int:
        """Let undisturbed lives follow until nothing is open; return how many there were."""
        told: dict[str, int] = {}
        for count in range(1, most + 1):
            assert self.live(steps=["release", "reconcile", "collect"]) == 0
            told = json.loads((self.home / f"life{self.lives}.json").read_text())
            if not told["queued"] and not OPEN & told.keys():
                return count
        raise AssertionError(f"still open after {most} lives: {told}")

    @property
    def store(self) -> LakeStore:
        return open_store(self.places.lake)

    def lake(self) -> dict[str, bytes]:
        """Read the data of the lake."""
        store = self.store
        return {found.key: store.get(found.key) for found in store.list() if not found.key.startswith("_adce/")}

    def receipts(self) -> dict[str, list[dict[str, Any]]]:
        """Read the receipts of each object, by key."""
        found, store = defaultdict(list), self.store
        for written in store.list(RECEIPTS):
            for receipt in json.loads(store.get(written.key))["receipts"]:
                found[receipt["key"]].append(receipt)
        return dict(found)

    def written(self) -> dict[str, list[float]]:
        """Say when each key was written, by the machine's clock."""
        found: defaultdict[str, list[float]] = defaultdict(list)
        for key, at in Written(self.home / "written").read():
            found[key].append(at)
        return found

    def asked(self, key: str) -> list[float]:
        """Say when the source was asked for a key."""
        return self.source.times[f"/{key.removesuffix('.json')}"]

    @property
    def keys(self) -> list[str]:
        return [f"{kind}/{name}.json" for kind, names in self.names.items() for name in names]

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        ledger = open_ledger(self.places.database)
        try:
            yield ledger
        finally:
            ledger.dispose()


@pytest.fixture
def small(tmp_path: Path, nursery: Nursery, deadly: Deadly) -> Small:
    """An installation over a folder, with its ledger in a file."""
    deadly.times.clear()
    home = tmp_path / "home"
    return Small(home, Places((home / "lake").as_uri(), f"sqlite:///{home}/ledger.sqlite"), nursery, deadly)


@pytest.fixture
def served(
    tmp_path: Path, nursery: Nursery, deadly: Deadly, postgresql: Any, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> Small:
    """An installation over an S3 server, with its ledger in PostgreSQL."""
    deadly.times.clear()
    for name, value in (environment := aws(moto_url)).items():
        monkeypatch.setenv(name, value)
    bucket = f"killed-{tmp_path.name.replace('_', '-')}"[:63].strip("-")
    boto3.client("s3").create_bucket(Bucket=bucket)
    places = Places(f"s3://{bucket}/data", emptied(postgresql.get_uri()), environment)
    return Small(tmp_path / "home", places, nursery, deadly)
