"""Wanted keys in, archives of Kaggle's data sets out, as their latest version is.

Kaggle sends a data set as one archive, from another host that it redirects to; the credential is the host entry's.
"""

from collections.abc import Iterator
from pathlib import Path

from adce_assets.fetch.client import Client
from adce_assets.scrapers import file_download, planning
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Outcome, Request

plan = planning.plan


def answer(entry: ScraperEntry, request: Request, client: Client, folder: Path) -> Iterator[Outcome]:
    """Download the archive."""
    return file_download.answer(entry, request, client, folder)
