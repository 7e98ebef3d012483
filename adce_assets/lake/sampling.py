"""A store and a share of requests in, an estimate of its objects and bytes out, each with a 95 % confidence interval.

The keys are cut into cells of about a page, and a random sample of cells is read whole. A cell that was read stands for
as many as there are for each one read of its stratum, whatever lies in it: stratified sampling of clusters, unbiased
wherever the cuts lie. Good cuts make the interval narrow; they do not make it true.

* With hints, the keys of the last inventory, cuts are hints. Cells across the end of a top-level prefix, where lakes
  grow and small prefixes hide, are read for certain; the others are drawn, with a prefix or a few as a stratum.
* Without, each prefix is probed from its first page on in steps that grow, until nothing follows, and what lies between
  is cut evenly in the order of keys. `key_steps` says how. A prefix of one page is known
  exactly.

However small the share, a sample may make `FEWEST_REQUESTS`, and a lake that costs no more than that to list is listed
whole. With hints it is known which lake that is. Without, so many pages are read in order; where the lake does not end
there they are known, and the rest is sampled with requests of its own.

Its limits: the interval covers the truth about 95 times in 100 when cells are alike or the sample is not tiny. Where
most of a prefix lies in a few of its cells, a sample that drew none of them cannot know. Where a cell has more than the
requests left can read, nothing is guessed: the upper end is None. Without hints and with few requests the interval is
honest, and wide. A sample says how much there is, never what is there.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import ceil, sqrt
from operator import itemgetter
from random import Random
from statistics import fmean, variance

from adce_assets.errors import ConfigurationError
from adce_assets.lake.key_steps import KeySteps
from adce_assets.lake.listing import NOT_DATA
from adce_assets.lake.store import EVERYTHING, KeyRange, LakeStore, Part

FEWEST_REQUESTS = 40
"""A sample may make so many requests however small its share is, or as many as a full listing where that is fewer."""

_PAGE_KEYS = 1_000
_GROWN = 1.25
"""A lake that was small enough to be listed whole may have grown by this factor since its hints."""
_RESERVE = 2
"""So many requests must be left for another cell, since some cells have more than a page."""
_SHARE_OF_PAGE = 0.7
"""How full of keys a page should be on whom a cell is cut, for most cells to take one request."""
_STEP_GROWTH = 8
_HALVINGS = 2
_MOST_CELLS = 100_000
_UNLIKE_UNKNOWN = 1.0
_T = (12.71, 4.31, 3.19, 2.78, 2.58, 2.45, 2.37, 2.31, 2.27, 2.23)
"""Student's t for 95 % and 1, 2, ... degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % confidence interval; `high` is None where the sample sets no bound."""

    value: int
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class Amount:
    """Objects, and their bytes."""

    objects: Estimate
    size: Estimate


@dataclass(frozen=True, slots=True)
class Sample:
    """What a lake holds by top-level prefix (``pbp/``; empty for keys without a slash) and in all.

    `requests` were made, of about `requests_of_all` that a full listing makes.
    """

    total: Amount
    by_prefix: dict[str, Amount]
    requests: int
    requests_of_all: int


@dataclass(slots=True)
class _Tally:
    """What was read of a cell, by prefix; `open` is the last key read of one that has more than could be read."""

    objects: Counter[str] = field(default_factory=Counter)
    size: Counter[str] = field(default_factory=Counter)
    open: str | None = None


@dataclass(frozen=True, slots=True)
class _Stratum:
    """Cells of which each is as likely to be read as any other, and what was read of some.

    A cell that was not drawn may differ by the share `unlike` of the largest, though all that were drawn are alike.
    """

    cells: Sequence[KeyRange]
    read: list[_Tally] = field(default_factory=list)
    unlike: float = 0.1

    def may_hold(self, prefix: str) -> bool:
        """Say whether a key of the prefix can lie here."""
        return any(
            cell.after < prefix + "\U0010ffff" and (cell.until is None or cell.until > prefix) for cell in self.cells
        )

    def holds_open(self, prefixes: Sequence[str]) -> bool:
        """Say whether something of the prefixes may lie behind where a cell could not be read on."""
        return any(
            tally.open is not None and prefix + "\U0010ffff" > tally.open for tally in self.read for prefix in prefixes
        )


def estimate(
    store: LakeStore,
    *,
    rate: float,
    seed: int,
    hints: Sequence[str] = (),
    exclude: Sequence[str] = NOT_DATA,
) -> Sample:
    """Estimate what the lake holds.

    Args:
        store: The lake.
        rate: The share of a full listing's requests that may be made, above 0 and up to 1.
        seed: Chooses the sample; the same lake and seed give the same answer.
        hints: Keys of the last inventory, sorted and evenly spaced.
        exclude: Key prefixes to leave out.

    Raises:
        ConfigurationError: The rate is no share.
        LakeError: A request failed in the end; a sample is whole or not at all.
    """
    if not 0 < rate <= 1:
        raise ConfigurationError(f"{rate} is no share of requests", valid="above 0 and up to 1")
    look = _Look(store, tuple(exclude))
    first = look.page(EVERYTHING)
    spent = look.requests
    per_page = bisect_right(hints, _keys(first)[-1]) if first.objects.num_rows else 0
    head = look.head(first, len(hints) / max(1, per_page) if hints else FEWEST_REQUESTS)
    if head.open is None:
        return _summed([_Stratum([EVERYTHING], [head])], look.requests)
    extra = 0 if hints else look.requests
    look.left += extra
    if hints and look.requests == spent:  # even cells are worth more than one page that is known
        strata = _cut_at_hints(EVERYTHING, hints, per_page)
    else:
        rest = KeyRange(head.open)
        known = _Stratum([KeyRange(until=head.open)], [replace(head, open=None)])
        strata = [known, *(_cut_at_hints(rest, hints, per_page) if hints else _cut_by_probing(look, rest))]
    order = _in_random_order(strata, Random(seed))  # noqa: S311 - draws a sample, guards nothing
    for stratum, cell in order:
        look.left = extra + _allowed(strata, rate) - look.requests
        if look.left < _RESERVE:
            break
        stratum.read.append(look.read(cell))
    return _summed(strata, look.requests)


def _allowed(strata: list[_Stratum], rate: float) -> int:
    """Tell how many requests may be made in all; a lake of which a part is quite unknown is not taken for small."""
    pages = _pages(strata)
    is_seen = all(stratum.read and not any(tally.open for tally in stratum.read) for stratum in strata)
    return max(min(FEWEST_REQUESTS, pages) if is_seen else FEWEST_REQUESTS, int(rate * pages))


class _Look:
    """The way to the store, which counts requests."""

    def __init__(self, store: LakeStore, exclude: tuple[str, ...]) -> None:
        self.store, self.exclude = store, exclude
        self.requests = 0
        self.left = FEWEST_REQUESTS

    def page(self, within: KeyRange) -> Part:
        part = next(self.store.parts(within))
        self._count(part.requests)
        return part

    def folders(self) -> list[str]:
        level = self.store.level()
        self._count(level.requests)
        return level.folders

    def head(self, first: Part, pages: float) -> _Tally:
        """Read on behind the first page, to the end of a lake of about so many pages; not at all if they are many."""
        tally = self.tally(first)
        if first.last:
            return tally
        tally.open = _keys(first)[-1] if first.objects.num_rows else ""
        if not 1 < pages <= FEWEST_REQUESTS:
            return tally
        return self._read_on(KeyRange(tally.open), tally, FEWEST_REQUESTS - min(FEWEST_REQUESTS, ceil(_GROWN * pages)))

    def read(self, cell: KeyRange) -> _Tally:
        """Read a cell to its end, or as far as half of the requests left go: the others are for other cells."""
        return self._read_on(cell, _Tally(), min(self.left // 2, self.left - _RESERVE))

    def _read_on(self, cell: KeyRange, tally: _Tally, kept: int) -> _Tally:
        """Add what a cell holds, until its end or until no more requests are left than are to be kept."""
        tally.open = None
        for part in self.store.parts(cell):
            self._count(part.requests)
            self.tally(part, tally)
            if not part.last and self.left <= kept:
                tally.open = _keys(part)[-1] if part.objects.num_rows else cell.after
                break
        return tally

    def tally(self, part: Part, tally: _Tally | None = None) -> _Tally:
        tally = tally or _Tally()
        for key, size in zip(part.objects["key"].to_pylist(), part.objects["size"].to_pylist(), strict=True):
            if not key.startswith(self.exclude):
                prefix = _prefix(key)
                tally.objects[prefix] += 1
                tally.size[prefix] += size
        return tally

    def _count(self, requests: int) -> None:
        spent = requests or 1  # a file system is asked no less than a server would be
        self.requests += spent
        self.left -= spent


def _prefix(key: str) -> str:
    return key[: key.find("/") + 1]


def _keys(part: Part) -> list[str]:
    return part.objects["key"].to_pylist()


def _cut_at_hints(rest: KeyRange, hints: Sequence[str], per_page: int) -> list[_Stratum]:
    """Cut at every so many hints as a page has; cells within one prefix, or a few small ones, are a stratum."""
    every = max(1, int(_SHARE_OF_PAGE * per_page))
    cells = _cells(rest, list(dict.fromkeys(hints[every - 1 :: every])))
    across = [cell for cell in cells if cell.until is None or _prefix(cell.after) != _prefix(cell.until)]
    of_prefix: dict[str, list[KeyRange]] = {}
    for cell in cells:
        if cell.until is not None and _prefix(cell.after) == _prefix(cell.until):
            of_prefix.setdefault(_prefix(cell.after), []).append(cell)
    few = len(across) <= FEWEST_REQUESTS // 3
    certain = [_Stratum([cell]) for cell in across] if few else [_Stratum(across)]
    return [*certain, *_joined(list(of_prefix.values()), len(cells))]


def _joined(groups: list[list[KeyRange]], cells: int) -> list[_Stratum]:
    """Join neighbouring prefixes until each stratum is worth two requests of a small sample."""
    joined: list[list[KeyRange]] = []
    for group in groups:
        if len(groups) * 4 > FEWEST_REQUESTS and joined and len(joined[-1]) * FEWEST_REQUESTS < 4 * cells:
            joined[-1] += group
        else:
            joined.append(list(group))
    return [_Stratum(group) for group in joined]


def _cells(within: KeyRange, cuts: Sequence[str]) -> list[KeyRange]:
    inside = cuts[bisect_right(cuts, within.after) :]
    inside = inside if within.until is None else inside[: bisect_left(inside, within.until)]
    return list(map(KeyRange, [within.after, *inside], [*inside, within.until]))


def _cut_by_probing(look: _Look, rest: KeyRange) -> list[_Stratum]:
    """Read the first page of each prefix and cut the rest; of very many prefixes each is a cell."""
    ranges = _cells(rest, look.folders())
    if len(ranges) > FEWEST_REQUESTS // 3:
        return [_Stratum(ranges, unlike=_UNLIKE_UNKNOWN)]
    strata = []
    for within in ranges:
        page = look.page(within)
        if page.objects.num_rows == 0 and not page.last:
            strata.append(_Stratum([within]))
            continue
        strata.append(_Stratum([within], [look.tally(page)]))
        if not page.last:
            strata += [_Stratum(cells, unlike=_UNLIKE_UNKNOWN) for cells in _probed(look, page, within.until)]
    return strata


def _probed(look: _Look, page: Part, until: str | None) -> list[list[KeyRange]]:
    """Find about where the keys behind a page end, in steps and back by halves, and cut up to there.

    Where no end was found, the last cell is a stratum of its own, for it may hold anything.
    """
    keys = _keys(page)
    rest = KeyRange(keys[-1], until)
    steps = KeySteps.of(keys)
    start, width = steps.number(keys[-1]), max(1, steps.number(keys[-1]) - steps.number(keys[0]))

    def follows(number: int) -> bool:
        after = max(steps.key(number), rest.after)
        return (until is None or after < until) and look.page(KeyRange(after, until)).objects.num_rows > 0

    low, high, step = start, start + _STEP_GROWTH * width, width
    while high < steps.end and follows(high):
        step *= _STEP_GROWTH
        low, high = high, high + _STEP_GROWTH * step
    endless, high = high >= steps.end, min(high, steps.end)
    for _ in range(_HALVINGS):
        middle = (low + high) // 2
        low, high = (middle, high) if follows(middle) else (low, middle)
    stride = max(1, int(_SHARE_OF_PAGE * width), (high - start) // _MOST_CELLS)
    cells = _cells(rest, sorted({steps.key(number) for number in range(start + stride, high, stride)}))
    return [part for part in (cells[:-1], cells[-1:]) if part] if endless else [cells]


def _in_random_order(strata: list[_Stratum], chance: Random) -> Iterator[tuple[_Stratum, KeyRange]]:
    """Give the cells not yet read: first two of each stratum, then of all alike, those of each stratum at random."""
    drawn = [
        (max(0.0, (place - 1) / len(stratum.cells)), chance.random(), stratum, cell)
        for stratum in strata
        if not stratum.read
        for place, cell in enumerate(chance.sample(stratum.cells, len(stratum.cells)))
    ]
    return ((stratum, cell) for _, _, stratum, cell in sorted(drawn, key=itemgetter(0, 1)))


def _summed(strata: list[_Stratum], requests: int) -> Sample:
    prefixes = sorted({prefix for stratum in strata for tally in stratum.read for prefix in tally.objects})
    by_prefix = {prefix: _amount(strata, [prefix]) for prefix in prefixes}
    return Sample(_amount(strata, prefixes), by_prefix, requests, _pages(strata))


def _pages(strata: list[_Stratum]) -> int:
    """Tell from what was read how many requests a full listing makes."""
    objects = [[tally.objects.total() for tally in stratum.read] for stratum in strata]
    return max(1, ceil(_estimated(strata, objects, bounded=True).value / _PAGE_KEYS))


def _amount(strata: list[_Stratum], prefixes: Sequence[str]) -> Amount:
    mine = [stratum for stratum in strata if any(stratum.may_hold(prefix) for prefix in prefixes)]
    bounded = all(stratum.read and not stratum.holds_open(prefixes) for stratum in mine)
    objects = [[sum(tally.objects[prefix] for prefix in prefixes) for tally in stratum.read] for stratum in mine]
    sizes = [[sum(tally.size[prefix] for prefix in prefixes) for tally in stratum.read] for stratum in mine]
    return Amount(_estimated(mine, objects, bounded=bounded), _estimated(mine, sizes, bounded=bounded))


def _estimated(strata: Sequence[_Stratum], read: Sequence[Sequence[int]], *, bounded: bool) -> Estimate:
    """Add up the strata: their means times their cells, and the variances of those."""
    everything = [*chain.from_iterable(read)] or [0]
    value, spread, freedom = 0.0, 0.0, 0.0
    for stratum, found in zip(strata, read, strict=True):
        values, count = found or everything, len(stratum.cells)
        value += count * fmean(values)
        if len(values) < count:
            unseen = stratum.unlike * max(everything)
            each = (variance(values) if len(values) > 1 else fmean(everything) ** 2) + unseen**2 / len(values)
            mine = count**2 * (1 - len(values) / count) * each / len(values)
            spread += mine
            freedom += mine**2 / max(1, len(values) - 1)
    width = _t(spread**2 / freedom) * sqrt(spread) if freedom else 0.0
    low, high = max(sum(chain.from_iterable(read)), value - width), value + width
    return Estimate(round(value), int(low), ceil(high) if bounded else None)


def _t(freedom: float) -> float:
    """Read Student's t; between and behind the table it falls about as 1.96 + 2.8 / freedom."""
    whole = int(freedom)
    return _T[max(0, whole - 1)] if whole <= len(_T) else 1.96 + 2.8 / freedom
