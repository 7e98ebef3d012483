"""A cron schedule and a moment in, the next moment out that the schedule names, as Dagster's scheduler has it."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from adce_assets.configuration import CRON, cron_values

DAY = timedelta(days=1)


def next_moment(schedule: str, after: datetime) -> datetime:
    """Return the first minute after a moment (aware, UTC) that a checked schedule of five fields names."""
    minutes, hours, *of_day = [cron_values(part, *field) for part, field in zip(schedule.split(), CRON, strict=True)]
    _, _, day_text, _, week_text = schedule.split()
    either = "*" not in {day_text, week_text}
    times = [time(hour, minute, tzinfo=after.tzinfo) for hour in sorted(hours) for minute in sorted(minutes)]
    named = (day for day in _days(after.date()) if _is_named(day, *of_day, either=either))
    moments = (datetime.combine(day, moment) for day in named for moment in times)
    return next(moment for moment in moments if moment > after)


def _days(first: date) -> Iterator[date]:
    while True:
        yield first
        first += DAY


def _is_named(day: date, days: set[int], months: set[int], weekdays: set[int], *, either: bool) -> bool:
    """Tell whether a day is meant; where both the day and the weekday are said, one of them is enough."""
    said = day.day in days, day.isoweekday() % 7 in {weekday % 7 for weekday in weekdays}
    return day.month in months and (any(said) if either else all(said))
