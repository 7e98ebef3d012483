"""Metrics in, verdicts out: what is measured, remembered and accepted, and what waits for a person."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.dims import accepted, snapshots, verification
from adce_assets.dims.history_records import ApprovalState
from adce_assets.dims.metrics import Accepted, Severity, Status, Value
from adce_assets.dims.place import Place, open_place
from adce_assets.dims.telling import tell
from adce_assets.errors import ConditionFailedError, ConfigurationError, HistoryError, LakeError, MetricError
from adce_assets_tests.dims.conftest import CONFIG, declared

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop
    from adce_assets_tests.dims.conftest import Site

FIRST = {"lake.objects": 100, "lake.size": 10.5, "lake.sync": "in_sync", "code.lines": 40, "code.games": 20}


def statuses(site: "Site", *categories: str, **options: Any) -> dict[str, Status]:
    return {name: verdict.status for name, verdict in site.verdicts(*categories, **options).items()}


def kept(site: "Site", metric: str) -> list[Value | None]:
    """Return what the history has of a metric."""
    return [point.value for point in site.place.history.series(metric, site.now - timedelta(days=999))]


def test_what_is_measured_first_is_new_and_holds_from_then_on(site: "Site"):
    found = site.verify()
    assert {verdict.measurement.metric: verdict.measurement.value for verdict in found.verdicts} == FIRST
    assert found.counts == {**dict.fromkeys(Status, 0), Status.NEW: 5}
    assert site.holds() == FIRST
    assert accepted.load(site.project.state)["lake.size"] == Accepted(10.5, site.now, "first", "ann")
    assert [run.id for run in site.place.history.runs()] == [found.run_id]
    site.after(hours=1)
    assert set(statuses(site).values()) == {Status.OK}


def test_without_update_all_is_remembered_and_nothing_accepted(small_site: "Site"):
    found = small_site.verify(update=False)
    assert small_site.holds() == {}
    assert small_site.place.history.verdicts(found.run_id) == found.verdicts


def test_an_update_accepts_what_moved_and_says_when_and_by_whom(site: "Site"):
    site.verify()
    site.after(hours=1)
    site.say(lines=60)
    assert statuses(site, "code", by="bob") == {"code.lines": Status.MAJOR, "code.games": Status.OK}
    found = accepted.load(site.project.state)
    assert found["code.lines"] == Accepted(60, site.now, "update", "bob")
    assert found["code.games"] == Accepted(20, site.now - timedelta(hours=1), "first", "ann")
    assert statuses(site, "code")["code.lines"] is Status.OK


def test_a_value_of_another_type_takes_the_place_of_its_like(small_site: "Site"):
    small_site.verify()
    small_site.say(lines=40.0)
    assert statuses(small_site)["code.lines"] is Status.OK
    assert repr(small_site.holds()["code.lines"]) == "40.0"


@pytest.mark.parametrize("update", [True, False])
def test_a_critical_move_waits_for_a_person_and_the_old_value_stands(site: "Site", *, update: bool):
    site.verify()
    site.say(objects=115, sync="behind", lines=60)
    found = site.verify(update=update)
    waiting = site.place.history.approvals(ApprovalState.PENDING)
    assert found.pending == tuple(approval.id for approval in waiting)
    assert [(one.metric, one.old, one.new, one.drift, one.severity) for one in waiting] == [
        ("lake.objects", 100, 115, 15.0, Severity.MEDIUM),
        ("lake.sync", "in_sync", "behind", 100.0, Severity.CRITICAL),
    ]
    assert site.holds() == {**FIRST, "code.lines": 60 if update else 40}


def test_a_critical_move_below_its_threshold_is_accepted(small_site: "Site"):
    small_site.verify()
    small_site.say(objects=114)
    assert small_site.verify().pending == ()
    assert small_site.holds()["lake.objects"] == 114


def test_a_move_that_goes_on_is_one_approval_and_one_that_is_undone_is_none(site: "Site"):
    site.verify()
    site.say(objects=150)
    first = site.verify()
    site.say(objects=160)
    assert site.verify().pending == first.pending
    assert [one.new for one in site.place.history.approvals()] == [160]
    site.say(objects=101)
    assert site.verify().pending == ()
    assert [one.state for one in site.place.history.approvals()] == [ApprovalState.WITHDRAWN]
    assert site.holds()["lake.objects"] == 101


def test_what_could_not_be_measured_is_an_error_with_its_reason_and_never_a_number(site: "Site"):
    site.verify()
    site.say(lines=None, objects=None)
    found = site.verdicts()
    for name in ("code.lines", "lake.objects"):
        assert (found[name].status, found[name].measurement.value) == (Status.ERROR, None)
        assert found[name].measurement.error == f"{name.partition('.')[2]}: nothing was found"
    assert site.holds() == FIRST
    assert kept(site, "code.lines") == [40, None]
    assert found["code.games"].status is Status.OK


@pytest.mark.parametrize("value", [True, None, [1], {"a": 1}, float("nan"), float("-inf"), 2**63, "a\nb", "\x00"])
def test_what_is_no_value_is_an_error(value: Any, small_site: "Site", monkeypatch: pytest.MonkeyPatch):
    small_site.verify()
    monkeypatch.setattr(verification, "measure", lambda _, __: value)
    found = small_site.verdicts(fresh=True)
    assert {verdict.status for verdict in found.values()} == {Status.ERROR}
    assert all(verdict.measurement.error.isprintable() for verdict in found.values())
    assert small_site.holds() == FIRST


def test_a_kind_that_breaks_is_an_error_of_its_metric_alone(
    small_site: "Site", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def breaks(_: object, document: Any) -> int:
        return {"games": 1}[document.path]

    monkeypatch.setattr(verification, "measure", breaks)
    found = small_site.verdicts("code")
    assert found["code.lines"].measurement.error == "an unexpected KeyError; the log says where"
    assert found["code.games"].measurement.value == 1
    assert "code.lines" in caplog.text


def test_a_reason_is_one_printable_line_of_a_readable_length(small_site: "Site", monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object) -> int:
        raise MetricError("first\n\x1b[31msecond" + "x" * 9999, hint="try")

    monkeypatch.setattr(verification, "measure", fails)
    reason = small_site.verdicts("code")["code.lines"].measurement.error
    assert reason.startswith("first  [31msecondx")
    assert reason.isprintable()
    assert len(reason) == 500


def test_what_was_measured_lately_is_not_measured_again(site: "Site"):
    site.verify()
    site.say(size=20.5, lines=50)
    site.after(minutes=54)
    found = site.verdicts()
    assert (found["lake.size"].measurement.value, found["lake.size"].measurement.is_cached) == (10.5, True)
    assert found["lake.size"].measurement.at == site.now - timedelta(minutes=54)
    assert (found["code.lines"].measurement.value, found["code.lines"].measurement.is_cached) == (50, False)
    site.after(minutes=1)
    assert site.verdicts()["lake.size"].measurement.value == 20.5
    assert kept(site, "lake.size") == [10.5, 20.5]


def test_who_asks_for_it_fresh_has_it_measured(small_site: "Site"):
    small_site.verify()
    small_site.say(size=20.5)
    assert small_site.verdicts(fresh=True)["lake.size"].measurement.value == 20.5


def test_an_error_is_not_remembered_instead_of_a_value(small_site: "Site"):
    small_site.say(size=None)
    small_site.verify()
    small_site.say(size=20.5)
    assert small_site.verdicts()["lake.size"].measurement.value == 20.5


def test_what_was_measured_in_the_future_is_measured_again(small_site: "Site"):
    small_site.verify()
    small_site.say(size=20.5)
    small_site.after(minutes=-10)
    assert small_site.verdicts()["lake.size"].measurement.value == 20.5


def test_what_was_measured_by_another_definition_is_measured_again_and_by_the_same_it_is_not(small_site: "Site"):
    """Whatever date the file of the definitions has: it may have been put back."""
    small_site.verify()
    small_site.say(size=20.5)
    small_site.configure(metrics=CONFIG["metrics"] | {"lake": {"size": declared("size", ttl_minutes=50)}})
    assert small_site.verdicts("lake")["lake.size"].measurement.value == 10.5
    small_site.configure(metrics=CONFIG["metrics"] | {"lake": {"size": declared("objects", ttl_minutes=55)}})
    assert small_site.verdicts("lake")["lake.size"].measurement.value == 100


def test_only_what_is_asked_for_is_measured(small_site: "Site"):
    assert set(small_site.verdicts("code")) == {"code.lines", "code.games"}
    assert set(small_site.holds()) == {"code.lines", "code.games"}


def test_a_clock_that_was_ahead_for_an_hour_takes_nothing_away_and_is_not_what_is_shown(site: "Site"):
    site.verify()
    site.after(days=9)
    site.verify()
    site.after(days=3650)
    site.say(size=99.0)
    site.verify(update=False)
    snapshots.take(site.place, site.now.date())
    site.after(days=-3650, hours=1)
    site.say(size=10.6)
    site.verify()
    assert len(site.place.history.runs()) == 4
    (shown,) = tell(site.place, ids=["lake.size"]).shown
    assert (shown.value, shown.at, [point.value for point in shown.points]) == (10.6, site.now, [10.5, 10.5, 10.6])
    assert snapshots.take(site.place, site.now.date())["lake"]["size"]["value"] == 10.6


def test_what_was_accepted_in_summer_and_found_in_order_in_winter_is_judged_in_full(site: "Site"):
    site.now = site.now.replace(year=2024, month=7)
    site.verify()
    for month, found, status in ((1, 2, Status.MINOR), (2, 20, Status.OK), (3, 2, Status.MAJOR)):
        site.now = site.now.replace(year=2025, month=month)
        site.say(games=found)
        assert statuses(site, "code", update=False)["code.games"] is status
    (shown,) = tell(site.place, ids=["code.games"]).shown
    assert shown.status == Status.MAJOR


@pytest.mark.parametrize("by", ["", " ", "a\nb", "x" * 1001])
def test_somebody_has_to_be_named_who_verifies(by: str, small_site: "Site"):
    with pytest.raises(MetricError, match="by: "):
        small_site.verify(by=by)
    assert small_site.place.history.runs() == []


def test_accepted_values_that_cannot_be_believed_stop_a_verification(small_site: "Site"):
    small_site.project.state.store.put(accepted.KEY, b"lake: {}\n")
    with pytest.raises(MetricError, match="cannot be believed"):
        small_site.verify()
    assert small_site.place.history.runs() == []


def failing(error: BaseException) -> Callable[..., str]:
    def put(*_: object) -> str:
        raise error

    return put


def test_what_cannot_be_written_is_not_remembered_as_if_it_were(site: "Site", monkeypatch: pytest.MonkeyPatch):
    site.verify()
    site.say(objects=150, lines=60)
    with monkeypatch.context() as patched:
        patched.setattr(site.project.state.store, "put_if_match", failing(LakeError("the disk is full")))
        with pytest.raises(LakeError, match="full"):
            site.verify()
    assert len(site.place.history.runs()) == 1
    assert site.place.history.approvals() == []
    assert site.verify().counts[Status.MAJOR] == 2
    assert site.holds() == {**FIRST, "code.lines": 60}


def test_what_cannot_be_remembered_is_not_accepted(small_site: "Site"):
    small_site.verify()
    small_site.say(lines=60)
    database = small_site.project.settings.work_folder / "metrics.sqlite"
    small_site.place.dispose()
    for file in database.parent.glob("metrics.sqlite*"):
        file.write_bytes(b"no database" * 999)
    small_site.place = open_place(small_site.project)
    with pytest.raises(HistoryError):
        small_site.verify()
    assert small_site.holds() == FIRST


def test_a_value_accepted_meanwhile_is_what_is_judged_by(site: "Site", monkeypatch: pytest.MonkeyPatch):
    """Between judging and remembering, somebody else accepts another value: the verdict is of that one."""
    site.verify()
    site.say(objects=150, lines=60)
    with open_place(site.project) as other:
        record, once = site.place.history.record, [lambda: site_of_another(site, other)]

        def overtaken(*told: Any, **more: Any) -> Any:
            if once:
                once.pop()()
            return record(*told, **more)

        monkeypatch.setattr(site.place.history, "record", overtaken)
        found = {verdict.measurement.metric: verdict for verdict in site.verify().verdicts}
    assert (found["code.lines"].status, found["code.lines"].accepted) == (
        Status.MINOR,
        Accepted(57, site.now + accepted.INSTANT, "update", "eve"),
    )
    assert site.holds()["code.lines"] == 60
    assert len(site.place.history.runs()) == 3


def site_of_another(site: "Site", other: Place) -> None:
    """Let somebody else measure 57 lines, and accept them."""
    site.say(lines=57)
    chosen = other.catalogue.select(ids=["code.lines"])
    verification.verify(other, metrics=chosen, update=True, by="eve", trigger="cli")
    site.say(lines=60)


def test_who_is_overtaken_all_the_time_says_so(small_site: "Site", monkeypatch: pytest.MonkeyPatch):
    small_site.verify()
    small_site.say(lines=60)
    monkeypatch.setattr(small_site.project.state.store, "put_if_match", failing(ConditionFailedError("has changed")))
    with pytest.raises(MetricError, match="again and again"):
        small_site.verify()
    assert len(small_site.place.history.runs()) == 1


def test_definitions_are_checked_before_anything_is_measured(small_site: "Site"):
    with pytest.raises(ConfigurationError, match="lake"):
        small_site.configure(metrics={"lake": {"objects": {"unit": "objects"}}})


def test_the_real_kinds_measure_what_the_definitions_name(workshop: "Workshop"):
    from adce_assets_tests.dims.conftest import opened

    site = opened(workshop, None)
    with site.place:
        assert site.verdicts("code")["code.lines"].measurement.value == 40
