"""How many looks of sensors and schedules did not take place, as Dagster's own records have it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.defs.ticks import missed_between, missed_here, missed_ticks
from adce_assets.errors import MetricError

NOW = datetime(2024, 12, 5, 12, 30, tzinfo=UTC)
DAY = timedelta(days=1)
HOURLY, EVERY_30_S = "hourly_schedule", "quick_sensor"
SENSORS = {EVERY_30_S: 30}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance in a folder, which keeps looks, those without anything to do for 7 days."""
    retention = {name: {"purge_after_days": {"skipped": 7}} for name in ("sensor", "schedule")}
    folder = str(tmp_path_factory.mktemp("instance"))
    with dg.DagsterInstance.local_temp(folder, overrides={"retention": retention}) as made:
        yield made


@pytest.fixture
def watched(kept: dg.DagsterInstance) -> dg.DagsterInstance:
    storage = kept.schedule_storage
    assert storage is not None
    storage.wipe()
    return kept


def origin_of(name: str, location: str) -> RemoteInstigatorOrigin:
    return RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__"), name
    )


def watch(
    instance: dg.DagsterInstance, name: str, since: datetime | None, *, on: bool = True, location: str = "a"
) -> None:
    """Keep that a sensor or schedule was switched on at some time."""
    is_sensor, begin = name in SENSORS, None if since is None else since.timestamp()
    instance.add_instigator_state(
        InstigatorState(
            origin_of(name, location),
            InstigatorType.SENSOR if is_sensor else InstigatorType.SCHEDULE,
            InstigatorStatus.RUNNING if on else InstigatorStatus.STOPPED,
            SensorInstigatorData(min_interval=SENSORS[name], last_sensor_start_timestamp=begin)
            if is_sensor
            else ScheduleInstigatorData("0 * * * *", start_timestamp=begin),
        )
    )


def look(
    instance: dg.DagsterInstance,
    name: str,
    at: datetime,
    status: TickStatus = TickStatus.SUCCESS,
    location: str = "a",
) -> None:
    """Keep how a look ended."""
    origin = origin_of(name, location)
    told: dict[str, Any] = {"run_ids": [], "instigator_name": name}
    told |= {"error": SerializableErrorInfo("the lake is gone", [], None)} if status is TickStatus.FAILURE else {}
    instance.create_tick(
        TickData(
            instigator_origin_id=origin.get_id(),
            selector_id=origin.get_selector().get_id(),
            instigator_type=InstigatorType.SENSOR if name in SENSORS else InstigatorType.SCHEDULE,
            status=status,
            timestamp=at.timestamp(),
            **told,
        )
    )


def missed(instance: dg.DagsterInstance, name: str, back: timedelta = DAY) -> int:
    kind = "sensor" if name in SENSORS else "schedule"
    return missed_ticks(instance, lambda: NOW)(kind, name, NOW - back)


def test_each_planned_time_at_which_nobody_looked_is_counted(watched: dg.DagsterInstance):
    watch(watched, HOURLY, NOW - 9 * DAY)
    hours = [NOW.replace(minute=0) - timedelta(hours=hour) for hour in range(24)]
    for index, hour in enumerate(hours):
        if index not in {3, 4, 17}:
            look(watched, HOURLY, hour, TickStatus.SKIPPED if index % 2 else TickStatus.SUCCESS)
    assert missed(watched, HOURLY) == 3
    assert missed(watched, HOURLY, timedelta(hours=4)) == 1
    assert missed(watched, HOURLY, timedelta(hours=2)) == 0


def test_a_look_that_failed_did_not_take_place(watched: dg.DagsterInstance):
    watch(watched, HOURLY, NOW - 9 * DAY)
    for hour in range(3):
        status = TickStatus.FAILURE if hour == 1 else TickStatus.SUCCESS
        look(watched, HOURLY, NOW.replace(minute=0) - timedelta(hours=hour), status)
    assert missed(watched, HOURLY, timedelta(hours=3)) == 1


def test_what_is_due_this_minute_is_not_missed_yet(watched: dg.DagsterInstance):
    watch(watched, HOURLY, NOW - 9 * DAY)
    look(watched, HOURLY, NOW.replace(hour=11, minute=0))
    for seconds, count in ((30, 0), (119, 0), (120, 1)):
        moment = NOW.replace(minute=0) + timedelta(seconds=seconds)
        assert missed_ticks(watched, lambda at=moment: at)("schedule", HOURLY, moment - timedelta(minutes=90)) == count


def test_nothing_is_missed_from_before_it_was_switched_on(watched: dg.DagsterInstance):
    watch(watched, HOURLY, NOW - timedelta(hours=2))
    watch(watched, EVERY_30_S, NOW - timedelta(seconds=40))
    assert missed(watched, HOURLY) == 2
    assert missed(watched, EVERY_30_S) == 0


def test_a_sensor_of_which_nobody_knows_since_when_it_is_on_misses_nothing_before_its_first_look(
    watched: dg.DagsterInstance,
):
    watch(watched, EVERY_30_S, None)
    assert missed(watched, EVERY_30_S) == 0
    look(watched, EVERY_30_S, NOW - timedelta(seconds=100))
    assert missed(watched, EVERY_30_S) == 2
    look(watched, EVERY_30_S, NOW - 2 * DAY)
    assert missed(watched, EVERY_30_S) > 2000


def test_a_sensor_that_looks_a_little_late_each_time_misses_nothing_until_it_sleeps(watched: dg.DagsterInstance):
    begin = NOW - timedelta(minutes=12)
    watch(watched, EVERY_30_S, begin)
    for number in range(20):
        look(watched, EVERY_30_S, begin + timedelta(seconds=36 * number), TickStatus.SKIPPED)
    assert missed(watched, EVERY_30_S) == 0
    later = NOW + timedelta(minutes=5)
    sleeping = missed_ticks(watched, lambda: later)("sensor", EVERY_30_S, begin)
    assert sleeping == (5 * 60 + 36) // 30 - 1


@given(st.lists(st.floats(1, 10_000), max_size=30), st.floats(1, 300))
def test_the_looks_that_are_missing_are_never_more_than_the_time_has_room_for(gaps: list[float], every: float):
    looks = list(accumulate(gaps, initial=0.0))
    count = missed_between(looks, every)
    assert 0 <= count <= looks[-1] / every
    assert count == 0 or max(gaps) >= 2 * every


def test_of_two_code_locations_the_one_that_looks_counts(watched: dg.DagsterInstance):
    for location in ("old", "new"):
        watch(watched, HOURLY, NOW - 9 * DAY, location=location)
    for hour in range(2):
        look(watched, HOURLY, NOW.replace(minute=0) - timedelta(hours=hour), location="new")
    assert missed(watched, HOURLY, timedelta(hours=2)) == 0


def test_what_is_switched_off_or_unknown_is_an_error_with_what_to_do(watched: dg.DagsterInstance):
    watch(watched, HOURLY, NOW - DAY, on=False)
    with pytest.raises(MetricError, match="is switched off"):
        missed(watched, HOURLY)
    with pytest.raises(MetricError, match="did you mean `hourly_schedule`"):
        missed(watched, "hourly_schedul")
    with pytest.raises(MetricError, match="never looked at a sensor"):
        missed(watched, EVERY_30_S)


def test_by_a_clock_that_stands_nobody_knows_what_was_missed(watched: dg.DagsterInstance):
    watch(watched, HOURLY, NOW - 9 * DAY)
    with pytest.raises(MetricError, match="the clock stands"):
        missed_ticks(watched, lambda: NOW, clock_stands=True)("schedule", HOURLY, NOW - DAY)


def test_looks_that_dagster_has_thrown_away_are_not_taken_for_missed(watched: dg.DagsterInstance):
    watch(watched, HOURLY, NOW - 30 * DAY)
    with pytest.raises(MetricError, match="for 7 days, and 8 were asked for"):
        missed(watched, HOURLY, 8 * DAY)


def test_the_instance_of_dagsters_home_is_asked(watched: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    watch(watched, HOURLY, NOW - 9 * DAY)
    monkeypatch.setenv("DAGSTER_HOME", watched.root_directory)
    assert missed_here("schedule", HOURLY, NOW - timedelta(hours=2), lambda: NOW) == 2
