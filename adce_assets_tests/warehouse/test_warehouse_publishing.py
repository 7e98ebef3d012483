"""A season is in the final table as it was staged, or as it was before; never something between."""

from typing import Any

import pytest

from adce_assets.errors import NotPublishedError, WarehouseError
from adce_assets.lake.store import LakeStore
from adce_assets.warehouse import staged as staged_runs
from adce_assets.warehouse.database import Connection, Warehouse
from adce_assets.warehouse.publishing import publish
from adce_assets_tests.warehouse.conftest import (
    SEASON,
    asked,
    contented,
    entity,
    entry,
    page,
    published,
    report,
    staged,
    ticking,
)

pytestmark = pytest.mark.usefixtures("swift")

FINAL = "SELECT source, ship, item, pieces, note, last_run_id FROM cargo ORDER BY source, ship, item"
LAST = "SELECT last_run_id, COUNT(*) FROM cargo GROUP BY last_run_id"
OUTCOMES = "SELECT run_id, outcome FROM load_runs ORDER BY started, run_id"


def load(lake: LakeStore, warehouse: Warehouse, run: str, *reports: bytes, keys: Any = None) -> None:
    """Stage reports as a run does that finds them in the lake."""
    for number, body in enumerate(reports):
        lake.put(f"r{number}", body)
    staged(lake, warehouse, keys or {"harbour": [f"r{n}" for n in range(len(reports))]}, run=run)


def test_what_is_staged_is_published_and_the_next_run_changes_what_has_changed(
    lake: LakeStore, warehouse: Warehouse
) -> None:
    load(lake, warehouse, "run-1", report("Anna", entry("tea"), entry("rice"), entry("salt")))
    published(warehouse)
    assert asked(warehouse, LAST) == [("run-1", 3)]
    load(lake, warehouse, "run-2", report("Anna", entry("tea"), entry("rice", note="wet"), entry("fish")))
    published(warehouse, "run-2")
    assert asked(warehouse, FINAL) == [
        ("harbour", "Anna", "fish", 1, None, "run-2"),
        ("harbour", "Anna", "rice", 1, "wet", "run-2"),
        ("harbour", "Anna", "tea", 1, None, "run-2"),
    ]


def test_to_publish_twice_changes_nothing(lake: LakeStore, warehouse: Warehouse) -> None:
    load(lake, warehouse, "run-1", report("Anna", entry("tea")))
    published(warehouse)
    before = asked(warehouse, FINAL)
    published(warehouse)
    assert asked(warehouse, FINAL) == before == [("harbour", "Anna", "tea", 1, None, "run-1")]


def test_a_source_that_the_run_is_not_over_keeps_its_rows(lake: LakeStore, warehouse: Warehouse) -> None:
    lake.put("p", page("Anna", ("tea", 9)))
    load(lake, warehouse, "run-1", report("Anna", entry("tea")), keys={"harbour": ["r0"], "pilots": ["p"]})
    published(warehouse)
    load(lake, warehouse, "run-2", keys={"harbour": []})
    published(warehouse, "run-2")
    assert asked(warehouse, FINAL) == [("pilots", "Anna", "tea", 9, None, "run-1")]


def test_whoever_verifies_sees_the_merge_and_may_undo_it(lake: LakeStore, warehouse: Warehouse) -> None:
    def refuse(connection: Connection) -> None:
        assert connection.rows("SELECT COUNT(*) FROM cargo WHERE last_run_id = 'run-1'") == [(2,)]
        raise NotPublishedError("two are too many")

    load(lake, warehouse, "run-1", report("Anna", entry("tea"), entry("rice")))
    with pytest.raises(NotPublishedError, match="two are too many"):
        published(warehouse, verify=refuse)
    assert asked(warehouse, FINAL) == []
    assert asked(warehouse, OUTCOMES) == [("run-1", "refused")]
    published(warehouse)
    assert asked(warehouse, LAST) == [("run-1", 2)]


def test_a_crash_of_the_verifier_leaves_the_run_to_be_published_again(lake: LakeStore, warehouse: Warehouse) -> None:
    def crash(_: Connection) -> None:
        raise ZeroDivisionError

    load(lake, warehouse, "run-1", report("Anna", entry("tea")))
    with pytest.raises(ZeroDivisionError):
        published(warehouse, verify=crash)
    assert asked(warehouse, OUTCOMES) == [("run-1", "staged")]
    published(warehouse)
    assert asked(warehouse, LAST) == [("run-1", 1)]


def test_a_run_that_is_not_staged_to_its_end_is_not_published(lake: LakeStore, duck: Warehouse) -> None:
    load(lake, duck, "run-1", report("Anna", entry("tea")))
    with duck.transaction() as connection:
        connection.execute("UPDATE load_runs SET outcome = 'staging'")
    for run, outcome in (("run-1", "staging"), ("run-9", "unknown")):
        with pytest.raises(NotPublishedError, match=f"the run is {outcome}"):
            published(duck, run)


def test_what_earlier_runs_have_staged_is_cleared_and_they_cannot_be_published_any_more(
    lake: LakeStore, warehouse: Warehouse
) -> None:
    for run in ("run-1", "run-2", "run-3"):
        load(lake, warehouse, run, report("Anna", entry("tea")))
        if run != "run-2":
            with warehouse.transaction() as connection:
                connection.execute(
                    "UPDATE load_runs SET started = CAST(? AS DATE) WHERE run_id = ?", ("2025-01-0" + run[-1], run)
                )
            published(warehouse, run)
    assert asked(warehouse, "SELECT DISTINCT run_id FROM staging_cargo ORDER BY run_id") == [("run-2",), ("run-3",)]
    assert asked(warehouse, "SELECT outcome FROM load_runs ORDER BY run_id") == [
        ("published",),
        ("staged",),
        ("published",),
    ]
    with pytest.raises(NotPublishedError, match="its staged rows are gone"):
        published(warehouse, "run-1")


def test_a_season_that_is_refused_again_and_again_does_not_grow(
    lake: LakeStore, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Connection) -> None:
        raise NotPublishedError("no")

    monkeypatch.setattr(staged_runs, "KEPT_RUNS", 2)
    runs = [f"run-{number}" for number in range(1, 5)]
    for run in runs:
        load(lake, warehouse, run, report("Anna", entry("tea"), entry("tea")))
        with pytest.raises(NotPublishedError, match="no"):
            published(warehouse, run, verify=refuse)
        with warehouse.transaction() as connection:
            connection.execute(
                "UPDATE load_runs SET started = CAST(? AS DATE) WHERE run_id = ?", ("2025-01-0" + run[-1], run)
            )
    assert asked(warehouse, "SELECT DISTINCT run_id FROM staging_cargo") == [("run-4",)]
    for table in ("load_objects", "load_refused", "load_workers"):
        kept = asked(warehouse, f"SELECT DISTINCT run_id FROM {table} ORDER BY run_id")
        assert kept == [("run-2",), ("run-3",), ("run-4",)]
    assert len(asked(warehouse, "SELECT run_id FROM load_runs")) == len(runs)
    with pytest.raises(NotPublishedError, match="its staged rows are gone"):
        published(warehouse, "run-1")
    published(warehouse, "run-4")
    assert asked(warehouse, LAST) == [("run-4", 1)]


def test_a_run_that_was_superseded_while_it_went_on_ends_with_an_error(lake: LakeStore, warehouse: Warehouse) -> None:
    load(lake, warehouse, "run-1", report("Anna", entry("tea")))
    with warehouse.transaction() as connection:
        connection.execute("UPDATE load_runs SET outcome = 'staging'")

    class Overtaken:
        """A lake that another run is published from, while the first one reads it."""

        def __getattr__(self, name: str) -> Any:
            return getattr(lake, name)

        def get(self, key: str, *, length: int) -> bytes:
            with warehouse.transaction() as connection:
                connection.execute("UPDATE load_runs SET outcome = 'superseded'")
            return lake.get(key, length=length)

    lake.put("r1", report("Berta", entry("tea")))
    with pytest.raises(WarehouseError, match="a later run was published meanwhile"):
        staged(Overtaken(), warehouse, {"harbour": ["r1"]})  # pyrefly: ignore[bad-argument-type] - as a lake


def test_a_null_is_no_empty_text_and_a_change_between_them_is_one(lake: LakeStore, warehouse: Warehouse) -> None:
    load(lake, warehouse, "run-1", report("Anna", entry("tea", note=None), entry("rice", note="")))
    published(warehouse)
    load(lake, warehouse, "run-2", report("Anna", entry("tea", note=""), entry("rice", note=None)))
    published(warehouse, "run-2")
    assert [row[2:] for row in asked(warehouse, FINAL)] == [("rice", 1, None, "run-2"), ("tea", 1, "", "run-2")]


def test_a_run_that_is_started_again_after_a_later_one_stages_anew_what_that_one_has_cleared(
    lake: LakeStore, duck: Warehouse
) -> None:
    reports = [report(ship, entry("tea")) for ship in ("Anna", "Berta", "Clara")]
    for run in ("run-1", "run-2"):
        load(lake, duck, run, *reports)
        published(duck, run)
    load(lake, duck, "run-1", report("Anna", entry("tea", pieces=2)), *reports[1:])
    published(duck)
    told = [(ship, pieces, run) for _, ship, _, pieces, _, run in asked(duck, FINAL)]
    assert told == [("Anna", 2, "run-1"), ("Berta", 1, "run-1"), ("Clara", 1, "run-1")]


def test_a_negative_nothing_is_published_as_it_is(lake: LakeStore, warehouse: Warehouse) -> None:
    readings = entity().model_dump()["readings"]
    readings[0]["columns"]["rating"] = "entry.rating"
    rated = entity(columns={**entity().model_dump()["columns"], "rating": {"type": "float"}}, readings=readings)
    for run, rating in (("run-1", 0.0), ("run-2", -0.0)):
        lake.put("a", report("Anna", entry("tea", rating=rating)))
        staged(lake, warehouse, {"harbour": ["a"]}, run=run, entity=rated)
        publish(warehouse, rated, SEASON, run, clock=ticking(), verify=contented)
    assert asked(warehouse, "SELECT CAST(rating AS VARCHAR), last_run_id FROM cargo")[0][0].startswith("-")


def test_a_table_that_somebody_else_has_made_is_not_taken_over(lake: LakeStore, warehouse: Warehouse) -> None:
    with warehouse.transaction() as connection:
        connection.execute("CREATE TABLE cargo (ship VARCHAR)")
    with pytest.raises(WarehouseError, match="not of the warehouse"):
        load(lake, warehouse, "run-1", report("Anna", entry("tea")))
