"""The ways to know a lake: what each takes, what each costs, and what none of them says without knowing it."""

import threading
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from adce_assets.errors import LakeError
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.store import EVERYTHING, KeyRange, LakeStore
from adce_assets.loop import coverage, inventory
from adce_assets.loop.state import INVENTORY, SAMPLE
from adce_assets_tests.loop.lakes import ALL, NOW, REPORTED, TOLD, MakeLake, absent, whole


def test_a_listing_knows_the_whole_lake_as_of_its_beginning(lake_with: MakeLake):
    document, states = lake_with(*ALL[1:]).cycle("list")
    assert (document["mode"], document["as_of"], document["ranges"]) == ("list", NOW.isoformat(), whole(NOW))
    assert absent(states) == {ALL[0]: "missing"}


@pytest.mark.parametrize(("configured", "mode"), [(True, "aws"), (False, "list")])
def test_the_configuration_says_how_and_the_caller_may_say_otherwise(
    lake_with: MakeLake,
    configured: bool,  # noqa: FBT001 - a column of the table
    mode: str,
):
    lake = lake_with("new/a.json", use_aws_inventory=configured)
    lake.report("new/a.json")
    assert lake.take()["mode"] == mode
    other = {"aws": "list", "list": "aws"}[mode]
    assert lake.take(other)["mode"] == other


def test_a_report_is_true_as_of_its_beginning_until_somebody_looks_again(lake_with: MakeLake):
    lake = lake_with("new/b.json")
    lake.report(*ALL[1:])
    document, states = lake.cycle("aws")
    assert (document["mode"], document["as_of"], document["ranges"]) == ("aws", TOLD.isoformat(), whole(TOLD))
    assert absent(states) == {ALL[0]: "missing"}


def test_what_others_wrote_since_the_report_is_found_where_something_is_missing(lake_with: MakeLake):
    lake = lake_with(*ALL)
    lake.report(*ALL[1:])
    lake.cycle("aws")
    document, states = lake.cycle("aws")
    assert absent(states) == {}
    assert document["as_of"] == TOLD.isoformat()
    (looked,) = [entry for entry in document["ranges"] if entry["as_of"] == NOW.isoformat()]
    assert looked["after"] < ALL[0] <= looked["until"]


def test_what_others_deleted_since_the_report_is_found_where_something_is_missing(lake_with: MakeLake):
    lake = lake_with("new/a.json", "new/f.json", *ALL[6:])
    lake.report(*ALL[2:5], *ALL[6:])
    assert absent(lake.cycle("aws")[1]) == dict.fromkeys(["new/a.json", "new/b.json", "new/f.json"], "missing")
    assert absent(lake.cycle("aws")[1]) == dict.fromkeys(ALL[1:5], "missing")


def test_without_a_budget_nothing_is_listed(lake_with: MakeLake):
    lake = lake_with(*ALL, delta_requests=0)
    lake.report(*ALL[1:])
    lake.cycle("aws")
    document, states = lake.cycle("aws")
    assert (absent(states), document["ranges"]) == ({ALL[0]: "missing"}, whole(TOLD))


def test_the_budget_decides_how_many_ranges_are_listed(lake_with: MakeLake):
    """Between the two open keys lie three pages; each alone is one request."""
    between = [f"new/{number:05d}.bin" for number in range(3000)]
    for budget, looked in ((1, 1), (2, 2)):
        lake = lake_with(delta_requests=budget)
        lake.report(*ALL[1:6], *(f"new/a.json{key[4:]}" for key in between), *ALL[7:])
        lake.cycle("aws")
        document = lake.cycle("aws")[0]
        assert sum(entry["as_of"] == NOW.isoformat() for entry in document["ranges"]) == looked


def test_what_was_listed_stays_known_until_a_newer_report_comes(lake_with: MakeLake):
    lake = lake_with(*ALL)
    lake.report(*ALL[1:])
    lake.cycle("aws")
    lake.cycle("aws")
    lake.clock.at(hours=1)
    document, states = lake.cycle("aws")
    assert absent(states) == {}
    assert {entry["as_of"] for entry in document["ranges"]} == {NOW.isoformat(), TOLD.isoformat()}
    lake.report(*ALL[1:], at=NOW - timedelta(hours=1))
    assert absent(lake.cycle("aws")[1]) == {}
    lake.delete(ALL[0])
    lake.clock.at(hours=2)
    lake.report(*ALL[1:], at=NOW + timedelta(minutes=90))
    document, states = lake.cycle("aws")
    assert (absent(states), document["ranges"]) == ({ALL[0]: "missing"}, whole(NOW + timedelta(minutes=30)))


def test_a_full_listing_that_is_newer_than_the_report_is_not_forgotten(lake_with: MakeLake):
    lake = lake_with(*ALL)
    lake.report(*ALL[1:])
    lake.cycle("list")
    lake.clock.at(hours=1)
    document, states = lake.cycle("aws")
    assert (absent(states), document["mode"], document["as_of"]) == ({}, "aws", NOW.isoformat())
    lake.report(*ALL[1:], at=NOW + timedelta(minutes=61))
    assert lake.take("aws")["as_of"] == (NOW + timedelta(minutes=1)).isoformat()


def test_a_damaged_listing_gives_way_to_the_report(lake_with: MakeLake):
    lake = lake_with(*ALL)
    lake.report(*ALL[1:])
    lake.cycle("list")
    lake.project.state.store.put(f"{INVENTORY}.parquet", b"PAR1")
    assert lake.take("aws")["as_of"] == TOLD.isoformat()


@pytest.mark.parametrize(
    ("written", "state"),
    [
        (REPORTED - timedelta(hours=2), "missing"),
        (REPORTED - timedelta(minutes=59), "present"),
        (REPORTED, "present"),
        (REPORTED + timedelta(microseconds=1), "present"),
        (NOW, "present"),
    ],
)
def test_what_the_loop_wrote_since_shortly_before_the_report_is_there(
    lake_with: MakeLake, written: datetime, state: str
):
    lake = lake_with(delta_requests=0)
    lake.receipt(ALL[0], at=written)
    lake.report(*ALL[1:])
    assert lake.cycle("aws")[1][ALL[0]] == state


@pytest.mark.parametrize(("written", "state"), [(-61, "missing"), (-59, "present"), (1, "present")])
def test_what_the_loop_wrote_while_it_was_listed_is_there(lake_with: MakeLake, written: int, state: str):
    lake = lake_with(*ALL[1:])
    lake.receipt(ALL[0], at=NOW + timedelta(seconds=written))
    assert lake.cycle("list")[1][ALL[0]] == state


def test_what_the_loop_wrote_and_others_deleted_is_missing_once_it_was_looked_for(lake_with: MakeLake):
    lake = lake_with()
    lake.receipt(ALL[1], at=NOW - timedelta(hours=3))
    lake.report(*ALL[2:])
    assert absent(lake.cycle("aws")[1]) == {ALL[0]: "missing"}
    lake.put(*ALL[2:])
    assert absent(lake.cycle("aws")[1]) == {ALL[0]: "missing"}
    lake.report(*ALL[2:5], *ALL[6:])
    lake.clock.at(hours=1)
    lake.delete(ALL[5])
    document, states = lake.cycle("list")
    assert absent(states) == dict.fromkeys([*ALL[:2], ALL[5]], "missing")
    assert document["objects"] == len(ALL) - 3


def test_receipts_that_cannot_be_believed_are_passed_over(lake_with: MakeLake):
    lake = lake_with(delta_requests=0)
    lake.receipt(ALL[0], at=NOW - timedelta(hours=1))
    lake.receipt(ALL[1], at=NOW - timedelta(hours=1))
    lake.report(*ALL[2:])
    first = next(found.key for found in lake.project.lake.list("_adce/receipts/") if "new-b" in found.key)
    lake.project.lake.put(first, b"{}")
    assert absent(lake.cycle("aws")[1]) == {ALL[1]: "missing"}


def test_without_a_report_the_way_out_is_named(lake_with: MakeLake):
    with pytest.raises(LakeError, match=r"no complete AWS Inventory report(?s:.*)--mode list"):
        lake_with(*ALL).take("aws")


def test_the_prefix_and_the_id_of_the_reports_are_configured(lake_with: MakeLake):
    lake = lake_with(inventory_prefix="elsewhere/", inventory_id="daily")
    lake.report(*ALL)
    with pytest.raises(LakeError, match="no complete"):
        lake.take("aws")
    lake.report(*ALL, prefix="elsewhere/")
    assert lake.take("aws")["objects"] == len(ALL)


def test_without_a_report_a_sample_is_taken_where_that_is_configured(lake_with: MakeLake):
    lake = lake_with(*ALL, fallback_to_sample=True, use_aws_inventory=True)
    assert lake.take()["mode"] == "sample"
    lake.report(*ALL)
    assert lake.take()["mode"] == "aws"


def test_a_sample_leaves_the_inventory_in_force_and_no_gap_is_made_from_it(lake_with: MakeLake):
    lake = lake_with(*ALL[1:])
    lake.take("sample")
    with pytest.raises(LakeError, match="not been made"):
        coverage.analyse(lake.project)
    lake.take("list")
    before = lake.files()
    lake.delete(*ALL)
    document = lake.take("sample")
    assert (document["mode"], document["total"]["objects"]["value"]) == ("sample", 0)
    changed = {name for name, body in lake.files().items() if before.get(name) != body}
    assert changed == {f"{SAMPLE}.json"}
    assert lake.project.state.read_json(SAMPLE) == document


@pytest.mark.parametrize("mode", ["list", "aws"])
def test_outside_the_prefixes_nothing_is_known(lake_with: MakeLake, mode: str):
    lake = lake_with(*ALL[1:], prefixes=("new/",))
    lake.report(*ALL[1:])
    lake.receipt(ALL[7], at=NOW)
    lake.cycle(mode)
    lake.clock.at(hours=1)
    document, states = lake.cycle(mode)
    assert states == {ALL[0]: "missing", **dict.fromkeys(ALL[1:6], "present"), **dict.fromkeys(ALL[6:], "unknown")}
    assert document["objects"] == 5
    assert all("new" in entry["after"] and "new" in entry["until"] for entry in document["ranges"])


@dataclass
class Busy:
    """A lake that is asked over a network, and notes by which threads."""

    lake: LakeStore
    threads: set[str] = field(default_factory=set)
    url: str = ""
    keys_per_request: int = 1

    def __post_init__(self) -> None:
        self.url = self.lake.url

    def parts(self, within: KeyRange = EVERYTHING) -> Any:
        self.threads.add(threading.current_thread().name)
        return self.lake.parts(within)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lake, name)


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_requests_are_under_way_as_configured(lake_with: MakeLake, workers: int):
    lake = lake_with(*ALL, parallel_workers=workers, prefixes=("new/", "old/"))
    busy: Any = Busy(FileStore(lake.project.settings.home / "lake"))
    inventory.take(replace(lake.project, lake=busy), mode="list")
    others = {name for name in busy.threads if name != threading.current_thread().name}
    assert bool(others) == (workers > 1)
    assert len(others) <= workers
