import socket
import threading
import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any, NoReturn

import pytest
from httpcore2 import ConnectError, NetworkStream, SyncBackend
from pydantic import ValidationError

from adce_assets.errors import FetchError, InwardError, PermanentFetchError, TransientFetchError, UnsafeError
from adce_assets.fetch.client import Client
from adce_assets_tests.misbehaving import redirect

MakeClient = Callable[..., Client]

WRITTEN_FORMS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0X7F000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "0177.0x0.0.1",
    "017700000001",
    "00000000177.0.0.1",
    "127.000.000.001",
    "0",
    "0.0.0.0",  # noqa: S104 - refused, not bound
    "127.0.0.1.",
    "127.255.255.254",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "localhost",
    "LOCALHOST",
    "LocalHost.",
    "localhost.",
    "ip6-localhost",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.16689662",
    "169.254.43518",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "168.63.129.16",
    "100.100.100.200",
    "10.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.257",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    "127\uff0e0\uff0e0\uff0e1",
    "\u2460\u2461\u2466.0.0.1",
    "\u0661\u0662\u0667.0.0.1",
    "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
    "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
    "127%2e0%2e0%2e1",
    "%31%32%37.0.0.1",
    "example.org@127.0.0.1",
    "example.org%40127.0.0.1",
    "example.org:80@127.0.0.1",
    "127.0.0.1#.example.org",
    "127.0.0.1/.example.org",
    "127.0.0.1?.example.org",
    "127.0.0.1\\.example.org",
    "example.org\\@127.0.0.1",
    "127.0.0.1\t",
]
"""This machine, its neighbours and the metadata servers of clouds, as whoever wants to get there might write them."""


@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note whom anybody wants to connect to, and connect to nobody."""
    wanted = []

    def connect(_: SyncBackend, host: str, *__: Any) -> NoReturn:
        wanted.append(host)
        raise ConnectError("a test connects to nobody")

    monkeypatch.setattr(SyncBackend, "connect_tcp", connect)
    return wanted


def resolve_here(name: str, port: int) -> Sequence[str]:
    """Resolve what this machine can without asking anybody else; every other name is on the internet."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return ["127.0.0.1"] if "localhost" in name.lower() else ["8.8.8.8"]
    return [str(entry[4][0]) for entry in found]


@pytest.mark.parametrize("name", WRITTEN_FORMS)
def test_no_way_of_writing_a_private_address_is_connected_to(
    client_of: MakeClient, no_connection: list[str], name: str
):
    """A form that is no address for anybody may be asked about as a name; nobody private is connected to."""
    with pytest.raises((FetchError, ValidationError)):
        client_of(f"http://{name}:8080", allow_private=False, resolver=resolve_here).get("it", "/ok")
    assert set(no_connection) <= {"8.8.8.8"}


@pytest.mark.parametrize("name", WRITTEN_FORMS)
def test_no_redirect_leads_to_a_private_address(
    server: Any, client_of: MakeClient, monkeypatch: pytest.MonkeyPatch, name: str
):
    """The entry may even name the host that it redirects to. The first request is let through, as if from afar."""
    connected = []
    connect = SyncBackend.connect_tcp

    def connect_first(self: SyncBackend, host: str, *rest: Any) -> NetworkStream:
        connected.append(host)
        if len(connected) > 1:
            raise ConnectError("a test connects to nobody")
        return connect(self, "127.0.0.1", server.port, *rest[1:])

    monkeypatch.setattr(SyncBackend, "connect_tcp", connect_first)
    server.on("/out", redirect(f"http://{name}/in".replace("{", "")))
    named = name.strip("[]").lower()
    client = client_of(
        "http://example.com",
        allow_private=False,
        redirect_hosts=[named, named.rstrip("."), "127.0.0.1", "localhost", "::1"],
        resolver=lambda host, port: ["1.1.1.1"] if host == "example.com" else resolve_here(host, port),
    )
    with pytest.raises(FetchError):
        client.get("it", "/out")
    assert set(connected) <= {"1.1.1.1", "8.8.8.8"}
    assert server.asked.total() == 1


def test_a_refused_address_is_named_with_the_way_out(server: Any, client_of: MakeClient):
    with pytest.raises(PermanentFetchError, match=r"127\.0\.0\.1.*\n.*allow_private"):
        client_of(server.url, allow_private=False).get("it", "/ok")


def test_one_private_address_among_public_ones_is_enough_to_refuse(server: Any, client_of: MakeClient):
    client = client_of(
        f"http://example.org:{server.port}", allow_private=False, resolver=lambda _, __: ["8.8.8.8", "127.0.0.1"]
    )
    with pytest.raises(PermanentFetchError):
        client.get("it", "/ok")


@pytest.mark.parametrize("address", ["64:ff9b::808:808", "64:ff9b::5db8:d822"])
def test_an_address_of_the_internet_that_the_network_has_made_one_of_ipv6_is_connected_to(
    client_of: MakeClient, no_connection: list[str], address: str
):
    client = client_of("http://example.org", allow_private=False, resolver=lambda _, __: [address])
    with pytest.raises(TransientFetchError):
        client.get("it", "/ok")
    assert no_connection == [address]


BLOCKED = "0.0.0.0"  # noqa: S104 - an answer, nothing is bound


@pytest.mark.parametrize(
    ("answer", "connected"), [([BLOCKED], []), (["::", BLOCKED], []), ([BLOCKED, "8.8.8.8"], ["8.8.8.8"])]
)
def test_a_name_that_the_resolver_blocks_leads_nowhere_and_not_inward(
    client_of: MakeClient, no_connection: list[str], answer: list[str], connected: list[str]
):
    client = client_of("http://example.org", allow_private=False, resolver=lambda _, __: answer)
    with pytest.raises(TransientFetchError) as refused:
        client.get("it", "/ok")
    assert ("has no address but `" in str(refused.value)) is (connected == [])
    assert no_connection == connected


def test_what_leads_inward_beside_an_address_that_is_none_still_does(client_of: MakeClient):
    client = client_of("http://example.org", allow_private=False, resolver=lambda _, __: [BLOCKED, "10.0.0.1"])
    with pytest.raises(InwardError):
        client.get("it", "/ok")


def test_a_name_that_is_rebound_is_refused(client_of: MakeClient, no_connection: list[str]):
    """The first answer is public, every later one is not: whoever asks twice connects to the second."""
    answers = iter([["8.8.8.8"], ["127.0.0.1"], ["169.254.169.254"]])
    client = client_of("http://example.org", allow_private=False, resolver=lambda _, __: next(answers))
    with pytest.raises(TransientFetchError):
        client.get("it", "/ok")
    for _ in range(2):
        with pytest.raises(InwardError):
            client.get("it", "/ok")
    assert no_connection == ["8.8.8.8"]


@pytest.mark.parametrize("odd", ["", "nonsense", "1.2.3", "8.8.8.8 ", "::ffff:8.8.8.8", "8.8.8.8%1", "0x08080808"])
def test_what_is_no_address_is_not_connected_to(client_of: MakeClient, no_connection: list[str], odd: str):
    with pytest.raises(UnsafeError):
        client_of("http://example.org", allow_private=False, resolver=lambda _, __: [odd]).get("it", "/ok")
    assert no_connection == []


def test_a_resolver_that_never_answers_is_left_at_the_deadline(client_of: MakeClient):
    ended = Event()

    def resolver(_: str, __: int) -> Sequence[str]:
        ended.wait()
        return []

    begun = time.monotonic()
    with pytest.raises(TransientFetchError, match="too long to resolve"):
        client_of("http://example.org", resolver=resolver, deadline_s=0.1).get("it", "/ok")
    ended.set()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("url", ["ftp://example.org", "file:///etc/passwd", "gopher://127.0.0.1", "ws://example.org"])
def test_nothing_but_http_and_https_is_spoken(client_of: MakeClient, url: str):
    with pytest.raises(ValidationError):
        client_of(url)


def test_a_name_that_changes_its_address_is_connected_to_where_it_was_checked(server: Any, client_of: MakeClient):
    """The address is asked for once a connection: there is no second answer that could be another."""
    answers = iter([["127.0.0.1"]])
    client = client_of(f"http://example.org:{server.port}", resolver=lambda _, __: next(answers))
    assert client.get("it", "/ok").body
    assert f"host: example.org:{server.port}" in server.heads[0].lower()


def test_every_connection_is_checked_anew(server: Any, client_of: MakeClient):
    answers = iter([["127.0.0.1"], []])
    client = client_of(f"http://example.org:{server.port}", resolver=lambda _, __: next(answers))
    client.get("it", "/ok")
    server.ended.set()
    with pytest.raises(TransientFetchError, match="no address"):
        client.get("it", "/ok")


def test_the_next_address_is_tried_when_the_first_is_silent(server: Any, client_of: MakeClient):
    client = client_of(f"http://example.org:{server.port}", resolver=lambda _, __: ["127.0.0.2", "127.0.0.1"])
    assert client.get("it", "/ok").body


def test_a_name_that_does_not_resolve_is_transient(client_of: MakeClient):
    def resolver(_: str, __: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(TransientFetchError, match="does not resolve"):
        client_of("http://example.org", resolver=resolver).get("it", "/ok")


def test_the_environment_sends_no_request_elsewhere(
    server: Any, client_of: MakeClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert client_of(server.url).get("it", "/ok").body


def test_the_server_of_these_tests_lets_go_of_a_connection_that_asks_nothing(server: Any):
    """A thread that went on reading would slow every test that comes behind."""
    before = {thread.name for thread in threading.enumerate()}
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        silent.sendall(b"GET /ok HTTP/1.1\r\n")
    until = time.monotonic() + 30
    while not server.connections or {thread.name for thread in threading.enumerate()} - before:
        assert time.monotonic() < until
        time.sleep(0.005)
