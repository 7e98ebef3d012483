"""A made-up harbour: ships report what they unload, in JSON and HTML; and a warehouse in each of the two databases."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest

from adce_assets.lake.store import LakeStore, open_store
from adce_assets.warehouse import loading, parser
from adce_assets.warehouse.database import Connection, Warehouse, open_warehouse
from adce_assets.warehouse.entities import Entity
from adce_assets.warehouse.loading import stage
from adce_assets.warehouse.publishing import publish
from adce_assets.warehouse.staged import Counts

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
SEASON = "2024-25"

CARGO: dict[str, Any] = {
    "name": "cargo",
    "columns": {
        "ship": {"type": "text", "nullable": False},
        "item": {"type": "text", "nullable": False},
        "tons": {"type": "decimal", "scale": 3},
        "pieces": {"type": "integer"},
        "landed": {"type": "timestamp"},
        "note": {"type": "text"},
    },
    "key": ["ship", "item"],
    "readings": [
        {
            "source": "harbour",
            "data_type": "reports",
            "format": "json",
            "count": "length(holds[*].items[*].item[])",
            "levels": [{"name": "hold", "each": "holds"}, {"name": "entry", "each": "items"}],
            "columns": {
                "ship": "document.ship",
                "item": "entry.item",
                "tons": "entry.tons",
                "pieces": "entry.pieces",
                "landed": "entry.landed",
                "note": "entry.note",
            },
        },
        {
            "source": "pilots",
            "data_type": "pages",
            "format": "html",
            "count": "count(//td[@class='item'])",
            "levels": [{"name": "row", "each": "//table/tr[td]"}],
            "columns": {
                "ship": "document.//h1",
                "item": "row.td[@class='item']",
                "pieces": "row.td[@class='pieces']",
            },
        },
    ],
}


def entity(**changes: Any) -> Entity:
    """Declare what is unloaded."""
    return Entity.model_validate({**CARGO, **changes})


def entry(item: str, **values: Any) -> dict[str, Any]:
    """Report an item."""
    return {"item": item, "tons": 1.5, "pieces": 1, "landed": "2025-01-01T10:00:00+01:00", **values}


def report(ship: str, *entries: Mapping[str, Any]) -> bytes:
    """Write a ship's report."""
    return json.dumps({"ship": ship, "holds": [{"items": list(entries)}]}).encode()


def page(ship: str, *items: tuple[str, int]) -> bytes:
    """Write a pilot's page."""
    rows = "".join(f"<tr><td class='item'>{item}</td><td class='pieces'>{n}</td></tr>" for item, n in items)
    return f"<html><body><h1>{ship}</h1><table>{rows}</table></body></html>".encode()


def ticking() -> Callable[[], datetime]:
    """Make a clock that goes on by a second whenever it is looked at."""
    seconds = count()
    return lambda: NOON + timedelta(seconds=next(seconds))


@pytest.fixture
def lake(tmp_path: Path) -> LakeStore:
    """An empty lake."""
    return open_store((tmp_path / "lake").as_uri(), make=True)


@pytest.fixture(params=["duckdb", "postgresql"])
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new warehouse is to be."""
    if request.param == "duckdb":
        return f"duckdb://{tmp_path}/deep/warehouse.duckdb"
    return emptied(request.getfixturevalue("postgresql").get_uri(), "adce_warehouse_test")


def emptied(url: str, schema: str) -> str:
    """Make a schema of a PostgreSQL empty, and return the URL by which it is what is seen."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            f"SET client_min_messages = error; DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"
        )
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={schema}')}"


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """An empty warehouse."""
    with open_warehouse(warehouse_url) as opened:
        yield opened


@pytest.fixture
def duck(tmp_path: Path) -> Iterator[Warehouse]:
    """An empty warehouse in a file, where it does not matter which."""
    with open_warehouse(f"duckdb://{tmp_path}/warehouse.duckdb") as opened:
        yield opened


class InThisProcess:
    """A parser that starts no process: the same code, and what it tells makes the same way through JSON."""

    def __init__(self, declared: Entity) -> None:
        self._declared, self.pid = declared, os.getpid()

    def parse(self, source: str, body: bytes) -> parser.Parsed:
        """Parse a document."""
        return parser.understood(parser.answer(self._declared, source, body))

    def end(self) -> str:
        """Say how it ended."""
        return "ended"


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let loads start no processes, where those are not what is tested: each costs a third of a second."""
    monkeypatch.setattr(loading, "Parser", InThisProcess)


def asked(warehouse: Warehouse, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Ask a question."""
    with warehouse.transaction() as connection:
        return connection.rows(sql, parameters)


def contented(_: Connection) -> None:
    """Agree to whatever is to be published."""


Keys = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Balance:
    """What the tables say of a run: the sums that its coordinator wrote down, and those of its objects by worker."""

    counts: Counts
    workers: Mapping[str, Counts]


def staged(lake: LakeStore, warehouse: Warehouse, keys: Keys, *, run: str = "run-1", **options: Any) -> Balance:
    """Stage what is unloaded, with few processes."""
    given: dict[str, Any] = {"entity": entity(), "clock": ticking(), "processes": 1, "writers": 1, **options}
    stage(lake, season=SEASON, keys=keys, warehouse=warehouse, run_id=run, **given)
    names = "read, processed, errored, deduplicated, staged, rejected"
    of_run, ids = "run_id = ? AND entity = ? AND season = ?", (run, given["entity"].name, SEASON)
    (counts,) = asked(warehouse, f"SELECT {names} FROM load_runs WHERE {of_run}", *ids)
    workers: dict[str, Counts] = {}
    for worker, *own in asked(warehouse, f"SELECT worker_id, {names} FROM load_objects WHERE {of_run}", *ids):
        workers[worker] = workers.get(worker, Counts()) + Counts(*own)
    return Balance(Counts(*counts), workers)


def published(warehouse: Warehouse, run: str = "run-1", verify: Callable[[Connection], None] = contented) -> None:
    """Publish what a run has staged."""
    publish(warehouse, entity(), SEASON, run, clock=ticking(), verify=verify)
