"""Wherever a load is killed, the next one ends with the same rows, none of them twice, and its numbers are true."""

import json
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from adce_assets.lake.store import LakeStore
from adce_assets.settings import environment_for_child
from adce_assets.warehouse.database import Warehouse, open_warehouse
from adce_assets_tests.warehouse.conftest import NOON, asked, entry, page, published, report, staged

PROJECT = Path(__file__).parent.parent.parent
SHIPS = 4
Keys = dict[str, list[str]]

STEPS = {
    "a parser has started": "insert load_workers",
    "some objects are staged, another is half written": "insert load_objects*3",
    "what stands twice is being rejected": "load_later l",
    "the season is half merged": 'INSERT INTO "cargo"',
    "the merge waits for its end": "'superseded'",
}
"""Where a load dies: at a statement, after which its transaction never ends."""


def filled(lake: LakeStore) -> Keys:
    """Put reports and a page into the lake, with one record that is no row and one that stands twice."""
    for number in range(SHIPS):
        extra = [entry("salt", pieces="?")] if number == 3 else []
        lake.put(f"r{number}", report(f"ship-{number}", entry("tea"), entry("rice"), *extra))
    lake.put("r9", report("ship-1", entry("tea")))
    lake.put("p", page("ship-1", ("tea", 3)))
    return {"harbour": [*(f"r{number}" for number in range(SHIPS)), "r9"], "pilots": ["p"]}


def kill(lake: LakeStore, url: str, keys: Keys, at: str) -> None:
    """Run a load that dies at a statement."""
    program = [sys.executable, "-m", "adce_assets_tests.warehouse.mortal_load"]
    ended = subprocess.run(
        [*program, lake.url, url, "run-1", json.dumps(keys), at],
        env=environment_for_child({}),
        cwd=PROJECT,
        check=False,
        timeout=120,
    )
    assert ended.returncode == -signal.SIGKILL


def check(warehouse: Warehouse, run: str) -> None:
    """Hold the final table, and all that is told of a run, against what was put into the lake."""
    rows = asked(warehouse, "SELECT source, ship, item, last_run_id FROM cargo")
    expected = [("harbour", f"ship-{n}", item, run) for n in range(SHIPS) for item in ("tea", "rice")]
    assert Counter(rows) == Counter([*expected, ("pilots", "ship-1", "tea", run)])
    counts = [11, 10, 1, 0, 9, 1]
    sums = ", ".join(
        f"CAST(SUM({name}) AS BIGINT)"
        for name in ("read", "processed", "errored", "deduplicated", "staged", "rejected")
    )
    for table in ("load_objects", "load_runs"):
        found = asked(warehouse, f"SELECT {sums} FROM {table} WHERE run_id = ?", run)
        assert [list(row) for row in found] == [counts]
    balance = "SELECT worker_id, CAST(SUM(staged) AS BIGINT) FROM load_objects WHERE run_id = ? GROUP BY worker_id"
    there = "SELECT worker_id, COUNT(*) FROM staging_cargo WHERE run_id = ? GROUP BY worker_id"
    assert sorted(asked(warehouse, balance, run)) == sorted(asked(warehouse, there, run))
    assert asked(warehouse, "SELECT COUNT(*) FROM load_workers WHERE ended IS NULL") == [(0,)]


@pytest.mark.usefixtures("swift")
@pytest.mark.parametrize(
    ("warehouse_url", "step", "run"),
    [
        *(("duckdb", step, f"run-{1 + place % 2}") for place, step in enumerate(STEPS)),
        ("postgresql", "some objects are staged, another is half written", "run-1"),
        ("postgresql", "the season is half merged", "run-2"),
    ],
    indirect=["warehouse_url"],
)
def test_a_load_that_is_killed_ends_the_same_when_it_is_run_again(
    lake: LakeStore, warehouse_url: str, step: str, run: str
) -> None:
    keys = filled(lake)
    kill(lake, warehouse_url, keys, STEPS[step])
    with open_warehouse(warehouse_url) as warehouse:
        staged(lake, warehouse, keys, run=run, clock=lambda: NOON + timedelta(hours=1))
        published(warehouse, run)
        check(warehouse, run)
        told = asked(warehouse, "SELECT run_id, outcome FROM load_runs ORDER BY run_id")
        assert told == ([("run-1", "superseded")] if run == "run-2" else []) + [(run, "published")]
