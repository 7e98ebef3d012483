"""A ZIP file in; its members, and the columns and rows of those that are CSV out.

Every member is unpacked to its end, because only that checks its sum; nothing is written anywhere, and nothing of a
member is kept. Members that are packed files themselves are not unpacked further.
"""

import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import closing
from fnmatch import fnmatchcase
from typing import BinaryIO, cast

from adce_assets.errors import DamagedDocumentError, OversizedDocumentError
from adce_assets.fetch.audit_csv import read_rows
from adce_assets.fetch.bodies import CHUNK, Body, Bounded, allowance, opened, size
from adce_assets.fetch.requirements import Requirements
from adce_assets.fetch.surveys import Survey, Table, counted_places

MAX_MEMBERS = 10_000
CSV = (".csv", ".txt")
ENCRYPTED = 0x1
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, RuntimeError, OSError, ValueError),
)
"""What is raised where an archive is damaged: bzip2 raises OSError, and a name that is no text is a ValueError."""


def zip_view(body: Body, requirements: Requirements, entity: Mapping[str, str]) -> Survey:
    """Unpack every member to its end, and count the rows of those that are asked for.

    Raises:
        DamagedDocumentError: it is cut off, or a member leaves its folder, links somewhere, or fails its sum.
        OversizedDocumentError: it is a bomb.
    """
    asked, left = counted_places(requirements, entity), allowance(size(body))
    tables = []
    try:
        with closing(opened(body)) as stream, zipfile.ZipFile(stream) as archive:
            for member in members(archive):
                counted = any(fnmatchcase(member.filename, glob) for glob in asked)
                with archive.open(member) as content:
                    bounded = Bounded(cast("BinaryIO", content), left, "the ZIP file")
                    tables.append(_table(member.filename, bounded, requirements, counted=counted))
                left = bounded.left
    except BROKEN as error:
        raise DamagedDocumentError(f"not a whole ZIP file: {type(error).__name__}: {str(error)[:200]}") from error
    return Survey(tuple(tables))


def members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """List the files, if none of all members could lead anywhere else.

    Raises:
        DamagedDocumentError: a member leaves its folder, is a link, is encrypted, or stands there twice.
        OversizedDocumentError: there are too many.
    """
    found = archive.infolist()
    if len(found) > MAX_MEMBERS:
        raise OversizedDocumentError(f"{len(found)} members", valid=f"at most {MAX_MEMBERS}")
    if len({member.filename for member in found}) != len(found):
        raise DamagedDocumentError("a member stands in it twice")
    for member in found:
        problem = _problem(member)
        if problem:
            raise DamagedDocumentError(f"a member that {problem}", where=repr(member.filename[:100]))
    return [member for member in found if not member.is_dir()]


def _problem(member: zipfile.ZipInfo) -> str:
    name = member.filename
    parts = name.rstrip("/").split("/")
    if "\\" in name or ":" in name or not name.isprintable() or any(part in {"", ".", ".."} for part in parts):
        return "leaves its folder"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "links somewhere"
    return "is encrypted" if member.flag_bits & ENCRYPTED else ""


def _table(name: str, content: Bounded, requirements: Requirements, *, counted: bool) -> Table:
    stream = cast("BinaryIO", io.BufferedReader(content, CHUNK))
    if counted and name.lower().endswith(CSV):
        rows = read_rows(stream, requirements.encoding, None)
        return Table(name, rows.header, rows.count)
    length = 0
    while chunk := stream.read(CHUNK):
        length += len(chunk)
    return Table(name, (), int(length > 0))
