"""Games in, a local web server out that answers for them as ESPN does, and misbehaves where it is told to.

It stands in for the real source in the demo and in tests: loopback only, every document generated. What the documents
say is the business of `espn`.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Literal, Self, cast
from urllib.parse import parse_qs, urlsplit

from adce_assets.contract.schedule import Game
from adce_assets.demo import espn

PREFIX = "/apis/site/v2/sports/basketball/nba/"
NOTICE = b"<!DOCTYPE html><html><head><title>Back soon</title></head><body>We are working on it.</body></html>"

TroubleKind = Literal["not_found", "server_error", "too_many", "notice", "other_game", "hang"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes over the wire."""

    status: HTTPStatus
    body: bytes
    content_type: str = "application/json;charset=UTF-8"
    retry_after: str = ""


FIXED: Mapping[TroubleKind, Answer] = {
    "not_found": Answer(HTTPStatus.NOT_FOUND, b'{"code":404,"message":"Not Found"}'),
    "server_error": Answer(HTTPStatus.INTERNAL_SERVER_ERROR, b'{"code":500,"message":"Internal Server Error"}'),
    "too_many": Answer(HTTPStatus.TOO_MANY_REQUESTS, b"{}"),
    "notice": Answer(HTTPStatus.OK, NOTICE, "text/html"),
}
"""What is answered in a trouble whatever was asked for."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A way to misbehave, so many ``times`` (None: for ever), with a ``Retry-After`` header if one is given."""

    kind: TroubleKind
    times: int | None = None
    retry_after: str = ""


class LocalSource:
    """Serves the documents of games on 127.0.0.1 while used in a ``with``.

    Args:
        games: The games that the source knows.
        seed: Chooses among documents; the same seed makes the same ones.
        troubles: What goes wrong, by game id or by day as ``YYYYMMDD``.

    Attributes:
        asked: How often each game id or day was asked for.
    """

    def __init__(self, games: Iterable[Game], *, seed: int = 0, troubles: Mapping[str, Trouble] | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self._seed, self._troubles = seed, dict(troubles or {})
        self._games = {game.game_id: game for game in games}
        self._days: dict[str, list[Game]] = defaultdict(list)
        for game in self._games.values():
            self._days[f"{game.date:%Y%m%d}"].append(game)
        self._lock, self._ended = Lock(), Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.source = self

    @property
    def url(self) -> str:
        """The base URL, to be put in the place of the real host's."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> int:
        """How many requests were made in all."""
        with self._lock:
            return self.asked.total()

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, target: str) -> Answer | None:
        """Answer a request for a path and query; None stands for never answering."""
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        asked = query.get("event") or query.get("dates") or ""
        trouble = self._note(asked)
        if trouble is None:
            return self._right_answer(parts.path, asked)
        if trouble.kind in FIXED:
            return replace(FIXED[trouble.kind], retry_after=trouble.retry_after)
        return self._right_answer(parts.path, self._another(asked)) if trouble.kind == "other_game" else None

    def wait_for_the_end(self) -> None:
        """Block until the server is closed."""
        self._ended.wait()

    def _note(self, asked: str) -> Trouble | None:
        """Count the request and say what goes wrong with it, if anything."""
        with self._lock:
            self.asked[asked] += 1
            trouble = self._troubles.get(asked)
            over = trouble is not None and trouble.times is not None and self.asked[asked] > trouble.times
            return None if over else trouble

    def _right_answer(self, path: str, asked: str) -> Answer:
        if path == f"{PREFIX}summary" and asked in self._games:
            return Answer(HTTPStatus.OK, _json(espn.summary(self._games[asked], self._seed)))
        if path == f"{PREFIX}scoreboard" and (day := _day(asked)):
            return Answer(HTTPStatus.OK, _json(espn.scoreboard(day, self._days.get(asked, ()), self._seed)))
        return FIXED["not_found"]

    def _another(self, asked: str) -> str:
        """Name some other game, or some other day."""
        return min((self._games.keys() if asked in self._games else self._days.keys()) - {asked})


class _Server(ThreadingHTTPServer):
    source: LocalSource


class _Handler(BaseHTTPRequestHandler):
    """Speaks HTTP/1.1 with the source's answers; buffered, so that an answer leaves as one packet."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        """Send the source's answer, or nothing for as long as it lives."""
        source = cast("_Server", self.server).source
        answer = source.answer(self.path)
        if answer is None:
            self.close_connection = True
            source.wait_for_the_end()
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.retry_after:
            self.send_header("Retry-After", answer.retry_after)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature of http.server
        """Say nothing: the client tells of its requests."""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text.isdecimal() else None
    except ValueError:
        return None


def _json(document: espn.Json) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
