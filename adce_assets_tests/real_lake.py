"""The listing of a real lake in, one like it out: the same folders, key patterns and counts, 172,754 objects.

Only facts are real: prefixes, patterns, counts, mean sizes, the rules of ids. Which games there were, and when an
object was written, is made up from a seed.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache

KIB = 1024
FIRST_DAY, LAST_DAY = date(1993, 8, 25), date(2025, 6, 30)
ESPN_GAMES = {range(1993, 2002): 11_210, range(2002, 2011): 14_464, range(2011, 2025): 19_152}
"""ESPN's games by the years in which their seasons start."""
LAST_DATED_SEASON = 2011
KNOWN_UNDER_BOTH_IDS = 128
BOX_SCORE_KINDS = (
    "advanced",
    "defensive",
    "four_factors",
    "misc",
    "player_tracking",
    "scoring",
    "traditional",
    "usage",
)
NON_DATA = {
    "athena-results/{}.csv": 7,
    "ml-features/part-{}.parquet": 3,
    "ml-models/model-{}.pkl": 7,
    "ml-models-panel/model-{}.pkl": 6,
    "ml-predictions/2025-10-{:02d}.json": 10,
    "scripts/job-{}.py": 1,
    "box_score_snapshots/part-{}.parquet": 1,
}
SYNERGY = (
    *("transition", "isolation", "prballhandler", "prrollman", "postup"),
    *("spotup", "handoff", "cut", "offscreen", "offrebound"),
)
DASHBOARDS = (
    *("player_stats", "team_stats", "lineups", "league_leaders"),
    *("player_tracking_defense", "player_tracking_stats", "team_tracking_defense"),
)
BBREF_TOTALS = {"advanced_totals": range(1953, 2026), "season_totals": range(1950, 2026)}
BBREF_FILES = {
    "awards": "awards",
    "draft": "draft",
    "per_game": "per_game_stats",
    "play_by_play": "play_by_play_stats",
    "playoffs": "playoff_stats",
    "shooting": "shooting_stats",
    "standings_by_date": "standings_by_date",
    "team_ratings": "team_ratings",
}


@dataclass(frozen=True, slots=True)
class LakeObject:
    """One object of the listing."""

    key: str
    size: int
    last_modified: datetime


@cache
def espn_games() -> dict[str, str]:
    """List ESPN's game ids with the season of each, which a schedule of record knows."""
    seasons: dict[str, str] = {}
    running = 400_270_000
    chance = random.Random(2025)
    for years, games in ESPN_GAMES.items():
        for place, year in enumerate(years):
            label = f"{year}-{(year + 1) % 100:02d}"
            count = games // len(years) + (place < games % len(years))
            dated = count if year < LAST_DATED_SEASON else count - KNOWN_UNDER_BOTH_IDS
            if year <= LAST_DATED_SEASON:
                seasons |= dict.fromkeys(_dated_ids(year, dated), label)
                count -= dated
            for _ in range(count):
                running += chance.randint(1, 150)
                seasons[str(running)] = label
    return seasons


@cache
def espn_games_without_plays() -> dict[str, str]:
    """List the games of which ESPN has a box score and no play-by-play document, with the season of each."""
    return dict.fromkeys(map(str, range(401_900_000, 401_900_010)), "2024-25")


def _dated_ids(year: int, count: int) -> Iterator[str]:
    """Spell day and home team into ids: some games on each of 250 days from mid October on."""
    for number in range(count):
        day = date(year, 10, 12) + timedelta(days=number % 250)
        yield f"{day.year - 1980}{day:%m%d}{1 + number // 250:03d}"


def nba_ids(start: int, count: int, kind: int = 2) -> list[str]:
    """Number the games of a season as the NBA does."""
    return [f"00{kind}{start % 100:02d}{number:05d}" for number in range(1, count + 1)]


@cache
def objects(seed: int = 172_754) -> tuple[LakeObject, ...]:
    """List the lake, in the byte order of its keys."""
    chance = random.Random(seed)
    first = datetime(2024, 10, 1, tzinfo=UTC)
    found = [
        LakeObject(
            key,
            max(200, round(mean * KIB * chance.uniform(0.5, 1.5))),
            first + timedelta(seconds=chance.randrange(385 * 86_400)),
        )
        for keys, mean in (
            *_espn(),
            *_nba_api(),
            *_basketball_reference(),
            *_hoopr(),
            ((f"sportsdataverse/schedule_{year}.json" for year in range(2014, 2026)), 900),
            ((pattern.format(number) for pattern, count in NON_DATA.items() for number in range(count)), 600),
        )
        for key in keys
    ]
    return tuple(sorted(found, key=lambda item: item.key.encode()))


Keys = tuple[Iterable[str], int]
"""Keys, and the mean size of their objects in KiB."""


def _espn() -> Iterator[Keys]:
    ids = list(espn_games())
    days = (FIRST_DAY + timedelta(days=number) for number in range((LAST_DAY - FIRST_DAY).days + 1))
    yield (f"pbp/{game}.json" for game in ids), 941
    yield (f"box_scores/{game}.json" for game in [*ids, *espn_games_without_plays()]), 715
    yield (f"team_stats/{game}.json" for game in [*ids, *espn_games_without_plays()]), 709
    of_2023 = [game for game, season in espn_games().items() if season == "2022-23"]
    yield (f"team_stats/year=2023/{game}.json" for game in of_2023[:1_265]), 709
    yield (f"schedule/{day:%Y%m%d}.json" for day in days), 754


def _nba_api() -> Iterator[Keys]:
    folder = "nba_api_comprehensive"
    games = [game for year in range(2019, 2025) for game in nba_ids(year, 1_059 if year == 2019 else 1_230)][:6_973]
    boxes = [(kind, game) for game in games for kind in BOX_SCORE_KINDS][:13_940]
    yield (f"{folder}/boxscores_advanced/{kind}_{game}.json" for kind, game in boxes), 20
    yield (f"{folder}/play_by_play/play_by_play_{game}.json" for game in games), 220
    yield (f"{folder}/shot_charts/shot_chart_player_{203_000 + n}_2025.json" for n in range(573)), 90
    yield (f"{folder}/player_info/player_info_{203_000 + n}_2025.json" for n in range(453)), 4
    yield (f"{folder}/league_dashboards/{name}_{y}.json" for name in DASHBOARDS for y in range(2014, 2026)), 300
    yield (f"{folder}/hustle/{who}_hustle_{y}.json" for who in ("player", "team") for y in range(2016, 2026)), 80
    yield (
        (f"{folder}/draft/draft_{what}_{y}.json" for what in ("history", "combine_stats") for y in range(2014, 2026)),
        60,
    )
    yield (f"{folder}/synergy/synergy_{kind}_{y}.json" for kind in SYNERGY for y in range(2016, 2026)), 60
    kinds = ("passing", "rebounding", "shot_defense", "shots")
    tracking = [f"{kind}_player_{2_544 + n}_2014" for n in range(23) for kind in kinds][:89]
    yield (f"{folder}/tracking/{name}.json" for name in tracking), 10
    old = [(1996, game) for game in (*nba_ids(1996, 1_189), *nba_ids(1996, 72, 4))]
    old += [(1997, game) for game in nba_ids(1997, 902)]
    yield (f"nba_api_playbyplay/season_{year}/play_by_play_{game}.json" for year, game in old), 271
    parts = ("pbp", "boxscore")
    yield (
        (f"nba_api_incremental/20251010/game_{game}_{part}.json" for game in nba_ids(2025, 27, 1) for part in parts),
        130,
    )
    probed = [(year, game) for year in range(1996, 2023) for game in nba_ids(2020 if year >= 2020 else 2000, 3)][:80]
    yield (f"nba_api_reverse/season_{year}/pbp_{game}.json" for year, game in probed), 500


def _basketball_reference() -> Iterator[Keys]:
    folder = "basketball_reference"
    totals = [(category, year) for category, years in BBREF_TOTALS.items() for year in years]
    yield (f"{folder}/{category}/{year}/player_{category}.json" for category, year in totals), 230
    yield (f"{folder}/schedules/{year}/schedule.json" for year in range(1950, 2026)), 230
    yield (f"{folder}/standings/{year}/standings.json" for year in range(1950, 2026)), 230
    yield (f"{folder}/coaches/{year}/coach_records.json" for year in range(2001, 2026)), 230
    yield (f"{folder}/transactions/{year}/transactions.json" for year in range(2012, 2026)), 230
    recent = [f"{category}/{year}/{name}" for category, name in BBREF_FILES.items() for year in range(2013, 2026)]
    yield (f"{folder}/{path}.json" for path in recent), 230


def _hoopr() -> Iterator[Keys]:
    files = ("play_by_play", "player_box", "schedule", "team_box")
    years = range(2002, 2026)
    yield (f"hoopr_parquet/{name}/nba_data_{year}.parquet" for name in files for year in years), 5_300
    bulk = ("pbp", "player_box", "team_box", "schedule")
    yield (f"hoopr_phase1/bulk_{name}/{name}_{year}.csv" for name in bulk for year in years), 23_000
    starts = {"player_stats": 2002, "team_stats": 2002, "lineups_5man": 2007, "player_tracking": 2021}
    starts |= {"hustle_player": 2023, "hustle_team": 2023}
    dashboards = [f"{name}_{year}" for name, start in starts.items() for year in range(start, 2025)]
    yield (f"hoopr_phase1/league_dashboards/{dashboard}.csv" for dashboard in dashboards), 200
    yield (f"hoopr_phase1/standings/standings_{year}.csv" for year in range(2002, 2025)), 10
    yield (f"hoopr_phase1/draft/draft_{year}.csv" for year in range(2002, 2025)), 10
    yield (f"hoopr_phase1/{name}.csv" for name in ("draft/combine_stats_all", "static_reference/all_players")), 300
    yield (f"hoopr_phase1/static_reference/{name}.csv" for name in ("all_teams", "all_time_leaders")), 10
