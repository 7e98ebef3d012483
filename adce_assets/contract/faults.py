"""A declared contract in, its faults out: what one part says of another and cannot mean.

Each function looks for one kind of fault and yields it with file, line and what would be valid. Shape and range of the
parts themselves belong to `models`, the compiled contract to `loading`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise, product
from string import Formatter

from adce_assets.contract.models import ContractFile, DataType, NonData, Schedule
from adce_assets.contract.samples import samples
from adce_assets.contract.schedule import SEASON_TYPES, format_names
from adce_assets.contract.seasons import WHOLE_HISTORY, Season, SeasonRange
from adce_assets.contract.templates import DATE_FIELDS, SEASON_FIELDS, Template
from adce_assets.documents import Document
from adce_assets.errors import Fault

GAME_FIELD = "game_id"
"""The field of an event's id in templates that range over ``game``."""
FIELDS_OF = {"game": frozenset({GAME_FIELD}), "date": frozenset(DATE_FIELDS), "season": frozenset(SEASON_FIELDS)}
"""The fields that name what a data type ranges over; a dimension is named by the field of its own name."""

Place = tuple[str | int, ...]


def of_names(declared: ContractFile, document: Document) -> Iterator[Fault]:
    """Find names that are used and declared nowhere, and names that mean something else already."""
    taken = set().union(FIELDS_OF, *FIELDS_OF.values())
    for name, dimension in declared.dimensions.items():
        if name in taken:
            yield document.fault(("dimensions", name), "names a field that every template knows already")
        if dimension.column is not None and dimension.table is None:
            yield document.fault(("dimensions", name, "column"), "means nothing without a `table`")
    for name, source in declared.sources.items():
        place = ("sources", name)
        yield from unknown(document, (*place, "league"), source.league, declared.leagues)
        yield from unknown(document, (*place, "schedule"), source.schedule, declared.schedules)
        for type_name, data_type in source.data_types.items():
            inner = (*place, "data_types", type_name)
            yield from unknown(document, (*inner, "league"), data_type.league, declared.leagues)
            yield from unknown(document, (*inner, "schedule"), data_type.schedule, declared.schedules)
            for position, dimension_name in enumerate(data_type.for_each):
                known = {*FIELDS_OF, *declared.dimensions}
                yield from unknown(document, (*inner, "for_each", position), dimension_name, known)
            for position, season_type in enumerate(data_type.season_types):
                yield from unknown(document, (*inner, "season_types", position), season_type, SEASON_TYPES)


def of_schedules(declared: ContractFile, document: Document) -> Iterator[Fault]:
    """Find schedules that name what is not declared, or number events in a way their ids forbid."""
    for name, schedule in declared.schedules.items():
        place = ("schedules", name)
        yield from unknown(document, (*place, "league"), schedule.league, declared.leagues)
        yield from unknown(document, (*place, "id"), schedule.id, declared.ids)
        for position, season_type in enumerate(schedule.season_types):
            yield from unknown(document, (*place, "season_types", position), season_type, SEASON_TYPES)
        known = [f"{source}/{name}" for source, found in declared.sources.items() for name in found.data_types]
        for position, entry in enumerate(schedule.documents):
            inner = (*place, "documents", position)
            yield from unknown(document, (*inner, "data_set"), entry.data_set, known)
            yield from unknown(document, (*inner, "format"), entry.format, format_names())
        if schedule.id in declared.ids:
            yield from _of_numbering(schedule, declared.ids[schedule.id].pattern, document, place)
    for name, kind in declared.ids.items():
        for character, season_type in kind.season_types.items():
            yield from unknown(document, ("ids", name, "season_types", character), season_type, SEASON_TYPES)


def _of_numbering(schedule: Schedule, pattern: str, document: Document, place: Place) -> Iterator[Fault]:
    if schedule.numbering is None:
        return
    yield from unknown(
        document, (*place, "numbering", "season_type"), schedule.numbering.season_type, SEASON_TYPES
    )
    first = f"{schedule.numbering.prefix}00{1:0{schedule.numbering.digits}d}"
    if re.fullmatch(pattern, first, re.ASCII) is None:
        message = f"numbers events `{first}`, which is no {schedule.id}; valid: {pattern}"
        yield document.fault((*place, "numbering"), message)
