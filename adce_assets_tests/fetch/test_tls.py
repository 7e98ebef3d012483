import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from adce_assets.errors import TransientFetchError
from adce_assets.fetch.client import Client
from adce_assets.fetch.hosts import Host
from adce_assets_tests.certificates import own_certificate
from adce_assets_tests.misbehaving import MisbehavingServer


class TlsServer(MisbehavingServer):
    """Speaks TLS with a certificate that it has signed itself."""

    def __init__(self, certificate: Path) -> None:
        super().__init__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return super().url.replace("http:", "https:")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[MisbehavingServer]:
    with TlsServer(certificate) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.ended.set()
        server.shutdown()


def test_a_certificate_that_nobody_vouches_for_is_refused(
    tls_server: MisbehavingServer, client_of: Callable[..., Client]
):
    with pytest.raises(TransientFetchError, match=r"(?i)certificate"):
        client_of(tls_server.url).get("it", "/ok")
    assert tls_server.asked.total() == 0


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environment_vouches_for_nobody(
    tls_server: MisbehavingServer,
    certificate: Path,
    client_of: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
):
    monkeypatch.setenv(variable, str(certificate.parent if variable.endswith("DIR") else certificate))
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    with pytest.raises(TransientFetchError, match=r"(?i)certificate"):
        client_of(tls_server.url).get("it", "/ok")


def test_no_entry_can_turn_the_verification_off():
    assert not {
        name for name in Host.model_fields if "verif" in name or "tls" in name or "ssl" in name or "insec" in name
    }
