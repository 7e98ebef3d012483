"""Objects and expected keys in, their comparison by whole keys out: one pass over both.

Objects that plainly are what is expected are counted by cell and leave nothing else behind; what is absent, suspect or
at an older place keeps its key, to be judged in `coverage`. Only objects that nobody expects are read by the templates
of the contract. The pass runs in the table engine within its memory limit, so that its result is small where the lake
is nearly whole, whatever the lake's size.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adce_assets.contract.expected import beginnings, cells, places
from adce_assets.contract.loading import Contract
from adce_assets.errors import ContractError, ReportError
from adce_assets.lake import slices
from adce_assets.lake.slices import Block, Slice
from adce_assets.lake.store import OBJECT_SCHEMA
from adce_assets.loop.ranges import WHOLE, Known, as_of_column
from adce_assets.loop.records import CELL
from adce_assets.tables import MOMENT, gather, laid_out_once, lend, let

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

NEVER = datetime(1, 1, 1, tzinfo=UTC)
KEPT = ("rank", "key", "entity", "event", "event_at", "size", "last_modified", "etag")
"""What a row keeps beside its cell and place, unless it stands for many: it would be that of any of them."""

MATCHED = (
    "source",
    "data_type",
    "season",
    "place",
    "rank",
    "key",
    "entity",
    "event",
    "event_at",
    "due_at",
    "size",
    "last_modified",
    "etag",
    "is_here",
    "is_estimate",
    "is_known",
    "was_due",
    "is_old",
    "keys",
    "bytes",
)
"""The columns of matched keys. A row without a ``place`` stands for ``keys`` objects that plainly are what is expected,
or, if nothing ``is_here``, for keys that nobody can name. Any other stands for one place: ``is_here`` tells whether an
object lies there, ``is_known`` whether anybody has looked. With the last look at it (for an absent key, at the one of
its places that was looked at first) it is told whether the object ``was_due`` then, and whether the one there
``is_old`` by the freshness that its data type wants. These are told in place of that moment, so that a look that finds
nothing new changes nothing."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the lake holds.

    Attributes:
        objects: The objects, with the columns of `OBJECT_SCHEMA`.
        count: How many these are.
        known: The stretches of keys that anybody has looked at, and when.
        sliced: Makes the relation of the objects of a slice, where that is cheaper than a filter of ``objects``.
        blocks: Where the objects lie; empty where they cannot well be read in slices.
    """

    objects: "ir.Table"
    count: int
    known: Sequence[Known]
    sliced: Callable[[Slice], "ir.Table"] | None = None
    blocks: Sequence[Block] = ()

    def within(self, part: Slice) -> "ir.Table":
        """Express the objects of a slice."""
        return part.of(self.objects) if self.sliced is None else self.sliced(part)


@dataclass(frozen=True, slots=True)
class Matched:
    """The rows of expected keys, as in `MATCHED`, and the objects that nobody expects, as in `OBJECT_SCHEMA`."""

    rows: "ir.Table"
    others: "pa.Table"


@dataclass(frozen=True, slots=True)
class Matcher:
    """Compares objects with what a contract expects at a moment (UTC), in a table engine."""

    contract: Contract
    backend: "Backend"
    now: datetime

    def match(
        self, name: str, held: Held, events: "pa.Table", suspects: Sequence[str] = (), *, estimates: bool = False
    ) -> Matched:
        """Compare objects with the expected keys of all cells, or of those only that range over ``games``.

        Args:
            name: Names the tables that the engine keeps; another for each call.
            held: The objects.
            events: What the cells range over, as `events_table` gives them.
            suspects: Keys of objects whose content is known to be wrong: these are never plainly present.
            estimates: The events are estimates: leave out all that does not range over events.

        Raises:
            ContractError: Two rows of the contract expect the same key.
            ReportError: The inventory has an object twice.
        """
        rows = cells(self.contract, self.now)
        chosen = {at: row for at, row in enumerate(rows) if not estimates or "game" in row["for_each"]}
        ranged_over = self.backend.create_table(f"{name}_events", events, temp=True)
        wanted = self.backend.create_view(f"{name}_wanted", self._places(chosen, ranged_over))
        pairs = self._pairs(wanted, held, chosen, ranged_over)
        found = gather(self.backend, f"{name}_found", (_compared(*pair, tuple(suspects)) for pair in pairs))
        self._refuse_doubles(wanted, held.objects, found, held.count)
        expressed = self._told(found, wanted, rows, held, estimates=estimates)
        told = self.backend.create_table(f"{name}_rows", expressed, temp=True)
        others = self.backend.to_pyarrow(_others(told))
        return Matched(told.filter(told.source.notnull()), others.select(OBJECT_SCHEMA.names))

    def _pairs(
        self, wanted: "ir.Table", held: Held, rows: Mapping[int, dict[str, Any]], events: "ir.Table"
    ) -> "Iterator[tuple[ir.Table, ir.Table]]":
        """Yield expected places and objects, slice by slice: a slice has all or none of the places that begin alike."""
        begins = beginnings(rows) if slices.are_worth_it(held.blocks) else {}
        parts = slices.cut({*begins.values()}, held.blocks)
        if len(parts) == 1:
            yield wanted, held.objects
            return
        for part in parts:
            only = {of for of, text in begins.items() if part.has(text)}
            mine = {number: rows[number] for number in sorted({number for number, _ in only})}
            yield self._places(mine, events, only=only), held.within(part)

    def _places(
        self, rows: Mapping[int, dict[str, Any]], events: "ir.Table", *, only: Container[tuple[int, int]] | None = None
    ) -> "ir.Table":
        return places(self.contract, rows, events, self.now, only=only, lend=self._lend)

    def _lend(self, rows: "pa.Table") -> "ir.Table":
        return lend(self.backend, rows)

    def _told(
        self, found: "ir.Table", wanted: "ir.Table", rows: Sequence[dict[str, Any]], held: Held, *, estimates: bool
    ) -> "ir.Table":
        """Express what is told of what was found; a look at the whole lake is given by its moment."""
        known, cell = tuple(held.known), self._lend(_cell_table(rows))
        if len(known) == 1 and known[0].range == WHOLE:
            looked = let(self.backend, "looked", known[0].as_of)
            return _told(found.mutate(as_of=looked), cell, estimates=estimates)
        return _told(_since(found, wanted, known), cell, estimates=estimates)

    def _refuse_doubles(self, wanted: "ir.Table", objects: "ir.Table", found: "ir.Table", count: int) -> None:
        """Hold the sums of the pass against what went into it; where they differ, find out why."""
        sums = self.backend.to_pyarrow(_sums(found, wanted)).to_pylist()[0]
        told = {name: number or 0 for name, number in sums.items()}
        once = told["most"] <= 1 and told["names"] == told["absent"]
        if once and told["wanted"] == told["expected"] and told["here"] <= count:
            return
        if double := _double(wanted.filter(wanted["rank"] == 0).place):
            raise ContractError(
                f"the key `{double}` is expected twice",
                where=self.contract.file,
                hint="a template must name all that `for_each` ranges over, and values of a dimension must differ",
            )
        if double := _double(objects.key):
            raise ReportError(f"the inventory has the object `{double}` twice", where="the report or listing in force")


@laid_out_once
def _sums(found: "ir.Table", wanted: "ir.Table") -> "ir.Table":
    """Sum up what a pass has found, and what it was given."""
    is_first = found.cell.notnull() & (found["rank"].isnull() | (found["rank"] == 0))
    is_absent = found.place.notnull() & ~found.is_here
    sums = found.agg(
        wanted=found["keys"].sum(where=is_first),
        here=found["keys"].sum(where=found.is_here),
        most=found["keys"].max(where=found.place.notnull()),
        absent=is_absent.sum(),
        names=found.place.hash().nunique(where=is_absent),
    )
    return sums.mutate(expected=wanted.filter(wanted["rank"] == 0).count().as_scalar())


@laid_out_once
def _others(told: "ir.Table") -> "ir.Table":
    """Express the objects that nobody expects."""
    return told.filter(told.source.isnull()).select("size", "last_modified", "etag", key="place")


def _double(column: "ir.StringColumn") -> str | None:
    """Name a value that a column holds more than once."""
    table = column.name("name").as_table()
    counted = table.group_by("name").agg(times=table.count())
    found = counted.filter(counted.times > 1).order_by("name").limit(1).to_pyarrow().to_pylist()
    return found[0]["name"] if found else None


@laid_out_once
def _compared(wanted: "ir.Table", objects: "ir.Table", suspects: tuple[str, ...]) -> "ir.Table":
    """Join both on the whole key; let what is plainly present collapse into one row a cell."""
    import ibis

    held = objects.select("size", "last_modified", "etag", held="key")
    table = wanted.outer_join(held, wanted.place == held.held)
    is_here, nothing = table.held.notnull(), ibis.literal(value=False)
    plain = (
        is_here
        & (table["rank"] == 0)
        & (table["size"] >= table.min_bytes)
        & (table.suspect_before.isnull() | (table.last_modified >= table.suspect_before))
    )
    if suspects:
        plain &= ~table.held.isin(suspects)
    table = table.filter(is_here | (table["rank"] == 0)).mutate(
        plain=ibis.coalesce(plain, nothing), place=ibis.coalesce(table.place, table.held), is_here=is_here
    )

    row = ibis.struct({name: table[name] for name in KEPT})
    kept: Any = ibis.ifelse(table.plain | table.place.isnull(), ibis.null(row.type()), row)
    place = ibis.ifelse(table.plain, ibis.null("string"), table.place)
    grouped = table.group_by("cell", "is_here", place=place)
    found = grouped.agg(keys=table.count(), bytes=table["size"].sum(), row=kept.arbitrary())
    return found.mutate(**{name: found.row[name] for name in KEPT}).drop("row")


@laid_out_once
def _told(found: "ir.Table", cell: "ir.Table", *, estimates: bool) -> "ir.Table":
    """Add the names of the cell, and what the last look at each place tells: that of the column ``as_of``."""
    import ibis

    table = found.left_join(cell, "cell").drop("cell_right")
    table = table.mutate(due_at=(table.event_at + _seconds(table.grace_seconds)).cast(MOMENT))
    return table.mutate(
        bytes=table.bytes.fill_null(0).cast("int64"),
        is_estimate=ibis.literal(estimates),
        is_known=table.as_of.notnull(),
        was_due=table.due_at <= table.as_of,
        is_old=table.last_modified < table.as_of - _seconds(table.freshness_seconds),
    ).select(*MATCHED)


def _cell_table(rows: Sequence[dict[str, Any]]) -> "pa.Table":
    import pyarrow as pa

    kinds = {name: pa.string() for name in CELL} | {name: pa.int64() for name in ("grace_seconds", "freshness_seconds")}
    told = {name: pa.array([row[name] for row in rows], kind, safe=False) for name, kind in kinds.items()}
    return pa.table({"cell": pa.array(range(len(rows)), pa.int32()), **told})


def _seconds(column: "ir.IntegerColumn") -> "ir.IntervalValue":
    return column.as_interval("s")


@laid_out_once
def _since(found: "ir.Table", wanted: "ir.Table", known: tuple[Known, ...]) -> "ir.Table":
    """Add since when each row is known, null where nobody has looked; an absent key, since when all its places are."""
    import ibis

    older, never = _older(found, wanted, known), ibis.literal(NEVER, MOMENT)
    table = found.mutate(seen=as_of_column(known, found.place).fill_null(never))
    table = table.left_join(older, table.place == older.absent)
    as_of = ibis.least(table.seen, table.older_seen.fill_null(table.seen))
    return table.mutate(as_of=as_of.nullif(never)).drop("seen", "older_seen", "absent")


def _older(found: "ir.Table", wanted: "ir.Table", known: tuple[Known, ...]) -> "ir.Table":
    """Say of each absent key that has older places since when all of these are known."""
    import ibis

    absent = found.filter(found.place.notnull() & ~found.is_here).select(absent="place")
    older = wanted.filter(wanted["rank"] > 0).select("key", "place")
    older = older.join(absent, older.key == absent.absent)
    seen = as_of_column(known, older.place).fill_null(ibis.literal(NEVER, MOMENT))
    return older.mutate(seen=seen).group_by("absent").agg(older_seen=ibis._.seen.min())
