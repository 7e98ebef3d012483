"""A bucket in, a lake out: exact keys, and conditional writes that say truly who won.

Servers differ in what they answer to a lost condition (404, 409 or 412) and some want the ETag bare; here they are one.
There is no call that removes a bucket or its inventory configuration: most servers other than AWS take the second for
the first. How calls are repeated stands in `s3_calls`, how pages are read in `s3_pages`.
"""

import builtins
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from datetime import UTC
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from botocore.exceptions import ClientError

from adce_assets.configuration import Encryption
from adce_assets.errors import ConditionFailedError, LakeError
from adce_assets.lake.s3_calls import (
    ATTEMPTS,
    FAILURES,
    FEW_ATTEMPTS,
    Answer,
    call,
    code_of,
    explained,
    is_transient,
    may_be_done,
    status_of,
    wait_after,
)
from adce_assets.lake.s3_connection import Connection, connection
from adce_assets.lake.s3_pages import KEYS_PER_PAGE, Page, Place, walk
from adce_assets.lake.store import (
    AS_THE_BUCKET,
    EVERYTHING,
    KeyRange,
    Level,
    Part,
    StoredObject,
    check_range,
    is_unicode,
    key_prefix,
    objects_of,
)

_NOT_FOUND = 404
_OUT_OF_RANGE = 416
_LOST = frozenset({404, 409, 412})
_MARK = "adce-write"


class S3Store:
    """The lake in a bucket of AWS S3, or of any server that speaks its language, found and entered as boto3 does."""

    keys_per_request = KEYS_PER_PAGE

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        encryption: Encryption = AS_THE_BUCKET,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the bucket and the prefix, without slashes at their ends; `pause` waits between attempts."""
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._prefix = key_prefix(self.url)
        self._encrypted = _encrypted(encryption)
        self._pause = pause
        self._bucket_seen = False

    def server(self) -> str:
        """Name the endpoint, as boto3 chooses it."""
        return self._client.meta.endpoint_url

    def list(self, prefix: str = "", *, start_after: str = "") -> Iterator[StoredObject]:
        """Walk the pages of the bucket, each of which is held whole or refused whole."""
        for page, _ in self._pages(prefix, start_after=start_after):
            yield from objects_of(page.batch(len(self._prefix))[0])

    def parts(self, within: KeyRange = EVERYTHING) -> Iterator[Part]:
        """Walk the pages until one shows a key behind the range, even where a page ends just as the range does."""
        until = None if within.until is None else self._prefix + within.until
        for page, last in self._pages("", start_after=within.after):
            objects, beyond = page.batch(len(self._prefix), until)
            yield Part(objects, page.requests, last or beyond is not None, beyond)
            if beyond is not None:
                return

    def level(self, folder: str = "") -> Level:
        """Ask for one page of the folder's objects and common prefixes."""
        page, complete = next(self._pages(folder, delimiter="/"))
        cut = len(self._prefix)
        return Level(page.batch(cut)[0], [name[cut:] for name in page.prefixes], page.requests, complete)

    def list_prefixes(self, prefix: str = "") -> builtins.list[str]:
        """Name the common prefixes up to the next slash."""
        cut = len(self._prefix)
        return [name[cut:] for page, _ in self._pages(prefix, delimiter="/") for name in page.prefixes]

    def head(self, key: str) -> StoredObject | None:
        """Describe the object; a bucket that is not there is an error, never an absent object."""
        found = self._head(key)
        if found is None:
            self._check_bucket()
            return None
        written = found["LastModified"].astimezone(UTC)
        return StoredObject(key, found["ContentLength"], _bare(found["ETag"]), written)

    def glance(self, key: str) -> None:
        """Ask for the object, twice at most, by the client that does not wait long."""
        whole, client = self._whole(key), self._connection.soon
        head = _or_else(lambda: client.head_object(Bucket=self._bucket, Key=whole), _NOT_FOUND, None)
        found = call(head, where=self.url, pause=self._pause, attempts=FEW_ATTEMPTS)
        if found is None and not self._bucket_seen:
            bucket = partial(client.head_bucket, Bucket=self._bucket)
            call(bucket, where=self.url, pause=self._pause, attempts=FEW_ATTEMPTS)
            self._bucket_seen = True

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Read the object or a range of it; a server that ignores ranges is read whole and cut here."""
        check_range(key, start, length)
        whole = self._whole(key)
        last = "" if length is None else start + max(length, 1) - 1
        extra = {"Range": f"bytes={start}-{last}"} if start or length is not None else {}

        def read() -> bytes:
            answer = self._client.get_object(Bucket=self._bucket, Key=whole, **extra)
            with closing(answer["Body"]) as stream:
                body = stream.read()
            return body if "ContentRange" in answer else body[start:]

        return self._call(_or_else(read, _OUT_OF_RANGE, b""))[:length]

    def put(self, key: str, body: bytes | Path) -> str:
        """Write the object in one request, which S3 makes visible whole."""
        whole = self._whole(key)
        return self._call(lambda: self._put_once(whole, body, {}))

    def put_if_absent(self, key: str, body: bytes | Path) -> str:
        """Write with ``If-None-Match: *``."""
        return self._put_if(key, body, {"IfNoneMatch": "*"}, "exists already")

    def put_if_match(self, key: str, body: bytes | Path, etag: str) -> str:
        """Write with ``If-Match`` and the bare ETag: some servers compare it as they got it."""
        return self._put_if(key, body, {"IfMatch": _bare(etag)}, "has changed or is gone")

    def delete(self, key: str) -> None:
        """Remove the object."""
        whole = self._whole(key)
        self._call(lambda: self._client.delete_object(Bucket=self._bucket, Key=whole))

    @cached_property
    def _connection(self) -> Connection:
        return connection(self._bucket)

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _call(self, action: Callable[[], Answer]) -> Answer:
        return call(action, where=self.url, pause=self._pause)

    def _whole(self, key: str) -> str:
        if not key or not is_unicode(key):
            raise LakeError(f"{key!r} is not a key: it must be Unicode, and not empty", where=self.url)
        return self._prefix + key

    def _pages(self, prefix: str, *, start_after: str = "", delimiter: str = "") -> Iterator[tuple[Page, bool]]:
        fixed = {"list-type": "2", "encoding-type": "url", "prefix": self._prefix + prefix, "delimiter": delimiter}

        def fetch(place: Place) -> Page:
            asked = {**fixed, "start-after": place.after, "continuation-token": place.token}
            attempts: list[None] = []

            def attempt() -> Page:
                attempts.append(None)
                page = self._connection.page({name: value for name, value in asked.items() if value})
                page.check_overlap(place.known)
                return page

            return replace(self._call(attempt), requests=len(attempts))

        after = self._prefix + start_after if start_after else ""
        return walk(fetch, prefix=self._prefix + prefix, start_after=after, where=self.url)

    def _head(self, key: str) -> dict[str, Any] | None:
        whole = self._whole(key)
        return self._call(_or_else(lambda: self._client.head_object(Bucket=self._bucket, Key=whole), _NOT_FOUND, None))

    def _check_bucket(self) -> None:
        """Tell an absent bucket from an absent object, which a HEAD answers alike; asked once."""
        if not self._bucket_seen:
            self._call(lambda: self._client.head_bucket(Bucket=self._bucket))
            self._bucket_seen = True

    def _put_once(self, whole: str, body: bytes | Path, extra: dict[str, Any]) -> str:
        with _opened(body) as content:
            answer = self._client.put_object(Bucket=self._bucket, Key=whole, Body=content, **self._encrypted, **extra)
        return _bare(answer["ETag"])

    def _put_if(self, key: str, body: bytes | Path, condition: dict[str, str], lost: str) -> str:
        """Write under a condition, and find out who won when the answer did not arrive.

        A repeated attempt would meet its own first one and call it lost. So each write carries a mark of its own, and
        after a doubtful attempt the object is asked whether it carries it.
        """
        whole, mark = self._whole(key), uuid4().hex
        extra = {**condition, "Metadata": {_MARK: mark}}
        attempt, doubtful = 0, False
        while True:
            attempt += 1
            try:
                return self._put_once(whole, body, extra)
            except FAILURES as error:
                doubtful = doubtful or may_be_done(error)
                if doubtful and (etag := self._etag_if_marked(key, mark)):
                    return etag
                if _is_lost(error):
                    raise self._lost(key, lost, doubtful=doubtful) from error
                if attempt == ATTEMPTS or not is_transient(error):
                    raise explained(error, self.url) from error
            self._pause(wait_after(attempt))

    def _etag_if_marked(self, key: str, mark: str) -> str:
        found = self._head(key)
        return _bare(found["ETag"]) if found and found["Metadata"].get(_MARK) == mark else ""

    def _lost(self, key: str, state: str, *, doubtful: bool) -> LakeError:
        if not doubtful:
            return ConditionFailedError(f"the object `{key}` {state}", where=self.url)
        return LakeError(
            f"a conditional write of `{key}` was not answered, and the object is another's now",
            where=self.url,
            hint="read the object to see whether the write was done before it was replaced",
        )


def _is_lost(error: Exception) -> bool:
    return isinstance(error, ClientError) and status_of(error) in _LOST and code_of(error) != "NoSuchBucket"


def _or_else(action: Callable[[], Answer], status: int, answer: Answer) -> Callable[[], Answer]:
    """Make a call that takes one HTTP status for an answer."""

    def answered() -> Answer:
        try:
            return action()
        except ClientError as error:
            if status_of(error) == status:
                return answer
            raise

    return answered


def _encrypted(encryption: Encryption) -> dict[str, Any]:
    """Say it as PutObject takes it; a bucket's own key between objects and KMS spares most requests to KMS."""
    if encryption.method == "none":
        return {}
    asked: dict[str, Any] = {"ServerSideEncryption": encryption.method}
    if encryption.method == "aws:kms":
        asked["BucketKeyEnabled"] = True
    if encryption.key_id:
        asked["SSEKMSKeyId"] = encryption.key_id
    return asked


def _bare(etag: str) -> str:
    return etag.strip('"')


def _opened(body: bytes | Path) -> AbstractContextManager[bytes | BinaryIO]:
    return body.open("rb") if isinstance(body, Path) else nullcontext(body)
