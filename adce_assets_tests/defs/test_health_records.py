"""What Dagster's records say of a loop, as rules of health ask for it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    SensorInstigatorData,
)
from dagster._daemon.types import DaemonHeartbeat

from adce_assets.defs.health import FREE_AFTER, Records
from adce_assets.defs.looking import INVENTORY, TASK_QUEUE, newest_cycle
from adce_assets.defs.watching import BESIDE, SCHEDULE, SENSORS, STARTERS
from adce_assets.operate.outside import Outside
from adce_assets_tests.cli.conftest import ROOT

HOUR = timedelta(hours=1)
SETTINGS = """
run_monitoring: {enabled: true, free_slots_after_run_end_seconds: 60}
concurrency: {pools: {default_limit: 1}}
telemetry: {enabled: false}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("instance")
    (folder / "dagster.yaml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="module")
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as made:
        yield made


@pytest.fixture
def now(instance: dg.DagsterInstance) -> datetime:
    """The moment, for Dagster writes down by itself when something happened; nothing has yet."""
    storage = instance.schedule_storage
    assert storage is not None
    storage.wipe()
    instance.wipe()
    instance.run_storage.wipe_daemon_heartbeats()
    return datetime.now(UTC)


def watch(instance: dg.DagsterInstance, name: str, since: datetime, *, on: bool = True) -> None:
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("adce_assets"), "__repository__"), name
    )
    is_sensor = name in SENSORS
    data = (
        SensorInstigatorData(min_interval=60, last_sensor_start_timestamp=since.timestamp())
        if is_sensor
        else ScheduleInstigatorData("*/15 * * * *", start_timestamp=since.timestamp())
    )
    kind = InstigatorType.SENSOR if is_sensor else InstigatorType.SCHEDULE
    status = InstigatorStatus.RUNNING if on else InstigatorStatus.STOPPED
    instance.add_instigator_state(InstigatorState(origin, kind, status, data))


def job(*, fails: bool = False, is_queue_alone: bool = False) -> dg.JobDefinition:
    @dg.asset(key=INVENTORY)
    def inventory() -> None:
        pass

    @dg.asset(key=TASK_QUEUE)
    def queue() -> None:
        if fails:
            raise ValueError("it fails")

    made = [queue] if is_queue_alone else [inventory, queue]
    one = dg.define_asset_job("one", executor_def=dg.in_process_executor)
    return dg.Definitions(assets=made, jobs=[one]).resolve_job_def("one")


def run(
    instance: dg.DagsterInstance, *, fails: bool = False, is_queue_alone: bool = False
) -> dg.ExecuteInProcessResult:
    made = job(fails=fails, is_queue_alone=is_queue_alone)
    return made.execute_in_process(instance=instance, raise_on_error=False)


def test_of_an_instance_that_nobody_has_used_all_is_said_that_there_is(home: Path, now: datetime) -> None:
    seen = Records(home, 6 * HOUR)()
    assert seen == Outside(at=seen.at, beats=dict.fromkeys(STARTERS))
    assert seen.at >= now


def test_daemons_cycles_runs_and_switches_are_told(instance: dg.DagsterInstance, home: Path, now: datetime) -> None:
    for name in STARTERS:
        instance.add_daemon_heartbeat(DaemonHeartbeat(now.timestamp() - 30, name, "one", []))
    run(instance)
    run(instance, fails=True)
    watch(instance, SCHEDULE, now - 3 * HOUR)
    watch(instance, SENSORS[0], now - HOUR, on=False)
    watch(instance, SENSORS[1], now - HOUR)
    watch(instance, BESIDE[0], now - HOUR, on=False)
    seen = Records(home, 6 * HOUR)()
    assert set(seen.beats.values()) == {datetime.fromtimestamp(now.timestamp() - 30, UTC)}
    assert seen.last_cycle is not None
    assert timedelta(0) <= seen.last_cycle - now < timedelta(minutes=1)
    assert (seen.ended, seen.failed, seen.pools) == (2, 1, {})
    assert (seen.off, seen.off_beside) == ((SENSORS[0],), (BESIDE[0],))
    assert seen.on_since == {SCHEDULE: datetime.fromtimestamp((now - 3 * HOUR).timestamp(), UTC)}
    assert (seen.missed[SCHEDULE] in {11, 12, 13}, seen.missed[SENSORS[1]]) == (True, 59)


def test_a_cycle_that_fails_after_it_has_made_the_queue_is_none(
    instance: dg.DagsterInstance, home: Path, now: datetime
) -> None:
    @dg.asset(key=TASK_QUEUE, check_specs=[dg.AssetCheckSpec("stops", asset=TASK_QUEUE, blocking=True)])
    def queue() -> dg.MaterializeResult:
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False, check_name="stops")])

    @dg.asset(key=INVENTORY)
    def inventory() -> None:
        pass

    stopped = dg.Definitions(assets=[inventory, queue], jobs=[dg.define_asset_job("one")]).resolve_job_def("one")
    records = Records(home, 6 * HOUR)
    assert not stopped.execute_in_process(instance=instance, raise_on_error=False).success
    assert (records().last_cycle, records().failed) == (None, 1)
    run(instance)
    well = records().last_cycle
    assert well is not None
    assert well >= now
    stopped.execute_in_process(instance=instance, raise_on_error=False)
    assert (records().last_cycle, records().failed) == (well, 2)
    assert run(instance, is_queue_alone=True).success
    assert records().last_cycle == well, "who makes the queue anew has not looked at the lake"


def test_a_cycle_that_is_gone_on_with_began_when_the_lake_was_looked_at(instance: dg.DagsterInstance) -> None:
    before, failed = newest_cycle(instance), run(instance, fails=True)
    assert newest_cycle(instance) == before
    # A retry leaves out the steps that ended well: here all but the queue.
    rest = job(is_queue_alone=True)
    again = instance.create_run_for_job(rest, parent_run_id=failed.run_id, root_run_id=failed.run_id)
    assert execute_run(InMemoryJob(rest), again, instance).success
    record = instance.get_run_record_by_id(failed.run_id)
    assert record is not None
    assert newest_cycle(instance) == record.start_time != before


def test_what_is_longer_ago_than_the_window_is_not_counted(instance: dg.DagsterInstance, now: datetime) -> None:
    run(instance, fails=True)
    seen = Records(Path(), HOUR).seen(instance, now + 2 * HOUR)
    assert (seen.ended, seen.failed) == (0, 0)


def test_missed_looks_are_counted_anew_only_now_and_then(instance: dg.DagsterInstance, now: datetime) -> None:
    watch(instance, SENSORS[0], now - HOUR)
    records = Records(Path(), 6 * HOUR)
    found = [records.seen(instance, now + timedelta(minutes=later)).missed for later in (0, 9, 11)]
    assert [one[SENSORS[0]] for one in found] == [59, 59, 70]


def test_places_of_runs_that_are_over_are_lost(instance: dg.DagsterInstance, now: datetime) -> None:
    storage = instance.event_log_storage
    storage.set_concurrency_slots("host_one", 2)
    over = run(instance).run_id
    working = instance.create_run_for_job(_job(), status=dg.DagsterRunStatus.STARTED).run_id
    for name in (over, working):
        assert storage.claim_concurrency_slot("host_one", name, "step").is_claimed
    records = Records(Path(), HOUR)
    assert records.seen(instance, now).pools == {}
    (said,) = records.seen(instance, now + FREE_AFTER + HOUR).pools.items()
    assert said == ("host_one", "1 of 2 places of the pool `host_one` are held by runs that are over")
    for name in (over, working):
        storage.free_concurrency_slots_for_run(name)
    storage.delete_concurrency_limit("host_one")


def test_settings_by_which_places_are_lost_are_told(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("run_monitoring: {enabled: true, free_slots_after_run_end_seconds: 0}")
    assert "free_slots_after_run_end_seconds" in Records(tmp_path, HOUR)().pools[""]


@pytest.mark.parametrize("text", [b"storage: [", b"bogus: 1", b"- a", b"5", b"storage: 5", b"\xff\xfe", None])
def test_records_that_cannot_be_read_are_told_and_raise_nothing(tmp_path: Path, text: Any) -> None:
    if text is not None:
        (tmp_path / "dagster.yaml").write_bytes(text)
    else:
        (tmp_path / "history").write_text("no folder")
    seen = Records(tmp_path, HOUR)()
    assert (seen.fault != "", seen.beats, "\n" in seen.fault) == (True, {}, False)


def test_a_database_of_dagster_that_is_gone_is_told_and_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADCE_DATABASE_URL", "postgresql://x:y@127.0.0.1:1/x")
    monkeypatch.setattr("dagster_postgres.utils.time.sleep", lambda _: None)
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    assert Records(tmp_path, HOUR)().fault.startswith("DagsterPostgresException")


def _job() -> dg.JobDefinition:
    @dg.job
    def nothing() -> None:
        pass

    return nothing
