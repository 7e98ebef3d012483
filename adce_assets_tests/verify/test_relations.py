"""Places of every kind, opened as relations: what is read is what is there."""

import gzip
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest
import zstandard

from adce_assets.errors import AdceError, ConfigurationError, VerifyError
from adce_assets.verify.difference import Difference, compare
from adce_assets.verify.encoding import ColumnType
from adce_assets.verify.relations import inferred, open_relation

MADE = """
    CREATE TABLE made AS SELECT i AS id, CASE i WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'a,"b"\n|c' ELSE 'Jokić'
        END AS name, (i / 4)::DECIMAL(12,4) AS amount, i / 7.0::DOUBLE AS rating, (i / 3)::FLOAT AS small,
        i % 2 = 0 AS home, DATE '2024-02-27' + i::INTEGER AS "day",
        TIMESTAMPTZ '2024-01-15 19:30:00.5+00' + to_hours(i) AS "at",
        TIMESTAMP '2024-01-15 19:30:00' + to_hours(i) AS local, uuid_value AS "token"
    FROM range(6) rows(i), (SELECT '5f1c0c2b-9d7e-4a31-8b86-d011b42d00c0'::UUID AS uuid_value)"""

AS_TEXT = "SELECT * REPLACE (small::DOUBLE AS small) FROM made"
"""A FLOAT is the double that it equals, of which a text has to give all digits."""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as opened:
        opened.execute("SET TimeZone = 'Asia/Kathmandu'")
        opened.execute(MADE)
        yield opened


def difference(
    connection: duckdb.DuckDBPyConnection, left: str | Path, right: str | Path, folder: Path, **given: ColumnType
) -> Difference:
    one, other = (open_relation(connection, str(place), folder=folder) for place in (left, right))
    return compare(connection, one, other, key=("id",), types=inferred(one, other, given=given))


def written(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Path]:
    """Write the made rows in every form of file, each in another order."""
    connection.execute("SET TimeZone = 'UTC'")
    for name, rows, options in (
        ("made.parquet", "FROM made ORDER BY id", ""),
        ("made.csv", f"{AS_TEXT} ORDER BY rating DESC", "(HEADER, FORCE_QUOTE (name))"),
        ("made.tsv", f"{AS_TEXT} ORDER BY hash(id)", "(HEADER, DELIMITER '\t')"),
    ):
        connection.execute(f"COPY ({rows}) TO '{folder / name}' {options}")
    text = (folder / "made.csv").read_bytes()
    (folder / "made.csv.gz").write_bytes(gzip.compress(text))
    (folder / "made.csv.zst").write_bytes(zstandard.compress(text))
    connection.execute(f"ATTACH '{folder / 'made.duckdb'}' AS kept; CREATE SCHEMA kept.deep")
    connection.execute("CREATE TABLE kept.made AS FROM made; CREATE VIEW kept.deep.seen AS FROM kept.made; DETACH kept")
    return {path.name: path for path in folder.iterdir()}


def test_the_same_rows_are_the_same_in_every_form(connection: duckdb.DuckDBPyConnection, tmp_path: Path):
    files = written(connection, tmp_path)
    places = [files["made.csv"], files["made.csv.gz"], files["made.csv.zst"], f"{files['made.duckdb']}#made"]
    places += [files["made.tsv"], f"duckdb://{files['made.duckdb']}#deep.seen", tmp_path / "*.parquet"]

    for place in places:
        found = difference(connection, files["made.parquet"], place, tmp_path)
        assert (found.rows, found.left_rows, found.right_rows) == ((), 6, 6)


def test_a_csv_file_tells_nothing_from_the_empty_text(connection: duckdb.DuckDBPyConnection, tmp_path: Path):
    (tmp_path / "one.csv").write_text('id,name\n1,\n2,""\n3,NULL\n')
    (tmp_path / "other.csv").write_bytes(b'\xef\xbb\xbfid,name\r\n3,"NULL"\r\n2,\r\n1,""\r\n')

    found = difference(connection, tmp_path / "one.csv", tmp_path / "other.csv", tmp_path)

    assert [(row.key, row.left, row.right) for row in found.rows] == [(("1",), None, ""), (("2",), "", None)]


def test_two_csv_files_are_texts_unless_somebody_says_more(connection: duckdb.DuckDBPyConnection, tmp_path: Path):
    (tmp_path / "one.csv").write_text("id,amount\n007,1.0\n")
    (tmp_path / "other.csv").write_text("amount,id\n1,007\n")
    places = tmp_path / "one.csv", tmp_path / "other.csv"

    assert [row.column for row in difference(connection, *places, tmp_path).rows] == ["amount"]
    assert difference(connection, *places, tmp_path, amount=ColumnType("decimal")).equal


def test_what_postgresql_holds_is_compared_exactly(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, postgresql: Any
):
    files = written(connection, tmp_path)
    url = postgresql.get_uri()
    with psycopg2.connect(url) as server, server.cursor() as cursor:
        cursor.execute('CREATE SCHEMA "Odd"')
        cursor.execute("""
            CREATE TABLE "Odd"."Made" (id bigint, name text, amount numeric, rating double precision, small real,
                home boolean, "day" date, "at" timestamptz, local timestamp, token uuid)""")
        columns = ", ".join(f'"{row[0]}"' for row in connection.execute("DESCRIBE made").fetchall())
        for row in connection.execute(f"SELECT {columns} FROM made").fetchall():
            cursor.execute(
                'INSERT INTO "Odd"."Made" VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::uuid)', [*map(plain, row)]
            )
        cursor.execute('UPDATE "Odd"."Made" SET amount = amount + 1e-30 WHERE id = 4')
    server.close()

    found = difference(connection, files["made.parquet"], f"{url}#Odd.Made", tmp_path)

    assert [(row.key, row.column, row.right) for row in found.rows] == [
        (("4",), "amount", "1.000000000000000000000000000001")
    ]


def plain(value: Any) -> Any:
    return str(value) if type(value).__name__ == "UUID" else value


def test_a_heading_may_say_anything(connection: duckdb.DuckDBPyConnection, tmp_path: Path):
    (tmp_path / "odd.csv").write_text('id,"it\'s ""a"", b",select\n1,2,3\n')

    relation = open_relation(connection, str(tmp_path / "odd.csv"), folder=tmp_path)

    assert [*relation.columns] == ["id", 'it\'s "a", b', "select"]
    assert difference(connection, tmp_path / "odd.csv", tmp_path / "odd.csv", tmp_path).left_rows == 1


def test_a_password_is_never_shown(connection: duckdb.DuckDBPyConnection, tmp_path: Path):
    for place in ("postgresql://me:secret@127.0.0.1:1/db#t", "postgresql://me:secret@127.0.0.1:1/db"):
        with pytest.raises(AdceError) as caught:
            open_relation(connection, place, folder=tmp_path)
        assert "secret" not in str(caught.value)
        assert "127.0.0.1:1/db" in str(caught.value)


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://me:pa#secret@host/db#t",
        "postgresql://me:1#secret@host/db",
        "postgresql://host/db?user=me&password=pa&sslpassword=a#secret#t",
        "postgresql://127.0.0.1:1/db?user=me&password=secret%26y#t",
        "postgres://me:se/secret@host/db#t",
    ],
)
def test_a_password_is_not_shown_however_it_is_written(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, place: str
):
    with pytest.raises(AdceError) as caught:
        open_relation(connection, place, folder=tmp_path)
    assert "secret" not in str(caught.value)


def test_two_tables_of_one_name_are_two_relations(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, postgresql: Any
):
    url = postgresql.get_uri()
    with closing(psycopg2.connect(url)) as server, server, server.cursor() as cursor:
        for schema, number in (("one_side", 1), ("other_side", 2)):
            cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
            cursor.execute(f"CREATE TABLE {schema}.plays AS SELECT {number} AS id")
    options = f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D"
    sides = [f"{options}{schema}#plays" for schema in ("one_side", "other_side")]
    found = [open_relation(connection, place, folder=tmp_path) for place in sides]
    assert [connection.sql(f"SELECT id FROM {one.sql}").fetchall() for one in found] == [[("1",)], [("2",)]]


def test_a_folders_name_is_no_column(connection: duckdb.DuckDBPyConnection, tmp_path: Path):
    (tmp_path / "season=2024").mkdir()
    connection.sql("SELECT 1 AS id").write_parquet(str(tmp_path / "season=2024" / "a.parquet"))

    assert [*open_relation(connection, str(tmp_path / "*" / "a.parquet"), folder=tmp_path).columns] == ["id"]


def test_a_files_name_is_no_pattern_where_there_is_such_a_file(connection: duckdb.DuckDBPyConnection, tmp_path: Path):
    connection.sql("SELECT 1 AS id").write_parquet(str(tmp_path / "a.parquet"))
    connection.sql("SELECT 2 AS id").write_parquet(str(tmp_path / "[a]'#1.parquet"))

    found = difference(connection, tmp_path / "[a]'#1.parquet", tmp_path / "a.parquet", tmp_path)

    assert [(row.kind, row.key) for row in found.rows] == [("exclusive_left", ("2",)), ("exclusive_right", ("1",))]


def test_a_long_text_is_compared_and_one_that_is_too_long_is_not_what_the_error_says(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
):
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text(f'id,name\n1,"{"x" * 3_000_000}"\n')
    other.write_text(f'id,name\n1,"{"x" * 2_999_999}y"\n')
    assert difference(connection, one, other, tmp_path).changed == 1

    other.write_text(f'id,name\n1,"{"x" * 17_000_000}"\n')
    with pytest.raises(VerifyError, match="Maximum line size") as caught:
        difference(connection, one, other, tmp_path)
    assert len(str(caught.value)) < 2_000


@pytest.mark.parametrize(
    ("place", "text", "error", "says"),
    [
        ("nothing.parquet", None, VerifyError, "no such file"),
        ("nothing.csv", None, VerifyError, "no such file"),
        ("nothing.duckdb#t", None, VerifyError, "no such file"),
        ("table", None, ConfigurationError, "names no table"),
        ("postgresql://h/db", None, ConfigurationError, "names no table"),
        ("broken.parquet", "PAR1", VerifyError, "cannot be read"),
        ("broken.duckdb#t", "text", VerifyError, "cannot be opened as a DuckDB file"),
        ("empty.csv", "", VerifyError, "no heading"),
        ("twice.csv", "id,name,id\n", VerifyError, "two columns are called `id`"),
        ("case.csv", "id,Name,name\n", VerifyError, "`Name` and `name` differ in case alone"),
        ("broken.csv.gz", "text", VerifyError, "heading cannot be read"),
        ("broken.csv.zst", "text", VerifyError, "heading cannot be read"),
        ("endless.csv", '"' + "a" * 2_000_000, VerifyError, "heading cannot be read"),
        ("latin.csv", "\udce9\n", VerifyError, "heading cannot be read"),
    ],
)
def test_a_place_that_is_none_is_an_error(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    place: str,
    text: str | None,
    error: type[AdceError],
    says: str,
):
    if text is not None:
        (tmp_path / place.partition("#")[0]).write_bytes(text.encode(errors="surrogateescape"))
    where = place if "//" in place else str(tmp_path / place)

    with pytest.raises(error, match=says):
        open_relation(connection, where, folder=tmp_path)


def test_a_table_that_is_not_there_is_told_with_those_that_are(connection: duckdb.DuckDBPyConnection, tmp_path: Path):
    file = written(connection, tmp_path)["made.duckdb"]

    with pytest.raises(VerifyError, match=r"there is no table `mad`") as caught:
        open_relation(connection, f"{file}#mad", folder=tmp_path)
    assert caught.value.valid == "deep.seen, main.made"


@pytest.mark.parametrize(
    ("left", "right", "says"),
    [
        ("1 AS id, 2 AS points", "1 AS id", "only this side has `points`"),
        ("1 AS id, true AS home", "1 AS id, 1.5 AS home", "`home` is BOOLEAN on the left and DECIMAL"),
    ],
)
def test_columns_that_cannot_be_compared_are_told(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, left: str, right: str, says: str
):
    for name, columns in (("left", left), ("right", right)):
        connection.sql(f"SELECT {columns}").write_parquet(str(tmp_path / f"{name}.parquet"))

    with pytest.raises(ConfigurationError, match=says):
        difference(connection, tmp_path / "left.parquet", tmp_path / "right.parquet", tmp_path)


def test_lists_tell_null_from_the_word(connection: duckdb.DuckDBPyConnection, tmp_path: Path):
    connection.sql("SELECT 1 AS id, [NULL, 'a, b'] AS names").write_parquet(str(tmp_path / "left.parquet"))
    connection.sql("SELECT 1 AS id, ['NULL', 'a', 'b'] AS names").write_parquet(str(tmp_path / "right.parquet"))

    found = difference(connection, tmp_path / "left.parquet", tmp_path / "right.parquet", tmp_path)

    assert [(row.left, row.right) for row in found.rows] == [('[null,"a, b"]', '["NULL","a","b"]')]
