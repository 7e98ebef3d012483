"""Two machines on one PostgreSQL and one S3 server, and one limit of the source that both ask; one of them dies.

Each has a home of its own, and its own processes. What is asked is counted where it arrives.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from adce_assets_tests.scrapers.every_scraper import Sent
from adce_assets_tests.whole import mortal
from adce_assets_tests.whole.conftest import Deadly, Nursery, Places, Small, body
from adce_assets_tests.whole.machines import aws

RATE, BURST, JITTER_S = 12, 4, 0.3
"""Requests per second and at once that the source allows, and how much later than allowed one may arrive."""
THINGS, KILLED_AT = 12, 18
LEASE_HOURS = 3.0
"""Longer than a dead machine's keys are kept for it."""


class Watched(Deadly):
    """A source that notes when which process asked for what, and kills one of two once it was asked often enough."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[float, int, str]] = []
        self.killed = ""
        self._noting = threading.Lock()

    def take(self, target: str, headers: Mapping[str, str]) -> Sent:
        with self._noting:
            asked_by, key = int(headers["User-Agent"].removeprefix("adce/")), f"{target.strip('/')}.json"
            self.log.append((time.monotonic(), asked_by, key))
            if not self.killed and len(self.log) >= KILLED_AT and len({process for _, process, _ in self.log}) == 2:
                self.killed = key
                os.kill(asked_by, signal.SIGKILL)
        return super().take(target, headers)


@pytest.fixture
def source() -> Iterator[Watched]:
    with Watched().running() as started:
        assert isinstance(started, Watched)
        yield started


@pytest.fixture
def places(tmp_path: Path, postgresql: Any, moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Places:
    """What both machines share."""
    for name, value in (environment := aws(moto_url)).items():
        monkeypatch.setenv(name, value)
    bucket = f"two-hosts-{tmp_path.name.replace('_', '-')}"[:63].strip("-")
    boto3.client("s3").create_bucket(Bucket=bucket)
    postgresql.psql("DROP DATABASE IF EXISTS two_hosts;")
    postgresql.psql("CREATE DATABASE two_hosts;")
    url = postgresql.get_uri("two_hosts")
    return Places(f"s3://{bucket}/data", url, environment, state=f"s3://{bucket}/state", limits=url)


@pytest.fixture
def hosts(tmp_path: Path, places: Places, nursery: Nursery, source: Watched) -> list[Small]:
    """Two machines with the same configuration; ``lives`` tells their runs apart."""
    made = [Small(tmp_path / f"host{number}", places, nursery, source, lives=100 * number) for number in range(2)]
    for host in made:
        host.names = {kind: [f"good-{number}" for number in range(THINGS)] for kind in ("things", "others")}
        mortal.write_contract(host.home, host.names)
        mortal.write_catalogue(host.home, source.url, requests_per_second=RATE, burst=BURST)
    return made


def within_the_limit(times: list[float]) -> bool:
    """Tell whether in no stretch of time more arrived than is allowed in it."""
    return all(
        count <= BURST + RATE * (last - first + JITTER_S) + 1
        for at, first in enumerate(times)
        for count, last in enumerate(times[at:], 1)
    )


def test_of_two_machines_one_dies_and_the_other_does_it_all_within_one_limit(
    hosts: list[Small], source: Watched, tmp_path: Path
):
    assert hosts[0].live(steps=["reconcile"]) == 0
    together = [host.life(steps=["collect"], meets=2, place=str(tmp_path)) for host in hosts]
    ends = hosts[0].nursery.let_live(*together)
    assert sorted(ends) == [-signal.SIGKILL, 0]
    assert within_the_limit([at for at, _, _ in source.log])
    survivor = hosts[ends.index(0)]
    survivor.hours = LEASE_HOURS
    survivor.live_on()
    check(hosts, survivor, source)


def check(hosts: list[Small], survivor: Small, source: Watched) -> None:
    """Look whether all is there, and nothing was done twice but what the dead machine was about to do."""
    keys = survivor.keys
    assert survivor.lake() == {key: body(f"/{key.removesuffix('.json')}") for key in keys}
    written = [key for host in hosts for key, times in host.written().items() for _ in times]
    assert sorted(written) == sorted(keys)
    assert within_the_limit([at for at, _, _ in source.log])
    twice = [key for key in keys if len(survivor.asked(key)) > 1]
    assert twice == [source.killed]
    with survivor.ledger() as ledger:
        assert ledger.verify().faults == ()
        assert {state.key: state.state.value for state in ledger.states()} == dict.fromkeys(keys, "closed")
