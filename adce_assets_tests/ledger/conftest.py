"""A ledger in each of the two databases, and what happens to keys of it in one line each."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from adce_assets.ledger.book import Ledger, open_ledger
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.transitions import Event

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)


def happened(
    event: str, key: str = "pbp/1.json", *, at: datetime = NOW, run: str = "run-1", **detail: Any
) -> Transition:
    """Tell of an event of a key of the cell espn/pbp 2024-25."""
    return Transition(key, Event(event), "espn", "pbp", "2024-25", at, run, "task-1", detail)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new ledger is to be kept."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/ledger.sqlite"
    return emptied(request.getfixturevalue("postgresql").get_uri())


def emptied(url: str) -> str:
    """Take a ledger out of its database, and return its URL."""
    if url.startswith("sqlite:///"):
        for file in Path(url.removeprefix("sqlite:///")).parent.glob("ledger.sqlite*"):
            file.unlink()
        return url
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS ledger_entries, ledger_keys, ledger_head")
    return url


@pytest.fixture
def tampered(database_url: str) -> Iterator[Callable[..., None]]:
    """Change the database behind the ledger's back."""
    engine = sa.create_engine(database_url)

    def run(*statements: sa.Executable) -> None:
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)

    yield run
    engine.dispose()


@pytest.fixture
def opened() -> Iterator[Callable[[str], Ledger]]:
    """Open ledgers, which are closed when the test is over."""
    ledgers = []

    def make(url: str) -> Ledger:
        ledgers.append(open_ledger(url))
        return ledgers[-1]

    yield make
    for ledger in ledgers:
        ledger.dispose()


@pytest.fixture
def ledger(opened: Callable[[str], Ledger], database_url: str) -> Ledger:
    """An empty ledger."""
    return opened(database_url)
