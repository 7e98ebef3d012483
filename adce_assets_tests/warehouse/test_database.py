"""The same statements do the same in DuckDB and in PostgreSQL."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adce_assets.errors import WarehouseError
from adce_assets.settings import load_settings
from adce_assets.warehouse.database import Columns, Warehouse, open_warehouse, quoted
from adce_assets_tests.warehouse.conftest import asked

EVERY: Columns = (
    ("t", "text"),
    ("i", "integer"),
    ("d", "decimal(3)"),
    ("f", "float"),
    ("b", "boolean"),
    ("day", "date"),
    ("at", "timestamp"),
)
ROW = ("a\tb\\N\n\r", -(2**63), "12345678901234567890.125", -0.0, True, "1946-11-01", "2025-01-01 10:00:00.000001+00")


def test_a_row_of_every_type_comes_out_as_it_went_in_and_so_does_none(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.transaction() as connection:
        connection.create("things", EVERY)
        assert connection.insert("things", EVERY, [ROW, [None] * 7]) == 2
        assert connection.export("SELECT * FROM things WHERE t IS NULL OR i < ?", (0,), tmp_path / "x.parquet") == 2
    first, none = sorted(pq.read_table(tmp_path / "x.parquet").to_pylist(), key=lambda row: row["i"] is None)
    moment = datetime(2025, 1, 1, 10, 0, 0, 1, tzinfo=UTC)
    exact = Decimal("12345678901234567890.125")
    assert tuple(first.values()) == (ROW[0], ROW[1], exact, 0.0, True, date(1946, 11, 1), moment)
    assert str(first["f"]) == "-0.0"
    assert set(none.values()) == {None}


def test_an_export_of_nothing_has_the_columns_all_the_same(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.transaction() as connection:
        connection.create("things", EVERY)
        assert connection.export("SELECT t, i FROM things", (), tmp_path / "x.parquet") == 0
    assert pq.read_schema(tmp_path / "x.parquet").names == ["t", "i"]


TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS)
def test_any_text_comes_out_as_it_went_in(warehouse: Warehouse, texts: list[str | None]) -> None:
    with warehouse.transaction() as connection:
        connection.create("texts", (("n", "integer"), ("t", "text")))
        connection.execute("DELETE FROM texts")
        connection.insert("texts", (("n", "integer"), ("t", "text")), list(enumerate(texts)))
        assert [text for (text,) in connection.rows("SELECT t FROM texts ORDER BY n")] == texts


def test_a_block_that_fails_has_done_nothing(warehouse: Warehouse) -> None:
    def fail() -> None:
        with warehouse.transaction() as connection:
            connection.create("things", EVERY)
            connection.execute("INSERT INTO things (i) VALUES (?)", (1,))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(WarehouseError, match="the warehouse refuses"):
        asked(warehouse, "SELECT * FROM things")


def test_statements_tell_how_many_rows_they_changed(warehouse: Warehouse) -> None:
    with warehouse.transaction() as connection:
        connection.create("things", EVERY)
        connection.insert("things", EVERY, [ROW, ROW, [None] * 7])
        assert connection.execute("UPDATE things SET t = ? WHERE i < ?", ("100%", 0)) == 2
        assert connection.execute("DELETE FROM things WHERE i IS NULL") == 1
        assert connection.rows("SELECT COUNT(*) FROM things WHERE t LIKE '100%'") == [(2,)]


def test_a_duckdb_file_is_let_go_at_the_end_and_opens_again(tmp_path: Path) -> None:
    url = f"duckdb://{tmp_path}/a/b.duckdb"
    for rows in (1, 2):
        with open_warehouse(url) as opened, opened.transaction() as connection:
            connection.create("things", EVERY)
            connection.execute("INSERT INTO things (i) VALUES (1)")
            assert connection.rows("SELECT COUNT(*) FROM things") == [(rows,)]


def test_a_file_that_is_no_warehouse_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "x.duckdb").write_text("something else")
    with (
        open_warehouse(f"duckdb://{tmp_path}/x.duckdb") as opened,
        pytest.raises(WarehouseError, match="cannot be opened"),
        opened.transaction(),
    ):
        pass


@pytest.mark.parametrize(
    "url", ["", "sqlite:///x", "duckdb:///", "duckdb:relative", "mysql://h/d", "postgresql://a:b@c:d@e/f"]
)
def test_a_url_of_something_else_is_refused_with_what_is_valid(url: str) -> None:
    with pytest.raises(WarehouseError, match="valid: duckdb:///path"):
        open_warehouse(url)


def test_a_password_is_not_told_when_the_database_cannot_be_reached() -> None:
    opened = open_warehouse("postgresql://adce:s%40cret@127.0.0.1:1/warehouse")
    with pytest.raises(WarehouseError) as told, opened.transaction():
        pass
    assert "127.0.0.1:1/warehouse" in str(told.value)
    assert "cret" not in str(told.value)


@pytest.mark.parametrize("name", ["a b", 'a"b', "1a", "ä", "a;b", "a-b"])
def test_a_name_that_is_none_is_no_part_of_a_statement(name: str) -> None:
    with pytest.raises(WarehouseError, match="is no name"):
        quoted(name)


def test_blocks_that_ask_to_be_alone_wait_for_each_other(warehouse: Warehouse) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with warehouse.transaction() as connection:
        connection.create("numbers", (("n", "integer"),))
        connection.execute("INSERT INTO numbers VALUES (0)")

    def add(_: int) -> None:
        with warehouse.transaction(alone=True) as connection:
            ((number,),) = connection.rows("SELECT n FROM numbers")
            connection.execute("UPDATE numbers SET n = ?", (number + 1,))

    run: Callable[[int], None] = add
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(12)))
    assert asked(warehouse, "SELECT n FROM numbers") == [(12,)]


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "duckdb://{home}/.adce/warehouse.duckdb"),
        ({"ADCE_DATABASE_URL": "sqlite:///ledger.sqlite"}, "duckdb://{home}/.adce/warehouse.duckdb"),
        ({"ADCE_DATABASE_URL": "postgresql://db/adce"}, "postgresql://db/adce"),
        ({"ADCE_DATABASE_URL": "postgresql://db/adce", "ADCE_WAREHOUSE_URL": "duckdb:///w"}, "duckdb:///w"),
    ],
)
def test_the_warehouse_is_where_it_is_said_or_with_the_ledger_or_in_a_file(
    tmp_path: Path, variables: dict[str, str], url: str
) -> None:
    (tmp_path / "config").mkdir()
    for name in ("reconciliation_config", "autonomous_config"):
        (tmp_path / "config" / f"{name}.yaml").write_text("")
    told = load_settings({"ADCE_HOME": str(tmp_path), **variables})
    assert told.warehouse_url == url.format(home=tmp_path)
