"""The misbehaving server, a clock that only tests turn, and a client that waits for neither."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from adce_assets.fetch import network
from adce_assets.fetch.client import Client
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Limits
from adce_assets_tests.fetch.notebook import Notebook
from adce_assets_tests.misbehaving import Clock, MisbehavingServer, running

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with running() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(tmp_path: Path, clock: Clock) -> Iterator[Notebook]:
    limits = Notebook(tmp_path / "limits.sqlite", clock)
    yield limits
    limits.dispose()


def host(url: str, **changes: Any) -> Host:
    """Declare a host that is asked without waiting and may be on this machine."""
    fields = {
        "base_url": url,
        "requests_per_second": 1000,
        "burst": 1000,
        "allow_private": True,
        "attempts": 1,
        "robots": {"ignored_because": "a test that is not about it"},
    }
    return Host.model_validate(fields | changes)


@pytest.fixture
def client_of(limits: Limits, clock: Clock) -> Iterator[Callable[..., Client]]:
    """Make clients of one host named ``it``; keyword arguments change the host's entry."""
    clients = []

    def make(
        url: str,
        *,
        resolver: network.Resolver = network.resolve,
        secrets: Callable[[str], str | None] = lambda _: None,
        **changes: Any,
    ) -> Client:
        clients.append(
            Client(
                {"it": host(url, **changes)},
                limits,
                agent="adce/0 (+test)",
                now=lambda: NOW,
                secrets=secrets,
                monotonic=clock.monotonic,
                sleep=clock.sleep,
                jitter=lambda: 0.5,
                resolver=resolver,
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where limits are kept: a new file, or an empty table."""
    if request.param == "sqlite":
        return str(tmp_path / "deep" / "limits.sqlite")
    url = request.getfixturevalue("postgresql").get_uri()
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS adce_limits")
    return url
