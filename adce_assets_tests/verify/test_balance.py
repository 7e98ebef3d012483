"""Counts of a load, one of them wrong: which check says so, and of which object."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.verify.balance import NUMBERS, Counted, Tally, balance
from adce_assets.verify.checks import Cell, Check, Level, Severity
from adce_assets.warehouse.rules_config import SetAside

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
CELL = Cell("player_box", "2024-25", NOW)


def tally(worker: str = "w1", key: str = "box/1.json", read: int = 26, **numbers: int) -> Tally:
    errored, deduplicated, rejected = (numbers.get(name, 0) for name in ("errored", "deduplicated", "rejected"))
    processed = numbers.get("processed", read - errored - deduplicated)
    staged = numbers.get("staged", processed - rejected)
    return Tally(worker, "espn", key, read, processed, errored, deduplicated, staged, rejected)


def sound(tallies: Iterable[Tally]) -> Counted:
    """What all places say when the workers are right."""
    told = list(tallies)
    refused = {
        (one.worker, one.object_key, kind): getattr(one, kind)
        for one in told
        for kind in ("errored", "deduplicated", "rejected")
        if getattr(one, kind)
    }
    return Counted(
        source={"espn": {one.object_key: one.read for one in told}},
        tallies=told,
        staged={(one.worker, one.object_key): one.staged for one in told if one.staged},
        refused=refused,
        run={name: sum(getattr(one, name) for one in told) for name in NUMBERS},
        final={"espn": sum(one.staged for one in told)},
        aside={(key, kind): many for (_, key, kind), many in refused.items()},
    )


SOUND = sound(
    [
        tally("w1", "box/1.json", 26),
        tally("w2", "box/2.json", 25, errored=1),
        tally("w1", "box/3.json", 27, deduplicated=2, rejected=1),
        tally("w3", "box/4.json", 0),
    ]
)


ALLOWED = {kind: SetAside(severity="warning") for kind in ("errored", "rejected")}


def failures(counted: Counted) -> list[Check]:
    """What fails, but for the warning that records could not be read."""
    return [one for one in balance(CELL, counted, ALLOWED) if not one.passed and one.severity is Severity.ERROR]


def objects(check: Check) -> list[str]:
    return [json.loads(row.key).get("OBJECT_KEY", "") for row in check.rows]


def test_what_is_accounted_for_passes_with_every_worker_asked():
    checks = balance(CELL, SOUND, {})
    assert not failures(SOUND)
    assert {one.worker for one in checks} == {"", "w1", "w2", "w3"}
    assert {one.level for one in checks} == set(Level)


def changed(**numbers: Any) -> Counted:
    """The first tally says something else; what it is held against is as it was."""
    return replace(SOUND, tallies=[replace(SOUND.tallies[0], **numbers), *SOUND.tallies[1:]])


@pytest.mark.parametrize(
    ("counted", "levels", "key"),
    [
        pytest.param(
            replace(sound([*SOUND.tallies[:2], *SOUND.tallies[3:]]), source=SOUND.source),
            {Level.SOURCE_READ, Level.SOURCE_FINAL},
            "box/3.json",
            id="a lost object",
        ),
        pytest.param(
            replace(sound([tally(read=25), *SOUND.tallies[1:]]), source=SOUND.source),
            {Level.SOURCE_READ, Level.SOURCE_FINAL},
            "box/1.json",
            id="a reader that skips one and counts itself right",
        ),
        pytest.param(
            replace(sound([tally(), *SOUND.tallies]), source=SOUND.source),
            {Level.SOURCE_READ, Level.STAGED_FINAL, Level.SOURCE_FINAL},
            "box/1.json",
            id="an object that was read twice",
        ),
        pytest.param(changed(read=27), {Level.SOURCE_READ, Level.READ_PROCESSED}, "box/1.json", id="read, miscounted"),
        pytest.param(
            changed(processed=25),
            {Level.READ_PROCESSED, Level.PROCESSED_STAGED},
            "box/1.json",
            id="processed, miscounted",
        ),
        pytest.param(changed(staged=25), {Level.PROCESSED_STAGED}, "box/1.json", id="staged, miscounted"),
        pytest.param(
            changed(errored=1, processed=25, staged=25), {Level.READ_PROCESSED}, "box/1.json", id="an error unwritten"
        ),
        pytest.param(
            replace(SOUND, staged={**SOUND.staged, ("w2", "box/2.json"): 12}),
            {Level.PROCESSED_STAGED, Level.STAGED_FINAL},
            "box/2.json",
            id="a lost batch",
        ),
        pytest.param(
            replace(SOUND, staged={**SOUND.staged, ("w2", "box/2.json"): 48}),
            {Level.PROCESSED_STAGED, Level.STAGED_FINAL},
            "box/2.json",
            id="a doubled batch",
        ),
        pytest.param(
            replace(SOUND, staged={**SOUND.staged, ("w9", "box/1.json"): 26}),
            {Level.PROCESSED_STAGED, Level.STAGED_FINAL},
            "box/1.json",
            id="rows of a worker that nobody has heard of",
        ),
        pytest.param(
            replace(SOUND, source={"espn": {**SOUND.source["espn"], "box/1.json": -1}}),
            {Level.SOURCE_READ, Level.SOURCE_FINAL},
            "box/1.json",
            id="a document that cannot be counted",
        ),
    ],
)
def test_a_defect_is_found_at_its_level_and_its_object_is_named(counted: Counted, levels: set[Level], key: str):
    found = failures(counted)
    assert levels <= {one.level for one in found}
    assert key in {name for one in found for name in objects(one)}


def test_two_errors_of_one_record_that_cancel_out_are_both_found():
    first, second, *rest = SOUND.tallies
    swapped = [replace(first, read=first.read + 1), replace(second, read=second.read - 1), *rest]
    (check,) = [one for one in failures(replace(SOUND, tallies=swapped)) if one.level is Level.SOURCE_READ]
    assert check.discrepancy == "0"
    assert objects(check) == ["box/1.json", "box/2.json"]


def test_an_empty_document_that_nobody_read_is_not_accounted_for():
    found = failures(replace(SOUND, tallies=SOUND.tallies[:3]))
    assert ["box/4.json"] in [objects(one) for one in found]


def test_a_rows_that_the_merge_loses_is_found():
    levels = {one.level for one in failures(replace(SOUND, final={"espn": SOUND.final["espn"] - 1}))}
    assert levels == {Level.STAGED_FINAL, Level.SOURCE_FINAL}


def test_sums_that_are_not_the_runs_are_found():
    (check,) = failures(replace(SOUND, run={**SOUND.run, "staged": 1}))
    assert check.name == "sums over workers = the run's"
    assert [row.column for row in check.rows] == ["staged"]


def test_records_that_are_set_aside_are_warnings_and_no_errors():
    errored, rejected, repeated = (one for one in balance(CELL, SOUND, ALLOWED) if one.severity is Severity.WARNING)
    assert (errored.actual, objects(errored)) == ("1", ["box/2.json"])
    assert (rejected.actual, objects(rejected)) == ("1", ["box/3.json"])
    assert not errored.stops
    assert repeated.passed


@pytest.mark.parametrize(("most", "failing"), [(0, ["no record errored"]), (1, [])])
def test_more_records_set_aside_than_are_allowed_are_an_error(most: int, failing: list[str]):
    allowed = {**ALLOWED, "errored": SetAside(most=most)}
    assert [one.name for one in balance(CELL, SOUND, allowed) if one.stops] == failing


def test_a_document_that_is_none_is_an_error_whatever_is_allowed():
    unread = replace(SOUND, aside={("box/2.json", "unreadable"): 1})
    assert [(one.name, objects(one)) for one in failures(unread)] == [("no record unreadable", ["box/2.json"])]


@given(st.permutations(["w1", "w2", "w3", "w4"]))
@settings(max_examples=10)
def test_what_is_told_of_every_worker_does_not_depend_on_who_did_what(workers: list[str]):
    told = [tally(workers[0], "box/1.json"), tally(workers[1], "box/2.json")]
    moved = replace(sound(told), staged={(workers[2], "box/1.json"): 26, (workers[3], "box/2.json"): 25})
    checks = [one for one in balance(CELL, moved, ALLOWED) if not one.worker]
    (failing,) = [one for one in checks if not one.passed and "every worker" in one.name]
    assert [(row.key, row.expected, row.actual) for row in failing.rows] == [
        ('{"OBJECT_KEY":"box/1.json"}', "26", "26"),
        ('{"OBJECT_KEY":"box/2.json"}', "26", "25"),
    ]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1),
    st.sampled_from(NUMBERS),
    st.integers(1, 3),
)
def test_any_number_that_is_changed_alone_is_found(shapes: list[tuple[int, int, int, int]], name: str, by: int):
    told = [
        tally(
            f"w{place % 3}",
            f"{place}",
            kept + errored + doubled + rejected,
            errored=errored,
            deduplicated=doubled,
            rejected=rejected,
        )
        for place, (kept, errored, doubled, rejected) in enumerate(shapes)
    ]
    counted = sound(told)
    assert not failures(counted)
    wrong = replace(told[-1], **{name: getattr(told[-1], name) + by})
    assert failures(replace(counted, tallies=[*told[:-1], wrong]))
