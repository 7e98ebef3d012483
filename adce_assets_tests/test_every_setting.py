"""Every setting does something: for each key of the two configuration files, the test that shows what.

A key without one fails here, and so does one that is read nowhere. A new key takes its place in `SHOWN_BY`.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from adce_assets.autonomous import AutonomousConfig
from adce_assets.configuration import ReconciliationConfig
from adce_assets.tables import engine

ROOT = Path(__file__).resolve().parent
CODE = ROOT.parent / "adce_assets"
EACH = "critical high medium low"

SHOWN_BY = {
    "defs/test_loop_settings.py": {
        "test_settings_of_time_are_those_of_schedules_sensors_and_freshness": (
            "intervals: inventory_report_seconds completion_seconds task_queue_seconds reconcile_cron "
            "fresh_within_hours; canary: cron silent_hours"
        ),
        "test_nothing_begins_in_maintenance_and_the_end_of_it_is_told": "maintenance: name cron minutes",
        "test_a_pause_keeps_back_what_it_is_about": "pauses: name cron minutes hosts sources priorities",
        "test_a_machine_that_runs_short_starts_nothing": "resources: free_disk_gb free_memory_mb",
        "test_a_run_of_the_loop_ends_in_order_where_it_has_to_rest_and_a_persons_goes_on": "resources: run_memory_mb",
        "test_a_dry_run_says_what_it_would_start_and_remembers_nothing": "dry_run",
        "test_on_trial_little_is_started_each_task_once_and_the_loop_is_quick": (
            "test_mode: enabled look_seconds reconcile_cron canary_cron tasks_a_day keys_per_data_set"
        ),
        "test_what_is_due_by_the_clock_becomes_runs_of_the_partition": (
            "scheduled_scrapes: name cron source data_types refresh max_minutes"
        ),
        "test_a_season_that_is_whole_is_asked_for_only_where_everything_is": "scheduled_scrapes: season",
        "test_as_many_documents_are_read_at_once_as_configured": "s3: read_workers",
    },
    "defs/test_queue_sensor.py": {
        "test_no_more_runs_are_started_than_the_configuration_says": "dispatch: max_concurrent_scrapers",
    },
    "defs/test_queue_runs.py": {
        "test_what_waits_for_an_approval_is_not_started": "approvals: max_new_tasks",
        "test_a_run_whose_time_is_over_begins_nothing_new_and_gives_the_rest_back": (
            "dispatch: max_orchestrator_runtime_minutes"
        ),
    },
    "defs/test_in_process.py": {"test_runs_are_no_longer_than_their_scraper_takes": "dispatch: max_tasks_per_batch"},
    "defs/test_warehouse_sensor.py": {
        "test_where_it_is_not_wanted_a_season_is_loaded_by_its_job_alone": "warehouse: automatic",
        "test_the_sensor_looks_no_more_often_than_a_season_may_be_loaded": "warehouse: at_most_every_minutes",
    },
    "loop/test_windows.py": {
        "test_each_priority_waits_its_own_minutes_but_for_no_wrong_clock": f"dispatch.minutes_between: {EACH}",
    },
    "loop/test_fairness.py": {
        "test_a_cap_of_a_priority_holds_all_day": f"dispatch.max_concurrent: {EACH}",
        "test_what_is_critical_waits_for_one_look_at_most_and_history_goes_on": "dispatch: kept_for_critical",
        "test_no_priority_starves_while_there_is_always_more_of_every_higher_one": "dispatch: low_one_of",
    },
    "loop/test_completions.py": {
        "test_completions_wait_for_quiet_but_not_for_ever": "completions: quiet_seconds longest_wait_seconds",
        "test_many_markers_at_once_are_read_a_part_at_a_time_and_none_is_lost": "completions: markers_per_tick",
    },
    "loop/test_approvals.py": {
        "test_a_changed_contract_with_too_many_new_keys_waits": "approvals: max_new_share",
        "test_a_larger_margin_lets_more_of_it_through": "approvals: margin",
    },
    "loop/test_canary.py": {"test_a_gap_that_is_closed_too_late_is_no_sign_of_life": "canary: limit_minutes"},
    "cli/test_plan_commands.py": {
        "test_a_part_of_a_task_is_collected_where_one_of_its_keys_has_moved": "approvals: tolerance"
    },
    "whole/test_runs_by_itself.py": {
        "test_what_somebody_deletes_is_collected_and_closed_by_itself_and_no_process_is_left": ("service: web_port")
    },
    "operate/test_machine.py": {
        "test_each_limit_says_what_is_short": "resources: load_per_cpu",
        "test_a_process_goes_behind_others_by_as_much_as_is_said_and_once": "resources: nice",
    },
    "operate/test_alert_channels.py": {
        "test_slack_is_told_in_lines_what_since_when_what_to_do_and_where": "alerts.channels: kind secret",
        "test_a_webhook_gets_json_that_is_signed": "alerts.channels: url",
        "test_nothing_is_sent_inward_or_without_encryption_unless_that_is_said": "alerts.channels: allow_private",
        "test_a_mail_says_in_its_subject_what_is_wrong_and_in_its_lines_the_rest": (
            "alerts.channels: host port sender recipients"
        ),
        "test_a_mail_is_encrypted_before_anybody_logs_in": "alerts.channels: encryption user",
        "test_a_topic_of_sns_gets_a_plain_subject_and_the_lines": "alerts.channels: topic_arn",
        "test_two_channels_of_one_name_are_refused": "alerts.channels: name",
    },
    "operate/test_alert_decisions.py": {
        "test_an_open_alert_whose_cause_comes_and_goes_stays_one_alert": "alerts: after_minutes",
        "test_what_still_stands_is_told_again_after_a_while": "alerts: repeat_hours",
        "test_quiet_hours_are_what_a_clock_shows_that_is_turned_minute_by_minute": "alerts.quiet: begins ends",
    },
    "operate/test_alert_sending.py": {
        "test_a_channel_for_what_is_critical_hears_nothing_else": "alerts.channels: only_critical",
        "test_a_message_is_given_up_after_its_last_attempt_and_the_next_one_is_sent": "alerts: attempts",
        "test_a_message_that_does_not_arrive_is_sent_again_with_longer_and_longer_pauses": "alerts: retry_seconds",
    },
    "operate/test_alerts.py": {
        "test_links_lead_to_the_pages_of_the_service_unless_they_are_elsewhere": "alerts: ui_url",
        "test_what_is_long_over_is_forgotten": "alerts: keep_days",
    },
    "operate/test_health_rules.py": {
        "test_what_dagster_says_is_wrong_is_a_cause": (
            "health: daemon_silent_minutes cycle_late_minutes missed_ticks error_rate"
        ),
        "test_what_is_still_within_its_limit_is_no_cause": "health: error_rate_least",
        "test_an_inventory_that_is_too_old_is_a_cause": "health: inventory_old_hours",
        "test_a_critical_gap_past_its_limit_is_a_cause_by_source": "health: critical_max_age_hours",
        "test_a_full_disk_is_a_warning_and_then_critical": "health: disk_warning_gib disk_critical_gib",
        "test_failures_of_long_ago_are_forgotten": "health: window_hours",
    },
    "operate/test_health_server.py": {
        "test_nobody_listens_for_other_machines_without_a_token": "health: address",
    },
    "operate/test_health_command.py": {
        "test_the_server_listens_where_it_is_told_and_looks_by_itself": "health: port interval_seconds",
    },
    "loop/test_modes.py": {
        "test_the_configuration_says_how_and_the_caller_may_say_otherwise": "s3: use_aws_inventory",
        "test_without_a_report_a_sample_is_taken_where_that_is_configured": "s3: fallback_to_sample",
        "test_as_many_requests_are_under_way_as_configured": "s3: parallel_workers",
        "test_outside_the_prefixes_nothing_is_known": "s3: prefixes",
        "test_the_budget_decides_how_many_ranges_are_listed": "s3: delta_requests",
        "test_the_prefix_and_the_id_of_the_reports_are_configured": "s3: inventory_prefix inventory_id",
    },
    "lake/test_sampling.py": {"test_the_share_counts_where_it_is_more_than_the_floor": "s3: sample_rate"},
    "loop/test_last_looks.py": {"test_the_last_inventory_is_taken_again_while_it_is_young": "s3: cache_ttl_hours"},
    "defs/test_vanished_objects.py": {"test_a_small_loss_is_a_gap_like_any_other": "s3: max_vanished_share"},
    "cli/test_inventory_commands.py": {
        "test_setup_says_how_old_an_inventory_has_to_be_allowed_to_be": "s3: max_age_hours"
    },
    "loop/test_audits.py": {"test_every_object_is_looked_at_once_whatever_comes_and_goes": "s3: audit_objects_per_run"},
    "lake/test_s3_encryption.py": {"test_every_kind_of_write_is_encrypted": "s3: encryption kms_key_id"},
    "loop/test_gaps.py": {
        "test_the_threshold_of_days_is_configured": "gap_detection: critical_threshold_days",
        "test_thresholds_are_configured": f"gap_detection.completeness_thresholds: {EACH}",
    },
    "loop/test_loop_checks.py": {
        "test_a_critical_gap_older_than_its_limit_is_named_and_others_may_be_old": (
            "gap_detection: critical_max_age_hours"
        ),
    },
    "loop/test_task_files.py": {
        "test_the_keys_of_tasks_come_in_the_order_of_the_queue": "task_queue: keys_per_task",
    },
    "loop/test_tasks.py": {
        "test_the_cap_of_a_run_cuts_the_least_urgent": "task_queue: max_tasks_per_run",
        "test_every_key_of_every_gap_is_in_one_task_or_in_the_explained_remainder": f"task_queue.max_tasks: {EACH}",
    },
    "loop/test_priority.py": {
        "test_each_weight_moves_the_score_by_what_it_says": (
            f"task_queue.priority_weighting.base_scores: {EACH}; "
            "task_queue.priority_weighting: age_weight age_cap gap_size_weight gap_size_cap"
        ),
        "test_a_multiplier_and_the_chance_of_success_count_for_the_whole_value": (
            "task_queue.priority_weighting: source_multipliers success_rate_weight"
        ),
    },
    "ledger/test_policy.py": {
        "test_the_last_attempt_is_followed_by_a_dead_letter": "retries: max_attempts",
        "test_each_failure_in_a_row_waits_longer_up_to_the_longest_wait": (
            "retries: backoff_minutes backoff_factor backoff_longest_hours"
        ),
        "test_a_wait_is_spread_by_no_more_than_the_jitter": "retries: jitter",
        "test_an_absence_is_believed_after_a_quorum_of_answers_a_day_apart": (
            "tombstones: quorum probe_hours lasts_days"
        ),
    },
    "loop/test_tombstones.py": {
        "test_one_answer_goes_for_those_of_its_cell_that_end_a_little_later": "tombstones: probes_per_cell"
    },
    "loop/test_closure.py": {
        "test_a_promoted_object_that_nobody_sees_in_time_is_open_again": "closure: unseen_minutes",
        "test_no_more_keys_are_asked_for_than_a_run_may_and_the_oldest_come_first": "closure: looks_per_run",
        "test_objects_are_read_again_within_a_budget_alone": "closure: reread_mb",
    },
    "test_every_setting.py": {"test_the_engine_keeps_to_its_memory_and_its_threads": "engine: memory_limit threads"},
    "loop/test_on_spark.py": {
        "test_the_whole_loop_writes_the_same_files_on_both_engines": "engine: backend spark_master"
    },
}
"""The test that shows what a key does, by its file; keys stand behind their section."""


def models(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a value is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models(argument)]


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key of a file, with the sections that it stands in."""
    for name, field in model.model_fields.items():
        inner = models(field.annotation)
        for section in inner:
            yield from keys(section, f"{prefix}{name}.")
        if not inner:
            yield prefix + name


ALL = sorted({*keys(AutonomousConfig), *keys(ReconciliationConfig)})


def shown() -> Iterator[tuple[str, str, str]]:
    """Every key with the file and the name of its test."""
    for file, tests in SHOWN_BY.items():
        for test, text in tests.items():
            for part in text.split("; "):
                section, _, names = part.rpartition(": ")
                yield from ((f"{section}.{name}".lstrip("."), file, test) for name in names.split())


@cache
def functions(file: str) -> frozenset[str]:
    return frozenset(re.findall(r"^def (\w+)\(", (ROOT / file).read_text("utf-8"), re.MULTILINE))


@cache
def read_names() -> frozenset[str]:
    """Every name of an attribute that the code reads, and those that the table engine is handed as a whole."""
    texts = [path.read_text("utf-8") for path in CODE.rglob("*.py")]
    taken = re.findall(r"^    ([a-z_]+): ", (CODE / "tables.py").read_text("utf-8"), re.MULTILINE)
    return frozenset(taken).union(*(re.findall(r"(?<=\.)[a-z_]+\b", text) for text in texts))


def test_every_key_of_the_configuration_has_a_test_that_shows_what_it_does():
    assert sorted({key for key, _, _ in shown()}) == ALL


def test_every_test_that_is_named_is_there():
    assert [(file, test) for _, file, test in shown() if test not in functions(file)] == []


def test_every_key_is_read_by_the_code():
    by_priority = {key for key in ALL if key.rpartition(".")[2] in EACH.split()}
    assert [key for key in ALL if key not in by_priority and key.rpartition(".")[2] not in read_names()] == []


@pytest.mark.parametrize(("limit", "threads"), [("64MB", 1), ("2GB", 3)])
def test_the_engine_keeps_to_its_memory_and_its_threads(limit: str, threads: int):
    with engine(memory_limit=limit, threads=threads) as backend:
        asked = backend.con.execute("SELECT current_setting('memory_limit'), current_setting('threads')")
        told = asked.fetchone()
    assert told == ({"64MB": "61.0 MiB", "2GB": "1.8 GiB"}[limit], threads)
