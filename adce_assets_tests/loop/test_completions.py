"""What programs leave behind in the lake is noticed once, whatever they do to it afterwards."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.configuration import Completions
from adce_assets.errors import LakeError
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.ledger.receipts import COMPLETIONS, Completion, completion_key, read_completion
from adce_assets.loop.completions import (
    SEEN,
    Waiting,
    changed,
    finished,
    notice,
    read_seen,
    settle,
    write_seen,
)
from adce_assets.loop.state import State

NOW = datetime(2024, 12, 5, 12, tzinfo=UTC)
CELLS = {"espn/pbp": ["2023-24", "2024-25"], "espn/box": ["2024-25"], "hoopr/awards": ["all"]}
RULES = Completions(quiet_seconds=60, longest_wait_seconds=300)


def marker(data_set: str = "espn/pbp", season: str = "2024-25", **changes: Any) -> dict[str, Any]:
    source, data_type = data_set.split("/")
    return {
        "schema": 1,
        "source": source,
        "data_type": data_type,
        "season": season,
        "status": "ok",
        "keys": ["pbp/1.json"],
        "records": 10,
        "started_at": "2024-12-05T11:00:00Z",
        "finished_at": "2024-12-05T11:30:00Z",
        "producer": "another",
        **changes,
    }


def put(lake: LakeStore, marker_id: str, told: dict[str, Any] | None = None) -> str:
    told = told or marker()
    key = completion_key(told["source"], told["data_type"], told["season"], marker_id)
    lake.put(key, json.dumps(told).encode())
    return key


def completion(data_set: str = "espn/pbp", season: str = "2024-25", **changes: Any) -> Completion:
    told = marker(data_set, season, **changes)
    key = completion_key(told["source"], told["data_type"], told["season"], "one")
    return read_completion(key, json.dumps(told).encode())


@pytest.fixture
def lake(tmp_path: Path) -> LakeStore:
    (tmp_path / "lake").mkdir()
    return open_store((tmp_path / "lake").as_uri())


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(open_store((tmp_path / "state").as_uri()))


def look(lake: LakeStore, seen: frozenset[str] = frozenset(), limit: int = 100) -> tuple[list[str], frozenset[str]]:
    found = notice(lake, seen, cells=CELLS, limit=limit)
    return [f"{entry.source}/{entry.data_type} {entry.season}" for entry in found.completions], found.seen


def test_a_marker_is_noticed_once(lake: LakeStore) -> None:
    put(lake, "one")
    first, seen = look(lake)
    assert first == ["espn/pbp 2024-25"]
    assert look(lake, seen) == ([], seen)


def test_a_marker_whose_name_sorts_before_all_others_is_noticed(lake: LakeStore) -> None:
    put(lake, "zzz")
    _, seen = look(lake)
    put(lake, "aaa", marker("espn/box"))
    assert look(lake, seen)[0] == ["espn/box 2024-25"]


def test_a_marker_that_is_written_again_is_noticed_again(lake: LakeStore) -> None:
    put(lake, "one")
    _, seen = look(lake)
    put(lake, "one", marker(records=11))
    assert look(lake, seen)[0] == ["espn/pbp 2024-25"]


def test_a_marker_that_is_deleted_is_forgotten_and_noticed_when_it_comes_back(lake: LakeStore) -> None:
    key = put(lake, "one")
    _, seen = look(lake)
    lake.delete(key)
    nothing, seen = look(lake, seen)
    assert (nothing, seen) == ([], frozenset())
    put(lake, "one")
    assert look(lake, seen)[0] == ["espn/pbp 2024-25"]


def test_many_markers_at_once_are_read_a_part_at_a_time_and_none_is_lost(lake: LakeStore) -> None:
    for number in range(25):
        put(lake, f"marker{number}")
    seen: frozenset[str] = frozenset()
    read, rounds = 0, 0
    while len(seen) < 25:
        found = notice(lake, seen, cells=CELLS, limit=10)
        assert found.unread == max(0, 25 - len(seen) - 10)
        seen, read, rounds = found.seen, read + len(found.completions), rounds + 1
    assert (read, rounds) == (25, 3)


@pytest.mark.parametrize(
    ("key", "body", "reason"),
    [
        ("espn/pbp/2024-25/one.json", b"<html>", "Invalid JSON"),
        ("espn/pbp/2024-25/one.json", json.dumps(marker("espn/box")).encode(), "not where it lies"),
        ("stray.json", b"{}", "no place for such a record"),
    ],
)
def test_what_cannot_be_believed_is_refused_with_the_reason_and_not_read_again(
    lake: LakeStore, key: str, body: bytes, reason: str
) -> None:
    lake.put(COMPLETIONS + key, body)
    found = notice(lake, frozenset(), cells=CELLS, limit=10)
    assert [(refused.key, reason in refused.reason) for refused in found.refused] == [(COMPLETIONS + key, True)]
    assert found.completions == ()
    assert notice(lake, found.seen, cells=CELLS, limit=10).refused == ()


@pytest.mark.parametrize("cell", [("espn/odds", "2024-25"), ("espn/box", "2023-24"), ("hoopr/awards", "2024-25")])
def test_a_marker_of_a_cell_that_is_not_known_yet_waits_until_it_is(lake: LakeStore, cell: tuple[str, str]) -> None:
    put(lake, "one", marker(*cell))
    put(lake, "two", marker(*cell))
    put(lake, "three")
    found = notice(lake, frozenset(), cells=CELLS, limit=10)
    assert (found.unknown, found.refused, len(found.completions)) == ({cell: 2}, (), 1)
    later = notice(lake, found.seen, cells={**CELLS, cell[0]: [cell[1]]}, limit=10)
    assert [(entry.source, entry.season) for entry in later.completions] == [(cell[0].split("/")[0], cell[1])] * 2
    assert later.unknown == {}


def test_markers_of_unknown_cells_keep_no_other_waiting(lake: LakeStore) -> None:
    for number in range(20):
        put(lake, f"marker{number}", marker("aaa/first"))
    put(lake, "one")
    found = notice(lake, frozenset(), cells=CELLS, limit=1)
    assert (len(found.completions), found.unread, found.unknown) == (1, 0, {("aaa/first", "2024-25"): 20})


def test_the_sums_of_a_cell_stay_within_what_a_database_keeps() -> None:
    (cell,) = finished([completion(records=2**53)] * 2000, own="adce")
    assert cell.records == 2**53


def test_completions_of_a_cell_are_summed_up_and_own_and_failed_ones_are_left_out() -> None:
    entries = [
        completion(records=10, keys=["a", "b"]),
        completion(records=None, keys=None, producer="third", finished_at="2024-12-05T11:45:00Z"),
        completion(producer="adce"),
        completion(status="failed", keys=[]),
        completion("hoopr/awards", "all"),
    ]
    pbp, awards = sorted(finished(entries, own="adce"), key=lambda cell: cell.source)
    assert (pbp.season, pbp.markers, pbp.keys, pbp.records) == ("2024-25", 2, 2, 10)
    assert pbp.producers == ("another", "third")
    assert pbp.finished_at == datetime(2024, 12, 5, 11, 45, tzinfo=UTC)
    assert (awards.source, awards.season) == ("hoopr", "all")


def test_only_a_failure_that_wrote_nothing_changes_nothing() -> None:
    wrote, wrote_nothing = completion(status="failed"), completion(status="failed", keys=None)
    assert changed([completion(), wrote, wrote_nothing, completion(producer="adce")]) == 3


def after(looks: Sequence[tuple[float, int]]) -> list[float]:
    """Return the seconds at which a reconciliation was asked for, given looks at (second, news)."""
    waiting, asked = Waiting(), []
    for second, news in looks:
        waiting, is_time = settle(waiting, news, NOW + timedelta(seconds=second), RULES)
        asked += [second] if is_time else []
    return asked


@pytest.mark.parametrize(
    ("looks", "asked"),
    [
        ([(0, 0), (30, 0), (90, 0)], []),
        ([(0, 1), (30, 0), (60, 0), (90, 0)], [60]),
        ([(0, 1), (30, 1), (60, 0), (90, 0), (120, 0)], [90]),
        ([(second, 1) for second in range(0, 660, 30)], [300, 630]),
        ([(0, 1), (300, 1), (330, 0), (360, 0)], [300]),
        ([(0, 1), (60, 0), (90, 1), (150, 0)], [60, 150]),
        ([(0, 1), (0, 0)], [0]),
        ([(0, 1), (-30, 0)], [-30]),
    ],
    ids=["nothing", "one", "two", "a steady stream", "news at the end", "twice", "a clock that stands", "set back"],
)
def test_completions_wait_for_quiet_but_not_for_ever(looks: list[tuple[float, int]], asked: list[float]) -> None:
    assert after(looks) == asked


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 120), st.integers(0, 3)), max_size=40))
def test_every_completion_is_followed_by_a_reconciliation(steps: list[tuple[int, int]]) -> None:
    second, looks = 0, []
    for wait, news in steps:
        second += wait
        looks.append((second, news))
    asked = after([*looks, (second + 60, 0)])
    last_news = max((second for second, news in looks if news), default=None)
    assert asked[-1] >= last_news if last_news is not None else not asked
    assert len(asked) <= sum(news > 0 for _, news in looks)


def test_what_was_seen_is_kept_beside_what_the_last_tick_left(state: State) -> None:
    first = write_seen(state, Waiting(), {"a"})
    second = write_seen(state, first, {"a", "b"})
    assert read_seen(state, first) == {"a"}
    assert read_seen(state, second) == {"a", "b"}
    assert read_seen(state, write_seen(state, second, {"c"})) == {"c"}


def test_a_state_that_was_removed_means_that_nothing_was_seen(state: State) -> None:
    state.store.put("other.json", b"{}")
    assert read_seen(state, Waiting()) == read_seen(state, Waiting(seen=1)) == frozenset()


def test_a_damaged_file_of_seen_completions_is_refused_with_a_hint(state: State) -> None:
    waiting = write_seen(state, Waiting(), {"a"})
    state.store.put(f"{SEEN[0]}.json", b"[]")
    with pytest.raises(LakeError, match="delete the file"):
        read_seen(state, waiting)
