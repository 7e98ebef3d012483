"""Tables and progress, on a terminal and elsewhere."""

import io
import sys
from collections.abc import Callable

import pytest

from adce_assets.cli.drawing import PlainLines, drawn
from adce_assets.cli.output import Column, write_table
from adce_assets.progress import Board, Tally, current_progress, current_telling, silent, told_as


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Put a terminal in the place of stdout and stderr; called in the test, because pytest sets both before it."""

    def put() -> Terminal:
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("COLUMNS", "60")
        monkeypatch.setenv("TERM", "xterm")
        return stream

    return put


def lines_of(times: list[float], told: list[tuple[str, int, int | None]]) -> list[str]:
    said: list[str] = []
    clock = iter(times)
    lines = PlainLines(clock=lambda: next(clock), say=said.append)
    for entry in told:
        lines(*entry)
    return said


def test_a_short_stage_says_nothing():
    assert lines_of([0, 1, 2], [("listing", n, None) for n in range(3)]) == []


def test_a_long_stage_says_now_and_then_how_far_it_is_and_how_fast():
    said = lines_of([0, 4, 6, 8, 12], [("collect", 10 * n, 100) for n in range(5)])
    assert said == [
        "collect: 20 of 100, 3.3/s, 24 s left (9 s or more)",
        "collect: 40 of 100, 3.3/s, 18 s left (10 s to 2 min)",
    ]


def test_a_long_stage_says_what_is_to_be_shown_beside_it():
    said: list[str] = []
    clock = iter([0.0, 600.0])
    lines = PlainLines(clock=lambda: next(clock), say=said.append)
    lines("collect", 0, 100)
    lines("collect", 30, 100, "15% of 0.33 requests/s")
    (line,) = said
    assert line.startswith("collect: 30 of 100, 0.05/s, 23 min left")
    assert line.endswith("; 15% of 0.33 requests/s")


def test_what_is_collected_is_told_in_all_and_for_each_host():
    said: list[str] = []
    seconds = iter(range(100))
    lines = PlainLines(clock=lambda: next(seconds), say=said.append)
    for done in range(11):
        lines.board.tell("run 1", "fast", Tally(2 * done, 0, 60))
        lines.board.tell("run 2", "slow", Tally(done // 2, done // 5, 20))
        lines.board.tell("run 3", "slow", Tally(done // 2, 0, 10))
        lines("collect", 2 * done + done // 2 * 2, 500)
    assert said[-3:] == [
        "collect: 30 of 500, 2 failed, 470 waiting, 3/s, 3 min left (2 min to 4 min)",
        "  fast: 20 of 60, 0 failed, 40 waiting, 2/s, 20 s left (17 s to 24 s)",
        "  slow: 10 of 30, 2 failed, 20 waiting, 1/s, 20 s left (12 s to 61 s)",
    ]


def test_what_waits_for_a_host_counts_before_it_begins_and_no_more_when_it_is_over():
    board = Board()
    board.tell("batch 1", "fast", Tally(0, 0, 60))
    board.tell("batch 2", "fast", Tally(0, 0, 40))
    board.tell("batch 3", "slow", Tally(0, 0, 7))
    with drawn(board):
        telling = current_telling.get()
        assert telling is not None
        with told_as("batch 1"):
            within = current_telling.get()
            assert within is not None
            within("run 1", "fast", Tally(5, 1, 50))
    assert board.hosts == {"fast": Tally(5, 1, 90), "slow": Tally(0, 0, 7)}
    for batch in ("batch 1", "batch 3"):
        board.end(batch)
    assert board.hosts == {"fast": Tally(5, 1, 45), "slow": Tally(0, 0, 0)}


def test_where_nobody_listens_a_name_changes_nothing():
    with told_as("batch 1"):
        assert current_telling.get() is None


def test_only_what_is_collected_is_told_by_host():
    said: list[str] = []
    seconds = iter((0, 10))
    lines = PlainLines(clock=lambda: next(seconds), say=said.append)
    lines.board.tell("run 1", "fast", Tally(1, 0, 2))
    lines("verify", 0, 10)
    lines("verify", 10, 10)
    assert said == ["verify: 10 of 10, 1/s"]


def test_a_terminal_gets_a_bar_for_each_host(on_a_terminal: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch):
    terminal = on_a_terminal()
    monkeypatch.setenv("COLUMNS", "120")
    with drawn() as progress:
        telling = current_telling.get()
        assert telling is not None
        telling("run 1", "[red]", Tally(1, 1, 4))
        progress("collect", 1, 9)
    shown = terminal.getvalue()
    assert "1 failed, 8 waiting" in shown
    assert "1/4\x1b[0m 1 failed, 3 waiting" in shown
    assert "[red]" in shown
    assert current_telling.get() is None


def test_a_stage_of_unknown_length_names_no_total():
    assert lines_of([0, 10], [("listing", 0, None), ("listing", 5_000, None)]) == ["listing: 5,000, 500/s"]


def test_each_stage_is_timed_from_its_own_beginning():
    told: list[tuple[str, int, int | None]] = [
        ("listing", 1, None),
        ("listing", 2, None),
        ("audit", 1, 9),
        ("audit", 2, 9),
    ]
    assert lines_of([0, 4, 100, 104], told) == []


def test_work_inside_the_block_finds_who_draws_its_progress():
    assert current_progress.get() is silent
    with drawn() as progress:
        assert current_progress.get() is progress
    assert current_progress.get() is silent


def test_a_terminal_gets_a_bar_for_each_stage(on_a_terminal: Callable[[], Terminal]):
    terminal = on_a_terminal()
    with drawn() as progress:
        progress("collect", 1, 4)
        progress("collect", 4, 4)
        progress("listing", 7, None)
    assert "collect" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()
    assert "listing" in terminal.getvalue()


def test_a_terminal_shows_a_long_reason_below_its_row(on_a_terminal: Callable[[], Terminal]):
    terminal = on_a_terminal()
    write_table([Column("gap", "name")], [{"name": "espn", "why": "because " * 20}], note="why")
    lines = terminal.getvalue().splitlines()
    assert "gap" in lines[0]
    assert lines[1].strip() == "espn"
    assert all("because" in line for line in lines[2:])
    assert len(lines) > 3


def test_a_terminal_gets_a_drawn_table(on_a_terminal: Callable[[], Terminal]):
    terminal = on_a_terminal()
    write_table([Column("name", "name"), Column("keys", "keys", numeric=True)], [{"name": "espn", "keys": 12_345}])
    assert "12,345" in terminal.getvalue()
    assert "─" in terminal.getvalue()


def test_text_of_others_is_no_markup(on_a_terminal: Callable[[], Terminal]):
    terminal = on_a_terminal()
    write_table([Column("name", "name")], [{"name": "[red]not red[/red]"}])
    assert "[red]not red[/red]" in terminal.getvalue()


def test_a_share_is_never_rounded_up_to_all(capsys: pytest.CaptureFixture[str]):
    write_table([Column("complete", "share", numeric=True)], [{"share": 99.9999}])
    assert capsys.readouterr().out.split() == ["complete", "99.99"]
