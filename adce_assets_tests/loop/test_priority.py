"""Which of two tasks of one priority comes first, and why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.configuration import PRIORITIES, PriorityWeighting
from adce_assets.errors import ConfigurationError
from adce_assets.loop import priority
from adce_assets.loop.priority import Facts

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
PLAIN = Facts(
    priority="high",
    source="espn",
    is_schedule=False,
    required=True,
    urgency=2,
    moment=NOW - timedelta(days=10),
    gap_keys=50,
    detected_at=NOW - timedelta(hours=6),
    success_rate=0.9,
)
WEIGHTING = PriorityWeighting()


def total(weighting: PriorityWeighting = WEIGHTING, /, **changes: Any) -> float:
    return priority.score(replace(PLAIN, **changes), weighting, NOW).total


@pytest.mark.parametrize(
    "better",
    [
        {"is_schedule": True},
        {"urgency": 3},
        {"moment": NOW - timedelta(days=9)},
        {"gap_keys": 49},
        {"detected_at": NOW - timedelta(hours=7)},
        {"success_rate": 0.95},
        {"requests_per_key": 0.5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_of_two_tasks_alike_in_all_else_the_better_comes_first(better: dict[str, Any]) -> None:
    assert total(**better) > total()


def test_what_is_required_comes_before_what_is_optional() -> None:
    assert total() > total(required=False)


def test_recency_never_fades_altogether() -> None:
    old, older = (datetime(year, 4, 1, tzinfo=UTC) for year in (1954, 1953))
    assert total(moment=old) > total(moment=older)


def test_after_a_week_a_document_is_worth_half_of_what_it_was() -> None:
    new, week = (
        priority.score(replace(PLAIN, moment=moment), WEIGHTING, NOW).parts["recency"]
        for moment in (NOW, NOW - timedelta(days=7))
    )
    assert (new, week) == (40, 20)


WORKED = (
    ("base_scores: high 5000", {"base_scores": {"critical": 9000, "high": 5000, "medium": 10, "low": 1}}, 5000 - 2000),
    ("age_weight", {"age_weight": 2.0}, 6 * (2.0 - 0.5)),
    ("age_cap", {"age_weight": 2.0, "age_cap": 9}, 9 - 3),
    ("gap_size_weight", {"gap_size_weight": 0.02}, 50 * (0.1 - 0.02)),
    ("gap_size_cap", {"gap_size_cap": 1}, 5 - 1),
)


@pytest.mark.parametrize(("changes", "difference"), [case[1:] for case in WORKED], ids=[case[0] for case in WORKED])
def test_each_weight_moves_the_score_by_what_it_says(changes: dict[str, Any], difference: float) -> None:
    assert total(PriorityWeighting.model_validate(changes)) - total() == pytest.approx(difference, abs=1e-3)


def test_a_multiplier_and_the_chance_of_success_count_for_the_whole_value() -> None:
    plain = priority.score(PLAIN, WEIGHTING, NOW)
    twice = priority.score(PLAIN, PriorityWeighting(source_multipliers={"espn": 2.0, "nba": 3.0}), NOW)
    assert twice.value == 2 * plain.value
    doubtful = PriorityWeighting(success_rate_weight=0.0)
    assert total(doubtful) - total(doubtful, success_rate=0.1) == 0
    certain = PriorityWeighting(success_rate_weight=1.0)
    lost = priority.score(replace(PLAIN, success_rate=0.0), certain, NOW)
    assert lost.total == pytest.approx(lost.base + lost.size + lost.age)


facts = st.builds(
    Facts,
    priority=st.sampled_from(PRIORITIES),
    source=st.sampled_from(["espn", "other"]),
    is_schedule=st.booleans(),
    required=st.booleans(),
    urgency=st.integers(0, priority.MOST_THRESHOLDS),
    moment=st.datetimes(datetime(1946, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
    gap_keys=st.integers(1, 10**7),
    detected_at=st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
    success_rate=st.floats(0, 1),
    requests_per_key=st.floats(0.001, 1e4),
)


@given(facts, facts)
def test_with_the_shipped_weights_no_wait_and_no_value_lifts_a_task_over_a_higher_priority(one: Facts, other: Facts):
    one_score, other_score = (priority.score(of, WEIGHTING, NOW).total for of in (one, other))
    if PRIORITIES.index(one.priority) < PRIORITIES.index(other.priority):
        assert one_score > other_score


@given(facts)
def test_what_is_shown_sums_up_to_the_score(given: Facts) -> None:
    shown = priority.score(given, WEIGHTING, NOW)
    for term in priority.VALUE:
        assert 0 <= shown.parts[term.name] <= term.weight
    value = sum(shown.parts.values()) * shown.multiplier * shown.chance / shown.cost
    assert shown.total == pytest.approx(shown.base + value + shown.size + shown.age, abs=1e-3)


@pytest.mark.parametrize("bases", [{"critical": 1, "high": 2}, {"low": 5000}])
def test_base_scores_fall_from_critical_to_low(bases: dict[str, float]) -> None:
    with pytest.raises((ConfigurationError, ValueError), match="fall from critical to low"):
        PriorityWeighting.model_validate({"base_scores": bases})
