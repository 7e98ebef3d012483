"""Objects in, verdicts out: whether the first and last bytes of an object can be what its key says.

A listing shows sizes, not contents; a page of HTML under a ``.json`` key looks like data to it. Objects are looked at
newest first, and in one run at most as many as configured, so that the whole lake is known after enough runs. What is
remembered does not grow with the lake: which stretches of that order have been looked at, and which objects are wrong.

An object may show up late: one written in parts bears the time at which its upload began. So the objects of the last
`OVERLAP` before the inventory's as-of are remembered one by one, and one that shows up among them is looked at. One
that shows up among older ones (copied with its old time, or uploaded for days) is not; nor is one that shows up late
while for days more is written than may be looked at.
"""

import functools
import hashlib
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from adce_assets.contract.loading import Contract
from adce_assets.errors import ObjectNotFoundError
from adce_assets.lake.sniff import LOOK, sniff
from adce_assets.lake.store import LakeStore
from adce_assets.loop.project import Project
from adce_assets.loop.state import VERDICTS
from adce_assets.moments import MOMENT
from adce_assets.progress import Progress

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

OVERLAP = timedelta(hours=48)
"""Longer than an upload takes."""
BEGINNING = datetime.min.replace(tzinfo=UTC)
MOST_STRETCHES = 16
"""Of more stretches the smallest are forgotten, and looked at again."""
PER_LOOK = 10
"""Objects that are fetched for each that may be looked at: most of them may be no data."""
VERDICT_FIELDS = ("key", "etag", "last_modified", "verdict")
VERSION = ("key", "size", "last_modified")
"""What tells one version of an object from another here; its ETag is not always known."""
LOOK_FIELDS = (*VERSION, "look")
"""A look found ``""`` (nothing wrong) or what is wrong in words; it is null for an object that is no data."""
LOOKED_AT = b"adce.looked_at"
"""Where the table carries, as JSON, what stands in no row of it."""

Identity = tuple[str, str, datetime]
"""Key, ETag and time of writing: what tells one version of an object from another in the inventory."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the order, newest first and then by key, in which nothing is left to be looked at.

    It begins with the objects of the moment ``newest`` and ends with those of ``oldest`` whose keys are at most
    ``last_key``. ``objects`` were met when it was looked at.
    """

    newest: datetime
    oldest: datetime
    last_key: str
    objects: int

    def joined(self, later: "Stretch") -> "Stretch":
        """Make one of two that leave no gap, of which the other begins later in the order."""
        ends = min((self, later), key=lambda stretch: stretch.oldest)
        last_key = max(self.last_key, later.last_key) if self.oldest == later.oldest else ends.last_key
        return Stretch(self.newest, ends.oldest, last_key, self.objects + later.objects)


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier runs looked at.

    ``looks`` has the columns of `LOOK_FIELDS`. Of the objects newer than ``since`` all that have been met are among
    them, of the older ones those that are wrong. ``stretches`` are in the order, and do not touch. ``taken`` counts the
    looks of all runs.
    """

    looks: "pa.Table"
    since: datetime = BEGINNING
    stretches: tuple[Stretch, ...] = ()
    taken: int = 0


def refresh(
    project: Project,
    objects: "ir.Table",
    is_data: Callable[[list[str]], list[bool]],
    faults: Mapping[Identity, str],
    progress: Progress,
) -> "pa.Table":
    """Look at objects that nobody has looked at; remember, and return, what is wrong with those that are there.

    ``objects`` has the columns of `OBJECT_SCHEMA` and ``as_of``, the moment for which all of it is true; ``is_data``
    tells of keys which are worth a look.
    ``faults`` are what closer reading finds; they stand above a look for as long as they are found. The table has the
    columns of `VERDICT_FIELDS`, sorted by key. The one in the state has rows without a verdict too, which are only
    remembered; it is written only when it changes.
    """
    import pyarrow.compute as pc

    recalled = project.state.recall(VERDICTS, _schema().names)
    memory = _memory(project.contract, recalled)
    limit = project.settings.reconciliation.s3.audit_objects_per_run
    unseen = _unseen(memory, objects, limit * PER_LOOK)
    chosen = _chosen(unseen["key"].to_pylist(), is_data, limit)
    met = unseen.slice(0, len(chosen))
    looks = _look_at(project, met, chosen, progress)
    memory = _advanced(memory, objects, met, looks, is_all=met.num_rows == unseen.num_rows < limit * PER_LOOK)
    about = {LOOKED_AT: _told(project.contract, memory)}
    table = _judged(memory.looks, _there(memory, objects), faults).replace_schema_metadata(about)
    if recalled is None or not table.equals(recalled, check_metadata=True):
        project.state.write_table(VERDICTS, table)
    return table.select(VERDICT_FIELDS).filter(pc.is_valid(table["verdict"]))


def looks_taken(verdicts: "pa.Table") -> int:
    """Tell how many looks all runs have taken, from a table that `refresh` gave."""
    return json.loads(verdicts.schema.metadata[LOOKED_AT])["taken"]


def _unseen(memory: Memory, objects: "ir.Table", wanted: int) -> "pa.Table":
    """List the first objects, newest first, that nobody has looked at: the columns of `VERSION`."""
    import ibis
    import pyarrow as pa

    if not wanted:
        return memory.looks.select(VERSION).slice(0, 0)
    versions = objects.select(*VERSION)
    recent = versions if memory.since == BEGINNING else versions.filter(versions.last_modified > _moment(memory.since))
    if memory.looks.num_rows:
        recent = recent.anti_join(ibis.memtable(memory.looks.select(VERSION)), VERSION)
    found = _first(recent, wanted)
    if found.num_rows == wanted or memory.since == BEGINNING or _reaches_back(memory):
        return found
    older = versions.filter(versions.last_modified <= _moment(memory.since), *_outside(memory, versions))
    return pa.concat_tables([found, _first(older, wanted - found.num_rows)])


def _reaches_back(memory: Memory) -> bool:
    """Tell whether nothing older than ``since`` is left to be looked at."""
    return any(stretch.newest >= memory.since and stretch.oldest == BEGINNING for stretch in memory.stretches)


def _first(versions: "ir.Table", wanted: int) -> "pa.Table":
    import ibis

    return versions.order_by(ibis.desc("last_modified"), "key").limit(wanted).to_pyarrow().cast(_schema(VERSION))


def _outside(memory: Memory, versions: "ir.Table") -> "Iterator[ir.BooleanValue]":
    """Yield, for each stretch that reaches below ``since``, that an object lies outside it."""
    key, written = versions.key, versions.last_modified
    for stretch in memory.stretches:
        if stretch.oldest > memory.since:
            continue
        outside = []
        if stretch.oldest > BEGINNING:
            oldest = _moment(stretch.oldest)
            outside.append((written <= oldest) & ((written < oldest) | (key > stretch.last_key)))
        if stretch.newest < memory.since:
            outside.append(written > _moment(stretch.newest))
        yield functools.reduce(operator.or_, outside)


def _moment(at: datetime) -> "ir.Value":
    import ibis

    return ibis.literal(at, MOMENT)


def _chosen(keys: list[str], is_data: Callable[[list[str]], list[bool]], limit: int) -> list[bool]:
    """Tell of the first keys, as far as the run gets, which of them are to be looked at: at most ``limit``."""
    chosen: list[bool] = []
    while len(chosen) < len(keys) and sum(chosen) < limit:
        chosen += is_data(keys[len(chosen) : len(chosen) + limit])
    places = [place for place, wanted in enumerate(chosen) if wanted]
    return chosen[: places[limit]] if len(places) > limit else chosen


def _look_at(project: Project, met: "pa.Table", chosen: list[bool], progress: Progress) -> "pa.Table":
    """Look at the chosen objects: the columns of `LOOK_FIELDS`, without those that have gone since they were listed."""
    import pyarrow as pa

    rows = met.filter(pa.array(chosen, pa.bool_())).to_pylist()
    found: list[str | None] = []
    with ThreadPoolExecutor(project.settings.reconciliation.s3.read_workers) as pool:
        for look in pool.map(lambda row: _look(project.lake, row["key"], row["size"]), rows):
            found.append(look)
            progress("audit", len(found), len(rows))
    looks = iter(found)
    told = [next(looks) if wanted else None for wanted in chosen]
    is_there = [look is not None or not wanted for look, wanted in zip(told, chosen, strict=True)]
    return met.append_column("look", pa.array(told, pa.string())).filter(pa.array(is_there, pa.bool_()))


def _look(lake: LakeStore, key: str, size: int) -> str | None:
    """Return what is wrong with an object, "" when nothing is, None when it has gone since it was listed."""
    try:
        head = lake.get(key, start=0, length=min(size, 2 * LOOK)) if size else b""
        tail = head if size <= 2 * LOOK else lake.get(key, start=size - LOOK, length=LOOK)
    except ObjectNotFoundError:
        return None
    return sniff(head, tail, PurePosixPath(key).suffix) or ""


def _advanced(memory: Memory, objects: "ir.Table", met: "pa.Table", looks: "pa.Table", *, is_all: bool) -> Memory:
    """Remember what a run has met: the first objects of the order that were unseen, or all of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    nothing_left = is_all and _reaches_back(memory) and len(memory.stretches) == 1
    if (nothing_left and not looks.num_rows) or (not is_all and not met.num_rows):
        return memory
    moments = objects.select("as_of").limit(1).to_pyarrow()["as_of"].to_pylist()
    if not moments:
        return memory
    as_of = moments[0]
    oldest, last_key = BEGINNING, ""
    if not is_all:
        last = met.slice(met.num_rows - 1).to_pylist()[0]
        oldest, last_key = last["last_modified"], last["key"]
    stretches = memory.stretches
    if oldest <= as_of:
        stretches = _merged([*stretches, Stretch(as_of, oldest, last_key, met.num_rows)])
    # What has shown up late and could not be looked at yet is waited for, but not for ever.
    since = max(memory.since, as_of - (OVERLAP if oldest <= memory.since else 2 * OVERLAP))
    known = pa.concat_tables([memory.looks, looks])
    is_wrong = pc.fill_null(pc.not_equal(known["look"], ""), fill_value=False)
    kept = known.filter(
        pc.or_(is_wrong, pc.greater(known["last_modified"], pa.scalar(since, known["last_modified"].type)))
    )
    return Memory(kept, since, stretches, memory.taken + looks.num_rows - looks["look"].null_count)


def _merged(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Join stretches that leave no gap, and forget the smallest of too many."""
    merged: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda stretch: stretch.newest, reverse=True):
        if merged and stretch.newest >= merged[-1].oldest:
            merged[-1] = merged[-1].joined(stretch)
        else:
            merged.append(stretch)
    largest = sorted(merged, key=lambda stretch: stretch.objects, reverse=True)[:MOST_STRETCHES]
    return tuple(stretch for stretch in merged if stretch in largest)


def _there(memory: Memory, objects: "ir.Table") -> dict[tuple[Any, ...], str]:
    """Find the wrong objects that are still there: the ETag by `VERSION`."""
    import ibis
    import pyarrow.compute as pc

    wrong = memory.looks.filter(pc.not_equal(memory.looks["look"], ""))
    if not wrong.num_rows:
        return {}
    version = ["last_modified", "key"]  # the first is the cheaper to compare
    near = objects.select(*VERSION, "etag").semi_join(ibis.memtable(wrong.select(version)), version)
    *versions, etags = (column.to_pylist() for column in near.to_pyarrow().columns)
    return dict(zip(zip(*versions, strict=True), etags, strict=True))


def _judged(looks: "pa.Table", there: Mapping[tuple[Any, ...], str], faults: Mapping[Identity, str]) -> "pa.Table":
    """Put looks and faults into one table, without the wrong objects that have gone, sorted by key."""
    import pyarrow as pa
    import pyarrow.compute as pc

    named = {(key, written): (etag, fault) for (key, etag, written), fault in faults.items()}
    is_plain = pc.fill_null(pc.equal(looks["look"], ""), fill_value=True)
    if named:
        at_fault = pc.is_in(looks["key"], pa.array({key for key, _ in named}, pa.string()))
        is_plain = pc.and_(is_plain, pc.invert(at_fault))
    rows: list[tuple[str | datetime | int | None, ...]] = []
    others = looks.filter(pc.invert(is_plain)).select(LOOK_FIELDS)
    for *version, look in zip(*(column.to_pylist() for column in others.columns), strict=True):
        key, _, written = version
        if look and tuple(version) not in there:
            continue
        etag, fault = named.pop((key, written), (there.get(tuple(version)), None))
        rows.append((*version, etag, look, fault or look or None))
    rows += [(key, None, written, etag, None, fault) for (key, written), (etag, fault) in named.items()]
    schema = _schema()
    columns = [pa.array([row[at] for row in rows], field.type) for at, field in enumerate(schema)]
    judged = pa.Table.from_arrays(columns, schema=schema)
    table = pa.concat_tables([looks.filter(is_plain), judged], promote_options="default").select(schema.names)
    return table.sort_by([("key", "ascending"), ("last_modified", "ascending")])


def _memory(contract: Contract, recalled: "pa.Table | None") -> Memory:
    """Take apart what was recalled; what cannot be told is looked at again.

    Under other templates other objects are data. Then only the looks themselves are kept, for all that was passed over
    as no data may be worth a look now.
    """
    import pyarrow.compute as pc

    nothing = Memory(_schema(LOOK_FIELDS).empty_table())
    told = (recalled.schema.metadata or {}).get(LOOKED_AT) if recalled is not None else None
    if recalled is None or told is None:
        return nothing
    said = json.loads(told)
    taken = pc.is_valid(recalled["look"])
    if said["templates"] != _templates(contract):
        return replace(nothing, looks=recalled.filter(taken).select(LOOK_FIELDS), taken=said["taken"])
    stretches = (
        Stretch(datetime.fromisoformat(newest), datetime.fromisoformat(oldest), last_key, count)
        for newest, oldest, last_key, count in said["stretches"]
    )
    return Memory(
        looks=recalled.filter(pc.or_(taken, pc.is_null(recalled["verdict"]))).select(LOOK_FIELDS),
        since=datetime.fromisoformat(said["since"]),
        stretches=tuple(stretches),
        taken=said["taken"],
    )


def _told(contract: Contract, memory: Memory) -> str:
    """Write down what `_memory` reads."""
    stretches = [
        (stretch.newest.isoformat(), stretch.oldest.isoformat(), stretch.last_key, stretch.objects)
        for stretch in memory.stretches
    ]
    return json.dumps(
        {
            "templates": _templates(contract),
            "since": memory.since.isoformat(),
            "stretches": stretches,
            "taken": memory.taken,
        }
    )


def _templates(contract: Contract) -> str:
    """Sum up what of the contract decides which objects are data."""
    templates = [
        (name, template.text, template.patterns)
        for name, data_set in contract.data_sets.items()
        for template in data_set.templates
    ]
    others = [declared.prefix for declared in contract.non_data.values()]
    return hashlib.sha256(repr((templates, others)).encode()).hexdigest()


def _schema(names: Sequence[str] = (*VERSION, "etag", "look", "verdict")) -> "pa.Schema":
    import pyarrow as pa

    kinds = {"size": pa.int64(), "last_modified": pa.timestamp("us", tz="UTC")}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in names])
