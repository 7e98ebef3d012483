"""The URL of a recording in, the scraper that asks it and the keys of the contract that its answer fills out.

The templates of the catalogue are read backwards: what a URL says in a field's place is that field's value, derived
fields are traced back to what they are made of, and the fields of a key are filled with it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from string import Formatter
from urllib.parse import parse_qsl, unquote, urlsplit

from adce_assets.contract.loading import Contract, DataSet
from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.contract.templates import DATE_FIELDS, SEASON_FIELDS, Notation, Subject, field_values
from adce_assets.scrapers.catalogue import Catalogue
from adce_assets.scrapers.entries import ScraperEntry

FIRST_DAY, LAST_DAY = date(1946, 1, 1), date(2027, 1, 1)
SEASONS = [Season(year) for year in range(1890, 2027)]
NEWEST = Season(2024)
ANYTHING = r"[^/&?]*?"


@dataclass(frozen=True)
class Question:
    """A scraper, and the keys by data set that an answer fills; ``day`` is the entity's, if it has one."""

    scraper: str
    season: str
    keys: Mapping[str, str]
    day: datetime | None
    only_present: bool = False


def question_of(url: str, told: str, contract: Contract, catalogue: Catalogue) -> Question | None:
    """Find the scraper that asks this URL with the fewest other parameters; None if there is none.

    What the URL does not tell, a season or the day of a snapshot, is looked for in what is ``told`` beside it.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    candidates = []
    for name, entry in catalogue.scrapers.items():
        if not entry.host or urlsplit(catalogue.hosts[entry.host].base_url).hostname != parts.hostname:
            continue
        patterns = _patterns(entry, contract)
        path = _read(urlsplit(catalogue.hosts[entry.host].base_url).path + entry.path, unquote(parts.path), patterns)
        if path is None:
            continue
        fields, others = path, 0
        for parameter, template in entry.parameters.items():
            value = query.get(parameter, "")
            found = _read(template, value, patterns, within_a_path=False)
            others += found is None
            found = found or _found_within(template, value, patterns)
            fields = fields | (found or {})
        others += sum(1 for parameter, value in query.items() if value and parameter not in entry.parameters)
        candidates.append((others, name, fields))
    for _, name, fields in sorted(candidates, key=lambda each: each[:2]):
        question = _question(name, catalogue.scrapers[name], fields, told, contract)
        if question is not None:
            return question
    return None


def _patterns(entry: ScraperEntry, contract: Contract) -> dict[str, str]:
    """Say what each field of an entry's templates may look like."""
    found: dict[str, str] = {}
    for name in entry.yields:
        for template in contract.data_sets[name].templates[:1] if name in contract.data_sets else ():
            found |= template.patterns
    found |= {name: notation.pattern for name, notation in {**SEASON_FIELDS, **DATE_FIELDS}.items()}
    for name, derived in entry.fields.items():
        found[name] = "|".join(map(re.escape, derived.values.values())) if derived.values else ANYTHING
    return found


def _read(
    template: str, text: str, patterns: Mapping[str, str], *, within_a_path: bool = True
) -> dict[str, str] | None:
    expression, seen = "", set[str]()
    for literal, field, _, _ in Formatter().parse(template):
        expression += re.escape(literal)
        if field:
            expression += f"(?P={field})" if field in seen else f"(?P<{field}>{patterns.get(field, ANYTHING)})"
            seen.add(field)
    found = re.fullmatch(expression if within_a_path else expression.replace(ANYTHING, ".*?"), text)
    return found.groupdict() if found else None


def _found_within(template: str, value: str, patterns: Mapping[str, str]) -> dict[str, str]:
    """Read the one date or season that a value holds, though the rest of it is another than the scraper sends."""
    fields = [field for _, field, _, _ in Formatter().parse(template) if field in {**DATE_FIELDS, **SEASON_FIELDS}]
    found = re.search(patterns[fields[0]], value) if len(fields) == 1 else None
    return {fields[0]: found[0]} if found else {}


def _question(name: str, entry: ScraperEntry, fields: dict[str, str], told: str, contract: Contract) -> Question | None:
    traced = _traced_back(entry, fields)
    if traced is None:
        return None
    day = _noted(traced, DATE_FIELDS) or _day_in(told)
    keys, season = {}, None
    for data_set in (contract.data_sets[given] for given in entry.yields if given in contract.data_sets):
        of_cell = _noted(traced, SEASON_FIELDS) or _season_of(data_set, traced, day, told)
        values = field_values(of_cell, day, traced)
        template = data_set.templates[0]
        try:
            keys[data_set.name] = template.render(values)
        except ValueError:
            continue
        season = of_cell.label if data_set.has_seasons else WHOLE_HISTORY
    moment = datetime.combine(day, time(), UTC) if day else None
    only_present = any(contract.data_sets[name].declared.only_present for name in keys)
    return Question(name, season, keys, moment, only_present) if keys and season else None


def _traced_back(entry: ScraperEntry, fields: dict[str, str]) -> dict[str, str] | None:
    """Find what the derived fields are made of; None if nothing gives them all."""
    fields = dict(fields)
    for name, derived in reversed(entry.fields.items()):
        if name in fields and derived.of not in fields and derived.values:
            back = [given for given, value in derived.values.items() if value == fields[name]]
            if not back:
                return None
            fields[derived.of] = back[0]
    unknown = {derived.of for derived in entry.fields.values()} - fields.keys() - entry.fields.keys()
    for of in unknown:
        fitting = next((value for value in _candidates(of) if _gives(entry, of, value, fields)), None)
        if fitting is None:
            return None
        fields[of] = fitting
    return {name: value for name, value in fields.items() if name not in entry.fields}


def _gives(entry: ScraperEntry, of: str, value: str, fields: Mapping[str, str]) -> bool:
    """Tell whether a value gives all derived fields that a URL has shown."""
    made = {of: value}
    for name, derived in entry.fields.items():
        if derived.of in made:
            made[name] = derived.value(made[derived.of]) or ""
    return all(made[name] == fields[name] for name in made if name in fields)


def _candidates(field: str) -> Iterator[str]:
    if field in DATE_FIELDS:
        for days in range((LAST_DAY - FIRST_DAY).days):
            yield DATE_FIELDS[field].write(FIRST_DAY + timedelta(days=days))
    elif field in SEASON_FIELDS:
        for season in SEASONS:
            yield SEASON_FIELDS[field].write(season)


def _noted(fields: Mapping[str, str], notations: Mapping[str, Notation[Subject]]) -> Subject | None:
    """Read the season or the day that the fields tell."""
    for name, notation in notations.items():
        if name in fields:
            try:
                return notation.read(fields[name])
            except ValueError:
                return None
    return None


def _season_of(data_set: DataSet, fields: Mapping[str, str], day: date | None, told: str) -> Season:
    """Say which season an entity is of: the one told, its day's, the one in an NBA id, or any that the data set has."""
    for label in re.findall(r"[12]\d{3}-\d{2}(?![\d-])", told):
        if any(season.label == label for season in SEASONS):
            return Season.parse(label)
    game = re.fullmatch(r"[012]0\d(\d\d)\d{5}", fields.get("game_id", ""))
    if game:
        return Season((1900 if int(game[1]) > 45 else 2000) + int(game[1]))
    if day is not None:
        return data_set.calendar.season_of(day)
    return next((season for season in (NEWEST, *reversed(SEASONS)) if season in data_set.season_range), NEWEST)


def _day_in(told: str) -> date | None:
    found = re.search(r"[12]\d{3}-\d\d-\d\d", told)
    try:
        return date.fromisoformat(found[0]) if found else None
    except ValueError:
        return None
