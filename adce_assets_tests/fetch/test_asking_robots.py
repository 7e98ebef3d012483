"""Whose robots.txt is asked for and honoured, and whose budget a redirect to another host is taken from."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Barrier, Thread
from typing import Any

import pytest
from httpcore2 import SyncBackend

from adce_assets.errors import BusyError, ForbiddenByRobotsError, HostClosedError, InwardError, TransientFetchError
from adce_assets.fetch.client import Client
from adce_assets.fetch.hosts import Host
from adce_assets_tests.fetch.notebook import Notebook
from adce_assets_tests.misbehaving import Asked, Clock, always, busy, in_turn, redirect, reply

MakeClient = Callable[..., Client]

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
HONOURED = {"robots": "honour"}


def rules(text: str) -> Any:
    return always(reply(text.encode(), Content_Type="text/plain"))


def test_robots_are_asked_once_and_honoured(server: Any, client_of: MakeClient):
    server.on("/robots.txt", rules("User-agent: *\nDisallow: /private/\n"))
    client = client_of(server.url, **HONOURED)
    client.get("it", "/ok")
    client.get("it", "/ok")
    with pytest.raises(ForbiddenByRobotsError, match="robots"):
        client.get("it", "/private/ok")
    assert server.asked == {"/robots.txt": 1, "/ok": 2}


def test_robots_of_another_agent_are_not_ours(server: Any, client_of: MakeClient):
    server.on("/robots.txt", rules("User-agent: GPTBot\nDisallow: /\n\nUser-agent: adce\nDisallow: /a\n"))
    client = client_of(server.url, **HONOURED)
    client.get("it", "/ok")
    with pytest.raises(ForbiddenByRobotsError):
        client.get("it", "/a")


def test_robots_are_not_asked_where_the_entry_says_why_not(server: Any, client_of: MakeClient):
    server.on("/robots.txt", rules("User-agent: *\nDisallow: /\n"))
    client_of(server.url, robots={"ignored_because": "an API, not pages"}).get("it", "/ok")
    assert server.asked == {"/ok": 1}


def test_a_redirect_leads_to_nothing_that_robots_forbid(server: Any, client_of: MakeClient):
    server.on("/robots.txt", rules("User-agent: *\nDisallow: /private/\n"))
    server.on("/old", redirect("/private/new"))
    with pytest.raises(ForbiddenByRobotsError):
        client_of(server.url, **HONOURED).get("it", "/old")
    assert server.asked["/private/new"] == 0


def test_a_crawl_delay_reaches_the_limits(server: Any, client_of: MakeClient, limits: Notebook):
    server.on("/robots.txt", rules("User-agent: *\nCrawl-delay: 3\n"))
    client_of(server.url, **HONOURED).get("it", "/ok")
    assert limits.delays == [None, 3.0]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_host_without_robots_allows_everything(server: Any, client_of: MakeClient, status: int):
    server.on("/robots.txt", busy(status))
    assert client_of(server.url, **HONOURED).get("it", "/ok").body


def test_robots_that_cannot_be_had_just_now_allow_nothing(server: Any, client_of: MakeClient):
    server.on("/robots.txt", in_turn(busy(503), rules("")))
    client = client_of(server.url, **HONOURED)
    with pytest.raises(TransientFetchError):
        client.get("it", "/ok")
    assert server.asked["/ok"] == 0
    client.get("it", "/ok")
    assert server.asked["/ok"] == 1


@pytest.mark.parametrize(
    "script",
    [
        redirect("http://evil.example/robots.txt"),
        redirect("/robots.txt"),
        always(reply(b"", "302 Found")),
        always(reply(b"User-agent: *", Content_Encoding="compress")),
        always(reply(b"User-agent: *", "206 Partial Content")),
    ],
)
def test_robots_that_cannot_be_read_allow_nothing(server: Any, client_of: MakeClient, script: Any):
    server.on("/robots.txt", script)
    with pytest.raises(HostClosedError, match=r"robots\.txt cannot be read") as caught:
        (client := client_of(server.url, attempts=3, **HONOURED)).get("it", "/ok")
    assert "ignored_because" in caught.value.hint
    assert (server.asked["/ok"], client.retries) == (0, 0)


def test_robots_that_lead_inward_are_told_as_that(server: Any, client_of: MakeClient):
    server.on("/robots.txt", redirect("http://169.254.169.254/latest"))
    with pytest.raises(InwardError, match=r"169\.254\.169\.254"):
        client_of(server.url, **HONOURED).get("it", "/ok")
    assert server.asked == {"/robots.txt": 1}


def test_a_name_that_resolves_inward_is_told_as_that_before_robots_are_asked(server: Any, client_of: MakeClient):
    url = server.url.replace("127.0.0.1", "localhost")
    with pytest.raises(InwardError):
        client_of(url, allow_private=False, **HONOURED).get("it", "/ok")
    assert server.asked == {}


def test_robots_may_be_larger_than_the_hosts_documents(server: Any, client_of: MakeClient):
    server.on("/robots.txt", rules("User-agent: *\nDisallow: /private/\n" + "# more\n" * 1000))
    client = client_of(server.url, max_bytes=2000, **HONOURED)
    client.get("it", "/ok")
    with pytest.raises(ForbiddenByRobotsError):
        client.get("it", "/private/1")


def test_what_stands_first_in_endless_robots_counts(server: Any, client_of: MakeClient):
    def endless(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\nUser-agent: *\nDisallow: /private/\n"
        while not asked.ended.is_set():
            yield b"# more\n" * 1000

    server.on("/robots.txt", endless)
    client = client_of(server.url, **HONOURED)
    with pytest.raises(ForbiddenByRobotsError):
        client.get("it", "/private/1")
    client.get("it", "/ok")


def test_robots_that_fail_are_asked_for_once_in_each_attempt(server: Any, client_of: MakeClient):
    server.on("/robots.txt", busy(503))
    with pytest.raises(BusyError):
        client_of(server.url, attempts=3, **HONOURED).get("it", "/ok")
    assert server.asked == {"/robots.txt": 3}


def test_robots_are_asked_for_once_by_many_threads(server: Any, client_of: MakeClient):
    server.on("/robots.txt", rules("User-agent: *\nDisallow: /private/\n"))
    client, together = client_of(server.url, concurrency=8, **HONOURED), Barrier(8)

    def ask() -> None:
        together.wait(timeout=5)
        client.get("it", "/ok")

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked == {"/robots.txt": 1, "/ok": 8}


@pytest.fixture
def client_of_two(
    server: Any, limits: Notebook, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Client]]:
    """Make clients of ``it``, which may redirect to ``files.example``, and of ``files``: the same server here."""
    connect, clients = SyncBackend.connect_tcp, ExitStack()
    monkeypatch.setattr(  # a test cannot listen on port 80, the only one to which a redirect to another name may lead
        SyncBackend, "connect_tcp", lambda self, host, _, *rest: connect(self, host, server.port, *rest)
    )

    def make(**files: Any) -> Client:
        common: dict[str, Any] = {"requests_per_second": 100, "burst": 100, "allow_private": True, "attempts": 1}
        ours = Host(base_url=f"http://api.example:{server.port}", redirect_hosts=("files.example",), **common)
        hosts = {"it": ours}
        if files:
            hosts["files"] = Host.model_validate({**common, "base_url": "http://files.example", **files})
        return clients.enter_context(
            Client(
                hosts,
                limits,
                agent="adce/0",
                now=lambda: NOW,
                monotonic=clock.monotonic,
                sleep=clock.sleep,
                resolver=lambda *_: ["127.0.0.1"],
            )
        )

    with clients:
        yield make


def robots_by_name(asked: Asked) -> Iterator[bytes]:
    """Forbid what is private at ``files.example`` only, which is asked slowly."""
    there = asked.headers["host"] == "files.example"
    yield reply(b"User-agent: *\nDisallow: /private/\nCrawl-delay: 5\n" if there else b"")


def test_the_robots_of_another_host_are_honoured_too(server: Any, client_of_two: MakeClient, limits: Notebook):
    server.on("/robots.txt", robots_by_name)
    server.on("/old", redirect("http://files.example/private/new"))
    server.on("/moved", redirect("http://files.example/ok"))
    client = client_of_two()
    with pytest.raises(ForbiddenByRobotsError):
        client.get("it", "/old")
    client.get("it", "/moved")
    assert server.asked == {"/robots.txt": 2, "/old": 1, "/moved": 1, "/ok": 1}
    assert 5.0 not in limits.delays


def test_whether_robots_count_is_said_by_the_entry_of_the_host_that_is_asked(server: Any, client_of_two: MakeClient):
    server.on("/robots.txt", robots_by_name)
    server.on("/old", redirect("http://files.example/private/new"))
    server.on("/private/new", always(reply(b"{}")))
    client = client_of_two(robots={"ignored_because": "files, not pages"})
    assert client.get("it", "/old").url == "http://files.example/private/new"


def test_a_redirect_is_taken_from_the_budget_of_the_host_that_it_leads_to(
    server: Any, client_of_two: MakeClient, limits: Notebook
):
    server.on("/old", redirect("http://files.example/busy"))
    server.on("/busy", busy(503, "600"))
    files = Host(base_url="http://files.example", requests_per_second=100, burst=100)
    client = client_of_two(robots={"ignored_because": "files, not pages"})
    with pytest.raises(HostClosedError):
        client.get("it", "/old")
    states = {state.name: state for state in limits.states({"it": client.host("it"), "files": files})}
    assert {name: sum(state.used.values()) for name, state in states.items()} == {"it": 2, "files": 1}
    assert limits.closed_for("files", files) == 600
    assert limits.closed_for("it", client.host("it")) == 0
