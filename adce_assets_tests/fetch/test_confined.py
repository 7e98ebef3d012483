"""Whatever a reader's process does or says, its caller gets an answer or an error that it knows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import DamagedDocumentError, OversizedDocumentError, ProgramError
from adce_assets.fetch import confined

ReadBy = Callable[[str], Any]


@pytest.fixture
def read_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReadBy:
    """Let a reader of this text read something."""
    folder = tmp_path / "readers"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def read(reader: str) -> Any:
        (folder / "some_reader.py").write_text(f"import os, sys\ndef survey(path, asked):\n{reader}")
        return confined.read("some_reader", b"x", {}, cpu_s=2)

    return read


def test_what_the_reader_found_is_told(read_by: ReadBy):
    assert read_by(" return {'bytes': path.stat().st_size}") == {"bytes": 1}


def test_modules_of_the_working_directory_are_not_run(read_by: ReadBy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("json", "resource", "adce_assets"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    assert read_by(" return 1") == 1


def test_a_process_that_the_system_killed_says_nothing_against_the_file(read_by: ReadBy):
    with pytest.raises(ProgramError, match="was killed"):
        read_by(" os.kill(os.getpid(), 9)")


@pytest.mark.parametrize("stream", [1, 2])
def test_a_flood_is_not_read(read_by: ReadBy, stream: int):
    kind = OversizedDocumentError if stream == 1 else DamagedDocumentError
    with pytest.raises(kind):
        read_by(f" for _ in range(100): os.write({stream}, b'x' * 2**20)\n os._exit(0)")


@pytest.mark.parametrize(
    "told",
    [
        *("", "[]", "1", '"read"', "{", '{"class": "LakeError"}', '{"class": "Path"}', '{"class": ["VerifyError"]}'),
        *("[" * 100_000, "9" * 5000, '{"class": "printable"}'),
    ],
)
def test_no_answer_of_a_process_is_trusted(read_by: ReadBy, told: str):
    with pytest.raises(DamagedDocumentError, match="died of it"):
        read_by(f" os.write(1, {told!r}.encode())\n os._exit(0)")
