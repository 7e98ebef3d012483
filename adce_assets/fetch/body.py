"""Chunks from the wire in, a whole body of bounded size out.

Decompression is done here and not by the HTTP client, because a bomb must be stopped while it unfolds and a compressed
body that was cut off must not pass for a short one.
"""

import zlib
from collections.abc import Iterable, Iterator

from adce_assets.errors import PermanentFetchError, TransientFetchError

ACCEPTED = "gzip"
"""What the client sends as ``Accept-Encoding``."""

CHUNK = 64 * 1024
GZIP = 16 + zlib.MAX_WBITS


def read(chunks: Iterable[bytes], encoding: str, max_bytes: int, where: str) -> bytes:
    """Join the chunks of a body, unfolding gzip; ``encoding`` is the Content-Encoding header, ``where`` its URL.

    Raises:
        PermanentFetchError: the body is larger than ``max_bytes``, or its encoding is not one that was asked for.
        TransientFetchError: the compressed body is damaged or cut off.
    """
    encoding = encoding.strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise PermanentFetchError(f"the body is encoded as `{encoding}`", where=where, valid=ACCEPTED)
    body = bytearray()
    for piece in _unfold(chunks, where) if "gzip" in encoding else chunks:
        body += piece
        if len(body) > max_bytes:
            raise PermanentFetchError(
                f"the body is larger than {max_bytes} bytes",
                where=where,
                hint="raise `max_bytes` in the host's entry if documents of this size are right",
            )
    return bytes(body)


def _unfold(chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
    member = zlib.decompressobj(GZIP)
    try:
        for chunk in chunks:
            data = chunk
            while data:
                if member.eof:
                    member = zlib.decompressobj(GZIP)
                yield member.decompress(data, CHUNK)
                data = member.unused_data if member.eof else member.unconsumed_tail
    except zlib.error as error:
        raise TransientFetchError(f"the compressed body is damaged: {error}", where=where) from error
    if not member.eof:
        raise TransientFetchError("the compressed body was cut off", where=where)
