"""What is told to a history is found in it again, typed and in order, in SQLite and in PostgreSQL alike."""

import math
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.dims.history import History, open_history
from adce_assets.dims.metrics import Accepted, Severity, Status, Value
from adce_assets.errors import HistoryError
from adce_assets_tests.dims.tellings import DAY, FEW, HOUR, NOON, record, verdict

NAMES = count()


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


@FEW
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


def test_a_snapshot_is_kept_of_each_day_and_the_oldest_go(history: History):
    days = [date(2024, 12, 30) + timedelta(days=number) for number in range(5)]
    for day in days[:4]:
        history.keep_snapshot(day, {"lake": {"objects": {"value": 5.0, "by": "a\0n"}}})
    history.keep_snapshot(days[3], {"lake": {}})
    history.keep_snapshot(days[4], {})
    assert history.prune(NOON, days=1, snapshots=2).snapshots == tuple(days[:3])
    assert history.snapshot_days() == days[3:]
    assert (history.snapshot(days[3]), history.snapshot(days[0])) == ({"lake": {}}, None)


def test_what_is_too_old_goes_and_approvals_stay(history: History):
    for day in range(10):
        at = NOON + day * DAY
        record(history, verdict(value=day, at=at), verdict("a.b", at=NOON, is_cached=True), at=at)
        history.begin_event("monthly_audit", "x", at, 60)
        history.keep_snapshot(at.date(), {})
    told = {"drift": 25.0, "severity": Severity.HIGH, "run_id": 1, "at": NOON}
    number = history.hold("lake.objects", old=4, new=5, **told)
    gone = history.prune(NOON + 9 * DAY, days=3, snapshots=4)
    assert (gone.measurements, gone.runs, gone.events) == (12, 6, 6)
    assert gone.snapshots == tuple((NOON + day * DAY).date() for day in range(6))
    assert [point.value for point in history.series("lake.objects", NOON)] == [6, 7, 8, 9]
    assert (len(history.runs()), len(history.events()), len(history.snapshot_days())) == (4, 4, 4)
    assert [one.id for one in history.approvals()] == [number]
    assert history.prune(NOON + 9 * DAY, days=3, snapshots=4) == type(gone)(0, 0, 0, ())


def test_what_is_kept_ends_with_the_newest_run_that_has_company_and_no_number_is_given_twice(history: History):
    for day in (0, 365, 366, 5000):
        record(history, at=NOON + day * DAY)
    assert history.prune(NOON + 365 * DAY, days=365, snapshots=9).runs == 0
    assert history.prune(NOON + 9999 * DAY, days=365, snapshots=9).runs == 1
    assert [run.id for run in history.runs()] == [4, 3, 2]
    record(history, at=NOON + 5001 * DAY)
    assert history.prune(NOON + 9999 * DAY, days=365, snapshots=9).runs == 2
    assert record(history, verdict()).run_id == 6


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
