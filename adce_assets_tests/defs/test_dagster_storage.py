"""Dagster's own records lie where the environment says, by one instance file."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from adce_assets.defs.storage import ChosenStorage, with_driver

RECONCILE = ("job", "execute", "-m", "adce_assets.definitions", "-j", "reconciliation_job")


def test_the_job_runs_with_its_records_in_postgresql(small: Any, postgresql: Any) -> None:
    small.environment["ADCE_DAGSTER_URL"] = postgresql.get_uri()
    small.fill()
    finished = small.command("dagster", *RECONCILE)
    assert finished.returncode == 0, finished.stderr
    assert "reconciliation_job" in postgresql.psql("SELECT pipeline_name FROM runs WHERE status = 'SUCCESS';")
    assert not (small.dagster_home / "history").exists()


def test_without_a_url_the_records_lie_in_the_home_of_dagster(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in small.process_environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("something"))
        assert instance.get_latest_materialization_event(dg.AssetKey("something")) is not None
    assert (small.dagster_home / "history").is_dir()


def test_without_a_home_the_records_lie_below_the_folder_that_dagster_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("ADCE_DAGSTER_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    ChosenStorage.from_config_value(None, {})
    assert (tmp_path / ".dagster").is_dir()


@pytest.mark.parametrize(
    ("url", "driven"),
    [
        ("postgresql://me@host/db", "postgresql+psycopg2://me@host/db"),
        ("postgres://me@host/db", "postgresql+psycopg2://me@host/db"),
        ("postgresql+psycopg2://me@host/db", "postgresql+psycopg2://me@host/db"),
    ],
)
def test_a_url_without_a_driver_means_the_one_that_is_installed(url: str, driven: str) -> None:
    assert with_driver(url) == driven
