"""A program's calls in sessions of Dagster Pipes: those that know it, those that do not, and misuse."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from adce_assets.defs import commands
from adce_assets.scrapers.command import Launched
from adce_assets.scrapers.processes import Ended, Process

PIPES = """
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    pipes.log.info("season %s" % pipes.get_extra("season"))
    pipes.log.warning("games " + "+".join(pipes.get_extra("game_ids")))
    pipes.report_asset_materialization(metadata={"rows": 3}, asset_key="club/boxes")
"""
RAW = """
import base64, json, os, sys, zlib
said = json.loads(zlib.decompress(base64.b64decode(os.environ["DAGSTER_PIPES_MESSAGES"])))
with open(said["path"], "wb") as file:
    file.write({body!r})
print("done")
"""


@dataclass(frozen=True)
class Called:
    """What came of a call within an asset: how the program ended, the run, and the run's log."""

    ended: Ended
    result: dg.ExecuteInProcessResult
    log: str


Call = Callable[..., Called]


@pytest.fixture
def call(tmp_path: Path, instance: dg.DagsterInstance) -> Call:
    """Run a piece of Python as a program within an asset."""

    def called(code: str, *, pipes: bool = True) -> Called:
        ended: list[Ended] = []
        (tmp_path / "program.py").write_text(code)
        program = Process([sys.executable, str(tmp_path / "program.py")], {"PATH": "/usr/bin:/bin"}, tmp_path, 30)
        told = {"season": "2023-24", "game_ids": ["1", "2"], "keys": ["boxes/1.json", "boxes/2.json"]}

        @dg.asset(key=["club", "boxes"])
        def boxes(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            ended.append(
                commands.launch(context, Launched(program, told, lambda text: text.replace("hunter2", "***"), pipes))
            )
            return dg.MaterializeResult()

        result = dg.materialize([boxes], instance=instance, raise_on_error=False)
        return Called(ended[0], result, "\n".join(entry.user_message for entry in instance.all_logs(result.run_id)))

    return called


def test_a_program_that_knows_pipes_is_told_what_it_is_about_and_logs_into_the_run(call: Call):
    done = call(PIPES)
    assert (done.ended.code, done.result.success) == (0, True)
    for said in ("season 2023-24", "games 1+2", "the program sends `report_asset_materialization` club/boxes"):
        assert said in done.log
    assert "did not receive" not in done.log


def test_what_a_program_reports_makes_no_materialisation(call: Call):
    done = call(PIPES)
    (event,) = done.result.get_asset_materialization_events()
    assert "rows" not in event.step_materialization_data.materialization.metadata


@pytest.mark.parametrize("pipes", [False, True])
def test_a_program_that_knows_nothing_of_pipes_speaks_into_the_log(call: Call, *, pipes: bool):
    done = call("print('three games, token hunter2')", pipes=pipes)
    assert (done.ended.is_well, done.result.success) == (True, True)
    assert "three games, token ***" in done.log
    assert ("a program that knows nothing of Dagster Pipes sends no messages" in done.log) == pipes
    assert "hunter2" not in done.log


def message(method: str, **params: Any) -> bytes:
    return json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params}).encode() + b"\n"


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\xff\n[]\n{}\nnull\n1\n" + b"{" * 100 + b"\n",
        b"[" * 300_000 + b"\n",
        b"x" * 1_000_000,
        message("nonsense") + message("log") + message("log", message=3) + message("log", message="m", level="LOUD"),
        message("report_asset_materialization", asset_key=["a"]) + message("report_asset_check", passed="perhaps"),
        message("closed", exception={"message": None, "stack": 7}) + message("opened", extras=3) + message("opened"),
        message("closed", exception="text") + message("log_external_stream", stream="stdin", text="x"),
    ],
)
def test_whatever_a_program_sends_it_ends_no_run(call: Call, body: bytes):
    done = call(RAW.format(body=body))
    assert (done.ended.is_well, done.result.success) == (True, True)
    assert len(done.log) < 100_000


def test_messages_are_bounded_and_secrets_are_taken_out_of_them(call: Call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(commands, "MESSAGES", 5)
    body = message("opened") + message("log", message="my hunter2\x1b[31m", level="INFO") * 3
    done = call(RAW.format(body=body + message("log", message="one") + message("log", message="too many")))
    assert done.log.count("my ***") == 3
    assert "\x1b[31m" not in done.log
    assert "hunter2" not in done.log
    assert "too many" not in done.log


def test_what_a_program_failed_with_is_said(call: Call):
    code = "from dagster_pipes import open_dagster_pipes\nwith open_dagster_pipes(): raise ValueError('no such season')"
    done = call(code)
    assert (done.ended.code, done.result.success) == (1, True)
    assert "the program failed: ValueError: no such season" in done.log
