"""A small contract with one thing of each kind, which tests change in one place to see what is said."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from adce_assets.contract.loading import Contract, load_contract
from adce_assets.errors import ContractError

CONTRACT = """\
version: 1
leagues:
  nba: {first_season: 1946-47, season_starts: 10, odd_starts: {2020-21: 2020-10-12}}
  aba: {first_season: 1967-68, last_season: 1975-76, season_starts: 10}
season_truth: truth.csv
ids:
  game: {pattern: '00[1-6]\\d{7}', season_type_digit: 2, season_types: {"2": regular}}
schedules:
  games:
    league: nba
    id: game
    documents: [{data_set: espn/days, format: espn_scoreboard}]
    season_types: [regular]
    numbering: {prefix: "002", digits: 5}
dimensions:
  team: {pattern: '[A-Z]{3}', table: teams.csv}
  player: {pattern: '\\d+'}
non_data:
  models: {prefix: models/, reason: trained models}
sources:
  espn:
    description: a source
    league: nba
    schedule: games
    data_types:
      days:
        description: games of a day
        templates: ["days/{date}.json"]
        for_each: [date]
        from_date: 1993-08-25
        changes: until_final
      plays:
        description: plays of a game
        templates: ["plays/{game_id}.json", "old/{season_end}/{game_id}.json"]
        for_each: [game]
        seasons: 1996-97..
        absent: [{seasons: ..2000-01, reason: never had them}]
      rosters:
        description: rosters
        templates: ["rosters/{season}/{team}.json"]
        for_each: [season, team]
      awards:
        description: awards
        templates: ["awards.json"]
        for_each: []
        seasons: all
"""
TABLES = {
    "truth.csv": "league,season,season_type,events\nnba,2023-24,regular,1230\n",
    "teams.csv": (
        "team,first_season,last_season\nBOS,1946-47,\nSEA,1967-68,2007-08\nNOH,2002-03,2004-05\nNOH,2007-08,2012-13\n"
    ),
}


@dataclass(frozen=True)
class SmallContract:
    """Writes the small contract to a folder, changed or not, and loads it."""

    folder: Path

    def load(self, *changes: tuple[str, str], **tables: str) -> Contract:
        """Load the contract after replacing each ``(old, new)``; ``tables`` stand for the CSV files of these names."""
        text = CONTRACT
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        for name, table in {**TABLES, **{f"{name}.csv": table for name, table in tables.items()}}.items():
            (self.folder / name).write_text(table)
        (self.folder / "contract.yaml").write_text(text)
        return load_contract(self.folder / "contract.yaml")

    def faults(self, *changes: tuple[str, str]) -> list[str]:
        """Say what is wrong with the changed contract: one text a fault, beginning with its line."""
        with pytest.raises(ContractError) as caught:
            self.load(*changes)
        return [str(fault).removeprefix(f"{self.folder / 'contract.yaml'}:") for fault in caught.value.faults]


@pytest.fixture
def small(tmp_path: Path) -> SmallContract:
    """Lend a small contract."""
    return SmallContract(tmp_path)
