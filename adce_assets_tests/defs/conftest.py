"""A small installation to order: a home with its own contract, a generated lake, and the definitions over both."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest

from adce_assets.contract.loading import Contract, load_contract
from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.defs.build import build_defs
from adce_assets.demo import espn
from adce_assets.demo.source import LocalSource
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.loop.project import Project, open_project
from adce_assets.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
LAKE = "s3://lake/data"
NOW = datetime(2024, 12, 5, 12, tzinfo=UTC)
FIRST_DAY, DAYS = date(2024, 12, 1), 4
CONTRACT = """
version: 1
leagues:
  nba: {first_season: 1946-47, season_starts: 10}
  gleague: {first_season: 2001-02, season_starts: 11}
ids:
  espn_game: {pattern: '\\d{9}'}
schedules:
  espn: {league: nba, id: espn_game, documents: [{data_set: espn/schedule, format: espn_scoreboard}]}
non_data:
  readme: {prefix: README, reason: says what this is}
sources:
  espn:
    description: games
    league: nba
    schedule: espn
    owners: ['team:basketball']
    data_types:
      schedule:
        description: the games of a day
        for_each: [date]
        from_date: 2024-12-01
        templates: ['schedule/{date_compact}.json']
        scraper: espn_scoreboard
        seasons: 2022-23..
        changes: until_final
      play_by_play:
        description: what happened in a game
        for_each: [game]
        templates: ['pbp/{game_id}.json']
        scraper: espn_summary
        seasons: 2022-23..
        changes: until_final
      box_scores:
        description: who did what in a game
        for_each: [game]
        templates: ['box_scores/{game_id}.json']
        scraper: espn_summary
        seasons: 2023-24..
        changes: until_final
      team_stats:
        description: what a team did in a game
        for_each: [game]
        templates: ['team_stats/{game_id}.json']
        scraper: espn_summary
        seasons: 2023-24..
        changes: until_final
  hoopr:
    description: tables of seasons
    league: nba
    data_types:
      player_seasons:
        description: a season in one table
        templates: ['hoopr/players_{season_start}.parquet']
        seasons: 2022-23..
        required: false
      gleague_seasons:
        description: a season of another league
        templates: ['hoopr/gleague_{season_start}.csv']
        league: gleague
        seasons: 2023-24..
        required: false
      awards:
        description: every award ever given
        for_each: []
        templates: ['hoopr/awards.csv']
        seasons: all
        required: false
"""
DATA_TYPES = {"pbp": "play_by_play", "box_scores": "box_scores", "team_stats": "team_stats"}


def game(day: date, number: int) -> Game:
    return Game(
        game_id=f"4015{day.day:02d}{number:03d}",
        season_start=2024,
        season_type="regular",
        date=day,
        starts_at=datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=24),
        status=GameStatus.FINAL,
        home="BOS",
        away="NYK",
    )


GAMES = [game(FIRST_DAY + timedelta(days=day), number) for day in range(DAYS) for number in range(2)]


@dataclass(frozen=True, slots=True)
class SmallProject:
    """An installation in a folder of its own, with everything that a process needs to know in ``environment``."""

    home: Path
    environment: dict[str, str]
    games: list[Game] = field(default_factory=lambda: list(GAMES))

    @property
    def contract(self) -> Contract:
        return load_contract(load_settings(self.environment).contract_path)

    @property
    def project(self) -> Project:
        return open_project(load_settings(self.environment), self.contract)

    @property
    def lake(self) -> LakeStore:
        return open_store(self.environment["ADCE_LAKE"])

    @property
    def lake_folder(self) -> Path:
        return self.home / "lake"

    def defs(self) -> dg.Definitions:
        return build_defs(self.environment)

    def at(self, **later: float) -> "SmallProject":
        """The same installation, later."""
        moment = datetime.fromisoformat(self.environment["ADCE_AS_OF"]) + timedelta(**later)
        return SmallProject(self.home, {**self.environment, "ADCE_AS_OF": moment.isoformat()}, self.games)

    def reconcile(self, instance: dg.DagsterInstance, **run: Any) -> dg.ExecuteInProcessResult:
        job = self.defs().resolve_job_def("reconciliation_job")
        return job.execute_in_process(instance=instance, raise_on_error=False, **run)

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def process_environment(self) -> dict[str, str]:
        """What a process of Dagster's finds in its environment: this installation, and an instance of its own."""
        self.dagster_home.mkdir(exist_ok=True)
        shutil.copy(ROOT / "dagster.yaml", self.dagster_home)
        own = {"DAGSTER_HOME": str(self.dagster_home), "DAGSTER_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}
        return {"PATH": os.environ["PATH"], **self.environment, **own}

    def command(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of Dagster's, as CI and people do."""
        return subprocess.run(
            [Path(sys.executable).with_name(program), *arguments],
            env=self.process_environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def metadata(self, result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
        """What the run told of an asset, as plain values."""
        events = result.asset_materializations_for_node(asset)
        return {name: value.value for name, value in events[-1].metadata.items()}

    def fill(self, *, missing: Callable[[str], bool] = lambda _: False) -> None:
        """Write every document that the contract expects, but for the missing ones."""
        lake = self.lake
        for key, body in self._documents():
            if not missing(key):
                lake.put(key, body)

    def _documents(self) -> Iterator[tuple[str, bytes]]:
        for day in sorted({game.date for game in self.games}):
            shown = [game for game in self.games if game.date == day]
            yield f"schedule/{day:%Y%m%d}.json", json.dumps(espn.scoreboard(day, shown, 0)).encode()
        for played in self.games:
            for folder in DATA_TYPES:
                yield f"{folder}/{played.game_id}.json", json.dumps(espn.summary(played, 0)).encode()
        for year in (2022, 2023, 2024):
            yield f"hoopr/players_{year}.parquet", b"PAR1" + b"x" * 200 + b"PAR1"
        for year in (2023, 2024):
            yield f"hoopr/gleague_{year}.csv", b"name,points\n" * 20
        yield "hoopr/awards.csv", b"award,name\n" * 20


def make_project(folder: Path, lake_url: str | None = None, **environment: str) -> SmallProject:
    """Make a home with the small contract and the shipped configuration."""
    shutil.copytree(ROOT / "config", folder / "config")
    (folder / "inventory").mkdir()
    (folder / "inventory" / "data_inventory.yaml").write_text(CONTRACT)
    shutil.copy(ROOT / "inventory" / "config.yaml", folder / "inventory")
    (folder / "lake").mkdir()
    named = {
        "ADCE_HOME": str(folder),
        "ADCE_LAKE": lake_url or (folder / "lake").as_uri(),
        "ADCE_AS_OF": NOW.isoformat(),
    }
    return SmallProject(folder, named | environment)


@pytest.fixture
def small(tmp_path: Path) -> SmallProject:
    """An installation over a folder of files, its lake empty."""
    return make_project(tmp_path / "home")


@pytest.fixture
def project_at(tmp_path: Path) -> Callable[[str], SmallProject]:
    """Make an installation over the lake of a URL."""
    return lambda lake_url: make_project(tmp_path / "home", lake_url)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def source() -> Iterator[LocalSource]:
    """A stand-in for ESPN that knows the games."""
    with LocalSource(GAMES) as started:
        yield started


@pytest.fixture
def bucket(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket that the standard AWS variables lead to."""
    named = {"AWS_ENDPOINT_URL": moto_url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    for name, value in {**named, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="lake")
    yield client
    for found in client.list_objects_v2(Bucket="lake").get("Contents", []):
        client.delete_object(Bucket="lake", Key=found["Key"])
    client.delete_bucket(Bucket="lake")


@pytest.fixture
def cloud(bucket: Any, project_at: Callable[[str], Any]) -> Any:
    """The small installation over a bucket."""
    assert bucket
    return project_at(LAKE)
