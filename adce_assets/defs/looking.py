"""Dagster's own records in, the batches that are not started again out: until somebody has looked at what they left.

Only read. How a queue is cut into batches, and which of them start, stands in ``loop``.
"""

from collections.abc import Collection
from dataclasses import dataclass

import dagster as dg

from adce_assets.defs.collecting import BATCH_TAG

QUEUE_TAG = "adce/queue"
"""The tag of a run that says of which queue (its time) the batch is."""
INVENTORY, TASK_QUEUE = dg.AssetKey("lake_inventory"), dg.AssetKey("task_queue")
LOOKS = 200
"""How many looks back one is searched for that came to its end: two days of them, one every quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Look:
    """The run that made the newest queue or found it as it was, and when it began (seconds of Dagster's clock)."""

    run: str
    began: float


def newest_look(instance: dg.DagsterInstance) -> Look | None:
    """Find the newest look at the lake; None where nobody has looked yet."""
    event = instance.get_latest_materialization_event(TASK_QUEUE)
    if event is None:
        return None
    record = instance.get_run_record_by_id(event.run_id)
    began = record.start_time if record else None
    return Look(event.run_id, event.timestamp if began is None else began)


def newest_cycle(instance: dg.DagsterInstance) -> float | None:
    """Say when the newest look at the lake began that came to its end (seconds of Dagster's clock); None for never.

    A run may fail after it has made the queue: a check may stop it, or the answers that it writes. One that has only
    made the queue anew has not looked, but where it goes on with one that failed after it had.
    """
    queued, looked = (
        [record.run_id for record in instance.fetch_materializations(key, limit=LOOKS).records]
        for key in (TASK_QUEUE, INVENTORY)
    )
    began = (_began(instance, run, looked) for run in queued)
    return next((at for at in began if at is not None), None)


def _began(instance: dg.DagsterInstance, run: str, looked: Collection[str]) -> float | None:
    """Say when a run began to look, or the one that it goes on with; None where none did, or it did not end well."""
    record = instance.get_run_record_by_id(run)
    if record is None or record.dagster_run.status is not dg.DagsterRunStatus.SUCCESS:
        return None
    first = record.dagster_run.root_run_id or run
    looking = next((one for one in (run, first) if one in looked), None)
    record = instance.get_run_record_by_id(looking) if looking else None
    return record.start_time if record else None


def done(instance: dg.DagsterInstance, generated_at: str, look: Look | None) -> set[str]:
    """Name the batches of a queue that are not started now: they run, or nobody has looked since they ended."""
    records = instance.get_run_records(dg.RunsFilter(tags={QUEUE_TAG: generated_at}))
    return {record.dagster_run.tags[BATCH_TAG] for record in records if not is_before(record, look)}


def done_by(instance: dg.DagsterInstance, batch: str) -> str:
    """Name the run that is over and for which a batch is not started again yet; empty where there is none."""
    records = instance.get_run_records(dg.RunsFilter(tags={BATCH_TAG: batch}), limit=1)
    if not records or not records[0].dagster_run.is_finished or is_before(records[0], newest_look(instance)):
        return ""
    return records[0].dagster_run.run_id


def is_before(record: dg.RunRecord, look: Look | None) -> bool:
    """Tell whether a run had ended when the newest look began.

    What a run has given back is open again once a reconciliation has looked that began after its end, though it finds
    the queue as it was.
    """
    if look is None or not record.dagster_run.is_finished:
        return False
    whole_seconds = record.update_timestamp.timestamp() + 1  # of a run that has not told when it ended
    return (record.end_time or whole_seconds) < look.began
