"""Moves that wait for a person, over both databases: accepted with their type, rejected in peace, decided once."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.dims import accepted, approvals, snapshots
from adce_assets.dims.approvals import Decision
from adce_assets.dims.history_records import Approval, ApprovalState
from adce_assets.dims.metrics import Accepted, Status, Value
from adce_assets.dims.place import open_place
from adce_assets.dims.telling import tell
from adce_assets.errors import HistoryError, LakeError, MetricError
from adce_assets_tests.dims.conftest import CONFIG

if TYPE_CHECKING:
    from adce_assets_tests.dims.conftest import Site


def held(site: "Site", **numbers: Value) -> Approval:
    """Verify, and again when the metrics find other numbers: one of them waits."""
    site.verify()
    site.after(hours=1)
    site.say(**numbers)
    site.verify()
    return approvals.pending(site.place)[0]


def decide(site: "Site", approval: Approval, *, accept: bool = True, **told: Any) -> Decision:
    return approvals.decide(site.place, approval.id, accept=accept, **{"by": "bob", "note": "a new source", **told})


@pytest.mark.parametrize(
    ("name", "value"), [("objects", 150), ("objects", 150.0), ("objects", "many"), ("sync", "behind"), ("sync", 7)]
)
def test_accepting_makes_the_value_hold_as_it_was_measured(name: str, value: Value, site: "Site"):
    waiting = held(site, **{name: value})
    site.after(hours=1)
    decision = decide(site, waiting)
    assert decision.holds == Accepted(value, site.now, "approval", "bob")
    assert repr(site.holds()[f"lake.{name}"]) == repr(value)
    assert accepted.load(site.project.state)[f"lake.{name}"] == decision.holds
    assert approvals.pending(site.place) == ()
    assert site.verdicts(fresh=True)[f"lake.{name}"].status is Status.OK


def test_rejecting_leaves_the_old_value_and_says_so(site: "Site"):
    waiting = held(site, objects=150)
    decision = decide(site, waiting, accept=False, note="a listing went wrong")
    assert decision.holds is not None
    assert decision.holds.value == site.holds()["lake.objects"] == 100
    (kept,) = site.place.history.approvals(ApprovalState.REJECTED)
    assert (kept, kept.by, kept.note) == (decision.approval, "bob", "a listing went wrong")


def test_who_decides_second_is_told_who_was_first(site: "Site"):
    waiting = held(site, objects=150)
    decide(site, waiting, accept=False)
    with pytest.raises(HistoryError, match="rejected by bob"):
        decide(site, waiting, by="eve")
    assert site.holds()["lake.objects"] == 100


@pytest.mark.parametrize(
    ("found", "asked"), [(150, False), (151, False), (143, False), (158, True), (142, True), (50, True)]
)
def test_nobody_is_asked_again_while_a_metric_stays_where_it_was_rejected(
    found: int, small_site: "Site", *, asked: bool
):
    decide(small_site, held(small_site, objects=150), accept=False)
    small_site.after(hours=1)
    small_site.say(objects=found)
    assert small_site.verdicts()["lake.objects"].status is Status.MAJOR
    assert [one.new for one in approvals.pending(small_site.place)] == ([found] if asked else [])


@pytest.mark.parametrize("way", [(100, 50), (100, None, 51), (None, 70, 50), (60, 50)])
def test_a_metric_that_has_left_where_it_was_rejected_and_comes_back_is_asked_about_again(
    way: tuple[int | None, ...], site: "Site"
):
    decide(site, held(site, objects=50), accept=False, note="data was deleted: restore it")
    for found in way:
        site.after(days=90)
        site.say(objects=found)
        site.verify()
    site.after(hours=1)
    assert site.verify().pending == (approvals.pending(site.place)[0].id,)
    assert [one.new for one in approvals.pending(site.place)] == [way[-1]]


def test_a_rejection_stands_while_nothing_can_be_measured_and_not_after_a_later_decision(site: "Site"):
    decide(site, held(site, objects=200), accept=False)
    for found in (None, 201):
        site.say(objects=found)
        assert site.verify().pending == ()
    for found in (300, 100):
        site.after(hours=1)
        site.say(objects=found)
        site.verify()
        decide(site, approvals.pending(site.place)[0])
    site.say(objects=200)
    site.verify()
    assert [one.new for one in approvals.pending(site.place)] == [200]


def test_what_is_rejected_while_a_verification_looks_is_not_asked_about_by_it(
    small_site: "Site", monkeypatch: pytest.MonkeyPatch
):
    waiting = held(small_site, objects=150)
    record, once = small_site.place.history.record, [True]

    def overtaken(*told: Any, **more: Any) -> Any:
        if once and once.pop():
            decide(small_site, waiting, accept=False)
        return record(*told, **more)

    monkeypatch.setattr(small_site.place.history, "record", overtaken)
    assert small_site.verify().pending == ()
    assert approvals.pending(small_site.place) == ()


def test_what_could_not_be_read_again_is_not_decided(site: "Site"):
    waiting = held(site, objects=150)
    last = Accepted(100, datetime(2099, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "first", "eve")
    before = accepted.read(site.project.state)
    accepted.put(site.project.state, {**before.values, "lake.objects": last}, instead_of=before, at=site.now)
    with pytest.raises(MetricError, match="not of our times"):
        decide(site, waiting)
    assert [one.id for one in approvals.pending(site.place)] == [waiting.id]
    site.project.state.store.delete(accepted.KEY)
    assert site.verify().counts[Status.NEW] == 5


def test_what_was_decided_is_what_is_told(site: "Site"):
    """In the order of the definitions, with what holds now, and with what waits of metrics that are off."""
    first = held(site, objects=150, sync="behind", lines=60)
    decide(site, first)
    told = tell(site.place)
    assert [shown.metric.id for shown in told.shown] == list(site.place.catalogue.metrics)
    shown = {one.metric.id: (one.value, one.accepted and one.accepted.value, one.status) for one in told.shown}
    assert shown["lake.objects"] == (150, 150, Status.OK)
    assert shown["code.lines"] == (60, 60, Status.OK)
    assert shown["lake.sync"] == ("behind", "in_sync", Status.MAJOR)
    document = snapshots.take(site.place, site.now.date())
    assert (document["lake"]["objects"]["status"], document["lake"]["objects"]["drift"]) == ("ok", 0.0)
    site.configure(metrics={"code": CONFIG["metrics"]["code"]}, events={})
    (waiting,) = tell(site.place).waiting
    assert (waiting.metric, waiting.unit, waiting.old, waiting.new) == ("lake.sync", "", "in_sync", "behind")


def test_the_same_move_from_another_value_is_asked_about_again(small_site: "Site"):
    decide(small_site, held(small_site, objects=150), accept=False)
    small_site.say(objects=104)
    small_site.verify()
    small_site.say(objects=150)
    small_site.verify()
    assert [(one.old, one.new) for one in approvals.pending(small_site.place)] == [(104, 150)]


@pytest.mark.parametrize("told", [{"by": ""}, {"by": " "}, {"note": ""}, {"note": "a\nb"}, {"by": "x" * 1001}])
def test_who_decides_and_why_has_to_be_said(told: dict[str, Any], small_site: "Site"):
    waiting = held(small_site, objects=150)
    with pytest.raises(MetricError, match="printable"):
        decide(small_site, waiting, **told)
    assert approvals.pending(small_site.place) == (waiting,)


def test_what_does_not_wait_cannot_be_decided(small_site: "Site"):
    with pytest.raises(HistoryError, match="no approval 7"):
        approvals.decide(small_site.place, 7, accept=True, by="bob", note="why not")


@pytest.mark.parametrize("passed", [{}, {"days": -30}], ids=["a clock that stands", "a clock put back"])
def test_a_decision_comes_after_what_was_accepted_whatever_the_clock_says(passed: dict[str, int], small_site: "Site"):
    began = small_site.now
    waiting = held(small_site, objects=150)
    small_site.after(hours=-1)
    small_site.after(**passed)
    decision = decide(small_site, waiting)
    assert small_site.holds()["lake.objects"] == 150
    assert decision.approval.decided_at == began + accepted.INSTANT
    small_site.say(objects=155)
    small_site.verify()
    assert small_site.holds()["lake.objects"] == 155


def test_a_decision_stands_though_the_file_could_not_be_written(site: "Site", monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> str:
        raise LakeError("the disk is full")

    waiting = held(site, objects=150)
    with monkeypatch.context() as patched:
        patched.setattr(site.project.state.store, "put_if_match", full)
        with pytest.raises(LakeError, match="full"):
            decide(site, waiting)
    assert site.holds()["lake.objects"] == 100
    site.after(hours=1)
    assert site.verdicts(update=False)["lake.objects"].status is Status.OK
    found = accepted.load(site.project.state)["lake.objects"]
    assert found == Accepted(150, site.now - timedelta(hours=1), "approval", "bob")


def test_a_value_accepted_since_is_not_taken_back_by_an_old_decision(small_site: "Site"):
    decide(small_site, held(small_site, objects=150))
    small_site.after(hours=1)
    small_site.say(objects=160)
    small_site.verify()
    with open_place(small_site.project) as later:
        small_site.place = later
        small_site.verify()
    assert small_site.holds()["lake.objects"] == 160


def test_what_a_person_accepted_holds_again_where_the_file_was_lost(small_site: "Site"):
    decide(small_site, held(small_site, objects=150))
    small_site.project.state.store.delete(accepted.KEY)
    small_site.say(objects=900)
    assert small_site.verdicts()["lake.objects"].status is Status.MAJOR
    assert small_site.holds()["lake.objects"] == 150


def test_a_value_accepted_while_a_person_decides_does_not_win(site: "Site", monkeypatch: pytest.MonkeyPatch):
    """A verification accepts 104 after the moment of the decision was chosen, and before it is written down."""
    waiting = held(site, objects=150)
    decide_in, once = site.place.history.decide, [True]

    def overtaken(*told: Any, **more: Any) -> Any:
        if once and once.pop():
            site.after(minutes=5)
            values = {**accepted.load(site.project.state), "lake.objects": Accepted(104, site.now, "update", "ann")}
            seen = accepted.read(site.project.state)
            accepted.put(site.project.state, values, instead_of=seen, at=site.now)
        return decide_in(*told, **more)

    monkeypatch.setattr(site.place.history, "decide", overtaken)
    assert decide(site, waiting).approval.decided_at == site.now + accepted.INSTANT
    assert site.holds()["lake.objects"] == 150


def test_a_decision_that_is_not_in_the_file_yet_is_judged_by(small_site: "Site", monkeypatch: pytest.MonkeyPatch):
    """A person accepts 150 after a verification has judged, and before it remembers: it holds, and nothing waits."""
    site = small_site
    waiting = held(site, objects=150)
    record, once = site.place.history.record, [True]

    def overtaken(*told: Any, **more: Any) -> Any:
        if once and once.pop():
            site.place.history.decide(waiting.id, accept=True, by="bob", note="so it is", at=site.now)
        return record(*told, **more)

    monkeypatch.setattr(site.place.history, "record", overtaken)
    assert site.verdicts()["lake.objects"].status is Status.OK
    assert site.holds()["lake.objects"] == 150
    assert approvals.pending(site.place) == ()
