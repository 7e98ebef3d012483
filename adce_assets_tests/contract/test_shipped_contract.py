"""The contract that ships with the project, held against facts of another origin: team counts, a lake's listing."""

import csv
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.contract.facts import DimensionRow
from adce_assets.contract.loading import DataSet
from adce_assets.contract.seasons import WHOLE_HISTORY, Season, SeasonRange
from adce_assets.contract.templates import DATE_FIELDS, SEASON_FIELDS, field_values
from adce_assets.lake.classify import Classifier
from adce_assets_tests.shipped import CONTRACT as SHIPPED

INVENTORY = Path(__file__).parents[2] / "inventory"
CLASSIFIER = Classifier(SHIPPED)
DATA_SETS = list(SHIPPED.data_sets.values())
NOW = datetime(2026, 11, 21, tzinfo=UTC)
NOT_COLLECTED = {
    "basketball_reference": [
        *("schedules", "game_referees", "gleague_player_stats", "gleague_game_logs"),
        *("team_game_logs", "team_lineups", "team_on_off", "player_game_logs", "player_shooting_splits"),
    ],
    "hoopr": [
        *("bulk_play_by_play", "bulk_player_box", "bulk_team_box", "bulk_schedule"),
        *("league_dashboards", "standings", "draft", "draft_combine", "static_reference"),
    ],
    "nba_api": ["play_by_play_probes", "incremental_play_by_play", "incremental_box_scores"],
    "sportsdataverse": ["schedule"],
}
"""What another system left in the lake and no source can, or lets itself, be asked for."""


def table(name: str) -> list[dict[str, str]]:
    with (INVENTORY / "tables" / name).open(newline="") as lines:
        return list(csv.DictReader(lines))


TEAMS_BY_SEASON = {
    Season.parse(row["season"]): int(row["teams"])
    for row in table("season_truth.csv")
    if (row["league"], row["season_type"]) == ("nba", "regular")
}


def test_it_declares_what_the_project_promises():
    assert len(DATA_SETS) >= 75
    assert len(SHIPPED.sources) >= 10


@pytest.mark.parametrize("data_set", DATA_SETS, ids=lambda data_set: data_set.name)
def test_every_data_type_says_what_it_is_and_who_collects_it(data_set: DataSet):
    declared = data_set.declared

    assert re.fullmatch(r"[A-Z][^\n]+[^.\s]", declared.description)
    assert (declared.scraper is None) == (data_set.data_type in NOT_COLLECTED.get(data_set.source, []))
    assert declared.seasons or declared.from_date
    assert {"required", "freshness_days", "completeness_threshold"} <= declared.model_fields_set
    assert data_set.season_labels(NOW)


def test_every_description_says_something_of_its_own():
    descriptions = Counter((data_set.source, data_set.declared.description) for data_set in DATA_SETS)

    assert [found for found, count in descriptions.items() if count > 1] == []


def test_a_scraper_of_one_host_serves_the_data_types_of_one_source():
    sources: dict[str, set[str]] = {}
    for data_set in DATA_SETS:
        if data_set.declared.scraper:
            sources.setdefault(data_set.declared.scraper, set()).add(data_set.source)

    assert {scraper: found for scraper, found in sources.items() if len(found) > 1} == {}


def teams_of(dimension: str, season: Season) -> list[str]:
    rows: tuple[DimensionRow, ...] = SHIPPED.dimension_rows[dimension]
    return [row.value for row in rows if season in row.seasons]


@pytest.mark.parametrize("season", TEAMS_BY_SEASON, ids=lambda season: season.label)
def test_each_season_has_as_many_teams_as_history_says(season: Season):
    assert len(teams_of("team", season)) == TEAMS_BY_SEASON[season]


@pytest.mark.parametrize(
    "season", [season for season in TEAMS_BY_SEASON if season.start >= 1955], ids=lambda season: season.label
)
def test_since_no_team_folded_each_has_a_number_of_its_own(season: Season):
    assert len(teams_of("nba_team_id", season)) == TEAMS_BY_SEASON[season]


@pytest.mark.parametrize(
    ("team", "seasons"),
    [
        ("NOH", ["2002-03..2004-05", "2007-08..2012-13"]),
        ("NOK", ["2005-06..2006-07"]),
        ("SEA", ["1967-68..2007-08"]),
        ("CHH", ["1988-89..2001-02"]),
        ("CHA", ["2004-05..2013-14"]),
        ("CHO", ["2014-15.."]),
        ("NYN", ["1976-77..1976-77"]),
        ("BLB", ["1947-48..1954-55"]),
        ("WAS", ["1997-98.."]),
    ],
)
def test_teams_that_moved_or_were_renamed_have_their_years(team: str, seasons: list[str]):
    rows = SHIPPED.dimension_rows["team"]

    assert [row.seasons for row in rows if row.value == team] == [SeasonRange.parse(text) for text in seasons]


def test_regular_seasons_are_as_long_as_their_teams_and_games_say():
    games_each = {"1998-99": 50, "2011-12": 66, "2020-21": 72}
    wrong = {
        label: events
        for (league, label, season_type), events in SHIPPED.truth.items()
        if league == "nba"
        and season_type == "regular"
        and Season.parse(label).start >= 1967
        and label not in {"2012-13", "2019-20"}
        if events * 2 != TEAMS_BY_SEASON[Season.parse(label)] * games_each.get(label, 82)
    }

    assert wrong == {}


@pytest.mark.parametrize(
    ("league", "season", "season_type", "events"),
    [
        ("nba", "1946-47", "regular", 331),
        ("nba", "2012-13", "regular", 1_229),
        ("nba", "2019-20", "regular", 1_059),
        ("nba", "2019-20", "play_in", 1),
        ("nba", "2023-24", "playoffs", 82),
        ("nba", "2023-24", "cup_final", 1),
        ("baa", "1948-49", "regular", 360),
        ("aba", "1975-76", "regular", 307),
    ],
)
def test_season_truth_holds_what_was_played(league: str, season: str, season_type: str, events: int):
    assert SHIPPED.truth[league, season, season_type] == events


def test_the_truth_of_the_four_leagues_is_whole():
    regular = Counter(league for league, _, season_type in SHIPPED.truth if season_type == "regular")

    assert (regular["nba"], regular["baa"], regular["aba"]) == (80, 3, 9)
    assert sum(SHIPPED.truth["aba", f"{year}-{year + 1 - 1900}", "regular"] for year in range(1967, 1976)) == 3_811


@pytest.mark.parametrize(
    ("season", "months"),
    [
        ("1998-99", "february march april may june"),
        ("2011-12", "december january february march april may june"),
        ("2019-20", "october-2019 november december january february march july august september october-2020"),
        ("2020-21", "december january february march april may june july"),
        ("2023-24", "october november december january february march april may june"),
        ("1955-56", "november december january february march april"),
    ],
)
def test_a_seasons_schedule_has_the_months_it_was_played_in(season: str, months: str):
    assert set(teams_of("schedule_month", Season.parse(season))) == set(months.split())


@pytest.mark.parametrize(
    ("data_set", "first", "last", "count"),
    [
        ("espn/play_by_play", "1993-94", "2026-27", 34),
        ("nba_api/game_log", "1946-47", "2026-27", 81),
        ("nba_data/play_by_play", "2015-16", "2024-25", 10),
        ("basketball_reference/aba_season_stats", "1967-68", "1975-76", 9),
        ("basketball_reference/baa_season_stats", "1946-47", "1948-49", 3),
        ("basketball_reference/gleague_standings", "2001-02", "2026-27", 26),
        ("hoopr/play_by_play", "2001-02", "2026-27", 26),
        ("wnba/game_log", "1997-98", "2026-27", 30),
    ],
)
def test_a_data_set_has_the_seasons_its_source_has(data_set: str, first: str, last: str, count: int):
    labels = SHIPPED.data_sets[data_set].season_labels(NOW)

    assert (labels[0], labels[-1], len(labels)) == (first, last, count)


def test_the_gleagues_first_season_is_filed_under_the_year_in_which_it_ended():
    templates = SHIPPED.data_sets["basketball_reference/gleague_standings"].templates

    keys = [template.render(field_values(Season(2001), None, {})) for template in templates]

    assert keys == [f"basketball_reference/gleague/standings/2002/standings.{kind}" for kind in ("html", "json")]


@pytest.mark.parametrize(
    ("data_set", "season", "reason"),
    [
        ("espn/play_by_play", "2000-01", "February 2002"),
        ("basketball_reference/all_star", "1998-99", "lockout"),
    ],
)
def test_what_a_source_never_had_is_said_with_the_evidence(data_set: str, season: str, reason: str):
    found = SHIPPED.data_sets[data_set]

    assert reason in (found.absence(Season.parse(season)) or "")
    assert found.absence(Season.parse(season).next) is None


def test_players_cannot_be_listed_so_none_is_expected():
    assert not SHIPPED.is_enumerable(SHIPPED.data_sets["nba_api/shot_charts"])
    assert SHIPPED.is_enumerable(SHIPPED.data_sets["nba_api/synergy"])


@settings(max_examples=400)
@given(st.data())
def test_whatever_a_data_set_writes_is_read_as_its_own(data: st.DataObject):
    data_set = data.draw(st.sampled_from(DATA_SETS))
    place = data.draw(st.integers(0, len(data_set.templates) - 1))
    template = data_set.templates[place]
    season = Season(data.draw(st.integers(1946, 2030)))
    day = data_set.calendar.starts_on(season)
    entities = {
        name: data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True))
        for name, pattern in template.patterns.items()
        if name not in {*SEASON_FIELDS, *DATE_FIELDS}
    }

    found = CLASSIFIER.classify(template.render(field_values(season, day, entities)))

    assert (found.data_set, found.template) == (data_set.name, place)
    if data_set.has_seasons and ({*SEASON_FIELDS, *DATE_FIELDS} & set(template.fields)):
        assert found.season == season.label
    elif not data_set.has_seasons:
        assert found.season == WHOLE_HISTORY
    told = entities | {"date": day.isoformat() if {*DATE_FIELDS} & set(template.fields) else ""}
    assert found.entity == "/".join(told[name] for name in data_set.entity_fields)
