"""Who watches for the loop, as Dagster's own records have it: a switch, a tick that fails, a daemon that is gone."""

from collections.abc import Iterator
from datetime import timedelta
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
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from adce_assets.defs.watching import SCHEDULE, SENSORS, STARTERS, asleep, is_on

NOW = 1_700_000_000.0
PATIENCE = timedelta(minutes=15)
QUEUE = "task_queue_sensor"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance in a folder, which has daemons and sensors."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("instance"))) as made:
        yield made


@pytest.fixture
def watched(kept: dg.DagsterInstance) -> dg.DagsterInstance:
    """An instance whose daemons and sensors have just looked."""
    storage = kept.schedule_storage
    assert storage is not None
    storage.wipe()
    for kind in STARTERS:
        kept.add_daemon_heartbeat(DaemonHeartbeat(NOW - 30, kind, None, None))
    for name in SENSORS:
        watch(kept, name)
        tick(kept, name, NOW - 40)
    return kept


def watch(instance: dg.DagsterInstance, name: str, *, on: bool = True, location: str = "adce_assets") -> None:
    """Keep of a sensor or schedule whether it is on."""
    instance.add_instigator_state(
        InstigatorState(
            origin_of(name, location),
            InstigatorType.SENSOR if name in SENSORS else InstigatorType.SCHEDULE,
            InstigatorStatus.RUNNING if on else InstigatorStatus.STOPPED,
            SensorInstigatorData(min_interval=30) if name in SENSORS else ScheduleInstigatorData("0 * * * *"),
        )
    )


def origin_of(name: str, location: str) -> RemoteInstigatorOrigin:
    return RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__"), name
    )


def tick(
    instance: dg.DagsterInstance, name: str, at: float, status: TickStatus = TickStatus.SKIPPED, **place: Any
) -> None:
    """Keep how a look ended."""
    origin = origin_of(name, place.get("location", "adce_assets"))
    told: dict[str, Any] = {"instigator_name": name, "instigator_type": InstigatorType.SENSOR, "run_ids": []}
    told |= {"error": SerializableErrorInfo("the lake is gone", [], None)} if status is TickStatus.FAILURE else {}
    selector = origin.get_selector().get_id()
    instance.create_tick(
        TickData(instigator_origin_id=origin.get_id(), selector_id=selector, status=status, timestamp=at, **told)
    )


def told(instance: dg.DagsterInstance, now: float = NOW) -> list[str]:
    return asleep(instance, now, PATIENCE)


def test_where_daemons_and_sensors_look_nothing_is_told(watched: dg.DagsterInstance):
    assert told(watched) == []
    assert told(watched, NOW + 14 * 60) == []


def test_where_no_daemon_has_ever_run_nobody_is_expected_to_watch(instance: dg.DagsterInstance):
    assert told(instance) == []


def test_a_daemon_that_is_gone_is_told_and_that_nothing_has_been_looked_at_since(watched: dg.DagsterInstance):
    said = told(watched, NOW + 3600)
    assert said[0] == "the daemon SENSOR is not heard of any more: `adce restart`"
    assert len(said) == len(STARTERS) + len(SENSORS)
    assert "has not come to the end of a look since 2023-11-14 22:12 UTC" in said[-1]


@pytest.mark.parametrize("name", [*SENSORS, SCHEDULE])
def test_what_a_person_has_switched_off_is_told_with_what_to_do(watched: dg.DagsterInstance, name: str):
    if name == SCHEDULE:
        watch(watched, name, on=False)
    else:
        state = next(one for one in watched.all_instigator_state() if one.origin.instigator_name == name)
        watched.update_instigator_state(state.with_status(InstigatorStatus.STOPPED))
    (said,) = told(watched)
    assert f"`{name}` is switched off: switch it on" in said
    assert not is_on(watched, name)


@pytest.mark.parametrize("name", [*SENSORS, SCHEDULE])
def test_what_a_renamed_place_has_left_behind_switched_off_says_nothing_of_the_new_one(
    watched: dg.DagsterInstance, name: str
):
    watch(watched, name, on=False, location="old")
    if name == SCHEDULE:
        watch(watched, name)
    assert told(watched) == []
    assert is_on(watched, name)


def test_a_sensor_whose_looks_all_fail_is_told(watched: dg.DagsterInstance):
    later = NOW + 20 * 60
    for kind in STARTERS:
        watched.add_daemon_heartbeat(DaemonHeartbeat(later, kind, None, None))
    for name in SENSORS:
        tick(watched, name, later, TickStatus.FAILURE if name == QUEUE else TickStatus.SUCCESS)
    (said,) = told(watched, later)
    assert said.startswith(f"the sensor `{QUEUE}` has not come to the end of a look since")


def test_a_sensor_that_nothing_is_known_of_is_told_unless_another_place_has_it(watched: dg.DagsterInstance):
    storage = watched.schedule_storage
    assert storage is not None
    storage.wipe()
    for name in SENSORS[:2]:
        watch(watched, name)
        tick(watched, name, NOW)
    assert told(watched) == [
        f"the sensor `{QUEUE}` has not come to the end of a look: its ticks say why (Automation, in the UI)"
    ]
    for location in ("old", "new"):
        watch(watched, QUEUE, location=location)
    tick(watched, QUEUE, NOW, location="new")
    assert told(watched) == []
