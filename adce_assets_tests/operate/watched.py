"""An installation in which all is well, to make exactly one thing wrong in it."""

import json
import shutil
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from adce_assets.loop.reconciling import reconcile
from adce_assets.operate import watching
from adce_assets.operate.causes import Cause
from adce_assets.operate.doctor import Installation
from adce_assets.operate.outside import Outside
from adce_assets.settings import Settings, load_settings
from adce_assets_tests.cli.conftest import NOW, ROOT, make_installation

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WELL = Outside(
    at=NOW,
    beats=dict.fromkeys(("SENSOR", "QUEUED_RUN_COORDINATOR"), NOW - MINUTE / 2),
    last_cycle=NOW - 10 * MINUTE,
    on_since=dict.fromkeys(("reconciliation_schedule", "canary_schedule"), NOW - 100 * HOUR),
    missed={"task_queue_sensor": 3},
    ended=100,
    failed=3,
)
"""What Dagster's records say where all is well."""
CANARY = {"schema": 1, "generated_at": NOW.isoformat(), "sent_at": (NOW - HOUR).isoformat(), "alive": True, "says": "-"}


@dataclass
class Watched:
    """An installation that was reconciled, and what Dagster says of it."""

    home: Path
    variables: dict[str, str]
    outside: Outside = WELL
    changed: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        settings = load_settings(self.variables)
        return replace(settings, **self.changed)

    @property
    def installation(self) -> Installation:
        return Installation(lambda: self.settings)

    def causes(self) -> list[Cause]:
        """Find what is wrong; each test that makes something wrong sees too that it is said what to do about it."""
        found = watching.causes(self.installation, self.outside, NOW)
        assert all(cause.code in watching.CODES and cause.what and cause.hint for cause in found), found
        return found

    def found(self) -> set[tuple[str, str]]:
        """Name what is wrong: codes and subjects."""
        return {(cause.code, cause.subject) for cause in self.causes()}

    def say(self, **outside: Any) -> None:
        """Let Dagster's records say something else."""
        self.outside = replace(self.outside, **outside)

    def configure(self, section: str, **values: Any) -> None:
        path = self.home / "config" / "autonomous_config.yaml"
        document = yaml.safe_load(path.read_text())
        document[section] |= values
        path.write_text(yaml.safe_dump(document))

    def change(self, name: str, **members: Any) -> None:
        """Change members of a file of the loop."""
        path = self.home / "inventory" / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | members))


HOST = {"base_url": "https://example.org", "requests_per_second": 1, "burst": 1}
SCRAPERS = {
    "contact": "https://example.org/adce",
    "hosts": dict.fromkeys(("one", "two", "three"), HOST),
    "scrapers": {
        "espn_summary": {
            "kind": "json_api",
            "host": "one",
            "path": "/{game_id}.json",
            "yields": {"espn/play_by_play": {}, "espn/box_scores": {}, "espn/team_stats": {}},
        }
    },
}
"""A catalogue that is loaded faster than the shipped one."""


def reconciled(home: Path) -> Path:
    """Make an installation, reconcile once, and send a canary that lives."""
    made = make_installation(home)
    shutil.copy(ROOT / "dagster.yaml", home)
    shutil.rmtree(home / "config" / "scrapers")
    (home / "config" / "scraper_config.yaml").write_text(json.dumps(SCRAPERS))
    project = Installation(lambda: load_settings(made.variables)).project
    reconcile(project, {"espn_summary"}, mode="list")
    (home / "inventory" / "cache" / "canary.json").write_text(json.dumps(CANARY))
    # The databases are made by the first look: those of the copies are there.
    assert watching.causes(Installation(lambda: load_settings(made.variables)), WELL, NOW) == []
    return home


def copied(home: Path, to: Path) -> Watched:
    """Copy an installation, to be changed."""
    shutil.copytree(home, to)
    variables = {"ADCE_HOME": str(to), "ADCE_LAKE": (to / "lake").as_uri(), "ADCE_AS_OF": NOW.isoformat()}
    return Watched(to, variables)
