"""What was known of the lake at the last look: when it is taken again, and when it is not."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adce_assets.errors import LakeError
from adce_assets.loop.state import NEWER
from adce_assets_tests.loop.lakes import ALL, NOW, TOLD, Lake, MakeLake, absent, whole


def test_the_last_inventory_is_taken_again_while_it_is_young(lake_with: MakeLake):
    lake = lake_with(*ALL, cache_ttl_hours=2)
    lake.cycle("list")
    lake.delete(ALL[0])
    lake.clock.at(hours=2)
    document, states = lake.cycle("cache")
    assert (document["mode"], document["as_of"], absent(states)) == ("cache", NOW.isoformat(), {})
    lake.clock.at(hours=2.1)
    with pytest.raises(LakeError, match=r"2\.1 h old; `s3\.cache_ttl_hours` allows 2\n"):
        lake.take("cache")


def test_the_age_of_the_last_inventory_is_that_of_its_data(lake_with: MakeLake):
    lake = lake_with(cache_ttl_hours=32)
    lake.report(*ALL)
    lake.take("aws")
    lake.clock.at(hours=1)
    assert lake.take("cache")["as_of"] == TOLD.isoformat()
    lake.clock.at(hours=1.5)
    with pytest.raises(LakeError, match=r"32\.5 h old"):
        lake.take("cache")


@pytest.mark.parametrize("mode", ["list", "aws"])
def test_of_the_last_inventory_nothing_is_forgotten(lake_with: MakeLake, mode: str):
    lake = lake_with(*ALL[:3], cache_ttl_hours=48)
    lake.report(*ALL[1:])
    lake.receipt(ALL[7], at=NOW)
    lake.cycle(mode)
    first, states = lake.cycle(mode)
    lake.clock.at(minutes=30)
    again, same = lake.cycle("cache")
    assert same == states
    names = ("objects", "bytes", "by_type", "as_of", "ranges")
    assert {name: again[name] for name in names} == {name: first[name] for name in names}


def test_what_the_loop_wrote_since_the_last_inventory_is_not_asked_for_again(lake_with: MakeLake):
    lake = lake_with(*ALL[1:])
    assert absent(lake.cycle("list")[1]) == {ALL[0]: "missing"}
    lake.clock.at(minutes=30)
    lake.receipt(ALL[0], at=lake.clock.now)
    assert absent(lake.cycle("cache")[1]) == {}


@pytest.mark.parametrize("mode", ["cache", "auto"])
def test_the_inventory_of_another_lake_is_not_taken_for_this_one(lake_with: MakeLake, mode: str):
    lake, other = lake_with(*ALL), lake_with(*ALL[:3])
    lake.take("list")
    moved = replace(lake, project=replace(lake.project, lake=other.project.lake))
    assert mode == "cache" or moved.take("auto")["objects"] == 3
    if mode == "cache":
        with pytest.raises(LakeError, match=f"no inventory of {other.project.lake.url}"):
            moved.take("cache")


def test_the_inventory_of_other_prefixes_is_not_taken_for_these(lake_with: MakeLake):
    lake = lake_with(*ALL)
    lake.take("list")
    settings = lake.project.settings
    scanning = settings.reconciliation.s3.model_copy(update={"prefixes": ("new/",)})
    narrower = replace(settings, reconciliation=settings.reconciliation.model_copy(update={"s3": scanning}))
    moved = replace(lake, project=replace(lake.project, settings=narrower))
    with pytest.raises(LakeError, match="no inventory of"):
        moved.take("cache")


@pytest.mark.parametrize(
    ("last", "reported", "requests", "chosen"),
    [
        (None, None, 6, "list"),
        (None, 30, 6, "aws"),
        (None, 60, 6, "list"),
        (0.5, None, 6, "cache"),
        (0.5, 30, 6, "cache"),
        (2, None, 6, "list"),
        (2, 30, 6, "list"),
        (2, 30, 0, "aws"),
        (2, 60, 0, "list"),
    ],
)
def test_the_cheapest_way_that_is_young_enough_is_chosen(
    lake_with: MakeLake, last: float | None, reported: float | None, requests: int, chosen: str
):
    """A lake of one page is listed with fewer requests than a report and what is newer take."""
    lake = lake_with(*ALL, delta_requests=requests)
    if reported is not None:
        lake.report(*ALL, at=NOW - timedelta(hours=reported))
    if last is not None:
        lake.clock.at(hours=-last)
        lake.take("list")
        lake.clock.at()
    assert lake.take("auto")["mode"] == chosen


def moved_on(lake: Lake) -> tuple[dict[str, str], dict[str, str]]:
    """Let the loop look twice: what it knows after the first look, and after the second, at other ranges too."""
    first = absent(lake.cycle("aws")[1])
    return first, absent(lake.cycle("aws")[1])


@pytest.mark.parametrize("damage", ["gone", "junk", "other"])
def test_what_is_newer_than_the_report_is_forgotten_whole_when_it_is_damaged(lake_with: MakeLake, damage: str):
    lake = lake_with(*ALL, cache_ttl_hours=100)
    lake.report(*ALL[1:])
    assert moved_on(lake) == ({ALL[0]: "missing"}, {})
    store, name = lake.project.state.store, f"{NEWER}.parquet"
    if damage == "gone":
        store.delete(name)
    elif damage == "junk":
        store.put(name, b"junk")
    else:
        table = lake.project.state.read_table(NEWER)
        lake.project.state.write_table(NEWER, table.slice(1))
    document, states = lake.cycle("cache")
    assert (absent(states), document["ranges"]) == ({ALL[0]: "missing"}, whole(TOLD))


def test_ranges_and_rows_are_of_one_look_however_little_changed(lake_with: MakeLake):
    """Between two missing keys all is as the report says: a summary that kept its ranges would have it twice."""
    here = [ALL[1], *ALL[3:]]
    lake = lake_with(*here, cache_ttl_hours=100, audit_objects_per_run=0)
    lake.report(*here)
    assert absent(lake.cycle("aws")[1]) == dict.fromkeys([ALL[0], ALL[2]], "missing")
    document = lake.take("aws")
    again = lake.take("cache")
    assert (again["objects"], again["ranges"]) == (len(here), document["ranges"])
    assert len(document["ranges"]) > 1


def test_nothing_is_written_again_while_nothing_changes(lake_with: MakeLake):
    lake = lake_with(*ALL[2:])
    lake.report(*ALL[1:])
    lake.receipt(ALL[7], at=NOW - timedelta(hours=1))
    for _ in range(3):
        lake.cycle("aws")
    folder = lake.project.settings.home / "inventory" / "cache"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}
    lake.clock.at(hours=1)
    document = lake.cycle("aws")[0]
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()} == before
    assert (NOW + timedelta(hours=1)).isoformat() in {entry["as_of"] for entry in document["ranges"]}
