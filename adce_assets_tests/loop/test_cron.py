"""The next moment of a cron schedule is that of Dagster's own scheduler."""

from datetime import UTC, datetime, timedelta

import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from adce_assets.loop.cron import next_moment

START = datetime(2024, 2, 28, 23, 59, 30, tzinfo=UTC)
SCHEDULES = [
    "0 * * * *",
    "*/7 3-5 * * *",
    "20 5 * * *",
    "0 0 1 * *",
    "5 4 * * 0",
    "5 4 * * 7",
    "0 6 13 * 5",
]


@pytest.mark.parametrize("schedule", [*SCHEDULES, "0,30 8-18/2 1-7 1,6 *", "0 0 */2 * 1"])
def test_the_next_moment_is_that_of_dagster(schedule: str):
    moments = schedule_execution_time_iterator(START.timestamp(), schedule, "UTC", ascending=True)
    after = START
    for _ in range(5):
        after = next_moment(schedule, after)
        assert after == next(moments)


def test_a_moment_that_is_named_is_not_its_own_next():
    assert next_moment("0 * * * *", START.replace(hour=12, minute=0, second=0)) - START < timedelta(0)
    assert next_moment("59 23 * * *", START).day == 29


def test_a_day_that_comes_every_four_years_is_waited_for():
    assert next_moment("0 12 29 2 *", START + timedelta(days=1)) == datetime(2028, 2, 29, 12, tzinfo=UTC)
