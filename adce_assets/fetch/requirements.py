"""What an entry declares of its documents in, a checked `Requirements` out.

Each kind of file understands its places in its own way (a path in JSON, the id of a table, the member of an archive);
`AUDITED` says which demands a kind knows. How a body is held against them stands in `audit` and its modules.
"""

import glob
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adce_assets.errors import ConfigurationError

JSON_PATH = re.compile(r"[^.]+(\.[^.]+)*")
JsonPath = Annotated[str, Field(pattern=rf"^{JSON_PATH.pattern}$", max_length=200)]
"""Names and indices joined by dots; ``*`` is every member of a list or mapping, ``name=x`` those whose name is x."""

Place = Annotated[str, Field(min_length=1, max_length=200)]
Scalar = bool | int | float | str | None
Kind = Literal["json", "html", "csv", "parquet", "gz", "zip", "pdf", "sqlite"]

ELEMENT = re.compile(r"(?P<tag>[a-z][a-z0-9]*)(?P<how>[.#])(?P<name>[\w*?\[\]-]+)( (?P<inner>[a-z][a-z0-9]*))?")
"""A place in HTML that is not the id of a table: ``tag.class`` or ``tag#id``, with globs, or ``tag.class inner``."""

DAY_S = 86_400
PAGE_IDS = ("canonical", "title", "text")
"""Where a page of HTML says what it is about: its own address, its title, anywhere in its text."""


class Pages(BaseModel):
    """How a document ``{"pages": [...]}`` tells that it is whole; every demand holds for each of its pages.

    Attributes:
        cursor: The path that leads to the next page; on the last it leads nowhere.
        count: The path of the number of pages.
        refs: The path, in the document's ``index``, of the references that the pages were fetched from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cursor: JsonPath | None = None
    count: JsonPath | None = None
    refs: JsonPath | None = None


class Requirements(BaseModel):
    """What a document must be and contain, as a scraper's entry declares it.

    A place is a path in JSON; the id of a table in HTML (a glob; ``tag.class`` or ``tag#id`` for other elements, and
    ``tag.class inner`` for those in them); a column of CSV and Parquet; a member of a ZIP; a table of SQLite; a text in
    a PDF.
    Of several spellings ``a|b`` the first that is there counts.

    Attributes:
        parses: The kind of file it must be.
        encoding: How the text of HTML and CSV is written.
        min_bytes: The smallest size that can be right.
        forbidden: Texts that only a notice or error page holds (upper and lower case are alike).
        embedded: A text in HTML that JSON follows; the paths then lead through that JSON.
        must_have: Places that must be there, and never empty.
        may_be_empty: Places that must be there, if only to be empty.
        must_equal: Paths and the values they may have.
        id_path: Where the document says what it is about: a path, a column, or one of `PAGE_IDS`.
        id_is: What it must say there, as a template of the entity: ``{game_id}``; in JSON ``*`` is anything.
        id_unsaid: Why nothing in it can be asked what it is about, in words.
        id_may_lack: Whether a document that says nothing there may be right all the same.
        fresh_path: Where the document says of when it is.
        max_age_s: How old it may be by that, and by the headers ``Date`` and ``Age``.
        columns: Names that the columns at a place must hold; ``*`` is the whole of a CSV or Parquet file.
        records: The place whose matches or rows are counted as records.
        min_records: Fewer are refused; unset it is 1, or 0 where the list of the records is in ``may_be_empty``.
        distrust: Numbers of records that smell of a silent cap; refused where there was nothing to page through.
        empty: Whether an answer without records is refused, or confirms that there is nothing.
        known: Members and columns seen so far, as ``place.name``; others beside them are told as added.
        pages: Set where the document is one of several pages, from the entry's paging.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parses: Kind = "json"
    encoding: Literal["utf-8", "windows-1252"] = "utf-8"
    min_bytes: Annotated[int, Field(ge=1)] = 1
    forbidden: tuple[Annotated[str, Field(min_length=3)], ...] = ()
    embedded: Annotated[str, Field(min_length=3, max_length=200)] | None = None
    must_have: tuple[Place, ...] = ()
    may_be_empty: tuple[Place, ...] = ()
    must_equal: dict[JsonPath, tuple[Scalar, ...]] = {}
    id_path: Place | None = None
    id_is: Annotated[str, Field(min_length=1)] | None = None
    id_unsaid: Annotated[str, Field(min_length=10, max_length=200)] | None = None
    id_may_lack: bool = False
    fresh_path: JsonPath | None = None
    max_age_s: Annotated[int, Field(ge=60)] | None = None
    columns: dict[Place, Annotated[tuple[Place, ...], Field(min_length=1)]] = {}
    records: Place | None = None
    min_records: Annotated[int, Field(ge=0)] | None = None
    distrust: frozenset[Annotated[int, Field(ge=1)]] = frozenset()
    empty: Literal["refuse", "confirm"] = "refuse"
    known: tuple[Place, ...] = ()
    pages: Pages | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Requirements":
        for problem in filter(None, (find(self) for find in PROBLEMS)):
            raise ValueError(problem)
        return self

    @property
    def in_json(self) -> bool:
        """Whether the places are paths in JSON."""
        return self.parses == "json" or self.embedded is not None

    @property
    def least(self) -> int:
        """The smallest number of records that passes."""
        if self.min_records is not None:
            return self.min_records
        return 0 if any(is_list_of(place, self.records or "") for place in self.may_be_empty) else 1

    @property
    def longest_age_s(self) -> int | None:
        """How old the document may be; None where nobody asks."""
        return DAY_S if self.fresh_path and self.max_age_s is None else self.max_age_s


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What a document that passed holds: its records, or None where nothing is counted, and what is new in it."""

    records: int | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a body came (aware, UTC), and with which headers (names in lower case)."""

    at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


def is_list_of(place: str, records: str) -> bool:
    """Tell whether the records lie in what is at a place: ``events`` of ``events.*``, or the same table."""
    return place == records or any(
        one.startswith(f"{inner}.") for one in records.split("|") for inner in place.split("|")
    )


def filled(template: str, entity: Mapping[str, str], change: Callable[[str], str] = str) -> str:
    """Fill a template with the fields of the entity, each changed first."""
    try:
        return (
            template.format_map({name: change(value) for name, value in entity.items()})
            if "{" in template
            else template
        )
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise ConfigurationError(f"nothing fills `{template}`", valid=", ".join(entity)) from error


def spellings(place: str, entity: Mapping[str, str]) -> list[str]:
    """List the globs that a place may be spelled as; what the entity puts in stands for itself."""
    return [filled(spelling, entity, glob.escape) for spelling in place.split("|") if spelling]


def _unknown_demand(declared: Requirements) -> str:
    """Find a demand that the kind of file cannot be held to."""
    knows = AUDITED["json" if declared.in_json else declared.parses] | AUDITED[declared.parses]
    given = [name for name in DEMANDS if getattr(declared, name)]
    unknown = [name for name in given if name not in knows]
    return f"`{unknown[0]}` cannot be asked of {declared.parses}" if unknown else ""


def _unpaired(declared: Requirements) -> str:
    if (declared.id_path is None) != (declared.id_is is None):
        return "`id_path` and `id_is` need each other"
    if declared.id_is and declared.id_unsaid:
        return "`id_unsaid` says why there is no `id_is`, and there is one"
    counts = declared.min_records is not None or declared.distrust or declared.empty == "confirm"
    return "`min_records`, `distrust` and `empty` need `records`" if counts and not declared.records else ""


def _crooked_path(declared: Requirements) -> str:
    if not declared.in_json:
        return ""
    own = {declared.id_path} - set(PAGE_IDS if declared.embedded else ())
    paths = [*declared.must_have, *declared.may_be_empty, *declared.columns, *declared.known, declared.records, *own]
    crooked = [path for path in paths if path and not JSON_PATH.fullmatch(path)]
    return f"`{crooked[0]}` is no path: names joined by dots" if crooked else ""


def _strange_id(declared: Requirements) -> str:
    places = {"html": PAGE_IDS, "pdf": ("text",)}.get(declared.parses)
    free = places is None or declared.id_path is None or declared.in_json
    return "" if free or declared.id_path in (places or ()) else f"`id_path` must be one of {', '.join(places or ())}"


def _never_confirmed(declared: Requirements) -> str:
    """Find a list that must not be empty and may be at once."""
    both = [place for place in declared.must_have if is_list_of(place, declared.records or "")]
    if declared.empty != "confirm" or not both or not declared.in_json:
        return ""
    is_list = f"{both[-1]}.*" == declared.records
    return f"`{both[-1]}` is in `must_have`, so that `empty: confirm` can never be" if is_list else ""


PROBLEMS = (_unknown_demand, _unpaired, _crooked_path, _strange_id, _never_confirmed)

_PLACES = frozenset({"must_have", "may_be_empty", "columns", "records", "known"})
DEMANDS = (
    "embedded",
    "must_have",
    "may_be_empty",
    "must_equal",
    "id_path",
    "fresh_path",
    "columns",
    "records",
    "known",
)
AUDITED: Mapping[str, frozenset[str]] = {
    "json": _PLACES | {"must_equal", "id_path", "fresh_path"},
    "html": _PLACES | {"embedded", "id_path"},
    "csv": (_PLACES | {"id_path"}) - {"may_be_empty"},
    "parquet": (_PLACES | {"id_path"}) - {"may_be_empty"},
    "gz": (_PLACES | {"id_path"}) - {"may_be_empty"},
    "zip": _PLACES,
    "sqlite": _PLACES,
    "pdf": frozenset({"must_have", "id_path", "records"}),
}
"""The demands that each kind of file can be held to; HTML with `embedded` JSON knows those of JSON too."""
