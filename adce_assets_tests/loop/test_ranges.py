"""Stretches of keys against a plain dictionary of every key that there is over a small alphabet."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.lake.store import KeyRange
from adce_assets.loop.ranges import (
    WHOLE,
    Known,
    as_of,
    as_of_column,
    below,
    contains,
    just_before,
    laid_over,
    read,
    within,
    written,
)
from adce_assets.tables import engine

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
KEYS = ["".join(letters) for length in (1, 2, 3) for letters in product("abc", repeat=length)]
EDGES = ("\x00", "\x01", "/", "a", "b", "é", "\ud7ff", "\ue000", "\uffff", "\U00010000")
"""Characters at the ends of what UTF-8 writes in one, two, three and four bytes, beside the surrogates."""
EDGE_KEYS = ["".join(letters) for length in (1, 2, 3) for letters in product(EDGES, repeat=length)]


@st.composite
def stretches(draw: st.DrawFn) -> KeyRange:
    """Draw a stretch that holds something."""
    after = draw(st.sampled_from(["", *KEYS]))
    behind = [key for key in KEYS if key > after]
    return KeyRange(after, draw(st.sampled_from([None, *behind])))


looks = st.lists(st.builds(Known, stretches(), st.integers(0, 9).map(lambda hours: NOON + timedelta(hours=hours))))


def brute(moments: dict[str, datetime], newer: list[Known]) -> dict[str, datetime]:
    """Write down of every key when it was looked at last."""
    found = dict(moments)
    for look in newer:
        for key in KEYS:
            if key > look.range.after and (look.range.until is None or key <= look.range.until):
                found[key] = look.as_of
    return found


@settings(max_examples=300)
@given(looks, looks)
def test_the_last_look_at_a_key_counts_however_stretches_overlap(first: list[Known], later: list[Known]):
    known = laid_over(laid_over((), first), later)
    told = {key: moment for key in KEYS if (moment := as_of(known, key))}
    assert told == brute(brute({}, first), later)


@settings(max_examples=300)
@given(looks)
def test_stretches_that_were_laid_over_each_other_are_disjoint_and_in_order(newer: list[Known]):
    known = laid_over((), newer)
    assert all(entry.range.until is None or entry.range.after < entry.range.until for entry in known)
    for one, other in pairwise(known):
        assert one.range.until is not None
        assert one.range.until <= other.range.after
    assert [sum(contains(entry.range, key) for entry in known) for key in KEYS] == [
        int(as_of(known, key) is not None) for key in KEYS
    ]


@settings(max_examples=200)
@given(looks)
def test_what_was_written_is_read_back(newer: list[Known]):
    assert read(written(laid_over((), newer))) == laid_over((), newer)


def test_nobody_has_looked_where_nothing_is_known():
    assert (laid_over((), ()), as_of((), "a"), as_of((), "")) == ((), None, None)


def test_the_whole_lake_holds_every_key():
    assert below("") == WHOLE
    assert all(contains(WHOLE, key) for key in EDGE_KEYS)


@pytest.mark.parametrize("first", EDGES)
@pytest.mark.parametrize("second", ["", *EDGES])
def test_below_a_prefix_are_the_keys_that_begin_with_it_and_no_others(first: str, second: str):
    prefix = first + second
    stretch = below(prefix)
    assert [key for key in EDGE_KEYS if contains(stretch, key) != key.startswith(prefix)] == []
    ends = [stretch.after.encode(), (stretch.until or "").encode()]
    assert ends == sorted(ends)


@pytest.mark.parametrize("key", ["", *EDGE_KEYS[: len(EDGES) + len(EDGES) ** 2]])
def test_just_before_a_key_lies_behind_every_other_key_before_it(key: str):
    mark = just_before(key)
    assert mark <= key
    assert [other for other in EDGE_KEYS if contains(KeyRange(mark, key), other)] == ([key] if key else [])


@pytest.mark.parametrize(
    "newer",
    [
        [],
        [Known(WHOLE, NOON)],
        [Known(below("a"), NOON)],
        [Known(below("a"), NOON), Known(below("é"), NOON + timedelta(1)), Known(KeyRange("\ud7ff\x01"), NOON)],
        [Known(WHOLE, NOON), Known(KeyRange("/", "b"), NOON + timedelta(microseconds=1)), Known(below("ab"), NOON)],
        [Known(KeyRange(key, key + "b"), NOON + timedelta(hours=at)) for at, key in enumerate(EDGES)],
    ],
)
def test_the_table_engine_tells_of_a_column_of_keys_what_is_told_of_each(newer: list[Known]):
    known = laid_over((), newer)
    keys = [key for key in EDGE_KEYS if "\x00" not in key]
    with engine() as backend:
        table = backend.create_table("keys", pa.table({"key": pa.array(keys, pa.string())}))
        told = table.select("key", moment=as_of_column(known, table.key).cast("timestamp('UTC', 6)")).to_pyarrow()
        held = [table.agg(keys=within(entry.range, table.key).sum()).to_pyarrow()["keys"][0].as_py() for entry in known]
    assert dict(zip(told["key"].to_pylist(), told["moment"].to_pylist(), strict=True)) == {
        key: as_of(known, key) for key in keys
    }
    assert held == [sum(contains(entry.range, key) for key in keys) for entry in known]
