"""Wanted keys of today in, documents of the present out.

Such a source knows no past: asked for yesterday, it answers with today. Until when a day can be had is said by the
contract, and a run asks for no other; how such a source is asked is no different from others.
"""

from collections.abc import Iterator
from pathlib import Path

from adce_assets.fetch.client import Client
from adce_assets.scrapers import json_api, planning
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Outcome, Request

plan = planning.plan


def answer(entry: ScraperEntry, request: Request, client: Client, folder: Path) -> Iterator[Outcome]:
    """Ask for what there is now."""
    return json_api.answer(entry, request, client, folder)
