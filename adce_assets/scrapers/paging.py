"""A question in, the whole document out, however many pages it comes in.

Pages are joined as they were sent, byte for byte: ``{"pages": [<page>, <page>, ...]}``, and where they were found
through a list of references, with that list as ``index`` in front. Whether all of them are there is told by the audit.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adce_assets.errors import TooLargeError, VerifyError
from adce_assets.fetch.answers import http_date
from adce_assets.fetch.audit_json import found, parse_json
from adce_assets.fetch.client import Client, Response
from adce_assets.fetch.urls import below
from adce_assets.scrapers.answering import waits_of
from adce_assets.scrapers.entries import Paging, ScraperEntry
from adce_assets.scrapers.interface import Request

MOST_PAGES = 1000
DIGITS = 10
"""Of a number that is read at all."""
MOST_BYTES = 256 * 1024 * 1024
"""Of all pages of a document together: they are joined in memory."""


@dataclass(frozen=True, slots=True)
class Document:
    """What was sent: one page of an answer that has no others, or all of them.

    ``url``, ``fetched_at`` and ``headers`` are those of the first, but ``Date`` and ``Age`` those of the oldest;
    ``whole_at`` is when the last came; ``attempts`` are those at the page that took most.
    """

    pages: tuple[bytes, ...]
    url: str
    fetched_at: datetime
    headers: Mapping[str, str]
    is_paged: bool = False
    index: bytes = b""
    attempts: int = 1
    whole_at: datetime | None = None
    warnings: tuple[str, ...] = ()

    def joined(self, pages: Sequence[bytes]) -> bytes:
        """Join the pages, or what was cut out of each of them."""
        if not self.is_paged:
            return pages[0]
        index = b'"index":' + self.index + b"," if self.index else b""
        return b"{" + index + b'"pages":[' + b",".join(pages) + b"]}"


def document(entry: ScraperEntry, request: Request, client: Client) -> Document:
    """Ask for a document and for all pages of it.

    Pages that say nothing of how many there are, or nothing that can be read, end the asking: the audit refuses them.

    Raises:
        FetchError: a page could not be had.
    """
    asking = _Asking(entry, client)
    parameters = dict(request.parameters)
    first = asking.get(request.path, parameters)
    if entry.paging is None:
        return asking.document(first, (first.body,))
    if entry.paging.kind == "refs":
        pages = [response.body for response in asking.referred(first, entry.paging)]
        return asking.document(first, pages, is_paged=True, index=first.body)
    further = asking.numbered if entry.paging.kind == "pages" else asking.pointed
    pages = [first.body, *(page.body for page in further(first, entry.paging, request.path, parameters))]
    return asking.document(first, pages, is_paged=True)


@dataclass(slots=True)
class _Asking:
    """The pages of one document as they come, within bounds."""

    entry: ScraperEntry
    client: Client
    asked: int = 0
    size: int = 0
    attempts: int = 1
    whole_at: datetime | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(
        self, first: Response, pages: Sequence[bytes], *, is_paged: bool = False, index: bytes = b""
    ) -> Document:
        """Put together what was asked for."""
        about = first.url, first.fetched_at, self.headers
        return Document(tuple(pages), *about, is_paged, index, self.attempts, self.whole_at)

    def get(self, path: str, parameters: Mapping[str, str]) -> Response:
        response = self.client.get(self.entry.host, path, parameters, waits=waits_of(self.entry))
        self.asked, self.size = self.asked + 1, self.size + len(response.body)
        self.attempts, self.whole_at = max(self.attempts, response.attempts), response.fetched_at
        self.headers = _older(self.headers, response.headers)
        if self.asked > MOST_PAGES or self.size > MOST_BYTES:
            raise TooLargeError(
                f"{self.asked} pages of {self.size} bytes, and more to come",
                where=response.url,
                valid=f"at most {MOST_PAGES} pages and {MOST_BYTES} bytes in a document",
            )
        return response

    def numbered(self, first: Response, paging: Paging, path: str, parameters: Mapping[str, str]) -> Iterator[Response]:
        """Ask for the pages from the second on."""
        told = _told(first, paging.count)
        last = int(told[:DIGITS]) if told.isdecimal() else 1
        if last > MOST_PAGES or len(told) > DIGITS:
            what = f"says that there are {told[: 2 * DIGITS]} pages"
            raise TooLargeError(what, where=first.url, valid=f"at most {MOST_PAGES}")
        for number in range(2, last + 1):
            yield self.get(path, {**parameters, paging.parameter: str(number)})

    def pointed(self, first: Response, paging: Paging, path: str, parameters: Mapping[str, str]) -> Iterator[Response]:
        """Follow the cursors to the end."""
        cursor, seen = _told(first, paging.cursor), set[str]()
        while cursor and cursor not in seen:
            seen.add(cursor)
            response = self.get(path, {**parameters, paging.parameter: cursor})
            yield response
            cursor = _told(response, paging.cursor)

    def referred(self, first: Response, paging: Paging) -> Iterator[Response]:
        """Follow the references; one that leads to another host is refused."""
        host = self.client.host(self.entry.host)
        for url in _all_told(first, paging.items):
            path, parameters = below(host, url)
            yield self.get(path, parameters)


def _older(known: Mapping[str, str], further: Mapping[str, str]) -> Mapping[str, str]:
    """Keep the headers, of ``Date`` and ``Age`` those that tell of a longer way: caches may have kept any of the pages.

    What cannot be read says nothing, and gives way to what can.
    """
    older = {name: further[name] for name, age in AGES.items() if age(further) > age(known)}
    return {**(known or further), **older}


def _age_told(headers: Mapping[str, str]) -> int:
    age = headers.get("age", "").strip()
    return int(age) if re.fullmatch(r"\d{1,9}", age, re.ASCII) else -1


def _age_by_date(headers: Mapping[str, str]) -> float:
    date = http_date(headers.get("date", ""))
    return -date.timestamp() if date else -math.inf


AGES: Mapping[str, Callable[[Mapping[str, str]], float]] = {"age": _age_told, "date": _age_by_date}
"""How old something is by a header, on a scale of the header's own."""


def _told(response: Response, place: str) -> str:
    values = _all_told(response, place)
    return values[0] if len(values) == 1 else ""


def _all_told(response: Response, place: str) -> list[str]:
    """Read texts and numbers at a place; a body that cannot be read says nothing."""
    try:
        values = found(parse_json(response.body.decode("utf-8-sig")), place)
    except (VerifyError, UnicodeDecodeError):
        return []
    return [str(value) for value in values if isinstance(value, str | int) and not isinstance(value, bool)]
