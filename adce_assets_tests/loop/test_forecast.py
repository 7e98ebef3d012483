"""How long work takes: from limits, from what waits, and from what was measured; the same twice."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.configuration import Retries
from adce_assets.ledger.transitions import Event
from adce_assets.loop.forecast import Tally, Work, by_budget, forecast, tallies

RELIABLE = Tally(good=1_000_000)
HALF = Tally(good=500_000, failed=500_000)
WORK = Work("espn", requests=1000, per_second=2.0, waiting=0, closed_s=0.0, tally=RELIABLE)
RETRIES = Retries(max_attempts=5, backoff_minutes=10, backoff_factor=1)


def p50(*works: Work, retries: Retries = RETRIES) -> float:
    found = forecast(works, retries).total.p50_s
    assert found is not None
    return found


def test_without_failures_the_rate_alone_tells():
    assert p50(WORK) == pytest.approx(1000 / 2, rel=0.01)


def test_what_waits_already_goes_first():
    assert p50(replace(WORK, waiting=200)) - p50(WORK) == pytest.approx(200 / 2)


def test_a_closed_host_is_waited_for():
    assert p50(replace(WORK, closed_s=3600.0)) - p50(WORK) == pytest.approx(3600)


def test_a_blocked_host_has_no_end_that_anybody_knows():
    found = forecast([replace(WORK, closed_s=None), replace(WORK, budget="nba")], RETRIES)
    assert (found.budgets["espn"].p50_s, found.total.p90_s) == (None, None)
    assert found.budgets["nba"].p50_s is not None


def test_a_blocked_host_that_is_asked_nothing_delays_nothing():
    assert p50(replace(WORK, closed_s=None, requests=0)) == 0


def test_failures_take_further_rounds_and_the_pauses_between_them():
    rounds = forecast([replace(WORK, tally=HALF)], RETRIES).total
    expected = (1000 + 500 + 250 + 125 + 62) / 2 + 4 * 600
    assert rounds.p50_s == pytest.approx(expected, rel=0.02)


def test_a_key_is_not_tried_for_ever():
    once = Retries(max_attempts=1, backoff_minutes=10)
    assert p50(replace(WORK, tally=Tally(failed=1_000_000)), retries=once) == pytest.approx(500)


def test_pauses_grow_as_those_of_retries_do():
    growing = Retries(max_attempts=3, backoff_minutes=10, backoff_factor=3)
    never = replace(WORK, tally=Tally(failed=10_000_000))
    assert p50(never, retries=growing) == pytest.approx(3 * 500 + 600 + 1800, rel=0.01)


def test_where_nothing_was_measured_the_span_is_wider():
    unknown, known = (forecast([replace(WORK, requests=20, tally=told)], RETRIES).total for told in (Tally(), RELIABLE))
    assert (unknown.p90_s or 0) - (unknown.p50_s or 0) > (known.p90_s or 0) - (known.p50_s or 0)


def test_hosts_are_asked_side_by_side():
    assert p50(WORK, replace(WORK, budget="nba", requests=100)) == p50(WORK)


def test_nothing_to_do_takes_no_time():
    assert p50() == 0


def test_ends_of_keys_are_counted_by_data_set():
    told = {(Event.PROMOTED, "espn", "odds"): 2, (Event.FAILED, "espn", "odds"): 1, (Event.FAILED, "espn", "box"): 4}
    assert tallies(told) == {"espn/odds": Tally(2, 1), "espn/box": Tally(0, 4)}


def test_what_one_budget_is_asked_for_waits_for_its_slowest_host_and_what_waits_counts_once():
    slow = replace(WORK, requests=10, per_second=0.5, waiting=3, closed_s=60.0, tally=Tally(1, 2))
    (both,) = by_budget([replace(WORK, waiting=3, tally=Tally(4, 0)), slow])
    assert both == Work("espn", requests=1010, per_second=0.5, waiting=3, closed_s=60.0, tally=Tally(5, 2))
    assert by_budget([WORK, replace(slow, closed_s=None)])[0].closed_s is None


works = st.builds(
    Work,
    budget=st.just("espn"),
    requests=st.integers(0, 100_000),
    per_second=st.floats(0.01, 1000),
    waiting=st.integers(0, 10_000),
    closed_s=st.floats(0, 1e6),
    tally=st.builds(Tally, st.integers(0, 10**6), st.integers(0, 10**6)),
)


@settings(max_examples=40)
@given(works)
def test_a_forecast_is_repeatable_ordered_and_never_faster_than_the_limit(work: Work):
    first = forecast([work], RETRIES)
    assert first == forecast([work], RETRIES)
    assert first.total.p50_s is not None
    assert first.total.p90_s is not None
    least = (work.closed_s or 0) + (work.waiting + work.requests) / work.per_second if work.requests else 0.0
    assert least - 0.1 <= first.total.p50_s <= first.total.p90_s
