"""A lake of twelve documents and an installation that looks at it, with what others and the loop itself do to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adce_assets.demo.report_writer import write_report
from adce_assets.lake.store import StoredObject
from adce_assets.ledger.receipts import write_receipts
from adce_assets.loop import coverage, inventory
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE
from adce_assets_tests.receipts import receipt

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
REPORTED = NOW - timedelta(hours=30)
TOLD = REPORTED - timedelta(hours=1)
"""Up to when a report of that moment speaks."""
LETTERS = "abcdef"
CONTRACT = f"""
version: 1
leagues:
  hoops: {{first_season: 2022-23, season_starts: 10}}
dimensions:
  letter: {{values: [{", ".join(LETTERS)}]}}
sources:
  books:
    description: d
    league: hoops
    data_types:
      old: {{description: d, for_each: [letter], seasons: all, templates: ['old/{{letter}}.json'], min_bytes: 1}}
      new: {{description: d, for_each: [letter], seasons: all, templates: ['new/{{letter}}.json'], min_bytes: 1}}
"""
"""Two data types of six documents each, all of which have been due for long."""
ALL = [f"{folder}/{letter}.json" for folder in ("new", "old") for letter in LETTERS]


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def at(self, **later: float) -> None:
        self.now = NOW + timedelta(**later)


@dataclass(frozen=True)
class Lake:
    """An installation, its clock, and what others and the loop itself do to the lake."""

    project: Project
    clock: Clock

    def put(self, *keys: str) -> None:
        for key in keys:
            self.project.lake.put(key, b"{}")

    def delete(self, *keys: str) -> None:
        for key in keys:
            self.project.lake.delete(key)

    def receipt(self, key: str, *, at: datetime) -> None:
        """Write down that the loop has written an object."""
        name = f"{key.replace('/', '-').replace('.', '-')}-{at:%d%H%M%S%f}"
        write_receipts(
            self.project.lake, name, source="books", data_type="new", season="all", receipts=[receipt(key, at, 2)]
        )

    def report(self, *keys: str, at: datetime = REPORTED, prefix: str = "inventory-reports/") -> None:
        objects = [StoredObject(key, 2, "e", at - timedelta(days=1)) for key in keys]
        write_report(self.project.lake, objects, prefix=prefix, bucket="lake", config_id="daily", created_at=at)

    def take(self, mode: Any = None) -> dict[str, Any]:
        return inventory.take(self.project, mode=mode).document

    def cycle(self, mode: Any = None) -> tuple[dict[str, Any], dict[str, str]]:
        """Take the inventory and analyse it; return its summary, and the state of every key."""
        document = self.take(mode)
        coverage.analyse(self.project)
        rows = self.project.state.read_table(COVERAGE).to_pylist()
        return document, dict.fromkeys(ALL, "present") | {row["key"]: row["state"] for row in rows if row["key"]}

    def files(self) -> Mapping[str, bytes]:
        store = self.project.state.store
        return {found.key: store.get(found.key) for found in store.list("cache/")}


MakeLake = Callable[..., Lake]


def absent(states: Mapping[str, str]) -> dict[str, str]:
    return {key: state for key, state in states.items() if state != "present"}


def whole(moment: datetime) -> list[dict[str, Any]]:
    return [{"after": "", "until": None, "as_of": moment.isoformat()}]
