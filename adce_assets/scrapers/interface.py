"""What every kind of scraper is given and gives back.

A kind is a module with two functions: `plan` turns wanted keys into requests, each of them once, and `answer` makes one
request and says for each of its keys what came of it. It asks for documents and cuts out of them what belongs under
each key; it neither audits nor writes, and it never decides which keys there are. Requests of one run are answered in
several threads. A kind says itself whom it asks: the HTTP client, or what starts programs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from adce_assets.errors import AdceError, FetchError, LostError, TransientFetchError
from adce_assets.fetch.outcomes import Evidence
from adce_assets.fetch.requirements import Pages, Requirements
from adce_assets.scrapers.entries import ScraperEntry


@dataclass(frozen=True, slots=True)
class Wanted:
    """One key to collect.

    Attributes:
        key: Where the document belongs, as the contract's resolver wrote it.
        source: The source of its data set.
        data_type: The data type of its data set.
        season: The season of its cell.
        entity: Every field that a template of the entry may name (season, season_start, game_id, date, ...).
        etag: The version that is to be replaced; None if there must be nothing under the key yet.
        window: From when (UTC) until before when it can be had; None where it does not go away.
    """

    key: str
    source: str
    data_type: str
    season: str
    entity: Mapping[str, str]
    etag: str | None
    window: tuple[datetime, datetime] | None = None

    @property
    def data_set(self) -> str:
        """The name under which an entry ``yields`` it."""
        return f"{self.source}/{self.data_type}"

    def out_of_time(self, now: datetime) -> FetchError | None:
        """Say that a day of which only the present can be had is over, or has not begun; None where it can be had."""
        if self.window is None:
            return None
        begins, ends = self.window
        if now >= ends:
            return LostError(
                f"only the present can be had, and this was to be taken before {ends:%Y-%m-%d %H:%M} UTC",
                hint="the day is lost: no later run can take it",
            )
        return TransientFetchError(f"it can be had from {begins:%Y-%m-%d %H:%M} UTC on") if now < begins else None


@dataclass(frozen=True, slots=True)
class Request:
    """A path and a query below a host's base URL, and the keys of which the answer holds the documents."""

    path: str
    parameters: tuple[tuple[str, str], ...]
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True)
class Collected:
    """A document for a wanted key, not audited yet; ``url`` is where it came from.

    ``body`` may be a file in the folder that `Kind.answer` was given; ``pages`` says how a document of several pages
    tells that it is whole, and ``whole_at`` when the last of them came; ``warnings`` are what a person should know of
    it; ``attempts`` is how often it was asked for, of several pages the one that took most.
    """

    wanted: Wanted
    body: bytes | Path
    url: str
    fetched_at: datetime
    requirements: Requirements
    headers: Mapping[str, str] = field(default_factory=dict)
    pages: Pages | None = None
    warnings: tuple[str, ...] = ()
    attempts: int = 1
    whole_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConfirmedEmpty:
    """A wanted key of which the source says that there is nothing, and how it said so."""

    wanted: Wanted
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Failed:
    """A wanted key that could not be collected, and why; ``url`` is what was asked for, empty if nothing was."""

    wanted: Wanted
    error: AdceError
    url: str


Outcome = Collected | ConfirmedEmpty | Failed


class Kind(Protocol):
    """What a module of this folder offers when an entry may name it as its kind."""

    def plan(self, entry: ScraperEntry, wanted: Sequence[Wanted], now: datetime) -> Iterator[Request | Failed]:
        """Turn keys into requests; a key of which no request can be made has failed."""
        ...

    def answer(self, entry: ScraperEntry, request: Request, client: Any, folder: Path) -> Iterator[Outcome]:
        """Make a request, and answer for each of its keys; ``folder`` is for large bodies and is emptied afterwards."""
        ...
