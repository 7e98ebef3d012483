"""A source, a data type and a season in, which cells of the contract are meant out; a name that it lacks is refused."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from adce_assets.contract.loading import DataSet
from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.dims.kinds.kind import KindParameters
from adce_assets.dims.world import World
from adce_assets.errors import MetricError

BEHIND: Mapping[str, int] = {"current": 0, "previous": 1}
"""Names of seasons by how many these lie behind the current one."""


def check_season(text: str) -> str:
    """Return the name of a season; raise ValueError for what is none."""
    if text in {WHOLE_HISTORY, *BEHIND}:
        return text
    try:
        return Season.parse(text).label
    except ValueError as error:
        message = f"`{text}` is no season; valid: a label such as 2024-25, `current`, `previous` or `all`"
        raise ValueError(message) from error


Text = Annotated[str, Field(min_length=1, max_length=1024)]
SeasonName = Annotated[str, AfterValidator(check_season)]


class OfDataSets(KindParameters):
    """Which keys: all, those of a source, of a data type."""

    source: Text | None = None
    data_type: Text | None = None


class OfCells(OfDataSets):
    """Which cells: all, those of a source, of a data type, of a season.

    ``season`` is a label such as ``2024-25``, ``all`` (of data without seasons), or ``current`` or ``previous`` by the
    calendar of the source's league.
    """

    season: SeasonName | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """Which cells are meant; None stands for any. ``data_sets`` are those of the contract among them, by name."""

    source: str | None
    data_type: str | None
    seasons: frozenset[str] | None
    data_sets: tuple[str, ...]

    @property
    def is_any(self) -> bool:
        """Whether all cells are meant, and what is of no cell too."""
        return self.source is None and self.data_type is None and self.seasons is None

    def among(self, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Choose rows that name their cell."""
        return [
            row
            for row in rows
            if self.source in {None, row["source"]}
            and self.data_type in {None, row["data_type"]}
            and (self.seasons is None or row["season"] in self.seasons)
        ]

    def within(self, table: Any) -> Any:
        """Choose rows of an Ibis relation that names their cell."""
        for name in ("source", "data_type"):
            wanted = getattr(self, name)
            table = table if wanted is None else table.filter(table[name] == wanted)
        return table if self.seasons is None else table.filter(table.season.isin(sorted(self.seasons)))

    def __str__(self) -> str:
        """Name them for a person."""
        seasons = None if self.seasons is None else ", ".join(sorted(self.seasons))
        return " ".join(filter(None, (self.source, self.data_type, seasons))) or "the contract"


def chosen(world: World, of: OfCells) -> Cells:
    """Say which cells are meant.

    Raises:
        MetricError: the contract has no such source or data type, or expects nothing of the season.
    """
    sets, now = _data_sets(world, of), world.project.clock()
    seasons = None if of.season is None else frozenset({of.season})
    if of.season in BEHIND:
        current = {found.calendar.current(now) for found in sets}
        seasons = frozenset(Season(season.start - BEHIND[of.season]).label for season in current)
    cells = Cells(of.source, of.data_type, seasons, tuple(found.name for found in sets))
    if seasons is not None and not any(seasons.intersection(found.season_labels(now)) for found in sets):
        raise MetricError(f"nothing is expected of {cells}", where=of.kind)
    return cells


def meant(world: World, of: OfDataSets) -> Callable[[str, str], bool]:
    """Return what tells of a source and a data type whether keys of these are meant.

    Raises:
        MetricError: the contract has no such source or data type.
    """
    _data_sets(world, of)
    return lambda source, data_type: of.source in {None, source} and of.data_type in {None, data_type}


def _data_sets(world: World, of: OfDataSets) -> list[DataSet]:
    contract = world.project.contract
    _refuse_unknown("source", of.source, contract.sources)
    sets = [found for found in contract.data_sets.values() if of.source in {None, found.source}]
    _refuse_unknown("data type", of.data_type, [found.data_type for found in sets])
    return [found for found in sets if of.data_type in {None, found.data_type}]


def _refuse_unknown(what: str, name: str | None, known: Iterable[str]) -> None:
    if name is None or name in (names := sorted(set(known))):
        return
    near = difflib.get_close_matches(name, names, n=1)
    raise MetricError(
        f"the contract has no {what} `{name}`",
        where="measure",
        valid=", ".join(names),
        hint=f"did you mean `{near[0]}`?" if near else "",
    )
