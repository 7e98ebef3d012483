"""What the lake is tested against: a folder, two S3 servers of different make, and one that misbehaves.

MiniStack wants another botocore than this project, so it lives in an environment of its own below the project's root,
made once from the pinned `ministack-constraints.txt`. That it cannot be made is a failure: the suite over it is not
optional.
"""

import hashlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from filelock import FileLock

from adce_assets.lake.file_store import FileStore
from adce_assets.lake.s3_connection import Connection
from adce_assets.lake.s3_store import S3Store
from adce_assets.lake.store import LakeStore
from adce_assets_tests.lake.scripted import QuietServer, Script, handler_of

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


@pytest.fixture(scope="session")
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
