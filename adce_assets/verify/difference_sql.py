"""What is compared how in, SQL for DuckDB out: one query that counts, hashes and compares, one that looks rows up.

A row becomes its key, written out, and the digest of the row, written out; both sides meet in one aggregation by key.
Only queries are made here; `difference` runs them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, get_args

from adce_assets.errors import ConfigurationError, printable
from adce_assets.verify.encoding import HALF, SEPARATOR, ColumnType
from adce_assets.verify.encoding_sql import amount_sql, field_sql, shown_sql
from adce_assets.verify.relations import Relation

DifferenceKind = Literal["exclusive_left", "exclusive_right", "changed", "duplicated"]
KINDS: tuple[DifferenceKind, ...] = get_args(DifferenceKind)
NUMBERS = frozenset({"integer", "decimal", "float"})
MOST_ROWS = 100_000
PLACES = 18
MOST = Decimal(10) ** 19
"""What an amount may have behind and before its point to be held against a tolerance; others are compared exactly."""
NOTHING: Mapping[str, Decimal] = {}


@dataclass(frozen=True, slots=True)
class Question:
    """What is compared how, and the SQL that asks for it."""

    left: Relation
    right: Relation
    key: tuple[str, ...]
    types: Mapping[str, ColumnType]
    tolerances: Mapping[str, Decimal]
    most_rows: int

    def check(self) -> None:
        """Raise ConfigurationError for what cannot be asked."""
        for relation in (self.left, self.right):
            _check_columns(relation, self.types)
        if not self.key or any(column not in self.types for column in self.key):
            raise ConfigurationError(
                "the key is no column that is compared", where=", ".join(self.key), valid=", ".join(self.types)
            )
        if not 1 <= self.most_rows <= MOST_ROWS:
            raise ConfigurationError(f"{self.most_rows} rows cannot be shown", valid=f"1 to {MOST_ROWS}")
        for column, tolerance in self.tolerances.items():
            self._check_tolerance(column, tolerance)

    def _check_tolerance(self, column: str, tolerance: Decimal) -> None:
        numbers = [name for name, of in self.types.items() if of.kind in NUMBERS and name not in self.key]
        if column not in numbers:
            raise ConfigurationError("only a number can be tolerated", where=column, valid=", ".join(numbers))
        exponent = tolerance.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -PLACES or not 0 <= tolerance < MOST:
            valid = f"a number from 0, with at most {PLACES} digits behind its point"
            raise ConfigurationError(f"{tolerance} is no tolerance", where=column, valid=valid)

    def query(self) -> str:
        """Make the query that counts, hashes and compares, and finds the first keys of each kind of difference."""
        sums = ", ".join(
            f"coalesce(sum({side}_{half}) % {HALF}, 0)::UBIGINT" for side in ("l", "r") for half in ("upper", "lower")
        )
        counts = ", ".join(f"count(*) FILTER (kind = '{kind}')" for kind in KINDS)
        firsts = ", ".join(f"min(k, {self.most_rows}) FILTER (kind = '{kind}')" for kind in KINDS)
        return f"""
            WITH sides AS ({self._side(self.left, "true")} UNION ALL {self._side(self.right, "false")}),
            keys AS (SELECT {self._sums()} FROM sides GROUP BY k),
            told AS (SELECT *, CASE WHEN r = 0 THEN 'exclusive_left' WHEN l = 0 THEN 'exclusive_right'
                WHEN l <> r THEN 'duplicated' WHEN {self._differs()} THEN 'changed' END AS kind FROM keys)
            SELECT coalesce(sum(l), 0)::BIGINT, coalesce(sum(r), 0)::BIGINT, {sums}, {counts}, {firsts} FROM told"""

    def _side(self, relation: Relation, is_left: str) -> str:
        """Reduce the rows of a side to key, digest, and what a tolerance is held against."""
        fields, row = _fields(relation, self.types, self.tolerances)
        upper, lower = _halves("hashed")
        loose = f", md5_number({_concat(self._loose_row())}) AS loose" if self.tolerances else ""
        amounts = "".join(f", amount{number}" for number in range(len(self.tolerances)))
        kept = f"{', loose' if loose else ''}{amounts}"
        return f"""
            SELECT {is_left} AS is_left, k, {upper} AS upper, {lower} AS lower{kept} FROM (
                SELECT {_concat(self.key_fields())} AS k, md5_number({_concat(row)}) AS hashed{loose}{amounts}
                FROM ({fields}))"""

    def key_fields(self) -> list[str]:
        """Name the fields of the key."""
        names = sorted(self.types)
        return [f"field{names.index(column)}" for column in self.key]

    def _loose_row(self) -> list[str]:
        """Name the fields of a row in which an amount that is compared as a number says only that it is one."""
        tolerated = list(self.tolerances)
        return [
            f"CASE WHEN amount{tolerated.index(column)} IS NULL THEN field{number} ELSE 'amount' END"
            if column in tolerated
            else f"field{number}"
            for number, column in enumerate(sorted(self.types))
        ]

    def _sums(self) -> str:
        loose = ["loose"] if self.tolerances else []
        alone = [*loose, *(f"amount{number}" for number in range(len(self.tolerances)))]
        return ", ".join(
            [
                "k",
                *(
                    expression
                    for side, which in (("l", "is_left"), ("r", "NOT is_left"))
                    for expression in (
                        f"count(*) FILTER ({which}) AS {side}",
                        f"sum(upper) FILTER ({which}) AS {side}_upper",
                        f"sum(lower) FILTER ({which}) AS {side}_lower",
                        *(f"max({name}) FILTER ({which}) AS {side}_{name}" for name in alone),
                    )
                ),
            ]
        )

    def _differs(self) -> str:
        exactly = "(l_upper <> r_upper OR l_lower <> r_lower)"
        if not self.tolerances:
            return exactly
        within = " AND ".join(
            f"coalesce(abs(l_amount{number} - r_amount{number}) <= {_tolerance(tolerance, self.types[column])}, true)"
            for number, (column, tolerance) in enumerate(self.tolerances.items())
        )
        return f"{exactly} AND NOT (l = 1 AND l_loose = r_loose AND {within})"

    def rows_query(self, relation: Relation) -> str:
        """Make the query for the rows of a side under given keys: how many each has, and the values of the only one.

        The keys are looked for first, so that everything else is written out of few rows alone.
        """
        keys = [field_sql(column, relation.columns[column], self.types[column]) for column in self.key]
        found = replace(relation, sql=f"(FROM {relation.sql} WHERE {_concat(keys)} IN (SELECT unnest(?::VARCHAR[])))")
        fields, row = _fields(found, self.types, self.tolerances, shown=True)
        amounts = ", ".join(f"amount{number}" for number in range(len(self.tolerances)))
        shown = ", ".join(f"shown{number}" for number in range(len(row)))
        lists = f"[{', '.join(row)}] AS fields, [{shown}] AS shown, [{amounts}]::VARCHAR[] AS amounts"
        return f"""
            SELECT k, count(*), any_value(shown), any_value(fields), any_value(amounts)
            FROM (SELECT {_concat(self.key_fields())} AS k, {lists} FROM ({fields})) GROUP BY k"""


def digest_query(relation: Relation, types: Mapping[str, ColumnType]) -> str:
    """Make the query for the number of rows and the two sums of their digests; ConfigurationError as in `Question`."""
    _check_columns(relation, types)
    sums = ", ".join(f"coalesce(sum({half}) % {HALF}, 0)::UBIGINT" for half in _halves("hashed"))
    fields, row = _fields(relation, types)
    return f"SELECT count(*), {sums} FROM (SELECT md5_number({_concat(row)}) AS hashed FROM ({fields}))"


def _fields(
    relation: Relation,
    types: Mapping[str, ColumnType],
    tolerances: Mapping[str, Decimal] = NOTHING,
    *,
    shown: bool = False,
) -> tuple[str, list[str]]:
    """Select the written columns of a relation, in the order of their names, and name them."""
    names = sorted(types)
    taken = [
        f"{field_sql(column, relation.columns[column], types[column])} AS field{number}"
        for number, column in enumerate(names)
    ]
    taken += [
        f"{amount_sql(column, relation.columns[column], types[column])} AS amount{number}"
        for number, column in enumerate(tolerances)
    ]
    if shown:
        taken += [
            f"{shown_sql(column, relation.columns[column])} AS shown{number}" for number, column in enumerate(names)
        ]
    return f"SELECT {', '.join(taken)} FROM {relation.sql}", [f"field{number}" for number in range(len(names))]


def _concat(fields: Sequence[str]) -> str:
    between = f", '{SEPARATOR}', "
    return f"concat({between.join(fields)})"


def _halves(digest: str) -> tuple[str, str]:
    """Take the two numbers out of a digest."""
    return f"({digest} >> 64)::UBIGINT", f"({digest} & {HALF - 1}::UHUGEINT)::UBIGINT"


def _tolerance(tolerance: Decimal, column: ColumnType) -> str:
    return f"'{tolerance:f}'::{'DOUBLE' if column.kind == 'float' else f'DECIMAL(38,{PLACES})'}"


def _check_columns(relation: Relation, types: Mapping[str, ColumnType]) -> None:
    missing = [column for column in types if column not in relation.columns]
    if missing or not types:
        what = f"there is no column `{printable(missing[0])}`" if missing else "no column is to be compared"
        raise ConfigurationError(what, where=relation.name, valid=", ".join(map(printable, relation.columns)))
