"""A CSV file, plain or packed with gzip, in; its columns and the number of its rows out.

It is read row by row: a row of another width than the header means that something is broken, cut off or not CSV.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import BinaryIO, cast

from adce_assets.errors import DamagedDocumentError, NotDataError
from adce_assets.fetch.bodies import CHUNK, Body, Bounded, allowance, opened, size
from adce_assets.fetch.notices import refuse_text
from adce_assets.fetch.requirements import Requirements
from adce_assets.fetch.surveys import Rows, Survey
from adce_assets.lake.sniff import LOOK

MAX_COLUMNS = 5_000
LONGEST_LINE = 4 * CHUNK


def csv_view(body: Body, requirements: Requirements, entity: Mapping[str, str]) -> Survey:  # noqa: ARG001 - as all views
    """Read a plain CSV file through."""
    with closing(opened(body)) as stream:
        return read_rows(stream, requirements.encoding, requirements.id_path).survey()


def gzip_view(body: Body, requirements: Requirements, entity: Mapping[str, str]) -> Survey:  # noqa: ARG001 - as all views
    """Unpack to the end, which checks the sum of it; as CSV where columns or rows are asked for.

    Raises:
        DamagedDocumentError: it is cut off, or not what was packed.
        OversizedDocumentError: it is a bomb.
    """
    asked = (
        requirements.must_have,
        requirements.columns,
        requirements.records,
        requirements.id_path,
        requirements.known,
    )
    try:
        with closing(opened(body)) as packed, gzip.GzipFile(fileobj=packed) as unpacked:
            bounded = Bounded(cast("BinaryIO", unpacked), allowance(size(body)), "the gzip file")
            stream = cast("BinaryIO", io.BufferedReader(bounded, CHUNK))
            if any(asked):
                return read_rows(stream, requirements.encoding, requirements.id_path).survey()
            _read_to_the_end(stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedDocumentError(f"the gzip file is damaged or cut off: {error}") from error
    return Survey(())


def read_rows(stream: BinaryIO, encoding: str, id_column: str | None) -> Rows:
    """Read a CSV file from a stream of bytes.

    Raises:
        DamagedDocumentError: it is not CSV throughout.
        NotDataError: it is something else from the beginning.
    """
    text = io.TextIOWrapper(stream, "utf-8-sig" if encoding == "utf-8" else encoding, newline="")
    lines = csv.reader(_lines(text), strict=True)
    try:
        header = tuple(name.strip() for name in next(lines, []))
        _refuse_no_header(header)
        rows = Rows(header, id_column)
        for row in lines:
            if row and len(row) != len(header):
                raise DamagedDocumentError(
                    f"{len(row)} values where the header names {len(header)}", where=f"line {lines.line_num}"
                )
            if row:
                rows.take(row)
    except csv.Error as error:
        raise DamagedDocumentError(f"not CSV: {error}", where=f"line {lines.line_num}") from error
    except UnicodeDecodeError as error:
        raise DamagedDocumentError(f"not {encoding}: {error.reason}", where=f"line {lines.line_num}") from error
    finally:
        text.detach()
    return rows


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Pass on lines that can be held in memory, and that hold no zero, which the reader would take for a letter."""
    while line := text.readline(LONGEST_LINE):
        if "\0" in line:
            raise DamagedDocumentError("a zero byte in the text")
        if len(line) == LONGEST_LINE:
            raise DamagedDocumentError(f"a line of more than {LONGEST_LINE} characters")
        yield line


def _refuse_no_header(header: tuple[str, ...]) -> None:
    first = header[0] if header else ""
    if first.startswith(("{", "[", "<")):
        kind = "HTML" if first.startswith("<") else "JSON"
        raise NotDataError(f"{kind} where CSV was due")
    if len(header) <= 1:
        refuse_text(first.encode())
    if not any(header) or len(header) > MAX_COLUMNS:
        raise DamagedDocumentError(f"a header of {len(header)} names", valid=f"1 to {MAX_COLUMNS}")


def _read_to_the_end(stream: BinaryIO) -> None:
    head = stream.read(CHUNK)
    if not head.strip(b"\0 \r\n"):
        raise DamagedDocumentError("nothing is packed in it")
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        refuse_text(head[:LOOK])
        raise NotDataError("HTML is packed in it")
    for _ in _chunks(stream):
        pass


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk
