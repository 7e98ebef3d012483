"""Dagster's own records lie where the environment says, by one instance file."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from psycopg2.extensions import parse_dsn

from adce_assets.defs import storage
from adce_assets.defs.storage import ChosenStorage, instance_of, patient, with_driver
from adce_assets.dims.history_database import VERSION_TABLE
from adce_assets.dims.history_tables import metadata as metrics_tables
from adce_assets.fetch.shared import open_records
from adce_assets.ledger.database import metadata as ledger_tables
from adce_assets.operate.access_database import metadata as access
from adce_assets.operate.alert_book import metadata as alerts
from adce_assets.settings import load_settings
from adce_assets.verify.run import FOLDER
from adce_assets.warehouse.entities import load_entities
from adce_assets.warehouse.tables import staging
from adce_assets_tests.shipped import ROOT

RECONCILE = ("job", "execute", "-m", "adce_assets.definitions", "-j", "reconciliation_job")
DAGSTERS = {
    table
    for metadata in (SqlEventLogStorageMetadata, RunStorageSqlMetadata, ScheduleStorageSqlMetadata)
    for table in metadata.tables
}
FILES = ("*.sqlite", "*.db", "*.duckdb")


@pytest.fixture
def one_database(postgresql: Any) -> Iterator[Any]:
    """A database that nobody has used, for all that machines share."""
    postgresql.psql("DROP DATABASE IF EXISTS adce_shared;")
    postgresql.psql("CREATE DATABASE adce_shared;")
    engine = sa.create_engine(with_driver(postgresql.get_uri("adce_shared")))
    yield engine
    engine.dispose()


def test_one_setting_brings_all_that_machines_share_into_one_database(small: Any, one_database: Any) -> None:
    url = one_database.url.render_as_string(hide_password=False)
    small.environment["ADCE_DATABASE_URL"] = url
    small.fill()
    finished = small.command("dagster", *RECONCILE)
    assert finished.returncode == 0, finished.stderr
    settings = load_settings(small.environment)
    budgets = open_records(settings.limits_place)
    assert budgets.change("host", lambda _, now: ("asked", now)) > 0
    budgets.dispose()
    with one_database.connect() as connection:
        done = connection.exec_driver_sql("SELECT pipeline_name FROM runs WHERE status = 'SUCCESS'").scalars()
        assert list(done) == ["reconciliation_job"]
    # Who keeps something here knows its tables by name; what another has made there is in nobody's way.
    made = set(sa.inspect(one_database).get_table_names())
    assert made >= DAGSTERS | set(ledger_tables.tables) | {"adce_limits", "alembic_version"}
    assert [file for kind in FILES for file in small.home.rglob(kind)] == []
    # What is left of Dagster's home can be read-only, but for what runs have printed.
    assert {found.name for found in small.dagster_home.iterdir()} <= {"dagster.yaml", "storage"}


def test_no_two_keep_their_rows_in_a_table_of_one_name() -> None:
    kept = [*DAGSTERS, VERSION_TABLE, "adce_limits", "alembic_version"]
    kept += [name for own in (access, alerts, ledger_tables, metrics_tables) for name in own.tables]
    for entity in load_entities(ROOT / "config" / FOLDER).values():
        kept += [entity.name, staging(entity)]
    assert len(kept) == len(set(kept))


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


def test_a_server_that_accepts_and_says_nothing_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(storage.BOUNDS, "connect_timeout", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = sa.create_engine(patient(f"postgresql+psycopg2://me@127.0.0.1:{silent.getsockname()[1]}/db"))
        with pytest.raises(sa.exc.OperationalError, match="timeout expired"):
            engine.connect()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://host/db", {"connect_timeout": "10"}),
        ("postgresql://host/db?sslmode=require", {"sslmode": "require", "connect_timeout": "10"}),
        (
            "postgresql://host/db?connect_timeout=3&keepalives_count=9",
            {"connect_timeout": "3", "keepalives_count": "9"},
        ),
    ],
)
def test_how_long_is_waited_is_bounded_as_far_as_a_url_does_not_say_it(url: str, told: dict[str, str]) -> None:
    gone = {"tcp_user_timeout": "60000", "keepalives_idle": "60", "keepalives_interval": "20", "keepalives_count": "3"}
    bounded = patient(url)
    assert parse_dsn(bounded) == {"host": "host", "dbname": "db", **gone, **told}
    assert patient(bounded) == bounded


def test_the_records_of_a_folder_are_found_though_nobody_has_called_it_the_home(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(small.process_environment["DAGSTER_HOME"])
    monkeypatch.chdir(tmp_path)
    for name, value in small.process_environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("something"))
    monkeypatch.delenv("DAGSTER_HOME")
    with instance_of(home) as instance:
        assert instance.get_latest_materialization_event(dg.AssetKey("something")) is not None
    assert not (tmp_path / ".dagster").exists()
