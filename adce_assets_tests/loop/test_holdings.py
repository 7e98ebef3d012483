"""What is known of a lake after any order of looks and writes, against a plain history of every key."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.lake.store import OBJECT_SCHEMA, KeyRange
from adce_assets.loop.holdings import CLOCKS_DIFFER, MAY_MISS, Holdings, Report, with_listing, with_receipts
from adce_assets.loop.ranges import WHOLE, Known, as_of, below
from adce_assets.tables import engine

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

BEGAN = datetime(2024, 1, 12, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEYS = [f"{folder}/{name}" for folder in ("a", "b", "é") for name in range(4)]
RECEIPTS = pa.schema([("file", pa.string()), *[field for field in OBJECT_SCHEMA if field.name != "etag"]])
NOBODY: Any = None
"""No project is asked where the base is no report."""

Version = tuple[int, datetime]
"""Size and time of writing."""


@pytest.fixture(scope="module")
def backend() -> Iterator["Backend"]:
    with engine() as opened:
        yield opened


def rows_of(versions: dict[str, Version], *, etag: str = "e") -> pa.Table:
    rows = [
        {"key": key, "size": size, "last_modified": at, "etag": etag} for key, (size, at) in sorted(versions.items())
    ]
    return pa.Table.from_pylist(rows, schema=OBJECT_SCHEMA)


def receipts_of(*written: tuple[str, int, datetime]) -> pa.Table:
    rows = [
        {"file": f"f{at}", "key": key, "size": size, "last_modified": when}
        for at, (key, size, when) in enumerate(written)
    ]
    return pa.Table.from_pylist(rows, schema=RECEIPTS)


def told(holdings: Holdings, backend: "Backend") -> dict[str, Version]:
    rows = backend.to_pyarrow(holdings.objects(NOBODY, backend)).to_pylist()
    assert len({row["key"] for row in rows}) == len(rows)
    return {row["key"]: (row["size"], row["last_modified"]) for row in rows}


@dataclass
class Lake:
    """A lake with all of its history: what was there at any moment, and what the loop itself wrote."""

    versions: dict[str, list[tuple[datetime, int | None]]] = field(default_factory=dict)
    receipts: list[tuple[str, int, datetime]] = field(default_factory=list)

    def write(self, key: str, size: int, at: datetime, *, own: bool) -> None:
        self.versions.setdefault(key, []).append((at, size))
        if own:
            self.receipts.append((key, size, at))

    def delete(self, key: str, at: datetime) -> None:
        self.versions.setdefault(key, []).append((at, None))

    def at(self, moment: datetime, ranges: Iterable[KeyRange] = (WHOLE,)) -> dict[str, Version]:
        """Say what a listing of that moment shows."""
        found = {}
        for key, history in self.versions.items():
            last = [(when, size) for when, size in history if when <= moment][-1:]
            inside = any(one.after < key and (one.until is None or key <= one.until) for one in ranges)
            if inside and last and last[0][1] is not None:
                found[key] = (last[0][1], last[0][0])
        return found

    def known(self, key: str, looked: datetime, until: datetime) -> Version | None:
        """Say what is known of a key from a look at one moment and the receipts until another."""
        own = [(size, at) for name, size, at in self.receipts if name == key and looked <= at <= until]
        return own[-1] if own else self.at(looked).get(key)


@dataclass
class Story:
    """What happened, drawn from a seed: hour after hour something is written, deleted, listed or read from receipts."""

    chance: random.Random
    lake: Lake = field(default_factory=Lake)
    looked: dict[str, datetime] = field(default_factory=dict)
    read: int = 0

    def play(self, hours: int) -> Holdings:
        """Play it, and return what is known in the end."""
        for key in self.chance.sample(KEYS, 6):
            self.lake.write(key, 1, BEGAN - HOUR, own=self.chance.random() < 0.3)
        holdings = Holdings(rows_of(self.lake.at(BEGAN)), (Known(WHOLE, BEGAN),))
        self.looked = dict.fromkeys(KEYS, BEGAN)
        now = BEGAN
        for hour in range(1, hours):
            now = BEGAN + hour * HOUR
            turn = self.chance.choice(["write", "write", "own", "own", "delete", "list", "receipts"])
            key = self.chance.choice(KEYS)
            if turn in {"write", "own"}:
                self.lake.write(key, hour + 1, now - HOUR / 2, own=turn == "own")
            elif turn == "delete":
                self.lake.delete(key, now - HOUR / 2)
            elif turn == "list":
                holdings = self.listed(holdings, now)
            else:
                holdings = self.told(holdings)
        return self.told(holdings)

    def told(self, holdings: Holdings) -> Holdings:
        """Read the receipts: all of them, or those only that are new."""
        first = self.chance.choice([0, self.read])
        self.read = len(self.lake.receipts)
        return with_receipts(holdings, receipts_of(*self.lake.receipts[first:]))

    def listed(self, holdings: Holdings, now: datetime) -> Holdings:
        ends = sorted(self.chance.sample(["", *KEYS], 4))
        ranges = [KeyRange(ends[0], ends[1]), KeyRange(ends[2], self.chance.choice([ends[3], None]))]
        found = self.lake.at(now, ranges)
        self.looked |= {
            key: now
            for key in KEYS
            if any(one.after < key and (one.until is None or key <= one.until) for one in ranges)
        }
        return with_listing(holdings, ranges, rows_of(found), now)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), hours=st.integers(1, 40))
def test_each_key_is_as_the_last_look_saw_it_or_as_the_loop_wrote_it_since(backend: "Backend", seed: int, hours: int):
    story = Story(random.Random(seed))
    holdings = story.play(hours)
    end = BEGAN + hours * HOUR
    wanted = {key: story.lake.known(key, story.looked[key], end) for key in KEYS}
    assert told(holdings, backend) == {key: version for key, version in wanted.items() if version}
    assert {key: as_of(holdings.known, key) for key in KEYS} == story.looked
    assert holdings.as_of == BEGAN
    assert holdings.newer["key"].to_pylist() == sorted(holdings.newer["key"].to_pylist())


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), hours=st.integers(1, 30))
def test_what_is_not_seen_was_not_there_when_anybody_looked_and_is_none_of_the_loops_own(
    backend: "Backend", seed: int, hours: int
):
    story = Story(random.Random(seed))
    seen = told(story.play(hours), backend)
    for key in set(KEYS) - seen.keys():
        assert key not in story.lake.at(story.looked[key])
        assert not [at for name, _, at in story.lake.receipts if name == key and at >= story.looked[key]]


def test_what_was_known_before_is_not_changed_by_what_is_laid_over_it(backend: "Backend"):
    before = Holdings(rows_of({"a/1": (1, BEGAN)}), (Known(WHOLE, BEGAN),))
    later = with_receipts(before, receipts_of(("a/1", 2, BEGAN + HOUR)))
    with_listing(later, [WHOLE], rows_of({}), BEGAN + 2 * HOUR)
    assert told(before, backend) == {"a/1": (1, BEGAN)}
    assert told(later, backend) == {"a/1": (2, BEGAN + HOUR)}
    assert (before.written, later.written) == (frozenset(), frozenset({"a/1"}))


def test_of_several_receipts_of_a_key_the_newest_counts_in_whatever_order_they_come(backend: "Backend"):
    empty = Holdings(rows_of({}), (Known(WHOLE, BEGAN),))
    receipts = receipts_of(("a/1", 9, BEGAN + 9 * HOUR), ("a/1", 1, BEGAN + HOUR), ("a/1", 5, BEGAN + 5 * HOUR))
    assert told(with_receipts(empty, receipts), backend) == {"a/1": (9, BEGAN + 9 * HOUR)}


TICK = timedelta(microseconds=1)


def test_a_receipt_counts_if_by_clocks_that_differ_a_little_it_may_be_later_than_the_look(backend: "Backend"):
    empty = Holdings(rows_of({}), (Known(WHOLE, BEGAN),))
    ages = (CLOCKS_DIFFER + TICK, CLOCKS_DIFFER, TICK, timedelta(), -TICK)
    same = with_receipts(empty, receipts_of(*((f"a/{at}", 1, BEGAN - age) for at, age in enumerate(ages))))
    assert set(told(same, backend)) == {"a/1", "a/2", "a/3", "a/4"}
    assert with_receipts(empty, receipts_of(("a/1", 1, BEGAN - CLOCKS_DIFFER - TICK))) is empty


def test_the_as_of_of_a_report_is_stated_with_its_margin_and_none_is_added():
    reported = Holdings(Report(NOBODY, ()), (Known(WHOLE, BEGAN - MAY_MISS),))
    mixed = with_listing(reported, [below("b/")], rows_of({}), BEGAN)
    ages = {"1": MAY_MISS + CLOCKS_DIFFER + TICK, "2": MAY_MISS, "3": CLOCKS_DIFFER, "4": timedelta()}
    receipts = receipts_of(*((f"{folder}/{name}", 1, BEGAN - age) for folder in "ab" for name, age in ages.items()))
    assert with_receipts(mixed, receipts).written == {"a/2", "a/3", "a/4", "b/3", "b/4"}


def test_what_was_deleted_after_the_loop_wrote_it_is_present_no_longer_than_clocks_differ(backend: "Backend"):
    receipts = receipts_of(("a/1", 1, BEGAN))
    holdings = Holdings(rows_of({}), (Known(below("a/"), BEGAN),))
    for late, wanted in ((CLOCKS_DIFFER, {"a/1"}), (CLOCKS_DIFFER + TICK, set())):
        holdings = with_receipts(with_listing(holdings, [below("a/")], rows_of({}), BEGAN + late), receipts)
        assert set(told(with_receipts(holdings, receipts), backend)) == wanted
        whole = Holdings(rows_of({}), (Known(WHOLE, BEGAN + late),))
        assert set(told(with_receipts(whole, receipts), backend)) == wanted


def test_what_others_wrote_over_it_before_the_look_is_not_undone_by_a_receipt_of_the_same_minute(backend: "Backend"):
    seen = {"b/1": (9, BEGAN - TICK), "b/2": (9, BEGAN - HOUR)}
    holdings = with_listing(Holdings(rows_of({}), (Known(WHOLE, BEGAN),)), [below("b/")], rows_of(seen), BEGAN)
    receipts = receipts_of(("b/1", 1, BEGAN - 2 * TICK), ("b/2", 1, BEGAN - 2 * TICK))
    for found in (with_receipts(holdings, receipts), with_receipts(with_receipts(holdings, receipts), receipts)):
        assert told(found, backend) == {"b/1": (9, BEGAN - TICK), "b/2": (1, BEGAN - 2 * TICK)}


def test_a_receipt_counts_only_where_somebody_looks(backend: "Backend"):
    part = Holdings(rows_of({"a/1": (1, BEGAN)}), (Known(below("a/"), BEGAN),))
    assert with_receipts(part, receipts_of(("b/1", 2, BEGAN + HOUR))) is part
    wider = with_listing(part, [below("b/")], rows_of({}), BEGAN + HOUR)
    found = with_receipts(wider, receipts_of(("b/1", 2, BEGAN + 2 * HOUR), ("c/1", 2, BEGAN + 2 * HOUR)))
    assert told(found, backend) == {"a/1": (1, BEGAN), "b/1": (2, BEGAN + 2 * HOUR)}
    assert as_of(found.known, "c/1") is None


def test_the_whole_is_as_old_as_its_oldest_look():
    holdings = Holdings(rows_of({}), (Known(below("a/"), BEGAN + HOUR), Known(below("b/"), BEGAN)))
    assert holdings.as_of == BEGAN
    assert with_listing(holdings, [below("b/")], rows_of({}), BEGAN + 9 * HOUR).as_of == BEGAN


def test_an_etag_that_no_receipt_tells_is_empty_and_no_others_are(backend: "Backend"):
    base = Holdings(rows_of({"a/1": (1, BEGAN), "a/2": (1, BEGAN)}, etag="v1"), (Known(WHOLE, BEGAN),))
    found = with_receipts(base, receipts_of(("a/1", 2, BEGAN + HOUR)))
    found = with_listing(found, [below("b/")], rows_of({"b/1": (3, BEGAN)}, etag="v3"), BEGAN + HOUR)
    rows = backend.to_pyarrow(found.objects(NOBODY, backend)).to_pylist()
    assert {row["key"]: row["etag"] for row in rows} == {"a/1": "", "a/2": "v1", "b/1": "v3"}


def test_a_listing_that_was_kept_as_a_file_is_read_from_there(backend: "Backend", tmp_path: Path):
    path = tmp_path / "objects.parquet"
    pq.write_table(rows_of({"a/1": (1, BEGAN), "b/1": (2, BEGAN)}), path)
    kept = Holdings(path, (Known(WHOLE, BEGAN),))
    assert told(kept, backend) == {"a/1": (1, BEGAN), "b/1": (2, BEGAN)}
    newer = with_listing(kept, [below("b/")], rows_of({"b/2": (3, BEGAN)}), BEGAN + HOUR)
    assert told(newer, backend) == {"a/1": (1, BEGAN), "b/2": (3, BEGAN)}
    assert told(with_listing(newer, [WHOLE], rows_of({}), BEGAN + 2 * HOUR), backend) == {}
