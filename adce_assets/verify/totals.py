"""Two places that a season passed in, how they differ out: every row by its hash, and the totals of its amounts.

The amounts have a tolerance for each column and are exact decimals throughout; what a total cannot see (an amount that
has moved from one row to another) the comparison of rows does.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from adce_assets.sql_text import quoted
from adce_assets.verify.checks import SHOWN, Answer, Cell, Check, Kind, Level, Question, Row, check, key_text, plain
from adce_assets.verify.difference import RowDifference, compare
from adce_assets.verify.encoding import ColumnType
from adce_assets.verify.evidence import Season, dated_keys, shown_key
from adce_assets.verify.relations import of_view
from adce_assets.verify.rules import NUMBER

if TYPE_CHECKING:
    import duckdb

PAIRS = (
    (Level.PROCESSED_STAGED, "source", "staged"),
    (Level.STAGED_FINAL, "staged", "merged"),
    (Level.SOURCE_FINAL, "source", "merged"),
)
"""The levels at which there are rows on both sides, and where they lie; `source` is what the documents say."""
NAMED = 10_000
"""Rows that are looked at, to see how old a difference is."""
DIGITS = 100
"""More digits than any total has: with the usual 28 of Python it would be rounded."""
WORDS = {"exclusive_left": "lost", "exclusive_right": "surplus"}


def compare_rows(engine: "duckdb.DuckDBPyConnection", cell: Cell, of: Season) -> Iterator[Check]:
    """Compare every row of each two places."""
    for level, left, right in PAIRS:
        yield _rows_compared(engine, cell, of, level, (left, right))


def _rows_compared(
    engine: "duckdb.DuckDBPyConnection", cell: Cell, of: Season, level: Level, places: tuple[str, str]
) -> Check:
    name, key = of.entity.name, of.key
    types = {"SOURCE": ColumnType("text")}
    types |= {column: ColumnType(declared.type) for column, declared in of.entity.columns.items()}
    left, right = (of_view(engine, f"{place}_{name}", name=place) for place in places)
    found = compare(engine, left, right, key=key, types=types, most_rows=NAMED)
    keys = {_texts(row) for row in found.rows}
    dates = dated_keys(engine, of, keys)
    complete = len(keys) == found.differing and len(dates) == len(keys)
    counted = (found.exclusive_left, found.exclusive_right, found.changed, found.duplicated)
    told = ", ".join(
        f"{many} {word}" for many, word in zip(counted, ("lost", "surplus", "changed", "duplicated"), strict=True)
    )
    answer = Answer(
        expected=found.left_hash,
        actual=found.right_hash,
        discrepancy=str(found.differing),
        rows=[_row(of, row, dates.get(_texts(row))) for row in found.rows[:SHOWN]],
        offenders=found.differing,
        since=min(dates.values()) if dates and complete else None,
        holds=found.equal,
        message=f"{found.left_rows} and {found.right_rows} rows are the same" if found.equal else told,
    )
    return check(cell, Question(Kind.HASH, level, "every row"), answer)


def _texts(row: RowDifference) -> tuple[str, ...]:
    return tuple(str(part) for part in row.key)


def _row(of: Season, row: RowDifference, written_at: datetime | None) -> Row:
    key = key_text(dict(zip(of.key, row.key, strict=True)))
    return Row(key, WORDS.get(row.kind, row.kind), row.column or "", row.left, row.right, written_at)


def compare_amounts(engine: "duckdb.DuckDBPyConnection", cell: Cell, of: Season, *, reread: bool) -> Iterator[Check]:
    """Compare the totals of every column that is named, of each source by itself."""
    for level, left, right in PAIRS:
        if reread or left != "source":
            for column, tolerance in of.entity.checks.amounts.items():
                answer = _amounts_compared(engine, of, (left, right), column, tolerance)
                yield check(cell, Question(Kind.AMOUNT_TOTAL, level, column), answer)


def _amounts_compared(
    engine: "duckdb.DuckDBPyConnection", of: Season, places: tuple[str, str], column: str, tolerance: Decimal
) -> Answer:
    totals = engine.execute(_totals(of.entity.name, column, places)).fetchall()
    wrong, expected, actual, apart = _summed(totals, tolerance)
    rows = [_amount_row(*found) for found in engine.execute(_worst(of, column, places)).fetchall()] if wrong else []
    dates = dated_keys(engine, of, {key for _, key, _, _ in rows})
    return Answer(
        expected=plain(expected),
        actual=plain(actual),
        discrepancy=plain(apart),
        rows=[
            Row(key_text(dict(zip(of.key, key, strict=True))), kind, column, left, right, dates.get(key))
            for kind, key, left, right in rows
        ],
        since=min(dates.values()) if dates and len(dates) == len(rows) < SHOWN else None,
        holds=not wrong,
        message=wrong or f"within {plain(tolerance)}",
    )


def _summed(totals: Sequence[tuple[Any, ...]], tolerance: Decimal) -> tuple[str, Decimal, Decimal, Decimal]:
    """Say what is wrong of the totals of all sources; add them up, and say how far they are apart.

    A value that no total holds, for being no number or too large, is wrong although it may be the same on both sides.
    """
    with localcontext(prec=DIGITS):
        wrong = [row for row in totals if abs(row[1] - row[2]) > tolerance or row[3] or row[4]]
        told = ", ".join(f"{row[0]}: {plain(row[2] - row[1])}" for row in wrong)
        odd = max((max(row[3:]) for row in wrong), default=0)
        words = f"totals differ by {told}{f'; {odd} value(s) are no number that can be summed' if odd else ''}"
        expected, actual = (sum((row[at] for row in totals), Decimal(0)) for at in (1, 2))
        return words if wrong else "", expected, actual, actual - expected


def _totals(name: str, column: str, places: tuple[str, str]) -> str:
    """Sum a column by source, of both places, with how many values are no number."""
    value = f"TRY_CAST({quoted(column)} AS {NUMBER})"
    odd = f"count(*) FILTER ({quoted(column)} IS NOT NULL AND {value} IS NULL)"
    sides = [
        f"SELECT SOURCE, coalesce(sum({value}), 0) AS {side}_total, {odd} AS {side}_odd "
        f'FROM "{place}_{name}" GROUP BY SOURCE'
        for side, place in zip(("l", "r"), places, strict=True)
    ]
    return f"""
        SELECT SOURCE, coalesce(l_total, 0), coalesce(r_total, 0), coalesce(l_odd, 0), coalesce(r_odd, 0)
        FROM ({sides[0]}) FULL JOIN ({sides[1]}) USING (SOURCE) ORDER BY SOURCE
    """


def _worst(of: Season, column: str, places: tuple[str, str]) -> str:
    """Find the rows that differ most in a column."""
    key, texts = ", ".join(map(quoted, of.key)), ", ".join(shown_key(of))
    value = f"TRY_CAST({quoted(column)} AS {NUMBER})"
    text = f"any_value(CAST({quoted(column)} AS VARCHAR))"
    order = ", ".join(map(str, range(1, len(of.key) + 1)))
    sides = [
        f"SELECT {key}, sum({value}) AS {side}, {text} AS {side}_text, count(*) AS {side}_many "
        f'FROM "{place}_{of.entity.name}" GROUP BY {key}'
        for side, place in zip(("l", "r"), places, strict=True)
    ]
    return f"""
        SELECT {texts}, CAST(l AS VARCHAR), CAST(r AS VARCHAR), l_many, r_many
        FROM ({sides[0]}) FULL JOIN ({sides[1]}) USING ({key})
        WHERE l IS DISTINCT FROM r OR l_text IS DISTINCT FROM r_text
        ORDER BY abs(coalesce(l, 0) - coalesce(r, 0)) DESC, {order} LIMIT {SHOWN}
    """


def _amount_row(*found: str) -> tuple[str, tuple[str, ...], str | None, str | None]:
    *key, left, right, on_left, on_right = found
    kind = "lost" if on_right is None else "surplus" if on_left is None else "changed"
    exact = [None if text is None else plain(Decimal(text)) for text in (left, right)]
    return kind, tuple(key), exact[0], exact[1]
