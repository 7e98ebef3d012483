"""`adce logs` while components go on writing: every line once, whole, whatever becomes of the file."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adce_assets.cli.logs import Tail


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "web.log"
    made.write_text("one\ntwo\nthr")
    return made


class Followed:
    """A file that is looked at as often as a test likes."""

    def __init__(self, file: Path) -> None:
        self.file, self.lines = file, list[bytes]()
        self.tail = Tail(file, self.lines.append)

    def after(self, text: str) -> list[bytes]:
        """Let a component write, look, and return what was written of it."""
        with self.file.open("a") as opened:
            opened.write(text)
        return self.more()

    def more(self) -> list[bytes]:
        self.lines.clear()
        self.tail.more()
        return list(self.lines)


def test_a_line_is_written_once_it_is_whole(file: Path) -> None:
    followed = Followed(file)
    assert followed.tail.last(2) is True
    assert followed.lines == [b"two\n"]
    assert followed.after("e") == []
    assert followed.after("e\nfour\nfi") == [b"three\n", b"four\n"]
    followed.tail.end()
    assert followed.lines == [b"three\n", b"four\n", b"fi"]


def test_of_a_file_that_is_replaced_all_is_read_before_the_new_one(file: Path) -> None:
    followed = Followed(file)
    followed.tail.last(1)
    with file.open("a") as opened:
        opened.write("ee\nlast words, cut")
    file.rename(file.with_name("web.log.1"))
    assert followed.more() == [b"three\n"]
    file.write_text("a line of the new file, which is longer than the old one was\nsecond\n")
    assert followed.more() == [
        b"last words, cut",
        b"a line of the new file, which is longer than the old one was\n",
        b"second\n",
    ]
    assert followed.after("third\n") == [b"third\n"]
    followed.tail.end()


def test_a_file_that_comes_later_or_begins_anew_is_read_from_its_beginning(file: Path) -> None:
    file.unlink()
    followed = Followed(file)
    assert followed.tail.last(5) is False
    assert followed.more() == []
    assert followed.after("first of all\n") == [b"first of all\n"]
    file.write_text("new\n")
    assert followed.more() == [b"new\n"]
    followed.tail.end()


def test_it_is_followed_until_it_is_interrupted(installation: Any) -> None:
    log = installation.home / ".adce" / "service" / "logs" / "web.log"
    log.parent.mkdir(parents=True)
    log.write_text("one\n")
    command = [sys.executable, "-m", "adce_assets.cli", "logs", "--component", "web", "--follow"]
    with subprocess.Popen(command, env=installation.variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "one\n"
        with log.open("a") as opened:
            opened.write("two\n")
        assert process.stdout.readline() == "two\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) != 0
