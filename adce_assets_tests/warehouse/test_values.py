"""A value is exactly what the document says, or it is refused; nothing is rounded, guessed or cut."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.warehouse.entities import Column, ColumnType
from adce_assets.warehouse.values import plain, typed

AMOUNT = Column(type="decimal", scale=2)
EXACT: list[tuple[ColumnType, Any, Any]] = [
    ("text", "", ""),
    ("text", " a ", " a "),
    ("text", 1610612751, "1610612751"),
    ("text", "e\u0301", "e\u0301"),
    ("integer", 7, 7),
    ("integer", "007", 7),
    ("integer", "-7", -7),
    ("integer", Decimal("7.0"), 7),
    ("integer", Decimal("7E2"), 700),
    ("integer", 2**63 - 1, 2**63 - 1),
    ("float", Decimal("0.1"), 0.1),
    ("float", 3, 3.0),
    ("boolean", True, True),
    ("boolean", "1", True),
    ("boolean", 0, False),
    ("date", "2025-01-01", date(2025, 1, 1)),
    ("date", "20250101", date(2025, 1, 1)),
    ("timestamp", "2025-01-01T10:00Z", datetime(2025, 1, 1, 10, tzinfo=UTC)),
    ("timestamp", "2025-01-01T10:00:00-05:00", datetime(2025, 1, 1, 15, tzinfo=UTC)),
]
REFUSED: list[tuple[ColumnType, Any]] = [
    ("text", True),
    ("text", Decimal("1.5")),
    ("text", []),
    ("integer", True),
    ("integer", ""),
    ("integer", "1.5"),
    ("integer", "٣"),
    ("integer", 2**63),
    ("integer", Decimal("1E+400")),
    ("integer", Decimal("1E+999999999")),
    ("float", "nan"),
    ("float", "1e999"),
    ("float", "1_0"),
    ("boolean", "yes"),
    ("boolean", 2),
    ("date", "01/02/2025"),
    ("date", "2025-01-01T23:00Z"),
    ("timestamp", "2025-01-01T10:00:00"),
    ("timestamp", "0001-01-01T00:00:00+14:00"),
    ("timestamp", {}),
]


@pytest.mark.parametrize(("kind", "found", "value"), EXACT)
def test_a_value_is_read_as_it_stands(kind: ColumnType, found: Any, value: Any) -> None:
    read = typed(Column(type=kind), found)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(("kind", "found"), REFUSED)
def test_what_is_no_value_is_refused_with_the_reason(kind: ColumnType, found: Any) -> None:
    with pytest.raises(ValueError, match=r"is no |is too large|has no zone|depends on a `zone`"):
        typed(Column(type=kind), found)


@pytest.mark.parametrize("found", ["0.125", Decimal("0.001"), 10**37, "1e36", "--1", "", "1e999"])
def test_an_amount_that_its_column_cannot_hold_is_never_rounded(found: Any) -> None:
    with pytest.raises(ValueError, match=r"digits behind the point|too large|is no number"):
        typed(AMOUNT, found)


@settings(max_examples=100)
@given(st.decimals(min_value=-(10**30), max_value=10**30, places=2))
def test_an_amount_travels_without_a_float_on_the_way(amount: Decimal) -> None:
    document = f'{{"a": {amount}}}'
    read = typed(AMOUNT, json.loads(document, parse_float=Decimal)["a"])
    assert read == amount
    assert plain(read) == f"{amount:.2f}"


def test_the_date_of_an_instant_is_that_of_the_zone() -> None:
    late = "2024-01-03T03:30Z"
    assert typed(Column(type="date"), late, "America/New_York") == date(2024, 1, 2)
    assert typed(Column(type="date"), late, "UTC") == date(2024, 1, 3)


def test_the_date_of_an_instant_whose_day_has_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="`0001-01-01T00:00Z` is no date"):
        typed(Column(type="date"), "0001-01-01T00:00Z", "America/New_York")


def test_a_year_travels_with_all_its_digits() -> None:
    assert plain(typed(Column(type="timestamp"), "0025-01-02T00:00Z")) == "0025-01-02 00:00:00.000000+00"


def test_a_time_without_a_zone_is_in_the_one_that_is_given() -> None:
    read = typed(Column(type="timestamp"), "2025-07-01 19:30:00", "America/New_York")
    assert read == datetime(2025, 7, 1, 23, 30, tzinfo=UTC)
    assert plain(read) == "2025-07-01 23:30:00.000000+00"
