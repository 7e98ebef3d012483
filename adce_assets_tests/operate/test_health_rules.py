"""Each rule, by making exactly that wrong which it is there for; and that all else is well meanwhile."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from adce_assets.dims.drift import Severity as Drift
from adce_assets.dims.history import open_history
from adce_assets.errors import LakeError, LedgerError
from adce_assets.fetch.limits import Answered, Limits
from adce_assets.lake.file_store import FileStore
from adce_assets.ledger.book import open_ledger
from adce_assets.ledger.chain import Head
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.transitions import Event
from adce_assets.loop.heads import name_of
from adce_assets.operate import watching
from adce_assets.operate.causes import Cause, Severity
from adce_assets.operate.doctor import GIB, Installation
from adce_assets.operate.halting import halt
from adce_assets.operate.outside import Outside
from adce_assets_tests.cli.conftest import NOW, ROOT
from adce_assets_tests.operate.watched import HOUR, MINUTE, WELL, Watched

SENSOR = "task_queue_sensor"


def test_all_is_well_where_all_is_as_it_should_be(watched: Watched) -> None:
    assert watched.causes() == []


def test_a_full_queue_is_well(watched: Watched) -> None:
    task = json.loads((watched.home / "inventory" / "gaps.json").read_text())["tasks"][0]
    tasks = [task | {"id": f"task-{number:016x}"} for number in range(500)]
    watched.change("gaps", total_tasks=len(tasks), tasks=tasks, by_priority={"critical": len(tasks)})
    assert watched.found() == set()


# ------------------------------------------------------------------------------------------------- what Dagster says


@pytest.mark.parametrize(
    ("said", "code", "subject"),
    [
        ({"beats": {**WELL.beats, "SENSOR": NOW - 6 * MINUTE}}, "loop_stopped", ""),
        ({"beats": {**WELL.beats, "SENSOR": None}}, "loop_stopped", ""),
        ({"off": (SENSOR,)}, "switched_off", SENSOR),
        ({"off_beside": ("alert_sensor",)}, "switched_off", "alert_sensor"),
        ({"last_cycle": NOW - 61 * MINUTE}, "cycle_late", ""),
        ({"last_cycle": None}, "cycle_late", ""),
        ({"pools": {"host_espn": "2 of 5 places are lost"}}, "pools", "host_espn"),
        ({"missed": {SENSOR: 11}}, "missed_ticks", SENSOR),
        ({"failed": 26}, "error_rate", "runs"),
        ({"fault": "no such folder"}, "dagster", ""),
    ],
)
def test_what_dagster_says_is_wrong_is_a_cause(watched: Watched, said: dict[str, Any], code: str, subject: str) -> None:
    watched.say(**said)
    assert watched.found() == {(code, subject)}


@pytest.mark.parametrize(
    "said",
    [
        {"beats": dict.fromkeys(WELL.beats, NOW - 5 * MINUTE)},
        {"last_cycle": NOW - 60 * MINUTE},
        {"last_cycle": None, "on_since": {"reconciliation_schedule": NOW - 60 * MINUTE}},
        {"missed": {SENSOR: 10}},
        {"failed": 25},
        {"ended": 19, "failed": 19},
    ],
)
def test_what_is_still_within_its_limit_is_no_cause(watched: Watched, said: dict[str, Any]) -> None:
    watched.say(**said)
    assert watched.found() == set()


def test_without_dagster_nothing_is_said_that_it_alone_knows(watched: Watched) -> None:
    watched.outside = Outside(at=NOW, fault="the database does not answer")
    (cause,) = watched.causes()
    assert (cause.code, cause.severity, "the database does not answer" in cause.what) == ("dagster", "critical", True)


def test_the_loop_that_rests_for_maintenance_is_not_late(watched: Watched) -> None:
    watched.say(last_cycle=NOW - 4 * HOUR)
    window = {"name": "backup", "cron": "0 9 * * *", "minutes": 150}
    path = watched.home / "config" / "autonomous_config.yaml"
    text = path.read_text()
    hourly = {"cron": "0 * * * *", "minutes": 1}
    for told, found in (({}, set()), ({"minutes": 60}, {("cycle_late", "")}), (hourly, {("cycle_late", "")})):
        path.write_text(text.replace("maintenance: []", f"maintenance: [{json.dumps(window | told)}]"))
        assert watched.found() == found


# ------------------------------------------------------------------------------------------------- the loop's own files


def test_an_inventory_that_is_too_old_is_a_cause(watched: Watched) -> None:
    for hours, found in ((6, set()), (6.1, {("inventory_old", "")})):
        watched.change("cache/current_inventory", as_of=(NOW - hours * HOUR).isoformat())
        assert watched.found() == found


def test_objects_that_have_vanished_are_a_cause_by_source(watched: Watched) -> None:
    lost = [{"source": source, "before": 100, "now": 2} for source in ("", "espn")]
    watched.change("cache/current_inventory", vanished=lost)
    assert watched.found() == {("vanished", ""), ("vanished", "espn")}


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"alive": False, "says": "the gap was not closed"}, {("canary_failed", "")}),
        ({"sent_at": (NOW - 31 * HOUR).isoformat()}, {("canary_late", "")}),
        ({"alive": False, "sent_at": (NOW - 31 * HOUR).isoformat()}, {("canary_failed", ""), ("canary_late", "")}),
    ],
)
def test_a_canary_that_died_or_never_came_is_a_cause(watched: Watched, told: dict[str, Any], found: set[Any]) -> None:
    watched.change("cache/canary", **told)
    assert watched.found() == found


def test_no_canary_at_all_is_a_cause_once_its_schedule_has_been_on_for_long(watched: Watched) -> None:
    (watched.home / "inventory" / "cache" / "canary.json").unlink()
    assert watched.found() == {("canary_late", "")}
    watched.say(on_since={**WELL.on_since, "canary_schedule": NOW - 20 * HOUR})
    assert watched.found() == set()
    watched.say(on_since={})
    assert watched.found() == set()


def test_a_critical_gap_past_its_limit_is_a_cause_by_source(watched: Watched) -> None:
    gaps = json.loads((watched.home / "inventory" / "cache" / "detected_gaps.json").read_text())["gaps"]
    old = [gap | {"priority": "critical", "detected_at": (NOW - 25 * HOUR).isoformat()} for gap in gaps]
    young = [gap | {"detected_at": (NOW - 24 * HOUR).isoformat()} for gap in old]
    watched.change("cache/detected_gaps", gaps=young)
    assert watched.found() == set()
    watched.change("cache/detected_gaps", gaps=old)
    assert watched.found() == {("critical_gap_late", "espn"), ("critical_gap_late", "hoopr")}
    assert {cause.since for cause in watched.causes()} == {NOW - 25 * HOUR}


def test_a_halted_loop_is_a_cause_that_says_why(watched: Watched) -> None:
    halt(watched.installation.project.state, "inward", "a host led to 10.0.0.1", at=NOW - HOUR, by="run")
    (cause,) = watched.causes()
    assert (cause.code, cause.subject, cause.since) == ("halted", "inward", NOW - HOUR)
    assert "10.0.0.1" in cause.what


def test_a_file_of_another_form_is_a_fault_of_its_rule_and_the_others_go_on(watched: Watched) -> None:
    watched.change("cache/canary", sent_at="tomorrow")
    (watched.home / "inventory" / "cache" / "detected_gaps.json").write_text("[")
    watched.say(missed={SENSOR: 99})
    assert watched.found() == {
        ("rule_failed", "canary"),
        ("files", "cache/detected_gaps"),
        ("missed_ticks", SENSOR),
    }


def test_new_work_that_waits_for_a_person_is_a_cause_until_it_is_decided(watched: Watched) -> None:
    watched.configure("approvals", max_new_tasks=1)
    ((code, held),) = watched.found()
    assert (code, held.startswith("hold-")) == ("approval_waiting", True)
    from adce_assets.loop import approvals

    project = watched.installation.project
    waiting = approvals.look(project, project.state.read_json("gaps"))
    assert waiting is not None
    approvals.decide(project, waiting, accepted=False, by="Ann", note="a typing error")
    assert watched.found() == set()


def test_a_metric_that_waits_for_a_person_is_a_cause(watched: Watched) -> None:
    history = open_history(watched.settings.metrics_url)
    told = {"old": 4, "new": 9, "drift": 125.0, "severity": Drift.HIGH, "run_id": None, "at": NOW}
    number = history.hold("lake.objects", **told)
    history.dispose()
    (cause,) = watched.causes()
    assert (cause.code, cause.subject, cause.since) == ("metric_waiting", f"metric-{number}", NOW)


# ------------------------------------------------------------------------------------------------ machine, databases


@pytest.mark.parametrize(("free", "severity"), [(GIB, Severity.WARNING), (GIB // 8, Severity.CRITICAL)])
def test_a_full_disk_is_a_warning_and_then_critical(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, free: int, severity: Severity
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9 * GIB, 0, free))
    found = watched.causes()
    assert [cause.severity for cause in found if cause.code == "disk"] == [severity]
    assert watching.is_well(found) is (severity is Severity.WARNING)
    assert (("short_of_resources", "") in watched.found()) is (severity is Severity.CRITICAL)


def test_a_database_that_does_not_answer_is_one_cause(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database " * 100)
    watched.changed["configured_database"] = f"sqlite:///{tmp_path / 'text'}"
    assert ("database", "") in watched.found()
    assert not {code for code, _ in watched.found()} & {"ledger_broken", "error_rate"}


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let a store below a folder answer nothing any more."""

    def refuse(folder: str) -> None:
        head = FileStore.head

        def broken(self: FileStore, key: str) -> Any:
            if self.url.endswith(folder):
                raise LakeError("does not answer", where=self.url)
            return head(self, key)

        monkeypatch.setattr(FileStore, "head", broken)

    return refuse


@pytest.mark.parametrize(("folder", "code"), [("/lake", "lake"), ("/inventory", "state")])
def test_a_store_that_does_not_answer_is_one_cause(
    watched: Watched, refusing: Callable[[str], None], folder: str, code: str
) -> None:
    refusing(folder)
    assert watched.found() == {(code, "")}


def test_settings_and_contract_that_cannot_be_loaded_are_one_cause_each(watched: Watched) -> None:
    contract, config = (watched.home / name for name in ("inventory/data_inventory.yaml", "config/scraper_config.yaml"))
    contract.write_text(contract.read_text().replace("description: games", "discription: games"))
    assert watched.found() == {("contract", "")}
    config.write_text("bogus: 1\n")
    assert watched.found() == {("contract", ""), ("source_failing", "")}
    faulty = Installation(lambda: (_ for _ in ()).throw(LedgerError("bad")))
    assert [cause.code for cause in watching.causes(faulty, WELL, NOW)] == ["settings"]


def test_without_a_lake_there_is_one_cause(watched: Watched) -> None:
    del watched.variables["ADCE_LAKE"]
    assert watched.found() == {("installation", "")}


# ------------------------------------------------------------------------------------------------- ledger and sources

WELL_DONE = (Event.FETCHED, Event.STAGED, Event.AUDITED, Event.PROMOTED)


def attempt(watched: Watched, **counts: int) -> None:
    """Let attempts on keys end well, or fail, an hour ago."""
    cell, at = ("espn", "play_by_play", "2024-25"), NOW - HOUR
    ledger = open_ledger(watched.settings.database_url)
    for how, steps in (("well", WELL_DONE), ("failed", (Event.FAILED,))):
        keys = [f"pbp/{how}{number}.json" for number in range(counts[how])]
        assert ledger.claim([Wish(key, *cell) for key in keys], run="r", until=NOW, now=at) == keys
        ledger.append([Transition(key, step, *cell, at=at, run="r") for key in keys for step in steps])
    ledger.dispose()


@pytest.mark.parametrize(
    ("well", "failed", "found"),
    [(15, 5, set()), (15, 6, {("error_rate", "attempts")}), (0, 19, set()), (0, 20, {("error_rate", "attempts")})],
)
def test_too_many_failed_attempts_are_a_cause(watched: Watched, well: int, failed: int, found: set[Any]) -> None:
    attempt(watched, well=well, failed=failed)
    assert watched.found() == found


def test_failures_of_long_ago_are_forgotten(watched: Watched) -> None:
    attempt(watched, well=0, failed=30)
    watched.configure("health", window_hours=0.9)
    assert watched.found() == set()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ledger_entries WHERE seq = (SELECT max(seq) FROM ledger_entries)",
        "UPDATE ledger_entries SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE seq = 1",
        "UPDATE ledger_head SET hash = replace(hash, substr(hash, 1, 1), 'x')",
    ],
)
def test_a_ledger_that_has_lost_what_was_its_last_entry_is_broken(watched: Watched, statement: str) -> None:
    ledger = open_ledger(watched.settings.database_url)
    kept, url = ledger.head(), ledger.url
    once = kept if "max" in statement or "ledger_head" in statement else Head(1, first_hash(watched), None)
    ledger.dispose()
    heads = {"schema": 1, "heads": {name_of(url): str(once)}}
    (watched.home / "inventory" / "cache" / "ledger_head.json").write_text(json.dumps(heads))
    assert watched.found() == set()
    with closing(sqlite3.connect(watched.home / ".adce" / "ledger.sqlite")) as connection, connection:
        connection.execute(statement)
    assert watched.found() == {("ledger_broken", "")}


def first_hash(watched: Watched) -> str:
    with closing(sqlite3.connect(watched.home / ".adce" / "ledger.sqlite")) as connection:
        return connection.execute("SELECT hash FROM ledger_entries WHERE seq = 1").fetchone()[0]


def test_hosts_that_leave_us_out_are_causes_by_host(watched: Watched) -> None:
    hosts, moments = watched.installation.catalogue.hosts, count(1_700_000_000_000, 600_000)
    limits = Limits(watched.settings.limits_place, clock_ms=lambda: next(moments))
    silent, shut, slow = [name for name, host in hosts.items() if host.budget is None][:3]
    for _ in range(3):
        limits.answered(silent, hosts[silent], Answered.SILENT)
    for _ in range(20):
        limits.answered(slow, hosts[slow], Answered.BUSY)
    limits.dispose()
    now = Limits(watched.settings.limits_place)
    now.close_host(shut, hosts[shut], 3_600, "it said 429")
    now.dispose()
    assert watched.found() == {("source_blocked", silent), ("source_failing", shut), ("source_failing", slow)}
    assert watching.is_well(watched.causes())


def test_what_was_noted_for_alerts_is_a_cause_too(watched: Watched) -> None:
    from adce_assets.operate.alerts import note

    failed = Cause("run_failed", "collect_espn", Severity.WARNING, "it has failed", "see the run")
    note(watched.settings, failed, NOW)
    assert watched.found() == {("run_failed", "collect_espn")}


def test_the_worst_comes_first(watched: Watched) -> None:
    watched.say(missed={SENSOR: 99}, last_cycle=None)
    assert [cause.code for cause in watched.causes()] == ["cycle_late", "missed_ticks"]


def test_every_code_is_told_in_the_documents() -> None:
    text = (ROOT / "docs" / "health.md").read_text()
    assert [code for code in watching.CODES if f"| `{code}` |" not in text] == []
    needed = {need for rule in watching.RULES for need in rule.needs}
    assert needed <= {code for rule in watching.RULES for code in rule.codes}
