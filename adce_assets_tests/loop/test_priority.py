"""Which of two tasks of one priority comes first, and why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.loop import priority
from adce_assets.loop.priority import Facts

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
PLAIN = Facts(is_schedule=False, required=True, urgency=2, moment=NOW - timedelta(days=10), gap_keys=50, minutes=0.1)


@pytest.mark.parametrize(
    "better",
    [
        {"is_schedule": True},
        {"urgency": 3},
        {"moment": NOW - timedelta(days=9)},
        {"gap_keys": 49},
        {"minutes": 0.05},
    ],
    ids=lambda change: next(iter(change)),
)
def test_of_two_tasks_alike_in_all_else_the_better_comes_first(better: dict[str, Any]) -> None:
    assert priority.score(replace(PLAIN, **better), NOW) > priority.score(PLAIN, NOW)


def test_what_is_required_comes_before_what_is_optional() -> None:
    assert priority.score(PLAIN, NOW) > priority.score(replace(PLAIN, required=False), NOW)


def test_recency_never_fades_altogether() -> None:
    old, older = (replace(PLAIN, moment=datetime(year, 4, 1, tzinfo=UTC)) for year in (1954, 1953))
    assert priority.score(old, NOW) > priority.score(older, NOW)


def test_after_a_week_a_document_is_worth_half_of_what_it_was() -> None:
    new, week = (
        priority.terms(replace(PLAIN, moment=moment), NOW)["recency"] for moment in (NOW, NOW - timedelta(days=7))
    )
    assert (new, week) == (40, 20)


facts = st.builds(
    Facts,
    is_schedule=st.booleans(),
    required=st.booleans(),
    urgency=st.integers(0, priority.MOST_THRESHOLDS),
    moment=st.datetimes(datetime(1946, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
    gap_keys=st.integers(1, 10**7),
    minutes=st.floats(0.001, 1e4),
)


@given(facts)
def test_every_term_stays_within_its_weight_and_together_they_are_the_score(given: Facts) -> None:
    terms = priority.terms(given, NOW)
    assert set(terms) == {term.name for term in priority.TERMS}
    for term in priority.TERMS:
        low, high = sorted((0.0, term.weight))
        assert low <= terms[term.name] <= high
    assert priority.score(given, NOW) == pytest.approx(sum(terms.values()), abs=1e-4)
