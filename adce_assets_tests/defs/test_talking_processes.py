"""Processes that work side by side tell the one that started them how far they are."""

import threading
from pathlib import Path

from adce_assets.defs.side_by_side import side_by_side
from adce_assets.loop.dispatch import Batch
from adce_assets.progress import Board, Tally, current_progress, current_telling
from adce_assets.scrapers.stopping import Stop
from adce_assets_tests.defs.talking import talk


def batch(name: str, scraper: str, folder: Path) -> Batch:
    return Batch(name, scraper, "2024-25", "HIGH", None, (), (), 5, str(folder))


def test_batches_in_processes_of_their_own_are_counted_while_they_run(tmp_path: Path):
    """Each process ends only when its number was heard here, of both together."""
    batches, board, told = [batch("a", "one", tmp_path), batch("b", "two", tmp_path)], Board(), []

    def hear(stage: str, done: int, total: int | None, note: str = "") -> None:
        told.append((stage, done, total, note))
        if done == 4:
            (tmp_path / "a").touch()
            (tmp_path / "b").touch()

    drawing, telling = current_progress.set(hear), current_telling.set(board.tell)
    try:
        ends = side_by_side(
            lambda _, started: [one for one in batches if one.id not in started],
            talk,
            at_once=2,
            stop=Stop(threading.Event()),
        )
        ended = {one.id: end() for one, end in ends}
    finally:
        current_telling.reset(telling)
        current_progress.reset(drawing)
    assert ended == {"a": "heard", "b": "heard"}
    assert told[0] == ("collect", 0, None, "")
    assert ("collect", 4, None, "") in told
    assert board.hosts == {"one": Tally(2, 1, 5), "two": Tally(2, 1, 5)}
