"""How states add up at every level, that equal input gives equal bytes, and what is said of objects nobody expects."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.loop.coverage_sums import STATES
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE, INVENTORY, OTHER_OBJECTS
from adce_assets_tests.loop.hoops import AS_OF, CONTRACT, GRACE, NOW, TICK, event, everything, held, present, season

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop


def counted(rows: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Count the keys of each state."""
    counted: Counter[str] = Counter()
    for row in rows:
        counted[row["state"]] += row["keys"]
    return counted


@pytest.fixture
def project(workshop: "Workshop") -> Project:
    return workshop.project(CONTRACT, now=NOW)


def test_a_perfect_lake_is_complete_with_nothing_to_do(workshop: "Workshop", project: Project):
    workshop.lay_out(project, everything(), events=season(), as_of=AS_OF)
    document, rows = workshop.cover(project)
    assert counted(rows) == {"present": 22, "unavailable": 2}
    assert [row for row in rows if row["key"] is not None and row["state"] == "present"] == []
    assert document["totals"]["completeness_pct"] == 100.0
    assert (document["totals"]["due"], document["totals"]["unavailable"]) == (22, 2)


def test_an_empty_lake_has_nothing_of_what_is_due(workshop: "Workshop", project: Project):
    workshop.lay_out(project, events=season(), as_of=AS_OF)
    document, rows = workshop.cover(project)
    assert counted(rows) == {"missing": 22, "unavailable": 2}
    assert all(row["keys"] == 1 and row["key"] for row in rows)
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
    others = Counter(row["standing"] for row in project.state.read_table(OTHER_OBJECTS).to_pylist())
    standings = ("unexpected", "unlisted", "non_data", "unclassified", "doubled")
    assert {name: document["totals"][name] for name in standings} == {name: others[name] for name in standings}
    satisfying = sum(row["found_key"] is not None for row in rows) + present(rows)
    assert document["totals"]["objects"] == satisfying + others.total()


@pytest.mark.parametrize("seed", range(3))
def test_a_row_without_a_key_stands_for_as_many_as_it_says_and_any_other_for_one(
    workshop: "Workshop", project: Project, seed: int
):
    _, rows = cover_something(workshop, project, seed)
    named = [row["key"] for row in rows if row["key"] is not None]
    assert len(set(named)) == len(named)
    assert {row["keys"] for row in rows if row["key"] is not None} == {1}
    gathered = [row for row in rows if row["key"] is None]
    plain = [row for row in gathered if row["state"] == "present"]
    cells = Counter((row["source"], row["data_type"], row["season"], row["basis"]) for row in plain)
    assert set(cells.values()) == {1}
    told = {name for row in plain for name, value in row.items() if value not in {None, ""}}
    assert told == {"source", "data_type", "season", "basis", "state", "copies", "keys"}
    nameless = {
        (row["data_type"], row["season_type"], row["state"], row["keys"]) for row in gathered if row not in plain
    }
    assert nameless == {
        ("pbp", "regular", "unknown", 40),
        ("pbp", "playoffs", "unknown", 40),
        ("box", "regular", "unknown", 40),
    }


def test_objects_and_bytes_are_those_of_the_inventory(workshop: "Workshop", project: Project):
    document, _ = cover_something(workshop, project, 7)
    told = project.state.read_json(INVENTORY)
    assert {name: document["totals"][name] for name in ("objects", "bytes")} == {
        name: told[name] for name in ("objects", "bytes")
    }
    assert told["bytes"] > told["objects"] > 0


def assert_adds_up(entry: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    sums = counted(rows)
    due = sum(sums[state] for state in ("present", "stale", "damaged", "missing", "unknown"))
    assert {state: entry[state] for state in STATES} == {state: sums[state] for state in STATES}
    assert (entry["expected"], entry["due"]) == (sums.total(), due)
    assert entry["completeness_pct"] == (100 * sums["present"] / due if due else 100.0)
    assert 0 <= entry["completeness_pct"] <= 100


def cover_something(workshop: "Workshop", project: Project, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    lay_out_something(workshop, project, seed)
    return workshop.cover(project)


def lay_out_something(workshop: "Workshop", project: Project, seed: int, *, shuffle: int = 0) -> None:
    """Lay out a lake that has something of every state, its tables in an order of their own."""
    chance = random.Random(seed)
    objects = [held(found.key, chance.choice([99, 100]), etag=str(seed)) for found in everything()]
    objects += [
        held(f"{place}/g{n:04d}.json", age=timedelta(days=90)) for place in ("old", "box") for n in (2, 5, 9, 77)
    ]
    objects += [held(key) for key in ("ml/a", "junk/a", "players/smith01.json", "totals/1999-00.json")]
    kept = {found.key: found for found in chance.sample(objects, len(objects) * 2 // 3)}
    events = [*season(), event("g0009", event_at=AS_OF - GRACE + TICK), event("g0010", event_at=NOW)]
    events += [event(None, "2021-22", season_type=kind, basis="estimate", count=40) for kind in ("regular", "playoffs")]
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
    moments = iter([NOW, NOW, NOW + TICK])
    project = workshop.project(CONTRACT, now=lambda: next(moments))
    lay_out_something(workshop, project, 7)
    (first, rows), (second, same_rows) = workshop.cover(project), workshop.cover(project)
    assert (first["generated_at"], second["generated_at"]) == (NOW.isoformat(), (NOW + TICK).isoformat())
    assert second | {"generated_at": first["generated_at"]} == first
    assert rows == same_rows


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


def test_a_contract_that_can_enumerate_nothing_is_covered_by_nothing(workshop: "Workshop"):
    head, _, tail = CONTRACT.partition("  official:")
    text = (head + tail[tail.index("  almanac:") :]).replace("{values: [mvp, roy]}", "{pattern: '[a-z]+'}")
    project = workshop.project(text, now=NOW)
    workshop.lay_out(project, [held("players/smith01.json"), held("junk")], as_of=AS_OF)
    document, rows = workshop.cover(project)
    assert rows == document["cells"] == document["sources"] == []
    assert (document["totals"]["completeness_pct"], document["totals"]["unlisted"]) == (100.0, 1)
