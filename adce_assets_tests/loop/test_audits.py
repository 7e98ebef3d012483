"""Which objects are looked at, what is remembered of them, and when a verdict is over."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.errors import LakeError, ObjectNotFoundError
from adce_assets.lake.store import OBJECT_SCHEMA
from adce_assets.loop import audits
from adce_assets.loop.project import Project
from adce_assets.loop.state import VERDICTS
from adce_assets.progress import silent
from adce_assets_tests.examples import examples

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
CONTRACT = r"""
version: 1
leagues:
  hoops: {first_season: 2020-21, season_starts: 10}
sources:
  official: {description: d, league: hoops, data_types: {totals: {description: d, templates: ['totals/{season}.json']}}}
"""
GOOD, BAD = b'{"rows": []}', b"<html>Access denied</html>"


class Lake:
    """Objects in memory, with the keys that were read."""

    url = "memory://"

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = dict(objects)
        self.read: list[str] = []

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        self.read.append(key)
        if key not in self.objects:
            raise ObjectNotFoundError("there is no such object", where=key)
        if self.objects[key] == b"fail":
            raise LakeError("the network is down", where=key)
        return self.objects[key][start:][:length]


def open_project(workshop: "Workshop", objects: Mapping[str, bytes], *, at_most: int = 1000) -> tuple[Project, Any]:
    lake: Any = Lake(objects)
    project = workshop.project(CONTRACT, now=NOW, audit_objects_per_run=at_most)
    return replace(project, lake=lake), lake


def listed(lake: Any, *, etag: str = "v1", days: int = 1, **ages: int) -> pa.Table:
    rows = [
        {
            "key": key,
            "size": len(body),
            "last_modified": NOW - timedelta(days=ages.get(key.partition(".")[0], days)),
            "etag": etag,
        }
        for key, body in sorted(lake.objects.items())
    ]
    return pa.Table.from_pylist(rows, schema=OBJECT_SCHEMA)


def aged(lake: Any, days: Mapping[str, float]) -> pa.Table:
    """List the lake with objects of as many days as their names say, three unless they do."""
    data = listed(lake).to_pylist()
    ages = [days.get(row["key"].partition(".")[0], 3) for row in data]
    rows = [row | {"last_modified": NOW - timedelta(days=age)} for row, age in zip(data, ages, strict=True)]
    return pa.Table.from_pylist(rows, schema=OBJECT_SCHEMA)


def all_data(keys: Sequence[str]) -> list[bool]:
    return [True] * len(keys)


def refresh(
    project: Project,
    data: pa.Table,
    faults: Mapping[Any, str] | None = None,
    *,
    is_data: Any = all_data,
    as_of: Any = NOW,
) -> pa.Table:
    dated = data.append_column("as_of", pa.array([as_of] * data.num_rows, data.schema.field("last_modified").type))
    return audits.refresh(project, ibis.memtable(dated), is_data, faults or {}, silent)


def verdicts(project: Project, data: pa.Table, faults: Mapping[Any, str] | None = None, **how: Any) -> dict[str, str]:
    table = refresh(project, data, faults, **how)
    assert table.column_names == list(audits.VERDICT_FIELDS)
    assert table["key"].to_pylist() == sorted(table["key"].to_pylist())
    return dict(zip(table["key"].to_pylist(), table["verdict"].to_pylist(), strict=True))


def identity(data: pa.Table, key: str) -> Any:
    (row,) = [row for row in data.to_pylist() if row["key"] == key]
    return row["key"], row["etag"], row["last_modified"]


def test_objects_that_are_not_what_their_keys_say_get_a_verdict(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": GOOD, "b.json": BAD, "c.json": b"", "d.json": GOOD[:-1]})
    found = verdicts(project, listed(lake))
    assert found == {
        "b.json": "HTML where JSON was due",
        "c.json": "empty",
        "d.json": "the JSON does not end with `}`: it was cut off",
    }


@pytest.mark.parametrize("size", [1023, 1024, 1025, 5000])
def test_both_ends_of_an_object_are_looked_at(workshop: "Workshop", size: int):
    whole = b"[" + b"1," * (size // 2) + b"1]"
    project, lake = open_project(workshop, {"a.json": whole, "b.json": whole[:-1]})
    found = verdicts(project, listed(lake))
    assert {key: verdict[:8] for key, verdict in found.items()} == {"b.json": "the JSON"}


def test_an_object_is_looked_at_once(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": GOOD, "b.json": BAD})
    first = verdicts(project, listed(lake))
    assert verdicts(project, listed(lake)) == first
    assert sorted(lake.read) == ["a.json", "b.json"]


@pytest.mark.parametrize("change", [{}, {"days": 0}])
def test_a_replaced_object_is_looked_at_anew(workshop: "Workshop", change: dict[str, Any]):
    project, lake = open_project(workshop, {"a.json": BAD, "b.json": GOOD})
    assert list(verdicts(project, listed(lake))) == ["a.json"]
    lake.objects = {"a.json": GOOD, "b.json": BAD}
    assert verdicts(project, listed(lake, **change)) == {"b.json": "HTML where JSON was due"}


def test_what_is_gone_is_forgotten(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": BAD, "b.json": GOOD})
    assert list(verdicts(project, listed(lake))) == ["a.json"]
    del lake.objects["a.json"]
    assert verdicts(project, listed(lake)) == {}
    assert project.state.read_table(VERDICTS)["key"].to_pylist() == ["b.json"]


def test_what_goes_while_it_is_looked_at_has_no_verdict(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": BAD, "b.json": GOOD})
    data = listed(lake)
    del lake.objects["a.json"]
    assert verdicts(project, data) == {}
    lake.objects["a.json"] = BAD
    assert list(verdicts(project, data)) == ["a.json"]


def test_the_newest_are_looked_at_first_until_all_are_known(workshop: "Workshop"):
    project, lake = open_project(workshop, dict.fromkeys(("a.json", "b.json", "c.json", "d.json"), GOOD), at_most=2)
    data = listed(lake, a=3, b=1, c=2, d=2)
    verdicts(project, data)
    assert sorted(lake.read) == ["b.json", "c.json"]
    verdicts(project, data)
    assert sorted(lake.read) == ["a.json", "b.json", "c.json", "d.json"]
    verdicts(project, data)
    assert len(lake.read) == 4


def test_looking_can_be_turned_off(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": BAD}, at_most=0)
    assert verdicts(project, listed(lake)) == {}
    assert lake.read == []


def test_closer_reading_stands_above_a_look_for_as_long_as_it_finds_fault(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": GOOD, "b.json": BAD, "c.json": GOOD})
    data = listed(lake)
    faults = {identity(data, key): "not readable as espn" for key in ("a.json", "b.json")}
    assert verdicts(project, data, faults) == {
        "a.json": "not readable as espn",
        "b.json": "not readable as espn",
    }
    assert verdicts(project, data) == {"b.json": "HTML where JSON was due"}
    assert sorted(lake.read) == ["a.json", "b.json", "c.json"]


def test_an_object_found_at_fault_before_it_was_looked_at_is_looked_at_later(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": BAD, "b.json": GOOD}, at_most=1)
    data = listed(lake, a=2, b=1)
    found = verdicts(project, data, {identity(data, "a.json"): "not readable as espn"})
    assert found == {"a.json": "not readable as espn"}
    assert verdicts(project, data)["a.json"] == "HTML where JSON was due"


def test_a_lake_that_fails_while_it_is_looked_at_is_a_failure_and_changes_nothing(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": GOOD})
    verdicts(project, listed(lake))
    before = project.state.read_table(VERDICTS)
    lake.objects["b.json"] = b"fail"
    with pytest.raises(LakeError, match="the network is down"):
        verdicts(project, listed(lake))
    assert project.state.read_table(VERDICTS).equals(before, check_metadata=True)


@pytest.mark.parametrize(
    "spoil", [lambda table: table.drop_columns(["look"]), lambda table: table.replace_schema_metadata(None)]
)
def test_what_another_version_of_adce_remembered_is_looked_at_again(workshop: "Workshop", spoil: Any):
    project, lake = open_project(workshop, {"a.json": BAD})
    first = verdicts(project, listed(lake))
    older = project.state.read_table(VERDICTS)
    project.state.write_table(VERDICTS, spoil(older))
    assert verdicts(project, listed(lake)) == first
    assert lake.read == ["a.json", "a.json"]


def test_a_quiet_run_looks_at_nothing_and_writes_nothing(workshop: "Workshop", monkeypatch: pytest.MonkeyPatch):
    project, lake = open_project(workshop, {"a.json": GOOD, "b.json": BAD})
    first = refresh(project, listed(lake))
    monkeypatch.setattr(type(project.state), "write_table", pytest.fail)
    again = refresh(project, listed(lake), as_of=NOW + timedelta(hours=1))
    assert again.equals(first)
    assert audits.looks_taken(again) == len(lake.read) == 2


def test_new_objects_are_looked_at_before_the_rest_of_the_past(workshop: "Workshop"):
    names = [f"{number:02d}.json" for number in range(10)]
    project, lake = open_project(workshop, dict.fromkeys(names, GOOD), at_most=3)
    ages = {f"{number:02d}": 10 + number for number in range(10)} | {"new1": 1, "new2": 1}
    verdicts(project, aged(lake, ages))
    lake.objects |= dict.fromkeys(("new1.json", "new2.json"), GOOD)
    verdicts(project, aged(lake, ages))
    assert lake.read[:3] == names[:3]
    assert sorted(lake.read[3:]) == ["03.json", "new1.json", "new2.json"]


def test_what_shows_up_late_is_looked_at_if_it_is_no_older_than_an_upload_takes(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": GOOD, "z.json": GOOD})
    ages = {"a": 0, "z": 30, "late": 1, "old": 3}
    verdicts(project, aged(lake, ages))
    lake.objects |= {"late.json": BAD, "old.json": BAD}
    assert list(verdicts(project, aged(lake, ages))) == ["late.json"]


def test_an_object_from_the_future_hides_nothing(workshop: "Workshop"):
    project, lake = open_project(workshop, {"future.json": BAD})
    assert list(verdicts(project, listed(lake, future=-400))) == ["future.json"]
    lake.objects["a.json"] = BAD
    assert list(verdicts(project, aged(lake, {"future": -400, "a": -1}))) == ["a.json", "future.json"]
    assert sorted(lake.read) == ["a.json", "future.json"]


def test_what_is_no_data_is_passed_over_and_takes_no_look(workshop: "Workshop"):
    names = [f"{number:02d}.{kind}" for number in range(6) for kind in ("bin", "json")]
    project, lake = open_project(workshop, dict.fromkeys(names, BAD), at_most=2)

    def is_data(keys: list[str]) -> list[bool]:
        return [key.endswith("json") for key in keys]

    for _ in range(4):
        found = verdicts(project, listed(lake), is_data=is_data)
    assert sorted(lake.read) == list(found) == [f"{number:02d}.json" for number in range(6)]


def test_under_another_contract_what_was_no_data_may_be_worth_a_look(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": BAD, "b.json": BAD, "c.json": GOOD})
    found = verdicts(project, listed(lake, a=5, b=5), is_data=lambda keys: [key != "a.json" for key in keys])
    assert list(found) == ["b.json"]
    wider = workshop.project(CONTRACT.replace("totals/{season}", "sums/{season}"), now=NOW)
    wider = replace(project, contract=wider.contract)
    assert list(verdicts(wider, listed(lake, a=5, b=5))) == ["a.json", "b.json"]
    assert sorted(lake.read) == ["a.json", "b.json", "c.json"]


@settings(max_examples=examples(7))
@given(st.integers(0, 10_000))
def test_every_object_is_looked_at_once_whatever_comes_and_goes(workshop: "Workshop", seed: int):
    chance = random.Random(seed)
    project, lake = open_project(workshop, {}, at_most=chance.choice([1, 3, 7]))
    rows: dict[str, dict[str, Any]] = {}
    limit = project.settings.reconciliation.s3.audit_objects_per_run
    for hour in range(8):
        now = NOW + timedelta(hours=hour)
        for _ in range(chance.choice([0, 0, 2, 9])):
            key, age = f"{chance.randrange(16):x}/{len(lake.objects)}.json", chance.choice([0, 0, 1, 20, 46])
            age = chance.choice([age, 3000]) if hour == 0 else age
            body = chance.choice([GOOD, BAD])
            lake.objects[key] = body
            written = now - timedelta(hours=age + chance.choice([0, 0.5]))
            rows[key] = {"key": key, "size": len(body), "last_modified": written, "etag": "e"}
        for key in chance.sample(sorted(rows), min(len(rows), chance.choice([0, 0, 1]))):
            del rows[key]
        found = run(project, rows, now)
        expected = {key for key in rows if key in lake.read and lake.objects[key] == BAD}
        assert set(found) == expected
        assert len(lake.read) <= limit * (hour + 1)
    while set(lake.read) < rows.keys() | set(lake.read):
        before = len(lake.read)
        run(project, rows, NOW + timedelta(hours=9))
        assert len(lake.read) > before
    assert len(lake.read) == len(set(lake.read))


def run(project: Project, rows: Mapping[str, dict[str, Any]], as_of: datetime) -> dict[str, str]:
    data = pa.Table.from_pylist([rows[key] for key in sorted(rows)], schema=OBJECT_SCHEMA)
    return verdicts(project, data, as_of=as_of)
