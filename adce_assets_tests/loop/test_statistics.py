"""Numbers on the loop's life, counted again by hand."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.ledger.chain import Entry
from adce_assets.ledger.keys import KeyState
from adce_assets.ledger.transitions import Event, State
from adce_assets.loop.statistics import Statistics, of

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def gap(priority: str, *, hours: float, keys: int = 3) -> dict[str, Any]:
    counts = {"missing_files": keys - 1, "stale_files": 1, "damaged_files": 0}
    return {"priority": priority, "detected_at": (NOW - hours * HOUR).isoformat(), **counts}


def closed(number: int, *, hours_ago: float, took: float, **changes: Any) -> KeyState:
    told: dict[str, Any] = dict.fromkeys(("lease_until", "probed_at", "next_at"))
    told |= {"failures": 0, "probes": 0, "detail": {}, "seq": number, "hash": "", "run": "", "task": ""}
    end = NOW - hours_ago * HOUR
    told |= {"key": f"k{number}", "source": "s", "data_type": "d", "season": "all", "since": end}
    told |= {"state": State.CLOSED, "closed_at": end, "detected_at": end - took * HOUR}
    return KeyState(**(told | changes))


def failed(number: int, kind: str | None) -> Entry:
    detail = {} if kind is None else {"class": kind}
    return Entry(number, "", NOW, f"k{number}", Event.FAILED, "s", "d", "all", "", "", detail, "h")


def count(gaps: list[dict[str, Any]], *states: KeyState, failures: list[Entry] | None = None) -> Statistics:
    return of({"gaps": gaps}, states, failures or [], {State.TOMBSTONED: 4, State.CLOSED: 9}, NOW)


def test_open_keys_are_counted_by_priority_and_the_oldest_critical_gap_has_its_age():
    gaps = [gap("critical", hours=5), gap("critical", hours=30, keys=2), gap("low", hours=900, keys=10)]
    told = count(gaps)
    assert told.open_keys == {"critical": 5, "high": 0, "medium": 0, "low": 10}
    assert told.oldest_critical == 30 * HOUR
    assert count([gap("low", hours=900)]).oldest_critical is None


def test_closures_are_counted_by_day_and_a_key_that_is_open_again_is_none():
    open_again = closed(4, hours_ago=1, took=1, closed_at=None, state=State.DETECTED)
    told = count(
        [], closed(1, hours_ago=1, took=1), closed(2, hours_ago=13, took=1), closed(3, hours_ago=25, took=1), open_again
    )
    assert told.closed_last_day == 2
    assert list(told.closed_by_day.values()) == [0, 0, 0, 0, 0, 2, 1]
    assert f"{max(told.closed_by_day)}" == "2025-01-15"
    assert told.waiting == {State.TOMBSTONED: 4, State.DEAD_LETTERED: 0, State.PROMOTED: 0}


def test_failures_are_counted_by_class():
    told = count([], failures=[failed(1, "gone"), failed(2, "transient"), failed(3, "gone"), failed(4, None)])
    assert told.failed_by_class == {"gone": 2, "transient": 1, "unknown": 1}


@pytest.mark.parametrize(
    ("took", "half", "most"), [([4], 4, 4), ([1, 9], 1, 9), (range(1, 11), 5, 9), (range(1, 101), 50, 90)]
)
def test_the_time_from_detected_to_closed_is_told_at_half_and_at_nine_of_ten(took: list[int], half: int, most: int):
    told = count([], *(closed(number, hours_ago=1, took=hours) for number, hours in enumerate(took)))
    assert told.to_close == (half * HOUR, most * HOUR)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_half_are_closed_within_the_one_and_nine_of_ten_within_the_other(took: list[float], chance: random.Random):
    chance.shuffle(took)
    half, most = count([], *(closed(n, hours_ago=1, took=hours) for n, hours in enumerate(took))).to_close or (
        HOUR,
        HOUR,
    )
    times = [hours * HOUR for hours in took]
    assert 2 * sum(time <= half for time in times) >= len(times)
    assert 10 * sum(time <= most for time in times) >= 9 * len(times)
    assert half in times
    assert most in times


def test_what_was_closed_long_ago_says_nothing_of_how_soon_gaps_close():
    assert count([], closed(1, hours_ago=24 * 8, took=1)).to_close is None
