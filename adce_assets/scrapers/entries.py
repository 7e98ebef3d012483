"""The entry of a scraper as a file declares it: how to ask, what an answer yields, and what the source has at all.

What pydantic can tell of an entry alone is checked here; what needs other entries, hosts or kinds is the business of
`catalogue`.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from adce_assets.contract.seasons import SeasonRange
from adce_assets.fetch.requirements import Pages as PagesDue
from adce_assets.fetch.requirements import Requirements
from adce_assets.scrapers.programs import Command

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
DataSetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*/[a-z][a-z0-9_]*$", max_length=121)]
Member = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$", max_length=200)]
Parameter = Annotated[str, Field(min_length=1, max_length=100)]
Place = Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+)*$", max_length=200)]
"""A place in a JSON document: names and indices joined by dots; ``*`` stands for every one."""
FilledIn = Annotated[str, Field(pattern=r"^[A-Za-z0-9 ._,+/-]{0,100}$")]
"""What may be put in the place of a field's value."""

MAY_MEAN_ABSENT = frozenset({204, 400, 404, 406, 410, 422})
"""Statuses by which a host may say that it has no such thing: no other status says anything about the thing."""


class Declared(BaseModel):
    """What comes from a file: unknown keys are faults, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Yield(Declared):
    """What an answer holds for one data set.

    Attributes:
        members: The members of a JSON answer that are kept, as dotted paths; None keeps the answer as it is.
        member: The one file of a zip archive that is kept (a glob), None keeps the archive.
        requirements: What the kept document must be and contain.
    """

    members: Annotated[tuple[Member, ...], Field(min_length=1)] | None = None
    member: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    requirements: Requirements = Requirements()

    @model_validator(mode="after")
    def _can_be_cut(self) -> Self:
        members = self.members or ()
        if members and not self.requirements.must_have:
            message = "`members` need `requirements` with `must_have`: a cut document must be known to be whole"
            raise ValueError(message)
        if any(inner.startswith(f"{outer}.") for outer in members for inner in members):
            message = "one of the `members` is a part of another"
            raise ValueError(message)
        return self


class Derived(Declared):
    r"""A further field, made of one that the key has; a value of which nothing can be made is a fault of the key.

    Attributes:
        of: The field of the key (in the file: ``from``).
        values: What to write for each of its values.
        match: Or a pattern that a value must match as a whole, of which groups are written.
        write: How the groups are written: ``\2/\3/\1``.
    """

    of: Annotated[str, Field(alias="from", pattern=r"^[a-z][a-z0-9_]*$")]
    values: Annotated[dict[str, FilledIn], Field(min_length=1)] | None = None
    match: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    write: Annotated[str, Field(min_length=1, max_length=100)] = r"\1"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.values is None) == (self.match is None):
            message = "needs either `values` or `match`"
            raise ValueError(message)
        if self.match is not None:
            _check_pattern(self.match, self.write)
        return self

    def value(self, given: str) -> str | None:
        """Return the field's value for a value of the key's field; None where there is none."""
        if self.values is not None:
            return self.values.get(given)
        found = re.fullmatch(self.match or "", given, re.ASCII)
        return found.expand(self.write) if found else None


class Paging(Declared):
    """How the further pages of an answer are asked for; each kind needs the fields of `PAGED_BY`, and no others.

    Attributes:
        kind: `cursor`: each page says how to ask for the next, the last one says nothing; `pages`: they are numbered
            from 1, and each says how many there are; `refs`: a list of references, what they lead to are the pages.
        parameter: Where the cursor or the number goes; the first page is asked for without it.
        cursor: Where a page says the next cursor.
        count: Where a page says how many pages there are.
        items: Where the references stand.
    """

    kind: Literal["cursor", "pages", "refs"]
    parameter: Parameter = ""
    cursor: Place = ""
    count: Place = ""
    items: Place = ""

    @model_validator(mode="after")
    def _as_its_kind(self) -> Self:
        given = {name for name in ("parameter", "cursor", "count", "items") if getattr(self, name)}
        if given != PAGED_BY[self.kind]:
            message = f"`{self.kind}` needs {', '.join(sorted(PAGED_BY[self.kind]))}, and no others"
            raise ValueError(message)
        return self


PAGED_BY = {
    "cursor": frozenset({"cursor", "parameter"}),
    "pages": frozenset({"count", "parameter"}),
    "refs": frozenset({"items"}),
}


class Patience(Declared):
    """How long this endpoint may take, where that differs from its host: seconds, as the host's fields of this name."""

    read_timeout_s: Annotated[float, Field(gt=0, le=3600)] | None = None
    deadline_s: Annotated[float, Field(gt=0, le=3600)] | None = None


class ScraperEntry(Declared):
    """How to ask for documents, and which data sets an answer yields.

    Attributes:
        kind: The module of this folder that does it.
        host: The host that is asked, one of ``hosts``.
        path: Below the host's base URL, a template of the entity's fields.
        parameters: The query, each value a template.
        fields: Further fields that templates may name.
        paging: How further pages are asked for; all pages are kept as one document, ``{"pages": [...]}``.
        seasons: The seasons that the source has: ``1996-97..``; None where nobody knows.
        valid_until: The day on which the source ended: nothing is asked from then on.
        superseded_by: The scraper that has what this one had.
        unreachable: Why the source does not let itself be asked for this, in words: then nobody asks.
        waits: How long an answer may take.
        command: The program that a scraper of the kind `command` starts; such a one needs neither host nor path.
        absent_statuses: Statuses by which the host says that it has no such thing.
        yields: What an answer holds, by ``<source>/<data_type>``.
    """

    kind: Name
    host: Name = ""
    path: Annotated[str, Field(pattern=r"^(/[^?#\s]*)?$", max_length=300)] = ""
    parameters: dict[Parameter, Annotated[str, Field(max_length=300)]] = {}
    fields: dict[Name, Derived] = {}
    paging: Paging | None = None
    seasons: str | None = None
    valid_until: date | None = None
    superseded_by: Name | None = None
    unreachable: Annotated[str, Field(min_length=10, max_length=200)] | None = None
    waits: Patience | None = None
    absent_statuses: tuple[int, ...] = ()
    command: Command | None = None
    yields: Annotated[dict[DataSetName, Yield], Field(min_length=1)]

    @field_validator("seasons")
    @classmethod
    def _check_seasons(cls, text: str | None) -> str | None:
        if text is not None:
            SeasonRange.parse(text)
        return text

    @field_validator("absent_statuses")
    @classmethod
    def _check_statuses(cls, statuses: tuple[int, ...]) -> tuple[int, ...]:
        if wrong := sorted(set(statuses) - MAY_MEAN_ABSENT):
            message = f"{wrong[0]} does not say that a thing is absent; valid: {sorted(MAY_MEAN_ABSENT)}"
            raise ValueError(message)
        return statuses

    @model_validator(mode="after")
    def _asks_or_starts(self) -> Self:
        starts = self.kind == "command"
        if starts != (self.command is not None):
            message = "`command` and `kind: command` need each other"
            raise ValueError(message)
        if not starts and not (self.host and self.path):
            message = f"`{'path' if self.host else 'host'}` is required"
            raise ValueError(message)
        return self

    @property
    def season_range(self) -> SeasonRange:
        """The seasons that the source has."""
        return SeasonRange.parse(self.seasons) if self.seasons else SeasonRange()

    @property
    def pages_due(self) -> PagesDue | None:
        """What a document of several pages must say of their number; None where an answer is one document."""
        paging = self.paging
        if paging is None:
            return None
        return PagesDue(cursor=paging.cursor or None, count=paging.count or None, refs=paging.items or None)

    def is_retired(self, today: date) -> bool:
        """Tell whether the source has ended by this day."""
        return self.valid_until is not None and self.valid_until <= today

    def templates(self) -> Mapping[tuple[str, ...], str]:
        """List the templates of an entry by their place in it."""
        found: dict[tuple[str, ...], str] = {("path",): self.path}
        found |= {("parameters", name): text for name, text in self.parameters.items()}
        for data_set, yielded in self.yields.items():
            found["yields", data_set, "requirements", "id_is"] = yielded.requirements.id_is or ""
        return found

    def every_text(self) -> tuple[str, ...]:
        """List every text of an entry that may name a field: its templates, and the places in its requirements."""
        requirements = (yielded.requirements.model_dump_json() for yielded in self.yields.values())
        return (*self.templates().values(), *requirements)


def _check_pattern(pattern: str, write: str) -> None:
    """Refuse a pattern that is none, or that lacks a group which is to be written."""
    try:
        groups = re.compile(pattern, re.ASCII).groups
    except re.error as error:
        message = f"`{pattern}` is no pattern: {error}"
        raise ValueError(message) from error
    named = [int(number) for number in re.findall(r"\\(\d)", write)]
    if not named or max(named) > groups or not min(named):
        message = f"`{write}` must name groups of `{pattern}`, which has {groups}"
        raise ValueError(message)
