"""A store and ranges of its keys in, a table of all their objects out, as true as the moment that the listing began.

Here stands how ranges are shared out to threads so that few requests are made and nobody is idle; how a page is
fetched and checked is the store's. Which objects are data is not asked: what the caller names in `exclude` is left out.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise, takewhile
from math import ceil
from statistics import fmean
from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc

from adce_assets.errors import LakeError
from adce_assets.lake.store import EVERYTHING, OBJECT_SCHEMA, KeyRange, LakeStore, Part

NOT_DATA = ("_adce/",)
"""Key prefixes that are never the lake's data; callers add the prefix that inventory reports lie under."""

HINT_EVERY = 100
"""A hint for every so many keys is best: shares of the work then end a little before a page does."""

EXTRA_REQUESTS = 0.02
"""How many requests a listing may make beyond one per full page, as a share, and one for each folder at the top."""

_PARTS_PER_CHUNK = 100
_SHARES_OF_MANY = 4
_FULLNESS = 0.985
"""How full the pages of a share are meant to be: pages overlap a little, and lakes grow."""
_FINE_HINTS = 8
_FIRST_PAGES = 2


@dataclass(frozen=True, slots=True)
class Listing:
    """What was listed (`OBJECT_SCHEMA`, sorted by key), and the LIST requests sent for it with all repeats."""

    objects: pa.Table
    requests: int


def take(
    store: LakeStore,
    *,
    ranges: Sequence[KeyRange] = (EVERYTHING,),
    exclude: Sequence[str] = NOT_DATA,
    workers: int = 1,
    hints: Sequence[str] = (),
    on_progress: Callable[[int], None] | None = None,
) -> Listing:
    """List the lake, or ranges of it, whole or not at all.

    Args:
        store: The lake.
        ranges: What to list: disjoint, in order.
        exclude: Key prefixes to leave out.
        workers: How many requests may be under way at once.
        hints: Keys of the last inventory, sorted and evenly spaced, best one for each `HINT_EVERY` keys. They say where
            the keys are and nothing else: without them, or with useless ones, the listing is as true, but slower.
        on_progress: Called now and then with the count of objects taken so far.

    Raises:
        LakeError: The listing failed at any point, or the ranges overlap; there is no partial result.
    """
    _check_ranges(ranges)
    work = _Work(store, tuple(exclude), on_progress)
    if workers <= 1 or not store.keys_per_request:
        pieces = list(map(work.walk, ranges))
    else:
        with ThreadPoolExecutor(workers) as pool:
            try:
                pieces = _listed_together(work, ranges, hints, pool, workers)
            finally:
                work.stopped = True
    batches = chain.from_iterable(piece.batches for piece in pieces)
    return Listing(pa.Table.from_batches(batches, OBJECT_SCHEMA), work.requests)


def _check_ranges(ranges: Sequence[KeyRange]) -> None:
    ends = [(within.after, within.until) for within in ranges]
    backwards = any(until is not None and until < after for after, until in ends)
    if backwards or any(until is None or until > after for (_, until), (after, _) in pairwise(ends)):
        raise LakeError("the ranges to list overlap or are not in order")


def _listed_together(
    work: "_Work", ranges: Sequence[KeyRange], hints: Sequence[str], pool: ThreadPoolExecutor, workers: int
) -> list["_Piece"]:
    """List the first pages of each range, and what then remains in shares of one size."""
    firsts = list(pool.map(work.begin, ranges))
    rests = [(within, rest) for within, (_, rest) in zip(ranges, firsts, strict=True) if rest is not None]
    shares = _shares_by_hints(rests, hints, workers) if hints else _shares_by_folders(rests, work, workers)
    pieces = [piece for piece, _ in firsts] + list(pool.map(work.walk, shares))
    pieces.sort(key=lambda piece: piece.within.after)
    _check_seams(pieces, work.store.url)
    return pieces


def _check_seams(pieces: Sequence["_Piece"], where: str) -> None:
    """Hold the first key that one thread saw behind its share against what the next thread has found there."""
    expected, end = None, None
    for piece in pieces:
        if piece.within.after != end:
            expected = None
        end = piece.within.until
        if (
            expected is not None
            and (end is None or expected <= end)
            and (piece.first is None or piece.first > expected)
        ):
            raise LakeError(
                f"{expected!r} was listed behind one share of the lake, but not in the next",
                where=where,
                hint="list again; if no object was deleted meanwhile, the server leaves out pages",
            )
        expected = piece.beyond or (expected if piece.first is None else None)


Rest = tuple[KeyRange, KeyRange]
"""A range that has more than a few pages, and what of it follows the first."""


def _shares_by_hints(rests: Sequence[Rest], hints: Sequence[str], workers: int) -> list[KeyRange]:
    """Cut the rests so that each share has as many hints as any other, and ends a little before a page does.

    The first pages tell how many hints a page has, and so how many pages remain. A share costs up to one request more
    than its keys need, and less where hints are many to a page, so a small lake is cut into few shares.
    """
    if not rests:
        return []
    in_first = fmean(len(_between(hints, KeyRange(within.after, rest.after))) for within, rest in rests)
    per_page = (in_first + 0.5) / _FIRST_PAGES if in_first else 0.0
    known = [_between(hints, rest) for _, rest in rests]
    total = sum(map(len, known))
    pages = max(1, int(total / (per_page or 1)))
    folders = len({hint[: hint.find("/") + 1] for hint in chain.from_iterable(known)})
    fine = per_page >= _FINE_HINTS
    affordable = int((folders + EXTRA_REQUESTS * pages) * (1.5 if fine else 1))
    wanted = _SHARES_OF_MANY * workers
    shares = wanted if affordable >= wanted else max(1, min(workers, pages, affordable))
    step = max(1, int(ceil(pages / shares) * per_page * _FULLNESS) if fine else ceil(total / shares))
    cut = [_cut(rest, inside[step - 1 :: step]) for (_, rest), inside in zip(rests, known, strict=True)]
    return list(chain.from_iterable(cut))


def _shares_by_folders(rests: Sequence[Rest], work: "_Work", workers: int) -> list[KeyRange]:
    """Cut the rests before each folder, or before every few where they are many."""
    shares: list[KeyRange] = []
    for within, rest in rests:
        folders = _between(work.folders(within), rest)
        step = ceil(len(folders) / (_SHARES_OF_MANY * workers)) or 1
        shares += _cut(rest, folders[step - 1 :: step])
    return shares


def _between(names: Sequence[str], within: KeyRange) -> Sequence[str]:
    """Choose those of sorted names at which a range can be cut in two."""
    stop = len(names) if within.until is None else bisect_left(names, within.until)
    return names[bisect_right(names, within.after) : stop]


def _cut(within: KeyRange, names: Sequence[str]) -> list[KeyRange]:
    return list(map(KeyRange, [within.after, *names], [*names, within.until]))


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one thread has listed: a range, its objects, and the first keys seen in it and behind it."""

    within: KeyRange
    batches: list[pa.RecordBatch]
    first: str | None
    beyond: str | None


class _Work:
    """What the threads of one listing share: the store, what was counted, and whether it is any use to go on."""

    def __init__(self, store: LakeStore, exclude: tuple[str, ...], on_progress: Callable[[int], None] | None) -> None:
        self.store, self.exclude, self.on_progress = store, exclude, on_progress
        self.requests = 0
        self.stopped = False
        self._objects = 0
        self._lock = Lock()

    def begin(self, within: KeyRange) -> tuple[_Piece, KeyRange | None]:
        """List the first pages of a range; return with it what of the range remains, behind the last key but one."""
        parts = list(islice(self.store.parts(within), _FIRST_PAGES))
        if parts[-1].last:
            return self._piece(within, parts), None
        keys = list(chain.from_iterable(part.objects["key"].to_pylist() for part in parts))
        if parts[-1].objects.num_rows < 2:  # noqa: PLR2004 - the last, and the last but one
            end = keys[-1] if keys else within.after
        else:
            parts[-1] = replace(parts[-1], objects=parts[-1].objects[:-1], beyond=keys[-1])
            end = keys[-2]
        return self._piece(KeyRange(within.after, end), parts), KeyRange(end, within.until)

    def walk(self, within: KeyRange) -> _Piece:
        """List a range to its end, or no further than another thread's failure."""
        try:
            return self._piece(within, takewhile(lambda _: not self.stopped, self.store.parts(within)))
        except LakeError:
            self.stopped = True
            raise

    def _piece(self, within: KeyRange, parts: Iterable[Part]) -> _Piece:
        first, beyond = None, None

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal first, beyond
            for part in parts:
                if first is None and part.objects.num_rows:
                    first = part.objects["key"][0].as_py()
                beyond = part.beyond
                yield self._taken(part)

        return _Piece(within, list(_in_chunks(batches())), first, beyond)

    def folders(self, within: KeyRange) -> list[str]:
        """Look where a range can be cut: at its folders, or one level further down where there is but one."""
        names = self._level(within.prefix[: within.prefix.rfind("/") + 1])
        return self._level(names[0]) if len(names) == 1 else names

    def _level(self, folder: str) -> list[str]:
        level = self.store.level(folder)
        with self._lock:
            self.requests += level.requests
        return level.folders

    def _taken(self, part: Part) -> pa.RecordBatch:
        kept = part.objects
        for prefix in self.exclude:
            excluded = pc.starts_with(kept["key"], prefix)
            if pc.any(excluded).as_py():
                kept = kept.filter(pc.invert(excluded))
        with self._lock:
            self.requests += part.requests
            self._objects += kept.num_rows
            if self.on_progress is not None:
                self.on_progress(self._objects)
        return kept


def _in_chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join the batches of many pages, for a table of a thousand rows to a chunk is slow to work on."""
    walk = iter(batches)
    while joined := list(islice(walk, _PARTS_PER_CHUNK)):
        yield from pa.Table.from_batches(joined, OBJECT_SCHEMA).combine_chunks().to_batches()
