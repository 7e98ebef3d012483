"""How far a run is, as it goes: in all to its progress, and with host and failures to whoever listens."""

from typing import Any

import pytest

from adce_assets.progress import Board, Tally, current_telling
from adce_assets_tests.scrapers.conftest import SmallSource
from adce_assets_tests.scrapers.every_scraper import JSON, NOTHING, Sent


def one_is_gone(path: str, _query: dict[str, str]) -> Sent:
    return NOTHING if path == "/gone" else (200, JSON, b'{"a": 1}')


def notes(small: SmallSource, at_once: int = 1) -> list[tuple[Any, ...]]:
    told: list[tuple[Any, ...]] = []

    def progress(*said: Any) -> None:
        told.append(said)

    wanted = [small.wanted(name) for name in ("gone", "x", "y")]
    small.collect(small.entry(), one_is_gone, *wanted, progress=progress, at_once=at_once)
    return told


def test_where_nobody_listens_the_note_says_what_failed_and_what_waits(small_source: SmallSource):
    assert notes(small_source) == [
        ("collect", 1, 3, "1 failed, 2 waiting"),
        ("collect", 2, 3, "1 failed, 1 waiting"),
        ("collect", 3, 3, "1 failed, 0 waiting"),
    ]


@pytest.mark.parametrize("at_once", [1, 2])
def test_who_listens_hears_it_of_each_host_from_the_beginning(small_source: SmallSource, at_once: int):
    heard: list[tuple[str, str, Tally]] = []

    def listen(run: str, host: str, tally: Tally) -> None:
        heard.append((run, host, tally))

    token = current_telling.set(listen)
    try:
        told = notes(small_source, at_once)
    finally:
        current_telling.reset(token)
    assert {note for *_, note in told} == {""}
    assert {(run, host) for run, host, _ in heard} == {("run1", "here")}
    tallies = [tally for *_, tally in heard]
    assert (tallies[0], tallies[-1]) == (Tally(0, 0, 3), Tally(3, 1, 3))
    assert [tally.done for tally in tallies] == [0, 1, 2, 3]


def test_runs_of_a_host_are_counted_together_and_each_by_its_newest_word():
    board = Board()
    for run, host, tally in (
        ("1", "a", Tally(1, 0, 4)),
        ("2", "a", Tally(2, 2, 3)),
        ("3", "b", Tally(0, 0, 9)),
        ("1", "a", Tally(3, 1, 4)),
    ):
        board.tell(run, host, tally)
    assert board.hosts == {"a": Tally(5, 3, 7), "b": Tally(0, 0, 9)}


def test_a_run_that_turns_to_another_host_is_counted_there_alone():
    board = Board()
    board.tell("1", "a", Tally(1, 0, 4))
    board.tell("1", "b", Tally(2, 0, 4))
    assert board.hosts == {"a": Tally(), "b": Tally(2, 0, 4)}
