"""A PDF in; the number of its pages and its text out. Called by `confined` only."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pypdf import PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import DictionaryObject

from adce_assets.errors import DamagedDocumentError, OversizedDocumentError

MAX_PAGES, MAX_TEXT = 2_000, 4 * 1024 * 1024


def survey(path: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Read the text of all pages, strictly: what a viewer would mend is refused here."""
    logging.disable(logging.CRITICAL)
    try:
        reader = PdfReader(path, strict=True)
        if reader.is_encrypted:
            raise DamagedDocumentError("it is encrypted")
        root = reader.trailer["/Root"]
        if not isinstance(root, DictionaryObject) or root.get("/Type") != "/Catalog":
            raise DamagedDocumentError("it has no catalogue")
        if len(reader.pages) > MAX_PAGES:
            raise OversizedDocumentError(f"{len(reader.pages)} pages", valid=f"at most {MAX_PAGES}")
        return {"pages": len(reader.pages), "text": _text(reader) if asked["text"] else ""}
    except (PyPdfError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise DamagedDocumentError(f"not a whole PDF: {type(error).__name__}: {str(error)[:200]}") from error


def _text(reader: PdfReader) -> str:
    texts: list[str] = []
    for page in reader.pages:
        texts.append(page.extract_text())
        if sum(map(len, texts)) > MAX_TEXT:
            raise OversizedDocumentError(f"more than {MAX_TEXT} characters of text")
    return "\n".join(texts)
