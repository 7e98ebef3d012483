"""A season that was published once, for each module anew, and a copy of it for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adce_assets_tests.verify.seeding import Workshop, in_this_process


@pytest.fixture(scope="module")
def swift() -> Iterator[None]:
    """No process is started for a parser."""
    with in_this_process():
        yield


@pytest.fixture(scope="module")
def staged(swift: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workshop:  # noqa: ARG001
    """The entities that a module names in `LOADED`, published; a run of the same name goes on from there."""
    workshop = Workshop(tmp_path_factory.mktemp("staged"))
    workshop.write()
    for entity in request.module.LOADED:
        assert workshop.run(entity)["published"]
    return workshop


@pytest.fixture
def workshop(staged: Workshop, tmp_path: Path) -> Workshop:
    return staged.copy(tmp_path)
