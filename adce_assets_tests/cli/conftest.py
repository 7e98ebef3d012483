"""A small installation for the command line: two seasons of a few games, a source that knows them, known gaps."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adce_assets.cli.main import main
from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.demo import espn
from adce_assets.demo.source import LocalSource, Trouble

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2024, 12, 5, 12, tzinfo=UTC)
DAYS = {"2024-25": date(2024, 12, 3), "2023-24": date(2024, 3, 1)}
CONTRACT = """
version: 1
leagues:
  nba: {first_season: 1946-47, season_starts: 10}
ids:
  espn_game: {pattern: '\\d{9}'}
schedules:
  espn: {league: nba, id: espn_game, documents: [{data_set: espn/days, format: espn_scoreboard}]}
sources:
  espn:
    description: games
    league: nba
    schedule: espn
    data_types:
      days:
        description: the games of two seasons
        for_each: [season]
        templates: ['days/{season}.json']
        seasons: 2023-24..
        freshness_days: 1000
{of_a_game}
  hoopr:
    description: tables of seasons
    league: nba
    data_types:
      players:
        description: a season in one table
        templates: ['hoopr/players_{season_start}.csv']
        seasons: 2023-24..
        required: false
"""
DATA_TYPE = """
      {name}:
        description: something of a game
        for_each: [game]
        templates: ['{folder}/{{game_id}}.json']
        scraper: espn_summary
        seasons: 2023-24..
        changes: until_final
"""
OF_A_GAME = {"pbp": "play_by_play", "box_scores": "box_scores", "team_stats": "team_stats"}


def _game(season: str, number: int) -> Game:
    day = DAYS[season]
    return Game(
        game_id=f"4015{season[2:4]}{number:03d}",
        season_start=int(season[:4]),
        season_type="regular",
        date=day,
        starts_at=datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=24),
        status=GameStatus.FINAL,
        home=f"H{number}",
        away=f"A{number}",
    )


GAMES = [_game(season, number) for season in DAYS for number in range(4)]
MISSING = ("pbp/401524000.json", "box_scores/401524000.json", "team_stats/401523001.json")
"""Keys that the lake lacks: two of one recent game, one of the season before."""


@dataclass(frozen=True)
class Installation:
    """A home with a lake, and the command line on it."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    def adce(self, *arguments: str, **variables: str) -> Result:
        """Run a command; stdout and stderr are kept apart."""
        unset = dict.fromkeys((name for name in os.environ if name.startswith(("ADCE_", "AWS_", "DAGSTER_"))), None)
        return CliRunner(env=unset | self.variables | variables).invoke(main, arguments)

    def json(self, *arguments: str, **variables: str) -> dict[str, Any]:
        """Run a command that succeeds, and read what it wrote to stdout."""
        result = self.adce(*arguments, "--json", **variables)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def state_of(self, name: str) -> dict[str, Any]:
        return json.loads((self.home / "inventory" / name).read_text())


def make_installation(home: Path) -> Installation:
    shutil.copytree(ROOT / "config", home / "config")
    (home / "inventory").mkdir()
    (home / "inventory" / "data_inventory.yaml").write_text(_contract())
    shutil.copy(ROOT / "inventory" / "config.yaml", home / "inventory")
    for key, body in _documents():
        if key not in MISSING:
            path = home / "lake" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
    variables = {
        "ADCE_HOME": str(home),
        "ADCE_LAKE": (home / "lake").as_uri(),
        "ADCE_AS_OF": NOW.isoformat(),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    return Installation(home, variables)


def _contract() -> str:
    parts = [DATA_TYPE.format(name=name, folder=folder) for folder, name in OF_A_GAME.items()]
    return CONTRACT.replace("{of_a_game}", "".join(parts))


def _documents() -> Iterator[tuple[str, bytes]]:
    for season, day in DAYS.items():
        games = [game for game in GAMES if game.date == day]
        yield f"days/{season}.json", json.dumps(espn.scoreboard(day, games, 0)).encode()
    for game in GAMES:
        for folder in OF_A_GAME:
            yield f"{folder}/{game.game_id}.json", json.dumps(espn.summary(game, 0)).encode()
    yield "hoopr/players_2023.csv", b"name,points\n" * 20


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """An installation that nothing has run on yet."""
    return make_installation(tmp_path / "home")


@pytest.fixture(scope="module")
def reconciled(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation after its first reconciliation, for commands that change nothing."""
    return _reconciled(tmp_path_factory.mktemp("reconciled") / "home")


def _reconciled(home: Path) -> Installation:
    made = make_installation(home)
    result = made.adce("reconcile")
    assert result.exit_code == 0, result.stderr
    return made


@dataclass(frozen=True)
class _Kept:
    """An installation as it was after its first reconciliation, and a copy of all its files."""

    made: Installation
    copy: Path

    def keep(self) -> "_Kept":
        shutil.copytree(self.made.home, self.copy, copy_function=self._copied)
        return self

    def restored(self) -> Installation:
        """Put every file back in its place."""
        shutil.rmtree(self.made.home)
        shutil.copytree(self.copy, self.made.home, copy_function=self._copied)
        return self.made

    def _copied(self, source: str, copy: str) -> None:
        """Copy what tests and databases change in place; link the rest, for a version of an object is one inode."""
        inside = Path(source).parts
        of_objects = "lake" in inside or ("inventory" in inside and not source.endswith(".yaml"))
        (os.link if of_objects else shutil.copy2)(source, copy)


@pytest.fixture(scope="session")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> _Kept:
    folder = tmp_path_factory.mktemp("kept")
    return _Kept(_reconciled(folder / "home"), folder / "copy").keep()


@pytest.fixture
def gaps_known(_kept: _Kept) -> Iterator[Installation]:
    """An installation after its first reconciliation, of the test's own: it is put back as it was for the next one.

    What lies in its lake and in its state is replaced, never written into, as the program itself does it.
    """
    before = {path: path.stat().st_mtime_ns for path in _kept.copy.rglob("*")}
    yield _kept.restored()
    assert {path: path.stat().st_mtime_ns for path in _kept.copy.rglob("*")} == before


@pytest.fixture
def source() -> Iterator[Callable[..., str]]:
    """Start a stand-in for the source, with troubles by game id; it ends with the test."""
    started: list[LocalSource] = []

    def start(**troubles: Trouble) -> str:
        made = LocalSource(GAMES, troubles={name.removeprefix("game_"): trouble for name, trouble in troubles.items()})
        started.append(made.__enter__())
        return made.url

    yield start
    for made in started:
        made.__exit__(None, None, None)
