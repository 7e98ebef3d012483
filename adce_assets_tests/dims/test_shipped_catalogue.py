"""What the file of metrics that is shipped says."""

from collections import Counter
from datetime import date

import pytest
import yaml

from adce_assets.dims.catalogue import Catalogue, load_metrics
from adce_assets.dims.kinds.registry import KINDS
from adce_assets_tests.dims.small_world import all_profiles
from adce_assets_tests.shipped import CONTRACT, ROOT

SHIPPED = ROOT / "inventory" / "config.yaml"
OF_PREDECESSOR = {
    "s3_storage": "total_objects total_size_gb hoopr_files",
    "prediction_system": "total_lines fetch_upcoming_games fetch_recent_player_data prepare_upcoming_game_features "
    "predict_upcoming_games train_model_for_predictions demo_predictions daily_predictions",
    "plus_minus_system": "total_lines python_lines sql_lines docs_lines",
    "code_base": "python_files ml_scripts phase_9_scripts test_files",
    "documentation": "markdown_files total_size_mb",
    "git": "book_recommendation_commits",
    "workflows": "total",
    "sql_schemas": "total_lines",
    "local_data": "espn_size_gb archives_size_gb temp_data_size_gb",
    "file_inventory": "total_files_documented last_inventory_age_days",
    "aws_inventory": "rds_database_size_gb rds_allocated_storage_gb monthly_cost_estimate_usd",
    "data_gaps": "missing_games_count games_without_pbp",
    "sync_status": "local_s3_sync_status",
}
"""The metrics of the system that ADCE replaces, by category."""


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return load_metrics(SHIPPED, CONTRACT)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """What is shipped, all profiles switched on."""
    path = tmp_path_factory.mktemp("all") / "config.yaml"
    path.write_text(all_profiles())
    return load_metrics(path, CONTRACT)


def test_all_metrics_of_the_system_before_are_shipped(everything: Catalogue):
    wanted = {f"{category}.{name}" for category, names in OF_PREDECESSOR.items() for name in names.split()}

    assert len(wanted) == 35
    assert wanted <= everything.metrics.keys()


def test_only_what_every_installation_has_is_switched_on(shipped: Catalogue):
    of_predecessor = [id_ for id_ in shipped.metrics if id_.partition(".")[0] in OF_PREDECESSOR]

    assert of_predecessor == [
        "s3_storage.total_objects",
        "s3_storage.total_size_gb",
        "s3_storage.hoopr_files",
        "data_gaps.missing_games_count",
        "data_gaps.games_without_pbp",
        "aws_inventory.monthly_cost_estimate_usd",
    ]
    assert set(shipped.off.values()) == {"dagster", "collecting", "warehouse", "project_code", "local_data", "aws_rds"}


def test_every_kind_is_used_by_what_is_shipped_or_can_be(everything: Catalogue):
    used = {metric.measure.kind for metric in everything.metrics.values()}

    assert KINDS.keys() - used <= {"document", "sql"}, "those two ask for something that only a person can name"


def test_every_source_has_its_metrics(shipped: Catalogue):
    counted = Counter(metric.category for metric in shipped.metrics.values())
    of_each = {"objects", "total_size_gb", "small_files_count", "gap_keys", "gap_days_count"}
    of_required = {"completeness_pct", "avg_file_size", "last_update_hours", "oldest_data_days"}

    for name, source in CONTRACT.sources.items():
        required = {data_type for data_type, found in source.data_types.items() if found.required}
        wanted = of_each | (of_required if required else set()) | {f"{data_type}_objects" for data_type in required}
        assert {f"source_{name}.{one}" for one in wanted} <= shipped.metrics.keys()
        assert counted[f"source_{name}"] == len(wanted)


def test_what_is_shipped_says_when_and_how_long(shipped: Catalogue):
    assert (shipped.retention.days, shipped.retention.snapshots) == (365, 90)
    assert shipped.schedules.hourly == "5 * * * *"
    assert shipped.schedules.events == {
        "daily_sync_check": "0 9 * * *",
        "weekly_verification": "0 9 * * 1",
        "monthly_audit": "0 0 1 * *",
    }
    assert shipped.events.keys() == {
        "git_post_commit",
        "s3_upload_complete",
        "scraper_complete",
        "reconciliation_complete",
        *shipped.schedules.events,
    }
    assert {event.cooldown_seconds for event in shipped.events.values()} == {60}


def test_what_is_measured_every_hour_is_not_answered_from_the_hour_before(shipped: Catalogue):
    assert {metric.ttl_minutes for metric in shipped.metrics.values()} == {0, 55, 1_440}


def test_ids_of_metrics_are_written_in_the_file_once(everything: Catalogue):
    document = yaml.safe_load(SHIPPED.read_text())
    written = [f"{category}.{name}" for category, entries in document["metrics"].items() for name in entries]

    assert [id_ for id_ in everything.metrics if not id_.startswith("source_")] == written
    assert all(id_ == metric.id for id_, metric in everything.metrics.items())


def test_dates_and_patterns_of_parameters_are_taken_as_written(everything: Catalogue):
    commits = everything.metrics["git.book_recommendation_commits"].measure.model_dump()
    documented = everything.metrics["file_inventory.total_files_documented"].measure.model_dump()

    assert (commits["since"], commits["matching"]) == (date(2025, 10, 1), "rec_")
    assert (documented["include"], documented["pattern"]) == (("FILE_INVENTORY.md",), "^###")
