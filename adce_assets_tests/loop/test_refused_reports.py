"""Every damaged report is refused whole with its own words; the inventory before it stays in force, byte for byte."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from adce_assets.errors import LakeError, ReportError
from adce_assets.loop import coverage, inventory
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE, INVENTORY
from adce_assets_tests.lake.damages import DAMAGES, Damage, current
from adce_assets_tests.lake.deliveries import CURRENT_COLUMNS, Delivery
from adce_assets_tests.loop.test_interleavings import begin

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

GOOD, BAD = "2025-11-05T01-00Z", "2025-11-06T01-00Z"
AS_OF = "2025-11-05T00:00:00+00:00"
NOW = datetime(2025, 11, 6, 8, tzinfo=UTC)
CONTRACT = """
version: 1
leagues:
  hoops: {first_season: 2022-23, season_starts: 10}
dimensions:
  letter: {values: [a, b]}
sources:
  books:
    description: d
    league: hoops
    data_types:
      pages: {description: d, for_each: [letter], seasons: all, templates: ['pages/{letter}.json'], min_bytes: 1}
"""


@pytest.fixture(scope="module")
def project(workshop: "Workshop") -> Project:
    """An installation whose inventory in force is that of a whole report."""
    made = workshop.project(CONTRACT, now=NOW)
    Delivery([current("pages/a.json")], CURRENT_COLUMNS, folder=GOOD).put(made.lake)
    inventory.take(made, mode="aws")
    coverage.analyse(made)
    return made


def files(project: Project) -> Mapping[str, bytes]:
    return {found.key: project.state.store.get(found.key) for found in project.state.store.list("cache/")}


@pytest.mark.parametrize("damage", DAMAGES, ids=[damage.name for damage in DAMAGES])
def test_a_damaged_report_is_refused_whole_and_the_last_inventory_stays_in_force(project: Project, damage: Damage):
    before, there = files(project), {found.key for found in project.lake.list()}
    damage.write(project.lake, BAD)
    try:
        with pytest.raises(ReportError) as refused:
            inventory.take(project, mode="aws")
    finally:
        for key in {found.key for found in project.lake.list()} - there:
            project.lake.delete(key)
    assert re.search(damage.text, str(refused.value))
    assert str(refused.value).endswith("the inventory of 2025-11-05T00:00Z, 32 h old, stays in force")
    assert files(project) == before


def test_coverage_goes_on_with_the_inventory_in_force_and_says_its_as_of(project: Project):
    damage = next(damage for damage in DAMAGES if damage.name == "CSV: a part is missing")
    damage.write(project.lake, BAD)
    with pytest.raises(ReportError):
        inventory.take(project, mode="aws")
    document = coverage.analyse(project).document
    assert (document["as_of"], document["totals"]["present"], document["totals"]["missing"]) == (AS_OF, 1, 1)
    assert {row["key"]: row["state"] for row in project.state.read_table(COVERAGE).to_pylist() if row["key"]} == {
        "pages/b.json": "missing"
    }


def test_a_report_that_names_an_object_twice_is_refused_as_well(workshop: "Workshop"):
    project = workshop.project(CONTRACT, now=NOW)
    Delivery([current("pages/a.json")], CURRENT_COLUMNS, folder=GOOD).put(project.lake)
    inventory.take(project, mode="aws")
    before = files(project)
    Delivery([current("pages/b.json") * 2], CURRENT_COLUMNS, folder=BAD).put(project.lake)
    with pytest.raises(ReportError, match=r"`pages/b\.json` twice(?s:.*)32 h old, stays in force"):
        inventory.take(project, mode="aws")
    assert files(project) == before


def test_a_refused_comparison_leaves_no_newer_schedule_beside_the_inventory_in_force(workshop: "Workshop"):
    world = begin(workshop, delta_requests=0)
    inventory.take(world.project, mode="aws")
    before = files(world.project)
    world.clock.now += timedelta(hours=1)
    world.write("schedule/2023-24.csv", "others")
    world.deliver(timedelta(), "CSV", doubled="pbp/g8.json")
    with pytest.raises(ReportError, match="twice"):
        inventory.take(world.project, mode="aws")
    assert files(world.project) == before


def test_a_lake_that_cannot_be_listed_says_so_too(workshop: "Workshop"):
    project = workshop.project(CONTRACT, now=NOW)
    inventory.take(project, mode="list")
    before = files(project)
    (project.settings.home / "lake").rmdir()
    with pytest.raises(LakeError, match=r"no such folder(?s:.*)hint: .*; the inventory of 2025-11-06T08:00Z, 0 h old"):
        inventory.take(project, mode="list")
    assert files(project) == before


def test_before_the_first_inventory_none_is_said_to_be_in_force(workshop: "Workshop"):
    project = workshop.project(CONTRACT, now=NOW)
    DAMAGES[0].write(project.lake, BAD)
    with pytest.raises(ReportError) as refused:
        inventory.take(project, mode="aws")
    assert "in force" not in str(refused.value)
    assert project.state.store.head(f"{INVENTORY}.json") is None
