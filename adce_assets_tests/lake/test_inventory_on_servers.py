"""The same inventory over folders and servers of different make: listed, and from reports of every format."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from adce_assets.demo.report_writer import write_report
from adce_assets.errors import LakeError, ReportError
from adce_assets.lake.s3_store import S3Store
from adce_assets.lake.store import LakeStore
from adce_assets.loop import coverage, inventory
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE, INVENTORY

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
REPORTED = NOW - timedelta(hours=30)
TOLD = REPORTED - timedelta(hours=1)
"""Up to when a report of that moment speaks."""
CONTRACT = """
version: 1
leagues:
  hoops: {first_season: 2022-23, season_starts: 10}
dimensions:
  letter: {values: [a, b, c, d]}
non_data:
  odd: {prefix: odd/, reason: keys of every kind}
sources:
  books:
    description: d
    league: hoops
    data_types:
      new:
        description: d
        for_each: [letter]
        seasons: all
        templates: ['new/{letter}.json', 'old/{letter}.json']
        min_bytes: 1
"""
ODD = (
    "odd/a b.json",
    "odd/a+b.json",
    "odd/a%20b.json",
    'odd/a"b.json',
    "odd/a,b.json",
    "odd/a&b<c>.json",
    "odd/a'b.json",
    "odd/a\\b.json",
    "odd/~a.json",
    "odd/é.json",
    "odd/e\u0301.json",
    "odd/日本.json",
    "odd/\U0001f3c0.json",
    "odd/\uffee.json",
)
HERE = ("new/a.json", "old/b.json", "new/c.json")
FORMATS = [
    *(("file", written) for written in ("CSV", "ORC", "Parquet")),
    *(("moto_bucket", "ORC"), ("ministack_prefix", "Parquet")),
]
"""Every format from a folder, and from every server one, since all of them send the same bytes."""
LISTED = [(name, "list") for name in ("file", "moto_bucket", "ministack_bucket", "ministack_prefix")]
EXPECTED = {"new/a.json": "present", "new/b.json": "present", "new/c.json": "present", "new/d.json": "missing"}


@pytest.fixture
def project(workshop: "Workshop", store: LakeStore) -> Project:
    """An installation over each kind of store, with keys of every kind and some documents."""
    made = workshop.project(CONTRACT, now=NOW, inventory_id="daily")
    for key in (*HERE, *ODD):
        store.put(key, b"{}")
    return over(made, store)


def over(project: Project, store: LakeStore) -> Project:
    return replace(project, lake=store, settings=replace(project.settings, configured_lake=store.url))


def bucket_of(project: Project) -> str:
    """Name the bucket whose reports count: a folder's may be any."""
    return urlsplit(project.lake.url).netloc or "b"


def report(project: Project, file_format: str, **changes: Any) -> None:
    objects = [found for found in project.lake.list() if not found.key.startswith("inventory-reports/")]
    told: dict[str, Any] = {
        "prefix": "inventory-reports/",
        "bucket": bucket_of(project),
        "config_id": "daily",
        "created_at": REPORTED,
        "file_format": file_format,
        "rows_per_file": 5,
    }
    write_report(project.lake, objects, **(told | changes))


def take(project: Project, mode: str) -> dict[str, Any]:
    """Take the inventory by a listing, or by a report of a format that is delivered first."""
    if mode == "list":
        return inventory.take(project, mode="list").document
    report(project, mode)
    return inventory.take(project, mode="aws").document


def states(project: Project) -> dict[str, str]:
    coverage.analyse(project)
    rows = project.state.read_table(COVERAGE).to_pylist()
    return dict.fromkeys(EXPECTED, "present") | {row["key"]: row["state"] for row in rows if row["key"]}


@pytest.mark.parametrize(("store", "mode"), [*LISTED, *FORMATS], indirect=["store"])
def test_every_way_and_every_server_tells_the_same(project: Project, mode: str):
    document = take(project, mode)
    assert (document["objects"], document["bytes"]) == (len(HERE) + len(ODD), 2 * (len(HERE) + len(ODD)))
    assert (document["non_data"], document["unclassified"]) == (len(ODD), 0)
    assert document["as_of"] == (NOW if mode == "list" else TOLD).isoformat()
    assert states(project) == EXPECTED
    if mode == "list":
        assert set(project.state.read_table(INVENTORY)["key"].to_pylist()) == {*HERE, *ODD}


@pytest.mark.parametrize(("store", "mode"), FORMATS, indirect=["store"])
def test_what_is_newer_than_the_report_is_listed_and_nothing_lies_twice(project: Project, mode: str):
    take(project, mode)
    assert states(project) == EXPECTED
    project.lake.put("old/d.json", b"{}")
    document = inventory.take(project, mode="aws").document
    assert states(project) == EXPECTED | {"new/d.json": "present"}
    assert document["objects"] == len(HERE) + len(ODD) + 1
    assert {entry["as_of"] for entry in document["ranges"]} == {NOW.isoformat(), TOLD.isoformat()}
    assert document["requests"] <= 10


def test_a_report_in_which_a_part_is_lost_is_refused_on_every_server(project: Project):
    take(project, "Parquet")
    before = states(project)
    report(project, "Parquet", created_at=NOW - timedelta(hours=6), rows_per_file=7)
    manifest = f"inventory-reports/{bucket_of(project)}/daily/2024-01-15T06-00Z/manifest.json"
    part = project.lake.get(manifest).decode().split('"key" : "')[1].split('"')[0]
    root = project.lake._prefix if isinstance(project.lake, S3Store) else ""
    project.lake.delete(part.removeprefix(root))
    with pytest.raises(ReportError, match=r"is missing(?s:.*)31 h old, stays in force"):
        inventory.take(project, mode="aws")
    assert states(project) == before


def test_a_report_that_is_still_being_written_is_not_there_yet(project: Project):
    report(project, "Parquet")
    project.lake.delete(f"inventory-reports/{bucket_of(project)}/daily/2024-01-14T06-00Z/manifest.checksum")
    with pytest.raises(LakeError, match="no complete AWS Inventory report"):
        inventory.take(project, mode="aws")


def test_prefixes_are_listed_one_by_one_on_every_server(workshop: "Workshop", store: LakeStore):
    for key in (*HERE, *ODD):
        store.put(key, b"{}")
    project = over(workshop.project(CONTRACT, now=NOW, prefixes=("new/", "old/")), store)
    document = inventory.take(project, mode="list").document
    assert (document["objects"], states(project)) == (len(HERE), EXPECTED)


@pytest.fixture
def large(workshop: "Workshop", large_store: S3Store) -> Callable[..., Project]:
    """An installation over a bucket of three pages of `games/`."""
    contract = CONTRACT.replace("prefix: odd/", "prefix: games/")
    return lambda **scanning: over(workshop.project(contract, now=NOW, **scanning), large_store)


@pytest.mark.parametrize("workers", [1, 8])
def test_a_listing_of_several_pages_counts_its_requests(
    large: Callable[..., Project], large_keys: list[str], workers: int
):
    """With the last inventory's keys for hints, threads cost no more than a folder and two in a hundred."""
    project = large(parallel_workers=workers)
    for _ in range(2):
        document = inventory.take(project, mode="list").document
        assert document["objects"] == len(large_keys)
    receipts, pages = 1, -(-len(large_keys) // 1000)
    assert document["requests"] <= 1.02 * pages + 1 + receipts
