"""A JSON document and the declared requirements in, the number of its records out, or where it is not as declared.

Endless numbers, nesting without end and texts that only look like JSON are refused while parsing.
"""

import glob
import json
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NoReturn

from adce_assets.errors import (
    DamagedDocumentError,
    DriftError,
    EmptyAnswerError,
    NotDataError,
    OversizedDocumentError,
    WrongEntityError,
)
from adce_assets.fetch.audit_tables import absent
from adce_assets.fetch.notices import refuse_complaint, shown
from adce_assets.fetch.requirements import Pages, Requirements, filled, is_list_of

EMPTY: tuple[object, ...] = (None, "", [], {})
MAX_WARNINGS = 20
MAX_PAGES = 10_000
MAX_NODES = 3_000_000


def parse_json(text: str) -> object:
    """Parse a JSON document strictly: no NaN or Infinity; DamagedDocumentError for anything else."""
    nodes = text.count("[") + text.count("{")
    if nodes > MAX_NODES:
        raise OversizedDocumentError(f"{nodes} lists and objects", valid=f"at most {MAX_NODES}")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise DamagedDocumentError("the JSON is nested too deeply") from error
    except ValueError as error:
        raise DamagedDocumentError(f"not JSON: {error}") from error


def embedded(text: str, marker: str) -> object:
    """Parse the JSON that follows a text in a page.

    Raises:
        NotDataError: the text is not there.
        DamagedDocumentError: no JSON object or list follows it.
    """
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    before, found_it, rest = text.partition(marker)
    if not found_it:
        raise DriftError("required, but not there", where=f"`{marker}`")
    start = len(rest) - len(rest.lstrip())
    try:
        document, _ = decoder.raw_decode(rest, start)
    except RecursionError as error:
        raise DamagedDocumentError("the JSON is nested too deeply", where=f"`{marker}`") from error
    except ValueError as error:
        raise DamagedDocumentError(f"not JSON: {error}", where=f"`{marker}`") from error
    if before.rfind("<!--") > before.rfind("-->"):
        raise DriftError("stands in a comment", where=f"`{marker}`")
    if not isinstance(document, dict | list):
        raise DamagedDocumentError("no JSON object or list follows", where=f"`{marker}`")
    return document


def found(document: object, path: str) -> list[object]:
    """List everything that a path leads to; of several spellings ``a|b`` the first that leads anywhere."""
    values: list[object] = []
    for spelling in path.split("|"):
        values = [document]
        for part in spelling.split("."):
            values = [inner for value in values for inner in _step(value, part)]
        if values:
            break
    return values


def count(document: object, requirements: Requirements, entity: Mapping[str, str]) -> int | None:
    """Hold one document against the requirements and count its records; None where nothing is counted."""
    refuse_complaint(document)
    if requirements.empty == "confirm" and _has_an_empty_list(document, requirements):
        requirements = _of_an_empty_answer(requirements)
    for rule in RULES:
        rule(document, requirements, entity)
    if requirements.records is None:
        return None
    records = found(document, requirements.records)
    if records and all(record in EMPTY for record in records):
        raise DamagedDocumentError(f"all {len(records)} records are empty", where=f"`{requirements.records}`")
    return len(records)


def _has_an_empty_list(document: object, requirements: Requirements) -> bool:
    place = list_of(requirements.records)
    lists = found(document, place) if place else []
    return bool(lists) and all(value in EMPTY for value in lists)


def _of_an_empty_answer(requirements: Requirements) -> Requirements:
    """Leave out what only records could show: their own members, and an id that each of them would say."""
    inside = tuple(f"{spelling}." for spelling in list_of(requirements.records).split("|"))
    kept = tuple(path for path in requirements.must_have if not path.startswith(inside))
    silent = requirements.id_may_lack or (requirements.id_path or "").startswith(inside)
    return requirements.model_copy(update={"must_have": kept, "id_may_lack": silent})


def pages_of(document: object, pages: Pages) -> list[object]:
    """Take the pages out of a document of several, if they are whole.

    Raises:
        DamagedDocumentError: a page is missing, stands there twice, or the last one leads further.
    """
    found_pages = document.get("pages") if isinstance(document, dict) else None
    if not isinstance(found_pages, list) or not 0 < len(found_pages) <= MAX_PAGES:
        raise DamagedDocumentError("no pages", where="`pages`", valid=f"1 to {MAX_PAGES} pages")
    _refuse_repeated(found_pages)
    due = _pages_due(document, found_pages, pages)
    if due - {len(found_pages)}:
        raise DamagedDocumentError(f"{len(found_pages)} pages where {shown(map(str, sorted(due)))} were due")
    if pages.cursor:
        _follow_cursors(found_pages, pages.cursor)
    return found_pages


def added(document: object, known: Iterable[str]) -> Iterator[str]:
    """Name members and columns beside the known ones, at the places that the known ones stand at."""
    names_at: dict[str, set[str]] = {}
    for path in known:
        place, _, name = path.rpartition(".")
        names_at.setdefault(place, set()).add(name)
    for place, names in names_at.items():
        present = {name for value in (found(document, place) if place else [document]) for name in _names(value)}
        yield from (f"added: `{place}.{name}`" if place else f"added: `{name}`" for name in sorted(present - names))


def _names(value: object) -> Iterable[str]:
    if isinstance(value, dict):
        return value
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _step(value: object, part: str) -> Iterable[object]:
    name, chooses, wanted = part.partition("=")
    if isinstance(value, dict):
        return value.values() if part == "*" else [value[part]] if part in value else []
    if isinstance(value, list):
        if chooses:
            return [item for item in value if isinstance(item, dict) and str(item.get(name)) == wanted]
        return value if part == "*" else [value[int(part)]] if part.isdecimal() and int(part) < len(value) else []
    return []


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is no number"
    raise ValueError(message)


def _refuse_repeated(pages: list[object]) -> None:
    """A server that does not know the parameter of the page sends the first one again and again."""
    first_at: dict[str, int] = {}
    for number, page in enumerate(pages, start=1):
        before = first_at.setdefault(json.dumps(page, sort_keys=True), number)
        if before != number:
            raise DamagedDocumentError(f"page {number} is page {before} once more", where="`pages`")


def _pages_due(document: object, found_pages: list[object], pages: Pages) -> set[int]:
    """Collect what the document says of the number of its pages."""
    if pages.refs:
        return {len(found(document, f"index.{pages.refs}"))}
    told = [found(page, pages.count) for page in found_pages] if pages.count else []
    if any(len(values) != 1 or type(values[0]) is not int for values in told):
        raise DriftError("a page does not say how many there are", where=f"`{pages.count}`")
    return {value for values in told for value in values if isinstance(value, int)}


def _follow_cursors(pages: list[object], path: str) -> None:
    *before, last = ([value for value in found(page, path) if value not in EMPTY] for page in pages)
    if last:
        raise DamagedDocumentError("the last page leads further: pages are missing", where=f"`{path}`")
    if not all(before):
        raise DamagedDocumentError("a page before the last leads nowhere", where=f"`{path}`")


def _is_about_the_entity(document: object, requirements: Requirements, entity: Mapping[str, str]) -> None:
    if requirements.id_path is None or requirements.id_is is None:
        return
    told = sorted({_plain(value) for value in found(document, requirements.id_path)})
    due, right = filled(requirements.id_is, entity), filled(requirements.id_is, entity, glob.escape)
    if told and all(fnmatchcase(value, right) for value in told):
        return
    if told or not requirements.id_may_lack:
        about = ", ".join(f"`{value[:60]}`" for value in told[:3])
        raise WrongEntityError(
            f"it is about {about}, not `{due}`" if told else f"it does not say that it is about `{due}`",
            where=f"`{requirements.id_path}`",
        )


def _plain(value: object) -> str:
    """Write a value as an id is written: nothing that merely prints alike passes for one."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else json.dumps(value)[:200]


def _has_what_it_must(document: object, requirements: Requirements, _: Mapping[str, str]) -> None:
    for path in (*requirements.must_have, *requirements.may_be_empty):
        values = found(document, path)
        if not values:
            raise DriftError("required, but not there", where=f"`{path}`")
        if path in requirements.must_have and any(value in EMPTY for value in values):
            kind = EmptyAnswerError if is_list_of(path, requirements.records or "") else DriftError
            raise kind("required, but empty", where=f"`{path}`")


def _has_its_records(document: object, requirements: Requirements, _: Mapping[str, str]) -> None:
    """The list of the records must be there, even where it is empty: a member that is gone is no empty answer."""
    place = list_of(requirements.records)
    if not place or "*" in place:
        return
    lists = found(document, place)
    if not lists:
        raise DriftError("the records are not there", where=f"`{place}`")
    null_is_none = requirements.empty == "confirm"
    odd = [value for value in lists if not isinstance(value, list | dict) and not (value is None and null_is_none)]
    if odd:
        raise DriftError(f"no list of records: {json.dumps(odd[0])[:60]}", where=f"`{place}`")


def list_of(records: str | None) -> str:
    """Give the path of the list whose members the records are; empty where the records are no members of one."""
    spellings = (records or "").split("|")
    inside = [spelling.removesuffix(".*") for spelling in spellings if spelling.endswith(".*")]
    return "|".join(inside) if len(inside) == len(spellings) else ""


def _equals_what_it_must(document: object, requirements: Requirements, _: Mapping[str, str]) -> None:
    for path, allowed in requirements.must_equal.items():
        values = found(document, path)
        if not values:
            raise DriftError("required, but not there", where=f"`{path}`")
        for value in values:
            if not any(type(value) is type(choice) and value == choice for choice in allowed):
                choices = ", ".join(json.dumps(choice) for choice in allowed)
                raise NotDataError(f"is {json.dumps(value)[:60]}", where=f"`{path}`", valid=choices)


def _has_its_columns(document: object, requirements: Requirements, _: Mapping[str, str]) -> None:
    for place, due in requirements.columns.items():
        headers = found(document, place)
        if not headers:
            raise DriftError("required, but not there", where=f"`{place}`")
        for header in headers:
            missing = absent(due, [*_names(header)])
            if missing:
                raise DriftError(f"without the columns {shown(missing[:5])}", where=f"`{place}`")
            _rows_are_as_wide(document, requirements, place, header)


def _rows_are_as_wide(document: object, requirements: Requirements, place: str, header: object) -> None:
    """Rows of a result set lie beside its header, and each has a value for every column."""
    place = next(spelling for spelling in place.split("|") if found(document, spelling))
    beside = f"{place.rpartition('.')[0]}."
    records = next((one for one in (requirements.records or "").split("|") if one.startswith(beside)), "")
    if "*" in place or not isinstance(header, list) or not records.endswith(".*"):
        return
    if len(set(map(str, header))) != len(header):
        raise DriftError("a column is named twice", where=f"`{place}`")
    for number, row in enumerate(found(document, records)):
        if not isinstance(row, list | dict) or (isinstance(row, list) and len(row) != len(header)):
            raise DamagedDocumentError(f"row {number} does not have {len(header)} values", where=f"`{records}`")


RULES = (_is_about_the_entity, _has_what_it_must, _equals_what_it_must, _has_its_records, _has_its_columns)
"""What is asked of a JSON document, in the order in which a person would want to know."""
