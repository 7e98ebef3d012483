"""One page of a listing in, as S3 writes it; its objects as columns, exactly keyed and checked, out.

boto3 reads the same pages at many times the cost, two thirds of it for parsing dates; here no object becomes a Python
value of its own. Pages are fetched elsewhere. A page that says less than it should is damage, never a short listing.

A page that was left out cannot be seen in the pages around it, for those are whole and in order. So each page is asked
for by key, a few keys before the last one that is known, and has to begin with those.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise, starmap
from operator import lt
from typing import Any
from urllib.parse import unquote_plus

import pyarrow as pa
import pyarrow.compute as pc
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from lxml import etree

from adce_assets.errors import LakeError
from adce_assets.lake.store import OBJECT_SCHEMA

PAGE_LIMIT = 32 << 20
"""The most bytes a page may have: 1,000 keys of 1,024 bytes, each written as three, with their frame, are a tenth."""

KEYS_PER_PAGE = 1_000
"""The most keys that S3 puts on a page."""

OVERLAP = 4
"""So many keys of a page are asked for again with the next: one is enough, the others may have been deleted since."""

_HINT = "the listing is refused whole; S3 directory buckets and servers that do not list in key order cannot be used"
_MOMENT = OBJECT_SCHEMA.field("last_modified").type
_FIELDS = ("Key", "Size", "LastModified", "ETag")


@dataclass(frozen=True, slots=True)
class Page:
    """One page: whole keys of the bucket in order, the folders when asked for, and the next page's token or nothing.

    `columns` are those of `OBJECT_SCHEMA` beside the key; `requests` says how many it took until the page was whole.
    """

    keys: list[str]
    columns: list[pa.Array]
    prefixes: list[str]
    next_token: str
    most_keys: int = KEYS_PER_PAGE
    requests: int = 1

    @property
    def more(self) -> bool:
        """Whether more may follow: a full page that says that it is the last is not believed."""
        return bool(self.next_token) or len(self.keys) >= self.most_keys

    def batch(self, cut: int, until: str | None = None) -> tuple[pa.RecordBatch, str | None]:
        """Give the objects up to key `until`, and the key behind them, all without the first `cut` characters.

        A key of no more than `cut` characters is the placeholder of the lake's own prefix, and no object.
        """
        start = 1 if self.keys and len(self.keys[0]) <= cut else 0
        stop = len(self.keys) if until is None else bisect_right(self.keys, until)
        keys = [key[cut:] for key in self.keys[start:stop]] if cut else self.keys[start:stop]
        columns = [pa.array(keys, pa.string()), *(column[start:stop] for column in self.columns)]
        return pa.record_batch(columns, OBJECT_SCHEMA), self.keys[stop][cut:] if stop < len(self.keys) else None

    def behind(self, last: str) -> "Page":
        """Leave out the keys up to `last`."""
        start = bisect_right(self.keys, last)
        return replace(self, keys=self.keys[start:], columns=[column[start:] for column in self.columns])

    def check_overlap(self, known: Sequence[str]) -> None:
        """Hold the page against the keys that it was asked to repeat.

        Raises:
            ResponseParserError: None of them is there, so something is missing between; asking again may help.
        """
        places = ((bisect_left(self.keys, key), key) for key in known)
        if known and not any(self.keys[place : place + 1] == [key] for place, key in places):
            raise ResponseParserError(f"the page behind {known[-1]!r} does not begin where the one before it ended")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: by token, or behind a key, then with the keys that it has to repeat."""

    token: str = ""
    after: str = ""
    known: tuple[str, ...] = ()


def walk(fetch: Callable[[Place], Page], *, prefix: str, start_after: str, where: str) -> Iterator[tuple[Page, bool]]:
    """Fetch page after page, hold each against the ones before, and say with each whether it is the last.

    Raises:
        LakeError: A token was given twice, or a key is not where the order of keys puts it.
    """
    place, last, seen = Place(after=start_after), start_after, {""}
    while True:
        page = fetch(place)
        asked = last if place.token else place.after
        in_order = [_last_in_order(names, prefix, asked, where) for names in (page.keys, page.prefixes)]
        new = page.behind(last)
        last = max(last, *in_order)
        yield new, not page.more
        if not page.more:
            return
        place = _next_place(page, new)
        if place.token and place.token in seen:
            raise LakeError("the server gave a continuation token twice", where=where, hint=_HINT)
        seen.add(place.token)


def _next_place(page: Page, new: Page) -> Place:
    repeated = min(OVERLAP, len(page.keys) // 2)
    if page.prefixes or not new.keys or not repeated:
        return Place(page.next_token) if page.next_token else Place(after=page.keys[-1])
    return Place(after=page.keys[-repeated - 1], known=tuple(page.keys[-repeated:]))


def _last_in_order(names: list[str], prefix: str, last: str, where: str) -> str:
    """Check order and prefix of all names by comparing neighbours: what lies between two of a prefix is of it too."""
    if not names:
        return last
    of_prefix = names[0].startswith(prefix) and names[-1].startswith(prefix)
    if of_prefix and names[0] > last and all(starmap(lt, pairwise(names))):
        return names[-1]
    for name in names:
        if name <= last or not name.startswith(prefix):
            raise LakeError(f"the server listed {name!r} after {last!r}", where=where, hint=_HINT)
        last = name
    return last


def parse(body: bytes) -> Page:
    """Read a page of ListObjectsV2.

    Raises:
        ResponseParserError: It is not one, or it lacks something; asking again may help.
        ClientError: It is an error that was sent with status 200, as S3 may do.
    """
    root = _root(body)
    if root.tag.endswith("Error"):
        raise parse_error(body, 200)
    namespace, _, name = root.tag.rpartition("}")
    if name != "ListBucketResult":
        raise ResponseParserError(f"a page of the listing is a document `{name}`")
    try:
        return _page(root, namespace.removeprefix("{"))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ResponseParserError(f"a page of the listing is damaged: {error!r}") from error


def parse_error(body: bytes, status: int) -> ClientError:
    """Read the error that S3 sent in place of a page; where the body is none, the status must speak."""
    try:
        found = {str(child.tag).rpartition("}")[2]: child.text or "" for child in _root(body)}
    except ResponseParserError:
        found = {}
    error = {"Code": found.get("Code", str(status)), "Message": found.get("Message", "")}
    response: Any = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "ListObjectsV2")


def _root(body: bytes) -> etree._Element:
    """Parse XML that may be hostile: no document type, so no entity to expand, no file and no network to read."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise ResponseParserError(f"the answer is not XML: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise ResponseParserError("the answer declares a document type, which S3 never does")
    return root


def _page(root: etree._Element, namespace: str) -> Page:
    frame = f"{{{namespace}}}" if namespace else ""
    encoded = root.findtext(f"{frame}EncodingType") == "url"
    keys, *columns = _columns(root, namespace)
    prefixes = root.xpath("*[local-name()='CommonPrefixes']/*[local-name()='Prefix']/text()")
    if encoded:
        keys, prefixes = _decoded(keys), _decoded(prefixes)
    count = root.findtext(f"{frame}KeyCount")
    if count is not None and int(count) != len(keys) + len(prefixes):
        raise ValueError(f"KeyCount is {count}, but {len(keys)} objects and {len(prefixes)} prefixes are there")
    if root.findtext(f"{frame}IsTruncated") not in {"true", "false"}:
        raise ValueError("IsTruncated is missing")
    token = root.findtext(f"{frame}NextContinuationToken", "")
    truncated = root.findtext(f"{frame}IsTruncated") == "true"
    if truncated and not token:
        raise ValueError("NextContinuationToken is missing")
    most = int(root.findtext(f"{frame}MaxKeys") or KEYS_PER_PAGE)
    return Page(keys, columns, prefixes, token if truncated else "", most)


def _columns(root: etree._Element, namespace: str) -> tuple[list[str], pa.Array, pa.Array, pa.Array]:
    frame = f"{{{namespace}}}" if namespace else ""
    keys, sizes, moments, etags = ([found.text for found in root.iter(frame + name)] for name in _FIELDS)
    if {len(keys), len(sizes), len(moments), len(etags)} != {_count_of_whole_objects(namespace)(root)}:
        raise ValueError("an object has not each of its fields once")
    if None in keys or None in moments:
        raise ValueError("a key or a time is empty")
    numbers = pa.array(map(int, sizes), pa.int64())
    if len(numbers) and pc.min(numbers).as_py() < 0:
        raise ValueError("a size is negative")
    return keys, numbers, _moments(moments), pa.array([etag.strip('"') for etag in etags], pa.string())


@lru_cache(maxsize=8)
def _count_of_whole_objects(namespace: str) -> etree.XPath:
    """Ask for the number of objects that have each field: where it is that of each field, no column is shifted."""
    frame, names = ("s:", {"s": namespace}) if namespace else ("", None)
    fields = "".join(f"[{frame}{name}]" for name in _FIELDS)
    return etree.XPath(f"count({frame}Contents{fields})", namespaces=names)


def _decoded(texts: list[str]) -> list[str]:
    """Decode names as a form is; the folders of a page's keys are few, and decoded once."""
    folders: dict[str, str] = {}
    decoded = []
    for text in texts:
        if "%" not in text and "+" not in text:
            decoded.append(text)
            continue
        folder, slash, name = text.rpartition("/")
        if folder not in folders:
            folders[folder] = unquote_plus(folder, errors="strict")
        decoded.append(folders[folder] + slash + unquote_plus(name, errors="strict"))
    return decoded


def _moments(texts: list[str]) -> pa.Array:
    try:
        return pa.array(texts, pa.string()).cast(_MOMENT)
    except pa.ArrowInvalid:  # a form that is rarer than S3's own
        return pa.array(map(_moment, texts), _MOMENT)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"LastModified {text} has no time zone")
    return moment.astimezone(UTC)
