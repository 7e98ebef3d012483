import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import DamagedError, FetchError, RefusedError, TooLargeError
from adce_assets.fetch.client import Client
from adce_assets_tests.misbehaving import (
    Asked,
    Script,
    a_file,
    always,
    busy,
    closes_in_the_body,
    in_turn,
    redirect,
    reply,
    reset_in_the_body,
)

MakeClient = Callable[..., Client]

CONTENT = random.Random(4).randbytes(300_000)
STRONG = {"ETag": '"v1"'}


def ranges(server: Any) -> list[tuple[str, str]]:
    """List the parts of the file that were asked for, and of which version."""
    return [(asked.headers.get("range", ""), asked.headers.get("if-range", "")) for asked in server.log]


def part(start: int, *, end: int | None = None, whole: int | None = None, **headers: str) -> Script:
    """Answer with a part of the content, saying whatever about it."""
    end, whole = len(CONTENT) if end is None else end, len(CONTENT) if whole is None else whole
    told = f"bytes {start}-{end - 1}/{whole}"
    return always(reply(CONTENT[start:end], "206 Partial Content", headers={"Content-Range": told, **headers}))


def test_a_file_lies_where_it_should_with_its_size_and_hash(server: Any, client_of: MakeClient, tmp_path: Path):
    server.on("/file", a_file(CONTENT))
    found = client_of(server.url).download("it", "/file", {"a": "1"}, into=tmp_path / "file")
    assert found.path.read_bytes() == CONTENT
    assert (found.size, found.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert (found.url, found.content_type) == (f"{server.url}/file?a=1", "application/octet-stream")
    assert found.headers == {"etag": '"v1"'}
    assert found.attempts == 1


def test_a_file_is_never_squeezed_on_the_way(server: Any, client_of: MakeClient, tmp_path: Path):
    server.on("/file", a_file(CONTENT))
    client_of(server.url).download("it", "/file", into=tmp_path / "file")
    assert server.log[0].headers["accept-encoding"] == "identity"


def test_a_file_that_is_squeezed_all_the_same_is_unfolded(server: Any, client_of: MakeClient, tmp_path: Path):
    client_of(server.url).download("it", "/gzip", into=tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b'{"ok":true}'


def test_a_download_goes_on_where_it_broke_off(server: Any, client_of: MakeClient, tmp_path: Path):
    server.on("/file", a_file(CONTENT, breaks=100_000))
    found = client_of(server.url, attempts=2).download("it", "/file", into=tmp_path / "file")
    assert ranges(server) == [("", ""), ("bytes=100000-", '"v1"')]
    assert found.path.read_bytes() == CONTENT
    assert (found.sha256, found.attempts) == (hashlib.sha256(CONTENT).hexdigest(), 2)


def test_a_download_goes_on_as_often_as_it_breaks_off(server: Any, client_of: MakeClient, tmp_path: Path):
    def a_little(asked: Asked) -> Iterator[bytes]:
        start = int(asked.headers.get("range", "bytes=0-")[6:-1])
        told = {"Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}
        status = "206 Partial Content" if start else "200 OK"
        yield reply(CONTENT[start : start + 70_000], status, length=len(CONTENT) - start, headers=STRONG | told)

    server.on("/file", a_little)
    found = client_of(server.url, attempts=6).download("it", "/file", into=tmp_path / "file")
    assert found.path.read_bytes() == CONTENT
    assert found.attempts == 5


def test_a_version_that_changed_meanwhile_is_fetched_whole(server: Any, client_of: MakeClient, tmp_path: Path):
    server.on("/file", in_turn(closes_in_the_body(b"old" * 1000, 500, ETag='"v0"'), a_file(CONTENT)))
    found = client_of(server.url, attempts=2).download("it", "/file", into=tmp_path / "file")
    assert ranges(server)[1] == ("bytes=500-", '"v0"')
    assert found.path.read_bytes() == CONTENT


@pytest.mark.parametrize("etag", [{}, {"ETag": 'W/"v1"'}, {"ETag": "v1"}, {"ETag": '"a" "b"'}, {"ETag": '""'}])
def test_what_has_no_strong_version_is_begun_again(
    server: Any, client_of: MakeClient, tmp_path: Path, etag: dict[str, str]
):
    server.on("/file", in_turn(closes_in_the_body(CONTENT, 500, **etag), a_file(CONTENT)))
    found = client_of(server.url, attempts=2).download("it", "/file", into=tmp_path / "file")
    assert ranges(server) == [("", ""), ("", "")]
    assert found.path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "odd",
    [
        part(400),
        part(600),
        part(0),
        part(500, end=1000),
        part(500, whole=5000),
        part(500, ETag='"v2"'),
        always(reply(CONTENT[500:], "206 Partial Content", Content_Range="bytes */300000")),
        always(reply(CONTENT[500:], "206 Partial Content", Content_Range="lines 500-299999/300000")),
        always(reply(CONTENT[500:], "206 Partial Content")),
        always(reply(CONTENT[500:], "206 Partial Content", Content_Range=f"bytes 500-{'9' * 5000}/*")),
        always(reply(CONTENT[500:], "206 Partial Content", Content_Range=f"bytes {'0' * 5000}500-299999/300000")),
        always(reply(CONTENT[500:], "206 Partial Content", Content_Range=f"bytes 500-299999/{'9' * 5000}")),
        busy(416),
    ],
)
def test_a_part_that_does_not_fit_is_not_used(server: Any, client_of: MakeClient, tmp_path: Path, odd: Script):
    server.on("/file", in_turn(closes_in_the_body(CONTENT, 500, **STRONG), odd, a_file(CONTENT)))
    found = client_of(server.url, attempts=3).download("it", "/file", into=tmp_path / "file")
    assert ranges(server) == [("", ""), ("bytes=500-", '"v1"'), ("", "")]
    assert found.path.read_bytes() == CONTENT


def test_a_part_that_nobody_asked_for_is_refused(server: Any, client_of: MakeClient, tmp_path: Path):
    server.on("/file", part(500))
    with pytest.raises(DamagedError, match="another part"):
        client_of(server.url).download("it", "/file", into=tmp_path / "file")


def test_a_version_that_no_document_can_have_is_no_version(server: Any, client_of: MakeClient, tmp_path: Path):
    """An entity tag goes into a header of the next request: nothing of it may end that header."""
    server.on("/file", in_turn(closes_in_the_body(CONTENT, 500, ETag='"a\tb"'), a_file(CONTENT)))
    client_of(server.url, attempts=2).download("it", "/file", into=tmp_path / "file")
    assert ranges(server)[1] == ("", "")


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (reset_in_the_body(CONTENT, 100_000, **STRONG), DamagedError),
        (busy(404), RefusedError),
        (always(reply(bytes(2_000_000))), TooLargeError),
        (redirect("http://localhost:{port}/ok"), FetchError),
    ],
)
def test_a_download_that_fails_leaves_nothing_behind(
    server: Any, client_of: MakeClient, tmp_path: Path, script: Script, kind: type[FetchError]
):
    server.on("/file", script)
    with pytest.raises(kind):
        client_of(server.url, attempts=2, max_bytes=1_000_000).download("it", "/file", into=tmp_path / "file")
    assert [*tmp_path.glob("file*")] == []


def test_many_parts_together_are_no_larger_than_one_may_be(server: Any, client_of: MakeClient, tmp_path: Path):
    server.on("/file", a_file(CONTENT, breaks=250_000))
    with pytest.raises(TooLargeError):
        client_of(server.url, attempts=2, max_bytes=299_999).download("it", "/file", into=tmp_path / "file")


def test_a_redirected_download_is_followed(server: Any, client_of: MakeClient, tmp_path: Path):
    server.on("/file", a_file(CONTENT))
    server.on("/latest", redirect("/file"))
    found = client_of(server.url).download("it", "/latest", into=tmp_path / "file")
    assert found.url == f"{server.url}/file"
    assert found.path.read_bytes() == CONTENT
