"""A program such as people have: it knows nothing of ADCE, takes its options and writes its files where it is told to.

Started by tests as a program of its own; what it does wrong is asked for by the option ``--trouble``.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

KEY = "boxes/{}/{}.json"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--season", required=True)
    parser.add_argument("--game-ids", required=True)
    parser.add_argument("--lake", required=True)
    parser.add_argument("--trouble", default="none")
    given = parser.parse_args()
    lake = Path(url2pathname(urlsplit(given.lake).path))
    games = given.game_ids.split(",")
    print(f"collecting {len(games)} game(s) of {given.season}")  # noqa: T201 - a program talks
    for number, game in enumerate(games):
        if number and given.trouble in {"dies", "hangs"}:
            _end(given.trouble)
        if number % 2 and given.trouble == "forgets":
            continue
        _write(lake / KEY.format(given.season, game), _document(game, given.trouble))
    if given.trouble == "talks":
        _talk()
    if given.trouble == "child":
        subprocess.Popen(["/bin/sh", "-c", f"sleep 1.5; echo late > {lake}/late.txt"])
    return 3 if given.trouble == "refuses" else 0


def _document(game: str, trouble: str) -> bytes:
    if trouble == "notice":
        return b"<html><title>Access denied</title>" + b" " * 500 + b"</html>"
    told = "0000000000" if trouble == "other" else game
    return json.dumps({"game_id": told, "players": [{"name": f"player {n}", "points": n} for n in range(12)]}).encode()


def _write(file: Path, body: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)


def _end(how: str) -> None:
    if how == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)


def _talk() -> None:
    for name in sorted(os.environ):
        print(f"{name}={os.environ[name]}")  # noqa: T201 - a program talks
    print("in", Path.cwd().name, "with", len(list(Path.cwd().iterdir())), "files")  # noqa: T201 - a program talks


if __name__ == "__main__":
    sys.exit(main())
