"""Dagster's own records in, what rules of health need to know of them out. Only read."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, ScheduleInstigatorData

from adce_assets.defs import examining
from adce_assets.defs.looking import newest_cycle
from adce_assets.defs.storage import instance_of
from adce_assets.defs.ticks import missed_ticks
from adce_assets.defs.watching import BESIDE, SCHEDULE, SENSORS, STARTERS, is_on
from adce_assets.errors import MetricError
from adce_assets.operate.findings import Standing
from adce_assets.operate.outside import Outside
from adce_assets.settings import now

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
FREE_AFTER = timedelta(minutes=5)
"""How long after the end of a run its places in pools may still be taken: Dagster frees them after a minute."""
COUNT_EVERY = timedelta(minutes=10)
"""How often missed looks are counted anew, for which every look is read."""


class Records:
    """What the instance with its settings in a folder says, asked again and again.

    Args:
        home: The folder.
        window: How far back runs and looks are counted.
    """

    def __init__(self, home: Path, window: timedelta) -> None:
        self._home, self._window = home, window
        self._missed: dict[str, int] = {}
        self._counted_at: datetime | None = None

    def __call__(self) -> Outside:
        """Say what the records say now; where they cannot be read, why."""
        at = now()
        try:
            with instance_of(self._home) as instance:
                return self.seen(instance, at)
        except Exception as error:  # noqa: BLE001 - records of others, whose storages raise what they please
            said = " ".join(str(error).split())[:500]
            return Outside(at, fault=f"{type(error).__name__}: {said}")

    def seen(self, instance: dg.DagsterInstance, at: datetime) -> Outside:
        """Say what an instance knows at a moment (UTC)."""
        since = at - self._window
        beats, cycle = instance.get_daemon_heartbeats(), newest_cycle(instance)
        states = instance.all_instigator_state()
        if self._counted_at is None or at - self._counted_at >= COUNT_EVERY:
            self._missed, self._counted_at = dict(_missed(instance, states, at, since)), at
        return Outside(
            at=at,
            beats={name: _moment(beats[name].timestamp) if name in beats else None for name in STARTERS},
            last_cycle=None if cycle is None else _moment(cycle),
            on_since=dict(_on_since(states)),
            off=tuple(name for name in (*SENSORS, SCHEDULE) if not is_on(instance, name)),
            off_beside=tuple(name for name in BESIDE if not is_on(instance, name)),
            missed=self._missed,
            ended=instance.get_runs_count(dg.RunsFilter(statuses=list(ENDED), updated_after=since)),
            failed=instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)),
            pools=dict(_pools(instance, at)),
        )


def _on_since(states: Sequence[InstigatorState]) -> Iterator[tuple[str, datetime]]:
    for state in states:
        data = state.instigator_data
        if state.is_running and isinstance(data, ScheduleInstigatorData) and data.start_timestamp:
            yield state.origin.instigator_name, _moment(data.start_timestamp)


def _missed(
    instance: dg.DagsterInstance, states: Sequence[InstigatorState], at: datetime, since: datetime
) -> Iterator[tuple[str, int]]:
    """Count the looks that whoever is on has missed; nothing is said of one of which that is not known."""
    kinds = {InstigatorType.SENSOR: "sensor", InstigatorType.SCHEDULE: "schedule"}
    count = missed_ticks(instance, lambda: at)
    on = {(kinds[state.instigator_type], state.origin.instigator_name) for state in states if state.is_running}
    for kind, name in sorted(on):
        try:
            yield name, count(kind, name, since)
        except MetricError:
            continue


def _pools(instance: dg.DagsterInstance, at: datetime) -> Iterator[tuple[str, str]]:
    """Say what is wrong with pools: with their settings, and which have places that nobody gives back."""
    said = examining.pools(instance)
    if said.standing is Standing.WRONG:
        yield "", said.what
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    for name in sorted(storage.get_concurrency_keys()):
        info = storage.get_concurrency_info(name)
        lost = sum(_is_over(instance, slot.run_id, at) for slot in info.claimed_slots)
        if lost:
            yield name, f"{lost} of {info.slot_count} places of the pool `{name}` are held by runs that are over"


def _is_over(instance: dg.DagsterInstance, run: str, at: datetime) -> bool:
    """Tell whether a run is gone, or ended so long ago that its places should be free."""
    record = instance.get_run_record_by_id(run)
    if record is None:
        return True
    return record.dagster_run.is_finished and at - _moment(record.end_time or 0.0) > FREE_AFTER


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
