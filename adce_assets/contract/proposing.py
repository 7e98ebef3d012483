"""Keys of a lake that nobody has described in, a contract for it out: a first draft, for a person to go on from.

What can be listed is expected: every year, every day, every customer that was seen. What cannot, such as ids of which
each has one document, is read and expected of nobody. Which keys the draft does not speak of is said with the reason.
How keys are grouped is `key_shapes`' matter, what their columns mean that of `columns`.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from adce_assets.contract import faults
from adce_assets.contract.columns import CYCLES, JANUARY, JULY, Reading, free_name, read
from adce_assets.contract.key_shapes import groups, pattern_of
from adce_assets.contract.ranging import Dimension, Ranged, ranged, renamed
from adce_assets.contract.seasons import WHOLE_HISTORY, Calendar, Season
from adce_assets.contract.templates import Template, compile_template
from adce_assets.documents import Document

MOST_DATA_SETS = 300
"""Data sets of a draft; a person reads it."""
MOST_INLINE = 20
"""Values of a dimension that stand in the contract itself rather than in a table beside it."""
USUAL_BYTES = 100
"""Bytes below which an object is taken for damaged, where none is smaller."""
CALM_DAYS, NEVER_DAYS = 365, 36_500
"""How old a document may be that its source may still change, of a season and of no season: keys do not tell."""
NAME_LETTERS = 40
NOT_PLAIN, FOLDER, ODD, RARE, EMPTY = "not_plain", "folder", "odd", "rare", "empty"
REASONS = {
    NOT_PLAIN: "no template can write a space, a brace, a letter beyond ASCII, or an empty part of a path",
    FOLDER: "what ends in `/` marks a folder",
    ODD: "written as their neighbours are, but with what is none of their values",
    RARE: "of more kinds of keys than a draft can hold",
    EMPTY: "marks without content, as all of their kind: no document can be told from a damaged one there",
}
"""Why the draft does not speak of some keys."""

_PLAIN = re.compile(r"(?!.*(?:^|/)\.{0,2}(?:/|$))[!-z|~]+")


@dataclass(frozen=True, slots=True)
class DraftSet:
    """A data set of the draft: its name ``source/data_type``, its template, how many keys it reads, and one of them.

    ``ranges`` is what it ranges over; ``expects`` says whether its keys can be listed, and so be missing; ``note`` says
    what a person should look at.
    """

    name: str
    template: str
    ranges: tuple[str, ...]
    keys: int
    example: str
    expects: bool
    note: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A contract as data, the tables beside it by file name, and by reason the keys that it does not speak of."""

    contract: Mapping[str, Any]
    tables: Mapping[str, str]
    data_sets: tuple[DraftSet, ...]
    left: Mapping[str, tuple[str, ...]]


def propose(sizes: Mapping[str, int], now: datetime) -> Draft:
    """Draft a contract for a lake with objects of these keys and sizes (bytes), as of ``now`` (UTC).

    The draft is one that `load_contract` takes; each key that is not in ``left`` is read by exactly one data set.
    """
    left: defaultdict[str, list[str]] = defaultdict(list)
    found = [read(group, now.year) for group in groups(list(_plain(sorted(sizes), left)))]
    found.sort(key=lambda one: (-len(one.keys), one.template))
    drafting = _Drafting(sizes, now)
    for one in sorted(_usable(_filled(found, sizes, left), left), key=lambda one: one.template):
        drafting.add(one)
    return drafting.draft({reason: tuple(keys) for reason, keys in left.items() if keys})


def _plain(keys: Iterable[str], left: dict[str, list[str]]) -> Iterator[str]:
    """Yield the keys that a template could write."""
    for key in keys:
        if key.endswith("/"):
            left[FOLDER].append(key)
        elif _PLAIN.fullmatch(key) is None:
            left[NOT_PLAIN].append(key)
        else:
            yield key


def _filled(found: Iterable[Reading], sizes: Mapping[str, int], left: dict[str, list[str]]) -> list[Reading]:
    """Return the readings of which some object has content."""
    filled = []
    for one in found:
        if any(sizes[key] for key in one.keys):
            filled.append(one)
        else:
            left[EMPTY] += [*one.keys, *one.odd]
    return filled


def _usable(found: Sequence[Reading], left: dict[str, list[str]]) -> Iterator[Reading]:
    """Yield the readings that can stand side by side, those of most keys first."""
    compiled: dict[int, Template] = {}
    for place, one in enumerate(found):
        left[ODD] += one.odd
        if len(compiled) == MOST_DATA_SETS:
            left[RARE] += one.keys
            continue
        try:
            patterns = {name: pattern_of(entity.values) for name, entity in one.entities.items()}
            compiled[place] = compile_template(one.template, patterns)
        except ValueError:
            left[NOT_PLAIN] += one.keys
    templates = {("draft", str(place)): [template] for place, template in compiled.items()}
    alike = {int(fault.field.split(".")[3]) for fault in faults.of_keys(templates, {}, Document("draft", {}))}
    for place in compiled:
        if place in alike:
            left[ODD] += found[place].keys
        else:
            yield found[place]


@dataclass(slots=True)
class _Drafting:
    """Readings in, one by one, a draft out: names, leagues, and dimensions that several data sets share."""

    sizes: Mapping[str, int]
    now: datetime
    leagues: dict[int, Season] = field(default_factory=dict)
    dimensions: dict[str, Dimension] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    told: list[DraftSet] = field(default_factory=list)

    def add(self, reading: Reading) -> None:
        """Add a data set."""
        one = self._shared(ranged(reading, self.now))
        source, data_type = self._named(one.reading)
        self._note_league(one)
        self.sources.setdefault(source, {})[data_type] = self._declared(one)
        ranges = (*_moments(one), *(dimension.name for dimension in one.dimensions))
        expects = all(dimension.values for dimension in one.dimensions)
        keys = one.reading.keys
        name = f"{source}/{data_type}"
        self.told.append(DraftSet(name, one.reading.template, ranges, len(keys), keys[0], expects, one.note))

    def draft(self, left: Mapping[str, tuple[str, ...]]) -> Draft:
        """Put the contract together."""
        leagues = self.leagues or {JANUARY: Season(self.now.year)}
        contract: dict[str, Any] = {
            "version": 1,
            "leagues": {
                _league(month): {"first_season": first.label, "season_starts": month}
                for month, first in leagues.items()
            },
            "dimensions": {name: self._of_dimension(one) for name, one in self.dimensions.items()},
            "sources": {
                name: {"description": _below(name), "league": _league(min(leagues)), "data_types": data_types}
                for name, data_types in self.sources.items()
            },
        }
        return Draft(contract, self.tables, tuple(self.told), left)

    def _shared(self, one: Ranged) -> Ranged:
        """Give each dimension a name that nobody has, or that of one that is the same."""
        names: dict[str, str] = {}
        for dimension in one.dimensions:
            tried = [
                dimension.name,
                *(name for name in self.dimensions if re.sub(r"_\d+$", "", name) == dimension.name),
            ]
            free = (name for name in tried if name not in names.values())
            same = (name for name in free if self.dimensions.get(name) == replace(dimension, name=name))
            name = next(same, None) or free_name(dimension.name, {*self.dimensions, *names.values()})
            names[dimension.name] = name
            self.dimensions[name] = replace(dimension, name=name)
        dimensions = tuple(self.dimensions[names[dimension.name]] for dimension in one.dimensions)
        return replace(one, reading=renamed(one.reading, names), dimensions=dimensions)

    def _named(self, reading: Reading) -> tuple[str, str]:
        """Name source and data type by the words that all keys have in common."""
        first, slash, rest = reading.template.partition("/")
        if not slash or "{" in first:
            first, rest = "lake", reading.template
        source = _name(first, "lake")
        words = re.sub(r"\{\w+\}|\w+=\w*|(?<=.)\.[A-Za-z0-9.]*$", " ", rest)
        wanted = _name(words, _name(rest.rpartition(".")[2], "files") if "." in rest else "files")
        return source, free_name(wanted, self.sources.get(source, {}))

    def _note_league(self, one: Ranged) -> None:
        if one.seasons is not None:
            month = one.reading.season_starts
            self.leagues[month] = min(one.seasons[0], self.leagues.get(month, one.seasons[0]))

    def _declared(self, one: Ranged) -> dict[str, Any]:
        """Write down a data set as the contract has it."""
        reading = one.reading
        smallest = min(self.sizes[key] for key in reading.keys if self.sizes[key])
        declared: dict[str, Any] = {
            "description": _described(reading),
            "templates": [reading.template],
            "for_each": [*(_moments(one)), *(dimension.name for dimension in one.dimensions)],
            "min_bytes": min(USUAL_BYTES, smallest),
        }
        if one.seasons is None:
            return declared | {"seasons": WHOLE_HISTORY, "freshness_days": NEVER_DAYS}
        first, last = one.seasons
        current = Calendar(first, reading.season_starts).current(self.now)
        runs = last.start >= current.start - 1
        declared |= {
            "league": _league(reading.season_starts),
            "seasons": f"{first.label}..{'' if runs else last.label}",
        }
        if one.first_day is not None:
            return declared | {"from_date": one.first_day, "changes": "until_final"}
        months = any(dimension.name.startswith((*CYCLES,)) for dimension in one.dimensions)
        waits = last < current or months or one.unfinished
        return declared | {"freshness_days": CALM_DAYS, "due": "season_end" if waits else "season_start"}

    def _of_dimension(self, dimension: Dimension) -> dict[str, Any]:
        """Write down a dimension; many values, or such as come and go, stand in a table."""
        declared: dict[str, Any] = {"pattern": dimension.pattern}
        if not dimension.values:
            return declared
        bounds = {(first, last) for _, first, last in dimension.values}
        if len(bounds) == 1 and len(dimension.values) <= MOST_INLINE:
            return declared | {"values": [value for value, _, _ in dimension.values]}
        newest = max((last for _, _, last in dimension.values if last), default=None)
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow((dimension.name, "first_season", "last_season"))
        for value, first, last in dimension.values:
            ends = "" if last is None or last == newest else last.label
            rows.writerow((value, first.label if first else "", ends))
        self.tables[f"{dimension.name}.csv"] = table.getvalue()
        return declared | {"table": f"tables/{dimension.name}.csv"}


def _described(reading: Reading) -> str:
    count, example = len(reading.keys), reading.keys[0]
    return f"{count:,} objects, such as {example}" if count > 1 else f"the object {example}"


def _moments(one: Ranged) -> tuple[str, ...]:
    if one.seasons is None:
        return ()
    return ("season",) if one.first_day is None else ("date",)


def _league(month: int) -> str:
    return {JANUARY: "years", JULY: "seasons"}.get(month, f"seasons_from_{month:02d}")


def _below(source: str) -> str:
    return "what lies in no folder of its own" if source == "lake" else f"what lies below {source}/"


def _name(words: str, otherwise: str) -> str:
    """Make a name of words, as a contract takes it."""
    name = "_".join(re.findall(r"[a-z0-9]+", words.lower()))[:NAME_LETTERS].strip("_")
    if not name:
        return otherwise
    return name if name[0].isalpha() else f"x_{name}"
