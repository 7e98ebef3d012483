"""The catalogue in, the pace of each scraper out: whom it asks, and how many keys of a data set it is given at once.

Nothing of Dagster is needed for it, so that a queue is cut alike for its runs and on the command line. How a queue is
cut stands in ``loop``.
"""

from collections.abc import Iterable, Mapping

from adce_assets.loop.dispatch import Pace
from adce_assets.scrapers.catalogue import Catalogue


def paces(catalogue: Catalogue, scrapers: Iterable[str]) -> Mapping[str, Pace]:
    """Say how fast each of these scrapers is, by its name."""
    return {scraper: _pace(catalogue, scraper) for scraper in scrapers}


def _pace(catalogue: Catalogue, scraper: str) -> Pace:
    entry = catalogue.scrapers[scraper]
    if entry.command is not None:
        return Pace.of("", 1 / entry.command.seconds_per_key)
    return Pace.of(entry.host, catalogue.hosts[entry.host].requests_per_second)
