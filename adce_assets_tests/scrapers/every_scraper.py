"""A scraper's case in, what a local server that speaks its source's shape is asked, and what lies in the lake, out.

`Case` and the small makers of answers are what the files ``cases_<family>.py`` are written with: one ``CASES`` each, by
the name of the scraper. Where one scraper asks several endpoints there may be several cases: ``name@variant``. All
bodies are generated; the names of members, columns and tables are facts about the sources.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""When every case happens."""
TODAY = NOW.date()
"""The only day of which a snapshot can be had: the ``date`` in the entity of a snapshot's case."""
SECRET = "planted-credential-0123456789"
"""The value of every credential; whatever its header or parameter is, a case's answer never sees it."""

Sent = tuple[int, str, bytes]
"""Status, content type and body of an answer."""
Answer = Callable[[str, dict[str, str]], Sent]
"""Path and query of a request in, what the source sends out; anything but exactly the right question is `NOTHING`."""

JSON, HTML = "application/json; charset=utf-8", "text/html; charset=utf-8"
NOTHING: Sent = (404, "text/plain", b"no such thing")


@dataclass(frozen=True)
class Case:
    """One entity of a scraper, and how its source answers.

    Attributes:
        season: Its label, ``2023-24``, or ``all`` for what no season divides.
        entity: The fields of the keys beside the season: ``{"game_id": "0022300001"}``; dates as ``date`` alone.
        records: What each data set counts, by name (``source/data_type``); None where nothing is counted.
        answer: The source; it is asked until the scraper has enough.
        pages: The requests (``path?query``, the query sorted by name, without credentials) whose bodies make up the
            document, in order; empty where a single one does.
        another: The document of another thing of the same kind, where that is not this one with other ids in its text.
    """

    season: str
    entity: Mapping[str, str]
    records: Mapping[str, int | None]
    answer: Answer
    pages: tuple[str, ...] = ()
    another: bytes = b""


def sent(path: str, query: Mapping[str, str], body: bytes, content_type: str = JSON) -> Answer:
    """Make a source that has one document, at exactly this path and query."""

    def answer(asked_path: str, asked_query: dict[str, str]) -> Sent:
        return (200, content_type, body) if (asked_path, asked_query) == (path, dict(query)) else NOTHING

    return answer


def sent_each(*answers: Answer) -> Answer:
    """Make a source of several: the first that has something answers."""

    def answer(path: str, query: dict[str, str]) -> Sent:
        given = (one(path, query) for one in answers)
        return next((one for one in given if one != NOTHING), NOTHING)

    return answer


def json_body(document: object) -> bytes:
    """Write JSON as a source would, with an odd space so that nothing passes that was written anew."""
    return json.dumps(document, ensure_ascii=False, separators=(", ", ":")).encode()


def result_set(name: str, columns: str, rows: Sequence[Sequence[object]]) -> dict[str, object]:
    """Make one columnar result set; ``columns`` are names divided by blanks."""
    return {"name": name, "headers": columns.split(), "rowSet": rows}


@dataclass(slots=True)
class Asked:
    """What the server was asked, and what it sent for it, in order."""

    requests: list[tuple[str, dict[str, str], Mapping[str, str]]] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)


class Source:
    """A server on the loopback that answers as it is told to; robots.txt is not there and not counted."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _path, _query: NOTHING
        self.credential_parameter: str | None = None
        self.asked = Asked()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """The base URL of the server."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def now_answers(self, answer: Answer, credential_parameter: str | None = None) -> Asked:
        """Answer so from now on, and begin a new list of what was asked."""
        self.answer, self.credential_parameter, self.asked = answer, credential_parameter, Asked()
        return self.asked

    def take(self, target: str, headers: Mapping[str, str]) -> Sent:
        """Answer one request, and note it."""
        parts = urlsplit(target)
        if parts.path == "/robots.txt":
            return NOTHING
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        credential = query.pop(self.credential_parameter or "", "")
        noted = {**headers, "credential": credential or headers.get("Authorization", "")}
        given = self.answer(parts.path, query)
        with self._lock:
            self.asked.requests.append((parts.path, query, noted))
            self.asked.bodies[request_line(parts.path, query)] = given[2]
        return given

    @contextmanager
    def running(self) -> Iterator["Source"]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def request_line(path: str, query: Mapping[str, str]) -> str:
    """Write a request as ``Case.pages`` names it."""
    return path + "?" + "&".join(f"{name}={value}" for name, value in sorted(query.items()))


def day(text: str) -> date:
    """Read a day, as cases write it."""
    return date.fromisoformat(text)


def _handler(source: Source) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        """Head and body go out together: apart, each would wait for the other side's receipt."""

        def do_GET(self) -> None:
            status, content_type, body = source.take(self.path, dict(self.headers))
            self.send_response_only(status)
            self.send_header("Date", format_datetime(NOW, usegmt=True))
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
            """Say nothing."""

    return Handler
