"""Read every recorded schedule of a folder and compare it with the facts of its index.

    python benchmarks/recorded_schedules.py FOLDER

``FOLDER/index.json`` lists recordings with ``file``, ``url`` and ``facts``: counts, first and last games, titles. Each
document that is a schedule is read as the contract would have it read. Prints a line a document; exits 1 on a
difference, 2 if the folder holds no schedule.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from adce_assets.contract import schedule
from adce_assets.contract.schedule import Game, GameStatus

Entry = dict[str, Any]
Differences = Iterator[str]


def espn(games: list[Game], entry: Entry) -> Differences:
    facts = entry["facts"]
    yield from _differs("events", len(games), facts["events"])
    if not games:
        return
    for fact, game in (("first_event", games[0]), ("last_event", games[-1])):
        said = facts[fact]
        starts = f"{game.starts_at:%Y-%m-%dT%H:%MZ}" if game.starts_at else None
        shown = (game.game_id, starts, game.home, game.away)
        yield from _differs(fact, shown, (said["id"], said["date"], said["home"][0], said["away"][0]))
    ids = sorted(game.game_id for game in games)
    yield from _differs("ids", [ids[0], ids[-1]], facts["ids_sorted_first_last"])
    if "season_year" in facts:
        yield from _differs("season", {game.season_start for game in games}, {facts["season_year"] - 1})
        yield from _differs("day", {f"{game.date}" for game in games}, {Path(entry["file"]).stem.split("_")[1]})


def nba_schedule(games: list[Game], entry: Entry) -> Differences:
    facts = entry["facts"]
    yield from _differs("games", len(games), facts["games"])
    yield from _differs("by id", Counter(game.game_id[:3] for game in games), facts["games_by_id_prefix"])
    yield from _differs("dates", len({game.date for game in games}), facts["game_dates"])
    final = sum(game.status is GameStatus.FINAL for game in games)
    yield from _differs("final", final, facts["games_status_final"])
    yield from _differs("season", {game.season_start for game in games}, {int(facts["season"][:4])})
    for fact, game in (("first_game", games[0]), ("last_game", games[-1])):
        yield from _differs(fact, [game.game_id, f"{game.date:%Y%m%d}/{game.away}{game.home}"], facts[fact])


def nba_game_log(games: list[Game], entry: Entry) -> Differences:
    facts = entry["facts"]
    first = facts["first_row"]
    yield from _differs("games", len(games), facts["distinct_GAME_ID"])
    shown = (games[0].game_id, f"{games[0].date}", f"{games[0].away} @ {games[0].home}")
    yield from _differs("first row", shown, (first["GAME_ID"], first["GAME_DATE"], first["MATCHUP"]))
    yield from _differs("final", {game.status for game in games}, {GameStatus.FINAL})


def nba_scoreboard(games: list[Game], entry: Entry) -> Differences:
    facts = entry["facts"]
    yield from _differs("games", len(games), facts["distinct_GAME_ID"])
    shown = (games[0].game_id, f"{games[0].season_start}")
    yield from _differs("first row", shown, (facts["first_row"]["GAME_ID"], facts["first_row"]["SEASON"]))
    yield from _differs("teams", all(game.home and game.away for game in games), facts=True)


def nba_scoreboard_v3(games: list[Game], entry: Entry) -> Differences:
    facts = entry["facts"]
    yield from _differs("games", len(games), facts["games"])


def basketball_reference(games: list[Game], entry: Entry) -> Differences:
    facts = entry["facts"]
    yield from _differs("rows", len(games), facts["schedule_rows"])
    final = sum(game.status is GameStatus.FINAL for game in games)
    yield from _differs("with a box score", final, facts["rows_with_boxscore_link"])
    yield from _differs("ids", len({game.game_id for game in games}), facts["schedule_rows"])
    for fact, game in (("first_row", games[0]), ("last_row", games[-1])):
        yield from _differs(fact, f"{game.date:%a, %b} {game.date.day}, {game.date.year}", facts[fact][0])
    seasons = {f"{game.season_start}-{(game.season_start or 0) + 1}" for game in games}
    year = int(facts["canonical"].split("NBA_")[1][:4])
    yield from _differs("season", seasons, {f"{year - 1}-{year}"})


Compare = Callable[[list[Game], Entry], Differences]
FORMATS: tuple[tuple[str, str, Compare], ...] = (
    ("cdn_nba/scheduleLeagueV2*", "nba_schedule", nba_schedule),
    ("espn_api/scoreboard_*", "espn_scoreboard", espn),
    ("wnba/espn_scoreboard*", "espn_scoreboard", espn),
    ("stats_nba/LeagueGameLog*", "nba_game_log", nba_game_log),
    ("stats_nba/ScoreboardV2*", "nba_scoreboard", nba_scoreboard),
    ("gleague/scoreboardV2*", "nba_scoreboard", nba_scoreboard),
    ("stats_nba/ScoreboardV3*", "nba_scoreboard_v3", nba_scoreboard_v3),
    ("basketball_reference/*_games*", "basketball_reference_games", basketball_reference),
)


def main(folder: Path) -> int:
    """Compare every recorded schedule of the folder; return the exit code."""
    entries = json.loads((folder / "index.json").read_text("utf-8"))["entries"]
    schedules = [
        (entry, name, compare)
        for entry in entries
        for pattern, name, compare in FORMATS
        if Path(entry["file"]).match(pattern)
    ]
    print(f"{'document':58}{'format':28}{'KB':>6}{'ms':>7}{'games':>7}  differences")
    faults = sum(_compare(folder, *each) for each in schedules)
    print(f"{len(schedules)} schedules, {faults} differences")
    return int(faults > 0) if schedules else 2


def _compare(folder: Path, entry: Entry, name: str, compare: Compare) -> int:
    """Print the line of one document; return the number of differences."""
    body = (folder / entry["file"]).read_bytes()
    started = time.process_time()
    games = schedule.parse(name, body)
    spent = 1000 * (time.process_time() - started)
    differences = list(compare(games, entry))
    line = f"{entry['file']:58}{name:28}{len(body) / 1000:6.0f}{spent:7.1f}{len(games):7}"
    print(f"{line}  {'; '.join(differences) or 'none'}")
    return len(differences)


def _differs(fact: str, read: object, facts: object) -> Differences:
    if read != facts:
        yield f"{fact}: read {read}, recorded {facts}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
