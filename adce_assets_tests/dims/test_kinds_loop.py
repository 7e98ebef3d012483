"""Metrics of the loop: queue, ledger, reports and ticks, beside what plain Python says of what was put there."""

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from pydantic import ValidationError

from adce_assets.dims.kinds import registry
from adce_assets.dims.kinds.kind import Kind, KindParameters
from adce_assets.dims.world import World
from adce_assets.errors import LakeError, LedgerError, MetricError, VerifyError
from adce_assets.ledger.chain import Head
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.transitions import Event, State
from adce_assets.verify import report
from adce_assets.verify.checks import Answer, Cell, Check, Level, Question, Severity, check
from adce_assets.verify.checks import Kind as CheckKind
from adce_assets.verify.checks import Row as CheckRow
from adce_assets.verify.report import Run
from adce_assets_tests.dims import small_lake
from adce_assets_tests.dims.small_lake import NOW, measured, shared

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop


@pytest.fixture(scope="module")
def world(workshop: "Workshop") -> World:
    """Lend a world that no test changes."""
    return shared(workshop)


@pytest.fixture
def empty(workshop: "Workshop") -> World:
    """Lend a world in which nothing has happened yet."""
    project = workshop.project(small_lake.CONTRACT, now=NOW)
    return World(project, project.settings.home)


# The queue: the days 11 and 12, three pbp of one season and two of the other; no scraper collects box and awards


@pytest.mark.parametrize(
    ("of", "value"),
    [
        ({}, 3),
        ({"value": "keys"}, 7),
        ({"value": "minutes"}, 0.35),
        ({"value": "left_out"}, 5),
        ({"priority": "critical"}, 1),
        ({"priority": "low"}, 0),
        ({"priority": "high", "value": "keys"}, 3),
        ({"priority": "high", "value": "left_out"}, 4),
        ({"source": "official", "data_type": "pbp", "value": "keys"}, 5),
        ({"source": "almanac"}, 0),
        ({"source": "almanac", "value": "left_out"}, 1),
    ],
)
def test_what_is_queued_is_counted(world: World, of: dict[str, Any], value: float):
    found = measured(world, "queue", **of)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "of"),
    [("queue", {}), ("ledger_events", {"events": ["closed"]}), ("oldest_open", {}), ("time_to_close", {})],
)
def test_what_the_contract_lacks_is_no_zero(world: World, kind: str, of: dict[str, Any]):
    with pytest.raises(MetricError, match=r"no source `oficial`(.|\n)*did you mean `official`"):
        measured(world, kind, source="oficial", **of)
    with pytest.raises(MetricError, match="no data type `awards`"):
        measured(world, kind, source="official", data_type="awards", **of)


def test_before_anything_is_planned_there_is_no_number(empty: World):
    with pytest.raises(LakeError, match="has not been made yet"):
        measured(empty, "queue")


# The ledger


class Gap(NamedTuple):
    """A key with a gap: its data set, and how many hours ago it was found, and closed if it was."""

    key: str
    data_type: str
    found: float
    closed: float | None

    @property
    def source(self) -> str:
        return "almanac" if self.data_type == "awards" else "official"


def drawn(count: int = 60) -> list[Gap]:
    """Draw gaps of ninety days, two of three of which were closed since."""
    chance, gaps = random.Random(7), []
    for number in range(count):
        found = chance.uniform(1, 2000)
        closed = chance.uniform(0.1, found) if chance.random() < 0.66 else None
        gaps.append(Gap(f"k{number}", chance.choice(["pbp", "box", "awards"]), found, closed))
    return gaps


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(seconds=round(hours * 3600))


def told(gap: Gap, event: Event, hours: float, **detail: Any) -> Transition:
    return Transition(gap.key, event, gap.source, gap.data_type, "2023-24", hours_ago(hours), "run", "", detail)


def written(world: World, gaps: Iterable[Gap]) -> None:
    """Write down that gaps were found, seen and closed."""
    entries = [told(gap, Event.DETECTED, gap.found) for gap in gaps]
    for gap in gaps:
        if gap.closed is not None:
            entries += [told(gap, event, gap.closed) for event in (Event.SEEN, Event.CLOSED)]
    assert not world.project.ledger.append(sorted(entries, key=lambda entry: entry.at)).refused


@pytest.fixture(scope="module")
def booked(workshop: "Workshop") -> tuple[World, list[Gap]]:
    """Lend a world with a ledger, and what was written into it."""
    project = workshop.project(small_lake.CONTRACT, now=NOW)
    world, gaps = World(project, project.settings.home), drawn()
    written(world, gaps)
    return world, gaps


WHICH = [{}, {"source": "almanac"}, {"source": "official", "data_type": "pbp"}, {"data_type": "box"}]


def chosen(gaps: list[Gap], of: dict[str, str]) -> list[Gap]:
    return [gap for gap in gaps if all(getattr(gap, name) == value for name, value in of.items())]


@pytest.mark.parametrize("of", WHICH)
@pytest.mark.parametrize("days", [0.5, 1, 7, 365])
def test_what_was_closed_lately_is_counted(booked: tuple[World, list[Gap]], of: dict[str, str], days: float):
    world, gaps = booked
    closed = [gap for gap in chosen(gaps, of) if gap.closed is not None and gap.closed <= days * 24]
    found = [gap for gap in chosen(gaps, of) if gap.found <= days * 24]
    assert measured(world, "ledger_events", events=["closed"], days=days, **of) == len(closed)
    assert measured(world, "ledger_events", events=["closed", "detected"], days=days, **of) == len(closed) + len(found)
    assert measured(world, "ledger_events", events=["failed"], days=days, **of) == 0


@pytest.mark.parametrize("of", WHICH)
def test_the_oldest_open_gap_tells_its_age(booked: tuple[World, list[Gap]], of: dict[str, str]):
    world, gaps = booked
    oldest = max(gap.found for gap in chosen(gaps, of) if gap.closed is None)
    assert measured(world, "oldest_open", span="hours", **of) == pytest.approx(oldest, abs=1e-3)
    assert measured(world, "oldest_open", digits=1, **of) == round(round(oldest * 3600) / 86400, 1)


@pytest.mark.parametrize("of", WHICH)
@pytest.mark.parametrize("percentile", [1, 50, 90, 99])
@pytest.mark.parametrize("days", [20, 90])
def test_the_time_to_close_is_a_percentile(
    booked: tuple[World, list[Gap]], of: dict[str, str], percentile: int, days: float
):
    world, gaps = booked
    took = [gap.found - gap.closed for gap in chosen(gaps, of) if gap.closed is not None and gap.closed <= days * 24]
    expected = quantiles(took, n=100, method="inclusive")[percentile - 1]
    found = measured(world, "time_to_close", percentile=percentile, days=days, **of)
    assert found == pytest.approx(expected, abs=1e-3)


def test_of_one_key_that_was_closed_every_percentile_is_its_own(empty: World):
    written(empty, [Gap("k", "pbp", 10, 4)])
    assert [measured(empty, "time_to_close", percentile=p, span="minutes") for p in (0.1, 50, 99.9)] == [360.0] * 3


def test_where_nothing_was_closed_there_is_no_time_to_close(empty: World):
    written(empty, [Gap("k", "pbp", 2000, 1000), Gap("l", "pbp", 5, None)])
    with pytest.raises(MetricError, match=r"no key was closed in the last 30 day\(s\)"):
        measured(empty, "time_to_close")
    with pytest.raises(MetricError, match="no key was closed"):
        measured(empty, "time_to_close", days=365, source="almanac")


def test_a_key_that_was_opened_again_is_open_and_not_closed(empty: World):
    written(empty, [gap := Gap("k", "pbp", 50, 40)])
    empty.project.ledger.append([told(gap, Event.REOPENED, 30)])
    assert measured(empty, "oldest_open", span="hours") == 30.0
    with pytest.raises(MetricError, match="no key was closed"):
        measured(empty, "time_to_close")


def test_what_is_not_there_to_be_closed_is_not_open_and_what_is_given_up_is(empty: World):
    gaps = [Gap("given_up", "box", 40, None), Gap("none", "pbp", 80, None), Gap("gone", "pbp", 70, None)]
    gaps += [Gap("collected", "pbp", 60, None), Gap("waits", "pbp", 50, None)]
    written(empty, gaps)
    steps = [
        *(told(gaps[0], event, 9) for event in (Event.LEASED, Event.FAILED, Event.DEAD_LETTERED)),
        told(gaps[1], Event.TOMBSTONED, 8),
        told(gaps[2], Event.WITHDRAWN, 7),
        *(told(gaps[3], event, 6) for event in (Event.LEASED, Event.PROMOTED)),
    ]
    assert not empty.project.ledger.append(steps).refused
    assert measured(empty, "oldest_open", span="hours") == 60.0  # nobody else has seen it yet
    assert measured(empty, "oldest_open", span="hours", data_type="box") == 40.0
    states = [State.DEAD_LETTERED, State.TOMBSTONED, State.WITHDRAWN]
    assert [measured(empty, "ledger_keys", states=[state]) for state in states] == [1, 1, 1]
    assert measured(empty, "ledger_keys", states=[*states, "detected", "detected"]) == 4
    assert measured(empty, "ledger_keys", states=["closed"]) == 0


def test_where_nothing_is_open_the_oldest_is_of_no_age(empty: World):
    assert measured(empty, "oldest_open") == 0.0


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        ("ledger_events", {"events": ["closed"]}),
        ("ledger_keys", {"states": ["closed"]}),
        ("oldest_open", {}),
        ("time_to_close", {}),
    ],
)
def test_a_ledger_that_is_out_gives_no_number(workshop: "Workshop", kind: str, of: dict[str, Any]):
    project = workshop.project(small_lake.CONTRACT, now=NOW)
    file = project.settings.home / "ledger.sqlite"
    file.write_bytes(b"this is no database" * 100)
    settings = replace(project.settings, configured_database=f"sqlite:///{file}")
    world = World(replace(project, settings=settings), project.settings.home)
    with pytest.raises(LedgerError):
        measured(world, kind, **of)


# The reports of verification


def answered(state: str, number: int, severity: Severity = Severity.ERROR) -> Check:
    """Give an answer that passed or failed."""
    question = Question(CheckKind.COUNT, Level.SOURCE_READ, f"check {number}", severity=severity)
    rows = (CheckRow('{"k": 1}', "lost"),) if state == "failed" else ()
    answer = Answer(rows=rows, expected="1", actual="1", discrepancy="0", message="in words")
    return check(Cell("games", "2023-24", NOW), question, answer)


def reported(world: World, entity: str, season: str, checks: list[Check], *, hours: float, run: str) -> None:
    """Write a report."""
    at = hours_ago(hours)
    of_run = Run(run, at, at, audit=Head(1, "0" * 64, None))
    document = report.document(entity, season, checks, of_run, published=True, blocking=True, says="")
    report.write(world.project.state.store, document)


@pytest.fixture(scope="module")
def verified(workshop: "Workshop") -> World:
    """Lend a world with reports: of one season two, of which only the second counts."""
    project = workshop.project(small_lake.CONTRACT, now=NOW)
    world = World(project, project.settings.home)
    bad, good = [answered("failed", 1)], [answered("passed", number) for number in range(2, 4)]
    warned = [answered("failed", 9, Severity.WARNING)]
    reported(world, "games", "2022-23", bad, hours=90, run="r1")
    reported(world, "games", "2022-23", good + warned, hours=50, run="r2")
    reported(world, "games", "2023-24", good + bad + warned, hours=5.5, run="r3")
    reported(world, "players", "2023-24", good, hours=7, run="r4")
    return world


@pytest.mark.parametrize(
    ("of", "value"),
    [
        ({}, 100 * 6 / 9),
        ({"digits": 0}, 66.0),
        ({"entity": "games", "digits": 2}, 57.14),
        ({"entity": "players", "digits": 2}, 100.0),
        ({"season": "2023-24", "value": "checks"}, 6),
        ({"value": "checks"}, 9),
        ({"value": "failed_checks"}, 3),
        ({"value": "failed_errors"}, 1),
        ({"value": "seasons"}, 3),
        ({"value": "seasons_failed"}, 1),
        ({"value": "seasons_failed", "entity": "games", "season": "2022-23"}, 0),
        ({"value": "age"}, 5.5),
        ({"value": "age", "span": "minutes", "entity": "players"}, 420.0),
        ({"value": "oldest_age"}, 50.0),
    ],
)
def test_the_last_report_of_each_season_counts(verified: World, of: dict[str, Any], value: float):
    found = measured(verified, "reconciliation", **of)
    assert (found, type(found)) == (value, type(value))


def test_without_a_report_there_is_no_number(empty: World, verified: World):
    for value in ("success_rate_pct", "failed_checks", "age", "seasons"):
        with pytest.raises(MetricError, match="there is no report of verification"):
            measured(empty, "reconciliation", value=value)
    with pytest.raises(MetricError, match="no report of verification of games 1999-00"):
        measured(verified, "reconciliation", entity="games", season="1999-00")


def test_where_no_check_was_asked_there_is_no_rate(empty: World):
    reported(empty, "games", "2023-24", [], hours=1, run="r1")
    with pytest.raises(MetricError, match="no check was asked"):
        measured(empty, "reconciliation")
    assert measured(empty, "reconciliation", value="seasons_failed") == 1


def test_a_report_that_was_changed_is_not_believed(empty: World):
    reported(empty, "games", "2023-24", [answered("failed", 1)], hours=1, run="r1")
    files, key = empty.project.state.store, report.latest_key("games", "2023-24")
    files.put(key, files.get(key).replace(b'"failed": 1', b'"failed": 0'))
    with pytest.raises(VerifyError, match="not the report that was written"):
        measured(empty, "reconciliation")


# Ticks


def test_ticks_are_counted_by_who_knows_them(empty: World):
    asked = []

    def missed(kind: str, name: str, since: datetime) -> int:
        asked.append((kind, name, since))
        return 4

    world = replace(empty, missed_ticks=missed)
    assert measured(world, "ticks_missed", of="schedule", name="hourly", days=2) == 4
    assert asked == [("schedule", "hourly", NOW - timedelta(days=2))]


def test_without_dagster_nobody_knows_which_ticks_were_missed(empty: World):
    with pytest.raises(MetricError, match="nobody knows here which ticks Dagster has missed"):
        measured(empty, "ticks_missed", of="sensor", name="new_gaps")


# Kinds


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "shell", "command": "aws s3 ls | wc -l"},
        {"kind": "queue", "value": "everything"},
        {"kind": "ledger_events", "events": []},
        {"kind": "ledger_events", "events": ["exploded"]},
        {"kind": "time_to_close", "percentile": 100},
        {"kind": "time_to_close", "days": 0},
        {"kind": "objects", "smaller_than": -1},
        {"kind": "objects", "suffix": ".json"},
        {"kind": "cost_estimate", "per_gib": float("inf")},
        {"kind": "ticks_missed", "of": "daemon", "name": "x"},
        {},
    ],
)
def test_an_entry_that_no_kind_understands_is_refused(entry: dict[str, Any]):
    with pytest.raises(ValidationError):
        small_lake.ADAPTER.validate_python(entry)


def test_every_kind_says_what_it_measures():
    assert len(registry.KINDS) >= 17
    for name, kind in registry.KINDS.items():
        assert registry.name_of(kind) == name
        assert kind.parameters.__doc__
        assert kind.parameters.__doc__ != KindParameters.__doc__
        assert kind.measure.__doc__


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_measurement(monkeypatch: pytest.MonkeyPatch, empty: World, value: float):
    broken = Kind(registry.KINDS["queue"].parameters, lambda *_: value)
    monkeypatch.setitem(registry.KINDS, "queue", broken)
    with pytest.raises(MetricError, match="what was measured is no number"):
        measured(empty, "queue")
