"""One small installation that has something of everything that a shipped metric measures, and how it was made.

What a metric should find is counted from the lists here, in plain Python, never by ADCE. The lake has the documents
of eight games in two seasons, of which some are missing, one is damaged and one is stale; the ledger has the stories
of a few keys; the folder of the project has programs, documents and a git history of its own.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.demo import espn
from adce_assets.dims.world import World
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.transitions import Event
from adce_assets.loop.project import open_project
from adce_assets.loop.reconciling import reconcile
from adce_assets.settings import Settings, load_settings
from adce_assets.verify import report
from adce_assets_tests.shipped import ROOT

NOW = datetime(2024, 12, 5, 12, tzinfo=UTC)
LOOKED = NOW - timedelta(minutes=90)
"""When the lake was looked at."""
CONTRACT = """
version: 1
leagues:
  nba: {first_season: 1946-47, season_starts: 10}
ids:
  espn_game: {pattern: '\\d{9}'}
schedules:
  espn: {league: nba, id: espn_game, documents: [{data_set: espn/schedule, format: espn_scoreboard}]}
non_data:
  backups: {prefix: backups/, reason: copies}
sources:
  espn:
    description: games
    league: nba
    schedule: espn
    data_types:
      schedule:
        description: the games of a season
        for_each: [season]
        templates: ['schedule/{season}.json']
        seasons: 2023-24..
        freshness_days: 1000
      play_by_play:
        description: something of a game
        for_each: [game]
        templates: ['pbp/{game_id}.json']
        scraper: espn_summary
        seasons: 2023-24..
        changes: until_final
        minutes_per_file: 3
      box_scores:
        description: something else of a game
        for_each: [game]
        templates: ['box_scores/{game_id}.json']
        scraper: espn_summary
        seasons: 2023-24..
        changes: until_final
        minutes_per_file: 3
  hoopr:
    description: tables of seasons
    league: nba
    data_types:
      players:
        description: a season in one table
        templates: ['hoopr_parquet/players_{season_start}.csv']
        seasons: 2022-23..
        required: false
      draft:
        description: what there is of one season alone
        templates: ['hoopr_parquet/draft_{season_start}.csv']
        seasons: 2023-24..
        required: false
        absent: [{seasons: 2023-24, reason: nobody kept it}]
"""
DAYS = {2023: date(2024, 3, 1), 2024: date(2024, 12, 3)}
"""On which day the games of a season are, by the year it begins in."""
GAMES = [
    Game(
        game_id=f"4015{year % 100}{number:03d}",
        season_start=year,
        season_type="regular",
        date=day,
        starts_at=datetime(day.year, day.month, day.day, 23, tzinfo=UTC),
        status=GameStatus.FINAL,
        home=f"H{number}",
        away=f"A{number}",
    )
    for year, day in DAYS.items()
    for number in range(4)
]
MISSING = ("pbp/401524000.json", "box_scores/401524000.json", "box_scores/401523001.json")
DAMAGED = "pbp/401523003.json"
"""One that breaks off."""
TABLE = "hoopr_parquet/players_2023.csv"
"""It is damaged too: nothing but zeros."""
STALE = "box_scores/401524002.json"
HOLES = {DAMAGED: 700 << 20, TABLE: 1500 << 20, "backups/a.zip": 5 << 30}
"""Bytes that take no place on the disk."""
OF_DATA_TYPE = {"schedule": "schedule/", "play_by_play": "pbp/", "box_scores": "box_scores/"}


@dataclass(frozen=True)
class Held:
    """An object of the lake: what it is, when it was written, and how long the hole before its last byte is."""

    key: str
    body: bytes
    at: datetime
    hole: int = 0

    @property
    def size(self) -> int:
        return len(self.body) + self.hole

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(self.body[:-1])
            file.seek(self.hole, os.SEEK_CUR)
            file.write(self.body[-1:])
        os.utime(path, (self.at.timestamp(), self.at.timestamp()))


def objects() -> Iterator[Held]:
    """List what the lake holds."""
    for year, day in DAYS.items():
        games = [game for game in GAMES if game.season_start == year]
        yield Held(
            f"schedule/{year}-{year % 100 + 1}.json", json.dumps(espn.scoreboard(day, games, 0)).encode(), _ago(1)
        )
    for number, game in enumerate(GAMES):
        for folder in ("pbp", "box_scores"):
            key, padding = f"{folder}/{game.game_id}.json", "x" * (200 + 300 * number)
            body = json.dumps({"id": game.game_id, "padding": padding}).encode()
            body = body[:-1] if key == DAMAGED else body
            if key not in MISSING:
                yield Held(key, body, _ago(10 if key == STALE else 0.5 + number / 100), HOLES.get(key, 0))
    yield Held(TABLE, b"name,points\n" * 100, _ago(200), HOLES[TABLE])
    yield Held("backups/a.zip", b"PK", _ago(2), HOLES["backups/a.zip"])
    yield Held("stray/thing.bin", b"?" * 5000, _ago(3))


def _ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


FILES: Mapping[str, str] = {
    **{
        f"scripts/ml/{name}": "line\n" * lines
        for lines, name in enumerate(
            (
                "fetch_upcoming_games.py",
                "fetch_recent_player_data.py",
                "prepare_upcoming_game_features.py",
                "predict_upcoming_games.py",
                "train_model_for_predictions.py",
                "demo_predictions.py",
                "daily_predictions.sh",
            ),
            start=3,
        )
    },
    "scripts/phase_9_one.py": "a\nb",
    "scripts/deep/phase_9/two.py": "",
    "src/plus_minus.py": "1\n2\n3\n",
    "sql/plus_minus.sql": "1\n2\n",
    "sql/master_schema.sql": "1\n2\n3\n4\n",
    "sql/dims_schema.sql": "1\n",
    "docs/plus_minus.md": "1\n2\n3\n4\n5\n",
    "docs/workflows/one.md": "# One\n",
    "docs/how/workflows/two/two.md": "# Two\n",
    "docs/picture.svg": "<svg/>" * 40_000,
    "tests/test_one.py": "",
    "tests/deep/test_two.py": "",
    ".hidden/test_three.py": "",
    "FILE_INVENTORY.md": "# Files\n### one.py\ntext\n### two.py\n#### deeper\n ### no\n",
}
"""The folder of the project, beside what belongs to ADCE itself."""
LOCAL: Mapping[str, int] = {"data/espn/a.json": 3 << 30, "archives/b.zip": 20 << 30, "temp/c/d.csv": 640 << 20}
"""Bytes of files of this machine; that they are sparse, no metric sees."""
COMMITS = (
    ("2025-09-30T23:59:59Z", "rec_001: too early"),
    ("2025-10-01T00:00:00Z", "rec_002: first"),
    ("2025-11-05T12:00:00Z", "mend"),
    ("2025-11-06T12:00:00Z", "more\n\nas rec_017 says"),
)
STORIES: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = (
    ("closed/a", (("detected", 50), *((event, 21) for event in ("leased", "promoted", "seen")), ("closed", 20))),
    ("closed/b", (("detected", 240), *((event, 193) for event in ("leased", "promoted", "seen")), ("closed", 192))),
    ("closed/c", (("detected", 294), *((event, 289) for event in ("leased", "promoted", "seen")), ("closed", 288))),
    (
        "closed/old",
        (("detected", 2400), *((event, 1600) for event in ("leased", "promoted", "seen")), ("closed", 1500)),
    ),
    ("dead/a", (("detected", 480), ("leased", 6), ("failed", 5), ("dead_lettered", 4))),
    (
        "again/a",
        (("detected", 500), *((event, 490) for event in ("leased", "promoted", "seen", "closed")), ("reopened", 150)),
    ),
    ("gone/a", (("detected", 480), ("tombstoned", 100))),
    ("at_work/a", (("detected", 216), ("leased", 1))),
    ("at_work/b", (("detected", 100), ("leased", 1), ("fetched", 0.5))),
    ("unseen/a", (("detected", 96), ("leased", 3), ("promoted", 2))),
)
"""What happened to keys, each so many hours ago."""
REPORTS = (("games", "2023-24", 12, 12, 30), ("games", "2024-25", 12, 9, 3.5), ("player_box", "2024-25", 6, 5, 20))
"""Reports of comparisons: of what, checks, those that held, and hours since."""
MISSED = {
    "task_queue_sensor": 4,
    "completion_sensor": 0,
    "inventory_report_sensor": 11,
    "reconciliation_schedule": 2,
    "canary_schedule": 1,
    "dims_schedule": 5,
}


def settings_of(home: Path, clock: Any, **changes: Any) -> Settings:
    """Read the settings of a home whose clock is handed in."""
    read = load_settings({"ADCE_HOME": str(home), "ADCE_LAKE": (home / "lake").as_uri()})
    return replace(read, clock=clock, **changes)


def make_world(home: Path) -> World:
    """Make all of it, and hand out what can be measured of it at `NOW`."""
    _write_home(home)
    _write_project(home)
    moment = [LOOKED]
    settings = settings_of(home, lambda: moment[0], secrets={"RDS_DATABASE_URL": f"sqlite:///{home}/rds.db"}.get)
    project = open_project(settings)
    reconcile(project, ["espn_summary"])
    project.ledger.append(_transitions())
    for told in REPORTS:
        report.write(project.state.store, _report(*told))
    _make_databases(home)
    moment[0] = NOW
    return World(project, home, lambda _, name, since: MISSED[name] if since in _SINCE[name] else -1)


_SINCE = {name: {NOW - timedelta(days=3 if name == "canary_schedule" else 1)} for name in MISSED}


def _write_home(home: Path) -> None:
    (home / "config").mkdir(parents=True)
    for name in ("reconciliation_config.yaml", "autonomous_config.yaml"):
        (home / "config" / name).write_text((ROOT / "config" / name).read_text())
    (home / "inventory").mkdir()
    (home / "inventory" / "data_inventory.yaml").write_text(CONTRACT)
    (home / "inventory" / "config.yaml").write_text(all_profiles())
    for held in objects():
        held.write(home / "lake" / held.key)


def all_profiles() -> str:
    """Return the shipped definitions with all profiles switched on."""
    text = (ROOT / "inventory" / "config.yaml").read_text()
    return re.sub(r"^(  \w+): off\b", r"\1: on", text, flags=re.MULTILINE)


def _write_project(home: Path) -> None:
    for name, text in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    os.utime(home / "FILE_INVENTORY.md", (_ago(12.3).timestamp(), _ago(12.3).timestamp()))
    for name, size in LOCAL.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        with (home / name).open("wb") as file:
            file.truncate(size)
    for held in objects():
        if held.key.startswith("pbp/"):
            held.write(home / "data" / held.key)
    (home / "data/pbp/401523000.json").unlink()
    _commit(home)


def _commit(home: Path) -> None:
    said = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": os.devnull}
    said |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "PATH": os.environ["PATH"]}
    git = shutil.which("git")
    assert git
    subprocess.run([git, "init", "-q", str(home)], env=said, check=True)
    for at, message in COMMITS:
        times = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
        command = [git, "-C", str(home), "commit", "-q", "--allow-empty", "-m", message]
        subprocess.run(command, env=said | times, check=True)


def _transitions() -> list[Transition]:
    told = [
        Transition(
            key, Event(event), "espn", "play_by_play", "2024-25", NOW - timedelta(hours=hours), "run", "task", {}
        )
        for key, story in STORIES
        for event, hours in story
    ]
    return sorted(told, key=lambda one: one.at)


def _report(entity: str, season: str, checks: int, passed: int, hours: float) -> dict[str, Any]:
    totals = {"checks": checks, "passed": passed, "failed": checks - passed, "failed_errors": checks - passed}
    told = {
        "schema": 1,
        "entity": entity,
        "season": season,
        "outcome": "reconciled" if checks == passed else "failed",
        "totals": totals,
    }
    at = (NOW - timedelta(hours=hours)).isoformat()
    run = {
        "id": f"{entity}-{season}",
        "started_at": at,
        "finished_at": at,
        "settles_at": None,
        "audit": f"1:{'0' * 64}",
        "cut": None,
        "merged": {},
        "workers": [],
        "checks": [],
    }
    return {**told, "digest": report.digest_of(told), "run": run}


def _make_databases(home: Path) -> None:
    import duckdb

    with sqlite3.connect(home / "rds.db") as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    os.truncate(home / "rds.db", 3 << 30)
    with duckdb.connect(str(home / ".adce" / "warehouse.duckdb")) as warehouse:
        warehouse.execute("CREATE TABLE t AS SELECT range AS x FROM range(300000)")
