"""The one pass over objects and expected keys, against a few plain loops over small worlds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pytest

from adce_assets.contract.events import Event, events_table
from adce_assets.contract.expected import beginnings, cells
from adce_assets.errors import ContractError, ReportError
from adce_assets.lake import slices
from adce_assets.lake.slices import Block
from adce_assets.lake.store import OBJECT_SCHEMA, StoredObject
from adce_assets.loop.matching import MATCHED, Held, Matched, Matcher
from adce_assets.loop.project import Project
from adce_assets.loop.ranges import WHOLE, Known, below, laid_over
from adce_assets.tables import engine
from adce_assets_tests.loop import hoops
from adce_assets_tests.loop.hoops import AS_OF, GRACE, NOW, TICK, event, held
from adce_assets_tests.loop.small_worlds import HEAD, SAID, answer, draw_small

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

EVERYWHERE = (Known(WHOLE, AS_OF),)


@dataclass(frozen=True)
class Told:
    """What a match said: rows, and the keys of objects that nobody expects."""

    rows: list[dict[str, Any]]
    others: list[str]

    def named(self) -> dict[str, dict[str, Any]]:
        return {row["place"]: row for row in self.rows if row["place"] is not None}

    def counts(self, *, here: bool = True) -> dict[tuple[str, str], tuple[int, int]]:
        """Return number and bytes of the keys without a name, by data type and season."""
        chosen = [row for row in self.rows if row["place"] is None and row["is_here"] is here]
        assert len({(row["data_type"], row["season"]) for row in chosen}) == len(chosen)
        return {(row["data_type"], row["season"]): (row["keys"], row["bytes"]) for row in chosen}


def match(
    project: Project,
    objects: Iterable[StoredObject] = (),
    events: Sequence[Event] = (),
    *,
    known: Sequence[Known] = EVERYWHERE,
    suspects: Sequence[str] = (),
    estimates: bool = False,
    blocks: Sequence[Block] = (),
) -> Told:
    found = list(objects)
    table = pa.table({name: [getattr(one, name) for one in found] for name in OBJECT_SCHEMA.names}, OBJECT_SCHEMA)
    numbered = events_table(events).append_column("event", pa.array(range(len(events)), pa.int32()))
    with engine() as backend:
        told: Matched = Matcher(project.contract, backend, project.clock()).match(
            "test",
            Held(ibis.memtable(table), len(found), known, blocks=blocks),
            numbered,
            suspects,
            estimates=estimates,
        )
        rows = told.rows.to_pyarrow()
    assert tuple(rows.column_names) == MATCHED
    assert told.others.schema.names == OBJECT_SCHEMA.names
    return Told(rows.to_pylist(), sorted(told.others["key"].to_pylist()))


@pytest.fixture(scope="module")
def project(workshop: "Workshop") -> Project:
    return workshop.project(hoops.CONTRACT, now=NOW)


def test_what_plainly_is_as_expected_keeps_no_name(project: Project):
    told = match(project, hoops.everything(), hoops.season())
    assert {row["place"] for row in told.rows if row["is_here"]} == {None}
    assert told.counts()["box", "2021-22"] == (2, 1000)
    assert sum(keys for keys, _ in told.counts().values()) == 22
    assert told.others == []
    assert set(told.named()) == {"tracking/2021-22.json", "tracking/2022-23.json"}


def test_an_object_of_a_suspect_keeps_its_name_and_its_version(project: Project):
    told = match(project, [held("box/g0001.json", etag="v7")], [event()], suspects=["box/g0001.json", "gone"])
    row = told.named()["box/g0001.json"]
    assert (row["is_here"], row["etag"], row["size"], row["rank"]) == (True, "v7", 500, 0)
    assert told.counts() == {}


@pytest.mark.parametrize(
    ("changed", "is_plain"),
    [({"size": 100}, True), ({"size": 99}, False), ({"age": timedelta(days=6)}, True), ({"age": timedelta(8)}, False)],
)
def test_an_object_that_may_be_damaged_or_stale_keeps_its_name(
    project: Project,
    changed: dict[str, Any],
    is_plain: bool,  # noqa: FBT001 - a column of the table
):
    told = match(project, [held("awards/mvp.json", **changed)])
    assert ("awards/mvp.json" in told.named(), told.counts()) == (
        not is_plain,
        {("awards", "all"): (1, changed.get("size", 500))} if is_plain else {},
    )


def test_an_object_at_an_older_place_names_the_key_that_it_satisfies(project: Project):
    told = match(project, [held("old/g0001.json", etag="v2")], [event()])
    older, own = told.named()["old/g0001.json"], told.named()["pbp/g0001.json"]
    assert (older["key"], older["rank"], older["is_here"], older["etag"]) == ("pbp/g0001.json", 1, True, "v2")
    assert (own["key"], own["rank"], own["is_here"], own["etag"], own["size"]) == (None, 0, False, None, None)
    assert told.others == []


def test_objects_that_nobody_expects_are_left_over(project: Project):
    objects = [held("box/g0001.json"), held("box/g0002.json"), held("junk"), held("old/g0009.json")]
    assert match(project, objects, [event()]).others == ["box/g0002.json", "junk", "old/g0009.json"]


def test_an_event_of_which_only_the_number_is_known_expects_no_object(project: Project):
    told = match(project, [], [event(None, count=7, basis="estimate")], estimates=True)
    assert told.rows == []


def test_an_estimate_is_compared_by_itself(project: Project):
    objects = [held("box/g0001.json"), held("totals/2023-24.json")]
    told = match(project, objects, [event(basis="estimate")], estimates=True)
    assert {row["data_type"] for row in told.rows} == {"pbp", "box"}
    assert {row["is_estimate"] for row in told.rows} == {True}
    assert told.others == ["totals/2023-24.json"]


def test_an_absent_key_was_due_only_if_the_look_was_later(project: Project):
    due = {"g0001": AS_OF - TICK, "g0002": AS_OF, "g0003": AS_OF + TICK}
    told = match(project, [], [event(name, event_at=moment - GRACE) for name, moment in due.items()]).named()
    found = {name: (told[f"box/{name}.json"]["is_known"], told[f"box/{name}.json"]["was_due"]) for name in due}
    assert found == {"g0001": (True, True), "g0002": (True, True), "g0003": (True, False)}
    assert {told[f"box/{name}.json"]["due_at"] for name in due} == set(due.values())


@pytest.mark.parametrize(
    ("own", "older", "said"),
    [
        (NOW, NOW, (True, True)),
        (NOW, AS_OF, (True, False)),
        (AS_OF, NOW, (True, False)),
        (NOW, None, (False, None)),
        (None, NOW, (False, None)),
        (None, None, (False, None)),
    ],
)
def test_an_absent_key_is_known_since_the_first_look_at_any_of_its_places(
    project: Project, own: datetime | None, older: datetime | None, said: tuple[bool, bool | None]
):
    looks = {"pbp/": own, "old/": older, "box/": AS_OF}
    known = laid_over((), [Known(below(prefix), at) for prefix, at in looks.items() if at])
    row = match(project, [], [event(event_at=NOW - GRACE)], known=known).named()["pbp/g0001.json"]
    assert (row["is_known"], row["was_due"]) == said


def test_an_object_is_old_by_the_look_that_saw_it(project: Project):
    written = AS_OF - timedelta(days=7)
    objects = [held(f"awards/{name}.json", 5, age=AS_OF - written) for name in ("mvp", "roy")]
    known = laid_over(EVERYWHERE, [Known(below("awards/roy"), AS_OF + TICK)])
    told = match(project, objects, known=known).named()
    assert {name: told[f"awards/{name}.json"]["is_old"] for name in ("mvp", "roy")} == {"mvp": False, "roy": True}


def test_what_was_found_twice_in_the_inventory_is_refused_by_name(project: Project):
    for key in ("box/g0001.json", "junk", "old/g0001.json", "awards/mvp.json"):
        with pytest.raises(ReportError, match=f"has the object `{key}` twice"):
            match(project, [held(key), held(key, 5), held("pbp/g0001.json")], [event()])


@pytest.mark.parametrize("season", ["2023-24", "2022-23"])
@pytest.mark.parametrize("keys", [(), ("box/g0001.json",), ("pbp/g0001.json",), ("old/g0001.json",)])
def test_what_is_expected_twice_is_refused_by_name(project: Project, keys: tuple[str, ...], season: str):
    with pytest.raises(ContractError, match=r"the key `box/g0001\.json` is expected twice"):
        match(project, map(held, keys), [event(), event(season=season), event("g0002")])


def test_an_inventory_that_grew_while_it_was_counted_is_no_double(project: Project):
    objects = [held("junk")]
    table = pa.table({name: [getattr(one, name) for one in objects] for name in OBJECT_SCHEMA.names}, OBJECT_SCHEMA)
    nothing = events_table([]).append_column("event", pa.array([], pa.int32()))
    with engine() as backend:
        told = Matcher(project.contract, backend, NOW).match("test", Held(ibis.memtable(table), 0, EVERYWHERE), nothing)
    assert told.others["key"].to_pylist() == ["junk"]


def test_slices_one_by_one_say_the_same_as_all_at_once(workshop: "Workshop", monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slices, "COSTS", {1: 0.0})
    counts = set()
    for seed in range(20, 24):
        world = draw_small(seed)
        project = workshop.project(HEAD + "".join(one.declared() for one in world.types), now=NOW)
        events, known = world.events, laid_over((), world.looks)
        blocks = [Block(key, key, 2) for key in sorted(world.objects)]
        rows = dict(enumerate(cells(project.contract, NOW)))
        counts.add(len(slices.cut({*beginnings(rows).values()}, blocks)))
        whole, pieces = (
            match(project, world.objects.values(), events, known=known, suspects=world.suspects, blocks=which)
            for which in ((), blocks)
        )
        assert sorted(map(repr, pieces.rows)) == sorted(map(repr, whole.rows))
        assert pieces.others == whole.others
    assert max(counts) > 2


def test_a_double_in_one_of_many_slices_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slices, "COSTS", {1: 0.0})
    keys = ["awards/mvp.json", "awards/mvp.json", "box/g0001.json", "pbp/g0001.json"]
    with pytest.raises(ReportError, match=r"has the object `awards/mvp\.json` twice"):
        match(project, map(held, keys), [event()], blocks=[Block(key, key, 1) for key in keys])


@pytest.mark.parametrize("seed", range(20))
def test_a_small_world_is_matched_as_plain_loops_match_it(workshop: "Workshop", seed: int):
    world = draw_small(seed)
    project = workshop.project(HEAD + "".join(one.declared() for one in world.types), now=NOW)

    told = match(
        project, world.objects.values(), world.events, known=laid_over((), world.looks), suspects=world.suspects
    )

    wanted = answer(world)
    assert {place: tuple(row[name] for name in SAID) for place, row in told.named().items()} == wanted.named
    assert {row["keys"] for row in told.named().values()} <= {1}
    assert told.counts() == {cell: (count, wanted.bytes[cell]) for cell, count in wanted.plain.items()}
    assert told.counts(here=False) == {cell: (count, 0) for cell, count in wanted.nameless.items()}
    assert told.others == sorted(world.objects.keys() - wanted.met)
