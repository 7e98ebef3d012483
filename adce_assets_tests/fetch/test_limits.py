"""Budgets are one for all processes, wherever they are kept: every test here runs over SQLite and over PostgreSQL."""

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adce_assets.errors import EgressBlockedError, HostClosedError
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.lanes import Lane
from adce_assets.fetch.limits import Answered, HostState, Limits

DAY = 24 * 3600
QUARTER = 15 * 60


def host(**changes: Any) -> Host:
    return Host.model_validate({"base_url": "http://127.0.0.1", "requests_per_second": 1, "burst": 5} | changes)


@pytest.fixture
def opened(place: str, clock: Any) -> Iterator[Callable[..., Limits]]:
    """Open limits on the one place, as each process does, on one clock."""
    limits = []

    def open_one(**changes: Any) -> Limits:
        limits.append(Limits(place, **{"clock_ms": clock.milliseconds, "sleep": clock.sleep} | changes))
        return limits[-1]

    yield open_one
    for one in limits:
        one.dispose()


def state(limits: Limits, entry: Host, name: str = "it") -> HostState:
    (found,) = limits.states({name: entry})
    return found


def asked(clock: Any) -> Any:
    return datetime.fromtimestamp(clock.seconds, UTC)


def test_a_burst_goes_through_at_once_and_the_rest_at_the_rate(opened: Any):
    limits = opened()
    waits = [limits.acquire("it", host()) for _ in range(20)]
    assert waits[:5] == [0] * 5
    assert sum(waits) == pytest.approx(15, rel=0.02)


def test_hosts_have_budgets_of_their_own(opened: Any):
    limits = opened()
    for _ in range(5):
        limits.acquire("one", host())
    assert limits.acquire("other", host()) == 0


def test_hosts_of_one_operator_share_its_budget(opened: Any):
    limits, entry = opened(), host(budget="operator")
    for name in ("pages", "files", "pages", "files", "pages"):
        assert limits.acquire(name, entry) == 0
    assert limits.acquire("files", entry) > 0.9


TAKE_ALL = """
import sys
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Limits

class Refused(Exception):
    pass

def refuse(seconds):
    raise Refused

limits = Limits(sys.argv[1], clock_ms=lambda: 1_700_000_000_000, sleep=refuse)
host = Host(base_url="http://127.0.0.1", requests_per_second=0.5, burst=300)
granted = 0
print("ready", flush=True)
sys.stdin.readline()
try:
    while True:
        limits.acquire("it", host)
        granted += 1
except Refused:
    print(granted)
limits.dispose()
"""


def test_two_processes_share_one_budget_to_the_last_request(place: str):
    """At one frozen moment a burst may go through, however many processes take from it."""
    command = [sys.executable, "-c", TAKE_ALL, place]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other,
    ):
        for process in (one, other):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in (one, other):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        granted = [int(process.communicate(timeout=60)[0]) for process in (one, other)]
    assert sum(granted) == 300


def test_threads_of_one_process_share_one_budget_to_the_last_request(opened: Any):
    class RefusedError(Exception):
        pass

    def refuse(_: float) -> None:
        raise RefusedError

    def take_all() -> int:
        for granted in itertools.count():
            try:
                limits.acquire("it", host(requests_per_second=0.5, burst=90))
            except RefusedError:
                return granted
        return 0

    limits = opened(clock_ms=lambda: 1_700_000_000_000, sleep=refuse)
    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(lambda _: take_all(), range(4))) == 90


def test_the_place_is_free_while_somebody_waits(opened: Any, clock: Any):
    other = opened()

    def sleep(seconds: float) -> None:
        assert other.closed_for("it", host()) == 0
        clock.sleep(seconds)

    limits = opened(sleep=sleep)
    assert sum(limits.acquire("it", host()) for _ in range(7)) > 0


def test_a_closed_host_is_closed_for_every_process(opened: Any):
    one, other = opened(), opened()
    one.close_host("it", host(), 30, "Retry-After")
    assert other.closed_for("it", host()) == 30
    assert other.acquire("it", host()) == 30
    assert one.closed_for("it", host()) == 0


def test_a_closed_host_closes_the_others_of_its_operator(opened: Any):
    limits = opened()
    limits.close_host("pages", host(budget="operator"), 30, "jail")
    assert limits.closed_for("files", host(budget="operator")) == 30
    assert limits.closed_for("elsewhere", host()) == 0


def test_a_closure_outlives_the_process(opened: Any):
    first = opened()
    first.close_host("it", host(), 3600, "a jail of an hour")
    first.dispose()
    assert opened().closed_for("it", host()) == 3600


def test_a_shorter_pause_never_ends_a_longer_one(opened: Any):
    limits = opened()
    limits.close_host("it", host(), 60, "long")
    limits.close_host("it", host(), 5, "short")
    assert limits.closed_for("it", host()) == 60
    assert state(limits, host()).closed_why == "long"


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e300, 86_401])
def test_an_absurd_pause_is_a_day_and_is_reported(opened: Any, seconds: float, caplog: pytest.LogCaptureFixture):
    limits = opened()
    limits.close_host("it", host(), seconds, "Retry-After")
    assert limits.closed_for("it", host()) == DAY
    assert (state(limits, host()).closed_asked_s or 0) > DAY
    assert "asked again after a day" in caplog.text


@pytest.mark.parametrize("seconds", [0, -1, float("-inf")])
def test_a_pause_that_is_over_closes_nothing(opened: Any, seconds: float):
    limits = opened()
    limits.close_host("it", host(), seconds, "Retry-After")
    assert limits.closed_for("it", host()) == 0


def test_nobody_waits_longer_than_the_entry_says(opened: Any, clock: Any):
    limits = opened()
    limits.close_host("it", host(), 121, "429 and Retry-After")
    with pytest.raises(HostClosedError, match="121 s: 429 and Retry-After") as raised:
        limits.acquire("it", host(max_wait_s=120))
    assert raised.value.until == asked(clock) + timedelta(seconds=121)
    assert clock.slept == []


def test_errors_lower_the_rate_for_every_process_and_never_below_the_floor(opened: Any, clock: Any):
    one, other, entry = opened(), opened(), host(requests_per_second=8, slowest_requests_per_second=3)
    rates = []
    for how in (Answered.BUSY, Answered.REFUSED, Answered.BUSY):
        one.answered("it", entry, how)
        rates.append(state(other, entry).rate)
        clock.seconds += 60
    assert rates == [4, 3, 3]
    waits = [other.acquire("it", entry) for _ in range(10)]
    assert sum(waits) == pytest.approx(9 / 3, rel=0.02)


def test_requests_that_fail_together_lower_the_rate_once(opened: Any):
    limits, entry = opened(), host(requests_per_second=8)
    for _ in range(10):
        limits.answered("it", entry, Answered.BUSY)
    assert state(limits, entry).rate == 4


def test_successes_raise_the_rate_slowly_and_never_above_the_ceiling(opened: Any):
    limits, entry = opened(), host(requests_per_second=8)
    limits.answered("it", entry, Answered.BUSY)
    rates = []
    for _ in range(120):
        limits.answered("it", entry, Answered.OK)
        rates.append(state(limits, entry).rate)
    assert rates == sorted(rates)
    assert 4 < rates[0] < 4.1
    assert max(rates) == rates[-1] == 8


def test_a_host_that_never_answers_is_blocked_egress_in_words(opened: Any, clock: Any):
    one, other, began = opened(), opened(), asked(clock)
    for _ in range(3):
        one.answered("it", host(), Answered.SILENT)
    with pytest.raises(
        EgressBlockedError, match=r"blocked egress: since .* accepts connections and never answers"
    ) as told:
        other.acquire("it", host())
    assert told.value.until == began + timedelta(seconds=QUARTER)
    assert "no slow host and no missing data" in str(told.value)
    assert (state(other, host()).blocked_since, other.closed_for("it", host())) == (began, QUARTER)


def test_one_probe_in_a_quarter_of_an_hour_is_made_of_all_processes(opened: Any, clock: Any):
    processes, probes = [opened() for _ in range(3)], []
    for _ in range(3):
        processes[0].answered("it", host(), Answered.SILENT)
    for _ in range(4 * 60):
        clock.seconds += 60
        for process in processes:
            try:
                process.acquire("it", host())
            except EgressBlockedError:
                continue
            probes.append(clock.seconds)
            process.answered("it", host(), Answered.SILENT)
    gaps = [after - before for before, after in itertools.pairwise(probes)]
    assert len(probes) == 4 * 60 // 15
    assert min(gaps) >= QUARTER


def test_a_probe_whose_process_dies_is_made_again_after_a_quarter_of_an_hour(opened: Any, clock: Any):
    limits = opened()
    for _ in range(3):
        limits.answered("it", host(), Answered.SILENT)
    clock.seconds += QUARTER
    assert limits.closed_for("it", host()) == 0
    limits.acquire("it", host())
    assert limits.closed_for("it", host()) == QUARTER


def test_what_is_of_no_use_leaves_the_rate_as_it_was(opened: Any):
    limits = opened()
    limits.answered("it", host(), Answered.HEARD)
    assert state(limits, host()).rate == 1
    limits.answered("it", host(), Answered.BUSY)
    for _ in range(100):
        limits.answered("it", host(), Answered.HEARD)
    assert state(limits, host()).rate == 0.5


@pytest.mark.parametrize("how", [Answered.OK, Answered.HEARD, Answered.BUSY, Answered.REFUSED])
def test_any_answer_opens_a_blocked_host_for_everybody(opened: Any, clock: Any, how: Answered):
    one, other = opened(), opened()
    for _ in range(3):
        one.answered("it", host(), Answered.SILENT)
    clock.seconds += QUARTER
    other.acquire("it", host())
    other.answered("it", host(), how)
    assert one.acquire("it", host()) < 5
    assert state(one, host()).blocked_since is None


def test_silences_with_an_answer_between_block_nothing(opened: Any):
    limits = opened()
    for how in (Answered.SILENT, Answered.SILENT, Answered.OK, Answered.SILENT, Answered.SILENT):
        limits.answered("it", host(), how)
    assert limits.closed_for("it", host()) == 0


def test_a_blocked_host_blocks_no_other_of_its_operator(opened: Any):
    limits, entry = opened(), host(budget="operator")
    for _ in range(3):
        limits.answered("pages", entry, Answered.SILENT)
    assert limits.acquire("files", entry) == 0


def test_a_crawl_delay_holds_for_every_process_without_bursts(opened: Any):
    one, other = opened(), opened()
    one.acquire("it", host(), crawl_delay_s=10)
    waits = [other.acquire("it", host()) for _ in range(3)]
    assert waits == pytest.approx([10, 10, 10], abs=0.1)
    assert other.acquire("it", host(), crawl_delay_s=0) < 10


def test_history_that_waits_takes_no_turn_of_fresh_work(opened: Any, clock: Any):
    """A process of history, seen asleep in its wait, is passed by a fresh one that comes later."""
    fresh, order, entry = opened(), [], host(burst=1, history_floor=0, history_share=0)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(order) < 5:
            order.append("fresh")
            fresh.acquire("it", entry)

    history = opened(sleep=sleep)
    history.acquire("it", entry)
    history.acquire("it", entry, lane=Lane.HISTORY)
    assert order == ["fresh"] * 5
    assert state(fresh, entry).used == {Lane.FRESH: 6, Lane.HISTORY: 1}


def test_a_waiter_whose_process_ended_is_forgotten(opened: Any, clock: Any):
    def end(_: float) -> None:
        raise KeyboardInterrupt

    ended, limits, entry = opened(sleep=end), opened(), host(burst=1)
    limits.acquire("it", entry)
    with pytest.raises(KeyboardInterrupt):
        ended.acquire("it", entry)
    assert state(limits, entry).waiting == {Lane.FRESH: 1, Lane.HISTORY: 0}
    clock.seconds += 10
    assert state(limits, entry).waiting == {Lane.FRESH: 0, Lane.HISTORY: 0}


def test_a_clock_that_was_set_back_takes_all_records_with_it(opened: Any, clock: Any):
    limits = opened()
    for _ in range(6):
        limits.acquire("it", host())
    limits.close_host("it", host(), 60, "Retry-After")
    for _ in range(3):
        limits.answered("it", host(), Answered.SILENT)
    clock.seconds -= 365 * DAY
    assert limits.closed_for("it", host()) == QUARTER
    clock.seconds += QUARTER
    assert limits.acquire("it", host()) == 0


def test_the_clock_of_the_place_is_used_where_none_is_given(place: str):
    limits = Limits(place)
    limits.close_host("it", host(), 1000, "Retry-After")
    assert 990 < limits.closed_for("it", host()) <= 1000
    limits.dispose()


def test_a_connection_that_was_lost_is_made_anew(opened: Any, postgresql: Any, place: str):
    if "://" not in place:
        return
    limits = opened()
    limits.acquire("it", host())
    postgresql.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'adce limits';")
    assert limits.acquire("it", host()) == 0
