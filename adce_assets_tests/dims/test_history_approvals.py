"""What waits for a person waits once, is decided once, and is kept as it was told, in both databases."""

from datetime import datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.dims.history import History
from adce_assets.dims.history_records import Approval, ApprovalState
from adce_assets.dims.metrics import Severity, Status, Value
from adce_assets.errors import HistoryError, LakeError
from adce_assets_tests.dims.tellings import FEW, HOUR, NOON, record, verdict

NAMES = count()


def hold(history: History, new: Value, metric: str = "lake.objects", *, at: datetime = NOON) -> int:
    return history.hold(metric, old=4, new=new, drift=25.0, severity=Severity.HIGH, run_id=7, at=at)


def decide(history: History, number: int, *, accept: bool = True, by: str = "bob", **more: Any) -> Approval:
    return history.decide(number, accept=accept, by=by, note="a new source", at=NOON + HOUR, **more)


def test_what_is_held_back_waits_with_its_typed_value(history: History):
    recorded = record(history, verdict(value=5.0), verdict("lake.other", 3), held={"lake.objects"})
    (asked,) = history.approvals(ApprovalState.PENDING)
    assert recorded.held == (asked.id,)
    assert asked == Approval(
        asked.id, "lake.objects", ApprovalState.PENDING, 4, 5.0, 25.0, Severity.HIGH, recorded.run_id, NOON, NOON,
        None, "", "",
    )  # fmt: skip
    assert (type(asked.old), type(asked.new)) == (int, float)
    assert history.approval(asked.id) == asked


def test_a_metric_has_one_pending_approval_that_is_brought_up_to_date(history: History):
    number = hold(history, 5)
    assert [hold(history, value, at=NOON + HOUR) for value in (6, 6, 7)] == [number] * 3
    assert hold(history, 5, "lake.bytes") != number
    found = history.approval(number)
    assert (found.new, found.asked_at, found.proposed_at) == (7, NOON, NOON + HOUR)
    assert [(one.value, one.at) for one in history.proposals(found.id)] == [
        (5, NOON),
        (6, NOON + HOUR),
        (7, NOON + HOUR),
    ]


def test_an_approval_is_decided_once(history: History):
    number = hold(history, 5)
    decided = decide(history, number)
    assert (decided.state, decided.by, decided.note) == (ApprovalState.ACCEPTED, "bob", "a new source")
    assert decided.decided_at == NOON + HOUR
    with pytest.raises(HistoryError, match="it was accepted by bob at 2025-01-15 13:00 UTC already"):
        decide(history, number, accept=False, by="eve")
    assert history.approvals() == [decided]
    assert hold(history, 5) != number


def test_who_decides_is_named_and_what_is_decided_is_there(history: History):
    number = hold(history, 5)
    with pytest.raises(HistoryError, match="nobody is named"):
        decide(history, number, by=" \n")
    with pytest.raises(HistoryError, match="there is no approval 999"):
        decide(history, 999)
    assert history.approval(number).state is ApprovalState.PENDING


def test_what_is_back_where_it_was_waits_no_more(history: History):
    hold(history, 5)
    hold(history, 5, "lake.bytes")
    record(history, verdict(value=4, status=Status.OK), settled=["lake.objects", "lake.none"])
    (gone,) = history.approvals(ApprovalState.WITHDRAWN)
    assert (gone.metric, gone.by, gone.note) == ("lake.objects", "ann", "it was measured where it was before")
    assert [waiting.metric for waiting in history.approvals(ApprovalState.PENDING)] == ["lake.bytes"]


def test_what_cannot_be_applied_is_not_decided(history: History):
    def fail(_: object) -> None:
        raise LakeError("the state cannot be written")

    number = hold(history, 5)
    with pytest.raises(LakeError):
        decide(history, number, apply=fail)
    assert history.approval(number).state is ApprovalState.PENDING
    with pytest.raises(LakeError):
        record(history, verdict(), apply=fail)
    assert (history.runs(), history.newest(["lake.objects"])) == ([], {})


def test_what_is_decided_is_applied_if_it_is_accepted(history: History):
    applied: list[Any] = []
    recorded = record(
        history, verdict(), verdict("lake.bytes"), held=["lake.objects", "lake.bytes"], apply=applied.append
    )
    first, second = recorded.held
    decide(history, first, accept=False, apply=applied.append)
    accepted = decide(history, second, apply=applied.append)
    assert applied == [recorded, accepted]


def test_what_is_applied_may_read_what_stood_before(history: History):
    def look(_: object) -> None:
        seen.append([one.state for one in history.approvals()])

    seen: list[list[ApprovalState]] = []
    number = hold(history, 5)
    decide(history, number, apply=look)
    record(history, verdict(), held=["lake.objects"], apply=look)
    assert seen == [[ApprovalState.PENDING], [ApprovalState.ACCEPTED]]


STEPS = st.lists(st.sampled_from([1, 2, 3, "accept", "reject", "withdraw"]), max_size=10)


@FEW
@given(steps=STEPS)
def test_approvals_go_the_way_of_a_plain_model(history: History, steps: list[int | str]):
    metric, model = f"lake.of_{next(NAMES)}", []
    for step in steps:
        pending = [number for number in range(len(model)) if model[number][0] == "pending"]
        mine = [one for one in history.approvals() if one.metric == metric]
        if isinstance(step, int):
            hold(history, step, metric)
            if pending:
                model[pending[0]][1] = step
            else:
                model.append(["pending", step])
        elif step == "withdraw":
            record(history, settled=[metric])
            if pending:
                model[pending[0]][0] = "withdrawn"
        elif pending:
            decide(history, mine[pending[0]].id, accept=step == "accept")
            model[pending[0]][0] = f"{step}ed"
    assert [[one.state.value, one.new] for one in history.approvals() if one.metric == metric] == model
