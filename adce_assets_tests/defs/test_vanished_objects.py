"""A lake that loses much overnight stops the loop before anything is decided, until a person says that it is so."""

from typing import Any

import dagster as dg
import pytest

CHECK = "objects_have_not_vanished"


def judged(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    return next(one for one in result.get_asset_check_evaluations() if one.check_name == CHECK)


def steps(result: dg.ExecuteInProcessResult) -> list[str]:
    names = ["lake_inventory", "coverage_analysis", "detected_gaps", "task_queue"]
    return [name for name in names if result.asset_materializations_for_node(name)]


def lose(small: Any, *prefixes: str) -> None:
    for found in list(small.lake.list()):
        if found.key.startswith(prefixes):
            small.lake.delete(found.key)


@pytest.mark.parametrize("mode", ["list", "aws"])
def test_a_great_loss_stops_the_job_until_it_is_accepted(small: Any, instance: dg.DagsterInstance, mode: str) -> None:
    from adce_assets.demo.report_writer import write_report

    def cycle(minutes: int, *, accepted: bool = False) -> dg.ExecuteInProcessResult:
        later = small.at(minutes=minutes)
        if mode == "aws":
            objects = [found for found in small.lake.list() if not found.key.startswith("inventory-reports/")]
            write_report(
                small.lake,
                objects,
                prefix="inventory-reports/",
                bucket="b",
                config_id="daily",
                created_at=later.project.clock(),
            )
        config: Any = {"mode": mode, "accept_loss": accepted}
        return later.reconcile(instance, run_config={"ops": {"lake_inventory": {"config": config}}})

    small.fill()
    assert cycle(0).success
    lose(small, "pbp/")
    first, second = cycle(1), cycle(2)
    for lost in (first, second):
        assert not lost.success
        assert steps(lost) == ["lake_inventory"]
        said = judged(lost)
        assert not said.passed
        assert "more than 10% vanished" in (said.description or "")
        assert "espn: 28 -> 20" in (said.description or "")
        assert "--accept-loss" in (said.description or "")
    accepted = cycle(3, accepted=True)
    assert (accepted.success, small.metadata(accepted, "detected_gaps")["keys"]) == (True, 6)
    assert cycle(4).success


def test_what_is_back_needs_nobody_to_accept_anything(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill()
    small.reconcile(instance)
    lose(small, "pbp/")
    assert not small.reconcile(instance).success
    small.fill()
    assert small.reconcile(instance).success


def test_a_small_loss_is_a_gap_like_any_other(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill()
    small.reconcile(instance)
    lose(small, "pbp/401501")
    result = small.reconcile(instance)
    assert (result.success, judged(result).passed, small.metadata(result, "detected_gaps")["keys"]) == (True, True, 2)


def test_a_damaged_memory_hides_no_loss(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill()
    small.reconcile(instance)
    (small.home / "inventory" / "cache" / "newer_objects.parquet").unlink()
    lose(small, "pbp/")
    assert not small.reconcile(instance).success


def test_a_sample_stops_the_job_before_anything_is_decided(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill()
    result = small.reconcile(instance, run_config={"ops": {"lake_inventory": {"config": {"mode": "sample"}}}})
    assert (result.success, steps(result)) == (False, ["lake_inventory"])
    told = small.metadata(result, "lake_inventory")
    assert (told["mode"], told["estimated_objects"]) == ("sample", 34)
    failed = [one for one in result.get_asset_check_evaluations() if not one.passed]
    assert [one.check_name for one in failed] == ["inventory_is_whole"]
    assert "no gap can be made from it" in (failed[0].description or "")
    assert not list((small.home / "inventory").rglob("current_inventory*"))
