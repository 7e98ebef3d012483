"""A code server that was started before a season began ends itself for it, and only where it is started again."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.instance import InstanceRef
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import SensorExecutionArgs

from adce_assets.defs import reloading
from adce_assets_tests.defs.conftest import ROOT, SmallProject, make_project
from adce_assets_tests.defs.ticking import Ticking, start

QUEUE = "task_queue_sensor"
GOES_ON = "there is no queue yet"
REPOSITORY = "__repository__"
ENDS = """
import dagster as dg
from adce_assets.defs.reloading import end_this_process

@dg.sensor(job_name="nothing")
def ends():
    end_this_process()
    return dg.SkipReason("it ends")

@dg.job
def nothing(): ...

defs = dg.Definitions(jobs=[nothing], sensors=[ends])
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What was loaded a year ago, and its installation."""
    made = make_project(tmp_path_factory.mktemp("loaded") / "home", ADCE_CODE_SERVER_RENEWS="1")
    return SimpleNamespace(made=made, defs=made.defs)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write down when the process would have ended."""
    ends: list[str] = []
    monkeypatch.setattr(reloading, "end_this_process", lambda: ends.append("ended"))
    return ends


@pytest.fixture
def ticked(loaded: Any, instance: dg.DagsterInstance) -> Callable[..., str]:
    """Let the old definitions look at the installation of today, and say why they start nothing."""
    definitions = loaded.defs()

    def tick(name: str = QUEUE, *, days: float = 365, **changed: str) -> str:
        later: SmallProject = loaded.made.at(days=days)
        now = SmallProject(later.home, later.environment | changed, later.games)
        return str(Ticking(now, instance, name).tick(loaded=SimpleNamespace(defs=lambda: definitions)).skip_message)

    return tick


def test_where_nothing_runs_it_ends_at_once_and_but_once(ticked: Callable[..., str], ended: list[str]) -> None:
    assert "2025-26: newer than what is loaded: the code server ends" in ticked()
    assert ticked() == ticked()
    assert ended == ["ended"]


@pytest.mark.parametrize(
    ("status", "days", "is_held"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, 365.5, True),
        (dg.DagsterRunStatus.STARTED, 365.5, True),
        (dg.DagsterRunStatus.STARTED, 365, False),
        (dg.DagsterRunStatus.NOT_STARTED, 365, False),
    ],
)
def test_it_ends_under_no_run_and_one_hour_of_a_day_starts_none(
    ticked: Callable[..., str],
    ended: list[str],
    instance: dg.DagsterInstance,
    status: dg.DagsterRunStatus,
    days: float,
    *,
    is_held: bool,
) -> None:
    start(instance, dg.RunRequest(job_name="collect_espn"), status)
    said = ticked(days=days)
    assert ("1 run(s) come to their end before it is loaded" in said) is is_held
    assert (GOES_ON in said) is not is_held
    assert ended == []


@pytest.mark.parametrize(
    ("days", "changed"),
    [(365, {"ADCE_CODE_SERVER_RENEWS": ""}), (100, {})],
    ids=["nothing starts it again", "no season"],
)
def test_it_stays_where_it_would_not_come_back_or_would_come_back_the_same(
    ticked: Callable[..., str], ended: list[str], days: float, changed: dict[str, str]
) -> None:
    assert GOES_ON in ticked(days=days, **changed)
    assert ended == []


def test_what_is_loaded_is_kept_while_the_files_are_faulty(
    loaded: Any, ticked: Callable[..., str], ended: list[str]
) -> None:
    contract = loaded.made.home / "inventory" / "data_inventory.yaml"
    before = contract.read_text()
    contract.write_text("version: 1\nleagues: [")
    try:
        assert GOES_ON in ticked()
    finally:
        contract.write_text(before)
    assert ended == []
    assert "the code server ends" in ticked()
    assert ended == ["ended"]


def test_without_scrapers_another_sensor_looks(tmp_path: Path, instance: dg.DagsterInstance, ended: list[str]) -> None:
    small = make_project(tmp_path / "home", ADCE_CODE_SERVER_RENEWS="1")
    contract = small.home / "inventory" / "data_inventory.yaml"
    lines = contract.read_text().splitlines()
    contract.write_text("\n".join(line for line in lines if "scraper:" not in line))
    told = Ticking(small, instance, "completion_sensor").tick(small.at(days=365), loaded=small)
    assert "the code server ends" in told.skip_message
    assert ended == ["ended"]


def test_a_code_server_that_ends_within_a_tick_answers_it_and_ends_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    (tmp_path / "ends.py").write_text(ENDS)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    server = subprocess.Popen(
        [Path(sys.executable).with_name("dagster"), "api", "grpc", "-s", "server.sock", "-f", "ends.py"],
        env={"DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        try:
            assert server.stdout
            assert any("Started Dagster code server" in line for line in server.stdout)
            origin = RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin("localhost", socket="server.sock"), REPOSITORY)
            asked = SensorExecutionArgs(origin, InstanceRef.from_dir(str(tmp_path)), "ends", timeout=60)
            told = DagsterGrpcClient(socket="server.sock").external_sensor_execution(asked)
            assert "it ends" in told
            assert server.wait(timeout=60) == 0
        finally:
            server.kill()
