"""One page of a listing in, as S3 writes it; its objects, exactly keyed and checked, out.

boto3 reads the same pages at many times the cost, two thirds of it for parsing dates. Pages are fetched elsewhere. A
page that says less than it should is damage, never a short listing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from lxml import etree

from adce_assets.errors import LakeError
from adce_assets.lake.store import StoredObject

PAGE_LIMIT = 32 << 20
"""The most bytes a page may have: 1,000 keys of 1,024 bytes, each written as three, with their frame, are a tenth."""

_HINT = "the listing is refused whole; S3 directory buckets and servers that do not list in key order cannot be used"


@dataclass(frozen=True, slots=True)
class Page:
    """One page: whole keys of the bucket in order, the folders when asked for, and the next page's token or nothing."""

    objects: list[StoredObject]
    prefixes: list[str]
    next_token: str


def walk(fetch: Callable[[str], Page], *, prefix: str, start_after: str, where: str) -> Iterator[Page]:
    """Fetch page after page, the first with an empty token, and hold each against the ones before.

    Raises:
        LakeError: A token was given twice, or a key is not where the order of keys puts it.
    """
    token, last, seen = "", start_after, {""}
    while True:
        page = fetch(token)
        in_order = [_last_in_order(names, prefix, last, where) for names in _names(page)]
        last = max(in_order)
        yield page
        token = page.next_token
        if not token:
            return
        if token in seen:
            raise LakeError("the server gave a continuation token twice", where=where, hint=_HINT)
        seen.add(token)


def _names(page: Page) -> tuple[list[str], list[str]]:
    return [found.key for found in page.objects], page.prefixes


def _last_in_order(names: list[str], prefix: str, last: str, where: str) -> str:
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
        return _page(root, f"{namespace}}}" if namespace else "")
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
    decode = _decoded if root.findtext(f"{namespace}EncodingType") == "url" else str
    objects = [_object(child, namespace, decode) for child in root.iterchildren(f"{namespace}Contents")]
    prefixes = [decode(text) for text in root.xpath("*[local-name()='CommonPrefixes']/*[local-name()='Prefix']/text()")]
    count = root.findtext(f"{namespace}KeyCount")
    if count is not None and int(count) != len(objects) + len(prefixes):
        raise ValueError(f"KeyCount is {count}, but {len(objects)} objects and {len(prefixes)} prefixes are there")
    if root.findtext(f"{namespace}IsTruncated") not in {"true", "false"}:
        raise ValueError("IsTruncated is missing")
    if root.findtext(f"{namespace}IsTruncated") == "false":
        return Page(objects, prefixes, "")
    if not (token := root.findtext(f"{namespace}NextContinuationToken")):
        raise ValueError("NextContinuationToken is missing")
    return Page(objects, prefixes, token)


def _object(element: etree._Element, namespace: str, decode: Callable[[str], str]) -> StoredObject:
    found = {child.tag: child.text for child in element}
    size = int(found[f"{namespace}Size"])
    if size < 0:
        raise ValueError(f"Size is {size}")
    etag = found[f"{namespace}ETag"].strip('"')
    return StoredObject(decode(found[f"{namespace}Key"]), size, etag, _moment(found[f"{namespace}LastModified"]))


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="strict")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"LastModified {text} has no time zone")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
