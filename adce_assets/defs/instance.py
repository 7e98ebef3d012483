"""Dagster's own records in, what a key may wait for out: the daemon, the sensor, the runs, the pools. Only read."""

from datetime import UTC, datetime

import dagster as dg

from adce_assets.defs.collecting import BATCH_TAG
from adce_assets.defs.jobs import UNFINISHED
from adce_assets.defs.pools import pool_of
from adce_assets.defs.sensors import LANE_TAG
from adce_assets.loop.dispatch import Batch
from adce_assets.loop.known import Instance
from adce_assets.settings import dagster_home

STARTERS = ("SENSOR", "QUEUED_RUN_COORDINATOR")
"""The daemons without which no run of the queue is started."""
SENSOR = "task_queue_sensor"
WAITING = frozenset({dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED})


def look(host: str, batch: Batch) -> Instance | None:
    """Say how the instance of ``DAGSTER_HOME`` stands; None where nobody has named one, or it is not there.

    Args:
        host: Whose pool is looked at, empty for that of programs.
        batch: What the key would be collected with.
    """
    home = dagster_home()
    if home is None or not home.is_dir():
        return None
    with dg.DagsterInstance.get() as instance:
        return seen(instance, pool_of(host), batch)


def seen(instance: dg.DagsterInstance, pool: str, batch: Batch) -> Instance:
    """Say how an instance stands, as far as it concerns what would be collected with a batch."""
    daemons = [status for kind, status in instance.get_daemon_statuses().items() if kind in STARTERS]
    beats = [status.last_heartbeat.timestamp for status in daemons if status.last_heartbeat is not None]
    runs = instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED)))
    lanes = [run.tags[LANE_TAG] for run in runs if LANE_TAG in run.tags]
    before = next((run for run in runs if run.tags.get(LANE_TAG) in {batch.lane, batch.cell}), None)
    started = instance.get_runs(dg.RunsFilter(tags={BATCH_TAG: batch.id}), limit=1)
    limit, used = _room(instance, pool)
    return Instance(
        beat_at=datetime.fromtimestamp(min(beats), UTC) if len(beats) == len(STARTERS) else None,
        is_well=len(daemons) == len(STARTERS) and all(status.healthy for status in daemons),
        sensor_is_on=_sensor_is_on(instance),
        run=before.run_id if before else "",
        run_waits=before is not None and before.status in WAITING,
        done_by=started[0].run_id if started and started[0].is_finished else "",
        in_flight=len(lanes),
        alike=sum(lane.endswith(f"/{batch.priority}") for lane in lanes),
        pool=pool,
        pool_limit=limit,
        pool_used=used,
    )


def _sensor_is_on(instance: dg.DagsterInstance) -> bool:
    """Tell whether nobody has switched the sensor off; it runs by default."""
    states = instance.all_instigator_state()
    return all(state.is_running for state in states if state.origin.instigator_name == SENSOR)


def _room(instance: dg.DagsterInstance, pool: str) -> tuple[int | None, int]:
    """Say how many runs a pool lets in, and how many are in it."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits or pool not in storage.get_concurrency_keys():
        return None, 0
    info = storage.get_concurrency_info(pool)
    return info.limit, info.active_slot_count
