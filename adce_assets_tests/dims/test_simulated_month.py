"""A month goes by hour after hour, with what goes wrong in a month planted in it: just that is told, and it is kept."""

import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from adce_assets.dims import approvals, snapshots
from adce_assets.dims.accepted import load
from adce_assets.dims.events import happened
from adce_assets.dims.history_records import ApprovalState
from adce_assets.dims.metrics import Status, Value
from adce_assets.dims.place import Place, open_place
from adce_assets.dims.verification import Verification, verify
from adce_assets.loop import inventory
from adce_assets_tests.conftest import Workshop

START = datetime(2025, 3, 16, tzinfo=UTC)
DAYS, DAY, HOUR = 30, timedelta(days=1), timedelta(hours=1)
TICK = timedelta(minutes=5)
"""Past the hour."""
KEPT_DAYS, KEPT_SNAPSHOTS = 7, 5

CONTRACT = """
version: 1
leagues: {nba: {first_season: 2020-21, season_starts: 10}}
sources:
  one:
    description: a source
    league: nba
    data_types:
      totals: {description: a season, templates: ['one/totals_{season}.json'], seasons: 2020-21..}
"""
CONFIG = f"""
version: 1
retention: {{days: {KEPT_DAYS}, snapshots: {KEPT_SNAPSHOTS}}}
events: {{git_post_commit: {{refresh: [code], cooldown_seconds: 60}}}}
metrics:
  lake:
    objects: {{measure: {{kind: objects}}, unit: objects, nature: volatile, critical: true, ttl_minutes: 1440, description: of the lake}}
  stock:
    rows: {{measure: {{kind: document, file: stock.json, path: rows}}, unit: rows, nature: volatile, critical: true, ttl_minutes: 0, description: rows}}
    sync: {{measure: {{kind: document, file: stock.json, path: sync}}, unit: state, nature: stable, ttl_minutes: 0, description: in sync}}
    games: {{measure: {{kind: document, file: stock.json, path: games}}, unit: games, nature: volatile, ttl_minutes: 0, season_months: [10, 11, 12, 1, 2, 3], description: games}}
  code:
    lines: {{measure: {{kind: lines, include: [pages.md]}}, unit: lines, nature: stable, ttl_minutes: 0, description: lines}}
  loop:
    ticks: {{measure: {{kind: ticks_missed, of: schedule, name: hourly}}, unit: ticks, nature: volatile, ttl_minutes: 0, thresholds: {{minor: 1000, moderate: 2000, major: 3000}}, description: ticks}}
"""  # noqa: E501 - a line for each metric


def at(day: int, hour: int = 0, minute: int = 5) -> datetime:
    return START + timedelta(days=day, hours=hour, minutes=minute)


def hours(first: datetime, last: datetime) -> Iterator[datetime]:
    while first <= last:
        yield first
        first += HOUR


DOWN = {*hours(at(10, 12), at(10, 16)), at(18, 3)}
"""When the machine was down, and no tick came."""
CHANGES: Mapping[datetime, Mapping[str, Any]] = {
    at(3, 6): {"games": 150},
    at(4, 7): {"rows": 0.5},
    at(6, 0): {"rows": 2},
    at(7, 1): {"sync": "behind"},
    at(7, 4): {"sync": "in_sync"},
    at(8, 5): {"lines": 21},
    at(9, 5): {"lines": 25},
    at(10, 5): {"lines": 50},
    at(11, 0): {"objects": 30},
    at(12, 3): {"rows": 1.4},
    at(14, 0): {"objects": 40},
    at(15, 2): {"readable": False},
    at(15, 5): {"readable": True},
    at(20, 6): {"games": 225},
}
REJECTED, ACCEPTED = at(5, 9, 30), at(13, 10, 30)
PLANTED = {
    "stock.games": {at(3, 6): Status.MAJOR, at(20, 6): Status.MINOR},  # in March, and in April, when nobody plays
    "stock.rows": dict.fromkeys([*hours(at(4, 7), at(5, 23)), *hours(at(12, 3), at(13, 10))], Status.MAJOR),
    "stock.sync": {at(7, 1): Status.MAJOR, at(7, 4): Status.MAJOR},
    "code.lines": {at(8, 5): Status.MINOR, at(9, 5): Status.MODERATE, at(10, 5): Status.MAJOR},
    "lake.objects": dict.fromkeys(hours(at(11), at(13, 23)), Status.MAJOR),
    "loop.ticks": {at(10, 17): Status.MAJOR, at(18, 4): Status.MAJOR},  # from 0, of which nothing is a percentage
}
UNREADABLE = dict.fromkeys(hours(at(15, 2), at(15, 4)), Status.ERROR)


class Month:
    """A project, its clock, and what happens to it."""

    def __init__(self, workshop: Workshop) -> None:
        self.now = START
        self.project = workshop.project(CONTRACT, now=lambda: self.now)
        self.home = self.project.settings.home
        config = self.project.settings.metrics_config_path
        config.write_text(CONFIG)
        os.utime(config, (0, 0))
        self.ticked: list[datetime] = []
        self.told: dict[str, dict[datetime, Status]] = {}
        self.values: dict[str, dict[datetime, Value | None]] = {}
        self.cached: Counter[str] = Counter()
        self.noise, self.level = random.Random(7), 10_000.0
        self.stock: dict[str, Any] = {"sync": "in_sync", "games": 100}
        self.change({"lines": 20, "objects": 40})

    def missed(self, kind: str, name: str, since: datetime) -> int:
        """Count the ticks that should have come since, as the records of a scheduler would be asked for them."""
        assert (kind, name) == ("schedule", "hourly")
        first = max(since, START)
        due = int((self.now - TICK - START) / HOUR) - int((first - TICK - START) / HOUR)
        return due - sum(first < tick <= self.now for tick in self.ticked if tick != START + TICK)

    def change(self, what: Mapping[str, Any]) -> None:
        """Let something happen to the lake, the stock or the code."""
        if "objects" in what:
            self.fill(what["objects"])
        if "lines" in what:
            (self.home / "pages.md").write_text("a line\n" * what["lines"])
        self.level *= what.get("rows", 1)
        self.stock["rows"] = round(self.level * self.noise.uniform(0.98, 1.02))
        self.stock |= {name: value for name, value in what.items() if name in {"sync", "games"}}
        if what.get("readable", True) and self.now not in UNREADABLE:
            (self.home / "stock.json").write_text(json.dumps(self.stock))
        else:
            (self.home / "stock.json").unlink(missing_ok=True)

    def fill(self, count: int) -> None:
        """Let the lake hold so many objects, and take its inventory."""
        for number in range(40):
            if number < count:
                self.project.lake.put(f"stray/{number}.json", b"{}")
            else:
                self.project.lake.delete(f"stray/{number}.json")
        inventory.take(self.project, mode="list", accept_loss=True)

    def tick(self, place: Place) -> Verification:
        """Verify everything, as the hourly schedule does, and remember what was told."""
        self.ticked.append(self.now)
        found = verify(place, update=True, by="dagster", trigger="schedule")
        for verdict in found.verdicts:
            metric, status = verdict.measurement.metric, verdict.status
            self.values.setdefault(metric, {})[self.now] = verdict.measurement.value
            self.cached[metric] += verdict.measurement.is_cached
            if status not in {Status.OK, Status.NEW}:
                self.told.setdefault(metric, {})[self.now] = status
        return found

    def commit(self, place: Place, day: int) -> list[bool]:
        """Commit a few times around noon; say which of the commits were acted on."""
        done = []
        for second, branch in ((0, "main"), (10, "dev"), (20, "main"), (59, "main"), (60, "main")):
            self.now = at(day, 12, 30) + timedelta(seconds=second)
            done.append(happened(place, "git_post_commit", branch, by="hook").ran)
        return done

    def decide(self, place: Place, *, accept: bool) -> None:
        (waiting,) = [one for one in approvals.pending(place) if one.metric == "stock.rows"]
        approvals.decide(place, waiting.id, accept=accept, by="ann", note="seen")

    def goes_by(self) -> None:
        """Let it go by."""
        for day in range(DAYS):
            with open_place(self.project, missed_ticks=self.missed) as place:
                self.day(place, day)

    def day(self, place: Place, day: int) -> None:
        for hour in range(24):
            self.now = at(day, hour)
            self.change(CHANGES.get(self.now, {}))
            if self.now not in DOWN:
                self.tick(place)
            for moment, accept in ((REJECTED, False), (ACCEPTED, True)):
                if at(day, hour, 30) == moment:
                    self.now = moment
                    self.decide(place, accept=accept)
            if hour == 12:
                assert self.commit(place, day) == [True, True, False, False, True]
        self.now = at(day, 23, 50)
        snapshots.take(place, self.now.date())


@pytest.fixture(scope="module")
def month(workshop: Workshop) -> Month:
    """A month that has gone by."""
    month = Month(workshop)
    month.goes_by()
    return month


@pytest.fixture
def place(month: Month) -> Iterator[Place]:
    with open_place(month.project, missed_ticks=month.missed) as opened:
        yield opened


def test_just_what_was_planted_is_told_and_just_when(month: Month):
    planted = {(metric, *when) for metric, planted in PLANTED.items() for when in planted.items()}
    planted |= {(f"stock.{name}", *when) for name in month.stock for when in UNREADABLE.items()}
    told = {(metric, *when) for metric, told in month.told.items() for when in told.items()}
    assert (told - planted, planted - told) == (set(), set())


def test_missed_ticks_are_counted_for_a_day(month: Month):
    counted = month.values["loop.ticks"]
    expected = {tick: sum(tick - DAY < down < tick for down in DOWN) for tick in month.ticked}
    assert [tick for tick in month.ticked if counted[tick] != expected[tick]] == []
    assert (max(expected.values()), len(counted)) == (5, DAYS * 24 - len(DOWN))


def test_what_is_young_enough_is_not_measured_again(month: Month, place: Place):
    assert month.cached == {**dict.fromkeys(month.values, 0), "lake.objects": len(month.ticked) - DAYS}
    lately = place.history.series("lake.objects", at(DAYS - 3))
    assert [point.at for point in lately] == [at(DAYS - 3), at(DAYS - 2), at(DAYS - 1)]


def test_persons_were_asked_as_often_as_needed_and_what_they_said_is_kept_for_good(place: Place):
    found = [(one.metric, one.state, one.by, one.asked_at) for one in place.history.approvals()]
    assert found == [
        ("stock.rows", ApprovalState.REJECTED, "ann", at(4, 7)),
        ("lake.objects", ApprovalState.WITHDRAWN, "dagster", at(11)),
        ("stock.rows", ApprovalState.ACCEPTED, "ann", at(12, 3)),
    ]
    rejected, withdrawn, accepted = place.history.approvals()
    assert (rejected.decided_at, withdrawn.decided_at, accepted.decided_at) == (REJECTED, at(14), ACCEPTED)
    assert len(place.history.proposals(rejected.id)) == len(list(hours(at(4, 7), at(5, 9))))


def test_what_holds_at_the_end_is_what_was_measured_last(month: Month, place: Place):
    holds = {metric: one.value for metric, one in load(place.project.state).items()}
    assert holds == {metric: values[month.ticked[-1]] for metric, values in month.values.items()}
    assert holds["stock.rows"] == month.stock["rows"]


def test_the_history_is_as_long_as_it_may_be(month: Month, place: Place):
    last = month.ticked[-1]
    runs = place.history.runs(limit=100_000)
    assert {run.started_at for run in runs if run.trigger == "schedule"} == set(hours(last - KEPT_DAYS * DAY, last))
    assert all(run.started_at >= last - KEPT_DAYS * DAY for run in runs)
    points = place.history.series("stock.rows", START)
    values = month.values["stock.rows"]
    assert [point.value for point in points] == [values[tick] for tick in hours(last - KEPT_DAYS * DAY, last)]


def test_events_that_came_too_soon_are_counted(place: Place):
    events = place.history.events(limit=1000)
    assert len(events) == KEPT_DAYS * 3
    assert Counter((event.source, event.cooled) for event in events) == {("main", 2): 7, ("main", 0): 7, ("dev", 0): 7}
    assert all(event.run_id is not None and event.ended_at is not None and not event.error for event in events)


def test_the_last_snapshots_are_kept_and_can_be_compared(month: Month, place: Place):
    days = [(at(DAYS - KEPT_SNAPSHOTS) + number * DAY).date() for number in range(KEPT_SNAPSHOTS)]
    assert place.history.snapshot_days() == days
    files = month.project.state.store.list("historical/")
    assert sorted(found.key for found in files) == [f"historical/{day}.yaml" for day in days]
    moved = {one.metric: (one.before, one.after) for one in snapshots.compare(place, days[0], days[1]) if one.drift}
    values = month.values["stock.rows"]
    assert moved == {"stock.rows": (values[at(DAYS - 5, 23)], values[at(DAYS - 4, 23)])}
    assert days[-1] == date(2025, 4, 14)
