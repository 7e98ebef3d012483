"""Keys in, what they are out: source, data type, season and entity, or the part of the lake that is no data.

The templates that write keys read them here too. A key is dispatched by its first folder and then by the longest literal
beginning, so that a lake of any size is read with about one regular expression a key. Whether a key is expected is not
asked here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
UNCLASSIFIED = -1
"""The number of the rule of a key that no rule reads."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What a key is.

    ``season`` is a label, ``all`` for data that no season divides, or None when nothing tells it. ``entity`` joins the
    values of the data set's `entity_fields` by ``/``, dates as ISO dates. ``template`` is the place of the template in
    its data type, -1 for what is no data; ``name`` names what is no data.
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
    """The season label by id: the schedule's own, else what the id spells, remembered."""

    def __init__(self, known: Mapping[str, str], kind: IdKind, calendar: Calendar) -> None:
        super().__init__(known)
        self.kind = kind
        self.calendar = calendar

    def __missing__(self, game_id: str) -> str | None:
        season = season_of_id(self.kind, self.calendar, game_id)
        self[game_id] = None if season is None else season.label
        return self[game_id]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One template of a data set, or one part of the lake that is no data (``template`` is None then).

    ``plain`` templates hold one entity and nothing else: their value is the entity.
    """

    number: int
    prefix: str
    placement: Placement
    template: Template | None = None
    data_set: DataSet | None = None
    seasons: _SeasonOfGame | None = None
    plain: bool = False


class Classifier:
    """Reads the keys of a lake by the templates of its contract."""

    def __init__(self, contract: Contract, game_seasons: GameSeasons | None = None) -> None:
        """Prepare the rules; ``game_seasons`` gives keys without a season the one that the schedule knows."""
        self._rules: list[_Rule] = []
        for name, entry in contract.non_data.items():
            self._add(_Rule(len(self._rules), entry.prefix, Placement("non_data", name=name)))
        seasons = {
            name: _SeasonOfGame((game_seasons or {}).get(name, {}), contract.ids[found.id], contract.leagues[found.league])
            for name, found in contract.schedules.items()
        }
        for data_set in contract.data_sets.values():
            for place, template in enumerate(data_set.templates):
                self._add(_rule(len(self._rules), data_set, place, template, seasons))
