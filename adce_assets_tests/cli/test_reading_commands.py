"""The commands that show what the last reconciliation found, and the help and errors that all commands share."""

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from adce_assets.cli import options
from adce_assets.cli.main import COMMANDS, main
from adce_assets.configuration import PRIORITIES
from adce_assets.errors import AdceError
from adce_assets.settings import environment_for_child

if TYPE_CHECKING:
    from adce_assets_tests.cli.conftest import Installation

HEAVY = ("pandas", "duckdb", "dagster", "ibis", "pyarrow", "boto3", "pydantic", "rich")
CHILD = "import sys; from adce_assets.cli.main import main; main({}, standalone_mode=False); print(*sys.modules)"


def commands() -> dict[str, click.Command]:
    """Every command by what one types: `demo run` stands beside `gaps`."""
    found = {}
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        inner = command.commands.items() if isinstance(command, click.Group) else ()
        found |= {name: command, **{f"{name} {member}": one for member, one in inner}}
    return found


RUNNABLE = [name for name, command in commands().items() if not isinstance(command, click.Group)]
NOT_FOR_MACHINES = ("demo", "health serve")


@pytest.mark.parametrize("arguments", [["--help"], ["collect", "--help"]])
def test_help_imports_no_heavy_library(arguments: list[str]):
    code = CHILD.format(arguments)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = ended.stdout.splitlines()[-1].split()
    assert not set(HEAVY) & set(loaded)


def test_the_help_lists_the_commands_in_the_order_in_which_one_meets_them(installation: "Installation"):
    lines = installation.adce("--help").stdout.splitlines()
    listed = [line.split()[0] for line in lines[lines.index("Commands:") + 1 :] if line]
    assert listed == list(COMMANDS)


@pytest.mark.parametrize("name", RUNNABLE)
def test_every_command_has_help_with_an_example(installation: "Installation", name: str):
    result = installation.adce(*name.split(), "--help")
    assert result.exit_code == 0
    assert f"Example: `adce {name}" in result.stdout
    assert "--debug" in result.stdout


@pytest.mark.parametrize("name", [name for name in RUNNABLE if not name.startswith(NOT_FOR_MACHINES)])
def test_every_command_of_the_loop_can_write_json(name: str):
    assert "--json" in {flag for option in commands()[name].params for flag in option.opts}


def test_the_priorities_that_can_be_asked_for_are_those_of_the_settings():
    assert options.PRIORITIES == PRIORITIES


def test_gaps_come_the_most_urgent_first_with_their_reason(reconciled: "Installation"):
    document = reconciled.json("gaps")
    assert document["schema"] == 1
    assert [gap["priority"] for gap in document["gaps"]] == ["critical", "critical", "high", "medium"]
    assert all(gap["priority"] in gap["reason"] for gap in document["gaps"])
    assert document["total_gaps"] == 4


def test_gaps_tell_missing_unknown_and_not_due_of_their_cells_apart(reconciled: "Installation"):
    coverage = reconciled.json("coverage", "--season", "2024-25", "--source", "espn")
    cells = {cell["data_type"]: cell for cell in coverage["cells"]}
    gaps = reconciled.json("gaps", "--season", "2024-25", "--source", "espn")["gaps"]
    assert gaps
    for gap in gaps:
        cell = cells[gap["data_type"]]
        assert [gap[f"cell_{name}"] for name in CELL_STATES] == [cell[name] for name in CELL_STATES]
    heading = reconciled.adce("gaps").stdout.splitlines()[0]
    assert all(name in heading for name in ("cell: missing", "unknown", "not due"))


CELL_STATES = ("missing", "unknown", "not_due")


@pytest.mark.parametrize(
    ("chosen", "data_types"),
    [
        (["--priority", "medium"], ["team_stats"]),
        (["--priority", "CRITICAL"], ["box_scores", "play_by_play"]),
        (["--source", "hoopr"], ["players"]),
        (["--season", "2023-24"], ["team_stats"]),
        (["--season", "2023-24", "--source", "hoopr"], []),
    ],
)
def test_gaps_can_be_chosen(reconciled: "Installation", chosen: list[str], data_types: list[str]):
    assert [gap["data_type"] for gap in reconciled.json("gaps", *chosen)["gaps"]] == data_types


@pytest.mark.parametrize(
    ("command", "chosen", "said", "nearest"),
    [
        (["gaps"], ["--source", "epsn"], "--source: the last reconciliation knows no source `epsn`", "espn"),
        (["coverage"], ["--source", "Hoopr"], "--source: the last reconciliation knows no source `Hoopr`", "hoopr"),
        (["tasks"], ["--source", "esp"], "--source: the last reconciliation knows no source `esp`", "espn"),
        (["collect", "--dry-run"], ["--source", "epsn"], "--source: the last reconciliation knows no source", "espn"),
        (["collect"], ["--source", "epsn"], "--source: the last reconciliation knows no source `epsn`", "espn"),
        (["tasks"], ["--season", "2023"], "--season: `2023` is not a season; valid: two years in a row", "2023-24"),
        (["gaps"], ["--season", "2024-26"], "--season: `2024-26` is not a season", "2024-25"),
        (["gaps"], ["--season", "2025-26"], "--season: the last reconciliation knows no season `2025-26`", "2024-25"),
        (["coverage"], ["--season", "all"], "--season: the last reconciliation knows no season `all`", None),
        (["coverage"], ["--data-type", "player"], "--data-type: the last reconciliation knows no data type", "players"),
        (
            ["coverage", "--source", "hoopr"],
            ["--data-type", "box_scores"],
            "--data-type: the last reconciliation knows no data type `box_scores`",
            None,
        ),
    ],
)
def test_a_name_that_nothing_has_is_an_error_with_the_nearest(
    reconciled: "Installation", command: list[str], chosen: list[str], said: str, nearest: str | None
):
    result = reconciled.adce(*command, *chosen)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {said}")
    assert "valid: " in result.stderr
    assert ("hint: did you mean" in result.stderr) == (nearest is not None)
    assert nearest is None or result.stderr.endswith(f"hint: did you mean `{nearest}`?\n")


def test_no_gap_is_said_on_stderr_and_stdout_stays_empty(reconciled: "Installation"):
    result = reconciled.adce("gaps", "--priority", "low")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no such gaps as of 2024-12-05" in result.stderr


def test_tasks_and_what_is_left_out_make_up_the_gaps(reconciled: "Installation"):
    document = reconciled.json("tasks")
    in_tasks = sum(task["missing_files"] + task["stale_files"] for task in document["tasks"])
    left_out = sum(entry["keys"] for entry in document["left_out"])
    assert (document["schema"], in_tasks, left_out) == (1, 3, 1)


def test_what_no_task_covers_is_said_aloud_with_the_reason(reconciled: "Installation"):
    result = reconciled.adce("tasks")
    assert "left out: 1 hoopr/players 2024-25: the contract names no scraper" in result.stderr
    assert "hoopr" not in result.stdout


@pytest.mark.parametrize(
    ("chosen", "level", "rows"),
    [([], "sources", 2), (["--source", "espn"], "data_types", 4), (["--season", "2024-25"], "cells", 5)],
)
def test_coverage_goes_from_sources_to_cells(reconciled: "Installation", chosen: list[str], level: str, rows: int):
    document = reconciled.json("coverage", *chosen)
    assert (document["schema"], document["level"], len(document[level])) == (1, level, rows)
    assert all(row["expected"] == sum(row[state] for state in STATES) for row in document[level])


STATES = ("present", "stale", "damaged", "missing", "unknown", "not_due", "unavailable")


def test_a_pipe_gets_one_aligned_line_a_row(reconciled: "Installation"):
    lines = reconciled.adce("gaps").stdout.splitlines()
    assert len(lines) == 5
    assert {line.index("2024-25") for line in lines if "2024-25" in line} == {lines[0].index("season")}


def test_files_that_have_not_been_made_are_an_error_with_a_hint(installation: "Installation"):
    result = installation.adce("gaps")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.splitlines()[-1] == "hint: run `adce reconcile`"


def test_a_lake_that_nobody_named_is_an_error_with_a_hint(installation: "Installation"):
    result = installation.adce("reconcile", ADCE_LAKE="")
    assert result.exit_code == 1
    assert "no lake is configured" in result.stderr
    assert "hint: set ADCE_LAKE" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_where_an_error_came_from(installation: "Installation"):
    result = installation.adce("gaps", "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "error: " in result.stderr


def test_a_faulty_contract_is_told_with_file_and_line(installation: "Installation"):
    file = installation.home / "inventory" / "data_inventory.yaml"
    file.write_text(file.read_text().replace("season_starts", "season_start"))
    result = installation.adce("reconcile")
    assert result.exit_code == 1
    assert f"{file}:4:" in result.stderr
    assert "did you mean `season_starts`?" in result.stderr


@pytest.mark.parametrize("arguments", [["nope"], ["gaps", "--nope"], ["gaps", "--priority", "soon"], []])
def test_a_faulty_call_does_not_look_like_gaps(installation: "Installation", arguments: list[str]):
    assert installation.adce(*arguments).exit_code == 1


def test_an_unforeseen_error_is_called_a_fault_of_adce(installation: "Installation", monkeypatch: pytest.MonkeyPatch):
    def fail() -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("adce_assets.cli.gaps.state", fail)
    result = installation.adce("gaps")
    assert result.exit_code == 1
    assert "error: ZeroDivisionError: of all things" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_error_says_its_own_exit_code(installation: "Installation", monkeypatch: pytest.MonkeyPatch):
    class OddError(AdceError):
        exit_code = 7

    def fail() -> None:
        raise OddError("odd")

    monkeypatch.setattr("adce_assets.cli.gaps.state", fail)
    assert installation.adce("gaps").exit_code == 7


def test_an_interruption_is_no_error_of_the_program(installation: "Installation", monkeypatch: pytest.MonkeyPatch):
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("adce_assets.cli.gaps.state", interrupt)
    result = installation.adce("gaps")
    assert result.exit_code == 130
    assert "interrupted" in result.stderr


def test_json_is_one_object_and_nothing_else(reconciled: "Installation"):
    for name in ("coverage", "gaps", "tasks"):
        assert json.loads(reconciled.adce(name, "--json").stdout)["schema"] == 1


def test_settings_for_a_real_lake_do_not_reach_work_on_another(monkeypatch: pytest.MonkeyPatch):
    for name in ("ADCE_LAKE", "AWS_PROFILE", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "real")
    monkeypatch.setenv("HOME", "/home/somebody")
    found = environment_for_child({"ADCE_LAKE": "file:///demo"})
    assert (found["ADCE_LAKE"], found["HOME"]) == ("file:///demo", "/home/somebody")
    assert not {"AWS_PROFILE", "DAGSTER_HOME"} & found.keys()
