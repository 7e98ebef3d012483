"""Dagster's own records in, how many looks of a sensor or a schedule did not take place out. Only read.

A look that failed did not take place either. Of a schedule each time of its plan is asked for; of a sensor, which looks
again some time after it has ended, only what is missing where two looks lie twice its interval apart or more.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise, takewhile

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, ScheduleInstigatorData, SensorInstigatorData
from dagster._utils.schedules import schedule_execution_time_iterator

from adce_assets.defs.watching import GOOD
from adce_assets.errors import MetricError

TYPES = {"sensor": InstigatorType.SENSOR, "schedule": InstigatorType.SCHEDULE}
GRACE_S = 120
"""How long after its time a schedule may be looked at."""


def missed_ticks(
    instance: dg.DagsterInstance, now: Callable[[], datetime], *, clock_stands: bool = False
) -> Callable[[str, str, datetime], int]:
    """Make the function that counts missed looks: of ``sensor`` or ``schedule``, by name, since a moment (UTC).

    It raises MetricError where nothing is known of the name, it is switched off, Dagster has thrown away what it had
    kept of that time, or ``now`` is a moment that somebody has named: Dagster's looks are of another time.
    """

    def missed(kind: str, name: str, since: datetime) -> int:
        if clock_stands:
            what = "the clock stands, and Dagster looks by the real one: nobody knows what was missed"
            raise MetricError(what, where=name, hint="leave `ADCE_AS_OF` out")
        running = [state for state in _known(instance, kind, name) if state.is_running]
        if not running:
            hint = "switch it on (Automation, in the UI)"
            raise MetricError(f"the {kind} `{name}` is switched off", where=name, hint=hint)
        moment = now()
        _refuse_forgotten(instance, kind, name, moment - since)
        return min(_missed(instance, state, since.timestamp(), moment.timestamp()) for state in running)

    return missed


def missed_here(
    kind: str, name: str, since: datetime, now: Callable[[], datetime], *, clock_stands: bool = False
) -> int:
    """Count the missed looks that the instance of ``DAGSTER_HOME`` knows of; errors as `missed_ticks`."""
    with dg.DagsterInstance.get() as instance:
        return missed_ticks(instance, now, clock_stands=clock_stands)(kind, name, since)


def missed_between(looks: Sequence[float], every: float) -> int:
    """Count the looks that are missing between those that were (ascending seconds), ``every`` so many seconds."""
    return sum(max(0, int((later - earlier) // every) - 1) for earlier, later in pairwise(looks))


def missed_of_plan(plan: Iterable[float], looks: Iterable[float]) -> int:
    """Count the planned times (seconds) at which nobody looked."""
    return len(set(plan) - set(looks))


def _known(instance: dg.DagsterInstance, kind: str, name: str) -> list[InstigatorState]:
    """List what is kept of a name: one entry for each code location that has it."""
    states = instance.all_instigator_state(instigator_type=TYPES[kind])
    found = [state for state in states if state.origin.instigator_name == name]
    if not found:
        known = sorted({state.origin.instigator_name for state in states})
        near = difflib.get_close_matches(name, known, n=1)
        raise MetricError(
            f"Dagster has never looked at a {kind} `{name}`",
            where=name,
            valid=", ".join(known),
            hint=f"did you mean `{near[0]}`?" if near else "looks are made where the loop runs: `adce start`",
        )
    return found


def _refuse_forgotten(instance: dg.DagsterInstance, kind: str, name: str, back: timedelta) -> None:
    kept = instance.get_tick_retention_settings(TYPES[kind])
    days = min((kept[status] for status in GOOD if kept.get(status, -1) > 0), default=None)
    if days is not None and back > timedelta(days=days):
        raise MetricError(
            f"Dagster keeps the looks of a {kind} for {days} days, and {back.total_seconds() / 86400:g} were asked for",
            where=name,
            hint="ask for fewer days, or let `retention` in dagster.yaml keep them for longer",
        )


def _missed(instance: dg.DagsterInstance, state: InstigatorState, since: float, now: float) -> int:
    """Count from ``since`` on, or from when it was switched on, if that was later."""
    data = state.instigator_data
    if isinstance(data, ScheduleInstigatorData):
        begin = max(since, data.start_timestamp or 0.0)
        times = schedule_execution_time_iterator(begin, data.cron_schedule, "UTC")
        plan = takewhile(lambda at: at <= now - GRACE_S, (time.timestamp() for time in times))
        return missed_of_plan(plan, _looks(instance, state, begin, now))
    if not isinstance(data, SensorInstigatorData) or not data.min_interval:
        raise MetricError("nobody knows how often it looks", where=state.origin.instigator_name)
    looks = _looks(instance, state, since, now)
    begin = max(since, data.last_sensor_start_timestamp or _first(instance, state, since, looks, now))
    return missed_between([begin, *(at for at in looks if at >= begin), now], data.min_interval)


def _first(
    instance: dg.DagsterInstance, state: InstigatorState, since: float, looks: Sequence[float], now: float
) -> float:
    """Say from when on a sensor looked of which Dagster does not keep when it was switched on."""
    if instance.get_ticks(state.instigator_origin_id, state.selector_id, before=since, limit=1):
        return since
    return looks[0] if looks else now


def _looks(instance: dg.DagsterInstance, state: InstigatorState, begin: float, end: float) -> list[float]:
    """List when looks came to their end, or that there was nothing to do, ascending; both bounds are within."""
    ticks = instance.get_ticks(
        state.instigator_origin_id, state.selector_id, after=begin - 1, before=end + 1, statuses=list(GOOD)
    )
    return sorted(tick.timestamp for tick in ticks if begin <= tick.timestamp <= end)
