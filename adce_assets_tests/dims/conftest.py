"""A history in each of the two databases, empty, and a small project whose metrics are the numbers in a file."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from adce_assets.dims import accepted, verification
from adce_assets.dims.history import History, open_history
from adce_assets.dims.kinds.project import Document
from adce_assets.dims.metrics import Value, Verdict
from adce_assets.dims.place import Place, open_place
from adce_assets.dims.verification import Verification, verify
from adce_assets.dims.world import World
from adce_assets.errors import MetricError
from adce_assets.loop.project import Project
from adce_assets_tests.dims.measuring import bare

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
NUMBERS = "numbers.json"
FIRST: Mapping[str, Value] = {"objects": 100, "size": 10.5, "sync": "in_sync", "lines": 40, "games": 20}
CONTRACT = """
version: 1
leagues: {nba: {first_season: 1946-47, season_starts: 7}}
sources:
  espn:
    description: games
    league: nba
    data_types: {schedule: {description: a season, templates: ['schedule/{season}.json']}}
"""


def declared(name: str, **more: Any) -> dict[str, Any]:
    """Declare a metric that is a number of the file."""
    measured = {"kind": "document", "file": NUMBERS, "path": name}
    return {"measure": measured, "unit": name, "nature": "volatile", "ttl_minutes": 0, "description": name, **more}


CONFIG: Mapping[str, Any] = {
    "version": 1,
    "retention": {"days": 10, "snapshots": 3},
    "events": {
        "git_post_commit": {"refresh": ["code"]},
        "scraper_complete": {"refresh": ["lake.*"], "cooldown_seconds": 600},
        "monthly_audit": {"refresh": ["*"], "update": False},
    },
    "metrics": {
        "lake": {
            "objects": declared("objects", critical=True),
            "size": declared("size", ttl_minutes=55),
            "sync": declared("sync", nature="stable", critical=True),
        },
        "code": {
            "lines": declared("lines", nature="stable"),
            "games": declared("games", season_months=[10, 11, 12, 1, 2, 3, 4, 5, 6]),
        },
    },
}

TABLES = "runs, measurements, events, snapshots, proposals, approvals, alembic_version"


@pytest.fixture(params=["sqlite", "postgresql"])
def history_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new history is to be kept."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/metrics.sqlite"
    return emptied(request.getfixturevalue("postgresql").get_uri())


def emptied(url: str) -> str:
    """Take a history out of a PostgreSQL, and return its URL."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {', '.join(f'dims_{table}' for table in TABLES.split(', '))}")
    return url


@pytest.fixture
def open_one() -> Iterator[Callable[[str], History]]:
    """Open histories, which are closed when the test is over."""
    opened = []

    def make(url: str) -> History:
        opened.append(open_history(url))
        return opened[-1]

    yield make
    for history in opened:
        history.dispose()


@pytest.fixture
def history(open_one: Callable[[str], History], history_url: str) -> History:
    """An empty history."""
    return open_one(history_url)


@dataclass
class Site:
    """A small project, what its metrics find, and a clock that is set by hand."""

    project: Project
    place: Place
    now: datetime = NOON

    def say(self, **numbers: Value | None) -> None:
        """Let the metrics find these numbers, and those of before where nothing is said; None takes one away."""
        path = self.project.settings.home / NUMBERS
        told = {**(json.loads(path.read_text()) if path.exists() else {}), **numbers}
        path.write_text(json.dumps({name: value for name, value in told.items() if value is not None}))

    def after(self, **passed: float) -> None:
        """Let time pass."""
        self.now += timedelta(**passed)

    def configure(self, **changes: Any) -> Place:
        """Write other definitions, and open them."""
        path = self.project.settings.metrics_config_path
        path.write_text(json.dumps({**CONFIG, **changes}))
        self.place.dispose()
        self.place = open_place(self.project)
        return self.place

    def verify(self, *categories: str, **options: Any) -> Verification:
        """Verify, and accept what may be accepted."""
        told: dict[str, Any] = {"update": True, "by": "ann", "trigger": "cli", **options}
        return verify(self.place, metrics=self.place.catalogue.select(categories), **told)

    def verdicts(self, *categories: str, **options: Any) -> dict[str, Verdict]:
        """Verify, and return the verdict of each metric."""
        return {one.measurement.metric: one for one in self.verify(*categories, **options).verdicts}

    def holds(self) -> dict[str, Value]:
        """Return what the file of the accepted values says."""
        return {metric: one.value for metric, one in accepted.load(self.project.state).items()}


def opened(workshop: "Workshop", database_url: str | None) -> Site:
    """Make a project with metrics over a database."""
    told: list[Site] = []
    project = workshop.project(CONTRACT, now=lambda: told[0].now if told else NOON)
    project = replace(project, settings=replace(project.settings, configured_database=database_url))
    path = project.settings.metrics_config_path
    path.write_text(json.dumps(CONFIG))
    told.append(Site(project, open_place(project)))
    told[0].say(**FIRST)
    return told[0]


def found(world: World, document: Document) -> Value:
    """Measure a number of the file, as the kind does that the definitions name, without a process of its own."""
    told = json.loads((world.root / document.file).read_text())
    if document.path not in told:
        raise MetricError("nothing was found", where=document.path)
    return told[document.path]


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in this process."""
    monkeypatch.setattr(verification, "measure", found)


@pytest.fixture
def site(workshop: "Workshop", history_url: str, swift: None) -> Iterator[Site]:  # noqa: ARG001 - it is enough that it is there
    """A project whose metrics were never measured, over each of the databases."""
    made = opened(workshop, history_url)
    yield made
    made.place.dispose()


@pytest.fixture
def small_site(workshop: "Workshop", swift: None) -> Iterator[Site]:  # noqa: ARG001 - it is enough that it is there
    """The same over SQLite alone, for what no database decides."""
    made = opened(workshop, None)
    yield made
    made.place.dispose()


@pytest.fixture
def place(site: Site) -> Place:
    """The metrics of a small project."""
    return site.place


@pytest.fixture(scope="module")
def bare_world(workshop: "Workshop") -> World:
    """A world without a lake to speak of, for tests that only look at it."""
    return bare(workshop)


@pytest.fixture
def world(bare_world: World, tmp_path: Path) -> World:
    """A world whose folder is empty."""
    root = tmp_path / "root"
    root.mkdir()
    return replace(bare_world, root=root)
