"""The loop on Spark writes what it writes on DuckDB, file by file and row by row."""

import json
import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adce_assets.contract.events import events_table
from adce_assets.contract.loading import load_contract
from adce_assets.lake.store import OBJECT_SCHEMA, KeyRange, open_store
from adce_assets.loop import coverage, gaps, inventory, tasks
from adce_assets.loop.matching import Held, Matcher
from adce_assets.loop.project import Project
from adce_assets.loop.ranges import WHOLE, Known
from adce_assets.loop.state import State
from adce_assets.tables import engine, write_parquet
from adce_assets_tests.loop import hoops
from adce_assets_tests.loop.oracle import CONTRACT, TABLES, Oracle, label
from adce_assets_tests.loop.worlds import draw_world

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

pytestmark = pytest.mark.xdist_group("spark")  # Spark takes seconds to start: one process runs all of these

ENGINES = ("duckdb", "spark")
COLLECTED = CONTRACT.replace("{description: d,", "{scraper: any, description: d,")
"""The oracle's contract, with a scraper for what is written in one line, so that there is something to queue."""


@pytest.fixture(scope="module", autouse=True)
def spark() -> Iterator[None]:
    """Start Spark in the way that is done soonest with small tables: nothing compiled, nothing divided."""
    from adce_assets import tables_spark

    quick = {
        "spark.driver.extraJavaOptions": f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC {tables_spark.UTC}",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.inMemoryColumnarStorage.compressed": "false",
    }
    session = tables_spark.start("512MiB", "local[2]", **quick)
    yield
    session.stop()


def on(name: str, project: Project, folder: Path) -> Project:
    """Give a project another engine, and a state of its own."""
    configured = project.settings.reconciliation
    limits = configured.engine.model_copy(update={"backend": name})
    (folder / name).mkdir(exist_ok=True)
    settings = replace(project.settings, reconciliation=configured.model_copy(update={"engine": limits}))
    return replace(project, settings=settings, state=State(open_store((folder / name).as_uri())))


def reconcile(project: Project) -> None:
    inventory.take(project)
    coverage.analyse(project)
    gaps.find(project)
    tasks.plan(project, {"any"})


def written(folder: Path) -> dict[str, Any]:
    """Read every file of a state: tables with their types, documents as they are."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in {".parquet", ".json"})
    return {
        path.relative_to(folder).as_posix(): (
            pq.read_table(path, partitioning=None) if path.suffix == ".parquet" else json.loads(path.read_bytes())
        )
        for path in paths
    }


def lay_out(root: Path, seed: int) -> datetime:
    """Write a lake of some hundred files, each with its time, and return the moment to look at it."""
    chance = random.Random(seed)
    world = draw_world(seed, Oracle(), behind=False)
    for key, found in world.objects.items():
        body = chance.choice([b"{", b"{", b"{", b"<html>"]).ljust(found.size - 1) + b"}"
        season = re.fullmatch(r"schedule/(\d{4})-\d\d\.csv", key)
        put(root / key, table_of(world.games, int(season[1])).encode() if season else body, found.last_modified)
    return world.now


def put(path: Path, body: bytes, written: datetime) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    os.utime(path, (written.timestamp(),) * 2)


def table_of(games: Sequence[dict[str, Any]], season: int) -> str:
    lines = ["game_id,season_start,season_type,date,starts_at,status,home,away"]
    for game in games:
        if game["season"] == season:
            starts = game["starts_at"].isoformat() if game["starts_at"] else ""
            lines.append(f"{game['game_id']},{season},{game['type']},{game['day']},{starts},{game['status']},BOS,SEA")
    return "\n".join(lines) + "\n"


def damage(root: Path, seed: int) -> None:
    """Take away, cut off, move and bring in a few files."""
    chance = random.Random(seed)
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.parent.name != "schedule")
    for path in chance.sample(files, 12):
        path.unlink()
    for path in chance.sample([path for path in files if path.exists()], 6):
        path.write_bytes(b"{")
    for path in chance.sample([path for path in files if path.exists()], 3):
        path.rename(path.with_name(f"{path.name}.bak"))


@pytest.mark.parametrize("seed", [100, 101])
def test_the_whole_loop_writes_the_same_files_on_both_engines(workshop: "Workshop", tmp_path: Path, seed: int):
    project = workshop.project(COLLECTED, tables=TABLES)
    lake = project.settings.home / "lake"
    now = lay_out(lake, seed)
    project = replace(project, settings=replace(project.settings, clock=lambda: now))
    for name in ENGINES:
        reconcile(on(name, project, tmp_path))
    damage(lake, seed)
    for name in ENGINES:
        reconcile(on(name, project, tmp_path))

    on_duckdb, on_spark = (written(tmp_path / name) for name in ENGINES)

    assert len(on_duckdb["cache/task_keys.parquet"])
    assert [name for name in on_duckdb.keys() | on_spark.keys() if on_duckdb.get(name) != on_spark.get(name)] == []
