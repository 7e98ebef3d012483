"""Completion markers in, what they tell and the moment for a reconciliation out.

Any scraper may leave a marker, and may write it again, delete it or date it back; so a marker counts as seen by its key
and ETag, never by its place in a listing or its time alone. A marker of a cell that is not known yet, such as one of a
season that has just begun, is not read and stays new until the cell is known. What has been seen lies in a file of the
state, because Dagster keeps a copy of a sensor's cursor with every tick. What the loop does with a completion belongs
to the sensor.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from pydantic import BaseModel, ConfigDict

from adce_assets.autonomous import Completions
from adce_assets.errors import LakeError, ObjectNotFoundError, VerifyError
from adce_assets.lake.store import LakeStore, StoredObject
from adce_assets.ledger.receipts import (
    COMPLETIONS,
    Completion,
    completion_cell,
    read_completion,
)
from adce_assets.ledger.records import MAX_BYTES, MAX_COUNT
from adce_assets.loop.state import State

SEEN = ("cache/completions_seen_a", "cache/completions_seen_b")
"""The two files that take turns: the one that the last tick left is whole until the next tick has ended too."""

Cells = Mapping[str, Collection[str]]
"""The seasons that markers may name, by data set (``source/data_type``)."""
Cell = tuple[str, str]
"""A data set (``source/data_type``) and a season."""


class Waiting(BaseModel):
    """What has been noticed and not yet led to a reconciliation.

    Attributes:
        seen: Which of `SEEN` holds what was seen; None before the first marker.
        since: When the first of what waits was noticed (UTC).
        last: When the last of it was noticed.
        count: How many completions wait.
        asked: How many reconciliations have been asked for; tells apart two of one moment.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seen: int | None = None
    since: datetime | None = None
    last: datetime | None = None
    count: int = 0
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A marker that nobody can believe, and why."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What one look at the markers gave.

    Attributes:
        completions: Those that were read now, believed, in the order of their keys.
        refused: Those that were read now and are none.
        seen: Digests of all markers that lie there and have been read, now or before.
        unread: How many are left for the next look.
        unknown: How many markers wait for each cell that is not known, neither read nor seen.
    """

    completions: tuple[Completion, ...]
    refused: tuple[Refused, ...]
    seen: frozenset[str]
    unread: int
    unknown: Mapping[Cell, int]


@dataclass(frozen=True, slots=True)
class Finished:
    """The completions of one cell that were noticed together, none of them a failure.

    ``records`` is their sum, at most `MAX_COUNT`.
    """

    source: str
    data_type: str
    season: str
    markers: int
    keys: int
    records: int
    finished_at: datetime
    producers: tuple[str, ...]


def notice(lake: LakeStore, seen: Collection[str], *, cells: Cells, limit: int) -> Notice:
    """Read at most ``limit`` markers that have not been seen, and check each; one that is gone again is passed over.

    Markers of cells that ``cells`` does not name are counted, and keep no other marker waiting.

    Raises:
        LakeError: the lake could not be read; nothing counts as seen then.
    """
    markers = {_digest(marker): marker for marker in lake.list(COMPLETIONS)}
    fresh = {digest: completion_cell(marker.key) for digest, marker in markers.items() if digest not in seen}
    unknown = {digest: cell for digest, cell in fresh.items() if cell and cell[1] not in cells.get(cell[0], ())}
    chosen = list(islice((digest for digest in fresh if digest not in unknown), limit))
    results = [_read(lake, markers[digest]) for digest in chosen]
    return Notice(
        completions=tuple(result for result in results if isinstance(result, Completion)),
        refused=tuple(result for result in results if isinstance(result, Refused)),
        seen=frozenset(digest for digest in markers if digest in seen) | frozenset(chosen),
        unread=len(fresh) - len(unknown) - len(chosen),
        unknown=Counter(unknown.values()),
    )


def finished(completions: Iterable[Completion], *, own: str) -> list[Finished]:
    """Sum up by cell what producers other than ``own`` have brought to an end; own runs were recorded as they ran."""
    cells: dict[tuple[str, str, str], list[Completion]] = {}
    for entry in completions:
        if entry.status == "ok" and entry.producer != own:
            cells.setdefault((entry.source, entry.data_type, entry.season), []).append(entry)
    return [_sum(entries) for _, entries in sorted(cells.items())]


def changed(completions: Iterable[Completion]) -> int:
    """Count the completions after which the lake may hold something else: all but failures that wrote nothing."""
    return sum(entry.status == "ok" or bool(entry.keys) for entry in completions)


def settle(waiting: Waiting, news: int, now: datetime, rules: Completions) -> tuple[Waiting, bool]:
    """Take note of ``news`` completions, and say whether the time has come to reconcile what was noticed so far.

    It comes once nothing new has come for a while, and at the latest a longer while after the first. A clock that
    stands still or was set back cannot tell how long: then it comes with the first look that finds nothing new.
    """
    if news:
        waiting = waiting.model_copy(update={"since": waiting.since or now, "last": now, "count": waiting.count + news})
    if waiting.since is None or waiting.last is None:
        return waiting, False
    quiet = now - waiting.last >= timedelta(seconds=rules.quiet_seconds) or (not news and now <= waiting.last)
    long = now - waiting.since >= timedelta(seconds=rules.longest_wait_seconds)
    if not quiet and not long:
        return waiting, False
    return Waiting(seen=waiting.seen, asked=waiting.asked + 1), True


def read_seen(state: State, waiting: Waiting) -> frozenset[str]:
    """Read which markers the last tick had seen; none, where it left no file or the file has been removed."""
    if waiting.seen is None:
        return frozenset()
    try:
        body = state.store.get(f"{SEEN[waiting.seen]}.json")
    except ObjectNotFoundError:
        return frozenset()
    try:
        return frozenset(json.loads(body)["seen"])
    except (ValueError, KeyError, TypeError) as error:
        raise LakeError(
            "is not a list of seen completions",
            where=f"{state.store.url}/{SEEN[waiting.seen]}.json",
            hint="delete the file: every marker is then read once more",
        ) from error


def write_seen(state: State, waiting: Waiting, seen: Iterable[str]) -> Waiting:
    """Write what has been seen beside the file of the last tick, and name the new file."""
    slot = 0 if waiting.seen is None else 1 - waiting.seen
    state.write_json(SEEN[slot], {"schema": 1, "seen": sorted(seen)})
    return waiting.model_copy(update={"seen": slot})


def _digest(marker: StoredObject) -> str:
    return hashlib.sha256(f"{marker.key}\0{marker.etag}".encode()).hexdigest()[:16]


def _read(lake: LakeStore, marker: StoredObject) -> Completion | Refused | None:
    if marker.size > MAX_BYTES:
        return Refused(marker.key, f"{marker.size} bytes are more than a marker may have")
    try:
        return read_completion(marker.key, lake.get(marker.key))
    except ObjectNotFoundError:
        return None
    except VerifyError as error:
        return Refused(marker.key, error.what)


def _sum(entries: Sequence[Completion]) -> Finished:
    first = entries[0]
    return Finished(
        source=first.source,
        data_type=first.data_type,
        season=first.season,
        markers=len(entries),
        keys=sum(len(entry.keys or ()) for entry in entries),
        records=min(MAX_COUNT, sum(entry.records or 0 for entry in entries)),
        finished_at=max(entry.finished_at for entry in entries),
        producers=tuple(sorted({entry.producer for entry in entries})),
    )
