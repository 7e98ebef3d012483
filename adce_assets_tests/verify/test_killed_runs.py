"""Wherever a whole run is killed, the season is as it was or published, the next run reconciles, the audit has both."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adce_assets.settings import environment_for_child
from adce_assets.verify import audit, report
from adce_assets.warehouse.database import open_warehouse
from adce_assets_tests.verify.seeding import SEASON, Killed, Workshop, changed, in_this_process

PROJECT = Path(__file__).parent.parent.parent
RUNS = "SELECT last_run_id, COUNT(*) FROM games GROUP BY 1"


@pytest.fixture(autouse=True)
def _swift() -> Iterator[None]:
    with in_this_process():
        yield


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """A season of games that was published once."""
    made = Workshop(tmp_path)
    made.write()
    assert made.run("games", "first")["published"]
    return made


def kill(workshop: Workshop, at: str) -> None:
    """Run a program that dies; its parser is a process of its own, as always."""
    program = [sys.executable, "-m", "adce_assets_tests.verify.mortal_run", str(workshop.folder), "killed", at]
    ended = subprocess.run(
        program, env=environment_for_child({}), cwd=PROJECT, check=False, timeout=120, capture_output=True, text=True
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def events(workshop: Workshop, run: str) -> list[tuple[str, str]]:
    """List what the audit, which has to fit together, tells of a run besides its checks."""
    with open_warehouse(workshop.url) as warehouse, warehouse.transaction() as connection:
        entries = list(audit.entries(connection))
        assert not audit.verify(entries, audit.head(connection))
    return [(one.event, one.state) for one in entries if one.run == run and one.event not in {"check", "worker"}]


def reported(workshop: Workshop) -> str:
    return report.read(workshop.files, report.latest_key("games", SEASON))["run"]["id"]


def test_killed_while_it_is_checked_a_season_stays_as_it_was(workshop: Workshop):
    kill(workshop, "checking")
    assert workshop.rows(RUNS) == [("first", 3)]
    assert workshop.run("games", "next")["published"]
    assert workshop.rows(RUNS) == [("next", 3)]
    assert events(workshop, "killed") == [("started", "started"), ("abandoned", "no end was told")]
    assert events(workshop, "next") == [("started", "started"), ("ended", "reconciled")]


def test_killed_before_its_report_is_kept_a_season_is_published_and_the_audit_says_so(workshop: Workshop):
    kill(workshop, "reporting")
    assert workshop.rows(RUNS) == [("killed", 3)]
    assert events(workshop, "killed") == [("started", "started"), ("ended", "reconciled")]
    assert reported(workshop) == "first"
    assert workshop.run("games", "next")["published"]
    assert reported(workshop) == "next"
    assert events(workshop, "next") == [("started", "started"), ("ended", "reconciled")]


def test_a_run_that_had_ended_and_was_killed_when_it_was_started_again_is_given_up(workshop: Workshop):
    workshop.entities = changed("games", hash=False, amounts={}, rules=())
    workshop.tampering = {"dies": lambda sql: sql.startswith('DELETE FROM "games"')}
    with pytest.raises(Killed):
        workshop.run("games", "first")
    workshop.tampering = {}
    assert workshop.run("games", "next")["published"]
    told = [event for event, _ in events(workshop, "first")]
    assert told == ["started", "ended", "started", "abandoned"]
