"""A client that is closed lets nobody wait: not for an answer that is under way, and not for one to come."""

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from adce_assets.errors import FetchError, RunEndsError
from adce_assets.fetch.client import Client
from adce_assets.fetch.download import Partial
from adce_assets_tests.fetch.notebook import Notebook
from adce_assets_tests.misbehaving import hang

PATIENCE_S = 30


def test_whoever_waits_for_an_answer_is_woken_when_the_client_is_closed_and_asks_no_more(
    server: Any, client_of: Callable[..., Client], limits: Notebook
):
    waits, ends = Event(), []

    def ask() -> None:
        with pytest.raises(FetchError) as ended:
            client.get("it", "/held")
        ends.append(ended.type)

    server.on("/held", lambda asked: (waits.set(), hang(asked))[1])
    client = client_of(server.url, read_timeout_s=600, deadline_s=600, attempts=3)
    thread = Thread(target=ask)
    thread.start()
    assert waits.wait(PATIENCE_S)
    client.close()
    thread.join(PATIENCE_S)
    assert ends == [RunEndsError]
    assert (len(limits.lanes), limits.told, client.requests, client.retries) == (1, [], 1, 0)


def test_a_closed_client_asks_nobody(server: Any, client_of: Callable[..., Client], limits: Notebook):
    client = client_of(server.url, attempts=3)
    client.close()
    with pytest.raises(RunEndsError):
        client.get("it", "/hang")
    assert not server.log
    assert (limits.lanes, client.requests, client.retries) == ([], 0, 0)


def test_a_client_that_is_closed_just_before_it_asks_says_so(
    server: Any, client_of: Callable[..., Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    client = client_of(server.url)
    monkeypatch.setattr(Partial, "wishes", lambda _: client.close() or {})
    with pytest.raises(RunEndsError):
        client.download("it", "/hang", into=tmp_path / "file")
    assert not server.log


def test_a_connection_that_is_made_while_the_client_is_closed_is_not_waited_for(
    server: Any, client_of: Callable[..., Client], limits: Notebook
):
    """It stands in no list yet of what is to be closed."""

    def resolve_and_close(*_: object) -> list[str]:
        client.close()
        return ["127.0.0.1"]

    server.on("/held", hang)
    client = client_of(server.url, read_timeout_s=PATIENCE_S, deadline_s=PATIENCE_S, resolver=resolve_and_close)
    ends: list[type] = []

    def ask() -> None:
        with pytest.raises(FetchError) as ended:
            client.get("it", "/held")
        ends.append(ended.type)

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE_S / 2)
    assert (ends, limits.told) == ([RunEndsError], [])
