"""How a process ends, what it may say, and that nothing of it is left."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adce_assets.scrapers.processes import LINE, LINES, Ended, Listener, Process, run

START = Callable[..., tuple[Ended, list[str]]]
SECONDS = 60.0


@pytest.fixture
def start(tmp_path: Path) -> START:
    """Run a piece of Python, and return how it ended and what it said."""

    def started(
        code: str, *arguments: str, over_when_it_speaks: bool = False, **environment: str
    ) -> tuple[Ended, list[str]]:
        said: list[str] = []

        def clock() -> float:
            return time.monotonic() + (SECONDS if over_when_it_speaks and said else 0)

        process = Process([sys.executable, "-c", code, *arguments], environment, tmp_path, SECONDS)
        listener = Listener(said.append, redacted=lambda text: text.replace("hunter2", "***"), monotonic=clock)
        return run(process, listener), said

    return started


def test_lines_are_told_in_their_order_from_both_outputs(start: START):
    ended, said = start("import sys; print('one', flush=True); print('two', file=sys.stderr); print('no end', end='')")
    assert said == ["one", "two", "no end"]
    assert (ended.code, ended.in_time, ended.is_well, ended.last, ended.unsaid) == (0, True, True, tuple(said), 0)


def test_the_exit_code_is_told(start: START):
    ended, _ = start("import sys; sys.exit(7)")
    assert (ended.code, ended.is_well) == (7, False)


def test_arguments_are_no_words_of_a_shell(start: START):
    words = ["$HOME", "a b", "; touch x", "`id`", "*", "'", '"', "&&"]
    _, said = start("import sys; print(*sys.argv[1:], sep='|')", *words)
    assert said == ["|".join(words)]


def test_the_environment_is_what_was_given_and_nothing_else(start: START, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    _, said = start("import os; print(sorted(n for n in os.environ if not n.startswith('LC_')))", GIVEN="1")
    assert said == ["['GIVEN']"]


def test_standard_input_is_empty_and_the_folder_its_own(start: START, tmp_path: Path):
    _, said = start("import sys, os; print(repr(sys.stdin.read()), os.getcwd())")
    assert said == [f"'' {tmp_path.resolve()}"]


def test_what_nobody_may_read_is_taken_out_of_a_line_that_comes_in_pieces(start: START):
    _, said = start("import sys, time\nfor c in 'my hunter2 is\\n': print(c, end='', flush=True); time.sleep(.002)")
    assert said == ["my *** is"]


def test_control_characters_and_broken_text_reach_no_log(start: START):
    _, said = start(r"import sys; sys.stdout.buffer.write(b'a\x1b[31mb\x00c\xff\xfe\rd\n')")
    assert all(letter.isprintable() for letter in said[0])
    assert said[0].startswith("a [31mb c")


def test_an_endless_output_is_bounded_and_what_was_thrown_away_is_counted(start: START):
    ended, said = start("for n in range(5000): print(n)")
    assert len(said) == LINES
    assert ended.last[-1] == "4999"
    assert ended.unsaid == 4 * 3000


def test_a_line_without_an_end_takes_no_memory(start: START):
    ended, said = start("import sys\nfor n in range(40): sys.stdout.write('x' * 100_000)")
    assert [len(line) for line in said] == [LINE]
    assert ended.unsaid == 4_000_000 - LINE


def test_a_process_whose_time_is_over_is_ended_with_all_of_its_group(start: START, tmp_path: Path):
    code = (
        "import subprocess, sys, time; subprocess.Popen(['/bin/sh', '-c', 'sleep 1; echo late > late.txt']);"
        "print('waiting', flush=True); time.sleep(60)"
    )
    began = time.monotonic()
    ended, said = start(code, over_when_it_speaks=True)
    assert (ended.in_time, ended.is_well, said) == (False, False, ["waiting"])
    assert time.monotonic() - began < 10
    assert not _comes(tmp_path / "late.txt")


def test_a_process_that_does_not_want_to_end_is_killed(start: START, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adce_assets.scrapers.processes.GRACE", 0.3)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('no', flush=True); time.sleep(60)"
    ended, _ = start(code, over_when_it_speaks=True)
    assert (ended.in_time, ended.code) == (False, -9)


def test_what_a_process_leaves_behind_is_killed_when_it_ends(start: START, tmp_path: Path):
    ended, _ = start("import subprocess; subprocess.Popen(['/bin/sh', '-c', 'sleep 1; echo late > late.txt'])")
    assert ended.is_well
    assert not _comes(tmp_path / "late.txt")


def test_an_interrupted_caller_leaves_no_process(tmp_path: Path):
    class Interrupted(BaseException):
        """As Dagster interrupts a run."""

    said: list[str] = []

    def watch() -> None:
        if said:
            raise Interrupted

    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with pytest.raises(Interrupted):
        run(Process([sys.executable, "-c", code], {}, tmp_path, SECONDS), Listener(said.append, watch))
    with pytest.raises(ChildProcessError):  # its own number: pytest's process may have other children, of other tests
        os.waitpid(int(said[0]), os.WNOHANG)


def test_what_cannot_be_started_is_told_so(tmp_path: Path):
    for file, body in {"none": None, "noise": b"\x00\x01"}.items():
        if body is not None:
            (tmp_path / file).write_bytes(body)
            (tmp_path / file).chmod(0o755)
        with pytest.raises(OSError, match=r"."):
            run(Process([str(tmp_path / file)], {}, tmp_path, 5), Listener(lambda _: None))


def _comes(file: Path) -> bool:
    """Wait as long as the left process would have needed."""
    return any(_looks(file))


def _looks(file: Path) -> Iterator[bool]:
    until = time.monotonic() + 1.3
    while time.monotonic() < until:
        yield file.exists()
        time.sleep(0.1)
