"""`config/reconcile/<entity>.yaml` in, entities out: what a record is, where its values stand, what must hold of it.

An entity has typed columns and a key; for every source that knows it there is a reading, which says where in the
source's documents the records and their values are. Source and season are part of every key. What the section
`checks` means is told in `rules_config`; how documents are read, in `reading`. Nothing here knows a sport.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from adce_assets.documents import Document, read, validate
from adce_assets.errors import ConfigurationError, Fault
from adce_assets.warehouse.paths import FORMATS, FormatName
from adce_assets.warehouse.rules_config import Checks, misfits

ColumnType = Literal["text", "integer", "decimal", "float", "boolean", "date", "timestamp"]

DOCUMENT = "document"
"""The level above all that a reading names: the whole document."""
OWN_COLUMNS = frozenset(
    {"source", "season", "object_key", "record_number", "run_id", "worker_id", "last_run_id", "written_at"}
    | {"sources", "agreed"}
    | {"ctid", "tableoid", "xmin", "cmin", "xmax", "cmax"}
)
"""Columns that tables of the warehouse, those that checks are made of, those of resolved values, or all tables of
PostgreSQL have besides those of the entity."""
MOST_DIGITS = 38
"""Digits of a decimal, in DuckDB and so everywhere."""

_SERVICE = re.compile(r"(staging|load|verify|warehouse|ledger|dims)_.*|.*_resolved")


def _check_pattern(pattern: str) -> str:
    try:
        compiled = re.compile(pattern, re.ASCII)
    except re.error as error:
        message = f"`{pattern}` is no regular expression: {error}"
        raise ValueError(message) from error
    if compiled.groups != 1:
        message = f"`{pattern}` has {compiled.groups} groups; valid: one, which is the value"
        raise ValueError(message)
    return pattern


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"`{name}` is no time zone; valid: a name such as `America/New_York`"
        raise ValueError(message) from error
    return name


def _check_column(name: str) -> str:
    if name in OWN_COLUMNS:
        message = f"`{name}` is a column that tables have anyway; valid: another name"
        raise ValueError(message)
    return name


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=50)]
ColumnName = Annotated[Name, AfterValidator(_check_column)]
Expression = Annotated[str, Field(min_length=1, max_length=1000)]
Located = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\..+)?$", max_length=1000)]
"""A level and, after a point, the path below it; the level alone is its own value."""
Text = Annotated[str, Field(max_length=200)]


class Model(BaseModel):
    """What comes from a file: unknown keys are faults, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Column(Model):
    """A column: its type, the digits behind a decimal's point, and whether it may be without a value."""

    type: ColumnType
    scale: Annotated[int, Field(ge=0, le=18)] | None = None
    nullable: bool = True
    description: str = ""

    @model_validator(mode="after")
    def _scaled(self) -> Self:
        if (self.type == "decimal") != (self.scale is not None):
            message = "`scale` and the type `decimal` belong together"
            raise ValueError(message)
        return self


class Level(Model):
    """Nodes below those of the level before, each with a name that values refer to.

    Attributes:
        name: What values call it.
        each: Leads to the nodes.
        once: Of nodes with the same value of it the first alone is meant: what is told twice is one thing.
    """

    name: Name
    each: Expression
    once: Expression | None = None


class Lookup(Model):
    """A value of another part of the document: of the node of ``each`` whose ``key`` is ``equals``, ``take`` that.

    The node that ``equals`` stands below is never the one that is found: it looks for its counterpart.
    """

    each: Located
    key: Expression
    equals: Located
    take: Expression


class Value(Model):
    """Where the value of a column stands, and how it is read. A text alone is short for its ``path``.

    Attributes:
        path: Where it stands.
        position: The level of which it is the place in the list, from 1.
        labels: A list of names; ``values`` is the list beside it, of which the value is the one under ``label``.
        values: See ``labels``. An empty list, or a list of names without it, is no value.
        label: See ``labels``.
        lookup: Where it stands in another part of the document.
        absent: Texts that stand for no value.
        pattern: A regular expression that is looked for in its text; its group is the value.
        codes: The name of the entity's codes by which it is replaced; one that is not among them stays.
        zone: The time zone that an instant's date is meant in, or that a time without a zone is in.
    """

    path: Located | None = None
    position: Name | None = None
    labels: Located | None = None
    values: Located | None = None
    label: Text | None = None
    lookup: Lookup | None = None
    absent: tuple[Text, ...] = ()
    pattern: Annotated[str, AfterValidator(_check_pattern)] | None = None
    codes: Name | None = None
    zone: Annotated[str, AfterValidator(_check_zone)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, given: Any) -> Any:
        return {"path": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(given is not None for given in (self.path, self.position, self.labels, self.lookup)) != 1:
            message = (
                "says nowhere, or in several ways, where the value stands; valid: one of path, position, labels, lookup"
            )
            raise ValueError(message)
        if len({self.labels is None, self.values is None, self.label is None}) != 1:
            message = "`labels`, `values` and `label` belong together"
            raise ValueError(message)
        return self

    def located(self) -> Iterator[str]:
        """List every place it names."""
        lookup = (self.lookup.each, self.lookup.equals) if self.lookup else ()
        yield from (place for place in (self.path, self.position, self.labels, self.values, *lookup) if place)


class Reading(Model):
    """How the documents of a data set are read.

    Attributes:
        source: The contract's source.
        data_type: Its data type, whose documents these are.
        also: Other data types of the source whose documents have the same form.
        where: A condition on the document; one of which it is false has no records. Neither true nor false is a fault.
        count: How many records a document has, as another expression than the levels': it is asked apart from them,
            and from ``where``, so that it says for itself which documents have none.
        levels: From the document down to the records, which are the nodes of the last.
        columns: Where the values stand. A column that is not named has none in this source.
    """

    source: Name
    data_type: Name
    also: tuple[Name, ...] = ()
    format: FormatName
    where: Expression | None = None
    count: Expression
    levels: Annotated[tuple[Level, ...], Field(min_length=1, max_length=10)]
    columns: Mapping[ColumnName, Value]

    @property
    def data_sets(self) -> tuple[str, ...]:
        """Name the data sets that it reads, as ``source/data_type``."""
        return tuple(f"{self.source}/{data_type}" for data_type in (self.data_type, *self.also))

    @model_validator(mode="after")
    def _levels_known(self) -> Self:
        names = [DOCUMENT, *(level.name for level in self.levels)]
        if len(set(names)) != len(names):
            message = f"levels must have names of their own, and not `{DOCUMENT}`: {', '.join(names)}"
            raise ValueError(message)
        for column, value in self.columns.items():
            for place in value.located():
                if place.partition(".")[0] not in names:
                    message = f"`{column}` stands at `{place}`, below no level; valid: {', '.join(names)}"
                    raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _paths_can_be_followed(self) -> Self:
        for path in self._paths():
            FORMATS[self.format].check(path)
        return self

    def _paths(self) -> Iterator[str]:
        of_levels = (path for level in self.levels for path in (level.each, level.once))
        yield from (path for path in (self.where, self.count, *of_levels) if path)
        for value in self.columns.values():
            yield from (path for path in (place.partition(".")[2] for place in value.located()) if path)
            if value.lookup:
                yield from (value.lookup.key, value.lookup.take)


class Entity(Model):
    """What a record is, in every source that knows it.

    Attributes:
        name: The name of its table, and of its file.
        columns: Its columns, in the order of the table's.
        key: The columns that tell a record from all others of its source and season; they always have a value.
        codes: Tables of codes by name: what a source writes, and what stands for it here.
        readings: How it is read, at most one a source.
        checks: What must hold of it.
    """

    name: Name
    description: str = ""
    columns: Annotated[Mapping[ColumnName, Column], Field(min_length=1, max_length=500)]
    key: Annotated[tuple[Name, ...], Field(min_length=1, max_length=20)]
    codes: Mapping[Name, Mapping[Text, Text]] = {}
    readings: Annotated[tuple[Reading, ...], Field(min_length=1, max_length=50)]
    checks: Checks = Checks()

    @model_validator(mode="after")
    def _named_apart(self) -> Self:
        if _SERVICE.fullmatch(self.name):
            message = f"`{self.name}` is named as tables of the service itself are"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _key_is_of_columns(self) -> Self:
        for name in self.key:
            if name not in self.columns:
                message = f"the key's `{name}` is no column; valid: {', '.join(self.columns)}"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _readings_fit(self) -> Self:
        sources = [reading.source for reading in self.readings]
        if len(set(sources)) != len(sources):
            message = f"a source is read once; here are {', '.join(sources)}"
            raise ValueError(message)
        needed = {*self.key, *(name for name, column in self.columns.items() if not column.nullable)}
        for reading in self.readings:
            self._check_fit(reading, needed)
        return self

    def _check_fit(self, reading: Reading, needed: set[str]) -> None:
        for column, value in reading.columns.items():
            if column not in self.columns:
                message = f"`{reading.source}` reads `{column}`; valid: {', '.join(self.columns)}"
                raise ValueError(message)
            if value.codes and value.codes not in self.codes:
                message = f"`{column}` is read by the codes `{value.codes}`; valid: {', '.join(self.codes) or 'none'}"
                raise ValueError(message)
        if lacking := sorted(needed - reading.columns.keys()):
            message = f"`{reading.source}` does not say where `{lacking[0]}` stands, which always has a value"
            raise ValueError(message)

    def reading_of(self, source: str) -> Reading:
        """Return how a source's documents are read; ConfigurationError where none is said."""
        for reading in self.readings:
            if reading.source == source:
                return reading
        known = ", ".join(reading.source for reading in self.readings)
        raise ConfigurationError(f"`{source}` is not read", where=f"config/reconcile/{self.name}.yaml", valid=known)


def load_entities(folder: Path) -> Mapping[str, Entity]:
    """Read every entity of a folder, by name.

    Raises:
        ConfigurationError: a file is faulty, or says of another entity what is not so; every fault with its line.
    """
    documents = {path.stem: read(path) for path in sorted(folder.glob("*.yaml"))}
    if not documents:
        raise ConfigurationError("no entity is declared", where=str(folder), valid="files such as `games.yaml`")
    entities = {name: validate(Entity, document) for name, document in documents.items()}
    faults = [fault for name, document in documents.items() for fault in _faults(name, document, entities)]
    if faults:
        raise ConfigurationError(f"{len(faults)} fault(s) in {folder}", faults=tuple(faults))
    return entities


def check_data_sets(entities: Iterable[Entity], data_sets: Collection[str]) -> None:
    """Refuse a reading of what a contract does not have, and has almost: a slip of the pen would lose a source.

    A source that the contract knows nothing of is none of this installation's, and is left out.

    Args:
        entities: What is read.
        data_sets: What the contract has, as `source/data_type`.

    Raises:
        ConfigurationError: a source has no such data type, or the source's name is nearly one that there is.
    """
    types: dict[str, list[str]] = {}
    for data_set in sorted(data_sets):
        source, _, data_type = data_set.partition("/")
        types.setdefault(source, []).append(data_type)
    for entity in entities:
        for name in (name for reading in entity.readings for name in reading.data_sets):
            _check_data_set(f"config/reconcile/{entity.name}.yaml", name, types)


def _check_data_set(where: str, name: str, types: Mapping[str, Sequence[str]]) -> None:
    source, _, data_type = name.partition("/")
    known = types.get(source)
    if data_type in (known or ()):
        return
    given, valid = (data_type, known) if known else (source, list(types))
    near = get_close_matches(given, valid, n=1, cutoff=0.75)
    if known or near:
        hint = f"did you mean `{near[0]}`?" if near else ""
        what = f"the contract has no `{name}`"
        raise ConfigurationError(what, where=where, valid=", ".join(valid), hint=hint)


def _faults(name: str, document: Document, entities: Mapping[str, Entity]) -> Iterator[Fault]:
    if entities[name].name != name:
        yield document.fault(("name",), f"`{entities[name].name}` stands in the file `{name}.yaml`", valid=[name])
    for misfit in misfits(name, entities):
        yield document.fault(("checks", *misfit.path), misfit.message, given=misfit.given, valid=misfit.valid)
