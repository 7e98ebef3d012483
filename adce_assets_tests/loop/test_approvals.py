"""What may start by itself and what waits for a person, whose word holds for that and for nothing larger."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.autonomous import Approvals, AutonomousConfig
from adce_assets.configuration import ReconciliationConfig, TaskQueue
from adce_assets.errors import ConditionFailedError, VerifyError
from adce_assets.lake.store import open_store
from adce_assets.loop import approvals
from adce_assets.loop.approvals import BASELINE, DECISIONS, Held
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE, INVENTORY, State
from adce_assets.settings import Settings

if TYPE_CHECKING:
    from adce_assets_tests.loop.conftest import Loop

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
FIRST, SECOND = "a" * 64, "b" * 64
GAMES, ODDS, OLD = "espn/box_score/2024-25", "espn/odds/2024-25", "espn/box_score/2003-04"
KEYS_PER_TASK = 10


@dataclass(frozen=True)
class World:
    """A state with a coverage, an inventory and a queue to order; 100 tasks may be new, a tenth of the keys too."""

    state: State
    project: Project

    def look_of(
        self, missing: Mapping[str, int], *, contract: str = FIRST, expected: int = 1000, **others: Any
    ) -> dict[str, Any]:
        """Write what a reconciliation found, and return its queue; ``unknown`` keys of the games may be told apart."""
        self.state.write_json(INVENTORY, {"contract": contract})
        cells = [self._cell(name, count, others, expected) for name, count in missing.items()]
        self.state.write_json(COVERAGE, {"contract": contract, "cells": cells})
        return self.queue_of(missing, contract)

    def queue_of(self, missing: Mapping[str, int], contract: str = FIRST) -> dict[str, Any]:
        """Tell of a queue of one task a cell, whose first ten keys it asks for; the others are left out."""
        tasks, left = [], []
        for name, count in missing.items():
            if not count:
                continue
            known = {"missing_files": min(count, KEYS_PER_TASK), "stale_files": 0, "damaged_files": 0}
            tasks.append(self.task(name) | {"id": f"{name}-{count}-{contract[0]}"} | known)
            left.append(self.task(name) | {"gap_id": name, "keys": count - known["missing_files"]})
        return {"tasks": tasks, "left_out": left, "generated_at": NOW.isoformat()}

    @staticmethod
    def task(name: str) -> dict[str, Any]:
        return dict(zip(("source", "data_type", "season"), name.split("/"), strict=True))

    def _cell(self, name: str, missing: int, others: Mapping[str, Any], expected: int) -> dict[str, Any]:
        told = dict.fromkeys(("present", "stale", "damaged", "unknown", "not_due", "unavailable"), 0)
        told |= {"missing": missing, "unknown": others.get("unknown", 0), "expected": expected}
        return {**self.task(name), **told, "scraper": others.get("scraper", "espn_summary")}

    def hold(self, *args: Any, **options: Any) -> Held | None:
        return approvals.hold(self.project, self.look_of(*args, **options))

    def held(self, *args: Any, **options: Any) -> Held:
        found = self.hold(*args, **options)
        assert found is not None
        return found

    def decide(self, held: Held, *, accepted: bool = True, **said: str) -> approvals.Decision:
        return approvals.decide(self.project, held, accepted=accepted, **({"by": "Ann", "note": "seen"} | said))


@pytest.fixture(scope="session")
def make_world(loop: "Loop", tmp_path_factory: pytest.TempPathFactory) -> Callable[[], World]:
    def make() -> World:
        state = State(open_store(tmp_path_factory.mktemp("approvals").as_uri()))
        config = Settings(
            home=Path("/nowhere"),
            state_url=state.store.url,
            configured_lake=None,
            host_urls={},
            clock=lambda: NOW,
            reconciliation=ReconciliationConfig(task_queue=TaskQueue(keys_per_task=KEYS_PER_TASK)),
            autonomous=AutonomousConfig(approvals=Approvals(max_new_tasks=100, max_new_share=0.1, margin=0.1)),
        )
        return World(state, Project(config, loop.contract, state.store, state))

    return make


@pytest.fixture
def world(make_world: Callable[[], World]) -> World:
    return make_world()


@pytest.fixture
def running(world: World) -> World:
    """A world whose loop has gone on before: 50 games were open, and nothing else."""
    assert world.hold({GAMES: 50, ODDS: 0, OLD: 0}) is None
    return world


def test_a_fresh_installation_starts_what_is_within_the_limit(world: World):
    assert world.hold({GAMES: 1000}) is None


def test_a_fresh_installation_with_more_than_that_waits(world: World):
    held = world.held({GAMES: 1001})
    assert (held.new_tasks, held.new_keys, held.why) == (101, 1001, "101 new tasks, more than 100")


def test_the_first_contract_counts_as_accepted(world: World):
    assert world.hold({GAMES: 900}, expected=900) is None


def test_work_that_was_known_is_not_new_however_often_it_is_queued(world: World):
    world.decide(world.held({OLD: 50_000}))
    assert world.hold({OLD: 50_000}) is None
    assert [world.hold({OLD: left}) for left in (49_000, 30_000, 100)] == [None] * 3


def test_more_new_tasks_than_allowed_wait(running: World):
    assert running.hold({GAMES: 1050, ODDS: 0, OLD: 0}) is None
    held = running.held({GAMES: 1050, ODDS: 0, OLD: 1001})
    assert [growth.cell for growth in held.growths] == [("espn", "box_score", "2003-04")]


def test_tonights_games_go_on_while_a_mistake_waits(running: World):
    held = running.held({GAMES: 65, ODDS: 40, OLD: 900_000})
    assert held.holds(running.task(OLD))
    assert not held.holds(running.task(GAMES))
    assert not held.holds(running.task(ODDS))


def test_what_goes_on_beside_what_waits_is_known_from_then_on(running: World):
    grown = [running.held({GAMES: 50 + 400 * day, ODDS: 0, OLD: 900_000}) for day in range(26)]
    assert {tuple(growth.cell for growth in held.growths) for held in grown} == {(("espn", "box_score", "2003-04"),)}
    assert len({held.id for held in grown}) == 1
    running.decide(grown[0])
    assert running.hold({GAMES: 50 + 400 * 26, ODDS: 0, OLD: 900_000}) is None


def test_what_waits_does_not_slip_through_piece_by_piece(running: World):
    small = {f"espn/box_score/{1900 + year}-{year + 1:02}": 900 for year in range(30)}
    waiting = [{growth.cell for growth in running.held({GAMES: 50} | small).growths} for _ in range(5)]
    assert [len(cells) for cells in waiting] == [29] * 5


def test_what_just_waits_is_not_let_go_by_what_went_on(running: World):
    for _ in range(3):
        assert len(running.held({GAMES: 50, ODDS: 600, OLD: 600}).growths) == 1


def test_many_small_cells_are_many_tasks(world: World):
    held = world.held({f"espn/box_score/{1900 + year}-{year + 1:02}": 1 for year in range(99)} | {GAMES: 20})
    assert (held.new_tasks, len(held.growths)) == (101, 1)


def test_what_nothing_can_collect_starts_nothing(running: World):
    assert running.hold({GAMES: 50, OLD: 900_000}, scraper=None) is None


def test_a_changed_contract_with_too_many_new_keys_waits(running: World):
    assert running.hold({GAMES: 50, ODDS: 0, OLD: 300}) is None
    held = running.held({GAMES: 50, ODDS: 0, OLD: 601}, contract=SECOND)
    assert (held.new_keys, held.why) == (301, "a contract with 301 new keys, more than 10% of those before")


def test_an_inventory_of_a_new_contract_says_nothing_of_cells_counted_by_the_old_one(running: World):
    unjudged = running.look_of({GAMES: 51, ODDS: 0, OLD: 0})
    running.state.write_json(INVENTORY, {"contract": SECOND})
    assert approvals.hold(running.project, unjudged) is None
    held = running.held({GAMES: 51, ODDS: 0, OLD: 900}, contract=SECOND)
    assert (held.new_keys, held.contract) == (900, SECOND)


def test_a_queue_is_judged_by_its_own_keys_where_a_newer_coverage_has_fewer(running: World):
    unjudged = running.queue_of({GAMES: 50, OLD: 5000})
    running.look_of({GAMES: 50, ODDS: 0, OLD: 0})
    held = approvals.hold(running.project, unjudged)
    assert held is not None
    assert [(growth.cell[2], growth.keys) for growth in held.growths] == [("2003-04", 5000)]


def test_keys_of_which_nobody_knows_yet_count_after_a_change(make_world: Callable[[], World]):
    counted = {}
    for contract in (FIRST, SECOND):
        world = make_world()
        assert world.hold({GAMES: 50}, expected=300) is None
        counted[contract] = world.hold({GAMES: 51}, contract=contract, expected=400, unknown=99)
    assert counted[FIRST] is None
    held = counted[SECOND]
    assert held is not None
    assert held.new_keys == 100


def test_a_changed_contract_within_the_share_goes_on(running: World):
    assert running.hold({GAMES: 80, ODDS: 0, OLD: 0}, contract=SECOND) is None


def test_what_fits_into_one_task_needs_no_approval(world: World):
    assert world.hold({GAMES: 1}, expected=4) is None
    assert world.hold({GAMES: 11}, contract=SECOND, expected=14) is None
    assert world.hold({GAMES: 22}, contract=FIRST, expected=25) is not None


def test_looking_writes_nothing(world: World):
    assert approvals.look(world.project, world.look_of({GAMES: 10})) is None
    assert world.state.store.head(f"{BASELINE}.json") is None


def test_what_waits_waits_until_somebody_decides(running: World):
    first, again = (running.held({GAMES: 50, OLD: 5000}) for _ in range(2))
    assert first == again
    assert first.id in str(first)
    assert "adce approve show" in str(first)


def test_what_was_accepted_goes_on_and_is_known_from_then_on(running: World):
    running.decide(running.held({GAMES: 50, OLD: 5000}))
    assert running.hold({GAMES: 50, OLD: 5400}) is None
    assert running.hold({GAMES: 50, OLD: 6000}) is None
    assert running.hold({GAMES: 50, OLD: 60_000}) is not None


def test_an_acceptance_is_for_nothing_larger(running: World):
    running.decide(running.held({GAMES: 50, OLD: 5000}))
    held = running.held({GAMES: 50, OLD: 5600})
    assert "Ann has accepted 500 tasks, and it has grown since" in str(held)


def test_an_acceptance_is_for_no_other_cells(running: World):
    running.decide(running.held({GAMES: 50, ODDS: 0, OLD: 5000}))
    held = running.held({GAMES: 50, ODDS: 5000, OLD: 0})
    assert [growth.cell for growth in held.growths] == [("espn", "odds", "2024-25")]


def test_an_acceptance_of_one_cell_does_not_let_another_through_with_it(running: World):
    running.decide(running.held({GAMES: 50, ODDS: 0, OLD: 5000}))
    assert running.hold({GAMES: 50, ODDS: 1010, OLD: 5000}) is not None


def test_tonights_games_do_not_undo_an_acceptance(running: World):
    running.decide(running.held({GAMES: 50, ODDS: 0, OLD: 5000}))
    assert running.hold({GAMES: 150, ODDS: 800, OLD: 5000}) is None


def test_a_decision_tells_of_which_cells_it_was(running: World):
    assert running.decide(running.held({GAMES: 50, OLD: 5000})).cells == {OLD: (500, 5000)}


def test_an_acceptance_is_for_no_other_contract(running: World):
    running.decide(running.held({GAMES: 50, OLD: 5000}))
    assert running.hold({GAMES: 50, OLD: 5000}, contract=SECOND) is not None


def test_an_acceptance_is_used_up_once_it_was_followed(running: World):
    running.decide(running.held({GAMES: 50, OLD: 5000}))
    assert running.hold({GAMES: 50, OLD: 5000}) is None
    assert running.hold({GAMES: 50, OLD: 0}) is None
    assert running.hold({GAMES: 50, OLD: 5000}) is not None


def test_what_was_rejected_goes_on_waiting_and_says_why(running: World):
    running.decide(running.held({GAMES: 50, OLD: 5000}), accepted=False, note="a typing error")
    assert "rejected by Ann: a typing error" in str(running.held({GAMES: 50, OLD: 5000}))


def test_a_mended_contract_ends_the_waiting(running: World):
    assert running.hold({GAMES: 50, OLD: 5000}, contract=SECOND) is not None
    assert running.hold({GAMES: 50, OLD: 0}) is None


def test_the_last_decision_counts_and_all_are_kept(running: World):
    held = running.held({GAMES: 50, OLD: 5000})
    running.decide(held, accepted=False)
    running.decide(held, by="Bob")
    assert running.hold({GAMES: 50, OLD: 5000}) is None
    taken = approvals.decisions(running.state).taken
    assert [(one.number, one.by, one.accepted) for one in taken] == [(1, "Ann", False), (2, "Bob", True)]


def test_of_two_who_decide_at_the_same_moment_one_is_told(running: World, monkeypatch: pytest.MonkeyPatch):
    held = running.held({GAMES: 50, OLD: 5000})
    decision = running.decide(held)
    monkeypatch.setattr(running.state.store, "list", lambda _: iter(()))
    with pytest.raises(ConditionFailedError, match="somebody has decided this meanwhile"):
        running.decide(held, by="Bob")
    assert json.loads(running.state.store.get(decision.key))["by"] == "Ann"


@pytest.mark.parametrize("number", ["0001", "0002", "9999"])
def test_what_lies_among_the_decisions_keeps_nobody_from_deciding(running: World, number: str):
    held = running.held({GAMES: 50, OLD: 5000})
    running.decide(held, accepted=False)
    running.state.store.put(f"{DECISIONS}{held.id}.{number}.json", b"{")
    assert running.decide(held, by="Bob").accepted
    if number != "0001":
        assert running.hold({GAMES: 50, OLD: 5000}) is None


@pytest.mark.parametrize("said", [{"by": ""}, {"note": "  "}, {"by": "An\nn"}, {"note": "x" * 1001}])
def test_a_decision_says_who_and_why_in_words(running: World, said: dict[str, Any]):
    held = running.held({GAMES: 50, OLD: 5000})
    with pytest.raises(VerifyError):
        running.decide(held, **said)


@pytest.mark.parametrize(
    "change",
    [{"accepted": "yes"}, {"new_tasks": 10**20}, {"number": 2}, {"by": ""}, {"extra": 1}, {"id": "hold-0" * 3}],
    ids=str,
)
def test_a_decision_that_nobody_can_believe_accepts_nothing(running: World, change: dict[str, Any]):
    held = running.held({GAMES: 50, OLD: 5000})
    decision = running.decide(held)
    forged = json.loads(running.state.store.get(decision.key)) | change
    running.state.store.put(decision.key, json.dumps(forged).encode())
    assert running.hold({GAMES: 50, OLD: 5000}) is not None
    assert len(approvals.decisions(running.state).refused) == 1
    assert running.decide(held).key != decision.key
    assert running.hold({GAMES: 50, OLD: 5000}) is None


@pytest.mark.parametrize("body", [b"", b"\xff\x00", b"[" * 60_000, b" " * 70_000])
def test_hostile_bytes_among_the_decisions_are_refused_by_name(running: World, body: bytes):
    running.state.store.put(f"{DECISIONS}hold-{'0' * 16}.0001.json", body)
    (fault,) = approvals.decisions(running.state).refused
    assert fault.startswith(f"{DECISIONS}hold-{'0' * 16}.0001.json")


@pytest.mark.parametrize("body", [b"no JSON", b'{"schema": 1}', b'{"schema": 2}'])
def test_a_damaged_memory_makes_all_work_new(running: World, body: bytes):
    running.state.store.put(f"{BASELINE}.json", body)
    assert running.hold({GAMES: 51, OLD: 900}) is None
    running.state.store.put(f"{BASELINE}.json", body)
    assert running.hold({GAMES: 52, OLD: 1000}) is not None


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([GAMES, ODDS, OLD]), st.integers(0, 3000), min_size=1))
def test_what_goes_on_beside_what_waits_is_within_the_limit(make_world: Callable[[], World], missing: dict[str, int]):
    world = make_world()
    held = world.hold(missing)
    free = {name: count for name, count in missing.items() if held is None or not held.holds(world.task(name))}
    assert sum(-(-count // KEYS_PER_TASK) for count in free.values()) <= 100
    assert (held is None) == (sum(-(-count // KEYS_PER_TASK) for count in missing.values()) <= 100)


def test_a_larger_margin_lets_more_of_it_through(running: World):
    running.decide(running.held({GAMES: 50, OLD: 5000}))
    patient = replace(
        running.project.settings, autonomous=AutonomousConfig(approvals=Approvals(max_new_tasks=100, margin=1))
    )
    project = replace(running.project, settings=patient)
    assert approvals.hold(project, running.look_of({GAMES: 50, OLD: 9900})) is None
