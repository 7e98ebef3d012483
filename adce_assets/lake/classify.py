"""Keys in, what they are out: source, data type, season and entity, or a part of the lake that is no data.

The templates that write keys read them here too. A key is dispatched by its first folder, then by the longest literal
beginning, so that most keys meet one regular expression. Whether a key is expected is not asked here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from adce_assets.contract.faults import GAME_FIELD
from adce_assets.contract.ids import season_of_id
from adce_assets.contract.loading import Contract, DataSet
from adce_assets.contract.models import IdKind
from adce_assets.contract.seasons import WHOLE_HISTORY, Calendar
from adce_assets.contract.templates import Reading, Template

if TYPE_CHECKING:
    import pyarrow as pa

GameSeasons = Mapping[str, Mapping[str, str]]
"""The season label of every event that a schedule of record knows, by schedule and id."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What a key is.

    ``season`` is a label, ``all`` for data that no season divides, or None when nothing tells it. ``entity`` joins the
    values of the data set's `entity_fields` by ``/``, dates as ISO dates. ``template`` is the place of the template in
    its data type, -1 for what is no data; ``name`` says which part of the lake that is no data.
    """

    kind: Literal["data", "non_data", "unclassified"]
    data_set: str | None = None
    source: str | None = None
    data_type: str | None = None
    season: str | None = None
    entity: str = ""
    template: int = -1
    name: str | None = None


class _SeasonOfGame(dict[str, str | None]):
    """The season label by event id: the schedule's own, else what the id spells, remembered."""

    def __init__(self, known: Mapping[str, str], kind: IdKind, calendar: Calendar) -> None:
        super().__init__(known)
        self.kind = kind
        self.calendar = calendar

    def __missing__(self, game_id: str) -> str | None:
        season = season_of_id(self.kind, self.calendar, game_id)
        self[game_id] = None if season is None else season.label
        return self[game_id]


@dataclass(frozen=True, slots=True)
class _Reader:
    """One template of a data set, and what its keys do not say themselves."""

    data_set: DataSet
    template: Template
    entity_fields: tuple[str, ...]
    seasons: _SeasonOfGame | None

    def read(self, key: str) -> tuple[str | None, str] | None:
        """Return the season and the entity of a key, or None when the template cannot have written it."""
        if self.seasons is not None and self.template.fields == (GAME_FIELD,):
            match = self.template.matcher.fullmatch(key)
            return None if match is None else (self.seasons[match[1]], match[1])
        reading = self.template.read(key)
        return None if reading is None else (self._season(reading), self._entity(reading))

    def _season(self, reading: Reading) -> str | None:
        if not self.data_set.has_seasons:
            return WHOLE_HISTORY
        if reading.season is not None:
            return reading.season.label
        if reading.day is not None:
            return self.data_set.calendar.season_of(reading.day).label
        return None if self.seasons is None else self.seasons[reading.entities[GAME_FIELD]]

    def _entity(self, reading: Reading) -> str:
        date = "" if reading.day is None else reading.day.isoformat()
        return "/".join(date if name == "date" else reading.entities[name] for name in self.entity_fields)


@dataclass(frozen=True, slots=True)
class _Rule:
    """What the keys below a literal beginning are, if ``reader`` can read them (every key, if there is none)."""

    number: int
    prefix: str
    placement: Placement
    reader: _Reader | None = None


class Classifier:
    """Reads the keys of a lake by the templates of its contract."""

    def __init__(self, contract: Contract, game_seasons: GameSeasons | None = None) -> None:
        """Compile the rules; ``game_seasons`` is what the schedules of record say of keys without a season."""
        rules = _rules(contract, game_seasons or {})
        self._placements = (Placement("unclassified"), *(rule.placement for rule in rules))
        longest_first = sorted(rules, key=lambda rule: (-len(rule.prefix), rule.number))
        self._anywhere = [rule for rule in longest_first if "/" not in rule.prefix]
        self._by_folder = {
            folder: [rule for rule in longest_first if rule.prefix.startswith(f"{folder}/") or "/" not in rule.prefix]
            for folder in {rule.prefix.partition("/")[0] for rule in rules if "/" in rule.prefix}
        }

    def classify(self, key: str) -> Placement:
        """Say what a key is; a key that no template reads is unclassified, never an error."""
        number, season, entity = self._read(key)
        placement = self._placements[number]
        return replace(placement, season=season, entity=entity) if placement.kind == "data" else placement

    def place_all(self, keys: Iterable[str]) -> "pa.Table":
        """Say of every key what it is, in the order given.

        Columns: ``kind``, ``source``, ``data_type``, ``season`` (dictionaries; null as in `Placement`), ``entity``
        (text), ``template`` (int8).
        """
        import pyarrow as pa

        found = [self._read(key) for key in keys]
        rule = pa.array([number for number, _, _ in found], pa.int16())
        columns: dict[str, pa.Array] = {
            name: pa.array([getattr(placement, name) for placement in self._placements], pa.string())
            .dictionary_encode()
            .take(rule)
            for name in ("kind", "source", "data_type")
        }
        columns["season"] = pa.array([season for _, season, _ in found], pa.string()).dictionary_encode()
        columns["entity"] = pa.array([entity for _, _, entity in found], pa.string())
        columns["template"] = pa.array([placement.template for placement in self._placements], pa.int8()).take(rule)
        return pa.table(columns)

    def _read(self, key: str) -> tuple[int, str | None, str]:
        """Return the number of the rule that reads a key (0 when none does), and the key's season and entity."""
        for rule in self._by_folder.get(key.partition("/")[0], self._anywhere):
            if not key.startswith(rule.prefix):
                continue
            if rule.reader is None:
                return rule.number, None, ""
            found = rule.reader.read(key)
            if found is not None:
                return rule.number, *found
        return 0, None, ""


def _rules(contract: Contract, game_seasons: GameSeasons) -> list[_Rule]:
    """List the rules of a contract, numbered from 1."""
    seasons = {
        name: _SeasonOfGame(game_seasons.get(name, {}), contract.ids[found.id], contract.leagues[found.league])
        for name, found in contract.schedules.items()
    }
    rules = [
        _Rule(number, entry.prefix, Placement("non_data", name=name))
        for number, (name, entry) in enumerate(contract.non_data.items(), start=1)
    ]
    for data_set in contract.data_sets.values():
        schedule = None if data_set.schedule is None else seasons[data_set.schedule]
        for place, template in enumerate(data_set.templates):
            placement = Placement("data", data_set.name, data_set.source, data_set.data_type, template=place)
            reader = _Reader(data_set, template, data_set.entity_fields, schedule)
            rules.append(_Rule(len(rules) + 1, template.prefix, placement, reader))
    return rules
