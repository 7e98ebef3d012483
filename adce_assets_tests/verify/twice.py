"""A sound season and one that fails, reconciled by a program that writes both reports without their runs and times.

Arguments: the folder of a `Workshop` in which games and box scores were published.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path

from adce_assets.verify import report
from adce_assets_tests.verify.seeding import NOW, Workshop, document, in_this_process, key_of

SPOILED = (
    f"UPDATE staging_player_box SET worker_id = 'parser-9' WHERE object_key <> '{key_of(0)}' AND starter",
    f"INSERT INTO staging_player_box SELECT * FROM staging_player_box WHERE object_key = '{key_of(0)}'",
    f"DELETE FROM staging_player_box WHERE object_key = '{key_of(1)}' AND NOT starter",
    f"UPDATE staging_player_box SET points = points + 1, minutes = 50 WHERE object_key = '{key_of(2)}'",
    "UPDATE load_runs SET staged = staged - 1 WHERE entity = 'player_box'",
)
"""Several rows of every object, by several workers."""


def main() -> None:
    workshop = Workshop(Path(sys.argv[1]))
    workshop.clock = lambda: NOW + timedelta(hours=len(sys.argv))
    with in_this_process():
        sound = workshop.run("player_box", "sound", processes=3, writers=2)
        told = document(2)
        told["boxscore"]["players"][0]["statistics"][0]["athletes"].pop()
        told["boxscore"]["players"][1]["statistics"][0]["athletes"][0]["stats"][1] = "7"
        workshop.store.put("box_scores/again.json", json.dumps(told).encode())
        workshop.tampering = {"before": SPOILED}
        failing = workshop.run("player_box", "failing", processes=3, writers=2)
    for one in (sound, failing):
        sys.stdout.write(report.text_of(report.timeless(one)))


if __name__ == "__main__":
    main()
