"""The canary: a gap that nobody fills is told as far as it came, and one canary never meets what another has left."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from adce_assets.autonomous import AutonomousConfig
from adce_assets.errors import FetchError
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.transitions import Event
from adce_assets.loop import canary
from adce_assets.loop.project import Project
from adce_assets.loop.state import CANARY
from adce_assets.loop.tasks import TaskKey

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

START = datetime(2100, 1, 1, tzinfo=UTC)
"""After every time that a file of a test has, so that no object is newer than the moment at which it is looked at."""
KEY = "canary/2100-01-01.json"
LAKE_CONTRACT = """
version: 1
leagues:
  nba: {first_season: 2021-22, season_starts: 10}
sources:
  espn: {description: games, league: nba, data_types: {boards: {description: d, templates: ['boards/{season}.json']}}}
"""


class Clock:
    """A clock that goes on by a second each time it is read."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def installation(workshop: "Workshop", *, limit: float = 15) -> Project:
    project = workshop.project(LAKE_CONTRACT, now=Clock())
    autonomous = AutonomousConfig.model_validate({"canary": {"limit_minutes": limit}})
    return replace(project, settings=replace(project.settings, autonomous=autonomous))


def writes(project: Project, keys: Sequence[TaskKey]) -> None:
    """Collect as a stranger does: an object, and not a word to the ledger."""
    for key in keys:
        project.lake.put(key.key, b'{"day": "2100-01-01"}')


def refuses(project: Project, keys: Sequence[TaskKey]) -> None:  # noqa: ARG001 - as `Collect` has it
    raise FetchError("nobody answers", where="127.0.0.1")


def ignores(project: Project, keys: Sequence[TaskKey]) -> None:
    """Collect nothing."""


def test_a_canary_of_another_machine_finds_no_fault_in_the_ledger_of_this_one(
    workshop: "Workshop", caplog: pytest.LogCaptureFixture
):
    project = installation(workshop)
    assert canary.send(project, writes).is_alive
    for left in project.settings.work_folder.glob(f"{canary.DATABASE}*"):
        left.unlink()
    assert canary.send(project, writes).is_alive
    assert [told.message for told in caplog.records if told.levelname == "ERROR"] == []


def test_a_gap_made_up_is_found_planned_filled_and_closed_and_only_the_shadow_hears_of_it(workshop: "Workshop"):
    project = installation(workshop)
    sent = canary.send(project, writes, run="run-1")
    steps = dict(sent.steps)
    assert sent.is_alive
    assert list(steps) == [Event.DETECTED, Event.PLANNED, Event.SEEN, Event.CLOSED]
    told = project.state.read_json(CANARY)
    assert (told["key"], told["alive"], told["fault"]) == (KEY, True, None)
    assert told["seconds"] == (steps[Event.CLOSED] - steps[Event.DETECTED]).total_seconds() > 0
    assert project.ledger.state(KEY) is None
    assert {found.key.startswith(f"{canary.LAKE}/") for found in project.lake.list()} == {True}
    assert canary.LAKE.startswith(project.outside_the_lake[0])


def test_a_gap_that_was_not_closed_is_told_as_far_as_it_came_and_is_a_new_one_the_next_time(workshop: "Workshop"):
    project = installation(workshop)
    sent = canary.send(project, ignores)
    assert not sent.is_alive
    assert "not closed; it came as far as planned; allowed: 15 minutes" in sent.says
    with canary.shadow(project, START) as shadow:
        wish = Wish(KEY, canary.SOURCE, canary.DATA_TYPE, "all")
        assert shadow.ledger.claim([wish], run="dead", until=START + timedelta(days=1), now=START) == [KEY]
    assert canary.send(project, writes).is_alive
    after = canary.send(project, refuses)
    assert not after.is_alive
    assert "it came as far as planned: 127.0.0.1: nobody answers" in after.says
    assert dict(after.steps)[Event.DETECTED] > after.sent_at
    assert project.state.read_json(CANARY)["fault"] == "127.0.0.1: nobody answers"


def test_a_gap_that_is_closed_too_late_is_no_sign_of_life():
    minutes = timedelta(minutes=1)
    sent = canary.Canary(KEY, START, 15 * minutes, 15 * minutes, (), "")
    assert sent.is_alive
    assert not replace(sent, took=16 * minutes).is_alive
    assert not replace(sent, fault="the lake is gone").is_alive


def test_a_ledger_that_cannot_be_reached_is_told(workshop: "Workshop"):
    project = installation(workshop)
    broken = replace(project.settings, configured_database="sqlite:////dev/null/ledger.sqlite")
    sent = canary.send(replace(project, settings=broken), writes)
    assert not sent.is_alive
    assert "it came as far as no step: " in sent.says


def test_a_ledger_that_takes_no_entries_is_told_though_it_can_be_read(workshop: "Workshop"):
    """A database that is read-only, or whose disk is full, refuses each write."""
    project = installation(workshop)
    assert project.ledger.head().seq == 0
    with closing(sqlite3.connect(project.settings.database_url.removeprefix("sqlite:///"))) as database:
        database.execute(
            "CREATE TRIGGER frozen BEFORE UPDATE ON ledger_head BEGIN SELECT RAISE(ABORT, 'read-only'); END"
        )
    sent = canary.send(project, writes)
    assert not sent.is_alive
    assert "it came as far as no step: " in sent.says
    assert "read-only" in sent.says
    assert project.ledger.head().seq == 0


def test_a_loop_for_which_nobody_watches_is_not_alive_though_its_canary_came_around(workshop: "Workshop"):
    project = installation(workshop)
    sent = canary.send(project, writes, asleep=["the sensor `x` is switched off: switch it on"])
    told = project.state.read_json(CANARY)
    assert (sent.is_alive, sent.fault, told["alive"]) == (False, "", False)
    assert dict(sent.steps)[Event.CLOSED]
    assert told["says"].endswith(
        "allowed: 15 minutes; nobody watches: the sensor `x` is switched off: switch it on; "
        "when that is mended, `adce canary` tells whether the loop lives"
    )
