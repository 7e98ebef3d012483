"""Whatever the point at which a process of the loop is killed, the next ones end where undisturbed ones end.

One life after the other is killed, at each point once, while the contract goes on asking for more; which comes when,
and which time that the point is passed, is drawn by the seed. ``ADCE_TEST_SEEDS`` is the number of seeds, in folders
and on servers.
"""

import os
import random
import signal
from hashlib import sha256

import pytest

from adce_assets_tests.whole.conftest import Small, body

SEEDS = os.environ.get("ADCE_TEST_SEEDS")
TRIES = 2
"""Lives that look for more to do, where a short one did not come to a point."""
FATES = ("good", "good", "good", "late", "none", "gone", "poor")
COLLECTS = ("release", "collect")
"""The sensor goes by the queue that is there, however old."""
RECONCILES = ("release", "reconcile")
GOES_ROUND = ("release", "reconcile", "collect", "reconcile")
OF_A_KEY = ("asked", "answered", "after staging", "before data", "after data", "within an append")
"""Passed more than once: the third time may be the last. A document is audited before it becomes data."""
POINTS = {
    **dict.fromkeys(("detected", "after gaps.json", "after cache/ledger_head.json"), RECONCILES),
    **dict.fromkeys(("claimed", *OF_A_KEY, "after receipts"), COLLECTS),
    **dict.fromkeys(("told of the promotion", "tombstoned", "after completions"), COLLECTS),
    "closed": ("release", "collect", "reconcile"),
}
"""What a life does in which it dies at a point. The queue is ``gaps.json``."""
TAKEN = 4
"""Keys that a run takes in a short life, so that something is left for the next one."""
ENDS = {"none": "tombstoned", "gone": "dead_lettered"}


def fate(key: str) -> str:
    return key.partition("/")[2].partition("-")[0]


def kill(small: Small, point: str, chance: random.Random) -> None:
    """Let lives follow until one dies at a point."""
    count = chance.randint(1, 3) if point in OF_A_KEY else 1
    for steps, most in ((POINTS[point], TAKEN), *[(GOES_ROUND, None)] * TRIES):
        if "reconcile" in steps:
            small.grow("none" if point == "tombstoned" else "good", "good", *chance.choices(FATES, k=2))
        small.source.kill_at = count if point == "asked" else 0
        end = small.live(steps=steps, doom={"point": point, "count": count}, most=most)
        small.source.kill_at = 0
        if end == -signal.SIGKILL:
            return
        assert end == 0
        count = 1
    pytest.fail(f"`{point}` was never passed")


def check(small: Small) -> None:
    """Compare what there is in the end with what the names of the things say that there should be."""
    had, lake = {key for key in small.keys if fate(key) not in ENDS}, small.lake()
    assert lake == {key: body(f"/{key.removesuffix('.json')}") for key in had}
    written = small.written()
    assert {key: len(times) for key, times in written.items()} == dict.fromkeys(written, 1)
    # Of threads that die together one may have written, and not come to note it.
    assert written.keys() == had if small.at_once == 1 else written.keys() <= had
    assert not [key for key in written if max(small.asked(key)) > written[key][0]]
    for key, receipts in small.receipts().items():
        assert {receipt["sha256"] for receipt in receipts} == {sha256(lake[key]).hexdigest()}
        assert sum(bool(receipt["url"]) for receipt in receipts) <= 1
    with small.ledger() as ledger:
        assert ledger.verify().faults == ()
        states = {state.key: state.state.value for state in ledger.states()}
        assert states == {key: ENDS.get(fate(key), "closed") for key in small.keys}


def check_that_each_step_was_taken_once(small: Small) -> None:
    """Look for what was done again."""
    with small.ledger() as ledger:
        for key in small.keys:
            events = [entry.event.value for entry in ledger.entries(key)]
            assert events.count(events[-1]) == 1
            assert events.count("fetched") <= 1
            assert "reopened" not in events


def go_through_all_points(small: Small, seed: int) -> None:
    """Let lives die one after the other, then let others live, and look what there is."""
    chance = random.Random(seed)
    small.at_once = chance.choice([1, 3])
    small.grow("none", "none", *chance.choices(FATES, k=chance.randint(20, 30)))
    assert small.live(steps=["reconcile"]) == 0
    for point in chance.sample(list(POINTS), len(POINTS)):
        kill(small, point, chance)
    small.live_on()
    check(small)
    check_that_each_step_was_taken_once(small)


def test_a_life_that_hangs_is_ended_and_told_of(small: Small):
    small.grow("good")
    assert small.live(meets=2, longest_s=1) == -signal.SIGALRM  # it waits for another one, which never comes


def test_a_run_that_nobody_kills_does_everything_once(small: Small):
    small.grow(*FATES, *FATES)
    assert small.live_on() == 3
    check(small)
    check_that_each_step_was_taken_once(small)
    assert {key: len(receipts) for key, receipts in small.receipts().items()} == dict.fromkeys(small.lake(), 1)
    assert {key: len(small.asked(key)) for key in small.keys} == {key: 1 + (fate(key) == "late") for key in small.keys}


@pytest.mark.parametrize("seed", range(int(SEEDS or 10)))
def test_whoever_is_killed_at_any_point_loses_nothing_and_does_nothing_twice(small: Small, seed: int):
    go_through_all_points(small, seed)


@pytest.mark.parametrize("seed", range(int(SEEDS or 1)))
def test_so_it_is_with_postgresql_and_an_s3_server(served: Small, seed: int):
    go_through_all_points(served, 1000 + seed)
