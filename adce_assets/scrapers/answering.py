"""What the kinds that ask a host have in common: how long an answer may take, and what comes of a key without one."""

from collections.abc import Iterator
from datetime import timedelta

from adce_assets.errors import FetchError
from adce_assets.fetch.client import Client, Waits
from adce_assets.fetch.outcomes import Evidence
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import ConfirmedEmpty, Failed, Request

LOOK_AGAIN = timedelta(days=30)
"""How long it is believed that a source does not have a thing."""


def waits_of(entry: ScraperEntry) -> Waits | None:
    """Return how long this endpoint may take, where its entry says so."""
    return Waits(entry.waits.read_timeout_s, entry.waits.deadline_s) if entry.waits else None


def without(
    entry: ScraperEntry, request: Request, client: Client, error: FetchError
) -> Iterator[ConfirmedEmpty | Failed]:
    """Say of every key of a request that there is no answer: confirmed where the host's way to say so was heard."""
    if error.status in entry.absent_statuses:
        seen_at = client.now()
        evidence = Evidence(error.where, error.status, error.what, None, seen_at, seen_at + LOOK_AGAIN)
        yield from (ConfirmedEmpty(one, evidence) for one in request.wanted)
    else:
        yield from (Failed(one, error, error.where) for one in request.wanted)
