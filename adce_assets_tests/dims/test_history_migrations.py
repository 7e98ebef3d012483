"""A database of before, of later, or of nobody in, the tables of now out: with what was in them, or not at all."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from setuptools import find_packages

from adce_assets.dims import migrations
from adce_assets.dims.history import History
from adce_assets.dims.history_database import REVISIONS, VERSION_TABLE, upgrade
from adce_assets.dims.history_tables import metadata
from adce_assets.dims.metrics import Accepted, Measurement, Severity, Status, Verdict
from adce_assets.errors import HistoryError

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
ROOT = Path(migrations.__path__[0])

FIRST_RUN = "INSERT INTO dims_runs (id, started_at, ended_at, trigger, by) VALUES (1, :at, :at, 'hourly', 'ann')"
FIRST_MEASUREMENT = """
INSERT INTO dims_measurements (
    run_id, metric, at, value, number, error, seconds, is_cached, status, severity, drift, accepted, accepted_at,
    accepted_how, accepted_by
) VALUES (
    1, 'lake.objects', :at, '5', 5, '', 0.5, :no, 'major', 'high', 25, '4', :at, 'first', 'ann'
)
"""
MEASURED = Verdict(
    Measurement("lake.objects", 5, "", NOON, 0.5), Accepted(4, NOON, "first", "ann"), Status.MAJOR, Severity.HIGH, 25.0
)


def engine_of(url: str) -> sa.Engine:
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(exist_ok=True)
    return sa.create_engine(url, poolclass=sa.NullPool)


def tables_of(url: str) -> set[str]:
    with engine_of(url).connect() as connection:
        return {name for name in sa.inspect(connection).get_table_names() if name.startswith("dims_")}


def of_the_first_revision(url: str) -> None:
    """Make the tables as they first were, with a measurement in them."""
    at = NOON.replace(tzinfo=None).isoformat(" ", "microseconds") if url.startswith("sqlite") else NOON
    with engine_of(url).begin() as connection:
        upgrade(connection, REVISIONS[0])
        for statement in (FIRST_RUN, FIRST_MEASUREMENT):
            connection.execute(sa.text(statement), {"at": at, "no": False} if ":no" in statement else {"at": at})


def test_the_migrations_are_the_known_ones_in_their_order_and_are_installed():
    config = Config()
    config.set_main_option("script_location", str(ROOT))
    config.set_main_option("path_separator", "os")
    found = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(revision.revision for revision in found) == tuple(reversed(REVISIONS))
    packages = find_packages(str(ROOT.parents[2]), include=["adce_assets*"])
    assert {"adce_assets.dims.migrations", "adce_assets.dims.migrations.versions"} <= set(packages)


def test_from_nothing_the_tables_are_those_that_the_code_describes(history: History, history_url: str):
    assert history.runs() == []
    assert tables_of(history_url) == {*metadata.tables, VERSION_TABLE}
    with engine_of(history_url).connect() as connection:
        ours = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        context = MigrationContext.configure(connection, opts={**ours, "version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        for table in metadata.tables.values():
            indexes = {index["name"]: bool(index["unique"]) for index in sa.inspect(connection).get_indexes(table.name)}
            assert indexes == {index.name: index.unique for index in table.indexes}


def test_what_was_measured_before_a_migration_is_there_after_it(open_one: Callable[[str], History], history_url: str):
    of_the_first_revision(history_url)
    assert "dims_approvals" not in tables_of(history_url)
    history = open_one(history_url)
    assert history.verdicts(1) == (MEASURED,)
    number = history.hold("lake.objects", old=4, new=5, drift=25.0, severity=Severity.HIGH, run_id=1, at=NOON)
    assert [one.id for one in history.approvals()] == [number]
    assert tables_of(history_url) == {*metadata.tables, VERSION_TABLE}


def test_a_migration_that_fails_leaves_what_was(open_one: Callable[[str], History], history_url: str):
    of_the_first_revision(history_url)
    with engine_of(history_url).begin() as connection:
        connection.execute(sa.text("CREATE TABLE dims_proposals (own INTEGER)"))
    before = tables_of(history_url)
    history = open_one(history_url)
    with pytest.raises(HistoryError, match="dims_proposals"):
        history.runs()
    assert tables_of(history_url) == before
    with engine_of(history_url).begin() as connection:
        assert connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")) == REVISIONS[0]
        connection.execute(sa.text("DROP TABLE dims_proposals"))
    assert history.verdicts(1) == (MEASURED,)


def test_a_history_of_a_later_adce_is_refused_and_left_alone(open_one: Callable[[str], History], history_url: str):
    open_one(history_url).begin_event("monthly_audit", "x", NOON, 60)
    with engine_of(history_url).begin() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '0099'"))
    with pytest.raises(HistoryError, match="in form `0099`, which this ADCE does not know") as refused:
        open_one(history_url).begin_event("monthly_audit", "y", NOON, 60)
    assert "update ADCE" in str(refused.value)
    with engine_of(history_url).connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM dims_events")) == 1


def test_a_history_is_made_when_it_is_first_used(open_one: Callable[[str], History], tmp_path: Path):
    history = open_one(f"sqlite:///{tmp_path}/deep/100%/metrics.sqlite")
    assert list(tmp_path.iterdir()) == []
    assert history.snapshot_days() == []
    assert (tmp_path / "deep" / "100%" / "metrics.sqlite").is_file()


def test_two_metrics_waiting_at_once_cannot_be_written_even_by_hand(history: History, history_url: str):
    history.hold("lake.objects", old=4, new=5, drift=25.0, severity=Severity.HIGH, run_id=1, at=NOON)
    copied = "metric, state, old, new, drift, severity, run_id, asked_at, proposed_at, decided_at, by, note"
    with engine_of(history_url).begin() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.text(f"INSERT INTO dims_approvals ({copied}) SELECT {copied} FROM dims_approvals"))
