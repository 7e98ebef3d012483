"""The queue, the ledger, the reports of verification and the ticks of the loop in, one number out."""

import math
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from adce_assets.dims.kinds.cells import OfDataSets, Text, meant
from adce_assets.dims.kinds.kind import Kind, KindParameters
from adce_assets.dims.kinds.lake import Priority
from adce_assets.dims.kinds.numbers import SPANS, Digits, Span, age, rounded
from adce_assets.dims.world import World
from adce_assets.errors import MetricError
from adce_assets.ledger.transitions import Event, State
from adce_assets.loop.records import OPEN_STATES
from adce_assets.loop.state import QUEUE
from adce_assets.shares import percent

Days = Annotated[float, Field(gt=0, le=36_500)]
OVER = (State.CLOSED, State.TOMBSTONED, State.WITHDRAWN, State.UNTRACKED)
"""The states of a key that has no open gap: it is closed, or there is nothing to close any more."""
OPEN = tuple(state for state in State if state not in OVER)


class Queue(OfDataSets):
    """How many tasks are queued, how many keys they hold, how many ``minutes`` they take, or which keys no task has."""

    kind: Literal["queue"]
    value: Literal["tasks", "keys", "minutes", "left_out"] = "tasks"
    priority: Priority | None = None


class LedgerEvents(OfDataSets):
    """How many entries of some events the ledger has of the last ``days``, such as keys that were ``closed``."""

    kind: Literal["ledger_events"]
    events: Annotated[tuple[Event, ...], Field(min_length=1)]
    days: Days = 1.0


class LedgerKeys(KindParameters):
    """How many keys are in some states of the ledger, such as ``dead_lettered``."""

    kind: Literal["ledger_keys"]
    states: Annotated[tuple[State, ...], Field(min_length=1)]


class OldestOpen(OfDataSets):
    """For how long the oldest gap has been open that the ledger knows; 0 where none is open.

    The gaps of keys that are not tried again are open too.
    """

    kind: Literal["oldest_open"]
    span: Span = "days"
    digits: Digits | None = None


class TimeToClose(OfDataSets):
    """How long keys took from detected to closed that were closed in the last ``days``: a percentile of it.

    A key that was opened again since is not among them, nor one of which nobody knows when its gap was found.
    """

    kind: Literal["time_to_close"]
    percentile: Annotated[float, Field(gt=0, lt=100)] = 50.0
    days: Days = 30.0
    span: Span = "hours"
    digits: Digits | None = None


class Reconciliation(KindParameters):
    """What the last report of each season says: checks, those that did not hold, or how old the newest report is.

    ``oldest_age`` is the age of the season's report that is the oldest, ``seasons_failed`` counts the seasons that are
    neither reconciled nor still settling. ``success_rate_pct`` is never rounded up.
    """

    kind: Literal["reconciliation"]
    value: Literal[
        "success_rate_pct", "checks", "failed_checks", "failed_errors", "seasons", "seasons_failed", "age", "oldest_age"
    ] = "success_rate_pct"
    entity: Text | None = None
    season: Text | None = None
    span: Span = "hours"
    digits: Digits | None = None


class TicksMissed(KindParameters):
    """How many ticks a sensor or schedule has missed in the last ``days``."""

    kind: Literal["ticks_missed"]
    of: Literal["sensor", "schedule"]
    name: Text
    days: Days = 1.0


def queue(world: World, of: Queue) -> int | float:
    """Count what is queued; LakeError where nothing has been planned yet."""
    is_meant = meant(world, of)
    with world.reading() as read:
        told = read.once(QUEUE, lambda _: world.project.state.read_json(QUEUE))
    rows = [
        row
        for row in told["left_out" if of.value == "left_out" else "tasks"]
        if is_meant(row["source"], row["data_type"]) and of.priority in {None, row["priority"]}
    ]
    if of.value == "tasks":
        return len(rows)
    if of.value == "minutes":
        return round(math.fsum(row["estimated_time_minutes"] for row in rows), 2)
    names = ("keys",) if of.value == "left_out" else tuple(f"{state}_files" for state in OPEN_STATES)
    return sum(row[name] for row in rows for name in names)


def ledger_events(world: World, of: LedgerEvents) -> int:
    """Count entries; LedgerError where the ledger cannot be used."""
    project, is_meant = world.project, meant(world, of)
    since = project.clock() - timedelta(days=of.days)
    with world.reading() as read:
        asked = ("tally", frozenset(of.events), of.days)
        told = read.once(asked, lambda _: project.ledger.tally(of.events, since))
    return sum(count for (_, source, data_type), count in told.items() if is_meant(source, data_type))


def ledger_keys(world: World, of: LedgerKeys) -> int:
    """Count keys by where they stand; LedgerError where the ledger cannot be used."""
    with world.reading() as read:
        told = read.once("ledger counts", lambda _: world.project.ledger.counts())
    return sum(told[state] for state in set(of.states))


def oldest_open(world: World, of: OldestOpen) -> float:
    """Say for how long the oldest gap has been open; LedgerError where the ledger cannot be used."""
    is_meant = meant(world, of)
    with world.reading() as read:
        told = read.once("oldest open", lambda _: _oldest(world))
    since = [found for data_set, found in told.items() if is_meant(*data_set)]
    return age(world.project.clock(), min(since), of.span, of.digits) if since else 0.0


def _oldest(world: World) -> dict[tuple[str, str], datetime]:
    """Read when the oldest open gap of each data set was found."""
    oldest: dict[tuple[str, str], datetime] = {}
    for key in world.project.ledger.states(states=OPEN):
        if key.detected_at is not None:
            name = key.source, key.data_type
            oldest[name] = min(oldest.get(name, key.detected_at), key.detected_at)
    return oldest


def time_to_close(world: World, of: TimeToClose) -> float:
    """Say how long keys took; MetricError where none was closed in that time."""
    is_meant = meant(world, of)
    with world.reading() as read:
        told = read.once(("times to close", of.days), lambda _: _times(world, of.days))
    seconds = sorted(took for source, data_type, took in told if is_meant(source, data_type))
    if not seconds:
        raise MetricError(f"no key was closed in the last {of.days:g} day(s)", where=of.kind)
    return rounded(_percentile(seconds, of.percentile) / SPANS[of.span], of.digits)


def _times(world: World, days: float) -> list[tuple[str, str, float]]:
    """Read of each key that was closed lately, and is closed, how many seconds that took."""
    ledger, since = world.project.ledger, world.project.clock() - timedelta(days=days)
    closed = {entry.key for entry in ledger.recent((Event.CLOSED,), since)}
    return [
        (key.source, key.data_type, (key.closed_at - key.detected_at).total_seconds())
        for key in (ledger.states(keys=closed, states=(State.CLOSED,)) if closed else ())
        if key.closed_at is not None and key.detected_at is not None
    ]


def _percentile(ordered: list[float], percentile: float) -> float:
    """Interpolate between the two numbers beside the place of a percentile; the least is at 0, the greatest at 100."""
    place = (len(ordered) - 1) * percentile / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def reconciliation(world: World, of: Reconciliation) -> int | float:
    """Say what the last reports of verification say.

    Raises:
        VerifyError: a report is not what was written.
        MetricError: there is none of this entity and season; or none of its checks was asked.
    """
    with world.reading() as read:
        told = [
            one
            for one in read.once("reports", lambda _: _reports(world))
            if of.entity in {None, one["entity"]} and of.season in {None, one["season"]}
        ]
    if not told:
        which = " ".join(filter(None, (of.entity, of.season)))
        hint = "run `adce verify run ENTITY --season LABEL` first"
        raise MetricError(f"there is no report of verification{which and f' of {which}'}", where=of.kind, hint=hint)
    if of.value in {"age", "oldest_age"}:
        ended = (datetime.fromisoformat(one["run"]["finished_at"]) for one in told)
        moment = max(ended) if of.value == "age" else min(ended)
        return age(world.project.clock(), moment, of.span, of.digits)
    return _of_reports(told, of)


def _of_reports(told: list[dict[str, Any]], of: Reconciliation) -> int | float:
    if of.value == "seasons":
        return len(told)
    if of.value == "seasons_failed":
        return sum(one["outcome"] == "failed" for one in told)
    sums = {name: sum(one["totals"][name] for one in told) for name in ("checks", "passed", "failed", "failed_errors")}
    if of.value != "success_rate_pct":
        return sums[of.value.removesuffix("_checks")]
    if not sums["checks"]:
        raise MetricError("no check was asked", where=of.kind, hint="see the reports by `adce verify report`")
    return percent(sums["passed"], sums["checks"], of.digits)


def _reports(world: World) -> list[dict[str, Any]]:
    from adce_assets.verify import report

    return report.latest(world.project.state.store)


def ticks_missed(world: World, of: TicksMissed) -> int:
    """Count ticks; MetricError where nobody who knows Dagster has been handed in."""
    if world.missed_ticks is None:
        hint = "measure it within Dagster: by the asset `dims_metrics`, or with DAGSTER_HOME set"
        raise MetricError("nobody knows here which ticks Dagster has missed", where=of.kind, hint=hint)
    since = world.project.clock() - timedelta(days=of.days)
    return world.missed_ticks(of.of, of.name, since)


KINDS = (
    Kind(Queue, queue),
    Kind(LedgerEvents, ledger_events),
    Kind(LedgerKeys, ledger_keys),
    Kind(OldestOpen, oldest_open),
    Kind(TimeToClose, time_to_close),
    Kind(Reconciliation, reconciliation),
    Kind(TicksMissed, ticks_missed),
)
