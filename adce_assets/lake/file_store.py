"""A folder in, a lake out: what S3 promises, kept by a local file system, with no server.

Writers from many processes of one machine are safe together: a write becomes visible whole or not at all, and a
conditional write that was told yes was alone. Not for network file systems, whose locks and links promise less. A key
that cannot be the name of a file is refused, never bent: what a lake lists is exactly what was written.
"""

import builtins
import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import itemgetter
from pathlib import Path
from uuid import uuid4
from zlib import crc32

import pyarrow as pa

from adce_assets.errors import ConditionFailedError, LakeError, ObjectNotFoundError
from adce_assets.lake.store import (
    EVERYTHING,
    OBJECT_SCHEMA,
    KeyRange,
    Level,
    Part,
    StoredObject,
    check_range,
    is_unicode,
)

SCRATCH = ".lake-tmp"
"""The folder of the root where objects are written before they appear, and where locks lie; it is never listed."""

_LOCKS = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_800
"""Of the years 1 to 9999, which are all that a time of writing can be."""
_MOMENT = OBJECT_SCHEMA.field("last_modified").type
_PART_ROWS = 1_000
_MILLISECOND = 1_000_000
_CLASH = "a folder cannot hold both an object `d` and an object `d/x`; a lake with such keys needs an s3:// root"
_HINTS = {
    errno.EACCES: "let this user read and write the folder",
    errno.EPERM: "the lake needs a file system with hard links, and the right to write",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "this user's disk quota is used up",
    errno.ENAMETOOLONG: "the file system allows no name that long; a lake with such keys needs an s3:// root",
    errno.EEXIST: _CLASH,
    errno.ENOTDIR: _CLASH,
    errno.EISDIR: _CLASH,
    errno.ENOTEMPTY: _CLASH,
    errno.EXDEV: "the lake and its folders must lie on one file system",
}


class FileStore:
    """The lake in a folder: one file per object, its key the path below `root`.

    Reading from a root that is not there is an error, for a lake that is not mounted is not an empty one; the first
    write makes it.
    """

    keys_per_request = 0

    def __init__(self, root: Path) -> None:
        """Take an absolute path; nothing is read or made yet."""
        self._root = os.path.realpath(root)
        self.url = Path(self._root).as_uri()

    def server(self) -> str:
        """Name none: a folder is on this machine."""
        return ""

    def list(self, prefix: str = "", *, start_after: str = "") -> Iterator[StoredObject]:
        """Walk the keys in order, holding one folder's names at a time and opening no folder that cannot matter."""
        for key, found in self._walk(prefix, KeyRange(start_after)):
            yield self._describe(key, found)

    def parts(self, within: KeyRange = EVERYTHING) -> Iterator[Part]:
        """Walk the files of the range, of which no folder outside it is opened."""
        walk = self._walk(within.prefix, within)
        while len(found := builtins.list(islice(walk, _PART_ROWS))) == _PART_ROWS:
            yield Part(self._columns(found), 0, last=False)
        yield Part(self._columns(found), 0, last=True)

    def level(self, folder: str = "") -> Level:
        """Read one folder, and of those below it whether they hold anything."""
        statuses = ((key, self._status_of(key, entry)) for key, entry in self._entries_at(folder) if key[-1] != "/")
        files = [(key, found) for key, found in statuses if found is not None]
        return Level(self._columns(files), self.list_prefixes(folder), 0, complete=True)

    def list_prefixes(self, prefix: str = "") -> builtins.list[str]:
        """Name the folders below `prefix` that hold an object somewhere; S3 knows no empty ones."""
        folders = [key for key, _ in self._entries_at(prefix) if key.endswith("/") and key.startswith(prefix)]
        return [folder for folder in folders if next(self.list(folder), None) is not None]

    def head(self, key: str) -> StoredObject | None:
        """Describe the object from its file's status alone."""
        path = self._path(key)
        with self._explained(key):
            found = _status(path)
        if found is None:
            self._check_root()
            return None
        return self._describe(key, found)

    def glance(self, key: str) -> None:
        """Describe the object: a folder answers at once."""
        self.head(key)

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Read the file, or a part of it."""
        check_range(key, start, length)
        path = self._path(key)
        with self._explained(key):
            if _status(path) is None:
                raise self._not_found(key)
            try:
                with Path(path).open("rb") as file:
                    file.seek(start)
                    return file.read(-1 if length is None else length)
            except FileNotFoundError as error:
                raise self._not_found(key) from error

    def put(self, key: str, body: bytes | Path) -> str:
        """Write beside, make durable, then move into place; the folders are made as needed."""
        path = self._path(key)
        with self._explained(key), self._written(body) as temporary, self._locked(key):
            return _replace(temporary, path)

    def put_if_absent(self, key: str, body: bytes | Path) -> str:
        """Write beside, then link the name, which the file system lets exactly one writer do."""
        path = self._path(key)
        with self._explained(key):
            if _status(path) is not None:
                raise self._exists(key)
            with self._written(body) as temporary:
                _make_parent(path)
                try:
                    os.link(temporary, path)
                except FileExistsError as error:
                    if Path(path).is_dir():
                        raise
                    raise self._exists(key) from error
                return _etag(os.lstat(temporary))

    def put_if_match(self, key: str, body: bytes | Path, etag: str) -> str:
        """Compare and replace under the key's lock, which `put` and `delete` take too."""
        path = self._path(key)
        with self._explained(key), self._written(body) as temporary, self._locked(key):
            found = _status(path)
            if found is None or _etag(found) != etag:
                state = "is gone" if found is None else "has changed"
                raise ConditionFailedError(f"the object `{key}` {state}", where=self.url)
            return _replace(temporary, path)

    def delete(self, key: str) -> None:
        """Remove the file; its folders stay, for another writer may be about to use them."""
        path = self._path(key)
        with self._explained(key):
            if _status(path) is not None:
                with self._locked(key):
                    Path(path).unlink(missing_ok=True)

    def _path(self, key: str) -> str:
        reason = _why_no_file_name(key)
        path = f"{self._root}/{key}"
        if not reason and os.path.realpath(path) != path:
            reason = "leads through a symbolic link"
        if reason:
            raise LakeError(
                f"the key {key!r} {reason}, so it cannot be a file of the lake",
                where=self.url,
                hint="keys like this need a lake under s3://",
            )
        return path

    def _check_root(self) -> None:
        if not Path(self._root).is_dir():
            raise LakeError(
                "there is no such folder, which is not the same as an empty lake",
                where=self.url,
                hint="check the lake's URL and that its disk is mounted; the first write makes the folder",
            )

    def _entries_at(self, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Yield what lies in the folder that `prefix` reaches into; if there is none, no key can have that prefix."""
        self._check_root()
        folder = prefix[: prefix.rfind("/") + 1]
        if not folder:
            return self._entries("")
        if _why_no_file_name(folder[:-1]) or not Path(path := f"{self._root}/{folder[:-1]}").is_dir():
            return iter(())
        if os.path.realpath(path) != path:
            raise self._no_object(folder)
        return self._entries(folder)

    def _entries(self, folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Yield the keys directly below `folder`, in the order of all keys: a folder sorts as its name with ``/``."""
        with self._explained(folder or "/"), os.scandir(f"{self._root}/{folder}") as entries:
            named = [(self._sort_name(folder, entry), entry) for entry in entries]
        named.sort(key=itemgetter(0))
        for name, entry in named:
            if folder or name != f"{SCRATCH}/":
                yield folder + name, entry

    def _sort_name(self, folder: str, entry: os.DirEntry[str]) -> str:
        if not (entry.name.isascii() or is_unicode(entry.name)):
            raise self._no_object(folder + entry.name)
        if entry.is_dir(follow_symlinks=False):
            return f"{entry.name}/"
        if entry.is_file(follow_symlinks=False):
            return entry.name
        raise self._no_object(folder + entry.name)

    def _walk(self, prefix: str, within: KeyRange) -> Iterator[tuple[str, os.stat_result]]:
        walk = [self._entries_at(prefix)]
        while walk:
            for key, entry in walk[-1]:
                if within.until is not None and key > within.until:
                    return
                if not _may_matter(key, prefix, within.after):
                    continue
                if key.endswith("/"):
                    walk.append(self._entries(key))
                    break
                if (found := self._status_of(key, entry)) is not None:
                    yield key, found
            else:
                walk.pop()

    def _status_of(self, key: str, entry: os.DirEntry[str]) -> os.stat_result | None:
        try:
            return entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # deleted since its folder was read
            return None
        except OSError as error:
            raise self._failed(key, error) from error

    def _columns(self, files: builtins.list[tuple[str, os.stat_result]]) -> pa.RecordBatch:
        for key, found in files:
            if not _FIRST_SECOND <= found.st_mtime < _LAST_SECOND:
                self._describe(key, found)
        columns = [
            pa.array([key for key, _ in files], pa.string()),
            pa.array([found.st_size for _, found in files], pa.int64()),
            pa.array([found.st_mtime_ns // 1000 for _, found in files], pa.int64()).cast(_MOMENT),
            pa.array([_etag(found) for _, found in files], pa.string()),
        ]
        return pa.record_batch(columns, OBJECT_SCHEMA)

    def _describe(self, key: str, found: os.stat_result) -> StoredObject:
        try:
            written = _EPOCH + timedelta(microseconds=found.st_mtime_ns // 1000)
        except OverflowError as error:
            raise LakeError(f"the file of `{key}` has an impossible time of writing", where=self.url) from error
        return StoredObject(key, found.st_size, _etag(found), written)

    @contextmanager
    def _written(self, body: bytes | Path) -> Iterator[str]:
        """Hold the body in a durable file of its own, beside the lake's objects, that is gone afterwards."""
        scratch = Path(self._root, SCRATCH)
        scratch.mkdir(parents=True, exist_ok=True)
        temporary = scratch / uuid4().hex
        try:
            with temporary.open("xb") as file:
                if isinstance(body, Path):
                    with body.open("rb") as source:
                        shutil.copyfileobj(source, file, 1 << 20)
                else:
                    file.write(body)
                file.flush()
                _make_unmistakable(file.fileno())
                os.fsync(file.fileno())
            yield str(temporary)
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        locks = Path(self._root, SCRATCH, "locks")
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / f"{crc32(key.encode()) % _LOCKS:02x}").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failed(key, error) from error

    def _failed(self, key: str, error: OSError) -> LakeError:
        reason = error.strerror or type(error).__name__
        return LakeError(f"`{key}`: {reason}", where=self.url, hint=_HINTS.get(error.errno or 0, ""))

    def _no_object(self, key: str) -> LakeError:
        return LakeError(
            f"{key!r} is a symbolic link, a special file or not named in UTF-8, so the lake cannot be listed whole",
            where=self.url,
            hint="move it out of the lake's folder",
        )

    def _not_found(self, key: str) -> ObjectNotFoundError:
        self._check_root()
        return ObjectNotFoundError(f"there is no object `{key}`", where=self.url)

    def _exists(self, key: str) -> ConditionFailedError:
        return ConditionFailedError(f"the object `{key}` exists already", where=self.url)


def _why_no_file_name(key: str) -> str:
    parts = key.split("/")
    if "" in parts:
        return "has an empty part between its slashes or at an end"
    if "." in parts or ".." in parts:
        return "has a part `.` or `..`"
    if "\0" in key:
        return "holds a NUL"
    if parts[0] == SCRATCH:
        return f"lies in `{SCRATCH}`, the store's own folder"
    return "" if is_unicode(key) else "is not Unicode"


def _may_matter(key: str, prefix: str, start_after: str) -> bool:
    """Say whether `key`, or for a folder some key below it, can belong to the listing."""
    if not key.endswith("/"):
        return key.startswith(prefix) and key > start_after
    within = key.startswith(prefix) or prefix.startswith(key)
    return within and (key > start_after or start_after.startswith(key))


def _status(path: str) -> os.stat_result | None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _etag(found: os.stat_result) -> str:
    """Name the version by what a listing sees for free; every write makes a new file, so one of the three differs."""
    return f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"


def _make_unmistakable(descriptor: int) -> None:
    """Give the file a time that no other version of its key has.

    File systems stamp files with a clock of some milliseconds and hand out an inode again as soon as it is free, so two
    versions written at once could share inode, time and size; below the millisecond the time is random instead.
    """
    stamp = os.fstat(descriptor).st_mtime_ns
    unmistakable = stamp - stamp % _MILLISECOND + secrets.randbelow(_MILLISECOND)
    os.utime(descriptor, ns=(unmistakable, unmistakable))


def _replace(temporary: str, path: str) -> str:
    _make_parent(path)
    Path(temporary).replace(path)
    return _etag(os.lstat(path))


def _make_parent(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
