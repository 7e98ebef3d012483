"""The metrics of the installation as an asset: measured every hour and on events, every number to be plotted.

What is measured, judged and accepted is decided in `dims/`. An installation without `inventory/config.yaml` has no
metrics, and then there is nothing of this in Dagster. The asset's checks are a step of their own, so that a person who
has decided something can ask them again without measuring anything.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.storage.tags import SCHEDULE_NAME_TAG
from pydantic import Field

from adce_assets.contract.loading import Contract
from adce_assets.defs.loop import STEPS
from adce_assets.defs.metadata import Metadata, table
from adce_assets.defs.resources import ProjectResource
from adce_assets.defs.ticks import missed_ticks
from adce_assets.dims.metrics import Status

if TYPE_CHECKING:
    from adce_assets.dims.place import Place
    from adce_assets.dims.telling import Shown, Told

GROUP = POOL = "dims"
"""The pool of all verifications: two would measure the same."""
ASSET = "dims_metrics"
KEY = dg.AssetKey(ASSET)
DRIFTED, DECIDED, FRESH = "metrics_have_not_drifted", "approvals_are_decided", "metrics_are_fresh"
CHECKS: Mapping[str, str] = {
    DRIFTED: "Did each metric stay within its threshold `moderate` of what is accepted?",
    DECIDED: "Has somebody decided about each large move of a critical metric?",
    FRESH: "Was each metric measured within its time to live and two looks, without an error?",
}
"""The checks of the asset, with what they ask."""
MOVED = (Status.MAJOR, Status.MODERATE)
LATE, SILENT = 2, 3
"""How many times between two looks of the schedule a metric may be late, and the asset silent: one may be missed."""
NAMED = 5
"""Metrics that a check names in its answer; of more it says how many."""
DRIFT_COLUMNS = ("metric", "status", "severity", "value", "accepted", "drift_pct", "unit")
WAITING_COLUMNS = ("id", "metric", "holds", "measured", "drift_pct", "since")


class DimsConfig(dg.Config):
    """What is measured, and what is done with it."""

    events: list[str] = Field(
        default=[],
        description="Measure what these events refresh, as `events` of inventory/config.yaml has it, unless they rest. "
        "Without any, everything is measured that is older than its time to live.",
    )
    source: str = Field(default="dagster", description="What the events are told by; each rests for each source.")
    update: bool = Field(default=False, description="Accept what was measured. Events say for themselves whether to.")
    fresh: bool = Field(default=False, description="Measure again what is younger than its time to live, too.")
    snapshot: bool = Field(
        default=False, description="Keep all metrics as the day's snapshot, and let go of what is older than is kept."
    )


def dims_asset(contract: Contract, every: timedelta) -> dg.AssetsDefinition:
    """Make the asset that verifies the metrics when it is materialised, which somebody asks for ``every`` so often."""

    @dg.asset(
        name=ASSET,
        group_name=GROUP,
        owners=["team:adce"],
        kinds={"python", "sql"},
        code_version=version("adce"),
        pool=POOL,
        deps=[STEPS[-1]],
        description="The numbers of the whole system: measured, compared with what is accepted, and remembered.",
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=SILENT * every),
    )
    def measure_metrics(
        context: dg.AssetExecutionContext, config: DimsConfig, project: ProjectResource
    ) -> dg.MaterializeResult:
        from adce_assets.dims.place import open_place
        from adce_assets.dims.telling import tell

        opened = project.open(contract)
        ticks = missed_ticks(context.instance, opened.clock, clock_stands=opened.settings.clock_stands)
        with open_place(opened, missed_ticks=ticks) as place:
            trigger = "schedule" if SCHEDULE_NAME_TAG in context.run.tags else "dagster"
            said = _verified(place, config, trigger, by=f"run {context.run.run_id}")
            return dg.MaterializeResult(metadata=of_metrics(tell(place, days=1)) | said)

    return measure_metrics


def dims_checks(contract: Contract, every: timedelta) -> dg.AssetChecksDefinition:
    """Make the checks of the asset; they look at what is remembered, and measure nothing."""
    specs = [dg.AssetCheckSpec(name, asset=KEY, description=asks) for name, asks in CHECKS.items()]

    @dg.multi_asset_check(specs=specs, can_subset=True, name="dims_checks")
    def check_metrics(
        context: dg.AssetCheckExecutionContext, project: ProjectResource
    ) -> Iterator[dg.AssetCheckResult]:
        from adce_assets.dims.place import open_place
        from adce_assets.dims.telling import tell

        with open_place(project.open(contract)) as place:
            told = tell(place, days=1)
        for key in sorted(context.selected_asset_check_keys):
            yield judged(told, key.name, LATE * every)

    return check_metrics


def of_metrics(told: "Told") -> Metadata:
    """Describe all metrics as they stood last: each number under its own name, and tables of what is not as it was."""
    numbers = {one.metric.id: one.value for one in told.shown if isinstance(one.value, int | float)}
    counts = Counter(one.status for one in told.shown)
    return {
        "metrics": len(told.shown),
        **{str(status): counts[status] for status in Status},
        "waiting_for_a_person": len(told.waiting),
        **numbers,
        **table("drifted", _moved(told.shown), DRIFT_COLUMNS),
        **table("not_measured", _unmeasured(told.shown), ("metric", "error")),
        **table("approvals", _waiting(told), WAITING_COLUMNS),
    }


def judged(told: "Told", name: str, late: timedelta) -> dg.AssetCheckResult:
    """Answer a check of `CHECKS`; each is a warning, for the loop goes on in any case.

    Args:
        told: What is known of the metrics.
        name: Of the check.
        late: How long after its time to live a metric may be measured anew.
    """
    rows, columns = _offenders(told, name, late)
    named = ", ".join(str(row["metric"]) for row in rows[:NAMED]) + (", ..." if len(rows) > NAMED else "")
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=KEY,
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(rows)} of {len(told.shown)} metrics: {named}" if rows else "all of them",
        metadata={"metrics": len(told.shown), "offenders": len(rows), **table("worst", rows, columns)},
    )


def _offenders(told: "Told", name: str, late: timedelta) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    if name == DRIFTED:
        return [row for row in _moved(told.shown) if row["status"] in MOVED], DRIFT_COLUMNS
    if name == DECIDED:
        return _waiting(told), WAITING_COLUMNS
    return _late(told.shown, told.at, late), ("metric", "error", "measured")


def _verified(place: "Place", config: DimsConfig, trigger: str, *, by: str) -> Metadata:
    """Do what is asked; say what came of events."""
    from adce_assets.dims import events, snapshots, verification

    said: Metadata = {}
    with place.world.reading():
        for name in config.events:
            outcome = events.happened(place, name, config.source, by=by)
            said[f"event_{name}"] = "ran" if outcome.ran else f"rests until {outcome.until:%H:%M:%S} UTC"
        if not config.events:
            verification.verify(place, update=config.update, fresh=config.fresh, by=by, trigger=trigger)
    if config.snapshot:
        said["snapshot"] = str(place.project.clock().date())
        snapshots.take(place, place.project.clock().date())
        snapshots.prune(place)
    return said


def _moved(shown: Iterable["Shown"]) -> list[dict[str, Any]]:
    """Lay out what has moved at all, the worst first."""
    order = list(Status)
    rows = [
        {
            "metric": one.metric.id,
            "status": str(one.status),
            "severity": str(one.severity),
            "value": one.value,
            "accepted": one.accepted and one.accepted.value,
            "drift_pct": one.drift,
            "unit": one.metric.unit,
        }
        for one in shown
        if one.status in {Status.MINOR, *MOVED}
    ]
    return sorted(rows, key=lambda row: (-order.index(Status(row["status"])), -(row["drift_pct"] or 0.0)))


def _unmeasured(shown: Iterable["Shown"]) -> list[dict[str, Any]]:
    return [{"metric": one.metric.id, "error": one.error} for one in shown if one.value is None]


def _waiting(told: "Told") -> list[dict[str, Any]]:
    return [
        {
            "id": one.id,
            "metric": one.metric,
            "holds": one.old,
            "measured": one.new,
            "drift_pct": one.drift,
            "since": one.at.isoformat(timespec="minutes"),
        }
        for one in told.waiting
    ]


def _late(shown: Iterable["Shown"], now: datetime, patience: timedelta) -> list[dict[str, Any]]:
    """Lay out what could not be measured, and what was not for too long, the oldest first."""
    never = datetime.min.replace(tzinfo=now.tzinfo)
    late = [one for one in shown if one.value is None or _age(one, now) > patience]
    late.sort(key=lambda one: one.at or never)
    return [
        {"metric": one.metric.id, "error": one.error, "measured": one.at and one.at.isoformat(timespec="minutes")}
        for one in late
    ]


def _age(one: "Shown", now: datetime) -> timedelta:
    """Say for how long a metric should have been measured anew; less than nothing if it is young enough."""
    lives = timedelta(minutes=one.metric.ttl_minutes)
    return timedelta.max if one.at is None else now - one.at - lives
