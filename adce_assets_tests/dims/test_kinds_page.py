"""The page that lists the kinds of metrics is the code's."""

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_the_kinds_is_up_to_date(capsys: pytest.CaptureFixture[str]):
    runpy.run_path(str(DOCS / "metric_kinds.py"), run_name="__main__")
    fresh = "run `python docs/metric_kinds.py > docs/metric_kinds.md`"
    assert capsys.readouterr().out == (DOCS / "metric_kinds.md").read_text("utf-8"), fresh
