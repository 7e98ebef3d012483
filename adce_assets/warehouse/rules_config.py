"""The `checks:` section of `config/reconcile/<entity>.yaml`: what must hold of an entity's rows, as data.

A kind of rule is a model here and its question in SQL in `verify/rules`. Nothing here knows an entity, a source or a
sport: the files do. Every rule holds within a season, and within a source unless it compares sources.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
MOST_MINUTES = 60 * 24 * 365
NUMBERS = ("integer", "decimal", "float")
"""Types of columns that can be summed and compared with a number."""

Path_ = tuple[str | int, ...]
Amount = Annotated[Decimal, Field(allow_inf_nan=False, max_digits=30, decimal_places=12)]
Tolerance = Annotated[Amount, Field(ge=0)]
Plain = bool | int | Amount | str
"""A value that a column is compared with."""


def check_name(text: str) -> str:
    """Return a name of a column, an entity or a rule; raise ValueError for what is none."""
    if not NAME.fullmatch(text):
        message = f"`{text[:90]}` is no name; valid: small letters, digits and `_`, such as `home_score`"
        raise ValueError(message)
    return text


Name = Annotated[str, AfterValidator(check_name)]
Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reference(_Model):
    """A column of an entity, in the rows that go with a row or a group.

    Attributes:
        entity: Whose column it is.
        column: The column.
        match: Columns of the rule's own entity, each with the column of the other that is equal to it.
        values: What the column's values stand for, as numbers; one that is not named is a fault of the data.
    """

    entity: Name
    column: Name
    match: Mapping[Name, Name] = Field(min_length=1, max_length=20)
    values: Mapping[str, Amount] = Field(default={}, max_length=1000)


class _Rule(_Model):
    """What every rule has: its name, whether its failure stops a season, and by how much numbers may differ."""

    name: Name
    severity: Literal["error", "warning"] = "error"
    tolerance: Tolerance = Decimal(0)
    where: Mapping[Name, Plain] = Field(default={}, max_length=20)


class NotNegative(_Rule):
    """No value of these columns is below zero."""

    rule: Literal["not_negative"]
    columns: Names


class Within(_Rule):
    """Every value of these columns lies between ``least`` and ``most``, or at most at what another entity says."""

    rule: Literal["within"]
    columns: Names
    least: Amount | None = None
    most: Amount | None = None
    most_of: Reference | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "Within":
        if self.least is None and self.most is None and self.most_of is None:
            message = "bounds nothing; valid: `least`, `most` or `most_of`"
            raise ValueError(message)
        return self


def _joined_by_group(rule: Any) -> Any:
    """Raise ValueError for a rule that finds what another entity says by more than what tells its groups apart."""
    loose = sorted(rule.equals.match.keys() - set(rule.by))
    if loose:
        message = f"`equals.match` has `{loose[0]}`, by which the rows are not grouped; valid: {', '.join(rule.by)}"
        raise ValueError(message)
    return rule


class SumsTo(_Rule):
    """The sum of a column over each group is what another entity says of the group.

    With ``every``, each group has to have a row there and each row there its group; without, only what both entities
    know is asked about. It may name the sources of which that is so: those that tell both in one document.
    """

    rule: Literal["sums_to"]
    of: Name
    by: Names
    equals: Reference
    every: bool | tuple[Name, ...] = True

    _on_groups = model_validator(mode="after")(_joined_by_group)


class LastEquals(_Rule):
    """The value of a column in the last row of each group, by ``order``, is what another entity says of the group.

    With ``every``, each group has to have a row there and each row there its group; without, only what both entities
    know is asked about. It may name the sources of which that is so: those that tell both in one document.
    """

    rule: Literal["last_equals"]
    of: Name
    by: Names
    order: Names
    equals: Reference
    every: bool | tuple[Name, ...] = True

    _on_groups = model_validator(mode="after")(_joined_by_group)


class CountOf(_Rule):
    """Each group has so many rows for which ``where`` holds."""

    rule: Literal["count_of"]
    by: Names
    equals: int = Field(ge=0)


class PartsSum(_Rule):
    """In each row the columns sum to another one; a part without a value counts nothing.

    A row of which no part has a value tells nothing, and is not asked.
    """

    rule: Literal["parts_sum"]
    columns: Names
    equals: Name


class Agree(_Rule):
    """Sources that know the same thing (``by``) say the same of it.

    Attributes:
        by: What tells that two rows of different sources are of the same thing.
        columns: What they have to agree on.
        trust: The sources, the most trusted first: where they differ, its word is the resolved one.
    """

    rule: Literal["agree"]
    by: Names
    columns: Names
    trust: tuple[str, ...] = Field(min_length=1, max_length=100)


Rule = Annotated[NotNegative | Within | SumsTo | LastEquals | CountOf | PartsSum | Agree, Field(discriminator="rule")]


class SetAside(_Model):
    """How many records of a season may be set aside, and what it means if more are.

    Attributes:
        most: So many are no failure.
        severity: What more are.
    """

    most: int = Field(default=0, ge=0)
    severity: Literal["error", "warning"] = "error"


class Checks(_Model):
    """What must hold of an entity.

    Attributes:
        blocking: Whether a season of which an error is found is kept out of the final table.
        settle_minutes: How old a difference has to be before it is called wrong; a younger one is looked at again.
        hash: Whether every row is compared, too: source with staging, staging with final, source with final.
        amounts: Columns whose totals are compared, with how far they may differ.
        errored: How many records may be unreadable each by itself, or stand twice in a document with other values.
        rejected: How many may be no row a database can keep, or stand in another document with other values.
        may_lose_pct: How many of a source's published rows, in percent, may vanish, with their documents or from them.
        rules: What rows must say of each other.
    """

    blocking: bool = True
    settle_minutes: int = Field(default=30, ge=0, le=MOST_MINUTES)
    hash: bool = True
    amounts: Mapping[Name, Tolerance] = Field(default={}, max_length=100)
    errored: SetAside = SetAside()
    rejected: SetAside = SetAside()
    may_lose_pct: Annotated[Amount, Field(ge=0, le=100)] = Decimal(0)
    rules: tuple[Rule, ...] = Field(default=(), max_length=200)

    @property
    def referred(self) -> frozenset[str]:
        """Name the entities whose final rows a rule looks at."""
        return frozenset(other.entity for rule in self.rules for _, other in _references(rule))

    @model_validator(mode="after")
    def _named_once(self) -> "Checks":
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            message = f"two rules are called `{twice[0]}`"
            raise ValueError(message)
        if sum(isinstance(rule, Agree) for rule in self.rules) > 1:
            message = "more than one rule is `agree`: there is one table of what is resolved"
            raise ValueError(message)
        return self


class Checked(Protocol):
    """What is looked at of an entity, to see whether a section of checks fits it."""

    @property
    def columns(self) -> Mapping[str, Any]:
        """Its columns by name, each with its type."""
        ...

    @property
    def readings(self) -> Iterable[Any]:
        """How it is read, each with the source."""
        ...

    @property
    def checks(self) -> Checks:
        """The section."""
        ...


@dataclass(frozen=True, slots=True)
class Misfit:
    """A name in a `checks:` section (``path`` is below it) that nothing has, with those that there are."""

    path: Path_
    message: str
    given: str
    valid: tuple[str, ...]


def misfits(name: str, entities: Mapping[str, Checked]) -> Iterator[Misfit]:
    """Find what the checks of the entity ``name`` ask of columns, entities and sources that are not there."""
    entity = entities[name]
    for column in entity.checks.amounts:
        yield from _unknown(("amounts", column), column, entity, name, NUMBERS)
    for number, rule in enumerate(entity.checks.rules):
        for field, column, types in _columns(rule):
            yield from _unknown(("rules", number, field), column, entity, name, types)
        for field, other in _references(rule):
            yield from _unknown_reference(("rules", number, field), other, entity, name, entities)
        for field, sources in _sources(rule):
            yield from _unknown_sources(("rules", number, field), sources, entity)
        if isinstance(rule, Agree):
            yield from _untold_sources(("rules", number, "trust"), rule, entity)


def _columns(rule: Any) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Name the columns of its own entity that a rule uses, by field, with the types that will do (empty: any)."""
    numbers = () if isinstance(rule, Agree) else NUMBERS
    for field, types in (("columns", numbers), ("by", ()), ("order", ()), ("where", ())):
        yield from ((field, column, types) for column in getattr(rule, field, ()))
    if hasattr(rule, "of"):
        yield "of", rule.of, NUMBERS
    if isinstance(rule, PartsSum):
        yield "equals", rule.equals, NUMBERS


def _references(rule: Any) -> Iterator[tuple[str, Reference]]:
    for field in ("equals", "most_of"):
        other = getattr(rule, field, None)
        if isinstance(other, Reference):
            yield field, other


def _unknown(path: Path_, column: str, entity: Checked, name: str, types: tuple[str, ...]) -> Iterator[Misfit]:
    if column not in entity.columns:
        yield Misfit(path, f"`{name}` has no column `{column}`", column, tuple(entity.columns))
    elif types and entity.columns[column].type not in types:
        numbers = tuple(other for other, declared in entity.columns.items() if declared.type in types)
        yield Misfit(path, f"`{column}` is {entity.columns[column].type}, no number", column, numbers)


def _unknown_reference(
    path: Path_, other: Reference, entity: Checked, name: str, entities: Mapping[str, Checked]
) -> Iterator[Misfit]:
    if other.entity not in entities:
        message = f"there is no entity `{other.entity}`"
        yield Misfit((*path, "entity"), message, other.entity, tuple(entities))
        return
    there = entities[other.entity]
    types = () if other.values else NUMBERS
    yield from _unknown((*path, "column"), other.column, there, other.entity, types)
    for mine, theirs in other.match.items():
        yield from _unknown((*path, "match", mine), mine, entity, name, ())
        yield from _unknown((*path, "match", mine), theirs, there, other.entity, ())


def _sources(rule: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    for field in ("trust", "every"):
        named = getattr(rule, field, ())
        if isinstance(named, tuple):
            yield field, named


def _unknown_sources(path: Path_, named: tuple[str, ...], entity: Checked) -> Iterator[Misfit]:
    known = _read(entity)
    for source in named:
        if source not in known:
            yield Misfit(path, f"no reading is of `{source}`", source, known)


def _untold_sources(path: Path_, rule: Agree, entity: Checked) -> Iterator[Misfit]:
    for source in _read(entity):
        if source not in rule.trust:
            yield Misfit(path, f"says nothing of `{source}`, which is read too", source, rule.trust)


def _read(entity: Checked) -> tuple[str, ...]:
    return tuple(sorted({reading.source for reading in entity.readings}))
