"""The reconciliation as people start it: in a process, by command, over a lake that can be read and one that cannot."""

from typing import Any

import dagster as dg
import pytest

STEPS = ["lake_inventory", "coverage_analysis", "detected_gaps", "task_queue"]


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def test_a_perfect_lake_is_complete_and_has_no_gaps(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill()
    result = small.reconcile(instance)
    assert result.success
    assert small.metadata(result, "coverage_analysis")["completeness_pct"] == 100
    assert small.metadata(result, "detected_gaps")["gaps"] == 0
    assert small.metadata(result, "task_queue")["tasks"] == 0
    assert set(checks(result).values()) == {True}


def test_what_is_missing_is_told_in_numbers_and_tables(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill(missing=lambda key: key.startswith("pbp/401501"))
    result = small.reconcile(instance)
    inventory, coverage, gaps, queue = (small.metadata(result, step) for step in STEPS)
    assert inventory["objects"] == inventory["dagster/row_count"] == 32
    assert (coverage["missing"], coverage["present"], coverage["due"]) == (2, 32, 34)
    assert coverage["worst_cells"].records[0].data["data_type"] == "play_by_play"
    assert (gaps["gaps"], gaps["gaps_critical"], gaps["gaps_low"], gaps["keys"]) == (1, 1, 0, 2)
    assert (queue["tasks"], queue["tasks_critical"], queue["keys_left_out"]) == (1, 1, 0)
    assert queue["estimated_minutes"] > 0
    assert queue["forecast_hours_p90"] >= queue["forecast_hours_p50"] >= 0
    head = small.project.ledger.head()
    assert (queue["ledger_entries"], queue["ledger_head"]) == (head.seq, str(head))
    assert head.seq > 0
    assert "ledger_lost" not in queue


def test_a_ledger_that_was_written_anew_fails_a_check(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill(missing=lambda key: key.startswith("pbp/401501"))
    assert checks(small.reconcile(instance))["ledger_is_whole"]
    head, file = small.project.ledger.head(), small.project.state.store.get("cache/ledger_head.json")
    small.project.state.store.put("cache/ledger_head.json", file.replace(head.hash.encode(), b"0" * 64))
    result = small.reconcile(instance)
    assert (result.success, checks(result)["ledger_is_whole"]) == (True, False)
    assert "does not hold entry" in small.metadata(result, "task_queue")["ledger_lost"]
    small.project.state.store.put("cache/ledger_head.json", b"junk")
    assert not checks(small.reconcile(instance))["ledger_is_whole"]


def test_a_table_is_cut_and_says_so(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill()
    for number in range(25):
        small.lake.put(f"odd/{number:02d}.bin", b"?")
    result = small.reconcile(instance)
    told = small.metadata(result, "lake_inventory")
    assert len(told["unclassified_keys"].records) == 20
    assert told["unclassified_keys_cut"] == "shown: 20 of 25"


def test_an_object_nobody_knows_is_shown_and_the_run_succeeds(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill()
    small.lake.put("odd.bin", b"?")
    result = small.reconcile(instance)
    assert result.success
    assert [name for name, passed in checks(result).items() if not passed] == ["nothing_is_unclassified"]


def test_sums_that_do_not_add_up_fail_the_run_and_nothing_is_decided(
    small: Any, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adce_assets.loop import coverage

    right = coverage.analyse

    def wrong(*arguments: Any, **named: Any) -> Any:
        summary = right(*arguments, **named)
        summary.document["totals"]["present"] += 1
        return summary

    monkeypatch.setattr(coverage, "analyse", wrong)
    small.fill()
    result = small.reconcile(instance)
    assert not result.success
    assert checks(result)["states_sum_up"] is False
    assert result.asset_materializations_for_node("detected_gaps") == []


def test_the_open_season_of_a_data_set_is_judged_where_it_has_changed(small: Any, instance: dg.DagsterInstance) -> None:
    def reported() -> list[tuple[str, str]]:
        keys = [
            key for key in small.defs().resolve_asset_graph().asset_check_keys if key.name == "open_season_is_fresh"
        ]
        found = [(key, instance.event_log_storage.get_asset_check_execution_history(key, limit=10)) for key in keys]
        return sorted((key.asset_key.path[-1], one.status.value) for key, records in found for one in records)

    small.fill(missing=lambda key: key.startswith("pbp/"))
    small.reconcile(instance)
    first = reported()
    assert ("play_by_play", "FAILED") in first
    assert ("box_scores", "SUCCEEDED") in first
    assert len(first) == 6
    small.reconcile(instance)
    assert reported() == first
    small.fill()
    small.reconcile(instance)
    assert reported() == sorted([*first, ("play_by_play", "SUCCEEDED")])


def test_a_person_can_ask_again_whether_open_seasons_are_fresh(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill(missing=lambda key: key.startswith("pbp/"))
    small.reconcile(instance)
    job = small.defs().resolve_implicit_global_asset_job_def()
    key = dg.AssetCheckKey(dg.AssetKey(["espn", "play_by_play"]), "open_season_is_fresh")
    result = job.get_subset(asset_selection=set(), asset_check_selection={key}).execute_in_process(instance=instance)
    assert [(one.passed, one.severity) for one in result.get_asset_check_evaluations()] == [
        (False, dg.AssetCheckSeverity.WARN)
    ]


def test_the_inventory_may_be_taken_from_a_report(small: Any, instance: dg.DagsterInstance) -> None:
    from adce_assets.demo.report_writer import write_report

    small.fill()
    lake = small.lake
    moment = small.project.clock()
    write_report(
        lake, list(lake.list()), prefix="inventory-reports/", bucket="lake", config_id="daily", created_at=moment
    )
    lake.delete("hoopr/awards.csv")
    result = small.reconcile(instance, run_config={"ops": {"lake_inventory": {"config": {"mode": "aws"}}}})
    told = small.metadata(result, "lake_inventory")
    assert (told["mode"], told["objects"]) == ("aws", 34)


RECONCILE = ("job", "execute", "-m", "adce_assets.definitions", "-j", "reconciliation_job")


def test_the_job_runs_by_command_and_leaves_the_files_of_the_loop(small: Any) -> None:
    small.fill()
    finished = small.command("dagster", *RECONCILE)
    assert finished.returncode == 0, finished.stderr
    written = {path.name for path in (small.home / "inventory").rglob("*.json")}
    assert written == {
        "accepted_objects.json",
        "bookkeeping.json",
        "current_inventory.json",
        "coverage_analysis.json",
        "detected_gaps.json",
        "gaps.json",
        "ledger_head.json",
    }


def test_the_job_fails_by_command_when_the_lake_cannot_be_read(small: Any) -> None:
    small.lake_folder.rmdir()
    finished = small.command("dagster", *RECONCILE)
    assert finished.returncode != 0
    assert "not the same as an empty lake" in finished.stderr
    assert not list((small.home / "inventory").rglob("*.parquet"))


def test_where_no_forecast_can_be_made_everything_else_is_told(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill(missing=lambda key: key.startswith("pbp/401501"))
    (small.project.settings.work_folder / "limits.sqlite").mkdir(parents=True)
    result = small.reconcile(instance)
    assert result.success
    assert checks(result)["gaps_are_accounted_for"]
    told = small.metadata(result, "task_queue")
    assert told["closed_last_24h"] == 0
    assert "forecast_hours_p50" not in told
