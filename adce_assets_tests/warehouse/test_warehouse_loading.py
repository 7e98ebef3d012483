"""What is in the documents is staged once, and every record is accounted for."""

import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import md5
from itertools import count
from typing import Any

import pytest

from adce_assets.errors import ConfigurationError, LakeError, WarehouseError
from adce_assets.lake.store import LakeStore, StoredObject
from adce_assets.warehouse import loading, parser
from adce_assets.warehouse.counting import count_records
from adce_assets.warehouse.database import Warehouse
from adce_assets.warehouse.fetching import fetched
from adce_assets.warehouse.parser import ParserDiedError
from adce_assets.warehouse.publishing import publish
from adce_assets.warehouse.staged import Counts
from adce_assets_tests.warehouse.conftest import (
    NOON,
    SEASON,
    Keys,
    asked,
    contented,
    entity,
    entry,
    page,
    report,
    staged,
    ticking,
)

swift = pytest.mark.usefixtures("swift")

ROWS = "SELECT source, ship, item, tons, pieces, note FROM staging_cargo WHERE run_id = ? ORDER BY source, ship, item"


class Watched:
    """A lake that does something before it gives an object."""

    def __init__(self, lake: LakeStore, **before: Any) -> None:
        self._lake, self._before = lake, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lake, name)

    def get(self, key: str, *, length: int) -> bytes:
        self._before.get(key, lambda: None)()
        return self._lake.get(key, length=length)


def fill(lake: LakeStore, **objects: bytes) -> Keys:
    """Put reports into the lake, under keys that are their names."""
    for key, body in objects.items():
        lake.put(key, body)
    return {"harbour": sorted(objects)}


def balances(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """Find where the numbers of the objects disagree with each other, or with the rows there are."""
    return asked(
        warehouse,
        """
        SELECT o.run_id, o.worker_id, o.object_key FROM load_objects o
        LEFT JOIN (SELECT run_id, worker_id, object_key, COUNT(*) AS n FROM staging_cargo GROUP BY 1, 2, 3) s
          ON s.run_id = o.run_id AND s.worker_id = o.worker_id AND s.object_key = o.object_key
        WHERE o.read <> o.processed + o.errored + o.deduplicated OR o.processed <> o.staged + o.rejected
           OR o.staged <> COALESCE(s.n, 0)
        """,
    )


@swift
def test_every_record_is_staged_with_its_run_worker_and_object(lake: LakeStore, warehouse: Warehouse) -> None:
    lake.put("a", report("Anna", entry("rice"), entry("tea", tons="0.250", pieces=7, note="")))
    lake.put("p", page("Anna", ("rice", 2)))
    done = staged(lake, warehouse, {"harbour": ["a"], "pilots": ["p"]})
    assert [(*row[:3], str(row[3]), *row[4:]) for row in asked(warehouse, ROWS, "run-1")] == [
        ("harbour", "Anna", "rice", "1.500", 1, None),
        ("harbour", "Anna", "tea", "0.250", 7, ""),
        ("pilots", "Anna", "rice", "None", 2, None),
    ]
    where = "SELECT DISTINCT season, object_key, record_number, worker_id FROM staging_cargo WHERE item = 'tea'"
    assert asked(warehouse, where) == [(SEASON, "a", 2, "parser-1")]
    assert done.counts == done.workers["parser-1"] == Counts(read=3, processed=3, staged=3)


@swift
def test_a_time_is_the_instant_that_the_document_means(lake: LakeStore, warehouse: Warehouse) -> None:
    staged(lake, warehouse, fill(lake, a=report("Anna", entry("rice", landed="2025-01-01T23:30:00-05:00"))))
    seen = asked(warehouse, "SELECT CAST(landed AS VARCHAR) FROM staging_cargo")
    assert seen == [("2025-01-02 04:30:00+00",)]


@swift
def test_records_that_are_no_rows_are_counted_each_with_its_reason(lake: LakeStore, warehouse: Warehouse) -> None:
    keys = fill(
        lake,
        a=report(
            "Anna",
            entry("rice"),
            entry("rice"),
            entry("rice", pieces=2),
            entry("tea", tons=0.12345),
            entry("salt", note="a\0b"),
            entry("fish", pieces="many"),
        ),
    )
    done = staged(lake, warehouse, keys)
    assert done.counts == Counts(read=6, processed=2, errored=3, deduplicated=1, staged=1, rejected=1)
    assert asked(warehouse, "SELECT record_number, kind, reason FROM load_refused ORDER BY record_number") == [
        (2, "deduplicated", "the same as record 1"),
        (3, "errored", "its key stands in record 1 with other values"),
        (4, "errored", "tons: `0.12345` has more than 3 digits behind the point"),
        (5, "rejected", "a text with a NUL or half a letter, which cannot be kept"),
        (6, "errored", "pieces: `many` is no number"),
    ]
    assert balances(warehouse) == []


@swift
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"ship": "Anna"}', b'{"ship": NaN}', b"\xff", b"[" * 100_000])
def test_a_document_that_cannot_be_read_is_one_record_errored(lake: LakeStore, duck: Warehouse, body: bytes) -> None:
    done = staged(lake, duck, fill(lake, a=body))
    assert done.counts == Counts(read=1, errored=1)
    assert asked(duck, "SELECT object_key, record_number, kind FROM load_refused") == [("a", 0, "errored")]


def test_a_document_of_which_nobody_has_thought_is_one_record_errored(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise OverflowError("date value out of range")

    monkeypatch.setattr(parser, "read", stumble)
    told = parser.understood(parser.answer(entity(), "harbour", b"{}"))
    assert (told.read, told.rows) == (1, [])
    assert [(bad.number, bad.kind) for bad in told.refused] == [(0, "errored")]
    assert "OverflowError" in told.refused[0].reason


@swift
def test_an_object_that_is_gone_is_one_record_errored(lake: LakeStore, duck: Warehouse) -> None:
    done = staged(lake, duck, {"harbour": ["nowhere"]})
    assert done.workers == {"reader": Counts(read=1, errored=1)}


@swift
def test_of_two_objects_with_the_same_key_the_first_by_name_wins(lake: LakeStore, warehouse: Warehouse) -> None:
    keys = fill(
        lake,
        b=report("Anna", entry("tea", pieces=2), entry("rice")),
        a=report("Anna", entry("tea")),
        c=report("Anna", entry("rice")),
    )
    done = staged(lake, warehouse, keys)
    assert [row[1:3] + row[4:5] for row in asked(warehouse, ROWS, "run-1")] == [("Anna", "rice", 1), ("Anna", "tea", 1)]
    assert asked(warehouse, "SELECT object_key, kind, reason FROM load_refused ORDER BY object_key") == [
        ("b", "rejected", "another version stands in a#1"),
        ("c", "repeated", "the same stands in b#2"),
    ]
    assert done.counts == done.workers["parser-1"] == Counts(read=4, processed=4, staged=2, rejected=2)
    assert balances(warehouse) == []


def test_many_workers_stage_what_one_does_and_their_numbers_are_those_of_the_rows(
    lake: LakeStore, warehouse: Warehouse
) -> None:
    keys = fill(lake, **{f"k{n}": report(f"ship-{n}", *(entry(f"item-{m}") for m in range(n))) for n in range(12)})
    alone = staged(lake, warehouse, keys, run="alone")
    many = staged(lake, warehouse, keys, run="many", processes=3, writers=2)
    assert asked(warehouse, ROWS, "many") == asked(warehouse, ROWS, "alone")
    assert many.counts == alone.counts == Counts(read=66, processed=66, staged=66)
    assert sum(many.workers.values(), Counts()) == many.counts
    assert balances(warehouse) == []


def test_a_parser_that_is_killed_is_replaced_and_nothing_is_lost_or_twice(
    lake: LakeStore, warehouse: Warehouse
) -> None:
    def kill() -> None:
        (pid,) = asked(warehouse, "SELECT pid FROM load_workers WHERE outcome = 'working'")[0]
        os.kill(pid, signal.SIGKILL)

    keys = fill(lake, **{f"k{n:02}": report(f"ship-{n}", entry("tea"), entry("rice")) for n in range(20)})
    done = staged(Watched(lake, k15=kill), warehouse, keys)  # pyrefly: ignore[bad-argument-type] - as a lake
    assert done.counts == done.workers["parser-1"] == Counts(read=40, processed=40, staged=40)
    ends = asked(warehouse, "SELECT worker_id, attempt, outcome FROM load_workers ORDER BY attempt")
    assert ends == [("parser-1", 1, "killed by signal 9"), ("parser-1", 2, "ended")]
    assert {attempt for (attempt,) in asked(warehouse, "SELECT attempt FROM load_objects")} == {1, 2}
    assert balances(warehouse) == []


def test_a_parser_that_hangs_is_killed_and_replaced(
    lake: LakeStore, duck: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop() -> None:
        (pid,) = asked(duck, "SELECT pid FROM load_workers WHERE outcome = 'working'")[0]
        os.kill(pid, signal.SIGSTOP)

    keys = fill(lake, **{f"k{n:02}": report(f"ship-{n}", entry("tea")) for n in range(20)})
    hasten = partial(monkeypatch.setattr, parser, "WALL_S", 5.0)  # once the process has started, which may take longer
    done = staged(Watched(lake, k12=hasten, k19=stop), duck, keys)  # pyrefly: ignore[bad-argument-type] - as a lake
    assert done.counts == Counts(read=20, processed=20, staged=20)
    assert asked(duck, "SELECT MAX(attempt) FROM load_workers")[0][0] > 1
    assert balances(duck) == []


def test_an_object_that_kills_every_parser_stops_the_load_and_is_named(
    lake: LakeStore, duck: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying:
        pid = 1

        def __init__(self, _: object) -> None: ...

        def parse(self, _source: str, _body: bytes) -> None:
            raise ParserDiedError("killed by signal 11")

        def end(self) -> str:
            return "ended"

    monkeypatch.setattr(loading, "Parser", Dying)
    with pytest.raises(WarehouseError, match="bad: 3 parsers died of it, the last killed by signal 11"):
        staged(lake, duck, fill(lake, bad=report("Anna")))


@swift
def test_a_run_goes_on_where_it_was_left(lake: LakeStore, warehouse: Warehouse) -> None:
    keys = fill(lake, a=report("Anna", entry("tea")), b=report("Berta", entry("tea")))
    staged(lake, warehouse, {"harbour": ["a"]})
    got: list[str] = []
    lake_seen = Watched(lake, a=lambda: got.append("a"), b=lambda: got.append("b"))
    done = staged(lake_seen, warehouse, keys)  # pyrefly: ignore[bad-argument-type] - as a lake
    assert got == ["b"]
    assert done.counts == done.workers["parser-1"] == Counts(read=2, processed=2, staged=2)


@swift
def test_a_run_that_goes_on_reads_again_what_has_changed_and_forgets_what_is_gone(
    lake: LakeStore, warehouse: Warehouse
) -> None:
    keys = fill(lake, a=report("Anna", entry("tea")), b=report("Berta", entry("tea")), c=report("Anna", entry("tea")))
    staged(lake, warehouse, keys)
    lake.put("a", report("Carla", entry("rice"), entry("salt")))
    done = staged(lake, warehouse, {"harbour": ["a", "c"]})
    rows = [row[1:3] for row in asked(warehouse, ROWS, "run-1")]
    assert rows == [("Anna", "tea"), ("Carla", "rice"), ("Carla", "salt")]
    assert done.counts == done.workers["parser-1"] == Counts(read=3, processed=3, staged=3)
    assert asked(warehouse, "SELECT * FROM load_refused") == []
    assert balances(warehouse) == []


@swift
def test_an_object_that_changes_while_it_is_read_is_staged_as_it_then_is_and_known_as_that_version(
    lake: LakeStore, duck: Warehouse
) -> None:
    newer = iter([report("Anna", entry("tea"), entry("rice")), report("Anna", entry("salt"))])

    def change() -> None:
        if body := next(newer, None):
            lake.put("a", body)

    keys = fill(lake, a=report("Anna", entry("tea")))
    seen: Any = Watched(lake, a=change)
    assert count_records(seen, entity(), SEASON, keys) == {"harbour": {"a": 1}}
    newer = iter([report("Berta", entry("tea"), entry("rice"))])
    staged(seen, duck, keys)
    assert [row[1:3] for row in asked(duck, ROWS, "run-1")] == [("Berta", "rice"), ("Berta", "tea")]
    there = lake.head("a")
    assert there is not None
    assert asked(duck, "SELECT etag FROM load_objects") == [(there.etag,)]


def test_content_that_is_its_own_version_is_not_asked_about_again() -> None:
    body = report("Anna", entry("tea"))

    class Digesting:
        """A lake that can tell nothing but content."""

        def get(self, _key: str, *, length: int) -> bytes:
            return body[:length]

    there = StoredObject("a", len(body), md5(body, usedforsecurity=False).hexdigest(), NOON)
    lake: Any = Digesting()
    assert fetched(lake, there, most=10_000) == (there, body)


@swift
def test_an_object_that_never_stands_still_stops_the_load_and_is_named(lake: LakeStore, duck: Warehouse) -> None:
    number = count()
    keys = fill(lake, a=report("Anna", entry("tea")))
    seen: Any = Watched(lake, a=lambda: lake.put("a", report(f"ship-{next(number)}", entry("tea"))))
    for asks in (lambda: count_records(seen, entity(), SEASON, keys), lambda: staged(seen, duck, keys)):
        with pytest.raises(LakeError, match=r"a: .*changed 3 times while it was read"):
            asks()


@swift
def test_one_run_may_load_several_entities_and_seasons(lake: LakeStore, duck: Warehouse) -> None:
    keys = fill(lake, a=report("Anna", entry("tea")))
    for name in ("cargo", "freight"):
        staged(lake, duck, keys, entity=entity(name=name))
    assert asked(duck, "SELECT entity, outcome, staged FROM load_runs ORDER BY entity") == [
        ("cargo", "staged", 1),
        ("freight", "staged", 1),
    ]


@swift
def test_a_source_that_is_not_read_is_refused_before_anything_is_done(lake: LakeStore, duck: Warehouse) -> None:
    with pytest.raises(ConfigurationError, match="`customs` is not read"):
        staged(lake, duck, {"customs": ["a"]})


@swift
def test_a_new_column_is_added_and_a_column_of_another_type_is_refused(lake: LakeStore, warehouse: Warehouse) -> None:
    keys = fill(lake, a=report("Anna", entry("tea")))
    staged(lake, warehouse, keys, run="before")
    columns: Mapping[str, Any] = entity().model_dump()["columns"]
    staged(lake, warehouse, keys, run="after", entity=entity(columns={**columns, "flag": {"type": "boolean"}}))
    assert asked(warehouse, "SELECT run_id, flag FROM staging_cargo ORDER BY run_id") == [
        ("after", None),
        ("before", None),
    ]
    with pytest.raises(WarehouseError, match="`pieces` is declared as text"):
        staged(lake, warehouse, keys, entity=entity(columns={**columns, "pieces": {"type": "text"}}))


@swift
def test_two_that_load_the_same_season_at_once_do_not_stage_it_twice(lake: LakeStore, warehouse: Warehouse) -> None:
    keys = fill(lake, **{f"k{n}": report(f"ship-{n}", entry("tea"), entry("rice")) for n in range(6)})
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: staged(lake, warehouse, keys), range(2)))
    assert asked(warehouse, "SELECT COUNT(*) FROM load_objects") == [(6,)]
    assert {one.counts for one in done} == {Counts(read=12, processed=12, staged=12)}
    assert balances(warehouse) == []


@swift
def test_a_condition_that_cannot_be_asked_is_a_fault_of_the_document(lake: LakeStore, duck: Warehouse) -> None:
    readings = entity().model_dump()["readings"]
    readings[0]["where"] = "length(ship) > length(flags)"
    done = staged(lake, duck, fill(lake, a=report("Anna", entry("tea"))), entity=entity(readings=readings))
    assert done.counts == Counts(read=1, errored=1)


@swift
@pytest.mark.parametrize("condition", ["flags.done", "ship"])
def test_a_condition_that_says_neither_yes_nor_no_is_a_fault_of_the_document(
    lake: LakeStore, duck: Warehouse, condition: str
) -> None:
    readings = entity().model_dump()["readings"]
    readings[0]["where"] = condition
    done = staged(lake, duck, fill(lake, a=report("Anna", entry("tea"))), entity=entity(readings=readings))
    assert done.counts == Counts(read=1, errored=1)


@swift
@pytest.mark.parametrize("name", ["place", "same", "n", "f", "first_key"])
def test_a_column_may_be_called_as_something_of_the_load_is(lake: LakeStore, warehouse: Warehouse, name: str) -> None:
    readings = entity().model_dump()["readings"]
    readings[0]["columns"][name] = "entry.pieces"
    odd = entity(columns={**entity().model_dump()["columns"], name: {"type": "integer"}}, readings=readings)
    keys = fill(lake, a=report("Anna", entry("tea")), b=report("Anna", entry("tea"), entry("rice", pieces=7)))
    done = staged(lake, warehouse, keys, entity=odd)
    assert (done.counts.staged, done.counts.rejected) == (2, 1)
    publish(warehouse, odd, SEASON, "run-1", clock=ticking(), verify=contented)
    assert asked(warehouse, f'SELECT "{name}" FROM cargo ORDER BY item') == [(7,), (1,)]


def test_the_count_of_a_document_does_not_depend_on_the_condition_of_its_readers(lake: LakeStore) -> None:
    readings = entity().model_dump()["readings"]
    readings[0]["where"], readings[1]["where"] = "`false`", "false()"
    keys = {**fill(lake, a=report("Anna", entry("tea"))), "pilots": ["p"]}
    lake.put("p", page("Anna", ("tea", 1)))
    counted = count_records(lake, entity(readings=readings), SEASON, keys)
    assert counted == {"harbour": {"a": 1}, "pilots": {"p": 1}}
