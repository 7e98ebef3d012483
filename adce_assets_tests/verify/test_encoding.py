"""The encoding: what docs/hashing.md promises, and that Python and DuckDB write every value byte for byte alike."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.errors import ConfigurationError
from adce_assets.verify.encoding import ColumnType, Kind, encode, encode_row, hash_rows
from adce_assets.verify.encoding_sql import field_sql, kind_of
from adce_assets_tests.examples import examples

VECTORS = json.loads((Path(__file__).parent / "hash_vectors.json").read_text())
DOCUMENT = (Path(__file__).parents[2] / "docs" / "hashing.md").read_text()
TYPES = {name: ColumnType(kind) for name, kind in VECTORS["types"].items()}
ZONES = st.integers(-15 * 60, 15 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Lend a DuckDB whose own time zone is none that anybody should use."""
    with duckdb.connect(config={"threads": 1}) as opened:
        opened.execute("SET TimeZone = 'Pacific/Chatham'")
        yield opened


def in_duckdb(
    connection: duckdb.DuckDBPyConnection, values: list[Any], physical: str, column: ColumnType
) -> list[tuple[Any, str]]:
    """Give values to DuckDB; get each back as DuckDB has it, with what it is written as there."""
    source, given = f"?::{physical}[]", values
    if physical.startswith("DECIMAL"):  # as text, for DuckDB's client makes doubles of small ones
        source, given = (
            f"?::VARCHAR[]::{physical}[]",
            [None if value is None else str(value) if isinstance(value, str) else f"{value:f}" for value in values],
        )
    query = f"SELECT x, {field_sql('x', physical, column)} FROM (SELECT unnest({source}) AS x)"
    return connection.execute(query, [given]).fetchall()


@pytest.mark.parametrize("vector", VECTORS["values"], ids=lambda vector: f"{vector['type']} {vector['value']!a}")
def test_a_value_is_written_as_the_vectors_say(connection: duckdb.DuckDBPyConnection, vector: dict[str, str]):
    connection.execute("SET TimeZone = 'UTC'")
    ((_, written),) = in_duckdb(connection, [vector["value"]], vector["from"], ColumnType(vector["type"]))  # pyrefly: ignore[bad-argument-type]

    assert written == vector["written"]


@pytest.mark.parametrize("vector", VECTORS["sets"], ids=lambda vector: f"{len(vector['rows'])} rows")
def test_a_set_is_hashed_as_the_document_says(vector: dict[str, Any]):
    """By the few lines that an auditor would write."""
    numbers = [
        int.from_bytes(hashlib.md5(row.encode(), usedforsecurity=False).digest(), "little") for row in vector["written"]
    ]
    upper, lower = sum(number >> 64 for number in numbers), sum(number & (2**64 - 1) for number in numbers)

    assert [encode_row(row, TYPES) for row in vector["rows"]] == vector["written"]
    assert hash_rows(vector["rows"], TYPES) == vector["hash"] == f"v1:{upper % 2**64:016x}{lower % 2**64:016x}"


def test_every_vector_stands_in_the_document():
    lines = set(re.findall(r"\| (\w+) \| ([^|]+) \| (.+) \| (`.*`) \|\n", DOCUMENT.replace("\\|", "\x00")))

    for vector in VECTORS["values"]:
        value, written = json.dumps(vector["value"]), json.dumps(vector["written"])[1:-1]
        shown = "NULL" if vector["value"] is None else f"`{value}`"
        line = (vector["type"], vector["from"], shown, f"`{written}`")
        assert tuple(part.replace("|", "\x00") for part in line) in lines
    for vector in VECTORS["sets"]:
        assert vector["hash"] in DOCUMENT


def texts() -> st.SearchStrategy[str]:
    """Give texts of letters that Unicode had already when Python's own tables were made, among them what composes."""
    assigned = st.characters(exclude_categories=("Cs", "Cn"))
    near = st.sampled_from("|:~?!\\\x00 aAeE\u0301\u0327\u0308\u1100\u1161\u11a8\u017f\ufb01\u0663\u00a0\n")
    return st.text(st.one_of(near, assigned), max_size=12)


def numeric_texts() -> st.SearchStrategy[str]:
    return st.one_of(
        st.from_regex(r"[+-]{0,2}[0-9]{0,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
        st.sampled_from(
            ["nan", "-NaN", "inf", "+Infinity", "infinit", "t", "FALSE", "1", "0", "", "1_0", "\u0663", "1\n"]
        ),
    )


def moment_texts() -> st.SearchStrategy[str]:
    moments = st.datetimes(timezones=st.one_of(st.none(), ZONES))
    forms = st.sampled_from(
        [lambda m: m.isoformat(), lambda m: m.isoformat(" "), lambda m: m.isoformat(" ", "minutes"), str]
    )
    written = st.builds(lambda moment, form: form(moment), moments, forms)
    odd = [
        "infinity",
        "-infinity",
        "2023-02-29",
        "2024-02-29 24:00",
        "0000-01-01",
        "2024-02-29T12:00:60",
        "2024-2-9",
        "now",
    ]
    return st.one_of(
        written, written.map(lambda text: text[:10]), written.map(lambda text: text + "Z"), st.sampled_from(odd)
    )


WIDE = {"BIGINT": 2**63, "HUGEINT": 2**127, "INTEGER": 2**31}
INTEGERS = {name: st.integers(-half, half - 1) for name, half in WIDE.items()}
FLOATS = st.one_of(st.floats(), st.integers(-(10**20), 10**20).map(float))
DECIMALS = {
    "DECIMAL(12,2)": st.decimals(-(10**9), 10**9, places=2),
    "DECIMAL(38,38)": st.decimals(Decimal("-0.9"), Decimal("0.9"), places=38),
    "DECIMAL(5,0)": st.decimals(-99999, 99999, places=0),
}
CASES: list[tuple[Kind, str, st.SearchStrategy[Any]]] = [
    ("text", "VARCHAR", texts()),
    *(("integer", name, values) for name, values in INTEGERS.items()),
    *(("float", name, values) for name, values in INTEGERS.items()),
    ("integer", "DOUBLE", FLOATS),
    ("float", "DOUBLE", FLOATS),
    *((kind, name, values) for kind in ("decimal", "integer", "float") for name, values in DECIMALS.items()),
    *((kind, "VARCHAR", numeric_texts()) for kind in ("decimal", "integer", "float", "boolean")),
    ("boolean", "BOOLEAN", st.booleans()),
    ("boolean", "INTEGER", st.integers(-3, 3)),
    ("date", "DATE", st.dates()),
    (
        "date",
        "TIMESTAMP",
        st.one_of(st.datetimes(), st.dates().map(lambda day: datetime.fromisoformat(day.isoformat()))),
    ),
    ("date", "VARCHAR", moment_texts()),
    ("timestamp", "DATE", st.dates()),
    ("timestamp", "TIMESTAMP", st.datetimes()),
    ("timestamp", "VARCHAR", moment_texts()),
]


@pytest.mark.parametrize(
    ("kind", "physical", "values"), CASES, ids=lambda given: given if isinstance(given, str) else ""
)
def test_duckdb_and_python_write_alike(
    connection: duckdb.DuckDBPyConnection, kind: Kind, physical: str, values: st.SearchStrategy[Any]
):
    column = ColumnType(kind)

    @settings(max_examples=examples(6))
    @given(st.lists(st.one_of(st.none(), values), min_size=1, max_size=40))
    def alike(given: list[Any]) -> None:
        for value, (_, written) in zip(given, in_duckdb(connection, given, physical, column), strict=True):
            assert written == encode(value, column)

    alike()


@settings(max_examples=examples(20))
@given(st.lists(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES), min_size=1, max_size=20))  # noqa: DTZ001 - Hypothesis wants them so
def test_a_moment_is_the_same_in_every_zone(connection: duckdb.DuckDBPyConnection, moments: list[datetime]):
    column = ColumnType("timestamp")
    rows = in_duckdb(connection, moments, "TIMESTAMP WITH TIME ZONE", column)

    written = [encode(moment, column) for moment in moments]
    assert [there for _, there in rows] == written
    assert [encode(moment.astimezone(UTC).replace(tzinfo=None), column) for moment in moments] == written


@settings(max_examples=examples(200))
@given(*(st.lists(st.one_of(st.none(), st.text("|:~?1a\u0301\\", max_size=5)), min_size=3, max_size=3),) * 2)
def test_rows_that_differ_are_written_differently(one: list[str | None], other: list[str | None]):
    types = {name: ColumnType("text") for name in ("a", "b", "c")}

    def normal(row: list[str | None]) -> list[str | None]:
        return [None if text is None else unicodedata.normalize("NFC", text) for text in row]

    rows = [dict(zip(types, row, strict=True)) for row in (one, other)]
    assert (encode_row(rows[0], types) == encode_row(rows[1], types)) == (normal(one) == normal(other))


@settings(max_examples=examples(100))
@given(st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=8), st.randoms(use_true_random=False))
def test_the_hash_of_a_set_knows_no_order_and_counts_each_row(numbers: list[int | None], random: Any):
    types = {"n": ColumnType("integer")}
    rows = [{"n": number} for number in numbers]
    shuffled = random.sample(rows, len(rows))

    assert hash_rows(shuffled, types) == hash_rows(rows, types)
    assert hash_rows([*rows, {"n": 1}], types) != hash_rows(rows, types)


def test_bytes_count_where_the_schema_says_so(connection: duckdb.DuckDBPyConnection):
    column = ColumnType("text", normalized=False)
    given = ["\u0107", "c\u0301"]

    written = [encode(text, column) for text in given]
    assert written == ["2:\u0107", "3:c\u0301"]
    assert [there for _, there in in_duckdb(connection, given, "VARCHAR", column)] == written


@pytest.mark.parametrize(
    ("kind", "physical", "value"),
    [("decimal", "DOUBLE", 0.1), ("text", "INTEGER", 1), ("boolean", "DOUBLE", 1.0), ("integer", "BOOLEAN", True)],
)
def test_a_type_that_would_lose_something_is_refused(kind: Kind, physical: str, value: Any):
    with pytest.raises(ConfigurationError, match="cannot be taken as"):
        field_sql("x", physical, ColumnType(kind))
    with pytest.raises(ConfigurationError, match="cannot be taken as"):
        encode(value, ColumnType(kind))


@pytest.mark.parametrize(
    ("left", "right", "kind"),
    [
        ("VARCHAR", "VARCHAR", "text"),
        ("VARCHAR", "BIGINT", "integer"),
        ("INTEGER", "HUGEINT", "integer"),
        ("INTEGER", "DECIMAL(10,2)", "decimal"),
        ("DECIMAL(10,2)", "VARCHAR", "decimal"),
        ("DECIMAL(10,2)", "DOUBLE", "float"),
        ("FLOAT", "BIGINT", "float"),
        ("DATE", "TIMESTAMP_NS", "timestamp"),
        ("UUID", "VARCHAR", "text"),
        ("BOOLEAN", "INTEGER", None),
        ("DATE", "BIGINT", None),
    ],
)
def test_two_kinds_of_storage_meet_in_the_type_that_holds_both(left: str, right: str, kind: Kind | None):
    assert kind_of(left, right) == kind_of(right, left) == kind
