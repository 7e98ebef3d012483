"""Two processes that are given the same work at the same time share it: nothing is fetched twice, nothing left."""

import pytest

from adce_assets_tests.whole.conftest import Small, body
from adce_assets_tests.whole.test_kill_matrix import check

LIVES = 2


def together(small: Small, *steps: str) -> None:
    """Let two lives begin at the same moment, by the same clock."""
    lives = [small.life(steps=steps, meets=LIVES, ahead=1.0) for _ in range(LIVES)]
    assert small.nursery.let_live(*lives) == [0] * LIVES


@pytest.mark.parametrize("at_once", [1, 3])
def test_of_two_runs_with_the_same_tasks_one_fetches_each_key(small: Small, at_once: int):
    small.at_once = at_once
    small.grow(*["good"] * 30)
    assert small.live(steps=["reconcile"]) == 0
    together(small, "collect")
    assert {key: len(small.asked(key)) for key in small.keys} == dict.fromkeys(small.keys, 1)
    assert small.lake() == {key: body(f"/{key.removesuffix('.json')}") for key in small.keys}
    with small.ledger() as ledger:
        assert ledger.verify().faults == ()
        assert {state.state.value for state in ledger.states()} == {"promoted"}
        held = [[entry.event.value for entry in ledger.entries(key)].count("leased") for key in small.keys]
    assert set(held) == {1}


def test_two_loops_side_by_side_end_where_one_ends(small: Small):
    small.grow(*["good"] * 12, "late", "none", "gone", "poor")
    together(small, "release", "reconcile", "collect", "reconcile")
    small.live_on()
    check(small)
