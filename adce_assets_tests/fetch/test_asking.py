"""What an errand does to its host: how often it is asked, what the limits are told, and who waits for whom."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Barrier, BrokenBarrierError, Lock, Thread
from typing import Any

import pytest

from adce_assets.errors import (
    BusyError,
    FetchError,
    HostClosedError,
    PermanentFetchError,
    RefusedError,
    TransientFetchError,
    UnsafeError,
)
from adce_assets.fetch.client import Client, Waits
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Answered, Lane
from adce_assets_tests.fetch.notebook import Notebook
from adce_assets_tests.misbehaving import Asked, Clock, after, always, busy, redirect, reply

MakeClient = Callable[..., Client]

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/ok", Answered.OK),
        ("/status/404", Answered.OK),
        ("/status/410", Answered.OK),
        ("/large", Answered.HEARD),
        ("/odd-encoding", Answered.HEARD),
        ("/redirect-to-a-file", Answered.OK),
        ("/status/401", Answered.REFUSED),
        ("/status/403", Answered.REFUSED),
        ("/status/408", Answered.BUSY),
        ("/status/429", Answered.BUSY),
        ("/status/500", Answered.BUSY),
        ("/status/503", Answered.BUSY),
        ("/reset", Answered.BUSY),
        ("/short", Answered.BUSY),
        ("/nothing", Answered.BUSY),
        ("/hang-in-the-body", Answered.BUSY),
        ("/hang", Answered.SILENT),
    ],
)
def test_the_limits_are_told_once_how_a_request_went(
    server: Any, client_of: MakeClient, limits: Notebook, path: str, told: Answered
):
    server.on("/odd-encoding", always(reply(b"{}", Content_Encoding="compress")))
    with suppress(FetchError):
        client_of(server.url, read_timeout_s=0.1, max_bytes=1_000_000).get("it", path)
    assert limits.told == [told]


def test_what_never_reached_the_host_says_nothing_about_it(client_of: MakeClient, limits: Notebook):
    client = client_of("http://api.example", allow_private=False, resolver=lambda *_: ["10.0.0.1"])
    with pytest.raises(UnsafeError):
        client.get("it", "/ok")
    assert limits.told == []


def test_a_host_that_is_not_there_is_busy(server: Any, client_of: MakeClient, limits: Notebook):
    server.server_close()
    with pytest.raises(TransientFetchError):
        client_of(server.url).get("it", "/ok")
    assert limits.told == [Answered.BUSY]


def test_each_hop_and_attempt_is_told_and_taken_from_the_budget(server: Any, client_of: MakeClient, limits: Notebook):
    server.on("/start", redirect("/late"))
    server.on("/late", after(1, always(reply(b"{}")), first=busy(503)))
    client = client_of(server.url, attempts=2)
    found = client.get("it", "/start")
    assert limits.told == [Answered.OK, Answered.BUSY, Answered.OK, Answered.OK]
    assert len(limits.lanes) == 4
    assert (client.requests, client.retries) == (4, 1)
    assert (found.attempts, found.redirects) == (2, 1)
    assert found.waited_s == client.waited_s == pytest.approx(0.75, abs=0.01)


def test_a_client_stays_in_its_lane(server: Any, limits: Notebook, clock: Clock):
    host = Host(base_url=server.url, requests_per_second=100, allow_private=True)
    with Client({"it": host}, limits, agent="adce/0", now=lambda: NOW, lane=Lane.HISTORY, sleep=clock.sleep) as client:
        client.get("it", "/ok")
    assert set(limits.lanes) == {Lane.HISTORY}


def test_retry_after_closes_the_host_and_says_until_when(server: Any, client_of: MakeClient, limits: Notebook):
    server.on("/limited", busy(429, "600"))
    with pytest.raises(HostClosedError, match="pause of 600 s") as caught:
        client_of(server.url, attempts=5).get("it", "/limited")
    assert caught.value.until == NOW + timedelta(seconds=600)
    assert caught.value.status == 429
    assert [seconds for seconds, _ in limits.closures] == [600]
    assert server.asked["/limited"] == 1


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_pause_is_kept_whatever_the_status(server: Any, client_of: MakeClient, status: int):
    server.on("/limited", busy(status, "600"))
    with pytest.raises(HostClosedError):
        client_of(server.url).get("it", "/limited")
    with pytest.raises(HostClosedError):
        client_of(server.url).get("it", "/ok")
    assert server.asked.total() == 1


@pytest.mark.parametrize("pause", ["99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_pause_ends_after_a_day(server: Any, client_of: MakeClient, pause: str):
    server.on("/limited", busy(429, pause, Date="Wed, 15 Jan 2025 12:00:00 GMT"))
    with pytest.raises(HostClosedError) as caught:
        client_of(server.url).get("it", "/limited")
    assert caught.value.until == NOW + timedelta(days=1)


def test_a_pause_may_be_a_date(server: Any, client_of: MakeClient, limits: Notebook):
    date = {"Date": "Wed, 15 Jan 2025 08:00:00 GMT"}
    server.on("/limited", busy(503, "Wed, 15 Jan 2025 08:30:00 GMT", **date))
    with pytest.raises(HostClosedError):
        client_of(server.url).get("it", "/limited")
    assert [seconds for seconds, _ in limits.closures] == [1800]


def test_429_without_a_pause_is_a_jail(server: Any, client_of: MakeClient):
    with pytest.raises(HostClosedError) as caught:
        client_of(server.url, attempts=5, jail_s=1800).get("it", "/limited")
    assert caught.value.until == NOW + timedelta(seconds=1800)
    assert server.asked.total() == 1


def test_a_host_may_jail_with_another_status(server: Any, client_of: MakeClient):
    client = client_of(server.url, jail_statuses=[403], attempts=5)
    with pytest.raises(HostClosedError):
        client.get("it", "/status/403")
    with pytest.raises(HostClosedError):
        client.get("it", "/ok")
    assert server.asked.total() == 1


def test_a_short_jail_is_waited_for(server: Any, client_of: MakeClient, clock: Clock):
    server.on("/limited", after(1, always(reply(b"{}")), first=busy(429)))
    begun = clock.seconds
    client_of(server.url, attempts=2, jail_s=60).get("it", "/limited")
    assert clock.seconds - begun >= 60


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_keeps_its_status(server: Any, client_of: MakeClient, status: int):
    with pytest.raises(RefusedError) as caught:
        client_of(server.url).get("it", f"/status/{status}")
    assert caught.value.status == status


@pytest.mark.parametrize("reason", ["Not\tFound", "Not\x85Found", "Not\xa0Found"])
def test_what_a_host_says_is_told_in_printable_words(server: Any, client_of: MakeClient, reason: str):
    server.on("/odd", always(reply(b"{}", f"404 {reason}")))
    with pytest.raises(RefusedError) as caught:
        client_of(server.url).get("it", "/odd")
    assert caught.value.what.startswith("answered 404 Not")
    assert caught.value.what.isprintable()
    assert str(caught.value).isprintable()


def test_headers_that_are_kept_are_printable(server: Any, client_of: MakeClient):
    server.on("/odd", always(reply(b"{}", ETag='"v\xa01"', Content_Type="text/\xadplain")))
    found = client_of(server.url).get("it", "/odd")
    assert (found.headers["etag"], found.content_type) == ('"v 1"', "text/ plain")


def test_a_host_that_fails_throughout_is_not_asked_many_times_over(server: Any, client_of: MakeClient):
    client = client_of(server.url, attempts=10)
    for _ in range(100):
        with pytest.raises(BusyError):
            client.get("it", "/busy")
    assert server.asked["/busy"] <= 100 * 1.25 + 25


def test_silence_ends_in_words_about_the_way_there(server: Any, client_of: MakeClient):
    client = client_of(server.url, read_timeout_s=0.05, attempts=5)
    with pytest.raises(TransientFetchError):
        client.get("it", "/hang")
    with pytest.raises(HostClosedError) as caught:
        client.get("it", "/ok")
    assert type(caught.value).__name__ == "EgressBlockedError"
    assert server.asked["/hang"] == 3
    assert server.asked["/ok"] == 0


def test_304_is_no_answer(server: Any, client_of: MakeClient):
    with pytest.raises(PermanentFetchError):
        client_of(server.url).get("it", "/status/304")


def test_an_endpoint_may_be_given_more_time(server: Any, client_of: MakeClient, clock: Clock):
    clock.tick = 1.0
    client = client_of(server.url, deadline_s=3)
    with pytest.raises(TransientFetchError, match="took too long"):
        client.get("it", "/ok")
    assert client.get("it", "/ok", waits=Waits(deadline_s=1000)).body


def test_an_endpoint_may_be_given_less_time(server: Any, client_of: MakeClient):
    with pytest.raises(TransientFetchError, match="Timeout"):
        client_of(server.url, read_timeout_s=3000).get("it", "/hang", waits=Waits(read_timeout_s=0.05))


def test_one_deadline_binds_all_hops(server: Any, client_of: MakeClient, clock: Clock):
    clock.tick = 1.0
    client = client_of(server.url, deadline_s=30)
    assert client.get("it", "/hops/0").body
    with pytest.raises(TransientFetchError, match="took too long"):
        client.get("it", "/hops/5")


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_run_at_once_than_the_host_allows(server: Any, client_of: MakeClient, concurrency: int):
    lock, running, most, together = Lock(), [0], [0], Barrier(concurrency)

    def slow(_: Asked) -> Iterator[bytes]:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        try:
            together.wait(timeout=2)
        except BrokenBarrierError:
            most[0] = -1
        with lock:
            running[0] -= 1
        yield reply(b"{}")

    server.on("/slow", slow)
    client = client_of(server.url, concurrency=concurrency)
    threads = [Thread(target=client.get, args=("it", "/slow")) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == concurrency
    assert client.requests == 6


def test_nobody_holds_a_granted_request_while_another_runs(server: Any, client_of: MakeClient, limits: Notebook):
    """Requests that were granted early and sent late would go out back to back, beyond the rate."""
    granted = []

    def look(_: Asked) -> Iterator[bytes]:
        granted.append(len(limits.lanes))
        yield reply(b"{}")

    server.on("/look", look)
    client = client_of(server.url, concurrency=1)
    threads = [Thread(target=client.get, args=("it", "/look")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert granted == [1, 2, 3, 4, 5, 6, 7, 8]
