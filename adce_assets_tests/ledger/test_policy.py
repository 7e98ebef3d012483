"""What follows from a failure: bounded tries, longer waits, dead letters, and tombstones by a quorum of answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.configuration import ReconciliationConfig, Retries, Tombstones
from adce_assets.ledger.keys import KeyState
from adce_assets.ledger.policy import ABSENT, Dead, Retry, Rules, Tombstone, after_failure
from adce_assets.ledger.transitions import State

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
RULES = Rules(
    Retries(max_attempts=4, backoff_minutes=10, backoff_factor=3, backoff_longest_hours=1, jitter=0),
    Tombstones(quorum=3, probe_hours=24, lasts_days=30),
)


def leased(*, failures: int = 0, probes: int = 0, probed_at: datetime | None = None) -> KeyState:
    told: dict[str, Any] = dict.fromkeys(("lease_until", "next_at", "detected_at", "closed_at"))
    counted: dict[str, Any] = {"failures": failures, "probes": probes, "probed_at": probed_at}
    named = {"source": "espn", "data_type": "odds", "season": "2024-25", "run": "r", "task": "t"}
    return KeyState("a", **named, state=State.LEASED, seq=1, hash="", since=NOW, **counted, **told, detail={})


def middle() -> float:
    return 0.5


def test_a_permanent_failure_is_a_dead_letter_at_once() -> None:
    found = after_failure(leased(), "refused", NOW, RULES, middle, permanent=True)
    assert isinstance(found, Dead)
    assert (found.why, found.tries.failures) == ("permanent: refused", 1)


@pytest.mark.parametrize(("before", "minutes"), [(0, 10), (1, 30), (2, 60)])
def test_each_failure_in_a_row_waits_longer_up_to_the_longest_wait(before: int, minutes: int) -> None:
    found = after_failure(leased(failures=before), "busy", NOW, RULES, middle)
    assert isinstance(found, Retry)
    assert (found.next_at - NOW, found.tries.failures) == (timedelta(minutes=minutes), before + 1)


def test_the_last_attempt_is_followed_by_a_dead_letter() -> None:
    found = after_failure(leased(failures=3), "busy", NOW, RULES, middle)
    assert isinstance(found, Dead)
    assert found.why == "failed 4 times in a row, last as busy"


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1), st.integers(0, 3))
def test_a_wait_is_spread_by_no_more_than_the_jitter(drawn: float, jitter: float, failures: int) -> None:
    retries = RULES.retries.model_copy(update={"jitter": jitter})
    found = after_failure(leased(failures=failures), "busy", NOW, Rules(retries, RULES.tombstones), lambda: drawn)
    plain = after_failure(leased(failures=failures), "busy", NOW, RULES, middle)
    if not isinstance(plain, Retry):
        assert found == plain
        return
    assert isinstance(found, Retry)
    wait = plain.next_at - NOW
    slack = timedelta(milliseconds=1)
    assert wait * (1 - jitter) - slack <= found.next_at - NOW <= wait * (1 + jitter) + slack


def test_an_absence_is_believed_after_a_quorum_of_answers_a_day_apart() -> None:
    state, now = leased(), NOW
    for probe in (1, 2):
        found = after_failure(state, ABSENT, now, RULES, middle)
        assert isinstance(found, Retry)
        assert (found.tries.probes, found.next_at) == (probe, now + timedelta(days=1))
        state, now = leased(probes=probe, probed_at=now), found.next_at
    last = after_failure(state, ABSENT, now, RULES, middle)
    assert isinstance(last, Tombstone)
    assert (last.tries.probes, last.until) == (3, now + timedelta(days=30))
    assert last.why == "the source was asked 3 times, and has nothing"


@given(st.lists(st.floats(0, 80), max_size=30))
def test_answers_that_come_sooner_than_a_day_apart_are_one(gaps: list[float]) -> None:
    state, now, counted = leased(), NOW, [NOW]
    after = after_failure(state, ABSENT, now, RULES, middle)
    for hours in gaps:
        if isinstance(after, Tombstone):
            break
        state = leased(probes=after.tries.probes, probed_at=after.tries.probed_at)
        now += timedelta(hours=hours)
        counted += [now] * (now - counted[-1] >= timedelta(hours=24))
        after = after_failure(state, ABSENT, now, RULES, middle)
    assert after.tries.probes == min(len(counted), 3)
    assert isinstance(after, Tombstone) == (len(counted) >= 3)


def test_one_answer_is_enough_where_the_quorum_is_one() -> None:
    rules = Rules(RULES.retries, Tombstones(quorum=1))
    found = after_failure(leased(), ABSENT, NOW, rules, middle)
    assert isinstance(found, Tombstone)
    assert found.why == "the source was asked once, and has nothing"


def test_an_answer_that_there_is_nothing_ends_a_row_of_failures_and_a_failure_keeps_the_probes() -> None:
    absent = after_failure(leased(failures=3), ABSENT, NOW, RULES, middle)
    failed = after_failure(leased(probes=2, probed_at=NOW), "busy", NOW, RULES, middle)
    assert (absent.tries.failures, absent.tries.probes) == (0, 1)
    assert (failed.tries.failures, failed.tries.probes, failed.tries.probed_at) == (1, 2, NOW)


def test_the_rules_are_those_of_the_configuration() -> None:
    config = ReconciliationConfig.model_validate({"retries": {"max_attempts": 1}, "tombstones": {"quorum": 1}})
    assert isinstance(after_failure(leased(), "busy", NOW, Rules.of(config), middle), Dead)
    assert isinstance(after_failure(leased(), ABSENT, NOW, Rules.of(config), middle), Tombstone)
