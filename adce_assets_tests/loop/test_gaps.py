"""Which open keys are gaps, how urgent they are, and what is remembered of them."""

from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.errors import LakeError
from adce_assets.loop.gaps import RULES
from adce_assets.loop.state import COVERAGE, GAP_KEYS, GAPS
from adce_assets_tests.examples import examples

if TYPE_CHECKING:
    from adce_assets.lake.store import StoredObject
    from adce_assets.loop.state import State
    from adce_assets_tests.loop.conftest import Loop, Row

SEASONS = ("2024-25", "2023-24", "2003-04")
URGENCY = {"critical": 0, "high": 1, "medium": 2, "low": 3}


def held(loop: "Loop", data_set: str = "espn/scoreboard", season: str = "2024-25") -> "Row":
    return loop.row(data_set, "held", season=season, state="present")


def of(gap: Any) -> tuple[str, str]:
    return gap.priority, gap.gap_type


PRIORITIES = [
    ("espn/play_by_play", "2024-25", 0.6, ("critical", "recent_event")),
    ("espn/play_by_play", "2024-25", 7, ("critical", "recent_event")),
    ("espn/play_by_play", "2024-25", 7.01, ("high", "current_season")),
    ("espn/play_by_play", "2023-24", 3, ("critical", "recent_event")),
    ("espn/play_by_play", "2023-24", 300, ("medium", "previous_season")),
    ("espn/play_by_play", "2003-04", 8000, ("low", "history")),
    ("espn/scoreboard", "2024-25", 2, ("critical", "recent_event")),
    ("espn/scoreboard", "2024-25", 90, ("high", "current_season")),
    ("espn/scoreboard", "2023-24", 290, ("medium", "previous_season")),
    ("espn/odds", "2024-25", 1, ("medium", "current_optional")),
    ("espn/odds", "2023-24", 300, ("medium", "previous_season")),
    ("espn/odds", "2003-04", 8000, ("low", "history")),
    ("nba_api/schedule", "2024-25", 100, ("critical", "current_schedule")),
    ("nba_api/schedule", "2003-04", 8000, ("low", "history")),
    ("nba_api/schedule_mirror", "2024-25", 100, ("medium", "current_optional")),
    ("nba_api/tracking", "2024-25", 100, ("medium", "current_optional")),
    ("nba_api/awards", "all", 20_000, ("low", "whole_history")),
]


@pytest.mark.parametrize(("data_set", "season", "days_ago", "expected"), PRIORITIES)
def test_a_key_has_the_priority_of_the_first_rule_that_holds(
    loop: "Loop", data_set: str, season: str, days_ago: float, expected: tuple[str, str]
) -> None:
    others = [loop.row(data_set, f"{number}", season=season, state="present") for number in range(20)]
    known = [held(loop), held(loop, "nba_api/schedule_mirror")]
    states = ("missing", "stale", "damaged")
    rows = [loop.row(data_set, state, season=season, days_ago=days_ago, state=state) for state in states]

    (gap,) = loop.find(loop.state([*rows, *others, *known])).gaps
    assert (of(gap), gap.keys) == (expected, 3)


def test_every_rule_gives_some_key_its_priority() -> None:
    assert {gap_type for *_, (_, gap_type) in PRIORITIES} == {rule.name for rule in RULES}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("missing", ("critical", "current_schedule")),
        ("damaged", ("critical", "current_schedule")),
        ("stale", ("high", "current_season")),
    ],
)
def test_an_old_day_of_the_schedule_is_critical_only_while_nothing_of_the_schedule_is_held(
    loop: "Loop", state: str, expected: tuple[str, str]
) -> None:
    summary = loop.find(loop.state([loop.row("espn/scoreboard", "2024-10-22", days_ago=85, state=state)]))
    assert [of(gap) for gap in summary.gaps] == [expected]


def test_an_optional_copy_of_the_schedule_is_critical_when_it_is_the_only_hope(loop: "Loop") -> None:
    summary = loop.find(loop.state([loop.row("nba_api/schedule_mirror", "x", days_ago=100)]))
    assert [of(gap) for gap in summary.gaps] == [("critical", "current_schedule")]


def test_last_seasons_schedule_says_nothing_of_this_season(loop: "Loop") -> None:
    rows = [loop.row("espn/scoreboard", "x", days_ago=85), held(loop, season="2023-24")]
    assert loop.find(loop.state(rows)).gaps[0].priority == "critical"


def test_the_threshold_of_days_is_configured(loop: "Loop") -> None:
    state = loop.state([loop.row(days_ago=10)])
    assert loop.find(state, critical_threshold_days=10).gaps[0].priority == "critical"
    assert loop.find(state, critical_threshold_days=9.9).gaps[0].priority == "high"


@pytest.mark.parametrize(
    ("data_set", "season", "present", "expected"),
    [
        ("espn/odds", "2024-25", 79, "high"),
        ("espn/odds", "2024-25", 80, "medium"),
        ("espn/odds", "2024-25", 0, "high"),
        ("espn/odds", "2023-24", 0, "medium"),
        ("espn/odds", "2003-04", 0, "low"),
        ("espn/play_by_play", "2024-25", 0, "high"),
        ("espn/play_by_play", "2003-04", 0, "low"),
        ("nba_api/awards", "all", 0, "low"),
    ],
)
def test_completeness_raises_a_cell_only_within_its_age_class(
    loop: "Loop", data_set: str, season: str, present: int, expected: str
) -> None:
    rows = loop.rows(present, data_set, season=season, state="present", days_ago=8)
    rows += loop.rows(100 - present, data_set, first=present, season=season, days_ago=8)
    assert {gap.priority for gap in loop.find(loop.state(rows)).gaps} == {expected}


def test_what_was_raised_says_why(loop: "Loop") -> None:
    gap = loop.find(loop.state(loop.rows(3, "espn/odds") + loop.rows(7, "espn/odds", first=3, state="present"))).gaps[0]
    assert gap.reason.endswith(
        "; high because it is optional and of the current season, and the cell is only 70.0 % complete"
    )


def test_thresholds_are_configured(loop: "Loop") -> None:
    state = loop.state(loop.rows(3, "espn/odds") + loop.rows(7, "espn/odds", first=3, state="present"))
    thresholds = {"critical": 0.1, "high": 0.2, "medium": 0.3, "low": 0.4}
    found = loop.find(state, completeness_thresholds=thresholds).gaps[0]
    assert (found.priority, found.urgency) == ("medium", 1)  # below its data type's own 0.95


@pytest.mark.parametrize(("present", "urgency"), [(0, 5), (60, 4), (90, 3), (96, 1), (99, 0)])
def test_urgency_counts_the_thresholds_that_a_cell_is_below(loop: "Loop", present: int, urgency: int) -> None:
    rows = loop.rows(present, state="present") + loop.rows(100 - present, first=present)
    assert loop.find(loop.state(rows)).gaps[0].urgency == urgency


@pytest.mark.parametrize("state", ["present", "unknown", "not_due", "unavailable"])
def test_a_key_that_nothing_can_be_done_about_is_no_gap(loop: "Loop", state: str) -> None:
    written = loop.state(loop.rows(3, state=state))
    document = loop.find(written).document
    assert (document["total_gaps"], document["total_keys"], document["gaps"]) == (0, 0, [])
    assert written.read_table(GAP_KEYS).num_rows == 0


def test_the_reason_says_what_is_open_of_how_much_and_why_it_matters(loop: "Loop") -> None:
    rows = [
        *loop.rows(12, days_ago=20),
        *loop.rows(3, first=12, days_ago=30, state="stale"),
        *loop.rows(1, first=15, days_ago=40, state="damaged"),
        *loop.rows(1000, first=16, days_ago=50, state="present"),
        *loop.rows(300, first=2000, days_ago=-20, state="not_due"),
    ]
    (gap,) = loop.find(loop.state(rows)).gaps
    assert gap.reason == (
        "12 of 1,316 play_by_play documents of 2024-25 are missing and 3 are stale and 1 is damaged; "
        "the newest event was 2024-12-26; the schedule counts 1,316, 1,016 due; "
        "high because it is required and of the current season"
    )


def test_a_gap_with_several_reasons_counts_the_keys_of_each_and_has_the_type_of_most(loop: "Loop") -> None:
    rows = [*loop.rows(2, "espn/scoreboard", days_ago=1), *loop.rows(5, "espn/scoreboard", first=2)]
    (gap,) = loop.find(loop.state(rows)).gaps
    assert gap.gap_type == "current_schedule"
    assert gap.reason.endswith(
        "; critical because it is required and its event was less than 7 days ago (2 of 7), "
        "or it is the schedule of the current season, from which its games are known (5 of 7)"
    )


def test_a_gap_says_the_numbers_of_its_cell(loop: "Loop") -> None:
    rows = loop.rows(2, days_ago=1) + loop.rows(3, first=2) + loop.rows(15, first=5, state="present")
    critical, high = loop.find(loop.state(rows)).gaps
    assert (critical.missing_files, critical.keys, high.missing_files) == (2, 2, 3)
    assert (high.expected_files, high.actual_files, high.completeness_pct) == (20, 15, 75.0)
    assert (high.scraper, high.source, high.data_type, high.season) == (
        "espn_summary",
        "espn",
        "play_by_play",
        "2024-25",
    )


def test_the_version_to_replace_is_handed_on(loop: "Loop") -> None:
    stale = loop.row(state="stale", etag="v1")
    state = loop.state([stale, loop.row(entity="3")])
    loop.find(state)
    rows = state.read_table(GAP_KEYS).to_pylist()
    assert {row["key"]: row["etag"] for row in rows} == {stale.key: "v1", "play_by_play/2024-25/3.json": None}


def test_a_gap_found_again_keeps_its_id_and_the_time_it_was_first_detected(loop: "Loop") -> None:
    state = loop.state(loop.rows(3))
    first = loop.find(state).gaps[0]
    later = loop.now + timedelta(hours=3)
    loop.state(loop.rows(2, first=1), state=state)
    again = loop.find(state, now=later).gaps[0]
    assert (again.id, again.detected_at) == (first.id, loop.now.isoformat())
    assert state.read_json(GAPS)["generated_at"] == later.isoformat()


def test_a_cell_with_new_holes_every_night_is_only_as_old_as_its_oldest_open_key(loop: "Loop") -> None:
    state = loop.state(loop.rows(3))
    loop.find(state)
    for night in range(1, 4):
        now = loop.now + timedelta(days=night)
        loop.state(loop.rows(3, first=3 * night), state=state)
        found = loop.find(state, now=now).gaps[0]
        assert found.detected_at == now.isoformat()


def test_a_gap_that_was_gone_for_a_while_is_detected_anew(loop: "Loop") -> None:
    state = loop.state(loop.rows(3))
    first = loop.find(state).gaps[0]
    loop.state(loop.rows(3, state="present"), state=state)
    loop.find(state, now=loop.now + timedelta(hours=1))
    loop.state(loop.rows(3), state=state)
    again = loop.find(state, now=loop.now + timedelta(hours=2)).gaps[0]
    assert (again.id, again.detected_at) == (first.id, (loop.now + timedelta(hours=2)).isoformat())


def test_a_clock_set_back_never_detects_in_the_future(loop: "Loop") -> None:
    state = loop.state(loop.rows(3))
    loop.find(state)
    before = loop.now - timedelta(days=1)
    assert loop.find(state, now=before).gaps[0].detected_at == before.isoformat()


def test_a_table_and_a_summary_of_two_runs_are_refused(loop: "Loop") -> None:
    state = loop.state(loop.rows(3))
    stale_summary = state.read_json(COVERAGE)
    loop.state(loop.rows(4), state=state)
    state.write_json(COVERAGE, stale_summary)
    with pytest.raises(LakeError, match="counts 3 open keys and the table holds 4"):
        loop.find(state)


def test_a_cell_that_the_contract_does_not_name_is_refused(loop: "Loop") -> None:
    state = loop.state(loop.rows(3))
    summary = state.read_json(COVERAGE)
    summary["cells"][0]["data_type"] = "shots"
    state.write_json(COVERAGE, summary)
    with pytest.raises(LakeError, match="espn/shots"):
        loop.find(state)


def test_without_an_analysis_there_are_no_gaps_to_find(loop: "Loop") -> None:
    state = loop.state([])
    state.store.delete(f"{COVERAGE}.json")
    with pytest.raises(LakeError, match="adce reconcile"):
        loop.find(state)


@st.composite
def lakes(draw: st.DrawFn) -> list[tuple[str, str, str, float]]:
    """Draw keys as (data set, season, state, days ago)."""
    data_sets = ("espn/scoreboard", "espn/play_by_play", "espn/odds", "nba_api/schedule", "nba_api/schedule_mirror")
    states = ("missing", "missing", "present", "stale", "damaged", "not_due", "unknown", "unavailable")
    days = st.sampled_from([0.0, 0.5, 6.9, 7.0, 7.1, 30.0, 400.0])
    key = st.tuples(st.sampled_from(data_sets), st.sampled_from(SEASONS), st.sampled_from(states), days)
    return draw(st.lists(key, max_size=60))


def rows_of(loop: "Loop", lake: list[tuple[str, str, str, float]]) -> list["Row"]:
    return [
        loop.row(data_set, f"{place}", season=season, state=state, days_ago=days_ago)
        for place, (data_set, season, state, days_ago) in enumerate(lake)
    ]


def oracle(rows: list["Row"], row: "Row", now: datetime) -> str:
    """Say the priority of an open key in the words of the rules, one key at a time."""
    name = f"{row.source}/{row.data_type}"
    required = name not in {"espn/odds", "nba_api/schedule_mirror"}
    assert row.event_at is not None
    if required and timedelta(0) <= now - row.event_at <= timedelta(days=7):
        return "critical"
    if row.season != "2024-25":
        return "medium" if row.season == "2023-24" else "low"
    family = {"espn/scoreboard": ["espn/scoreboard"]}.get(name, ["nba_api/schedule", "nba_api/schedule_mirror"])
    if name in {"espn/scoreboard", "nba_api/schedule", "nba_api/schedule_mirror"}:
        readable = [
            other
            for other in rows
            if f"{other.source}/{other.data_type}" in family
            and other.season == row.season
            and other.state in {"present", "stale"}
        ]
        if not readable or name == "nba_api/schedule":
            return "critical"
    if required:
        return "high"
    cell = [other for other in rows if (other.source, other.data_type, other.season) == row_cell(row)]
    due = [other for other in cell if other.state not in {"not_due", "unavailable"}]
    present = [other for other in due if other.state == "present"]
    return "high" if len(present) / len(due) < 0.8 else "medium"


def row_cell(row: "Row") -> tuple[str, str, str]:
    return row.source, row.data_type, row.season


@settings(max_examples=examples(12))
@given(lakes(), st.integers(0, 1000))
def test_every_open_key_is_in_exactly_one_gap_with_the_priority_an_oracle_gives_it(
    loop: "Loop", lake: list[tuple[str, str, str, float]], shuffle: int
) -> None:
    rows = rows_of(loop, lake)
    state = loop.state(rows, shuffle=shuffle)
    summary = loop.find(state)
    wanted = {row.key: oracle(rows, row, loop.now) for row in rows if row.state in {"missing", "stale", "damaged"}}

    written = state.read_table(GAP_KEYS).to_pylist()
    assert Counter(row["key"] for row in written) == Counter(wanted.keys())
    assert {row["key"]: row["priority"] for row in written} == wanted
    by_gap = Counter(row["gap_id"] for row in written)
    assert by_gap == {gap.id: gap.keys for gap in summary.gaps}
    cells = [(gap.source, gap.data_type, gap.season, gap.priority) for gap in summary.gaps]
    assert len(set(cells)) == len(cells)
    assert cells == sorted(cells, key=lambda cell: (URGENCY[cell[3]], *cell[:3]))
    document = summary.document
    assert document["gaps"] == [asdict(gap) for gap in summary.gaps]
    assert sum(document["by_priority"].values()) == sum(document["by_source"].values()) == document["total_gaps"]
    assert document["total_keys"] == len(wanted)


def test_equal_input_gives_identical_bytes_whatever_the_order_of_its_rows(loop: "Loop") -> None:
    rows = loop.rows(4000, days_ago=5) + loop.rows(300, "espn/odds", state="stale") + loop.rows(9, season="2003-04")
    states = [loop.state(rows, shuffle=shuffle) for shuffle in (1, 2)]
    for state in states:
        loop.find(state)
    for name in (f"{GAPS}.json", f"{GAP_KEYS}.parquet"):
        assert states[0].store.get(name) == states[1].store.get(name)


def test_finding_twice_changes_nothing_but_the_time(loop: "Loop") -> None:
    state = loop.state(loop.rows(40) + loop.rows(7, days_ago=1, first=50))
    first = loop.find(state).document
    second = loop.find(state, now=loop.now + timedelta(minutes=5)).document
    assert second | {"generated_at": ""} == first | {"generated_at": ""}


def written(state: "State") -> dict[str, "StoredObject | None"]:
    return {name: state.store.head(name) for name in (f"{GAPS}.json", f"{GAP_KEYS}.parquet")}


def test_what_is_found_again_is_not_written_again(loop: "Loop") -> None:
    state = loop.state(loop.rows(40))
    loop.find(state)
    before = written(state)
    loop.state(loop.rows(40), state=state, shuffle=3)
    loop.find(state, now=loop.now + timedelta(hours=1))
    assert written(state) == before


def test_a_summary_that_says_the_same_for_too_long_is_written_anew_and_its_keys_are_not(loop: "Loop") -> None:
    state = loop.state(loop.rows(40))
    loop.find(state)
    before = written(state)
    later = loop.now + timedelta(hours=3, seconds=1)  # the freshness that is configured
    loop.find(state, now=later)
    after = written(state)
    assert [name for name in after if after[name] != before[name]] == [f"{GAPS}.json"]
    assert state.read_json(GAPS)["generated_at"] == later.isoformat()


def test_another_version_to_replace_changes_the_keys_and_not_the_summary(loop: "Loop") -> None:
    state = loop.state([loop.row(state="stale", etag="v1")])
    loop.find(state)
    before = written(state)
    loop.state([loop.row(state="stale", etag="v2")], state=state)
    loop.find(state, now=loop.now + timedelta(minutes=5))
    after = written(state)
    assert [name for name in after if after[name] != before[name]] == [f"{GAP_KEYS}.parquet"]


def test_an_event_that_is_no_longer_recent_changes_its_gap_without_any_change_of_the_lake(loop: "Loop") -> None:
    state = loop.state([loop.row(days_ago=6.99)])
    assert loop.find(state).gaps[0].priority == "critical"
    loop.find(state, now=loop.now + timedelta(hours=1))
    assert state.read_json(GAPS)["by_priority"] == {"critical": 0, "high": 1, "medium": 0, "low": 0}


def test_a_table_that_is_refused_leaves_the_last_gaps_as_they_were(loop: "Loop") -> None:
    state = loop.state(loop.rows(3))
    loop.find(state)
    before, summary = written(state), state.read_json(COVERAGE)
    loop.state(loop.rows(4), state=state)
    state.write_json(COVERAGE, summary)
    with pytest.raises(LakeError):
        loop.find(state)
    assert written(state) == before
