"""Wanted keys in, JSON documents out: one question for all keys that the same answer holds.

An answer may hold several data sets; each keeps the members that its entry names, or the answer as it is. An answer
that cannot be cut is handed on whole, so that the audit can refuse it and keep it aside.
"""

from collections.abc import Iterator
from pathlib import Path

from adce_assets.errors import FetchError, VerifyError
from adce_assets.fetch.client import Client
from adce_assets.scrapers import answering, paging, planning
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Collected, Outcome, Request, Wanted
from adce_assets.scrapers.members import cut
from adce_assets.scrapers.paging import Document

plan = planning.plan


def answer(entry: ScraperEntry, request: Request, client: Client, folder: Path) -> Iterator[Outcome]:  # noqa: ARG001 - as `Kind` has it
    """Ask for the document, with all of its pages, and cut out of it what belongs to each key."""
    try:
        document = paging.document(entry, request, client)
    except FetchError as error:
        yield from answering.without(entry, request, client, error)
        return
    for one in request.wanted:
        yield _collected(entry, one, document)


def _collected(entry: ScraperEntry, one: Wanted, document: Document) -> Collected:
    yielded = entry.yields[one.data_set]
    pages, warnings = document.pages, document.warnings
    if yielded.members is not None:
        try:
            pages = tuple(cut(page, yielded.members) for page in pages)
        except VerifyError:
            pages = document.pages
    return Collected(
        one,
        document.joined(pages),
        document.url,
        document.fetched_at,
        yielded.requirements,
        document.headers,
        entry.pages_due,
        warnings,
        document.attempts,
        document.whole_at,
    )
