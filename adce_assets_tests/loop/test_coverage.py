"""What state each expected key is in, at the exact instants and sizes where it changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.errors import ContractError, LakeError
from adce_assets.lake.store import StoredObject
from adce_assets.loop.project import Project
from adce_assets.loop.ranges import Known, below
from adce_assets.loop.state import (
    COVERAGE,
    ESTIMATES,
    INVENTORY,
    MATCHED,
    OTHER_OBJECTS,
    SCHEDULE,
    UNMATCHED,
    VERDICTS,
    State,
)
from adce_assets_tests.loop.hoops import (
    AS_OF,
    CONTRACT,
    GRACE,
    NOW,
    TICK,
    event,
    everything,
    held,
    present,
    season,
    states,
)

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop


@pytest.fixture
def project(workshop: "Workshop") -> Project:
    return workshop.project(CONTRACT, now=NOW)


def test_an_absent_key_is_missing_only_once_the_inventory_must_show_it(workshop: "Workshop", project: Project):
    due_at = {
        "g0001": (AS_OF - TICK, "missing"),
        "g0002": (AS_OF, "missing"),
        "g0003": (AS_OF + TICK, "unknown"),
        "g0004": (NOW - TICK, "unknown"),
        "g0005": (NOW, "unknown"),
        "g0006": (NOW + TICK, "not_due"),
    }
    events = [event(name, event_at=due - GRACE) for name, (due, _) in due_at.items()]
    workshop.lay_out(project, events=events, as_of=AS_OF)
    _, rows = workshop.cover(project)
    assert states(rows, "pbp") == {name: state for name, (_, state) in due_at.items()}


def test_of_an_inventory_of_this_moment_what_is_due_this_moment_is_missing(workshop: "Workshop", project: Project):
    workshop.lay_out(project, events=[event(event_at=NOW - GRACE)], as_of=NOW)
    _, rows = workshop.cover(project)
    assert states(rows, "pbp") == {"g0001": "missing"}


def test_an_event_that_no_later_schedule_confirms_is_unknown(workshop: "Workshop", project: Project):
    over = AS_OF - timedelta(days=9)
    events = [
        event("g0001", event_at=over, confirmed_at=over - TICK, status="scheduled"),
        event("g0002", event_at=over, confirmed_at=over, status="scheduled"),
        event("g0003", event_at=over, confirmed_at=over),
        event("g0004", event_at=None, confirmed_at=over, status="scheduled"),
        event("g0005", event_at=NOW + GRACE, confirmed_at=over, status="scheduled"),
        event("g0006", event_at=over, confirmed_at=None, basis="estimate"),
        event("g0007", event_at=None, confirmed_at=None, basis="estimate"),
        event(None, event_at=over, confirmed_at=None, basis="estimate", count=3),
    ]
    workshop.lay_out(project, events=events, as_of=AS_OF)
    _, rows = workshop.cover(project)
    nameless = [(row["state"], row["keys"]) for row in rows if row["data_type"] == "pbp" and row["key"] is None]
    assert nameless == [("unknown", 3)]
    assert states(rows, "pbp") == {
        "g0001": "unknown",
        "g0002": "missing",
        "g0003": "missing",
        "g0004": "unknown",
        "g0005": "not_due",
        "g0006": "missing",
        "g0007": "unknown",
    }


def test_what_the_source_never_had_is_unavailable_unless_it_is_there(workshop: "Workshop", project: Project):
    workshop.lay_out(project, [held("tracking/2021-22.json")], as_of=AS_OF)
    _, rows = workshop.cover(project)
    found = {row["season"]: (row["state"], row["reason"]) for row in rows if row["data_type"] == "tracking"}
    assert (found["2021-22"], present(rows)) == (("present", ""), 1)
    assert found["2022-23"] == ("unavailable", "no cameras")
    assert found["2023-24"][0] == "missing"


WEEK = timedelta(days=7)


@pytest.mark.parametrize("fraction", [timedelta(), timedelta(microseconds=950_000)])
def test_a_document_is_stale_one_tick_after_its_freshness(workshop: "Workshop", project: Project, fraction: timedelta):
    as_of = AS_OF + fraction
    ages = {"mvp": WEEK, "roy": WEEK + TICK}
    objects = [replace(held(f"awards/{name}.json"), last_modified=as_of - age) for name, age in ages.items()]
    objects.append(replace(held("totals/2023-24.json"), last_modified=as_of - WEEK + timedelta(microseconds=1)))
    workshop.lay_out(project, objects, as_of=as_of)
    _, rows = workshop.cover(project)
    assert states(rows, "awards", ages) == {"mvp": "present", "roy": "stale"}
    found = [(row["season"], row["state"], row["keys"]) for row in rows if row["data_type"] == "totals"]
    assert sorted(found) == [("2021-22", "missing", 1), ("2022-23", "missing", 1), ("2023-24", "present", 1)]


def test_old_documents_are_stale_only_where_they_can_still_change(workshop: "Workshop", project: Project):
    workshop.lay_out(project, everything(age=timedelta(days=7000)), events=season(), as_of=AS_OF)
    _, rows = workshop.cover(project)
    by_season: dict[str, set[str]] = {}
    for row in rows:
        if row["state"] != "unavailable":
            by_season.setdefault(row["season"], set()).add(row["state"])
    assert sum(row["keys"] for row in rows) == 24
    assert by_season == {"2021-22": {"present"}, "2022-23": {"present"}, "2023-24": {"stale"}, "all": {"stale"}}


def test_an_events_document_is_stale_if_written_before_the_event_was_over(workshop: "Workshop", project: Project):
    due = AS_OF - GRACE - timedelta(days=60)
    cases = {
        "g0001": (due, -TICK, "stale"),
        "g0002": (due, timedelta(), "present"),
        "g0003": (AS_OF - GRACE, -TICK, "stale"),
        "g0004": (AS_OF - GRACE + TICK, -TICK, "present"),
        "g0005": (NOW + timedelta(days=3), -timedelta(days=9), "present"),
    }
    events = [event(name, event_at=over) for name, (over, _, _) in cases.items()]
    objects = [
        replace(held(f"pbp/{name}.json"), last_modified=over + written) for name, (over, written, _) in cases.items()
    ]
    workshop.lay_out(project, objects, events=events, as_of=AS_OF)
    _, rows = workshop.cover(project)
    assert states(rows, "pbp", cases) == {name: state for name, (_, _, state) in cases.items()}


def test_an_object_smaller_than_any_real_document_is_damaged(workshop: "Workshop", project: Project):
    workshop.lay_out(project, [held("awards/mvp.json", 99), held("awards/roy.json", 100)], as_of=AS_OF)
    _, rows = workshop.cover(project)
    assert states(rows, "awards", ["mvp", "roy"]) == {"mvp": "damaged", "roy": "present"}


def test_a_verdict_is_about_one_version_of_an_object(workshop: "Workshop", project: Project):
    objects = [held("awards/mvp.json", etag="new"), held("awards/roy.json", etag="bad")]
    verdicts = {
        ("awards/mvp.json", "bad"): "HTML where JSON was due",
        ("awards/mvp.json", "new"): None,
        ("awards/mvp.json", "new", NOW - timedelta(days=900)): "HTML where JSON was due",
        ("awards/roy.json", "bad"): "HTML where JSON was due",
        ("awards/roy.json", "older"): None,
        ("awards/gone.json", "bad"): "HTML where JSON was due",
    }
    workshop.lay_out(project, objects, verdicts=verdicts, as_of=AS_OF)
    _, rows = workshop.cover(project)
    found = {row["entity"]: (row["state"], row["reason"]) for row in rows if row["data_type"] == "awards"}
    assert found == {"mvp": ("present", ""), "roy": ("damaged", "HTML where JSON was due")}


def test_any_good_copy_satisfies_a_key_and_the_first_place_comes_first(workshop: "Workshop", project: Project):
    good, cut, early = {"size": 500}, {"size": 5}, {"age": timedelta(days=90)}
    copies: dict[str, tuple[Any, ...]] = {
        "g0001": (good, good, None),
        "g0002": (cut, good, ("present", "old", 2)),
        "g0003": (early, good, ("present", "old", 2)),
        "g0004": (cut, early, ("stale", "old", 2)),
        "g0005": (early, cut, ("stale", "pbp", 2)),
        "g0006": (cut, cut, ("damaged", "pbp", 2)),
        "g0007": (None, good, ("present", "old", 1)),
        "g0008": (None, cut, ("damaged", "old", 1)),
    }
    objects = [
        held(f"{place}/{name}.json", **given[number])
        for name, given in copies.items()
        for number, place in enumerate(("pbp", "old"))
        if given[number] is not None
    ]
    workshop.lay_out(project, objects, events=[event(name) for name in copies], as_of=AS_OF)
    document, rows = workshop.cover(project)
    found = {
        row["entity"]: (row["state"], row["found_key"].partition("/")[0], row["copies"])
        for row in rows
        if row["data_type"] == "pbp" and row["key"] is not None
    }
    assert found == {name: told for name, (_, _, told) in copies.items() if told}
    assert present(rows) == 1
    named = {row["key"] for row in rows if row["data_type"] == "pbp" and row["key"] is not None}
    assert named == {f"pbp/{name}.json" for name, (_, _, told) in copies.items() if told}
    assert (document["totals"]["doubled"], document["totals"]["unexpected"]) == (6, 0)


def test_what_an_object_is_stands_beside_the_key_it_satisfies(workshop: "Workshop", project: Project):
    found = StoredObject("old/g0001.json", 777, "v9", AS_OF - timedelta(days=3))
    workshop.lay_out(project, [found], events=[event()], as_of=AS_OF)
    _, rows = workshop.cover(project)
    (row,) = [row for row in rows if row["found_key"]]
    assert (row["key"], row["found_key"]) == ("pbp/g0001.json", "old/g0001.json")
    assert (row["size"], row["etag"], row["last_modified"]) == (777, None, AS_OF - timedelta(days=3))
    assert (row["due_at"] - row["event_at"], row["basis"], row["season_type"]) == (GRACE, "schedule", "regular")


def test_the_version_to_replace_is_that_under_the_key_itself_whatever_satisfies_it(
    workshop: "Workshop", project: Project
):
    too_early = datetime(2023, 11, 30, tzinfo=UTC)
    bad = StoredObject("pbp/g0001.json", 5, "v1", AS_OF - timedelta(days=3))
    better = StoredObject("old/g0001.json", 777, "v2", too_early)
    workshop.lay_out(project, [bad, better], events=[event()], as_of=AS_OF)
    _, rows = workshop.cover(project)
    (row,) = [row for row in rows if row["found_key"]]
    assert (row["state"], row["found_key"], row["etag"]) == ("stale", "old/g0001.json", "v1")


def test_a_closed_season_does_not_mend_what_was_written_too_early(workshop: "Workshop", project: Project):
    over = datetime(2022, 1, 15, 5, tzinfo=UTC)
    cases = {
        "g0001": (timedelta(hours=-1), "stale"),
        "g0002": (timedelta(days=-2), "stale"),
        "g0003": (timedelta(days=-2) - TICK, "present"),
        "g0004": (timedelta(), "present"),
        "g0005": (timedelta(days=900), "present"),
    }
    events = [event(name, "2021-22", event_at=over) for name in cases]
    objects = [replace(held(f"pbp/{name}.json"), last_modified=over + written) for name, (written, _) in cases.items()]
    workshop.lay_out(project, objects, events=events, as_of=AS_OF)
    _, rows = workshop.cover(project)
    assert states(rows, "pbp", cases) == {name: state for name, (_, state) in cases.items()}


def test_every_object_that_satisfies_no_key_is_named_with_what_it_is(workshop: "Workshop", project: Project):
    doubled = [held("pbp/g0001.json"), held("old/g0001.json")]
    unexpected = [held(f"pbp/g{number:04d}.json") for number in range(100, 125)]
    workshop.lay_out(project, [*doubled, *unexpected, held("junk")], events=[event()], as_of=AS_OF)
    document, _ = workshop.cover(project)
    others = project.state.read_table(OTHER_OBJECTS).to_pylist()
    assert {row["key"]: row["standing"] for row in others} == {
        "old/g0001.json": "doubled",
        "junk": "unclassified",
        **{found.key: "unexpected" for found in unexpected},
    }
    assert document["doubled"] == ["old/g0001.json"]
    assert document["unexpected"] == sorted(found.key for found in unexpected)[:20]
    assert (document["totals"]["unexpected"], document["totals"]["unclassified"]) == (25, 1)


def test_an_estimated_event_has_no_moment_before_which_a_document_is_too_early(workshop: "Workshop", project: Project):
    ended = datetime(2022, 10, 1, tzinfo=UTC)
    estimated = event("g0001", "2021-22", event_at=ended, confirmed_at=None, basis="estimate")
    found = StoredObject("pbp/g0001.json", 500, "e", ended - timedelta(hours=1))
    workshop.lay_out(project, [found], events=[estimated], as_of=AS_OF)
    _, rows = workshop.cover(project)
    assert states(rows, "pbp", ["g0001"]) == {"g0001": "present"}


@pytest.mark.parametrize("objects", [(), ("box/g0001.json",)])
def test_two_rows_that_expect_one_key_are_refused_by_its_name(
    workshop: "Workshop", project: Project, objects: tuple[str, ...]
):
    events = [event("g0002"), event("g0001"), event("g0001", "2022-23")]
    with pytest.raises(ContractError, match=r"the key `box/g0001\.json` is expected twice"):
        workshop.lay_out(project, map(held, objects), events=events, as_of=AS_OF)
    assert project.state.store.head(f"{MATCHED}.parquet") is None


@pytest.mark.parametrize("name", [MATCHED, UNMATCHED, SCHEDULE, ESTIMATES, VERDICTS])
def test_without_an_inventory_the_remedy_is_named(workshop: "Workshop", project: Project, name: str):
    workshop.lay_out(project, as_of=AS_OF)
    project.state.store.delete(f"{name}.parquet")
    with pytest.raises(LakeError, match="adce reconcile"):
        workshop.cover(project)
    assert project.state.store.head(f"{COVERAGE}.json") is None


def test_without_the_summary_of_an_inventory_the_remedy_is_named(workshop: "Workshop", project: Project):
    workshop.lay_out(project, as_of=AS_OF)
    project.state.store.delete(f"{INVENTORY}.json")
    with pytest.raises(LakeError, match="adce reconcile"):
        workshop.cover(project)


def test_the_inventory_of_another_contract_is_not_judged_by_this_one(workshop: "Workshop", project: Project):
    other = workshop.project(CONTRACT.replace("min_bytes: 50", "").replace("no cameras", "no eyes"), now=NOW)
    workshop.lay_out(project, as_of=AS_OF)
    changed = replace(other, state=State(project.state.store))
    with pytest.raises(LakeError, match=r"(?s)another contract.*adce reconcile"):
        workshop.cover(changed)


def test_keys_where_nobody_has_looked_are_unknown_and_those_beside_them_are_not(workshop: "Workshop", project: Project):
    events = [event("g0001"), event("g0002")]
    known = [Known(below("box/"), AS_OF), Known(below("tracking/"), AS_OF)]
    workshop.lay_out(project, [held("box/g0001.json")], events=events, known=known)
    _, rows = workshop.cover(project)
    found = {row["entity"]: row["state"] for row in rows if row["data_type"] == "box" and row["key"]}
    assert (found, present(rows)) == ({"g0002": "missing"}, 1)
    assert states(rows, "pbp") == {"g0001": "unknown", "g0002": "unknown"}
    assert {row["reason"] for row in rows if row["data_type"] == "pbp"} == {
        "nobody has looked in this part of the lake"
    }
    assert {row["state"] for row in rows if row["data_type"] == "totals"} == {"unknown"}
    assert {row["season"]: row["state"] for row in rows if row["data_type"] == "tracking"} == {
        "2021-22": "unavailable",
        "2022-23": "unavailable",
        "2023-24": "missing",
    }


def test_each_key_is_judged_by_the_last_look_at_its_own_part_of_the_lake(workshop: "Workshop", project: Project):
    due = AS_OF + timedelta(hours=5)
    events = [event(name, event_at=due - GRACE) for name in ("g0001", "g0002")]
    known = [
        Known(below("box/"), AS_OF),
        Known(below("old/"), NOW),
        Known(below("pbp/g0001"), due - TICK),
        Known(below("pbp/g0002"), due),
    ]
    workshop.lay_out(project, events=events, known=known)
    _, rows = workshop.cover(project)
    assert states(rows, "pbp") == {"g0001": "unknown", "g0002": "missing"}
    assert states(rows, "box") == {"g0001": "unknown", "g0002": "unknown"}
    assert {row["reason"] for row in rows if row["state"] == "unknown" and row["data_type"] in {"pbp", "box"}} == {
        "due since this part of the lake was looked at"
    }


@pytest.mark.parametrize(
    ("older_place", "state"),
    [(None, "unknown"), (AS_OF, "unknown"), (NOW, "missing")],
    ids=["never", "before", "since"],
)
def test_a_key_is_missing_only_when_all_of_its_places_were_looked_at_since_it_was_due(
    workshop: "Workshop", project: Project, older_place: datetime | None, state: str
):
    known = [Known(below("pbp/"), NOW)] + ([] if older_place is None else [Known(below("old/"), older_place)])
    known.sort(key=lambda entry: entry.range.after)
    workshop.lay_out(project, events=[event(event_at=NOW - GRACE - TICK)], known=known)
    _, rows = workshop.cover(project)
    assert states(rows, "pbp") == {"g0001": state}


def test_a_document_is_stale_by_the_look_that_saw_it(workshop: "Workshop", project: Project):
    looked = {"mvp": AS_OF, "roy": AS_OF + TICK}
    known = [Known(below(f"awards/{name}"), at) for name, at in looked.items()]
    objects = [replace(held(f"awards/{name}.json"), last_modified=AS_OF - WEEK) for name in looked]
    workshop.lay_out(project, objects, known=known)
    _, rows = workshop.cover(project)
    assert states(rows, "awards", looked) == {"mvp": "present", "roy": "stale"}
