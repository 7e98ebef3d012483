"""The ways to know a lake: what each takes, what each costs, and what none of them says without knowing it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.demo.report_writer import write_report
from adce_assets.errors import LakeError
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.store import EVERYTHING, KeyRange, LakeStore, StoredObject
from adce_assets.ledger.receipts import Receipt, write_receipts
from adce_assets.loop import coverage, inventory
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE, INVENTORY, NEWER, SAMPLE

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
REPORTED = NOW - timedelta(hours=30)
TOLD = REPORTED - timedelta(hours=1)
"""Up to when a report of that moment speaks."""
LETTERS = "abcdef"
CONTRACT = f"""
version: 1
leagues:
  hoops: {{first_season: 2022-23, season_starts: 10}}
dimensions:
  letter: {{values: [{", ".join(LETTERS)}]}}
sources:
  books:
    description: d
    league: hoops
    data_types:
      old: {{description: d, for_each: [letter], seasons: all, templates: ['old/{{letter}}.json'], min_bytes: 1}}
      new: {{description: d, for_each: [letter], seasons: all, templates: ['new/{{letter}}.json'], min_bytes: 1}}
"""
"""Two data types of six documents each, all of which have been due for long."""
ALL = [f"{folder}/{letter}.json" for folder in ("new", "old") for letter in LETTERS]


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def at(self, **later: float) -> None:
        self.now = NOW + timedelta(**later)


@dataclass(frozen=True)
class Lake:
    """An installation, its clock, and what others and the loop itself do to the lake."""

    project: Project
    clock: Clock

    def put(self, *keys: str) -> None:
        for key in keys:
            self.project.lake.put(key, b"{}")

    def delete(self, *keys: str) -> None:
        for key in keys:
            self.project.lake.delete(key)

    def receipt(self, key: str, *, at: datetime) -> None:
        """Write down that the loop has written an object."""
        told = Receipt(
            key=key,
            bytes=2,
            sha256="0" * 64,
            records=None,
            task="t",
            run="r",
            attempt=1,
            fetched_at=at,
            promoted_at=at,
            url="",
        )
        name = f"{key.replace('/', '-').replace('.', '-')}-{at:%d%H%M%S%f}"
        write_receipts(self.project.lake, name, source="books", data_type="new", season="all", receipts=[told])

    def report(self, *keys: str, at: datetime = REPORTED, prefix: str = "inventory-reports/") -> None:
        objects = [StoredObject(key, 2, "e", at - timedelta(days=1)) for key in keys]
        write_report(self.project.lake, objects, prefix=prefix, bucket="lake", config_id="daily", created_at=at)

    def take(self, mode: Any = None) -> dict[str, Any]:
        return inventory.take(self.project, mode=mode).document

    def cycle(self, mode: Any = None) -> tuple[dict[str, Any], dict[str, str]]:
        """Take the inventory and analyse it; return its summary, and the state of every key."""
        document = self.take(mode)
        coverage.analyse(self.project)
        rows = self.project.state.read_table(COVERAGE).to_pylist()
        return document, dict.fromkeys(ALL, "present") | {row["key"]: row["state"] for row in rows if row["key"]}

    def files(self) -> Mapping[str, bytes]:
        store = self.project.state.store
        return {found.key: store.get(found.key) for found in store.list("cache/")}


MakeLake = Callable[..., Lake]


@pytest.fixture
def lake_with(workshop: "Workshop") -> MakeLake:
    def make(*keys: str, **scanning: Any) -> Lake:
        clock, wanted = Clock(), dict[str, Any]({"max_vanished_share": 1.0} | scanning)
        made = Lake(workshop.project(CONTRACT, now=clock, **wanted), clock)
        made.put(*keys)
        return made

    return make


def absent(states: Mapping[str, str]) -> dict[str, str]:
    return {key: state for key, state in states.items() if state != "present"}


def whole(moment: datetime) -> list[dict[str, Any]]:
    return [{"after": "", "until": None, "as_of": moment.isoformat()}]


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
