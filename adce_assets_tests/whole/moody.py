"""A source that has moods, and things of which each has its fate: what a network of sources is like, on a timetable.

Moods are of the source as a whole and are set from outside; fates are told by the number of a thing. What was handed
out whole is counted, for nothing should be fetched twice.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from threading import Thread

from adce_assets_tests.misbehaving import (
    Asked,
    MisbehavingServer,
    Script,
    always,
    busy,
    hang,
    hang_in_the_body,
    reply,
    reset,
)

WELL = "well"
MOODS: dict[str, Script] = {
    "busy": busy(503),
    "limited": busy(429, "2"),
    "reset": reset,
    "stalls": hang_in_the_body,
    "login": always(reply(b"<html><title>Please log in</title></html>", Content_Type="text/html")),
}
"""What a source does that is not well; one that is silent is so for one request alone, see `Moody`."""
SILENT = "silent"
FATES = {2: "none", 3: "gone", 5: "spoilt"}
"""The fate of a thing by the last digit of its number; all others are good. Spoilt ones are whole the second time."""


def fate(thing: str) -> str:
    return FATES.get(int(thing[-1]), "good")


def body(path: str) -> bytes:
    """Make the document of a path."""
    name = path.rpartition("/")[2]
    return json.dumps({"id": name, "name": name, "pad": path * 20}).encode()


class Moody(MisbehavingServer):
    """A source.

    Attributes:
        mood: How it is now.
        whole: How often each path was answered whole.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mood = WELL
        self.whole: Counter[str] = Counter()
        self._silences = count()
        self.on("/", self._answer)

    def _answer(self, asked: Asked) -> Iterator[bytes]:
        if self.mood == SILENT and next(self._silences) % 4 == 0:
            return hang(asked)
        if self.mood != WELL:
            return MOODS.get(self.mood, reset)(asked)
        return self._of_fate(asked)

    def _of_fate(self, asked: Asked) -> Iterator[bytes]:
        name = fate(asked.path)
        if name == "none":
            yield reply(b"{}", "404 Not Found")
        elif name == "gone":
            yield reply(b"gone for good", "410 Gone")
        elif name == "spoilt" and asked.before == 0:
            yield reply(b'{"id": ', Content_Type="application/json")
        else:
            yield reply(body(asked.path), Content_Type="application/json")
            self.whole[asked.path] += 1


@contextmanager
def sources(names: tuple[str, ...]) -> Iterator[dict[str, Moody]]:
    """Lend a source of each name."""
    running = {name: Moody() for name in names}
    for server in running.values():
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield running
    for server in running.values():
        server.ended.set()
        server.shutdown()
        server.server_close()
