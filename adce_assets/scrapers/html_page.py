"""Wanted keys in, pages of HTML out, each whole as it was sent: what is in their tables is for the audit to count."""

from collections.abc import Iterator
from pathlib import Path

from adce_assets.fetch.client import Client
from adce_assets.scrapers import json_api, planning
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Outcome, Request

plan = planning.plan


def answer(entry: ScraperEntry, request: Request, client: Client, folder: Path) -> Iterator[Outcome]:
    """Ask for the page; it is every key's document."""
    return json_api.answer(entry, request, client, folder)
