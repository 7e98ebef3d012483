"""An installation in which all is well, made once and copied for whoever makes something wrong in it."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from adce_assets.settings import Settings
from adce_assets_tests.operate.alarmed import Receiver, alarmed, emptied, hook
from adce_assets_tests.operate.asking import Served, serving
from adce_assets_tests.operate.watched import Watched, copied, reconciled


@pytest.fixture(scope="session")
def watched_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that was reconciled once; it is only copied."""
    return reconciled(tmp_path_factory.mktemp("watched") / "home")


@pytest.fixture
def watched(watched_home: Path, tmp_path: Path) -> Watched:
    """An installation of the test's own, in which all is well."""
    return copied(watched_home, tmp_path / "home")


@pytest.fixture
def serve(watched: Watched) -> Iterator[Served]:
    """A server of an installation of the test's own, which was not looked at; it has no tokens."""
    with serving(watched, watched.home / "service") as made:
        yield made


@pytest.fixture(scope="module")
def hook_server() -> Iterator[HTTPServer]:
    with HTTPServer(threaded=True) as server:
        yield server


@pytest.fixture
def receiver(hook_server: HTTPServer) -> Receiver:
    made = Receiver()
    hook_server.clear()
    hook_server.expect_request("/hook").respond_with_handler(made)
    return made


@pytest.fixture
def url(hook_server: HTTPServer, receiver: Receiver) -> str:
    assert receiver.got == []
    return hook_server.url_for("/hook")


@pytest.fixture
def make(tmp_path: Path, url: str) -> Callable[..., Settings]:
    """Make settings over an empty book, with one channel or these."""
    return lambda *channels, **told: alarmed(tmp_path, *(channels or [hook(url)]), **told)


@pytest.fixture(params=["sqlite", "postgresql"])
def make_in(request: pytest.FixtureRequest, make: Callable[..., Settings]) -> Callable[..., Settings]:
    """The same, in each of the two databases."""
    if request.param == "sqlite":
        return make
    return partial(make, database=emptied(request.getfixturevalue("postgresql").get_uri()))
