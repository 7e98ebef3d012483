"""Basketball-Reference's pages of other leagues, and college basketball at Sports-Reference."""

from adce_assets_tests.scrapers.cases_basketball_reference import SITE, season_page, standings
from adce_assets_tests.scrapers.every_scraper import HTML, Case, sent
from adce_assets_tests.scrapers.made_pages import elements, page, table

COLLEGE = "https://www.sports-reference.com"
COLLEGE_GAME = "2020-01-05-13-saint-josephs"
SCHEDULE = "date_game visitor_team_name visitor_pts home_team_name home_pts"


def month(data_set: str, league: str, year: int, name: str, season: str) -> Case:
    address = f"/leagues/{league}_{year}_games"
    body = page(f"{SITE}{address}.html", table("schedule", SCHEDULE, 42))
    entity = {f"{league.lower()}_month": name}
    return Case(
        season, entity, {f"basketball_reference/{data_set}": 42}, sent(f"{address}-{name}.html", {}, body, HTML)
    )


CASES: dict[str, Case] = {
    "bbref_schedule_baa": month("baa_schedule_pages", "BAA", 1947, "november", "1946-47"),
    "bbref_schedule_aba": month("aba_schedule_pages", "ABA", 1968, "october", "1967-68"),
    "bbref_baa_season": season_page(
        "baa_season_stats", "/leagues/BAA_1947.html", standings(), records=12, season="1946-47"
    ),
    "bbref_aba_season": season_page(
        "aba_season_stats", "/leagues/ABA_1971.html", standings(), records=12, season="1970-71"
    ),
    "bbref_wnba_season": season_page(
        "wnba_season_stats",
        "/wnba/years/2024.html",
        table("", "team_name wins losses", 12),
        records=12,
        season="2024-25",
    ),
    "bbref_gleague_season": season_page(
        "gleague_standings",
        "/gleague/years/2023.html",
        table("standings_e", "team_name wins losses", 15),
        table("standings_w", "team_name wins losses", 15),
        records=30,
    ),
    "bbref_gleague_team": season_page(
        "gleague_rosters",
        "/gleague/teams/AUS/2023.html",
        table("nbdl_per_game", "player g", 14),
        records=14,
        gleague_team="AUS",
    ),
    "bbref_intl_league": season_page(
        "international_season_stats",
        "/international/euroleague/2023.html",
        table("elg_standings", "team_name wins losses", 18),
        records=18,
        intl_league="euroleague",
    ),
    "cbb_schedule_day": Case(
        "2019-20",
        {"date": "2020-01-05"},
        {"sports_reference_cbb/schedule_days": 31},
        sent(
            "/boxscores/index.cgi",
            {"month": "1", "day": "5", "year": "2020"},
            page(
                f"{COLLEGE}/cbb/boxscores/",
                elements("div.game_summaries", 1, elements("div.game_summary nohover", 31)),
                title="College Basketball Scores on Sunday, January 5, 2020 | College Basketball",
            ),
            HTML,
        ),
    ),
    "cbb_box_score": Case(
        "2019-20",
        {"cbb_game": COLLEGE_GAME},
        {"sports_reference_cbb/box_scores": 18},
        sent(
            f"/boxscores/{COLLEGE_GAME}.html",
            {},
            page(
                f"{COLLEGE}/cbb/boxscores/{COLLEGE_GAME}.html",
                table("box-score-basic-dayton", "player mp fg pts", 9),
                table("box-score-basic-saint-josephs", "player mp fg pts", 9),
                table("box-score-advanced-saint-josephs", "player mp ts_pct", 9),
            ),
            HTML,
        ),
    ),
    "cbb_school_stats": Case(
        "2019-20",
        {},
        {"sports_reference_cbb/school_stats": 353},
        sent(
            "/seasons/men/2020-school-stats.html",
            {},
            page(
                "",
                table("basic_school_stats", "ranker school_name wins losses pts", 353),
                title="2019-20 Men's College Basketball School Stats",
            ),
            HTML,
        ),
    ),
}
