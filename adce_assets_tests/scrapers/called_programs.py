"""An installation with one program, as somebody would have put it there, and stand-ins for what the program does."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adce_assets.lake.store import LakeStore
from adce_assets.scrapers.command import Launched, Programs
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Wanted
from adce_assets.scrapers.processes import Ended

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
ARGUMENTS = ["--season", "{season}", "--game-ids", "{game_ids}", "--lake", "{lake}"]
WELL = Ended(0, in_time=True, seconds=1.0, last=(), unsaid=0)


def entry(*trouble: str, **changes: Any) -> ScraperEntry:
    """An entry for the example program; ``changes`` are of its ``command``."""
    said = {"program": "boxes", "arguments": [*ARGUMENTS, *trouble], **changes}
    requirements = {"must_have": ["players"], "id_path": "game_id", "id_is": "{game_id}", "records": "players.*"}
    yields = {"club/boxes": {"requirements": requirements}, "club/plays": {}}
    return ScraperEntry.model_validate({"kind": "command", "command": said, "yields": yields})


def wanted(game: str = "0022300001", season: str = "2023-24", **changes: Any) -> Wanted:
    fields = {"season": season, "season_start": season[:4], "game_id": game}
    made = Wanted(f"boxes/{season}/{game}.json", "club", "boxes", season, fields, None)
    return replace(made, **changes)


def games(count: int, first: int = 1, **changes: Any) -> list[Wanted]:
    return [wanted(f"00223{number:05d}", **changes) for number in range(first, first + count)]


class Called:
    """A stand-in for the program: keeps what it is started with, and does what a test says."""

    def __init__(self, does: Callable[[Launched], Ended] = lambda _: WELL) -> None:
        self.calls: list[Launched] = []
        self._does = does

    def __call__(self, launched: Launched) -> Ended:
        self.calls.append(launched)
        return self._does(launched)


def installed(folder: Path, lake: LakeStore) -> Programs:
    """The programs of an installation: a copy of the example."""
    (folder / "programs").mkdir()
    program = Path(__file__).with_name("example_program.py").read_text()
    (folder / "programs" / "boxes").write_text(f"#!{sys.executable}\n{program}")
    (folder / "programs" / "boxes").chmod(0o755)
    kept = {"CLUB_TOKEN": "planted-s3cret/+=", "CLUB_REGION": "north", "PATH": "/opt/bin"}
    return Programs([folder / "programs"], lake, "run-1", lambda: NOW, kept.get)
