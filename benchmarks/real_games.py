"""Games that really were played, put into a lake of the shipped layout: does the loop name exactly those that lack?

    python benchmarks/real_games.py FOLDER

FOLDER holds ``eoin_nba_games_1946_2025.csv.gz`` (columns ``nba_game_id`` and ``season``, one row a game) and
``season_truth.csv`` (columns ``season`` and ``regular_games_played``). Every game becomes one object of the data set
DATA_SET in a lake of its own; after a reconciliation, the missing keys of each season are compared with what the file
lacks against season truth. Exits 1 when one season differs.
"""

import csv
import gzip
import os
import re
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from adce_assets.loop import coverage, inventory
from adce_assets.loop.project import Project, open_project
from adce_assets.loop.state import COVERAGE
from adce_assets.settings import load_settings

DATA_SET = "nba_api/boxscores_traditional"
AS_OF = "2026-11-01T00:00:00Z"
BODY = b"{" + b" " * 2000 + b"}"


def main(folder: Path) -> int:
    truth = _truth(folder / "season_truth.csv")
    held = _held(folder / "eoin_nba_games_1946_2025.csv.gz")
    with tempfile.TemporaryDirectory(prefix="adce-real-games-") as scratch:
        project = _project(Path(scratch))
        _fill(project, held)
        inventory.take(project, mode="list")
        coverage.analyse(project)
        missing = _missing(project)
    wrong = 0
    print(f"{'season':8} {'truth':>6} {'in the file':>12} {'missing':>8}  first missing ids")
    for season, count in truth.items():
        regular = {game for game in held[season] if game[2] == "2"}
        lacking = max(0, count - len(regular))
        named = missing.get(season, set())
        faulty = len(named) != lacking or bool(named & regular) or any(game[2] != "2" for game in named)
        wrong += faulty
        if lacking or faulty:
            note = "  <- WRONG" if faulty else ""
            print(f"{season:8} {count:6} {len(regular):12} {len(named):8}  {' '.join(sorted(named)[:5])}{note}")
    games = sum(map(len, held.values()))
    print(f"{games} games, {len(truth)} seasons: {sum(map(len, missing.values()))} missing, {wrong} season(s) wrong")
    return int(wrong > 0)


def _project(scratch: Path) -> Project:
    shipped = Path(__file__).resolve().parent.parent
    for part in ("config", "inventory"):
        shutil.copytree(shipped / part, scratch / part, ignore=shutil.ignore_patterns("cache", "gaps.json"))
    (scratch / "lake").mkdir()
    environment = {"ADCE_HOME": str(scratch), "ADCE_LAKE": (scratch / "lake").as_uri(), "ADCE_AS_OF": AS_OF}
    return open_project(load_settings({**os.environ, **environment}))


def _fill(project: Project, held: Mapping[str, set[str]]) -> None:
    template = project.contract.data_sets[DATA_SET].templates[0]
    root = Path(project.lake.url.removeprefix("file://"))
    for games in held.values():
        for game in games:
            path = root / template.render({"game_id": game})
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(BODY)


def _missing(project: Project) -> dict[str, set[str]]:
    states: Counter[str] = Counter()
    missing = defaultdict(set)
    for row in project.state.read_table(COVERAGE).to_pylist():
        if f"{row['source']}/{row['data_type']}" == DATA_SET:
            states[row["state"]] += 1
            if row["state"] == "missing":
                missing[row["season"]].add(row["entity"])
    print(dict(states))
    return missing


def _truth(file: Path) -> dict[str, int]:
    with file.open(newline="") as lines:
        return {row["season"]: int(row["regular_games_played"]) for row in csv.DictReader(lines)}


def _held(file: Path) -> dict[str, set[str]]:
    held = defaultdict(set)
    with gzip.open(file, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            start, game = int(row["season"]), row["nba_game_id"]
            if not re.fullmatch(r"00\d{8}", game):
                sys.exit(f"{file}: `{game}` is no game id")
            held[f"{start}-{(start + 1) % 100:02d}"].add(game)
    return held


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])) if len(sys.argv) == 2 else __doc__)
