"""Stores in, by name: the same suite runs over a folder and over two S3 servers of different make.

MiniStack wants another botocore than this project, so it lives in an environment of its own below the project's root,
made once from the pinned `ministack-constraints.txt`. That it cannot be made is a failure: the suite over it is not
optional.
"""

import hashlib
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from filelock import FileLock
from moto.server import ThreadedMotoServer

from adce_assets.lake.file_store import FileStore
from adce_assets.lake.s3_store import S3Store
from adce_assets.lake.store import LakeStore

CONSTRAINTS = Path(__file__).with_name("ministack-constraints.txt")
ENVIRONMENTS = Path(__file__).parents[2] / ".venv-ministack"
BUCKET = "conformance"
LARGE_BUCKET = "large"
LARGE_KEYS = [f"games/{number:05d}.json" for number in range(2_345)]
AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/nowhere/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def ministack_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start MiniStack with a bucket of `LARGE_KEYS` on its disk, and stop it at the end."""
    home = tmp_path_factory.mktemp("ministack")
    for key in LARGE_KEYS:
        path = home / "data" / "000000000000" / LARGE_BUCKET / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
    port = _free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(home),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3",
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(home / "data"),
        "DOCKER_HOST": f"unix://{home}/no-docker",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }
    program = _ministack_environment() / "bin" / "ministack"
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen([program], env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/_ministack/health", server, home / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def moto_bucket(moto_url: str) -> S3Store:
    return connected(moto_url)


@pytest.fixture(scope="session")
def ministack_bucket(ministack_url: str) -> S3Store:
    return connected(ministack_url)


@pytest.fixture(params=["file", "moto", "ministack", "ministack with a prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LakeStore]:
    """Each kind of store, empty."""
    if request.param == "file":
        (tmp_path / "lake").mkdir()
        yield FileStore(tmp_path / "lake")
        return
    bucket: S3Store = request.getfixturevalue("moto_bucket" if request.param == "moto" else "ministack_bucket")
    if "prefix" not in request.param:
        yield bucket
    else:
        bucket.put("lake/ra", b"a neighbour that only shares the first letters")
        bucket.put("lake/raw/", b"")
        bucket.put("lake/raw0", b"a neighbour that sorts behind")
        below = S3Store(BUCKET, "lake/raw")
        vars(below)["_connection"] = vars(bucket)["_connection"]
        yield below
    for found in list(bucket.list()):
        bucket.delete(found.key)


@pytest.fixture
def s3_store(request: pytest.FixtureRequest) -> Iterator[S3Store]:
    """An empty bucket of MiniStack, the more exact of the two servers."""
    bucket: S3Store = request.getfixturevalue("ministack_bucket")
    yield bucket
    for found in list(bucket.list()):
        bucket.delete(found.key)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of `AWS` and nothing else of AWS's, to be changed further."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def scripted(aws: pytest.MonkeyPatch) -> Iterator["ScriptedS3"]:
    """A server that answers as it is told, and is found by every store that the test makes."""
    with scripted_server() as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


@contextmanager
def scripted_server() -> Iterator["ScriptedS3"]:
    script = ScriptedS3()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Answer:
    """What to send: all of it, or only the first `cut` bytes before the connection is dropped, or reset."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False


@dataclass
class Request:
    """What a store has asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedS3:
    """Answers in the order given, the last again and again; each may look at all the requests so far."""

    url: str = ""
    answers: list[Answer | Callable[[list[Request]], Answer]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def next(self, request: Request) -> Answer:
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(request)
        return answer(self.requests) if callable(answer) else answer


def connected(url: str) -> S3Store:
    """Make the bucket, and a store that goes on reaching it when the environment is its old self again."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**AWS, "AWS_ENDPOINT_URL": url}.items():
            environment.setenv(name, value)
        store = S3Store(BUCKET)
        store._client.create_bucket(Bucket=BUCKET)
    return store


def _handler(script: ScriptedS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = script.next(Request(self.command, self.path, headers, self.rfile.read(length)))
            if answer.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            else:
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else answer.body[: answer.cut])
            self.close_connection = answer.reset or answer.cut is not None

        do_HEAD = do_PUT = do_DELETE = do_POST = do_GET  # noqa: N815 - names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _ministack_environment() -> Path:
    digest = hashlib.sha256(CONSTRAINTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    environment, done = ENVIRONMENTS / digest, ENVIRONMENTS / digest / "complete"
    ENVIRONMENTS.mkdir(exist_ok=True)
    with FileLock(ENVIRONMENTS / "lock"):
        if not done.exists():
            _run(sys.executable, "-m", "venv", "--clear", environment)
            pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run(*pip, "--no-deps", "--require-hashes", "-r", CONSTRAINTS)
            done.touch()
    return environment


def _run(*command: str | Path) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if finished.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{finished.stdout}{finished.stderr}"[-4000:], pytrace=False)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    pytest.fail(f"MiniStack did not start\n{log.read_text()[-4000:]}", pytrace=False)
