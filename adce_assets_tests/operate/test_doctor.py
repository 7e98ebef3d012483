"""Each examination, made to find what it is there for; and one that breaks, which is found as well."""

import json
import shutil
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._time import get_current_timestamp

from adce_assets.cli.doctor import NAMES
from adce_assets.defs import examining
from adce_assets.errors import LakeError
from adce_assets.fetch.limits import Answered, Limits
from adce_assets.lake.file_store import FileStore
from adce_assets.ledger.chain import Head
from adce_assets.loop.heads import name_of
from adce_assets.operate import doctor
from adce_assets.operate.causes import Cause, Severity
from adce_assets.operate.doctor import GIB, LOOP, NEEDS, PROBE, TOLD_BY, Installation
from adce_assets.operate.findings import Finding, Said, Standing, findings, ok
from adce_assets.operate.halting import halt
from adce_assets.operate.watching import CODES
from adce_assets.settings import Settings, load_settings
from adce_assets_tests.cli.conftest import ROOT, make_installation

Version = namedtuple("Version", "major minor micro")  # noqa: PYI024 - as `sys.version_info` is read


@pytest.fixture
def made(tmp_path: Path) -> Any:
    installation = make_installation(tmp_path / "home")
    del installation.variables["ADCE_AS_OF"]
    return installation


def examined(made: Any, name: str, settings: Settings | None = None) -> Finding:
    """Make one examination of an installation."""
    (found,) = findings((one, examine) for one, examine in every(made, settings) if one == name)
    return found


def every(made: Any, settings: Settings | None = None) -> list[tuple[str, Callable[[], Said]]]:
    installation = Installation(lambda: settings or load_settings(made.variables))
    return [*doctor.examinations(installation), *examining.examinations(installation)]


def broken(made: Any) -> dict[str, str]:
    """Make all examinations; tell what is wrong, and what is not looked at because of it."""
    found = findings(every(made), needs=NEEDS)
    return {one.name: one.what for one in found if one.standing == "wrong" or "not looked at" in one.what}


def test_every_examination_can_be_chosen_by_its_name(made: Any) -> None:
    assert (*(name for name, _ in every(made)), LOOP) == NAMES
    assert {*NEEDS, *(one for needed in NEEDS.values() for one in needed), *TOLD_BY.values()} <= {*NAMES}
    assert {*TOLD_BY} <= {*CODES}


@pytest.mark.parametrize(
    "name",
    [
        *("python", "settings", "disk", "contract", "scrapers", "hosts", "ledger"),
        *("lake_reading", "lake_writing", "clock", "metrics", "history", "data_sets"),
    ],
)
def test_what_is_as_it_should_be_is_said_to_be(made: Any, name: str) -> None:
    assert (found := examined(made, name)).standing == "ok", found


def test_the_probe_is_one_object_however_often_it_is_written(made: Any) -> None:
    for _ in range(3):
        examined(made, "lake_writing")
    below = [str(path.relative_to(made.lake)) for path in (made.lake / "_adce").rglob("*") if path.is_file()]
    assert below == [PROBE]


def test_an_old_python_is_wrong(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", Version(3, 10, 1))
    assert (examined(made, "python").standing, examined(made, "python").what) == ("wrong", "Python 3.10.1")


@pytest.mark.parametrize(("free", "standing"), [(GIB // 8, "wrong"), (GIB, "warning"), (3 * GIB, "ok")])
def test_a_full_disk_is_told_in_time(made: Any, monkeypatch: pytest.MonkeyPatch, free: int, standing: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9 * GIB, 0, free))
    assert examined(made, "disk").standing == standing


def test_a_faulty_contract_is_told_with_its_line_and_what_needs_it_says_the_same(made: Any) -> None:
    path = made.home / "inventory" / "data_inventory.yaml"
    path.write_text(path.read_text().replace("description: games", "discription: games"))
    found = examined(made, "contract")
    assert (found.standing, "data_inventory.yaml" in found.what) == ("wrong", True)
    assert examined(made, "lake_reading").standing == "wrong"


def test_a_scraper_that_is_not_configured_is_named(made: Any) -> None:
    path = made.home / "inventory" / "data_inventory.yaml"
    path.write_text(path.read_text().replace("scraper: espn_summary", "scraper: espn_sumary"))
    found = examined(made, "scrapers")
    assert (found.standing, "`espn_sumary`" in found.what) == ("warning", True)


def test_a_scraper_that_does_not_yield_what_the_contract_says_is_wrong(made: Any) -> None:
    path = made.home / "inventory" / "data_inventory.yaml"
    path.write_text(path.read_text().replace("scraper: espn_summary", "scraper: espn_scoreboard"))
    assert examined(made, "data_sets").standing == "wrong"


def test_secrets_that_nobody_keeps_are_named_and_none_is_shown(made: Any) -> None:
    made.variables["KAGGLE_API_TOKEN"] = "a-token-that-is-kept"
    found = examined(made, "credentials")
    assert found.standing == "warning"
    assert "ODDS_API_KEY" in found.what
    assert "KAGGLE" not in found.what + found.hint
    assert "a-token-that-is-kept" not in str(found)


def test_a_host_that_has_shut_us_out_is_named(made: Any) -> None:
    settings = load_settings(made.variables)
    entry = Installation(lambda: settings).catalogue.hosts["espn_site"]
    limits = Limits(settings.limits_place)
    for _ in range(3):
        limits.answered("espn_site", entry, Answered.SILENT)
    limits.dispose()
    found = examined(made, "hosts")
    assert (found.standing, "espn_site" in found.what, found.hint) == ("warning", True, "`adce hosts`")


def test_a_ledger_that_cannot_be_opened_is_wrong(made: Any, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database " * 100)
    made.variables["ADCE_DATABASE_URL"] = f"sqlite:///{tmp_path / 'text'}"
    assert examined(made, "ledger").standing == "wrong"


def test_a_lake_that_is_not_there_or_empty_is_told_apart(made: Any) -> None:
    shutil.rmtree(made.lake)
    assert examined(made, "lake_reading").standing == "wrong"
    for name in ("lake_writing", "clock"):
        assert examined(made, name).standing == "wrong"
    assert not made.lake.exists()
    made.lake.mkdir()
    assert examined(made, "lake_writing").standing == "ok"
    assert "is empty" in examined(made, "lake_reading").what


@pytest.mark.parametrize("name", ["put_if_absent", "put_if_match"])
def test_a_store_that_ignores_conditions_is_wrong(made: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(FileStore, name, lambda self, key, body, *_: self.put(key, body))
    assert examined(made, "lake_writing").standing == "wrong"


def test_a_lake_that_may_not_be_written_is_wrong(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise LakeError("access denied", where="s3://lake", hint="allow s3:PutObject")

    monkeypatch.setattr(FileStore, "put", refuse)
    found = examined(made, "lake_writing")
    assert (found.standing, found.what, found.hint) == ("wrong", "s3://lake: access denied", "allow s3:PutObject")


@pytest.mark.parametrize(("ahead", "standing"), [(0, "ok"), (90, "warning"), (-90, "warning"), (3_600, "wrong")])
def test_a_clock_that_goes_wrong_is_told(made: Any, ahead: int, standing: str) -> None:
    settings = load_settings(made.variables)
    off = {field: getattr(settings, field) for field in Settings.__dataclass_fields__}
    off["clock"] = lambda: datetime.now(UTC) + timedelta(seconds=ahead)
    assert examined(made, "clock", Settings(**off)).standing == standing


def test_a_clock_that_was_told_to_stand_is_not_held_against_anything(made: Any) -> None:
    made.variables["ADCE_AS_OF"] = "2024-12-05T12:00:00+00:00"
    assert examined(made, "clock").standing == "skipped"


def test_an_inventory_is_wanted_and_wanted_young(made: Any) -> None:
    found = examined(made, "inventory")
    assert (found.standing, found.hint) == ("warning", "`adce reconcile`")
    assert made.adce("reconcile").exit_code == 0
    assert examined(made, "inventory").standing == "ok"
    settings = load_settings(made.variables)
    later = {field: getattr(settings, field) for field in Settings.__dataclass_fields__}
    later["clock"] = lambda: datetime.now(UTC) + timedelta(hours=9)
    found = examined(made, "inventory", Settings(**later))
    assert (found.standing, "9.0 h old" in found.what) == ("warning", True)


def test_a_fault_of_the_settings_is_a_finding_and_what_needs_none_is_examined_all_the_same(made: Any) -> None:
    with (made.home / "config" / "autonomous_config.yaml").open("a") as file:
        file.write("bogus: 1\n")
    told = made.adce("doctor", "--json")
    found = {one["name"]: one for one in json.loads(told.stdout)["findings"]}
    assert (told.exit_code, found["settings"]["standing"], found["python"]["standing"]) == (1, "wrong", "ok")
    assert "autonomous_config.yaml" in found["settings"]["what"]
    assert {found[name]["standing"] for name in NEEDS if "settings" in NEEDS[name]} == {"skipped"}


def test_one_cause_is_one_finding_and_the_ledger_needs_no_lake(made: Any) -> None:
    del made.variables["ADCE_LAKE"]
    found = broken(made)
    assert [name for name, what in found.items() if "not looked at" not in what] == ["lake_reading"]
    assert {name for name, what in found.items() if "not looked at" in what} == {"lake_writing", "clock", "inventory"}


def test_faults_of_the_metrics_and_of_their_history_are_found(made: Any) -> None:
    config = made.home / "inventory" / "config.yaml"
    shipped = config.read_text()
    config.write_text(shipped + "bogus: 1\n")
    found = examined(made, "metrics")
    assert (found.standing, "config.yaml" in found.what + found.hint) == ("wrong", True)
    config.unlink()
    assert {examined(made, name).standing for name in ("metrics", "history")} == {"skipped"}
    config.write_text(shipped)
    (made.home / ".adce").mkdir(exist_ok=True)
    (made.home / ".adce" / "metrics.sqlite").write_text("no database " * 100)
    assert examined(made, "history").standing == "wrong"


def test_an_examination_that_breaks_is_a_finding_and_the_others_go_on() -> None:
    def breaks() -> Said:
        raise ZeroDivisionError("\x1b[31mdivision")

    first, second = findings([("one", breaks), ("two", lambda: ok("well"))])
    assert (first.standing, second.standing) == ("wrong", "ok")
    assert first.what == "ZeroDivisionError:  [31mdivision"


def test_what_health_finds_doctor_finds_too_each_with_its_own_hint(made: Any) -> None:
    assert made.adce("doctor", "--only", "loop").exit_code == 0
    project = Installation(lambda: load_settings(made.variables)).project
    halt(project.state, "inward", "a host led to 10.0.0.1", at=datetime.now(UTC), by="run")
    heads = {"schema": 1, "heads": {name_of(project.ledger.url): str(Head(9, "0" * 64, None))}}
    (made.home / "inventory" / "cache").mkdir()
    (made.home / "inventory" / "cache" / "ledger_head.json").write_text(json.dumps(heads))
    told = made.adce("doctor", "--only", "loop", "--json")
    found = {one["what"].partition(":")[0]: one for one in json.loads(told.stdout)["findings"]}
    assert (told.exit_code, {*found}) == (1, {"halted", "ledger_broken"})
    assert {(one["name"], one["standing"]) for one in found.values()} == {("loop", "wrong")}
    assert "adce resume" in found["halted"]["hint"]
    assert "adce ledger verify" in found["ledger_broken"]["hint"]


WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL
NOT_YET = Finding("daemons", Standing.WARNING, "no daemon has ever run here")
LATE = Finding("inventory", Standing.WARNING, "the newest report is late")
ALONE = Finding("hosts", Standing.WARNING, "1 of 9 are left alone: espn_site")


@pytest.mark.parametrize(
    ("code", "subject", "severity", "told", "left"),
    [
        ("loop_stopped", "", CRITICAL, NOT_YET, 0),
        ("cycle_late", "", WARNING, Finding("daemons", Standing.SKIPPED, "DAGSTER_HOME is not set"), 1),
        ("cycle_late", "", CRITICAL, Finding("daemons", Standing.OK, "all are awake"), 1),
        ("cycle_late", "", CRITICAL, NOT_YET, 0),
        ("inventory_old", "", CRITICAL, LATE, 1),
        ("inventory_old", "", WARNING, LATE, 0),
        ("inventory_old", "", CRITICAL, replace(LATE, standing=Standing.WRONG), 0),
        ("source_failing", "nba_stats", WARNING, ALONE, 1),
        ("source_blocked", "espn_site", WARNING, ALONE, 0),
        ("halted", "why", WARNING, Finding("inventory", Standing.WRONG, "why"), 1),
    ],
)
def test_a_fault_is_told_once_and_none_hides_behind_a_lesser_one(
    code: str, subject: str, severity: Severity, told: Finding, left: int
) -> None:
    found = list(doctor.of_causes([Cause(code, subject, severity, "it is so", "a hint")], [told]))
    standing = Standing.WRONG if severity is CRITICAL else Standing.WARNING
    assert [(one.what, one.standing) for one in found] == [(f"{code}: it is so", standing)] * left


# ---------------------------------------------------------------------------------------------- the instance of Dagster


@pytest.fixture
def dagster_home(made: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    home = made.home / "dagster"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    yield home
    with dg.DagsterInstance.get() as instance:
        instance.dispose()


def change(home: Path, **sections: Any) -> None:
    path = home / "dagster.yaml"
    document = yaml.safe_load(path.read_text())
    for name, change in sections.items():
        document[name] = document[name] | change
    path.write_text(yaml.safe_dump(document))


def test_without_an_instance_there_is_nothing_to_look_at(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert {examined(made, name).standing for name in ("dagster", "pools", "daemons")} == {"skipped"}
    monkeypatch.setenv("DAGSTER_HOME", str(made.home / "none"))
    assert examined(made, "dagster").standing == "wrong"


def test_the_shipped_instance_is_well_but_for_its_daemons(made: Any, dagster_home: Path) -> None:
    assert dagster_home.is_dir()
    found = [examined(made, name) for name in ("dagster", "pools", "daemons")]
    assert [one.standing for one in found] == ["ok", "ok", "warning"]
    assert found[-1].hint == "`adce start`"


@pytest.mark.parametrize(
    ("section", "value", "name", "standing"),
    [
        ("run_monitoring", {"enabled": False}, "dagster", "warning"),
        ("run_retries", {"enabled": False}, "dagster", "warning"),
        ("run_monitoring", {"free_slots_after_run_end_seconds": 0}, "pools", "wrong"),
        ("concurrency", {"pools": {"granularity": "run"}}, "pools", "warning"),
    ],
)
def test_settings_without_which_something_is_lost_are_missed(
    made: Any, dagster_home: Path, section: str, value: Any, name: str, standing: str
) -> None:
    change(dagster_home, **{section: value})
    assert (found := examined(made, name)).standing == standing, found


def test_a_broken_dagster_yaml_is_named_once(made: Any, dagster_home: Path) -> None:
    shipped = (dagster_home / "dagster.yaml").read_text()
    for text in ("bogus: 1\n", "storage: ["):
        (dagster_home / "dagster.yaml").write_text(text)
        found = examined(made, "dagster")
        assert (found.standing, str(dagster_home / "dagster.yaml") in found.what) == ("wrong", True), found
    (dagster_home / "dagster.yaml").write_text(shipped)


def test_a_daemon_that_is_not_heard_of_is_wrong(made: Any, dagster_home: Path) -> None:
    from dagster._daemon.types import DaemonHeartbeat

    assert dagster_home.is_dir()
    with dg.DagsterInstance.get() as instance:
        for kind, age in (("SENSOR", 10.0), ("QUEUED_RUN_COORDINATOR", 3_600.0)):
            instance.add_daemon_heartbeat(DaemonHeartbeat(get_current_timestamp() - age, kind, "one", []))
    found = examined(made, "daemons")
    assert (found.standing, "QUEUED_RUN_COORDINATOR" in found.what) == ("wrong", True)
