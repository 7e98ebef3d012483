"""Wanted keys in, files out as they were sent: tables, archives, databases, papers of any size.

A file goes to the run's folder and never into memory. Of an archive the entry may keep one member; its name is compared
and never used as a path.
"""

import fnmatch
import hashlib
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from adce_assets.errors import DamagedDocumentError, DriftError, FetchError, VerifyError
from adce_assets.fetch.audit_zip import BROKEN, members
from adce_assets.fetch.bodies import Bounded, allowance
from adce_assets.fetch.client import Client
from adce_assets.fetch.download import Download
from adce_assets.scrapers import answering, planning
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Collected, Failed, Outcome, Request, Wanted

CHUNK = 1024 * 1024

plan = planning.plan


def answer(entry: ScraperEntry, request: Request, client: Client, folder: Path) -> Iterator[Outcome]:
    """Download the file, going on where an earlier attempt broke off; it is the document of every key."""
    asked = hashlib.sha256(repr((request.path, request.parameters)).encode()).hexdigest()
    into = folder / f"{asked[:32]}.download"
    try:
        file = client.download(
            entry.host, request.path, dict(request.parameters), into=into, waits=answering.waits_of(entry)
        )
    except FetchError as error:
        yield from answering.without(entry, request, client, error)
        return
    for number, one in enumerate(request.wanted):
        yield _collected(entry, one, file, folder / f"{asked[:32]}.{number}")
    if all(entry.yields[one.data_set].member for one in request.wanted):
        into.unlink(missing_ok=True)


def _collected(entry: ScraperEntry, one: Wanted, file: Download, beside: Path) -> Collected | Failed:
    yielded, body = entry.yields[one.data_set], file.path
    if yielded.member is not None:
        try:
            body = taken_out(file.path, yielded.member, beside)
        except VerifyError as error:
            return Failed(one, error, file.url)
    return Collected(one, body, file.url, file.fetched_at, yielded.requirements, file.headers, attempts=file.attempts)


def taken_out(archive: Path, member: str, into: Path) -> Path:
    """Write the one member of an archive that a glob names into a file of our own naming.

    Raises:
        VerifyError: the archive is none or damaged, holds no such member or several, or is a bomb.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            fitting = [one for one in members(opened) if fnmatch.fnmatchcase(one.filename, member)]
            if len(fitting) != 1:
                raise DriftError(f"{len(fitting)} of its members fit", where=f"`{member}`", valid="one")
            with opened.open(fitting[0]) as source, into.open("wb") as target:
                content = Bounded(cast("BinaryIO", source), allowance(archive.stat().st_size), "the ZIP file")
                shutil.copyfileobj(content, target, CHUNK)
    except BROKEN as error:
        raise DamagedDocumentError(f"not an archive that can be read: {str(error)[:200]}") from error
    return into
