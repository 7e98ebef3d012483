"""A value that waits for a person in, its rows out: one pending approval of a metric, and all that was proposed in it.

Everything here is done in the transaction of somebody else, who alone writes meanwhile.
"""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from adce_assets.dims.history_records import ApprovalState, Proposal
from adce_assets.dims.history_rows import value_text
from adce_assets.dims.history_tables import approvals, proposals
from adce_assets.dims.metrics import Value, Verdict
from adce_assets.errors import HistoryError, printable

BACK = "it was measured where it was before"
"""Why an approval is withdrawn."""


def hold_verdict(connection: sa.Connection, verdict: Verdict, run_id: int) -> int:
    """Let a measured value wait for a person, as `hold` does."""
    measured = verdict.measurement
    if measured.value is None:
        raise HistoryError("nothing was measured that could wait for an approval", where=measured.metric)
    old = verdict.accepted.value if verdict.accepted else None
    proposal = Proposal(measured.at, measured.value, verdict.drift, verdict.severity, run_id)
    return hold(connection, measured.metric, old, proposal)


def hold(connection: sa.Connection, metric: str, old: Value | None, proposal: Proposal) -> int:
    """Let a value wait, in the approval of the metric that is pending if there is one; return its number."""
    of, move = approvals.c, (value_text(old), value_text(proposal.value))
    asked = sa.select(of.id, of.new).where(of.metric == metric, of.state == ApprovalState.PENDING.value)
    pending = connection.execute(asked).one_or_none()
    proposed = {
        "old": move[0],
        "new": move[1],
        "drift": proposal.drift,
        "severity": proposal.severity.value,
        "run_id": proposal.run_id,
        "proposed_at": proposal.at,
    }
    if pending is None:
        number = _ask(connection, {**proposed, "metric": metric, "asked_at": proposal.at})
    else:
        number = pending.id
        connection.execute(sa.update(approvals).where(of.id == number).values(proposed))
        if pending.new == move[1]:
            return number
    _propose(connection, number, proposal)
    return number


def withdraw(connection: sa.Connection, metrics: Collection[str], *, by: str, at: datetime) -> None:
    """Ask nobody any more about metrics that are back where they were."""
    waiting = sa.select(approvals.c.id).where(
        approvals.c.metric.in_(metrics), approvals.c.state == ApprovalState.PENDING.value
    )
    for number in list(connection.scalars(waiting)) if metrics else ():
        close(connection, number, ApprovalState.WITHDRAWN, by=by, note=BACK, at=at)


def close(
    connection: sa.Connection, approval_id: int, state: ApprovalState, *, by: str, note: str, at: datetime
) -> None:
    """Write down what became of an approval."""
    told = {"state": state.value, "by": printable(by).strip(), "note": printable(note).strip(), "decided_at": at}
    connection.execute(sa.update(approvals).where(approvals.c.id == approval_id).values(told))


def _ask(connection: sa.Connection, row: dict[str, object]) -> int:
    told = sa.insert(approvals).values(**row, state=ApprovalState.PENDING.value, by="", note="")
    return int(connection.execute(told.returning(approvals.c.id)).scalar_one())


def _propose(connection: sa.Connection, approval_id: int, proposal: Proposal) -> None:
    connection.execute(
        sa.insert(proposals).values(
            approval_id=approval_id,
            at=proposal.at,
            value=value_text(proposal.value),
            drift=proposal.drift,
            severity=proposal.severity.value,
            run_id=proposal.run_id,
        )
    )
