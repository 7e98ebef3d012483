"""How stats.nba.com answers about seasons, players and teams: dashboards, tracking, standings, drafts, rosters."""

from collections.abc import Mapping

from adce_assets_tests.scrapers.every_scraper import Case, json_body, result_set, sent

SEASON, TEAM, PLAYER = "2023-24", "1610612738", "1628369"
EMPTY = (
    "College Conference Country DateFrom DateTo Division DraftPick DraftYear GameScope GameSegment Height Location "
    "Outcome PlayerExperience PlayerPosition SeasonSegment ShotClockRange StarterBench VsConference VsDivision Weight"
)
NONE = "LastNGames Month OpponentTeamID PORound Period TwoWay"
FILTERS = {
    **dict.fromkeys(EMPTY.split(), ""),
    **dict.fromkeys(NONE.split(), "0"),
    **dict.fromkeys(["PaceAdjust", "PlusMinus", "Rank"], "N"),
    "LeagueID": "00",
    "PerMode": "Totals",
    "Season": SEASON,
    "SeasonType": "Regular Season",
    "TeamID": "0",
}
SO_FAR = FILTERS | {
    "MeasureType": "Base",
    "GroupQuantity": "5",
    "Scope": "S",
    "StatCategory": "PTS",
    "DistanceRange": "By Zone",
}
"""The filters of what asks for everything of a season: those that an endpoint does not know it ignores."""
OF_PLAYER = {
    **dict.fromkeys(
        ["DateFrom", "DateTo", "GameSegment", "Location", "Outcome", "SeasonSegment", "VsConference", "VsDivision"], ""
    ),
    **dict.fromkeys(["LastNGames", "Month", "OpponentTeamID", "Period", "TeamID"], "0"),
    "LeagueID": "00",
    "PerMode": "Totals",
    "PlayerID": PLAYER,
    "Season": SEASON,
    "SeasonType": "Regular Season",
}


def rows(columns: str, count: int, **values: object) -> list[list[object]]:
    """Make rows of numbers, with these values in the columns of these names."""
    return [[values.get(name, number) for name in columns.split()] for number in range(count)]


def sets(
    data_set: str,
    endpoint: str,
    query: Mapping[str, str],
    named: Mapping[str, str],
    *,
    entity: Mapping[str, str] | None = None,
    season: str = SEASON,
    counted: int = 3,
    values: Mapping[str, object] | None = None,
) -> Case:
    """Make an answer of named result sets (columns divided by blanks), of which the first has the records."""
    result_sets = [
        result_set(name, columns, rows(columns, counted if at == 0 else 2, **(values or {})))
        for at, (name, columns) in enumerate(named.items())
    ]
    echoed = {name: int(text) if text.isdecimal() and name != "LeagueID" else text for name, text in query.items()}
    body = {"resource": endpoint, "parameters": echoed, "resultSets": result_sets}
    return Case(season, entity or {}, {data_set: counted}, sent(f"/stats/{endpoint}", query, json_body(body)))


PLAYERS = "PLAYER_ID PLAYER_NAME TEAM_ID TEAM_ABBREVIATION GP W L MIN PTS PLUS_MINUS"
TEAMS = "TEAM_ID TEAM_NAME GP W L MIN PTS PLUS_MINUS"
LINEUPS = "GROUP_SET GROUP_ID GROUP_NAME TEAM_ID TEAM_ABBREVIATION GP W L MIN PTS PLUS_MINUS"
HUSTLE = "MIN CONTESTED_SHOTS DEFLECTIONS CHARGES_DRAWN SCREEN_ASSISTS LOOSE_BALLS_RECOVERED BOX_OUTS"
DASHBOARDS = {
    "player_stats": ("leaguedashplayerstats", "LeagueDashPlayerStats", PLAYERS),
    "team_stats": ("leaguedashteamstats", "LeagueDashTeamStats", TEAMS),
    "lineups": ("leaguedashlineups", "Lineups", LINEUPS),
}


def leaders() -> Case:
    """Make the one dashboard that has a single result set, and not a list of them."""
    columns = "PLAYER_ID RANK PLAYER TEAM_ID TEAM GP MIN PTS"
    body = {
        "resource": "leagueleaders",
        "parameters": {"Season": SEASON, "LeagueID": "00", "StatCategory": "PTS"},
        "resultSet": result_set("LeagueLeaders", columns, rows(columns, 5)),
    }
    return Case(
        SEASON,
        {"dashboard": "league_leaders"},
        {"nba_api/league_dashboards": 5},
        sent("/stats/leagueleaders", SO_FAR, json_body(body)),
    )


def shot_locations() -> Case:
    body = {
        "resource": "leaguedashplayershotlocations",
        "parameters": {"Season": SEASON, "DistanceRange": "By Zone"},
        "resultSets": {
            "name": "ShotLocations",
            "headers": [
                {"name": "SHOT_CATEGORY", "columnsToSkip": 3, "columnSpan": 3, "columnNames": ["Restricted Area"]},
                {"name": "columns", "columnNames": ["PLAYER_ID", "PLAYER_NAME", "TEAM_ID", "FGM", "FGA", "FG_PCT"]},
            ],
            "rowSet": [[number, "A Player", 1, 2, 4, 0.5] for number in range(4)],
        },
    }
    return Case(
        SEASON,
        {},
        {"nba_api/player_shot_locations": 4},
        sent("/stats/leaguedashplayershotlocations", SO_FAR, json_body(body)),
    )


def cup() -> Case:
    body = {"leagueId": "00", "seasonYear": SEASON, "teams": [{"teamId": number, "wins": 4} for number in range(1, 31)]}
    query = {"LeagueID": "00", "Season": SEASON, "Section": "group"}
    return Case(SEASON, {}, {"nba_api/cup_standings": 30}, sent("/stats/iststandings", query, json_body(body)))


INDEX_QUERY = {
    **dict.fromkeys(
        ["Active", "AllStar", "College", "Country", "DraftPick", "DraftYear", "Height", "PlayerPosition", "Weight"], ""
    ),
    "Historical": "1",
    "LeagueID": "00",
    "Season": SEASON,
    "TeamID": "0",
}
DRAFT_QUERY = {"LeagueID": "00", "Season": "2024", "SeasonYear": "2024-25"}
HISTORY = "PERSON_ID PLAYER_NAME SEASON ROUND_NUMBER ROUND_PICK OVERALL_PICK DRAFT_TYPE TEAM_ID"
COMBINE = "SEASON PLAYER_ID FIRST_NAME LAST_NAME PLAYER_NAME POSITION WINGSPAN STANDING_REACH"

CASES = {
    **{
        f"nba_league_dashboards@{dashboard}": sets(
            "nba_api/league_dashboards", endpoint, SO_FAR, {name: columns}, entity={"dashboard": dashboard}
        )
        for dashboard, (endpoint, name, columns) in DASHBOARDS.items()
    },
    "nba_league_dashboards@league_leaders": leaders(),
    "nba_leaguedashplayerstats": sets(
        "nba_api/player_stats",
        "leaguedashplayerstats",
        FILTERS | {"MeasureType": "Advanced"},
        {"LeagueDashPlayerStats": PLAYERS},
        entity={"player_measure": "Advanced"},
    ),
    "nba_leaguedashteamstats": sets(
        "nba_api/team_stats",
        "leaguedashteamstats",
        FILTERS | {"MeasureType": "Four Factors"},
        {"LeagueDashTeamStats": TEAMS},
        entity={"team_measure": "FourFactors"},
        counted=30,
    ),
    "nba_leaguedashlineups": sets(
        "nba_api/lineups",
        "leaguedashlineups",
        FILTERS | {"MeasureType": "Base", "GroupQuantity": "2", "TeamID": TEAM},
        {"Lineups": LINEUPS},
        entity={"nba_team_id": TEAM, "group_quantity": "2"},
        values={"TEAM_ID": int(TEAM)},
    ),
    "nba_teamdashlineups": Case(
        SEASON,
        {"nba_team_id": TEAM},
        {"nba_api/team_lineups": 4},
        sent(
            "/stats/teamdashlineups",
            FILTERS | {"MeasureType": "Base", "GroupQuantity": "5", "GameID": "", "TeamID": TEAM},
            json_body(
                {
                    "resource": "teamdashlineups",
                    "parameters": {"TeamID": int(TEAM), "Season": SEASON},
                    "resultSets": [
                        result_set("Overall", "GROUP_SET GROUP_VALUE TEAM_ID GP", [["Overall", SEASON, int(TEAM), 82]]),
                        result_set(
                            "Lineups",
                            "GROUP_SET GROUP_ID GROUP_NAME GP W L MIN PLUS_MINUS",
                            [["Lineups", f"-{at}-", "A - B", 9, 5, 4, 50.0, 3] for at in range(4)],
                        ),
                    ],
                }
            ),
        ),
    ),
    "nba_leaguedashplayerclutch": sets(
        "nba_api/player_clutch",
        "leaguedashplayerclutch",
        FILTERS
        | {"MeasureType": "Base", "AheadBehind": "Ahead or Behind", "ClutchTime": "Last 5 Minutes", "PointDiff": "5"},
        {"LeagueDashPlayerClutch": PLAYERS},
    ),
    "nba_leaguedashplayershotlocations": shot_locations(),
    "nba_leaguedashptstats": sets(
        "nba_api/tracking",
        "leaguedashptstats",
        FILTERS | {"PtMeasureType": "SpeedDistance", "PlayerOrTeam": "Player"},
        {"LeagueDashPtStats": f"{PLAYERS} DIST_FEET DIST_MILES AVG_SPEED"},
        entity={"tracking_measure": "SpeedDistance"},
    ),
    "nba_leaguedashptdefend": sets(
        "nba_api/tracking_defense",
        "leaguedashptdefend",
        FILTERS | {"DefenseCategory": "Less Than 6Ft"},
        {"LeagueDashPTDefend": "CLOSE_DEF_PERSON_ID PLAYER_NAME PLAYER_LAST_TEAM_ID AGE GP G FREQ FGM_LT_06"},
        entity={"defense_category": "LessThan6Ft"},
    ),
    "nba_league_hustle@players": sets(
        "nba_api/hustle",
        "leaguehustlestatsplayer",
        SO_FAR,
        {"HustleStatsPlayer": f"PLAYER_ID PLAYER_NAME TEAM_ID TEAM_ABBREVIATION AGE G {HUSTLE}"},
        entity={"hustle_table": "player_hustle"},
    ),
    "nba_league_hustle@teams": sets(
        "nba_api/hustle",
        "leaguehustlestatsteam",
        SO_FAR,
        {"HustleStatsTeam": f"TEAM_ID TEAM_NAME {HUSTLE}"},
        entity={"hustle_table": "team_hustle"},
    ),
    "nba_synergyplaytypes": sets(
        "nba_api/synergy",
        "synergyplaytypes",
        {
            "LeagueID": "00",
            "PerMode": "Totals",
            "PlayType": "PRBallHandler",
            "PlayerOrTeam": "P",
            "SeasonType": "Regular Season",
            "SeasonYear": SEASON,
            "TypeGrouping": "offensive",
        },
        {"SynergyPlayType": "SEASON_ID PLAYER_ID PLAYER_NAME TEAM_ID PLAY_TYPE TYPE_GROUPING PERCENTILE GP PPP"},
        entity={"play_type": "prballhandler"},
        values={"SEASON_ID": "22023", "PLAY_TYPE": "PRBallHandler"},
    ),
    "nba_matchupsrollup": sets(
        "nba_api/matchups",
        "matchupsrollup",
        {
            **dict.fromkeys(["DefPlayerID", "DefTeamID", "OffPlayerID", "OffTeamID"], ""),
            "LeagueID": "00",
            "PerMode": "Totals",
            "Season": SEASON,
            "SeasonType": "Regular Season",
        },
        {"MatchupsRollup": "SEASON_ID POSITION PERCENT_OF_TIME DEF_PLAYER_ID GP MATCHUP_MIN PARTIAL_POSS"},
        values={"SEASON_ID": "22023"},
    ),
    "nba_leaguestandingsv3": sets(
        "nba_api/standings",
        "leaguestandingsv3",
        {"LeagueID": "00", "Season": SEASON, "SeasonType": "Regular Season", "SeasonYear": ""},
        {"Standings": "LeagueID SeasonID TeamID TeamCity TeamName Conference WINS LOSSES WinPCT Record"},
        counted=30,
        values={"SeasonID": "22023"},
    ),
    "nba_iststandings": cup(),
    "nba_drafthistory": sets(
        "nba_api/draft_history",
        "drafthistory",
        {
            **dict.fromkeys(["Season", "RoundNum", "RoundPick", "OverallPick", "TopX", "College"], ""),
            "LeagueID": "00",
            "TeamID": "0",
        },
        {"DraftHistory": HISTORY},
        season="all",
    ),
    "nba_draftcombinestats": sets(
        "nba_api/draft_combine",
        "draftcombinestats",
        {"LeagueID": "00", "SeasonYear": "2025-26"},
        {"DraftCombineStats": COMBINE},
        season="2025-26",
        values={"SEASON": "2025"},
    ),
    "nba_draft@history": sets(
        "nba_api/draft", "drafthistory", DRAFT_QUERY, {"DraftHistory": HISTORY}, entity={"draft_table": "draft_history"}
    ),
    "nba_draft@combine": sets(
        "nba_api/draft",
        "draftcombinestats",
        DRAFT_QUERY,
        {"DraftCombineStats": COMBINE},
        entity={"draft_table": "draft_combine_stats"},
    ),
    "nba_playerindex": sets(
        "nba_api/player_index",
        "playerindex",
        INDEX_QUERY,
        {"PlayerIndex": "PERSON_ID PLAYER_LAST_NAME PLAYER_FIRST_NAME TEAM_ID FROM_YEAR TO_YEAR"},
    ),
    "nba_commonallplayers": sets(
        "nba_api/all_players",
        "commonallplayers",
        {"IsOnlyCurrentSeason": "0", "LeagueID": "00", "Season": "2026-27"},
        {"CommonAllPlayers": "PERSON_ID DISPLAY_LAST_COMMA_FIRST DISPLAY_FIRST_LAST ROSTERSTATUS FROM_YEAR TO_YEAR"},
        season="all",
    ),
    "nba_commonplayerinfo": sets(
        "nba_api/player_info",
        "commonplayerinfo",
        {"LeagueID": "", "PlayerID": PLAYER},
        {
            "CommonPlayerInfo": "PERSON_ID FIRST_NAME LAST_NAME DISPLAY_FIRST_LAST BIRTHDATE SCHOOL COUNTRY",
            "PlayerHeadlineStats": "PLAYER_ID PLAYER_NAME TimeFrame PTS",
        },
        entity={"nba_player_id": PLAYER},
        counted=1,
        values={"PERSON_ID": int(PLAYER)},
    ),
    "nba_playercareerstats": sets(
        "nba_api/player_career_stats",
        "playercareerstats",
        {"LeagueID": "00", "PerMode": "Totals", "PlayerID": PLAYER},
        {
            "SeasonTotalsRegularSeason": "PLAYER_ID SEASON_ID LEAGUE_ID TEAM_ID PLAYER_AGE GP GS MIN PTS",
            "CareerTotalsRegularSeason": "PLAYER_ID LEAGUE_ID Team_ID GP GS MIN PTS",
        },
        entity={"nba_player_id": PLAYER},
        season="all",
        values={"PLAYER_ID": int(PLAYER)},
    ),
    "nba_commonteamroster": sets(
        "nba_api/team_rosters",
        "commonteamroster",
        {"LeagueID": "00", "Season": SEASON, "TeamID": TEAM},
        {
            "CommonTeamRoster": "TeamID SEASON LeagueID PLAYER NICKNAME NUM POSITION PLAYER_ID",
            "Coaches": "TEAM_ID SEASON COACH_ID FIRST_NAME LAST_NAME",
        },
        entity={"nba_team_id": TEAM},
        values={"TeamID": int(TEAM)},
    ),
    "nba_franchisehistory": sets(
        "nba_api/franchise_history",
        "franchisehistory",
        {"LeagueID": "00"},
        {
            "FranchiseHistory": "LEAGUE_ID TEAM_ID TEAM_CITY TEAM_NAME START_YEAR END_YEAR YEARS GAMES WINS LOSSES",
            "DefunctTeams": "LEAGUE_ID TEAM_ID TEAM_CITY TEAM_NAME START_YEAR END_YEAR",
        },
        season="all",
        counted=75,
    ),
    "nba_playerdashptpass": sets(
        "nba_api/tracking_passing",
        "playerdashptpass",
        OF_PLAYER,
        {
            "PassesMade": "PLAYER_ID PLAYER_NAME_LAST_FIRST TEAM_NAME TEAM_ID G FREQUENCY PASS AST",
            "PassesReceived": "PLAYER_ID PLAYER_NAME_LAST_FIRST TEAM_NAME TEAM_ID G FREQUENCY PASS AST",
        },
        entity={"nba_player_id": PLAYER},
    ),
    "nba_playerdashptreb": sets(
        "nba_api/tracking_rebounding",
        "playerdashptreb",
        OF_PLAYER,
        {"OverallRebounding": "PLAYER_ID PLAYER_NAME_LAST_FIRST G OVERALL REB_FREQUENCY OREB DREB REB"},
        entity={"nba_player_id": PLAYER},
        counted=1,
    ),
    "nba_playerdashptshotdefend": sets(
        "nba_api/tracking_shot_defense",
        "playerdashptshotdefend",
        OF_PLAYER,
        {"DefendingShots": "CLOSE_DEF_PERSON_ID GP G DEFENSE_CATEGORY FREQ D_FGM D_FGA D_FG_PCT"},
        entity={"nba_player_id": PLAYER},
    ),
    "nba_playerdashptshots": sets(
        "nba_api/tracking_shots",
        "playerdashptshots",
        OF_PLAYER,
        {
            "Overall": "PLAYER_ID PLAYER_NAME_LAST_FIRST SORT_ORDER GP G SHOT_TYPE FGA_FREQUENCY FGM FGA",
            "GeneralShooting": "PLAYER_ID SORT_ORDER GP G SHOT_TYPE FGA_FREQUENCY FGM FGA",
        },
        entity={"nba_player_id": PLAYER},
        counted=1,
    ),
}
