"""The loop's checks on itself fail when its words contradict each other or its promises are broken, and only then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adce_assets.configuration import ReconciliationConfig
from adce_assets.loop.checks import (
    CHECKS,
    Facts,
    Verdict,
    canary_is_alive,
    critical_gaps_are_young,
    gaps_are_accounted_for,
    inventory_is_recent,
    inventory_is_whole,
    nothing_is_unclassified,
    objects_have_not_vanished,
    open_cells,
    open_season_is_fresh,
    states_sum_up,
)

NOW = datetime(2024, 12, 5, 12, tzinfo=UTC)
STATES = ("present", "stale", "damaged", "missing", "unknown", "not_due", "unavailable")


def facts(document: dict[str, Any], before: dict[str, Any] | None = None) -> Facts:
    return Facts(document, before or {}, ReconciliationConfig(), NOW)


def cell(**changes: Any) -> dict[str, Any]:
    told = dict.fromkeys(STATES, 0) | {"present": 9, "missing": 1, "expected": 10, "due": 10, "completeness_pct": 90.0}
    named = {"source": "espn", "data_type": "pbp", "season": "2024-25", "age_class": "current"}
    return {**named, **told, "completeness_threshold": 0.95, **changes}


def coverage(*cells: dict[str, Any], **totals: int) -> dict[str, Any]:
    summed = {name: sum(one[name] for one in cells) for name in (*STATES, "expected")}
    return {"cells": list(cells), "totals": {**summed, **totals}}


def inventory(*vanished: dict[str, Any], mode: str = "list", unclassified: int = 0) -> dict[str, Any]:
    keys = ["odd.bin", "odder.bin"][:unclassified]
    return {"mode": mode, "vanished": list(vanished), "unclassified": unclassified, "unclassified_keys": keys}


SAMPLE = {"mode": "sample", "as_of": NOW.isoformat(), "objects": 7}
"""What a sample says has no word of classes, sources or losses."""


def gap(keys: int = 3, *, hours: float = 1, **changes: Any) -> dict[str, Any]:
    found = (NOW - timedelta(hours=hours)).isoformat()
    counts = {"missing_files": keys, "stale_files": 0, "damaged_files": 0, "detected_at": found}
    return {"source": "espn", "data_type": "pbp", "season": "2024-25", "priority": "critical", **counts, **changes}


@pytest.mark.parametrize(("hours", "passed"), [(0, True), (50, True), (51, False)])
def test_an_inventory_may_be_fifty_hours_old(hours: float, passed: bool) -> None:  # noqa: FBT001 - a column of the table
    as_of = (NOW - timedelta(hours=hours)).isoformat()
    assert inventory_is_recent(facts({"as_of": as_of})) == Verdict(
        passed, f"the inventory is {hours:.1f} h old; allowed: 50 h", {"age_hours": hours}
    )


def test_states_that_add_up_are_right() -> None:
    assert states_sum_up(facts(coverage(cell(), cell(season="2023-24")))).passed


@pytest.mark.parametrize("state", STATES)
def test_a_key_that_is_counted_twice_in_a_cell_is_found(state: str) -> None:
    wrong = cell(data_type="box")
    wrong[state] += 1
    verdict = states_sum_up(facts(coverage(cell(), wrong)))
    assert not verdict.passed
    assert "espn/box 2024-25" in verdict.description


def test_totals_that_are_not_the_sum_of_the_cells_are_found() -> None:
    assert not states_sum_up(facts(coverage(cell(), present=10))).passed


def test_an_unclassified_object_is_named() -> None:
    assert nothing_is_unclassified(facts(inventory())).passed
    verdict = nothing_is_unclassified(facts(inventory(unclassified=2)))
    assert (verdict.passed, verdict.numbers) == (False, {"unclassified": 2})
    assert "`odd.bin`" in verdict.description


def test_of_a_sample_only_its_being_one_is_a_fault() -> None:
    assert nothing_is_unclassified(facts(SAMPLE)).passed
    assert objects_have_not_vanished(facts(SAMPLE)).passed
    verdict = inventory_is_whole(facts(SAMPLE))
    assert not verdict.passed
    assert "sample" in verdict.description
    assert "--mode" in verdict.description


@pytest.mark.parametrize("mode", ["aws", "list", "cache"])
def test_an_inventory_of_every_other_mode_is_whole(mode: str) -> None:
    assert inventory_is_whole(facts(inventory(mode=mode))).passed


def test_what_has_vanished_is_named_with_how_much_is_left() -> None:
    assert objects_have_not_vanished(facts(inventory())).passed
    lost = [{"source": "", "before": 20_000, "now": 3_000}, {"source": "espn", "before": 17_000, "now": 0}]
    verdict = objects_have_not_vanished(facts(inventory(*lost)))
    assert (verdict.passed, verdict.numbers) == (False, {"vanished": 17_000})
    assert "the lake: 20,000 -> 3,000; espn: 17,000 -> 0" in verdict.description
    assert "--accept-loss" in verdict.description


def test_a_critical_gap_older_than_its_limit_is_named_and_others_may_be_old() -> None:
    young = [gap(hours=23), gap(hours=500, priority="low")]
    assert critical_gaps_are_young(facts({"gaps": young})).passed
    old = [gap(hours=25, data_type="box"), gap(hours=49.5, data_type="odds")]
    verdict = critical_gaps_are_young(facts({"gaps": [*young, *old]}))
    assert not verdict.passed
    assert verdict.description.startswith(
        "2 of 3 critical gap(s) are older than 24 h: espn/odds 2024-25 for 49.5 h, espn/box 2024-25 for 25.0 h; "
    )
    assert verdict.numbers == {"critical": 3, "too_old": 2, "oldest_hours": 49.5}


CANARY = {"alive": True, "says": "it was closed", "limit_minutes": 15.0, "seconds": 3.5}


def test_a_canary_is_alive_as_long_as_its_own_gap_was_closed_in_time() -> None:
    assert canary_is_alive(facts(CANARY)) == Verdict(
        passed=True, description="it was closed", numbers={"limit_minutes": 15.0, "seconds": 3.5}
    )
    dead = {**CANARY, "alive": False, "says": "it came as far as planned", "seconds": None}
    assert canary_is_alive(facts(dead)) == Verdict(
        passed=False, description="it came as far as planned", numbers={"limit_minutes": 15.0}
    )


def test_gaps_are_their_tasks_and_an_explained_remainder() -> None:
    gaps = {"gaps": [gap(5), gap(7, priority="low")]}
    tasks = [gap(2), gap(3), gap(4, priority="low")]
    left_out = [gap(priority="low") | {"keys": 3, "reason": "over the cap"}]
    assert gaps_are_accounted_for(facts({"tasks": tasks, "left_out": left_out}, gaps)).passed


@pytest.mark.parametrize(
    ("tasks", "left_out"),
    [
        ([], []),
        ([gap(4)], []),
        ([gap(6)], []),
        ([gap(5, season="2023-24")], []),
        ([gap(4)], [gap() | {"keys": 1, "reason": ""}]),
    ],
    ids=["dropped", "one lost", "one too many", "another cell", "unexplained"],
)
def test_a_key_that_is_lost_on_the_way_to_the_queue_is_found(tasks: list[Any], left_out: list[Any]) -> None:
    verdict = gaps_are_accounted_for(facts({"tasks": tasks, "left_out": left_out}, {"gaps": [gap(5)]}))
    assert not verdict.passed
    assert "espn/pbp 2024-25" in verdict.description


@pytest.mark.parametrize(("share", "passed"), [(95.0, True), (94.9, False)])
def test_an_open_season_is_fresh_up_to_the_threshold_of_its_data_type(share: float, passed: bool) -> None:  # noqa: FBT001 - a column of the table
    assert open_season_is_fresh(cell(completeness_pct=share)).passed is passed


def test_only_seasons_that_are_open_and_expect_something_are_asked() -> None:
    cells = [cell(), cell(data_type="old", age_class="history"), cell(data_type="early", due=0)]
    assert list(open_cells({"cells": cells})) == ["espn/pbp"]


def test_what_may_not_be_relied_on_stops_the_loop_and_what_is_merely_incomplete_does_not() -> None:
    assert {check.name for check in CHECKS if check.stops} == {
        "inventory_is_whole",
        "objects_have_not_vanished",
        "states_sum_up",
        "gaps_are_accounted_for",
    }


def test_what_the_inventory_is_asked_is_a_fault_where_it_fails() -> None:
    asked = {check.name for check in CHECKS if check.step == "lake_inventory" and check.is_fault}
    assert asked == {
        "inventory_is_recent",
        "inventory_is_whole",
        "objects_have_not_vanished",
    }
