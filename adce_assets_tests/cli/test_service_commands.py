"""`adce start` and its kin as a person meets them; what they do to processes is tested with the service itself."""

import json
import shutil
from typing import Any

from adce_assets_tests.cli.conftest import ROOT


def test_an_installation_that_does_not_run_says_so_and_is_not_there_to_be_stopped(reconciled: Any) -> None:
    shutil.copy(ROOT / "dagster.yaml", reconciled.home)
    found = reconciled.adce("status", "--json")
    told = json.loads(found.stdout)
    assert (found.exit_code, told["running"], told["components"]) == (1, False, [])
    assert told["tasks"] == reconciled.state_of("gaps.json")["total_tasks"]
    assert reconciled.json("stop") == {"schema": 1, "was_running": False}
    assert "has not written anything yet" in reconciled.adce("logs", "--component", "daemon").stderr


def test_a_service_is_shown_and_ended_where_no_lake_is_configured_any_more(installation: Any) -> None:
    del installation.variables["ADCE_LAKE"]
    assert installation.json("stop") == {"schema": 1, "was_running": False}
    assert "has not written anything yet" in installation.adce("logs", "--component", "daemon").stderr
    assert json.loads(installation.adce("status", "--json").stdout)["running"] is False
    refused = installation.adce("start")
    assert (refused.exit_code, "no lake is configured" in refused.stderr) == (1, True)


def test_the_last_lines_of_each_component_are_shown(reconciled: Any) -> None:
    shutil.copy(ROOT / "dagster.yaml", reconciled.home)
    logs = reconciled.home / ".adce" / "service" / "logs"
    logs.mkdir(parents=True)
    (logs / "web.log").write_text("one\ntwo\nthree\n")
    (logs / "code.log").write_bytes(b"caf\xff\nlast, without an end")
    found = reconciled.adce("logs", "--tail", "2", "--component", "web", "--component", "code")
    assert found.stdout.splitlines() == ["web: two", "web: three", "code: caf\ufffd", "code: last, without an end"]
    told = reconciled.adce("logs", "--tail", "1", "--component", "web", "--json").stdout
    assert json.loads(told) == {"schema": 1, "component": "web", "line": "three"}


def test_without_the_settings_of_dagster_nothing_is_started(installation: Any) -> None:
    found = installation.adce("start")
    assert (found.exit_code, "dagster.yaml" in found.stderr) == (1, True)
