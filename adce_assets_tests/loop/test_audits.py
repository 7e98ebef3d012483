"""Which objects are looked at, what is remembered of them, and when a verdict is over."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from adce_assets.errors import LakeError, ObjectNotFoundError
from adce_assets.lake.store import OBJECT_SCHEMA
from adce_assets.loop import audits
from adce_assets.loop.project import Project
from adce_assets.progress import silent

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


def verdicts(project: Project, data: pa.Table, faults: Mapping[Any, str] | None = None) -> dict[str, str | None]:
    table = audits.refresh(project, data, faults or {}, silent)
    assert table["key"].to_pylist() == sorted(table["key"].to_pylist())
    return dict(zip(table["key"].to_pylist(), table["verdict"].to_pylist(), strict=True))


def identity(data: pa.Table, key: str) -> Any:
    (row,) = [row for row in data.to_pylist() if row["key"] == key]
    return tuple(row[name] for name in audits.IDENTITY)


def test_objects_that_are_not_what_their_keys_say_get_a_verdict(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": GOOD, "b.json": BAD, "c.json": b"", "d.json": GOOD[:-1]})
    found = verdicts(project, listed(lake))
    assert found == {
        "a.json": None,
        "b.json": "HTML where JSON was due",
        "c.json": "empty",
        "d.json": "the JSON does not end with `}`: it was cut off",
    }


@pytest.mark.parametrize("size", [1023, 1024, 1025, 5000])
def test_both_ends_of_an_object_are_looked_at(workshop: "Workshop", size: int):
    whole = b"[" + b"1," * (size // 2) + b"1]"
    project, lake = open_project(workshop, {"a.json": whole, "b.json": whole[:-1]})
    found = verdicts(project, listed(lake))
    assert (found["a.json"], str(found["b.json"])[:8]) == (None, "the JSON")


def test_an_object_is_looked_at_once(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": GOOD, "b.json": BAD})
    first = verdicts(project, listed(lake))
    assert verdicts(project, listed(lake)) == first
    assert sorted(lake.read) == ["a.json", "b.json"]


@pytest.mark.parametrize("change", [{"etag": "v2"}, {"days": 0}])
def test_a_replaced_object_is_looked_at_anew(workshop: "Workshop", change: dict[str, Any]):
    project, lake = open_project(workshop, {"a.json": BAD, "b.json": GOOD})
    assert verdicts(project, listed(lake))["a.json"] is not None
    lake.objects = {"a.json": GOOD, "b.json": BAD}
    found = verdicts(project, listed(lake, **change))
    assert (found["a.json"], found["b.json"]) == (None, "HTML where JSON was due")


def test_what_is_gone_is_forgotten(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": BAD, "b.json": GOOD})
    verdicts(project, listed(lake))
    del lake.objects["a.json"]
    assert verdicts(project, listed(lake)) == {"b.json": None}


def test_what_goes_while_it_is_looked_at_has_no_verdict(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": BAD, "b.json": GOOD})
    data = listed(lake)
    del lake.objects["a.json"]
    assert verdicts(project, data) == {"b.json": None}


def test_the_newest_are_looked_at_first_until_all_are_known(workshop: "Workshop"):
    project, lake = open_project(workshop, dict.fromkeys(("a.json", "b.json", "c.json", "d.json"), GOOD), at_most=2)
    data = listed(lake, a=3, b=1, c=2, d=2)
    assert list(verdicts(project, data)) == ["b.json", "c.json"]
    assert list(verdicts(project, data)) == ["a.json", "b.json", "c.json", "d.json"]
    assert sorted(lake.read) == ["a.json", "b.json", "c.json", "d.json"]


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
        "c.json": None,
    }
    assert verdicts(project, data) == {"a.json": None, "b.json": "HTML where JSON was due", "c.json": None}
    assert sorted(lake.read) == ["a.json", "b.json", "c.json"]


def test_an_object_found_at_fault_before_it_was_looked_at_is_looked_at_later(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": BAD, "b.json": GOOD}, at_most=1)
    data = listed(lake, a=2, b=1)
    found = verdicts(project, data, {identity(data, "a.json"): "not readable as espn"})
    assert found == {"a.json": "not readable as espn", "b.json": None}
    assert verdicts(project, data)["a.json"] == "HTML where JSON was due"


def test_a_lake_that_fails_while_it_is_looked_at_is_a_failure_and_changes_nothing(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": GOOD})
    verdicts(project, listed(lake))
    lake.objects["b.json"] = b"fail"
    with pytest.raises(LakeError, match="the network is down"):
        verdicts(project, listed(lake))
    del lake.objects["b.json"]
    assert verdicts(project, listed(lake)) == {"a.json": None}


def test_what_another_version_of_adce_remembered_is_looked_at_again(workshop: "Workshop"):
    project, lake = open_project(workshop, {"a.json": BAD})
    first = verdicts(project, listed(lake))
    project.state.write_table("cache/verdicts", project.state.read_table("cache/verdicts").drop_columns(["look"]))
    assert verdicts(project, listed(lake)) == first
    assert lake.read == ["a.json", "a.json"]
