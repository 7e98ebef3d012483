from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from adce_assets.contract.facts import DimensionRow
from adce_assets.contract.loading import Contract, load_contract
from adce_assets.contract.seasons import Season, SeasonRange
from adce_assets.errors import ContractError

NOW = datetime(2024, 1, 15, tzinfo=UTC)
CONTRACT = """\
version: 1
leagues:
  nba: {first_season: 1946-47, season_starts: 10, odd_starts: {2020-21: 2020-10-12}}
  aba: {first_season: 1967-68, last_season: 1975-76, season_starts: 10}
season_truth: truth.csv
ids:
  game: {pattern: '00[1-6]\\d{7}', season_type_digit: 2, season_types: {"2": regular}}
schedules:
  games:
    league: nba
    id: game
    documents: [{data_set: espn/days, format: espn_scoreboard}]
    season_types: [regular]
    numbering: {prefix: "002", digits: 5}
dimensions:
  team: {pattern: '[A-Z]{3}', table: teams.csv}
  player: {pattern: '\\d+'}
non_data:
  models: {prefix: models/, reason: trained models}
sources:
  espn:
    description: a source
    league: nba
    schedule: games
    data_types:
      days:
        description: games of a day
        templates: ["days/{date}.json"]
        for_each: [date]
        from_date: 1993-08-25
        changes: until_final
      plays:
        description: plays of a game
        templates: ["plays/{game_id}.json", "old/{season_end}/{game_id}.json"]
        for_each: [game]
        seasons: 1996-97..
        absent: [{seasons: ..2000-01, reason: never had them}]
      rosters:
        description: rosters
        templates: ["rosters/{season}/{team}.json"]
        for_each: [season, team]
      awards:
        description: awards
        templates: ["awards.json"]
        for_each: []
        seasons: all
"""
TYPES = "all_star, cup_final, other, play_in, playoffs, preseason, regular"
PLAYS = "sources.espn.data_types.plays"
ROSTERS = "sources.espn.data_types.rosters"
AWARDS = "sources.espn.data_types.awards"
DAYS = "sources.espn.data_types.days"
TABLES = {
    "truth.csv": "league,season,season_type,events\nnba,2023-24,regular,1230\n",
    "teams.csv": (
        "team,first_season,last_season\nBOS,1946-47,\nSEA,1967-68,2007-08\nNOH,2002-03,2004-05\nNOH,2007-08,2012-13\n"
    ),
}


def load(folder: Path, text: str = CONTRACT, **tables: str) -> Contract:
    for name, table in {**TABLES, **{f"{name}.csv": table for name, table in tables.items()}}.items():
        (folder / name).write_text(table)
    path = folder / "contract.yaml"
    path.write_text(text)
    return load_contract(path)


def changed(old: str, new: str) -> str:
    assert CONTRACT.count(old) == 1
    return CONTRACT.replace(old, new)


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(ContractError) as caught:
        load(folder, text)
    return [str(fault).removeprefix(f"{folder / 'contract.yaml'}:") for fault in caught.value.faults]


def test_a_contract_is_compiled(tmp_path: Path):
    contract = load(tmp_path)

    plays = contract.data_sets["espn/plays"]
    assert (plays.league, plays.schedule, plays.season_types) == ("nba", "games", ("regular",))
    assert plays.season_labels(NOW)[0] == "1996-97"
    assert plays.season_labels(NOW)[-1] == "2023-24"
    assert plays.absence(Season(2000)) == "never had them"
    assert plays.absence(Season(2001)) is None
    assert contract.leagues["nba"].starts_on(Season(2020)) == date(2020, 10, 12)
    assert contract.truth == {("nba", "2023-24", "regular"): 1230}


def test_data_that_no_season_divides_has_one_cell(tmp_path: Path):
    awards = load(tmp_path).data_sets["espn/awards"]

    assert (awards.has_seasons, awards.season_labels(NOW), awards.seasons(NOW)) == (False, ["all"], [])


def test_a_dimension_with_neither_values_nor_table_cannot_be_enumerated(tmp_path: Path):
    contract = load(
        tmp_path, changed("for_each: [season, team]", "for_each: [season, player]").replace("{team}", "{player}")
    )

    assert not contract.is_enumerable(contract.data_sets["espn/rosters"])
    assert contract.is_enumerable(contract.data_sets["espn/plays"])


def test_the_values_of_a_table_come_and_go_with_the_seasons(tmp_path: Path):
    rows = load(tmp_path).dimension_rows["team"]

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
    tmp_path: Path, template: str, for_each: str, fields: tuple[str, ...]
):
    head, _, _ = CONTRACT.partition("      awards:")
    seasons = "" if for_each else ", seasons: all"
    since = ", from_date: 2000-01-01" if "date" in for_each else ""
    more = f'      more: {{description: more, templates: ["m/{template}"], for_each: [{for_each}]{seasons}{since}}}\n'

    assert load(tmp_path, head + more).data_sets["espn/more"].entity_fields == fields


def test_the_loops_own_folder_is_never_data(tmp_path: Path):
    assert load(tmp_path).non_data["adce"].prefix == "_adce/"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "league: nba\n    id",
            "league: nbaa\n    id",
            "10: `schedules.games.league`: `nbaa` is not declared; valid: aba, nba; did you mean `nba`?",
        ),
        (
            "    id: game",
            "    id: gane",
            "11: `schedules.games.id`: `gane` is not declared; valid: game; did you mean `game`?",
        ),
        (
            "data_set: espn/days",
            "data_set: espn/day",
            "12: `schedules.games.documents.0.data_set`: `espn/day` is not declared; valid: espn/awards, espn/days, espn/plays, espn/rosters; did you mean `espn/days`?",
        ),
        (
            "season_types: [regular]",
            "season_types: [regullar]",
            f"13: `schedules.games.season_types.0`: `regullar` is not declared; valid: {TYPES}; did you mean `regular`?",
        ),
        (
            '"2": regular',
            '"2": season',
            f"7: `ids.game.season_types.2`: `season` is not declared; valid: {TYPES}; did you mean `preseason`?",
        ),
        (
            'prefix: "002"',
            'prefix: "102"',
            "14: `schedules.games.numbering`: numbers events `1020000001`, which is no game; valid: 00[1-6]\\d{7}",
        ),
        (
            "digits: 5",
            "digits: 4",
            "14: `schedules.games.numbering`: numbers events `002000001`, which is no game; valid: 00[1-6]\\d{7}",
        ),
        (
            "numbering: {prefix",
            "numbering: {season_type: x, prefix",
            f"14: `schedules.games.numbering.season_type`: `x` is not declared; valid: {TYPES}",
        ),
        (
            "league: nba\n    schedule: games",
            "league: mba\n    schedule: games",
            "23: `sources.espn.league`: `mba` is not declared; valid: aba, nba; did you mean `nba`?",
        ),
        (
            "schedule: games",
            "schedule: game",
            "24: `sources.espn.schedule`: `game` is not declared; valid: games; did you mean `games`?",
        ),
        (
            "description: rosters",
            "description: rosters\n        league: xyz",
            "40: `sources.espn.data_types.rosters.league`: `xyz` is not declared; valid: aba, nba",
        ),
        (
            "for_each: [game]",
            "for_each: [game]\n        schedule: gamess",
            "36: `sources.espn.data_types.plays.schedule`: `gamess` is not declared; valid: games; did you mean `games`?",
        ),
        (
            "for_each: [season, team]",
            "for_each: [season, teams]",
            "41: `sources.espn.data_types.rosters.for_each.1`: `teams` is not declared; valid: date, game, player, season, team; did you mean `team`?",
        ),
        (
            "for_each: [season, team]",
            "for_each: [season, team, team]",
            "41: `sources.espn.data_types.rosters.for_each.2`: `team` stands here twice",
        ),
        (
            'templates: ["awards.json"]',
            'templates: ["awards.json", "awards.json"]',
            "44: `sources.espn.data_types.awards.templates.1`: `awards.json` stands here twice",
        ),
        (
            "for_each: [game]",
            "for_each: [game]\n        season_types: [finals]",
            f"36: `sources.espn.data_types.plays.season_types.0`: `finals` is not declared; valid: {TYPES}; did you mean `cup_final`?",
        ),
        ("  player: {", "  game_id: {", "17: `dimensions.game_id`: is a field that every template knows already"),
        ("  player: {", "  season_end: {", "17: `dimensions.season_end`: is a field that every template knows already"),
        (
            "pattern: '\\d+'",
            "pattern: '\\d+', column: x",
            "17: `dimensions.player.column`: means nothing without a `table`",
        ),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_the_nearest_that_does(tmp_path: Path, old: str, new: str, said: str):
    assert faults(tmp_path, changed(old, new)) == [said]


def test_an_unknown_format_of_schedules_is_refused_with_the_known_ones(tmp_path: Path):
    (fault,) = faults(tmp_path, changed("espn_scoreboard", "espn_scorebord"))

    assert fault.startswith("12: `schedules.games.documents.0.format`: `espn_scorebord` is not declared; valid: ")
    assert fault.endswith("did you mean `espn_scoreboard`?")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "        seasons: all\n",
            "",
            f"45: `{AWARDS}.for_each`: must name `season`, `date` or `game`, unless `seasons` is `all`",
        ),
        (
            "        from_date: 1993-08-25\n",
            "",
            f"26: `{DAYS}.from_date`: `date` needs `from_date`, the first day the source has",
        ),
        (
            "description: awards",
            "description: awards\n        from_date: 1993-08-25",
            f"44: `{AWARDS}.from_date`: needs `date` in `for_each`",
        ),
        (
            "description: rosters",
            "description: rosters\n        schedule: games",
            f"40: `{ROSTERS}.schedule`: needs `game` in `for_each`",
        ),
        (
            "description: rosters",
            "description: rosters\n        season_types: [regular]",
            f"40: `{ROSTERS}.season_types`: needs `game` in `for_each`",
        ),
        (
            "description: rosters",
            "description: rosters\n        changes: until_final",
            f"40: `{ROSTERS}.changes`: `until_final` needs `date` or `game` in `for_each`",
        ),
        ("seasons: 1996-97..", "league: aba", f"32: `{PLAYS}.schedule`: is the schedule of another league"),
        (
            "description: rosters",
            "description: rosters\n        league: aba\n        seasons: 1976-77..",
            f"41: `{ROSTERS}.seasons`: the league has none of these seasons",
        ),
        (
            "description: rosters",
            "description: rosters\n        seasons: ..1945-46",
            f"40: `{ROSTERS}.seasons`: the league has none of these seasons",
        ),
        (
            '["rosters/{season}/{team}.json"]',
            '["rosters/{season}.json"]',
            f"40: `{ROSTERS}.templates.0`: does not name the team: two keys would be one; add {{team}}",
        ),
        (
            '["rosters/{season}/{team}.json"]',
            '["rosters/{team}.json"]',
            f"40: `{ROSTERS}.templates.0`: does not name the season: two keys would be one; add {{season}} or {{season_end}} or {{season_start}}",
        ),
        (
            '["days/{date}.json"]',
            '["days/{season}.json"]',
            f"28: `{DAYS}.templates.0`: does not name the date: two keys would be one; add {{date}} or {{date_compact}}",
        ),
        (
            '"plays/{game_id}.json", ',
            '"plays/{season}.json", ',
            f"34: `{PLAYS}.templates.0`: does not name the game: two keys would be one; add {{game_id}}",
        ),
        (
            '["rosters/{season}/{team}.json"]',
            '["rosters/{season}/{team}/{teem}.json"]',
            f"40: `{ROSTERS}.templates.0`: the field `{{teem}}` is not known here; valid: date, date_compact, season, season_end, season_start, team",
        ),
        (
            '["rosters/{season}/{team}.json"]',
            '["rosters/{date}/{season}/{team}.json"]',
            f"40: `{ROSTERS}.templates.0`: the field `{{date}}` is not in `for_each`; valid: season, season_end, season_start, team; did you mean `team`?",
        ),
        (
            '["awards.json"]',
            '["awards/{season}.json"]',
            f"44: `{AWARDS}.templates.0`: the field `{{season}}` is not in `for_each`",
        ),
        (
            '["awards.json"]',
            '["awards/{player}.json"]',
            f"44: `{AWARDS}.templates.0`: the field `{{player}}` is not known here; valid: date, date_compact, season, season_end, season_start",
        ),
        (
            '["awards.json"]',
            '["../awards.json"]',
            f"44: `{AWARDS}.templates.0`: `../awards.json` is not a plain path; valid: folder/name.json, without spaces, `//`, `..` or `{{{{`",
        ),
        (
            '["awards.json"]',
            '["_adce/awards.json"]',
            f"44: `{AWARDS}.templates.0`: lies in `_adce/`, which is declared no data (`adce`)",
        ),
        (
            '["awards.json"]',
            '["models/awards.json"]',
            f"44: `{AWARDS}.templates.0`: lies in `models/`, which is declared no data (`models`)",
        ),
        (
            '["awards.json"]',
            '["rosters/2000-01/BOS.json"]',
            f"44: `{AWARDS}.templates.0`: `rosters/2000-01/BOS.json` and `rosters/{{season}}/{{team}}.json` of espn/rosters name the same keys",
        ),
        (
            '["rosters/{season}/{team}.json"]',
            '["old/{season_start}/{team}.json", "old/{season_end}/{team}.json"]',
            f"40: `{ROSTERS}.templates.1`: `old/{{season_end}}/{{team}}.json` and `old/{{season_start}}/{{team}}.json` of espn/rosters name the same keys",
        ),
        (
            "for_each: [season, team]",
            "for_each: [season, team, player]",
            f"40: `{ROSTERS}.templates.0`: does not name the player: two keys would be one; add {{player}}",
        ),
    ],
)
def test_what_a_data_type_cannot_mean_is_refused(tmp_path: Path, old: str, new: str, said: str):
    assert faults(tmp_path, changed(old, new)) == [said]


def test_a_key_ranges_over_dates_or_games_but_not_both(tmp_path: Path):
    text = changed("for_each: [game]", "for_each: [game, date]\n        from_date: 1996-11-01")

    assert f"35: `{PLAYS}.for_each`: a key ranges over dates or over games, not over both" in faults(tmp_path, text)


def test_games_need_a_schedule(tmp_path: Path):
    found = faults(tmp_path, changed("    schedule: games\n", ""))

    assert f"34: `{PLAYS}.for_each`: `game` needs the source or the data type to name its `schedule`" in found


def test_whole_history_is_divided_by_nothing(tmp_path: Path):
    found = faults(tmp_path, changed("        for_each: []\n", ""))

    assert f"45: `{AWARDS}.seasons`: `all` is for data that no season, date or game divides" in found


@pytest.mark.parametrize(
    ("template", "apart"),
    [
        ("{player}{team}", True),
        ("{team}{season_end}", True),
        ("{name}_{season_end}", True),
        ("{player}-{season}", True),
        ("{player}{season_end}", True),
        ("{name}{team_name}", False),
        ("{name}_{team_name}", False),
        ("{name}-{team_name}", True),
    ],
)
def test_fields_that_follow_each_other_must_be_told_apart_in_a_key(tmp_path: Path, template: str, apart: bool):  # noqa: FBT001  a row of the table above
    dimensions = "dimensions:\n  name: {pattern: '[a-z_]+'}\n  team_name: {pattern: '[a-z_]+'}\n"
    fields = ["name", "team_name", "player", "team"]
    each = ", ".join(["season", *(name for name in fields if f"{{{name}}}" in template)])
    season = "" if "season" in template else "/{season}"
    text = changed("dimensions:\n", dimensions).replace("[season, team]", f"[{each}]")
    text = text.replace("rosters/{season}/{team}.json", f"rosters{season}/x_{template}.json")

    assert (apart and bool(load(tmp_path, text))) or "cannot be told apart in a key" in faults(tmp_path, text)[0]


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
def test_a_value_out_of_shape_is_refused(tmp_path: Path, old: str, new: str, said: str):
    (fault,) = faults(tmp_path, changed(old, new))

    assert said in fault


def test_all_faults_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path):
    text = changed('["awards.json"]', '["../awards.json"]').replace("        from_date: 1993-08-25\n", "")
    text = text.replace('["rosters/{season}/{team}.json"]', '["rosters/{season}.json"]')

    assert [fault.partition(":")[0] for fault in faults(tmp_path, text)] == ["26", "39", "43"]


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
def test_a_faulty_table_is_refused_with_its_line(tmp_path: Path, name: str, table: str, said: str):
    with pytest.raises(ContractError) as caught:
        load(tmp_path, **{name: table})

    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["truth", "teams"])
def test_a_missing_table_is_named(tmp_path: Path, name: str):
    load(tmp_path)
    (tmp_path / f"{name}.csv").unlink()

    with pytest.raises(ContractError, match=f"{name}.csv: cannot read the table"):
        load_contract(tmp_path / "contract.yaml")


def test_given_values_must_fit_their_pattern_too(tmp_path: Path):
    with pytest.raises(ContractError, match="dimensions.team: `bos` is no team"):
        load(tmp_path, changed("table: teams.csv", "values: [BOS, bos]"))


def test_a_table_over_the_limit_of_size_is_not_read(tmp_path: Path):
    with pytest.raises(ContractError, match="the table is too large"):
        load(tmp_path, teams="team\n" + "BOS\n" * 1_100_000)
