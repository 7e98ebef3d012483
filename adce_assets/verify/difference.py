"""Two relations in, their difference out: which rows only one side has, which changed, which stand there too often.

Both sides are read once, whatever they hold: each row becomes its key and the digest of its canonical text
(`encoding`), and one aggregation by key counts and sums both sides. So a difference costs the same whether it is one
row or half of them; only the rows that are shown are looked up in a second reading. The order of rows plays no part.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, Any

from adce_assets.errors import VerifyError
from adce_assets.verify.difference_sql import KINDS, MOST, NOTHING, PLACES, DifferenceKind, Question, digest_query
from adce_assets.verify.encoding import ColumnType, written
from adce_assets.verify.relations import Relation, told

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Digest:
    """How many rows there are, and their hash, which does not depend on their order."""

    rows: int
    hash: str


@dataclass(frozen=True, slots=True)
class RowDifference:
    """One thing that differs.

    Attributes:
        key: The values of the key, as texts, in the key's order; None is NULL.
        kind: What is wrong with it.
        column: The column that changed; None where whole rows differ.
        left: The column's value on the left as a text, None for NULL; of whole rows, how many there are.
        right: The same of the right.
    """

    key: tuple[str | None, ...]
    kind: DifferenceKind
    column: str | None
    left: str | None
    right: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """How two sets of rows differ, counted in keys.

    Attributes:
        left_rows: Rows of the left.
        right_rows: Rows of the right.
        left_hash: The hash of all rows of the left, exact whatever is tolerated.
        right_hash: The same of the right.
        exclusive_left: Keys that only the left has.
        exclusive_right: Keys that only the right has.
        changed: Keys that both have equally often, with other values.
        duplicated: Keys that both have, one side more often.
        rows: The first of what differs, of each kind some, ordered by kind, key and column.
    """

    left_rows: int
    right_rows: int
    left_hash: str
    right_hash: str
    exclusive_left: int
    exclusive_right: int
    changed: int
    duplicated: int
    rows: tuple[RowDifference, ...]

    @property
    def differing(self) -> int:
        """How many keys differ."""
        return self.exclusive_left + self.exclusive_right + self.changed + self.duplicated

    @property
    def equal(self) -> bool:
        """Whether every row of each side is on the other, equally often."""
        return self.differing == 0


def digest(connection: "DuckDBPyConnection", relation: Relation, types: Mapping[str, ColumnType]) -> Digest:
    """Count and hash the rows of a relation, in the columns that ``types`` names.

    Raises:
        ConfigurationError: A column is not there, or cannot be taken as its type.
        VerifyError: The rows cannot be read.
    """
    rows, upper, lower = _fetch(connection, digest_query(relation, types), relation)[0]
    return Digest(rows, written(upper, lower))


def compare(
    connection: "DuckDBPyConnection",
    left: Relation,
    right: Relation,
    *,
    key: Sequence[str],
    types: Mapping[str, ColumnType],
    tolerances: Mapping[str, Decimal] = NOTHING,
    most_rows: int = 100,
) -> Difference:
    """Compare two sets of rows by their key, in the columns that ``types`` names.

    Where a key stands once on both sides, a column may differ by its tolerance; where it stands more often, its rows
    are compared exactly, for nobody can tell which belongs to which.

    Args:
        connection: Where both relations can be read.
        left: One side.
        right: The other side.
        key: Columns that name a row; NULL is a value like any other.
        types: What each column holds; columns that are not named here are not looked at.
        tolerances: By how much numbers may differ, in the unit of their column.
        most_rows: How many `RowDifference` are given.

    Raises:
        ConfigurationError: A column is not there or cannot be taken as its type, or a tolerance makes no sense.
        VerifyError: The rows cannot be read.
    """
    question = Question(left, right, tuple(key), types, tolerances, most_rows)
    question.check()
    (found,) = _fetch(connection, question.query(), left, right)
    counted, chosen = found[:10], dict(zip(KINDS, found[10:], strict=True))
    rows = _named(connection, question, {kind: keys or [] for kind, keys in chosen.items()})
    return Difference(
        counted[0],
        counted[1],
        written(counted[2], counted[3]),
        written(counted[4], counted[5]),
        *counted[6:],
        rows=tuple(rows),
    )


def _fetch(
    connection: "DuckDBPyConnection", query: str, *relations: Relation, parameters: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    import duckdb

    try:
        return connection.execute(query, parameters).fetchall()
    except duckdb.Error as error:
        where = " and ".join(relation.name for relation in relations)
        raise VerifyError(f"it cannot be read: {told(error, 3)}", where=where) from error


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a side has under a key; the values are of its only row, if there is one."""

    count: int
    shown: Sequence[str | None]
    fields: Sequence[str]
    amounts: Sequence[str | None]


def _named(
    connection: "DuckDBPyConnection", question: Question, chosen: Mapping[DifferenceKind, Sequence[str]]
) -> list[RowDifference]:
    """Look up the rows of the chosen keys; of each kind the same number is named, as long as there are so many."""
    turns = ([(kind, key) for key in chosen[kind]] for kind in KINDS)
    keys = list(islice((one for one in chain.from_iterable(zip_longest(*turns)) if one), question.most_rows))
    if not keys:
        return []
    left, right = (
        {
            key: _Rows(*values)
            for key, *values in _fetch(
                connection, question.rows_query(relation), relation, parameters=[[key for _, key in keys]]
            )
        }
        for relation in (question.left, question.right)
    )
    found = islice(
        (
            (KINDS.index(kind), key, number, difference)
            for kind, key in keys
            for number, difference in enumerate(_explained(question, kind, left.get(key), right.get(key)))
        ),
        question.most_rows,
    )
    return [difference for *_, difference in sorted(found, key=lambda one: one[:3])]


def _explained(
    question: Question, kind: DifferenceKind, left: _Rows | None, right: _Rows | None
) -> Iterator[RowDifference]:
    """Say what differs under one key."""
    there = left or right
    if there is None:
        where = f"{question.left.name} and {question.right.name}"
        raise VerifyError("rows were changed while they were compared", where=where, hint="compare again")
    names = sorted(question.types)
    key = tuple(there.shown[names.index(column)] for column in question.key)
    if kind != "changed" or left is None or right is None or left.count > 1:
        yield RowDifference(key, kind, None, _rows(left), _rows(right))
        return
    for number, column in enumerate(names):
        if left.fields[number] != right.fields[number] and not _tolerated(question, column, left, right):
            yield RowDifference(key, kind, column, left.shown[number], right.shown[number])


def _rows(rows: _Rows | None) -> str:
    count = rows.count if rows else 0
    return f"{count} row{'' if count == 1 else 's'}"


def _tolerated(question: Question, column: str, left: _Rows, right: _Rows) -> bool:
    if column not in question.tolerances:
        return False
    number = list(question.tolerances).index(column)
    one, other, most = left.amounts[number], right.amounts[number], question.tolerances[column]
    if one is None or other is None:
        return False
    if question.types[column].kind == "float":
        return abs(float(one) - float(other)) <= float(most)
    with localcontext(prec=2 * (PLACES + MOST.adjusted())):
        return abs(Decimal(one) - Decimal(other)) <= most
