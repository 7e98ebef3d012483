"""The loop closes by itself: a daemon, a lake, a source, and nobody who presses a button."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from adce_assets.demo.source import LocalSource
from adce_assets.ledger.receipts import completion_key

PATIENCE = 150.0
"""Seconds after which the loop should have closed on a slow machine; it takes a fifth of it on a quick one."""


@contextmanager
def daemon(small: Any, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run Dagster's daemon in a process group of its own, which ends with the block."""
    program = Path(sys.executable).with_name("dagster-daemon")
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [program, "run", "-m", "adce_assets.definitions"],
            env=small.process_environment,
            cwd=small.home,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    for signalled in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, signalled)
            process.wait(timeout=15)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def hurry(small: Any) -> None:
    """Let the sensors look as often as they can, and completions wait for nothing."""
    path = small.home / "config" / "autonomous_config.yaml"
    config = yaml.safe_load(path.read_text())
    config["intervals"] |= {"completion_seconds": 5, "task_queue_seconds": 5}
    config["completions"] |= {"quiet_seconds": 0}
    path.write_text(yaml.safe_dump(config))


def mark(small: Any) -> None:
    """Say, as a program that ADCE knows nothing of, that a cell has changed."""
    told = {
        "schema": 1,
        "source": "hoopr",
        "data_type": "player_seasons",
        "season": "2024-25",
        "status": "ok",
        "keys": None,
        "records": None,
        "started_at": "2024-12-05T11:00:00Z",
        "finished_at": "2024-12-05T11:30:00Z",
        "producer": "another",
    }
    key = completion_key("hoopr", "player_seasons", "2024-25", "first")
    small.lake.put(key, json.dumps(told).encode())


def closed(small: Any) -> bool:
    """Tell whether a reconciliation after the collecting has found nothing open."""
    path = small.home / "inventory" / "cache" / "coverage_analysis.json"
    if not path.exists():
        return False
    totals = json.loads(path.read_text())["totals"]
    return totals["present"] == totals["due"] > 0


def test_a_completion_leads_to_a_reconciliation_to_runs_and_to_a_closed_gap(
    small: Any, source: LocalSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.environment["ADCE_HOST_ESPN_SITE"] = source.url
    small.fill(missing=lambda key: "401501" in key)
    hurry(small)
    mark(small)
    for name, value in small.process_environment.items():
        monkeypatch.setenv(name, value)
    log = tmp_path / "daemon.log"
    with dg.DagsterInstance.get() as instance:
        with daemon(small, log) as process:
            until = time.monotonic() + PATIENCE
            while not closed(small) and time.monotonic() < until and process.poll() is None:
                process_wait(process)
        runs = instance.get_runs()
        outside = instance.get_latest_materialization_event(dg.AssetKey(["hoopr", "player_seasons"]))
    assert closed(small), log.read_text()[-8000:]
    collecting = [run for run in runs if "adce/batch" in run.tags]
    assert [run.tags["dagster/partition"] for run in collecting] == ["2024-25"]
    assert len([run for run in runs if run.job_name == "reconciliation_job"]) >= 2
    assert outside is not None
    assert source.requests == 2


def process_wait(process: subprocess.Popen[bytes]) -> None:
    """Wait a moment, or until the process has ended."""
    try:
        process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        return
