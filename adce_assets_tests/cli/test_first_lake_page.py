"""The first hour as the page tells it: its commands are run, in their order, and the gaps are closed at the end."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from string import Template
from threading import Thread

import pytest
from click.testing import Result

from adce_assets_tests.cli.conftest import ROOT, Installation

PAGE = (ROOT / "docs" / "first_lake.md").read_text("utf-8")
PORT = "8017"
"""The port of the page; a test takes one that is free."""
SERVER = "python3 -m http.server"
LOST = [f"hourly/KJFK/2024-11-{day}.csv" for day in range(11, 16)]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the library's
        """Say nothing."""


@dataclass
class Reader:
    """Somebody who types what the page says: shell lines in a shell, `adce` here, with what was exported before."""

    folder: Path
    port: int
    exported: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[str, Result]] = field(default_factory=list)

    def type(self, block: str) -> None:
        for kind, lines in groupby(block.replace(PORT, str(self.port)).splitlines(), key=self._kind):
            getattr(self, kind)(list(lines))

    @staticmethod
    def _kind(line: str) -> str:
        first = line.partition(" ")[0]
        return first if first in {"adce", "export"} else "server" if line.startswith(SERVER) else "shell"

    def adce(self, lines: list[str]) -> None:
        for line in lines:
            words = shlex.split(Template(line.partition(">")[0]).safe_substitute(PWD=self.folder))
            self.answers.append((line, Installation(self.folder, self.exported).adce(*words[1:])))

    def export(self, lines: list[str]) -> None:
        for line in lines:
            told = Template(line).safe_substitute(PWD=self.folder)
            self.exported |= dict(word.split("=", 1) for word in shlex.split(told)[1:])

    def server(self, _: list[str]) -> None:
        """It runs already."""

    def shell(self, lines: list[str]) -> None:
        subprocess.run(["/bin/bash", "-e", "-c", "\n".join(lines)], cwd=self.folder, check=True)

    def answer(self, line: str, which: int = 0) -> Result:
        return [answer for typed, answer in self.answers if typed == line][which]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    (tmp_path / "source").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "source")) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        made = Reader(tmp_path, server.server_port)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)
            for block in re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL):
                made.type(block)
        yield made
        server.shutdown()


def test_the_commands_of_the_page_lead_from_an_unknown_lake_to_a_closed_gap(reader: Reader) -> None:
    failed = {typed: answer for typed, answer in reader.answers if answer.exit_code}
    assert {typed: answer.exit_code for typed, answer in failed.items()} == {"adce plan": 2}, failed
    drafted = next(answer.stdout for typed, answer in reader.answers if typed.startswith("adce init"))
    assert "hourly/{code}/{date}.csv" in drafted
    before, after = (reader.answer("adce gaps", which).stdout for which in (0, 1))
    assert ("hourly/csv" in before, "hourly/csv" in after) == (True, False)
    assert [path for path in LOST if not (reader.folder / "lake" / path).is_file()] == []
    assert "no scraper" in reader.answer(f"adce why {LOST[1]}").output
    assert "closed" in reader.answer(f"adce prove {LOST[1]}").output
