from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from adce_assets_tests.contract.conftest import SmallContract

TYPES = "all_star, cup_final, other, play_in, playoffs, preseason, regular"
PLAYS = "sources.espn.data_types.plays"
ROSTERS = "sources.espn.data_types.rosters"
AWARDS = "sources.espn.data_types.awards"
DAYS = "sources.espn.data_types.days"


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
            (
                "12: `schedules.games.documents.0.data_set`: `espn/day` is not declared; valid: "
                "espn/awards, espn/days, espn/plays, espn/rosters; did you mean `espn/days`?"
            ),
        ),
        (
            "season_types: [regular]",
            "season_types: [regullar]",
            (
                f"13: `schedules.games.season_types.0`: `regullar` is not declared; valid: {TYPES}; "
                "did you mean `regular`?"
            ),
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
            (
                "36: `sources.espn.data_types.plays.schedule`: `gamess` is not declared; valid: games; "
                "did you mean `games`?"
            ),
        ),
        (
            "for_each: [season, team]",
            "for_each: [season, teams]",
            (
                "41: `sources.espn.data_types.rosters.for_each.1`: `teams` is not declared; valid: "
                "date, game, player, season, team; did you mean `team`?"
            ),
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
            (
                f"36: `sources.espn.data_types.plays.season_types.0`: `finals` is not declared; valid: {TYPES}; "
                "did you mean `cup_final`?"
            ),
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
def test_a_name_that_means_nothing_is_refused_with_the_nearest_that_does(
    small: "SmallContract", old: str, new: str, said: str
):
    assert small.faults((old, new)) == [said]


def test_an_unknown_format_of_schedules_is_refused_with_the_known_ones(small: "SmallContract"):
    (fault,) = small.faults(("espn_scoreboard", "espn_scorebord"))

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
            (
                f"40: `{ROSTERS}.templates.0`: does not name the season: two keys would be one; "
                f"add {{season}} or {{season_end}} or {{season_start}}"
            ),
        ),
        (
            '["days/{date}.json"]',
            '["days/{season}.json"]',
            (
                f"28: `{DAYS}.templates.0`: does not name the date: two keys would be one; "
                f"add {{date}} or {{date_compact}}"
            ),
        ),
        (
            '"plays/{game_id}.json", ',
            '"plays/{season}.json", ',
            f"34: `{PLAYS}.templates.0`: does not name the game: two keys would be one; add {{game_id}}",
        ),
        (
            '["rosters/{season}/{team}.json"]',
            '["rosters/{season}/{team}/{teem}.json"]',
            (
                f"40: `{ROSTERS}.templates.0`: the field `{{teem}}` is not known here; valid: "
                "date, date_compact, season, season_end, season_start, team; did you mean `team`?"
            ),
        ),
        (
            '["rosters/{season}/{team}.json"]',
            '["rosters/{date}/{season}/{team}.json"]',
            (
                f"40: `{ROSTERS}.templates.0`: the field `{{date}}` is not in `for_each`; valid: "
                "season, season_end, season_start, team; did you mean `team`?"
            ),
        ),
        (
            '"plays/{game_id}.json", ',
            '"plays/{gameid}.json", ',
            (
                f"34: `{PLAYS}.templates.0`: the field `{{gameid}}` is not known here; valid: "
                "date, date_compact, game_id, season, season_end, season_start; did you mean `game_id`?"
            ),
        ),
        (
            '["awards.json"]',
            '["awards/{.json"]',
            f"44: `{AWARDS}.templates.0`: expected '}}' before end of string",
        ),
        (
            '["awards.json"]',
            '["awards/{season}.json"]',
            f"44: `{AWARDS}.templates.0`: the field `{{season}}` is not in `for_each`",
        ),
        (
            '["awards.json"]',
            '["awards/{player}.json"]',
            (
                f"44: `{AWARDS}.templates.0`: the field `{{player}}` is not known here; valid: "
                "date, date_compact, season, season_end, season_start"
            ),
        ),
        (
            '["awards.json"]',
            '["../awards.json"]',
            (
                f"44: `{AWARDS}.templates.0`: `../awards.json` is not a plain path; valid: "
                f"folder/name.json, without spaces, `//`, `..` or `{{{{`"
            ),
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
            (
                f"44: `{AWARDS}.templates.0`: "
                f"`rosters/2000-01/BOS.json` and `rosters/{{season}}/{{team}}.json` of espn/rosters name the same keys"
            ),
        ),
        (
            '["rosters/{season}/{team}.json"]',
            '["old/{season_start}/{team}.json", "old/{season_end}/{team}.json"]',
            (
                f"40: `{ROSTERS}.templates.1`: `old/{{season_end}}/{{team}}.json` and "
                "`old/{season_start}/{team}.json` of espn/rosters name the same keys"
            ),
        ),
        (
            "for_each: [season, team]",
            "for_each: [season, team, player]",
            f"40: `{ROSTERS}.templates.0`: does not name the player: two keys would be one; add {{player}}",
        ),
    ],
)
def test_what_a_data_type_cannot_mean_is_refused(small: "SmallContract", old: str, new: str, said: str):
    assert small.faults((old, new)) == [said]


def test_a_key_ranges_over_dates_or_games_but_not_both(small: "SmallContract"):
    found = small.faults(("for_each: [game]", "for_each: [game, date]\n        from_date: 1996-11-01"))

    assert f"35: `{PLAYS}.for_each`: a key ranges over dates or over games, not over both" in found


def test_games_need_a_schedule(small: "SmallContract"):
    found = small.faults(("    schedule: games\n", ""))

    assert f"34: `{PLAYS}.for_each`: `game` needs the source or the data type to name its `schedule`" in found


def test_whole_history_is_divided_by_nothing(small: "SmallContract"):
    found = small.faults(("        for_each: []\n", ""))

    assert f"45: `{AWARDS}.seasons`: `all` is for data that no season, date or game divides" in found


DIMENSIONS = "dimensions:\n  name: {pattern: '[a-z_]+'}\n  team_name: {pattern: '[a-z_]+'}\n"


def with_template(template: str) -> list[tuple[str, str]]:
    """Change the small contract so that its rosters lie under a template of these fields."""
    fields = ["name", "team_name", "player", "team"]
    each = ", ".join(["season", *(name for name in fields if f"{{{name}}}" in template)])
    season = "" if "season" in template else "/{season}"
    return [
        ("dimensions:\n", DIMENSIONS),
        ("[season, team]", f"[{each}]"),
        ("rosters/{season}/{team}.json", f"rosters{season}/x_{template}.json"),
    ]


@pytest.mark.parametrize("template", ["{name}{team_name}", "{name}_{team_name}"])
def test_fields_that_cannot_be_told_apart_in_a_key_are_refused(small: "SmallContract", template: str):
    (fault,) = small.faults(*with_template(template))

    assert fault == (
        f"42: `{ROSTERS}.templates.0`: `{{name}}` and `{{team_name}}` cannot be told apart in a key; "
        "valid: more between them"
    )


@pytest.mark.parametrize(
    "template",
    [
        "{player}{team}",
        "{team}{season_end}",
        "{name}_{season_end}",
        "{player}-{season}",
        "{player}{season_end}",
        "{name}-{team_name}",
    ],
)
def test_fields_that_can_be_told_apart_may_follow_each_other(small: "SmallContract", template: str):
    assert small.load(*with_template(template)).data_sets["espn/rosters"]
