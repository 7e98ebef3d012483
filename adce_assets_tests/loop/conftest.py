"""A small contract, and coverage files as the analysis writes them, made without it."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from adce_assets.autonomous import AutonomousConfig
from adce_assets.configuration import ReconciliationConfig
from adce_assets.contract.loading import Contract, load_contract
from adce_assets.lake.store import open_store
from adce_assets.loop import gaps, tasks
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE, State
from adce_assets.settings import Settings
from adce_assets_tests.loop import lakes

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
AS_OF = "2025-01-15T11:00:00+00:00"
STATES = ("present", "stale", "damaged", "missing", "unknown", "not_due", "unavailable")
CONTRACT = """
version: 1
leagues:
  nba: {first_season: 1946-47, season_starts: 7}
ids:
  espn_game: {pattern: '\\d{9}'}
schedules:
  espn:
    league: nba
    id: espn_game
    documents: [{data_set: espn/scoreboard, format: espn_scoreboard}]
  nba:
    league: nba
    id: espn_game
    documents:
      - {data_set: nba_api/schedule, format: nba_schedule}
      - {data_set: nba_api/schedule_mirror, format: nba_schedule}
dimensions:
  award: {values: [mvp, roy]}
sources:
  espn:
    description: games
    league: nba
    schedule: espn
    data_types:
      scoreboard:
        description: the games of a day
        templates: ['scoreboard/{date}.json']
        for_each: [date]
        from_date: 1993-11-01
        scraper: espn_scoreboard
      play_by_play:
        description: what happened in a game
        templates: ['pbp/{game_id}.json', 'espn_play_by_play/{game_id}.json']
        for_each: [game]
        scraper: espn_summary
        minutes_per_file: 0.1
      box_score:
        description: who did what in a game
        templates: ['box/{game_id}.json']
        for_each: [game]
        scraper: espn_summary
      odds:
        description: what was bet on a game
        templates: ['odds/{game_id}.json']
        for_each: [game]
        required: false
        scraper: espn_odds
  nba_api:
    description: seasons
    league: nba
    schedule: nba
    data_types:
      schedule: {description: a season, templates: ['nba/{season}.json'], scraper: nba_schedule}
      schedule_mirror: {description: copy, templates: ['nba2/{season}.json'], required: false, scraper: nba_schedule}
      tracking: {description: optional, templates: ['tracking/{season}.json'], required: false, scraper: nba_tracking}
      awards: {description: '', templates: ['awards/{award}.json'], for_each: [award], seasons: all, scraper: nba_any}
      manual: {description: nobody collects it, templates: ['manual/{season}.json']}
"""

SCRAPERS = ("espn_scoreboard", "espn_summary", "espn_odds", "nba_schedule", "nba_tracking", "nba_any")
BASIS = {"game": "schedule", "date": "calendar"}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the coverage table."""

    source: str
    data_type: str
    season: str
    entity: str | None
    key: str | None
    found_key: str | None
    state: str
    reason: str
    season_type: str | None
    basis: str
    event_at: datetime | None
    due_at: datetime | None
    size: int | None
    last_modified: datetime | None
    etag: str | None
    copies: int
    keys: int = 1


COVERAGE_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("source", "data_type", "season", "entity", "key", "found_key", "state")),
        *((name, pa.string()) for name in ("reason", "season_type", "basis")),
        *((name, pa.timestamp("us", "UTC")) for name in ("event_at", "due_at")),
        ("size", pa.int64()),
        ("last_modified", pa.timestamp("us", "UTC")),
        ("etag", pa.string()),
        ("copies", pa.int16()),
        ("keys", pa.int64()),
    ]
)


class Loop:
    """Coverage files to order, and the steps that read them, with defaults for what a test does not care about."""

    now = NOW
    scrapers = SCRAPERS

    def __init__(self, contract: Contract, folder: Callable[[], Path]) -> None:
        self.contract = contract
        self._folder = folder

    def row(
        self,
        data_set: str = "espn/play_by_play",
        entity: str = "401584783",
        *,
        season: str = "2024-25",
        state: str = "missing",
        days_ago: float = 30,
        **changes: Any,
    ) -> Row:
        source, data_type = data_set.split("/")
        each = set(self.contract.data_sets[data_set].declared.for_each)
        event_at = self.now - timedelta(days=days_ago)
        key = f"{data_type}/{season}/{entity}.json"
        held = state in {"present", "stale", "damaged"}
        row = Row(
            source=source,
            data_type=data_type,
            season=season,
            entity=entity,
            key=key,
            found_key=key if held else None,
            state=state,
            reason="" if state == "present" else f"it is {state}",
            season_type="regular" if "game" in each else None,
            basis=next((BASIS[name] for name in each if name in BASIS), "contract"),
            event_at=event_at,
            due_at=event_at + timedelta(hours=12),
            size=1000 if held else None,
            last_modified=event_at if held else None,
            etag=f"etag-{entity}" if held else None,
            copies=int(held),
        )
        return replace(row, **changes)

    def rows(self, count: int, data_set: str = "espn/play_by_play", *, first: int = 0, **changes: Any) -> list[Row]:
        """Make rows of as many games, the first of ``days_ago`` and each other a minute older."""
        days_ago = changes.pop("days_ago", 30)
        return [
            self.row(data_set, f"{401_000_000 + number}", days_ago=days_ago + number / 1440, **changes)
            for number in range(first, first + count)
        ]

    def state(self, rows: Sequence[Row], *, shuffle: int = 0, state: State | None = None) -> State:
        """Write the coverage of these rows, into a new state unless there is one."""
        state = state or State(open_store(self._folder().as_uri()))
        told = _gathered(rows)
        mixed = random.Random(shuffle).sample(told, len(told))
        state.write_table(COVERAGE, pa.Table.from_pylist([asdict(row) for row in mixed], schema=COVERAGE_SCHEMA))
        state.write_json(COVERAGE, self._summary(rows))
        return state

    def find(self, state: State, *, now: datetime = NOW, **config: Any) -> gaps.GapSummary:
        return gaps.find(self._project(state, now, gap_detection=config))

    def plan(
        self, state: State, *, now: datetime = NOW, scrapers: Sequence[str] = SCRAPERS, **config: Any
    ) -> dict[str, Any]:
        return tasks.plan(self._project(state, now, task_queue=config), scrapers).document

    def _project(self, state: State, now: datetime, **reconciliation: Any) -> Project:
        settings = Settings(
            home=Path("/nowhere"),
            state_url=state.store.url,
            configured_lake=None,
            host_urls={},
            clock=lambda: now,
            reconciliation=ReconciliationConfig.model_validate(reconciliation),
            autonomous=AutonomousConfig(),
        )
        return Project(settings, self.contract, state.store, state)

    def _summary(self, rows: Sequence[Row]) -> dict[str, Any]:
        counts: dict[tuple[str, str, str, str], Counter[str]] = {}
        for row in rows:
            counts.setdefault((row.source, row.data_type, row.season, row.basis), Counter())[row.state] += 1
        cells = [self._cell(name, states) for name, states in counts.items()]
        totals = {name: sum(cell[name] for cell in cells) for name in (*STATES, "expected", "due")}
        return {"schema": 1, "generated_at": NOW.isoformat(), "as_of": AS_OF, "totals": totals, "cells": cells}

    def _cell(self, name: tuple[str, str, str, str], states: Counter[str]) -> dict[str, Any]:
        source, data_type, season, basis = name
        declared = self.contract.data_sets[f"{source}/{data_type}"].declared
        due = sum(states[state] for state in STATES[:5])
        return {
            "source": source,
            "data_type": data_type,
            "season": season,
            "basis": basis,
            "age_class": {"2024-25": "current", "2023-24": "previous", "all": "whole"}.get(season, "history"),
            "required": declared.required,
            "scraper": declared.scraper,
            "completeness_threshold": declared.completeness_threshold,
            **{state: states[state] for state in STATES},
            "expected": sum(states.values()),
            "due": due,
            "completeness_pct": 100 * states["present"] / due if due else 100.0,
        }


def _gathered(rows: Sequence[Row]) -> list[Row]:
    """Tell keys that plainly are present by their number alone, one row a cell."""
    plain = [row for row in rows if row.state == "present" and row.found_key == row.key]
    counts = Counter((row.source, row.data_type, row.season, row.basis) for row in plain)
    untold: dict[str, Any] = dict.fromkeys(("entity", "key", "found_key", "season_type", "event_at", "due_at"))
    untold |= dict.fromkeys(("size", "last_modified", "etag"))
    firsts = {(row.source, row.data_type, row.season, row.basis): row for row in plain}
    gathered = [replace(row, **untold, keys=counts[cell]) for cell, row in firsts.items()]
    others = [row for row in rows if row.state != "present" or row.found_key != row.key]
    return others + gathered


@pytest.fixture(scope="session")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """Lend the steps of the loop over a small contract."""
    path = tmp_path_factory.mktemp("contract") / "data_inventory.yaml"
    path.write_text(CONTRACT)
    return Loop(load_contract(path), lambda: tmp_path_factory.mktemp("state"))


@pytest.fixture
def lake_with(workshop: "Workshop") -> lakes.MakeLake:
    """Make lakes that hold some keys, looked at as configured."""

    def make(*keys: str, **scanning: Any) -> lakes.Lake:
        clock, wanted = lakes.Clock(), dict[str, Any]({"max_vanished_share": 1.0} | scanning)
        made = lakes.Lake(workshop.project(lakes.CONTRACT, now=clock, **wanted), clock)
        made.put(*keys)
        return made

    return make
