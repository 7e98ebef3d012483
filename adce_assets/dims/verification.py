"""Metrics in, verdicts out: measured or remembered, held against what is accepted, remembered, accepted.

What is too young to be measured again comes from the history. Then all is judged, remembered in one transaction, and
what may be accepted is; the moves of critical metrics wait for a person instead. The file of the accepted values is
written inside of that transaction, by one process after the other: who finds that another value holds than the one
that was judged by judges again.
"""

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from adce_assets.dims import accepted
from adce_assets.dims.accepted import check_value
from adce_assets.dims.catalogue import Metric
from adce_assets.dims.drift import between, needs_approval
from adce_assets.dims.history_records import Approval, ApprovalState
from adce_assets.dims.kinds.registry import measure
from adce_assets.dims.metrics import Accepted, Measurement, Status, Value, Verdict
from adce_assets.dims.place import Place
from adce_assets.dims.standing import Standing, judged, standing
from adce_assets.errors import AdceError, ConditionFailedError, printable

logger = logging.getLogger(__name__)

MOST_REASON = 500
"""Characters of the reason why a metric could not be measured."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found when metrics were verified.

    Attributes:
        run_id: Its number in the history.
        started_at: When it began (UTC).
        ended_at: When all was measured.
        trigger: What asked for it: ``cli``, ``schedule`` or the name of an event.
        by: Who did.
        verdicts: One of each metric, in the order of the catalogue.
        pending: The approvals that its critical metrics wait for.
    """

    run_id: int
    started_at: datetime
    ended_at: datetime
    trigger: str
    by: str
    verdicts: tuple[Verdict, ...]
    pending: tuple[int, ...]

    @property
    def counts(self) -> Mapping[Status, int]:
        """How many verdicts have each status; every status is there."""
        counted = Counter(verdict.status for verdict in self.verdicts)
        return {status: counted[status] for status in Status}


def verify(
    place: Place,
    *,
    metrics: Sequence[Metric] | None = None,
    update: bool,
    fresh: bool = False,
    by: str,
    trigger: str,
) -> Verification:
    """Measure, judge and remember metrics, and accept what may be accepted.

    Args:
        place: The installation.
        metrics: Which ones, out of its catalogue; None for all.
        update: Whether new values are accepted. The moves of critical metrics wait for a person in either case.
        fresh: Whether all are measured, however young what is remembered of them is.
        by: Who asks.
        trigger: What asks.

    Raises:
        MetricError: nobody is named who asks, or the accepted values cannot be believed or change all the time.
        HistoryError: the history cannot be used; then nothing is accepted.
        LakeError: the state cannot be read or written; then nothing is remembered.
    """
    by, started_at = accepted.said("by", by), place.project.clock()
    chosen = tuple(place.catalogue.metrics.values() if metrics is None else metrics)
    measured = _measured(place, chosen, fresh=fresh)
    ended_at = place.project.clock()
    run = _Run(place, chosen, measured, started_at, ended_at, trigger, by, update=update)
    for _ in range(accepted.ATTEMPTS):
        with suppress(ConditionFailedError):
            return run.remember()
    raise accepted.restless(place.project.state)


@dataclass(frozen=True, slots=True)
class _Run:
    """A verification of which all is measured: it can be judged, remembered and accepted as often as it takes."""

    place: Place
    chosen: tuple[Metric, ...]
    measured: Mapping[str, Measurement]
    started_at: datetime
    ended_at: datetime
    trigger: str
    by: str
    update: bool

    def remember(self) -> Verification:
        """Judge by what holds now, and write all of it; ConditionFailedError where something else holds meanwhile."""
        basis = standing(self.place)
        verdicts = judged(self.place, self.chosen, self.measured, basis.values)
        pairs = zip(self.chosen, verdicts, strict=True)
        waiting = {metric.id for metric, verdict in pairs if needs_approval(metric, verdict)}
        held = waiting - self._rejected(basis, verdicts)
        recorded = self.place.history.record(
            verdicts,
            started_at=self.started_at,
            ended_at=self.ended_at,
            trigger=self.trigger,
            by=self.by,
            held=held,
            settled={verdict.measurement.metric for verdict in verdicts if verdict.drift is not None} - held,
            apply=lambda _: self._accept(basis, self._updates(verdicts, waiting) if self.update else {}),
        )
        return Verification(
            recorded.run_id, self.started_at, self.ended_at, self.trigger, self.by, verdicts, recorded.held
        )

    def _accept(self, basis: Standing, updates: Mapping[str, Accepted]) -> None:
        """Write the file, while nobody else writes the history, unless something else holds than was judged by."""
        if standing(self.place).decided != basis.decided:
            raise ConditionFailedError("somebody has decided on a value meanwhile", where=self.place.history.url)
        values = {**basis.values, **updates}
        accepted.put(self.place.project.state, values, instead_of=basis.version, at=self.ended_at)

    def _updates(self, verdicts: Iterable[Verdict], waiting: Collection[str]) -> Mapping[str, Accepted]:
        """Accept what was found where it is another value, or one of another type, and waits for nobody."""
        return {
            verdict.measurement.metric: _acceptance(verdict, verdict.measurement.value, self.ended_at, self.by)
            for verdict in verdicts
            if verdict.measurement.value is not None
            and verdict.measurement.metric not in waiting
            and not _stands(verdict)
        }

    def _rejected(self, basis: Standing, verdicts: Iterable[Verdict]) -> frozenset[str]:
        """Name the metrics that stay where a person has rejected them: nobody is asked the same again each hour."""
        last = {approval.metric: approval for approval in basis.approvals}
        limits = {metric.id: metric.thresholds.minor for metric in self.chosen}
        return frozenset(
            refused.metric
            for verdict in verdicts
            if (refused := last.get(verdict.measurement.metric)) is not None
            and refused.state is ApprovalState.REJECTED
            and verdict.accepted is not None
            and refused.old == verdict.accepted.value
            and self._stayed(refused, verdict.measurement.value, limits[refused.metric])
        )

    def _stayed(self, refused: Approval, found: Value | None, limit: float) -> bool:
        """Tell whether a metric is near what was rejected, and was so when it was measured before."""
        before = self.place.history.latest((refused.metric,), refused.asked_at).get(refused.metric)
        values = (found, before.value if before else refused.new)
        return all(value is not None and between(refused.new, value) < limit for value in values)


def _acceptance(verdict: Verdict, value: Value, now: datetime, by: str) -> Accepted:
    how = "first" if verdict.accepted is None else "update"
    return Accepted(value, accepted.after(now, verdict.accepted), how, by)


def _stands(verdict: Verdict) -> bool:
    """Tell whether just what was found is accepted already: 3 is not 3.0."""
    found, holds = verdict.measurement.value, verdict.accepted
    return holds is not None and holds.value == found and type(holds.value) is type(found)


def _measured(place: Place, chosen: Sequence[Metric], *, fresh: bool) -> Mapping[str, Measurement]:
    """Measure what is not remembered well enough; what several metrics are read from is read once."""
    found = {} if fresh else dict(_remembered(place, chosen))
    with place.world.reading():
        for metric in chosen:
            if metric.id not in found:
                found[metric.id] = _measure(place, metric)
    return found


def _remembered(place: Place, chosen: Sequence[Metric]) -> Iterator[tuple[str, Measurement]]:
    """Find what was measured so lately, and as it is defined now, that it need not be measured again."""
    now = place.project.clock()
    lives = {metric.id: timedelta(minutes=metric.ttl_minutes) for metric in chosen if metric.ttl_minutes}
    if not lives:
        return
    asked, told = {metric.id: _definition(place, metric) for metric in chosen}, _told(place)
    for metric, measurement in place.history.latest(tuple(lives), now - max(lives.values())).items():
        since = max(now - lives[metric], told.get(metric, now - lives[metric]))
        if since < measurement.at <= now and measurement.definition == asked[metric]:
            yield metric, replace(measurement, is_cached=True)


def _told(place: Place) -> Mapping[str, datetime]:
    """Say of each metric when it was last told that it may have moved, while the event rested that tells it."""
    cooled = place.history.last_cooled()
    told: dict[str, datetime] = {}
    for event in place.catalogue.events.keys() & cooled.keys():
        for metric in place.catalogue.of_event(event):
            told[metric.id] = max(cooled[event], told.get(metric.id, cooled[event]))
    return told


def _definition(place: Place, metric: Metric) -> str:
    """Return a digest of what a metric is measured by, and of where."""
    asked = json.dumps([metric.measure.model_dump(mode="json"), str(place.world.root)], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def _measure(place: Place, metric: Metric) -> Measurement:
    """Measure one metric; whatever is wrong with it, the others are measured too, and it says why it was not."""
    at, began = place.project.clock(), time.monotonic()
    value: Value | None = None
    reason = ""
    try:
        value = check_value(measure(place.world, metric.measure))
    except (AdceError, ValueError) as error:
        reason = _one_line(str(error)) or type(error).__name__
    except Exception as error:
        logger.exception("a kind of metric broke: %s", metric.id)
        reason = f"an unexpected {type(error).__name__}; the log says where"
    took, definition = time.monotonic() - began, _definition(place, metric)
    return Measurement(metric.id, value, reason, at, took, definition=definition)


def _one_line(text: str) -> str:
    told = printable(" ".join(text.split()))
    return told if len(told) <= MOST_REASON else f"{told[: MOST_REASON - 1]}…"
