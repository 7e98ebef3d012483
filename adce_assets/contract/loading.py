"""A contract file in, a checked and compiled `Contract` out: leagues, schedules, and data sets with their templates.

Here stands what one part of the contract says of another: names must exist, templates must name what they range over,
and no two data sets may write the same key.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path

from adce_assets.contract.models import ContractFile, DataType, Dimension, IdKind, NonData, Schedule, Source
from adce_assets.contract.seasons import WHOLE_HISTORY, Calendar, Season, SeasonRange
from adce_assets.contract.templates import DATE_FIELDS, SEASON_FIELDS, Template, compile_template
from adce_assets.documents import Document, read, validate
from adce_assets.errors import ContractError, Fault

GAME_FIELD = "game_id"
"""The field of an event's id in templates that range over ``game``."""


@dataclass(frozen=True, slots=True)
class DimensionRow:
    """One value of a dimension and the seasons in which it is valid."""

    value: str
    seasons: SeasonRange


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set with everything the contract says of it, compiled. ``name`` is ``source/data_type``."""

    source: str
    data_type: str
    declared: DataType
    calendar: Calendar
    league: str
    schedule: str | None
    season_types: tuple[str, ...]
    templates: tuple[Template, ...]
    season_range: SeasonRange

    @property
    def name(self) -> str:
        """The name by which configuration, assets and tables call the data set."""
        return f"{self.source}/{self.data_type}"

    @property
    def has_seasons(self) -> bool:
        """False for data that no season divides: its only cell is the season ``all``."""
        return self.declared.seasons != WHOLE_HISTORY

    def seasons(self, now: datetime) -> list[Season]:
        """List the seasons of which the contract expects data, oldest first."""
        return list(self.calendar.seasons(now, self.season_range)) if self.has_seasons else []

    def season_labels(self, now: datetime) -> list[str]:
        """List the cells of the data set by season label; ``all`` is the only cell of data without seasons."""
        return [season.label for season in self.seasons(now)] if self.has_seasons else [WHOLE_HISTORY]

    def absence(self, season: Season) -> str | None:
        """Return why the source never had the season, or None."""
        reasons = (entry.reason for entry in self.declared.absent if season in SeasonRange.parse(entry.seasons))
        return next(reasons, None)


@dataclass(frozen=True, slots=True)
class Contract:
    """What the lake should hold."""

    file: str
    leagues: Mapping[str, Calendar]
    ids: Mapping[str, IdKind]
    schedules: Mapping[str, Schedule]
    dimensions: Mapping[str, Dimension]
    dimension_rows: Mapping[str, tuple[DimensionRow, ...]]
    truth: Mapping[tuple[str, str, str], int]
    """Events that a season really had, by league, season label and season type."""
    non_data: Mapping[str, NonData]
    sources: Mapping[str, Source]
    data_sets: Mapping[str, DataSet]

    def is_enumerable(self, data_set: DataSet) -> bool:
        """Tell whether the expected keys of a data set can be listed at all."""
        named = [name for name in data_set.declared.for_each if name in self.dimensions]
        return all(self.dimension_rows[name] for name in named)


def load_contract(path: Path) -> Contract:
    """Read, check and compile a contract; raise ContractError with every fault found."""
    document = read(path, error=ContractError)
    declared = validate(ContractFile, document, error=ContractError)
    faults = list(_cross_references(declared, document))
    _refuse(document, faults)
    calendars = {name: _calendar(declared, name) for name in declared.leagues}
    data_sets: dict[str, DataSet] = {}
    for source_name, source in declared.sources.items():
        for type_name in source.data_types:
            data_set = _compile(declared, document, calendars, source_name, type_name, faults)
            if data_set is not None:
                data_sets[data_set.name] = data_set
    faults += _schedule_faults(declared, document, data_sets)
    faults += _collisions(document, data_sets)
    rows = {name: _dimension_rows(path, name, dimension) for name, dimension in declared.dimensions.items()}
    truth = _truth(path.parent / declared.season_truth, declared) if declared.season_truth else {}
    _refuse(document, faults)
    return Contract(
        file=str(path),
        leagues=calendars,
        ids=declared.ids,
        schedules=declared.schedules,
        dimensions=declared.dimensions,
        dimension_rows=rows,
        truth=truth,
        non_data=declared.non_data,
        sources=declared.sources,
        data_sets=data_sets,
    )


def _refuse(document: Document, faults: list[Fault]) -> None:
    if faults:
        ordered = tuple(sorted(set(faults), key=lambda fault: (fault.file, fault.line, fault.field)))
        raise ContractError(f"{len(ordered)} fault(s) in {document.file}", faults=ordered)


def _cross_references(declared: ContractFile, document: Document) -> Iterator[Fault]:
    """Find names that are used and declared nowhere."""
    for name, schedule in declared.schedules.items():
        yield from _unknown(document, ("schedules", name, "league"), schedule.league, declared.leagues)
        yield from _unknown(document, ("schedules", name, "id"), schedule.id, declared.ids)
    for name, source in declared.sources.items():
        place = ("sources", name)
        yield from _unknown(document, (*place, "league"), source.league, declared.leagues)
        yield from _unknown(document, (*place, "schedule"), source.schedule, declared.schedules)
        for type_name, data_type in source.data_types.items():
            inner = (*place, "data_types", type_name)
            yield from _unknown(document, (*inner, "league"), data_type.league, declared.leagues)
            yield from _unknown(document, (*inner, "schedule"), data_type.schedule, declared.schedules)
            for position, dimension in enumerate(data_type.for_each):
                known = {"season", "date", "game", *declared.dimensions}
                yield from _unknown(document, (*inner, "for_each", position), dimension, known)


def _unknown(
    document: Document, path: tuple[str | int, ...], name: str | None, known: Iterable[str]
) -> Iterator[Fault]:
    names = list(known)
    if name is not None and name not in names:
        yield document.fault(path, f"`{name}` is not declared", given=name, valid=names)


def _calendar(declared: ContractFile, name: str) -> Calendar:
    league = declared.leagues[name]
    return Calendar(
        first=Season.parse(league.first_season),
        last=Season.parse(league.last_season) if league.last_season else None,
        start_month=league.season_starts,
        odd_starts={Season.parse(label).start: day for label, day in league.odd_starts.items()},
        event_hours=league.event_hours,
    )


def _compile(
    declared: ContractFile,
    document: Document,
    calendars: Mapping[str, Calendar],
    source_name: str,
    type_name: str,
    faults: list[Fault],
) -> DataSet | None:
    """Compile one data type, adding what is wrong with it to ``faults``."""
    source = declared.sources[source_name]
    data_type = source.data_types[type_name]
    place = ("sources", source_name, "data_types", type_name)
    schedule = data_type.schedule or (source.schedule if "game" in data_type.for_each else None)
    found = list(_type_faults(data_type, document, place, schedule))
    patterns = {name: declared.dimensions[name].pattern for name in data_type.for_each if name in declared.dimensions}
    if schedule is not None:
        patterns[GAME_FIELD] = declared.ids[declared.schedules[schedule].id].pattern
    templates = []
    for position, text in enumerate(data_type.templates):
        try:
            templates.append(compile_template(text, patterns))
        except ValueError as error:
            found.append(document.fault((*place, "templates", position), str(error)))
            continue
        found += _template_faults(templates[-1], data_type, document, (*place, "templates", position))
    faults += found
    if found:
        return None
    league = data_type.league or source.league
    bounded = data_type.seasons not in {None, WHOLE_HISTORY}
    default_types = declared.schedules[schedule].season_types if schedule else ()
    return DataSet(
        source=source_name,
        data_type=type_name,
        declared=data_type,
        calendar=calendars[league],
        league=league,
        schedule=schedule,
        season_types=data_type.season_types or default_types,
        templates=tuple(templates),
        season_range=SeasonRange.parse(data_type.seasons or "..") if bounded else SeasonRange(),
    )


def _type_faults(
    data_type: DataType, document: Document, place: tuple[str | int, ...], schedule: str | None
) -> Iterator[Fault]:
    """Find what a data type says that does not go together."""
    each = set(data_type.for_each)
    if {"date", "game"} <= each:
        yield document.fault((*place, "for_each"), "a key ranges over dates or over games, not over both")
    if "game" in each and schedule is None:
        yield document.fault((*place, "for_each"), "`game` needs the source or the data type to name its `schedule`")
    if "date" in each and data_type.from_date is None:
        yield document.fault((*place, "for_each"), "`date` needs `from_date`, the first day the source has")
    if data_type.seasons == WHOLE_HISTORY and each & {"season", "date", "game"}:
        yield document.fault((*place, "seasons"), "`all` is for data that no season, date or game divides")
    if data_type.seasons != WHOLE_HISTORY and not each & {"season", "date", "game"}:
        yield document.fault((*place, "for_each"), "must name `season`, `date` or `game`, unless `seasons` is `all`")


def _template_faults(
    template: Template, data_type: DataType, document: Document, place: tuple[str | int, ...]
) -> Iterator[Fault]:
    """Find what a key of this template would not tell: every key must name exactly one thing."""
    names = {"game": {GAME_FIELD}, "date": set(DATE_FIELDS), "season": set(SEASON_FIELDS)}
    derived = {"season"} if {"date", "game"} & set(data_type.for_each) else set()
    for dimension in data_type.for_each:
        if dimension not in derived and not names.get(dimension, {dimension}) & set(template.fields):
            wanted = " or ".join(f"{{{name}}}" for name in sorted(names.get(dimension, {dimension})))
            yield document.fault(place, f"does not name the {dimension}: two keys would be one; add {wanted}")
    allowed = set().union(*(names.get(name, {name}) for name in data_type.for_each))
    allowed |= set(SEASON_FIELDS) if data_type.seasons != WHOLE_HISTORY else set()
    allowed |= set(DATE_FIELDS) if "game" in data_type.for_each else set()
    for name in template.fields:
        if name not in allowed:
            yield document.fault(place, f"the field `{{{name}}}` is not in `for_each`", given=name, valid=allowed)


def _schedule_faults(declared: ContractFile, document: Document, data_sets: Mapping[str, DataSet]) -> Iterator[Fault]:
    for name, schedule in declared.schedules.items():
        for position, entry in enumerate(schedule.documents):
            path = ("schedules", name, "documents", position, "data_set")
            yield from _unknown(document, path, entry.data_set, data_sets)


def _collisions(document: Document, data_sets: Mapping[str, DataSet]) -> Iterator[Fault]:
    """Find data sets of which one writes keys that another's template reads."""
    samples = [
        (data_set, template, _sample(template)) for data_set in data_sets.values() for template in data_set.templates
    ]
    for (one, first, first_key), (other, second, second_key) in combinations(samples, 2):
        if one is not other and (second.matcher.fullmatch(first_key) or first.matcher.fullmatch(second_key)):
            place = ("sources", other.source, "data_types", other.data_type, "templates")
            yield document.fault(place, f"`{second.text}` and `{first.text}` of {one.name} name the same keys")


def _sample(template: Template) -> str:
    """Write one key of the template from the shortest text that each pattern is likely to allow."""
    return re.sub(r"\{(\w+)\}", lambda field: _shortest(template.patterns[field[1]]), template.text)


def _shortest(pattern: str) -> str:
    candidates = ("2024-25", "2024", "20241201", "2024-12-01", "a", "A", "AAA", "0", "00", "000000001", "aaaaa01")
    return next((text for text in candidates if re.fullmatch(pattern, text)), "a")


def _dimension_rows(path: Path, name: str, dimension: Dimension) -> tuple[DimensionRow, ...]:
    rows = tuple(DimensionRow(value, SeasonRange()) for value in dimension.values)
    if dimension.table is not None:
        file = path.parent / dimension.table
        for line, row in _csv(file, {dimension.column or name}):
            first, last = row.get("first_season") or "", row.get("last_season") or ""
            try:
                seasons = SeasonRange.parse(f"{first}..{last}")
            except ValueError as error:
                raise ContractError(str(error), where=f"{file}:{line}") from error
            rows += (DimensionRow(row[dimension.column or name], seasons),)
    for row in rows:
        if re.fullmatch(dimension.pattern, row.value, re.ASCII) is None:
            raise ContractError(f"`{row.value}` is no {name}", where=path.as_posix(), valid=dimension.pattern)
    return rows


def _truth(file: Path, declared: ContractFile) -> dict[tuple[str, str, str], int]:
    truth: dict[tuple[str, str, str], int] = {}
    for line, row in _csv(file, {"league", "season", "season_type", "events"}):
        try:
            key = (row["league"], Season.parse(row["season"]).label, row["season_type"])
            truth[key] = int(row["events"])
        except ValueError as error:
            raise ContractError(str(error), where=f"{file}:{line}") from error
        if row["league"] not in declared.leagues:
            raise ContractError(
                f"the league `{row['league']}` is not declared",
                where=f"{file}:{line}",
                valid=", ".join(declared.leagues),
            )
    return truth


def _csv(file: Path, columns: set[str]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines, strict=True)
            lacking = columns - set(reader.fieldnames or ())
            if lacking:
                raise ContractError(f"lacks the column(s) {', '.join(sorted(lacking))}", where=f"{file}:1")
            for row in reader:
                yield reader.line_num, {name: value or "" for name, value in row.items() if name is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ContractError(f"cannot read the table: {error}", where=str(file)) from error
