"""What is told to a history is found in it again, typed and in order, in SQLite and in PostgreSQL alike."""

import math
import sqlite3
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from itertools import count, pairwise
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adce_assets.dims.history import History, open_history
from adce_assets.dims.history_figures import stats_of, trend_of
from adce_assets.dims.history_records import Approval, ApprovalState, Point, Recorded
from adce_assets.dims.metrics import Accepted, Measurement, Severity, Status, Value, Verdict
from adce_assets.errors import HistoryError, LakeError

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FOUR = Accepted(4, NOON - DAY, "first", "ann")
SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = count()


def verdict(
    metric: str = "lake.objects",
    value: Value | None = 5,
    *,
    at: datetime = NOON,
    status: Status = Status.MAJOR,
    accepted: Accepted | None = FOUR,
    is_cached: bool = False,
) -> Verdict:
    error = "the lake cannot be read" if value is None else ""
    measured = Measurement(metric, value, error, at, 0.25, is_cached=is_cached)
    return Verdict(measured, accepted, status, Severity.HIGH, None if accepted is None else 25.0, in_season=False)


def record(history: History, *verdicts: Verdict, at: datetime = NOON, **more: Any) -> Recorded:
    return history.record(
        verdicts, started_at=at, ended_at=at + timedelta(seconds=2), trigger="hourly", by="ann", **more
    )


def hold(history: History, new: Value, metric: str = "lake.objects", *, at: datetime = NOON) -> int | None:
    return history.hold(metric, old=4, new=new, drift=25.0, severity=Severity.HIGH, run_id=7, at=at)


def decide(history: History, number: int | None, *, accept: bool = True, by: str = "bob", **more: Any) -> Approval:
    assert number is not None
    return history.decide(number, accept=accept, by=by, note="a new source", at=NOON + HOUR, **more)


def test_the_verdicts_of_a_run_are_what_was_told(history: History):
    told = (
        verdict(),
        verdict("lake.bytes", 1.5, accepted=None, status=Status.NEW),
        verdict("lake.sync", "in_sync"),
        verdict("lake.gaps", None, status=Status.ERROR),
        verdict("lake.old", 3, at=NOON - HOUR, is_cached=True),
    )
    recorded = record(history, *told)
    assert history.verdicts(recorded.run_id) == told
    assert history.newest(["lake.objects", "lake.gaps", "lake.none"]) == {"lake.objects": told[0], "lake.gaps": told[3]}
    assert record(history, told[0]).run_id != recorded.run_id


def test_runs_are_listed_newest_first_with_what_they_found(history: History):
    first = record(history, verdict(), verdict("a.b", status=Status.OK), verdict("a.c", status=Status.OK))
    second = record(history, at=NOON + HOUR)
    later, earlier = history.runs()
    assert (later.id, later.counts, later.started_at) == (second.run_id, {}, NOON + HOUR)
    assert (earlier.id, earlier.trigger, earlier.by) == (first.run_id, "hourly", "ann")
    assert earlier.counts == {Status.MAJOR: 1, Status.OK: 2}
    assert earlier.ended_at - earlier.started_at == timedelta(seconds=2)
    assert history.runs(limit=1) == [later]


VALUES = st.one_of(
    st.integers(),
    st.integers(10**300, 10**310),
    st.floats(allow_nan=False),
    st.text(st.characters(), max_size=20),
    st.sampled_from(["1", "1.0", "null", "", "\0", "\ud800", 'a"b\n']),
)


@SETTINGS
@given(values=st.lists(VALUES, min_size=1, max_size=5))
def test_a_value_comes_back_as_it_is_with_its_type(history: History, values: list[Value]):
    metric = f"lake.of_{next(NAMES)}"
    for turn, value in enumerate(values):
        record(history, verdict(metric, value, at=NOON + turn * HOUR, accepted=Accepted(value, NOON, "first", "ann")))
    points = history.series(metric, NOON)
    assert [(type(point.value), point.value) for point in points] == [(type(value), value) for value in values]
    assert [(type(point.accepted), point.accepted) for point in points] == [(type(one), one) for one in values]


def test_no_number_is_kept_as_what_it_is(history: History):
    record(history, verdict(value=math.nan))
    (point,) = history.series("lake.objects", NOON)
    assert isinstance(point.value, float)
    assert math.isnan(point.value)
    assert history.stats("lake.objects", NOON).mean is None


def test_a_moment_of_another_time_zone_is_the_same_moment(history: History):
    record(history, verdict(at=NOON.astimezone(timezone(timedelta(hours=-5)))))
    (point,) = history.series("lake.objects", NOON, NOON)
    assert (point.at, point.at.tzinfo) == (NOON, UTC)


def test_moments_are_told_in_utc_whatever_the_time_zone_of_the_database(history: History, history_url: str):
    engine = sa.create_engine(history_url, poolclass=sa.NullPool)
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(sa.text("ALTER ROLE CURRENT_USER SET timezone = 'America/New_York'"))
    try:
        record(history, verdict())
        (run,) = history.runs()
        assert (run.started_at, run.started_at.tzinfo) == (NOON, UTC)
        assert history.latest(["lake.objects"], NOON)["lake.objects"].at.tzinfo is UTC
    finally:
        if engine.dialect.name == "postgresql":
            with engine.begin() as connection:
                connection.execute(sa.text("ALTER ROLE CURRENT_USER RESET timezone"))


def test_a_moment_without_a_time_zone_is_refused(history: History):
    with pytest.raises(HistoryError, match="no time zone"):
        record(history, verdict(at=NOON.replace(tzinfo=None)))
    assert history.runs() == []


def test_a_series_is_in_order_tells_errors_and_tells_nothing_twice(history: History):
    for hours, value in ((2, 7), (0, 5), (1, None)):
        record(history, verdict(value=value, at=NOON + hours * HOUR), verdict("lake.other", 1))
    record(history, verdict(value=7, at=NOON + 2 * HOUR, is_cached=True))
    points = history.series("lake.objects", NOON)
    assert [(point.at, point.value, bool(point.error)) for point in points] == [
        (NOON, 5, False),
        (NOON + HOUR, None, True),
        (NOON + 2 * HOUR, 7, False),
    ]
    assert history.series("lake.objects", NOON + HOUR, NOON + HOUR) == [points[1]]
    both = history.many_series(["lake.objects", "lake.none"], NOON)
    assert both == {"lake.objects": points, "lake.none": []}


def test_the_latest_is_no_error_no_copy_and_not_of_tomorrow(history: History):
    told = [verdict(value=5), verdict(value=None, at=NOON + HOUR), verdict(value=9, at=NOON + DAY)]
    record(history, *told, verdict(value=5, at=NOON + 2 * HOUR, is_cached=True))
    asked = ["lake.objects", "lake.none"]
    assert history.latest(asked, NOON, NOON + 3 * HOUR) == {"lake.objects": told[0].measurement}
    assert history.latest(asked, NOON) == {"lake.objects": told[2].measurement}
    assert history.latest(asked, NOON + HOUR, NOON + 3 * HOUR) == {}


@SETTINGS
@given(values=st.lists(st.none() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6), max_size=12))
def test_stats_and_trend_are_those_of_numpy(history: History, values: list[int | float | None]):
    metric = f"lake.of_{next(NAMES)}"
    told = [verdict(metric, value, at=NOON + turn * 6 * HOUR) for turn, value in enumerate(values)]
    record(history, *told)
    found, trend = history.stats(metric, NOON), history.trend(metric, NOON)
    known = [(turn / 4, value) for turn, value in enumerate(values) if value is not None]
    numbers = [value for _, value in known]
    assert (found.count, found.errors, trend.count) == (len(known), len(values) - len(known), len(known))
    assert found.changes == sum(one != other for one, other in pairwise(numbers))
    if known:
        expected = (min(numbers), max(numbers), np.mean(numbers), np.median(numbers))
        figures = (found.minimum, found.maximum, found.mean, found.median)
        assert figures == pytest.approx(expected, abs=1e-6)
        assert (found.first, found.last) == (numbers[0], numbers[-1])
    if len(known) < 2:
        assert trend.per_day is None
        return
    slope, intercept = np.polyfit([days - known[0][0] for days, _ in known], numbers, 1)
    assert (trend.per_day, trend.begins) == pytest.approx((slope, intercept), rel=1e-6, abs=1e-5)


LARGE, TINY = sys.float_info.max, 5e-324
ENDS = st.sampled_from([LARGE, -LARGE, LARGE / 3, TINY, -TINY, 0.0, 1, 1e-160])


@given(values=st.lists(ENDS, min_size=1, max_size=6))
def test_figures_are_right_to_the_ends_of_what_a_float_holds(values: list[float]):
    points = [Point(NOON + turn * DAY, value, "", Status.OK, None, None) for turn, value in enumerate(values)]
    found, trend = stats_of(points), trend_of(points)
    numbers = [Fraction(value) for value in values]
    allowed = max(map(abs, numbers)) / 10**12 + Fraction(TINY)
    assert found.mean is not None
    assert found.median is not None
    assert abs(Fraction(found.mean) - sum(numbers) / len(numbers)) <= allowed
    assert abs(Fraction(found.median) - statistics.median(numbers)) <= allowed
    assert None not in {trend.per_day, trend.fit} or len(values) == 1 or LARGE in map(abs, values)


def test_a_line_fits_what_lies_on_it_and_half_of_what_does_not(history: History):
    record(history, *(verdict(value=10 + 3 * day, at=NOON + day * DAY) for day in range(5)))
    trend = history.trend("lake.objects", NOON)
    assert (trend.per_day, trend.begins, trend.ends, trend.fit) == pytest.approx((3.0, 10.0, 22.0, 1.0))
    record(history, *(verdict("a.b", value, at=NOON + day * DAY) for day, value in enumerate([0, 1, 0, 1])))
    assert history.trend("a.b", NOON).fit == pytest.approx(0.2)
    record(history, *(verdict("a.c", 5, at=NOON + day * DAY) for day in range(3)))
    assert (history.trend("a.c", NOON).per_day, history.trend("a.c", NOON).fit) == (0.0, 1.0)


def test_texts_are_counted_and_have_no_trend(history: History):
    told = enumerate(["in_sync", "behind", "behind", "in_sync"])
    record(history, *(verdict(value=value, at=NOON + hours * HOUR) for hours, value in told))
    found = history.stats("lake.objects", NOON)
    assert (found.count, found.changes, found.first, found.mean) == (4, 2, "in_sync", None)
    assert history.trend("lake.objects", NOON).count == 0


def test_an_event_begins_once_in_its_cooldown_and_again_after_it(history: History):
    begun = history.begin_event("git_post_commit", "main", NOON, 60)
    assert begun is not None
    seconds = timedelta(seconds=1)
    for later in (0, 1, 59.999):
        assert history.begin_event("git_post_commit", "main", NOON + later * seconds, 60) is None
    assert history.begin_event("git_post_commit", "main", NOON - seconds, 60) is None  # the clock of another machine
    assert history.begin_event("git_post_commit", "dev", NOON, 60) is not None
    assert history.begin_event("monthly_audit", "main", NOON, 60) is not None
    again = history.begin_event("git_post_commit", "main", NOON + 60 * seconds, 60)
    assert again not in {None, begun}
    told = history.events(event="git_post_commit", source="main")
    assert [(event.id, event.cooled, event.at) for event in told] == [(again, 0, NOON + 60 * seconds), (begun, 4, NOON)]
    assert len(history.events()) == 4
    assert history.begin_event("git_post_commit", "main", NOON, 0) is not None


def test_an_event_ends_once_with_its_run_or_its_error(history: History):
    first, second = (history.begin_event("monthly_audit", source, NOON, 60) for source in ("a", "b"))
    assert first is not None
    assert second is not None
    history.end_event(first, at=NOON + HOUR, run_id=3)
    history.end_event(second, at=NOON + HOUR, error="no lake\nat all")
    failed, good = history.events()
    assert (good.run_id, good.error, good.ended_at) == (3, "", NOON + HOUR)
    assert (failed.run_id, failed.error) == (None, "no lake at all")
    for gone in (first, 999):
        with pytest.raises(HistoryError, match=f"no event {gone} is under way"):
            history.end_event(gone, at=NOON)


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
    found = history.approval(number or 0)
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
    assert history.approval(number or 0).state is ApprovalState.PENDING


def test_a_rejected_move_is_not_asked_about_again_but_another_is(history: History):
    decide(history, hold(history, 5), accept=False)
    assert hold(history, 5) is None
    assert record(history, verdict(value=5), held=["lake.objects"]).held == ()
    assert hold(history, 5.0) is not None  # another type is another value
    assert len(history.approvals(ApprovalState.REJECTED)) == 1


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
    assert history.approval(number or 0).state is ApprovalState.PENDING
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


@SETTINGS
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
            elif not model or model[-1] != ["rejected", step]:
                model.append(["pending", step])
        elif step == "withdraw":
            record(history, settled=[metric])
            if pending:
                model[pending[0]][0] = "withdrawn"
        elif pending:
            decide(history, mine[pending[0]].id, accept=step == "accept")
            model[pending[0]][0] = f"{step}ed"
    assert [[one.state.value, one.new] for one in history.approvals() if one.metric == metric] == model


def test_a_snapshot_is_kept_of_each_day_and_the_oldest_go(history: History):
    days = [date(2024, 12, 30) + timedelta(days=number) for number in range(5)]
    for day in days[:4]:
        assert history.keep_snapshot(day, {"lake": {"objects": {"value": 5.0, "by": "a\0n"}}}, keep=4) == ()
    history.keep_snapshot(days[3], {"lake": {}})
    assert history.keep_snapshot(days[4], {}, keep=2) == tuple(days[:3])
    assert history.snapshot_days() == days[3:]
    assert (history.snapshot(days[3]), history.snapshot(days[0])) == ({"lake": {}}, None)


def test_what_is_too_old_goes_and_approvals_stay(history: History):
    for day in range(10):
        at = NOON + day * DAY
        record(history, verdict(value=day, at=at), verdict("a.b", at=NOON, is_cached=True), at=at)
        history.begin_event("monthly_audit", "x", at, 60)
        history.keep_snapshot(at.date(), {})
    number = hold(history, 5)
    gone = history.prune(NOON + 9 * DAY, days=3, snapshots=4)
    assert (gone.measurements, gone.runs, gone.events) == (12, 6, 6)
    assert gone.snapshots == tuple((NOON + day * DAY).date() for day in range(6))
    assert [point.value for point in history.series("lake.objects", NOON)] == [6, 7, 8, 9]
    assert (len(history.runs()), len(history.events()), len(history.snapshot_days())) == (4, 4, 4)
    assert [one.id for one in history.approvals()] == [number]
    assert history.prune(NOON + 9 * DAY, days=3, snapshots=4) == type(gone)(0, 0, 0, ())


def test_a_run_lets_go_of_what_is_too_old_and_no_number_is_given_twice(history: History):
    first = record(history, verdict(), keep_days=365)
    record(history, verdict(at=NOON + 365 * DAY), at=NOON + 365 * DAY, keep_days=365)
    assert len(history.runs()) == 2
    history.prune(NOON + 1000 * DAY, days=0, snapshots=0)
    assert history.runs() == []
    assert record(history, verdict()).run_id == first.run_id + 2


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE dims_measurements SET value = 'true'",
        "UPDATE dims_measurements SET value = '[1]'",
        "UPDATE dims_measurements SET value = '{'",
        "UPDATE dims_measurements SET status = 'fine'",
        "UPDATE dims_measurements SET at = 'noon'",
    ],
)
def test_a_row_that_somebody_has_spoilt_is_told(tmp_path: Any, open_one: Callable[[str], History], spoil: str):
    history = open_one(f"sqlite:///{tmp_path}/metrics.sqlite")
    record(history, verdict())
    connection = sqlite3.connect(tmp_path / "metrics.sqlite")
    connection.execute(spoil)
    connection.commit()
    connection.close()
    with pytest.raises(HistoryError, match="what is kept cannot be read"):
        history.series("lake.objects", datetime.min.replace(tzinfo=UTC))


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///", "mysql://u:geheim@h/d", "postgresql://u:ge@heim@h/d"])
def test_a_url_of_something_else_is_refused_without_its_secrets(url: str):
    with pytest.raises(HistoryError) as refused:
        open_history(url)
    assert "heim" not in str(refused.value)


def test_a_database_that_cannot_be_reached_is_told_without_its_password():
    history = open_history("postgresql://ann:geheim@127.0.0.1:1/adce")
    with pytest.raises(
        HistoryError, match=r"postgresql://127.0.0.1:1/adce: the metrics' history cannot be used"
    ) as told:
        history.runs()
    assert "geheim" not in str(told.value)
    history.dispose()
