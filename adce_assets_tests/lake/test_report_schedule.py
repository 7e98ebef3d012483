"""When the next report is due, and when it is late."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.lake.file_store import FileStore
from adce_assets.lake.report_schedule import Frequency, due, frequency_of, greatest_age, is_late, starts_beside

SUNDAY = datetime(2025, 11, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_a_daily_report_begins_a_day_later_and_may_take_two_days():
    told = due(SUNDAY, "daily")
    assert told.begins_at == SUNDAY + DAY
    assert told.delivered_by == SUNDAY + 3 * DAY


@pytest.mark.parametrize("weekday", range(7))
def test_a_weekly_report_begins_on_the_next_sunday(weekday: int):
    assert due(SUNDAY + weekday * DAY, "weekly").begins_at == SUNDAY + 7 * DAY


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - hypothesis wants its bounds naive
def test_a_week_is_never_longer_than_seven_days_and_ends_on_a_sunday(created_at: datetime):
    begins = due(created_at, "weekly").begins_at
    assert begins.isoweekday() == 7
    assert timedelta() < begins - created_at <= 7 * DAY


def test_sunday_is_a_day_of_utc():
    monday_in_sydney = datetime.fromisoformat("2025-11-03T08:00:00+11:00")
    assert due(monday_in_sydney, "weekly").begins_at == datetime(2025, 11, 9, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("frequency", "age", "late"),
    [
        ("daily", 72 * HOUR, False),
        ("daily", 73 * HOUR, True),
        ("weekly", 6 * DAY, False),
        ("weekly", 15 * DAY, False),
        ("weekly", 15 * DAY + HOUR, True),
        (None, 15 * DAY, False),
        (None, 16 * DAY, True),
    ],
)
def test_a_report_is_late_after_twice_its_interval_and_a_day(frequency: Frequency | None, age: timedelta, late: bool):  # noqa: FBT001 - a column of the table
    assert is_late(SUNDAY, SUNDAY + age, frequency) is late


def test_a_daily_report_is_late_when_the_next_should_have_been_delivered():
    promised = due(SUNDAY, "daily").delivered_by
    assert not is_late(SUNDAY, promised, "daily")
    assert is_late(SUNDAY, promised + HOUR, "daily")


@pytest.mark.parametrize(
    ("apart", "frequency"),
    [
        ([], None),
        ([DAY], "daily"),
        ([DAY + 7 * HOUR], "daily"),
        ([7 * DAY], "weekly"),
        ([3 * DAY], None),
        ([timedelta()], None),
        ([7 * DAY, DAY], "daily"),
        ([DAY, 7 * DAY], "weekly"),
    ],
)
def test_the_last_two_reports_tell_how_often_there_is_one(apart: list[timedelta], frequency: Frequency | None):
    starts = [SUNDAY]
    for distance in apart:
        starts.append(starts[-1] + distance)
    assert frequency_of(reversed(starts)) == frequency


def test_no_reports_tell_nothing():
    assert frequency_of([]) is None


def test_only_folders_that_are_named_by_a_time_are_reports(tmp_path: Path):
    store = FileStore(tmp_path)
    for folder in ("2025-11-02T01-00Z", "2025-11-09T01-00Z", "2025-13-09T01-00Z", "data", "hive"):
        store.put(f"reports/lake/adce/{folder}/manifest.json", b"{}")
    store.put("reports/lake/other/2025-11-10T01-00Z/manifest.json", b"{}")
    found = starts_beside(store, "reports/lake/adce/2025-11-09T01-00Z/")
    assert found == [SUNDAY, SUNDAY + 7 * DAY]


@pytest.mark.parametrize(("frequency", "hours"), [("daily", 96), ("weekly", 240)])
def test_a_report_may_become_as_old_as_the_next_one_takes_to_come(frequency: Frequency, hours: int):
    assert greatest_age(frequency) == hours * HOUR
    assert due(SUNDAY, frequency).delivered_by - SUNDAY < greatest_age(frequency)
