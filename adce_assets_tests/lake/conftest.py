"""What the lake is tested against: a folder, two S3 servers of different make, one that misbehaves, and reports.

MiniStack wants another botocore than this project, so it lives in an environment of its own below the project's root,
made once from the pinned `ministack-constraints.txt`. That it cannot be made is a failure: the suite over it is not
optional.
"""

import gzip
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
from filelock import FileLock

from adce_assets.lake.file_store import FileStore
from adce_assets.lake.s3_connection import Connection
from adce_assets.lake.s3_pages import Page, parse
from adce_assets.lake.s3_store import S3Store
from adce_assets.lake.store import LakeStore

CONSTRAINTS = Path(__file__).with_name("ministack-constraints.txt")
ENVIRONMENTS = Path(__file__).parents[2] / ".venv-ministack"
BUCKET = "conformance"
LARGE_BUCKET = "large"
LARGE_KEYS = [f"games/{number:05d}.json" for number in range(2_345)]
CURRENT_COLUMNS = "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass"
NIGHT = "2025-11-05T01-00Z"
TOP = "inventory-reports/nba-lake/everything"
AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/nowhere/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
    "AWS_EC2_METADATA_DISABLED": "true",
}


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


@pytest.fixture(scope="session")
def ministack_prefix(ministack_bucket: S3Store) -> S3Store:
    """A lake below a prefix of another bucket, between neighbours that are none of its business."""
    bucket = reached_alike(ministack_bucket, "shared", "")
    bucket._client.create_bucket(Bucket="shared")
    bucket.put("lake/ra", b"shares only the first letters")
    bucket.put("lake/raw/", b"a placeholder, as consoles make them")
    bucket.put("lake/raw0", b"sorts just behind")
    return reached_alike(ministack_bucket, "shared", "lake/raw")


@pytest.fixture(params=["file", "moto_bucket", "ministack_bucket", "ministack_prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LakeStore]:
    """Each kind of store, empty."""
    if request.param == "file":
        (tmp_path / "lake").mkdir()
        yield FileStore(tmp_path / "lake")
        return
    bucket: S3Store = request.getfixturevalue(request.param)
    yield bucket
    for found in list(bucket.list()):
        bucket.delete(found.key)


@pytest.fixture(scope="session")
def large_store(ministack_bucket: S3Store) -> S3Store:
    """A bucket of several pages."""
    return reached_alike(ministack_bucket, LARGE_BUCKET, "")


@pytest.fixture
def large_keys() -> list[str]:
    """What `large_store` holds, in order."""
    return LARGE_KEYS


@pytest.fixture(scope="session")
def aws_environment() -> dict[str, str]:
    """What names the servers of these tests in the environment, but for the endpoint."""
    return AWS


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of `AWS` and nothing else of AWS's, to be changed further."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@dataclass
class Answer:
    """What to send: all of it, or only the first `cut` bytes before the connection ends, or nothing but a reset."""

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
class Script:
    """Answers in the order given, the last of them again and again; an answer may depend on all requests so far."""

    connection: Connection
    answers: list[Answer | Callable[[list[Request]], Answer]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def next(self, request: Request) -> Answer:
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(request)
        return answer(self.requests) if callable(answer) else answer

    def store(self, waits: list[float] | None = None, prefix: str = "") -> S3Store:
        """Make a store on this server that does not wait, but notes how long it would have."""
        store = S3Store("lake", prefix, pause=(waits if waits is not None else []).append)
        vars(store)["_connection"] = self.connection
        return store


class QuietServer(ThreadingHTTPServer):
    """A server that does not complain of clients that hang up, for they are meant to."""

    def handle_error(self, request: object, client_address: object) -> None:
        assert request
        assert client_address


@pytest.fixture(scope="module")
def listening(aws_environment: dict[str, str]) -> Iterator[Script]:
    """One server and one connection for all tests, for boto3 needs longer to connect than a test to run."""
    scripts: list[Script] = []
    http = QuietServer(("127.0.0.1", 0), handler_of(scripts))
    with pytest.MonkeyPatch.context() as environment:
        for name, value in aws_environment.items():
            environment.setenv(name, value)
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{http.server_port}")
        scripts.append(Script(Connection("lake")))
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield scripts[0]
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def server(listening: Script) -> Script:
    listening.answers.clear()
    listening.requests.clear()
    return listening


def handler_of(scripts: list[Script]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            answer = scripts[0].next(Request(self.command, self.path, headers, body))
            self.close_connection = answer.reset or answer.cut is not None
            if answer.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                return
            self.send_response(answer.status)
            for name, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else answer.body[: answer.cut])

        do_HEAD = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            """Say nothing."""

    return Handler


def error(status: int, code: str) -> Answer:
    return Answer(f"<Error><Code>{code}</Code><Message>the server says so</Message></Error>".encode(), status)


NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def row(key: str, **changed: str | None) -> str:
    fields = {"Key": key, "LastModified": "2024-05-06T22:37:48.000Z", "ETag": '"abc"', "Size": "3", **changed}
    return "".join(f"<{name}>{text}</{name}>" for name, text in fields.items() if text is not None)


def page_xml(rows: list[str], token: str = "", **changed: str | None) -> bytes:
    fields = {
        "Name": "lake",
        "KeyCount": str(len(rows)),
        "EncodingType": "url",
        "IsTruncated": "true" if token else "false",
        "NextContinuationToken": token or None,
        **changed,
    }
    head = "".join(f"<{name}>{text}</{name}>" for name, text in fields.items() if text is not None)
    body = "".join(f"<Contents>{found}</Contents>" for found in rows)
    return f'<?xml version="1.0"?>\n<ListBucketResult {NAMESPACE}>{head}{body}</ListBucketResult>'.encode()


@dataclass
class TruePages:
    """What an honest server answers to ListObjectsV2 about these objects, in pages of `size`."""

    objects: dict[str, int]
    size: int = 1_000

    def __post_init__(self) -> None:
        self.keys = sorted(self.objects)
        self.rows = [row(quote(key), Size=str(self.objects[key])) for key in self.keys]

    def body(self, asked: Mapping[str, str], **changed: str | None) -> bytes:
        """Write the page that a request of these parameters gets."""
        prefix, token = asked.get("prefix", ""), asked.get("continuation-token")
        start = max(bisect_right(self.keys, asked.get("start-after", "")), bisect_left(self.keys, prefix))
        stop = bisect_left(self.keys, prefix + "\U0010ffff") if prefix else len(self.keys)
        if "delimiter" in asked:
            return self._level(prefix, self.keys[start:stop])
        start = int(token) if token else start
        end = min(stop, start + self.size)
        more = str(end) if end < stop else ""
        return page_xml(self.rows[start:end], more, **{"MaxKeys": str(self.size), **changed})

    def _level(self, prefix: str, keys: list[str]) -> bytes:
        folders = sorted({key[: key.index("/", len(prefix)) + 1] for key in keys if "/" in key[len(prefix) :]})
        here = [key for key in keys if "/" not in key[len(prefix) :]][: self.size]
        body = page_xml([row(quote(key)) for key in here], KeyCount=str(len(here) + len(folders)))
        common = "".join(f"<CommonPrefixes><Prefix>{quote(name)}</Prefix></CommonPrefixes>" for name in folders)
        return body.replace(b"</ListBucketResult>", f"{common}</ListBucketResult>".encode())


@dataclass
class PageSource:
    """Stands where a store's connection stands, and reads pages that were never sent."""

    body: Callable[[dict[str, str]], bytes]

    def page(self, parameters: dict[str, str]) -> Page:
        return parse(self.body(parameters))

    def store(self) -> S3Store:
        store = S3Store("lake", pause=[].append)
        vars(store)["_connection"] = self
        return store


@dataclass
class Delivery:
    """One report about to be delivered, made without the product's own writer; its fields may be spoilt first.

    Rows of CSV are packed unless they are, or are nothing at all; other bodies are taken as they are.
    """

    rows: list[bytes] = field(default_factory=lambda: [b"\n"])
    columns: str = CURRENT_COLUMNS
    folder: str = NIGHT
    top: str = TOP
    document: dict[str, Any] = field(default_factory=dict)
    checksum: bytes | None = None
    file_format: str = "CSV"

    def put(self, store: LakeStore) -> None:
        """Write the data and the manifest, and last the checksum."""
        files = []
        for number, body in enumerate(self.rows):
            is_text = self.file_format == "CSV" and body and body[:2] != b"\x1f\x8b"
            packed = gzip.compress(body) if is_text else body
            key = self.data_key(number)
            store.put(key, packed)
            files.append({"key": key, "size": len(packed), "MD5checksum": md5(packed)})
        started = datetime.strptime(self.folder, "%Y-%m-%dT%H-%MZ").replace(tzinfo=UTC)
        document = {
            "sourceBucket": self.top.split("/")[-2],
            "destinationBucket": "arn:aws:s3:::nba-lake",
            "version": "2016-11-30",
            "creationTimestamp": str(int(started.timestamp()) * 1000),
            "fileFormat": self.file_format,
            "fileSchema": self.columns,
            "files": files,
            **self.document,
        }
        manifest = json.dumps({name: value for name, value in document.items() if value is not None}).encode()
        self.put_manifest(store, manifest)

    def data_key(self, number: int) -> str:
        """Name a data file of this report."""
        suffix = {"CSV": "csv.gz", "ORC": "orc", "Parquet": "parquet"}[self.file_format]
        return f"{self.top}/data/{self.folder}-{number}.{suffix}"

    def put_manifest(self, store: LakeStore, manifest: bytes) -> None:
        """Write the manifest, and its checksum unless that is b"" for not yet."""
        folder = f"{self.top}/{self.folder}"
        store.put(f"{folder}/manifest.json", manifest)
        checksum = md5(manifest).encode() + b"\n" if self.checksum is None else self.checksum
        if checksum:
            store.put(f"{folder}/manifest.checksum", checksum)


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def reached_alike(store: S3Store, bucket: str, prefix: str) -> S3Store:
    """Make a store on the same server, whose environment is no longer set."""
    other = S3Store(bucket, prefix)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**AWS, "AWS_ENDPOINT_URL": store._client.meta.endpoint_url}.items():
            environment.setenv(name, value)
        assert other._connection
    return other


def connected(url: str) -> S3Store:
    """Make the bucket, and a store that goes on reaching it when the environment is its old self again."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**AWS, "AWS_ENDPOINT_URL": url}.items():
            environment.setenv(name, value)
        store = S3Store(BUCKET)
        store._client.create_bucket(Bucket=BUCKET)
    return store


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
