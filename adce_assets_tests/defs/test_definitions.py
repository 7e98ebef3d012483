"""What Dagster loads: from nothing but the project's own files, quickly, and under names that others rely on."""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from adce_assets.defs.build import build_defs
from adce_assets.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
LOOP = ["aws_inventory_report", "canary", "coverage_analysis", "detected_gaps", "lake_inventory", "task_queue"]
METRICS = "dims_metrics"
LOAD = """
import json, sys, time
from adce_assets.definitions import defs
repository = defs.get_repository_def()
heavy = [name for name in ("pandas", "boto3", "duckdb", "ibis", "dagster_aws") if name in sys.modules]
json.dump({"seconds": time.process_time(), "assets": len(defs.resolve_asset_graph().get_all_asset_keys()),
           "jobs": sorted(repository.job_names), "heavy": heavy}, sys.stdout)
"""


@pytest.fixture(scope="module")
def shipped() -> dg.Definitions:
    return build_defs({})


def loaded_in_an_empty_environment() -> dict[str, Any]:
    started = [sys.executable, "-W", "error", "-c", LOAD]
    finished = subprocess.run(started, env={}, cwd="/", capture_output=True, text=True, check=True, timeout=60)
    return json.loads(finished.stdout)


def test_definitions_load_with_an_empty_environment_in_under_three_seconds_of_cpu() -> None:
    told = loaded_in_an_empty_environment()
    assert told["seconds"] < 3
    assert told["heavy"] == []
    assert told["assets"] >= 75 + len(LOOP)
    assert "reconciliation_job" in told["jobs"]


def test_the_shipped_definitions_are_whole(shipped: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(shipped)


def test_shipped_metrics_ask_only_for_ticks_of_what_there_is(shipped: dg.Definitions) -> None:
    document = yaml.safe_load((ROOT / "inventory" / "config.yaml").read_text())
    asked = {(entry["measure"]["of"], entry["measure"]["name"]) for entry in document["metrics"]["ticks"].values()}
    sensors = {("sensor", one.name) for one in shipped.sensors or ()}
    schedules = {("schedule", one.name) for one in shipped.schedules or ()}
    assert asked <= sensors | schedules


def test_the_loop_keeps_its_names(shipped: dg.Definitions) -> None:
    graph = shipped.resolve_asset_graph()
    assert sorted(key.to_user_string() for key in graph.get_all_asset_keys() if len(key.path) == 1) == sorted(
        [*LOOP, METRICS]
    )
    assert {graph.get(dg.AssetKey(name)).group_name for name in LOOP} == {"loop"}
    assert {sensor.name for sensor in shipped.sensors or ()} == {
        "alert_sensor",
        "completion_sensor",
        "dims_sensor",
        "inventory_report_sensor",
        "run_failure_sensor",
        "task_queue_sensor",
        "warehouse_sensor",
        "warehouse_settling_sensor",
    }
    assert [schedule.name for schedule in shipped.schedules or ()] == [
        "reconciliation_schedule",
        "canary_schedule",
        "espn_daily_schedule",
        "hoopr_daily_schedule",
        "basketball_reference_weekly_schedule",
        "dims_schedule",
        "dims_snapshot_schedule",
        "dims_daily_sync_check_schedule",
        "dims_weekly_verification_schedule",
        "dims_monthly_audit_schedule",
    ]
    checks = {key.name for key in graph.asset_check_keys if len(key.asset_key.path) == 1}
    assert checks == {
        "approvals_are_decided",
        "canary_is_alive",
        "critical_gaps_are_young",
        "gaps_are_accounted_for",
        "inventory_is_recent",
        "inventory_is_whole",
        "ledger_is_whole",
        "metrics_are_fresh",
        "metrics_have_not_drifted",
        "nothing_is_unclassified",
        "objects_have_not_vanished",
        "states_sum_up",
    }


def test_every_asset_says_what_it_is(shipped: dg.Definitions) -> None:
    graph = shipped.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.kinds, key
        assert node.group_name == (key.path[0] if len(key.path) > 1 else "dims" if key.path == [METRICS] else "loop")
        assert node.owners or key.path[-1] == "aws_inventory_report", key


def test_the_assets_of_the_loop_and_the_metrics_go_stale_and_data_sets_do_not(shipped: dg.Definitions) -> None:
    graph = shipped.resolve_asset_graph()
    fresh = {key for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy is not None}
    assert fresh == {dg.AssetKey(name) for name in (*LOOP, METRICS) if name != "aws_inventory_report"}


def test_the_lineage_leads_from_every_data_set_to_the_queue(small: Any) -> None:
    graph = small.defs().resolve_asset_graph()
    upstream = graph.get(dg.AssetKey("lake_inventory")).parent_keys
    assert upstream == {dg.AssetKey(name) for name in ["aws_inventory_report"]} | {
        dg.AssetKey(name.split("/")) for name in small.contract.data_sets
    }
    chain = ["lake_inventory", "coverage_analysis", "detected_gaps", "task_queue"]
    assert [graph.get(dg.AssetKey(name)).parent_keys for name in chain[1:]] == [
        {dg.AssetKey(name)} for name in chain[:-1]
    ]


def test_a_source_and_league_share_one_set_of_seasons_up_to_the_current_one(small: Any) -> None:
    graph = small.defs().resolve_asset_graph()

    def seasons(name: str) -> list[str] | None:
        partitions = graph.get(dg.AssetKey(name.split("/"))).partitions_def
        return None if partitions is None else list(partitions.get_partition_keys())

    three = ["2022-23", "2023-24", "2024-25"]
    assert seasons("espn/box_scores") == seasons("espn/play_by_play") == seasons("hoopr/player_seasons") == three
    assert seasons("hoopr/gleague_seasons") == ["2023-24", "2024-25"]
    assert seasons("hoopr/awards") is None


def test_a_new_season_comes_from_the_clock_alone(small: Any) -> None:
    key = dg.AssetKey(["espn", "box_scores"])
    graph = small.at(days=365).defs().resolve_asset_graph()
    assert list(graph.get(key).partitions_def.get_partition_keys())[-1] == "2025-26"


@pytest.mark.parametrize(("days", "last"), [(239, "2024-25"), (241, "2025-26"), (300, "2025-26"), (601, "2025-26")])
def test_the_next_season_is_loaded_two_months_before_it_starts(small: Any, days: int, last: str) -> None:
    graph = small.at(days=days).defs().resolve_asset_graph()
    seasons = list(graph.get(dg.AssetKey(["espn", "box_scores"])).partitions_def.get_partition_keys())
    assert seasons == [label for label in ("2022-23", "2023-24", "2024-25", "2025-26") if label <= last]


def test_a_season_that_has_not_begun_turns_no_check_red(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill()
    before, early = small.reconcile(instance), small.at(days=250)
    after = early.reconcile(instance)
    told = [{one.check_name for one in run.get_asset_check_evaluations() if not one.passed} for run in (before, after)]
    assert after.success
    assert told == [set(), set()]
    seasons = {cell["season"] for cell in early.project.state.read_json("cache/coverage_analysis")["cells"]}
    assert "2025-26" not in seasons


def test_data_sets_of_one_scraper_are_collected_together_within_the_pool_of_their_host(small: Any) -> None:
    graph = small.defs().resolve_asset_graph()
    executable = {key.to_user_string() for key in graph.executable_asset_keys if key.path[0] in {"espn", "hoopr"}}
    assert executable == {"espn/schedule", "espn/play_by_play", "espn/box_scores", "espn/team_stats"}
    together = graph.get(dg.AssetKey(["espn", "box_scores"])).assets_def
    assert {key.path[1] for key in together.keys} == {"play_by_play", "box_scores", "team_stats"}
    assert together.op.name == "espn_summary"
    assert together.op.pool == "host_espn_site"


def test_every_run_takes_one_process(small: Any) -> None:
    repository = small.defs().get_repository_def()
    for name in ("reconciliation_job", "collect_espn"):
        assert repository.get_job(name).executor_def.name == "in_process"


def test_a_scraper_that_does_not_yield_what_the_contract_says_is_a_fault(small: Any) -> None:
    path = small.home / "inventory" / "data_inventory.yaml"
    path.write_text(path.read_text().replace("scraper: espn_scoreboard", "scraper: espn_summary"))
    with pytest.raises(ConfigurationError, match=r"`espn_summary` collects `espn/schedule`.*does not yield it") as told:
        small.defs()
    (fault,) = told.value.faults
    line = Path(fault.file).read_text().splitlines()[fault.line - 1]
    assert fault.file.startswith(str(small.home / "config"))
    assert fault.field == "scrapers.espn_summary.yields"
    assert line.strip().startswith(("espn/", "yields:"))
    assert "`espn_scoreboard` does" in fault.message
    assert fault.valid == "espn/box_scores, espn/play_by_play, espn/team_stats"


def test_a_data_set_that_a_scraper_yields_under_a_similar_name_is_suggested(small: Any) -> None:
    path = small.home / "inventory" / "data_inventory.yaml"
    path.write_text(path.read_text().replace("      box_scores:", "      box_score:"))
    with pytest.raises(ConfigurationError, match=r"did you mean `espn/box_scores`\?"):
        small.defs()


def test_a_scraper_that_nobody_configured_leaves_the_data_set_to_others(small: Any) -> None:
    path = small.home / "inventory" / "data_inventory.yaml"
    path.write_text(path.read_text().replace("scraper: espn_scoreboard", "scraper: none_such"))
    graph = small.defs().resolve_asset_graph()
    assert not graph.get(dg.AssetKey(["espn", "schedule"])).is_executable


def test_building_warns_of_nothing(small: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dg.Definitions.validate_loadable(small.defs())
    assert [str(warning.message) for warning in caught] == []


def test_no_asset_is_retried_by_dagster(shipped: dg.Definitions) -> None:
    graph = shipped.resolve_asset_graph()
    for definition in graph.assets_defs:
        assert not definition.is_executable or definition.op.retry_policy is None


def test_both_the_workspace_and_the_instance_file_are_what_dagster_reads() -> None:
    import yaml

    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    assert workspace["load_from"][0]["python_module"]["module_name"] == "adce_assets.definitions"
    instance = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert instance["run_monitoring"]["free_slots_after_run_end_seconds"] > 0
    assert instance["concurrency"]["pools"] == {"default_limit": 1, "granularity": "run"}
    assert instance["telemetry"]["enabled"] is instance["nux"]["enabled"] is False
