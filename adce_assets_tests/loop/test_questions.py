"""Which stretches are worth another look: within the budget, the most urgent first, wherever an object may lie."""

import random
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.contract.loading import Contract
from adce_assets.lake.store import KeyRange
from adce_assets.loop.questions import Density, ranges
from adce_assets.loop.ranges import contains, just_before
from adce_assets_tests.loop.hoops import NOW

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

DAY = timedelta(days=1)
CONTRACT = r"""
version: 1
leagues:
  hoops: {first_season: 2021-22, season_starts: 10}
ids:
  game: {pattern: 'g\d{4}'}
schedules:
  games: {league: hoops, id: game}
dimensions:
  award: {values: [mvp, roy, sixth]}
sources:
  official:
    description: d
    league: hoops
    schedule: games
    data_types:
      box: {description: d, for_each: [game], templates: ['box/{game_id}.json']}
      odds: {description: d, for_each: [game], templates: ['odds/{game_id}.json']}
      pbp: {description: d, for_each: [game], templates: ['pbp/{game_id}.json', 'old/{season_end}/{game_id}.json']}
      plays: {description: d, for_each: [game], templates: ['plays/{game_id}.json', 'days/{date}/{game_id}.json']}
      board: {description: d, for_each: [date], from_date: 2021-11-01, templates: ['b/{date}', 'c/{date_compact}']}
      awards: {description: d, for_each: [award], seasons: all, templates: ['new/{award}', 'kept/{award}']}
"""


@pytest.fixture(scope="module")
def contract(workshop: "Workshop") -> Contract:
    return workshop.project(CONTRACT, now=NOW).contract


def games(data_type: str, numbers: Sequence[int] = (1,), **changes: Any) -> list[dict[str, Any]]:
    values = {"source": "official", "data_type": data_type, "season": "2023-24", "event_at": NOW, "is_unknown": False}
    return [{**values, "key": f"{data_type}/g{number:04d}.json", **changes} for number in numbers]


def table(*groups: list[dict[str, Any]]) -> pa.Table:
    fields = [(name, pa.string()) for name in ("source", "data_type", "season", "key")]
    fields += [("event_at", pa.timestamp("us", "UTC")), ("is_unknown", pa.bool_())]
    return pa.Table.from_pylist([row for rows in groups for row in rows], schema=pa.schema(fields))


def lake(*folders: str, objects: int = 10_000) -> Density:
    """Give a lake that has as many objects in each folder, of which every hundredth is known."""
    keys = [f"{folder}/g{number:04d}.json" for folder in sorted(folders) for number in range(0, objects, 100)]
    return Density(keys, 100)


def asked(found: Sequence[KeyRange], *keys: str) -> list[bool]:
    return [any(contains(stretch, key) for stretch in found) for key in keys]


def test_where_nothing_is_open_nothing_is_asked(contract: Contract):
    assert ranges(contract, table(), lake("box"), 10) == []


def test_the_keys_of_a_cell_are_asked_for_in_one_stretch_and_no_others(contract: Contract):
    found = ranges(contract, table(games("box", [7, 3, 5])), lake("box"), 10)
    keys = [f"box/g{number:04d}.json" for number in range(10)]
    assert len(found) == 1
    assert asked(found, *keys) == [3 <= number <= 7 for number in range(10)]


def test_without_requests_nothing_is_asked(contract: Contract):
    assert ranges(contract, table(games("box")), lake("box"), 0) == []


def test_two_keys_at_the_ends_of_a_large_cell_take_two_small_looks(contract: Contract):
    found = ranges(contract, table(games("box", [0, 9_999])), lake("box"), 6)
    assert len(found) == 2
    assert asked(found, "box/g0000.json", "box/g5000.json", "box/g9999.json") == [True, False, True]


def test_what_is_too_dear_as_a_whole_is_asked_for_in_part_the_newest_first(contract: Contract):
    numbers = [*range(0, 3_000, 5), 5_000, *range(7_000, 7_300), 9_999]
    box = [games("box", [number], event_at=NOW - DAY * abs(number - 7_100))[0] for number in numbers]
    keys = [row["key"] for row in sorted(box, key=lambda row: row["event_at"], reverse=True)]
    shares = []
    for budget in range(1, 12):
        found = ranges(contract, table(box), lake("box"), budget)
        assert sum(lake("box").requests(stretch) for stretch in found) <= budget
        assert asked(found, keys[0]) == [True]
        shares.append(sum(asked(found, *keys)))
    assert shares == sorted(shares)
    assert (shares[0] < 400, shares[-1]) == (True, len(keys))


def test_the_pieces_of_an_urgent_cell_come_before_a_less_urgent_cell(contract: Contract):
    dear = games("box", [0, 9_999], is_unknown=True)
    keys = table(dear, games("odds", [5_003, 5_004]))
    places = ["box/g0000.json", "box/g9999.json", "odds/g5003.json", "odds/g5004.json"]
    for budget, wanted in {2: [True, True, False, False], 3: [True] * 4}.items():
        assert asked(ranges(contract, keys, lake("box", "odds"), budget), *places) == wanted


def test_a_piece_is_asked_for_at_its_older_places_too_or_not_at_all(contract: Contract):
    keys = table(games("pbp", [2_000, 7_000]), games("odds", [3]))
    density = lake("pbp", "old/2024", "odds")
    places = ["pbp/g2000.json", "old/2024/g2000.json", "pbp/g7000.json", "old/2024/g7000.json", "odds/g0003.json"]
    assert asked(ranges(contract, keys, density, 3), *places) == [False, False, True, True, True]
    assert asked(ranges(contract, keys, density, 5), *places) == [True] * 5


def test_a_key_without_an_event_comes_after_all_others_of_its_cell(contract: Contract):
    box = games("box", [9_999], event_at=None) + games("box", [0], event_at=NOW - 99 * DAY)
    assert asked(ranges(contract, table(box), lake("box"), 1), "box/g0000.json", "box/g9999.json") == [True, False]


@pytest.mark.parametrize(
    ("urgent", "other"),
    [
        ({"is_unknown": True, "event_at": NOW - 99 * DAY}, {"event_at": NOW}),
        ({"event_at": NOW}, {"event_at": NOW - DAY}),
        ({"event_at": NOW - 99 * DAY}, {"event_at": None}),
        ({"is_unknown": True, "event_at": None}, {"event_at": NOW}),
        ({"season": "2023-24", "event_at": NOW}, {"season": "2022-23", "event_at": NOW - DAY}),
    ],
)
@pytest.mark.parametrize("names", [("box", "odds"), ("odds", "box")])
def test_the_most_urgent_is_asked_first(
    contract: Contract, names: tuple[str, str], urgent: dict[str, Any], other: dict[str, Any]
):
    keys = table(games(names[0], [1, 2], **urgent), games(names[1], [1, 2], **other))
    density = lake("box", "odds")
    assert asked(ranges(contract, keys, density, 1), f"{names[0]}/g0001.json", f"{names[1]}/g0001.json") == [
        True,
        False,
    ]
    assert asked(ranges(contract, keys, density, 2), f"{names[0]}/g0001.json", f"{names[1]}/g0001.json") == [True, True]


def test_a_cell_is_as_urgent_as_its_newest_event(contract: Contract):
    box = games("box", [1], event_at=NOW - 9 * DAY) + games("box", [2], event_at=NOW)
    keys = table(box, games("odds", [1], event_at=NOW - DAY))
    assert asked(ranges(contract, keys, lake("box", "odds"), 1), "box/g0001.json", "odds/g0001.json") == [True, False]


def test_neighbours_are_listed_in_one_go_where_that_takes_no_more_requests(contract: Contract):
    near = table(games("box", [1, 2]), games("box", [5, 6], season="2022-23"))
    far = table(games("box", [1, 2]), games("box", [9_000, 9_001], season="2022-23"))
    (one,) = ranges(contract, near, lake("box"), 10)
    assert asked([one], *(f"box/g{number:04d}.json" for number in (1, 2, 5, 6))) == [True] * 4
    found = ranges(contract, far, lake("box"), 10)
    assert len(found) == 2
    assert asked(found, "box/g0001.json", "box/g4000.json", "box/g9001.json") == [True, False, True]


def test_the_places_of_older_templates_are_asked_for_too(contract: Contract):
    pbp = games("pbp", [3, 7])
    board = [games("board", key=f"b/2023-12-{day}")[0] for day in ("09", "31")]
    awards = [games("awards", key=f"new/{name}", season="all")[0] for name in ("mvp", "sixth")]
    found = ranges(contract, table(pbp, board, awards), Density([], 1), 99)
    inside = ["old/2024/g0003.json", "old/2024/g0005.json", "c/20231209", "c/20231231", "kept/mvp", "kept/sixth"]
    assert asked(found, *inside) == [True] * len(inside)

    density = lake("b", "c", "kept", "new", "old/2023", "old/2024")
    found = ranges(contract, table(pbp, board, awards), density, 99)
    outside = ["old/2023/g0005.json", "old/2024/g0002.json", "old/2024/g0008.json", "c/20231208", "kept/a"]
    assert asked(found, *inside, *outside) == [True] * len(inside) + [False] * len(outside)


def test_an_older_place_that_a_key_does_not_tell_is_not_asked_for(contract: Contract):
    found = ranges(contract, table(games("plays", [3, 7])), lake("plays", "days/2023-12-01"), 99)
    assert asked(found, "plays/g0005.json", "days/2023-12-01/g0005.json") == [True, False]


def test_a_key_that_the_contract_no_longer_writes_is_asked_for_where_it_is(contract: Contract):
    found = ranges(contract, table(games("pbp", key="before/g0001.json")), lake("pbp"), 9)
    assert asked(found, "before/g0001.json", "pbp/g0001.json") == [True, False]


def test_a_lake_of_which_nobody_knows_where_its_keys_are_may_be_dear_everywhere(contract: Contract):
    assert Density.of(None, 172_754).requests(KeyRange("a", "b")) == 173
    assert ranges(contract, table(games("box")), Density.of(None, 172_754), 100) == []
    assert len(ranges(contract, table(games("box")), Density.of(None, 900), 1)) == 1
    assert Density.of([], 0).requests(KeyRange()) == 1


@settings(max_examples=200)
@given(
    keys=st.lists(st.integers(0, 3_000), unique=True, max_size=3_000),
    every=st.integers(1, 500),
    ends=st.tuples(st.integers(0, 3_000), st.integers(0, 3_001)),
)
def test_no_stretch_takes_more_requests_than_are_estimated(keys: list[int], every: int, ends: tuple[int, int]):
    there = sorted(f"{number:04d}" for number in keys)
    density = Density.of(there[every - 1 :: every], len(there))
    after, until = (f"{number:04d}" for number in ends)
    stretch = KeyRange(after, None if ends[1] > 3_000 else max(after, until))
    last = len(there) if stretch.until is None else bisect_right(there, stretch.until)
    held = last - bisect_right(there, stretch.after)
    assert held // 1_000 + 1 <= density.requests(stretch)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), budget=st.integers(0, 30))
def test_what_is_asked_is_disjoint_in_order_within_the_budget_and_as_much_as_that_allows(
    contract: Contract, seed: int, budget: int
):
    chance = random.Random(seed)
    density = lake(*chance.sample(["box", "odds", "pbp", "plays", "old/2024", "old/2023"], 4), objects=5_000)
    cells = [
        games(
            chance.choice(["box", "odds", "pbp", "plays"]),
            sorted(chance.sample(range(5_000), chance.choice([1, 2, 30]))),
            season=season,
            event_at=chance.choice([None, NOW - chance.randrange(90) * DAY]),
            is_unknown=chance.random() < 0.3,
        )
        for season in ("2022-23", "2023-24")
        for _ in range(4)
    ]
    keys = table(*cells)

    found = ranges(contract, keys, density, budget)

    assert sum(density.requests(stretch) for stretch in found) <= budget
    for one, other in pairwise(found):
        assert one.until is not None
        assert one.after < one.until <= other.after
    left = budget - sum(density.requests(stretch) for stretch in found)
    for row in keys.to_pylist():
        if row["data_type"] in {"box", "odds"} and asked(found, row["key"]) == [False]:
            assert density.requests(KeyRange(just_before(row["key"]), row["key"])) > left
    assert found == ranges(
        contract, keys.take(pa.array(chance.sample(range(keys.num_rows), keys.num_rows))), density, budget
    )


def test_the_moment_of_the_newest_event_is_all_that_ranks_known_gaps(contract: Contract):
    days: list[datetime | None] = [NOW - DAY * number for number in range(6)]
    keys = table(
        *(
            games("box", [number * 1_500], season=f"20{20 + number}-{21 + number}", event_at=day)
            for number, day in enumerate(days)
        )
    )
    for budget in range(1, 6):
        found = ranges(contract, keys, lake("box"), budget)
        assert asked(found, *(f"box/g{number * 1_500:04d}.json" for number in range(6))) == [
            number < budget for number in range(6)
        ]
