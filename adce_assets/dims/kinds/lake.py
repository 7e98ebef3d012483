"""The inventory, coverage and gaps of the lake in, one number out; the lake itself is never listed for it.

What the inventory knows comes from `held`. A part of the lake that no inventory has looked at has no number, and
neither has a source, data type or season that nobody expects.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from adce_assets.dims.kinds import held
from adce_assets.dims.kinds.cells import Cells, OfCells, Text, chosen
from adce_assets.dims.kinds.kind import Kind, KindParameters
from adce_assets.dims.kinds.numbers import UNITS, Digits, Scale, Span, age, rounded, scaled
from adce_assets.dims.world import Reading, World
from adce_assets.errors import MetricError
from adce_assets.loop.records import OPEN_STATES
from adce_assets.shares import percent

if TYPE_CHECKING:
    import ibis.expr.types as ir

Bytes = Annotated[int, Field(ge=0, le=2**53)]
Price = Annotated[float, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]
Priority = Literal["critical", "high", "medium", "low"]
BY = ("kind", "source", "data_type", "season")
"""What tells the cells of objects apart."""
NO_LIMITS = (None, None, None, None)


class OfObjects(OfCells):
    """Which objects: all of the lake, or those of which everything that is given holds.

    ``part`` is what the contract calls them; a source, data type or season means ``data``. ``prefix`` is the beginning
    of the key. Of a ``glob``, ``*`` stands for any characters and ``?`` for one, ``/`` among them. Sizes are in
    bytes, and ``smaller_than`` and ``larger_than`` exclude their number.
    """

    part: Literal["data", "non_data", "unclassified"] | None = None
    prefix: Text | None = None
    glob: Text | None = None
    smaller_than: Bytes | None = None
    larger_than: Bytes | None = None

    @model_validator(mode="after")
    def _only_data_has_a_cell(self) -> Self:
        if self.part not in {None, "data"} and (self.source, self.data_type, self.season) != (None, None, None):
            message = f"what is `{self.part}` is of no source, data type or season"
            raise ValueError(message)
        return self


class Objects(OfObjects):
    """How many objects there are."""

    kind: Literal["objects"]


class Size(OfObjects):
    """How many bytes they have, in a unit; rounded to ``digits`` behind the point where it is given."""

    kind: Literal["bytes"]
    scale: Scale = "B"
    digits: Digits | None = None


class AverageSize(OfObjects):
    """How many bytes they have on average."""

    kind: Literal["average_bytes"]
    scale: Scale = "B"
    digits: Digits | None = None


class ObjectAge(OfObjects):
    """How long ago the ``newest`` or ``oldest`` of them was written."""

    kind: Literal["object_age"]
    which: Literal["newest", "oldest"] = "newest"
    span: Span = "hours"
    digits: Digits | None = None


class Cost(OfObjects):
    """What they cost a month: a price for each GiB, and what is paid in any case."""

    kind: Literal["cost_estimate"]
    per_gib: Price
    fixed: Price = 0.0
    digits: Digits | None = 2


class InventoryAge(KindParameters):
    """How long ago the moment is for which the inventory is true."""

    kind: Literal["inventory_age"]
    span: Span = "hours"
    digits: Digits | None = None


class Coverage(OfCells):
    """How many expected keys are in a state, or ``completeness_pct``: which share of those that are due is present.

    The share is never rounded up.
    """

    kind: Literal["coverage"]
    value: Literal[
        "completeness_pct",
        "expected",
        "due",
        "present",
        "stale",
        "damaged",
        "missing",
        "unknown",
        "not_due",
        "unavailable",
    ] = "completeness_pct"
    required: bool | None = None
    digits: Digits | None = None


class Gaps(OfCells):
    """How many gaps there are, or open ``keys`` in them: all, ``missing``, ``stale``, ``damaged`` or ``held`` back."""

    kind: Literal["gaps"]
    value: Literal["gaps", "keys", "missing", "stale", "damaged", "held"] = "keys"
    priority: Priority | None = None


def count(world: World, of: Objects) -> int:
    """Count objects."""
    return _sums(world, of)["objects"]


def size(world: World, of: Size) -> int | float:
    """Add up bytes."""
    return scaled(_sums(world, of)["bytes"], of.scale, of.digits)


def average(world: World, of: AverageSize) -> int | float:
    """Say how large objects are on average; MetricError where there are none."""
    found = _some(_sums(world, of), of)
    return scaled(found["bytes"] / found["objects"], of.scale, of.digits)


def object_age(world: World, of: ObjectAge) -> float:
    """Say how long ago an object was written; MetricError where there is none."""
    with world.reading() as read:
        cells = chosen(world, of)
        held.refuse_unseen(held.inventory(world, read), _prefixes(world, of, cells))
        found = _some(_found(world, read, of, cells), of)
    return age(world.project.clock(), found[of.which], of.span, of.digits)


def cost(world: World, of: Cost) -> float:
    """Estimate what objects cost a month."""
    return rounded(_sums(world, of)["bytes"] / UNITS["GiB"] * of.per_gib + of.fixed, of.digits)


def inventory_age(world: World, of: InventoryAge) -> float:
    """Say how old the inventory is."""
    with world.reading() as read:
        told = held.inventory(world, read)
    return age(world.project.clock(), datetime.fromisoformat(told["as_of"]), of.span, of.digits)


def coverage(world: World, of: Coverage) -> int | float:
    """Count expected keys; where nothing is due, nothing that is due is missing, and so all of it is complete.

    Raises:
        LakeError: coverage has not been analysed yet.
        MetricError: of another contract; or nothing is expected of these cells.
    """
    with world.reading() as read:
        told = held.coverage(world, read)
    wanted = chosen(world, of)
    cells = [cell for cell in wanted.among(told["cells"]) if of.required in {None, cell["required"]}]
    if not cells:
        nameless = ", ".join(told["not_enumerable"])
        hint = f"the keys of these cannot be named: {nameless}" if nameless else ""
        raise MetricError(f"nothing is expected of {wanted}", where=of.kind, hint=hint)
    if of.value != "completeness_pct":
        return sum(cell[of.value] for cell in cells)
    present, due = (sum(cell[name] for cell in cells) for name in ("present", "due"))
    return percent(present, due, of.digits) if due else 100.0


def gaps(world: World, of: Gaps) -> int:
    """Count gaps, or the open keys in them; LakeError where none have been looked for yet."""
    with world.reading() as read:
        told = held.gaps(world, read)
    found = [gap for gap in chosen(world, of).among(told["gaps"]) if of.priority in {None, gap["priority"]}]
    if of.value == "gaps":
        return len(found)
    names = [f"{state}_files" for state in (OPEN_STATES if of.value == "keys" else (of.value,))]
    return sum(gap[name] for gap in found for name in names)


def _sums(world: World, of: OfObjects) -> Mapping[str, Any]:
    """Count objects and bytes: those of the whole lake the inventory has summed up itself."""
    with world.reading() as read:
        told, cells = held.inventory(world, read), chosen(world, of)
        held.refuse_unseen(told, _prefixes(world, of, cells))
        if cells.is_any and of.part is None and _limits(of) == NO_LIMITS:
            return told
        return _found(world, read, of, cells)


def _found(world: World, read: Reading, of: OfObjects, cells: Cells) -> Mapping[str, Any]:
    """Count objects and bytes, and say when the newest and the oldest was written (None where there is none)."""
    if cells.is_any and of.part is None:
        asked = ("objects", *_limits(of))
        return read.once(asked, lambda _: held.computed(world, read, _summed(held.objects(world, read), of))[0])
    asked = ("placed", *_limits(of))
    rows = read.once(asked, lambda _: held.computed(world, read, _summed(held.placed(world, read), of, *BY)))
    found = [row for row in cells.among(rows) if row["kind"] == (of.part or "data")]
    return {
        "objects": sum(row["objects"] for row in found),
        "bytes": sum(row["bytes"] for row in found),
        "newest": max((row["newest"] for row in found), default=None),
        "oldest": min((row["oldest"] for row in found), default=None),
    }


def _limits(of: OfObjects) -> tuple[str | int | None, ...]:
    return of.prefix, of.glob, of.smaller_than, of.larger_than


def _summed(table: "ir.Table", of: OfObjects, *by: str) -> "ir.Table":
    """Sum up the objects that are wanted; all cells at once, so that one pass answers for each."""
    table = _filtered(table, of)
    return (table.group_by(*by) if by else table).agg(
        objects=table.count(),
        bytes=table["size"].sum().fill_null(0).cast("int64"),
        newest=table.last_modified.max(),
        oldest=table.last_modified.min(),
    )


def _filtered(table: "ir.Table", of: OfObjects) -> "ir.Table":
    conditions = [
        of.prefix is not None and table.key.startswith(of.prefix),
        of.glob is not None and table.key.re_search(_expression(of.glob)),
        of.smaller_than is not None and table["size"] < of.smaller_than,
        of.larger_than is not None and table["size"] > of.larger_than,
    ]
    for condition in conditions:
        table = table if condition is False else table.filter(condition)
    return table


def _expression(glob: str) -> str:
    """Write a glob as a regular expression."""
    parts = [{"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in glob]
    return rf"(?s)\A{''.join(parts)}\z"


def _prefixes(world: World, of: OfObjects, cells: Cells) -> list[str]:
    """Say with what the keys begin that are meant."""
    if of.prefix is not None:
        return [of.prefix]
    if of.glob is not None:
        return [re.split(r"[*?]", of.glob, maxsplit=1)[0]]
    if cells.is_any:
        return [""]
    data_sets = world.project.contract.data_sets
    return [template.prefix for name in cells.data_sets for template in data_sets[name].templates]


def _some(found: Mapping[str, Any], of: OfObjects) -> Mapping[str, Any]:
    if not found["objects"]:
        raise MetricError("there is no such object", where=of.kind)
    return found


KINDS = (
    Kind(Objects, count),
    Kind(Size, size),
    Kind(AverageSize, average),
    Kind(ObjectAge, object_age),
    Kind(Cost, cost),
    Kind(InventoryAge, inventory_age),
    Kind(Coverage, coverage),
    Kind(Gaps, gaps),
)
