"""Alerts in Dagster: a sensor that looks at everything, and one that hears of runs and checks that fail."""

import fcntl
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import dagster as dg
import pytest
import yaml
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adce_assets.defs import alerting
from adce_assets.defs.alerting import failures, has_worked, subject_of
from adce_assets.defs.resources import ProjectResource
from adce_assets.defs.sensors import SCRAPER_TAG
from adce_assets.operate import alerts
from adce_assets.operate.alert_book import opened
from adce_assets.operate.causes import Cause, Severity
from adce_assets.settings import load_settings, now
from adce_assets_tests.defs.ticking import Ticking

RUN = dg.DagsterRunStatus
BEGUN = "PIPELINE_START"


@pytest.fixture(scope="module")
def listening() -> Iterator[HTTPServer]:
    with HTTPServer() as server:
        yield server


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance in a folder, which knows of sensors and schedules."""
    folder = tmp_path / "instance"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as made:
        yield made


@pytest.fixture
def told(listening: HTTPServer, small: Any) -> list[dict[str, Any]]:
    """What arrives on the one channel of the installation, whose causes are told at once."""
    got: list[dict[str, Any]] = []

    def take(request: Request) -> Response:
        got.extend(json.loads(request.data)["alerts"])
        return Response("ok")

    listening.clear()
    listening.expect_request("/hook").respond_with_handler(take)
    channel = {"name": "hook", "kind": "webhook", "url": listening.url_for("/hook"), "secret": "HOOK_KEY"}
    path = small.home / "config" / "autonomous_config.yaml"
    document = yaml.safe_load(path.read_text())
    document["alerts"] |= {"after_minutes": 0, "channels": [channel | {"allow_private": True}]}
    path.write_text(yaml.safe_dump(document))
    small.environment["HOOK_KEY"] = "a key"
    return got


def codes(told: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(one["kind"], one["code"]) for one in told}


def test_what_is_wrong_is_told_once_by_the_sensor(small: Any, kept: dg.DagsterInstance, told: list[dict[str, Any]]):
    ticking, lock = Ticking(small, kept, "alert_sensor"), small.home / ".adce" / "service" / "code.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        held.write("17")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "message(s) delivered, 0 not" in ticking.tick().skip_message
        assert codes(told) >= {("opened", "loop_stopped"), ("opened", "component_down")}
        before = len(told)
        ticking.tick()
        assert len(told) == before


def test_a_lake_that_is_not_configured_is_nothing_to_tell(small: Any, instance: dg.DagsterInstance):
    del small.environment["ADCE_LAKE"]
    assert "no lake is configured" in Ticking(small, instance, "alert_sensor").tick().skip_message


def failed(instance: dg.DagsterInstance, job: dg.JobDefinition) -> dg.RunFailureSensorContext:
    """Run a job that fails, and return what the sensor of failures is handed."""
    run = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not run.success
    event = run.get_run_failure_event()
    context = dg.build_run_status_sensor_context("run_failure_sensor", event, instance, run.dagster_run)
    return cast("dg.RunFailureSensorContext", context.for_run_failure())


@dg.op
def breaks() -> None:
    message = "the disk\nis full"
    raise OSError(message)


@dg.job
def nightly() -> None:
    breaks()


@dg.job(name="nightly")
def mended() -> None: ...


def test_a_failed_run_is_noted_with_its_reason_and_struck_out_when_the_job_works_again(
    small: Any, kept: dg.DagsterInstance, told: list[dict[str, Any]]
):
    settings = load_settings(small.environment)
    (cause,) = failures(failed(kept, nightly))
    assert (cause.code, cause.subject) == ("run_failed", "nightly")
    assert "the disk is full" in cause.what
    assert cause.page.startswith("/runs/")
    alerts.note(settings, cause, settings.clock())
    ticking = Ticking(small, kept, "alert_sensor")
    ticking.tick()
    assert ("opened", "run_failed") in codes(told)
    assert mended.execute_in_process(instance=kept).success
    ticking.tick()
    assert ("cleared", "run_failed") in codes(told)


GONE = "postgresql://nobody:letmein@127.0.0.1:1/adce"


def test_a_database_that_is_gone_is_told_and_what_failed_meanwhile_when_it_is_back(
    small: Any, kept: dg.DagsterInstance, told: list[dict[str, Any]], postgresql: Any
):
    small.environment["ADCE_DATABASE_URL"] = GONE
    sensor = small.defs().resolve_sensor_def("run_failure_sensor")
    sensor(failed(kept, nightly), project=ProjectResource(environment=small.environment))
    ticking = Ticking(small, kept, "alert_sensor")
    ticking.tick()
    assert codes(told) == {("opened", "alerts_unkept")}
    small.environment["ADCE_DATABASE_URL"] = postgresql.get_uri()
    ticking.tick()
    assert codes(told) >= {("cleared", "alerts_unkept"), ("opened", "run_failed")}


def test_what_dagster_cannot_say_has_worked_stands_and_all_else_is_told(
    small: Any, kept: dg.DagsterInstance, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    def breaks(*_: object) -> bool:
        message = "the storage is gone"
        raise OSError(message)

    monkeypatch.setattr(alerting, "has_worked", breaks)
    settings = load_settings(small.environment)
    alerts.note(settings, Cause("run_failed", "nightly", Severity.WARNING, "it failed", ""), settings.clock())
    ticking = Ticking(small, kept, "alert_sensor")
    ticking.tick()
    assert codes(told) >= {("opened", "run_failed"), ("opened", "loop_stopped")}
    assert "nobody knows whether `nightly` has worked since" in ticking.lines.said


def test_the_sensor_of_failures_notes_what_it_hears(small: Any, instance: dg.DagsterInstance):
    sensor = small.defs().resolve_sensor_def("run_failure_sensor")
    context = failed(instance, nightly)
    sensor(context, project=ProjectResource(environment=small.environment))
    with opened(load_settings(small.environment).alerts_url) as book, book.read() as page:
        assert [(one.code, one.subject) for one in page.noted()] == [("run_failed", "nightly")]


CHECK = {"passed": False}


@dg.asset(check_specs=[dg.AssetCheckSpec("is_whole", asset="table", blocking=True)])
def table() -> Iterator[Any]:
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="is_whole", **CHECK)])


def test_a_check_that_stops_a_run_is_told_instead_of_the_run_until_it_passes(instance: dg.DagsterInstance):
    job = dg.Definitions(assets=[table]).resolve_implicit_global_asset_job_def()
    (cause,) = failures(failed(instance, job))
    assert (cause.code, cause.subject, cause.severity) == ("check_failed", "table:is_whole", "critical")
    assert not has_worked(instance, cause)
    CHECK["passed"] = True
    assert job.execute_in_process(instance=instance).success
    CHECK["passed"] = False
    assert has_worked(instance, cause)


@pytest.mark.parametrize(
    ("told", "unmade", "subject"),
    [
        ({"job_name": "nightly"}, [], "nightly"),
        ({"job_name": "__ASSET_JOB", "tags": {SCRAPER_TAG: "espn_summary"}}, ["a"], "scraper espn_summary"),
        ({"job_name": "__ASSET_JOB"}, ["b/c", "a"], "asset b/c"),
        (
            {"job_name": "__ASSET_JOB", "asset_selection": frozenset({dg.AssetKey(["b", "c"]), dg.AssetKey("d")})},
            [],
            "asset b/c",
        ),
    ],
)
def test_runs_that_do_the_same_have_one_subject(told: dict[str, Any], unmade: list[str], subject: str):
    assert subject_of(dg.DagsterRun(**told), unmade) == subject


@dg.asset
def first() -> int:
    return 1


@dg.asset(deps=[first])
def second() -> None:
    message = "it is broken"
    raise OSError(message)


@dg.asset(deps=[second])
def a_third() -> None: ...


def test_a_run_of_assets_is_about_the_one_that_has_failed(instance: dg.DagsterInstance):
    job = dg.Definitions(assets=[first, second, a_third]).resolve_implicit_global_asset_job_def()
    (cause,) = failures(failed(instance, job))
    assert cause.subject == "asset second"
    assert dg.materialize([first], instance=instance).success
    assert not has_worked(instance, cause)


@pytest.mark.parametrize(
    ("status", "scraper", "later_by_hours", "worked"),
    [
        (RUN.SUCCESS, "espn_summary", 1, True),
        (RUN.SUCCESS, "espn_summary", -1, False),
        (RUN.SUCCESS, "nba_stats", 1, False),
        (RUN.FAILURE, "espn_summary", 1, False),
        (RUN.STARTED, "espn_summary", 1, False),
    ],
)
def test_a_scraper_has_worked_when_a_later_run_of_it_succeeds(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, scraper: str, later_by_hours: int, *, worked: bool
):
    run = instance.add_run(dg.DagsterRun(job_name="__ASSET_JOB", tags={SCRAPER_TAG: scraper}, status=RUN.STARTING))
    events = {RUN.SUCCESS: [BEGUN, "PIPELINE_SUCCESS"], RUN.FAILURE: [BEGUN, "PIPELINE_FAILURE"], RUN.STARTED: [BEGUN]}
    for event in events[status]:
        instance.report_dagster_event(dg.DagsterEvent(event, run.job_name), run.run_id)
    since = now() - timedelta(hours=later_by_hours)
    failed_then = Cause("run_failed", "scraper espn_summary", Severity.WARNING, "it failed", "", since)
    assert has_worked(instance, failed_then) is worked


def test_a_run_that_was_under_way_when_another_failed_does_not_say_that_it_works_again(instance: dg.DagsterInstance):
    run = instance.add_run(dg.DagsterRun(job_name="nightly", status=RUN.STARTING))
    instance.report_dagster_event(dg.DagsterEvent(BEGUN, "nightly"), run.run_id)
    failed_then = Cause("run_failed", "nightly", Severity.WARNING, "it failed", "", now())
    instance.report_dagster_event(dg.DagsterEvent("PIPELINE_SUCCESS", "nightly"), run.run_id)
    assert not has_worked(instance, failed_then)


def test_an_asset_has_worked_when_it_was_made_again(instance: dg.DagsterInstance):
    since = now() - timedelta(hours=1)
    failed_then = Cause("run_failed", "asset a/b", Severity.WARNING, "it failed", "", since)
    assert not has_worked(instance, failed_then)
    instance.report_runless_asset_event(dg.AssetMaterialization(["a", "b"]))
    assert has_worked(instance, failed_then)
