"""What a look at the lake reads, and when; and why there is no number where there is none."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.dims.world import World
from adce_assets.errors import AdceError, LakeError, MetricError
from adce_assets.lake.store import open_store
from adce_assets.loop import coverage, inventory, memory
from adce_assets.loop.state import COVERAGE, GAP_KEYS, GAPS, INVENTORY, SCHEDULE, State
from adce_assets_tests.dims import small_lake
from adce_assets_tests.dims.small_lake import NOW, OBJECTS, Put, made, measured
from adce_assets_tests.loop import lakes

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop


@pytest.fixture(scope="module")
def world(workshop: "Workshop") -> World:
    """Lend a world that no test changes."""
    return made(workshop)


class Counting:
    """A store that counts what is asked of it, and lists nothing."""

    def __init__(self, store: Any) -> None:
        self.store, self.asked = store, []

    def __getattr__(self, name: str) -> Any:
        assert name not in {"list", "parts", "level"}, "the lake was listed"
        self.asked.append(name)
        return getattr(self.store, name)


def test_the_lake_is_never_listed_nor_read(world: World):
    lake: Any = Counting(world.project.lake)
    blind = replace(world, project=replace(world.project, lake=lake))
    with blind.reading():
        assert measured(blind, "objects", source="official") == 12
        assert measured(blind, "objects", prefix="ml/") == 2
        assert measured(blind, "missing_games", source="official") == 6
    assert set(lake.asked) <= {"url", "server"}


def test_a_look_sees_one_inventory_though_another_is_taken_meanwhile(workshop: "Workshop"):
    world = made(workshop)
    with world.reading():
        before = measured(world, "objects")
        small_lake.put(world.project, [Put("ml/new.bin", 5000, 1)])
        small_lake.reconcile(world.project)
        assert measured(world, "objects") == before == len(OBJECTS)
    assert measured(world, "objects") == len(OBJECTS) + 1
    assert measured(world, "objects", prefix="ml/", larger_than=4999) == 1


def test_what_could_not_be_read_is_asked_for_once_a_look(world: World):
    asked, world = [], replace(world)

    def fail(_: ExitStack) -> None:
        asked.append(1)
        raise LakeError("the network is down")

    with world.reading() as read:
        for _ in range(3):
            with world.reading() as inner, pytest.raises(LakeError, match="the network is down"):
                inner.once("broken", fail)
        assert inner is read
    with world.reading() as again, pytest.raises(LakeError):
        again.once("broken", fail)
    assert len(asked) == 2


def test_a_report_of_aws_answers_as_a_listing_does(workshop: "Workshop"):
    clock = lakes.Clock()
    project = workshop.project(lakes.CONTRACT, now=clock, use_aws_inventory=True)
    lake, world = lakes.Lake(project, clock), World(project, project.settings.home)
    lake.put(*lakes.ALL)
    lake.report(*lakes.ALL[:7])
    lake.receipt("new/f.json", at=NOW - timedelta(hours=2))
    lake.receipt("old/f.json", at=NOW - timedelta(hours=3))
    lake.take("aws")
    known = {*lakes.ALL[:7], "new/f.json", "old/f.json"}
    for _ in range(2):
        with world.reading():
            assert measured(world, "objects") == len(known) == 8
            assert measured(world, "objects", prefix="new/") == 6
            assert measured(world, "objects", data_type="old") == 2
            assert measured(world, "object_age", data_type="new") == pytest.approx(2)
        for copy in (project.settings.work_folder / "reports").iterdir():
            copy.unlink()  # as the next reconciliation may, or as on another machine


def test_below_what_was_looked_at_there_is_a_number_and_elsewhere_none(workshop: "Workshop"):
    world = made(workshop, prefixes=["pbp/"])
    assert measured(world, "objects", prefix="pbp/g") == 4
    assert measured(world, "objects", data_type="pbp") == 4
    for of in ({}, {"prefix": "ml/"}, {"prefix": "p"}, {"source": "official"}, {"glob": "*/g1.json"}):
        with pytest.raises(MetricError, match="a total would be a guess"):
            measured(world, "objects", **of)
    with pytest.raises(MetricError, match="a total would be a guess"):
        measured(world, "cost_estimate", per_gib=1)


# What cannot be measured


@pytest.fixture
def own(world: World, tmp_path: Path) -> World:
    """Lend the world with a state of the test's own, which it may spoil."""
    state = State(open_store(copytree(world.root / "inventory", tmp_path / "state").as_uri()))
    state.write_json(INVENTORY, state.read_json(INVENTORY) | {"tables": memory.seals(state)})
    return replace(world, project=replace(world.project, state=state))


def test_before_the_first_reconciliation_there_is_no_number(workshop: "Workshop"):
    world = made(workshop, reconciled=False)
    for entry in ("objects", "bytes", "object_age", "inventory_age", "coverage", "gaps", "gap_days"):
        with pytest.raises(LakeError, match="has not been made yet"):
            measured(world, entry)
    with pytest.raises(LakeError, match="has not been made yet"):
        measured(world, "missing_games", source="official")


def test_a_sample_is_no_inventory(workshop: "Workshop"):
    world = made(workshop, reconciled=False)
    inventory.take(world.project, mode="sample")
    with pytest.raises(LakeError, match="has not been made yet"):
        measured(world, "objects")


def told_otherwise(**members: Any) -> Callable[[World], None]:
    """Change what the summary of the inventory says."""

    def change(world: World) -> None:
        told = world.project.state.read_json(INVENTORY)
        world.project.state.write_json(INVENTORY, told | members)

    return change


def truncated(world: World) -> None:
    """Put a table in the place of the inventory's that has a row less."""
    state = world.project.state
    state.write_table(INVENTORY, state.read_table(INVENTORY).slice(1))


def damaged(name: str) -> Callable[[World], object]:
    """Damage a file of the state."""
    return lambda world: world.project.state.store.put(name, b"\x00")


OF_SOURCE = {"source": "official"}


@pytest.mark.parametrize(
    ("spoil", "kind", "of", "why"),
    [
        (told_otherwise(mode="sample"), "objects", {}, "only sampled"),
        (told_otherwise(of={"lake": "s3://elsewhere"}), "objects", {}, "of another lake"),
        (told_otherwise(objects=17), "objects", OF_SOURCE, "not those that its summary is of"),
        (told_otherwise(contract="other"), "objects", OF_SOURCE, "the contract has changed"),
        (truncated, "bytes", {"prefix": "pbp/"}, "not those that its summary is of"),
        (damaged(f"{INVENTORY}.json"), "objects", {}, "is not JSON"),
        (damaged(f"{INVENTORY}.parquet"), "object_age", {}, "not those that its summary is of"),
        (damaged(f"{SCHEDULE}.parquet"), "objects", OF_SOURCE, "no readable Parquet file"),
        (damaged(f"{COVERAGE}.json"), "coverage", {}, "is not JSON"),
        (damaged(f"{COVERAGE}.json"), "missing_games", OF_SOURCE, "is not JSON"),
        (damaged(f"{GAPS}.json"), "gaps", {}, "is not JSON"),
        (damaged(f"{GAPS}.json"), "gap_days", {}, "is not JSON"),
        (damaged(f"{GAP_KEYS}.parquet"), "gap_days", {}, "no table of open keys"),
    ],
)
def test_what_cannot_be_relied_on_gives_no_number(
    own: World, spoil: Callable[[World], object], kind: str, of: dict[str, Any], why: str
):
    spoil(own)
    with pytest.raises(AdceError, match=why):
        measured(own, kind, **of)


def test_open_keys_of_another_run_are_not_counted(own: World):
    state = own.project.state
    state.write_table(GAP_KEYS, state.read_table(GAP_KEYS).slice(1))
    with pytest.raises(LakeError, match="two different runs"):
        measured(own, "gap_days")


def test_where_no_schedule_names_a_game_nobody_knows_how_many_are_missing(own: World):
    told = own.project.state.read_json(COVERAGE)
    cells = [cell | {"basis": "estimate"} for cell in told["cells"]]
    own.project.state.write_json(COVERAGE, told | {"cells": cells})
    with pytest.raises(MetricError, match="a total would be a guess"):
        measured(own, "missing_games", source="official")


def test_of_an_older_contract_nothing_of_a_source_is_said_but_the_whole_is(own: World):
    told_otherwise(contract="other")(own)
    told = own.project.state.read_json(COVERAGE)
    own.project.state.write_json(COVERAGE, told | {"contract": "other"})
    assert measured(own, "objects") == len(OBJECTS)
    assert measured(own, "objects", prefix="pbp/") == 4
    with pytest.raises(MetricError, match="the contract has changed"):
        measured(own, "coverage")


def test_objects_that_have_vanished_are_not_counted(workshop: "Workshop"):
    own = made(workshop)
    own.project.lake.delete("pbp/g1.json")
    inventory.take(own.project, mode="list")
    coverage.analyse(own.project)
    assert measured(own, "objects") == len(OBJECTS) - 1
    assert measured(own, "objects", data_type="pbp") == 3


def stretch(after: str, until: str | None) -> dict[str, Any]:
    return {"after": after, "until": until, "as_of": NOW.isoformat()}


def test_stretches_that_were_looked_at_one_by_one_are_the_whole_without_a_hole(own: World):
    told_otherwise(ranges=[stretch("", "box/g2"), stretch("box/g2", "pbp/"), stretch("pbp/", None)])(own)
    assert measured(own, "objects") == len(OBJECTS)
    assert measured(own, "objects", prefix="box/") == 4
    told_otherwise(ranges=[stretch("", "box/g2"), stretch("box/g3", "pbp/g1.json"), stretch("pbp/g1.json", None)])(own)
    assert measured(own, "objects", prefix="pbp/") == 4
    assert measured(own, "objects", prefix="awards/") == 1
    for of in ({}, {"prefix": "box/"}, {"prefix": "box/g2"}, {"data_type": "box"}):
        with pytest.raises(MetricError, match="a total would be a guess"):
            measured(own, "objects", **of)


def test_a_look_that_fails_leaves_nothing_for_the_next(own: World):
    told = own.project.state.read_json(INVENTORY)
    told_otherwise(mode="sample")(own)
    with pytest.raises(MetricError, match="only sampled"), own.reading():
        measured(own, "objects")
    own.project.state.write_json(INVENTORY, told)
    assert measured(own, "objects") == len(OBJECTS)
