"""The page that lists the scrapers is the catalogue's."""

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_the_scrapers_is_up_to_date(capsys: pytest.CaptureFixture[str]):
    runpy.run_path(str(DOCS / "scrapers_table.py"), run_name="__main__")
    fresh = "run `python docs/scrapers_table.py > docs/scrapers.md`"
    assert capsys.readouterr().out == (DOCS / "scrapers.md").read_text("utf-8"), fresh
