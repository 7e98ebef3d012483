"""An existing program closes gaps like any scraper: from the UI, from the sensor, and from the command line."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from adce_assets.defs.resources import ProjectResource
from adce_assets.ledger.receipts import COMPLETIONS, read_completion

SEASON = "2024-25"
PROGRAM = Path(__file__).parents[1] / "scrapers" / "example_program.py"
CONTRACT = """
  club:
    description: what a program of our own collects
    league: nba
    schedule: espn
    data_types:
      boxes:
        description: boxes of a game
        for_each: [game]
        templates: ['boxes/{season}/{game_id}.json']
        scraper: club_boxes
        seasons: 2024-25..
        changes: until_final
        grace_hours: 0
"""
SCRAPERS = """
scrapers:
  club_boxes:
    kind: command
    command:
      program: boxes
      arguments: [--season, "{season}", --game-ids, "{game_ids}", --lake, "{lake}", --trouble, TROUBLE]
    yields:
      club/boxes:
        requirements: {parses: json, must_have: [players], id_path: game_id, id_is: "{game_id}", records: "players.*"}
"""


def install(small: Any, trouble: str = "none") -> None:
    """Put the program, its entry and its data set into an installation, as docs/commands.md says."""
    (small.home / "programs").mkdir(exist_ok=True)
    program = small.home / "programs" / "boxes"
    program.write_text(f"#!{sys.executable}\n{PROGRAM.read_text()}")
    program.chmod(0o755)
    contract = small.home / "inventory" / "data_inventory.yaml"
    contract.write_text(contract.read_text() + CONTRACT)
    (small.home / "config" / "scrapers" / "club.yaml").write_text(SCRAPERS.replace("TROUBLE", trouble))


@pytest.fixture
def lacking(small: Any, instance: dg.DagsterInstance, request: pytest.FixtureRequest) -> Any:
    """The installation with the program, reconciled: all boxes are missing, and nothing else."""
    install(small, getattr(request, "param", "none"))
    small.fill()
    small.reconcile(instance)
    return small


def materialise(small: Any, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = small.defs().resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        partition_key=SEASON,
        asset_selection=[dg.AssetKey(["club", "boxes"])],
        raise_on_error=False,
    )


def told(small: Any, result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    return small.metadata(result, "club_boxes")


def test_a_partition_is_collected_by_the_program_and_the_gap_is_closed(lacking: Any, instance: dg.DagsterInstance):
    result = materialise(lacking, instance)
    assert result.success
    values = told(lacking, result)
    assert {name: values[name] for name in ("asked", "collected", "failed", "records")} == {
        "asked": 8,
        "collected": 8,
        "failed": 0,
        "records": 96,
    }
    log = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert "collecting 8 game(s) of 2024-25" in log
    (marker,) = lacking.lake.list(f"{COMPLETIONS}club/boxes/")
    assert len(read_completion(marker.key, lacking.lake.get(marker.key)).keys or ()) == 8
    after = lacking.reconcile(instance)
    assert lacking.metadata(after, "detected_gaps")["gaps"] == 0


@pytest.mark.parametrize("lacking", ["forgets"], indirect=True)
def test_what_the_program_did_not_write_stays_open_and_is_told(lacking: Any, instance: dg.DagsterInstance):
    result = materialise(lacking, instance)
    values = told(lacking, result)
    assert (result.success, values["collected"], values["failed"]) == (True, 4, 4)
    assert values["failed_by_class"] == {"program": 4}
    after = lacking.reconcile(instance)
    assert lacking.metadata(after, "detected_gaps")["keys"] == 4


@pytest.mark.parametrize("lacking", ["notice"], indirect=True)
def test_a_program_that_writes_notices_has_collected_nothing_and_the_run_fails(
    lacking: Any, instance: dg.DagsterInstance
):
    result = materialise(lacking, instance)
    assert not result.success
    assert result.get_asset_materialization_events() == []
    after = lacking.reconcile(instance)
    assert lacking.metadata(after, "detected_gaps")["keys"] == 8


def test_a_program_that_is_no_longer_there_fails_the_run_in_words(lacking: Any, instance: dg.DagsterInstance):
    shutil.rmtree(lacking.home / "programs")
    result = materialise(lacking, instance)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "no program is named `boxes`" in str(failure.step_failure_data.error)


def test_the_sensor_asks_for_a_run_of_the_program(lacking: Any, instance: dg.DagsterInstance):
    definitions = lacking.defs()
    with dg.build_sensor_context(
        instance=instance,
        definitions=definitions,
        resources={"project": ProjectResource(environment=lacking.environment)},
    ) as context:
        (request,) = definitions.resolve_sensor_def("task_queue_sensor").evaluate_tick(context).run_requests
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        partition_key=request.partition_key,
        asset_selection=list(request.asset_selection),
        run_config=request.run_config,
        tags=request.tags,
    )
    assert (result.success, told(lacking, result)["collected"]) == (True, 8)


def test_the_command_line_collects_with_the_program_too(lacking: Any, monkeypatch: pytest.MonkeyPatch):
    from adce_assets.cli.main import main

    for name, value in lacking.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    ended = CliRunner().invoke(main, ["collect", "--source", "club", "--no-reconcile", "--json"])
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout)["by_scraper"]["club_boxes"]["collected"] == 8
