"""Comparing sets of rows: against a brute force over plain Python, and at its edges."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.errors import AdceError, ConfigurationError, VerifyError
from adce_assets.verify.difference import Difference, compare, digest
from adce_assets.verify.encoding import ColumnType, Kind, hash_rows
from adce_assets.verify.relations import Relation, of_csv, of_parquet, of_view
from adce_assets_tests.examples import examples

COLUMNS = ("id", "part", "name", "amount", "rating")
KINDS: tuple[Kind, ...] = ("integer", "text", "text", "decimal", "float")
TYPES = {name: ColumnType(kind) for name, kind in zip(COLUMNS, KINDS, strict=True)}
TABLE = "(id INTEGER, part VARCHAR, name VARCHAR, amount DECIMAL(9,2), rating DOUBLE)"
TOLERANCES = {"amount": Decimal("0.05"), "rating": Decimal("0.25")}

Row = tuple[int | None, str | None, str | None, Decimal | None, float | None]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as opened:
        yield opened


def relation(connection: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Row]) -> Relation:
    connection.execute(f'CREATE OR REPLACE TABLE "{name}" {TABLE}')
    if rows:
        connection.executemany(f'INSERT INTO "{name}" VALUES (?, ?, ?, ?, ?)', rows)
    return of_view(connection, name)


def distinct(value: Any) -> tuple[str, str]:
    """Tell apart what `==` and a dict do not: types, NaN (one), zero below zero."""
    return (type(value).__name__, str(value.normalize() + 0 if isinstance(value, Decimal) else value))


def close(column: str, one: Any, other: Any) -> bool:
    if distinct(one) == distinct(other):
        return True
    if column not in TOLERANCES or one is None or other is None:
        return False
    return abs(one - other) <= (float(TOLERANCES[column]) if column == "rating" else TOLERANCES[column])


def brute_force(left: Sequence[Row], right: Sequence[Row], *, tolerant: bool) -> set[tuple[str, Any, str | None]]:
    """Compare every row with every row, in the plainest way."""
    found: set[tuple[str, Any, str | None]] = set()
    for key in {row[:2] for row in (*left, *right)}:
        ours, theirs = ([row for row in rows if row[:2] == key] for rows in (left, right))
        named = tuple(None if part is None else str(part) for part in key)
        if not theirs or not ours:
            found.add(("exclusive_left" if ours else "exclusive_right", named, None))
        elif len(ours) != len(theirs):
            found.add(("duplicated", named, None))
        elif len(ours) > 1:
            if Counter(tuple(map(distinct, row)) for row in ours) != Counter(
                tuple(map(distinct, row)) for row in theirs
            ):
                found.add(("changed", named, None))
        else:
            for column, one, other in zip(COLUMNS, ours[0], theirs[0], strict=True):
                if not (close(column, one, other) if tolerant else distinct(one) == distinct(other)):
                    found.add(("changed", named, column))
    return found


def counted(found: Difference) -> dict[str, int]:
    return {
        "exclusive_left": found.exclusive_left,
        "exclusive_right": found.exclusive_right,
        "changed": found.changed,
        "duplicated": found.duplicated,
    }


ROWS = st.tuples(
    st.one_of(st.none(), st.integers(0, 3)),
    st.sampled_from([None, "", "|", "a"]),
    st.sampled_from([None, "", "~", "x|", "x"]),
    st.one_of(st.none(), st.sampled_from(["0", "0.05", "-0.05", "1.00", "0.06"]).map(Decimal)),
    st.one_of(st.none(), st.sampled_from([0.0, -0.0, 0.25, -0.25, 0.3, float("nan"), float("inf")])),
)


@settings(max_examples=examples(30))
@given(left=st.lists(ROWS, max_size=8), more=st.lists(ROWS, max_size=4), data=st.data(), tolerant=st.booleans())
def test_what_differs_is_what_a_brute_force_finds(
    connection: duckdb.DuckDBPyConnection, *, left: list[Row], more: list[Row], data: st.DataObject, tolerant: bool
):
    kept = data.draw(st.lists(st.sampled_from(left), max_size=8)) if left else []
    right = [*kept, *more]
    one, other = relation(connection, "left", left), relation(connection, "right", right)

    found = compare(
        connection,
        one,
        other,
        key=("id", "part"),
        types=TYPES,
        tolerances=TOLERANCES if tolerant else {},
        most_rows=1_000,
    )

    expected = brute_force(left, right, tolerant=tolerant)
    assert {(row.kind, row.key, row.column) for row in found.rows} == expected
    assert counted(found) == {**counted(found), **Counter(kind for kind, _ in {named[:2] for named in expected})}
    assert found.differing == len({named[:2] for named in expected})
    for rows, side in ((left, one), (right, other)):
        hashed = hash_rows((dict(zip(COLUMNS, row, strict=True)) for row in rows), TYPES)
        assert digest(connection, side, TYPES).hash == hashed
        assert hashed == (found.left_hash if side is one else found.right_hash)
    assert (found.left_rows, found.right_rows) == (len(left), len(right))
    if not tolerant:
        assert found.equal == (found.left_hash == found.right_hash)


def test_of_each_kind_some_are_named_however_many_there_are_of_another(connection: duckdb.DuckDBPyConnection):
    left = [(number, "a", "x", None, None) for number in range(100)]
    right = [(number, "a", "y", None, None) for number in range(50, 150)] + [(50, "a", "y", None, None)]
    one, other = relation(connection, "left", left), relation(connection, "right", right)

    found = compare(connection, one, other, key=("id", "part"), types=TYPES, most_rows=9)

    assert counted(found) == {"exclusive_left": 50, "exclusive_right": 50, "changed": 49, "duplicated": 1}
    assert Counter(row.kind for row in found.rows) == {
        "exclusive_left": 3,
        "exclusive_right": 3,
        "changed": 2,
        "duplicated": 1,
    }
    assert compare(connection, one, other, key=("id", "part"), types=TYPES, most_rows=9).rows == found.rows


def test_a_value_is_shown_as_it_is_on_each_side(connection: duckdb.DuckDBPyConnection):
    one = relation(connection, "left", [(1, None, "", Decimal("1.50"), -0.0)])
    other = relation(connection, "right", [(1, None, None, Decimal("-1.50"), 0.0)])

    found = compare(connection, one, other, key=("id", "part"), types=TYPES)

    assert {row.key for row in found.rows} == {("1", None)}
    assert [(row.column, row.left, row.right) for row in found.rows] == [
        ("amount", "1.50", "-1.50"),
        ("name", "", None),
        ("rating", "-0.0", "0.0"),
    ]


def test_whole_rows_are_shown_by_how_many_there_are(connection: duckdb.DuckDBPyConnection):
    row: Row = (1, "a", "x", None, None)
    one, other = relation(connection, "left", [row, row]), relation(connection, "right", [row])

    found = compare(connection, one, other, key=("id",), types=TYPES)

    assert [(row.kind, row.left, row.right) for row in found.rows] == [("duplicated", "2 rows", "1 row")]


@pytest.mark.parametrize(("tolerance", "named"), [("1e-18", []), ("0", ["wide"]), ("1000000000000", [])])
def test_a_tolerance_is_exact_to_the_last_digit(
    connection: duckdb.DuckDBPyConnection, tolerance: str, named: list[str]
):
    for name, last in (("left", 1), ("right", 2)):
        connection.execute(
            f"CREATE OR REPLACE TABLE wides{name} AS "
            f"SELECT 1 AS id, '1234567890123456789.12345678901234567{last}' AS wide, {last} AS other"
        )
    sides = [of_view(connection, f"wides{name}") for name in ("left", "right")]
    types = {"id": ColumnType("integer"), "wide": ColumnType("decimal"), "other": ColumnType("integer")}

    found = compare(connection, *sides, key=("id",), types=types, tolerances={"wide": Decimal(tolerance)})

    assert [row.column for row in found.rows] == ["other", *named]


def test_one_key_for_all_rows_is_no_trap(connection: duckdb.DuckDBPyConnection, tmp_path: Path):
    """A join on such a key would make 10,000,000,000 pairs."""
    for more, name in enumerate(("one", "other")):
        rows = connection.table_function("range", [more, 100_000 + more])
        rows.project("1 AS id, range AS n").write_parquet(str(tmp_path / f"{name}.parquet"))
    one, other = (of_parquet(connection, tmp_path / f"{name}.parquet") for name in ("one", "other"))

    found = compare(
        connection, one, other, key=("id",), types={"id": ColumnType("integer"), "n": ColumnType("integer")}
    )

    assert [(row.kind, row.column, row.left) for row in found.rows] == [("changed", None, "100000 rows")]


def test_names_of_columns_may_hold_anything(connection: duckdb.DuckDBPyConnection):
    name = "a\"b'c;{d} -- é\n"
    quoted = '"' + name.replace('"', '""') + '"'
    connection.execute(f'CREATE OR REPLACE TABLE odd AS SELECT 1 AS {quoted}, 2 AS "SELECT"')
    odd = of_view(connection, "odd")

    found = compare(
        connection, odd, odd, key=(name,), types={name: ColumnType("integer"), "SELECT": ColumnType("integer")}
    )

    assert found.equal
    assert found.left_rows == 1


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"key": ()}, "the key is no column"),
        ({"key": ("nobody",)}, "the key is no column"),
        ({"types": {}}, "no column is to be compared"),
        ({"types": TYPES | {"nobody": ColumnType("text")}}, "there is no column `nobody`"),
        ({"types": TYPES | {"rating": ColumnType("decimal")}}, "never taken as a decimal"),
        ({"tolerances": {"name": Decimal(1)}}, "only a number"),
        ({"tolerances": {"id": Decimal(1)}}, "only a number"),
        ({"tolerances": {"amount": Decimal(-1)}}, "no tolerance"),
        ({"tolerances": {"amount": Decimal("NaN")}}, "no tolerance"),
        ({"tolerances": {"amount": Decimal("1e-19")}}, "no tolerance"),
        ({"most_rows": 0}, "cannot be shown"),
    ],
)
def test_what_cannot_be_asked_is_refused(connection: duckdb.DuckDBPyConnection, asked: dict[str, Any], says: str):
    one = relation(connection, "left", [])

    with pytest.raises(ConfigurationError, match=says):
        compare(connection, one, one, **({"key": ("id",), "types": TYPES} | asked))  # pyrefly: ignore[bad-argument-type]


def test_a_file_that_breaks_off_is_an_error_and_no_difference(connection: duckdb.DuckDBPyConnection, tmp_path: Path):
    whole, broken = tmp_path / "whole.csv", tmp_path / "broken.csv"
    whole.write_text("id,name\n1,a\n2,b\n")
    broken.write_text("id,name\n1,a\n2\n")
    types = {"id": ColumnType("integer"), "name": ColumnType("text")}
    one, other = of_csv(connection, whole), of_csv(connection, broken)

    for failing in (
        lambda: compare(connection, one, other, key=("id",), types=types),
        lambda: digest(connection, other, types),
    ):
        with pytest.raises(VerifyError, match="Expected Number of Columns: 2 Found: 1") as caught:
            failing()
        assert isinstance(caught.value, AdceError)
        assert "broken.csv" in str(caught.value)
