from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from adce_assets.contract.facts import DimensionRow
from adce_assets.contract.loading import load_contract
from adce_assets.contract.seasons import Season, SeasonRange
from adce_assets.errors import ContractError

if TYPE_CHECKING:
    from adce_assets_tests.contract.conftest import SmallContract

NOW = datetime(2024, 1, 15, tzinfo=UTC)


def test_a_contract_is_compiled(small: "SmallContract"):
    contract = small.load()

    plays = contract.data_sets["espn/plays"]
    assert (plays.league, plays.schedule, plays.season_types) == ("nba", "games", ("regular",))
    assert plays.season_labels(NOW)[0] == "1996-97"
    assert plays.season_labels(NOW)[-1] == "2023-24"
    assert plays.absence(Season(2000)) == "never had them"
    assert plays.absence(Season(2001)) is None
    assert contract.leagues["nba"].starts_on(Season(2020)) == date(2020, 10, 12)
    assert contract.truth == {("nba", "2023-24", "regular"): 1230}


def test_data_that_no_season_divides_has_one_cell(small: "SmallContract"):
    awards = small.load().data_sets["espn/awards"]

    assert (awards.has_seasons, awards.season_labels(NOW), awards.seasons(NOW)) == (False, ["all"], [])


def test_a_dimension_with_neither_values_nor_table_cannot_be_enumerated(small: "SmallContract"):
    contract = small.load(
        ("for_each: [season, team]", "for_each: [season, player]"), ("{season}/{team}", "{season}/{player}")
    )

    assert not contract.is_enumerable(contract.data_sets["espn/rosters"])
    assert contract.is_enumerable(contract.data_sets["espn/plays"])


def test_the_values_of_a_table_come_and_go_with_the_seasons(small: "SmallContract"):
    rows = small.load().dimension_rows["team"]

    assert rows == (
        DimensionRow("BOS", SeasonRange(Season(1946))),
        DimensionRow("SEA", SeasonRange(Season(1967), Season(2007))),
        DimensionRow("NOH", SeasonRange(Season(2002), Season(2004))),
        DimensionRow("NOH", SeasonRange(Season(2007), Season(2012))),
    )


@pytest.mark.parametrize(
    ("template", "for_each", "fields"),
    [
        ("{season}/{player}/{team}", "season, team, player", ("player", "team")),
        ("{date_compact}/{team}", "date, team", ("date", "team")),
        ("{date}/{game_id}", "game", ("game_id",)),
        ("x", "", ()),
    ],
)
def test_an_entity_is_named_by_the_fields_of_the_first_template(
    small: "SmallContract", template: str, for_each: str, fields: tuple[str, ...]
):
    seasons = "" if for_each else ", seasons: all"
    since = ", from_date: 2000-01-01" if "date" in for_each else ""
    more = f'      more: {{description: x, templates: ["m/{template}"], for_each: [{for_each}]{seasons}{since}}}\n'

    contract = small.load(("      awards:\n", f"{more}      awards:\n"))

    assert contract.data_sets["espn/more"].entity_fields == fields


def test_the_loops_own_folder_is_never_data(small: "SmallContract"):
    assert small.load().non_data["adce"].prefix == "_adce/"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "first_season: 1946-47",
            "first_season: 1946-48",
            "`1946-48` is not a season; valid: two years in a row, such as 2024-25",
        ),
        ("first_season: 1946-47", "first_season: 1946", "Input should be a valid string"),
        ("last_season: 1975-76", "last_season: 1955-56", "the last season 1955-56 is before the first, 1967-68"),
        ("{2020-21: 2020-10-12}", "{2020-22: 2020-10-12}", "`2020-22` is not a season"),
        ("{2020-21: 2020-10-12}", "{2020-21: 1920-10-12}", "the season 2020-21 cannot start on 1920-10-12"),
        ("season_starts: 10, odd", "season_starts: 13, odd", "less than or equal to 12"),
        ("seasons: 1996-97..", "seasons: 1996-97..1990-91", "`1996-97..1990-91` ends before it begins"),
        ("seasons: ..2000-01", "seasons: 2000", "Input should be a valid string"),
        ("pattern: '00[1-6]\\d{7}'", "pattern: '(00)\\d{8}'", "uses groups, anchors or look-around"),
        ("pattern: '\\d+'", "pattern: '.+'", "allows '.', which cannot be part of a key"),
        ("season_type_digit: 2, ", "", "`season_type_digit` and `season_types` only mean something together"),
        (
            "season_type_digit: 2,",
            "seasons: [{match: '00(\\d\\d)'}], season_type_digit: 2,",
            "must name the group `start_year`, or the groups `year`, `month` and `day`",
        ),
        (
            "season_type_digit: 2,",
            "seasons: [{match: '00(?P<start_year>'}], season_type_digit: 2,",
            "is not a regular expression",
        ),
        ("truth.csv", "../truth.csv", "String should match pattern"),
        ("prefix: models/", "prefix: /models/", "String should match pattern"),
        ("prefix: models/", "prefix: ''", "String should match pattern"),
        ("for_each: [date]", "for_each: [date]\n        freshness_days: .inf", "finite number"),
        ("for_each: [date]", "for_each: [date]\n        completeness_threshold: 1.5", "less than or equal to 1"),
        ("for_each: [date]", "for_each: [date]\n        change: always", "unknown key"),
        ("changes: until_final", "changes: untill_final", "did you mean `until_final`?"),
        ("version: 1", "version: 2", "`2` is not known; valid: 1"),
    ],
)
def test_a_value_out_of_shape_is_refused(small: "SmallContract", old: str, new: str, said: str):
    (fault,) = small.faults((old, new))

    assert said in fault


def test_all_faults_are_told_at_once_in_the_order_of_their_lines(small: "SmallContract"):
    found = small.faults(
        ('["awards.json"]', '["../awards.json"]'),
        ("        from_date: 1993-08-25\n", ""),
        ('["rosters/{season}/{team}.json"]', '["rosters/{season}.json"]'),
    )

    assert [fault.partition(":")[0] for fault in found] == ["26", "39", "43"]


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        ("truth", "league,season,events\n", "truth.csv:1: lacks the column(s) season_type"),
        ("truth", "", "truth.csv:1: lacks the column(s) events, league, season, season_type"),
        ("truth", "league,season,season_type,events\nnba,2023,regular,1\n", "truth.csv:2: `2023` is not a season"),
        (
            "truth",
            "league,season,season_type,events\nnfl,2023-24,regular,1\n",
            "truth.csv:2: the league `nfl` is not declared\n  valid: aba, nba",
        ),
        ("truth", "league,season,season_type,events\nnba,2023-24,all,1\n", "truth.csv:2: `all` is no season type"),
        (
            "truth",
            "league,season,season_type,events\nnba,2023-24,regular,-1\n",
            "truth.csv:2: `-1` is no number of events",
        ),
        ("truth", "league,season,season_type,events\nnba,2023-24,regular\n", "truth.csv:2: `` is no number of events"),
        (
            "truth",
            "league,season,season_type,events\nnba,2023-24,regular,1,2\n",
            "truth.csv:2: has more values than columns",
        ),
        (
            "truth",
            "league,season,season_type,events\nnba,2023-24,regular,1\nnba,2023-24,regular,2\n",
            "truth.csv:3: nba 2023-24 regular stands here twice",
        ),
        ("truth", 'league,season,season_type,events\n"nba"x,2\n', "cannot read the table"),
        ("teams", "name\nBOS\n", "teams.csv:1: lacks the column(s) team"),
        ("teams", "team\nbos\n", "teams.csv:2: `bos` is no team\n  valid: [A-Z]{3}"),
        ("teams", "team\n../\n", "teams.csv:2: `../` is no team"),
        ("teams", "team,first_season\nBOS,1946\n", "teams.csv:2: `1946` is not a season"),
        (
            "teams",
            "team,first_season,last_season\nBOS,1950-51,1949-50\n",
            "teams.csv:2: `1950-51..1949-50` ends before it begins",
        ),
        ("teams", "team\nBOS\nBOS\n", "teams.csv:3: `BOS` of team stands here twice"),
        (
            "teams",
            "team,first_season,last_season\nBOS,,1950-51\nBOS,1950-51,\n",
            "teams.csv:3: `BOS` of team stands here twice",
        ),
    ],
)
def test_a_faulty_table_is_refused_with_its_line(small: "SmallContract", name: str, table: str, said: str):
    with pytest.raises(ContractError) as caught:
        small.load(**{name: table})

    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["truth", "teams"])
def test_a_missing_table_is_named(small: "SmallContract", name: str):
    small.load()
    (small.folder / f"{name}.csv").unlink()

    with pytest.raises(ContractError, match=f"{name}.csv: cannot read the table"):
        load_contract(small.folder / "contract.yaml")


def test_given_values_must_fit_their_pattern_too(small: "SmallContract"):
    with pytest.raises(ContractError, match=r"dimensions\.team: `bos` is no team"):
        small.load(("table: teams.csv", "values: [BOS, bos]"))


def test_a_table_over_the_limit_of_size_is_not_read(small: "SmallContract"):
    with pytest.raises(ContractError, match="the table is too large"):
        small.load(teams="team\n" + "BOS\n" * 1_100_000)
