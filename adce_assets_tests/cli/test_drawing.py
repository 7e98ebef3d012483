"""Tables and progress, on a terminal and elsewhere."""

import io
import sys
from collections.abc import Callable

import pytest

from adce_assets.cli.drawing import PlainLines, drawn
from adce_assets.cli.output import Column, write_table
from adce_assets.progress import current_progress, silent


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
    assert said == ["collect: 20 of 100, 3.3/s, 24 s left", "collect: 40 of 100, 3.3/s, 18 s left"]


def test_a_long_stage_says_what_is_to_be_shown_beside_it():
    said: list[str] = []
    clock = iter([0.0, 600.0])
    lines = PlainLines(clock=lambda: next(clock), say=said.append)
    lines("collect", 0, 100)
    lines("collect", 30, 100, "15% of 0.33 requests/s")
    assert said == ["collect: 30 of 100, 0.05/s, 23 min left; 15% of 0.33 requests/s"]


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
