"""A small season that reconciles, and ways to spoil it at each step: in the lake, when read, when staged, when merged.

Documents are the demo's: sound in themselves. What is spoiled is one thing at a time, at one step, behind the back of
the code that does the step.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.demo import espn
from adce_assets.lake.store import LakeStore, StoredObject, open_store
from adce_assets.settings import load_settings
from adce_assets.verify import rereading
from adce_assets.verify.run import Place, reconcile
from adce_assets.warehouse import loading
from adce_assets.warehouse.database import Connection, Warehouse, open_warehouse
from adce_assets.warehouse.entities import Entity, load_entities
from adce_assets_tests.warehouse.conftest import InThisProcess

SEASON = "2024-25"
NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
ENTITIES: Mapping[str, Entity] = load_entities(load_settings({}).home / "config" / "reconcile")
Json = dict[str, Any]


def changed(name: str, **checks: Any) -> Mapping[str, Entity]:
    """All entities, with other checks for one of them."""
    entity = ENTITIES[name]
    return {**ENTITIES, name: entity.model_copy(update={"checks": entity.checks.model_copy(update=checks)})}


def document(number: int) -> Json:
    """ESPN's summary of a made-up game."""
    game = Game(
        game_id=f"40170{number:04d}",
        season_start=2024,
        season_type="regular",
        date=date(2025, 1, 14),
        starts_at=datetime(2025, 1, 15, 0, 30, tzinfo=UTC),
        status=GameStatus.FINAL,
        home=f"H{number % 3}",
        away=f"A{number % 3}",
    )
    return espn.summary(game, 7)


def key_of(number: int) -> str:
    """Where the summary of a game lies."""
    return f"box_scores/40170{number:04d}.json"


class Lake:
    """A lake that gives another body than it holds at a certain turn: 1 is who counts, 2 who reads, 3 who checks."""

    def __init__(self, store: LakeStore, written_at: datetime) -> None:
        self._store, self.written_at = store, written_at
        self._turns: Counter[str] = Counter()
        self.spoiled: dict[tuple[str, int], bytes] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Give what was prepared for this turn, or what is there."""
        self._turns[key] += 1
        return self.spoiled.get((key, self._turns[key])) or self._store.get(key, start=start, length=length)

    def head(self, key: str) -> StoredObject | None:
        """Say that all was written at one moment."""
        found = self._store.head(key)
        return found and StoredObject(found.key, found.size, found.etag, self.written_at)


@dataclass
class Tampering:
    """A warehouse in which SQL is run behind everybody's back: before a season is merged, or right after it."""

    warehouse: Warehouse
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    dies: Callable[[str], bool] = field(default=lambda _: False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.warehouse, name)

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator["Watched"]:
        with self.warehouse.transaction(alone=alone) as connection:
            yield Watched(connection, self)


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


class Watched:
    """A connection of which the moment of the merge is known."""

    def __init__(self, connection: Connection, by: Tampering) -> None:
        self._connection, self._by = connection, by

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        self._look(sql)
        if sql.startswith("SELECT outcome, staged FROM load_runs"):
            self._tamper(self._by.before)
        return self._connection.rows(sql, parameters)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        self._look(sql)
        return self._connection.execute(sql, parameters)

    def insert(self, table: str, columns: Any, rows: Any) -> int:
        self._look(f"INSERT INTO {table}")
        return self._connection.insert(table, columns, rows)

    def export(self, sql: str, parameters: Sequence[object], file: Path) -> int:
        self._look(sql)
        if file.stem == "staged":
            self._tamper(self._by.after)
            self._by.after = ()
        return self._connection.export(sql, parameters, file)

    def _tamper(self, statements: Sequence[str]) -> None:
        for statement in statements:
            assert self._connection.execute(statement), f"changed nothing: {statement}"

    def _look(self, sql: str) -> None:
        if self._by.dies(sql):
            raise Killed(sql)


@dataclass
class Workshop:
    """A lake, a warehouse and a place for reports in a folder."""

    folder: Path
    games: int = 3
    written_at: datetime = NOW - timedelta(days=1)
    clock: Callable[[], datetime] = lambda: NOW
    entities: Mapping[str, Entity] = field(default_factory=lambda: ENTITIES)
    database: str = ""

    def __post_init__(self) -> None:
        self.store = open_store((self.folder / "lake").as_uri(), make=True)
        self.lake = Lake(self.store, self.written_at)
        self.files = open_store((self.folder / "state").as_uri(), make=True)
        self.tampering: dict[str, Any] = {}

    def write(self, spoil: Callable[[int, Json], None] = lambda *_: None) -> None:
        """Put the documents into the lake."""
        for number in range(self.games):
            told = document(number)
            spoil(number, told)
            self.store.put(key_of(number), json.dumps(told).encode())

    @property
    def keys(self) -> list[str]:
        return [found.key for found in self.store.list("box_scores/")]

    @property
    def url(self) -> str:
        return self.database or f"duckdb://{self.folder / 'warehouse.duckdb'}"

    def copy(self, folder: Path) -> "Workshop":
        """Make the same workshop elsewhere."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Workshop(folder, self.games, self.written_at, self.clock, self.entities)

    def run(self, entity: str, run_id: str = "run-1", **how: Any) -> Json:
        """Reconcile a season of an entity, with one parser unless more are asked for."""
        given: dict[str, Any] = {"keys": lambda: {"espn": self.keys}, "processes": 1, "writers": 1, **how}
        with open_warehouse(self.url) as warehouse:
            tampered: Any = Tampering(warehouse, **self.tampering)
            lake: Any = self.lake
            place = Place(lake, tampered, self.files, self.entities, self.folder / "work", self.clock)
            return reconcile(place, entity, SEASON, run_id=run_id, **given)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        with open_warehouse(self.url) as warehouse, warehouse.transaction() as connection:
            return connection.rows(sql)

    def change(self, sql: str) -> None:
        """Change the warehouse."""
        with open_warehouse(self.url) as warehouse, warehouse.transaction() as connection:
            connection.execute(sql)


@contextmanager
def in_this_process() -> Iterator[None]:
    """Parse without processes of their own, which are not what is tested here: each costs a third of a second."""
    with pytest.MonkeyPatch.context() as patched:
        for module in (loading, rereading):
            patched.setattr(module, "Parser", InThisProcess)
        yield


def failed(told: Json) -> dict[str, Json]:
    """What does not hold of a report, by id."""
    return {one["id"]: one for one in told["checks"] if one["state"] != "passed"}


def named(told: Json) -> set[str]:
    """Every value that names a row of which something differs."""
    rows = [row for one in failed(told).values() for row in one["rows"]]
    return {value for row in rows for value in json.loads(row["key"]).values()}
