"""Slices of keys: they part the keys between beginnings, and only where the files say that it pays."""

from datetime import UTC, datetime
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.lake import report, slices
from adce_assets.lake.report_manifest import ReportManifest
from adce_assets.lake.slices import Block, Slice, cut
from adce_assets.tables import engine

MILLION = 1_000_000


def even(*names: str, rows: int = MILLION) -> list[Block]:
    return [Block(f"{name}/0", f"{name}/9", rows) for name in names]


def test_a_small_lake_is_one_slice():
    assert cut(["a/", "b/"], even("a", "b")) == [Slice()]
    assert cut(["a/", "b/"], []) == [Slice()]


def test_a_large_lake_is_cut_where_templates_begin():
    assert cut(["a/", "b/", "c/", "d/"], even("a", "b", "c", "d")) == [Slice("", "c/"), Slice("c/", None)]


def test_places_that_begin_alike_are_never_parted():
    assert cut(["a", "a/b", "a/c", "a/d"], even("a/b", "a/c", "a/d", rows=3 * MILLION)) == [Slice()]
    assert cut(["", "b/", "c/"], even("a", "b", "c", rows=3 * MILLION)) == [Slice()]


def test_keys_in_no_order_are_not_cut():
    anywhere = [Block("a/0", "y/9", MILLION)] * 200
    assert cut([f"{letter}/" for letter in "abcdefghijklmnopqrstuvwxy"], anywhere) == [Slice()]


@settings(max_examples=50)
@given(st.sets(st.text("ab/é", max_size=4), min_size=1, max_size=12), st.lists(st.text("ab/é", max_size=5)))
def test_every_key_is_in_one_slice_with_all_that_begins_as_its_place(beginnings: set[str], keys: list[str]):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "COSTS", {1: 0.0})
        found = cut(beginnings, [Block(text, text + "z", 1) for text in sorted(beginnings)])
    for key in keys:
        assert sum(part.has(key) for part in found) == 1
    for text in beginnings:
        assert len({next(part for part in found if part.has(text + key)) for key in ["", *keys]}) == 1


@pytest.mark.parametrize("root", ["", "lake/"])
def test_the_blocks_of_a_report_are_those_of_its_footers(tmp_path: Path, root: str):
    keys = [f"{folder}{name}" for folder in ("aside/", root + "a/", root + "b/", "zoo/") for name in "xyz"]
    path = tmp_path / "one.parquet"
    pyarrow.parquet.write_table(pa.table({"key": keys, "size": range(12)}), path, row_group_size=3)
    manifest = ReportManifest(
        source_bucket="bucket",
        config_id="all",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        prefix="p/",
        file_format="CSV",
        columns=(),
        files=(),
        checksum="",
    )

    inside = [Block("a/x", "a/z", 3), Block("b/x", "b/z", 3)]
    others = [] if root else [Block("aside/x", "aside/z", 3), Block("zoo/x", "zoo/z", 3)]
    assert sorted(report.blocks(manifest, [path], root=root), key=lambda block: block.least) == sorted(
        inside + others, key=lambda block: block.least
    )
    with engine() as backend:
        rows = report.rows(backend, manifest, [path], root=root, exclude=["b/"])
        assert rows.count().to_pyarrow().as_py() == (3 if root else 9)
        for part, wanted in ((Slice("a/y"), ["a/y", "a/z"]), (Slice("", "a/z"), ["a/x", "a/y"])):
            found = rows.of(part).filter(~ibis._.key.re_search("aside|zoo")).order_by("key").to_pyarrow()
            assert found["key"].to_pylist() == wanted


def test_files_that_do_not_say_where_their_keys_lie_are_not_cut(tmp_path: Path):
    path = tmp_path / "one.parquet"
    pyarrow.parquet.write_table(pa.table({"key": ["a"]}), path, write_statistics=False)
    assert slices.blocks_of([path]) == []
