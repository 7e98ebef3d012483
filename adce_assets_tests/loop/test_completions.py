"""What programs leave behind in the lake is noticed once, whatever they do to it afterwards."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.autonomous import Completions
from adce_assets.errors import LakeError
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.store import LakeStore, StoredObject, open_store
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


@settings(max_examples=50)
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


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 120), st.integers(0, 3)), max_size=40))
def test_two_reconciliations_are_a_quiet_time_apart_whoever_is_restarted_between(steps: list[tuple[int, int]]) -> None:
    second, asked = 0, []
    cursor = Waiting().model_dump_json()
    for wait, news in steps:
        second += wait
        kept = Waiting.model_validate_json(cursor)
        waiting, is_time = settle(kept, news, NOW + timedelta(seconds=second), RULES)
        cursor = waiting.model_dump_json()
        asked += [second] if is_time else []
    assert all(later - sooner >= RULES.quiet_seconds for sooner, later in itertools.pairwise(asked))


@dataclass
class Shelf(FileStore):
    """A lake that holds markers in memory, each with the time of writing that is claimed for it."""

    held: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)

    def list(self, prefix: str = "", **_: Any) -> Iterator[StoredObject]:
        assert prefix == COMPLETIONS
        for key, (body, written) in sorted(self.held.items()):
            yield StoredObject(key, len(body), hashlib.md5(body).hexdigest(), written)  # noqa: S324 - as S3 does

    def get(self, key: str, **_: Any) -> bytes:
        return self.held[key][0]

    def mark(self, name: str, *, records: int = 0, written: datetime = NOW) -> tuple[str, int]:
        """Leave a marker that says this; return what a look at it must find."""
        told = marker(producer=name, records=records)
        key = completion_key(told["source"], told["data_type"], told["season"], name)
        self.held[key] = (json.dumps(told).encode(), written)
        return name, records


def noticed(shelf: Shelf, seen: frozenset[str], limit: int) -> tuple[list[tuple[str, int | None]], frozenset[str]]:
    found = notice(shelf, seen, cells=CELLS, limit=limit)
    assert not found.refused
    return [(entry.producer, entry.records) for entry in found.completions], found.seen


def test_ten_thousand_markers_of_one_moment_are_each_noticed_once_whatever_is_done_to_them_meanwhile() -> None:
    shelf, seen, told = Shelf(), frozenset[str](), list[tuple[str, int | None]]()
    expected = {shelf.mark(f"m{number:05d}") for number in range(10_000)}
    for look in range(5):
        fresh, seen = noticed(shelf, seen, 2_500)
        told += fresh
        if look == 0:
            long_ago = NOW - timedelta(days=3_000)
            expected |= {shelf.mark(f"a{number}", written=long_ago) for number in range(100)}
            expected |= {shelf.mark(name, records=7) for name, _ in fresh[:100]}
            gone = {name for name, _ in fresh[100:200]}
            shelf.held = {key: value for key, value in shelf.held.items() if key[:-5].rpartition("/")[2] not in gone}
    assert sorted(told) == sorted(expected)
    assert noticed(shelf, seen, 2_500)[0] == []
    assert len(seen) == len(shelf.held)


STEP = st.one_of(
    st.tuples(st.just("mark"), st.integers(0, 9), st.integers(0, 2), st.integers(-9, 9)),
    st.tuples(st.just("delete"), st.integers(0, 9), st.just(0), st.just(0)),
    st.tuples(st.just("look"), st.integers(1, 4), st.just(0), st.just(0)),
)


@settings(max_examples=100)
@given(st.lists(STEP, max_size=40))
def test_whatever_is_marked_is_noticed_and_nothing_is_noticed_twice_that_was_left_as_it_was(
    steps: list[tuple[str, int, int, int]],
) -> None:
    shelf, seen = Shelf(), frozenset[str]()
    waits: dict[str, int] = {}
    known: dict[str, int | None] = {}
    for what, number, records, days in [*steps, ("look", 10, 0, 0)]:
        name = f"m{number}"
        if what == "mark":
            shelf.mark(name, records=records, written=NOW + timedelta(days=days))
            waits[name] = records
        elif what == "delete":
            shelf.held = {key: value for key, value in shelf.held.items() if not key.endswith(f"/{name}.json")}
            waits.pop(name, None)
        else:
            fresh, seen = noticed(shelf, seen, number)
            due = [(name, records) for name, records in sorted(waits.items()) if known.get(name) != records]
            assert fresh == due[:number]
            kept = [(name, records) for name, records in known.items() if waits.get(name) == records]
            known = dict([*kept, *fresh])
    assert known == waits
