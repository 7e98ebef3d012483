"""A contract file in, a checked and compiled `Contract` out: leagues, schedules, and data sets with their templates.

Here the parts are put together. What is wrong with them is found in `faults`; the tables they name are read in `facts`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path

from adce_assets.contract import faults
from adce_assets.contract.facts import DimensionRow, dimension_rows, season_truth
from adce_assets.contract.faults import GAME_FIELD, Known
from adce_assets.contract.models import ContractFile, DataType, Dimension, IdKind, League, NonData, Schedule, Source
from adce_assets.contract.seasons import WHOLE_HISTORY, Calendar, Season, SeasonRange
from adce_assets.contract.templates import DATE_FIELDS, SEASON_FIELDS, Template, compile_template
from adce_assets.documents import Document, read, validate
from adce_assets.errors import ContractError, Fault

OWN_FOLDER = NonData(prefix="_adce/", reason="what ADCE itself keeps beside the data: markers, receipts, probes")
"""Never part of the lake's data, whatever a contract says."""


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

    @property
    def entity_fields(self) -> tuple[str, ...]:
        """The fields that name an entity, in the order of the first template; any notation of a date is ``date``.

        Seasons are not among them, nor dates that only help to find the place of a game.
        """
        no_entity = set(SEASON_FIELDS) if "date" in self.declared.for_each else {*SEASON_FIELDS, *DATE_FIELDS}
        fields = (name for name in self.templates[0].fields if name not in no_entity)
        return tuple(dict.fromkeys("date" if name in DATE_FIELDS else name for name in fields))

    @property
    def placed(self) -> tuple[Template, ...]:
        """The templates of places whose objects satisfy a key: all but those that lack the date they should name."""
        named = (template for template in self.templates if set(DATE_FIELDS) & set(template.fields))
        return tuple(named) if self.declared.only_present else self.templates

    def window(self, day: date) -> tuple[datetime, datetime] | None:
        """Return from when (UTC) until before when a day's document can be had, None where it can be had later too."""
        if not self.declared.only_present:
            return None
        begins = datetime.combine(day, time(), UTC)
        return begins, begins + timedelta(days=1, hours=self.declared.grace_hours)

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
    digest: str
    """Another contract has another; the same files give the same."""

    def is_enumerable(self, data_set: DataSet) -> bool:
        """Tell whether the expected keys of a data set can be listed at all."""
        named = [name for name in data_set.declared.for_each if name in self.dimensions]
        return all(self.dimension_rows[name] for name in named)


def load_contract(path: Path) -> Contract:
    """Read, check and compile a contract; raise ContractError with every fault found."""
    document = read(path, error=ContractError)
    declared = validate(ContractFile, document, error=ContractError)
    _refuse(document, [*faults.of_names(declared, document), *faults.of_schedules(declared, document)])
    calendars = {name: _calendar(league) for name, league in declared.leagues.items()}
    found: list[Fault] = []
    data_sets: dict[str, DataSet] = {}
    for source_name, source in declared.sources.items():
        for type_name in source.data_types:
            data_set = _compile(declared, document, calendars, source_name, type_name, found)
            data_sets[data_set.name] = data_set
    non_data = declared.non_data | {"adce": OWN_FOLDER}
    templates = {(data_set.source, data_set.data_type): data_set.templates for data_set in data_sets.values()}
    _refuse(document, [*found, *faults.of_keys(templates, non_data, document)])
    folder = path.parent
    rows = {name: dimension_rows(folder, name, found) for name, found in declared.dimensions.items()}
    truth = season_truth(folder / declared.season_truth, calendars) if declared.season_truth else {}
    told = "\n".join((declared.model_dump_json(), repr(rows), repr(truth)))
    return Contract(
        file=str(path),
        leagues=calendars,
        ids=declared.ids,
        schedules=declared.schedules,
        dimensions=declared.dimensions,
        dimension_rows=rows,
        truth=truth,
        non_data=non_data,
        sources=declared.sources,
        data_sets=data_sets,
        digest=sha256(told.encode()).hexdigest(),
    )


def _refuse(document: Document, found: list[Fault]) -> None:
    if found:
        ordered = tuple(sorted(set(found), key=lambda fault: (fault.file, fault.line, fault.field, fault.message)))
        raise ContractError(f"{len(ordered)} fault(s) in {document.file}", faults=ordered)


def _calendar(league: League) -> Calendar:
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
    found: list[Fault],
) -> DataSet:
    """Compile one data type, adding what is wrong with it to ``found``; templates that do not compile are left out."""
    source = declared.sources[source_name]
    data_type = source.data_types[type_name]
    schedule = data_type.schedule or (source.schedule if "game" in data_type.for_each else None)
    league = data_type.league or source.league
    known = Known(
        place=("sources", source_name, "data_types", type_name),
        league=league,
        calendar=calendars[league],
        schedule=declared.schedules[schedule] if schedule else None,
    )
    found += faults.of_data_type(data_type, known, document)
    default_types = known.schedule.season_types if known.schedule else ()
    seasons = data_type.seasons if data_type.seasons not in {None, WHOLE_HISTORY} else None
    return DataSet(
        source=source_name,
        data_type=type_name,
        declared=data_type,
        calendar=known.calendar,
        league=league,
        schedule=schedule,
        season_types=data_type.season_types or default_types,
        templates=tuple(_templates(declared, document, data_type, known, found)),
        season_range=SeasonRange.parse(seasons) if seasons else SeasonRange(),
    )


def _templates(
    declared: ContractFile, document: Document, data_type: DataType, known: Known, found: list[Fault]
) -> Iterator[Template]:
    patterns = {name: declared.dimensions[name].pattern for name in data_type.for_each if name in declared.dimensions}
    if known.schedule is not None:
        patterns[GAME_FIELD] = declared.ids[known.schedule.id].pattern
    for position, text in enumerate(data_type.templates):
        place = (*known.place, "templates", position)
        unknown = list(faults.of_fields(text, patterns, document, place))
        if unknown:
            found += unknown
            continue
        try:
            template = compile_template(text, patterns)
        except ValueError as error:
            found.append(document.fault(place, str(error)))
            continue
        found += faults.of_template(template, data_type, document, place)
        yield template
