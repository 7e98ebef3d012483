"""Ids and names from outside that want to lead elsewhere: into another path, query, host or folder. None gets there."""

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import UnsafeError, VerifyError
from adce_assets.fetch.client import Client
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Limits
from adce_assets.scrapers import file_download, html_page, json_api
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Collected, Failed, Kind, Wanted
from adce_assets_tests.misbehaving import MisbehavingServer, always, reply, running

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)

VECTORS = [
    "..",
    ".",
    "../secret",
    "../../../../etc/passwd",
    "a/../../secret",
    "a/b",
    "/etc/passwd",
    "//evil.example",
    "....//....//secret",
    "..\\secret",
    "..\\..\\windows\\win.ini",
    "C:\\windows",
    "\\\\evil\\share",
    "%2e%2e",
    "%2e%2e%2fsecret",
    "..%2fsecret",
    "%252e%252e%252fsecret",
    "..%5csecret",
    "%c0%ae%c0%ae/secret",
    "%c0%af",
    "..;/secret",
    "a..b",
    "\uff0e\uff0e\uff0fsecret",
    "\u2025/secret",
    "\u2024\u2024",
    "\u0661\u0662",
    "1\x00.json",
    "1\n",
    "1\r\nHost: evil.example",
    "1%0d%0aX: y",
    "1\t",
    " 1",
    "1 ",
    "1?admin=1",
    "1&admin=1",
    "1#",
    "1;id",
    "@evil.example",
    "http://evil.example/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "${HOME}",
    "$(id)",
    "`id`",
    "{season}",
    "{0.__class__}",
    "*",
    "~",
    "",
    "-rf",
    "1" * 500,
    "\u202e1",
]


def entry(kind: str, path: str, fields: dict[str, Any] | None = None, **parameters: str) -> ScraperEntry:
    parses = {"requirements": {"parses": {"html_page": "html", "file_download": "csv"}.get(kind, "json")}}
    return ScraperEntry.model_validate(
        {
            "kind": kind,
            "host": "it",
            "path": path,
            "parameters": parameters,
            "fields": fields or {},
            "yields": {"a/b": parses},
        }
    )


CARELESS: dict[str, Any] = {"made": {"from": "game_id", "match": "(?s)(.*)"}}
TWICE = CARELESS | {"more": {"from": "made", "match": "(?s)(.*)", "write": r"x\1"}}
"""Fields of authors who did not think of what may stand in an id."""


@pytest.fixture(scope="module")
def server() -> Iterator[MisbehavingServer]:
    with running() as server:
        server.on("/", always(reply(b"{}")))
        yield server


@pytest.fixture(scope="module")
def client(server: MisbehavingServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    limits = Limits(tmp_path_factory.mktemp("limits") / "limits.sqlite")
    host = Host.model_validate(
        {
            "base_url": f"{server.url}/api",
            "requests_per_second": 1000,
            "burst": 1000,
            "allow_private": True,
            "robots": {"ignored_because": "a test"},
        }
    )
    with Client({"it": host}, limits, agent="adce/0", now=lambda: NOW) as client:
        yield client
    limits.dispose()


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize(
    ("kind", "scraper"),
    [
        (json_api, entry("json_api", "/games/{game_id}.json")),
        (json_api, entry("json_api", "/games", id="{game_id}")),
        (html_page, entry("html_page", "/boxscores/{game_id}/index.html")),
        (file_download, entry("file_download", "/{game_id}")),
        (json_api, entry("json_api", "/games/{made}", CARELESS)),
        (json_api, entry("json_api", "/games", CARELESS, id="{made}")),
        (html_page, entry("html_page", "/boxscores/{more}/index.html", TWICE)),
    ],
)
def test_no_id_leads_elsewhere(
    server: MisbehavingServer, client: Client, tmp_path: Path, kind: Kind, scraper: ScraperEntry, vector: str
):
    """Whatever is not refused at once is asked for below its folder, and nowhere else."""
    asked_before = len(server.log)
    one = Wanted("a/b.json", "a", "b", "2024-25", {"game_id": vector, "season": "2024-25"}, None)
    outcomes = [
        outcome
        for step in kind.plan(scraper, [one], NOW)
        for outcome in ([step] if isinstance(step, Failed) else kind.answer(scraper, step, client, tmp_path))
    ]
    assert [type(outcome) for outcome in outcomes] == [Failed]
    assert isinstance(outcomes[0], Failed)
    assert isinstance(outcomes[0].error, VerifyError | UnsafeError)
    assert len(server.log) == asked_before
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("plain", ["0022300001", "2024-25", "202310240BOS", "nba.l.12", "a_b-c"])
def test_a_plain_id_is_asked_for(server: MisbehavingServer, client: Client, tmp_path: Path, plain: str):
    scraper = entry("json_api", "/games/{game_id}.json")
    one = Wanted("a/b.json", "a", "b", "2024-25", {"game_id": plain, "season": "2024-25"}, None)
    (request,) = json_api.plan(scraper, [one], NOW)
    assert not isinstance(request, Failed)
    (outcome,) = json_api.answer(scraper, request, client, tmp_path)
    assert isinstance(outcome, Collected)
    assert server.log[-1].target == f"/api/games/{plain}.json"


def archive(*names: str) -> bytes:
    into = BytesIO()
    with zipfile.ZipFile(into, "w") as made:
        for name in names:
            member = zipfile.ZipInfo("placeholder")
            member.filename = name  # as it is: the constructor would mend it
            made.writestr(member, b"a,b\n1,2\n")
    return into.getvalue()


@pytest.mark.parametrize("name", [vector for vector in VECTORS if vector and vector.isascii() and "\x00" not in vector])
def test_no_member_of_an_archive_leaves_the_folder(tmp_path: Path, name: str):
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    (folder / "a.zip").write_bytes(archive(name))
    with suppress(VerifyError):
        file_download.taken_out(folder / "a.zip", "*", folder / "member")
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {"in/here/a.zip", "in/here/member"}
