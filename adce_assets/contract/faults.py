"""A declared contract in, its faults out: what one part says of another and cannot mean.

Each function looks for one kind of fault and yields it with file, line and what would be valid. Shape and range of the
parts themselves belong to `models`, the compiled contract to `loading`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from string import Formatter

from adce_assets.contract.models import ContractFile, DataType, IdKind, NonData, Schedule
from adce_assets.contract.samples import samples
from adce_assets.contract.schedule import SEASON_TYPES, format_names
from adce_assets.contract.seasons import WHOLE_HISTORY, Calendar, SeasonRange
from adce_assets.contract.templates import DATE_FIELDS, SEASON_FIELDS, Template
from adce_assets.documents import Document
from adce_assets.errors import Fault

GAME_FIELD = "game_id"
"""The field of an event's id in templates that range over ``game``."""
FIELDS_OF = {"game": {GAME_FIELD}, "date": set(DATE_FIELDS), "season": set(SEASON_FIELDS)}
"""The fields that name what a data type ranges over; a dimension is named by the field of its own name."""

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Where a data type stands in the contract, and what of the contract it refers to."""

    place: Place
    league: str
    calendar: Calendar
    schedule: Schedule | None


def of_names(declared: ContractFile, document: Document) -> Iterator[Fault]:
    """Find names that are used and declared nowhere, and dimensions whose name every template knows already."""
    for name, source in declared.sources.items():
        yield from _unknown(document, ("sources", name, "league"), source.league, declared.leagues)
        yield from _unknown(document, ("sources", name, "schedule"), source.schedule, declared.schedules)
        for type_name, data_type in source.data_types.items():
            yield from _names_of_type(declared, document, ("sources", name, "data_types", type_name), data_type)
    for name, dimension in declared.dimensions.items():
        if name in set().union(FIELDS_OF, *FIELDS_OF.values()):
            yield document.fault(("dimensions", name), "is a field that every template knows already")
        if dimension.column is not None and dimension.table is None:
            yield document.fault(("dimensions", name, "column"), "means nothing without a `table`")
    for name, kind in declared.ids.items():
        for character, season_type in kind.season_types.items():
            yield from _unknown(document, ("ids", name, "season_types", character), season_type, SEASON_TYPES)


def _names_of_type(declared: ContractFile, document: Document, place: Place, data_type: DataType) -> Iterator[Fault]:
    yield from _unknown(document, (*place, "league"), data_type.league, declared.leagues)
    yield from _unknown(document, (*place, "schedule"), data_type.schedule, declared.schedules)
    for position, name in enumerate(data_type.for_each):
        yield from _unknown(document, (*place, "for_each", position), name, {*FIELDS_OF, *declared.dimensions})
    for position, season_type in enumerate(data_type.season_types):
        yield from _unknown(document, (*place, "season_types", position), season_type, SEASON_TYPES)
    for listed in ("for_each", "templates"):
        values: Sequence[str] = getattr(data_type, listed)
        for position in (place for place, value in enumerate(values) if value in values[:place]):
            yield document.fault((*place, listed, position), f"`{values[position]}` stands here twice")


def of_schedules(declared: ContractFile, document: Document) -> Iterator[Fault]:
    """Find schedules that name what is not declared, or that number events in a way their ids forbid."""
    known = {f"{source}/{name}" for source, found in declared.sources.items() for name in found.data_types}
    for name, schedule in declared.schedules.items():
        place = ("schedules", name)
        yield from _unknown(document, (*place, "league"), schedule.league, declared.leagues)
        yield from _unknown(document, (*place, "id"), schedule.id, declared.ids)
        for position, season_type in enumerate(schedule.season_types):
            yield from _unknown(document, (*place, "season_types", position), season_type, SEASON_TYPES)
        for position, entry in enumerate(schedule.documents):
            yield from _unknown(document, (*place, "documents", position, "data_set"), entry.data_set, known)
            yield from _unknown(document, (*place, "documents", position, "format"), entry.format, format_names())
        yield from _of_numbering(schedule, declared.ids.get(schedule.id), document, (*place, "numbering"))


def _of_numbering(schedule: Schedule, kind: IdKind | None, document: Document, place: Place) -> Iterator[Fault]:
    numbering = schedule.numbering
    if numbering is None or kind is None:
        return
    yield from _unknown(document, (*place, "season_type"), numbering.season_type, SEASON_TYPES)
    first = f"{numbering.prefix}00{1:0{numbering.digits}d}"
    if re.fullmatch(kind.pattern, first, re.ASCII) is None:
        yield document.fault(place, f"numbers events `{first}`, which is no {schedule.id}; valid: {kind.pattern}")


def _unknown(document: Document, path: Place, name: str | None, known: Iterable[str]) -> Iterator[Fault]:
    names = list(known)
    if name is not None and name not in names:
        yield document.fault(path, f"`{name}` is not declared", given=name, valid=names)


@dataclass(frozen=True, slots=True)
class Rule:
    """A field of a data type, when it is faulty, and why."""

    field: str
    faulty: Callable[[DataType, Known], bool]
    message: str


RULES = (
    Rule(
        "for_each",
        lambda it, _: {"date", "game"} <= set(it.for_each),
        "a key ranges over dates or over games, not over both",
    ),
    Rule(
        "for_each",
        lambda it, known: "game" in it.for_each and known.schedule is None,
        "`game` needs the source or the data type to name its `schedule`",
    ),
    Rule(
        "for_each",
        lambda it, _: it.seasons != WHOLE_HISTORY and not set(FIELDS_OF) & set(it.for_each),
        "must name `season`, `date` or `game`, unless `seasons` is `all`",
    ),
    Rule(
        "seasons",
        lambda it, _: it.seasons == WHOLE_HISTORY and bool(set(FIELDS_OF) & set(it.for_each)),
        "`all` is for data that no season, date or game divides",
    ),
    Rule("seasons", lambda it, known: not _has_any(known.calendar, it.seasons), "the league has none of these seasons"),
    Rule(
        "from_date",
        lambda it, _: "date" in it.for_each and it.from_date is None,
        "`date` needs `from_date`, the first day the source has",
    ),
    Rule(
        "from_date", lambda it, _: "date" not in it.for_each and it.from_date is not None, "needs `date` in `for_each`"
    ),
    Rule("schedule", lambda it, _: "game" not in it.for_each and it.schedule is not None, "needs `game` in `for_each`"),
    Rule(
        "schedule",
        lambda _, known: known.schedule is not None and known.schedule.league != known.league,
        "is the schedule of another league",
    ),
    Rule(
        "season_types", lambda it, _: "game" not in it.for_each and it.season_types != (), "needs `game` in `for_each`"
    ),
    Rule(
        "changes",
        lambda it, _: it.changes == "until_final" and not {"date", "game"} & set(it.for_each),
        "`until_final` needs `date` or `game` in `for_each`",
    ),
    Rule("only_present", lambda it, _: it.only_present and "date" not in it.for_each, "needs `date` in `for_each`"),
    Rule(
        "changes",
        lambda it, _: it.only_present and it.changes != "until_final",
        "what is `only_present` cannot change once its day is over; valid: until_final",
    ),
)
"""What the fields of a data type cannot mean together."""


def of_data_type(data_type: DataType, known: Known, document: Document) -> Iterator[Fault]:
    """Find what a data type says that does not go together."""
    for rule in RULES:
        if rule.faulty(data_type, known):
            yield document.fault((*known.place, rule.field), rule.message)


def _has_any(calendar: Calendar, seasons: str | None) -> bool:
    if seasons is None or seasons == WHOLE_HISTORY:
        return True
    wanted = SeasonRange.parse(seasons)
    too_late = wanted.first is not None and calendar.last is not None and wanted.first > calendar.last
    return not too_late and (wanted.last is None or wanted.last >= calendar.first)


def of_fields(text: str, entities: Iterable[str], document: Document, place: Place) -> Iterator[Fault]:
    """Find fields of a template that mean nothing there; what else is wrong with it is found by compiling it."""
    known = {*SEASON_FIELDS, *DATE_FIELDS, *entities}
    try:
        names = [name for _, name, _, _ in Formatter().parse(text)]
    except ValueError:
        return
    for name in names:
        if name is not None and name not in known:
            yield document.fault(place, f"the field `{{{name}}}` is not known here", given=name, valid=known)


def of_template(template: Template, data_type: DataType, document: Document, place: Place) -> Iterator[Fault]:
    """Find what a key of this template would not tell: every key must name exactly one thing."""
    derived = {"season"} if {"date", "game"} & set(data_type.for_each) else set()
    derived |= {"date"} if may_lack_date(data_type, place[-1]) else set()
    for dimension in data_type.for_each:
        if dimension not in derived and not FIELDS_OF.get(dimension, {dimension}) & set(template.fields):
            wanted = " or ".join(f"{{{name}}}" for name in sorted(FIELDS_OF.get(dimension, {dimension})))
            yield document.fault(place, f"does not name the {dimension}: two keys would be one; add {wanted}")
    allowed = set().union(*(FIELDS_OF.get(name, {name}) for name in data_type.for_each))
    allowed |= FIELDS_OF["season"] if data_type.seasons != WHOLE_HISTORY else set()
    allowed |= FIELDS_OF["date"] if "game" in data_type.for_each else set()
    for name in template.fields:
        if name not in allowed:
            yield document.fault(place, f"the field `{{{name}}}` is not in `for_each`", given=name, valid=allowed)
    for one, between, other in _neighbours(template):
        if _can_shift(template.patterns[one], between, template.patterns[other]):
            message = f"`{{{one}}}` and `{{{other}}}` cannot be told apart in a key; valid: more between them"
            yield document.fault(place, message)


def may_lack_date(data_type: DataType, position: str | int) -> bool:
    """Tell whether a template may lack the date: it is of what only the present has, and none behind it names one."""
    behind = data_type.templates[int(position) :] if data_type.only_present and position else ()
    return bool(behind) and not any(f"{{{name}}}" in text for text in behind for name in DATE_FIELDS)


def _neighbours(template: Template) -> Iterator[tuple[str, str, str]]:
    """Yield every two fields that follow each other, with the text between them."""
    pieces = [(literal, name) for literal, name, _, _ in Formatter().parse(template.text)]
    for (_, one), (between, other) in pairwise(pieces):
        if one is not None and other is not None:
            yield one, between, other


def _can_shift(one: str, between: str, other: str) -> bool:
    """Tell whether the end of one value may also be read as the beginning of the next."""
    return any(
        re.fullmatch(one, f"{start}{between}{middle}", re.ASCII)
        and re.fullmatch(other, f"{middle}{between}{end}", re.ASCII)
        for start in samples(one)
        for end in samples(other)
        for middle in ("", *samples(one), *samples(other))
        if between or middle
    )


def of_keys(
    templates: Mapping[tuple[str, str], Sequence[Template]], non_data: Mapping[str, NonData], document: Document
) -> Iterator[Fault]:
    """Find templates (by source and data type) that write keys which another reads, or which are declared no data."""
    tried = [
        (("sources", source, "data_types", data_type, "templates", position), template, _keys(template))
        for (source, data_type), found in templates.items()
        for position, template in enumerate(found)
    ]
    for (first, one, keys), (second, other, other_keys) in combinations(tried, 2):
        if not (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)):
            continue
        if any(map(other.matcher.fullmatch, keys)) or any(map(one.matcher.fullmatch, other_keys)):
            message = f"`{other.text}` and `{one.text}` of {first[1]}/{first[3]} name the same keys"
            yield document.fault(second, message)
    for place, _, keys in tried:
        for name, entry in non_data.items():
            if any(key.startswith(entry.prefix) for key in keys):
                yield document.fault(place, f"lies in `{entry.prefix}`, which is declared no data (`{name}`)")


def _keys(template: Template) -> list[str]:
    """Write a key from the short samples of the fields' patterns, and one from the longer samples."""
    found = {name: samples(pattern) for name, pattern in template.patterns.items()}
    return [template.text.format_map({name: texts[end] for name, texts in found.items()}) for end in (0, -1)]
