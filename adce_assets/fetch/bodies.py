"""A body in memory or in a file in; its size, its ends, its text or a stream of it out.

What may be large is read in pieces. Whatever the body holds is no business of this module.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from adce_assets.errors import DamagedDocumentError, OversizedDocumentError

Body = bytes | Path

CHUNK = 1024 * 1024
MAX_TEXT = 64 * CHUNK
"""Largest body that is parsed as a whole; JSON and HTML take a multiple of it in memory."""

SPARED, RATIO, MAX_UNFOLDED = 16 * CHUNK, 100, 8 * 1024 * CHUNK
"""What is packed may unfold to `SPARED` bytes, and beyond that to `RATIO` times its size, never to more than the last:
text of this kind shrinks to a tenth or twentieth, a bomb to a thousandth."""


def sha256(body: Body) -> str:
    """Return the SHA-256 of a body in hexadecimal; a file is read a piece at a time."""
    if isinstance(body, bytes):
        return hashlib.sha256(body).hexdigest()
    with body.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size(body: Body) -> int:
    """Count the bytes."""
    return len(body) if isinstance(body, bytes) else body.stat().st_size


def opened(body: Body) -> BinaryIO:
    """Open the body for reading; to be closed by the caller."""
    return io.BytesIO(body) if isinstance(body, bytes) else body.open("rb")


def ends(body: Body, length: int) -> tuple[bytes, bytes]:
    """Read the first and the last bytes; they overlap in a short body."""
    if isinstance(body, bytes):
        return body[:length], body[-length:]
    with body.open("rb") as stream:
        head = stream.read(length)
        stream.seek(max(0, size(body) - length))
        return head, stream.read(length)


def whole(body: Body) -> bytes:
    """Take the body into memory.

    Raises:
        OversizedDocumentError: it is too large for that.
    """
    if size(body) > MAX_TEXT:
        raise OversizedDocumentError(f"{size(body)} bytes to be parsed as a whole", valid=f"at most {MAX_TEXT} bytes")
    return body if isinstance(body, bytes) else body.read_bytes()


def text(body: Body, encoding: str) -> str:
    """Decode the body, strictly; a byte order mark is left out.

    Raises:
        DamagedDocumentError: it is not written in that encoding.
    """
    data = whole(body)
    if b"\0" in data:
        raise DamagedDocumentError(f"a zero byte in the text, at byte {data.index(0)}")
    try:
        return data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        raise DamagedDocumentError(f"not {encoding}: {error.reason} at byte {error.start}") from error


def markers(body: Body, wanted: Iterable[str]) -> Iterator[str]:
    """Find which texts the body holds, whether in upper or lower case."""
    open_ones = {marker: marker.lower().encode() for marker in wanted}
    longest = max(map(len, open_ones.values()), default=0)
    before = b""
    with opened(body) as stream:
        while open_ones and (chunk := stream.read(CHUNK)):
            seen = before + chunk.lower()
            for marker in [marker for marker, needle in open_ones.items() if needle in seen]:
                del open_ones[marker]
                yield marker
            before = seen[-longest:]


def allowance(packed: int) -> int:
    """Say how many bytes something packed of this size may unfold to."""
    return min(max(SPARED, packed * RATIO), MAX_UNFOLDED)


class Bounded(io.RawIOBase):
    """A stream that ends with an error where it goes on beyond its allowance."""

    def __init__(self, inner: BinaryIO, most: int, what: str) -> None:
        self._inner, self.left, self._what = inner, most, what

    def readable(self) -> bool:
        """Say that it is for reading."""
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # pyrefly: ignore[bad-override]
        """Read on, at most the buffer's length."""
        data = self._inner.read(len(buffer))
        self.left -= len(data)
        if self.left < 0:
            raise OversizedDocumentError(
                f"{self._what} unfolds to more than {RATIO} times its size: a bomb",
                hint="nothing of it was kept in memory",
            )
        buffer[: len(data)] = data
        return len(data)
