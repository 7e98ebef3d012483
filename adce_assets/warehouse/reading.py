"""A document and how it is read in, its records out: each a row of typed values, or refused with the reason.

Pure, and the same in a parser's process and out of it. Every record that the levels lead to is accounted for: it is a
row, it is the same as an earlier one (deduplicated), or it is errored. How many a document should have is counted
elsewhere (`counting`), and apart from this.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from adce_assets.errors import DriftError
from adce_assets.warehouse.entities import DOCUMENT, Entity, Level, Lookup, Reading
from adce_assets.warehouse.entities import Value as Where
from adce_assets.warehouse.paths import FORMATS, Format
from adce_assets.warehouse.values import Value, shown, typed

Kind = Literal["errored", "deduplicated", "rejected"]


@dataclass(frozen=True, slots=True)
class Row:
    """A record: its number in the document, from 1, and its values in the order of the entity's columns."""

    number: int
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that is no row; the number 0 stands for a document that cannot be read."""

    number: int
    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the records of a document; ``read`` is counted where they are found, not added up."""

    read: int
    rows: Sequence[Row]
    refused: Sequence[Refused]


@dataclass(slots=True)
class _Place:
    """A node of a level, its place in the list (from 1), and the values found at it so far."""

    node: Any
    position: int
    found: dict[str, Any] = field(default_factory=dict)


_Places = Mapping[str, _Place]


def read(entity: Entity, reading: Reading, body: bytes) -> Outcome:
    """Read the records of a document.

    Of several with one key the first is the row. A later one is deduplicated if it is the same in every column, and
    errored if not.

    Raises:
        VerifyError: the document is none of its format, or its levels lead nowhere.
    """
    rules = FORMATS[reading.format]
    document = rules.parse(body)
    rows: dict[tuple[Value, ...], Row] = {}
    refused: list[Refused] = []
    number = 0
    keys = [list(entity.columns).index(name) for name in entity.key]
    for number, places in enumerate(_records(reading, rules, document), 1):
        try:
            row = Row(number, _values(entity, reading, rules, places))
            first = rows.setdefault(tuple(row.values[key] for key in keys), row)
        except ValueError as error:
            refused.append(Refused(number, "errored", str(error)))
            continue
        if first is not row:
            refused.append(_repeated(first, row))
    return Outcome(number, tuple(rows.values()), tuple(refused))


def _repeated(first: Row, later: Row) -> Refused:
    if first.values == later.values:
        return Refused(later.number, "deduplicated", f"the same as record {first.number}")
    return Refused(later.number, "errored", f"its key stands in record {first.number} with other values")


def _records(reading: Reading, rules: Format, document: Any) -> Iterator[_Places]:
    """Walk from level to level down to the records."""
    try:
        wanted = reading.where is None or rules.is_true(document, reading.where)
    except ValueError as error:
        raise DriftError(str(error)) from error
    if wanted:
        yield from _below({DOCUMENT: _Place(document, 1)}, document, reading, rules, 0)


def _below(places: _Places, node: Any, reading: Reading, rules: Format, depth: int) -> Iterator[_Places]:
    if depth == len(reading.levels):
        yield places
        return
    level = reading.levels[depth]
    for position, inner in enumerate(_nodes(node, level, rules), 1):
        yield from _below({**places, level.name: _Place(inner, position)}, inner, reading, rules, depth + 1)


def _nodes(node: Any, level: Level, rules: Format) -> Iterable[Any]:
    """List the nodes of a level, each thing once."""
    found = rules.each(node, level.each)
    if level.once is None:
        return found
    first: dict[str, Any] = {}
    try:
        for inner in found:
            first.setdefault(str(rules.value(inner, level.once)), inner)
    except ValueError as error:
        raise DriftError(str(error)) from error
    return first.values()


def _values(entity: Entity, reading: Reading, rules: Format, places: _Places) -> tuple[Value, ...]:
    values = []
    for name, column in entity.columns.items():
        where = reading.columns.get(name)
        try:
            found = _refined(entity, where, _found(where, rules, places)) if where else None
            value = None if found is None or where is None else typed(column, found, where.zone)
            if value is None and (not column.nullable or name in entity.key):
                raise ValueError("has no value")  # noqa: TRY301 - told as the others are, with the column's name
        except (ValueError, DriftError) as error:
            message = f"{name}: {error}"
            raise ValueError(message) from error
        values.append(value)
    return tuple(values)


def _found(where: Where, rules: Format, places: _Places) -> Any:
    """Find what stands at a value's place."""
    if where.path is not None:
        return _at(where.path, rules, places)
    if where.position is not None:
        return places[where.position].position
    if where.lookup is not None:
        return _looked_up(where.lookup, rules, places)
    return _labelled(where, rules, places)


def _at(place: str, rules: Format, places: _Places) -> Any:
    """Follow a path from its level; what several records share is looked for once."""
    level, _, path = place.partition(".")
    at = places[level]
    if place not in at.found:
        at.found[place] = rules.value(at.node, path or rules.itself)
    return at.found[place]


def _labelled(where: Where, rules: Format, places: _Places) -> Any:
    labels, values = _at(where.labels or "", rules, places), _at(where.values or "", rules, places)
    if not values:
        return None
    if not isinstance(labels, list) or not isinstance(values, list) or len(labels) != len(values):
        message = f"`{where.labels}` and `{where.values}` are no lists of one length"
        raise ValueError(message)
    at = [place for place, label in enumerate(labels) if label == where.label]
    if len(at) > 1:
        message = f"`{where.label}` stands {len(at)} times in `{where.labels}`"
        raise ValueError(message)
    return values[at[0]] if at else None


def _looked_up(lookup: Lookup, rules: Format, places: _Places) -> Any:
    wanted, itself = _at(lookup.equals, rules, places), places[lookup.equals.partition(".")[0]].node
    found = [node for node in _indexed(lookup, rules, places).get(str(wanted), ()) if node is not itself]
    if wanted is None or not found:
        return None
    if len(found) > 1:
        message = f"{shown(wanted)} stands {len(found)} times at `{lookup.each}`"
        raise ValueError(message)
    return rules.value(found[0], lookup.take)


def _indexed(lookup: Lookup, rules: Format, places: _Places) -> Mapping[str, Sequence[Any]]:
    """Sort the nodes of a lookup by their key, once for all records that look there."""
    level, _, path = lookup.each.partition(".")
    at, name = places[level], f"{lookup.each} by {lookup.key}"
    if name not in at.found:
        index: dict[str, list[Any]] = {}
        for node in rules.each(at.node, path):
            index.setdefault(str(rules.value(node, lookup.key)), []).append(node)
        at.found[name] = index
    return at.found[name]


def _refined(entity: Entity, where: Where, found: Any) -> Any:
    """Take from what was found the part that is meant, and replace a code by what it stands for."""
    if found is None or str(found) in where.absent:
        return None
    if where.pattern is not None:
        match = _compiled(where.pattern).search(str(found))
        if match is None:
            message = f"{shown(found)} is not as `{where.pattern}` says"
            raise ValueError(message)
        found = match[1]
    if where.codes is not None and isinstance(found, str | int):
        return entity.codes[where.codes].get(str(found), found)
    return found


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)
