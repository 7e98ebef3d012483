"""A server that answers as a test tells it to, and honest pages of a listing that may then be spoilt."""

import socket
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

from adce_assets.lake.s3_connection import Connection
from adce_assets.lake.s3_pages import Page, parse
from adce_assets.lake.s3_store import S3Store


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
