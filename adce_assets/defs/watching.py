"""Dagster's own records in, who of those that watch for the loop is asleep out, each with what to do about it.

Of sensors it is told when they last came to the end of a look; schedules look seldom, and are only switched on or off.
Where no daemon has ever run, as with commands alone, nobody is expected to watch. Only read.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState, SensorInstigatorData, TickStatus

SENSORS = ("inventory_report_sensor", "completion_sensor", "task_queue_sensor")
SCHEDULE = "reconciliation_schedule"
BESIDE = (
    "alert_sensor",
    "run_failure_sensor",
    "canary_schedule",
    "warehouse_sensor",
    "warehouse_settling_sensor",
)
"""What watches beside the loop, which goes on without it: who tells what is wrong, who tries it, who loads records."""
SENSOR_DAEMON = "SENSOR"
STARTERS = (SENSOR_DAEMON, "QUEUED_RUN_COORDINATOR")
"""The daemons without which no run of the queue is started."""
MISSED = 3
"""Looks that a sensor may miss: one takes its time, and daemons are restarted."""
GOOD = (TickStatus.SUCCESS, TickStatus.SKIPPED)
"""The ends of a look that has seen something, or that there is nothing to do."""

States = Mapping[str, list[InstigatorState]]
"""What is kept of sensors and schedules, by name: one entry for each code location that has it."""


def is_on(instance: dg.DagsterInstance, name: str) -> bool:
    """Tell whether nobody has switched a sensor or a schedule off; those of the loop run by default."""
    return _is_on(_states(instance).get(name, []))


def asleep(instance: dg.DagsterInstance, now: float, patience: timedelta) -> list[str]:
    """Say who does not watch, in words, and what to do.

    Args:
        instance: Whose records are read.
        now: Seconds of Dagster's clock.
        patience: How long a daemon may be silent, and a sensor beside `MISSED` of its own intervals.
    """
    beats = {kind: beat.timestamp for kind, beat in instance.get_daemon_heartbeats().items()}
    if SENSOR_DAEMON not in beats:
        return []
    told = [
        f"the daemon {kind} is not heard of any more: `adce restart`"
        for kind in STARTERS
        if now - beats.get(kind, 0.0) > patience.total_seconds()
    ]
    states = _states(instance)
    for name in SENSORS:
        told += [f"the sensor `{name}` {said}" for said in _of_sensor(instance, states.get(name, []), now, patience)]
    if not is_on(instance, SCHEDULE):
        told.append(f"the schedule `{SCHEDULE}` is switched off: switch it on (Automation, in the UI)")
    return told


def _states(instance: dg.DagsterInstance) -> States:
    found: dict[str, list[InstigatorState]] = {}
    for state in instance.all_instigator_state():
        found.setdefault(state.origin.instigator_name, []).append(state)
    return found


def _is_on(known: list[InstigatorState]) -> bool:
    """Tell whether one looks: what another code location, such as one of an old name, has switched off is no matter."""
    return not known or any(state.is_running for state in known)


def _of_sensor(
    instance: dg.DagsterInstance, known: list[InstigatorState], now: float, patience: timedelta
) -> Iterator[str]:
    """Say what is wrong with a sensor; where several code locations have it, one that looks is enough."""
    if not _is_on(known):
        yield "is switched off: switch it on (Automation, in the UI)"
        return
    looks = [(_last_look(instance, state), _interval(state)) for state in known if state.is_running]
    last, every = max(looks, default=(0.0, 0.0))
    if now - last > MISSED * every + patience.total_seconds():
        since = f" since {datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M} UTC" if last else ""
        yield f"has not come to the end of a look{since}: its ticks say why (Automation, in the UI)"


def _last_look(instance: dg.DagsterInstance, state: InstigatorState) -> float:
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1, statuses=list(GOOD))
    return ticks[0].timestamp if ticks else 0.0


def _interval(state: InstigatorState) -> float:
    data = state.instigator_data
    return float(data.min_interval or 0) if isinstance(data, SensorInstigatorData) else 0.0
