"""Runs of Dagster that are ended from outside: by a second signal at once, or late because their machine is gone.

Nothing is lost either way: what they held is given back, and the next run collects it.
"""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from adce_assets.defs.claiming import ENDING_SECONDS, give_back, seconds_to_begin
from adce_assets.ledger.transitions import UNDER_WAY, State
from adce_assets_tests.defs.conftest import SmallProject, make_project
from adce_assets_tests.defs.test_draining import AS_IN_A_SHELL, CELL, Gated, hold

PATIENCE_S = 60
DUE = 6
"""Games whose plays are due."""
AT_ONCE_S = 15
"""Less than a request may take (`read_timeout_s` of the host is 20), and more than an interpreter needs to end."""


@pytest.fixture
def small(tmp_path: Path) -> SmallProject:
    return make_project(tmp_path / "home")


@pytest.fixture
def gated() -> Iterator[Gated]:
    with Gated() as started:
        yield started
        started.gate.set()


@pytest.fixture
def kept(small: SmallProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance that processes of the installation have."""
    for name, value in small.process_environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        yield instance


def begun(small: SmallProject) -> "subprocess.Popen[bytes]":
    """Begin to collect the plays of a season in a process of Dagster's."""
    selected = ("--select", "espn/play_by_play", "--partition", "2024-25", "-m", "adce_assets.definitions")
    return subprocess.Popen(
        [sys.executable, "-c", AS_IN_A_SHELL, "asset", "materialize", *selected],
        env=small.process_environment,
        cwd=small.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def materialise(small: SmallProject, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = small.defs().resolve_implicit_global_asset_job_def()
    plays = [dg.AssetKey(["espn", "play_by_play"])]
    return job.execute_in_process(instance=instance, partition_key="2024-25", asset_selection=plays)


def standing(small: SmallProject, *states: State) -> int:
    return sum(1 for _ in small.project.ledger.states(states=states, cell=CELL))


def test_the_second_signal_ends_a_run_at_once_and_the_next_run_collects_everything(
    small: SmallProject, gated: Gated, kept: dg.DagsterInstance
):
    small.fill(missing=lambda key: key.startswith("pbp/"))
    small.reconcile(kept)
    small.environment["ADCE_HOST_ESPN_SITE"] = gated.url
    process = begun(small)
    assert gated.waits.wait(PATIENCE_S)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    while b"what is under way is finished" not in (line := process.stderr.readline()):
        assert line
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert time.monotonic() - began < AT_ONCE_S, said
    give_back(small.project, kept)
    assert (standing(small, *UNDER_WAY), standing(small, State.PROMOTED)) == (0, 0)
    gated.gate.set()
    assert materialise(small, kept).success
    assert standing(small, State.PROMOTED) == len(list(small.lake.list("pbp/"))) == DUE


def test_a_run_whose_machine_is_gone_is_ended_by_the_monitor_and_its_keys_are_given_back(
    small: SmallProject, kept: dg.DagsterInstance
):
    run = kept.add_run(
        dg.DagsterRun(
            job_name="collect_espn",
            status=dg.DagsterRunStatus.STARTING,
            tags={dg.MAX_RUNTIME_SECONDS_TAG: "0.001"},
        )
    )
    kept.report_dagster_event(dg.DagsterEvent("PIPELINE_START", "collect_espn"), run.run_id)
    hold(small, run.run_id)
    assert give_back(small.project, kept) == {}
    with WorkspaceProcessContext(kept, EmptyWorkspaceTarget()) as context:
        list(execute_run_monitoring_iteration(context, logging.getLogger("monitor")))
    ended = kept.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status is dg.DagsterRunStatus.FAILURE
    assert give_back(small.project, kept) == {run.run_id: 1}


def test_a_run_may_be_given_a_part_of_a_second(small: SmallProject):
    run = dg.DagsterRun("collect_espn", tags={dg.MAX_RUNTIME_SECONDS_TAG: f"{ENDING_SECONDS + 0.5}"})
    assert seconds_to_begin(small.project, run) == 0.5
