"""A URL in, a store of exactly keyed objects out.

Here stand what a lake can do (`LakeStore`), what it says of an object (`StoredObject`, `OBJECT_SCHEMA`), and the choice
of a store by URL. How a file system or S3 does it is in `file_store` and `s3_store`; what keys mean is not known here.
"""

import builtins
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import starmap, takewhile
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote
from uuid import uuid4

import pyarrow as pa

from adce_assets.configuration import Encryption
from adce_assets.errors import ConditionFailedError, ConfigurationError, LakeError

OBJECT_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("last_modified", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
    ]
)
"""One row per object, as a listing and a report both give it; `size` in bytes, `etag` unquoted or empty."""

AS_THE_BUCKET = Encryption()
"""Nothing is asked for: what is written is encrypted as the bucket has it by default."""

URL_FORMS = "s3://bucket[/prefix], file:///absolute/path"

_BUCKET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{2,254}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROBE_FOLDER = "_adce/probe/"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of the lake: its key below the root, bytes, opaque unquoted ETag, and aware UTC time of writing."""

    key: str
    size: int
    etag: str
    last_modified: datetime


@dataclass(frozen=True, slots=True, order=True)
class KeyRange:
    """The keys behind `after` up to and with `until`, or to the end, in UTF-8 byte order."""

    after: str = ""
    until: str | None = None

    @property
    def prefix(self) -> str:
        """What the two ends begin with alike, and so all keys between them."""
        pairs = zip(self.after, self.until or "", strict=False)
        return "".join(mine for mine, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


EVERYTHING = KeyRange()


@dataclass(frozen=True, slots=True)
class Part:
    """Objects of a range that lie next to each other, as `OBJECT_SCHEMA`; `last` says that none of the range follow.

    `beyond` is the first key behind the range where that was seen too.
    """

    objects: pa.RecordBatch
    requests: int
    last: bool
    beyond: str | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """What lies directly in a folder: its first objects and folders, and whether these are all of them."""

    objects: pa.RecordBatch
    folders: list[str]
    requests: int
    complete: bool


class LakeStore(Protocol):
    """What every lake can do, with exact keys relative to its root. Whatever goes wrong is a `LakeError`."""

    url: str
    """The canonical root without a trailing slash, such as ``s3://bucket/prefix``."""

    keys_per_request: int
    """How many keys a LIST request brings at most; 0 where listing takes no requests, and threads gain nothing."""

    def parts(self, within: KeyRange = EVERYTHING) -> Iterator[Part]:
        """Walk the objects of a range in order, as columns, in parts of at most 1,000 of which the last says so."""
        ...

    def level(self, folder: str = "") -> Level:
        """Look into a folder, which is empty or ends in ``/``, with one request and its repeats."""
        ...

    def server(self) -> str:
        """Say which of the servers that may have a bucket of this name is meant; empty for a folder."""
        ...

    def list(self, prefix: str = "", *, start_after: str = "") -> Iterator[StoredObject]:
        """Walk the objects whose key starts with `prefix` and is greater than `start_after`, in UTF-8 byte order."""
        ...

    def list_prefixes(self, prefix: str = "") -> builtins.list[str]:
        """Name the "folders" directly below `prefix`, in order, each ending in ``/``; one without objects is none."""
        ...

    def head(self, key: str) -> StoredObject | None:
        """Describe the object, or say that there is none."""
        ...

    def glance(self, key: str) -> None:
        """Ask for the object, whether or not there is one, to see if anybody answers; who does not is waited for less.

        It is for who looks after the store beside others, where to be told late is to be told nothing.
        """
        ...

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Read the object, or `length` bytes of it from `start`, cut at its end as a slice is.

        Raises:
            ObjectNotFoundError: There is no such object.
        """
        ...

    def put(self, key: str, body: bytes | Path) -> str:
        """Write the object whole (readers see the old or the new, never half) and return its ETag."""
        ...

    def put_if_absent(self, key: str, body: bytes | Path) -> str:
        """Write the object only if there is none.

        Raises:
            ConditionFailedError: There is one; nothing was written.
        """
        ...

    def put_if_match(self, key: str, body: bytes | Path, etag: str) -> str:
        """Write the object only if it still is the version that `etag` names.

        Raises:
            ConditionFailedError: It has changed or is gone; nothing was written.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        ...


def objects_of(batch: pa.RecordBatch) -> Iterator[StoredObject]:
    """Give each row of a batch of `OBJECT_SCHEMA` as an object; for a few thousand, not for a whole lake."""
    moments = (
        _EPOCH + timedelta(microseconds=moment) for moment in batch["last_modified"].cast(pa.int64()).to_pylist()
    )
    rows = zip(*(batch[name].to_pylist() for name in ("key", "size", "etag")), moments, strict=True)
    return starmap(StoredObject, rows)


def open_store(url: str, *, make: bool = False, encryption: Encryption = AS_THE_BUCKET) -> LakeStore:
    """Choose the store for a lake's URL. Nothing is contacted before the first call.

    A ``file://`` URL is percent-decoded, as `Path.as_uri` encodes it; an ``s3://`` URL is taken literally. With
    ``make``, a folder that is not there is made: it is one's own, and empty until something is written. With
    ``encryption``, S3 is asked for it with every write; a folder is as its disk is.

    Raises:
        ConfigurationError: The URL is none of `URL_FORMS`.
    """
    if url.startswith("s3://"):
        bucket, _, prefix = url.removeprefix("s3://").rstrip("/").partition("/")
        return _open_bucket(url, bucket, prefix, encryption)
    if url.startswith("file:///") and url.strip("/") != "file:" and "%00" not in url:
        from adce_assets.lake.file_store import FileStore

        root = Path(unquote(url.removeprefix("file://")))
        if make:
            root.mkdir(parents=True, exist_ok=True)
        return FileStore(root)
    raise ConfigurationError(f"`{url}` is not the URL of a lake", valid=URL_FORMS, hint=_url_hint(url))


def _open_bucket(url: str, bucket: str, prefix: str, encryption: Encryption) -> LakeStore:
    if not _BUCKET.fullmatch(bucket) or "" in prefix.split("/")[:-1]:
        raise ConfigurationError(
            f"`{url}` does not name a bucket and prefix",
            valid=URL_FORMS,
            hint="a bucket's name has letters, digits, `.`, `-` and `_`; a prefix has no empty part",
        )
    from adce_assets.lake.s3_store import S3Store

    return S3Store(bucket, prefix, encryption)


def _url_hint(url: str) -> str:
    if "://" in url:
        return "a folder of this machine has three slashes and an absolute path"
    return "a bucket is `s3://` and its name, a folder `file://` and its absolute path"


def key_prefix(url: str) -> str:
    """Say what a store at `url` puts before its keys to name objects of the whole bucket: empty, or ending in ``/``.

    AWS Inventory names objects by their whole key; a lake below a prefix of the bucket knows them without it.
    """
    if not url.startswith("s3://"):
        return ""
    prefix = url.removeprefix("s3://").partition("/")[2]
    return f"{prefix}/" if prefix else ""


def is_unicode(key: str) -> bool:
    """Say whether the key can be written in UTF-8, as every key of S3 is; a file's name need not be."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_range(key: str, start: int, length: int | None) -> None:
    """Refuse a range that a slice would read from the end and HTTP would read as something else.

    Raises:
        LakeError: `start` or `length` is negative.
    """
    if start < 0 or (length is not None and length < 0):
        raise LakeError(f"the range from {start} of length {length} is negative", where=key)


def probe_conditional_writes(store: LakeStore) -> bool:
    """Try whether the store honours conditions, on a scratch object that is removed again where that is allowed.

    Several S3 servers ignore ``If-None-Match`` and ``If-Match`` and answer 200: two workers would both believe that
    they had won. A shared queue must not be kept in such a store.

    Returns:
        True if a second create and a stale replacement both were refused, and a rightful one was not.

    Raises:
        LakeError: The store could not be asked.
    """
    key = f"{_PROBE_FOLDER}{uuid4().hex}"
    try:
        return _honours_conditions(store, key)
    finally:
        with suppress(LakeError):  # who may remove nothing leaves five bytes
            store.delete(key)


def vacate(store: LakeStore, key: str) -> None:
    """Remove an object; where that is refused, leave an empty one, which nobody takes for what it was.

    Raises:
        LakeError: The store could not be written either.
    """
    try:
        store.delete(key)
    except LakeError:
        store.put(key, b"")


def _honours_conditions(store: LakeStore, key: str) -> bool:
    try:
        first = store.put_if_absent(key, b"first")
        if _accepts(lambda: store.put_if_absent(key, b"second")):
            return False
        store.put_if_match(key, b"third", first)
    except ConditionFailedError:
        return False
    return not _accepts(lambda: store.put_if_match(key, b"fourth", first))


def _accepts(write: Callable[[], str]) -> bool:
    try:
        write()
    except ConditionFailedError:
        return False
    return True
