"""The data files of one report in, checked local copies of them out, each fetched and checked once.

A copy is named for the bytes that it was made of and for how they were read, and gets its name only when it is whole
and believed: what lies under its name is not looked into again.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING
from uuid import uuid4

from adce_assets.errors import LakeError, ObjectNotFoundError, ReportError
from adce_assets.lake import report_columns, report_csv
from adce_assets.lake.report_manifest import ReportFile, ReportManifest
from adce_assets.lake.store import LakeStore

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WORKERS = 4
"""Files on their way at once."""
READERS = 2
"""Files being decoded or checked at once, each with some tens of MiB."""
PIECE = 1 << 20
"""Bytes that are read at once where reading costs no request, and memory just used is cheaper than new."""
PIECES_PER_REQUEST = 8
READER_VERSION = 1
"""Changes with how files are decoded and checked, so that older copies are not taken for newer ones."""

_COPY = re.compile(r"[0-9a-f]{32}-[0-9a-f]{8}\.(parquet|orc)|[0-9a-f]{32}\.part")


def bring(
    store: LakeStore, manifest: ReportManifest, folder: Path, on_progress: Callable[[int], None] | None
) -> tuple[Path, ...]:
    """Bring those data files of a report into `folder` that are not there, and name all, in the manifest's order.

    Raises:
        ReportError: A data file is missing, is not what the manifest says, or cannot be believed.
        LakeError: The store could not be read, or the folder not written.
    """
    paths = {file: folder / _name(manifest, file) for file in manifest.files}
    with _local_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        absent = [file for file, path in paths.items() if not _is_there(path, file, manifest.file_format)]
        if absent:
            _bring_all(store, manifest, [(file, paths[file]) for file in absent], on_progress)
    return tuple(paths.values())


def tidy(folder: Path, kept: Sequence[Path]) -> None:
    """Remove the copies of other reports, and what an interrupted run left.

    Raises:
        LakeError: A file could not be removed.
    """
    names = {path.name for path in kept}
    with _local_errors(folder):
        for path in folder.iterdir():
            if path.name not in names and _COPY.fullmatch(path.name):
                path.unlink(missing_ok=True)


def _name(manifest: ReportManifest, file: ReportFile) -> str:
    manner = f"{READER_VERSION} {manifest.file_format} {manifest.source_bucket} {','.join(manifest.columns)}"
    suffix = "orc" if manifest.file_format == "ORC" else "parquet"
    return f"{file.md5}-{_md5(manner.encode())[:8]}.{suffix}"


def _is_there(path: Path, file: ReportFile, file_format: str) -> bool:
    """Say whether a copy is there, and not cut by something that went wrong outside."""
    try:
        with path.open("rb") as copy:
            size = copy.seek(0, os.SEEK_END)
            if file_format != "CSV":
                return size == file.size
            copy.seek(max(size - 4, 0))
            return copy.read() == b"PAR1"
    except FileNotFoundError:
        return False


def _bring_all(
    store: LakeStore,
    manifest: ReportManifest,
    jobs: list[tuple[ReportFile, Path]],
    on_progress: Callable[[int], None] | None,
) -> None:
    import duckdb

    turn, rows = BoundedSemaphore(READERS), 0
    settings: dict[str, bool | float | int | list[str] | str] = {
        "threads": 1,
        "memory_limit": "512MB",
        "temp_directory": "",
        "preserve_insertion_order": False,
    }
    with closing(duckdb.connect(config=settings)) as connection, ThreadPoolExecutor(WORKERS) as pool:

        def bring_one(job: tuple[ReportFile, Path]) -> int:
            file, path = job
            where = f"{store.url}/{file.key}"
            with _part(path) as fetched:
                _fetch(store, file, fetched, where)
                with turn, closing(connection.cursor()) as cursor:
                    return _believe(cursor, manifest, fetched, path, where)

        for count in pool.map(bring_one, jobs):
            rows += count
            if on_progress is not None:
                on_progress(rows)


def _fetch(store: LakeStore, file: ReportFile, target: Path, where: str) -> None:
    """Copy the object piece by piece; one byte more than there should be is asked for, to see that it is not there."""
    digest, size = hashlib.md5(usedforsecurity=False), 0
    length = PIECE * PIECES_PER_REQUEST if store.keys_per_request else PIECE
    with target.open("wb") as copy:
        while size <= file.size:
            piece = _piece(store, file, size, length, where)
            digest.update(piece)
            copy.write(piece)
            size += len(piece)
            if len(piece) < length:
                break
    if size != file.size:
        has = f"more than {file.size}" if size > file.size else size
        raise ReportError(f"a data file has {has} bytes, the manifest says {file.size}", where=where)
    if (md5 := digest.hexdigest()) != file.md5:
        raise ReportError(f"a data file's MD5 is {md5}, the manifest says {file.md5}", where=where)


def _piece(store: LakeStore, file: ReportFile, start: int, length: int, where: str) -> bytes:
    try:
        return store.get(file.key, start=start, length=min(length, file.size + 1 - start))
    except ObjectNotFoundError as error:
        raise ReportError(
            "a data file that the manifest names is missing",
            where=where,
            hint="a lifecycle rule may remove data before manifests; let it keep both for longer than a report is used",
        ) from error


def _believe(connection: "DuckDBPyConnection", manifest: ReportManifest, fetched: Path, path: Path, where: str) -> int:
    """Make the copy of a file that came whole, and count its rows."""
    bucket = manifest.source_bucket
    if manifest.file_format == "CSV":
        with _part(path) as decoded:
            rows = report_csv.decode(connection, fetched, decoded, columns=manifest.columns, bucket=bucket, where=where)
            _keep(decoded, path)
        return rows
    found = report_columns.contents(fetched, manifest.file_format, where)
    report_columns.check(connection, fetched, manifest.file_format, found, bucket=bucket, where=where)
    _keep(fetched, path)
    return found.rows


def _keep(part: Path, path: Path) -> None:
    """Give a copy its name once it is safe on disk: what has its name is believed by its size and its end."""
    with part.open("rb") as copy:
        os.fsync(copy.fileno())
    part.replace(path)


@contextmanager
def _part(path: Path) -> Iterator[Path]:
    """Name a file beside `path` that is gone at the end of the block, unless it was renamed."""
    part = path.with_name(f"{uuid4().hex}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _local_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LakeError(f"the local copies of a report: {error.strerror or error}", where=str(folder)) from error


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
