"""Which runs start next."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.autonomous import Dispatch
from adce_assets.configuration import PRIORITIES
from adce_assets.fetch.lanes import Lane
from adce_assets.loop.dispatch import (
    LONGEST_RUN_SECONDS,
    RUN_SECONDS,
    START_SECONDS,
    Batch,
    Pace,
    batches,
    cut,
    starts_since,
)

GROUPS = {
    "espn/play_by_play": "espn_summary",
    "espn/box_score": "espn_summary",
    "nba_api/schedule": "nba_schedule",
}


def task(name: str, data_set: str = "espn/play_by_play", **changes: Any) -> dict[str, Any]:
    source, data_type = data_set.split("/")
    plain = {
        "id": name,
        "priority": "high",
        "score": 50.0,
        "source": source,
        "scraper": GROUPS.get(data_set, "a_scraper_of_its_own"),
        "data_type": data_type,
        "season": "2024-25",
        "missing_files": 2,
        "stale_files": 1,
        "damaged_files": 1,
        "reason": f"why {name}",
    }
    return plain | changes


def queue(*tasks: dict[str, Any], generated_at: str = "2025-01-15T12:00:00+00:00") -> dict[str, Any]:
    ordered = sorted(tasks, key=lambda entry: (PRIORITIES.index(entry["priority"]), -entry["score"]))
    return {"generated_at": generated_at, "tasks": ordered}


def chosen(
    tasks: dict[str, Any],
    *,
    in_flight: tuple[str, ...] = (),
    done: tuple[str, ...] = (),
    runs: int = 4,
    size: int = 10,
    paces: Mapping[str, Pace] = MappingProxyType({}),
    under_way: tuple[str, ...] = (),
    since: Mapping[str, int] = MappingProxyType({}),
    **limits: Any,
) -> list[Batch]:
    told = {"kept_for_critical": 0, "low_one_of": 1_000} | limits
    return batches(
        tasks,
        in_flight=in_flight,
        done=done,
        limits=Dispatch(max_concurrent_scrapers=runs, max_tasks_per_batch=size, **told),
        groups=GROUPS,
        paces=paces,
        under_way=under_way,
        since=since,
    )


def test_an_empty_queue_starts_nothing() -> None:
    assert chosen(queue()) == []


def test_data_types_of_one_scraper_go_into_one_run() -> None:
    (batch,) = chosen(queue(task("a"), task("b", "espn/box_score")))
    assert replace(batch, id="") == Batch(
        id="",
        scraper="espn_summary",
        season="2024-25",
        priority="high",
        part=Lane.FRESH,
        data_sets=("espn/box_score", "espn/play_by_play"),
        task_ids=("a", "b"),
        keys=8,
        reason="2 high task(s), 8 key(s) of espn/box_score, espn/play_by_play in 2024-25; first: why a",
    )
    assert (batch.dagster_priority, batch.lane) == (20, "espn_summary/2024-25/high")


@pytest.mark.parametrize(
    "other",
    [{"season": "2023-24"}, {"priority": "low"}, {"data_set": "nba_api/schedule"}, {"data_set": "espn/odds"}],
    ids=["season", "priority", "scraper", "scraper of no group"],
)
def test_a_run_has_one_scraper_season_and_priority(other: dict[str, Any]) -> None:
    assert [batch.task_ids for batch in chosen(queue(task("a"), task("b", **other)))] == [("a",), ("b",)]


def test_a_run_takes_so_many_tasks_of_each_data_type() -> None:
    names = [f"{data_type}{number}" for number in range(5) for data_type in "pb"]
    sets = {"p": "espn/play_by_play", "b": "espn/box_score"}
    tasks = [task(name, sets[name[0]], score=50 - place) for place, name in enumerate(names) if name != "b4"]
    full = queue(*tasks)
    first = chosen(full, size=2)
    second = chosen(full, size=2, done=(first[0].id,))
    third = chosen(full, size=2, done=(first[0].id, second[0].id))
    assert [batch.task_ids for batch in (*first, *second, *third)] == [
        ("p0", "b0", "p1", "b1"),
        ("p2", "b2", "p3", "b3"),
        ("p4",),
    ]


def test_the_most_urgent_runs_start_first() -> None:
    tasks = [
        task("low", priority="low", score=99.0),
        task("high", score=10.0),
        task("higher", season="2023-24", score=20.0),
        task("critical", priority="critical", score=1.0),
    ]
    found = chosen(queue(*tasks), runs=3)
    assert [batch.task_ids for batch in found] == [("critical",), ("higher",), ("high",)]
    assert [batch.dagster_priority for batch in found] == [30, 20, 20]


@pytest.mark.parametrize(("in_flight", "started"), [(0, 2), (1, 1), (2, 0), (5, 0)])
def test_no_more_runs_are_in_flight_than_allowed(in_flight: int, started: int) -> None:
    seasons = [task(f"{year}", season=f"{year}-{year - 1999:02d}") for year in range(2000, 2006)]
    others = tuple("another/2024-25/low" for _ in range(in_flight))
    assert len(chosen(queue(*seasons), in_flight=others, runs=2)) == started


def test_while_a_run_is_in_flight_nothing_more_of_its_lane_starts() -> None:
    older = queue(task("a", score=60.0), task("b", score=50.0))
    (running,) = chosen(older, size=1)
    recut = queue(task("b and half of a"), generated_at="2025-01-15T13:00:00+00:00")
    assert chosen(older, in_flight=(running.lane,), done=(running.id,), size=1) == []
    assert chosen(recut, in_flight=(running.lane,), done=(running.id,)) == []


def test_tonights_games_do_not_wait_for_a_run_of_the_same_season() -> None:
    found = chosen(queue(task("tonight", priority="critical")), in_flight=("espn_summary/2024-25/high",))
    assert [batch.task_ids for batch in found] == [("tonight",)]


def test_a_run_that_a_person_started_keeps_its_whole_cell_but_for_what_is_critical() -> None:
    tasks = queue(task("a", priority="critical"), task("b"), task("c", season="2023-24"))
    assert [batch.task_ids for batch in chosen(tasks, in_flight=("espn_summary/2024-25",))] == [("a",), ("c",)]


def test_what_is_critical_does_not_wait_for_a_run_of_its_own_lane() -> None:
    tasks = queue(task("now", priority="critical"))
    flights = ("espn_summary/2024-25/critical",)
    assert [batch.task_ids for batch in chosen(tasks, in_flight=flights, under_way=("before",))] == [("now",)]
    assert chosen(tasks, in_flight=flights, under_way=("now",)) == []


def test_places_are_kept_that_only_what_is_critical_may_take() -> None:
    seasons = [task(f"{year}", season=f"{year}-{year - 1999:02d}") for year in range(2000, 2006)]
    assert len(chosen(queue(*seasons), runs=3, kept_for_critical=1)) == 2
    assert len(chosen(queue(*seasons), runs=1, kept_for_critical=1)) == 1
    flights = ("a/2024-25/high", "b/2024-25/medium")
    assert chosen(queue(*seasons), in_flight=flights, runs=3, kept_for_critical=1) == []
    urgent = queue(*seasons, task("now", priority="critical"))
    found = chosen(urgent, in_flight=flights, runs=3, kept_for_critical=1)
    assert [batch.task_ids for batch in found] == [("now",)]


@pytest.mark.parametrize("priority", PRIORITIES)
def test_no_more_runs_of_a_priority_are_in_flight_than_it_may_have(priority: str) -> None:
    tasks = [task(f"{year}", season=f"{year}-{year - 1999:02d}", priority=priority) for year in range(2000, 2006)]
    flights = (f"another/2024-25/{priority}",)
    assert len(chosen(queue(*tasks), in_flight=flights, max_concurrent={priority: 3})) == 2


def test_one_of_so_many_starts_is_of_history_however_much_else_waits() -> None:
    urgent = [task(f"u{year}", season=f"{year}-{year - 1999:02d}", priority="critical") for year in range(2000, 2006)]
    tasks = queue(*urgent, task("low", priority="low"))
    found = chosen(tasks, low_one_of=3)
    assert [batch.task_ids[0] for batch in found] == ["u2000", "u2001", "low", "u2002"]
    assert chosen(tasks, low_one_of=3, since={"low": 2}, runs=1)[0].task_ids == ("low",)
    assert starts_since({"low": 5}, found) == {"high": 4, "medium": 4, "low": 1}


def test_of_the_priorities_that_are_overdue_the_one_that_has_waited_longest_comes_first() -> None:
    names = ("critical", "high", "medium", "low")
    tasks = queue(*(task(name, priority=name, season=f"20{n}0-{n}1") for n, name in enumerate(names, 1)))
    since = {"high": 9, "medium": 12, "low": 3}
    found = chosen(tasks, low_one_of=10, since=since)
    assert [batch.task_ids[0] for batch in found] == ["medium", "high", "critical", "low"]


def test_a_run_may_take_as_long_as_its_requests_do_at_the_pace_of_its_host() -> None:
    pace = Pace.of("host", 100 / RUN_SECONDS)
    small, large = (
        chosen(queue(task("a", missing_files=keys, stale_files=0, damaged_files=0)), paces={"espn_summary": pace})[0]
        for keys in (10, 50)
    )
    assert (large.seconds - START_SECONDS) == 5 * (small.seconds - START_SECONDS)
    twice_as_fast = Pace.of("host", 200 / RUN_SECONDS)
    one = task("a", missing_files=50, stale_files=0, damaged_files=0)
    fast, shared = (
        chosen(queue(one, *more), paces={"espn_summary": its})[0].seconds - START_SECONDS
        for its, more in ((twice_as_fast, ()), (pace, (one | {"id": "b", "data_type": "box_score"},)))
    )
    assert (2 * fast, shared) == (large.seconds - START_SECONDS, large.seconds - START_SECONDS)
    huge = chosen(queue(task("a", missing_files=10_000)), paces={"espn_summary": pace})[0]
    assert huge.seconds == chosen(queue(task("a")))[0].seconds == LONGEST_RUN_SECONDS


SLOW, FAST = Pace.of("espn_site", 4 / RUN_SECONDS), Pace.of("espn_site", 1.0)


def test_a_run_is_no_longer_than_its_host_takes_in_a_quarter_of_what_a_run_may_take() -> None:
    names = {"p": "espn/play_by_play", "b": "espn/box_score"}
    tasks = queue(*(task(f"{name}{number}", names[name], score=9 - number) for number in range(3) for name in "pb"))
    assert [len(batch.task_ids) for batch in chosen(tasks, paces={"espn_summary": FAST})] == [6]
    started: list[Batch] = []
    while found := chosen(tasks, done=tuple(batch.id for batch in started), paces={"espn_summary": SLOW}):
        started += found
    assert [batch.task_ids for batch in started] == [("p0", "b0"), ("p1", "b1"), ("p2", "b2")]


def test_a_plan_holds_every_batch_of_a_queue_in_the_order_of_its_tasks() -> None:
    names = {"c": "2023-24", "a": "2024-25", "b": "2024-25"}
    tasks = [task(name, season=season, score=9.0 - place) for place, (name, season) in enumerate(names.items())]
    plan = cut(queue(task("low", priority="low"), *tasks), 1, GROUPS, {"espn_summary": FAST})
    assert [batch.task_ids for batch in plan] == [("c",), ("a",), ("b",), ("low",)]


def test_a_task_that_is_longer_than_a_run_is_a_run_of_its_own() -> None:
    (batch,) = chosen(queue(task("a", missing_files=100)), paces={"espn_summary": SLOW})
    assert batch.keys == 102


LOW = [
    task("old", priority="low", season="2010-11", score=3.0),
    task("older", priority="low", season="2009-10", score=2.0),
    task("elsewhere", "nba_api/schedule", priority="low", season="2010-11", score=1.0),
]


def test_of_each_host_one_run_of_history_is_in_flight_and_fresh_work_beside_it() -> None:
    paces = {"espn_summary": FAST, "nba_schedule": Pace("stats_nba", 99)}
    first = chosen(queue(*LOW), paces=paces)
    assert [batch.task_ids for batch in first] == [("old",), ("elsewhere",)]
    flights = tuple(batch.lane for batch in first)
    assert chosen(queue(*LOW), in_flight=flights, paces=paces) == []
    found = chosen(queue(*LOW, task("tonight", priority="critical")), in_flight=flights, paces=paces)
    assert [batch.task_ids for batch in found] == [("tonight",)]


@pytest.mark.parametrize(
    ("runs", "in_flight", "started"),
    [
        (4, (), 3),
        (4, ("s0/2000-01/low", "s1/2000-01/low", "s2/2000-01/low"), 0),
        (4, ("x/2024-25/high", "y/2024-25/high"), 2),
        (6, ("x/2010-11", "y/2010-11"), 3),
        (1, (), 1),
    ],
    ids=["empty", "all but one taken", "beside fresh work", "beside a person's", "one place"],
)
def test_history_leaves_one_place_to_what_comes_due(runs: int, in_flight: tuple[str, ...], started: int) -> None:
    paces = {f"s{number}": Pace(f"host{number}", 99) for number in range(9)}
    tasks = [task(f"{scraper}", f"of/{scraper}", scraper=scraper, priority="low") for scraper in paces]
    assert len(chosen(queue(*tasks), runs=runs, in_flight=in_flight, paces=paces)) == started


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"priority": "critical"}, Lane.FRESH),
        ({"priority": "medium", "season": "2023-24"}, Lane.FRESH),
        ({"priority": "low", "season": "1998-99"}, Lane.HISTORY),
        ({"priority": "low", "season": "1998-99", "missing_files": 0, "damaged_files": 0}, Lane.HISTORY),
        ({"priority": "low", "season": "all"}, Lane.HISTORY),
        ({"priority": "low", "season": "all", "missing_files": 0}, Lane.HISTORY),
        ({"priority": "low", "season": "all", "missing_files": 0, "damaged_files": 0}, Lane.FRESH),
        ({"priority": "critical", "season": "all"}, Lane.FRESH),
    ],
)
def test_the_part_of_the_budget_that_a_run_uses_follows_from_its_priority(changes: dict[str, Any], part: Lane) -> None:
    assert [batch.part for batch in chosen(queue(task("a", **changes)))] == [part]


def test_the_same_queue_never_starts_a_batch_twice() -> None:
    tasks = queue(task("a"))
    (batch,) = chosen(tasks)
    assert chosen(tasks) == [batch]
    assert chosen(tasks, done=(batch.id,)) == []


def test_a_task_that_comes_back_in_a_new_queue_gets_a_new_run() -> None:
    (before,) = chosen(queue(task("a")))
    (after,) = chosen(queue(task("a"), generated_at="2025-01-15T13:00:00+00:00"), done=(before.id,))
    assert (after.task_ids, after.id == before.id) == (before.task_ids, False)


tasks_of = st.lists(
    st.tuples(
        st.sampled_from(["espn/play_by_play", "espn/box_score", "espn/odds", "nba_api/schedule"]),
        st.sampled_from(["2024-25", "2023-24"]),
        st.sampled_from(PRIORITIES),
        st.integers(0, 9),
    ),
    max_size=25,
)


@given(tasks_of, st.integers(1, 3), st.integers(1, 3), st.randoms(use_true_random=False))
def test_every_task_of_a_queue_is_started_exactly_once(
    drawn: list[tuple[str, str, str, int]], runs: int, size: int, random: Any
) -> None:
    tasks = queue(
        *(
            task(f"{place}", data_set, season=season, priority=priority, score=float(score))
            for place, (data_set, season, priority, score) in enumerate(drawn)
        )
    )
    flying: list[Batch] = []
    started: list[Batch] = []
    for _ in range(200):
        flights, before = tuple(batch.lane for batch in flying), tuple(batch.id for batch in started)
        under_way = tuple(name for batch in flying for name in batch.task_ids)
        fresh = chosen(tasks, in_flight=flights, done=before, runs=runs, size=size, under_way=under_way)
        flying += fresh
        started += fresh
        assert len(flying) <= runs
        patient = [batch.lane for batch in flying if batch.priority != "critical"]
        assert len(set(patient)) == len(patient)
        if not flying:
            break
        flying.remove(random.choice(flying))
    assert sorted(name for batch in started for name in batch.task_ids) == sorted(
        entry["id"] for entry in tasks["tasks"]
    )
    assert len({batch.id for batch in started}) == len(started)
