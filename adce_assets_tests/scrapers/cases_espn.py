"""How ESPN's APIs answer: scoreboards and summaries of three leagues, pages of the core API, snapshots."""

from collections.abc import Mapping

from adce_assets_tests.scrapers.every_scraper import NOW, TODAY, Answer, Case, json_body, request_line, sent, sent_each

SITE = "/apis/site/v2/sports/basketball"
CORE = "/v2/sports/basketball/leagues/nba"
GAME = "401584783"
STAMP = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
COMPLETED = {"type": {"id": "3", "name": "STATUS_FINAL", "completed": True}}


def summary(game_id: str) -> bytes:
    teams = ["2", "18"]
    athletes = [{"athlete": {"id": f"30{number}"}, "stats": ["30", "12"]} for number in range(3)]
    return json_body(
        {
            "boxscore": {
                "teams": [
                    {"team": {"id": team}, "statistics": [{"name": "assists", "displayValue": "24"}]} for team in teams
                ],
                "players": [
                    {"team": {"id": team}, "statistics": [{"names": ["MIN", "PTS"], "athletes": athletes}]}
                    for team in teams
                ],
            },
            "gameInfo": {"venue": {"id": "1824", "fullName": "Dončić Arena"}},
            "plays": [{"id": f"{game_id}{number}", "period": {"number": 1}} for number in range(4)],
            "winprobability": [{"homeWinPercentage": 0.5, "playId": f"{game_id}0"}],
            "header": {"id": game_id, "competitions": [{"id": game_id, "status": COMPLETED}]},
        }
    )


def scoreboard(league: str, day: str, games: int) -> bytes:
    events = [{"id": f"4015848{number:02}", "date": f"{day}T00:00Z", "status": COMPLETED} for number in range(games)]
    return json_body({"leagues": [{"id": "46", "slug": league}], "day": {"date": day}, "events": events})


def leaders(number: int) -> bytes:
    return json_body(
        {
            "pagination": {"count": 214, "limit": 50, "page": number, "pages": 5},
            "athletes": [{"athlete": {"id": f"{number}{athlete}"}} for athlete in range(50)],
            "categories": [{"name": "general"}],
        }
    )


def core_pages(path: str, limit: str, pages: list[list[Mapping[str, object]]]) -> tuple[Answer, tuple[str, ...]]:
    """Make a list of the core API in pages, of which the first is asked for without its number."""
    count = sum(map(len, pages))
    answers, lines = [], []
    for number, items in enumerate(pages, start=1):
        query = {"limit": limit} | ({"page": str(number)} if number > 1 else {})
        page = {"count": count, "pageIndex": number, "pageSize": int(limit), "pageCount": len(pages), "items": items}
        answers.append(sent(path, query, json_body(page)))
        lines.append(request_line(path, query))
    return sent_each(*answers), tuple(lines)


OF_GAME = f"{CORE}/events/{GAME}/competitions/{GAME}"


def ref(path: str) -> dict[str, str]:
    """Say where a thing of the core API is to be had, as each of them does."""
    return {"$ref": f"http://sports.core.api.espn.com{path}?lang=en&region=us"}


PLAYS, PLAYS_PAGES = core_pages(
    f"{OF_GAME}/plays",
    "500",
    [
        [ref(f"{OF_GAME}/plays/{play}") | {"id": play, "text": "Jump Ball"} for play in (f"77{page}0", f"77{page}1")]
        for page in range(3)
    ],
)
ODDS, ODDS_PAGES = core_pages(
    f"{OF_GAME}/odds", "100", [[ref(f"{OF_GAME}/odds/58") | {"provider": {"id": "58"}, "details": "BOS -4.5"}]]
)

CASES = {
    "espn_summary": Case(
        season="2023-24",
        entity={"game_id": GAME},
        records={"espn/play_by_play": 4, "espn/box_scores": 6, "espn/team_stats": 2},
        answer=sent(f"{SITE}/nba/summary", {"event": GAME}, summary(GAME)),
    ),
    "espn_scoreboard": Case(
        season="2023-24",
        entity={"date": "2024-01-15"},
        records={"espn/schedule": 2},
        answer=sent(f"{SITE}/nba/scoreboard", {"dates": "20240115"}, scoreboard("nba", "2024-01-15", 2)),
    ),
    "espn_scoreboard@a_day_without_games": Case(
        season="2023-24",
        entity={"date": "2024-02-16"},
        records={"espn/schedule": 0},
        answer=sent(f"{SITE}/nba/scoreboard", {"dates": "20240216"}, scoreboard("nba", "2024-02-16", 0)),
    ),
    "espn_pbp_core": Case(
        season="2023-24",
        entity={"game_id": GAME},
        records={"espn/core_plays": 6},
        answer=PLAYS,
        pages=PLAYS_PAGES,
    ),
    "espn_odds": Case(
        season="2023-24", entity={"game_id": GAME}, records={"espn/odds": 1}, answer=ODDS, pages=ODDS_PAGES
    ),
    "espn_game_rosters": Case(
        season="2023-24",
        entity={"game_id": GAME, "espn_competitor": "2"},
        records={"espn/game_rosters": 2},
        answer=sent(
            f"{OF_GAME}/competitors/2/roster",
            {},
            json_body(
                ref(f"{OF_GAME}/competitors/2/roster")
                | {
                    "entries": [
                        {"playerId": number, "starter": True, "didNotPlay": False} for number in (3917376, 4065648)
                    ]
                }
            ),
        ),
    ),
    "espn_calendar": Case(
        season="2023-24",
        entity={"espn_season_type": "2"},
        records={"espn/calendar": 2},
        answer=sent(
            f"{CORE}/seasons/2024/types/2/calendar/ondays",
            {},
            json_body({"eventDate": {"type": "ondays", "dates": ["2023-10-24T07:00Z", "2023-10-25T07:00Z"]}}),
        ),
    ),
    "espn_teams": Case(
        season="all",
        entity={},
        records={"espn/teams": 30},
        answer=sent(
            f"{SITE}/nba/teams",
            {"limit": "500"},
            json_body(
                {
                    "sports": [
                        {
                            "leagues": [
                                {"slug": "nba", "teams": [{"team": {"id": f"{number}"}} for number in range(1, 31)]}
                            ]
                        }
                    ]
                }
            ),
        ),
    ),
    "espn_team_schedule": Case(
        season="2023-24",
        entity={"espn_team": "13"},
        records={"espn/team_schedules": 2},
        answer=sent(
            f"{SITE}/nba/teams/13/schedule",
            {"season": "2024", "seasontype": "2"},
            json_body({"team": {"id": "13"}, "events": [{"id": GAME}, {"id": "401584784"}]}),
        ),
    ),
    "espn_team_roster": Case(
        season="2026-27",
        entity={"date": TODAY.isoformat(), "espn_team": "13"},
        records={"espn/rosters": 2},
        answer=sent(
            f"{SITE}/nba/teams/13/roster",
            {},
            json_body(
                {
                    "timestamp": STAMP,
                    "season": {"year": 2027},
                    "athletes": [{"id": "3945274"}, {"id": "1966"}],
                    "team": {"id": "13"},
                }
            ),
        ),
    ),
    "espn_injuries": Case(
        season="2026-27",
        entity={"date": TODAY.isoformat()},
        records={"espn/injuries": 3},
        answer=sent(
            f"{SITE}/nba/injuries",
            {},
            json_body(
                {
                    "timestamp": STAMP,
                    "season": {"year": 2027},
                    "injuries": [
                        {"id": "1", "injuries": [{"id": "11", "status": "Out"}, {"id": "12", "status": "Out"}]},
                        {"id": "2", "injuries": [{"id": "21", "status": "Day-To-Day"}]},
                    ],
                }
            ),
        ),
    ),
    "espn_standings": Case(
        season="2023-24",
        entity={},
        records={"espn/standings": 2},
        answer=sent(
            "/apis/v2/sports/basketball/nba/standings",
            {"season": "2024", "type": "0", "level": "1"},
            json_body(
                {
                    "standings": {
                        "season": 2024,
                        "entries": [{"team": {"id": team}, "stats": [{"name": "wins", "value": 1}]} for team in "12"],
                    }
                }
            ),
        ),
    ),
    "espn_leaders": Case(
        season="2023-24",
        entity={"leaders_page": "2"},
        records={"espn/leaders": 50},
        answer=sent(
            "/apis/common/v3/sports/basketball/nba/statistics/byathlete",
            {"season": "2024", "limit": "50", "page": "2"},
            leaders(2),
        ),
        another=leaders(3),
    ),
    "espn_wnba_scoreboard": Case(
        season="2024-25",
        entity={"date": "2024-07-04"},
        records={"espn_wnba/schedule": 3},
        answer=sent(f"{SITE}/wnba/scoreboard", {"dates": "20240704"}, scoreboard("wnba", "2024-07-04", 3)),
    ),
    "espn_wnba_summary": Case(
        season="2024-25",
        entity={"game_id": "401620300"},
        records={"espn_wnba/summaries": 6},
        answer=sent(f"{SITE}/wnba/summary", {"event": "401620300"}, summary("401620300")),
    ),
    "espn_mbb_scoreboard": Case(
        season="2023-24",
        entity={"date": "2024-01-15"},
        records={"espn_college/schedule": 40},
        answer=sent(
            f"{SITE}/mens-college-basketball/scoreboard",
            {"dates": "20240115", "groups": "50", "limit": "500"},
            scoreboard("mens-college-basketball", "2024-01-15", 40),
        ),
    ),
}
