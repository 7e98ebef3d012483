"""A run of Dagster that is cancelled finishes what is under way, keeps it, and gives the rest back."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from adce_assets.defs.claiming import give_back, runs_of
from adce_assets.defs.resources import ProjectResource
from adce_assets.demo.source import Answer, LocalSource
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.transitions import Event, State
from adce_assets_tests.defs.conftest import GAMES, NOW

PATIENCE = 60
CELL = ("espn", "play_by_play", "2024-25")
AS_IN_A_SHELL = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from dagster._cli import main
sys.argv[0] = "dagster"
main()
"""


class Gated(LocalSource):
    """Answers nobody before it is opened; and says when somebody waits."""

    def __init__(self) -> None:
        super().__init__(GAMES)
        self.gate, self.waits = threading.Event(), threading.Event()

    def answer(self, target: str) -> Answer | None:
        self.waits.set()
        assert self.gate.wait(PATIENCE)
        return super().answer(target)


@pytest.fixture
def gated() -> Iterator[Gated]:
    with Gated() as started:
        yield started
        started.gate.set()


def test_a_cancelled_run_keeps_what_was_under_way_and_is_cancelled(
    small: Any, gated: Gated, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.fill(missing=lambda key: key.startswith("pbp/"))
    small.reconcile(instance)
    small.environment["ADCE_HOST_ESPN_SITE"] = gated.url
    hosts = small.home / "config" / "scrapers" / "espn.yaml"
    hosts.write_text(hosts.read_text().replace("concurrency: 4", "concurrency: 1"))
    selected = ("--select", "espn/play_by_play", "--partition", "2024-25", "-m", "adce_assets.definitions")
    process = subprocess.Popen(
        [sys.executable, "-c", AS_IN_A_SHELL, "asset", "materialize", *selected],
        env=small.process_environment,
        cwd=small.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert gated.waits.wait(PATIENCE)
    monkeypatch.setenv("DAGSTER_HOME", str(small.dagster_home))
    with dg.DagsterInstance.get() as kept:
        (run,) = kept.get_runs()
        kept.report_run_canceling(run)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    while b"what is under way is finished" not in (line := process.stderr.readline()):
        assert line
    gated.gate.set()
    _, said = process.communicate(timeout=PATIENCE)
    ledger = small.project.ledger
    states = {state: sum(1 for _ in ledger.states(states=[state], cell=CELL)) for state in State}
    assert (states[State.PROMOTED], states[State.LEASED], states[State.DETECTED] + states[State.PLANNED]) == (1, 0, 5)
    assert len(list(small.lake.list("pbp/"))) == 1
    with dg.DagsterInstance.get() as kept:
        (run,) = kept.get_runs()
        assert run.status is dg.DagsterRunStatus.CANCELED, said
        assert kept.get_latest_materialization_event(dg.AssetKey(["espn", "play_by_play"])) is None


# --------------------------------------------------------------------------------------------- runs that are over


def hold(small: Any, run_id: str) -> None:
    """Let a run hold the lease of one key."""
    until = {"until": NOW.replace(year=2030).isoformat()}
    key = f"pbp/{run_id}.json"
    small.project.ledger.append(
        Transition(key, event, *CELL, NOW, run_id, "", until if event is Event.LEASED else {})
        for event in (Event.DETECTED, Event.LEASED)
    )


@pytest.mark.parametrize(
    ("status", "given_back"),
    [
        (dg.DagsterRunStatus.STARTED, 0),
        (dg.DagsterRunStatus.STARTING, 0),
        (dg.DagsterRunStatus.FAILURE, 1),
        (dg.DagsterRunStatus.CANCELED, 1),
        (dg.DagsterRunStatus.SUCCESS, 1),
    ],
)
def test_the_keys_of_a_run_of_another_machine_are_given_back_when_dagster_knows_its_end(
    small: Any, instance: dg.DagsterInstance, status: dg.DagsterRunStatus, given_back: int
) -> None:
    run = instance.add_run(dg.DagsterRun(job_name="collect_espn", status=status))
    hold(small, run.run_id)
    assert give_back(small.project, instance) == ({run.run_id: 1} if given_back else {})


def test_a_run_that_dagster_does_not_know_keeps_its_keys_until_its_lease_is_over(
    small: Any, instance: dg.DagsterInstance
) -> None:
    hold(small, "somebody")
    assert give_back(small.project, instance) == {}


def test_a_run_of_this_machine_lives_as_long_as_its_process(small: Any, instance: dg.DagsterInstance) -> None:
    """Whatever Dagster says: it believes in a killed run for a while, and not in one that is still ending."""
    run = instance.add_run(dg.DagsterRun(job_name="collect_espn", status=dg.DagsterRunStatus.CANCELED))
    hold(small, run.run_id)
    runs = runs_of(small.project)
    with runs.living(run.run_id):
        assert give_back(small.project, instance) == {}
        assert runs.lives(run.run_id)
    assert runs.lives(run.run_id) is None
    started = instance.add_run(dg.DagsterRun(job_name="collect_espn", status=dg.DagsterRunStatus.STARTED))
    hold(small, started.run_id)
    (runs.folder / f"{started.run_id}.lock").touch()
    assert give_back(small.project, instance) == {run.run_id: 1, started.run_id: 1}
    assert runs.lives(started.run_id) is None


def test_the_queues_sensor_gives_back_what_dead_runs_held(small: Any, instance: dg.DagsterInstance) -> None:
    small.fill(missing=lambda key: "401501" in key)
    assert small.reconcile(instance).success
    run = instance.add_run(dg.DagsterRun(job_name="collect_espn", status=dg.DagsterRunStatus.FAILURE))
    hold(small, run.run_id)
    definitions = small.defs()
    resources = {"project": ProjectResource(environment=small.environment)}
    with dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources) as context:
        definitions.resolve_sensor_def("task_queue_sensor").evaluate_tick(context)
    state = small.project.ledger.state(f"pbp/{run.run_id}.json")
    assert (state.state, state.detail["why"]) == (State.DETECTED, "its run is over")
