"""An object of the lake in, its content and the version that it is of out: the two are asked apart, and may not mix.

What an object holds is told by one request and which version it is by another, and it may be written anew in between.
Where the version is told by the digest of the content, as S3 does of most objects, the content itself says which it is;
otherwise it is asked once more. Both who counts and who reads fetch by this; what they do with it is not known here.
"""

from hashlib import md5

from adce_assets.errors import LakeError, ObjectNotFoundError
from adce_assets.lake.store import LakeStore, StoredObject

TRIES = 3
"""How often an object is fetched that is written anew each time."""


def fetched(lake: LakeStore, there: StoredObject, *, most: int) -> tuple[StoredObject, bytes]:
    """Fetch an object; return its content, of ``most`` bytes and one more at most, and the version that has it.

    Args:
        lake: Where it is.
        there: What was said of it last: if it has changed since then, the newer version is what is returned.
        most: Bytes that anybody wants.

    Raises:
        ObjectNotFoundError: it is gone.
        LakeError: it could not be read, or has changed each time.
    """
    for _ in range(TRIES):
        body = lake.get(there.key, length=most + 1)
        if md5(body, usedforsecurity=False).hexdigest() == there.etag:
            return there, body
        after = lake.head(there.key)
        if after is None:
            raise ObjectNotFoundError(f"the object `{there.key}` is gone", where=lake.url)
        if after.etag == there.etag:
            return there, body
        there = after
    hint = "somebody writes it again and again: run it when that has ended"
    raise LakeError(f"the object changed {TRIES} times while it was read", where=there.key, hint=hint)
