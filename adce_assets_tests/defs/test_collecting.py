"""Materialising a partition of a data set collects the open keys of that cell, from a real socket into a real lake."""

import re
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from adce_assets.defs.collecting import Collector, lane_of
from adce_assets.demo.source import LocalSource, Trouble
from adce_assets.fetch.lanes import Lane
from adce_assets.loop.tasks import TaskKey
from adce_assets.progress import current_progress
from adce_assets.scrapers.catalogue import load_catalogue
from adce_assets.settings import load_settings

SEASON = "2024-25"


@pytest.fixture
def asking(small: Any, source: LocalSource) -> Iterator[Any]:
    """The installation with the stand-in in ESPN's place, reconciled: the first day's documents are missing."""
    small.environment["ADCE_HOST_ESPN_SITE"] = source.url
    small.fill(missing=lambda key: "401501" in key)
    with dg.DagsterInstance.ephemeral() as forgotten:
        small.reconcile(forgotten)
    return small


def materialise(
    small: Any, instance: dg.DagsterInstance, *names: str, season: str = SEASON, **config: Any
) -> dg.ExecuteInProcessResult:
    job = small.defs().resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        partition_key=season,
        asset_selection=[dg.AssetKey(["espn", name]) for name in names],
        run_config={"ops": {"espn_summary": {"config": config}}},
        raise_on_error=False,
    )


def the_task(small: Any, data_type: str) -> list[str]:
    """The task of the queue that collects a data type, which a person may name."""
    tasks = small.project.state.read_json("gaps")["tasks"]
    return [task["id"] for task in tasks if task["data_type"] == data_type]


def one_at_a_time(small: Any) -> None:
    hosts = small.home / "config" / "scrapers" / "espn.yaml"
    hosts.write_text(re.sub(r"concurrency: \d+", "concurrency: 1", hosts.read_text()))


def told(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    found = {}
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        assert materialization.partition == SEASON
        values = {name: value.value for name, value in materialization.metadata.items()}
        found[materialization.asset_key.path[-1]] = values
    return found


def keys(small: Any, folder: str) -> list[str]:
    return [found.key for found in small.lake.list(f"{folder}/")]


def test_the_gap_of_a_partition_is_closed_and_the_next_reconciliation_sees_it(
    asking: Any, source: LocalSource, instance: dg.DagsterInstance
) -> None:
    result = materialise(asking, instance, "play_by_play", "box_scores", "team_stats")
    assert result.success
    assert source.requests == 2
    assert {name: values["written"] for name, values in told(result).items()} == dict.fromkeys(
        ("play_by_play", "box_scores", "team_stats"), 2
    )
    after = asking.reconcile(instance)
    assert asking.metadata(after, "detected_gaps")["gaps"] == 0
    assert asking.metadata(after, "coverage_analysis")["completeness_pct"] == 100


def test_only_the_selected_data_set_is_collected(asking: Any, instance: dg.DagsterInstance) -> None:
    result = materialise(asking, instance, "box_scores")
    assert list(told(result)) == ["box_scores"]
    assert len(keys(asking, "box_scores")) == 8
    assert len(keys(asking, "pbp")) == 6


def test_a_run_of_tasks_collects_these_tasks(asking: Any, instance: dg.DagsterInstance) -> None:
    queue = asking.project.state.read_json("gaps")
    (task,) = [task["id"] for task in queue["tasks"] if task["data_type"] == "team_stats"]
    result = materialise(asking, instance, "team_stats", "box_scores", task_ids=[task])
    assert {name: values["asked"] for name, values in told(result).items()} == {"team_stats": 2, "box_scores": 0}


def test_a_limit_leaves_the_rest_open_and_begins_with_the_newest(asking: Any, instance: dg.DagsterInstance) -> None:
    result = materialise(asking, instance, "play_by_play", limit=1)
    assert told(result)["play_by_play"]["written"] == 1


def test_a_cell_can_be_collected_anew_as_a_whole(
    asking: Any, source: LocalSource, instance: dg.DagsterInstance
) -> None:
    result = materialise(asking, instance, "box_scores", refresh="all")
    assert source.requests == told(result)["box_scores"]["collected"] == 8


def test_nothing_to_do_is_a_materialisation_and_asks_nobody(
    asking: Any, source: LocalSource, instance: dg.DagsterInstance
) -> None:
    materialise(asking, instance, "play_by_play")
    asking.reconcile(instance)
    before = source.requests
    result = materialise(asking, instance, "play_by_play")
    assert result.success
    assert told(result)["play_by_play"]["asked"] == 0
    assert source.requests == before


def test_a_partition_counts_what_was_collected_and_names_what_was_not(
    asking: Any, source: LocalSource, instance: dg.DagsterInstance
) -> None:
    source._troubles["401501000"] = Trouble("not_found")
    result = materialise(asking, instance, "play_by_play")
    assert result.success
    values = told(result)["play_by_play"]
    assert (values["collected"], values["failed"]) == (1, 1)
    assert values["failed_by_class"] == {"gone": 1}
    assert values["worst_failures"].records[0].data["key"] == "pbp/401501000.json"
    assert (values["requests"], values["retries"], values["confirmed_empty"]) == (2, 0, 0)
    assert (values["host"], values["host_used_24h_fresh"]) == ("espn_site", 2)
    assert "failing" not in values


def test_a_run_that_could_collect_nothing_at_all_has_failed(
    asking: Any, source: LocalSource, instance: dg.DagsterInstance
) -> None:
    source._troubles |= {"401501000": Trouble("not_found"), "401501001": Trouble("not_found")}
    result = materialise(asking, instance, "play_by_play")
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    described = failure.step_failure_data.user_failure_data
    assert described is not None
    assert described.description is not None
    assert "asked for 2 key(s) and could collect none" in described.description
    assert result.get_asset_materialization_events() == []


def test_a_run_that_has_failed_tells_of_each_data_set_and_of_the_host_what_a_good_one_tells(
    asking: Any, source: LocalSource, instance: dg.DagsterInstance
) -> None:
    source._troubles |= dict.fromkeys(("401501000", "401501001"), Trouble("not_found"))
    result = materialise(asking, instance, "play_by_play", "box_scores")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    described = failure.step_failure_data.user_failure_data
    assert described is not None
    values = {name: value.value for name, value in described.metadata.items()}
    for name, folder in {"play_by_play": "pbp", "box_scores": "box_scores"}.items():
        assert (values[f"espn/{name}/asked"], values[f"espn/{name}/failed"]) == (2, 2)
        assert values[f"espn/{name}/failed_by_class"] == {"gone": 2}
        shown = described.metadata[f"espn/{name}/worst_failures"]
        assert isinstance(shown, dg.TableMetadataValue)
        assert {row.data["key"] for row in shown.records} == {f"{folder}/401501000.json", f"{folder}/401501001.json"}
    assert (values["requests"], values["retries"]) == (2, 0)
    assert (values["host"], values["host_used_24h_fresh"]) == ("espn_site", 2)


def test_a_closed_host_is_told_of_when_it_is_why_nothing_came(
    asking: Any, source: LocalSource, instance: dg.DagsterInstance
) -> None:
    source._troubles |= dict.fromkeys(("401501000", "401501001"), Trouble("too_many", retry_after="90000"))
    result = materialise(asking, instance, "play_by_play")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    described = failure.step_failure_data.user_failure_data
    assert described is not None
    assert {"host_closed_until", "host_closed_why", "host_rate", "host_budget"} <= described.metadata.keys()


def test_a_data_set_that_fails_says_since_when_and_at_what_until_it_is_well_again(
    asking: Any, source: LocalSource, instance: dg.DagsterInstance
) -> None:
    source._troubles |= dict.fromkeys(("401501000", "401501001"), Trouble("not_found"))
    materialise(asking, instance, "play_by_play")
    later = asking.at(hours=5)
    failed = materialise(later, instance, "play_by_play", task_ids=the_task(asking, "play_by_play"))
    (failure,) = [event for event in failed.all_events if event.is_step_failure]
    assert "so it goes since 2024-12-05 12:00 UTC" in str(failure.step_failure_data.user_failure_data)
    source._troubles.pop("401501001")
    again = materialise(later, instance, "play_by_play", task_ids=the_task(asking, "play_by_play"))
    assert "failing" not in told(again)["play_by_play"]
    assert keys(asking, "_adce/failing") == []


def test_a_run_that_is_interrupted_keeps_what_it_has_and_the_next_one_does_the_rest(
    asking: Any, instance: dg.DagsterInstance
) -> None:
    def interrupt(stage: str, done: int, total: int | None, note: str = "") -> None:  # noqa: ARG001 - as `Progress` has it
        raise dg.DagsterExecutionInterruptedError

    one_at_a_time(asking)
    token = current_progress.set(interrupt)
    try:
        interrupted = materialise(asking, instance, "play_by_play")
    finally:
        current_progress.reset(token)
    assert not interrupted.success
    assert not any(event.is_step_up_for_retry for event in interrupted.all_events)
    assert len(keys(asking, "pbp")) == 7
    assert len(keys(asking, "_adce/receipts")) == 1
    asking.reconcile(instance)
    assert told(materialise(asking, instance, "play_by_play"))["play_by_play"]["written"] == 1


def test_the_job_of_a_source_collects_a_season_of_all_its_data_sets(asking: Any, instance: dg.DagsterInstance) -> None:
    asking.lake.delete("schedule/20241203.json")
    asking.reconcile(instance)
    job = asking.defs().resolve_job_def("collect_espn")
    result = job.execute_in_process(instance=instance, partition_key=SEASON)
    written = {name: values["written"] for name, values in told(result).items()}
    assert written == {"schedule": 1, "play_by_play": 2, "box_scores": 2, "team_stats": 2}
    assert result.get_asset_check_evaluations() == []


def test_a_historical_season_is_backfilled_by_command(asking: Any) -> None:
    later = asking.at(days=365)
    with dg.DagsterInstance.ephemeral() as forgotten:
        later.reconcile(forgotten)
    selected = ("--select", "group:espn and key:*/box_scores or key:*/team_stats", "--partition", SEASON)
    finished = later.command("dagster", "asset", "materialize", "-m", "adce_assets.definitions", *selected)
    assert finished.returncode == 0, finished.stderr
    assert [len(keys(asking, folder)) for folder in ("pbp", "box_scores", "team_stats")] == [6, 8, 8]


@pytest.mark.parametrize(
    ("season", "states", "lane"),
    [
        ("2024-25", ["missing"], Lane.FRESH),
        ("2023-24", ["missing"], Lane.FRESH),
        ("2022-23", ["missing"], Lane.HISTORY),
        ("2022-23", ["stale"], Lane.HISTORY),
        ("all", ["missing", "stale"], Lane.HISTORY),
        ("all", ["present"], Lane.HISTORY),
        ("all", ["stale", "stale"], Lane.FRESH),
    ],
)
def test_without_a_queue_the_age_says_whose_part_of_the_budget_is_used(
    small: Any, season: str, states: list[str], lane: Lane
) -> None:
    contract = small.contract
    catalogue = load_catalogue(load_settings(small.environment).scraper_config_path)
    collector = Collector(contract, catalogue, "espn_summary", ("espn/box_scores",))
    keys = [TaskKey("", "espn", "box_scores", season, None, f"{state}.json", state, None) for state in states]
    assert lane_of(small.project, collector, season, keys) is lane


def test_a_run_of_the_queue_uses_the_part_that_it_was_given(asking: Any, instance: dg.DagsterInstance) -> None:
    result = materialise(asking, instance, "play_by_play", lane="HISTORY")
    assert told(result)["play_by_play"]["host_used_24h_history"] == 2
