"""Secrets of many shapes are planted, and everything that leaves the client is searched for them."""

import base64
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from httpcore2 import SyncBackend

from adce_assets.errors import AdceError, ConfigurationError, RefusedError, UnsafeError
from adce_assets.fetch.client import Client
from adce_assets.settings import load_settings
from adce_assets_tests.misbehaving import Script, a_file, after, always, busy, hops, redirect, reply

MakeClient = Callable[..., Client]

KEY = "Zq9-planted-7f3b2a"
ODD_KEY = "Zq9+planted/7f%3b=2a&x"
BASIC = base64.b64encode(b"me:Zq9-planted-7f3b2a").decode()


def kept(secret: str) -> Callable[[str], str | None]:
    return lambda name: secret if name == "ITS_KEY" else None


def by_parameter(name: str = "apiKey", **more: str) -> dict[str, Any]:
    return {"credential": {"secret": "ITS_KEY", "parameter": name, **more}}


def by_header(name: str = "X-Api-Key", **more: str) -> dict[str, Any]:
    return {"credential": {"secret": "ITS_KEY", "header": name, **more}}


def saying(status: str = "200 OK", body: bytes = b"{}", **headers: str) -> Script:
    return always(reply(body, status, headers=headers))


@dataclass(frozen=True)
class Planted:
    """A secret, how it is given, and what the host does with it."""

    secret: str
    entry: dict[str, Any]
    script: Script
    params: dict[str, str] = field(default_factory=dict)


PLANTED = {
    "in a header": Planted(KEY, by_header(), saying("401 No")),
    "as a bearer": Planted(KEY, by_header("Authorization", prefix="Bearer "), saying("403 No")),
    "as basic authorization": Planted(BASIC, by_header("Authorization", prefix="Basic "), saying("500 No")),
    "in the query": Planted(KEY, by_parameter(), saying("404 No")),
    "in the query of an answer": Planted(KEY, by_parameter(), saying()),
    "in the query, percent-encoded": Planted(ODD_KEY, by_parameter("k"), saying("410 No")),
    "with a name that says nothing": Planted(KEY, by_parameter("q"), saying("404 No")),
    "among the entry's headers": Planted(KEY, {"headers": {"X-Auth-Token": KEY}}, saying(f"400 no {KEY}")),
    "among the parameters": Planted(KEY, {}, saying("404 No"), {"access_token": KEY}),
    "among the parameters of an answer": Planted(KEY, {}, saying(), {"api_key": KEY, "season": "2025"}),
    "repeated in the status line": Planted(KEY, by_header(), saying(f"401 the key {KEY} has run out")),
    "repeated in headers": Planted(KEY, by_header(), saying(ETag=f'"{KEY}"', Content_Type=f"text/{KEY}", Date=KEY)),
    "repeated in the encoding": Planted(KEY, by_header(), saying(Content_Encoding=KEY)),
    "repeated in a redirect that is refused": Planted(KEY, by_header(), redirect(f"http://evil.example/{KEY}?a={KEY}")),
    "repeated in a redirect that is followed": Planted(KEY, by_header(), redirect(f"/next?a={KEY}")),
    "repeated in a redirect, percent-encoded": Planted(
        ODD_KEY, by_header(), redirect(f"/next?a={quote_plus(ODD_KEY)}")
    ),
    "repeated in the body": Planted(KEY, by_parameter(), saying(body=f'{{"asked": "/?apiKey={KEY}"}}'.encode())),
    "repeated in what is no header": Planted(KEY, by_header(), always(f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode())),
    "repeated in what is no status": Planted(KEY, by_header(), always(f"{KEY}\r\n\r\n".encode())),
    "repeated as a pause": Planted(KEY, by_header(), busy(429, KEY)),
    "in the user of a redirect": Planted(KEY, {}, redirect(f"http://me:{KEY}@127.0.0.1:{{port}}/ok")),
    "in a signed redirect": Planted(KEY, {}, redirect(f"/next?X-Amz-Signature={KEY}&X-Amz-Credential={KEY}")),
    "in a signed redirect elsewhere": Planted(KEY, {}, redirect(f"http://127.0.0.2:1/file?whatever={KEY}")),
    "in a cookie": Planted(KEY, {}, saying(Set_Cookie=f"session={KEY}")),
    "in a fragment": Planted(KEY, {}, redirect(f"/next#token={KEY}")),
}


def everything_told(client: Client, planted: Planted, caplog: pytest.LogCaptureFixture, into: Path) -> str:
    """Ask, and join all that a log, a receipt, an error message or a document of a run could be made of."""
    caplog.set_level(logging.DEBUG)
    told = []
    for ask in (client.get, lambda *what: client.download(*what, into=into)):
        try:
            told.append(repr(ask("it", "/planted", planted.params)))
        except AdceError as error:
            told += [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]
    logged = [f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records]
    return "\n".join([*told, *logged, caplog.text])


@pytest.mark.parametrize("shape", PLANTED)
def test_a_secret_is_told_to_nobody(
    server: Any, client_of: MakeClient, caplog: pytest.LogCaptureFixture, tmp_path: Path, shape: str
):
    planted = PLANTED[shape]
    server.on("/planted", planted.script)
    server.on("/next", saying())
    client = client_of(server.url, secrets=kept(planted.secret), attempts=2, **planted.entry)
    told = everything_told(client, planted, caplog, tmp_path / "file")
    assert server.asked["/planted"]
    for form in {planted.secret, quote(planted.secret, safe=""), quote_plus(planted.secret), "Zq9"}:
        assert form.lower() not in told.lower()


def test_the_search_finds_what_is_told(
    server: Any, client_of: MakeClient, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    """The test above would notice: a text that nobody knows to be secret is found."""
    planted = Planted(KEY, {}, saying(f"404 {KEY}"))
    server.on("/planted", planted.script)
    assert KEY in everything_told(client_of(server.url), planted, caplog, tmp_path / "file")


@pytest.mark.parametrize("entry", [by_header(), by_parameter(), by_header("Authorization", prefix="Bearer ")])
def test_a_host_sees_its_credential(server: Any, client_of: MakeClient, entry: dict[str, Any]):
    found = client_of(server.url, secrets=kept(ODD_KEY), **entry).get("it", "/ok", {"a": "b"})
    asked = server.log[0]
    credential = entry["credential"]
    seen = asked.query.get("apiKey") or asked.headers[credential["header"].lower()]
    assert seen == credential.get("prefix", "") + ODD_KEY
    assert asked.query["a"] == "b"
    assert found.url == f"{server.url}/ok?a=b"


def test_a_credential_stays_with_its_host_through_redirects_and_retries(server: Any, client_of: MakeClient):
    server.on("/old", after(1, redirect("/hops/1"), first=busy(503)))
    server.on("/hops/", hops)
    client_of(server.url, secrets=kept(KEY), attempts=2, **by_parameter()).get("it", "/old")
    assert [asked.query["apiKey"] for asked in server.log] == [KEY] * 4


@pytest.fixture
def client_of_two_names(server: Any, client_of: MakeClient, monkeypatch: pytest.MonkeyPatch) -> MakeClient:
    """Make clients of ``api.example``, which may redirect to ``files.example``: the same server here."""
    connect = SyncBackend.connect_tcp
    monkeypatch.setattr(  # a test cannot listen on port 80, the only one to which a redirect to another name may lead
        SyncBackend, "connect_tcp", lambda self, host, _, *rest: connect(self, host, server.port, *rest)
    )
    url, entry = f"http://api.example:{server.port}", {"redirect_hosts": ["files.example"]}
    return partial(client_of, url, resolver=lambda *_: ["127.0.0.1"], **entry)


@pytest.mark.parametrize("entry", [by_header(), by_parameter(), {"headers": {"Authorization": KEY, "X-Own": KEY}}])
def test_a_credential_crosses_to_no_other_host(server: Any, client_of_two_names: MakeClient, entry: dict[str, Any]):
    server.on("/out", redirect("http://files.example/in"))
    server.on("/in", saying())
    client = client_of_two_names(secrets=kept(KEY), **entry)
    assert client.get("it", "/out").url == "http://files.example/in"
    assert KEY in repr(server.log[0])
    assert KEY not in repr(server.log[1])


@pytest.mark.parametrize("entry", [by_header(), by_parameter(), {"headers": {"Authorization": ODD_KEY}}])
@pytest.mark.parametrize(
    "repeated",
    [
        f"/in?a=1&apiKey={quote_plus(ODD_KEY)}",
        f"/in?a=1&apiKey={quote(quote(ODD_KEY, safe=''), safe='')}",
        f"/in/{quote(ODD_KEY, safe='')}",
        "/in?k=" + "".join(f"%{letter:02x}" for letter in ODD_KEY.encode()),
        "/in?k=" + "".join(f"%25{letter:02x}" for letter in ODD_KEY.encode()),
    ],
)
def test_a_redirect_takes_no_credential_to_another_host(
    server: Any, client_of_two_names: MakeClient, entry: dict[str, Any], repeated: str
):
    server.on("/out", redirect(f"http://files.example{repeated}"))
    with pytest.raises(UnsafeError, match="its own credential") as caught:
        client_of_two_names(secrets=kept(ODD_KEY), **entry).get("it", "/out")
    assert [asked.path for asked in server.log] == ["/out"]
    assert "Zq9" not in str(caught.value)


@pytest.mark.parametrize("secret", [None, "", "  ", "abc", "a\nb-c-d", "a\x00b-c-d", "\u017e-\u010d-ff-00"])
def test_a_secret_that_cannot_be_sent_is_a_fault_of_the_configuration(
    server: Any, client_of: MakeClient, secret: str | None
):
    with pytest.raises(ConfigurationError, match="ITS_KEY") as caught:
        client_of(server.url, secrets=lambda _: secret, **by_header()).get("it", "/ok")
    assert not secret or not secret.strip() or secret not in str(caught.value)
    assert server.asked.total() == 0


def test_white_space_around_a_secret_is_a_slip_of_whoever_stored_it(server: Any, client_of: MakeClient):
    client_of(server.url, secrets=kept(f" {KEY}\n"), **by_header()).get("it", "/ok")
    assert server.log[0].headers["x-api-key"] == KEY


def test_a_secret_does_not_travel_unencrypted_over_the_internet(client_of: MakeClient):
    client = client_of("http://api.example", allow_private=False, secrets=kept(KEY), **by_header())
    with pytest.raises(ConfigurationError, match="unencrypted"):
        client.get("it", "/ok")


def test_a_body_that_repeats_the_secret_becomes_nothing(server: Any, client_of: MakeClient, tmp_path: Path):
    server.on("/planted", a_file(b"x" * 65_530 + KEY.encode() + b"x" * 100))
    client = client_of(server.url, secrets=kept(KEY), **by_header())
    with pytest.raises(UnsafeError, match="repeats"):
        client.get("it", "/planted")
    with pytest.raises(UnsafeError, match="repeats"):
        client.download("it", "/planted", into=tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_what_is_no_secret_is_told_as_it_is(server: Any, client_of: MakeClient):
    with pytest.raises(RefusedError) as caught:
        client_of(server.url).get("it", "/status/404", {"gamecode": "12", "seasoncode": "E2024", "Season": "2023-24"})
    assert caught.value.where == f"{server.url}/status/404?gamecode=12&seasoncode=E2024&Season=2023-24"


def test_a_secret_that_was_changed_in_its_file_is_what_the_next_run_sends(
    server: Any, client_of: MakeClient, tmp_path: Path
):
    """Nothing is started again: the environment of both runs is the same."""
    own, file = Path(__file__).parents[2], tmp_path / "ITS_KEY"
    environment = {"ADCE_HOME": str(own), "ADCE_SECRETS": str(tmp_path), "ITS_KEY": "of-the-environment"}
    for secret in ("first-key-1", "second-key-2\n"):
        file.write_text(secret)
        client_of(server.url, secrets=load_settings(environment).secrets, **by_header()).get("it", "/ok")
    file.unlink()
    client_of(server.url, secrets=load_settings(environment).secrets, **by_header()).get("it", "/ok")
    assert [asked.headers["x-api-key"] for asked in server.log] == ["first-key-1", "second-key-2", "of-the-environment"]
