"""Silence is told from slowness by counting, and a blocked host is left alone but for its probes."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from adce_assets.fetch import breaker
from adce_assets.fetch.breaker import PROBE_EVERY_MS, SILENCES, WELL

START_MS = 1_700_000_000_000


@given(st.lists(st.tuples(st.sampled_from(["ask", "silent", "answer"]), st.integers(1, 600_000)), max_size=80))
def test_between_two_requests_to_a_blocked_host_lies_a_quarter_of_an_hour(events: list[tuple[str, int]]):
    """Whatever order requests, silences and answers come in; an oracle counts the silences in a row itself."""
    known, now_ms, silences, asked_at = WELL, START_MS, 0, []
    for event, pause_ms in events:
        now_ms += pause_ms
        if event == "silent":
            known, silences = breaker.silent(known, now_ms), silences + 1
        elif event == "answer":
            known, silences, asked_at = WELL, 0, []
        elif breaker.blocked_ms(known, now_ms) == 0:
            known = breaker.asked(known, now_ms)
            asked_at += [now_ms] if silences >= SILENCES else []
        else:
            assert silences >= SILENCES
    assert all(after - before >= PROBE_EVERY_MS for before, after in itertools.pairwise(asked_at))


@given(silences=st.integers(0, 10), later_ms=st.integers(0, 10 * PROBE_EVERY_MS))
def test_nobody_is_ever_sent_away_for_longer_than_to_the_next_probe(silences: int, later_ms: int):
    known = WELL
    for _ in range(silences):
        known = breaker.silent(known, START_MS)
    assert breaker.blocked_ms(known, START_MS + later_ms) <= PROBE_EVERY_MS
    assert (breaker.blocked_ms(known, START_MS) > 0) == (silences >= SILENCES)
    assert known.since_ms == (START_MS if silences else 0)
