"""The first and last bytes of an object in, the reason why it cannot be what its name says out.

A look at both ends finds most damage without reading the whole: a page of HTML under the name of a JSON document, a
file cut off in the middle, zeros where a disk was full. What a document must contain is not asked here; that is the
audit's question. A new kind of file is one more line of `KINDS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

LOOK = 512
"""How many bytes of each end a caller should give; fewer are enough for an object that has no more."""

BRACKETS = {b"{": b"}", b"[": b"]"}
BOM = b"\xef\xbb\xbf"
BLANK = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Ends:
    """The bytes that every object of a kind begins and ends with."""

    name: str
    first: tuple[bytes, ...]
    last: bytes = b""
    last_within: int = 0

    def fault(self, head: bytes, tail: bytes) -> str | None:
        """Say which end is wrong; ``last`` may be followed by up to ``last_within`` bytes."""
        if not head.startswith(self.first):
            return f"{_what(head)} where {self.name} was due"
        if self.last and self.last not in tail[-len(self.last) - self.last_within :]:
            return f"the end of the {self.name} is missing: it was cut off"
        return None


def sniff(head: bytes, tail: bytes, key_suffix: str) -> str | None:
    """Say why an object cannot be of its kind, or None when both ends look right.

    Args:
        head: The first bytes, `LOOK` of them if there are as many.
        tail: The last bytes, likewise; the two overlap in a small object.
        key_suffix: The name, or how it ends: ``.json``, ``a/b.json.gz``. A suffix without a rule is only checked for
            being empty.
    """
    if not head:
        return "empty"
    rule = KINDS.get(key_suffix.rpartition(".")[2].lower())
    return rule(head, tail) if rule else None


def _json(head: bytes, tail: bytes) -> str | None:
    start = head.removeprefix(BOM).lstrip(BLANK)
    closing = BRACKETS.get(start[:1])
    if closing is None:
        return f"{_what(head)} where JSON was due"
    if not tail.rstrip(BLANK).endswith(closing):
        return f"the JSON does not end with `{closing.decode()}`: it was cut off"
    return None


def _json_lines(head: bytes, tail: bytes) -> str | None:
    if head.removeprefix(BOM).lstrip(BLANK)[:1] not in BRACKETS:
        return f"{_what(head)} where JSON was due"
    if tail.rstrip(BLANK)[-1:] not in BRACKETS.values():
        return "the last line of JSON was cut off"
    return None


def _html(head: bytes, tail: bytes) -> str | None:
    if not _is_markup(head):
        return f"{_what(head)} where HTML was due"
    return None if b"</html" in tail.lower() else "the HTML does not end with `</html>`: it was cut off"


def _csv(head: bytes, tail: bytes) -> str | None:
    if b"\0" in head or b"\0" in tail:
        return f"{_what(head)} where CSV was due"
    return "HTML where CSV was due" if _is_markup(head) else None


def _is_markup(head: bytes) -> bool:
    return head.removeprefix(BOM).lstrip(BLANK).startswith(b"<")


def _what(head: bytes) -> str:
    """Name what the bytes look like, for a person."""
    text = head.removeprefix(BOM).lstrip(BLANK)
    if not text:
        return "nothing but blanks"
    if _is_markup(head):
        return "HTML" if b"<html" in text.lower() or text.lower().startswith(b"<!doctype html") else "markup"
    if not head.strip(b"\0"):
        return "nothing but zero bytes"
    for ends in MAGIC.values():
        if head.startswith(ends.first):
            return ends.name
    return "JSON" if text[:1] in BRACKETS else "something else"


MAGIC: Mapping[str, Ends] = {
    "parquet": Ends("Parquet", (b"PAR1",), b"PAR1"),
    "gz": Ends("gzip", (b"\x1f\x8b\x08",)),
    "zip": Ends("ZIP", (b"PK\x03\x04", b"PK\x05\x06"), b"PK\x05\x06", 256),
    "pdf": Ends("PDF", (b"%PDF-",), b"%%EOF", 256),
    "sqlite": Ends("SQLite", (b"SQLite format 3\0",)),
}
"""The magic bytes of binary kinds; each format's own specification is the source."""

KINDS: Mapping[str, Callable[[bytes, bytes], str | None]] = {
    "json": _json,
    "jsonl": _json_lines,
    "ndjson": _json_lines,
    "html": _html,
    "htm": _html,
    "csv": _csv,
    "tsv": _csv,
    **{suffix: ends.fault for suffix, ends in MAGIC.items()},
    "db": MAGIC["sqlite"].fault,
    "sqlite3": MAGIC["sqlite"].fault,
}
