"""Moves of critical metrics that wait for a person, and what persons decide about them, kept for good.

Who accepts makes the value hold that was proposed last, of the type it was measured in; who rejects leaves the old one
in its place, and is not asked again while the metric stays where it was rejected.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from adce_assets.dims import accepted
from adce_assets.dims.history_records import Approval, ApprovalState
from adce_assets.dims.metrics import Accepted
from adce_assets.dims.place import Place
from adce_assets.errors import ConditionFailedError


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided.

    Attributes:
        approval: What it was about, with who decided, when and why.
        holds: The value that holds from now on; None if there is none.
    """

    approval: Approval
    holds: Accepted | None


def pending(place: Place) -> tuple[Approval, ...]:
    """List what waits for a person, oldest first."""
    return tuple(place.history.approvals(ApprovalState.PENDING))


def decide(place: Place, approval_id: int, *, accept: bool, by: str, note: str) -> Decision:
    """Accept or reject a move; who comes second is told who was first.

    The decision stands in the history before the value stands in the file; whoever is killed in between has decided.

    Raises:
        HistoryError: there is no such approval, or it was decided before.
        MetricError: who decides, or why, is not said in a line, or what would hold could not be read again.
    """
    told = {"by": accepted.said("by", by), "note": accepted.said("note", note)}
    decided = _decided(place, approval_id, accept=accept, **told)
    holds = accepted.carry_over(place.project.state, _accepted(place), at=place.project.clock())
    return Decision(decided, holds.get(decided.metric))


def _decided(place: Place, approval_id: int, *, accept: bool, by: str, note: str) -> Approval:
    """Write the decision down, later than all that was accepted of its metric: the later one of two holds."""
    for _ in range(accepted.ATTEMPTS):
        metric = place.history.approval(approval_id).metric
        at = accepted.after(place.project.clock(), _holding(place, metric))
        with suppress(ConditionFailedError):
            return place.history.decide(
                approval_id, accept=accept, by=by, note=note, at=at, apply=partial(_check_can_hold, place)
            )
    raise accepted.restless(place.project.state)


def _check_can_hold(place: Place, decided: Approval) -> None:
    """Raise ConditionFailedError where a value was accepted meanwhile that would count as the later one."""
    for metric, value in accepted.with_decisions({}, [decided]).items():
        accepted.entry_of(metric, value)
        holds = _holding(place, metric)
        if holds is not None and holds.at >= value.at:
            raise ConditionFailedError("a value was accepted meanwhile", where=metric)


def _holding(place: Place, metric: str) -> Accepted | None:
    return accepted.with_decisions(accepted.load(place.project.state), _accepted(place)).get(metric)


def _accepted(place: Place) -> list[Approval]:
    return place.history.approvals(ApprovalState.ACCEPTED)
