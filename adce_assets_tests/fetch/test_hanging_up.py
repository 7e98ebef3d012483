"""A client that is closed lets nobody wait: not for an answer that is under way, and not for one to come."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest

from adce_assets.errors import FetchError, RunEndsError
from adce_assets.fetch.client import Client
from adce_assets_tests.misbehaving import hang

PATIENCE_S = 30


def test_whoever_waits_for_an_answer_is_woken_when_the_client_is_closed(server: Any, client_of: Callable[..., Client]):
    waits, ends = Event(), []

    def ask() -> None:
        with pytest.raises(FetchError) as ended:
            client.get("it", "/held")
        ends.append(ended.type)

    server.on("/held", lambda asked: (waits.set(), hang(asked))[1])
    client = client_of(server.url, read_timeout_s=600, deadline_s=600)
    thread = Thread(target=ask)
    thread.start()
    assert waits.wait(PATIENCE_S)
    client.close()
    thread.join(PATIENCE_S)
    assert ends == [RunEndsError]


def test_a_closed_client_asks_nobody(server: Any, client_of: Callable[..., Client]):
    client = client_of(server.url)
    client.close()
    with pytest.raises(RunEndsError):
        client.get("it", "/hang")
    assert not server.log
