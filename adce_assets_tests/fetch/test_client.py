from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from adce_assets.errors import ConfigurationError, FetchError, PermanentFetchError, TooLargeError, TransientFetchError
from adce_assets.fetch.answers import retry_after
from adce_assets.fetch.client import Client, user_agent
from adce_assets_tests.misbehaving import Script, always, in_chunks, reply, too_long

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
MakeClient = Callable[..., Client]


def test_a_document_comes_with_what_is_known_of_it(server: Any, client_of: MakeClient):
    found = client_of(server.url).get("it", "/ok", {"event": "401", "a b": "c&d"})
    assert found.body == b'{"ok":true}'
    assert found.url == f"{server.url}/ok?event=401&a+b=c%26d"
    assert (found.content_type, found.fetched_at) == ("application/json", NOW)
    assert found.headers == {"etag": '"v1"'}


def test_a_request_says_who_asks(server: Any, client_of: MakeClient):
    client_of(server.url, headers={"Accept": "application/json"}).get("it", "/ok")
    head = server.heads[0].lower()
    assert "user-agent: adce/0 (+test)" in head
    assert "accept: application/json" in head
    assert "accept-encoding: gzip, br, zstd\r\n" in head


def test_the_user_agent_names_adce_and_a_contact():
    name, contact = user_agent("https://example.org").split(" ")
    assert name.startswith("adce/")
    assert contact == "(+https://example.org)"


@pytest.mark.parametrize("path", ["/gzip", "/gzip-in-parts", "/brotli", "/zstd", "/zstd-in-parts", "/chunks"])
def test_a_compressed_body_is_unfolded(server: Any, client_of: MakeClient, path: str):
    assert client_of(server.url).get("it", path).body == b'{"ok":true}'


def test_an_empty_body_is_the_audits_business(server: Any, client_of: MakeClient):
    assert client_of(server.url).get("it", "/empty").body == b""


def test_an_unknown_host_is_a_fault_of_the_configuration(server: Any, client_of: MakeClient):
    with pytest.raises(ConfigurationError, match="it"):
        client_of(server.url).get("them", "/ok")


@pytest.mark.parametrize("status", [202, 408, 425, 429, 500, 502, 503, 504, 520, 599])
def test_what_may_change_is_transient(server: Any, client_of: MakeClient, status: int):
    with pytest.raises(TransientFetchError, match=str(status)):
        client_of(server.url).get("it", f"/status/{status}")


@pytest.mark.parametrize("status", [204, 206, 300, 304, 400, 401, 403, 404, 405, 410, 418, 451])
def test_what_will_not_change_is_permanent_and_asked_once(server: Any, client_of: MakeClient, status: int):
    with pytest.raises(PermanentFetchError, match=str(status)):
        client_of(server.url, attempts=5).get("it", f"/status/{status}")
    assert server.asked.total() == 1


@pytest.mark.parametrize(
    "path",
    [
        "/reset",
        "/reset-in-the-body",
        "/nothing",
        "/garbage",
        "/short",
        "/two-lengths",
        "/bad-chunk-size",
        "/chunk-that-ends-early",
        "/chunks-without-end",
        "/cut-gzip",
        "/cut-brotli",
        "/cut-zstd",
        "/wrong-gzip",
        "/wrong-brotli",
        "/wrong-zstd",
        "/endless-headers",
        "/hang",
        "/hang-in-the-body",
    ],
)
def test_a_broken_answer_is_transient(server: Any, client_of: MakeClient, path: str):
    with pytest.raises(TransientFetchError):
        client_of(server.url, read_timeout_s=0.1).get("it", path)


def test_a_host_that_is_not_there_is_transient(server: Any, client_of: MakeClient):
    server.server_close()
    with pytest.raises(TransientFetchError):
        client_of(server.url).get("it", "/ok")


@pytest.mark.parametrize("path", ["/drip-the-headers", "/drip-the-body"])
def test_a_dripping_server_is_stopped_at_the_deadline(server: Any, client_of: MakeClient, clock: Any, path: str):
    clock.tick = 1.0
    with pytest.raises(TransientFetchError, match="Timeout"):
        client_of(server.url, deadline_s=6).get("it", path)


@pytest.mark.parametrize("path", ["/large", "/endless-bomb", "/gzip-bomb", "/br-bomb", "/zstd-bomb"])
def test_a_body_that_is_too_large_is_stopped_while_it_unfolds(server: Any, client_of: MakeClient, path: str):
    with pytest.raises(TooLargeError, match="larger than 1000000 bytes"):
        client_of(server.url, max_bytes=1_000_000).get("it", path)


def test_a_claim_of_too_many_bytes_is_believed(server: Any, client_of: MakeClient):
    server.on("/claims", too_long(b"", 2_000_000))
    with pytest.raises(TooLargeError, match="larger than 1000000 bytes"):
        client_of(server.url, max_bytes=1_000_000).get("it", "/claims")


@pytest.mark.parametrize("encoding", ["deflate", "compress", "br, gzip", "x-secret"])
def test_an_encoding_that_nobody_asked_for_is_refused(server: Any, client_of: MakeClient, encoding: str):
    server.on("/odd", always(reply(b"{}", Content_Encoding=encoding)))
    with pytest.raises(PermanentFetchError, match="encoded as"):
        client_of(server.url).get("it", "/odd")


def test_a_busy_host_is_asked_again_with_growing_patience(server: Any, client_of: MakeClient, clock: Any):
    assert client_of(server.url, attempts=3).get("it", "/busy-twice").body == b"{}"
    assert clock.slept == [0.75, 1.5]
    assert server.asked["/busy-twice"] == 3


def test_a_retry_is_logged_and_never_written_to_standard_output(
    server: Any, client_of: MakeClient, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    caplog.set_level("INFO")
    client_of(server.url, attempts=3).get("it", "/busy-twice")
    told = [record.getMessage() for record in caplog.records if record.name.startswith("adce_assets")]
    assert len(told) == 2
    assert "answered 503" in told[0]
    assert capsys.readouterr() == ("", "")


def test_a_host_is_not_asked_more_often_than_its_entry_says(server: Any, client_of: MakeClient, clock: Any):
    with pytest.raises(TransientFetchError, match="503"):
        client_of(server.url, attempts=4).get("it", "/busy")
    assert server.asked["/busy"] == 4
    assert len(clock.slept) == 3


def test_every_attempt_is_taken_from_the_budget(server: Any, client_of: MakeClient, clock: Any):
    with pytest.raises(TransientFetchError):
        client_of(server.url, attempts=4, requests_per_second=0.01, burst=1).get("it", "/busy")
    assert sum(clock.slept) >= 300


def test_retry_after_is_waited_for(server: Any, client_of: MakeClient, clock: Any):
    started = clock.seconds
    assert client_of(server.url, attempts=2).get("it", "/limited-for-17").body == b"{}"
    assert clock.seconds - started >= 17


def test_a_pause_longer_than_a_run_waits_ends_the_request(server: Any, client_of: MakeClient, clock: Any):
    with pytest.raises(TransientFetchError, match="17"):
        client_of(server.url, attempts=5, max_wait_s=10).get("it", "/limited-for-17")
    assert server.asked["/limited-for-17"] == 1
    assert clock.slept == []


def test_a_host_that_closed_is_asked_by_no_other_client_either(server: Any, client_of: MakeClient, clock: Any):
    with pytest.raises(TransientFetchError):
        client_of(server.url).get("it", "/limited-for-ever")
    with pytest.raises(TransientFetchError, match="left alone"):
        client_of(server.url).get("it", "/ok")
    assert server.asked["/ok"] == 0
    clock.seconds += 25 * 3600
    assert client_of(server.url).get("it", "/ok").body


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0),
        ("17", 17),
        (" 17 ", 17),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("\u0661\u0667", 0),
        ("9" * 400, float("inf")),
        ("Wed, 15 Jan 2025 12:01:30 GMT", 90),
        ("Wed, 15 Jan 2025 12:01:30 -0000", 90),
        ("Wed, 15 Jan 2025 11:00:00 GMT", 0),
        ("Wed, 99 Jan 2025 11:00:00 GMT", 0),
        ("Wed, 15 Jan 99999 11:00:00 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nonsense(value: str, seconds: float):
    assert retry_after(value, "", NOW) == seconds


def test_a_date_counts_from_the_hosts_own_clock():
    assert retry_after("Wed, 15 Jan 2025 08:00:20 GMT", "Wed, 15 Jan 2025 08:00:00 GMT", NOW) == 20


def test_five_redirects_are_followed(server: Any, client_of: MakeClient):
    assert client_of(server.url).get("it", "/hops/5").url == f"{server.url}/hops/0"


@pytest.mark.parametrize("path", ["/hops/6", "/redirect-to-itself"])
def test_more_redirects_are_not(server: Any, client_of: MakeClient, path: str):
    with pytest.raises(PermanentFetchError, match="redirects"):
        client_of(server.url).get("it", path)
    assert server.asked.total() == 6


@pytest.mark.parametrize(
    "path",
    [
        "/redirect-to-metadata",
        "/redirect-to-a-file",
        "/redirect-to-nonsense",
        "/redirect-with-a-user",
        "/redirect-to-another-port",
        "/redirect-to-another-name",
    ],
)
def test_a_redirect_leads_nowhere_that_the_entry_does_not_name(server: Any, client_of: MakeClient, path: str):
    with pytest.raises(PermanentFetchError, match="redirects") as caught:
        client_of(server.url).get("it", path)
    assert server.asked.total() == 1
    assert "secret" not in str(caught.value)


def test_a_redirect_may_lead_to_a_name_of_the_entry_on_its_usual_port(server: Any, client_of: MakeClient):
    asked = []

    def resolver(name: str, port: int) -> list[str]:
        asked.append((name, port))
        return ["127.0.0.1"] if name == "127.0.0.1" else []

    client = client_of(server.url, redirect_hosts=["169.254.169.254"], resolver=resolver)
    with pytest.raises(TransientFetchError, match="no address"):
        client.get("it", "/redirect-to-metadata")
    assert asked[-1] == ("169.254.169.254", 80)


def test_one_client_does_not_tell_what_another_was_told(server: Any, client_of: MakeClient):
    client_of(server.url).get("it", "/ok")
    client_of(server.url).get("it", "/ok")
    assert "cookie" not in server.heads[-1].lower()


def test_a_path_that_is_no_url_is_refused(server: Any, client_of: MakeClient):
    with pytest.raises(PermanentFetchError, match="no path to ask for"):
        client_of(server.url).get("it", "/a\nb")


def test_every_failure_names_the_url(server: Any, client_of: MakeClient):
    with pytest.raises(FetchError) as caught:
        client_of(server.url).get("it", "/status/404", {"event": "1"})
    assert caught.value.where == f"{server.url}/status/404?event=1"


@pytest.mark.parametrize(
    "first", [too_long(b"{}" + reply(b"planted"), 2), always(in_chunks(b"{}") + reply(b"planted"))]
)
def test_what_follows_a_body_is_not_taken_for_the_next_answer(server: Any, client_of: MakeClient, first: Script):
    """A server that sends more than it promised must not answer a question that was not asked yet."""
    server.keep_alive = True
    client = client_of(server.url)
    server.on("/long", first)
    assert client.get("it", "/long").body == b"{}"
    assert client.get("it", "/ok").body == b'{"ok":true}'


def test_a_connection_is_used_again(server: Any, client_of: MakeClient):
    server.keep_alive = True
    client = client_of(server.url)
    for _ in range(3):
        client.get("it", "/ok")
    assert server.connections == 1
