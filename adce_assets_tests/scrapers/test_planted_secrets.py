"""A run with a credential, against a source that repeats it wherever it can; then everything that the run left."""

import io
import logging
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adce_assets.fetch.client import Client
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Limits
from adce_assets.lake.store import open_store
from adce_assets.scrapers.collect import collect
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Wanted
from adce_assets_tests.misbehaving import MisbehavingServer, Script, always, busy, redirect, reply, running

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
KEY = "Zq9-planted-7f3b2a"
GOOD = b'{"id": "1", "rows": [1, 2]}'

ANSWERS: dict[str, Script] = {
    "a good answer": always(reply(GOOD, ETag=f'"{KEY}"', Content_Type=f"application/json; key={KEY}", Date=KEY)),
    "a body with the key": always(reply(f'{{"id": "1", "rows": ["{KEY}"]}}'.encode())),
    "a notice that names the key": always(reply(f"<title>{KEY} is not valid</title>".encode())),
    "not found": busy(404),
    "forbidden with a reason": always(reply(status=f"403 no {KEY}")),
    "busy with a reason": always(reply(status=f"503 no {KEY}", Retry_After="5")),
    "a jail": busy(429),
    "a redirect that keeps it": redirect(f"/good?again={KEY}"),
    "a redirect that is signed": redirect(f"/good?sig={KEY}&token={KEY}"),
    "a redirect that leads away": redirect(f"http://evil.example/{KEY}"),
    "a broken head": always(f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode()),
    "a broken body": always(reply(GOOD[:5], length=len(GOOD), ETag=f'"{KEY}"')),
    "an odd encoding": always(reply(GOOD, Content_Encoding=KEY)),
    "compressed": always(reply(zlib.compress(f'{{"id": "{KEY}"}}'.encode(), wbits=31), Content_Encoding="gzip")),
}
CREDENTIALS = [
    {"header": "X-Key"},
    {"header": "Authorization", "prefix": "Bearer "},
    {"parameter": "apiKey"},
    {"parameter": "q"},
]


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with running() as server:
        server.on("/good", always(reply(GOOD)))
        yield server


@pytest.fixture
def run(server: MisbehavingServer, tmp_path: Path) -> Iterator[Callable[[dict[str, str]], str]]:
    """Collect one key with a credential; return all that was written or could be shown."""
    limits = Limits(tmp_path / "limits.sqlite", sleep=lambda _: None)
    lake = tmp_path / "lake"
    lake.mkdir()
    clients = []

    def collected(credential: dict[str, str]) -> str:
        host = Host.model_validate(
            {
                "base_url": server.url,
                "requests_per_second": 1000,
                "burst": 1000,
                "allow_private": True,
                "attempts": 2,
                "max_wait_s": 0,
                "robots": {"ignored_because": "a test"},
                "credential": {"secret": "ITS_KEY", **credential},
            }
        )
        clients.append(
            Client({"it": host}, limits, agent="adce/0", now=lambda: NOW, sleep=lambda _: None, secrets=lambda _: KEY)
        )
        needs = {"must_have": ["rows"], "id_path": "id", "id_is": "{game_id}", "records": "rows.*"}
        entry = ScraperEntry.model_validate(
            {
                "kind": "json_api",
                "host": "it",
                "path": "/games/{game_id}",
                "absent_statuses": [404],
                "yields": {"a/b": {"requirements": needs}},
            }
        )
        report = collect(
            entry,
            [Wanted("b/1.json", "a", "b", "2024-25", {"game_id": "1"}, None)],
            client=clients[-1],
            store=open_store(lake.as_uri()),
            run_id="run1",
            clock=lambda: NOW,
        )
        written = [f"{path} {path.read_text(errors='replace')}" for path in lake.rglob("*") if path.is_file()]
        return "\n".join([repr(report), repr(asdict(report)), *written])

    yield collected
    for client in clients:
        client.close()
    limits.dispose()


@pytest.mark.parametrize("credential", CREDENTIALS, ids=lambda found: "-".join(found.values()))
@pytest.mark.parametrize("answer", ANSWERS)
def test_no_run_leaves_its_secret_anywhere(
    server: MisbehavingServer,
    run: Callable[[dict[str, str]], str],
    credential: dict[str, str],
    answer: str,
    tmp_path: Path,
):
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    server.on("/games/1", ANSWERS[answer])
    try:
        left = run(credential)
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(logging.WARNING)
    assert KEY in repr(server.log[0])
    kept = (tmp_path / "limits.sqlite").read_bytes().decode("latin-1")
    assert "planted" not in (left + log.getvalue() + kept).lower()
