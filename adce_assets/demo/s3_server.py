"""A folder in, a local S3 server with its objects out, and back again: the lake of `make demo LAKE=s3`.

The server is moto's, in this process: it keeps everything in memory, so the objects are put straight into it, with the
times at which they were written, and saved to the folder when it ends.
"""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from adce_assets.lake.file_store import SCRATCH
from adce_assets.lake.store import open_store

if TYPE_CHECKING:
    from moto.s3.models import FakeBucket

BUCKET = "adce-demo"
REGION = "us-east-1"


class LocalS3:
    """Serves the files of a folder as the bucket `BUCKET` while used in a ``with``."""

    def __init__(self, folder: Path) -> None:
        """Serve ``folder``; it need not be there yet."""
        from moto.server import ThreadedMotoServer

        self._folder = folder
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to find the server."""
        host, port = self._server.get_host_and_port()
        return {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "demo",
            "AWS_SECRET_ACCESS_KEY": "demo",  # nobody checks it
            "AWS_DEFAULT_REGION": REGION,
        }

    def __enter__(self) -> Self:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server.start()
        self._load()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._save()
        self._server.stop()

    def _load(self) -> None:
        from moto.core import DEFAULT_ACCOUNT_ID
        from moto.s3.models import FakeKey, s3_backends

        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        backend.reset()
        bucket = backend.create_bucket(BUCKET, REGION)
        for path in _files(self._folder):
            name = path.relative_to(self._folder).as_posix()
            key = FakeKey(name, path.read_bytes(), DEFAULT_ACCOUNT_ID, REGION, bucket_name=BUCKET)
            written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            key.last_modified = written.replace(tzinfo=None)  # pyrefly: ignore[missing-attribute] - moto is untyped here
            bucket.keys[name] = key

    def _save(self) -> None:
        """Write what has changed back to the folder, times included, and remove what is gone."""
        held = dict(_bucket().keys.items())
        folder = open_store(self._folder.as_uri())
        for path in _files(self._folder):
            if path.relative_to(self._folder).as_posix() not in held:
                path.unlink()
        for name, key in held.items():
            path, written = self._folder / name, key.last_modified.replace(tzinfo=UTC).timestamp()
            if not path.exists() or path.stat().st_mtime != written:
                folder.put(name, key.value)
                os.utime(path, (written, written))


def _bucket() -> "FakeBucket":
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and SCRATCH not in path.parts]
