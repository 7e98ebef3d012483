"""What a lake holds, as of when: taken from a listing or a report, whole or not at all."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.demo.report_writer import write_report
from adce_assets.errors import LakeError
from adce_assets.lake.store import Part, StoredObject
from adce_assets.loop import inventory
from adce_assets.loop.project import Project
from adce_assets.loop.state import (
    ESTIMATES,
    INVENTORY,
    MATCHED,
    NEWER,
    SCHEDULE,
    SCHEDULE_DOCUMENTS,
    UNMATCHED,
    VERDICTS,
)

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
REPORTED = NOW - timedelta(hours=30)
CONTRACT = r"""
version: 1
leagues:
  hoops: {first_season: 2020-21, season_starts: 10}
season_truth: truth.csv
ids:
  spelled:
    pattern: '00\d{4}'
    seasons: [{match: '\d{2}(?P<start_year>\d{2})\d{2}', pivot: 46}]
  opaque: {pattern: 'g\d+'}
schedules:
  games:
    league: hoops
    id: opaque
    unique_by: [date, home, away]
    documents: [{data_set: official/schedule, format: games_table}]
  numbered: {league: hoops, id: spelled}
dimensions:
  half: {values: [first, second]}
non_data:
  models: {prefix: ml/, reason: trained models}
sources:
  official:
    description: d
    league: hoops
    schedule: games
    data_types:
      schedule: {description: d, templates: ['schedule/{season}.csv'], min_bytes: 1}
      pbp: {description: d, for_each: [game], templates: ['pbp/{game_id}.json'], min_bytes: 1}
      box: {description: d, for_each: [game], templates: ['box/{season}/{game_id}.json'], min_bytes: 1}
      halves: {description: d, for_each: [game, half], templates: ['half/{season}/{game_id}/{half}.json'], min_bytes: 1}
  archive:
    description: d
    league: hoops
    schedule: numbered
    data_types:
      pbp: {description: d, for_each: [game], templates: ['archive/{season}/{game_id}.json'], min_bytes: 1}
"""
TRUTH = "league,season,season_type,events\nhoops,2021-22,regular,2\nhoops,2022-23,regular,2\n"
HEADER = "game_id,season_start,season_type,date,starts_at,status,home,away\n"
SCHEDULED = HEADER + "g1,2023,regular,2024-01-05,2024-01-05T20:00:00Z,final,BOS,LAL\n"


@pytest.fixture
def project(workshop: "Workshop") -> Project:
    return workshop.project(CONTRACT, now=NOW, tables={"truth.csv": TRUTH})


def put(project: Project, objects: Mapping[str, str], *, written: datetime = NOW - timedelta(days=1)) -> Project:
    for key, body in objects.items():
        project.lake.put(key, body.encode())
        os.utime(project.settings.home / "lake" / key, (written.timestamp(), written.timestamp()))
    return project


WRITTEN = [f"{INVENTORY}.json"]
TABLES = (INVENTORY, NEWER, SCHEDULE, SCHEDULE_DOCUMENTS, ESTIMATES, VERDICTS, MATCHED, UNMATCHED)
WRITTEN += [f"{name}.parquet" for name in TABLES]


def others(project: Project) -> dict[str, dict[str, Any]]:
    """Return what is said of the objects that nobody expects, by key."""
    return {row["key"]: row for row in project.state.read_table(UNMATCHED).to_pylist()}


def expected(project: Project) -> dict[tuple[str, str, str], int]:
    """Count the objects that plainly are what is expected, by cell."""
    rows = project.state.read_table(MATCHED).to_pylist()
    assert all(row["place"] is None for row in rows if row["is_here"])
    return {(row["source"], row["data_type"], row["season"]): row["keys"] for row in rows if row["is_here"]}


def events(project: Project, schedule: str, season: str) -> list[tuple[str | None, str, int]]:
    rows = [row for name in (SCHEDULE, ESTIMATES) for row in project.state.read_table(name).to_pylist()]
    return [
        (row["game_id"], row["basis"], row["count"])
        for row in rows
        if (row["schedule"], row["season"]) == (schedule, season)
    ]


def test_every_object_is_said_to_be_what_its_key_says(project: Project):
    put(
        project,
        {
            "pbp/g1.json": "{}",
            "pbp/g8.json": "{}",
            "box/2021-22/g7.json": "[1]",
            "box/2023-24/g8.json": "[1]",
            "ml/model.bin": "x",
            "junk": "",
            "schedule/2023-24.csv": SCHEDULED,
        },
    )
    document = inventory.take(project).document
    rows = others(project)
    assert list(rows) == sorted(rows)
    told = {
        key: (row["kind"], row["source"], row["data_type"], row["season"], row["entity"]) for key, row in rows.items()
    }
    assert told == {
        "box/2023-24/g8.json": ("data", "official", "box", "2023-24", "g8"),
        "junk": ("unclassified", None, None, None, ""),
        "ml/model.bin": ("non_data", None, None, None, ""),
        "pbp/g8.json": ("data", "official", "pbp", None, "g8"),
    }
    assert expected(project) == {
        ("official", "pbp", "2023-24"): 1,
        ("official", "box", "2021-22"): 1,
        ("official", "schedule", "2023-24"): 1,
    }
    assert (document["objects"], document["non_data"], document["unclassified"]) == (7, 1, 1)
    assert document["bytes"] == sum(found.size for found in project.lake.list() if found.key[0] != "_")


def test_the_summary_counts_by_source_season_and_type(project: Project):
    put(project, {"pbp/g1.json": "{}", "pbp/g2.json": "[1]", "archive/2021-22/002101.json": "{}", "ml/a": "abc"})
    document = inventory.take(project).document
    assert document["by_source"] == {"archive": {"objects": 1, "bytes": 2}, "official": {"objects": 2, "bytes": 5}}
    assert document["by_season"] == {"2021-22": {"objects": 1, "bytes": 2}, "unknown": {"objects": 2, "bytes": 5}}
    assert document["by_type"] == {"pbp": {"objects": 3, "bytes": 7}}
    assert document["by_prefix"] == [
        {"source": "archive", "prefix": "archive/", "objects": 1, "bytes": 2},
        {"source": "official", "prefix": "pbp/", "objects": 2, "bytes": 5},
    ]


def test_a_listing_is_true_as_of_the_moment_it_began(workshop: "Workshop"):
    moments = iter([NOW, NOW + timedelta(hours=1)])
    project = workshop.project(CONTRACT, now=lambda: next(moments), tables={"truth.csv": TRUTH})
    document = inventory.take(put(project, {"junk": ""})).document
    assert (document["mode"], document["as_of"]) == ("list", NOW.isoformat())
    assert project.state.read_json(INVENTORY) == document


def test_what_the_loop_keeps_beside_the_data_is_not_of_the_lake(project: Project):
    put(project, {"_adce/probe/x": "", "inventory-reports/b/c/data/x.csv.gz": "", "inventory-reports2": ""})
    assert inventory.take(project).document["unclassified_keys"] == ["inventory-reports2"]


def test_an_empty_lake_is_an_inventory_of_nothing(workshop: "Workshop", project: Project):
    document = inventory.take(project).document
    assert (document["objects"], document["bytes"], document["by_source"]) == (0, 0, {})
    covered, _ = workshop.cover(project)
    assert (covered["totals"]["present"], covered["totals"]["completeness_pct"]) == (0, 0.0)


def test_hostile_keys_are_counted_and_named(project: Project):
    keys = [
        "pbp/g1.json\n",
        "pbp/g1.json' OR 1=1",
        "pbp/\u202egnp.json",
        "pbp/g\u0661.json",
        "box/2021-23/g1.json",
        "é" * 90,
    ]
    document = inventory.take(put(project, dict.fromkeys(keys, "x"))).document
    assert document["unclassified_keys"] == sorted(keys)
    assert {key: row["season"] for key, row in others(project).items()} == dict.fromkeys(sorted(keys))


@dataclass(frozen=True)
class FailingLake:
    """A lake whose listing breaks off after so many objects, or whose objects cannot be read."""

    lake: Any
    listed: int | None = None
    url: str = "file:///failing"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lake, name)

    def parts(self, *args: Any, **options: Any) -> Iterator[Part]:
        if self.listed is None:
            yield from self.lake.parts(*args, **options)
            return
        first = next(self.lake.parts(*args, **options))
        yield replace(first, objects=first.objects.slice(0, self.listed), last=False)
        raise LakeError("the page could not be read", where="page 2")

    def get(self, key: str, **part: Any) -> bytes:
        if self.listed is None:
            raise LakeError("the object could not be read", where=key)
        return self.lake.get(key, **part)


@pytest.mark.parametrize("listed", [0, 1, 2, None])
def test_a_failed_listing_is_not_an_empty_lake(project: Project, listed: int | None):
    put(project, {"pbp/g1.json": "{}", "pbp/g2.json": "{}", "schedule/2023-24.csv": SCHEDULED})
    inventory.take(project)
    before = {name: project.state.store.get(name) for name in WRITTEN}
    put(project, {"pbp/g3.json": "{}"})
    failing: Any = FailingLake(project.lake, listed)
    with pytest.raises(LakeError, match="could not be read"):
        inventory.take(replace(project, lake=failing))
    assert {name: project.state.store.get(name) for name in WRITTEN} == before


def test_a_lake_that_is_not_there_is_no_empty_lake(project: Project):
    (project.settings.home / "lake").rmdir()
    with pytest.raises(LakeError):
        inventory.take(project)


def test_taking_the_inventory_twice_writes_the_same_bytes(project: Project):
    put(
        project,
        {"pbp/g1.json": "{}", "pbp/g2.json": "<html>", "schedule/2023-24.csv": SCHEDULED, "schedule/2022-23.csv": "x"},
    )
    written = []
    for _ in range(2):
        inventory.take(project)
        written.append({name: project.state.store.get(name) for name in WRITTEN})
    assert written[0] == written[1]


def report(project: Project, *objects: StoredObject) -> None:
    write_report(
        project.lake,
        objects,
        prefix="inventory-reports/",
        bucket="lake",
        config_id="daily",
        created_at=REPORTED,
    )


def test_a_report_is_true_as_of_an_hour_before_aws_began_to_look(project: Project):
    put(project, {"pbp/g1.json": "{}", "pbp/g2.json": "{}"})
    report(project, StoredObject("pbp/g1.json", 2, "e1", REPORTED), StoredObject("pbp/gone.json", 9, "e2", REPORTED))
    document = inventory.take(project, mode="aws").document
    assert (document["mode"], document["as_of"]) == ("aws", (REPORTED - timedelta(hours=1)).isoformat())
    assert document["generated_at"] == NOW.isoformat()
    assert {key: row["size"] for key, row in others(project).items()} == {"pbp/g1.json": 2, "pbp/gone.json": 9}


def test_the_configuration_chooses_the_mode_and_the_caller_overrides_it(workshop: "Workshop"):
    project = workshop.project(CONTRACT, now=NOW, tables={"truth.csv": TRUTH}, use_aws_inventory=True)
    report(put(project, {"junk": ""}))
    assert inventory.take(project).document["mode"] == "aws"
    assert inventory.take(project, mode="list").document["mode"] == "list"


def test_without_a_report_the_way_out_is_named(project: Project):
    with pytest.raises(LakeError, match="--mode list"):
        inventory.take(project, mode="aws")


def test_what_became_due_since_the_report_is_unknown_not_missing(workshop: "Workshop", project: Project):
    games = HEADER + "".join(
        f"g{number},2023,regular,{at:%Y-%m-%d},{at:%Y-%m-%dT%H:%M:%SZ},final,A{number},B\n"
        for number, at in enumerate(
            (REPORTED - timedelta(days=3), REPORTED - timedelta(hours=10), NOW - timedelta(hours=4))
        )
    )
    put(project, {"schedule/2023-24.csv": games}, written=NOW)
    listed = next(project.lake.list())
    report(project, listed)
    inventory.take(project, mode="aws")
    _, rows = workshop.cover(project)
    assert {
        row["entity"]: row["state"] for row in rows if row["data_type"] == "pbp" and row["season"] == "2023-24"
    } == {
        "g0": "missing",
        "g1": "unknown",
        "g2": "not_due",
    }


def test_the_ids_that_the_lake_holds_are_those_of_the_season_their_keys_tell(project: Project):
    put(
        project,
        {
            "box/2021-22/g5.json": "{}",
            "box/2021-22/g4.json": "{}",
            "box/2022-23/g9.json": "{}",
            "pbp/g9.json": "{}",
            "half/2022-23/g6/first.json": "{}",
            "archive/2021-22/002107.json": "{}",
        },
    )
    document = inventory.take(project).document
    assert events(project, "games", "2021-22") == [("g4", "estimate", 1), ("g5", "estimate", 1)]
    assert events(project, "games", "2022-23") == [("g9", "estimate", 1), (None, "estimate", 1)]
    assert events(project, "numbered", "2021-22") == [("002107", "estimate", 1), (None, "estimate", 1)]
    assert events(project, "numbered", "2022-23") == [(None, "estimate", 2)]
    assert document["schedules"]["games"] == {"documents": 0, "events": 4, "estimated": 4}


def test_a_schedule_takes_the_place_of_the_estimate(project: Project):
    past = HEADER + "g5,2021,regular,2022-01-05,,final,BOS,LAL\ng6,2021,regular,2022-01-06,,final,BOS,LAL\n"
    put(project, {"schedule/2021-22.csv": past, "box/2021-22/g5.json": "{}", "box/2021-22/g4.json": "{}"})
    document = inventory.take(project).document
    assert events(project, "games", "2021-22") == [("g5", "schedule", 1), ("g6", "schedule", 1)]
    assert document["schedules"]["games"] == {"documents": 1, "events": 4, "estimated": 2}


def test_an_object_in_the_wrong_season_stops_nothing(workshop: "Workshop", project: Project):
    put(project, {f"archive/{label}/002101.json": "{}" for label in ("2020-21", "2021-22", "2022-23")})
    inventory.take(put(project, {f"box/{label}/g1.json": "{}" for label in ("2021-22", "2022-23")}))
    _, rows = workshop.cover(project)
    named = ("source", "data_type", "season", "keys", "key")
    found = [tuple(row[name] for name in named) for row in rows if row["state"] == "present"]
    assert found == [("archive", "pbp", "2021-22", 1, None), ("official", "box", "2022-23", 1, None)]
    assert set(others(project)) == {
        "archive/2020-21/002101.json",
        "archive/2022-23/002101.json",
        "box/2021-22/g1.json",
    }


def test_an_event_known_under_two_ids_gives_its_season_to_both(project: Project):
    twice = HEADER + "g1,2023,regular,2024-01-05,,final,BOS,LAL\ng2,2023,regular,2024-01-05,,scheduled,BOS,LAL\n"
    put(project, {"schedule/2023-24.csv": twice, "pbp/g1.json": "{}", "pbp/g2.json": "{}"})
    inventory.take(project)
    assert {key: row["season"] for key, row in others(project).items()} == {"pbp/g2.json": "2023-24"}
    assert expected(project)["official", "pbp", "2023-24"] == 1


def test_a_schedule_that_cannot_be_read_is_a_damaged_object(workshop: "Workshop", project: Project):
    put(project, {"schedule/2023-24.csv": "no,such,table\n"})
    document = inventory.take(project).document
    _, rows = workshop.cover(project)
    (row,) = [row for row in rows if row["found_key"] == "schedule/2023-24.csv"]
    assert (row["state"], row["reason"].partition(":")[0]) == ("damaged", "not readable as games_table")
    assert document["damaged"] == 1


def test_objects_that_are_not_what_their_keys_say_are_damaged(workshop: "Workshop", project: Project):
    put(
        project,
        {"schedule/2023-24.csv": SCHEDULED, "pbp/g1.json": "<html>", "box/2023-24/g1.json": "{}", "ml/a.json": "<"},
    )
    document = inventory.take(project).document
    _, rows = workshop.cover(project)
    assert {row["found_key"]: row["state"] for row in rows if row["found_key"]} == {"pbp/g1.json": "damaged"}
    present = {row["data_type"]: row["keys"] for row in rows if row["state"] == "present"}
    assert present == {"schedule": 1, "box": 1}
    assert document["damaged"] == 1
