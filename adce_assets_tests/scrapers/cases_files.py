"""Files: Parquet of the sportsdataverse's releases, Kaggle's archives, CSV of ratings; all made in memory."""

import io
import zipfile
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq

from adce_assets_tests.scrapers.every_scraper import Case, sent

BINARY, CSV, ZIP = "application/octet-stream", "text/csv", "application/zip"
PLAYS = "game_id id sequence_number type_id text period_number season"
PLAYER_BOX = "game_id season season_type game_date athlete_id team_id minutes points"
TEAM_BOX = "game_id season season_type game_date team_id team_score opponent_team_id"
SCHEDULE = "game_id season season_type home_id away_id"


def parquet(columns: str, rows: int, season: int) -> bytes:
    """Make a file of numbers, all of one season."""
    made = {name: [season] * rows if name == "season" else list(range(rows)) for name in columns.split()}
    written = io.BytesIO()
    pq.write_table(pa.table(made), written)
    return written.getvalue()


@cache
def csv(columns: str, rows: int) -> bytes:
    """Make a table of numbers; ``columns`` are names divided by blanks."""
    names = columns.split()
    tail = ",7" * (len(names) - 1)
    return "\n".join((",".join(names), *(f"{number}{tail}" for number in range(rows)), "")).encode()


def archive(members: dict[str, bytes]) -> bytes:
    """Make a ZIP."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as made:
        for name, body in members.items():
            made.writestr(zipfile.ZipInfo(name), body)
    return written.getvalue()


def release(data_set: str, path: str, columns: str, rows: int, season: str = "2022-23") -> Case:
    """A file of a season, at an address that ends in its year."""
    year = int(path.removesuffix(".parquet")[-4:])
    answer = sent(path, {}, parquet(columns, rows, year), BINARY)
    return Case(season, {}, {f"hoopr/{data_set}": rows}, answer, another=parquet(columns, rows, year - 1))


def kaggle(data_set: str, path: str, members: dict[str, bytes], records: int) -> Case:
    return Case("all", {}, {f"kaggle/{data_set}": records}, sent(path, {}, archive(members), ZIP))


RELEASES = {
    "hoopr_espn_nba_pbp": release("play_by_play", "/espn_nba_pbp/play_by_play_2023.parquet", PLAYS, 5_000),
    "hoopr_espn_nba_player_boxscores": release(
        "player_box", "/espn_nba_player_boxscores/player_box_2023.parquet", PLAYER_BOX, 2_600
    ),
    "hoopr_espn_nba_team_boxscores": release(
        "team_box", "/espn_nba_team_boxscores/team_box_2023.parquet", TEAM_BOX, 2_460
    ),
    "hoopr_espn_nba_schedules": release("schedule", "/espn_nba_schedules/nba_schedule_2023.parquet", SCHEDULE, 1_320),
    "hoopr_espn_wnba_pbp": release(
        "wnba_play_by_play", "/espn_wnba_pbp/play_by_play_2024.parquet", PLAYS, 5_000, "2024-25"
    ),
    "hoopr_espn_wnba_player_boxscores": release(
        "wnba_player_box", "/espn_wnba_player_boxscores/player_box_2024.parquet", PLAYER_BOX, 500, "2024-25"
    ),
    "hoopr_espn_mens_college_basketball_pbp": release(
        "college_play_by_play", "/espn_mens_college_basketball_pbp/play_by_play_2023.parquet", PLAYS, 9_000
    ),
    "hoopr_espn_mens_college_basketball_schedules": release(
        "college_schedule", "/espn_mens_college_basketball_schedules/mbb_schedule_2023.parquet", SCHEDULE, 6_000
    ),
}

ARCHIVES = {
    "kaggle_wyattowalsh_basketball": kaggle(
        "basketball_database",
        "/wyattowalsh/basketball",
        {
            "csv/game.csv": csv("game_id season_id team_id_home team_id_away pts_home pts_away", 50_100),
            "csv/play_by_play.csv": csv("game_id eventnum", 10),
            "nba.sqlite": b"SQLite format 3\0",
        },
        50_100,
    ),
    "kaggle_eoinamoore_historical_nba_data_and_player_box_scores": kaggle(
        "historical_box_scores",
        "/eoinamoore/historical-nba-data-and-player-box-scores",
        {
            "Games.csv": csv("gameId hometeamId awayteamId homeScore awayScore", 50_200),
            "PlayerStatistics.csv": csv("personId gameId points", 10),
        },
        50_200,
    ),
    "kaggle_nathanlauga_nba_games": kaggle(
        "nba_games",
        "/nathanlauga/nba-games",
        {
            "games.csv": csv("GAME_ID SEASON HOME_TEAM_ID VISITOR_TEAM_ID", 26_651),
            "games_details.csv": csv("GAME_ID PLAYER_ID PTS", 10),
        },
        26_651,
    ),
    "kaggle_sumitrodatta_nba_aba_baa_stats": kaggle(
        "nba_aba_baa_stats",
        "/sumitrodatta/nba-aba-baa-stats",
        {
            "Player Totals.csv": csv("season player pts", 26_000),
            "Team Summaries.csv": csv("season team w l", 10),
        },
        26_000,
    ),
}

RATINGS = "rank team conf record adjoe adjde barthag"
CASES: dict[str, Case] = {
    **RELEASES,
    **ARCHIVES,
    "torvik_ratings": Case(
        "2022-23", {}, {"torvik/team_ratings": 363}, sent("/2023_team_results.csv", {}, csv(RATINGS, 363), CSV)
    ),
}
