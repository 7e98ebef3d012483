"""An installation in which all is well, made once and copied for whoever makes something wrong in it."""

from pathlib import Path

import pytest

from adce_assets_tests.operate.watched import Watched, copied, reconciled


@pytest.fixture(scope="session")
def watched_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that was reconciled once; it is only copied."""
    return reconciled(tmp_path_factory.mktemp("watched") / "home")


@pytest.fixture
def watched(watched_home: Path, tmp_path: Path) -> Watched:
    """An installation of the test's own, in which all is well."""
    return copied(watched_home, tmp_path / "home")
