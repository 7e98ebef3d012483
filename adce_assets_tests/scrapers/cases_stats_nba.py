"""How the statistics sites of the three leagues answer about games: logs, scoreboards, box scores, plays."""

from dataclasses import replace

from adce_assets_tests.scrapers.every_scraper import Case, json_body, result_set, sent

GAME = "0022300001"
LOG = "SEASON_ID TEAM_ID TEAM_ABBREVIATION TEAM_NAME GAME_ID GAME_DATE MATCHUP WL MIN PTS PLUS_MINUS VIDEO_AVAILABLE"
PLAYER_LOG = f"SEASON_ID PLAYER_ID PLAYER_NAME {LOG.removeprefix('SEASON_ID ')}"
NONE = ("TeamID", "Month", "OpponentTeamID", "Period", "LastNGames")
SHOTS = (
    "GRID_TYPE GAME_ID GAME_EVENT_ID PLAYER_ID PLAYER_NAME TEAM_ID TEAM_NAME PERIOD LOC_X LOC_Y "
    "SHOT_ATTEMPTED_FLAG SHOT_MADE_FLAG GAME_DATE HTM VTM"
)
STINTS = (
    "GAME_ID TEAM_ID TEAM_CITY TEAM_NAME PERSON_ID PLAYER_FIRST PLAYER_LAST IN_TIME_REAL OUT_TIME_REAL PLAYER_PTS "
    "PT_DIFF USG_PCT"
)
GAME_HEADER = (
    "GAME_DATE_EST GAME_SEQUENCE GAME_ID GAME_STATUS_ID GAME_STATUS_TEXT GAMECODE HOME_TEAM_ID VISITOR_TEAM_ID SEASON"
)
WHOLE_GAME = {"StartPeriod": "0", "EndPeriod": "0", "StartRange": "0", "EndRange": "0", "RangeType": "0"}
META = {"version": 1, "request": "a request", "time": "2024-01-15T12:00:00"}


def game_log(name: str, league: str, season: str, asked_season: str, season_type: str, *, player: bool = False) -> Case:
    """Make a game log of two games; its first column names season type and season."""
    digit = {"Regular Season": "2", "Playoffs": "4", "PlayIn": "5", "IST": "6"}[season_type]
    columns = PLAYER_LOG if player else LOG
    of_season = f"{digit}{season[:4]}"
    rows = []
    for number in range(4):
        team = [1610612738 + number % 2, "BOS", "Boston Celtics", f"00{digit}230000{number // 2}", "2024-01-15"]
        who = [203000 + number, "A Player"] if player else []
        rows.append([of_season, *who, *team, "BOS vs. NYK", "W", 240, 110, 4, 1])
    query = {"Counter": "0", "DateFrom": "", "DateTo": "", "Direction": "ASC", "LeagueID": league, "Sorter": "DATE"}
    query |= {"PlayerOrTeam": "P" if player else "T", "Season": asked_season, "SeasonType": season_type}
    body = {"resource": "leaguegamelog", "parameters": {}, "resultSets": [result_set("LeagueGameLog", columns, rows)]}
    return Case(season, {}, {name: 4}, sent("/stats/leaguegamelog", query, json_body(body)))


def box_score(
    data_set: str, endpoint: str, root: str, game_id: str = GAME, season: str = "2023-24", *, whole: bool = True
) -> Case:
    """Make a box score of version 3: five players at home, four away."""

    def team(number: int, players: int) -> dict[str, object]:
        listed = [{"personId": 203000 + at, "comment": "", "statistics": {"minutes": "12:00"}} for at in range(players)]
        return {"teamId": number, "teamTricode": "BOS", "players": listed, "statistics": {"minutes": "240:00"}}

    body = {"meta": META, root: {"gameId": game_id, "homeTeam": team(1, 5), "awayTeam": team(2, 4)}}
    query = {"GameID": game_id} | (WHOLE_GAME if whole else {})
    return Case(season, {"game_id": game_id}, {data_set: 9}, sent(f"/stats/{endpoint}", query, json_body(body)))


def plays(data_set: str, game_id: str = GAME, season: str = "2023-24") -> Case:
    actions = [{"actionNumber": number, "actionType": "period", "description": ""} for number in range(7)]
    body = json_body({"meta": META, "game": {"gameId": game_id, "videoAvailable": 1, "actions": actions}})
    query = {"GameID": game_id, "StartPeriod": "0", "EndPeriod": "14"}
    return Case(season, {"game_id": game_id}, {data_set: 7}, sent("/stats/playbyplayv3", query, body))


def shots(data_set: str, season: str, entity: dict[str, str], league: str, asked_season: str) -> Case:
    player = entity.get("nba_player_id", "0")
    rows = [
        ["Shot Chart Detail", GAME, at, int(player) or 1, "A Player", 1, "A Team", 1, 5, 9, 1, 0, "20240115", "A", "B"]
        for at in range(3)
    ]
    empty = (
        "GameID DateFrom DateTo Location Outcome PlayerPosition RookieYear SeasonSegment VsConference VsDivision "
        "GameSegment"
    )
    query = dict.fromkeys(empty.split(), "") | dict.fromkeys(NONE, "0")
    query |= {"ContextMeasure": "FGA", "LeagueID": league, "PlayerID": player}
    query |= {"Season": asked_season, "SeasonType": "Regular Season"}
    body = {
        "resource": "shotchartdetail",
        "parameters": {"Season": asked_season, "PlayerID": int(player)},
        "resultSets": [
            result_set("Shot_Chart_Detail", SHOTS, rows),
            result_set("LeagueAverages", "GRID_TYPE FGA FGM FG_PCT", [["League Averages", 4, 2, 0.5]]),
        ],
    }
    return Case(season, entity, {data_set: 3}, sent("/stats/shotchartdetail", query, json_body(body)))


def scoreboard() -> Case:
    games = [{"gameId": f"002230000{number}", "gameStatus": 3} for number in range(3)]
    body = json_body({"meta": META, "scoreboard": {"gameDate": "2024-01-15", "leagueId": "00", "games": games}})
    answer = sent("/stats/scoreboardv3", {"GameDate": "2024-01-15", "LeagueID": "00"}, body)
    return Case("2023-24", {"date": "2024-01-15"}, {"nba_api/scoreboard": 3}, answer)


def gleague_scoreboard(day: str, written: str, games: int) -> Case:
    rows = [
        [f"{day}T00:00:00", number, f"202190000{number}", 3, "Final", "code", 1, 2, "2019"] for number in range(games)
    ]
    lines = [[f"202190000{number}", team, 100] for number in range(games) for team in (1, 2)]
    body = {
        "resource": "scoreboardV2",
        "parameters": {"GameDate": written, "LeagueID": "20", "DayOffset": "0"},
        "resultSets": [
            result_set("GameHeader", GAME_HEADER, rows),
            result_set("LineScore", "GAME_ID TEAM_ID PTS", lines),
        ],
    }
    query = {"GameDate": written, "LeagueID": "20", "DayOffset": "0"}
    answer = sent("/stats/scoreboardV2", query, json_body(body))
    return Case("2019-20", {"date": day}, {"gleague/scoreboard": games}, answer)


def schedule() -> Case:
    days = [{"gameDate": "10/24/2023 00:00:00", "games": [{"gameId": GAME}, {"gameId": "0022300002"}]}]
    body = json_body({"meta": META, "leagueSchedule": {"seasonYear": "2023-24", "leagueId": "00", "gameDates": days}})
    answer = sent("/stats/scheduleleaguev2", {"LeagueID": "00", "Season": "2023-24"}, body)
    return Case("2023-24", {}, {"nba_api/schedule": 2}, answer)


def finder() -> Case:
    columns = "SEASON_ID TEAM_ID TEAM_ABBREVIATION TEAM_NAME GAME_ID GAME_DATE MATCHUP WL MIN PTS"
    rows = [
        [f"{digit}2023", 1610612738, "BOS", "Boston Celtics", GAME, "2024-01-15", "BOS @ NYK", "W", 240, 99]
        for digit in "124"
    ]
    body = {
        "resource": "leaguegamefinder",
        "parameters": {"Season": "2023-24", "LeagueID": "00", "PlayerOrTeam": "T"},
        "resultSets": [result_set("LeagueGameFinderResults", columns, rows)],
    }
    query = {"LeagueID": "00", "PlayerOrTeam": "T", "Season": "2023-24"}
    return Case("2023-24", {}, {"nba_api/game_finder": 3}, sent("/stats/leaguegamefinder", query, json_body(body)))


def summary() -> Case:
    about = {"gameId": GAME, "gameStatus": 3, "homeTeam": {"teamId": 1}, "awayTeam": {"teamId": 2}}
    body = json_body({"meta": META, "boxScoreSummary": about | {"officials": [{"personId": at} for at in range(3)]}})
    answer = sent("/stats/boxscoresummaryv3", {"GameID": GAME}, body)
    return Case("2023-24", {"game_id": GAME}, {"nba_api/box_score_summary": 3}, answer)


def matchups() -> Case:
    def team(number: int) -> dict[str, object]:
        faced = [{"personId": 9, "statistics": {"matchupMinutes": "1:00"}}, {"personId": 8, "statistics": {}}]
        return {"teamId": number, "players": [{"personId": 1, "matchups": faced}, {"personId": 2, "matchups": faced}]}

    body = {"meta": META, "boxScoreMatchups": {"gameId": GAME, "homeTeam": team(1), "awayTeam": team(2)}}
    answer = sent("/stats/boxscorematchupsv3", {"GameID": GAME}, json_body(body))
    return Case("2023-24", {"game_id": GAME}, {"nba_api/box_score_matchups": 8}, answer)


def rotation() -> Case:
    rows = [[GAME, 1, "Boston", "Celtics", 203000 + at, "A", "Player", 0.0, 7200.0, 4, 2.0, 0.2] for at in range(3)]
    body = {
        "resource": "gamerotation",
        "parameters": {"GameID": GAME, "LeagueID": "00"},
        "resultSets": [result_set("AwayTeam", STINTS, rows), result_set("HomeTeam", STINTS, rows[:2])],
    }
    answer = sent("/stats/gamerotation", {"GameID": GAME, "LeagueID": "00"}, json_body(body))
    return Case("2023-24", {"game_id": GAME}, {"nba_api/game_rotation": 5}, answer)


NBA, WNBA, G_LEAGUE = "00", "10", "20"

CASES = {
    "nba_leaguegamelog_team": game_log("nba_api/game_log", NBA, "2023-24", "2023-24", "Regular Season"),
    "nba_leaguegamelog_team_playoffs": game_log("nba_api/game_log_playoffs", NBA, "2023-24", "2023-24", "Playoffs"),
    "nba_leaguegamelog_team_play_in": game_log("nba_api/game_log_play_in", NBA, "2023-24", "2023-24", "PlayIn"),
    "nba_leaguegamelog_team_cup": game_log("nba_api/game_log_cup_final", NBA, "2023-24", "2023-24", "IST"),
    "nba_leaguegamelog_player": game_log(
        "nba_api/player_game_log", NBA, "2023-24", "2023-24", "Regular Season", player=True
    ),
    "nba_leaguegamelog_player_later": replace(
        game_log("nba_api/player_game_log_later", NBA, "2023-24", "2023-24", "Playoffs", player=True),
        entity={"later_games": "playoffs"},
    ),
    "nba_leaguegamefinder": finder(),
    "nba_scoreboardv3": scoreboard(),
    "nba_scheduleleaguev2": schedule(),
    "nba_playbyplayv3": plays("nba_api/play_by_play"),
    "nba_boxscoretraditionalv3": box_score(
        "nba_api/boxscores_traditional", "boxscoretraditionalv3", "boxScoreTraditional"
    ),
    "nba_boxscoreadvancedv3": box_score("nba_api/boxscores_advanced", "boxscoreadvancedv3", "boxScoreAdvanced"),
    "nba_boxscoremiscv3": box_score("nba_api/boxscores_misc", "boxscoremiscv3", "boxScoreMisc"),
    "nba_boxscorescoringv3": box_score("nba_api/boxscores_scoring", "boxscorescoringv3", "boxScoreScoring"),
    "nba_boxscoreusagev3": box_score("nba_api/boxscores_usage", "boxscoreusagev3", "boxScoreUsage"),
    "nba_boxscorefourfactorsv3": box_score(
        "nba_api/boxscores_four_factors", "boxscorefourfactorsv3", "boxScoreFourFactors"
    ),
    "nba_boxscoreplayertrackv3": box_score(
        "nba_api/boxscores_player_tracking", "boxscoreplayertrackv3", "boxScorePlayerTrack", whole=False
    ),
    "nba_boxscoredefensivev2": box_score(
        "nba_api/boxscores_defensive", "boxscoredefensivev2", "boxScoreDefensive", whole=False
    ),
    "nba_boxscorehustlev2": box_score("nba_api/box_score_hustle", "boxscorehustlev2", "boxScoreHustle", whole=False),
    "nba_boxscorematchupsv3": matchups(),
    "nba_boxscoresummaryv3": summary(),
    "nba_gamerotation": rotation(),
    "nba_shotchartdetail": shots("nba_api/shot_charts", "2023-24", {"nba_player_id": "1628369"}, NBA, "2023-24"),
    "wnba_leaguegamelog": game_log("wnba/game_log", WNBA, "2024-25", "2024", "Regular Season"),
    "wnba_boxscoretraditionalv3": box_score(
        "wnba/box_scores", "boxscoretraditionalv3", "boxScoreTraditional", "1022400001", "2024-25"
    ),
    "wnba_playbyplayv3": plays("wnba/play_by_play", "1022400001", "2024-25"),
    "wnba_shotchartdetail": shots("wnba/shot_charts", "2024-25", {}, WNBA, "2024"),
    "gleague_scoreboard": gleague_scoreboard("2020-02-25", "02/25/2020", 3),
    "gleague_scoreboard@a_day_without_games": gleague_scoreboard("2020-02-17", "02/17/2020", 0),
    "gleague_boxscore": box_score(
        "gleague/box_scores", "boxscoretraditionalv3", "boxScoreTraditional", "2022300001", "2023-24"
    ),
    "gleague_playbyplay": plays("gleague/play_by_play", "2022300001"),
}
