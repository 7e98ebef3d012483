"""Dagster's own records in, what a key may wait for out: the daemon, the sensor, the runs, the pools. Only read."""

from datetime import UTC, datetime

import dagster as dg

from adce_assets.defs.jobs import UNFINISHED
from adce_assets.defs.looking import done_by
from adce_assets.defs.pools import pool_of
from adce_assets.defs.sensors import LANE_TAG
from adce_assets.defs.watching import STARTERS, is_on
from adce_assets.loop.dispatch import Batch
from adce_assets.loop.known import Instance
from adce_assets.settings import dagster_home

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
    limit, used = _room(instance, pool)
    return Instance(
        beat_at=datetime.fromtimestamp(min(beats), UTC) if len(beats) == len(STARTERS) else None,
        is_well=len(daemons) == len(STARTERS) and all(status.healthy for status in daemons),
        sensor_is_on=is_on(instance, SENSOR),
        run=before.run_id if before else "",
        run_waits=before is not None and before.status in WAITING,
        done_by=done_by(instance, batch.id),
        in_flight=len(lanes),
        alike=sum(lane.endswith(f"/{batch.priority}") for lane in lanes),
        pool=pool,
        pool_limit=limit,
        pool_used=used,
    )


def _room(instance: dg.DagsterInstance, pool: str) -> tuple[int | None, int]:
    """Say how many runs a pool lets in, and how many are in it."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits or pool not in storage.get_concurrency_keys():
        return None, 0
    info = storage.get_concurrency_info(pool)
    return info.limit, info.active_slot_count
