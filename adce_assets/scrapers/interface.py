"""What every kind of scraper is given and gives back.

A kind is a module with a function ``collect`` of the type `Collect`. It asks for documents and cuts out of them what
belongs under each key; it neither audits nor writes, and it never decides which keys there are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adce_assets.errors import AdceError
from adce_assets.fetch.audit import Requirements
from adce_assets.fetch.client import Client
from adce_assets.scrapers.catalogue import ScraperEntry


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
    """

    key: str
    source: str
    data_type: str
    season: str
    entity: Mapping[str, str]
    etag: str | None

    @property
    def data_set(self) -> str:
        """The name under which an entry ``yields`` it."""
        return f"{self.source}/{self.data_type}"


@dataclass(frozen=True, slots=True)
class Collected:
    """A document for a wanted key, not audited yet; ``url`` is where it came from."""

    wanted: Wanted
    body: bytes
    url: str
    fetched_at: datetime
    requirements: Requirements


@dataclass(frozen=True, slots=True)
class Failed:
    """A wanted key that could not be collected, and why; ``url`` is what was asked for, empty if nothing was."""

    wanted: Wanted
    error: AdceError
    url: str


Collect = Callable[[ScraperEntry, Sequence[Wanted], Client], Iterator[Collected | Failed]]
"""One answer for every wanted key, in an order of the kind's own choosing."""
