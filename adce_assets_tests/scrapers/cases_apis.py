"""How the other JSON and PDF sources answer: the NBA's files and office, EuroLeague, colleges, keyed services."""

from collections.abc import Mapping

from adce_assets_tests.scrapers.every_scraper import (
    NOTHING,
    TODAY,
    Answer,
    Case,
    Sent,
    json_body,
    request_line,
    sent,
    sent_each,
)

GAME = "0022300001"
CDN = "/static/json"
META = {"version": 1, "code": 200, "request": "a request", "time": "2024-01-15 12:00:00"}
EVENT = "f137689983933840bf2f2a91278eb03b"


def never(_path: str, _query: dict[str, str]) -> Sent:
    """Stand for a source that has ended."""
    return NOTHING


def by_cursor(
    path: str, query: Mapping[str, str], pages: list[list[Mapping[str, object]]]
) -> tuple[Answer, tuple[str, ...]]:
    """Make a list in pages, each with the cursor of the next; the last has none."""
    answers, lines = [], []
    for number, data in enumerate(pages):
        asked = dict(query) | ({"cursor": str(number * 100)} if number else {})
        following = {"next_cursor": (number + 1) * 100} if number + 1 < len(pages) else {}
        answers.append(sent(path, asked, json_body({"data": data, "meta": {"per_page": 100} | following})))
        lines.append(request_line(path, asked))
    return sent_each(*answers), tuple(lines)


def pdf(text: str) -> bytes:
    """Make a PDF of one page that shows a text."""
    content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    ]
    body, places = b"%PDF-1.4\n", []
    for number, written in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, written)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    return body + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)


def live_team(number: int, players: int) -> dict[str, object]:
    listed = [{"personId": 203000 + at, "played": "1", "statistics": {"points": at}} for at in range(players)]
    return {"teamId": number, "players": listed, "statistics": {"points": 110}}


def euroleague(data_set: str, endpoint: str, body: object, count: int | None) -> Case:
    answer = sent(f"/api/{endpoint}", {"gamecode": "75", "seasoncode": "E2024"}, json_body(body))
    return Case("2024-25", {"euroleague_game": "75"}, {data_set: count}, answer)


def officials(day: str, written: str, games: int) -> Case:
    rows = [{"game_id": f"002240050{at}", "game_date": written, "official1": "An Official"} for at in range(games)]
    table = {"Table": {"rows": rows, "columns": [{"Name": "game_id", "DataType": "String"}]}}
    answer = sent("/wp-json/api/v1/get-game-officials", {"date": day}, json_body({"nba": table, "gl": table}))
    return Case("2024-25", {"date": day}, {"nba_official/referee_assignments": games}, answer)


BDL_GAMES, BDL_GAMES_PAGES = by_cursor(
    "/v1/games",
    {"seasons[]": "2023", "per_page": "100"},
    [
        [
            {"id": page * 10 + at, "season": 2023, "home_team": {"id": 1}, "visitor_team": {"id": 2}}
            for at in range(3 - page)
        ]
        for page in range(3)
    ],
)
BDL_STATS, BDL_STATS_PAGES = by_cursor(
    "/v1/stats",
    {"dates[]": "2024-01-15", "per_page": "100"},
    [[{"id": at, "pts": 7, "game": {"id": 1, "date": "2024-01-15"}}] for at in range(2)],
)
BDL_PLAYERS, BDL_PLAYERS_PAGES = by_cursor(
    "/v1/players", {"per_page": "100"}, [[{"id": at, "first_name": "Luka", "last_name": "Dončić"}] for at in (1, 2)]
)
BDL_INJURIES, BDL_INJURIES_PAGES = by_cursor(
    "/v1/player_injuries", {"per_page": "100"}, [[{"player": {"id": 1}, "status": "Out"}]]
)

CASES = {
    "cdn_schedule": Case(
        season="2026-27",
        entity={},
        records={"nba_cdn/schedule": 2},
        answer=sent(
            f"{CDN}/staticData/scheduleLeagueV2.json",
            {},
            json_body(
                {
                    "meta": META,
                    "leagueSchedule": {
                        "seasonYear": "2026-27",
                        "leagueId": "00",
                        "gameDates": [
                            {"gameDate": f"10/2{at}/2026 00:00:00", "games": [{"gameId": f"002260000{at}"}]}
                            for at in (1, 2)
                        ],
                    },
                }
            ),
        ),
    ),
    "cdn_boxscore": Case(
        season="2023-24",
        entity={"game_id": GAME},
        records={"nba_cdn/box_scores": 9},
        answer=sent(
            f"{CDN}/liveData/boxscore/boxscore_{GAME}.json",
            {},
            json_body(
                {
                    "meta": META,
                    "game": {
                        "gameId": GAME,
                        "gameStatus": 3,
                        "arena": {"arenaId": 1},
                        "officials": [{"personId": 1}],
                        "homeTeam": live_team(1, 5),
                        "awayTeam": live_team(2, 4),
                    },
                }
            ),
        ),
    ),
    "cdn_playbyplay": Case(
        season="2023-24",
        entity={"game_id": GAME},
        records={"nba_cdn/play_by_play": 6},
        answer=sent(
            f"{CDN}/liveData/playbyplay/playbyplay_{GAME}.json",
            {},
            json_body(
                {
                    "meta": META,
                    "game": {
                        "gameId": GAME,
                        "actions": [{"actionNumber": at, "actionType": "2pt", "x": None} for at in range(6)],
                    },
                }
            ),
        ),
    ),
    "cdn_todays_scoreboard": Case(
        season="2026-27",
        entity={"date": TODAY.isoformat()},
        records={"nba_cdn/todays_scoreboard": 1},
        answer=sent(
            f"{CDN}/liveData/scoreboard/todaysScoreboard_00.json",
            {},
            json_body(
                {
                    "meta": META,
                    "scoreboard": {
                        "gameDate": TODAY.isoformat(),
                        "leagueId": "00",
                        "games": [{"gameId": "0022600200"}],
                    },
                }
            ),
        ),
    ),
    "cdn_odds": Case(
        season="2026-27",
        entity={"date": TODAY.isoformat()},
        records={"nba_cdn/odds": 2},
        answer=sent(
            f"{CDN}/liveData/odds/odds_todaysGames.json",
            {},
            json_body({"games": [{"gameId": f"002260020{at}", "markets": []} for at in range(2)]}),
        ),
    ),
    "data_nba_pbp": Case("2023-24", {"game_id": GAME}, {"nba_data/play_by_play": None}, never),
    "data_nba_gamedetail": Case("2023-24", {"game_id": GAME}, {"nba_data/game_details": None}, never),
    "pbpstats_totals": Case(
        season="2023-24",
        entity={"totals_of": "Team"},
        records={"pbpstats/totals": 30},
        answer=sent(
            "/get-totals/nba",
            {"Season": "2023-24", "SeasonType": "Regular Season", "Type": "Team"},
            json_body(
                {
                    "multi_row_table_data": [{"Name": f"T{at}"} for at in range(30)],
                    "single_row_table_data": {"Minutes": 1},
                }
            ),
        ),
    ),
    "pbpstats_game": Case(
        season="2023-24",
        entity={"game_id": GAME},
        records={"pbpstats/game_stats": 5},
        answer=sent(
            "/get-game-stats",
            {"GameId": GAME, "Type": "Player"},
            json_body(
                {
                    "stats": {
                        "Home": {"FullGame": [{"Name": "Team"}, {"Name": "A"}, {"Name": "B"}], "1": [{"Name": "A"}]},
                        "Away": {"FullGame": [{"Name": "Team"}, {"Name": "C"}]},
                    }
                }
            ),
        ),
    ),
    "nba_referee_assignments": officials("2025-01-08", "01/08/2025", 4),
    "nba_referee_assignments@a_day_without_games": officials("2025-02-14", "02/14/2025", 0),
    "nba_injury_report_pdf": Case(
        season="2023-24",
        entity={"date": "2024-01-15", "report_hour": "05PM"},
        records={"nba_official/injury_reports": 1},
        answer=sent(
            "/referee/injury/Injury-Report_2024-01-15_05PM.pdf",
            {},
            pdf("Injury Report: 01/15/24 05:30 PM"),
            "application/pdf",
        ),
    ),
    "nba_gamebook_pdf": Case(
        season="2023-24",
        entity={"date": "2024-01-15", "matchup": "BOSTOR"},
        records={"nba_official/game_books": 1},
        answer=sent(
            "/pdfs/20240115/20240115_BOSTOR_book.pdf", {}, pdf("Monday, January 15, 2024 TD Garden"), "application/pdf"
        ),
    ),
    "nba_player_movement": Case(
        season="all",
        entity={},
        records={"nba_official/player_movement": 120},
        answer=sent(
            "/js/data/playermovement/NBA_Player_Movement.json",
            {},
            json_body(
                {
                    "NBA_Player_Movement": {
                        "rows": [
                            {"Transaction_Type": "Signing", "TRANSACTION_DATE": "2015-07-09T00:00:00", "PLAYER_ID": at}
                            for at in range(120)
                        ]
                    }
                }
            ),
        ),
    ),
    "bdl_games": Case("2023-24", {}, {"balldontlie/games": 6}, BDL_GAMES, BDL_GAMES_PAGES),
    "bdl_stats": Case("2023-24", {"date": "2024-01-15"}, {"balldontlie/stats": 2}, BDL_STATS, BDL_STATS_PAGES),
    "bdl_players": Case("all", {}, {"balldontlie/players": 2}, BDL_PLAYERS, BDL_PLAYERS_PAGES),
    "bdl_injuries": Case(
        "2026-27", {"date": TODAY.isoformat()}, {"balldontlie/injuries": 1}, BDL_INJURIES, BDL_INJURIES_PAGES
    ),
    "bdl_box_scores": Case(
        season="2023-24",
        entity={"date": "2024-01-15"},
        records={"balldontlie/box_scores": 2},
        answer=sent(
            "/v1/box_scores",
            {"date": "2024-01-15"},
            json_body({"data": [{"date": "2024-01-15", "season": 2023, "home_team_score": at} for at in (99, 98)]}),
        ),
    ),
    "bdl_standings": Case(
        season="2023-24",
        entity={},
        records={"balldontlie/standings": 30},
        answer=sent(
            "/v1/standings",
            {"season": "2023"},
            json_body(
                {"data": [{"team": {"id": at + 1}, "wins": 41, "losses": 41, "season": 2023} for at in range(30)]}
            ),
        ),
    ),
    "odds_events_historical": Case(
        season="2023-24",
        entity={"date": "2024-01-15"},
        records={"odds_api/events": 2},
        answer=sent(
            "/v4/historical/sports/basketball_nba/events",
            {"date": "2024-01-15T17:00:00Z"},
            json_body(
                {
                    "timestamp": "2024-01-15T16:55:40Z",
                    "next_timestamp": "2024-01-15T17:00:38Z",
                    "data": [{"id": EVENT, "sport_key": "basketball_nba"}, {"id": EVENT[::-1]}],
                }
            ),
        ),
    ),
    "odds_event_odds_historical": Case(
        season="2023-24",
        entity={"date": "2024-01-15", "odds_event": EVENT},
        records={"odds_api/event_odds": 2},
        answer=sent(
            f"/v4/historical/sports/basketball_nba/events/{EVENT}/odds",
            {
                "date": "2024-01-15T17:00:00Z",
                "regions": "us",
                "markets": "h2h,spreads,totals",
                "oddsFormat": "decimal",
            },
            json_body(
                {
                    "timestamp": "2024-01-15T16:55:40Z",
                    "data": {"id": EVENT, "bookmakers": [{"key": "one", "markets": []}, {"key": "two", "markets": []}]},
                }
            ),
        ),
    ),
    "euroleague_games": Case(
        season="2024-25",
        entity={},
        records={"euroleague/games": 4},
        answer=sent(
            "/v2/competitions/E/seasons/E2024/games",
            {},
            json_body({"data": [{"gameCode": at, "season": {"code": "E2024"}} for at in range(1, 5)], "total": 4}),
        ),
    ),
    "euroleague_boxscore": euroleague(
        "euroleague/box_scores",
        "Boxscore",
        {
            "Live": False,
            "ByQuarter": [{"Team": team, "Quarter1": 20} for team in ("BER", "MIL")],
            "Stats": [
                {"Team": team, "PlayersStats": [{"Player_ID": f"P00{at}      ", "Points": at} for at in range(11)]}
                for team in ("BER", "MIL")
            ],
        },
        22,
    ),
    "euroleague_pbp": euroleague(
        "euroleague/play_by_play",
        "PlaybyPlay",
        {
            "Live": False,
            "TeamA": "ALBA",
            "CodeTeamA": "BER       ",
            "ActualQuarter": 4,
            **{
                name: [{"NUMBEROFPLAY": at, "PLAYTYPE": "BP"} for at in range(3)]
                for name in ("FirstQuarter", "SecondQuarter", "ThirdQuarter", "ForthQuarter")
            },
            "ExtraTime": [],
        },
        12,
    ),
    "euroleague_points": euroleague(
        "euroleague/shots",
        "Points",
        {"Rows": [{"NUM_ANOT": at, "TEAM": "BER       ", "ID_ACTION": "2FGM"} for at in range(4)]},
        4,
    ),
    "euroleague_header": euroleague(
        "euroleague/headers",
        "Header",
        {"Live": False, "Date": "03/10/2024", "CodeTeamA": "BER", "CodeTeamB": "PAN", "ScoreA": "77", "ScoreB": "87"},
        1,
    ),
    "ncaa_scoreboard": Case(
        season="2023-24",
        entity={"date": "2024-01-15", "college_game": "women"},
        records={"ncaa/scoreboard": 2},
        answer=sent(
            "/casablanca/scoreboard/basketball-women/d1/2024/01/15/scoreboard.json",
            {},
            json_body(
                {
                    "updated_at": "01-16-2024 04:11:33",
                    "games": [{"game": {"gameID": f"314643{at}", "startDate": "01-15-2024"}} for at in range(2)],
                }
            ),
        ),
    ),
}
