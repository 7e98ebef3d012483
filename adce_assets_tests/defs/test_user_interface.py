"""What a person sees: the pages of Dagster's UI, opened in a browser that can reach nothing but this machine."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "screenshots.py"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium: apt-get install chromium")
def test_the_lineage_and_the_plots_are_shown_in_a_browser(small: Any, tmp_path: Path) -> None:
    small.fill(missing=lambda key: "401501" in key)
    job = ("-m", "adce_assets.definitions", "-j", "reconciliation_job")
    assert small.command("dagster", "job", "execute", *job).returncode == 0
    finished = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "pictures"],
        env={**small.process_environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    taken = sorted((tmp_path / "pictures").iterdir())
    pages = ["coverage_plots", "dims_dashboard", "lineage_espn", "lineage_loop", "report"]
    assert [path.name for path in taken] == [f"{name}.png" for name in pages]
    assert all(path.read_bytes().startswith(PNG) for path in taken)
