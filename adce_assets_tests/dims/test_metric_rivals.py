"""Real processes that verify and decide at once, and such as are killed: nothing that was accepted is lost."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adce_assets_tests.dims.conftest import emptied
from adce_assets_tests.dims.rivals import TURNS, UNTOUCHED, WHOLE

ROOT = Path(__file__).parents[2]
FIRST = {"lake.objects": 100, "lake.size": 10.5, "lake.sync": "in_sync", "code.lines": 40, "code.games": 20}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, postgresql: Any) -> dict[str, Any]:
    """What is left of it all."""
    command = [sys.executable, "-m", "adce_assets_tests.dims.rivals", str(tmp_path_factory.mktemp("rivals"))]
    ended = subprocess.run([*command, emptied(postgresql.get_uri())], cwd=ROOT, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    return json.loads(ended.stdout)


def holds(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, (value, _, _) in found["holds"].items()}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_of_many_processes_at_once_none_loses_what_another_accepted(database: str, told: dict[str, Any]):
    """Three verify a metric each in turns, two accept the same move; one of these comes second."""
    found = told[database]
    moved = dict.fromkeys(["lake.size", "code.lines", "code.games"], TURNS)
    assert found["holds"] == {**FIRST, **moved, "lake.objects": 150}
    assert found["ended"] == [0, 0, 0, 0, 1]
    assert found["by"] in {"x", "y"}
    assert found["runs"] == 2 + 3 * TURNS


@pytest.mark.parametrize(("moment", "lines"), [(UNTOUCHED, 40), (WHOLE, 60)])
def test_a_verification_that_is_killed_is_made_again_and_comes_to_the_same(
    moment: str, lines: int, told: dict[str, Any]
):
    found = told[f"killed_verifying {moment}"]
    assert found["ended"] == [-9]
    assert holds(found["left"]) == {**FIRST, "code.lines": lines}
    assert (found["left"]["runs"], found["left"]["approvals"]) == (1, [])
    assert holds(found["later"]) == {**FIRST, "code.lines": 60}
    assert (found["later"]["runs"], found["later"]["approvals"]) == (2, [["lake.objects", "pending", 150, ""]])


@pytest.mark.parametrize(("moment", "objects"), [(UNTOUCHED, 100), (WHOLE, 150)])
def test_a_decision_that_is_killed_was_taken_and_is_carried_over(moment: str, objects: int, told: dict[str, Any]):
    found = told[f"killed_deciding {moment}"]
    assert found["ended"] == [-9]
    assert found["left"]["approvals"] == [["lake.objects", "accepted", 150, "bob"]]
    assert holds(found["left"])["lake.objects"] == objects
    assert found["later"]["holds"]["lake.objects"] == [150, "approval", "bob"]
    assert found["later"]["approvals"] == found["left"]["approvals"]
