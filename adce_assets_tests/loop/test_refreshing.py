"""A cell that is collected anew: all that is due, whether it stands in a table one by one or not."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from adce_assets.errors import LakeError
from adce_assets.loop.refreshing import due_keys
from adce_assets_tests.loop.hoops import CONTRACT, GRACE, NOW, event, held

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

CELL = ("official", "pbp", "2023-24")


def test_all_that_is_due_is_collected_anew_the_open_keys_first(workshop: "Workshop"):
    project = workshop.project(CONTRACT, now=NOW)
    events = [
        event("g0001"),
        event("g0002"),
        event("g0003"),
        event("g0004", event_at=NOW + timedelta(days=1)),
        event("g0005", event_at=NOW - GRACE),
        event(None, basis="estimate"),
    ]
    objects = [held("pbp/g0001.json"), replace(held("pbp/g0002.json"), size=1)]
    workshop.lay_out(project, objects, events=events, as_of=NOW - timedelta(hours=1))
    workshop.cover(project)
    etag = project.lake.put("pbp/g0001.json", b"{}")
    found = due_keys(project, *CELL)
    assert [(row.key, row.state, row.etag) for row in found[:2]] == [
        ("pbp/g0002.json", "damaged", objects[1].etag),
        ("pbp/g0003.json", "missing", None),
    ]
    assert [(row.key, row.state, row.etag, row.entity) for row in found[2:]] == [
        ("pbp/g0001.json", "present", etag, "g0001"),
        ("pbp/g0005.json", "unknown", None, "g0005"),
    ]
    assert {(row.source, row.data_type, row.season, row.task_id) for row in found} == {(*CELL, "")}


def test_days_that_are_lost_are_not_asked_for_again(workshop: "Workshop"):
    contract = (
        CONTRACT
        + """
      injuries:
        description: d
        for_each: [date]
        from_date: 2023-12-01
        only_present: true
        changes: until_final
        grace_hours: 0
        templates: ['injuries/{date}.json']
"""
    )
    project = workshop.project(contract, now=NOW)
    keys = [f"injuries/{NOW - timedelta(days=ago):%Y-%m-%d}.json" for ago in (0, 1, 2)]
    workshop.lay_out(project, map(held, keys), as_of=NOW)
    workshop.cover(project)
    assert [row.key for row in due_keys(project, "almanac", "injuries", "2023-24")] == keys[:1]


def test_nothing_is_collected_anew_before_anybody_has_looked(workshop: "Workshop"):
    with pytest.raises(LakeError, match="adce reconcile"):
        due_keys(workshop.project(CONTRACT, now=NOW), *CELL)
