"""Tables by name, with their columns and numbers of rows: what is left of a file once it has been read through.

A survey is all that the demands look at, so that a file of gigabytes is read once and never kept.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from adce_assets.fetch.requirements import Requirements, spellings

WHOLE = "*"
"""The name of a file that is one table."""
FEW = 5
"""Different values of an id that are remembered; two are too many."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, or whatever stands at a place, once counted."""

    name: str
    names: tuple[str, ...] = ()
    counted: int = 0

    def columns(self) -> Sequence[str]:
        """Name its columns."""
        return self.names

    def rows(self) -> int:
        """Count its rows; 0 means empty."""
        return self.counted


@dataclass(frozen=True, slots=True)
class Survey:
    """The tables of a file, and the values that stand where it says what it is about."""

    tables: tuple[Table, ...]
    ids: tuple[str, ...] = ()

    def find(self, spelling: str) -> Sequence[Table]:
        """List the tables that are called so, or whose names match the glob."""
        exact = [table for table in self.tables if table.name == spelling]
        return exact or [table for table in self.tables if table.name != WHOLE and fnmatchcase(table.name, spelling)]

    def told(self, id_path: str) -> Sequence[str]:  # noqa: ARG002 - which place that is was known when it was read
        """List the different values at the place of the id."""
        return self.ids


@dataclass(slots=True)
class Rows:
    """The rows of one table as they pass by: how many, which columns hold anything, which ids they name."""

    header: tuple[str, ...]
    id_column: str | None
    count: int = 0
    filled: dict[str, int] = field(default_factory=dict)
    ids: dict[str, None] = field(default_factory=dict)

    def take(self, row: Sequence[str]) -> None:
        """Count a row."""
        self.count += 1
        for name, value in zip(self.header, row, strict=True):
            if value.strip():
                self.filled[name] = self.filled.get(name, 0) + 1
        if self.id_column in self.header and len(self.ids) < FEW:
            self.ids[row[self.header.index(self.id_column)]] = None

    def survey(self) -> Survey:
        """Give what was counted: the whole as `WHOLE`, and each column as a table of its own."""
        columns = tuple(Table(name, (name,), self.filled.get(name, 0)) for name in dict.fromkeys(self.header))
        return Survey((Table(WHOLE, self.header, self.count), *columns), tuple(self.ids))


def counted_places(requirements: Requirements, entity: Mapping[str, str]) -> list[str]:
    """List the globs of the places whose rows or columns are asked for, so that only these are read."""
    return list(dict.fromkeys(_globs(requirements, entity)))


def _globs(requirements: Requirements, entity: Mapping[str, str]) -> Iterator[str]:
    known = (name.rpartition(".")[0] for name in requirements.known)
    places: Iterable[str] = (*requirements.columns, requirements.records or "", *requirements.must_have, *known)
    for place in filter(None, places):
        yield from spellings(place, entity)
