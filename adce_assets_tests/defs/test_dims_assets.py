"""The metrics in Dagster: measured, told, checked, and asked for by the clock and by what has ended."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData

from adce_assets.defs.dims import CHECKS, DECIDED, DRIFTED, FRESH
from adce_assets.defs.dims_asking import JOB, SENSOR
from adce_assets.defs.metadata import SHOWN
from adce_assets.defs.resources import ProjectResource
from adce_assets.defs.sensors import SCRAPER_TAG
from adce_assets.dims import approvals
from adce_assets.dims.place import open_place
from adce_assets.errors import ConfigurationError
from adce_assets_tests.defs.conftest import SmallProject
from adce_assets_tests.defs.ticking import Ticking, start

METRICS = """
version: 1
schedules: {hourly: '7 * * * *', events: {weekly_verification: '0 9 * * 1'}}
events:
  reconciliation_complete: {refresh: [code], cooldown_seconds: 3600}
  scraper_complete: {refresh: [code]}
  s3_upload_complete: {refresh: [code]}
  weekly_verification: {refresh: ['*']}
metrics:
  code:
    programs:
      measure: {kind: files, include: ['src/*.py']}
      unit: files
      nature: stable
      critical: true
      ttl_minutes: 10
      description: programs of the project
  docs:
    notes:
      measure: {kind: lines, include: [notes.md]}
      unit: lines
      nature: volatile
      ttl_minutes: 10
      description: lines of the notes
"""
LAKE = """
  lake:
    objects:
      measure: {kind: objects}
      unit: objects
      nature: volatile
      description: objects of the lake
    gib:
      measure: {kind: bytes, scale: GiB, digits: 9}
      unit: GiB
      nature: volatile
      description: how large it is
"""
RECONCILIATION = "reconciliation_job"


@pytest.fixture
def dims(small: SmallProject) -> SmallProject:
    """An installation with metrics, four programs and two lines of notes; nothing was measured."""
    (small.home / "inventory" / "config.yaml").write_text(METRICS)
    write(small, programs=4, notes=2)
    return small


def write(small: SmallProject, *, programs: int, notes: int) -> None:
    folder = small.home / "src"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for number in range(programs):
        (folder / f"p{number}.py").write_text("pass\n")
    (small.home / "notes.md").write_text("line\n" * notes)


def measure(small: SmallProject, instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    job = small.defs().resolve_job_def(JOB)
    return job.execute_in_process(instance=instance, run_config={"ops": {"dims_metrics": {"config": config}}})


def told(small: SmallProject, result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    return small.metadata(result, "dims_metrics")


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def rows(metadata: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [dict(record.data) for record in metadata[name].records] if name in metadata else []


def test_every_number_is_plotted_under_its_own_name_and_none_stands_for_a_failure(
    dims: SmallProject, instance: dg.DagsterInstance
):
    config = dims.home / "inventory" / "config.yaml"
    config.write_text(METRICS + LAKE)
    result = measure(dims, instance, update=True)
    before = told(dims, result)
    assert (before["code.programs"], before["docs.notes"]) == (4, 2)
    assert (before["metrics"], before["ok"], before["error"]) == (4, 2, 2)
    assert "lake.objects" not in before
    assert {row["metric"] for row in rows(before, "not_measured")} == {"lake.objects", "lake.gib"}
    found = verdicts(result)
    assert {name for name, verdict in found.items() if not verdict.passed} == {FRESH}
    assert {verdict.severity for verdict in found.values()} == {dg.AssetCheckSeverity.WARN}
    assert "adce reconcile" in str(found[FRESH].metadata["worst"].value)
    dims.fill()
    assert dims.reconcile(instance).success
    result = measure(dims.at(minutes=1), instance, update=True)
    objects = [found for found in dims.lake.list() if not found.key.startswith("_adce/")]
    metadata = told(dims, result)
    assert metadata["lake.objects"] == len(objects)
    assert metadata["lake.gib"] == pytest.approx(sum(found.size for found in objects) / 2**30, abs=1e-9)
    assert all(verdict.passed for verdict in verdicts(result).values())


def test_drift_and_what_waits_for_a_person_are_warnings_until_somebody_decides(
    dims: SmallProject, instance: dg.DagsterInstance
):
    assert all(verdict.passed for verdict in verdicts(measure(dims, instance, update=True)).values())
    write(dims, programs=6, notes=2)
    later = dims.at(hours=1)
    result = measure(later, instance, update=True)
    (row,) = rows(told(later, result), "drifted")
    assert (row["metric"], row["value"], row["accepted"], row["drift_pct"]) == ("code.programs", 6, 4, 50.0)
    assert told(later, result)["waiting_for_a_person"] == 1
    assert {name for name, verdict in verdicts(result).items() if not verdict.passed} == {DRIFTED, DECIDED}
    with open_place(later.project) as place:
        (waiting,) = approvals.pending(place)
        approvals.decide(place, waiting.id, accept=True, by="Ann", note="two more")
    assert checked(later, instance, DECIDED).passed
    assert checked(later, instance, DRIFTED).passed
    again = measure(dims.at(hours=2), instance)
    assert all(verdict.passed for verdict in verdicts(again).values())


def checked(small: SmallProject, instance: dg.DagsterInstance, name: str) -> dg.AssetCheckEvaluation:
    """Ask one check again, without measuring anything."""
    key = dg.AssetCheckKey(dg.AssetKey("dims_metrics"), name)
    job = dg.define_asset_job("again", selection=dg.AssetSelection.checks(key))
    definitions = dg.Definitions.merge(small.defs(), dg.Definitions(jobs=[job]))
    result = definitions.resolve_job_def("again").execute_in_process(instance=instance)
    assert not result.get_asset_materialization_events()
    return verdicts(result)[name]


def test_a_metric_that_nobody_measures_any_more_is_told(dims: SmallProject, instance: dg.DagsterInstance):
    measure(dims, instance, update=True)
    assert checked(dims.at(minutes=129), instance, FRESH).passed
    late = checked(dims.at(minutes=131), instance, FRESH)
    assert not late.passed
    assert "2 of 2 metrics" in (late.description or "")


def test_an_event_measures_its_own_metrics_once_in_a_while_and_the_rest_is_told_as_it_was(
    dims: SmallProject, instance: dg.DagsterInstance
):
    measure(dims, instance, update=True)
    write(dims, programs=5, notes=9)
    later = replace(dims, environment={**dims.environment, "ADCE_AS_OF": ""})
    first = told(later, measure(later, instance, events=["reconciliation_complete"]))
    assert first["event_reconciliation_complete"] == "ran"
    assert (first["code.programs"], first["docs.notes"]) == (5, 2)
    write(dims, programs=3, notes=9)
    again = told(later, measure(later, instance, events=["reconciliation_complete"]))
    assert again["event_reconciliation_complete"].startswith("rests until ")
    assert again["code.programs"] == 5


def test_a_snapshot_is_kept_of_the_day(dims: SmallProject, instance: dg.DagsterInstance):
    assert told(dims, measure(dims, instance, snapshot=True))["snapshot"] == "2024-12-05"
    assert [path.name for path in (dims.home / "inventory" / "historical").iterdir()] == ["2024-12-05.yaml"]


def test_two_hundred_metrics_are_two_hundred_numbers_and_short_tables(dims: SmallProject, instance: dg.DagsterInstance):
    one = METRICS.partition("  code:")[0] + "  many:\n"
    for number in range(200):
        one += (
            f"    m{number}:\n      measure: {{kind: files, include: ['src/p{number}.py*']}}\n      unit: files\n"
            "      nature: stable\n      description: one of many\n"
        )
    config = dims.home / "inventory" / "config.yaml"
    config.write_text(one.replace("refresh: [code]", "refresh: [many]"))
    write(dims, programs=200, notes=1)
    measure(dims, instance, update=True)
    write(dims, programs=0, notes=1)
    metadata = told(dims, measure(dims.at(hours=1), instance, fresh=True))
    assert [metadata[f"many.m{number}"] for number in range(200)] == [0] * 200
    assert len(rows(metadata, "drifted")) == SHOWN
    assert metadata["drifted_cut"] == f"shown: {SHOWN} of 200"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance in a folder: a schedule looks into no other."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("instance"))) as made:
        yield made


def asked(small: SmallProject, instance: dg.DagsterInstance) -> dict[str, tuple[str, ScheduleExecutionData]]:
    """Evaluate each schedule of the metrics; tell when it looks, and what it asks for."""
    repository = small.defs().get_repository_def()
    resources = {"project": ProjectResource(environment=small.environment)}
    found = [one for one in repository.schedule_defs if one.name.startswith("dims")]
    with dg.build_schedule_context(instance=instance, repository_def=repository, resources=resources) as context:
        return {one.name: (str(one.cron_schedule), one.evaluate_tick(context)) for one in found}


def config_of(told: ScheduleExecutionData) -> dict[str, Any]:
    (request,) = list(told.run_requests or [])
    return request.run_config["ops"]["dims_metrics"]["config"]


def test_the_clock_asks_for_what_is_configured(
    dims: SmallProject, kept: dg.DagsterInstance, instance: dg.DagsterInstance
):
    kept.wipe()
    plans = {name: (cron, config_of(told)) for name, (cron, told) in asked(dims, kept).items()}
    plain = {"events": [], "source": "dagster", "update": False, "fresh": False, "snapshot": False}
    of_event = plain | {"events": ["weekly_verification"], "source": "schedule"}
    assert plans == {
        "dims_schedule": ("7 * * * *", plain),
        "dims_snapshot_schedule": ("50 23 * * *", plain | {"snapshot": True}),
        "dims_weekly_verification_schedule": ("0 9 * * 1", of_event),
    }
    assert measure(dims, instance, **of_event).success


def test_a_schedule_does_not_pile_up_its_own_runs(dims: SmallProject, kept: dg.DagsterInstance):
    kept.wipe()
    running = dg.DagsterRun(job_name=JOB, status=dg.DagsterRunStatus.STARTED)
    kept.add_run(running)
    assert all(told.run_requests for _, told in asked(dims, kept).values())
    kept.add_run(dg.DagsterRun(job_name=JOB, status=running.status, tags={"dagster/schedule_name": "dims_schedule"}))
    again = {name: told.skip_message for name, (_, told) in asked(dims, kept).items() if not told.run_requests}
    assert again == {"dims_schedule": "1 run(s) of it queued or running"}


@dataclass(frozen=True)
class Loaded:
    """An installation whose definitions are made once, as a process does it."""

    definitions: dg.Definitions
    environment: dict[str, str]

    def defs(self) -> dg.Definitions:
        return self.definitions


class Ended:
    """Runs that end, and the sensor that looks at them."""

    def __init__(self, small: SmallProject, instance: dg.DagsterInstance) -> None:
        self.sensor = Ticking(Loaded(small.defs(), small.environment), instance, SENSOR)
        self.instance = instance

    def run(self, job: str, **tags: str) -> None:
        run = dg.DagsterRun(job_name=job, tags=tags, status=dg.DagsterRunStatus.STARTED)
        self.instance.add_run(run)
        self.instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, job_name=job), run.run_id
        )

    def looked(self) -> tuple[list[str], str]:
        """Look once; name the events that are asked for, and why nothing is."""
        told = self.sensor.tick()
        events = [request.run_config["ops"]["dims_metrics"]["config"]["events"] for request in told.run_requests]
        assert len(events) <= 1
        return (events[0] if events else []), told.skip_message or ""


@pytest.fixture
def ended(dims: SmallProject, instance: dg.DagsterInstance) -> Ended:
    """A sensor that has looked once, after a run that was there before it."""
    made = Ended(dims, instance)
    made.run(RECONCILIATION)
    assert made.looked() == ([], "looks for runs that end from now on")
    return made


def test_each_kind_of_run_is_its_event_and_all_of_a_look_become_one_run(ended: Ended):
    assert ended.looked()[0] == []
    ended.run(RECONCILIATION)
    assert ended.looked()[0] == ["reconciliation_complete"]
    ended.run(RECONCILIATION, **{"dagster/sensor_name": "completion_sensor"})
    for scraper in ("espn_summary", "espn_scoreboard"):
        ended.run("__ASSET_JOB", **{SCRAPER_TAG: scraper})
    assert ended.looked()[0] == ["reconciliation_complete", "scraper_complete", "s3_upload_complete"]
    ended.run("collect_espn")
    assert ended.looked()[0] == ["scraper_complete"]
    assert ended.looked()[0] == []


def test_runs_that_move_no_metric_and_those_that_fail_are_no_event(ended: Ended, instance: dg.DagsterInstance):
    ended.run("canary_job")
    ended.run(JOB)
    failed = instance.add_run(dg.DagsterRun(job_name=RECONCILIATION, status=dg.DagsterRunStatus.STARTED))
    instance.report_run_failed(failed)
    assert ended.looked() == ([], "2 run(s) have ended, and nothing that moves a metric")


def test_an_event_waits_while_metrics_are_being_measured(ended: Ended, instance: dg.DagsterInstance):
    ended.run(RECONCILIATION)
    measuring = instance.add_run(dg.DagsterRun(job_name=JOB, status=dg.DagsterRunStatus.STARTED))
    assert ended.looked() == ([], "reconciliation_complete wait(s): metrics are being measured")
    instance.report_run_canceled(measuring)
    assert ended.looked()[0] == ["reconciliation_complete"]


def test_a_run_that_a_person_started_for_a_data_set_is_collecting(ended: Ended, instance: dg.DagsterInstance):
    wanted = dg.RunRequest(asset_selection=[dg.AssetKey(["espn", "box_scores"])], job_name="__ASSET_JOB")
    run = start(instance, wanted, dg.DagsterRunStatus.STARTED)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, job_name=run.job_name), run.run_id
    )
    assert ended.looked()[0] == ["scraper_complete"]


def test_what_the_sensor_asks_for_can_be_run(ended: Ended, dims: SmallProject, instance: dg.DagsterInstance):
    ended.run(RECONCILIATION)
    told = ended.sensor.tick()
    (request,) = told.run_requests
    assert datetime.fromisoformat(told.cursor).tzinfo is not None
    job = dims.defs().resolve_job_def(JOB)
    assert job.execute_in_process(instance=instance, run_config=request.run_config).success


def test_the_sensor_and_the_schedules_ask_nothing_of_lake_or_state(
    ended: Ended, monkeypatch: pytest.MonkeyPatch, dims: SmallProject, kept: dg.DagsterInstance
):
    kept.wipe()

    def refused(*_: Any, **__: Any) -> Any:
        pytest.fail("a store was opened")

    monkeypatch.setattr("adce_assets.loop.project.open_store", refused)
    ended.run(RECONCILIATION)
    assert ended.looked()[0] == ["reconciliation_complete"]
    assert all(told.run_requests for _, told in asked(dims, kept).values())


def test_where_no_lake_is_configured_nothing_is_asked_for(dims: SmallProject, instance: dg.DagsterInstance):
    dims.environment.pop("ADCE_LAKE")
    made = Ended(dims, instance)
    assert "no lake is configured" in made.looked()[1]
    assert {told.skip_message for _, told in asked(dims, instance).values()} == {made.looked()[1]}


def test_an_installation_without_metrics_has_none_of_it(small: SmallProject):
    (small.home / "inventory" / "config.yaml").unlink(missing_ok=True)
    definitions = small.defs()
    dg.Definitions.validate_loadable(definitions)
    repository = definitions.get_repository_def()
    assert not [name for name in repository.job_names if "dims" in name]
    assert not [one.name for one in (*repository.sensor_defs, *repository.schedule_defs) if "dims" in one.name]
    assert dg.AssetKey("dims_metrics") not in definitions.resolve_all_asset_keys()


def test_faulty_metrics_leave_the_loop_as_it_is_and_their_own_runs_say_the_fault(
    dims: SmallProject, instance: dg.DagsterInstance
):
    config = dims.home / "inventory" / "config.yaml"
    config.write_text(METRICS + "bogus: 1\n")
    repository = dims.defs().get_repository_def()
    assert {RECONCILIATION, JOB} <= {*repository.job_names}
    assert "dims_schedule" in {one.name for one in repository.schedule_defs}
    with pytest.raises(ConfigurationError, match=r"config\.yaml"):
        measure(dims, instance)


def test_with_metrics_the_definitions_are_whole_and_the_asset_says_what_it_is(dims: SmallProject):
    definitions = dims.defs()
    dg.Definitions.validate_loadable(definitions)
    node = definitions.resolve_asset_graph().get(dg.AssetKey("dims_metrics"))
    assert {key.name for key in node.check_keys} == set(CHECKS)
    assert (node.group_name, bool(node.description), bool(node.owners)) == ("dims", True, True)
    assert node.freshness_policy is not None
