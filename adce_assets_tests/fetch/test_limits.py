import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adce_assets.errors import ConfigurationError, TransientFetchError
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Limits


def host(**changes: Any) -> Host:
    return Host.model_validate({"base_url": "http://127.0.0.1", "requests_per_second": 1, "burst": 5} | changes)


def test_a_burst_goes_through_at_once_and_the_rest_at_the_rate(limits: Limits):
    waits = [limits.acquire("it", host()) for _ in range(20)]
    assert waits[:5] == [0] * 5
    assert sum(waits) == pytest.approx(15, abs=0.2)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.sampled_from([0.05, 0.33, 1.0, 3.0, 20.0]),
    burst=st.integers(1, 8),
    pauses=st.lists(st.floats(0, 30), min_size=1, max_size=60),
)
def test_no_sliding_minute_ever_holds_more_than_the_rate_and_a_burst(
    tmp_path_factory: pytest.TempPathFactory, rate: float, burst: int, pauses: list[float], clock: Any
):
    limits = Limits(tmp_path_factory.mktemp("limits") / "l.sqlite", clock_ms=clock.milliseconds, sleep=clock.sleep)
    entry, granted = host(requests_per_second=rate, burst=burst), []
    for pause in pauses:
        clock.seconds += pause
        limits.acquire("it", entry)
        granted.append(clock.seconds)
    limits.dispose()
    for start in granted:
        assert sum(start <= moment < start + 60 for moment in granted) <= rate * 60 + burst
        assert sum(start <= moment < start + burst / rate for moment in granted) <= burst


def test_hosts_have_budgets_of_their_own(limits: Limits):
    for _ in range(5):
        limits.acquire("one", host())
    assert limits.acquire("other", host()) == 0


def test_the_lock_is_free_while_somebody_waits(tmp_path: Path, clock: Any):
    path = tmp_path / "limits.sqlite"
    free = []

    def sleep(seconds: float) -> None:
        with FileLock(f"{path}.lock", timeout=0):
            free.append(seconds)
        clock.sleep(seconds)

    limits = Limits(path, clock_ms=clock.milliseconds, sleep=sleep)
    for _ in range(7):
        limits.acquire("it", host())
    limits.dispose()
    assert free


TAKE_ALL = """
import sys
from pathlib import Path
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Limits

class Refused(Exception):
    pass

def refuse(seconds):
    raise Refused

limits = Limits(Path(sys.argv[1]), clock_ms=lambda: 1_700_000_000_000, sleep=refuse)
host = Host(base_url="http://127.0.0.1", requests_per_second=1, burst=300)
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


def test_two_processes_share_one_budget_to_the_last_request(tmp_path: Path):
    """At one frozen moment a burst may go through, however many processes take from it."""
    command = [sys.executable, "-c", TAKE_ALL, str(tmp_path / "limits.sqlite")]
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


def test_a_closed_host_is_closed_for_every_process(tmp_path: Path, clock: Any):
    path = tmp_path / "limits.sqlite"
    one, other = (Limits(path, clock_ms=clock.milliseconds, sleep=clock.sleep) for _ in range(2))
    one.close_host("it", host(), 30)
    assert other.closed_for("it", host()) == 30
    assert other.acquire("it", host()) == 30
    assert one.closed_for("it", host()) == 0
    one.dispose()
    other.dispose()


def test_a_shorter_pause_never_ends_a_longer_one(limits: Limits):
    limits.close_host("it", host(), 60)
    limits.close_host("it", host(), 5)
    assert limits.closed_for("it", host()) == 60


def test_an_absurd_pause_is_a_day(limits: Limits):
    limits.close_host("it", host(), float("inf"))
    assert limits.closed_for("it", host()) == 24 * 3600


def test_nobody_waits_longer_than_the_entry_says(limits: Limits, clock: Any):
    limits.close_host("it", host(), 121)
    with pytest.raises(TransientFetchError, match="121 s"):
        limits.acquire("it", host(max_wait_s=120))
    assert clock.slept == []


def test_a_closure_outlives_the_process(tmp_path: Path, clock: Any):
    path = tmp_path / "deep" / "limits.sqlite"
    first = Limits(path, clock_ms=clock.milliseconds, sleep=clock.sleep)
    first.close_host("it", host(), 60)
    first.dispose()
    second = Limits(path, clock_ms=clock.milliseconds, sleep=clock.sleep)
    assert second.closed_for("it", host()) == 60
    second.dispose()


def test_a_file_that_is_no_database_is_named_with_the_way_out(tmp_path: Path):
    path = tmp_path / "limits.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigurationError, match=r"limits\.sqlite.*\n.*delete the file"):
        Limits(path).acquire("it", host())
