"""Windows are open when a calendar that is gone through minute by minute says so."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest
from dagster._utils.schedules import schedule_execution_time_iterator
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adce_assets.autonomous import AutonomousConfig
from adce_assets.loop.dispatch import Batch, Starts
from adce_assets.loop.windows import (
    Restraints,
    Work,
    end_of,
    maintenance,
    never_begins,
    paused,
    rests_until,
    seconds_open,
    time_at_work,
)
from adce_assets.restraints import Window

MONDAY = datetime(2024, 12, 2, tzinfo=UTC)
WEEK = [MONDAY + timedelta(minutes=minute) for minute in range(7 * 24 * 60)]
NOON = MONDAY.replace(hour=12)


def begins(cron: str, first: datetime) -> list[datetime]:
    """When Dagster's own scheduler has a window begin, from a moment on until the end of the week after."""
    moments = schedule_execution_time_iterator(first.timestamp(), cron, "UTC", ascending=True)
    return list(takewhile(lambda moment: moment < WEEK[-1] + timedelta(days=8), moments))


def open_minutes(cron: str, minutes: int) -> set[datetime]:
    """Every minute of the week in which a window is open, by going through each of its times."""
    found: set[datetime] = set()
    for began in begins(cron, MONDAY - timedelta(minutes=minutes + 1)):
        found.update(began + timedelta(minutes=minute) for minute in range(minutes))
    return found & set(WEEK)


@pytest.mark.parametrize(
    ("cron", "minutes"),
    [
        ("0 3 * * 0", 120),
        ("0 22 * * 1-5", 600),  # over midnight, and into Saturday
        ("59 23 * * 0", 10_080),  # all the week but for its first
        ("*/30 9-17 * * *", 1),
        ("0 12 3,5 * *", 2_000),
    ],
)
def test_a_window_is_open_in_just_its_own_minutes_of_a_week(cron: str, minutes: int):
    window, expected = Window(name="w", cron=cron, minutes=minutes), open_minutes(cron, minutes)
    assert {moment for moment in WEEK if end_of(window, moment)} == expected


CRONS = st.builds(
    "{} {} * * {}".format,
    st.integers(0, 59),
    st.lists(st.integers(0, 23), min_size=1, max_size=3, unique=True).map(lambda hours: ",".join(map(str, hours))),
    st.sampled_from(["*", "0", "1-5", "6,7", "3"]),
)


@settings(max_examples=25)
@given(CRONS, st.integers(1, 3_000), st.lists(st.integers(0, len(WEEK) - 1), min_size=10, max_size=30))
def test_any_window_is_open_when_it_should_be_and_says_how_long_until_it_opens(
    cron: str, minutes: int, at: list[int]
) -> None:
    expected = open_minutes(cron, minutes)
    config = AutonomousConfig.model_validate({"maintenance": [{"name": "w", "cron": cron, "minutes": minutes}]})
    for moment in (WEEK[place] for place in at):
        assert bool(maintenance(config, moment)) is (moment in expected)
        ahead = [began for began in begins(cron, moment) if began > moment]
        seconds = 0.0 if moment in expected else (ahead[0] - moment).total_seconds()
        assert seconds_open(config, Work(), moment) == seconds


def test_a_window_ends_at_its_end_and_not_a_moment_later():
    window = Window(name="w", cron="0 3 * * *", minutes=60)
    end = MONDAY.replace(hour=4)
    assert end_of(window, end - timedelta(microseconds=1)) == end
    assert end_of(window, end) is None
    assert end_of(window, MONDAY.replace(hour=3)) == end
    assert end_of(window, MONDAY.replace(hour=3) - timedelta(microseconds=1)) is None


KINDS = {"hosts": "espn_site", "sources": "espn", "priorities": "low"}
OF_ALL = Work(host="espn_site", sources=frozenset({"espn", "hoopr"}), priority="low")
OF_NONE = Work(host="bbref", sources=frozenset({"basketball_reference"}), priority="critical")


@pytest.mark.parametrize("named", [["hosts"], ["sources"], ["priorities"], ["hosts", "priorities"], [*KINDS]])
def test_a_pause_is_about_what_is_one_of_every_kind_that_it_names(named: list[str]):
    told = {"name": "p", "cron": "0 12 * * *", "minutes": 1} | {kind: [KINDS[kind]] for kind in named}
    config = AutonomousConfig.model_validate({"pauses": [told]})
    assert paused(config, OF_ALL, NOON) == "paused: `p` until 2024-12-02 12:01 UTC"
    assert paused(config, OF_NONE, NOON) == paused(config, OF_ALL, NOON + timedelta(minutes=1)) == ""
    assert (seconds_open(config, OF_ALL, NOON), seconds_open(config, OF_NONE, NOON)) == (0.0, None)


def batch(priority: str, scraper: str = "espn_summary") -> Batch:
    return Batch("id", scraper, "2024-25", priority, None, ("espn/box_scores",), ("task",), 1, "")


def test_what_of_the_queue_rests_is_told_with_its_end():
    config = AutonomousConfig.model_validate(
        {
            "pauses": [{"name": "night", "cron": "0 6 * * *", "minutes": 960, "priorities": ["low"]}],
            "dispatch": {"minutes_between": {"medium": 60, "high": 10}},
        }
    )
    starts = {"medium": NOON - timedelta(minutes=59), "high": NOON - timedelta(minutes=10), "low": NOON}
    rests = Restraints.at(config, NOON, starts, {"espn_summary": "espn_site"})
    assert [name for name in ("critical", "high", "medium", "low") if batch(name) in rests] == ["medium", "low"]
    assert str(rests) == (
        "paused: `night` until 2024-12-02 22:00 UTC; started lately: `medium` until 2024-12-02 12:01 UTC"
    )
    assert str(Restraints.at(AutonomousConfig(), NOON, starts, {})) == ""


@pytest.mark.parametrize("priority", ["critical", "high", "medium", "low"])
def test_each_priority_waits_its_own_minutes_but_for_no_wrong_clock(priority: str):
    waits = AutonomousConfig.model_validate({"dispatch": {"minutes_between": {priority: 30}}})

    def rests(config: AutonomousConfig, minutes: int) -> bool:
        began = NOON + timedelta(minutes=minutes)
        return batch(priority) in Restraints.at(config, NOON, {priority: began}, {})

    assert [rests(waits, minutes) for minutes in (-30, -29, 0, 1, 600_000)] == [False, True, True, False, False]
    assert not any(rests(AutonomousConfig(), minutes) for minutes in (-1, 0, 180))


@pytest.mark.parametrize(
    "told",
    ["x", "[1]", '{"last_started": 5}', '{"low": "y"}', '{"last_started": {"low": "2024-01-01T00:00:00"}}', "null"],
)
def test_what_a_sensor_cannot_have_remembered_counts_as_nothing_started(told: str):
    assert Starts.read(told) == Starts.read(None)


def test_an_end_is_that_of_the_last_of_overlapping_times():
    window = Window(name="w", cron="0,30 8-10 * * *", minutes=45)
    assert rests_until(window, MONDAY.replace(hour=9)) == MONDAY.replace(hour=11, minute=15)
    assert rests_until(window, NOON) is None
    always = {"maintenance": [{"name": "w", "cron": "*/30 * * * *", "minutes": 60}]}
    assert maintenance(AutonomousConfig.model_validate(always), NOON) == "maintenance: `w` with no end in sight"


def resting(*windows: tuple[str, int]) -> AutonomousConfig:
    told = [{"name": f"w{place}", "cron": cron, "minutes": minutes} for place, (cron, minutes) in enumerate(windows)]
    return AutonomousConfig.model_validate({"maintenance": told})


def test_time_at_work_is_counted_minute_by_minute():
    windows = [("0 3 * * *", 120), ("30 4 * * 1,3", 90), ("15 * * * *", 1)]
    config = resting(*windows)
    rests = set[datetime]().union(*(open_minutes(cron, minutes) for cron, minutes in windows))
    since, now = MONDAY + timedelta(days=1, hours=2), MONDAY + timedelta(days=3, hours=4, minutes=7)
    worked = sum(1 for moment in WEEK if since <= moment < now and moment not in rests)
    assert time_at_work(config, since, now) == timedelta(minutes=worked)
    assert time_at_work(resting(), since, now) == now - since
    assert time_at_work(config, now, now) == timedelta(0)


def test_what_always_falls_into_maintenance_never_begins():
    config = resting(("0 5 * * *", 60), ("0 0 * * 0", 1_440))
    crons = ("20 5 * * *", "0 6 * * *", "*/15 * * * *", "0 12 * * 0", "0 12 * * 0,1", "0 5 1 1 *")
    assert [never_begins(config, cron, NOON) for cron in crons] == [True, False, False, True, False, True]


def test_a_sensor_remembers_when_it_has_started_what():
    first = Starts.read(None).then([batch("low"), batch("critical")], NOON)
    later = Starts.read(first.text()).then([batch("high")], NOON + timedelta(hours=1))
    assert later.moments == {"low": NOON, "critical": NOON, "high": NOON + timedelta(hours=1)}
    assert later.since["low"] == 2


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"pauses": [{"name": "p", "cron": "0 0 * * *", "minutes": 5}]}, "a pause names `hosts`"),
        ({"maintenance": [{"name": "m", "cron": "0 0 * * *", "minutes": 10_081}]}, "less than or equal to 10080"),
        ({"maintenance": [{"name": "m", "cron": "0 0 * * *", "minutes": 5}] * 2}, "two entries are named `m`"),
        ({"maintenance": [{"name": "A b", "cron": "0 0 * * *", "minutes": 5}]}, "maintenance.0.name"),
        ({"maintenance": [{"name": "m", "cron": "0 0 30 2 *", "minutes": 5}]}, "no day that ever comes"),
        ({"pauses": [{"name": "p", "cron": "0 0 * * *", "minutes": 5, "priorities": ["urgent"]}]}, "priorities.0"),
        ({"scheduled_scrapes": [{"name": "s", "cron": "0 0 * * *", "source": "espn", "max_minutes": 121}]}, "120"),
        ({"resources": {"nice": 20}}, "resources.nice"),
        ({"test_mode": {"tasks": 3}}, "test_mode.tasks"),
    ],
)
def test_what_could_not_be_meant_is_refused(told: dict[str, object], said: str):
    with pytest.raises(ValidationError, match=said):
        AutonomousConfig.model_validate(told)
