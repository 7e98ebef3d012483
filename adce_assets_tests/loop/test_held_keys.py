"""Keys that nobody may try now: last in their gap, in no task, and explained, so that every open key is told of."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.ledger.keys import Transition
from adce_assets.ledger.transitions import Event
from adce_assets.loop import open_keys, tasks
from adce_assets.loop.chances import success_rates
from adce_assets.loop.state import GAP_KEYS, HELD_KEYS, TASK_KEYS, State
from adce_assets_tests.examples import examples
from adce_assets_tests.loop.lives import CONTRACT

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop
    from adce_assets_tests.loop.conftest import Loop

SCHEMA = pa.schema([("key", pa.string()), ("held", pa.string()), ("until", pa.timestamp("us", tz="UTC"))])
REASONS = ("dead-lettered: 403", "dead-lettered: drift", "leased by run a until then", "next try at ten")


def hold(state: State, held: dict[str, str], until: datetime | None = None) -> None:
    rows = [{"key": key, "held": reason, "until": until} for key, reason in held.items()]
    state.write_table(HELD_KEYS, pa.Table.from_pylist(rows, schema=SCHEMA))


def rows_of(state: State) -> list[dict[str, Any]]:
    return state.read_table(GAP_KEYS).to_pylist()


@pytest.mark.parametrize("few", [1000, -1])
def test_held_keys_stand_behind_all_others_of_their_gap(
    loop: "Loop", few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_keys, "FEW", few)
    rows = [*loop.rows(4, days_ago=1), *loop.rows(3, "espn/odds")]
    state = loop.state(rows)
    hold(state, {rows[0].key or "": REASONS[0], rows[2].key or "": REASONS[2], "not/open": REASONS[1]})
    found = loop.find(state)
    told = [(row["key"], row["held"]) for row in rows_of(state)]
    free = [(rows[place].key, None) for place in (1, 3)]
    held = [(rows[0].key, REASONS[0]), (rows[2].key, REASONS[2])]
    assert told == [*free, *held, *((row.key, None) for row in rows[4:])]
    assert [(gap.keys, gap.held_files, gap.free_files) for gap in found.gaps] == [(4, 2, 2), (3, 0, 3)]


@pytest.mark.parametrize(("seconds", "is_held"), [(-1, False), (0, False), (1, True)])
def test_a_key_is_held_until_its_moment(loop: "Loop", seconds: int, is_held: bool) -> None:  # noqa: FBT001 - a case
    (row,) = loop.rows(1)
    state = loop.state([row])
    hold(state, {row.key or "": REASONS[3]}, until=loop.now + timedelta(seconds=seconds))
    assert loop.find(state).gaps[0].held_files == is_held


@settings(max_examples=examples(8))
@given(
    holds=st.lists(st.sampled_from([None, *REASONS]), min_size=1, max_size=40),
    keys_per_task=st.integers(1, 7),
    cap=st.integers(0, 4),
    is_known=st.booleans(),
)
def test_gaps_are_tasks_and_an_explained_remainder(
    loop: "Loop", holds: list[str | None], keys_per_task: int, cap: int, *, is_known: bool
) -> None:
    rows = loop.rows(len(holds), days_ago=20)
    state = loop.state(rows)
    held = {row.key or "": reason for row, reason in zip(rows, holds, strict=True) if reason}
    hold(state, held)
    gaps = loop.find(state).gaps
    scrapers = ["espn_summary"] if is_known else []
    caps = dict.fromkeys(("critical", "high", "medium", "low"), cap)
    queue = loop.plan(state, scrapers=scrapers, keys_per_task=keys_per_task, max_tasks=caps)
    in_tasks = state.read_table(TASK_KEYS)["key"].to_pylist()
    assert not set(in_tasks) & set(held)
    assert len(in_tasks) + sum(entry["keys"] for entry in queue["left_out"]) == sum(gap.keys for gap in gaps)
    if is_known:
        by_kind = Counter(reason.split()[0] for reason in held.values())
        told = {entry["reason"].split()[0]: entry["keys"] for entry in queue["left_out"]}
        assert {kind: told.get(kind) for kind in by_kind} == by_kind
        assert told.get("over", 0) == len(holds) - len(held) - len(in_tasks)


def test_a_gap_of_held_keys_alone_has_no_task(loop: "Loop") -> None:
    rows = loop.rows(3)
    state = loop.state(rows)
    hold(state, {row.key or "": REASONS[place > 0] for place, row in enumerate(rows)})
    loop.find(state)
    queue = loop.plan(state)
    assert queue["tasks"] == []
    (left,) = queue["left_out"]
    assert (left["keys"], left["reason"]) == (3, "dead-lettered: 403, and others like it")


def test_what_a_task_costs_and_its_chance_are_told_beside_its_score(loop: "Loop") -> None:
    state = loop.state(loop.rows(2))
    loop.find(state)
    project = loop._project(state, loop.now)
    dear = tasks.plan(project, loop.scrapers, costs={"espn_summary": 2.0}).document["tasks"][0]
    unlikely = tasks.plan(project, loop.scrapers, success_rates={"espn/play_by_play": 0.25}).document["tasks"][0]
    plain = tasks.plan(project, loop.scrapers).document["tasks"][0]
    assert (dear["requests_per_key"], unlikely["success_rate"]) == (2.0, 0.25)
    assert max(dear["score"], unlikely["score"]) < plain["score"]


def test_the_success_rate_of_a_data_set_is_that_of_the_last_two_weeks_behind_a_good_opinion(
    workshop: "Workshop",
) -> None:
    now = datetime(2024, 1, 20, tzinfo=UTC)
    project = workshop.project(CONTRACT.replace("FROM", "2024-01-05"), now=now)
    assert success_rates(project) == {}
    told = [("a", 1, Event.PROMOTED), ("b", 1, Event.FAILED), ("c", 1, Event.FAILED), ("d", 15, Event.FAILED)]
    for key, days, event in told:
        at = now - timedelta(days=days)
        said = [Transition(key, one, "espn", "odds", "all", at=at) for one in (Event.DETECTED, Event.LEASED, event)]
        assert not project.ledger.append(said).refused
    assert success_rates(project) == {"espn/odds": 0.71}
