"""A body and the declared requirements in, the number of its records out; or the reason why it must not become data.

A status of 200 proves nothing: notices, login pages, empty results and other games come with it too. What a document
must be and contain is declared beside its scraper (`Requirements`); where documents that fail are kept is the business
of `staging`. A new kind of file is one more line of `VIEWS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from adce_assets.errors import (
    BlockedPageError,
    ConfigurationError,
    DamagedDocumentError,
    DriftError,
    EmptyAnswerError,
    NotDataError,
)
from adce_assets.fetch import audit_json, audit_tables
from adce_assets.fetch.audit_csv import csv_view, gzip_view
from adce_assets.fetch.audit_html import html_view, page_of, whole_page
from adce_assets.fetch.audit_parquet import parquet_view
from adce_assets.fetch.audit_pdf import pdf_view
from adce_assets.fetch.audit_sqlite import sqlite_view
from adce_assets.fetch.audit_zip import zip_view
from adce_assets.fetch.bodies import Body, ends, markers, size, text
from adce_assets.fetch.freshness import refuse_stale
from adce_assets.fetch.notices import refuse_page, refuse_text
from adce_assets.fetch.requirements import PAGE_IDS, Arrival, AuditResult, Requirements
from adce_assets.lake.sniff import LOOK, sniff

VIEWS: Mapping[str, Callable[[Body, Requirements, Mapping[str, str]], audit_tables.View]] = {
    "html": html_view,
    "csv": csv_view,
    "gz": gzip_view,
    "parquet": parquet_view,
    "zip": zip_view,
    "sqlite": sqlite_view,
    "pdf": pdf_view,
}


def audit(
    body: Body,
    requirements: Requirements,
    entity: Mapping[str, str],
    *,
    arrival: Arrival | None = None,
) -> AuditResult:
    """Check a body.

    Args:
        body: The document, in memory or in a file.
        requirements: What it must be and contain.
        entity: The fields that the templates of the requirements may name.
        arrival: When and with which headers it came; needed where its age is asked for.

    Raises:
        VerifyError: saying what is wrong and where in the document; its class says what kind of fault it is.
        ConfigurationError: the requirements ask for what cannot be known here.
    """
    if requirements.longest_age_s is not None and arrival is None:
        raise ConfigurationError("the age of a document is asked for, but not when it came")
    _is_of_its_kind(body, requirements)
    for marker in markers(body, requirements.forbidden):
        raise NotDataError(f"a notice, not data: it holds the text `{marker}`")
    read = _json if requirements.parses == "json" else _embedded if requirements.embedded else _tables
    result = read(_Asked(body, requirements, entity, arrival))
    _counts_enough(result.records, requirements, exhausted=requirements.pages is not None)
    return result


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an audit was asked."""

    body: Body
    requirements: Requirements
    entity: Mapping[str, str]
    arrival: Arrival | None


def _is_of_its_kind(body: Body, requirements: Requirements) -> None:
    """Look at size and ends alone, so that nothing is parsed as what it cannot be."""
    head, tail = ends(body, LOOK)
    fault = sniff(head, tail, requirements.parses)
    if fault:
        _refuse_notice(body, head, fault)
        kind = DamagedDocumentError if "cut off" in fault or not body else NotDataError
        raise kind(fault)
    if size(body) < requirements.min_bytes:
        raise DamagedDocumentError(f"only {size(body)} bytes", valid=f"at least {requirements.min_bytes} bytes")


def _refuse_notice(body: Body, head: bytes, fault: str) -> None:
    """Name a notice by its words where data were due."""
    start, _ = ends(body, 64 * LOOK)
    if b"<" not in head:
        refuse_text(start)
        return
    page = page_of(start.decode("utf-8", "replace"))
    try:
        refuse_page(page.title, page.words)
    except (BlockedPageError, NotDataError) as notice:
        raise type(notice)(f"{fault}: {notice.what}") from notice
    if page.title:
        raise NotDataError(f"{fault}, titled {page.title[:80]!r}")


def _json(asked: _Asked) -> AuditResult:
    return _in_json(audit_json.parse_json(text(asked.body, "utf-8")), asked)


def _in_json(document: object, asked: _Asked) -> AuditResult:
    requirements = asked.requirements
    documents = [document] if requirements.pages is None else audit_json.pages_of(document, requirements.pages)
    counts = []
    for number, page in enumerate(documents, start=1):
        try:
            counts.append(audit_json.count(page, requirements, asked.entity))
            refuse_stale(page, requirements, asked.arrival)
        except EmptyAnswerError:
            if len(documents) == 1 or number < len(documents):
                raise
    warnings = dict.fromkeys(word for page in documents for word in audit_json.added(page, requirements.known))
    records = None if requirements.records is None else sum(count or 0 for count in counts)
    return AuditResult(records, tuple(warnings)[: audit_json.MAX_WARNINGS])


def _embedded(asked: _Asked) -> AuditResult:
    """Read the JSON of a page; what the page says of itself is asked of the page."""
    requirements, content = asked.requirements, whole_page(asked.body, asked.requirements)
    page, marker = page_of(content), requirements.embedded or ""
    refuse_page(page.title, "" if marker in content else page.words)
    if requirements.id_path in PAGE_IDS:
        own = Requirements(parses="html", id_path=requirements.id_path, id_is=requirements.id_is)
        audit_tables.count(page, own.model_copy(update={"id_may_lack": requirements.id_may_lack}), asked.entity)
        requirements = requirements.model_copy(update={"id_path": None, "id_is": None})
    document = audit_json.embedded(content, marker)
    return _in_json(document, replace(asked, requirements=requirements))


def _tables(asked: _Asked) -> AuditResult:
    requirements = asked.requirements
    refuse_stale(None, requirements, asked.arrival)
    view = VIEWS[requirements.parses](asked.body, requirements, asked.entity)
    records = audit_tables.count(view, requirements, asked.entity)
    warnings = dict.fromkeys(audit_tables.added(view, requirements, asked.entity))
    return AuditResult(records, tuple(warnings)[: audit_json.MAX_WARNINGS])


def _counts_enough(records: int | None, requirements: Requirements, *, exhausted: bool) -> None:
    """Refuse too few records, and a number that smells of a cap."""
    where = f"`{requirements.records}`"
    if records is None:
        return
    if not records and requirements.least:
        confirmed = requirements.empty == "confirm"
        raise EmptyAnswerError("well-formed, but without a record", where=where, confirmed=confirmed)
    if records < requirements.least:
        raise DriftError(f"only {records} records", where=where, valid=f"at least {requirements.least}")
    if records in requirements.distrust and not exhausted:
        raise DriftError(
            f"exactly {records} records: a silent cap", where=where, hint="page through the answers, or ask for less"
        )
