from collections.abc import Callable
from typing import Any

import pytest

from adce_assets.errors import FetchError, PermanentFetchError, TransientFetchError
from adce_assets.fetch.client import Client
from adce_assets.fetch.network import is_public

MakeClient = Callable[..., Client]

PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "192.0.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 - refused, not bound
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.0.1",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "ff0e::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::7f00:1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
]
WRITTEN_FORMS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_every_other_address_is_not(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("name", WRITTEN_FORMS)
def test_no_way_of_writing_this_machine_reaches_it(server: Any, client_of: MakeClient, name: str):
    with pytest.raises(FetchError):
        client_of(f"http://{name}:{server.port}", allow_private=False).get("it", "/ok")
    assert server.asked.total() == 0


def test_a_refused_address_is_named_with_the_way_out(server: Any, client_of: MakeClient):
    with pytest.raises(PermanentFetchError, match=r"127\.0\.0\.1.*\n.*allow_private"):
        client_of(server.url, allow_private=False).get("it", "/ok")


def test_one_private_address_among_public_ones_is_enough_to_refuse(server: Any, client_of: MakeClient):
    client = client_of(
        f"http://example.org:{server.port}", allow_private=False, resolver=lambda _, __: ["8.8.8.8", "127.0.0.1"]
    )
    with pytest.raises(PermanentFetchError):
        client.get("it", "/ok")


def test_a_name_that_changes_its_address_is_connected_to_where_it_was_checked(server: Any, client_of: MakeClient):
    """The address is asked for once a connection: there is no second answer that could be another."""
    answers = iter([["127.0.0.1"]])
    client = client_of(f"http://example.org:{server.port}", resolver=lambda _, __: next(answers))
    assert client.get("it", "/ok").status == 200
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
    assert client.get("it", "/ok").status == 200


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
    assert client_of(server.url).get("it", "/ok").status == 200
