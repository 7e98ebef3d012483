"""What was measured in, how it stands beside what holds now out: the one rule for a verification and for every page.

What holds is what the file of the accepted values says, and what persons have decided since. A value counts as one of
its season if it was accepted in one, or measured again in one and found in order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from adce_assets.dims import accepted
from adce_assets.dims.catalogue import Metric
from adce_assets.dims.drift import is_off_season, judge
from adce_assets.dims.history_records import Approval, ApprovalState
from adce_assets.dims.metrics import Accepted, Measurement, Verdict
from adce_assets.dims.place import Place

BY_PERSONS = {ApprovalState.ACCEPTED, ApprovalState.REJECTED}


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds at a moment: a version of the file, all approvals, oldest first, and what follows from the two."""

    version: accepted.Version
    approvals: Sequence[Approval]
    values: Mapping[str, Accepted]

    @property
    def decided(self) -> list[Approval]:
        """The approvals that persons have decided."""
        return [approval for approval in self.approvals if approval.state in BY_PERSONS]


def standing(place: Place) -> Standing:
    """Read what holds; MetricError, LakeError or HistoryError where that cannot be known."""
    version, approvals = accepted.read(place.project.state), place.history.approvals()
    taken = [approval for approval in approvals if approval.state is ApprovalState.ACCEPTED]
    return Standing(version, approvals, accepted.with_decisions(version.values, taken))


def judged(
    place: Place, metrics: Iterable[Metric], measured: Mapping[str, Measurement], values: Mapping[str, Accepted]
) -> tuple[Verdict, ...]:
    """Hold what was measured of metrics against the values that hold, in the order of the metrics."""
    chosen = tuple(metrics)
    doubtful = {
        one.id: values[one.id].at for one in chosen if one.id in values and is_off_season(one, values[one.id].at)
    }
    of_season = place.history.confirmed_in_season(doubtful)
    return tuple(judge(one, values.get(one.id), measured[one.id], is_confirmed=one.id in of_season) for one in chosen)


def newest(place: Place, metrics: Iterable[Metric], values: Mapping[str, Accepted]) -> Mapping[str, Verdict]:
    """Hold what was measured last of metrics, whatever held then, against values; not all need to be there."""
    chosen = {metric.id: metric for metric in metrics}
    found = {name: verdict.measurement for name, verdict in place.history.newest(chosen).items()}
    verdicts = judged(place, [chosen[name] for name in found], found, values)
    return dict(zip(found, verdicts, strict=True))
