"""Files of text in, counts of their lines out, a piece of a file at a time.

A line ends in a line feed, or with its file. What is no text is found as git does it, by a NUL among the first bytes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from adce_assets.dims.tree import MOST_READ, PIECE, Asked, Found, walk
from adce_assets.errors import MetricError

LOOKED_AT = 8_000
"""Bytes at the beginning of a file of which none is NUL in a text."""
LONGEST_LINE = 8 * PIECE

Binary = Literal["refuse", "skip", "read"]


def lines(root: Path, asked: Asked, binary: Binary) -> int:
    """Count lines.

    Raises:
        MetricError: there is no such file, one cannot be read or is no text, or there is too much of them.
    """
    return sum(_lines(pieces) for _, pieces in _texts(root, asked, binary))


def matches(root: Path, asked: Asked, binary: Binary, pattern: str) -> int:
    """Count lines in which RE2, which takes no longer for a crafted pattern or text, finds a pattern.

    Raises:
        MetricError: As `lines`; or RE2 does not understand the pattern, or a line is too long.
    """
    _check(pattern)
    return sum(_matching(file, pieces, pattern) for file, pieces in _texts(root, asked, binary))


def _texts(root: Path, asked: Asked, binary: Binary) -> Iterator[tuple[Found, Iterator[bytes]]]:
    """Hand out the files, and the pieces of each."""
    files = left = 0
    for file in walk(root, asked):
        files += 1
        left += file.size
        if left > MOST_READ:
            raise MetricError("there is too much to read", where=file.shown, valid=f"{MOST_READ} bytes in all")
        pieces = file.pieces()
        first = next(pieces, b"")
        if binary == "read" or b"\0" not in first[:LOOKED_AT]:
            yield file, _with(first, pieces)
        elif binary == "refuse":
            raise MetricError("is no text", where=file.shown, hint="exclude it, or say `binary: skip`")
        pieces.close()
    if not files:
        raise MetricError("no file is of this name", where=", ".join(asked.include))


def _with(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def _lines(pieces: Iterator[bytes]) -> int:
    count, last = 0, b""
    for piece in pieces:
        count += piece.count(b"\n")
        last = piece[-1:] or last
    return count + (last not in {b"", b"\n"})


def _check(pattern: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        what = str(error).removeprefix("Invalid regular expression: ")
        hint = "RE2 has neither look-around nor back-references"
        raise MetricError(f"the pattern is none of RE2: {what}", where=pattern, hint=hint) from error


def _matching(file: Found, pieces: Iterator[bytes], pattern: str) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    count = 0
    for some in _whole_lines(file, pieces):
        texts = [line.removesuffix(b"\r").decode("utf-8", "replace") for line in some]
        count += pc.sum(pc.match_substring_regex(pa.array(texts, pa.large_string()), pattern)).as_py()
    return count


def _whole_lines(file: Found, pieces: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Cut pieces into lines, without what ends them."""
    rest = b""
    for piece in pieces:
        *some, rest = (rest + piece).split(b"\n")
        if len(rest) > LONGEST_LINE:
            raise MetricError("has too long a line", where=file.shown, valid=f"{LONGEST_LINE} bytes")
        if some:
            yield some
    if rest:
        yield [rest]
