"""What a configuration file may say, and what is refused before anything is computed from it."""

from pathlib import Path
from typing import Any

import pytest
from dagster._utils.schedules import is_valid_cron_string
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adce_assets.autonomous import AutonomousConfig
from adce_assets.configuration import ReconciliationConfig, check_cron
from adce_assets.errors import ConfigurationError
from adce_assets.settings import dagster_database_url, environment_of_this, kept, load_settings

INFINITE = float("inf")


@pytest.mark.parametrize("section", ["s3", "gap_detection", "task_queue", "engine"])
def test_a_reconciliation_without_a_section_has_defaults_that_are_valid(section: str):
    default = getattr(ReconciliationConfig(), section)
    assert type(default).model_validate(default.model_dump()) == default


@pytest.mark.parametrize("section", ["intervals", "completions", "dispatch"])
def test_a_loop_without_a_section_has_defaults_that_are_valid(section: str):
    default = getattr(AutonomousConfig(), section)
    assert type(default).model_validate(default.model_dump()) == default


@pytest.mark.parametrize(
    ("given_prefix", "meant"),
    [
        ("inventory-reports", "inventory-reports/"),
        ("inventory-reports/", "inventory-reports/"),
        ("inventory-reports///", "inventory-reports/"),
        ("aws/reports", "aws/reports/"),
    ],
)
def test_the_prefix_of_the_reports_is_a_folder_however_it_is_written(given_prefix: str, meant: str):
    config = ReconciliationConfig.model_validate({"s3": {"inventory_prefix": given_prefix}})
    assert config.s3.inventory_prefix == meant


@pytest.mark.parametrize(
    "prefix", ["", "/", "/inventory-reports/", "a//b", "..", "a/../b", "a/./b", " ", "a/ /b", "s3://bucket/x", "a\nb"]
)
def test_a_prefix_that_could_mean_the_whole_lake_is_refused(prefix: str):
    with pytest.raises(ValidationError, match="inventory_prefix"):
        ReconciliationConfig.model_validate({"s3": {"inventory_prefix": prefix}})


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("s3", "max_age_hours", INFINITE),
        ("s3", "max_age_hours", 1e9),
        ("s3", "audit_objects_per_run", 10**30),
        ("gap_detection", "critical_threshold_days", INFINITE),
        ("gap_detection", "critical_threshold_days", float("nan")),
        ("gap_detection", "critical_threshold_days", 1e9),
        ("gap_detection", "critical_threshold_days", 800_000),
        ("gap_detection", "critical_max_age_hours", INFINITE),
        ("gap_detection", "critical_max_age_hours", 36_500 * 24 + 1),
        ("gap_detection", "completeness_thresholds", {"critical": float("nan")}),
        ("task_queue", "max_tasks_per_run", 10**30),
        ("task_queue", "max_tasks", {"low": 10**30}),
        ("engine", "memory_limit", "0GB"),
        ("engine", "memory_limit", "1MB"),
        ("engine", "memory_limit", "63MB"),
        ("engine", "memory_limit", "0.01GiB"),
        ("engine", "memory_limit", "9" * 400 + "GB"),
        ("engine", "memory_limit", "plenty"),
        ("engine", "threads", 10**12),
    ],
)
def test_a_reconciliation_that_could_not_run_is_refused(section: str, name: str, value: Any):
    with pytest.raises(ValidationError, match=rf"{section}\.{name}"):
        ReconciliationConfig.model_validate({section: {name: value}})


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("intervals", "fresh_within_hours", INFINITE),
        ("intervals", "fresh_within_hours", 1e9),
        ("intervals", "fresh_within_hours", 0.001),
        ("intervals", "completion_seconds", 10**12),
        ("intervals", "reconcile_cron", "hourly please"),
        ("completions", "quiet_seconds", INFINITE),
        ("completions", "longest_wait_seconds", 1e300),
        ("completions", "markers_per_tick", 10**30),
        ("dispatch", "max_concurrent_scrapers", 10**30),
    ],
)
def test_a_loop_that_could_not_run_is_refused(section: str, name: str, value: Any):
    with pytest.raises(ValidationError, match=rf"{section}\.{name}"):
        AutonomousConfig.model_validate({section: {name: value}})


@pytest.mark.parametrize("limit", ["64MB", "62MiB", "1.5GiB", "0.5GB", "100GB"])
def test_a_memory_limit_that_the_engine_can_work_within_is_taken(limit: str):
    assert ReconciliationConfig.model_validate({"engine": {"memory_limit": limit}}).engine.memory_limit == limit


@pytest.mark.parametrize(
    "cron", ["0 * * * *", "*/15 * * * *", "0 6,18 * * *", "30 4 1-7 * 1", "0 0 29 2 *", "0 0 * * 7", "0-30/10 * * * *"]
)
def test_a_time_table_of_five_fields_is_taken(cron: str):
    config = AutonomousConfig.model_validate({"intervals": {"reconcile_cron": cron}})
    assert config.intervals.reconcile_cron == cron


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("hourly please", "has 2 fields"),
        ("", "has 0 fields"),
        ("0 * * * * *", "has 6 fields"),
        ("60 * * * *", "`60` is no minute"),
        ("* 24 * * *", "`24` is no hour"),
        ("* * 0 * *", "`0` is no day of the month"),
        ("* * * 13 *", "`13` is no month"),
        ("* * * * 8", "`8` is no day of the week"),
        ("*/0 * * * *", r"`\*/0` is no minute"),
        ("30-10 * * * *", "`30-10` is no minute"),
        ("1,,2 * * * *", "`` is no minute"),
        ("a * * * *", "`a` is no minute"),
        ("0 0 30 2 *", "names no day that ever comes"),
        ("0 0 31 2,4,6 *", "names no day that ever comes"),
        ("0 0 30 2 1", "names no day that ever comes"),
    ],
)
def test_a_time_table_that_is_none_is_refused_with_the_reason(cron: str, said: str):
    with pytest.raises(ValidationError, match=said):
        AutonomousConfig.model_validate({"intervals": {"reconcile_cron": cron}})


ELEMENT = st.one_of(
    st.just("*"),
    st.integers(0, 61).map(str),
    st.tuples(st.integers(0, 61), st.integers(0, 61)).map(lambda ends: f"{ends[0]}-{ends[1]}"),
    st.integers(0, 61).map(lambda step: f"*/{step}"),
    st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 12)).map(lambda it: f"{it[0]}-{it[1]}/{it[2]}"),
    st.text("0123456789*/-,aL#?", max_size=4),
)
FIELD = st.lists(ELEMENT, min_size=1, max_size=2).map(",".join)


@settings(max_examples=300)
@given(st.lists(FIELD, min_size=5, max_size=5).map(" ".join))
def test_every_time_table_that_is_taken_is_one_for_dagster_too(cron: str):
    try:
        check_cron(cron)
    except ValueError:
        return
    assert is_valid_cron_string(cron)


def test_a_faulty_value_is_told_with_file_line_and_field(tmp_path: Path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "reconciliation_config.yaml").write_text("gap_detection:\n  critical_threshold_days: .inf\n")
    (tmp_path / "config" / "autonomous_config.yaml").write_text("")
    with pytest.raises(ConfigurationError, match=r"reconciliation_config\.yaml:2: `gap_detection\.critical_threshold"):
        load_settings({"ADCE_HOME": str(tmp_path)})


@pytest.mark.parametrize("config_id", ["adce", "Entire.Bucket-daily_1", "_x", "x" * 64])
def test_an_id_of_an_inventory_configuration_is_what_aws_allows(config_id: str):
    assert ReconciliationConfig.model_validate({"s3": {"inventory_id": config_id}}).s3.inventory_id == config_id


@pytest.mark.parametrize("config_id", ["", "a/b", "..", "a b", "x" * 65, "x\n", "ü", 5])
def test_an_id_that_no_inventory_configuration_can_have_is_refused(config_id: Any):
    with pytest.raises(ValidationError, match=r"s3\.inventory_id"):
        ReconciliationConfig.model_validate({"s3": {"inventory_id": config_id}})


PLACES = ("limits_place", "database_url", "metrics_url", "warehouse_url", "alerts_url", "access_url")
ONE = "postgresql://adce@db/adce"


def test_one_postgresql_is_the_place_of_all_that_machines_share():
    told = load_settings({"ADCE_DATABASE_URL": ONE})
    assert {name: getattr(told, name) for name in PLACES} == dict.fromkeys(PLACES, ONE)
    assert dagster_database_url({"ADCE_DATABASE_URL": ONE}) == ONE


def test_what_is_said_of_limits_and_records_of_dagster_is_heard_before_the_one_database():
    other = {"ADCE_LIMITS": f"{ONE}_limits", "ADCE_DAGSTER_URL": f"{ONE}_dagster", "ADCE_DATABASE_URL": ONE}
    assert load_settings(other).limits_place == f"{ONE}_limits"
    assert dagster_database_url(other) == f"{ONE}_dagster"


@pytest.mark.parametrize("database", [{}, {"ADCE_DATABASE_URL": ""}, {"ADCE_DATABASE_URL": "sqlite:///ledger.sqlite"}])
def test_what_only_one_machine_can_reach_is_nobody_elses_place(database: dict[str, str]):
    told = load_settings(database)
    assert told.limits_place == told.work_folder / "limits.sqlite"
    assert dagster_database_url(database) is None


def test_a_container_says_on_which_address_health_listens():
    assert load_settings({}).autonomous.health.address == "127.0.0.1"
    assert load_settings({"ADCE_HEALTH_ADDRESS": "10.0.0.7"}).autonomous.health.address == "10.0.0.7"
    with pytest.raises(ConfigurationError, match="ADCE_HEALTH_ADDRESS: `everywhere` is no address"):
        load_settings({"ADCE_HEALTH_ADDRESS": "everywhere"})


def test_a_secret_is_a_file_of_its_folder_or_else_a_variable(tmp_path: Path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "KEY").write_text(" in the file\n")
    (tmp_path / "OUTSIDE").write_text("not a secret")
    environment = {"ADCE_SECRETS": str(tmp_path / "secrets"), "KEY": "variable", "OTHER": "variable", "../OUTSIDE": ""}
    assert [kept(name, environment) for name in ("KEY", "OTHER", "NONE")] == ["in the file", "variable", None]
    assert [kept(name, environment) for name in ("../OUTSIDE", "..", ".", "", "/etc/passwd")] == [None] * 5


def test_a_secret_that_cannot_be_read_is_no_absent_one(tmp_path: Path):
    (tmp_path / "KEY").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        kept("KEY", {"ADCE_SECRETS": str(tmp_path), "KEY": "variable"})


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_file_of_a_secret_does_not_hide_the_variable_without_a_word(tmp_path: Path, text: str):
    (tmp_path / "KEY").write_text(text)
    with pytest.raises(ConfigurationError, match="is empty"):
        kept("KEY", {"ADCE_SECRETS": str(tmp_path), "KEY": "variable"})


def test_a_folder_of_secrets_that_may_not_be_entered_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(path: Path, *_: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refused)  # root, who may run the tests, enters every folder
    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        kept("KEY", {"ADCE_SECRETS": str(tmp_path)})


def test_a_folder_of_secrets_that_is_not_there_leaves_the_environment(tmp_path: Path):
    assert kept("KEY", {"ADCE_SECRETS": str(tmp_path / "none"), "KEY": "variable"}) == "variable"


@pytest.mark.parametrize(("told", "is_so"), [("1", True), ("True", True), ("0", False), ("", False)])
@pytest.mark.parametrize("by_file", [True, False])
def test_a_dry_run_and_a_trial_may_be_asked_for_by_the_environment_too(told: str, *, is_so: bool, by_file: bool):
    config = AutonomousConfig.model_validate({"dry_run": by_file, "test_mode": {"enabled": by_file}})
    flags = load_settings({"ADCE_DRY_RUN": told, "ADCE_TEST_MODE": told}).autonomous
    assert (flags.dry_run, flags.test_mode.enabled, flags.warehouse.automatic) == (is_so, is_so, not is_so)
    found = config.in_force(dry_run=is_so, on_trial=is_so)
    assert found.dry_run is found.test_mode.enabled is (found.intervals.task_queue_seconds == 5) is (is_so or by_file)


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("ADCE_HOME", "lake", "HERE/lake"),
        ("ADCE_HOME", "/lake", "/lake"),
        ("ADCE_DATABASE_URL", "sqlite:///some.db", "sqlite:///HERE/some.db"),
        ("ADCE_DATABASE_URL", "sqlite:////some.db", "sqlite:////some.db"),
        ("ADCE_DATABASE_URL", "postgresql://host/some", "postgresql://host/some"),
        ("AWS_CONFIG_FILE", "~/.aws/config", "~/.aws/config"),
        ("PYTHONPATH", "code:/other", "HERE/code:/other"),
        ("PGSSLKEY", "client.key", "HERE/client.key"),
        ("PGSERVICEFILE", "services", "HERE/services"),
        ("SOME", "lake", "lake"),
    ],
)
def test_a_child_elsewhere_finds_the_files_that_this_process_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, named: str
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, text)
    assert environment_of_this()[name] == named.replace("HERE", str(tmp_path))
