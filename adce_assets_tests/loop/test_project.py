"""An installation as a new user has it: nothing is there but the lake."""

from pathlib import Path

import pytest

from adce_assets.errors import LakeError
from adce_assets.loop.project import open_project
from adce_assets.loop.state import INVENTORY
from adce_assets.settings import load_settings


def test_the_folder_of_the_state_is_made_and_that_of_the_lake_is_not(tmp_path: Path) -> None:
    urls = {"ADCE_LAKE": (tmp_path / "lake").as_uri(), "ADCE_STATE": (tmp_path / "new" / "state").as_uri()}
    project = open_project(load_settings(urls))
    assert not project.state.has(INVENTORY)
    with pytest.raises(LakeError, match="lake"):
        list(project.lake.list())
    assert not (tmp_path / "lake").exists()
