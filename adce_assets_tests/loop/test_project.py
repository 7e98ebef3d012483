"""What belongs to an installation: the lake, what in its bucket is not the lake, and the loop's own files."""

import gc
from dataclasses import replace
from pathlib import Path

import pytest

from adce_assets.configuration import ReconciliationConfig
from adce_assets.contract.loading import Contract, load_contract
from adce_assets.errors import ConfigurationError, LakeError
from adce_assets.lake import listing
from adce_assets.ledger.book import Ledger
from adce_assets.loop.project import Project, open_project
from adce_assets.loop.state import INVENTORY
from adce_assets.settings import load_settings


def test_the_folder_of_the_state_is_made_and_that_of_the_lake_is_not(tmp_path: Path) -> None:
    urls = {"ADCE_LAKE": (tmp_path / "lake").as_uri(), "ADCE_STATE": (tmp_path / "new" / "state").as_uri()}
    project = open_project(load_settings(urls))
    assert project.state.store.head(f"{INVENTORY}.json") is None
    with pytest.raises(LakeError, match="lake"):
        list(project.lake.list())
    assert not (tmp_path / "lake").exists()


CONTRACT = """
version: 1
leagues: {nba: {first_season: 1946-47, season_starts: 10}}
dimensions: {team: {values: [BOS, LAL]}}
sources:
  espn:
    description: games
    league: nba
    data_types:
      schedule: {description: a season, templates: ['schedule/{season}.json']}
      rosters: {description: a team, for_each: [season, team], templates: ['{season}/{team}/roster.json']}
"""


@pytest.fixture
def small(tmp_path: Path) -> Contract:
    """A contract with a folder of a name, and one whose name is a season."""
    path = tmp_path / "data_inventory.yaml"
    path.write_text(CONTRACT)
    return load_contract(path)


def opened(contract: Contract, *, lake: str, state: str, reports: str = "inventory-reports/") -> Project:
    settings = load_settings({"ADCE_LAKE": lake, "ADCE_STATE": state})
    scanning = ReconciliationConfig.model_validate({"s3": {"inventory_prefix": reports}})
    return open_project(replace(settings, reconciliation=scanning), contract)


@pytest.mark.parametrize(
    ("prefix", "data_set"),
    [("schedule/", "espn/schedule"), ("2024-25", "espn/rosters"), ("2024-25/BOS/", "espn/rosters")],
)
def test_reports_that_lie_where_data_lies_are_refused(tmp_path: Path, small: Contract, prefix: str, data_set: str):
    with pytest.raises(ConfigurationError) as caught:
        opened(small, lake=tmp_path.as_uri(), state=(tmp_path / "state").as_uri(), reports=prefix)
    assert data_set in str(caught.value)
    assert "s3.inventory_prefix" in str(caught.value)


@pytest.mark.parametrize("prefix", ["sched", "inventory-reports", "schedule/x", "2024-25/BOS/roster.json", "2024"])
def test_reports_that_lie_where_no_data_can_lie_are_fine(tmp_path: Path, small: Contract, prefix: str):
    project = opened(small, lake=tmp_path.as_uri(), state=(tmp_path / "state").as_uri(), reports=prefix)
    assert f"{prefix}/" in project.outside_the_lake


@pytest.mark.parametrize(
    ("lake", "state", "left_out"),
    [
        ("s3://bucket", "s3://bucket/own", "own/"),
        ("s3://bucket/lake", "s3://bucket/lake/own/state/", "own/state/"),
        ("s3://bucket/lake", "s3://bucket/lakes/own", None),
        ("s3://bucket/lake", "s3://bucket", None),
        ("s3://bucket", "s3://other/own", None),
    ],
)
def test_a_state_below_the_lake_is_no_part_of_it(small: Contract, lake: str, state: str, left_out: str | None):
    outside = opened(small, lake=lake, state=state).outside_the_lake
    assert set(outside) == {"_adce/", "inventory-reports/"} | ({left_out} if left_out else set())


def test_a_folder_of_the_state_below_that_of_the_lake_is_no_part_of_it(tmp_path: Path, small: Contract):
    lake = tmp_path / "a lake"
    (lake / "schedule").mkdir(parents=True)
    (lake / "schedule" / "2023-24.json").write_text("{}")
    project = opened(small, lake=lake.as_uri(), state=(lake / "own ü" / "state").as_uri())
    project.state.write_json(INVENTORY, {})
    listed = listing.take(project.lake, exclude=project.outside_the_lake)
    assert listed.objects["key"].to_pylist() == ["schedule/2023-24.json"]


def test_a_state_on_another_kind_of_store_is_nowhere_in_the_lake(tmp_path: Path, small: Contract):
    outside = opened(small, lake="s3://bucket", state=tmp_path.as_uri()).outside_the_lake
    assert set(outside) == {"_adce/", "inventory-reports/"}


@pytest.mark.parametrize(("lake", "state"), [("s3://bucket", "s3://bucket/"), ("s3://bucket/x/", "s3://bucket/x")])
def test_a_state_that_is_the_lake_is_refused_with_a_way_out(small: Contract, lake: str, state: str):
    with pytest.raises(ConfigurationError, match="hint: set ADCE_STATE"):
        opened(small, lake=lake, state=state)


def test_a_state_that_lies_where_data_lies_is_refused(small: Contract):
    with pytest.raises(ConfigurationError, match="espn/schedule"):
        opened(small, lake="s3://bucket", state="s3://bucket/schedule")


def test_the_shipped_contract_and_settings_go_together(tmp_path: Path):
    settings = load_settings({"ADCE_LAKE": tmp_path.as_uri(), "ADCE_STATE": (tmp_path / "inventory").as_uri()})
    assert open_project(settings).contract.data_sets


def test_the_ledger_is_opened_once_when_it_is_asked_for_and_closed_with_the_project(
    small: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    closed: list[Ledger] = []
    dispose = Ledger.dispose
    monkeypatch.setattr(Ledger, "dispose", lambda self: (closed.append(self), dispose(self)))
    settings = load_settings({"ADCE_LAKE": (tmp_path / "lake").as_uri(), "ADCE_STATE": (tmp_path / "state").as_uri()})
    project = open_project(replace(settings, home=tmp_path / "home"), small)
    assert not project.settings.work_folder.exists()
    ledger = project.ledger
    assert (ledger.head().seq, project.ledger is ledger, closed) == (0, True, [])
    del project
    gc.collect()
    assert closed == [ledger]
