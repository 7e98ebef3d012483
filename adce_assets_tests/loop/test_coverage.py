"""What state each expected key is in, at the exact instants and sizes where it changes, and how states add up."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.contract.events import Event
from adce_assets.errors import ContractError, LakeError
from adce_assets.lake.store import StoredObject
from adce_assets.loop.coverage import STATES
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE, INVENTORY, SCHEDULE, VERDICTS

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
AS_OF = NOW - timedelta(hours=20)
TICK = timedelta(microseconds=1)
GRACE = timedelta(hours=12)
CONTRACT = r"""
version: 1
leagues:
  hoops: {first_season: 2021-22, season_starts: 10}
ids:
  game: {pattern: 'g\d{4}'}
schedules:
  games: {league: hoops, id: game}
dimensions:
  award: {values: [mvp, roy]}
  player: {pattern: '[a-z]+\d\d'}
non_data:
  models: {prefix: ml/, reason: trained models}
sources:
  official:
    description: d
    league: hoops
    schedule: games
    data_types:
      pbp: {description: d, for_each: [game], templates: ['pbp/{game_id}.json', 'old/{game_id}.json'], changes: until_final}
      box: {description: d, for_each: [game], templates: ['box/{game_id}.json'], required: false, season_types: [regular]}
      totals: {description: d, templates: ['totals/{season}.json']}
      tracking: {description: d, templates: ['tracking/{season}.json'], absent: [{seasons: ..2022-23, reason: no cameras}]}
  almanac:
    description: d
    league: hoops
    data_types:
      awards: {description: d, for_each: [award], seasons: all, templates: ['awards/{award}.json'], changes: always}
      players: {description: d, for_each: [player], seasons: all, templates: ['players/{player}.json']}
"""


@pytest.fixture
def project(workshop: "Workshop") -> Project:
    return workshop.project(CONTRACT, now=NOW)


def event(game_id: str | None = "g0001", season: str = "2023-24", **changes: Any) -> Event:
    event_at = changes.get("event_at", datetime(2023, 12, 1, tzinfo=UTC))
    values = {
        "schedule": "games",
        "season_type": "regular",
        "day": None,
        "event_at": event_at,
        "status": "final",
        "confirmed_at": event_at,
        "basis": "schedule",
    }
    return Event(game_id=game_id, season=season, **(values | changes))


def held(key: str, size: int = 500, *, age: timedelta = timedelta(hours=1), etag: str = "e") -> StoredObject:
    return StoredObject(key, size, etag, AS_OF - age)


def states(rows: Iterable[Mapping[str, Any]], data_type: str) -> dict[str, str]:
    return {row["entity"]: row["state"] for row in rows if row["data_type"] == data_type}


def everything(*, age: timedelta = timedelta(hours=1)) -> list[StoredObject]:
    """List what a perfect lake holds of this contract and the events of `season`."""
    games = [f"{place}/g{number:04d}.json" for place in ("pbp", "box") for number in range(1, 9)]
    seasons = [f"totals/{label}.json" for label in ("2021-22", "2022-23", "2023-24")]
    return [held(key, age=age) for key in [*games, *seasons, "tracking/2023-24.json", "awards/mvp.json", "awards/roy.json"]]


def season() -> list[Event]:
    labels = ["2021-22", "2022-23", "2023-24", "2023-24"]
    return [event(f"g{number:04d}", labels[number % 4]) for number in range(1, 9)]


def test_a_perfect_lake_is_complete_with_nothing_to_do(workshop: "Workshop", project: Project):
    workshop.lay_out(project, everything(), events=season(), as_of=AS_OF)
    document, rows = workshop.cover(project)
    assert Counter(row["state"] for row in rows) == {"present": 22, "unavailable": 2}
    assert document["totals"]["completeness_pct"] == 100.0
    assert (document["totals"]["due"], document["totals"]["unavailable"]) == (22, 2)


def test_an_empty_lake_has_nothing_of_what_is_due(workshop: "Workshop", project: Project):
    workshop.lay_out(project, events=season(), as_of=AS_OF)
    document, rows = workshop.cover(project)
    assert Counter(row["state"] for row in rows) == {"missing": 22, "unavailable": 2}
    assert document["totals"]["completeness_pct"] == 0.0
    assert document["totals"]["objects"] == document["totals"]["bytes"] == 0


def test_junk_changes_nothing_but_the_count_of_what_nobody_expects(workshop: "Workshop", project: Project):
    half = everything()[::2]
    workshop.lay_out(project, half, events=season(), as_of=AS_OF)
    clean, rows = workshop.cover(project)
    junk = {
        "unclassified": ["a", "pbp/", "pbp/g0001.json.bak", "PBP/g0001.json", "totals/2023-25.json", "pbp//g0001.json"],
        "unexpected": ["pbp/g9999.json", "totals/1999-00.json", "old/g9998.json"],
        "unlisted": ["players/smith01.json"],
        "non_data": ["ml/pbp/g0001.json"],
    }
    objects = [*half, *(held(key) for names in junk.values() for key in names)]
    workshop.lay_out(project, objects, events=season(), as_of=AS_OF)

    document, with_junk = workshop.cover(project)

    assert with_junk == rows
    assert {name: document["totals"][name] for name in junk} == {name: len(names) for name, names in junk.items()}
    assert {name: document[name] for name in ("unexpected", "unclassified")} == {
        name: sorted(junk[name]) for name in ("unexpected", "unclassified")
    }
    without = {name: clean["totals"][name] for name in clean["totals"].keys() - junk - {"objects", "bytes"}}
    assert {name: document["totals"][name] for name in without} == without
    assert (document["sources"], document["cells"]) == (clean["sources"], clean["cells"])


@pytest.mark.parametrize("seed", range(3))
def test_states_sum_up_at_every_level_by_one_formula(workshop: "Workshop", project: Project, seed: int):
    document, rows = cover_something(workshop, project, seed)
    levels = {
        "cells": ("source", "data_type", "season"),
        "data_types": ("source", "data_type"),
        "sources": ("source",),
    }
    for level, by in levels.items():
        told = {tuple(entry[name] for name in by): entry for entry in document[level]}
        assert len(told) == len(document[level])
        for place, entry in told.items():
            assert_adds_up(entry, [row for row in rows if tuple(row[name] for name in by) == place])
        assert {tuple(row[name] for name in by) for row in rows} <= told.keys()
    assert_adds_up(document["totals"], rows)
    assert document["totals"]["doubled"] == sum(max(row["copies"] - 1, 0) for row in rows)
    counted = ("unexpected", "unlisted", "non_data", "unclassified", "doubled")
    satisfying = sum(row["found_key"] is not None for row in rows)
    assert document["totals"]["objects"] == satisfying + sum(document["totals"][name] for name in counted)


def assert_adds_up(entry: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    counted = Counter(row["state"] for row in rows)
    due = sum(counted[state] for state in ("present", "stale", "damaged", "missing", "unknown"))
    assert {state: entry[state] for state in STATES} == {state: counted[state] for state in STATES}
    assert (entry["expected"], entry["due"]) == (len(rows), due)
    assert entry["completeness_pct"] == (100 * counted["present"] / due if due else 100.0)
    assert 0 <= entry["completeness_pct"] <= 100


def cover_something(workshop: "Workshop", project: Project, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    lay_out_something(workshop, project, seed)
    return workshop.cover(project)


def lay_out_something(workshop: "Workshop", project: Project, seed: int, *, shuffle: int = 0) -> None:
    """Lay out a lake that has something of every state, its tables in an order of their own."""
    chance = random.Random(seed)
    objects = [held(found.key, chance.choice([99, 100]), etag=str(seed)) for found in everything()]
    objects += [held(f"{place}/g{n:04d}.json", age=timedelta(days=90)) for place in ("old", "box") for n in (2, 5, 9, 77)]
    objects += [held(key) for key in ("ml/a", "junk/a", "players/smith01.json", "totals/1999-00.json")]
    kept = {found.key: found for found in chance.sample(objects, len(objects) * 2 // 3)}
    events = [*season(), event("g0009", event_at=AS_OF - GRACE + TICK), event("g0010", event_at=NOW)]
    events += [event(None, "2021-22", season_type=kind, basis="estimate") for kind in ("regular", "playoffs") * 40]
    mixed = random.Random(shuffle)
    workshop.lay_out(
        project,
        mixed.sample(list(kept.values()), len(kept)),
        events=mixed.sample(events, len(events)),
        verdicts={("pbp/g0003.json", str(seed)): "HTML where JSON was due"},
        as_of=AS_OF,
    )


def test_equal_input_gives_the_same_bytes_in_whatever_order_it_comes(workshop: "Workshop", project: Project):
    written = []
    for shuffle in (0, 0, 1, 2):
        lay_out_something(workshop, project, 7, shuffle=shuffle)
        workshop.cover(project)
        written.append([project.state.store.get(f"{COVERAGE}.{suffix}") for suffix in ("json", "parquet")])
    assert written == [written[0]] * 4


def test_a_moving_clock_changes_the_time_of_writing_alone(workshop: "Workshop"):
    moments = iter([NOW, NOW + TICK])
    project = workshop.project(CONTRACT, now=lambda: next(moments))
    lay_out_something(workshop, project, 7)
    (first, rows), (second, same_rows) = workshop.cover(project), workshop.cover(project)
    assert (first["generated_at"], second["generated_at"]) == (NOW.isoformat(), (NOW + TICK).isoformat())
    assert second | {"generated_at": first["generated_at"]} == first
    assert rows == same_rows


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
        event(None, event_at=over, confirmed_at=None, basis="estimate"),
    ]
    workshop.lay_out(project, events=events, as_of=AS_OF)
    _, rows = workshop.cover(project)
    assert [row["state"] for row in rows if row["data_type"] == "pbp" and row["entity"] is None] == ["unknown"]
    assert {name: state for name, state in states(rows, "pbp").items() if name} == {
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
    assert found["2021-22"] == ("present", "")
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
    assert states(rows, "awards") == {"mvp": "present", "roy": "stale"}
    assert [row["state"] for row in rows if row["found_key"] == "totals/2023-24.json"] == ["present"]


def test_old_documents_are_stale_only_where_they_can_still_change(workshop: "Workshop", project: Project):
    workshop.lay_out(project, everything(age=timedelta(days=7000)), events=season(), as_of=AS_OF)
    _, rows = workshop.cover(project)
    by_season: dict[str, set[str]] = {}
    for row in rows:
        if row["state"] != "unavailable":
            by_season.setdefault(row["season"], set()).add(row["state"])
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
    assert states(rows, "pbp") == {name: state for name, (_, _, state) in cases.items()}


def test_an_object_smaller_than_any_real_document_is_damaged(workshop: "Workshop", project: Project):
    workshop.lay_out(project, [held("awards/mvp.json", 99), held("awards/roy.json", 100)], as_of=AS_OF)
    _, rows = workshop.cover(project)
    assert states(rows, "awards") == {"mvp": "damaged", "roy": "present"}


def test_a_verdict_is_about_one_version_of_an_object(workshop: "Workshop", project: Project):
    objects = [held("awards/mvp.json", etag="new"), held("awards/roy.json", etag="bad")]
    verdicts = {
        ("awards/mvp.json", "bad"): "HTML where JSON was due",
        ("awards/mvp.json", "new"): None,
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
    copies = {
        "g0001": (good, good, ("present", "pbp", 2)),
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
        if row["data_type"] == "pbp"
    }
    assert found == {name: told for name, (_, _, told) in copies.items()}
    assert {row["key"] for row in rows if row["data_type"] == "pbp"} == {f"pbp/{name}.json" for name in copies}
    assert (document["totals"]["doubled"], document["totals"]["unexpected"]) == (6, 0)


def test_what_an_object_is_stands_beside_the_key_it_satisfies(workshop: "Workshop", project: Project):
    found = StoredObject("old/g0001.json", 777, "v9", AS_OF - timedelta(days=3))
    workshop.lay_out(project, [found], events=[event()], as_of=AS_OF)
    _, rows = workshop.cover(project)
    (row,) = [row for row in rows if row["found_key"]]
    assert (row["key"], row["found_key"]) == ("pbp/g0001.json", "old/g0001.json")
    assert (row["size"], row["etag"], row["last_modified"]) == (777, "v9", AS_OF - timedelta(days=3))
    assert (row["due_at"] - row["event_at"], row["basis"], row["season_type"]) == (GRACE, "schedule", "regular")


def test_cells_say_on_what_they_rest_and_how_old_they_are(workshop: "Workshop", project: Project):
    events = [event("g0001", "2021-22"), event("g0002", "2022-23", basis="estimate"), event("g0003", "2022-23")]
    workshop.lay_out(project, events=events, as_of=AS_OF)
    document, _ = workshop.cover(project)
    cells = {(cell["data_type"], cell["season"]): (cell["basis"], cell["age_class"]) for cell in document["cells"]}
    assert {key: cells[key] for key in cells if key[0] in {"pbp", "totals", "awards"}} == {
        ("pbp", "2021-22"): ("schedule", "history"),
        ("pbp", "2022-23"): ("estimate", "previous"),
        ("pbp", "2023-24"): ("schedule", "current"),
        ("totals", "2021-22"): ("contract", "history"),
        ("totals", "2022-23"): ("contract", "previous"),
        ("totals", "2023-24"): ("contract", "current"),
        ("awards", "all"): ("contract", "whole"),
    }


def test_objects_of_an_estimated_season_are_not_called_unexpected(workshop: "Workshop", project: Project):
    events = [event("g0001", "2021-22", basis="estimate"), event("g0002", "2022-23")]
    objects = [held("box/g0001.json"), held("box/g0077.json"), held("totals/1999-00.json")]
    workshop.lay_out(project, objects, events=events, as_of=AS_OF)
    document, _ = workshop.cover(project)
    assert (document["totals"]["unlisted"], document["totals"]["unexpected"]) == (1, 1)
    assert document["unexpected"] == ["totals/1999-00.json"]


def test_data_sets_that_nobody_can_enumerate_are_named(workshop: "Workshop", project: Project):
    workshop.lay_out(project, as_of=AS_OF)
    document, _ = workshop.cover(project)
    assert document["not_enumerable"] == ["almanac/players"]


def test_only_the_first_of_many_unexpected_keys_are_named_but_all_are_counted(workshop: "Workshop", project: Project):
    objects = [held(f"junk/{number:03d}") for number in range(50)] + [held(f"pbp/g{n:04d}.json") for n in range(30)]
    workshop.lay_out(project, objects, as_of=AS_OF)
    document, _ = workshop.cover(project)
    assert (document["totals"]["unclassified"], document["totals"]["unexpected"]) == (50, 30)
    assert document["unclassified"] == [f"junk/{number:03d}" for number in range(20)]
    assert document["unexpected"] == [f"pbp/g{number:04d}.json" for number in range(20)]


def test_two_rows_that_expect_one_key_are_refused_by_its_name(workshop: "Workshop", project: Project):
    workshop.lay_out(project, events=[event("g0002"), event("g0001"), event("g0001", "2022-23")], as_of=AS_OF)
    with pytest.raises(ContractError, match=r"2 rows of `official/box` expect the key `box/g0001\.json`"):
        workshop.cover(project)
    assert not project.state.has(COVERAGE)


@pytest.mark.parametrize("name", [INVENTORY, SCHEDULE, VERDICTS])
def test_without_an_inventory_the_remedy_is_named(workshop: "Workshop", project: Project, name: str):
    workshop.lay_out(project, as_of=AS_OF)
    project.state.store.delete(f"{name}.parquet")
    with pytest.raises(LakeError, match="adce reconcile"):
        workshop.cover(project)


def test_a_contract_that_can_enumerate_nothing_is_covered_by_nothing(workshop: "Workshop"):
    head, _, tail = CONTRACT.partition("  official:")
    text = head + tail[tail.index("  almanac:") :].replace("      awards:", "      players2:").replace("[award]", "[player]")
    text = text.replace("awards/{award}", "a/{player}").replace("documents", "d")
    project = workshop.project(text, now=NOW)
    workshop.lay_out(project, [held("players/smith01.json"), held("junk")], as_of=AS_OF)
    document, rows = workshop.cover(project)
    assert rows == document["cells"] == document["sources"] == []
    assert (document["totals"]["completeness_pct"], document["totals"]["unlisted"]) == (100.0, 1)
