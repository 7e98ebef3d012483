"""The answers to one download in, a whole file out, with its size and hash; what broke off is gone on with.

A file is gone on with only if the host names its version strongly, and answers with exactly the part that is missing.
Otherwise it is begun again. Memory does not grow with the file. How often to ask is the client's business.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from adce_assets.errors import DamagedError
from adce_assets.fetch.answers import NO_SUCH_RANGE, PARTIAL
from adce_assets.fetch.body import too_large

RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
"""No file has more bytes than 18 digits can say, and Python refuses to read numbers of thousands of digits."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file that a host sent, as it lies at ``path``; ``sha256`` and ``size`` are of what lies there."""

    path: Path
    size: int
    sha256: str
    url: str
    content_type: str
    headers: Mapping[str, str]
    fetched_at: datetime
    attempts: int
    waited_s: float


@dataclass(slots=True)
class Partial:
    """A file as far as it came, over all attempts at it."""

    path: Path
    size: int = 0
    version: str = ""
    hasher: Any = field(default_factory=hashlib.sha256)

    def wishes(self) -> dict[str, str]:
        """Say in headers what is still missing, of which version, and that nothing shall be compressed on the way."""
        plain = {"Accept-Encoding": "identity"}
        if not (self.size and self.version):
            return plain
        return plain | {"Range": f"bytes={self.size}-", "If-Range": self.version}

    def begin(self, status: int, headers: Mapping[str, str], where: str) -> None:
        """Take note of an answer's head: it goes on where the file ends, or is the whole file.

        Raises:
            DamagedError: it is another part than was asked for; the next attempt asks for the whole.
        """
        etag = headers.get("etag", "")
        if status == PARTIAL and self._goes_on(headers.get("content-range", ""), etag):
            return
        self._forget()
        if status in {PARTIAL, NO_SUCH_RANGE}:
            raise DamagedError("sent another part of the file than was asked for", where=where, status=status)
        whole = headers.get("content-encoding", "").lower() in {"", "identity"}
        self.version = etag if whole and re.fullmatch(r'"[!#-~]+"', etag) else ""

    def take(self, pieces: Iterable[bytes], max_bytes: int, where: str) -> None:
        """Write what comes, as it comes; what came before a break stays. TooLargeError beyond ``max_bytes``."""
        with self.path.open("r+b" if self.size else "wb") as file:
            file.truncate(self.size)
            file.seek(self.size)
            for piece in pieces:
                if self.size + len(piece) > max_bytes:
                    raise too_large(max_bytes, where)
                file.write(piece)
                self.hasher.update(piece)
                self.size += len(piece)

    def abandon(self) -> None:
        """Leave nothing behind."""
        self.path.unlink(missing_ok=True)

    def _goes_on(self, content_range: str, etag: str) -> bool:
        found = RANGE.fullmatch(content_range)
        if found is None or not self.size or (etag and etag != self.version):
            return False
        first, last = int(found[1]), int(found[2])
        whole = found[3] == "*" or int(found[3]) == last + 1
        return first == self.size and last >= first and whole

    def _forget(self) -> None:
        self.size, self.version, self.hasher = 0, "", hashlib.sha256()
