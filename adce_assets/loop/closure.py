"""Keys that may be in the lake in, closed ones out: only what somebody else than its writer has seen is closed.

This process asks the lake for each object itself, and compares what it finds with what the run said that it wrote. A
key is closed when, beside that, the inventory holds the same object, and has looked after the promotion or at this very
version. What nobody sees within its limit is open again, and so is what turns out to be something else.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, islice
from typing import Any, NamedTuple

from adce_assets.errors import LakeError, ObjectNotFoundError
from adce_assets.lake import report
from adce_assets.lake.store import LakeStore, StoredObject
from adce_assets.ledger.chain import moment_text
from adce_assets.ledger.keys import KeyState, Transition
from adce_assets.ledger.transitions import Event
from adce_assets.ledger.transitions import State as Standing
from adce_assets.loop import memory, ranges
from adce_assets.loop.bookkeeping import IN_THE_LAKE, Left, append
from adce_assets.loop.holdings import Holdings, Report
from adce_assets.loop.project import Project
from adce_assets.loop.state import INVENTORY, NEWER, State
from adce_assets.tables import engine

BATCH = 1_000
"""Keys that are asked for before what was found is written down."""
LARGEST = 8_000_000
"""Bytes of the largest object that is read again."""


def close(project: Project, left: Iterable[Left], *, run: str = "") -> Mapping[Event, int]:
    """Look for objects in the lake, and close the keys of those that are there; return how many entries were made.

    Args:
        project: The installation; its inventory is the one that ``left`` was found with.
        left: What `bookkeeping` handed on.
        run: Dagster's run that does it.

    Raises:
        LakeError: the lake or the inventory could not be read.
        LedgerError: the ledger cannot be used.
    """
    counted: Counter[Event] = Counter()
    entries = sorted(left, key=lambda entry: (_needs_look(entry), not _is_written(entry), entry.state.since))
    seen = sum(not _needs_look(entry) for entry in entries)
    entries = entries[: seen + project.settings.reconciliation.closure.looks_per_run]
    rest, reported = iter(entries), _reported(project, entries)
    budget = project.settings.reconciliation.closure.reread_mb * 1_000_000
    with ThreadPoolExecutor(project.settings.reconciliation.s3.read_workers) as pool:
        while batch := list(islice(rest, BATCH)):
            looks, budget = _looks(project.lake, batch, budget, pool)
            inventory = _Inventory.of(project.state, set(map(_place, batch)), reported)
            closer = _Closer(project, run, project.clock(), inventory)
            counted.update(append(project, [step for look in looks for step in closer.steps(look)]))
    return dict(counted)


Row = Mapping[str, Any]


def _needs_look(entry: Left) -> bool:
    """Tell whether the lake is to be asked for a key: what was seen already waits for the inventory alone."""
    return entry.state.state is not Standing.SEEN or entry.is_open


def _is_written(entry: Left) -> bool:
    """Tell whether a run says that it wrote the object: it is looked for before what may never have been there."""
    return entry.state.state in IN_THE_LAKE


def _reported(project: Project, entries: Iterable[Left]) -> Mapping[str, Row]:
    """Read what a report says of the keys that it may close, all in one pass: its rows lie nowhere else.

    Of what was promoted since the report nothing is read; without such keys, nor is the report.
    """
    import ibis
    import pyarrow as pa

    told = project.state.read_json(INVENTORY)
    known = ranges.read(told["ranges"])
    keys = sorted({_place(entry) for entry in entries if not entry.is_open and _is_looked_at(known, entry)})
    if not keys or told["base"]["kind"] != "report":
        return {}
    last = memory.last(project)
    if last is None or not isinstance(last.holdings.base, Report):
        raise LakeError("the inventory in force is torn", where=project.state.store.url, hint="run `adce reconcile`")
    manifest = last.holdings.base.manifest
    files = report.fetch(project.lake, manifest, project.settings.work_folder / "reports")
    base = Holdings(Report(manifest, files), last.holdings.looked, last.holdings.relisted)
    with engine(**project.settings.reconciliation.engine.model_dump()) as backend:
        objects = base.objects(project, backend)
        table = objects.semi_join(ibis.memtable(pa.table({"key": keys})), "key").to_pyarrow()
    return {row["key"]: row for row in table.to_pylist()}


def _place(entry: Left) -> str:
    return entry.state.detail.get("place", entry.place) if entry.state.state is Standing.SEEN else entry.place


def _is_looked_at(known: tuple[ranges.Known, ...], entry: Left) -> bool:
    """Tell whether somebody has looked where a key's object lies, since it was promoted."""
    state, as_of = entry.state, ranges.as_of(known, _place(entry))
    promoted_at = moment_text(state.since) if state.state is Standing.PROMOTED else state.detail.get("promoted_at")
    return as_of is not None and (not promoted_at or as_of >= datetime.fromisoformat(promoted_at))


class Look(NamedTuple):
    """What was found of a key: its object (None: there is none), and the checksum of what was read again."""

    entry: Left
    found: StoredObject | None
    sha256: str | None = None

    @property
    def state(self) -> KeyState:
        """How the key stands in the ledger."""
        return self.entry.state

    @property
    def place(self) -> str:
        """Where the object lies."""
        return self.entry.place


def _looks(lake: LakeStore, entries: list[Left], budget: int, pool: ThreadPoolExecutor) -> tuple[list[Look], int]:
    """Ask for the objects of keys, and read those again that a run has written, as far as the budget of bytes goes."""
    asked = list(filter(_needs_look, entries))
    found = dict(zip(map(id, asked), pool.map(lambda entry: lake.head(entry.place), asked), strict=True))
    looks = [Look(entry, found.get(id(entry))) for entry in entries]
    sizes = [look.found.size if look.found is not None and _is_read_again(look) else 0 for look in looks]
    spent = list(accumulate(sizes, initial=0))
    chosen = [size and total <= budget for size, total in zip(sizes, spent[1:], strict=True)]
    read = pool.map(lambda pair: _read(lake, pair[0]) if pair[1] else pair[0], zip(looks, chosen, strict=True))
    return list(read), max(budget - spent[-1], 0)


def _is_read_again(look: Look) -> bool:
    told = look.state.detail
    if look.state.state is not Standing.PROMOTED or look.found is None or told.get("sha256") is None:
        return False
    return look.found.size <= LARGEST and told.get("size") in {None, look.found.size}


def _read(lake: LakeStore, look: Look) -> Look:
    try:
        return look._replace(sha256=hashlib.sha256(lake.get(look.place)).hexdigest())
    except ObjectNotFoundError:
        return look._replace(found=None)


@dataclass(frozen=True, slots=True)
class _Inventory:
    """What the inventory says of some objects: etag, size and time; and as of when.

    Of ``written`` keys there are receipts that are newer than the look at them: the writer's own word proves nothing.
    """

    known: tuple[ranges.Known, ...]
    rows: Mapping[str, Row]
    written: frozenset[str]

    @classmethod
    def of(cls, state: State, keys: Collection[str], reported: Mapping[str, Row]) -> "_Inventory":
        """Read the rows of some keys; those of a report are ``reported``."""
        import pyarrow.parquet as pq

        told = state.read_json(INVENTORY)
        names = [INVENTORY] if told["base"]["kind"] == "listing" else []
        rows = {key: reported[key] for key in keys if key in reported}
        for name in (*names, NEWER):
            with state.local(name) as path:
                columns = ["key", "etag", "size", "last_modified"]
                table = pq.read_table(path, columns=columns, filters=[("key", "in", set(keys))], partitioning=None)
            rows |= {row["key"]: row for row in table.to_pylist() if row["etag"]}
        return cls(ranges.read(told["ranges"]), rows, frozenset(told["written"]))

    def is_of_after(self, moment: datetime | None, key: str) -> bool:
        """Tell whether somebody has looked at the key's part of the lake, at that moment or later."""
        as_of = ranges.as_of(self.known, key)
        return as_of is not None and (moment is None or as_of >= moment)

    def is_later_than(self, moment: datetime, key: str) -> bool:
        """Tell whether somebody has looked at the key's part of the lake later than that moment."""
        as_of = ranges.as_of(self.known, key)
        return as_of is not None and as_of > moment

    def holds(self, key: str, seen: Mapping[str, Any]) -> bool:
        """Tell whether the inventory has the same object; not every report knows etags."""
        row = self.rows.get(key)
        return row is not None and row["size"] == seen["size"] and (row["etag"] or seen["etag"]) == seen["etag"]

    def denies(self, key: str, seen: Mapping[str, Any]) -> bool:
        """Tell whether the inventory has another object."""
        return key not in self.written and not self.holds(key, seen)

    def is_of_version(self, key: str, seen: Mapping[str, Any]) -> bool:
        """Tell whether the inventory has the very version that was seen: where nothing changes, it is not made anew."""
        row = self.rows.get(key)
        return row is not None and moment_text(row["last_modified"]) == seen.get("last_modified")


@dataclass(frozen=True, slots=True)
class _Closer:
    """Says what follows from what was found, in a run, at a moment, beside an inventory."""

    project: Project
    run: str
    now: datetime
    inventory: _Inventory

    def steps(self, look: Look) -> Iterator[Transition]:
        """Say what is to be written down of a key."""
        state = look.state
        if self._is_not_as_it_should_be(look):
            yield self._told(look, Event.REOPENED, {"why": "the inventory does not hold it as it should be"})
        elif state.state is Standing.SEEN:
            yield from self._closed(look, state.detail)
        elif look.found is None:
            yield from self._not_there(look)
        elif (wrong := _wrong(look)) and not self._is_replaced(look):
            yield self._told(look, Event.REOPENED, {"why": f"what lies there is not what was promoted: {wrong}"})
        else:
            seen = self._seen(look, look.found)
            yield self._told(look, Event.SEEN, seen)
            # Nobody is asked again what was just seen: `closed` follows on it, or on what another has seen meanwhile.
            yield from (step._replace(after=None) for step in self._closed(look, seen))

    def _is_not_as_it_should_be(self, look: Look) -> bool:
        """Tell whether an open key is still what somebody has judged since it was promoted: not what was, by now."""
        judged, found = look.entry.judged, look.found
        if judged is None or not self.inventory.is_later_than(look.state.since, look.place):
            return False
        return found is None or (judged.state != "missing" and (judged.etag or found.etag) == found.etag)

    def _seen(self, look: Look, found: StoredObject) -> dict[str, Any]:
        is_promoted = look.state.state is Standing.PROMOTED
        return {
            "by": "HEAD" if look.sha256 is None else "GET",
            "etag": found.etag,
            "size": found.size,
            "last_modified": moment_text(found.last_modified),
            "sha256": look.sha256,
            "place": look.place,
            "promoted_at": moment_text(look.state.since) if is_promoted else None,
        }

    def _closed(self, look: Look, seen: Mapping[str, Any]) -> Iterator[Transition]:
        """Close what the inventory holds too."""
        place, promoted_at = seen.get("place", look.place), seen.get("promoted_at")
        moment = datetime.fromisoformat(promoted_at) if promoted_at else None
        is_late_enough = self.inventory.is_of_after(moment, place) or self.inventory.is_of_version(place, seen)
        if look.entry.is_open or not is_late_enough:
            return
        if self.inventory.holds(place, seen):
            told = {name: seen.get(name) for name in ("etag", "size", "place")}
            yield self._told(look, Event.CLOSED, told)
        elif look.state.state is Standing.SEEN and self._is_denied(look, place):
            yield self._told(look, Event.REOPENED, {"why": "the inventory holds another object than was seen"})

    def _is_denied(self, look: Look, place: str) -> bool:
        is_later = self.inventory.is_of_after(look.state.since, place)
        return is_later and self.inventory.denies(place, look.state.detail)

    def _is_replaced(self, look: Look) -> bool:
        """Tell whether an inventory of after the promotion holds something good: somebody else has written since."""
        return not look.entry.is_open and self.inventory.is_of_after(look.state.since, look.place)

    def _not_there(self, look: Look) -> Iterator[Transition]:
        state, config = look.state, self.project.settings.reconciliation.closure
        if state.state is Standing.PROMOTED:
            limit = timedelta(minutes=config.unseen_minutes)
            if self.now - state.since > limit:
                why = f"nobody has seen it within {config.unseen_minutes:g} minutes of its promotion"
                yield self._told(look, Event.REOPENED, {"why": why})
        elif not look.entry.is_open:  # coverage tells of every key that is asked for, wherever anybody looks
            yield self._told(look, Event.WITHDRAWN, {"why": "neither the contract nor a schedule asks for it any more"})

    def _told(self, look: Look, event: Event, detail: Mapping[str, Any]) -> Transition:
        """Say what follows for a key as it stood when it was looked at; of one that has gone on, nothing does."""
        state, at, run = look.state, self.now, self.run
        cell = state.source, state.data_type, state.season
        return Transition(state.key, event, *cell, at, run, detail=detail, after=look.entry.last_entry)


def _wrong(look: Look) -> str:
    """Say what differs from what the run said that it wrote; empty if nothing does, or if no run said anything."""
    told, found = look.state.detail, look.found
    if look.state.state is not Standing.PROMOTED or found is None:
        return ""
    if told.get("size") is not None and told["size"] != found.size:
        return f"{found.size:,} bytes, not {told['size']:,}"
    if look.sha256 is not None and look.sha256 != told["sha256"]:
        return f"sha256 {look.sha256}, not {told['sha256']}"
    if told.get("etag") and told["etag"] != found.etag:
        return f"etag `{found.etag}`, not `{told['etag']}`"
    return ""
