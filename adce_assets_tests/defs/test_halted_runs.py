"""A violation halts the loop, a halted loop asks nobody, and the log of actions tells of what nobody had asked for."""

import re
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._grpc.utils import default_sensor_grpc_timeout
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adce_assets.defs import acting
from adce_assets.defs.collecting import BATCH_TAG, Collector, note_who_asks
from adce_assets.defs.halting import Guard
from adce_assets.demo.source import LocalSource
from adce_assets.errors import AccessDeniedError, InwardError
from adce_assets.lake.file_store import FileStore
from adce_assets.operate import access_database, halting
from adce_assets.operate.actions import Action, ActionLog
from adce_assets.scrapers.interface import Failed, Wanted
from adce_assets.scrapers.stopping import Stop
from adce_assets.settings import load_settings, now
from adce_assets_tests.defs.conftest import SmallProject, make_project
from adce_assets_tests.defs.test_collecting import materialise
from adce_assets_tests.defs.ticking import Ticking
from adce_assets_tests.shipped import CATALOGUE

METADATA = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"


@pytest.fixture(scope="module")
def reconciled(tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """An installation that was reconciled: the documents of a day are missing."""
    made = make_project(tmp_path_factory.mktemp("reconciled") / "home")
    made.fill(missing=lambda key: "401501" in key)
    with dg.DagsterInstance.ephemeral() as forgotten:
        made.reconcile(forgotten)
    return made


@pytest.fixture
def lacking(reconciled: SmallProject, tmp_path: Path) -> SmallProject:
    """A copy of it that a test may spoil."""
    home = tmp_path / "home"
    shutil.copytree(reconciled.home, home)
    head = home / "inventory" / "cache" / "ledger_head.json"  # it names the ledger by its place
    head.write_text(head.read_text().replace(str(reconciled.home), str(home)))
    moved = {name: value.replace(str(reconciled.home), str(home)) for name, value in reconciled.environment.items()}
    return SmallProject(home, moved)


def halted(made: SmallProject) -> halting.Halt | None:
    return halting.halted(made.project.state)


def halt(made: SmallProject) -> None:
    halting.halt(made.project.state, "inward", "a test says so", at=made.project.clock(), by="a test")


def actions(made: SmallProject) -> list[Action]:
    with access_database.opened(load_settings(made.environment)) as database:
        return ActionLog(database, now).entries()


def failures(result: dg.ExecuteInProcessResult) -> str:
    return "".join(str(event.event_specific_data) for event in result.all_node_events if event.is_step_failure)


@pytest.fixture
def treacherous(lacking: SmallProject, httpserver: HTTPServer) -> HTTPServer:
    """A source that sends whoever asks to where a cloud keeps the credentials of its machines."""

    def away(_: Request) -> Response:
        return Response(status=302, headers={"Location": METADATA})

    httpserver.expect_request(re.compile(".*")).respond_with_handler(away)
    lacking.environment["ADCE_HOST_ESPN_SITE"] = httpserver.url_for("").rstrip("/")
    hosts = lacking.home / "config" / "scrapers" / "espn.yaml"
    hosts.write_text(re.sub(r"concurrency: \d+", "concurrency: 1", hosts.read_text()))
    return httpserver


def test_a_source_that_leads_inward_halts_the_loop_and_the_run_asks_for_nothing_more(
    lacking: SmallProject, treacherous: HTTPServer, instance: dg.DagsterInstance
) -> None:
    result = materialise(lacking, instance, "play_by_play", "box_scores", "team_stats")
    assert "adce resume" in failures(result)
    found = halted(lacking)
    assert found is not None
    assert found.reason == "inward"
    assert "169.254.169.254" in found.what
    documents = [request for request, _ in treacherous.log if "robots" not in request.path]
    assert len(documents) == 1
    told = {(entry.actor, entry.action, entry.subject) for entry in actions(lacking)}
    assert {("loop", "halt", "inward"), ("dagster", "collect", "espn_summary 2024-25")} <= told


def test_what_leads_inward_while_a_run_is_being_ended_halts_the_loop_once_too(lacking: SmallProject) -> None:
    ending = threading.Event()
    ending.set()
    guard = Guard(lacking.project, "run-1", Stop(ending))
    key = Wanted("pbp/1.json", "espn", "play_by_play", "2024-25", {}, None)
    for _ in range(2):
        guard.failed(Failed(key, InwardError("redirects to 169.254.169.254", where="https://espn.example"), ""))
    found = halted(lacking)
    assert found is not None
    assert (found.reason, found.by) == ("inward", "run run-1")
    assert [entry.subject for entry in actions(lacking) if entry.action == "halt"] == ["inward"]


def test_a_run_that_begins_while_the_loop_is_halted_asks_nobody(
    lacking: SmallProject, source: LocalSource, instance: dg.DagsterInstance
) -> None:
    lacking.environment["ADCE_HOST_ESPN_SITE"] = source.url
    halt(lacking)
    result = materialise(lacking, instance, "play_by_play")
    assert not result.success
    assert "adce resume" in failures(result)
    assert source.requests == 0
    halting.resume(lacking.project.state, by="ann", note="a test", at=lacking.project.clock())
    assert materialise(lacking, instance, "play_by_play").success


def test_the_queue_starts_nothing_while_the_loop_is_halted_and_says_why(
    lacking: SmallProject, instance: dg.DagsterInstance
) -> None:
    queue = Ticking(lacking, instance, "task_queue_sensor")
    halt(lacking)
    assert "a test says so; hint: find out what it was" in queue.tick().skip_message
    halting.resume(lacking.project.state, by="ann", note="a test", at=lacking.project.clock())
    requests = queue.tick().run_requests
    (told,) = [entry for entry in actions(lacking) if entry.subject == "task_queue_sensor"]
    assert (told.actor, told.action, told.detail["runs"]) == ("loop", "ask for runs", len(requests))
    assert set(told.detail["run_keys"]) == {request.run_key for request in requests}


def test_the_queue_goes_on_where_the_log_cannot_be_written(
    lacking: SmallProject, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    (lacking.home / ".adce" / "access.sqlite").unlink(missing_ok=True)
    (lacking.home / ".adce" / "access.sqlite").mkdir(parents=True)
    assert Ticking(lacking, instance, "task_queue_sensor").tick().run_requests
    assert "the log of actions does not tell of `ask for runs`" in caplog.text


def test_the_queue_goes_on_where_the_log_hangs_and_waits_for_it_less_than_dagster_for_a_tick(
    lacking: SmallProject,
    instance: dg.DagsterInstance,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert default_sensor_grpc_timeout() >= acting.BRIEF_S * 6
    assert actions(lacking) is not None, "the tables are there"
    monkeypatch.setattr(acting, "BRIEF_S", 0)
    with closing(sqlite3.connect(lacking.home / ".adce" / "access.sqlite", isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        assert Ticking(lacking, instance, "task_queue_sensor").tick().run_requests
    assert "does not tell of `ask for runs` (task_queue_sensor): who may do what and who did it" in caplog.text


def test_the_log_tells_of_what_a_person_starts_again_of_the_queue_and_of_nothing_twice(lacking: SmallProject) -> None:
    project = lacking.project
    collector = Collector(project.contract, CATALOGUE, "espn_summary", ("espn/play_by_play",))
    tags = {BATCH_TAG: "batch-1", "dagster/sensor_name": "task_queue_sensor"}
    note_who_asks(project, collector, "2024-25", dg.DagsterRun("job", tags=tags))
    assert actions(lacking) == []
    again = dg.DagsterRun("job", tags=tags, root_run_id="before", parent_run_id="before")
    note_who_asks(project, collector, "2024-25", again)
    assert [(told.actor, told.action, told.detail["run"]) for told in actions(lacking)] == [
        ("dagster", "collect", again.run_id)
    ]


def test_a_lake_that_refuses_what_the_policy_allows_halts_the_loop(
    lacking: SmallProject, source: LocalSource, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(store: FileStore, key: str, _: Any) -> str:
        raise AccessDeniedError(f"S3 answered AccessDenied to {key}", where=store.url)

    lacking.environment["ADCE_HOST_ESPN_SITE"] = source.url
    lake = lacking.environment["ADCE_LAKE"]
    before = FileStore.put_if_absent

    def gate(store: FileStore, key: str, body: Any) -> str:
        return refused(store, key, body) if store.url == lake else before(store, key, body)

    monkeypatch.setattr(FileStore, "put_if_absent", gate)
    assert not materialise(lacking, instance, "play_by_play").success
    found = halted(lacking)
    assert found is not None
    assert found.reason == "refused_by_policy"
    assert source.requests == 0


def test_a_state_that_refuses_a_run_before_it_has_begun_halts_the_loop_too(
    lacking: SmallProject, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise AccessDeniedError("S3 answered AccessDenied to gaps.json", where="s3://state")

    monkeypatch.setattr("adce_assets.defs.collecting.keys_of", refused)
    assert not materialise(lacking, instance, "play_by_play").success
    found = halted(lacking)
    assert found is not None
    assert found.reason == "refused_by_policy"


def test_a_ledger_that_is_not_what_it_was_halts_the_loop_once(
    lacking: SmallProject, instance: dg.DagsterInstance
) -> None:
    for file in (lacking.home / ".adce").glob("ledger.sqlite*"):
        file.unlink()
    for _ in range(2):
        lacking.reconcile(instance)
    found = halted(lacking)
    assert found is not None
    assert found.reason == "ledger_broken"
    assert [entry.subject for entry in actions(lacking) if entry.action == "halt"] == ["ledger_broken"]


def test_a_running_run_ends_in_order_when_another_machine_halts_the_loop(
    lacking: SmallProject, source: LocalSource, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking.environment["ADCE_HOST_ESPN_SITE"] = source.url
    hosts = lacking.home / "config" / "scrapers" / "espn.yaml"
    hosts.write_text(re.sub(r"concurrency: \d+", "concurrency: 1", hosts.read_text()))
    asked = halting.Watch.__call__

    def after_the_first(watch: halting.Watch) -> halting.Halt | None:
        if source.requests == 1:
            halt(lacking)
            watch.every_s = 0.0
        return asked(watch)

    monkeypatch.setattr(halting.Watch, "__call__", after_the_first)
    assert "a test says so" in failures(materialise(lacking, instance, "play_by_play"))
    assert source.requests == 1
    assert len(list((lacking.lake_folder / "pbp").glob("401501*"))) == 1
