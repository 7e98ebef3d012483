"""What the loop only remembers, to save work: a damaged memory is made anew, and never stands in the way."""

from typing import TYPE_CHECKING

import pytest

from adce_assets.loop import coverage, gaps, inventory
from adce_assets.loop.project import Project
from adce_assets.loop.state import GAP_KEYS, SCHEDULE, SCHEDULE_DOCUMENTS, SCHEDULE_IDS, VERDICTS
from adce_assets_tests.loop.hoops import CONTRACT, NOW

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

REMEMBERED = (VERDICTS, SCHEDULE, SCHEDULE_DOCUMENTS, SCHEDULE_IDS, GAP_KEYS)


def test_a_damaged_memory_heals_with_the_next_reconciliation(
    workshop: "Workshop", caplog: pytest.LogCaptureFixture
) -> None:
    project = workshop.project(CONTRACT, now=NOW)
    project.lake.put("awards/mvp.json", b"{" + b" " * 200 + b"}")
    reconcile(project)
    good = {name: project.state.read_table(name) for name in REMEMBERED}
    for name in good:
        project.state.store.put(f"{name}.parquet", b"junk")
    reconcile(project)
    assert {name: project.state.read_table(name) for name in good} == good
    assert [name for name in good if name in caplog.text] == list(good)


def reconcile(project: Project) -> None:
    inventory.take(project)
    coverage.analyse(project)
    gaps.find(project)
