"""Where expected keys begin and where objects lie in, slices of the keys that can be compared one by one out.

What is compared must fit into memory, or it is written to disk and read again, which costs more than the comparison. A
slice holds all places of the templates that begin alike, so that no object of one is expected in another. How many
there are depends on the objects; the comparison of all slices says the same as that of the whole.
"""

import functools
import operator
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir

AFTER_SLASH = "0"
"""The character that comes next behind ``/``."""
COSTS: Mapping[int, float] = {2_000_000: 0.38, 4_000_000: 0.41, 8_000_000: 0.46}
"""About how many objects a slice may have, and what a million of them costs then (CPU seconds, measured)."""
COST_OF_READING = 0.07
"""What it costs to read a million objects and to find that they are of another slice: a slice reads whole blocks."""
COST_AT_ONCE = 1.0
"""What a million objects cost when all are compared at once, and do not fit into memory."""


@dataclass(frozen=True, slots=True)
class Block:
    """Objects that are read together, as a row group of a file: their number, and texts between which all keys are."""

    least: str
    greatest: str
    rows: int


@dataclass(frozen=True, slots=True)
class Slice:
    """The keys from one on, up to another, which is not among them, or to the end."""

    since: str = ""
    before: str | None = None

    def has(self, key: str) -> bool:
        """Say whether a key lies in it."""
        return self.since <= key and (self.before is None or key < self.before)

    def of(self, table: "ir.Table", *, root: str = "") -> "ir.Table":
        """Express the rows of a table whose ``key``, behind a root that all of them have, lies in it."""
        if self.since:
            table = table.filter(table.key >= root + self.since)
        return table if self.before is None else table.filter(table.key < root + self.before)


@dataclass(frozen=True, slots=True)
class Rows:
    """The objects of a bucket, and which of them are the lake's: those below a root, but for some prefixes there.

    The root is empty or ends in ``/``, as each prefix does.
    """

    bucket: "ir.Table"
    root: str = ""
    exclude: Sequence[str] = ()

    def of(self, part: Slice) -> "ir.Table":
        """Express the lake's objects in a slice of its keys."""
        table = part.of(self.bucket, root=self.root)
        if self.root:
            table = table.filter(table.key.startswith(self.root), table.key != self.root)
        if self.exclude:
            table = table.filter([~table.key.startswith(self.root + prefix) for prefix in self.exclude])
        return table.mutate(key=table.key.substr(len(self.root))) if self.root else table

    def count(self) -> "ir.Value":
        """Express how many objects the lake has.

        Those that are not the lake's are counted and taken off where that is less work: files say how many rows they
        have, and in which few of their blocks a prefix may be.
        """
        if self.root:
            return self.of(Slice()).count()
        others = [Slice(prefix, prefix[:-1] + AFTER_SLASH).of(self.bucket) for prefix in _roots(self.exclude)]
        counts: list[Any] = [table.count().as_scalar() for table in others]
        return functools.reduce(operator.sub, counts, self.bucket.count().as_scalar())


def blocks_of(paths: Sequence[Path]) -> list[Block]:
    """Read from the footers of Parquet files where their keys lie; empty where one does not say it."""
    from pyarrow import parquet

    found = []
    for path in paths:
        metadata = parquet.read_metadata(path)
        place = next(at for at in range(metadata.num_columns) if metadata.schema.column(at).path == "key")
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            said = group.column(place).statistics
            if said is None or not said.has_min_max:
                return []
            least, greatest = (raw.decode(errors="replace") for raw in (said.min_raw, said.max_raw))
            found.append(Block(least, greatest, group.num_rows))
    return found


def are_worth_it(blocks: Sequence[Block]) -> bool:
    """Say whether there are more objects than one slice should have."""
    return sum(block.rows for block in blocks) > min(COSTS)


def cut(beginnings: Collection[str], blocks: Sequence[Block]) -> list[Slice]:
    """Divide all keys into slices, disjoint and in order, of the size that costs least.

    Args:
        beginnings: What the expected keys begin with.
        blocks: Where the objects are; nothing is divided where nobody knows.
    """
    cheapest, least = [Slice()], COST_AT_ONCE + COST_OF_READING
    if not are_worth_it(blocks):
        return cheapest
    roots = list(_roots(beginnings))
    for keys, cost in COSTS.items():
        cuts = list(_cuts(roots, blocks, keys))
        slices = [Slice(since, before) for since, before in zip(["", *cuts], [*cuts, None], strict=True)]
        total = cost + COST_OF_READING * _read(slices, blocks)
        if total < least:
            cheapest, least = slices, total
    return cheapest


def _read(slices: Sequence[Slice], blocks: Sequence[Block]) -> float:
    """Say how often slices read an object, on average."""
    read = sum(block.rows for part in slices for block in blocks if _reaches(block, part))
    return read / sum(block.rows for block in blocks)


def _roots(beginnings: Collection[str]) -> Iterator[str]:
    """Yield in order the beginnings that begin with no other."""
    last = None
    for text in sorted(beginnings):
        if last is None or not text.startswith(last):
            last = text
            yield text


def _cuts(roots: list[str], blocks: Sequence[Block], keys: int) -> Iterator[str]:
    """Yield the roots at which a slice begins: where ``keys`` objects lie behind the cut before."""
    held = 0.0
    for root, rows in zip(roots, _spread(roots, blocks), strict=True):
        if root != roots[0] and held + rows / 2 >= keys:
            yield root
            held = 0.0
        held += rows


def _spread(roots: list[str], blocks: Sequence[Block]) -> Iterator[float]:
    """Estimate how many objects each root has, as though each block had as many of one as of another."""
    changes = [0.0] * (len(roots) + 1)
    for block in blocks:
        first = max(bisect_right(roots, block.least) - 1, 0)
        last = max(bisect_right(roots, block.greatest) - 1, first)
        share = block.rows / (last - first + 1)
        changes[first] += share
        changes[last + 1] -= share
    return accumulate(changes[:-1])


def _reaches(block: Block, part: Slice) -> bool:
    return block.greatest >= part.since and (part.before is None or block.least < part.before)
