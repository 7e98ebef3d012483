"""Basketball-Reference: pages of seasons, games, teams and players of the NBA, in the layouts of several years."""

from dataclasses import dataclass

from adce_assets_tests.scrapers.every_scraper import HTML, TODAY, Case, sent
from adce_assets_tests.scrapers.made_pages import bare_table, elements, hidden, page, paragraphs, table

SITE = "https://www.basketball-reference.com"
SOURCE = "basketball_reference"
PLAYER, PLAYER_OF_2024 = "ranker player team_id g", "ranker name_display team_name_abbr games"
GAME = "202212010BOS"


@dataclass(frozen=True)
class SeasonTable:
    """A page of all players of a season: its data set, address, table, columns, and the file in its folder."""

    data_set: str
    page: str
    table: str
    columns: str
    file: str = ""


SEASON_TABLES = {
    "bbref_season_totals": SeasonTable("season_totals", "totals", "totals_stats", f"{PLAYER} pts"),
    "bbref_season_totals@of_2024": SeasonTable("season_totals", "totals", "totals_stats", f"{PLAYER_OF_2024} pts"),
    "bbref_season_per_game": SeasonTable(
        "per_game", "per_game", "per_game_stats", f"{PLAYER} pts_per_g", "per_game_stats"
    ),
    "bbref_season_advanced": SeasonTable("advanced_totals", "advanced", "advanced_stats", f"{PLAYER} per ws"),
    "bbref_season_advanced@of_2024": SeasonTable("advanced_totals", "advanced", "advanced", f"{PLAYER_OF_2024} per ws"),
    "bbref_per_poss": SeasonTable("per_possession", "per_poss", "per_poss", f"{PLAYER} pts_per_poss"),
    "bbref_per_minute": SeasonTable("per_minute", "per_minute", "per_minute_stats", f"{PLAYER} pts_per_mp"),
    "bbref_shooting": SeasonTable("shooting", "shooting", "shooting", f"{PLAYER} avg_dist", "shooting_stats"),
    "bbref_pbp_season": SeasonTable(
        "play_by_play", "play-by-play", "pbp_stats", f"{PLAYER} plus_minus_on", "play_by_play_stats"
    ),
    "bbref_adj_shooting": SeasonTable("adjusted_shooting", "adj_shooting", "adj_shooting", f"{PLAYER} ts_pct"),
    "bbref_ratings": SeasonTable("team_ratings", "ratings", "ratings", "ranker team_name off_rtg def_rtg"),
    "bbref_rookies": SeasonTable("rookies", "rookies", "rookies", "ranker player g"),
    "bbref_coaches": SeasonTable("coaches", "coaches", "NBA_coaches", "coach team_id g", "coach_records"),
}


def of_a_season(asked: SeasonTable, rows: int = 320) -> Case:
    path = f"/leagues/NBA_2023_{asked.page}.html"
    body = page(SITE + path, table(asked.table, asked.columns, rows))
    entity = {f"{asked.data_set}_file": asked.file} if asked.file else {}
    if asked.data_set == "team_ratings":
        entity = {"team_ratings_file": "team_ratings"}
    return of_page(asked.data_set, path, body, rows, season="2022-23", **entity)


def of_page(data_set: str, path: str, body: bytes, records: int | None, *, season: str, **entity: str) -> Case:
    return Case(season, entity, {f"{SOURCE}/{data_set}": records}, sent(path, {}, body, HTML))


def season_page(
    data_set: str, path: str, *parts: str, records: int | None, season: str = "2022-23", **entity: str
) -> Case:
    return of_page(data_set, path, page(SITE + path, *parts), records, season=season, **entity)


def standings() -> str:
    return "".join(table(f"divs_standings_{side}", "team_name wins losses gb", 6, repeated=3) for side in "EW")


def box_score(game: str, *, old_layout: bool = False) -> bytes:
    names = (
        [f"box_{team}_basic" for team in ("nyk", "bos")] if old_layout else ["box-NYK-game-basic", "box-BOS-game-basic"]
    )
    boxes = [table(name, "player mp fg ft pts", 11, repeated=5) for name in names]
    quarter = table("box-BOS-q1-basic", "player mp fg ft pts", 11)
    factors = hidden(table("four_factors", "team_id pace efg_pct tov_pct off_rtg", 2))
    return page(f"{SITE}/boxscores/{game}.html", *boxes, quarter, factors)


SEASONS = {
    name: of_a_season(asked, 30 if asked.data_set in {"team_ratings", "rookies"} else 320)
    for name, asked in SEASON_TABLES.items()
} | {
    "bbref_season_summary": Case(
        "1950-51",
        {"standings_file": "standings"},
        {f"{SOURCE}/standings": 12, f"{SOURCE}/early_nba_season_stats": 12},
        sent("/leagues/NBA_1951.html", {}, page(f"{SITE}/leagues/NBA_1951.html", standings()), HTML),
    ),
    "bbref_season_summary@in_comments": season_page(
        "standings",
        "/leagues/NBA_2017.html",
        hidden(standings()),
        records=12,
        season="2016-17",
        standings_file="standings",
    ),
    "bbref_standings_by_date": season_page(
        "standings_by_date",
        "/leagues/NBA_2023_standings_by_date_eastern_conference.html",
        bare_table("standings_by_date", 160, 16),
        records=160,
        standings_by_date_file="eastern_conference",
    ),
    "bbref_leaders": season_page(
        "leaders",
        "/leagues/NBA_2023_leaders.html",
        *(elements(f"div#leaders_{name}", 1) for name in ("pts", "trb", "ast", "stl")),
        records=4,
    ),
    "bbref_transactions": season_page(
        "transactions",
        "/leagues/NBA_2023_transactions.html",
        '<ul class="page_index"><li>July 1<p>One for another</p><p>One more</p></li><li>July 2<p>Two</p></li></ul>',
        records=3,
        transactions_file="transactions",
    ),
    "bbref_awards": season_page(
        "awards",
        "/awards/awards_2023.html",
        table("mvp", "rank player age team_id", 13),
        hidden(table("roy", "rank player age team_id", 9)),
        records=13,
        awards_file="awards",
    ),
    "bbref_award_history": season_page(
        "award_histories",
        "/awards/mvp.html",
        table("mvp_NBA", "season lg_id player", 70),
        records=70,
        season="all",
        award="mvp",
    ),
    "bbref_draft": season_page(
        "draft",
        "/draft/NBA_2023.html",
        table("stats", "ranker pick_overall team_id player", 58),
        records=58,
        draft_file="draft",
    ),
    "bbref_playoffs": season_page(
        "playoffs",
        "/playoffs/NBA_2023.html",
        table("all_playoffs", "series result", 15),
        records=15,
        playoffs_file="playoff_stats",
    ),
    "bbref_allstar": season_page(
        "all_star",
        "/allstar/NBA_2023.html",
        table("Giannis", "player mp pts", 12),
        table("LeBron", "player mp pts", 12),
        records=24,
    ),
    "bbref_referees": season_page(
        "referee_register",
        "/referees/2023_register.html",
        table("referees", "referee g", 74),
        records=74,
    ),
}

GAMES = {
    "bbref_schedule": Case(
        "2019-20",
        {"schedule_month": "october-2019"},
        {f"{SOURCE}/schedule_pages": 60},
        sent(
            "/leagues/NBA_2020_games-october-2019.html",
            {},
            page(
                f"{SITE}/leagues/NBA_2020_games.html",
                table("schedule", "date_game visitor_team_name visitor_pts home_team_name home_pts", 60),
            ),
            HTML,
        ),
    ),
    "bbref_box_score": Case(
        "2022-23",
        {"game_id": GAME},
        {f"{SOURCE}/game_box_scores": 22, f"{SOURCE}/game_four_factors": 2},
        sent(f"/boxscores/{GAME}.html", {}, box_score(GAME), HTML),
    ),
    "bbref_box_score@layout_of_2018": of_page(
        "game_box_scores",
        "/boxscores/201701010BOS.html",
        box_score("201701010BOS", old_layout=True),
        22,
        season="2016-17",
        game_id="201701010BOS",
    ),
    "bbref_box_score@aba": of_page(
        "aba_box_scores",
        "/boxscores/197012010NYA.html",
        box_score("197012010NYA"),
        22,
        season="1970-71",
        game_id="197012010NYA",
    ),
    "bbref_pbp": season_page(
        "game_play_by_play", f"/boxscores/pbp/{GAME}.html", bare_table("pbp", 440, 6), records=440, game_id=GAME
    ),
    "bbref_shot_chart": season_page(
        "game_shot_charts",
        f"/boxscores/shot-chart/{GAME}.html",
        *(hidden(elements(f"div#shots-{team}", 1, elements("div.tooltip make", 88))) for team in ("NYK", "BOS")),
        records=176,
        game_id=GAME,
    ),
    "bbref_plus_minus": season_page(
        "game_plus_minus",
        f"/boxscores/plus-minus/{GAME}.html",
        elements("div.player-plusminus", 21),
        records=21,
        game_id=GAME,
    ),
    "bbref_daily_leaders": Case(
        "2022-23",
        {"date": "2023-01-05"},
        {f"{SOURCE}/daily_leaders": 120},
        sent(
            "/friv/dailyleaders.fcgi",
            {"month": "1", "day": "5", "year": "2023"},
            page(
                "",
                "<h1>NBA Daily Stats Leaders for January 5, 2023</h1>",
                table("stats", "ranker player team_id game_result pts", 120),
            ),
            HTML,
        ),
    ),
}

TEAMS_AND_PLAYERS = {
    "bbref_team_season": season_page(
        "team_seasons",
        "/teams/CHO/2023.html",
        table("roster", "number player pos", 17),
        hidden(table("per_game", "ranker player g", 18)),
        records=18,
        team="CHO",
    ),
    "bbref_team_gamelog": season_page(
        "team_game_logs",
        "/teams/CHO/2023/gamelog/",
        table("team_game_log_reg", "ranker date team_game_score", 82),
        records=82,
        team="CHO",
    ),
    "bbref_team_gamelog@of_2023": season_page(
        "team_game_logs",
        "/teams/CHO/2023/gamelog/",
        table("tgl_basic", "ranker date_game pts", 82),
        records=82,
        team="CHO",
    ),
    "bbref_team_lineups": season_page(
        "team_lineups",
        "/teams/CHO/2023/lineups/",
        hidden(table("lineups_5-man_", "ranker lineup mp", 20)),
        records=20,
        team="CHO",
    ),
    "bbref_team_on_off": season_page(
        "team_on_off",
        "/teams/CHO/2023/on-off/",
        table("on_off", "player split mp", 60),
        records=60,
        team="CHO",
    ),
    "bbref_franchise": season_page(
        "franchises",
        "/teams/NJN/",
        table("NJN", "season lg_id team_name wins", 57),
        records=57,
        season="all",
        franchise="NJN",
    ),
    "bbref_contracts": season_page(
        "contracts",
        "/contracts/BRK.html",
        table("contracts", "player age_today y1 y2", 16),
        records=16,
        season="2026-27",
        franchise="NJN",
        date=TODAY.isoformat(),
    ),
    "bbref_injuries": season_page(
        "injuries",
        "/friv/injuries.fcgi",
        table("injuries", "player team_name date_update note", 44),
        records=44,
        season="2026-27",
        date=TODAY.isoformat(),
    ),
    "bbref_injuries@of_none": season_page(
        "injuries",
        "/friv/injuries.fcgi",
        table("injuries", "player team_name date_update note", 0),
        records=0,
        season="2026-27",
        date=TODAY.isoformat(),
    ),
    "bbref_player": season_page(
        "players",
        "/players/b/blackta01.html",
        '<div id="meta"><p>A player</p></div>',
        table("per_game", "season age team_id g pts_per_g", 6),
        records=6,
        season="all",
        player_slug="blackta01",
    ),
    "bbref_player@who_has_not_played": season_page(
        "players",
        "/players/n/nobodno01.html",
        '<div id="meta"><p>A player</p></div>',
        paragraphs(["Drafted", "Signed"]),
        records=1,
        season="all",
        player_slug="nobodno01",
    ),
    "bbref_player_gamelog": season_page(
        "player_game_logs",
        "/players/b/blackta01/gamelog/2023",
        table("player_game_log_reg", "ranker date pts", 51),
        records=51,
        player_slug="blackta01",
    ),
    "bbref_player_splits": season_page(
        "player_shooting_splits",
        "/players/b/blackta01/splits/2023",
        table("splits", "split_id split_value g pts", 40),
        records=40,
        player_slug="blackta01",
    ),
}

CASES: dict[str, Case] = SEASONS | GAMES | TEAMS_AND_PLAYERS
