"""An accepted and a measured value in, a verdict out: by thresholds alone, held against counting in whole numbers."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.dims.catalogue import Metric
from adce_assets.dims.drift import between, judge, needs_approval
from adce_assets.dims.metrics import Accepted, Measurement, Severity, Status, Value, Verdict

JANUARY = datetime(2025, 1, 15, 12, tzinfo=UTC)
JULY = JANUARY.replace(month=7)
ANY_NUMBER = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)


def metric(**more: Any) -> Metric:
    told = {"category": "lake", "name": "objects", "unit": "objects", "nature": "volatile", "description": "d"}
    return Metric.model_validate({**told, "measure": {"kind": "objects"}, **more})


def verdict(
    accepted: Value | None, found: Value | None, *, at: datetime = JANUARY, since: datetime = JANUARY, **more: Any
) -> Verdict:
    held = None if accepted is None else Accepted(accepted, since, "first", "ann")
    return judge(metric(**more), held, Measurement("lake.objects", found, "" if found is not None else "broken", at))


@pytest.mark.parametrize(
    ("accepted", "found", "status", "drift"),
    [
        (100, 100, Status.OK, 0),
        (100, 104, Status.OK, 4),
        (100_000, 104_999, Status.OK, 4.999),
        (100, 105, Status.MINOR, 5),
        (100, 95, Status.MINOR, 5),
        (100_000, 114_999, Status.MINOR, 14.999),
        (100, 115, Status.MODERATE, 15),
        (100_000, 75_001, Status.MODERATE, 24.999),
        (100, 125, Status.MAJOR, 25),
        (100, 75, Status.MAJOR, 25),
        (100, 0, Status.MAJOR, 100),
        (-100, -105, Status.MINOR, 5),
        (-100, 100, Status.MAJOR, 200),
        (1.1, 1.155, Status.MINOR, 5),
        (0.3, 0.3 * 1.15, Status.MODERATE, 15),
        (3, 3.0, Status.OK, 0),
        (0, 0.0, Status.OK, 0),
        (0, 1, Status.MAJOR, 100),
        (0.0, -0.001, Status.MAJOR, 100),
        (2**62, 2**62 + 1, Status.OK, 0),
        ("in_sync", "in_sync", Status.OK, 0),
        ("in_sync", "behind", Status.MAJOR, 100),
        ("5", 5, Status.MAJOR, 100),
        (5, "5", Status.MAJOR, 100),
    ],
)
def test_a_move_is_called_by_its_share_of_what_is_accepted(accepted: Value, found: Value, status: Status, drift: float):
    one = verdict(accepted, found)
    assert (one.status, one.drift) == (status, drift)


@given(accepted=st.integers(1, 10**6), found=st.integers(0, 10**7))
def test_the_thresholds_are_met_exactly(accepted: int, found: int):
    moved = 100 * abs(found - accepted)
    limits = {Status.MAJOR: 25, Status.MODERATE: 15, Status.MINOR: 5, Status.OK: 0}
    assert verdict(accepted, found).status == next(name for name, at in limits.items() if moved >= at * accepted)


@given(accepted=ANY_NUMBER, found=ANY_NUMBER)
def test_whatever_is_measured_the_drift_is_a_number_that_json_can_hold(accepted: Value, found: Value):
    one = verdict(accepted, found)
    assert one.drift is not None
    assert one.drift >= 0
    assert json.loads(json.dumps(one.drift, allow_nan=False)) == one.drift
    assert (one.drift == 0) <= (one.status is Status.OK)


@pytest.mark.parametrize(
    ("found", "volatile", "stable"),
    [
        (100, Severity.NONE, Severity.NONE),
        (106, Severity.LOW, Severity.MEDIUM),
        (116, Severity.MEDIUM, Severity.HIGH),
        (126, Severity.HIGH, Severity.CRITICAL),
    ],
)
def test_what_should_stay_weighs_more_than_what_should_move(found: int, volatile: Severity, stable: Severity):
    assert verdict(100, found).severity is volatile
    assert verdict(100, found, nature="stable").severity is stable


def test_a_metric_has_thresholds_of_its_own():
    own = {"minor": 50, "moderate": 100, "major": 150}
    found = [verdict(100, found, thresholds=own).status for found in (149, 150, 200, 250)]
    assert found == [Status.OK, Status.MINOR, Status.MODERATE, Status.MAJOR]


@pytest.mark.parametrize(
    ("accepted", "found", "status", "waits"),
    [
        (0, 3, Status.OK, False),
        (0, 4, Status.MAJOR, True),
        (5, 2, Status.OK, False),
        (5, 1, Status.MAJOR, True),
        (1.5, 4.5, Status.OK, False),
        (1_000, 1_060, Status.MINOR, False),
        ("a", "b", Status.MAJOR, True),
    ],
)
def test_a_move_within_the_tolerance_is_none_whatever_its_share(
    accepted: Value, found: Value, status: Status, *, waits: bool
):
    own = {"tolerance": 3}
    one = verdict(accepted, found, thresholds=own, critical=True)
    assert (one.status, needs_approval(metric(thresholds=own, critical=True), one)) == (status, waits)


def test_from_nothing_to_something_is_beyond_any_threshold():
    own = {"minor": 150, "moderate": 200, "major": 300}
    one = verdict(0, 1, thresholds=own, critical=True, approve_from=500)
    assert (one.status, one.drift) == (Status.MAJOR, 100)
    assert needs_approval(metric(critical=True, approve_from=500), one)


@pytest.mark.parametrize(("critical", "severity"), [(False, Severity.MEDIUM), (True, Severity.HIGH)])
def test_what_could_not_be_measured_is_an_error_and_no_drift(severity: Severity, *, critical: bool):
    one = verdict(100, None, critical=critical)
    assert (one.status, one.severity, one.drift) == (Status.ERROR, severity, None)
    assert not needs_approval(metric(critical=critical), one)


def test_a_metric_without_an_accepted_value_is_new():
    one = verdict(None, 7, critical=True)
    assert (one.status, one.severity, one.drift) == (Status.NEW, Severity.NONE, None)
    assert not needs_approval(metric(critical=True), one)


WINTER = {"season_months": [10, 11, 12, 1, 2, 3]}


@pytest.mark.parametrize(
    ("since", "at", "more", "status", "severity"),
    [
        (JANUARY, JANUARY, WINTER, Status.MAJOR, Severity.HIGH),
        (JANUARY, JULY, WINTER, Status.MINOR, Severity.LOW),
        (JULY, JULY, WINTER, Status.MINOR, Severity.LOW),
        (JULY, JANUARY, WINTER, Status.MINOR, Severity.LOW),
        (JULY, JULY, {}, Status.MAJOR, Severity.HIGH),
        (JANUARY, JULY, {**WINTER, "nature": "stable"}, Status.MAJOR, Severity.CRITICAL),
    ],
)
def test_only_two_values_of_a_season_are_compared_in_full(
    since: datetime, at: datetime, more: Any, status: Status, severity: Severity
):
    one = verdict(100, 0, since=since, at=at, **more)
    assert (one.status, one.severity, one.drift) == (status, severity, 100)
    assert one.in_season is (at.month in more.get("season_months", [at.month]))


def test_what_stands_still_out_of_season_is_in_order():
    one = verdict(100, 100, at=JULY, **WINTER)
    assert (one.status, one.severity, one.in_season) == (Status.OK, Severity.NONE, False)


@pytest.mark.parametrize(
    ("found", "more", "waits"),
    [
        (114, {}, False),
        (115, {}, True),
        (85, {}, True),
        (115, {"critical": False}, False),
        (108, {"approve_from": 8}, True),
        (107, {"approve_from": 8}, False),
        (119, {"thresholds": {"moderate": 20}}, False),
        (120, {"thresholds": {"moderate": 20}}, True),
    ],
)
@pytest.mark.parametrize("at", [JANUARY, JULY])
def test_a_critical_move_waits_from_its_threshold_on_in_any_season(
    found: int,
    more: dict[str, Any],
    at: datetime,
    *,
    waits: bool,
):
    told: dict[str, Any] = {"critical": True, **WINTER, **more}
    assert needs_approval(metric(**told), verdict(100, found, at=at, **told)) is waits


@given(old=ANY_NUMBER)
def test_nothing_drifts_from_itself(old: Value):
    assert between(old, old) == 0
