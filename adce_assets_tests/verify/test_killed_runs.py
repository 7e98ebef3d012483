"""Wherever a whole run is killed, the season is as it was or published, the next run reconciles, the audit has both."""

import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from adce_assets.settings import environment_for_child
from adce_assets.verify import audit, recall, report
from adce_assets.warehouse.database import open_warehouse
from adce_assets_tests.verify.mortal_run import AFTER, BEFORE
from adce_assets_tests.verify.seeding import SEASON, Killed, Workshop, changed
from adce_assets_tests.warehouse.conftest import emptied

pytestmark = pytest.mark.usefixtures("swift")
PROJECT = Path(__file__).parent.parent.parent
LOADED = ("games",)
RUNS = "SELECT last_run_id, count(*) FROM games GROUP BY 1"
ROWS = "SELECT game_id, home_team, home_score, away_score FROM games ORDER BY game_id"
KILLED = f"verify/games/{SEASON}/killed.json"


@pytest.fixture
def season(request: pytest.FixtureRequest, tmp_path: Path) -> Workshop:
    """A season of games that was published once, by `run-1`, in the database that is asked for."""
    if request.param == "duckdb":
        return request.getfixturevalue("workshop")
    made = Workshop(tmp_path, database=emptied(request.getfixturevalue("postgresql").get_uri(), "adce_killed_test"))
    made.write()
    assert made.run("games")["published"]
    return made


def both(steps: Iterable[str], *of_postgresql: str) -> pytest.MarkDecorator:
    """Ask of each step over DuckDB, and of some over PostgreSQL."""
    cases = [*(("duckdb", step) for step in steps), *(("postgresql", step) for step in of_postgresql)]
    return pytest.mark.parametrize(("season", "step"), cases, indirect=["season"])


def kill(workshop: Workshop, step: str) -> None:
    """Run a program that dies."""
    program = [sys.executable, "-m", "adce_assets_tests.verify.mortal_run"]
    ended = subprocess.run(
        [*program, str(workshop.folder), workshop.database, "killed", step],
        env=environment_for_child({}),
        cwd=PROJECT,
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
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


@both(BEFORE, "while records are staged", "when the merge is all but over")
def test_killed_before_its_end_a_run_has_changed_nothing_and_the_next_reconciles(season: Workshop, step: str):
    before = season.rows(ROWS)
    kill(season, step)
    assert (season.rows(RUNS), season.rows(ROWS), reported(season)) == ([("run-1", 3)], before, "run-1")
    assert season.run("games", "next")["outcome"] == "reconciled"
    assert (season.rows(RUNS), season.rows(ROWS), reported(season)) == ([("next", 3)], before, "next")
    assert events(season, "killed") == [("started", "started"), ("abandoned", "no end was told")]
    assert events(season, "next") == [("started", "started"), ("ended", "reconciled")]


@both(AFTER, "when the report is to be kept")
def test_killed_before_its_report_is_kept_a_run_has_published_and_the_next_keeps_that_report(
    season: Workshop, step: str
):
    kill(season, step)
    assert (season.rows(RUNS), reported(season)) == ([("killed", 3)], "run-1")
    asked: Any = {"entity": "games", "season": SEASON, "run": None}
    with open_warehouse(season.url, read_only=True) as warehouse:
        found = recall.recalled(season.files, warehouse, **asked)
    assert (found.told["run"]["id"], found.said, found.apart) == ("killed", recall.ANEW, False)
    assert season.run("games", "next")["published"]
    assert season.files.get(KILLED) == report.text_of(found.told).encode()
    assert reported(season) == "next"
    assert events(season, "killed") == [("started", "started"), ("ended", "reconciled")]
    assert events(season, "next") == [("started", "started"), ("ended", "reconciled")]


def test_a_run_that_had_ended_and_was_killed_when_it_was_started_again_is_given_up(workshop: Workshop):
    workshop.entities = changed("games", hash=False, amounts={}, rules=())
    workshop.tampering = {"dies": lambda sql: sql.startswith('DELETE FROM "games"')}
    with pytest.raises(Killed):
        workshop.run("games", "run-1")
    workshop.tampering = {}
    assert workshop.run("games", "next")["published"]
    told = [event for event, _ in events(workshop, "run-1")]
    assert told == ["started", "ended", "started", "abandoned"]
