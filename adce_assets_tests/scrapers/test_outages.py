"""A source that fails at everything: it is asked hardly more often than if it had answered, and ever more seldom."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from adce_assets.configuration import ReconciliationConfig, Retries
from adce_assets.fetch.asking import FREE_RETRIES
from adce_assets.fetch.client import Client
from adce_assets.fetch.limits import Limits
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.ledger import policy
from adce_assets.ledger.book import Ledger, open_ledger
from adce_assets.ledger.leases import Wish
from adce_assets.scrapers.catalogue import Catalogue, load_catalogue
from adce_assets.scrapers.collect import collect
from adce_assets.scrapers.interface import Wanted
from adce_assets.scrapers.recording import Recorder
from adce_assets_tests.scrapers.conftest import NOON
from adce_assets_tests.scrapers.every_scraper import Sent, Source

KEYS = 300
CELL = ("some", "things", "2024-25")
RULES = policy.Rules.of(ReconciliationConfig(retries=Retries(max_attempts=3, jitter=0)))


@dataclass
class Outage:
    """A source that has failed at everything so far, and runs that ask it all the same."""

    folder: Path
    source: Source
    ledger: Ledger
    requests: list[int] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def lake(self) -> LakeStore:
        return open_store((self.folder / "lake").as_uri())

    def catalogue(self, **host: Any) -> Catalogue:
        told: dict[str, Any] = {
            "base_url": self.source.url,
            "requests_per_second": 5000,
            "slowest_requests_per_second": 5000,
        }
        told |= {"burst": 5000, "attempts": 4, "concurrency": 8, "allow_private": True, **host}
        told["robots"] = {"ignored_because": "a test"}
        yields = {"some/things": {"requirements": {"must_have": ["a"]}}}
        entry = {"kind": "json_api", "host": "here", "path": "/{thing}", "yields": yields}
        document = {"contact": "https://example.org/contact", "hosts": {"here": told}, "scrapers": {"one": entry}}
        path = self.folder / "scraper_config.yaml"
        path.write_text(yaml.safe_dump(document))
        return load_catalogue(path)

    def run(self, now: datetime, **host: Any) -> None:
        """Make a run for everything that may be tried now, and note how often the source was asked."""
        catalogue, limits = self.catalogue(**host), Limits(self.folder / f"limits{len(self.requests)}.sqlite")
        wishes = [Wish(f"things/{number}", *CELL) for number in range(KEYS)]
        recorder = Recorder(self.ledger, f"run-{len(self.requests)}", lambda: now, timedelta(hours=1), RULES)
        before = len(self.source.asked.requests)
        with (
            Client(catalogue.hosts, limits, agent="adce/0", now=lambda: now, sleep=lambda _: None) as client,
            recorder,
        ):
            got = recorder.claim(wishes).keys
            wanted = [Wanted(key, *CELL, {"thing": key.partition("/")[2]}, None) for key in sorted(got)]
            told = {"client": client, "store": self.lake, "run_id": recorder.run, "clock": lambda: now}
            collect(catalogue.scrapers["one"], wanted, at_once=8, recorder=recorder, **told)
        limits.dispose()
        self.requests.append(len(self.source.asked.requests) - before)

    def states(self) -> Counter[str]:
        return Counter(state.state.value for state in self.ledger.states())


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    (tmp_path / "lake").mkdir()
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    with Source().running() as source:
        made = Outage(tmp_path, source, ledger)
        yield made
        made.ended.set()
    ledger.dispose()


def test_a_total_outage_costs_a_tenth_more_requests_than_its_first_attempts_and_the_free_retries(outage: Outage):
    outage.source.now_answers(lambda *_: (503, "text/plain", b"we are down"))
    outage.run(NOON)
    assert KEYS <= outage.requests[0] <= 1.1 * KEYS + FREE_RETRIES
    assert outage.states() == {"failed": KEYS}
    outage.run(NOON + timedelta(minutes=1))
    assert outage.requests[1] == 0
    outage.run(NOON + timedelta(hours=1))
    outage.run(NOON + timedelta(days=2))
    outage.run(NOON + timedelta(days=20))
    assert all(asked <= 1.1 * KEYS + FREE_RETRIES for asked in outage.requests)
    assert outage.requests[4] == 0
    assert outage.states() == {"dead_lettered": KEYS}


def test_a_source_that_hangs_for_everybody_is_left_alone_and_nobodys_key_has_failed_for_it(outage: Outage):
    def hang(_path: str, _query: dict[str, str]) -> Sent:
        outage.ended.wait(30)
        return 503, "text/plain", b"too late"

    outage.source.now_answers(hang)
    outage.run(NOON, read_timeout_s=0.2)
    assert outage.requests[0] <= 1.1 * KEYS + FREE_RETRIES
    assert outage.states()["detected"] >= KEYS - 2 * FREE_RETRIES
