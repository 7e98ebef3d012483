"""A report or a listing, what was listed since, and what the loop wrote since, in; the objects of the lake out.

The base is a report of AWS Inventory, whose data files stay where they were fetched to, or a listing, which is kept as
`current_inventory.parquet`. What is newer lies over it: stretches of keys that were listed again replace the base
there, and receipts of the loop's own runs replace single keys. Nothing is copied, so that a lake of any size costs no
more than its newest part.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.lake import report
from adce_assets.lake.report_manifest import ReportManifest
from adce_assets.lake.slices import Block, Rows, Slice, blocks_of
from adce_assets.lake.store import OBJECT_SCHEMA, KeyRange, key_prefix
from adce_assets.loop.matching import Held
from adce_assets.loop.project import Project
from adce_assets.loop.ranges import WHOLE, Known, as_of, contains, laid_over, within
from adce_assets.tables import is_embedded, lend, sees_local_files

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend


MAY_MISS = timedelta(hours=1)
"""What anybody wrote so shortly before a report began, the report may not have: it is eventually consistent (S3 User
Guide, storage-inventory). The as-of of what a report covers is stated that much earlier than its beginning."""
CLOCKS_DIFFER = timedelta(seconds=60)
"""The clock of a run that writes receipts and that of a look may differ by so much."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was fetched: its manifest, and its data files on this machine."""

    manifest: ReportManifest
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What is known of the lake.

    Attributes:
        base: A report; the rows of a listing; or the file that keeps the rows of an earlier listing.
        looked: The stretches that the base covers, each with its as-of: for a report `MAY_MISS` before it began.
        relisted: The stretches that were listed since.
        newer: The objects of ``relisted``, and those that receipts tell of, as in `OBJECT_SCHEMA`.
        written: The keys among ``newer`` that are known from receipts alone.
        requests: LIST requests that were sent for it.
    """

    base: "Report | pa.Table | Path"
    looked: tuple[Known, ...]
    relisted: tuple[Known, ...] = ()
    newer: "pa.Table" = field(default_factory=OBJECT_SCHEMA.empty_table)
    written: frozenset[str] = frozenset()
    requests: int = 0

    @property
    def known(self) -> tuple[Known, ...]:
        """All stretches that anybody has looked at, disjoint and in key order, each with the newest look."""
        return laid_over(self.looked, self.relisted)

    @property
    def as_of(self) -> datetime:
        """The moment for which all of it is true."""
        return min(entry.as_of for entry in self.looked)

    def sees_all_until(self, key: str) -> datetime | None:
        """Return the moment before which nothing was written under a key unseen; None where nobody wants to look."""
        looked = as_of(self.relisted, key) or as_of(self.looked, key)
        return None if looked is None else looked - CLOCKS_DIFFER

    @property
    def _is_whole(self) -> bool:
        return len(self.looked) == 1 and self.looked[0].range == WHOLE

    def held(self, project: Project, backend: "Backend") -> Held:
        """Express the objects of the lake, count them, and say how they can be read in slices."""
        base, newer = self._rows(project, backend), lend(backend, self.newer)
        objects = self._objects_in(base, newer, Slice())
        blocks = self._blocks(project, backend)
        is_whole = self._is_whole and not self.relisted and not self.written
        count = base.count() if blocks and is_whole else objects.count()
        return Held(
            objects,
            count.to_pyarrow().as_py(),
            self.known,
            sliced=functools.partial(self._objects_in, base, newer),
            blocks=blocks,
        )

    def objects(self, project: Project, backend: "Backend") -> "ir.Table":
        """Express the objects of the lake as a relation with the columns of `OBJECT_SCHEMA`."""
        return self._objects_in(self._rows(project, backend), lend(backend, self.newer), Slice())

    def in_base(self, project: Project, backend: "Backend") -> "ir.Table":
        """Express the objects of the base alone."""
        return self._looked_at(self._rows(project, backend).of(Slice()))

    def _objects_in(self, base: Rows, newer: "ir.Table", part: Slice) -> "ir.Table":
        table = self._looked_at(base.of(part))
        for entry in self.relisted:
            table = table.filter(~within(entry.range, table.key))
        if self.written:
            table = table.filter(~table.key.isin(sorted(self.written)))
        if not self.newer.num_rows:
            return table
        return table.union(part.of(newer).select(*table.columns).cast(table.schema()))

    def _rows(self, project: Project, backend: "Backend") -> Rows:
        if isinstance(self.base, Report):
            manifest = self.base.manifest
            files = self.base.files if sees_local_files(backend) else _where_they_lie(project, self.base)
            root, exclude = key_prefix(project.lake.url), project.outside_the_lake
            return report.rows(backend, manifest, files, root=root, exclude=exclude)
        if isinstance(self.base, Path):
            return Rows(backend.read_parquet(self.base).select(*OBJECT_SCHEMA.names))
        return Rows(lend(backend, self.base))

    def _blocks(self, project: Project, backend: "Backend") -> Sequence[Block]:
        """Say where the keys of the base lie in its files; empty where nobody knows, or where that is of no use."""
        if not is_embedded(backend):
            return ()
        if isinstance(self.base, Report):
            return report.blocks(self.base.manifest, self.base.files, root=key_prefix(project.lake.url))
        return blocks_of([self.base]) if isinstance(self.base, Path) else ()

    def _looked_at(self, objects: "ir.Table") -> "ir.Table":
        """Leave out of a report what lies where nobody wants to look."""
        import ibis

        if self._is_whole or not isinstance(self.base, Report):
            return objects
        return objects.filter(ibis.or_(*(within(entry.range, objects.key) for entry in self.looked)))


def _where_they_lie(project: Project, base: Report) -> Sequence[Path | str]:
    """Name the data files of a report for a cluster, which reads S3 by URLs of its own kind.

    The copies of a CSV report are Parquet, and lie on this machine alone.
    """
    if base.manifest.file_format == "CSV" or not project.lake.url.startswith("s3://"):
        return base.files
    root = project.lake.url.replace("s3://", "s3a://", 1)
    return [f"{root}/{file.key}" for file in base.manifest.files]


def with_listing(holdings: Holdings, ranges: Sequence[KeyRange], listed: "pa.Table", at: datetime) -> Holdings:
    """Lay the listing of some ranges, begun at a moment, over what was known before."""
    import pyarrow as pa

    fresh = tuple(Known(stretch, at) for stretch in ranges)
    kept = holdings.newer.filter(_none_in(holdings.newer["key"], ranges))
    newer = pa.concat_tables([kept, listed.select(OBJECT_SCHEMA.names)]).sort_by("key")
    here = {key for key in holdings.written if not any(contains(stretch, key) for stretch in ranges)}
    relisted = laid_over(holdings.relisted, fresh)
    return replace(holdings, relisted=relisted, newer=newer, written=frozenset(here))


def with_receipts(holdings: Holdings, receipts: "pa.Table") -> Holdings:
    """Add what the loop wrote since the last look at each key: the newest receipt of a key counts.

    What was written shortly before a look began, by clocks that differ, the look need not have seen; a newer object
    that it did see under the same key stays.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    there = dict(zip(*(holdings.newer[name].to_pylist() for name in ("key", "last_modified")), strict=True))
    newest: dict[str, Mapping[str, Any]] = {}
    for row in receipts.select(["key", "size", "last_modified"]).sort_by("last_modified").to_pylist():
        seen = holdings.sees_all_until(row["key"])
        if seen is not None and row["last_modified"] >= max(seen, there.get(row["key"], seen)):
            newest[row["key"]] = row
    if not newest:
        return holdings
    written = pa.array(sorted(newest), pa.string())
    rows = [{**newest[key], "etag": ""} for key in written.to_pylist()]
    kept = holdings.newer.filter(pc.invert(pc.is_in(holdings.newer["key"], written)))
    newer = pa.concat_tables([kept, pa.Table.from_pylist(rows, schema=OBJECT_SCHEMA)]).sort_by("key")
    return replace(holdings, newer=newer, written=frozenset(newest) | holdings.written)


def _none_in(keys: "pa.ChunkedArray", ranges: Sequence[KeyRange]) -> "pa.ChunkedArray":
    """Mark the keys that lie in none of the ranges."""
    import pyarrow as pa

    return pa.array([not any(contains(stretch, key) for stretch in ranges) for key in keys.to_pylist()], pa.bool_())
