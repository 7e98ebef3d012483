"""What holds for the loop now, as a person is shown it, and what `adce start` hands its components."""

import shutil
from typing import Any

import pytest
import yaml

from adce_assets.lake.file_store import FileStore
from adce_assets.loop.state import State
from adce_assets.operate.halting import halt
from adce_assets.operate.service import Service
from adce_assets_tests.cli.conftest import NOW, ROOT


def configured(installation: Any, **sections: Any) -> None:
    path = installation.home / "config" / "autonomous_config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections))


def test_what_comes_by_the_clock_is_listed_with_its_next_time(installation: Any) -> None:
    backup = {"name": "backup", "cron": "0 11 * * *", "minutes": 90}
    by_day = {"name": "by_day", "cron": "0 6 * * *", "minutes": 60, "priorities": ["low"], "hosts": ["espn_site"]}
    configured(installation, maintenance=[backup], pauses=[by_day])
    told = installation.json("settings", ADCE_DRY_RUN="1", ADCE_TEST_MODE="1")
    assert told["held_back"] == [
        "dry run: no collecting is started by itself",
        "test mode: 10 task(s) a day, and no scheduled scrapes",
        "maintenance: `backup` until 2024-12-05 12:30 UTC",
        "`hoopr_daily` never begins: each of its next moments (`0 11 * * *`) lies in a window of maintenance",
    ]
    rows = {row["name"] or row["what"]: row for row in told["calendar"]}
    assert rows["reconciliation"]["next"] == "2024-12-05T12:01:00+00:00"
    assert (rows["backup"]["open_until"], rows["backup"]["next"]) == (
        "2024-12-05T12:30:00+00:00",
        "2024-12-06T11:00:00+00:00",
    )
    assert (rows["by_day"]["open_until"], rows["by_day"]["about"]) == (None, "espn_site, low")
    assert rows["espn_daily"]["about"] == "espn, current season: 3 data set(s), 1 run(s)"
    assert rows["hoopr_daily"]["about"] == "nothing of `hoopr` that it is about has a scraper"
    assert rows["basketball_reference_weekly"]["about"] == "the contract has no source `basketball_reference`"
    assert told["autonomous"]["test_mode"]["enabled"] is told["autonomous"]["dry_run"] is True
    assert told["reconciliation"]["s3"]["sample_rate"] == 0.05


def test_what_a_pause_is_about_at_each_of_its_times_never_begins(installation: Any) -> None:
    always = {"cron": "0 0 * * *", "minutes": 1_441}
    configured(installation, pauses=[{"name": "espn", "sources": ["espn"], **always}])
    (said,) = installation.json("settings")["held_back"]
    assert said.startswith("`espn_daily` never begins")
    assert said.endswith("lies in a pause that is about it, or in a window of maintenance")
    configured(installation, pauses=[{"name": "low", "sources": ["espn"], "priorities": ["low"], **always}])
    assert installation.json("settings")["held_back"] == []


def test_where_nothing_keeps_the_loop_back_that_is_said(installation: Any) -> None:
    found = installation.adce("settings")
    assert found.exit_code == 0
    assert "no setting keeps the loop back" in found.stderr
    assert "espn_daily" in found.stdout


def test_a_halt_and_a_near_name_of_a_source_are_told(installation: Any) -> None:
    configured(installation, scheduled_scrapes=[{"name": "near", "cron": "0 6 * * *", "source": "epsn"}])
    (installation.home / "inventory").mkdir(exist_ok=True)
    halt(State(FileStore(installation.home / "inventory")), "inward", "a host led inward", at=NOW, by="run 1")
    told = installation.json("settings")
    (said,) = told["held_back"]
    assert "a host led inward; find out what it was, then `adce resume" in said
    assert told["calendar"][-1]["about"] == "the contract has no source `epsn`; did you mean `espn`?"


def test_a_faulty_file_is_told_by_its_line(installation: Any) -> None:
    configured(installation, pauses=[{"name": "p", "cron": "0 6 * * *", "minutes": 5, "hosts": ["espn_sit"]}])
    found = installation.adce("settings")
    assert found.exit_code == 1
    assert "did you mean `espn_site`" in found.stderr


def test_a_faulty_file_does_not_end_the_loop_that_runs(installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "dagster.yaml", installation.home)
    configured(installation, pauses=[{"name": "p", "cron": "0 6 * * *", "minutes": 5, "hosts": ["espn_sit"]}])
    stopped: list[Service] = []
    monkeypatch.setattr(Service, "stop", stopped.append)
    found = installation.adce("restart")
    assert (found.exit_code, stopped) == (1, [])
    assert "did you mean `espn_site`" in found.stderr


@pytest.mark.parametrize("command", ["start", "restart"])
@pytest.mark.parametrize("flags", [(), ("--dry-run",), ("--test-mode",), ("--dry-run", "--test-mode")])
def test_a_dry_run_and_a_trial_are_told_to_every_component(
    installation: Any, monkeypatch: pytest.MonkeyPatch, command: str, flags: tuple[str, ...]
) -> None:
    shutil.copy(ROOT / "dagster.yaml", installation.home)
    handed: list[dict[str, str]] = []

    def start(_service: Service, environment: dict[str, str], **_: Any) -> int:
        handed.append(environment)
        return 1

    monkeypatch.setattr(Service, "start", start)
    told = installation.json(command, *flags)
    assert (told["dry_run"], told["test_mode"]) == ("--dry-run" in flags, "--test-mode" in flags)
    (environment,) = handed
    assert environment.get("ADCE_DRY_RUN") == ("1" if "--dry-run" in flags else None)
    assert environment.get("ADCE_TEST_MODE") == ("1" if "--test-mode" in flags else None)
