"""Chunks from the wire in, pieces of a body of bounded size out.

Decompression is done here and not by the HTTP client, because a bomb must be stopped while it unfolds and a compressed
body that was cut off must not pass for a short one. No piece is much larger than `CHUNK`, whatever was sent.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import brotli
import zstandard

from adce_assets.errors import DamagedError, PermanentFetchError, TooLargeError

ACCEPTED = "gzip, br, zstd"
"""What the client sends as ``Accept-Encoding``."""

CHUNK = 64 * 1024
GZIP = 16 + zlib.MAX_WBITS

ZSTD_STEP = 128
"""Bytes of zstd unfolded at once: a block of 128 KiB may take four bytes, so this unfolds to 4 MiB at most."""
ZSTD_WINDOW = 8 * 1024 * 1024
"""The largest window that HTTP allows zstd: https://www.rfc-editor.org/rfc/rfc9659"""

MOST_FOLDED = 100
"""No document is this many times smaller on the wire: text shrinks to a tenth, the dullest table to a fiftieth."""
SUSPICIOUS = 32 * 1024 * 1024
"""Bytes from which on `MOST_FOLDED` is asked for; a small body may well be dull."""


class Unfolding(Protocol):
    """A decompressor as it goes: compressed pieces in, pieces of the body out, and whether it came to its end."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Unfold a piece."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the compressed body is whole."""
        ...


def read(chunks: Iterable[bytes], encoding: str, max_bytes: int, where: str) -> bytes:
    """Join the pieces of a body; see `unfold`."""
    body = bytearray()
    for piece in unfold(chunks, encoding, max_bytes, where):
        body += piece
    return bytes(body)


def unfold(chunks: Iterable[bytes], encoding: str, max_bytes: int, where: str) -> Iterator[bytes]:
    """Unfold the chunks of a body; ``encoding`` is the Content-Encoding header, ``where`` its URL.

    Raises:
        TooLargeError: the body is larger than ``max_bytes``, or unfolds as no document does.
        PermanentFetchError: its encoding is not one that was asked for.
        DamagedError: the compressed body is damaged or cut off.
    """
    encoding = encoding.strip().lower()
    if encoding not in ENCODINGS:
        raise PermanentFetchError(f"the body is encoded as `{encoding[:40]}`", where=where, valid=ACCEPTED)
    counted = _Counted(chunks)
    size = 0
    for piece in _pieces(counted, ENCODINGS[encoding], where):
        size += len(piece)
        if size > max_bytes:
            raise too_large(max_bytes, where)
        if encoding and size > max(SUSPICIOUS, MOST_FOLDED * counted.size):
            raise TooLargeError(f"a bomb: {counted.size} bytes unfold to more than {size}", where=where)
        yield piece


def too_large(max_bytes: int, where: str) -> TooLargeError:
    """Build the error of a body beyond what its host's entry allows."""
    return TooLargeError(
        f"the body is larger than {max_bytes} bytes",
        where=where,
        hint="raise `max_bytes` in the host's entry if documents of this size are right",
    )


class _Counted:
    """Chunks, and how many bytes of them have gone by."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self.size = chunks, 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            yield chunk


def _pieces(chunks: Iterable[bytes], kind: Callable[[], Unfolding] | None, where: str) -> Iterator[bytes]:
    if kind is None:
        yield from chunks
        return
    unfolding = kind()
    try:
        for chunk in chunks:
            yield from unfolding.feed(chunk)
    except (zlib.error, brotli.error, zstandard.ZstdError) as error:
        raise DamagedError(f"the compressed body is damaged: {error}", where=where) from error
    if not unfolding.ended:
        raise DamagedError("the compressed body was cut off", where=where)


class Gzip:
    """Members of gzip, one after another."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(GZIP)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Unfold a piece."""
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(GZIP)
            yield self._member.decompress(data, CHUNK)
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    @property
    def ended(self) -> bool:
        """Whether the last member is whole."""
        return self._member.eof


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        piece = self._stream.process(data, output_buffer_limit=CHUNK)
        while piece or not (self._stream.can_accept_more_data() or self._stream.is_finished()):
            yield piece
            piece = b"" if self._stream.is_finished() else self._stream.process(b"", output_buffer_limit=CHUNK)

    @property
    def ended(self) -> bool:
        return self._stream.is_finished()


class _Zstd:
    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        self._frame = self._context.decompressobj()

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), ZSTD_STEP):
            step = data[start : start + ZSTD_STEP]
            while step:
                if self._frame.eof:
                    self._frame = self._context.decompressobj()
                yield self._frame.decompress(step)
                step = self._frame.unused_data if self._frame.eof else b""

    @property
    def ended(self) -> bool:
        return self._frame.eof


ENCODINGS: dict[str, Callable[[], Unfolding] | None] = {
    "": None,
    "identity": None,
    "gzip": Gzip,
    "x-gzip": Gzip,
    "br": _Brotli,
    "zstd": _Zstd,
}
"""What may stand in Content-Encoding, and what unfolds it."""
