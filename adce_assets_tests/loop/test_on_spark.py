"""The loop on Spark writes what it writes on DuckDB, file by file and row by row.

Spark takes seconds to start: `ci_plugin` sees to it that one process runs all of these.
"""

import json
import os
import random
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from adce_assets.configuration import Engine
from adce_assets.contract.events import events_table
from adce_assets.demo.report_writer import write_report
from adce_assets.errors import ConfigurationError
from adce_assets.lake import report
from adce_assets.lake.slices import Slice
from adce_assets.lake.store import OBJECT_SCHEMA, KeyRange, open_store
from adce_assets.loop import coverage, gaps, inventory, tasks
from adce_assets.loop.holdings import Holdings, Report
from adce_assets.loop.matching import Held, Matcher
from adce_assets.loop.project import Project
from adce_assets.loop.ranges import WHOLE, Known
from adce_assets.loop.state import State
from adce_assets.tables import engine, sees_local_files, write_parquet
from adce_assets_tests.loop import hoops
from adce_assets_tests.loop.oracle import CONTRACT, TABLES, Oracle
from adce_assets_tests.loop.worlds import draw_world

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

ENGINES = ("duckdb", "spark")
COLLECTED = CONTRACT.replace("{description: d,", "{scraper: any, description: d,")
"""The oracle's contract, with a scraper for what is written in one line, so that there is something to queue."""


@pytest.fixture(scope="module", autouse=True)
def spark() -> Iterator[None]:
    """Start Spark in the way that is done soonest with small tables: nothing compiled, nothing divided."""
    from adce_assets import tables_spark

    quick = {
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
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
    """Read every file of a state, tables as rows in their order."""
    return {path.relative_to(folder).as_posix(): READERS[path.suffix](path) for path in folder.glob("**/*.[jp]*")}


READERS = {
    ".json": lambda path: json.loads(path.read_bytes()),
    ".parquet": lambda path: pq.read_table(path, partitioning=None).to_pylist(),
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


@pytest.mark.parametrize("seed", [101])
@pytest.mark.parametrize("first", os.environ.get("ADCE_TEST_FIRST", "duckdb").split())
def test_the_whole_loop_writes_the_same_files_on_both_engines(
    workshop: "Workshop", tmp_path: Path, seed: int, first: str
):
    """One engine begins, and both go on with what it has written: with ``ADCE_TEST_FIRST="duckdb spark"`` each does."""
    project = workshop.project(COLLECTED, tables=TABLES)
    lake = project.settings.home / "lake"
    now = lay_out(lake, seed)
    project = replace(project, settings=replace(project.settings, clock=lambda: now))
    reconcile(on(first, project, tmp_path))
    (other,) = {*ENGINES} - {first}
    shutil.copytree(tmp_path / first, tmp_path / other)
    damage(lake, seed)
    for name in ENGINES:
        reconcile(on(name, project, tmp_path))

    on_duckdb, on_spark = (written(tmp_path / name) for name in ENGINES)
    for files in (on_duckdb, on_spark):
        assert files["cache/current_inventory.json"].pop("tables")  # seals of files, which may differ in their bytes

    assert len(on_duckdb["cache/task_keys.parquet"])
    assert [name for name in on_duckdb.keys() | on_spark.keys() if on_duckdb.get(name) != on_spark.get(name)] == []


KNOWN = {
    "all at once": [Known(WHOLE, hoops.AS_OF)],
    "by stretches": [
        Known(KeyRange("", "box/"), hoops.AS_OF),
        Known(KeyRange("box/g0003.json", "old/\U0010ffff"), hoops.NOW),
        Known(KeyRange("pbp/", None), hoops.AS_OF + timedelta(hours=5)),
    ],
}


@pytest.mark.parametrize("known", KNOWN.values(), ids=list(KNOWN))
def test_keys_are_matched_alike(workshop: "Workshop", known: list[Known]):
    project = workshop.project(hoops.CONTRACT, now=hoops.NOW)
    held = [found for found in hoops.everything() if not found.key.endswith(("2.json", "8.json"))]
    held += [
        hoops.held(key, age=timedelta(days=90)) for key in ("old/g0002.json", "ml/a b+c.bin", "ærø/\U0001f600", "~")
    ]
    objects = pa.table({name: [getattr(found, name) for found in held] for name in OBJECT_SCHEMA.names}, OBJECT_SCHEMA)
    events = events_table([*hoops.season(), hoops.event(None), hoops.event("g0009", event_at=None)])
    events = events.append_column("event", pa.array(range(len(events)), pa.int32()))
    told = []
    for name in ENGINES:
        with engine(backend=name) as backend:
            matcher = Matcher(project.contract, backend, hoops.NOW)
            matched = matcher.match("all", Held(ibis.memtable(objects), len(held), known), events, ["box/g0004.json"])
            told.append((as_rows(matched.rows.to_pyarrow()), as_rows(matched.others)))
    assert told[0] == told[1]


def as_rows(table: pa.Table) -> list[str]:
    return sorted(map(repr, table.to_pylist()))


@pytest.mark.parametrize("file_format", ["CSV", "ORC", "Parquet"])
def test_a_report_is_read_alike(tmp_path: Path, file_format: str):
    store = open_store((tmp_path / "lake").as_uri())
    objects = [hoops.held("a b+c/é.json", 0), hoops.held("reports/x"), *hoops.everything()]
    write_report(
        store,
        objects,
        prefix="reports",
        bucket="lake",
        config_id="all",
        created_at=hoops.NOW,
        rows_per_file=9,
        file_format=file_format,
    )
    manifest = report.newest(store, prefix="reports")
    assert manifest is not None
    files = report.fetch(store, manifest, tmp_path / "copies")
    told = []
    for name in ENGINES:
        with engine(backend=name) as backend:
            rows = report.rows(backend, manifest, files, root="", exclude=["reports/"]).of(Slice())
            told.append(rows.order_by("key").to_pyarrow())
    assert told[0] == told[1]
    assert told[1].num_rows == len(objects) - 1


MOMENT = datetime(2024, 1, 29, 1, 2, 3, 456789, UTC)
ALL_KINDS = pa.table(
    {
        "key": pa.array(["b", None, "A", "a", "\U0001f600", "\uffee"]),
        "keys": pa.array([1, None, 3, 2**62, 0, -1], pa.int64()),
        "rank": pa.array([1, None, -3, 0, 0, 0], pa.int8()),
        "share": pa.array([0.1, None, -1.5, 0.0, 0.0, 0.0]),
        "is_here": pa.array([True, None, False, True, True, True]),
        "day": pa.array([date(2024, 2, 29), None, date(1946, 11, 1), *[date.max] * 3]),
        "at": pa.array([MOMENT, None, MOMENT.replace(year=1), *[MOMENT] * 3], pa.timestamp("us", "UTC")),
        "names": pa.array([["a", None], None, [], ["b"], [], []]),
    }
)


def test_rows_of_every_kind_come_back_as_they_went_in_order(tmp_path: Path):
    for name in ENGINES:
        with engine(backend=name) as backend:
            table = backend.create_table("kinds", ALL_KINDS, temp=True)
            write_parquet(backend, table.order_by("key"), tmp_path / f"{name}.parquet")
    written = [pq.read_table(tmp_path / f"{name}.parquet") for name in ENGINES]
    assert written[0].column("key").to_pylist() == ["A", "a", "b", "\uffee", "\U0001f600", None]
    assert written[0].to_pylist() == written[1].to_pylist()
    assert written[0].schema.types == written[1].schema.types


def test_a_block_sees_no_table_of_another(tmp_path: Path):
    pq.write_table(ALL_KINDS, tmp_path / "kinds.parquet")
    with engine(backend="spark") as one, engine(backend="spark") as other:
        one.create_table("kinds", ALL_KINDS, temp=True)
        one.create_view("view", one.read_parquet(tmp_path / "kinds.parquet").filter(ibis._.is_here))
        assert (len(one.list_tables()) >= 2, other.list_tables()) == (True, [])
    with engine(backend="spark") as later:
        assert later.list_tables() == []


def test_a_cluster_is_sent_the_rows_of_a_file_that_it_does_not_see(tmp_path: Path):
    from adce_assets.tables_spark import Spark

    pq.write_table(ALL_KINDS, tmp_path / "kinds.parquet")
    with engine(backend="spark") as backend:
        spark: Any = backend
        cluster: Any = Spark(sees_local_files=False)
        cluster.do_connect(spark._session)
        table = cluster.read_parquet(tmp_path / "kinds.parquet")
        (tmp_path / "kinds.parquet").unlink()
        assert table.count().to_pyarrow().as_py() == 6
        assert (sees_local_files(backend), sees_local_files(cluster)) == (True, False)


@dataclass
class Elsewhere:
    """An engine on other machines, which notes what it is asked to read."""

    name: str = "pyspark"
    sees_local_files: bool = False
    read: list[str] = field(default_factory=list)

    def read_parquet(self, paths: Sequence[str | Path]) -> ibis.Table:
        self.read += map(str, paths)
        return ibis.table({"key": "string", "size": "int64", "last_modified_date": "timestamp('UTC')"}, name="read")

    read_orc = read_parquet


@pytest.mark.parametrize(
    ("file_format", "lake", "where"),
    [
        ("Parquet", "s3://lake/part", "s3a://lake/part/reports/1"),
        ("ORC", "s3://lake", "s3a://lake/reports/1"),
        ("Parquet", "file:///lake", "/copies/1"),
    ],
)
def test_a_cluster_reads_a_report_where_it_lies(workshop: "Workshop", file_format: str, lake: str, where: str):
    project = workshop.project(hoops.CONTRACT)
    store: Any = SimpleNamespace(url=lake)
    manifest: Any = SimpleNamespace(file_format=file_format, files=[SimpleNamespace(key="reports/1")])
    elsewhere: Any = Elsewhere()
    base = Report(manifest, (Path("/copies/1"),))
    Holdings(base, (Known(WHOLE, hoops.AS_OF),)).in_base(replace(project, lake=store), elsewhere)
    assert elsewhere.read == [where]


def test_a_sample_is_about_as_large_as_was_asked_for():
    with engine(backend="spark") as backend:
        rows = backend.create_table("many", pa.table({"a": range(2_000)}), temp=True)
        assert 100 < rows.sample(0.1, method="row", seed=1).count().to_pyarrow().as_py() < 300


def test_spark_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    import adce_assets

    monkeypatch.delattr(adce_assets, "tables_spark")
    monkeypatch.setitem(sys.modules, "adce_assets.tables_spark", None)
    with pytest.raises(ConfigurationError, match=r"(?s)Spark is not installed.*adce\[spark\]"), engine(backend="spark"):
        pass


def test_a_machine_without_java_is_told_so(tmp_path: Path):
    script = "from adce_assets.tables import engine\nengine(backend='spark').__enter__()"
    environment = {"PATH": "/usr/bin:/bin", "JAVA_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert "Spark does not start" in done.stderr
    assert "hint: Spark needs Java 17" in done.stderr


@pytest.mark.parametrize("master", ["local", "local[two]", "here", "yarn ", "s3://lake", ""])
def test_a_place_that_spark_does_not_know_is_refused(master: str):
    with pytest.raises(ValidationError, match="is no place for Spark"):
        Engine(spark_master=master)


def test_the_benchmark_of_both_engines_runs_and_finds_equal_rows(tmp_path: Path):
    benchmark = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "on_spark.py"))
    assert benchmark["make_inputs"](tmp_path, 7_000) == 6_400
    figures = [benchmark["measure"](tmp_path, {"backend": name}) for name in ENGINES]
    assert figures[0]["rows"] > 64
    assert figures[0]["digest"] == figures[1]["digest"]
