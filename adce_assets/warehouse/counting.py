"""The keys of a cell in, how many records each of their documents has out: the source's own count.

It is taken before the load and apart from it: nothing of `reading`, `paths` or the parsers is used, the expression is
another than theirs, their condition `where` has no say, and the documents are fetched again. So a reader that leaves
something out, or takes a document for one without records, cannot make it agree.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from lxml import etree, html

from adce_assets.errors import AdceError, DamagedDocumentError, LakeError, ObjectNotFoundError
from adce_assets.fetch import confined
from adce_assets.lake.store import LakeStore
from adce_assets.warehouse.comments import uncommented
from adce_assets.warehouse.entities import Entity, Reading
from adce_assets.warehouse.fetching import fetched

UNREADABLE = -1
"""Stands for the count of a document that cannot be had or read."""
HARMLESS, CPU_S, MEMORY = 256 * 1024, 20, 2 * 1024**3
"""Bytes of a page that cannot keep its parser busy for long; a longer one is counted by a process of its own, which
may take so many seconds and bytes."""
MAX_BYTES, MAX_NODES = 64 * 1024 * 1024, 3_000_000


def count_records(
    lake: LakeStore, entity: Entity, season: str, keys: Mapping[str, Sequence[str]]
) -> Mapping[str, Mapping[str, int]]:
    """Count the records of every document, by source and key; `UNREADABLE` where that cannot be done.

    Args:
        lake: Where the documents are.
        entity: What a record is, in each source.
        season: Said where something is wrong.
        keys: The objects of the season, by source.

    Raises:
        ConfigurationError: the entity is not read in one of the sources.
        LakeError: the lake could not be asked.
    """
    readings = {source: entity.reading_of(source) for source in keys}
    return {
        source: {key: _counted(lake, readings[source], key, season) for key in dict.fromkeys(of_source)}
        for source, of_source in keys.items()
    }


def _counted(lake: LakeStore, reading: Reading, key: str, season: str) -> int:
    try:
        there = lake.head(key)
        if there is None or there.size > MAX_BYTES:
            return UNREADABLE
        _, body = fetched(lake, there, most=MAX_BYTES)
        return count(reading, body) if len(body) <= MAX_BYTES else UNREADABLE
    except ObjectNotFoundError:
        return UNREADABLE
    except LakeError as error:
        raise LakeError(error.what, where=f"{season}: {key}", hint=error.hint) from error
    except AdceError:
        return UNREADABLE


def count(reading: Reading, body: bytes) -> int:
    """Count the records of one document; VerifyError or ProgramError where it cannot be counted."""
    if reading.format == "json":
        return _count_json(body, reading.count)
    if reading.format == "html_with_comments":
        body = uncommented(body)
    if len(body) <= HARMLESS:
        return _count_html(body, reading.count)
    return int(confined.read(__name__, body, {"count": reading.count}, cpu_s=CPU_S, memory=MEMORY))


def survey(path: Path, asked: Mapping[str, Any]) -> int:
    """Count the records of a page, in a process that may be thrown away."""
    return _count_html(path.read_bytes(), asked["count"])


def _count_json(body: bytes, expression: str) -> int:
    if body.count(b"[") + body.count(b"{") > MAX_NODES:
        raise DamagedDocumentError("more lists and objects than any document has", valid=f"at most {MAX_NODES}")
    try:
        return _whole(jmespath.search(expression, json.loads(body.decode("utf-8-sig"))))
    except (ValueError, RecursionError, JMESPathError) as error:
        raise DamagedDocumentError(f"cannot be counted: {str(error)[:200]}") from error


def _count_html(body: bytes, expression: str) -> int:
    try:
        parser = html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
        page = html.document_fromstring(body.decode("utf-8-sig").encode(), parser=parser)
        return _whole(page.xpath(expression))
    except (ValueError, AssertionError, etree.LxmlError) as error:
        raise DamagedDocumentError(f"cannot be counted: {str(error)[:200]}") from error


def _whole(found: object) -> int:
    """Take what an expression gave as a number of records."""
    number = isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
    if not number or found < 0 or found != int(found):
        message = f"the count is `{str(found)[:60]}`, no number of records"
        raise ValueError(message)
    return int(found)
