"""What a bomb costs is measured in a process of its own: the most memory it ever had, and all its processor time."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adce_assets_tests.misbehaving import Asked, reply

MIB = 1024 * 1024

VICTIM = """
import json, resource, sys, time
from datetime import UTC, datetime
from pathlib import Path
from adce_assets.errors import AdceError
from adce_assets.fetch.client import Client
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Limits

url, path, folder, how = sys.argv[1:]
host = Host.model_validate({
    "base_url": url, "requests_per_second": 100, "burst": 100, "allow_private": True, "attempts": 1,
    "max_bytes": 1 << 30, "robots": {"ignored_because": "a test"},
})
limits = Limits(Path(folder) / "limits.sqlite")
with Client({"it": host}, limits, agent="adce/0", now=lambda: datetime.now(UTC)) as client:
    client.get("it", "/ok")
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    before, begun, error = peak(), time.process_time(), None
    try:
        if how == "get":
            client.get("it", path)
        else:
            client.download("it", path, into=Path(folder) / "file")
    except AdceError as raised:
        error = [type(raised).__name__, raised.what]
    print(json.dumps([error, (peak() - before) * 1024, time.process_time() - begun]))
"""


def cost(server: Any, folder: Path, path: str, how: str) -> tuple[list[str] | None, int, float]:
    """Fetch in another process; return the error (class and text), the bytes of memory and the seconds of work."""
    done = subprocess.run(
        [sys.executable, "-c", VICTIM, server.url, path, str(folder), how],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    error, memory, processor_s = json.loads(done.stdout)
    return error, memory, processor_s


@pytest.mark.parametrize("how", ["get", "download"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_a_bomb_is_stopped_early_however_much_its_host_may_send(server: Any, tmp_path: Path, encoding: str, how: str):
    """256 MiB of nothing in a few hundred KiB or less, from a host that may send a gigabyte."""
    error, memory, processor_s = cost(server, tmp_path, f"/{encoding}-bomb", how)
    assert error is not None
    assert error[0] == "TooLargeError"
    assert "a bomb" in error[1]
    assert memory < 64 * MIB
    assert processor_s < 2
    assert not (tmp_path / "file").exists()


def test_the_memory_of_a_download_does_not_grow_with_its_file(server: Any, tmp_path: Path):
    def large(_: Asked) -> Iterator[bytes]:
        yield reply(length=200 * MIB)
        yield from (bytes(MIB) for _ in range(200))

    server.on("/file", large)
    error, memory, _ = cost(server, tmp_path, "/file", "download")
    assert error is None
    assert (tmp_path / "file").stat().st_size == 200 * MIB
    assert memory < 16 * MIB
