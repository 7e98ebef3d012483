"""The SQL for Athena that the docs show is what the loop's own expression compiles to today."""

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def test_the_sql_in_the_docs_is_the_loops_own(capsys: pytest.CaptureFixture[str]):
    runpy.run_path(str(DOCS / "athena_sql.py"), run_name="__main__")
    fresh = "run `python docs/athena_sql.py > docs/athena.sql`"
    assert capsys.readouterr().out == (DOCS / "athena.sql").read_text(), fresh
