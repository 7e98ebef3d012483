"""A page of HTML in; nothing out, but that it can be parsed in time. Called by `confined` only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adce_assets.fetch.audit_html import page_of
from adce_assets.fetch.bodies import text


def survey(path: Path, asked: Mapping[str, Any]) -> None:
    """Parse the page and what its comments hide."""
    page_of(text(path, asked["encoding"])).has_tables()
