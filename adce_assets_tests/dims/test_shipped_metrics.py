"""Every metric that is shipped, measured in one small world, beside what plain Python counts there."""

import json
import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import boto3
import pytest

from adce_assets.dims.catalogue import Catalogue, Metric, load_metrics
from adce_assets.dims.kinds.registry import measure
from adce_assets.dims.metrics import Value
from adce_assets.dims.world import World
from adce_assets.errors import AdceError
from adce_assets.loop.project import open_project
from adce_assets_tests.dims import small_world
from adce_assets_tests.dims.small_world import (
    COMMITS,
    DAMAGED,
    FILES,
    LOCAL,
    LOOKED,
    MISSED,
    MISSING,
    NOW,
    REPORTS,
    STALE,
    STORIES,
    TABLE,
)

GIB, MIB, HOUR = 1 << 30, 1 << 20, timedelta(hours=1)
HELD = tuple(small_world.objects())
OF_ESPN = [held for held in HELD if held.key.startswith(("schedule/", "pbp/", "box_scores/"))]
OF_HOOPR = [held for held in HELD if held.key.startswith("hoopr_parquet/")]
PRIORITIES = {
    "critical": (MISSING[0], MISSING[1], STALE),
    "high": ("hoopr_parquet/players_2024.csv", "hoopr_parquet/draft_2024.csv"),
    "medium": (MISSING[2], DAMAGED, TABLE),
    "low": ("hoopr_parquet/players_2022.csv",),
}
"""What is wrong with the lake, by how urgent it is: games of this week; this season; the one before; older ones."""
OPEN = [key for keys in PRIORITIES.values() for key in keys]
DUE = 2 + 2 * 8 + 3 + 1
"""Keys of schedules, of games, of tables, of drafts; and one more that its source says it does not have."""
DUE_OF_ESPN = 2 + 2 * 8
STORED_GIB = 55
LAKE = "objects bytes average_bytes object_age cost_estimate inventory_age sync_status"


@dataclass(frozen=True)
class Measured:
    """The small world, and what all metrics of it are; what could not be measured is the reason why."""

    world: World
    catalogue: Catalogue
    values: Mapping[str, Value]


@pytest.fixture(scope="module", autouse=True)
def _rds(moto_url: str) -> Iterator[None]:
    """Let AWS have an instance of the name that the shipped metric has, and no other place to ask."""
    named = {"AWS_ENDPOINT_URL": moto_url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {**named, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}.items():
            patched.setenv(name, value)
        client = boto3.client("rds")
        client.create_db_instance(
            DBInstanceIdentifier="adce",
            DBInstanceClass="db.t3.micro",
            Engine="postgres",
            AllocatedStorage=STORED_GIB,
            MasterUsername="someone",
            MasterUserPassword="of no use here",
        )
        yield
        client.delete_db_instance(DBInstanceIdentifier="adce", SkipFinalSnapshot=True)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, _rds: None) -> Measured:
    """Measure all metrics, all profiles switched on."""
    world = small_world.make_world(tmp_path_factory.mktemp("small") / "home")
    catalogue = load_metrics(world.project.settings.metrics_config_path, world.project.contract)
    with world.reading():
        values = {name: _found(world, metric) for name, metric in catalogue.metrics.items()}
    return Measured(world, catalogue, values)


def _found(world: World, metric: Metric) -> Value:
    try:
        return measure(world, metric.measure)
    except AdceError as error:
        return f"error: {error}"


def test_every_shipped_metric_finds_what_there_is(measured: Measured):
    home = measured.world.root

    assert not measured.catalogue.off
    assert _typed(measured.values) == _typed(
        {
            **of_lake(),
            **of_loop(),
            **of_ledger(home),
            **of_reports(home),
            **of_project(home),
            **{f"ticks.{name}": missed for name, missed in MISSED.items()},
            **of_source("espn", OF_ESPN),
            **of_source("hoopr", OF_HOOPR),
            **of_required_source("espn", OF_ESPN),
            "source_espn.schedule_objects": 2,
            "source_espn.play_by_play_objects": sum(held.key.startswith("pbp/") for held in HELD),
            "source_espn.box_scores_objects": sum(held.key.startswith("box_scores/") for held in HELD),
        }
    )


def _typed(values: Mapping[str, Value]) -> dict[str, tuple[type, Value]]:
    """Tell 3 from 3.0."""
    return {name: (type(value), value) for name, value in values.items()}


def of_lake() -> dict[str, Value]:
    size = sum(held.size for held in HELD)
    data = [*OF_ESPN, *OF_HOOPR]
    return {
        "s3_storage.total_objects": len(HELD),
        "s3_storage.total_size_gb": round(size / GIB, 2),
        "s3_storage.hoopr_files": len(OF_HOOPR),
        "aws_inventory.rds_database_size_gb": 3.0,
        "aws_inventory.rds_allocated_storage_gb": STORED_GIB,
        "aws_inventory.monthly_cost_estimate_usd": round(size / GIB * 0.023, 2),
        "sync_status.local_s3_sync_status": "behind",
        "lake.unclassified_objects": sum(held.key.startswith("stray/") for held in HELD),
        "lake.non_data_objects": sum(held.key.startswith("backups/") for held in HELD),
        "lake.small_objects": sum(held.size < 1024 for held in data),
        "lake.average_object_bytes": round(statistics.fmean(held.size for held in data), 0),
        "lake.last_update_hours": round((NOW - max(held.at for held in HELD)) / HOUR, 1),
        "lake.inventory_age_hours": (NOW - LOOKED) / HOUR,
    }


def of_loop() -> dict[str, Value]:
    of_espn = [key for key in OPEN if not key.startswith("hoopr")]
    return {
        "data_gaps.missing_games_count": len({key.partition("/")[2] for key in MISSING}),
        "data_gaps.games_without_pbp": sum(key.startswith("pbp/") for key in MISSING),
        "coverage.completeness_pct": round(100 * (DUE - len(OPEN)) / DUE, 2),
        "coverage.required_completeness_pct": round(100 * (DUE_OF_ESPN - len(of_espn)) / DUE_OF_ESPN, 2),
        "coverage.expected_keys": DUE + 1,
        "coverage.missing_keys": len(OPEN) - 3,
        "coverage.stale_keys": 1,
        "coverage.damaged_keys": 2,
        "coverage.unavailable_keys": 1,
        "gaps.gaps": len({_cell(key) for key in OPEN}),
        "gaps.open_keys": len(OPEN),
        **{f"gaps.{priority}_keys": len(keys) for priority, keys in PRIORITIES.items()},
        "gaps.held_keys": 0,
        "gaps.gap_days": 2,
        "queue.tasks": 4,
        "queue.critical_tasks": 2,
        "queue.keys": len(of_espn),
        "queue.minutes": 3.0 * len(of_espn),
        "queue.keys_left_out": len(OPEN) - len(of_espn),
    }


def _cell(key: str) -> str:
    """Leave out which game of a season it is of; of a table there is one in a season."""
    return key if key.endswith(".csv") else key[: -len("000.json")]


def of_ledger(home: Path) -> dict[str, Value]:
    last = [story[-1][0] for _, story in STORIES]
    since = [min(hours for event, hours in story if event in {"detected", "reopened"}) for _, story in STORIES]
    waits = {"leased", "fetched", "promoted", "reopened", "dead_lettered"}
    is_open = [hours for hours, event in zip(since, last, strict=True) if event in waits]
    took = [story[0][1] - story[-1][1] for _, story in STORIES if story[-1][0] == "closed" and story[-1][1] < 30 * 24]
    return {
        "ledger.closed_per_day": _happened("closed", 24),
        "ledger.failed_per_day": _happened("failed", 24),
        "ledger.reopened_per_month": _happened("reopened", 30 * 24),
        "ledger.dead_letters": last.count("dead_lettered"),
        "ledger.tombstones": last.count("tombstoned"),
        "ledger.under_way": last.count("leased") + last.count("fetched"),
        "ledger.unseen": last.count("promoted"),
        "ledger.oldest_open_days": max(is_open) / 24,
        "ledger.time_to_close_p50_hours": float(statistics.median(took)),
        "ledger.time_to_close_p90_hours": round(statistics.quantiles(took, n=10, method="inclusive")[8], 2),
        "ledger.size_mb": round(_on_disk(home / ".adce", "ledger.sqlite", "ledger.sqlite-wal") / MIB, 2),
    }


def _happened(event: str, within: float) -> int:
    return sum(one == event and hours <= within for _, story in STORIES for one, hours in story)


def _on_disk(folder: Path, *names: str) -> int:
    return sum((folder / name).stat().st_size for name in names if (folder / name).exists())


def of_reports(home: Path) -> dict[str, Value]:
    checks, passed = sum(told[2] for told in REPORTS), sum(told[3] for told in REPORTS)
    return {
        "reconciliation.success_rate_pct": math.floor(10_000 * passed / checks) / 100,
        "reconciliation.failed_checks": checks - passed,
        "reconciliation.seasons": len(REPORTS),
        "reconciliation.seasons_failed": sum(told[2] != told[3] for told in REPORTS),
        "reconciliation.age_hours": min(told[4] for told in REPORTS),
        "reconciliation.warehouse_size_mb": round(_on_disk(home / ".adce", "warehouse.duckdb") / MIB, 2),
    }


def of_project(home: Path) -> dict[str, Value]:
    seen = [path.relative_to(home) for path in home.rglob("*") if path.is_file()]
    shown = [path for path in seen if not any(part.startswith(".") for part in path.parts)]
    programs = {name: text for name, text in FILES.items() if name.startswith("scripts/ml/")}
    lines = {Path(name).stem: text.count("\n") for name, text in programs.items()}
    plus_minus = {name.rpartition(".")[2]: text.count("\n") for name, text in FILES.items() if "plus_minus" in name}
    documents = [text for name, text in FILES.items() if name.startswith("docs/")]
    headings = [line for line in FILES["FILE_INVENTORY.md"].splitlines() if line.startswith("###")]
    recommended = [1 for at, said in COMMITS if at >= "2025-10-01" and "rec_" in said]
    return {
        "prediction_system.total_lines": sum(lines.values()),
        **{f"prediction_system.{name}": count for name, count in lines.items()},
        "plus_minus_system.total_lines": sum(plus_minus.values()),
        "plus_minus_system.python_lines": plus_minus["py"],
        "plus_minus_system.sql_lines": plus_minus["sql"],
        "plus_minus_system.docs_lines": plus_minus["md"],
        "code_base.python_files": sum(path.suffix == ".py" for path in shown),
        "code_base.ml_scripts": sum(name.endswith(".py") for name in programs),
        "code_base.phase_9_scripts": 2,
        "code_base.test_files": sum(path.name.startswith("test_") for path in shown),
        "documentation.markdown_files": sum(path.suffix == ".md" for path in shown),
        "documentation.total_size_mb": round(sum(map(len, documents)) / MIB, 2),
        "git.book_recommendation_commits": len(recommended),
        "workflows.total": sum("workflows" in path.parts for path in shown),
        "sql_schemas.total_lines": sum(text.count("\n") for name, text in FILES.items() if "schema" in name),
        "local_data.espn_size_gb": LOCAL["data/espn/a.json"] / GIB,
        "local_data.archives_size_gb": LOCAL["archives/b.zip"] / GIB,
        "local_data.temp_data_size_gb": round(LOCAL["temp/c/d.csv"] / GIB, 2),
        "file_inventory.total_files_documented": len(headings),
        "file_inventory.last_inventory_age_days": 12.3,
    }


def of_source(source: str, held: list[small_world.Held]) -> dict[str, Value]:
    is_open = [key for key in OPEN if key.startswith("hoopr") == (source == "hoopr")]
    return {
        f"source_{source}.objects": len(held),
        f"source_{source}.total_size_gb": round(sum(one.size for one in held) / GIB, 3),
        f"source_{source}.small_files_count": sum(one.size < 1024 for one in held),
        f"source_{source}.gap_keys": len(is_open),
        f"source_{source}.gap_days_count": 2 if source == "espn" else 0,
    }


def of_required_source(source: str, held: list[small_world.Held]) -> dict[str, Value]:
    days = [(NOW - one.at) / timedelta(days=1) for one in held]
    return {
        f"source_{source}.completeness_pct": of_loop()["coverage.required_completeness_pct"],
        f"source_{source}.avg_file_size": round(statistics.fmean(one.size for one in held), 0),
        f"source_{source}.last_update_hours": round(min(days) * 24, 1),
        f"source_{source}.oldest_data_days": round(max(days), 1),
    }


REASONS = {
    **dict.fromkeys(LAKE.split(), "current_inventory.json: "),
    "coverage": "coverage_analysis.json: ",
    **dict.fromkeys(("gaps", "gap_days"), "detected_gaps.json: "),
    "missing_games": "coverage_analysis.json: ",
    "queue": "gaps.json: ",
    **dict.fromkeys(("ledger_events", "ledger_keys", "oldest_open", "time_to_close"), "ledger"),
    "reconciliation": "there is no report of verification",
    "ticks_missed": "nobody knows here which ticks Dagster has missed",
    "database_size": "",
    "rds_storage": "rds:adce: ",
    **dict.fromkeys(("files", "file_bytes", "lines", "matches", "file_age", "git"), "nowhere"),
}
"""What is said of each kind where there is nothing to measure it by."""


@pytest.fixture(scope="module")
def ruin(tmp_path_factory: pytest.TempPathFactory) -> World:
    """An installation that nobody has reconciled: no files of the loop, a spoiled ledger, no project, nobody to ask."""
    home = tmp_path_factory.mktemp("ruin")
    for name in ("config", "inventory", "lake", "state", ".adce"):
        (home / name).mkdir()
    for name in ("reconciliation_config.yaml", "autonomous_config.yaml"):
        (home / "config" / name).write_text((small_world.ROOT / "config" / name).read_text())
    (home / "inventory" / "data_inventory.yaml").write_text(small_world.CONTRACT)
    (home / ".adce" / "ledger.sqlite").write_text(
        "this was a ledger once, and is longer than what SQLite looks at\n" * 99
    )
    settings = small_world.settings_of(home, lambda: NOW, state_url=(home / "state").as_uri())
    return World(open_project(settings), home / "nowhere")


@pytest.mark.usefixtures("_gone")
def test_where_there_is_nothing_to_measure_every_metric_is_an_error_with_a_reason(measured: Measured, ruin: World):
    told = {name: _failed(ruin, metric) for name, metric in measured.catalogue.metrics.items()}

    assert {metric.measure.kind for metric in measured.catalogue.metrics.values()} == REASONS.keys()
    for name, metric in measured.catalogue.metrics.items():
        assert REASONS[metric.measure.kind] in told[name], name
        assert told[name].strip(), name


@pytest.fixture
def _gone() -> Iterator[None]:
    """Take the instance of RDS away for a while."""
    client = boto3.client("rds")
    client.delete_db_instance(DBInstanceIdentifier="adce", SkipFinalSnapshot=True)
    yield
    client.create_db_instance(
        DBInstanceIdentifier="adce", DBInstanceClass="db.t3.micro", Engine="postgres", AllocatedStorage=STORED_GIB
    )


def _failed(world: World, metric: Metric) -> str:
    with pytest.raises(AdceError) as caught:
        measure(world, metric.measure)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"mode": "sample"}, "the lake was only sampled: its numbers are guesses"),
        ({"of": {"lake": "s3://another"}}, "the inventory is of another lake"),
        ({"objects": 17}, "the rows of the inventory are not those that its summary is of"),
    ],
)
def test_an_inventory_that_cannot_be_counted_on_gives_no_number(
    measured: Measured, tmp_path: Path, changed: dict[str, object], reason: str
):
    world = _with_inventory(measured.world, tmp_path, changed)
    of_objects = [metric for metric in measured.catalogue.metrics.values() if metric.measure.kind in LAKE.split()]

    told = {metric.id: _found(world, metric) for metric in of_objects}

    from_summary = {"s3_storage.total_objects", "s3_storage.total_size_gb", "lake.inventory_age_hours"}
    from_summary |= {"aws_inventory.monthly_cost_estimate_usd"}
    wanted = told.keys() - (from_summary if "objects" in changed else set())
    assert {name for name, value in told.items() if isinstance(value, str) and reason in value} == wanted


def _with_inventory(world: World, folder: Path, changed: dict[str, object]) -> World:
    """Copy the loop's files, and change the summary of the inventory."""

    def change(key: str, body: bytes) -> bytes:
        return json.dumps(json.loads(body) | changed).encode() if key == "cache/current_inventory.json" else body

    return _with_state(world, folder, change)


def _with_state(world: World, folder: Path, change: Callable[[str, bytes], bytes]) -> World:
    """Copy the loop's files, each changed."""
    state = world.project.state.store
    for held in state.list(""):
        (folder / held.key).parent.mkdir(parents=True, exist_ok=True)
        (folder / held.key).write_bytes(change(held.key, state.get(held.key)))
    settings = replace(world.project.settings, state_url=folder.as_uri())
    return World(open_project(settings), world.root)


def test_files_of_the_loop_that_break_off_give_no_number(measured: Measured, tmp_path: Path):
    world = _with_state(measured.world, tmp_path, lambda _, body: body[: len(body) // 2])
    read = {*LAKE.split(), "coverage", "gaps", "gap_days", "missing_games", "queue", "reconciliation"}
    of_them = [metric for metric in measured.catalogue.metrics.values() if metric.measure.kind in read]

    told = [_failed(world, metric) for metric in of_them]

    assert len(told) > 50
    assert all(len(reason) > 20 for reason in told)


def test_a_program_that_is_gone_is_no_program_of_no_lines(measured: Measured):
    path = measured.world.root / "scripts" / "ml" / "predict_upcoming_games.py"
    metrics = measured.catalogue.select(["prediction_system"])
    text = path.read_text()
    path.unlink()
    told = {metric.name: _found(measured.world, metric) for metric in metrics}
    path.write_text(text)

    assert {name for name, value in told.items() if isinstance(value, str)} == {"total_lines", "predict_upcoming_games"}
    assert "scripts/ml/predict_upcoming_games.py: is not there" in str(told["total_lines"])
